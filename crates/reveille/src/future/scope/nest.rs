//! What both kinds of scope are made of: a body and its children, inside one future.
//!
//! The future owns the children outright, so nothing is locked while one is polled or dropped. The
//! handles share an intake with it, through which new children arrive, and the token. `B` is the
//! boxed child, which says whether children may be sent to another thread, and for how long what
//! they borrow lives. There is no unsafe code: the boxes carry the lifetime, and whoever forgets
//! the future forgets its children with it.
//!
//! # Invariants
//!
//! 1. The intake is closed before the future has an outcome, by its drop at the latest, and what is
//!    in a closed intake is dropped at once. So a handle that escaped keeps no child alive.
//! 2. Whoever puts a child into the intake wakes the task, unless the future is being polled, which
//!    then looks into the intake again before it returns.
//! 3. Under the intake's lock nothing of the user's runs.

use std::any::Any;
use std::fmt;
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::pin::Pin;
use std::sync::{Arc, PoisonError};
use std::task::{Context, Poll};

use pin_project_lite::pin_project;

use super::super::group::{Group, Notifier, POLLS, Signal};
use crate::protocol::{AtomicBool, Mutex, MutexGuard, Ordering, budget, task};
use crate::task::{CancellationToken, CancelledFuture};

/// The body's number in the queue of who was woken.
const BODY: usize = usize::MAX;

/// What the future of a scope shares with its handles.
pub(super) struct Shared<B, E> {
    intake: Mutex<Intake<B, E>>,
    /// An error waits in the intake.
    has_failed: AtomicBool,
    token: CancellationToken,
    task: Notifier,
}

struct Intake<B, E> {
    arrivals: Vec<B>,
    error: Option<E>,
    is_open: bool,
    is_polling: bool,
}

impl<B, E> Shared<B, E> {
    pub(super) fn token(&self) -> &CancellationToken {
        &self.token
    }

    /// Hands a child over. It is dropped at once when the scope has ended or was cancelled.
    pub(super) fn add(&self, child: B) {
        let mut child = Some(child);
        let is_polling = {
            let mut intake = self.lock();
            if intake.is_open && !self.token.is_cancelled() {
                intake.arrivals.extend(child.take());
            }
            intake.is_polling
        };
        if !is_polling {
            self.task.notify();
        }
        drop(child);
    }

    /// Moves those that have arrived to the others, or drops them when the scope was cancelled.
    fn admit(&self, children: &mut Group<B>) {
        let arrivals = std::mem::take(&mut self.lock().arrivals);
        if self.token.is_cancelled() {
            // The others may be gone already, and nobody would drop these. If it is cancelled from
            // here on, the next turn drops them with the others.
            return drop(arrivals);
        }
        for child in arrivals {
            children.insert(child);
        }
    }

    /// A child has failed: the first error is that of the scope. Called by a child that is polled.
    pub(super) fn fail(&self, error: E) {
        let mut error = Some(error);
        {
            let mut intake = self.lock();
            if intake.is_open && intake.error.is_none() {
                intake.error = error.take();
                self.has_failed.store(true, Ordering::Relaxed);
            }
        }
        drop(error);
    }

    /// Whether a child has failed. Children fail on the thread that asks.
    fn has_failed(&self) -> bool {
        self.has_failed.load(Ordering::Relaxed)
    }

    /// Ends the scope for its handles.
    fn close(&self) -> Option<E> {
        let (arrivals, error) = {
            let mut intake = self.lock();
            intake.is_open = false;
            (std::mem::take(&mut intake.arrivals), intake.error.take())
        };
        self.token.cancel();
        drop(arrivals);
        error
    }

    fn lock(&self) -> MutexGuard<'_, Intake<B, E>> {
        self.intake.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Closes the scope when its future is dropped.
struct Owner<B, E>(Arc<Shared<B, E>>);

impl<B, E> Drop for Owner<B, E> {
    fn drop(&mut self) {
        drop(self.0.close());
    }
}

pin_project! {
    /// The future of a scope: resolves to the body's output, or a child's error.
    #[must_use = "futures do nothing unless you `.await` or poll them"]
    pub(super) struct Nest<Body: Future, B, E> {
        #[pin]
        body: Option<Body>,
        output: Option<Body::Output>,
        body_signal: Signal,
        children: Group<B>,
        cancelled: Option<CancelledFuture>,
        // Last: what the drop of the others hands over is dropped by this one.
        owner: Owner<B, E>,
    }
}

impl<Body: Future, B, E> Nest<Body, B, E> {
    /// A scope whose body `start` makes, given what the handles share.
    pub(super) fn new(start: impl FnOnce(&Arc<Shared<B, E>>) -> Body) -> Nest<Body, B, E> {
        let children = Group::new();
        let intake = Intake { arrivals: Vec::new(), error: None, is_open: true, is_polling: false };
        let shared = Arc::new(Shared {
            intake: Mutex::new(intake),
            has_failed: AtomicBool::new(false),
            token: CancellationToken::new(),
            task: children.notifier(),
        });
        Nest {
            body: Some(start(&shared)),
            output: None,
            body_signal: children.signal(BODY),
            children,
            cancelled: Some(shared.token.cancelled()),
            owner: Owner(shared),
        }
    }
}

impl<Body, B, E> Nest<Body, B, E>
where
    Body: Future,
    B: Future<Output = ()> + Unpin,
{
    /// Polls who was woken, each once, and gives the outcome if there is one.
    fn turn(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<Body::Output, E>> {
        let mut this = self.project();
        let shared = &this.owner.0;
        let is_cancelled = this
            .cancelled
            .as_mut()
            .is_some_and(|cancelled| Pin::new(cancelled).poll(cx).is_ready());
        if is_cancelled {
            *this.cancelled = None;
            this.children.clear();
        }
        shared.admit(this.children);
        // Who is woken or comes during the turn is polled in the next one: none is passed by.
        let is_budget_left = budget::is_left();
        for _ in 0..this.children.woken_len().min(POLLS) {
            let Some(slot) = this.children.pop() else { break };
            if slot != BODY {
                // One whose scope was cancelled in this turn is not polled again, but dropped in
                // the next.
                if !shared.token.is_cancelled() {
                    this.children.poll(slot);
                }
            } else if let Some(body) = this.body.as_mut().as_pin_mut()
                && let Poll::Ready(output) = body.poll(&mut this.body_signal.receive())
            {
                this.body.set(None);
                *this.output = Some(output);
            }
            if shared.has_failed()
                && let Some(error) = shared.close()
            {
                this.body.set(None);
                this.children.clear();
                return Poll::Ready(Err(error));
            }
            shared.admit(this.children);
            if is_budget_left && !budget::is_left() {
                // The next turn begins with the child behind the one that used it up.
                break;
            }
        }
        if this.body.is_none() && this.children.is_empty() {
            drop(shared.close());
            let output = this.output.take().expect("a scope was polled after it was ready");
            return Poll::Ready(Ok(output));
        }
        if this.children.woken_len() > 0 {
            cx.waker().wake_by_ref();
        }
        Poll::Pending
    }

    /// Drops the body and all children after a panic, which goes on afterwards. What panics while
    /// it is dropped is reported.
    fn abandon(self: Pin<&mut Self>, payload: Box<dyn Any + Send>) -> ! {
        let mut this = self.project();
        for part in [true, false] {
            let dropped = catch_unwind(AssertUnwindSafe(|| match part {
                true => this.body.set(None),
                false => this.children.clear(),
            }));
            if let Err(second) = dropped {
                task::report_panic(second);
            }
        }
        let closed = catch_unwind(AssertUnwindSafe(|| drop(this.owner.0.close())));
        if let Err(second) = closed {
            task::report_panic(second);
        }
        resume_unwind(payload)
    }
}

impl<Body, B, E> Future for Nest<Body, B, E>
where
    Body: Future,
    B: Future<Output = ()> + Unpin,
{
    type Output = Result<Body::Output, E>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        self.children.listen(cx.waker());
        self.owner.0.lock().is_polling = true;
        match catch_unwind(AssertUnwindSafe(|| self.as_mut().turn(cx))) {
            Err(payload) => self.abandon(payload),
            Ok(Poll::Ready(outcome)) => return Poll::Ready(outcome),
            Ok(Poll::Pending) => {}
        }
        let has_arrivals = {
            let mut intake = self.owner.0.lock();
            intake.is_polling = false;
            !intake.arrivals.is_empty()
        };
        if has_arrivals {
            // A handle that went to another thread has added a child since the last look.
            cx.waker().wake_by_ref();
        }
        Poll::Pending
    }
}

impl<Body: Future, B, E> fmt::Debug for Nest<Body, B, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Nest")
            .field("children", &self.children.len())
            .field("is_body_done", &self.body.is_none())
            .finish_non_exhaustive()
    }
}

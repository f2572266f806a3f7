//! The future of both kinds of scope: it polls a body and the body's children.
//!
//! The future owns the children, so nothing is locked while a child is polled or dropped. It shares
//! two things with the scope handles: a locked state, in which they put new children, and the
//! token. `B` is the boxed child. Its type says whether children may move to another thread, and
//! how long what they borrow lives. There is no unsafe code: the boxes carry the lifetime, and
//! forgetting the future forgets its children with it.
//!
//! # Invariants
//!
//! 1. The state is closed before the future is ready, and at the latest when it is dropped. A child
//!    that arrives in a closed state is dropped at once, so a handle that escaped keeps no child
//!    alive.
//! 2. A handle that adds a child wakes the task, except while the future is being polled. The
//!    future checks for new children again before that poll returns.
//! 3. No user code runs under the lock of the state.

use std::any::Any;
use std::fmt;
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::pin::Pin;
use std::sync::{Arc, PoisonError};
use std::task::{Context, Poll};

use pin_project_lite::pin_project;

use super::super::group::{Group, Notifier, Signal};
use crate::protocol::{AtomicBool, Mutex, MutexGuard, Ordering, budget, task};
use crate::task::{CancellationToken, CancelledFuture};

/// The body's number in the queue of woken members.
const BODY: usize = usize::MAX;

/// The state that the future of a scope shares with its handles.
pub(super) struct Shared<B, E> {
    state: Mutex<State<B, E>>,
    /// Set when `state` holds an error.
    has_failed: AtomicBool,
    token: CancellationToken,
    task: Notifier,
}

struct State<B, E> {
    new_children: Vec<B>,
    error: Option<E>,
    is_open: bool,
    is_polling: bool,
}

impl<B, E> Shared<B, E> {
    pub(super) fn token(&self) -> &CancellationToken {
        &self.token
    }

    /// Adds a child. If the scope has ended or was cancelled, drops it at once.
    pub(super) fn add(&self, child: B) {
        let mut child = Some(child);
        let is_polling = {
            let mut state = self.lock();
            if state.is_open && !self.token.is_cancelled() {
                state.new_children.extend(child.take());
            }
            state.is_polling
        };
        if !is_polling {
            self.task.notify();
        }
        drop(child);
    }

    /// Moves new children into the group, or drops them if the scope was cancelled.
    fn admit(&self, children: &mut Group<B>) {
        let new_children = std::mem::take(&mut self.lock().new_children);
        if self.token.is_cancelled() {
            // The group may have been cleared already, and nothing would drop these later. If the
            // scope is cancelled after this check, the next turn drops them with the others.
            return drop(new_children);
        }
        for child in new_children {
            children.insert(child);
        }
    }

    /// Records the error of a child. The first error becomes that of the scope. Called while that
    /// child is polled.
    pub(super) fn fail(&self, error: E) {
        let mut error = Some(error);
        {
            let mut state = self.lock();
            if state.is_open && state.error.is_none() {
                state.error = error.take();
                self.has_failed.store(true, Ordering::Relaxed);
            }
        }
        drop(error);
    }

    /// Whether a child has failed. Relaxed is enough: children fail on the thread that polls the
    /// scope.
    fn has_failed(&self) -> bool {
        self.has_failed.load(Ordering::Relaxed)
    }

    /// Ends the scope for its handles, and returns the error of a child.
    fn close(&self) -> Option<E> {
        let (new_children, error) = {
            let mut state = self.lock();
            state.is_open = false;
            (std::mem::take(&mut state.new_children), state.error.take())
        };
        self.token.cancel();
        drop(new_children);
        error
    }

    fn lock(&self) -> MutexGuard<'_, State<B, E>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
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
    /// The future of a scope: resolves to the body's output or to a child's error.
    #[must_use = "futures do nothing unless you `.await` or poll them"]
    pub(super) struct ScopeFuture<Body: Future, B, E> {
        #[pin]
        body: Option<Body>,
        output: Option<Body::Output>,
        body_signal: Signal,
        children: Group<B>,
        cancelled: Option<CancelledFuture>,
        // Last: dropping the fields above may still add children, which this drops.
        owner: Owner<B, E>,
    }
}

impl<Body: Future, B, E> ScopeFuture<Body, B, E> {
    /// Creates a scope. `start` makes the body from the state that the handles share.
    pub(super) fn new(start: impl FnOnce(&Arc<Shared<B, E>>) -> Body) -> ScopeFuture<Body, B, E> {
        let children = Group::new();
        let state =
            State { new_children: Vec::new(), error: None, is_open: true, is_polling: false };
        let shared = Arc::new(Shared {
            state: Mutex::new(state),
            has_failed: AtomicBool::new(false),
            token: CancellationToken::new(),
            task: children.notifier(),
        });
        ScopeFuture {
            body: Some(start(&shared)),
            output: None,
            body_signal: children.signal(BODY),
            children,
            cancelled: Some(shared.token.cancelled()),
            owner: Owner(shared),
        }
    }
}

impl<Body, B, E> ScopeFuture<Body, B, E>
where
    Body: Future,
    B: Future<Output = ()> + Unpin,
{
    /// Polls each member that was woken once. Returns the outcome if there is one.
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
        // A member that is woken, or a child that is added, during the turn is polled in the next
        // turn.
        let is_budget_left = budget::is_left();
        this.body_signal.show(cx.waker());
        for _ in 0..this.children.turn_len(cx.waker()) {
            let Some(slot) = this.children.pop() else { break };
            if slot != BODY {
                // If the scope was cancelled in this turn, the child is not polled again. The next
                // turn drops it.
                if !shared.token.is_cancelled() {
                    this.children.poll(slot, cx.waker());
                }
            } else if let Some(body) = this.body.as_mut().as_pin_mut()
                && let Poll::Ready(output) =
                    this.body_signal.receive(cx.waker(), |cx| body.poll(cx))
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
                // The next turn begins with the child after the one that used up the budget.
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

    /// Drops the body and all children after a panic, then resumes the panic. Panics of these drops
    /// are reported.
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

impl<Body, B, E> Future for ScopeFuture<Body, B, E>
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
            let mut state = self.owner.0.lock();
            state.is_polling = false;
            !state.new_children.is_empty()
        };
        if has_arrivals {
            // A handle on another thread has added a child since the last check.
            cx.waker().wake_by_ref();
        }
        Poll::Pending
    }
}

impl<Body: Future, B, E> fmt::Debug for ScopeFuture<Body, B, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ScopeFuture")
            .field("children", &self.children.len())
            .field("is_body_done", &self.body.is_none())
            .finish_non_exhaustive()
    }
}

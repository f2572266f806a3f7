//! What the future of a scope, its handles and its children share.
//!
//! # States
//!
//! | state   | entered when                                              | children may come   |
//! |---------|-----------------------------------------------------------|---------------------|
//! | open    | at the start                                              | yes                 |
//! | closing | the body is done, or the scope was shut down or dropped   | while there are any |
//! | ended   | closing, and no child is left                             | no                  |
//!
//! # Invariants
//!
//! 1. `live` counts the tickets. Each child owns one until its future is dropped.
//! 2. A scope that has ended stays so.
//! 3. Children wait at the token, so whoever cancels it ends them, and none has to be found.
//! 4. Under the lock nothing of the user's runs.

use std::any::Any;
use std::panic::Location;
use std::sync::{Arc, PoisonError};
use std::task::Waker;

use crate::protocol::{AtomicBool, Mutex, MutexGuard, Ordering, task};
use crate::task::CancellationToken;

/// What was panicked with.
pub(super) type Payload = Box<dyn Any + Send>;

/// What a panic carries that only passes on that the scope has failed.
pub(super) const SCOPE_FAILED: &str =
    "awaited a child of a scope that has failed: the panic or error is that of the scope";

pub(super) struct Shared<E> {
    /// Cancels the children.
    pub(super) token: CancellationToken,
    /// Cancelled, so to speak, when the scope has ended.
    pub(super) ended: CancellationToken,
    has_failed: AtomicBool,
    state: Mutex<State<E>>,
}

struct State<E> {
    live: usize,
    is_closing: bool,
    is_ended: bool,
    /// Nobody will ask for the outcome any more.
    is_abandoned: bool,
    panic: Option<Payload>,
    error: Option<E>,
    /// The task that awaits the scope.
    waker: Option<Waker>,
}

impl<E> State<E> {
    /// Ends the scope if it is time, and tells whom to wake for that.
    fn end_if_done(&mut self) -> Option<Option<Waker>> {
        if self.is_ended || self.live > 0 || !self.is_closing {
            return None;
        }
        self.is_ended = true;
        Some(self.waker.take())
    }
}

/// How a scope has ended.
pub(super) enum Outcome<E> {
    Fine,
    Panicked(Payload),
    Failed(E),
}

impl<E> Shared<E> {
    pub(super) fn new() -> Shared<E> {
        let state = State {
            live: 0,
            is_closing: false,
            is_ended: false,
            is_abandoned: false,
            panic: None,
            error: None,
            waker: None,
        };
        Shared {
            token: CancellationToken::new(),
            ended: CancellationToken::new(),
            has_failed: AtomicBool::new(false),
            state: Mutex::new(state),
        }
    }

    /// Admits a child, unless the scope has ended or is cancelled.
    pub(super) fn admit(self: &Arc<Self>) -> Option<Ticket<E>> {
        let is_cancelled = self.token.is_cancelled();
        let mut state = self.lock();
        if is_cancelled || state.is_ended {
            return None;
        }
        state.live += 1;
        Some(Ticket { shared: Arc::clone(self) })
    }

    /// Whether a child or the body has failed or panicked.
    pub(super) fn has_failed(&self) -> bool {
        self.has_failed.load(Ordering::Acquire)
    }

    /// No child comes any more, but from children.
    pub(super) fn close(&self) {
        let ended = {
            let mut state = self.lock();
            state.is_closing = true;
            state.end_if_done()
        };
        self.tell(ended);
    }

    /// A child or the body has panicked. The first panic is the scope's, the others are reported.
    pub(super) fn panicked(&self, payload: Payload) {
        self.panicked_at(None, payload);
    }

    /// As [`panicked`](Shared::panicked), in a closure that was handed over at `place`.
    pub(super) fn panicked_at(&self, place: Option<&'static Location<'static>>, payload: Payload) {
        if payload.downcast_ref() == Some(&SCOPE_FAILED) && self.has_failed() {
            return;
        }
        let mut payload = Some(payload);
        let waker = {
            let mut state = self.lock();
            if !state.is_abandoned && state.panic.is_none() {
                state.panic = payload.take();
            }
            self.has_failed.store(true, Ordering::Release);
            state.waker.take()
        };
        self.token.cancel();
        waker.into_iter().for_each(task::wake);
        payload.into_iter().for_each(|payload| task::report_panic_at(place, payload));
    }

    /// A child or the body has failed. The first error is the scope's, the others are dropped.
    pub(super) fn failed(&self, error: E) {
        let mut error = Some(error);
        let waker = {
            let mut state = self.lock();
            if !state.is_abandoned && state.error.is_none() {
                state.error = error.take();
            }
            self.has_failed.store(true, Ordering::Release);
            state.waker.take()
        };
        self.token.cancel();
        waker.into_iter().for_each(task::wake);
        drop(error);
    }

    /// Says whom to wake when something fails, and when the scope has ended.
    pub(super) fn listen(&self, waker: &Waker) {
        let is_known =
            |state: &State<E>| state.waker.as_ref().is_some_and(|known| known.will_wake(waker));
        if is_known(&self.lock()) {
            return;
        }
        let new = Some(waker.clone());
        let old = std::mem::replace(&mut self.lock().waker, new);
        drop(old);
    }

    /// The outcome, once the scope has ended. A panic comes before an error.
    pub(super) fn outcome(&self) -> Option<Outcome<E>> {
        let (panic, error) = {
            let mut state = self.lock();
            if !state.is_ended {
                return None;
            }
            (state.panic.take(), state.error.take())
        };
        self.token.cancel();
        Some(match (panic, error) {
            (Some(payload), _) => Outcome::Panicked(payload),
            (None, Some(error)) => Outcome::Failed(error),
            (None, None) => Outcome::Fine,
        })
    }

    /// The future of the scope is dropped: cancels what is left, and reports a panic that nobody
    /// will receive.
    pub(super) fn abandon(&self) {
        let (panic, error, ended, waker) = {
            let mut state = self.lock();
            state.is_abandoned = true;
            state.is_closing = true;
            let ended = state.end_if_done();
            (state.panic.take(), state.error.take(), ended, state.waker.take())
        };
        self.token.cancel();
        self.tell(ended);
        panic.into_iter().for_each(task::report_panic);
        drop((error, waker));
    }

    fn tell(&self, ended: Option<Option<Waker>>) {
        if let Some(waker) = ended {
            self.ended.cancel();
            waker.into_iter().for_each(task::wake);
        }
    }

    fn lock(&self) -> MutexGuard<'_, State<E>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A child's presence in the scope.
pub(super) struct Ticket<E> {
    pub(super) shared: Arc<Shared<E>>,
}

impl<E> Drop for Ticket<E> {
    fn drop(&mut self) {
        let ended = {
            let mut state = self.shared.lock();
            state.live -= 1;
            state.end_if_done()
        };
        self.shared.tell(ended);
    }
}

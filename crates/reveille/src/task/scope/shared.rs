//! The state that the future of a scope, its handles and its children share.
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
//! 1. `live` counts the child guards. Each child owns one until its future is dropped.
//! 2. A scope that has ended stays ended.
//! 3. Children wait on the token, so cancelling it ends all of them; no list of children is needed.
//! 4. No user code runs under the lock.

use std::any::Any;
use std::panic::Location;
use std::sync::{Arc, PoisonError};
use std::task::Waker;

use crate::protocol::{AtomicBool, Mutex, MutexGuard, Ordering, task};
use crate::task::CancellationToken;

/// The payload of a panic.
pub(super) type Payload = Box<dyn Any + Send>;

/// The payload of a panic that only passes on that the scope has failed.
pub(super) const SCOPE_FAILED: &str =
    "awaited a child of a scope that has failed: the panic or error is that of the scope";

pub(super) struct Shared<E> {
    /// Cancels the children.
    pub(super) token: CancellationToken,
    /// A token that is cancelled when the scope has ended.
    pub(super) ended: CancellationToken,
    has_failed: AtomicBool,
    state: Mutex<State<E>>,
}

struct State<E> {
    live: usize,
    is_closing: bool,
    is_ended: bool,
    /// Whether the future of the scope was dropped, so the outcome will not be taken.
    is_abandoned: bool,
    panic: Option<Payload>,
    error: Option<E>,
    /// The task that awaits the scope.
    waker: Option<Waker>,
}

impl<E> State<E> {
    /// Ends the scope if nothing is left to wait for, and returns what to wake.
    fn end_if_done(&mut self) -> Option<Option<Waker>> {
        if self.is_ended || self.live > 0 || !self.is_closing {
            return None;
        }
        self.is_ended = true;
        Some(self.waker.take())
    }
}

/// The outcome of a scope.
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
    pub(super) fn admit(self: &Arc<Self>) -> Option<ChildGuard<E>> {
        let is_cancelled = self.token.is_cancelled();
        let mut state = self.lock();
        if is_cancelled || state.is_ended {
            return None;
        }
        state.live += 1;
        Some(ChildGuard { shared: Arc::clone(self) })
    }

    /// Whether a child or the body has failed or panicked.
    pub(super) fn has_failed(&self) -> bool {
        self.has_failed.load(Ordering::Acquire)
    }

    /// Closes the scope: from now on, only children can add children.
    pub(super) fn close(&self) {
        let ended = {
            let mut state = self.lock();
            state.is_closing = true;
            state.end_if_done()
        };
        self.tell(ended);
    }

    /// Records a panic of a child or the body. The first panic becomes that of the scope; later
    /// ones are reported.
    pub(super) fn panicked(&self, payload: Payload) {
        self.panicked_at(None, payload);
    }

    /// Like [`panicked`](Shared::panicked), for a closure that was passed in at `place`.
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

    /// Records an error of a child or the body. The first error becomes that of the scope; later
    /// ones are dropped.
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

    /// Stores the waker that is woken when something fails and when the scope has ended.
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

    /// Returns the outcome once the scope has ended. A panic takes precedence over an error.
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

    /// Called when the future of the scope is dropped: cancels what is left, and reports a panic
    /// that can no longer be returned.
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

/// Counts a child as live. Dropping it informs the scope that the child has ended.
pub(super) struct ChildGuard<E> {
    pub(super) shared: Arc<Shared<E>>,
}

impl<E> Drop for ChildGuard<E> {
    fn drop(&mut self) {
        let ended = {
            let mut state = self.shared.lock();
            state.live -= 1;
            state.end_if_done()
        };
        self.shared.tell(ended);
    }
}

//! Replaces `reveille::protocol` in the models: loom's locks and atomics, and plain wakes.

#[allow(unused_imports, reason = "a model uses a part of them")]
pub(crate) use loom::future::block_on;
#[allow(unused_imports, reason = "a model uses a part of them")]
pub(crate) use loom::sync::atomic::{AtomicBool, AtomicU8, AtomicUsize, Ordering};
#[allow(unused_imports, reason = "a model uses a part of them")]
pub(crate) use loom::sync::{Mutex, MutexGuard, RwLock, RwLockReadGuard};

#[allow(unused_imports, reason = "a model uses a part of them")]
pub(crate) use reveille_primitive::spin_lock::{SpinLock, SpinLockGuard};

pub(crate) mod budget {
    use std::task::{Context, Poll};

    /// Polls; an operation in a model has no budget.
    pub(crate) fn poll_budgeted<R>(
        cx: &mut Context<'_>,
        poll: impl FnOnce(&mut Context<'_>) -> Poll<R>,
    ) -> Poll<R> {
        poll(cx)
    }

    /// A poll in a model has no budget.
    pub(crate) fn is_left() -> bool {
        true
    }
}

pub(crate) mod task {
    use std::any::Any;
    use std::panic::Location;
    use std::sync::Arc;
    use std::task::Waker;

    use loom::sync::atomic::{AtomicUsize, Ordering};

    /// The payload of panics in a model, which counts the reports.
    pub(crate) struct Counted(pub(crate) Arc<AtomicUsize>);

    pub(crate) fn wake(waker: Waker) {
        waker.wake();
    }

    pub(crate) fn wake_all(wakers: &mut Vec<Waker>) {
        wakers.drain(..).for_each(wake);
    }

    pub(crate) fn report_panic(payload: Box<dyn Any + Send>) {
        report_panic_at(None, payload);
    }

    pub(crate) fn report_panic_at(
        _: Option<&'static Location<'static>>,
        payload: Box<dyn Any + Send>,
    ) {
        if let Ok(counted) = payload.downcast::<Counted>() {
            counted.0.fetch_add(1, Ordering::SeqCst);
        }
    }
}

pub(crate) mod time {
    use std::time::Instant;

    pub(crate) fn now() -> Instant {
        unreachable!("no token of a model has a deadline")
    }
}

pub(crate) mod waits {
    use std::task::{Context, Waker};

    /// No dump polls in a model.
    pub(crate) fn is_probe(_: &Waker) -> bool {
        false
    }

    pub(crate) fn poll_member<R>(
        _: &Waker,
        member: &Waker,
        poll: impl FnOnce(&mut Context<'_>) -> R,
    ) -> R {
        poll(&mut Context::from_waker(member))
    }
}

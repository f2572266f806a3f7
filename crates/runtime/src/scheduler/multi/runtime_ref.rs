//! A reference to one use of a pool's memory, and the runtime that this thread works for.
//!
//! Whatever may outlive a runtime refers to it by a [`RuntimeRef`]: the pool and the number of its
//! use (`generation.rs`). An operation on a use that has ended is refused, or another runtime
//! serves it. It never reaches the next use.

use std::cell::Cell;
use std::marker::PhantomData;
use std::sync::Arc;

use reveille_driver::Driver;
use reveille_primitive::atomic::Ordering;

use super::modes::STOPPING;
use super::pool::{RemoteState, WorkerPool};
use crate::blocking::Pool;
use crate::metrics::Metrics;
use crate::observe::PanicHook;
use crate::scheduler::generation::Generation;
use crate::scheduler::panic_hook::{self, HookRef};
use crate::threads::thread_index;
use crate::timer::Timers;

thread_local! {
    static THREAD: ThreadRuntimes =
        const { ThreadRuntimes { spawns_to: Cell::new(None), own: Cell::new(None) } };
}

/// The runtimes of a thread. They may have ended.
struct ThreadRuntimes {
    /// The runtime that `spawn` goes to. Only [`replace_runtime`] changes it.
    spawns_to: Cell<Option<RuntimeRef>>,
    /// The runtime that the thread is part of, as a worker thread or a blocking thread.
    own: Cell<Option<RuntimeRef>>,
}

/// A pool and the number of its use.
#[derive(Clone, Copy, Debug)]
pub(crate) struct RuntimeRef {
    pool: &'static WorkerPool,
    generation: Generation,
}

impl PartialEq for RuntimeRef {
    fn eq(&self, other: &RuntimeRef) -> bool {
        std::ptr::eq(self.pool, other.pool) && self.generation == other.generation
    }
}

impl WorkerPool {
    /// Begins another use of this pool. Under the lock `remote`.
    pub(super) fn next_generation(&'static self) -> RuntimeRef {
        let generation = self.present_generation().next();
        self.generation.store(generation.number(), Ordering::SeqCst);
        RuntimeRef { pool: self, generation }
    }

    fn present_generation(&self) -> Generation {
        Generation::from_number(self.generation.load(Ordering::SeqCst))
    }

    /// The present use of this pool. Only called where the use cannot end: by the pool's own
    /// threads, which have to leave before it ends, and by the thread that starts or ends it.
    pub(crate) fn runtime_ref(&'static self) -> RuntimeRef {
        RuntimeRef { pool: self, generation: self.present_generation() }
    }
}

impl RuntimeRef {
    #[inline]
    pub(crate) fn pool(self) -> &'static WorkerPool {
        self.pool
    }

    /// Whether the runtime has not begun to end.
    pub(crate) fn is_up(self) -> bool {
        // The flag is read first. A later use changes the number before it clears the flag. So if
        // the flag was clear because of a later use, the number read next is not ours.
        !self.pool.modes.has_any_now(STOPPING) && self.is_current()
    }

    fn is_current(self) -> bool {
        self.pool.present_generation() == self.generation && !self.is_inherited()
    }

    /// Whether the runtime belongs to the parent of this process. The parent's threads do not exist
    /// here, so locks that they held are never released.
    pub(crate) fn is_inherited(self) -> bool {
        self.generation.is_inherited()
    }

    /// Whether the runtime has not ended yet.
    pub(crate) fn is_open(self) -> bool {
        !self.is_inherited() && {
            let remote = self.pool.remote.lock();
            self.is_current() && remote.config.is_some()
        }
    }

    /// Whether the calling thread may register a task that no worker spawns.
    pub(super) fn admits(self, remote: &RemoteState) -> bool {
        remote.config.is_some() && self.is_up() && !self.refuses()
    }

    /// Whether new tasks of this thread are refused, because the pool drains and the thread is not
    /// one of its own.
    fn refuses(self) -> bool {
        self.pool.is_draining.load(Ordering::Relaxed) && own_pool() != Some(self)
    }

    #[inline]
    pub(super) fn generation(self) -> Generation {
        self.generation
    }

    /// The hook for panics of tasks that are not awaited.
    pub(crate) fn panic_hook(self) -> Option<PanicHook> {
        self.hook_ref().get()
    }

    #[inline]
    fn hook_ref(self) -> HookRef {
        HookRef::new(&self.pool.hook, self.generation)
    }

    /// The seed of the random numbers of its `block_on`s, if one was set.
    pub(crate) fn seed(self) -> Option<u64> {
        self.pool.remote.lock().config.as_ref().and_then(|config| config.seed)
    }

    /// The pool of blocking threads, if the calling thread may use it.
    pub(crate) fn blocking(self) -> Option<Arc<Pool>> {
        if self.is_inherited() {
            return None;
        }
        let remote = self.pool.remote.lock();
        let may_use = self.is_current() && !self.refuses();
        remote.blocking.as_ref().filter(|_| may_use).map(Arc::clone)
    }

    /// The timers for sleeps on threads that turn no timers.
    pub(crate) fn remote_timers(self) -> &'static Timers {
        &self.pool.workers[0].timers
    }

    /// A driver for the sources of threads that turn no driver; `None` when the runtime has ended.
    pub(crate) fn remote_driver(self) -> Option<Arc<Driver>> {
        let index = thread_index() % self.pool.workers.len();
        let driver = self.pool.workers[index].driver.lock().clone();
        driver.filter(|_| self.is_up())
    }

    /// The current metrics. All are zero once the memory has another use.
    pub(crate) fn metrics(self) -> Metrics {
        if self.is_inherited() {
            return Metrics::default();
        }
        let metrics = self.pool.metrics();
        if self.is_current() { metrics } else { Metrics::default() }
    }
}

/// When dropped, restores the runtime that `spawn` used before. Not `Send`, because it restores the
/// state of this thread.
#[must_use]
pub(crate) struct RuntimeGuard {
    before: Option<RuntimeRef>,
    _thread: PhantomData<*const ()>,
}

impl Drop for RuntimeGuard {
    #[inline]
    fn drop(&mut self) {
        replace_runtime(self.before);
    }
}

/// Changes the runtime that `spawn` uses and that panics are reported to. Returns the former one.
#[inline]
fn replace_runtime(runtime: Option<RuntimeRef>) -> Option<RuntimeRef> {
    panic_hook::replace(runtime.map(RuntimeRef::hook_ref));
    THREAD.with(|thread| thread.spawns_to.replace(runtime))
}

/// Makes `spawn` use `runtime` until the guard is dropped.
#[inline]
pub(super) fn enter_runtime(runtime: RuntimeRef) -> RuntimeGuard {
    RuntimeGuard { before: replace_runtime(Some(runtime)), _thread: PhantomData }
}

/// Marks this thread as one of `pool` until the thread ends.
pub(super) fn set_own_pool(pool: RuntimeRef) {
    THREAD.with(|thread| thread.own.set(Some(pool)));
    replace_runtime(Some(pool));
}

/// The pool that this thread is part of, as a worker thread or a blocking thread.
pub(crate) fn own_pool() -> Option<RuntimeRef> {
    THREAD.with(|thread| thread.own.get())
}

/// The runtime that this thread works for, if any.
#[inline]
pub(crate) fn current_runtime() -> Option<RuntimeRef> {
    THREAD.with(|thread| thread.spawns_to.get())
}

/// Called in a child process made by `fork`, where this thread works for no runtime.
pub(super) fn forget_in_child() {
    THREAD.with(|thread| thread.own.set(None));
    replace_runtime(None);
}

//! The hook for panics on this thread: the one of the runtime that the thread works for.
//!
//! A waker may panic on any thread, and a local task on the thread that polls it. Neither refers to
//! a pool. So each pool keeps the hook of its runtime in a [`HookSlot`], and a thread that enters a
//! runtime sets a [`HookRef`] to that slot. The hook itself is read only when there is a panic to
//! report.

use std::cell::Cell;
use std::fmt;

use reveille_primitive::lock::Mutex;

use super::generation::Generation;
use crate::observe::PanicHook;

thread_local!(static CURRENT_HOOK: Cell<Option<HookRef>> = const { Cell::new(None) });

/// The hook of the runtime that uses a pool. A part of the pool's memory, which is never freed.
#[derive(Default)]
pub(crate) struct HookSlot(Mutex<Option<(Generation, PanicHook)>>);

/// A reference to the hook of one use of a pool's memory.
#[derive(Clone, Copy, Debug)]
pub(crate) struct HookRef {
    slot: &'static HookSlot,
    generation: Generation,
}

impl HookSlot {
    /// Sets the hook of the use `generation`. Returns the former one, because dropping it runs user
    /// code.
    #[must_use = "a hook is dropped outside of locks"]
    pub(crate) fn set(
        &self,
        generation: Generation,
        hook: Option<PanicHook>,
    ) -> Option<(Generation, PanicHook)> {
        let hook = hook.map(|hook| (generation, hook));
        std::mem::replace(&mut *self.0.lock(), hook)
    }

    /// Removes the hook, because the runtime has ended.
    #[must_use = "a hook is dropped outside of locks"]
    pub(crate) fn take(&self) -> Option<(Generation, PanicHook)> {
        self.0.lock().take()
    }
}

impl HookRef {
    #[inline]
    pub(crate) fn new(slot: &'static HookSlot, generation: Generation) -> HookRef {
        HookRef { slot, generation }
    }

    /// The hook, unless the runtime has ended or has none.
    pub(crate) fn get(self) -> Option<PanicHook> {
        if self.generation.is_inherited() {
            return None;
        }
        let hook = self.slot.0.lock();
        hook.as_ref().filter(|(of, _)| *of == self.generation).map(|(_, hook)| hook.clone())
    }
}

impl fmt::Debug for HookSlot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HookSlot").finish_non_exhaustive()
    }
}

/// Sets the hook of this thread, and returns the former one. Called with each change of the runtime
/// that the thread works for.
#[inline]
pub(crate) fn replace(hook: Option<HookRef>) -> Option<HookRef> {
    CURRENT_HOOK.with(|current| current.replace(hook))
}

/// The hook of the runtime that this thread works for.
pub(crate) fn current() -> Option<PanicHook> {
    CURRENT_HOOK.with(Cell::get).and_then(HookRef::get)
}

//! Detects `fork`: whether this process is the one that started, or a forked child of it.
//!
//! A child has a copy of the memory and one thread. It must distinguish its own threads, locks and
//! descriptors from those of its parent, which its memory still describes. So each object that
//! depends on them stores the generation in which it was made.
//!
//! Only the C library's `fork` is counted, because it runs handlers. A raw system call is not
//! counted.

/// What a module of the runtime does in each child process. A static: its address tells it from
/// other hooks.
///
/// The function may neither lock nor allocate, because the fork may have interrupted another thread
/// of the parent in a lock or in the allocator.
#[derive(Debug)]
pub struct ForkHook(
    #[cfg_attr(any(not(target_os = "linux"), reveille_loom), allow(dead_code))] fn(),
);

impl ForkHook {
    /// A hook that calls `run` in a child, on its one thread.
    #[must_use]
    pub const fn new(run: fn()) -> ForkHook {
        ForkHook(run)
    }
}

#[cfg(all(target_os = "linux", not(reveille_loom)))]
mod system {
    use std::ptr::null_mut;
    use std::sync::Once;
    use std::sync::atomic::{AtomicPtr, AtomicU32, Ordering};

    use super::ForkHook;

    static GENERATION: AtomicU32 = AtomicU32::new(0);

    /// Modules of the runtime that may have a hook.
    const HOOKS_MAX: usize = 4;

    /// The hooks; null in the places behind the last one.
    static HOOKS: [AtomicPtr<ForkHook>; HOOKS_MAX] =
        [const { AtomicPtr::new(null_mut()) }; HOOKS_MAX];

    /// The number of forks between the first process and this one.
    #[inline]
    pub fn generation() -> u32 {
        GENERATION.load(Ordering::Relaxed)
    }

    /// Starts to count forks, and calls `hook` in each child. A second call with the same hook does
    /// nothing.
    ///
    /// # Panics
    ///
    /// Panics if there are more than four hooks: a bug of the runtime.
    pub fn watch(hook: &'static ForkHook) {
        static ONCE: Once = Once::new();
        let hook = std::ptr::from_ref(hook).cast_mut();
        let is_added = HOOKS.iter().any(|place| {
            let added =
                place.compare_exchange(null_mut(), hook, Ordering::Release, Ordering::Relaxed);
            added.is_ok() || added == Err(hook)
        });
        assert!(is_added, "each module adds one hook");
        ONCE.call_once(|| {
            // SAFETY: the handler is a function of this program and valid as long as the program
            // runs.
            let refused = unsafe { libc::pthread_atfork(None, None, Some(in_child)) };
            debug_assert_eq!(refused, 0, "no memory for the fork handler");
        });
    }

    extern "C" fn in_child() {
        GENERATION.fetch_add(1, Ordering::Relaxed);
        for place in &HOOKS {
            // SAFETY: null, or a reference to a static that `watch` was given.
            let hook = unsafe { place.load(Ordering::Acquire).as_ref() };
            if let Some(ForkHook(run)) = hook {
                run();
            }
        }
    }
}

#[cfg(not(all(target_os = "linux", not(reveille_loom))))]
mod system {
    /// Always 0: forks are not counted on this system.
    #[inline]
    pub fn generation() -> u32 {
        0
    }

    /// Does nothing: forks are not counted on this system.
    pub fn watch(_: &'static super::ForkHook) {}
}

pub use system::{generation, watch};

/// Aborts a child process that returns into the code of a runtime thread of its parent, because
/// that thread would continue with copies of the parent's tasks. Does nothing in the process that
/// read `made_in`.
pub fn refuse_to_go_on(made_in: u32) {
    if generation() == made_in {
        return;
    }
    eprintln!(
        "reveille: fork() was called in a task or a blocking closure, which returned in the child \
         process; call exec or _exit there"
    );
    std::process::abort();
}

//! Detects `fork`: whether this process is the one that started, or a forked child of it.
//!
//! A child has a copy of the memory and one thread. It must distinguish its own threads, locks and
//! descriptors from those of its parent, which its memory still describes. So each object that
//! depends on them stores the generation in which it was made.
//!
//! Only the C library's `fork` is counted, because it runs handlers. A raw system call is not
//! counted.

/// What a module of the runtime does in each child process. A static: its address distinguishes it
/// from other hooks.
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
    use std::sync::atomic::{AtomicBool, AtomicPtr, AtomicU32, Ordering};

    use super::ForkHook;

    static GENERATION: AtomicU32 = AtomicU32::new(0);

    /// Modules of the runtime that may have a hook.
    const HOOKS_MAX: usize = 6;

    /// The hooks; null after the last one.
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
    /// Panics if there are more than six hooks: a bug of the runtime.
    pub fn watch(hook: &'static ForkHook) {
        static IS_REGISTERED: AtomicBool = AtomicBool::new(false);
        let hook = std::ptr::from_ref(hook).cast_mut();
        let is_added = HOOKS.iter().any(|place| {
            let added =
                place.compare_exchange(null_mut(), hook, Ordering::Release, Ordering::Relaxed);
            added.is_ok() || added == Err(hook)
        });
        assert!(is_added, "each module adds one hook");
        // Not a `Once`: a child that was forked while another thread of its parent was in it would
        // wait for that thread forever. Two threads, or a parent and a child, may both register the
        // handlers.
        if !IS_REGISTERED.load(Ordering::Acquire) {
            // Without memory for the handlers, the next call tries again.
            IS_REGISTERED.store(register(), Ordering::Release);
        }
    }

    /// Registers the handlers; more than once is as good as once. `false` if there is no memory.
    pub(super) fn register() -> bool {
        // SAFETY: the handlers are functions of this program and valid as long as the program runs.
        let refused = unsafe { libc::pthread_atfork(Some(before_fork), None, Some(in_child)) };
        refused == 0
    }

    /// Whether the current process, after its next fork, is a child that has not counted that fork.
    /// Set before each fork and cleared in the child.
    static IS_UNCOUNTED: AtomicBool = AtomicBool::new(false);

    extern "C" fn before_fork() {
        IS_UNCOUNTED.store(true, Ordering::Relaxed);
    }

    extern "C" fn in_child() {
        if !IS_UNCOUNTED.swap(false, Ordering::Relaxed) {
            return;
        }
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

// Only on Linux: it forks.
#[cfg(all(test, target_os = "linux", not(reveille_loom), not(miri)))]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use super::*;

    static RUNS: AtomicU32 = AtomicU32::new(0);
    static HOOK: ForkHook = ForkHook::new(|| _ = RUNS.fetch_add(1, Ordering::Relaxed));

    /// Runs `body` in a forked child. Returns the number that it returned there, up to 255.
    fn in_child(body: impl FnOnce() -> u32) -> i32 {
        // SAFETY: the child only reads and writes statics, forks and exits.
        let id = unsafe { libc::fork() };
        assert!(id >= 0, "{}", std::io::Error::last_os_error());
        if id == 0 {
            let code = body().try_into().unwrap_or(255);
            // SAFETY: the call takes a number.
            unsafe { libc::_exit(code) };
        }
        let mut status = 0;
        // SAFETY: the status outlives the call.
        assert_eq!(unsafe { libc::waitpid(id, &mut status, 0) }, id);
        assert!(libc::WIFEXITED(status), "{status}");
        libc::WEXITSTATUS(status)
    }

    /// Two threads may register at the same time, and so may a child of a process that was
    /// registering when it forked.
    #[test]
    fn each_fork_counts_once_however_often_the_handlers_are_registered() {
        watch(&HOOK);
        assert!(system::register());
        let seen = || generation() * 10 + RUNS.load(Ordering::Relaxed);
        assert_eq!(in_child(seen), 11);
        assert_eq!(in_child(|| in_child(seen) as u32), 22);
        let twice = || {
            assert!(system::register());
            in_child(seen) as u32
        };
        assert_eq!(in_child(twice), 22);
        assert_eq!(seen(), 0);
    }
}

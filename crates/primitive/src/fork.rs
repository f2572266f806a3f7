//! Detects `fork`: whether this process is the one that started, or a forked child of it.
//!
//! A child has a copy of the memory and one thread. It must distinguish its own threads, locks and
//! descriptors from those of its parent, which its memory still describes. So each object that
//! depends on them stores the generation in which it was made.
//!
//! Only the C library's `fork` is counted, because it runs handlers. A raw system call is not
//! counted.

#[cfg(all(target_os = "linux", not(reveille_loom)))]
mod system {
    use std::sync::Once;
    use std::sync::atomic::{AtomicPtr, AtomicU32, Ordering};

    static GENERATION: AtomicU32 = AtomicU32::new(0);

    /// The hook, a `fn()`; null if there is no hook.
    static HOOK: AtomicPtr<()> = AtomicPtr::new(std::ptr::null_mut());

    /// The number of forks between the first process and this one.
    #[inline]
    pub fn generation() -> u32 {
        GENERATION.load(Ordering::Relaxed)
    }

    /// Starts to count forks, and calls `hook` in each child, on its one thread. A second call
    /// replaces the hook. The hook must neither lock nor allocate, because the fork may have
    /// happened while another thread of the parent was in a lock or in the allocator.
    pub fn watch(hook: fn()) {
        static ONCE: Once = Once::new();
        HOOK.store(hook as *mut (), Ordering::Release);
        ONCE.call_once(|| {
            // SAFETY: the handler is a function of this program and valid as long as the program
            // runs.
            let refused = unsafe { libc::pthread_atfork(None, None, Some(in_child)) };
            debug_assert_eq!(refused, 0, "no memory for the fork handler");
        });
    }

    extern "C" fn in_child() {
        GENERATION.fetch_add(1, Ordering::Relaxed);
        let hook = HOOK.load(Ordering::Acquire);
        // SAFETY: the pointer is null, which is `None`, or a `fn()` that `watch` stored; the two
        // types have the same representation.
        let hook = unsafe { std::mem::transmute::<*mut (), Option<fn()>>(hook) };
        if let Some(hook) = hook {
            hook();
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
    pub fn watch(_: fn()) {}
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

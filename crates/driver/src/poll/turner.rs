//! Who turns a shard: nobody, whichever worker of a pool, or one thread and no other.
//!
//! A pool turns each of its shards always: a worker that is stuck in a poll is stood in for. The
//! shard of a thread in `block_on` is turned by that thread alone, and by nobody while it is stuck.
//! So a source that is registered there moves as soon as a worker waits for it.

use reveille_primitive::atomic::{AtomicUsize, Ordering};

const NOBODY: usize = 0;
const ANYBODY: usize = 1;

/// See the module's header.
#[derive(Debug)]
pub(crate) struct Turner {
    /// One of the above, or the number of a thread.
    who: AtomicUsize,
}

/// A number that no other thread has at the same time.
pub(crate) fn this_thread() -> usize {
    /// Aligned, so that its address is neither of the constants, and leaves the bits to others
    /// that a `Standing` needs.
    #[repr(align(16))]
    struct Aligned(
        #[expect(dead_code, reason = "a type of no size has no address of its own")] u64,
    );

    thread_local!(static HERE: Aligned = const { Aligned(0) });
    HERE.with(|here| std::ptr::from_ref(here).addr())
}

impl Turner {
    pub(crate) fn anybody() -> Turner {
        Turner { who: AtomicUsize::new(ANYBODY) }
    }

    pub(crate) fn set(&self, is_driven: bool) {
        // Release, and the locks that follow: see invariant 3 of reactor.rs, and 2 of source.rs.
        self.who.store(if is_driven { ANYBODY } else { NOBODY }, Ordering::Release);
    }

    pub(crate) fn set_this_thread(&self) {
        self.who.store(this_thread(), Ordering::Release);
    }

    #[inline]
    pub(crate) fn is_somebody(&self) -> bool {
        self.who.load(Ordering::Acquire) != NOBODY
    }

    pub(crate) fn is_anybody(&self) -> bool {
        self.who.load(Ordering::Acquire) == ANYBODY
    }

    /// The number of the thread that alone turns it.
    pub(crate) fn lone(&self) -> Option<usize> {
        let who = self.who.load(Ordering::Acquire);
        (who != NOBODY && who != ANYBODY).then_some(who)
    }
}

//! Who turns a shard: nobody, whichever worker of a pool, or one thread and no other.
//!
//! A pool turns each of its shards always: a worker that is stuck in a poll is stood in for. The
//! shard of a thread in `block_on` is turned by that thread alone, and by nobody while it is stuck.
//! So a source that is registered there moves as soon as a worker waits for it.

use reveille_primitive::atomic::{AtomicUsize, Ordering};

const UNOWNED: usize = 0;
const ANY_THREAD: usize = 1;

/// See the module's header.
#[derive(Debug)]
pub(crate) struct TurnOwner {
    /// One of the above, or the number of a thread.
    owner: AtomicUsize,
}

/// A number that no other thread has at the same time.
pub(crate) fn this_thread() -> usize {
    /// Aligned, so that its address is neither of the constants, and leaves the bits to others
    /// that a `Arming` needs.
    #[repr(align(16))]
    struct Aligned(
        #[expect(dead_code, reason = "a type of no size has no address of its own")] u64,
    );

    thread_local!(static HERE: Aligned = const { Aligned(0) });
    HERE.with(|here| std::ptr::from_ref(here).addr())
}

impl TurnOwner {
    pub(crate) fn any_thread() -> TurnOwner {
        TurnOwner { owner: AtomicUsize::new(ANY_THREAD) }
    }

    pub(crate) fn set(&self, is_driven: bool) {
        // Release, and the locks that follow: see invariant 3 of reactor.rs, and 2 of source.rs.
        self.owner.store(if is_driven { ANY_THREAD } else { UNOWNED }, Ordering::Release);
    }

    pub(crate) fn set_this_thread(&self) {
        self.owner.store(this_thread(), Ordering::Release);
    }

    #[inline]
    pub(crate) fn is_owned(&self) -> bool {
        self.owner.load(Ordering::Acquire) != UNOWNED
    }

    pub(crate) fn is_any_thread(&self) -> bool {
        self.owner.load(Ordering::Acquire) == ANY_THREAD
    }

    /// The number of the thread that alone turns it.
    pub(crate) fn single_thread(&self) -> Option<usize> {
        let who = self.owner.load(Ordering::Acquire);
        (who != UNOWNED && who != ANY_THREAD).then_some(who)
    }
}

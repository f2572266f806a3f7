//! Which threads turn a shard: no thread, any worker of a pool, or one thread only.
//!
//! A pool turns each of its shards at all times: when a worker is stuck in a poll, another one
//! turns its shard. The shard of a thread in `block_on` is turned by that thread alone, and by no
//! thread while it is stuck. So a source that is registered there moves as soon as a worker waits
//! for it.

use reveille_primitive::atomic::{AtomicUsize, Ordering};

use crate::source::this_thread;

const UNOWNED: usize = 0;
const ANY_THREAD: usize = 1;

/// See the module's header.
#[derive(Debug)]
pub(crate) struct TurnOwner {
    /// One of the constants above, or the number of a thread.
    owner: AtomicUsize,
}

impl TurnOwner {
    pub(crate) fn any_thread() -> TurnOwner {
        TurnOwner { owner: AtomicUsize::new(ANY_THREAD) }
    }

    pub(crate) fn set(&self, is_driven: bool) {
        // Release, and the locks that follow: see invariant 3 of driver.rs, and 6 of
        // source/core.rs.
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

    /// The number of the thread that alone turns it, if there is one.
    pub(crate) fn single_thread(&self) -> Option<usize> {
        let owner = self.owner.load(Ordering::Acquire);
        (owner != UNOWNED && owner != ANY_THREAD).then_some(owner)
    }
}

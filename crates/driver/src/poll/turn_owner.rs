//! Which threads turn a shard: no thread, any worker of a pool, or only one thread.
//!
//! A pool always turns all of its shards: while a worker is stuck in a poll, another one turns its
//! shard. Only the thread in `block_on` turns its own shard, so no thread turns that shard while
//! the thread is stuck. So a source that is registered there moves as soon as a worker waits for
//! it.

use reveille_primitive::atomic::{AtomicUsize, Ordering};

use crate::source::this_thread;

const UNOWNED: usize = 0;
const ANY_THREAD: usize = 1;

/// The threads that turn a shard. See the module's header.
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
        // Release, together with the locks that the caller takes next: invariant 3 of driver.rs,
        // and invariant 6 of source/core.rs.
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

    /// The number of the only thread that turns the shard, if there is one.
    pub(crate) fn single_thread(&self) -> Option<usize> {
        let owner = self.owner.load(Ordering::Acquire);
        (owner != UNOWNED && owner != ANY_THREAD).then_some(owner)
    }
}

//! The tokio context that a thread enters, so that libraries made for tokio work in our tasks.
//!
//! Without the feature `tokio1` the functions do nothing and are optimised out. A worker enters the
//! context with its first task and stays in it. A `block_on` and a blocking closure of the program
//! enter it while they run. Blocking closures of reveille's own do not. A `block_on` in a task of
//! tokio's hands that thread's other tasks to tokio.

#[cfg(feature = "tokio1")]
pub(crate) use reveille_tokio1::{AtFirstTask, block_in_place, enter, is_started, is_tokio_thread};

#[cfg(not(feature = "tokio1"))]
pub(crate) use nothing::{AtFirstTask, block_in_place, enter, is_started, is_tokio_thread};

#[cfg(not(feature = "tokio1"))]
mod nothing {
    #[must_use]
    pub(crate) struct NoContext;

    #[inline]
    pub(crate) fn enter() -> NoContext {
        NoContext
    }

    pub(crate) fn is_started() -> bool {
        false
    }

    #[inline]
    pub(crate) fn is_tokio_thread() -> bool {
        false
    }

    #[inline]
    pub(crate) fn block_in_place<R>(block: impl FnOnce() -> R) -> R {
        block()
    }

    #[derive(Debug, Default)]
    pub(crate) struct AtFirstTask(());

    impl AtFirstTask {
        #[inline]
        pub(crate) fn enter(&mut self) {}
    }
}

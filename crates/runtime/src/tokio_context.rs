//! The tokio context that a thread enters, so that libraries made for tokio work in our tasks.
//!
//! Without the feature `tokio1` the functions do nothing and are optimised out. A worker enters the
//! context with its first task and stays in it. A `block_on` and a blocking closure of the program
//! enter it while they run. Blocking closures of reveille's own do not.

#[cfg(feature = "tokio1")]
pub(crate) use reveille_tokio1::{AtFirstTask, enter, is_started};

#[cfg(not(feature = "tokio1"))]
pub(crate) use nothing::{AtFirstTask, enter, is_started};

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

    #[derive(Debug, Default)]
    pub(crate) struct AtFirstTask(());

    impl AtFirstTask {
        #[inline]
        pub(crate) fn enter(&mut self) {}
    }
}

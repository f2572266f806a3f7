//! What a thread enters besides our own context, so that libraries of others work in our tasks.
//!
//! With the feature `tokio1` that is a tokio context; without it nothing, and the calls vanish.
//! The callers are those who begin to run a program's own code: a worker with its first task, for
//! good, a `block_on`, and a blocking closure that is not one of ours.

#[cfg(feature = "tokio1")]
pub(crate) use reveille_tokio1::{AtFirstTask, enter};

#[cfg(not(feature = "tokio1"))]
pub(crate) use nothing::{AtFirstTask, enter};

#[cfg(not(feature = "tokio1"))]
mod nothing {
    #[must_use]
    pub(crate) struct Entered;

    #[inline]
    pub(crate) fn enter() -> Entered {
        Entered
    }

    #[derive(Debug, Default)]
    pub(crate) struct AtFirstTask(());

    impl AtFirstTask {
        #[inline]
        pub(crate) fn enter(&mut self) {}
    }
}

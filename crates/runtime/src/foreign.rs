//! What a thread enters besides our own context, so that libraries of others work in our tasks.
//!
//! With the feature `tokio1` that is a tokio context; without it nothing, and the calls vanish.
//! The callers are those who begin to poll: a thread of the runtime, for good, and a `block_on`.

#[cfg(feature = "tokio1")]
pub(crate) use reveille_tokio1::{enter, enter_for_good};

#[cfg(not(feature = "tokio1"))]
pub(crate) use nothing::{enter, enter_for_good};

#[cfg(not(feature = "tokio1"))]
mod nothing {
    #[must_use]
    pub(crate) struct Entered;

    #[inline]
    pub(crate) fn enter() -> Entered {
        Entered
    }

    #[inline]
    pub(crate) fn enter_for_good() {}
}

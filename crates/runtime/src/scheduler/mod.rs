//! The executors: the work-stealing pool, and the one of a single thread.

pub(crate) mod current;
pub(crate) mod host;
pub(crate) mod local;
pub(crate) mod multi;
mod own_driver;
mod rescue;
pub mod sleep;
pub(crate) mod wake;
mod wake_flags;

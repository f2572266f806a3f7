//! The executors: the work-stealing pool, and the one of a single thread.
//!
//! The files, lowest first; each imports only those before it:
//! `generation`, `lost`, `own_driver`, `registry`, `wake_flags`, `watchdog` < `panic_hook` < `wake`
//! < `host` < `rescue` < `local` < `multi` <
//! `inspect`, `recording` < `global` < `serving` < `block_on`, `sleep`. `cargo xtask tidy`
//! checks the order.

pub(crate) mod block_on;
mod generation;
pub(crate) mod global;
pub(crate) mod host;
pub mod inspect;
pub(crate) mod local;
mod lost;
pub(crate) mod multi;
mod own_driver;
pub(crate) mod panic_hook;
pub mod recording;
mod registry;
mod rescue;
pub(crate) mod serving;
mod simulated;
pub mod sleep;
pub(crate) mod wake;
mod wake_flags;
mod watchdog;

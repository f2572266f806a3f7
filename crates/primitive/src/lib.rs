//! std or loom under one name, and the few building blocks that every layer needs.
//!
//! Code of the layers above names [`atomic`], [`cell`], [`lock`] and [`thread`] of this crate and
//! never std's, so that one `--cfg reveille_loom` turns each of their protocols into a model.
//! There is no policy here: nothing in this crate knows a task, a driver or a timer.

#[cfg(test)]
use reveille_watchdog as _;

mod asymmetric;
pub mod atomic;
mod barrier;
pub mod biased;
pub mod cell;
pub mod fork;
pub mod lock;
mod padded;
pub mod spin_lock;
pub mod stack;
pub mod thread;
mod ticks;

/// Protocols by themselves, for the models in `tests/loom_*.rs`.
#[doc(hidden)]
pub mod model {
    pub use crate::asymmetric::{Asymmetric, System};
}

pub use padded::Padded;
pub use ticks::ticks;

//! std's or loom's types under one name, and the building blocks that every layer needs.
//!
//! The layers above use [`atomic`], [`cell`], [`lock`] and [`thread`] of this crate instead of
//! std's, so that `--cfg reveille_loom` turns each of their protocols into a model. This crate
//! contains no policy, and no tasks, drivers or timer wheels. [`sys`] has the calls to the
//! operating system that concern threads and the process.

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
mod prefetch;
pub mod simulation;
pub mod spin_lock;
pub mod stack;
pub mod sys;
pub mod thread;
mod ticks;

/// Private protocols, for the models in `tests/loom_*.rs`.
#[doc(hidden)]
pub mod model {
    pub use crate::asymmetric::{Asymmetric, System};
}

pub use padded::Padded;
pub use prefetch::prefetch_after;
pub use ticks::ticks;

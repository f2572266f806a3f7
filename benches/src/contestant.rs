//! The contestants by name: from the command line to a type.

use std::net::SocketAddr;

use crate::measure::{Effort, Sample};
use crate::rt::{AsyncStd, Smol, Tokio};
use crate::workloads;

/// Who is measured. The first is the one whose ratios are printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Contestant {
    /// reveille, its workers set explicitly.
    #[cfg(feature = "reveille")]
    Reveille,
    /// tokio's multi-thread runtime.
    Tokio,
    /// smol's global executor.
    Smol,
    /// async-std's global executor.
    AsyncStd,
    /// tokio's current-thread runtime: beside the others, not among the peers of the ratio.
    TokioCurrent,
    /// No runtime: threads of the system, where a workload exists for them.
    Threads,
}

use Contestant::{AsyncStd as AsyncStdGlobal, Smol as SmolGlobal, Threads, TokioCurrent};

impl Contestant {
    /// Everybody, in the order of the columns.
    pub const ALL: &[Self] = &[
        #[cfg(feature = "reveille")]
        Self::Reveille,
        Self::Tokio,
        SmolGlobal,
        AsyncStdGlobal,
        TokioCurrent,
        Threads,
    ];

    /// The column's name.
    pub fn name(self) -> &'static str {
        match self {
            #[cfg(feature = "reveille")]
            Self::Reveille => "reveille",
            Self::Tokio => "tokio",
            SmolGlobal => "smol",
            AsyncStdGlobal => "async-std",
            TokioCurrent => "tokio-current",
            Threads => "threads",
        }
    }

    /// The contestant of that name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|contestant| contestant.name() == name)
    }

    /// Whether its figures are among those that reveille is compared with.
    pub fn is_peer(self) -> bool {
        matches!(self, Self::Tokio | SmolGlobal | AsyncStdGlobal)
    }

    /// Measures one workload in this process; `None` where it has no such workload.
    pub fn measure(self, workload: &str, effort: &Effort) -> Option<Sample> {
        match self {
            #[cfg(feature = "reveille")]
            Self::Reveille => workloads::run::<crate::rt::Reveille>(workload, effort),
            Self::Tokio => workloads::run::<Tokio<true>>(workload, effort),
            SmolGlobal => workloads::run::<Smol>(workload, effort),
            AsyncStdGlobal => workloads::run::<AsyncStd>(workload, effort),
            TokioCurrent => workloads::run::<Tokio<false>>(workload, effort),
            Threads => workloads::on_threads(workload, effort),
        }
    }

    /// Starts an echo server that serves until the process ends; `None` where there is no such.
    pub fn serve_echo(self, workers: usize) -> Option<SocketAddr> {
        match self {
            #[cfg(feature = "reveille")]
            Self::Reveille => Some(workloads::serve_echo::<crate::rt::Reveille>(workers)),
            Self::Tokio => Some(workloads::serve_echo::<Tokio<true>>(workers)),
            SmolGlobal => Some(workloads::serve_echo::<Smol>(workers)),
            AsyncStdGlobal => Some(workloads::serve_echo::<AsyncStd>(workers)),
            TokioCurrent => Some(workloads::serve_echo::<Tokio<false>>(workers)),
            Threads => None,
        }
    }

    /// Does what one process of a `startup` measurement does.
    pub fn start_up(self, workers: usize) {
        match self {
            #[cfg(feature = "reveille")]
            Self::Reveille => workloads::startup_leaf::<crate::rt::Reveille>(workers),
            Self::Tokio => workloads::startup_leaf::<Tokio<true>>(workers),
            SmolGlobal => workloads::startup_leaf::<Smol>(workers),
            AsyncStdGlobal => workloads::startup_leaf::<AsyncStd>(workers),
            TokioCurrent => workloads::startup_leaf::<Tokio<false>>(workers),
            Threads => {
                std::thread::spawn(|| {}).join().expect("an empty thread does not panic");
            }
        }
    }
}

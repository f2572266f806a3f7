//! The runtimes by name: from the command line to a type.

use std::net::SocketAddr;

use crate::measure::{RunConfig, Sample};
use crate::rt::{AsyncStd, Smol, Tokio};
use crate::workloads;

/// A measured runtime. The ratios are those of the first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Runtime {
    /// reveille, with an explicit number of workers.
    #[cfg(feature = "reveille")]
    Reveille,
    /// tokio's multi-thread runtime.
    Tokio,
    /// smol's global executor.
    Smol,
    /// async-std's global executor.
    AsyncStd,
    /// tokio's current-thread runtime. It is measured, but the ratio does not use it.
    TokioCurrent,
    /// No runtime: plain threads, for the workloads that exist for them.
    Threads,
}

use Runtime::{AsyncStd as AsyncStdGlobal, Smol as SmolGlobal, Threads, TokioCurrent};

impl Runtime {
    /// All runtimes, in the order of the columns.
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

    /// The runtime of that name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|runtime| runtime.name() == name)
    }

    /// Whether reveille's ratio is computed against this runtime.
    pub fn is_peer(self) -> bool {
        matches!(self, Self::Tokio | SmolGlobal | AsyncStdGlobal)
    }

    /// Measures one workload in this process. Returns `None` if the runtime does not have it.
    pub fn measure(self, workload: &str, config: &RunConfig) -> Option<Sample> {
        #[cfg(feature = "hyper")]
        if let Some(shape) = workloads::EchoShape::parse(workload).filter(|shape| shape.is_http()) {
            return match self {
                Self::Reveille => Some(workloads::hyper::run::<crate::rt::Reveille>(config, shape)),
                Self::Tokio => Some(workloads::hyper::run::<Tokio<true>>(config, shape)),
                TokioCurrent => Some(workloads::hyper::run::<Tokio<false>>(config, shape)),
                SmolGlobal | AsyncStdGlobal | Threads => None,
            };
        }
        match self {
            #[cfg(feature = "reveille")]
            Self::Reveille => workloads::run::<crate::rt::Reveille>(workload, config),
            Self::Tokio => workloads::run::<Tokio<true>>(workload, config),
            SmolGlobal => workloads::run::<Smol>(workload, config),
            AsyncStdGlobal => workloads::run::<AsyncStd>(workload, config),
            TokioCurrent => workloads::run::<Tokio<false>>(workload, config),
            Threads => workloads::on_threads(workload, config),
        }
    }

    /// Starts an echo server that serves until the process ends. Plain threads have none.
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

    /// The same with a server by hyper. Not all runtimes have one.
    #[cfg(feature = "hyper")]
    pub fn serve_hyper(self, workers: usize) -> Option<SocketAddr> {
        match self {
            Self::Reveille => Some(workloads::serve_hyper::<crate::rt::Reveille>(workers)),
            Self::Tokio => Some(workloads::serve_hyper::<Tokio<true>>(workers)),
            TokioCurrent => Some(workloads::serve_hyper::<Tokio<false>>(workers)),
            SmolGlobal | AsyncStdGlobal | Threads => None,
        }
    }

    /// Without hyper no runtime has such a server.
    #[cfg(not(feature = "hyper"))]
    pub fn serve_hyper(self, _workers: usize) -> Option<SocketAddr> {
        None
    }

    /// Runs the work of one process of a `startup` measurement.
    pub fn start_up(self, workers: usize) {
        match self {
            #[cfg(feature = "reveille")]
            Self::Reveille => workloads::start_and_exit::<crate::rt::Reveille>(workers),
            Self::Tokio => workloads::start_and_exit::<Tokio<true>>(workers),
            SmolGlobal => workloads::start_and_exit::<Smol>(workers),
            AsyncStdGlobal => workloads::start_and_exit::<AsyncStd>(workers),
            TokioCurrent => workloads::start_and_exit::<Tokio<false>>(workers),
            Threads => {
                std::thread::spawn(|| {}).join().expect("an empty thread does not panic");
            }
        }
    }
}

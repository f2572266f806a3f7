//! Starts the executor that the options select.

use std::io;
use std::thread;
use std::time::Duration;

use reveille::observe::FlightRecorder;
use reveille::runtime;
use reveille::task;
use reveille_trace::Trace;

use crate::options::Options;
use crate::run::{self, Executor, Run};
use crate::trace;

/// The memory of the recording, in bytes. It suffices for some million polls. Of a longer run, the
/// chart shows the end.
const RECORDING_BYTES: usize = 64 << 20;

/// Makes the requests, on this thread or on a pool, and records them for the chart. Returns the
/// trace, too.
pub(crate) fn run(options: &Options, concurrency: usize) -> io::Result<(Run, Vec<u8>)> {
    let recorder = FlightRecorder::new().window(Duration::MAX).memory(RECORDING_BYTES).start()?;
    let mut run = if options.local {
        task::block_on(run::run(options, concurrency, Executor::Local))?
    } else {
        let threads = threads(options);
        let pool = runtime::Builder::new().workers(threads).build()?;
        pool.block_on(run::run(options, concurrency, Executor::Pool(threads)))?
    };
    let recorded = recorder.snapshot()?;
    let trace = Trace::read(&recorded).map_err(io::Error::other)?;
    let rows = trace::rows(&trace, run.requests.len());
    for (request, row) in run.requests.iter_mut().zip(rows) {
        request.row = row;
    }
    Ok((run, recorded))
}

/// Returns the number of threads of the pool, or 0 without a pool.
pub(crate) fn threads(options: &Options) -> usize {
    match options.threads {
        _ if options.local => 0,
        Some(threads) => usize::from(threads),
        // A runtime has at most 512 workers.
        None => thread::available_parallelism().map_or(1, usize::from).min(512),
    }
}

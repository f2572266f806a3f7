//! Starts the executor that the options select.

use std::io;
use std::thread;

use reveille::runtime;
use reveille::task;

use crate::options::Options;
use crate::run::{self, Executor, Run};

/// Makes the requests, on this thread or on a pool.
pub(crate) fn run(options: &Options, concurrency: usize) -> io::Result<Run> {
    if options.local {
        return task::block_on(run::run(options, concurrency, Executor::Local));
    }
    let threads = threads(options);
    let pool = runtime::Builder::new().workers(threads).build()?;
    pool.block_on(run::run(options, concurrency, Executor::Pool(threads)))
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

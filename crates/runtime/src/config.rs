//! The configuration of a runtime, with the defaults.
//!
//! The clock, the random seed, the spawner of threads and the kind of driver are values too, so
//! that a test or a simulated runtime can replace them.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use reveille_driver::Kind;

use crate::context::EVENTS_PER_POLL;
use crate::observe::PanicHook;
use crate::threads::{Spawner, system_spawner};
use crate::timer::clock::{Clock, system_clock};

/// A function of the user that a thread calls when it starts or stops.
pub(crate) type Hook = Arc<dyn Fn() + Send + Sync>;

/// The same name as in async-std.
const THREAD_NAME: &str = "async-std/runtime";

/// The same maximum number of blocking threads as in async-std.
const MAX_BLOCKING_THREADS: usize = 500;

/// Maximum number of threads beyond the workers, which may take over workers from blocked threads.
const MAX_SPARE_THREADS: usize = 256;

/// How long a thread without work stays.
const KEEP_ALIVE: Duration = Duration::from_secs(10);

/// Maximum number of workers: a bit set of eight words holds them, and machines have fewer cores.
pub(crate) const MAX_WORKERS: usize = 512;

/// The configuration of a runtime.
pub(crate) struct Config {
    pub(crate) workers: usize,
    pub(crate) thread_name: Arc<str>,
    pub(crate) stack_size: Option<usize>,
    pub(crate) keep_alive: Duration,
    pub(crate) max_spare_threads: usize,
    pub(crate) max_blocking_threads: usize,
    pub(crate) event_budget: u8,
    pub(crate) seed: Option<u64>,
    pub(crate) clock: Clock,
    pub(crate) spawner: Spawner,
    pub(crate) driver: Kind,
    pub(crate) on_thread_start: Option<Hook>,
    pub(crate) on_thread_stop: Option<Hook>,
    pub(crate) on_takeover: Option<Hook>,
    pub(crate) on_panic: Option<PanicHook>,
}

impl Default for Config {
    fn default() -> Config {
        Config {
            workers: available_workers(),
            thread_name: Arc::from(THREAD_NAME),
            stack_size: None,
            keep_alive: KEEP_ALIVE,
            max_spare_threads: MAX_SPARE_THREADS,
            max_blocking_threads: MAX_BLOCKING_THREADS,
            event_budget: EVENTS_PER_POLL,
            seed: None,
            clock: system_clock().clone(),
            spawner: system_spawner(),
            driver: Kind::Native,
            on_thread_start: None,
            on_thread_stop: None,
            on_takeover: None,
            on_panic: None,
        }
    }
}

impl Config {
    /// The configuration of the global runtime: the defaults, changed by environment variables.
    ///
    /// # Panics
    ///
    /// Panics if a variable for a thread count is not a positive number, as the documentation of
    /// async-std promises.
    pub(crate) fn global() -> Config {
        let mut config = Config::default();
        for name in ["ASYNC_STD_THREAD_COUNT", "REVEILLE_THREADS"] {
            if let Some(count) = number_from(name) {
                config.workers = count.min(MAX_WORKERS);
            }
        }
        if let Some(name) = text_from("ASYNC_STD_THREAD_NAME") {
            config.thread_name = Arc::from(name);
        }
        if let Some(count) = number_from("BLOCKING_MAX_THREADS") {
            config.max_blocking_threads = count;
        }
        if text_from("REVEILLE_BATCHED_READS").is_some_and(|text| text.trim() == "1") {
            config.driver = Kind::Batched;
        }
        config
    }
}

impl fmt::Debug for Config {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Config")
            .field("workers", &self.workers)
            .field("thread_name", &self.thread_name)
            .field("stack_size", &self.stack_size)
            .field("keep_alive", &self.keep_alive)
            .field("max_spare_threads", &self.max_spare_threads)
            .field("max_blocking_threads", &self.max_blocking_threads)
            .finish_non_exhaustive()
    }
}

/// The parallelism available to this process, which its affinity and the quota of its container
/// limit.
fn available_workers() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from).min(MAX_WORKERS)
}

#[expect(clippy::disallowed_methods, reason = "no other function reads the environment")]
fn text_from(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|text| !text.is_empty())
}

fn number_from(name: &str) -> Option<usize> {
    let text = text_from(name)?;
    match text.trim().parse() {
        Ok(number) if number > 0 => Some(number),
        _ => panic!("the environment variable {name} must be a positive number, but is {text:?}"),
    }
}

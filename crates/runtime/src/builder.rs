//! Every option of a runtime, with its unit, default and bounds.

use std::fmt;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use reveille_driver::{Driver, Kind};

use crate::blocking::{Pool, PoolConfig};
use crate::observe::{PanicHook, UnhandledPanic};
use crate::runtime::{Handle, Runtime};
use crate::scheduler::multi::{self, Shared};
use crate::threads::{Spawner, system_spawner};
use crate::time::clock::Clock;
use crate::{budget, context};

/// A function of the user's that a thread calls.
pub(crate) type Hook = Arc<dyn Fn() + Send + Sync>;

/// As async-std names its threads.
const THREAD_NAME: &str = "async-std/runtime";

/// As many blocking threads as async-std allows.
const MAX_BLOCKING_THREADS: usize = 500;

/// Threads beyond the workers that may take over the places of blocked ones.
const MAX_SPARE_THREADS: usize = 256;

/// How long a thread without work stays.
const KEEP_ALIVE: Duration = Duration::from_secs(10);

/// The most workers: what a bit set of eight words holds, and more than machines have.
const MAX_WORKERS: usize = 512;

/// What a runtime is built with. Time, chance, threads and the kernel are passed in here.
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
            event_budget: budget::PER_POLL,
            seed: None,
            clock: context::system_clock().clone(),
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
    /// The global runtime's, from the environment.
    ///
    /// # Panics
    ///
    /// Panics on a number of threads that is none, as async-std's documentation promises.
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
        config
    }

    pub(crate) fn driver(&self) -> io::Result<Arc<Driver>> {
        Driver::new(self.driver).map(Arc::new).map_err(|error| {
            let text = format!("could not make the driver of a worker: {error}");
            io::Error::new(error.kind(), text)
        })
    }

    pub(crate) fn blocking_pool(&self, shared: &'static Shared) -> Arc<Pool> {
        let name = Arc::clone(&self.thread_name);
        let started = self.on_thread_start.clone();
        let config = PoolConfig {
            max_threads: self.max_blocking_threads,
            keep_alive: self.keep_alive,
            stack_size: self.stack_size,
            thread_name: Arc::new(move |number| format!("{name}-blocking-{number}")),
            on_start: Some(Arc::new(move || {
                context::belong_to(shared);
                started.iter().for_each(|hook| hook());
            })),
            on_stop: self.on_thread_stop.clone(),
            ..PoolConfig::default()
        };
        Arc::new(Pool::new(config, Arc::clone(&self.spawner)))
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

/// The parallelism the system grants this process: its affinity and its container's quota.
fn available_workers() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from).min(MAX_WORKERS)
}

#[expect(clippy::disallowed_methods, reason = "the one place that reads the environment")]
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

/// Builds a [`Runtime`] of its own, beside the global one.
///
/// # Examples
///
/// ```
/// # use reveille_runtime as reveille;
/// let runtime = reveille::Builder::new().workers(2).thread_name("mine").build()?;
/// assert_eq!(runtime.block_on(runtime.spawn(async { 6 * 7 })), 42);
/// # std::io::Result::Ok(())
/// ```
#[must_use = "a builder does nothing until `build`"]
#[derive(Debug, Default)]
pub struct Builder {
    config: Config,
}

impl Builder {
    /// A builder with the defaults, whatever the environment says.
    pub fn new() -> Builder {
        Builder::default()
    }

    /// Number of worker threads, 1 to 512. Default: the parallelism the system grants.
    ///
    /// # Panics
    ///
    /// Panics outside of the bounds.
    pub fn workers(mut self, workers: usize) -> Builder {
        assert!((1..=MAX_WORKERS).contains(&workers), "a runtime has 1 to {MAX_WORKERS} workers");
        self.config.workers = workers;
        self
    }

    /// Name of the worker threads. Default: `async-std/runtime`, as the predecessor's.
    ///
    /// # Panics
    ///
    /// Panics if `name` contains a NUL, which no thread's name can.
    pub fn thread_name(mut self, name: &str) -> Builder {
        assert!(!name.contains('\0'), "the name of a thread cannot contain a NUL");
        self.config.thread_name = Arc::from(name);
        self
    }

    /// Stack of each thread, in bytes. Default: std's, 2 MiB.
    pub fn stack_size(mut self, bytes: usize) -> Builder {
        self.config.stack_size = Some(bytes);
        self
    }

    /// How long a thread without work stays. Default: 10 seconds. The workers stay for ever.
    pub fn keep_alive(mut self, keep_alive: Duration) -> Builder {
        self.config.keep_alive = keep_alive;
        self
    }

    /// Threads of the pool for blocking closures, at least 1. Default: 500.
    ///
    /// # Panics
    ///
    /// Panics on 0.
    pub fn max_blocking_threads(mut self, threads: usize) -> Builder {
        assert!(threads > 0, "the blocking pool needs a thread");
        self.config.max_blocking_threads = threads;
        self
    }

    /// Threads beyond the workers that may take over from a worker whose poll blocks. Default: 256.
    ///
    /// With 0 nothing is taken over: a poll that blocks stops the tasks queued behind it, as in
    /// other runtimes, and there is no monitor thread.
    pub fn max_spare_threads(mut self, threads: usize) -> Builder {
        self.config.max_spare_threads = threads;
        self
    }

    /// Operations that were ready which a task may do in one poll, 1 to 254, before it goes to the
    /// back of the queue. Default: 32. Fewer make the slowest request faster, more save some polls.
    ///
    /// # Panics
    ///
    /// Panics outside of the bounds.
    pub fn event_budget(mut self, operations: u8) -> Builder {
        assert!((1..=254).contains(&operations), "a poll has a budget of 1 to 254 operations");
        self.config.event_budget = operations;
        self
    }

    /// Seeds the runtime's own choices, such as where a worker begins to steal. Default: chance.
    pub fn seed(mut self, seed: u64) -> Builder {
        self.config.seed = Some(seed);
        self
    }

    /// Called by each thread of the runtime before its first task.
    pub fn on_thread_start(mut self, hook: impl Fn() + Send + Sync + 'static) -> Builder {
        self.config.on_thread_start = Some(Arc::new(hook));
        self
    }

    /// Called by each thread of the runtime after its last task.
    pub fn on_thread_stop(mut self, hook: impl Fn() + Send + Sync + 'static) -> Builder {
        self.config.on_thread_stop = Some(Arc::new(hook));
        self
    }

    /// Called by a thread that takes over the place of a worker whose poll blocks.
    pub fn on_takeover(mut self, hook: impl Fn() + Send + Sync + 'static) -> Builder {
        self.config.on_takeover = Some(Arc::new(hook));
        self
    }

    /// Called when a task panicked and nobody awaits it, instead of a line on standard error.
    pub fn on_unhandled_panic(
        mut self,
        hook: impl Fn(&UnhandledPanic<'_>) + Send + Sync + 'static,
    ) -> Builder {
        self.config.on_panic = Some(Arc::new(hook));
        self
    }

    /// Starts the runtime.
    ///
    /// # Errors
    ///
    /// When the system refuses a thread or a descriptor; nothing is left behind then.
    pub fn build(self) -> io::Result<Runtime> {
        Shared::start(self.config).map(|(shared, incarnation)| Runtime::new(shared, incarnation))
    }

    /// Starts the runtime as the global one, which [`spawn`](crate::spawn) means outside of any
    /// other, and which else starts by itself with the defaults and what the environment says.
    /// That is for the beginning of `main`.
    ///
    /// # Errors
    ///
    /// When the global runtime is up already
    /// ([`AlreadyExists`](io::ErrorKind::AlreadyExists)), and when the system refuses a thread or a
    /// descriptor; nothing is left behind then.
    ///
    /// # Examples
    ///
    /// ```standalone_crate
    /// # use reveille_runtime as reveille;
    /// reveille::Builder::new()
    ///     .workers(2)
    ///     .on_unhandled_panic(|panic| eprintln!("a task is lost: {:?}", panic.message()))
    ///     .build_global()?;
    /// assert_eq!(reveille::block_on(reveille::spawn(async { 6 * 7 })), 42);
    /// # std::io::Result::Ok(())
    /// ```
    pub fn build_global(self) -> io::Result<Handle> {
        multi::start_global(self.config)
            .map(|(shared, incarnation)| Handle::new(shared, incarnation))
    }
}

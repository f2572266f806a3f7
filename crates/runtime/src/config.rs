//! The configuration of a runtime, with the defaults.
//!
//! The clock, the random seed, the spawner of threads and the kind of driver are values too, so
//! that a test or a simulated runtime can replace them.

use std::any::Any;
use std::fmt;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use reveille_driver::Kind;

use crate::context::EVENTS_PER_POLL;
use crate::lint::{HookGuard, LintHook};
use crate::observe::{PanicHook, TaskHooks};
use crate::record::{Recording, complain};
use crate::threads::{Spawner, system_spawner};
use crate::timer::clock::{Clock, system_clock};

/// A flight recorder that records until it is dropped.
pub(crate) type Flight = Box<dyn Any + Send + Sync>;

/// A function that starts a flight recorder.
pub(crate) type StartFlight = Box<dyn FnOnce() -> io::Result<Flight> + Send + Sync>;

/// A function of the user that a thread calls when it starts or stops.
pub(crate) type Hook = Arc<dyn Fn() + Send + Sync>;

/// The default name of threads. With a number it fits into the 15 characters that Linux shows.
const PREFIX: &str = "reveille";

/// The same name as in async-std. The shim asks for it by a feature of this crate,
/// because the global runtime may start before any function of the shim is called.
const GLOBAL_NAME: Option<&str> =
    if cfg!(feature = "async-std-names") { Some("async-std/runtime") } else { None };

/// The same maximum number of blocking threads as in async-std.
const MAX_BLOCKING_THREADS: usize = 500;

/// Maximum number of threads beyond the workers, which may take over workers from blocked threads.
const MAX_SPARE_THREADS: usize = 256;

/// How long a thread without work stays.
const KEEP_ALIVE: Duration = Duration::from_secs(10);

/// Maximum number of workers: a bit set of eight words holds them, and machines have fewer cores.
pub(crate) const MAX_WORKERS: usize = 512;

/// The signal for dumps on Unix: what Ctrl-\ sends.
const SIGQUIT: i32 = 3;

/// How long a test may make no progress.
const DEADLOCK_LIMIT: Duration = Duration::from_secs(10);

/// The configuration of a runtime.
pub(crate) struct Config {
    /// `None` for the available parallelism. The question takes a dozen system calls, so it is
    /// asked when the runtime starts, and only if nothing else sets the number.
    pub(crate) workers: Option<usize>,
    pub(crate) thread_names: ThreadNames,
    pub(crate) stack_size: Option<usize>,
    pub(crate) keep_alive: Duration,
    pub(crate) max_spare_threads: usize,
    pub(crate) max_blocking_threads: usize,
    pub(crate) event_budget: u8,
    pub(crate) seed: Option<u64>,
    pub(crate) clock: Clock,
    pub(crate) spawner: Spawner,
    pub(crate) driver: Kind,
    /// Signals that print a dump.
    pub(crate) dump_signals: Vec<i32>,
    /// Whether these dumps have the stacks of threads.
    pub(crate) has_thread_stacks: bool,
    pub(crate) on_thread_start: Option<Hook>,
    pub(crate) on_thread_stop: Option<Hook>,
    pub(crate) on_takeover: Option<Hook>,
    pub(crate) on_panic: Option<PanicHook>,
    pub(crate) task_hooks: TaskHooks,
    /// Where everything is recorded while the runtime is up.
    pub(crate) record_to: Option<PathBuf>,
    pub(crate) recording: Option<Recording>,
    /// Starts the flight recorder of the runtime. What it returns is kept until the runtime has
    /// ended.
    pub(crate) start_flight: Option<StartFlight>,
    pub(crate) flight: Option<Flight>,
    pub(crate) on_lint: Option<LintHook>,
    /// Keeps that hook until the runtime has ended.
    pub(crate) lint_hook: Option<HookGuard>,
}

/// The names of a runtime's threads.
#[derive(Clone, Debug, Default)]
pub(crate) struct ThreadNames {
    /// The program's choice. All workers have this name, as async-std's had.
    chosen: Option<Arc<str>>,
}

impl ThreadNames {
    pub(crate) fn new(name: &str) -> ThreadNames {
        ThreadNames { chosen: Some(Arc::from(name)) }
    }

    /// The name of the worker thread with this number. Numbers begin with 1.
    pub(crate) fn worker(&self, number: usize) -> String {
        match &self.chosen {
            Some(name) => name.to_string(),
            None => format!("{PREFIX}-{}", number.saturating_sub(1)),
        }
    }

    /// The name of the blocking thread with this number. Numbers begin with 1.
    pub(crate) fn blocking(&self, number: u64) -> String {
        match &self.chosen {
            Some(name) => format!("{name}-blocking-{number}"),
            None => format!("{PREFIX}-blk-{}", number.saturating_sub(1)),
        }
    }

    pub(crate) fn monitor(&self) -> String {
        match &self.chosen {
            Some(name) => format!("{name}-monitor"),
            None => format!("{PREFIX}-mon"),
        }
    }

    pub(crate) fn shutdown(&self) -> String {
        match &self.chosen {
            Some(name) => format!("{name}-shutdown"),
            None => format!("{PREFIX}-end"),
        }
    }

    /// The name without a number, for reports.
    pub(crate) fn prefix(&self) -> &str {
        self.chosen.as_deref().unwrap_or(PREFIX)
    }
}

impl Default for Config {
    fn default() -> Config {
        Config {
            workers: None,
            thread_names: ThreadNames::default(),
            stack_size: None,
            keep_alive: KEEP_ALIVE,
            max_spare_threads: MAX_SPARE_THREADS,
            max_blocking_threads: MAX_BLOCKING_THREADS,
            event_budget: EVENTS_PER_POLL,
            seed: None,
            clock: system_clock().clone(),
            spawner: system_spawner(),
            driver: Kind::Native,
            dump_signals: Vec::new(),
            has_thread_stacks: false,
            on_thread_start: None,
            on_thread_stop: None,
            on_takeover: None,
            on_panic: None,
            task_hooks: TaskHooks::default(),
            record_to: None,
            recording: None,
            start_flight: None,
            flight: None,
            on_lint: None,
            lint_hook: None,
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
        config.thread_names.chosen = GLOBAL_NAME.map(Arc::from);
        for name in ["ASYNC_STD_THREAD_COUNT", "REVEILLE_THREADS"] {
            if let Some(count) = number_from(name) {
                config.workers = Some(count.min(MAX_WORKERS));
            }
        }
        if let Some(name) = text_from("ASYNC_STD_THREAD_NAME") {
            config.thread_names = ThreadNames::new(&name);
        }
        if let Some(count) = number_from("BLOCKING_MAX_THREADS") {
            config.max_blocking_threads = count;
        }
        if choice_from("REVEILLE_BATCHED_READS", &["1"]).is_some() {
            config.driver = Kind::Batched;
        }
        if let Some(has_thread_stacks) = dump_asked_for() {
            config.dump_signals.push(SIGQUIT);
            config.has_thread_stacks = has_thread_stacks;
        }
        config
    }
}

/// Whether the environment asks for dumps, and if so, whether with the stacks of threads. On
/// systems other than Unix there is no signal for them.
fn dump_asked_for() -> Option<bool> {
    let choice = choice_from("REVEILLE_DUMP", &["1", "threads"]).filter(|_| cfg!(unix))?;
    Some(choice == "threads")
}

/// Returns which of `choices` a variable is. `0` is none of them. Reports another text, which would
/// be missed otherwise, and goes on, because the program works without it.
fn choice_from(name: &str, choices: &[&'static str]) -> Option<&'static str> {
    let text = text_from(name)?;
    let found = choices.iter().copied().find(|choice| *choice == text.trim());
    if found.is_none() && text.trim() != "0" {
        let allowed = choices.join("` or `");
        complain(&format!("{name} must be `{allowed}`, but is {text:?}: it has no effect"));
    }
    found
}

/// How long a test may make no progress before it fails; `None` for no limit.
///
/// # Panics
///
/// Panics if the environment variable is not a number of seconds.
pub(crate) fn deadlock_limit() -> Option<Duration> {
    let name = "REVEILLE_TEST_DEADLOCK";
    let Some(text) = text_from(name) else { return Some(DEADLOCK_LIMIT) };
    match text.trim().parse() {
        Ok(0) => None,
        Ok(seconds) => Some(Duration::from_secs(seconds)),
        Err(_) => panic!("the environment variable {name} must be a number, but is {text:?}"),
    }
}

impl fmt::Debug for Config {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Config")
            .field("workers", &self.workers)
            .field("thread_names", &self.thread_names)
            .field("stack_size", &self.stack_size)
            .field("keep_alive", &self.keep_alive)
            .field("max_spare_threads", &self.max_spare_threads)
            .field("max_blocking_threads", &self.max_blocking_threads)
            .finish_non_exhaustive()
    }
}

/// The parallelism available to this process, which its affinity and the quota of its container
/// limit.
pub(crate) fn available_workers() -> usize {
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

#[cfg(test)]
mod tests {
    use super::ThreadNames;

    /// How many characters of a name Linux shows.
    const SHOWN_LEN: usize = 15;

    #[test]
    fn default_thread_names_are_numbered_and_fit_the_limit_of_linux() {
        let names = ThreadNames::default();
        assert_eq!(
            (names.worker(1), names.blocking(4)),
            ("reveille-0".into(), "reveille-blk-3".into())
        );
        let all = [names.worker(512), names.blocking(100), names.monitor(), names.shutdown()];
        assert!(all.iter().all(|name| name.len() <= SHOWN_LEN), "{all:?}");
    }

    #[test]
    fn a_chosen_name_is_that_of_every_worker() {
        let names = ThreadNames::new("bees");
        assert_eq!((names.worker(1), names.worker(2)), ("bees".into(), "bees".into()));
        assert_eq!(names.blocking(1), "bees-blocking-1");
        assert_eq!((names.monitor(), names.prefix()), ("bees-monitor".into(), "bees"));
    }
}

//! Tests that are deadlocked fail with a dump.
//!
//! While tests run, a thread checks four times a second whether the process is quiet (`quiet.rs`).
//! If the process has been quiet for the whole limit, without progress and without use of the
//! processors, only a thread that the runtimes do not know could wake a task, such as one of
//! `std::thread::spawn`. But such a thread has slept all that time as well. So each test that waits
//! panics with the dump.
//!
//! The same thread serves two lints for programs, in debug builds while a runtime is up, and while
//! a runtime has a hook for lints: it reports tasks that nothing can wake (`lost_tasks.rs`), and a
//! process that is quiet for the limit. It reports such a process only if it knows every thread
//! (`quiet::are_threads_known`), because a thread of the program's own could still wake a task.
//!
//! Rejected: a check at the last park. A worker parks a thousand times a second, and a thread of
//! the program may be about to wake it.

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::sync::{Arc, Weak};
use std::task::Waker;
use std::time::{Duration, Instant};

use reveille_primitive::fork;
use reveille_primitive::lock::Mutex;
use reveille_primitive::simulation;
use reveille_primitive::sys::process_cpu_time;
use reveille_primitive::thread::sleep;

use super::{dump, lost_tasks, quiet};
use crate::config;
use crate::lint::{self, About, Facts, LintKind};
use crate::scheduler::{lost, multi};
use crate::threads::{ThreadSpec, system_spawner};
use crate::timer::clock::system_clock;
use crate::waits::is_probe;

/// How often the watch checks.
const CHECK_INTERVAL: Duration = Duration::from_millis(250);

/// The share of one processor that a process without progress may use: by the watch itself, and by
/// threads that wake up for nothing.
const IDLE_SHARE: u32 = 50;

/// The name of the watch's thread.
const THREAD_NAME: &str = "reveille-deadlock";

/// A test in progress.
#[derive(Default)]
struct Test {
    waker: Mutex<Option<Waker>>,
    /// The text that it has to panic with.
    verdict: Mutex<Option<Arc<str>>>,
}

struct Tests {
    running: Vec<Weak<Test>>,
    /// The generation of the process that has the watch. A child process made by `fork` does not
    /// have it.
    watched: Option<u32>,
}

static TESTS: Mutex<Tests> = Mutex::new(Tests { running: Vec::new(), watched: None });

/// Polls `future`, the body of a test, and panics with a dump if the process makes no progress
/// meanwhile.
///
/// # Panics
/// Panics if the process makes no progress, and if `future` panics.
pub async fn fail_on_deadlock<F: Future>(future: F) -> F::Output {
    let test = config::deadlock_limit().map(Test::begin);
    let mut future = pin!(future);
    poll_fn(|cx| {
        if let Some(test) = test.as_ref().filter(|_| !is_probe(cx.waker())) {
            test.check(cx.waker());
        }
        future.as_mut().poll(cx)
    })
    .await
}

impl Test {
    /// Enters a test, and starts the watch unless it runs.
    fn begin(limit: Duration) -> Arc<Test> {
        let test = Arc::new(Test::default());
        TESTS.lock().running.push(Arc::downgrade(&test));
        start_watch(Some(limit));
        test
    }

    fn check(&self, waker: &Waker) {
        let verdict = self.verdict.lock().take();
        if let Some(verdict) = verdict {
            panic!("{verdict}");
        }
        let is_known = self.waker.lock().as_ref().is_some_and(|known| known.will_wake(waker));
        if !is_known {
            let old = self.waker.lock().replace(waker.clone());
            drop(old);
        }
    }
}

/// Starts the watch for the lints of programs, unless it runs or lints are off. Called when a
/// runtime has started. In a simulation the watch's sleeps would hide a deadlock.
pub(crate) fn watch_for_lints() {
    if lint::is_on() && !simulation::is_simulated() {
        start_watch(config::deadlock_limit());
    }
}

/// Starts the watch unless it runs. Without a limit it does not report a quiet process.
fn start_watch(limit: Option<Duration>) {
    let generation = Some(fork::generation());
    if std::mem::replace(&mut TESTS.lock().watched, generation) == generation {
        return;
    }
    let spec = ThreadSpec {
        name: THREAD_NAME.to_owned(),
        stack_size: None,
        body: Box::new(move || watch(limit)),
    };
    lost::set_reader(true);
    if simulation::for_all_hosts(|| system_spawner()(spec)).is_err() {
        // Without the thread, deadlocked tests hang. The next test tries again.
        end_watch(&mut TESTS.lock());
    }
}

fn end_watch(tests: &mut Tests) {
    tests.watched = None;
    lost::set_reader(false);
}

/// The main function of the watch's thread. It ends when no test runs and no program wants lints.
fn watch(limit: Option<Duration>) {
    let mut stretch: Option<Stretch> = None;
    // In a simulation nothing else may happen for hours, so each check counts.
    let interval = match limit {
        Some(limit) if simulation::is_simulated() => limit / 4,
        _ => CHECK_INTERVAL,
    };
    loop {
        sleep(interval);
        lost_tasks::report_all();
        let is_wanted = lint::has_hooks() || lint::is_on() && multi::are_any_up();
        let tests: Vec<Arc<Test>> = {
            let mut tests = TESTS.lock();
            tests.running.retain(|test| test.strong_count() > 0);
            if tests.running.is_empty() && !is_wanted {
                return end_watch(&mut tests);
            }
            tests.running.iter().filter_map(Weak::upgrade).collect()
        };
        let Some(limit) = limit else { continue };
        stretch = match stretch.take() {
            Some(stretch) if stretch.goes_on() => Some(stretch),
            _ => Stretch::begin(),
        };
        if let Some(still) = &stretch
            && still.len() >= limit
        {
            // A quiet process starts no threads, so the threads that exist now have existed all the
            // time.
            if has_only_known_threads() {
                report_quiescent(limit);
            }
            stretch = None;
            fail(tests, limit);
        }
    }
}

/// Reports the lint [`LintKind::Quiescent`].
fn report_quiescent(limit: Duration) {
    let seconds = limit.as_secs();
    lint::report_with(LintKind::Quiescent, None, || {
        let dump = dump();
        let tasks = dump.tasks().len() as u128;
        (Facts::measured(About::Process, tasks), format!("for {seconds} s\n{dump}"))
    });
}

/// A period in which the process made no progress.
struct Stretch {
    since: Instant,
    progress: (u64, usize),
    cpu_time: Option<Duration>,
}

impl Stretch {
    /// Begins now, if the process is quiet.
    fn begin() -> Option<Stretch> {
        let progress = quiet::progress();
        let since = system_clock().now();
        quiet::is_quiet().then(|| Stretch { since, progress, cpu_time: process_cpu_time() })
    }

    fn goes_on(&self) -> bool {
        let used = match (self.cpu_time, process_cpu_time()) {
            (Some(before), Some(now)) => now.saturating_sub(before),
            _ => Duration::ZERO,
        };
        used < CHECK_INTERVAL.max(self.len()) / IDLE_SHARE
            && quiet::is_quiet()
            && quiet::progress() == self.progress
    }

    fn len(&self) -> Duration {
        system_clock().now().saturating_duration_since(self.since)
    }
}

/// Whether the program has no thread of its own. Where the threads cannot be counted, returns
/// whether there is a hook: it gets a report even though a thread of the program may still wake a
/// task.
fn has_only_known_threads() -> bool {
    quiet::are_threads_known().unwrap_or_else(lint::has_hooks)
}

/// Makes each test that waits panic with a dump.
fn fail(tests: Vec<Arc<Test>>, limit: Duration) {
    if tests.is_empty() {
        return;
    }
    let seconds = limit.as_secs();
    let verdict: Arc<str> = format!(
        "the test stands still: for {seconds} s no task, timer, socket or blocking closure has \
         made progress. If a thread of your own will go on, use `#[test(deadlock = false)]` or set \
         REVEILLE_TEST_DEADLOCK=0.\n{}",
        dump()
    )
    .into();
    for test in tests {
        *test.verdict.lock() = Some(Arc::clone(&verdict));
        let waker = test.waker.lock().take();
        if let Some(waker) = waker {
            waker.wake();
        }
    }
}

//! Which thread polls which task, for dumps.
//!
//! Each thread that runs a worker enters its counter of polls here. A thread that has lost its
//! worker to another one stays on the list until it ends: its poll is the one that dumps have to
//! show.

use std::collections::HashMap;
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use reveille_primitive::lock::Mutex;
use reveille_primitive::sys::{ThreadNumber, thread_number};

use crate::poll_counter::PollCounter;
use crate::timer::clock::system_clock;

/// A poll in progress.
#[derive(Clone, Debug)]
pub(crate) struct Poll {
    /// The name of the thread.
    pub(crate) thread: String,
    /// The least time for which it has run, if that is known.
    pub(crate) since: Option<Duration>,
    /// The system's number of the thread; 0 for a thread that takes a dump.
    pub(crate) number: ThreadNumber,
}

/// A thread that counts its polls.
struct PollingThread {
    counter: Weak<PollCounter>,
    thread: String,
    number: ThreadNumber,
    /// The count of polls in the last dump that saw this thread in a poll, and its time in
    /// nanoseconds. Without spare threads there is no monitor that sees polls.
    dumped: Option<(u64, u64)>,
}

static THREADS: Mutex<Vec<PollingThread>> = Mutex::new(Vec::new());

/// What dumps poll: the addresses of the tasks, the thread, and since when.
static PROBES: Mutex<Vec<(usize, Instant)>> = Mutex::new(Vec::new());

/// The name of the threads that take dumps.
pub(crate) const DUMP_THREAD: &str = "reveille-dump";

/// Enters this thread, whose polls `counter` counts.
pub(crate) fn watch(counter: &Arc<PollCounter>) {
    let thread = std::thread::current().name().unwrap_or_default().to_owned();
    // Made before the lock, which all workers of a runtime take when they begin.
    let (counter, number) = (Arc::downgrade(counter), thread_number());
    let own = PollingThread { counter, thread, number, dumped: None };
    let mut threads = THREADS.lock();
    threads.retain(|thread| thread.counter.strong_count() > 0);
    threads.push(own);
}

/// The poll of a task by a dump, until it is dropped.
pub(crate) struct ProbeMark(usize);

/// The result of [`claim_for_probe`].
pub(crate) enum ProbeClaim<T> {
    Claimed(T, ProbeMark),
    /// Another dump polls the task.
    Probed,
    Refused,
}

/// Marks the task at `addr` as polled by a dump if `claim` returns something. In one step, so that
/// no other dump sees it as claimed and not marked.
pub(crate) fn claim_for_probe<T>(addr: usize, claim: impl FnOnce() -> Option<T>) -> ProbeClaim<T> {
    let now = system_clock().now();
    let mut probes = PROBES.lock();
    if let Some(claimed) = claim() {
        probes.push((addr, now));
        return ProbeClaim::Claimed(claimed, ProbeMark(addr));
    }
    let is_probed = probes.iter().any(|(other, _)| *other == addr);
    if is_probed { ProbeClaim::Probed } else { ProbeClaim::Refused }
}

impl Drop for ProbeMark {
    fn drop(&mut self) {
        let mut probes = PROBES.lock();
        if let Some(at) = probes.iter().position(|(addr, _)| *addr == self.0) {
            probes.swap_remove(at);
        }
    }
}

/// Whether a dump or a thread that runs a worker polls a task now. Threads that have lost their
/// worker count too: their polls may return.
pub(crate) fn are_any() -> bool {
    let threads = THREADS.lock();
    let mut counters = threads.iter().filter_map(|thread| thread.counter.upgrade());
    let is_any = counters.any(|counter| counter.polled().is_some());
    is_any || !PROBES.lock().is_empty()
}

/// The tasks that are polled now, by their addresses. For a dump that has begun at `begun_ns`, a
/// time of the system's clock.
pub(crate) fn current(begun_ns: u64) -> HashMap<usize, Poll> {
    let clock = system_clock();
    let now_ns = clock.now_ns();
    let mut polls = HashMap::new();
    for thread in THREADS.lock().iter_mut() {
        let Some(counter) = thread.counter.upgrade() else { continue };
        let Some((task, count)) = counter.polled() else { continue };
        let dumped = thread.dumped.filter(|(polls, _)| *polls == count);
        if dumped.is_none() {
            thread.dumped = Some((count, now_ns));
        }
        // Its own sightings are no news.
        let by_dump = dumped.map(|(_, at)| at).filter(|at| *at < begun_ns);
        let since = counter.seen_ns(count).or(by_dump);
        let since = since.map(|seen| Duration::from_nanos(now_ns.saturating_sub(seen)));
        let poll = Poll { thread: thread.thread.clone(), since, number: thread.number };
        polls.insert(task, poll);
    }
    let now = clock.now();
    for (task, since) in PROBES.lock().iter() {
        let since = Some(now.saturating_duration_since(*since));
        let thread = DUMP_THREAD.to_owned();
        polls.insert(*task, Poll { thread, since, number: 0 });
    }
    polls
}

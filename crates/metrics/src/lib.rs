//! Publishes the [metrics of a reveille runtime](reveille::runtime::Metrics) through the crate
//! [`metrics`], whose exporters show them, such as one for Prometheus. A [`Publisher`] reads the
//! numbers of one runtime and passes them on: each time that you call [`Publisher::publish`], or
//! periodically in a task of its own ([`Publisher::spawn`]). It measures nothing itself: the
//! runtime always keeps these numbers.
//!
//! # Examples
//!
//! ```
//! use std::time::Duration;
//!
//! use reveille_metrics::Publisher;
//!
//! reveille::task::block_on(async {
//!     // Install the recorder of your exporter first.
//!     let publisher = Publisher::new(reveille::runtime::Handle::current());
//!     publisher.spawn(Duration::from_secs(5));
//! });
//! ```
//!
//! # Metrics
//!
//! All names begin with `reveille_`. Gauges are the current state. Counters begin at zero when
//! the runtime starts.
//!
//! | name | kind | unit | what |
//! |---|---|---|---|
//! | `workers` | gauge | count | workers |
//! | `parked_workers` | gauge | count | workers that wait |
//! | `searching_workers` | gauge | count | workers that search for tasks |
//! | `busy_time` | counter | µs | time in which workers were not parked, summed over the workers |
//! | `live_tasks` | gauge | count | tasks that have not ended |
//! | `spawned_tasks` | counter | count | tasks that were spawned |
//! | `injected_tasks` | gauge | count | tasks in the queue that all workers share |
//! | `queued_tasks` | gauge | count | tasks in the queues of the workers |
//! | `polls` | counter | count | polls of tasks |
//! | `steals` | counter | count | tasks that a worker took from another one |
//! | `parks` | counter | count | times that a worker parked |
//! | `sibling_wakes` | counter | count | times that a worker woke another because its queue was long |
//! | `overflows` | counter | count | tasks that did not fit into the queue of their worker |
//! | `takeovers` | counter | count | times that a thread took over the worker of a poll that blocks |
//! | `threads` | gauge | count | threads that run workers, are stuck in polls, or are spare |
//! | `pending_timers` | gauge | count | timers that have not fired |
//! | `sources` | gauge | count | sockets and other descriptors that the drivers watch |
//! | `driver_turns` | counter | count | times that a worker asked the system for events |
//! | `source_events` | counter | count | events of sockets and other descriptors |
//! | `read_batches` | counter | count | system calls that read for several tasks |
//! | `batched_reads` | counter | count | reads that those system calls served |
//! | `blocking_threads` | gauge | count | threads of the blocking pool |
//! | `idle_blocking_threads` | gauge | count | threads of the blocking pool that wait |
//! | `queued_closures` | gauge | count | blocking closures that wait for a thread |
//! | `running_closures` | gauge | count | blocking closures that run |
//! | `started_closures` | counter | count | blocking closures that have begun |
//!
//! [`runtime::Metrics`](reveille::runtime::Metrics) says more about each.

#![forbid(unsafe_code)]

#[cfg(test)]
use reveille_watchdog as _;

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use metrics::{Label, Unit, counter, describe_counter, describe_gauge, gauge};
use reveille::runtime::{Handle, Metrics};
use reveille::task::{self, JoinHandle};

/// How a metric is read.
enum Read {
    /// The state at the moment.
    Gauge(fn(&Metrics) -> usize),
    /// A number that never decreases.
    Counter(fn(&Metrics) -> u64),
}

use Read::{Counter, Gauge};

/// Name, unit, description, and how the metric is read.
type Row = (&'static str, Unit, &'static str, Read);

/// Every metric, in the order of [`Metrics`].
#[rustfmt::skip]
const ROWS: [Row; 26] = [
    ("reveille_workers", Unit::Count, "Workers", Gauge(|m| m.workers)),
    ("reveille_parked_workers", Unit::Count, "Workers that wait", Gauge(|m| m.parked_workers)),
    ("reveille_searching_workers", Unit::Count, "Workers that search for tasks",
        Gauge(|m| m.searching_workers)),
    ("reveille_busy_time", Unit::Microseconds, "Time in which workers were not parked",
        Counter(|m| u64::try_from(m.busy_time.as_micros()).unwrap_or(u64::MAX))),
    ("reveille_live_tasks", Unit::Count, "Tasks that have not ended", Gauge(|m| m.live_tasks)),
    ("reveille_spawned_tasks", Unit::Count, "Tasks that were spawned",
        Counter(|m| m.spawned_tasks)),
    ("reveille_injected_tasks", Unit::Count, "Tasks in the queue that all workers share",
        Gauge(|m| m.injected_tasks)),
    ("reveille_queued_tasks", Unit::Count, "Tasks in the queues of the workers",
        Gauge(|m| m.queued_tasks)),
    ("reveille_polls", Unit::Count, "Polls of tasks", Counter(|m| m.polls)),
    ("reveille_steals", Unit::Count, "Tasks that a worker took from another one",
        Counter(|m| m.steals)),
    ("reveille_parks", Unit::Count, "Times that a worker parked", Counter(|m| m.parks)),
    ("reveille_sibling_wakes", Unit::Count,
        "Times that a worker woke another because its queue was long",
        Counter(|m| m.sibling_wakes)),
    ("reveille_overflows", Unit::Count, "Tasks that did not fit into the queue of their worker",
        Counter(|m| m.overflows)),
    ("reveille_takeovers", Unit::Count,
        "Times that a thread took over the worker of a poll that blocks",
        Counter(|m| m.takeovers)),
    ("reveille_threads", Unit::Count, "Threads that run workers, are stuck in polls, or are spare",
        Gauge(|m| m.threads)),
    ("reveille_pending_timers", Unit::Count, "Timers that have not fired",
        Gauge(|m| m.pending_timers)),
    ("reveille_sources", Unit::Count, "Sockets and other descriptors that the drivers watch",
        Gauge(|m| m.sources)),
    ("reveille_driver_turns", Unit::Count, "Times that a worker asked the system for events",
        Counter(|m| m.driver_turns)),
    ("reveille_source_events", Unit::Count, "Events of sockets and other descriptors",
        Counter(|m| m.source_events)),
    ("reveille_read_batches", Unit::Count, "System calls that read for several tasks",
        Counter(|m| m.read_batches)),
    ("reveille_batched_reads", Unit::Count, "Reads that system calls for several tasks served",
        Counter(|m| m.batched_reads)),
    ("reveille_blocking_threads", Unit::Count, "Threads of the blocking pool",
        Gauge(|m| m.blocking_threads)),
    ("reveille_idle_blocking_threads", Unit::Count, "Threads of the blocking pool that wait",
        Gauge(|m| m.idle_blocking_threads)),
    ("reveille_queued_closures", Unit::Count, "Blocking closures that wait for a thread",
        Gauge(|m| m.queued_closures)),
    ("reveille_running_closures", Unit::Count, "Blocking closures that run",
        Gauge(|m| m.running_closures)),
    ("reveille_started_closures", Unit::Count, "Blocking closures that have begun",
        Counter(|m| m.started_closures)),
];

/// Publishes the metrics of one runtime.
///
/// The recorder of the crate `metrics` receives them, and nothing happens without one. The module's
/// documentation lists their names.
///
/// # Examples
///
/// ```
/// use reveille::runtime::Builder;
/// use reveille_metrics::Publisher;
///
/// let (web, batch) = (Builder::new().build()?, Builder::new().workers(1).build()?);
/// let publishers = [
///     Publisher::new(web.handle()).label("runtime", "web"),
///     Publisher::new(batch.handle()).label("runtime", "batch"),
/// ];
/// publishers.iter().for_each(Publisher::publish);
/// # std::io::Result::Ok(())
/// ```
#[derive(Debug)]
pub struct Publisher {
    runtime: Handle,
    labels: Vec<Label>,
    is_described: AtomicBool,
}

impl Publisher {
    /// Makes a publisher for `runtime`. It does not keep the runtime alive.
    ///
    /// # Examples
    ///
    /// ```
    /// let runtime = reveille::runtime::Runtime::start()?;
    /// let publisher = reveille_metrics::Publisher::new(runtime.handle());
    /// # drop(publisher);
    /// # std::io::Result::Ok(())
    /// ```
    #[must_use]
    pub fn new(runtime: Handle) -> Publisher {
        Publisher { runtime, labels: Vec::new(), is_described: AtomicBool::new(false) }
    }

    /// Adds a label to each metric, such as the name of the runtime in a program with several.
    ///
    /// # Examples
    ///
    /// ```
    /// use reveille_metrics::Publisher;
    ///
    /// let runtime = reveille::runtime::Runtime::start()?;
    /// let publisher = Publisher::new(runtime.handle()).label("runtime", "web");
    /// # drop(publisher);
    /// # std::io::Result::Ok(())
    /// ```
    #[must_use]
    pub fn label(mut self, key: impl Into<String>, value: impl Into<String>) -> Publisher {
        self.labels.push(Label::new(key.into(), value.into()));
        self
    }

    /// Reads the metrics once and passes them to the recorder, the first time with their units and
    /// descriptions. May be called anywhere, such as in the hook of an exporter that is about to
    /// answer a request. When the runtime has ended, nothing is passed on, and the recorder keeps
    /// the last numbers.
    ///
    /// # Examples
    ///
    /// ```
    /// let runtime = reveille::runtime::Runtime::start()?;
    /// reveille_metrics::Publisher::new(runtime.handle()).publish();
    /// # std::io::Result::Ok(())
    /// ```
    pub fn publish(&self) {
        if !self.is_described.swap(true, Ordering::Relaxed) {
            describe();
        }
        let metrics = self.runtime.metrics();
        if !self.runtime.is_running() {
            return;
        }
        for (name, _, _, read) in &ROWS {
            match read {
                // Exact up to 2^53.
                Gauge(read) => gauge!(*name, self.labels.iter()).set(read(&metrics) as f64),
                Counter(read) => counter!(*name, self.labels.iter()).absolute(read(&metrics)),
            }
        }
    }

    /// Publishes now and after each `interval`, in a task of the runtime that this publisher reads.
    /// The task ends with the runtime, or when you cancel it. Dropping the handle does not end it.
    ///
    /// The task and its timer count in the metrics. It runs on a worker, so while all workers are
    /// blocked nothing is published.
    ///
    /// # Panics
    ///
    /// Panics if `interval` is zero.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// let runtime = reveille::runtime::Runtime::start()?;
    /// let publisher = reveille_metrics::Publisher::new(runtime.handle());
    /// let task = publisher.spawn(Duration::from_secs(5));
    /// // At the end of the program, or never:
    /// runtime.block_on(task.cancel());
    /// # std::io::Result::Ok(())
    /// ```
    #[track_caller]
    pub fn spawn(self, interval: Duration) -> JoinHandle<()> {
        assert!(!interval.is_zero(), "an interval of zero would publish all the time");
        let runtime = self.runtime;
        runtime.spawn(async move {
            loop {
                self.publish();
                task::sleep(interval).await;
            }
        })
    }
}

/// Tells the recorder the unit and the description of each metric. [`Publisher::publish`] does it
/// once. Call it if you install another recorder later.
///
/// # Examples
///
/// ```
/// reveille_metrics::describe();
/// ```
pub fn describe() {
    for (name, unit, text, read) in &ROWS {
        match read {
            Gauge(_) => describe_gauge!(*name, *unit, *text),
            Counter(_) => describe_counter!(*name, *unit, *text),
        }
    }
}

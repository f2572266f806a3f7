//! A graceful shutdown: tasks may finish, and those that do not are named.
//!
//! It adds nothing to the hot paths. The thread that shuts down keeps a reference to each live task
//! and checks them with growing pauses. When all of these are complete, it collects the tasks that
//! were spawned meanwhile.
//!
//! Rejected: a shared counter of completions. Every completion would pay for it, and it would be
//! used only in a program's last second.

use std::fmt;
use std::panic::Location;
use std::time::Duration;

use reveille_primitive::atomic::Ordering;
use reveille_primitive::thread::sleep;
use reveille_task::{TaskHandle, TaskId, TaskRef};

use super::pool::WorkerPool;
use super::shutdown::{self, ShutdownTimeout};

/// How long workers may take to leave their polls after the grace time is over, so that a poll that
/// is about to end is not reported as stuck. A blocked poll takes more than a hundred times as
/// long.
const GRACE: Duration = Duration::from_millis(100);

/// The first and the longest pause between two checks. With these, a program that has nothing to
/// wait for ends at once, and one that waits for seconds uses little processor time.
const PAUSES: (Duration, Duration) = (Duration::from_micros(50), Duration::from_millis(5));

/// A task that did not finish in time.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct TaskInfo {
    /// The number of the task.
    pub id: TaskId,
    /// The name that the task was given.
    pub name: Option<String>,
    /// Where the task was spawned, if that is known.
    pub spawned_at: Option<&'static Location<'static>>,
    /// The name of its future's type.
    pub future_type: &'static str,
    /// Whether it is in a poll that has not returned. Its future is dropped when the poll returns.
    pub is_stuck: bool,
}

impl TaskInfo {
    pub(super) fn of(task: TaskRef<'_>) -> TaskInfo {
        TaskInfo {
            id: task.id(),
            name: task.name().map(str::to_owned),
            spawned_at: task.location(),
            future_type: task.future_type_name(),
            is_stuck: false,
        }
    }
}

impl fmt::Display for TaskInfo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "task {}", self.id)?;
        if let Some(name) = &self.name {
            write!(f, " '{name}'")?;
        }
        if let Some(location) = self.spawned_at {
            write!(f, ", spawned at {location}")?;
        }
        if self.is_stuck {
            write!(f, ", stuck in a poll")?;
        }
        Ok(())
    }
}

/// What happened to the tasks of a runtime that was shut down gracefully.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct ShutdownReport {
    /// Tasks that were live when the shutdown began or were spawned later, and that ended by
    /// themselves.
    pub finished_tasks: usize,
    /// Tasks that did not end by themselves and were cancelled.
    pub cancelled: Vec<TaskInfo>,
    /// Threads that were still inside a poll when the time was up. Each ends when its poll does.
    pub stuck_workers: usize,
    /// Blocking closures that were still running when the time was up. They are not interrupted.
    pub running_closures: usize,
    /// Blocking closures that had not started. They were dropped.
    pub dropped_closures: usize,
}

impl ShutdownReport {
    /// Whether all tasks and closures ended by themselves.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        self.cancelled.is_empty()
            && self.stuck_workers == 0
            && self.running_closures == 0
            && self.dropped_closures == 0
    }
}

impl fmt::Display for ShutdownReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "tasks: {} finished, {} cancelled; blocking closures: {} still run, {} never began",
            self.finished_tasks,
            self.cancelled.len(),
            self.running_closures,
            self.dropped_closures
        )?;
        self.cancelled.iter().try_for_each(|task| write!(f, "\n{task}"))
    }
}

/// Lets the tasks of `pool` finish for `patience` at most, then ends it. The caller is not a thread
/// of the pool.
pub(crate) fn drain(pool: &'static WorkerPool, patience: Duration) -> ShutdownReport {
    if pool.runtime_ref().is_inherited() {
        return ShutdownReport::default();
    }
    {
        let _remote = pool.remote.lock();
        pool.is_draining.store(true, Ordering::SeqCst);
    }
    let time = ShutdownTimeout::new(Some(patience));
    let mut watch = DrainProgress { unfinished: Vec::new(), seen: 0 };
    let mut pause = PAUSES.0;
    while !watch.is_over(pool) && !time.is_up() {
        sleep(time.left().map_or(pause, |left| left.min(pause)));
        pause = (pause * 2).min(PAUSES.1);
    }
    watch.end(pool)
}

/// The tasks that the shutdown waits for.
struct DrainProgress {
    unfinished: Vec<TaskHandle>,
    seen: usize,
}

impl DrainProgress {
    /// Whether no task is left, and no closure.
    fn is_over(&mut self, pool: &'static WorkerPool) -> bool {
        self.unfinished.retain(|task| !task.as_task().is_finished());
        if !self.unfinished.is_empty() {
            return false;
        }
        // Closures are counted before tasks. A closure that exists now is counted. If it ends right
        // after that, the tasks that it has spawned are among those collected next.
        let closures = pool.blocking().map_or(0, |blocking| {
            let metrics = blocking.metrics();
            metrics.queued + metrics.running
        });
        self.unfinished = shutdown::live_tasks(pool);
        // Workers remove the tasks that they complete from their registries in batches, so some of
        // these are finished already.
        self.unfinished.retain(|task| !task.as_task().is_finished());
        self.seen += self.unfinished.len();
        closures == 0 && self.unfinished.is_empty()
    }

    /// Ends the runtime, and records the tasks that are cancelled.
    fn end(self, pool: &'static WorkerPool) -> ShutdownReport {
        let mut report = ShutdownReport::default();
        let mut cancelled = Vec::new();
        report.dropped_closures = pool.blocking().map_or(0, |blocking| blocking.metrics().queued);
        let shutdown = shutdown::stop_and_report(pool, Some(GRACE), |live| {
            let is_late = |task: &&TaskHandle| !task.as_task().is_finished();
            cancelled.extend(live.iter().filter(is_late).cloned());
            report.cancelled = cancelled.iter().map(|task| TaskInfo::of(task.as_task())).collect();
            report.finished_tasks = self.seen - self.unfinished.iter().filter(is_late).count();
        });
        for (task, info) in cancelled.iter().zip(&mut report.cancelled) {
            info.is_stuck = !task.as_task().is_finished();
        }
        report.stuck_workers = shutdown.stuck_workers;
        report.running_closures = shutdown.running_closures;
        report
    }
}

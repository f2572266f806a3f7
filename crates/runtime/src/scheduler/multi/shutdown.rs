//! The end of a runtime.
//!
//! In this order:
//!
//! 1. New tasks are refused.
//! 2. Worker threads finish the poll that they are in, and leave. A poll may wait for a task of the
//!    pool, so if one takes long, step 3 begins before the poll has ended.
//! 3. The thread that shuts down cancels every task that is not complete, and drops its future.
//! 4. The blocking pool drops the closures that have not started, and waits for those that run.
//! 5. The drivers are closed. Everything that waits for a socket or timer of the runtime is woken,
//!    and then uses another runtime or returns an error.
//! 6. If all threads have left, the pool is ready for the next runtime.

use std::time::{Duration, Instant};

use reveille_primitive::lock::{self, Mutex};
use reveille_primitive::thread;
use reveille_task::{Runnable, TaskHandle};

use super::modes::STOPPING;
use super::pool::{UNUSED, WorkerPool};
use super::runtime_ref::enter_runtime;
use super::worker::Worker;
use crate::observe;
use crate::scheduler::wake;
use crate::threads::ThreadSpec;
use crate::timer::clock::{self, Clock, system_clock};

/// What a shutdown found.
///
/// # Examples
///
/// ```
/// use reveille::runtime::Runtime;
/// use std::sync::mpsc;
/// use std::time::Duration;
///
/// let runtime = Runtime::start()?;
/// let (begin, begun) = mpsc::channel();
/// let (let_go, held) = mpsc::channel::<()>();
/// runtime.block_on(async {
///     reveille::task::spawn_blocking(move || {
///         begin.send(()).unwrap();
///         let _ = held.recv();
///     });
/// });
/// begun.recv().unwrap();
/// // A closure cannot be interrupted, only waited for.
/// let report = runtime.shutdown(Duration::from_millis(1));
/// assert_eq!(report.running_closures, 1);
/// # drop(let_go);
/// # std::io::Result::Ok(())
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
#[non_exhaustive]
pub struct Shutdown {
    /// Tasks that were not complete, and were therefore cancelled.
    pub cancelled_tasks: usize,
    /// Threads that were still inside a poll when the time was up. They end when the poll does.
    pub stuck_workers: usize,
    /// Blocking closures that were still running when the time was up. They are not interrupted.
    pub running_closures: usize,
}

impl Shutdown {
    /// Whether everything had ended in time.
    ///
    /// # Examples
    ///
    /// ```
    /// use reveille::runtime::Runtime;
    /// use std::time::Duration;
    ///
    /// let report = Runtime::start()?.shutdown(Duration::from_secs(10));
    /// assert!(report.is_complete());
    /// # std::io::Result::Ok(())
    /// ```
    #[must_use]
    pub fn is_complete(&self) -> bool {
        self.stuck_workers == 0 && self.running_closures == 0
    }
}

/// How long a shutdown waits for polls before it cancels the tasks that they may wait for.
const CHECK_INTERVAL: Duration = Duration::from_millis(10);

/// The time limit of a shutdown.
pub(super) struct ShutdownTimeout {
    clock: Clock,
    deadline: Option<Instant>,
}

impl ShutdownTimeout {
    /// A time limit that starts now; `None` means no limit.
    pub(super) fn new(timeout: Option<Duration>) -> ShutdownTimeout {
        let clock = system_clock().clone();
        let deadline = timeout.and_then(|timeout| clock::deadline_after(clock.now(), timeout));
        ShutdownTimeout { clock, deadline }
    }

    /// The time that is left; `None` means no limit.
    pub(super) fn left(&self) -> Option<Duration> {
        self.deadline.map(|deadline| deadline.saturating_duration_since(self.clock.now()))
    }

    pub(super) fn is_up(&self) -> bool {
        self.left() == Some(Duration::ZERO)
    }
}

/// Ends the runtime of `pool`. The caller is not a thread of the pool.
pub(crate) fn stop(pool: &'static WorkerPool, timeout: Option<Duration>) -> Shutdown {
    stop_and_report(pool, timeout, |_| ())
}

/// Like [`stop`]. Calls `report` with the tasks that are left, before they are cancelled.
pub(super) fn stop_and_report(
    pool: &'static WorkerPool,
    timeout: Option<Duration>,
    report: impl FnOnce(&[TaskHandle]),
) -> Shutdown {
    lock::assert_none_held("a shutdown");
    if pool.runtime_ref().is_inherited() {
        // Its threads belong to the parent.
        return Shutdown::default();
    }
    let time = ShutdownTimeout::new(timeout);
    let config = pool.remote.lock().config.clone();
    {
        let _outside = pool.remote.lock();
        pool.modes.set(STOPPING, true);
    }
    pool.workers.iter().for_each(Worker::notify);
    // From now on no worker polls a task, so none has to be taken over. The monitor ends while the
    // workers do.
    pool.monitor.end();
    let _runtime = enter_runtime(pool.runtime_ref());
    let mut report = Some(report);
    let mut cancelled_tasks = 0;
    let mut take_stock = || {
        let Some(report) = report.take() else { return };
        let left = live_tasks(pool);
        cancelled_tasks = left.iter().filter(|task| !task.as_task().is_finished()).count();
        report(&left);
    };
    let stuck_workers = wait_for_polls(pool, &time, &mut take_stock);
    pool.monitor.stop();
    take_stock();
    cancel_tasks(pool, &time, stuck_workers > 0);
    let blocking = pool.blocking();
    let running_closures = blocking.map_or(0, |pool| pool.shutdown(time.deadline));
    close(pool);
    if pool.handoffs.join() {
        give_back(pool);
    }
    if let Some(recording) = config.as_ref().and_then(|config| config.recording.as_ref()) {
        recording.end();
    }
    observe::contain("the drop of a hook", || drop(config));
    Shutdown { cancelled_tasks, stuck_workers, running_closures }
}

/// Waits within the time limit until all worker threads have left the pool. Returns how many have
/// not.
///
/// A poll that has not ended may wait for a task of the pool, in a `block_on` of its own, and no
/// worker runs that task any more. So while it waits, this repeatedly calls `take_stock` and then
/// cancels the tasks.
fn wait_for_polls(
    pool: &'static WorkerPool,
    time: &ShutdownTimeout,
    take_stock: &mut impl FnMut(),
) -> usize {
    loop {
        let check_end = clock::deadline_after(time.clock.now(), CHECK_INTERVAL);
        let check = ShutdownTimeout { clock: time.clock.clone(), deadline: check_end };
        let stuck = pool.handoffs.close(|| match (check.left(), time.left()) {
            (Some(check), Some(left)) => Some(check.min(left)),
            (check, left) => check.or(left),
        });
        if stuck == 0 || time.is_up() {
            return stuck;
        }
        take_stock();
        cancel_tasks(pool, time, true);
    }
}

/// Pools that were closed while another thread, which does not belong to them, was about to wake or
/// drop one of their tasks.
static IN_DOUBT: Mutex<Vec<&'static WorkerPool>> = Mutex::new(Vec::new());

/// Makes a closed pool that all its threads have left available for its next use.
///
/// A poll that ended after the shutdown may have left its task in a queue, and the tasks that it
/// woke.
pub(super) fn give_back(pool: &'static WorkerPool) {
    let is_empty = cancel_tasks(pool, &ShutdownTimeout::new(Some(Duration::ZERO)), false);
    let list = if is_empty { &UNUSED } else { &IN_DOUBT };
    list.lock().push(pool);
}

/// Retries the pools that could not be given back.
pub(super) fn retry_in_doubt() {
    // In a child process these pools belong to the parent.
    let Some(in_doubt) = IN_DOUBT.try_lock().map(|mut list| std::mem::take(&mut *list)) else {
        return;
    };
    in_doubt.into_iter().for_each(give_back);
}

/// Calls `end` on a new thread, because a thread of the pool cannot wait for its own end.
pub(crate) fn from_inside(pool: &'static WorkerPool, end: impl FnOnce() + Send + 'static) {
    let config = pool.config();
    let spec =
        ThreadSpec { name: config.thread_names.shutdown(), stack_size: None, body: Box::new(end) };
    if let Err(error) = (config.spawner)(spec) {
        // Without a thread nothing can wait for the workers. They end by themselves, and the tasks
        // are leaked.
        pool.modes.set(STOPPING, true);
        pool.workers.iter().for_each(Worker::notify);
        observe::failed_shutdown(&error);
    }
}

/// Cancels and drops every task. Returns whether no task is left.
fn cancel_tasks(pool: &'static WorkerPool, time: &ShutdownTimeout, has_stuck: bool) -> bool {
    loop {
        drop_queued(pool);
        let live = live_tasks(pool);
        if live.is_empty() {
            return true;
        }
        // Each task becomes a `Runnable` that only drops the future. The exceptions are tasks that
        // a waker is about to queue or that a stuck thread polls, and the loop waits for those.
        live.iter().for_each(|task| task.as_task().cancel());
        drop(live);
        let dropped = drop_queued(pool);
        if dropped == 0 {
            if time.is_up() || has_stuck {
                return false;
            }
            thread::yield_now();
        }
    }
}

/// A reference to each task that is registered; some may be complete.
pub(super) fn live_tasks(pool: &'static WorkerPool) -> Vec<TaskHandle> {
    let mut live: Vec<_> = pool.workers.iter().flat_map(Worker::live_tasks).collect();
    live.extend(pool.remote.lock().registry.tasks());
    live
}

/// Drops the queued `Runnable`s, which cancels their tasks and drops their futures.
fn drop_queued(pool: &'static WorkerPool) -> usize {
    let mut queued: Vec<Runnable> = Vec::new();
    for worker in &pool.workers {
        worker.core.with(|core, _| {
            queued.extend(core.lifo_slot.take());
            queued.extend(std::iter::from_fn(|| worker.queue.pop(&mut core.ownership)));
        });
    }
    let mut shard = 0;
    while !pool.injector.is_empty() {
        pool.injector.take(&mut shard, 1, &mut queued);
    }
    let count = queued.len();
    drop(queued);
    count
}

/// Releases the system's resources that the runtime holds.
fn close(pool: &'static WorkerPool) {
    for worker in &pool.workers {
        let driver = worker.driver.lock().take();
        if let Some(driver) = driver {
            wake::wake_waiting(&driver);
        }
        worker.timers.set_notify(None);
        let mut wakers = worker.timers.drain();
        wakers.extend(std::iter::from_fn(|| worker.next_unwoken()));
        wake::wake_all(&mut wakers);
        worker.set_owner(None);
        *worker.poll_counter.lock() = None;
        pool.idle.unpark(worker.index);
    }
    let ended = {
        let mut outside = pool.remote.lock();
        (outside.config.take(), outside.blocking.take(), pool.hook.take())
    };
    // Hooks are user code, so they are dropped outside the lock.
    observe::contain("the drop of a hook", || drop(ended));
}

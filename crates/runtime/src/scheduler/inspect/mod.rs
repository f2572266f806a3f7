//! Dumps: where each task of the process is, and what it waits for.
//!
//! A dump runs on a thread of its own, so it works while every worker is blocked. It walks through
//! the registries of the runtimes. A task that waits is polled once on this thread with a probe's
//! waker (`reveille_task::Observer`), inside the context of its runtime. It registers again where
//! it was registered before, so nothing is lost, and no worker stops. If a task is ready when the
//! probe polls it, it continues as in any poll, and its code may block. If a poll does not end
//! within a second, another thread takes over the rest of the dump, and the first one ends with its
//! poll.
//!
//! Local tasks, and the futures of `block_on`, are polled by their own threads: `locals.rs`.
//! Rejected: having each worker probe its own tasks. The tasks of a blocked worker would be
//! missing, and they are the most interesting ones.

pub mod deadlock;
mod dump;
mod json;
mod last_awaits;
mod living;
mod locals;
mod lost_tasks;
mod probe;
mod quiet;
mod signal;
mod stacks;
mod text;
mod thread_stacks;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use reveille_primitive::lock::Mutex;

pub use self::dump::{Dump, Frame, RuntimeDump, TaskDump, TaskKind};
pub(crate) use self::living::living_of;
use self::locals::{Answers, LocalThreads};
use self::probe::probe;
pub(crate) use self::signal::{dump_on, show_thread_stacks};
use self::stacks::StackTable;
use crate::polls::{self, DUMP_THREAD, Poll};
use crate::scheduler::host;
use crate::scheduler::multi::{ClaimedTask, PoolClaim, PoolTask, PoolWalk};
use crate::threads::{ThreadSpec, system_spawner};
use crate::timer::clock::system_clock;
pub use crate::waits::{TaskState, WaitFor};

/// How long the poll of a probe may take before another thread continues the dump.
const PROBE_LIMIT: Duration = Duration::from_secs(1);

/// How often the thread that waits for the dump checks the one that takes it.
const CHECK_INTERVAL: Duration = Duration::from_millis(50);

/// How long to wait for a task that another dump polls, in steps of a millisecond.
const OTHER_PROBE_STEPS: u32 = 20;

/// Takes a dump of all tasks of the runtimes of this process. Blocks until it is complete.
///
/// # Examples
///
/// ```
/// let dump = reveille_runtime::inspect::dump();
/// println!("{dump}");
/// ```
#[must_use]
pub fn dump() -> Dump {
    DumpOptions::new().dump()
}

/// Options of a dump.
///
/// # Examples
///
/// ```
/// use reveille::observe::DumpOptions;
///
/// let dump = DumpOptions::new().thread_stacks(true).dump();
/// println!("{dump}");
/// ```
#[derive(Clone, Debug, Default)]
pub struct DumpOptions {
    has_thread_stacks: bool,
}

impl DumpOptions {
    /// Makes the options of [`dump`].
    ///
    /// # Examples
    ///
    /// ```
    /// let dump = reveille::observe::DumpOptions::new().dump();
    /// # drop(dump);
    /// ```
    #[must_use]
    pub fn new() -> DumpOptions {
        DumpOptions::default()
    }

    /// Whether the dump has the stack of each thread that runs a poll, which says where the poll
    /// blocks or computes. Off by default.
    ///
    /// This interrupts the threads with a signal, which the program must not use: the last
    /// real-time signal that has no handler. A system call that cannot be restarted returns
    /// `EINTR`, as with any signal. A thread that blocks the signal or does not answer within 200
    /// ms is left out, and the dump says so.
    ///
    /// It works on Linux with glibc 2.35 or later, and needs the feature `thread-stacks` of
    /// reveille, which adds the crate `backtrace`. Elsewhere, on 32-bit x86, and without the
    /// feature, the dump says that it cannot have the stacks.
    ///
    /// # Examples
    ///
    /// ```
    /// use reveille::observe::DumpOptions;
    ///
    /// let dump = DumpOptions::new().thread_stacks(true).dump();
    /// for task in dump.tasks() {
    ///     for frame in dump.thread_stack(task).unwrap_or_default() {
    ///         println!("{}", frame.function);
    ///     }
    /// }
    /// ```
    #[must_use]
    pub fn thread_stacks(mut self, has_thread_stacks: bool) -> DumpOptions {
        self.has_thread_stacks = has_thread_stacks;
        self
    }

    /// Takes a dump. Blocks until it is complete.
    ///
    /// # Examples
    ///
    /// ```
    /// let dump = reveille::observe::DumpOptions::new().dump();
    /// println!("{dump}");
    /// ```
    #[must_use]
    pub fn dump(&self) -> Dump {
        let begin = system_clock().now();
        // Before any thread is woken to answer.
        let is_quiet = quiet::is_quiet();
        let collection = Arc::new(Collection::new());
        let locals = LocalThreads::ask(&collection.stacks);
        let mut number = collection.start_thread();
        while !collection.wait(CHECK_INTERVAL) {
            if collection.abandon_stuck(number, PROBE_LIMIT) {
                number = collection.start_thread();
            }
        }
        collection.add_blocking();
        let local_tasks = locals.answers();
        let mut dump = collection.finish(begin, local_tasks, is_quiet);
        last_awaits::exchange(&mut dump);
        if self.has_thread_stacks {
            thread_stacks::add(&mut dump);
        }
        dump.took = system_clock().now().saturating_duration_since(begin);
        let dump = Dump::new(dump);
        living::add_to_file(&dump);
        dump
    }
}

/// A dump in progress.
struct Collection {
    state: Mutex<Progress>,
    stacks: Arc<Mutex<StackTable>>,
    runtimes: Vec<RuntimeDump>,
    done: (std::sync::Mutex<bool>, std::sync::Condvar),
    /// The time of the system's clock at which the dump began.
    begun_ns: u64,
}

struct Progress {
    walk: PoolWalk,
    /// Tasks that were read from the registries and are not probed yet.
    pending: Vec<PoolTask>,
    /// The tasks that were polled when the registries were read.
    polls: Arc<HashMap<usize, Poll>>,
    tasks: Vec<TaskDump>,
    /// The number of the thread that takes the dump; earlier ones have been abandoned.
    thread: u32,
    /// What it polls, and since when.
    probing: Option<(TaskDump, Instant)>,
}

impl Collection {
    fn new() -> Collection {
        let walk = PoolWalk::new();
        let runtimes =
            walk.runtimes().map(|(thread_name, metrics)| RuntimeDump { thread_name, metrics });
        Collection {
            runtimes: runtimes.collect(),
            state: Mutex::new(Progress {
                walk,
                pending: Vec::new(),
                polls: Arc::default(),
                tasks: Vec::new(),
                thread: 0,
                probing: None,
            }),
            stacks: Arc::default(),
            done: Default::default(),
            begun_ns: system_clock().now_ns(),
        }
    }

    /// Starts the thread that collects. If the system refuses one, this thread collects.
    fn start_thread(self: &Arc<Self>) -> u32 {
        let number = {
            let mut state = self.state.lock();
            state.thread += 1;
            state.thread
        };
        let collection = Arc::clone(self);
        let spec = ThreadSpec {
            name: DUMP_THREAD.to_owned(),
            stack_size: None,
            body: Box::new(move || collection.collect(number)),
        };
        if system_spawner()(spec).is_err() {
            self.collect(number);
        }
        number
    }

    /// Waits until the dump is complete, for `duration` at most.
    fn wait(&self, duration: Duration) -> bool {
        let (done, condvar) = &self.done;
        let done = done.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let waited = condvar.wait_timeout_while(done, duration, |done| !*done);
        *waited.unwrap_or_else(std::sync::PoisonError::into_inner).0
    }

    /// Gives up the thread `number` if its poll lasts longer than `limit`. Returns whether it did.
    fn abandon_stuck(&self, number: u32, limit: Duration) -> bool {
        let now = system_clock().now();
        let mut state = self.state.lock();
        if state.thread != number {
            return false;
        }
        let is_stuck = |since: Instant| now.saturating_duration_since(since) > limit;
        let Some((mut task, since)) = state.probing.take_if(|(_, since)| is_stuck(*since)) else {
            return false;
        };
        task.state = TaskState::Running;
        task.thread = Some(DUMP_THREAD.to_owned());
        task.since = Some(now.saturating_duration_since(since));
        state.tasks.push(task);
        // The results of the abandoned thread are ignored from now on.
        state.thread += 1;
        true
    }

    fn collect(&self, number: u32) {
        while let Some((task, polls)) = self.next_task(number) {
            self.visit(number, &task, &polls);
        }
        if self.state.lock().thread == number {
            let (done, condvar) = &self.done;
            *done.lock().unwrap_or_else(std::sync::PoisonError::into_inner) = true;
            condvar.notify_all();
        }
    }

    fn next_task(&self, number: u32) -> Option<(PoolTask, Arc<HashMap<usize, Poll>>)> {
        loop {
            let mut walk = {
                let mut state = self.state.lock();
                if state.thread != number {
                    return None;
                }
                if let Some(next) = state.pending.pop() {
                    return Some((next, Arc::clone(&state.polls)));
                }
                std::mem::take(&mut state.walk)
            };
            let mut found = Vec::new();
            let is_over = !walk.advance(&mut found);
            found.reverse();
            let polls = Arc::new(polls::current(self.begun_ns));
            let mut state = self.state.lock();
            (state.walk, state.pending, state.polls) = (walk, found, polls);
            if is_over {
                return None;
            }
        }
    }

    /// Adds a task to the dump, and polls it if it waits.
    fn visit(&self, number: u32, pool_task: &PoolTask, polls: &HashMap<usize, Poll>) {
        let task = pool_task.task();
        if task.is_finished() {
            return;
        }
        let mut record = TaskDump::of(task, TaskKind::Spawned);
        let Some(claimed) = claim(pool_task) else {
            record.set_active(polls);
            self.state.lock().tasks.push(record);
            return;
        };
        self.state.lock().probing = Some((record.clone(), system_clock().now()));
        probe(&mut record, &self.stacks, |observer| pool_task.run(claimed, observer));
        let mut state = self.state.lock();
        if state.thread == number {
            state.probing = None;
            if record.state != TaskState::Ended {
                state.tasks.push(record);
            }
        }
    }

    /// Adds the closures of the blocking pools.
    fn add_blocking(&self) {
        let pools = PoolWalk::new().blocking();
        for pool in pools.into_iter().chain(host::started_blocking()) {
            let jobs = pool.jobs();
            let now = system_clock().now();
            let mut records = Vec::new();
            for job in jobs.running {
                let mut record = TaskDump::of(job.info.as_task(), TaskKind::Blocking);
                record.state = TaskState::Running;
                record.since = Some(now.saturating_duration_since(job.since));
                record.thread = Some(job.thread);
                records.push(record);
            }
            for task in jobs.queued {
                let mut record = TaskDump::of(task.as_task(), TaskKind::Blocking);
                record.state = TaskState::Queued;
                records.push(record);
            }
            self.state.lock().tasks.append(&mut records);
        }
    }

    fn finish(&self, begin: Instant, local_tasks: Answers, is_quiet: bool) -> Dump {
        let mut tasks = std::mem::take(&mut self.state.lock().tasks);
        tasks.extend(local_tasks.tasks);
        let stacks = std::mem::take(&mut *self.stacks.lock());
        Dump {
            is_quiescent: is_quiet && tasks.iter().any(|task| task.state == TaskState::Waiting),
            tasks,
            stacks: stacks.resolve(),
            runtimes: self.runtimes.clone(),
            taken_at: begin,
            took: Duration::ZERO,
            notes: local_tasks.notes,
            source_root: None,
        }
    }
}

/// Makes the `Runnable` of a task that waits. If another dump polls the task, waits for that poll.
fn claim(task: &PoolTask) -> Option<ClaimedTask> {
    for _ in 0..OTHER_PROBE_STEPS {
        match task.claim() {
            PoolClaim::Claimed(claimed) => return Some(claimed),
            PoolClaim::Refused => return None,
            PoolClaim::Probed => reveille_primitive::thread::sleep(Duration::from_millis(1)),
        }
    }
    None
}

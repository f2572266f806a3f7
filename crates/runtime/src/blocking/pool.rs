//! The queue and the threads of the blocking pool, for any type of [`Job`].
//!
//! One lock guards everything, and no user code runs under it: jobs are run, refused and dropped,
//! threads are started and notified, and hooks are called only after it is released. The counts in
//! [`policy`](super::policy) decide what happens; this file does it.
//!
//! There is one queue and not one for each thread, because jobs must start in the order in which
//! they were queued, and a push or a take makes only a few stores under the lock. Each sleeping
//! thread has its own condition variable. So the thread that became idle last is woken first, and
//! the keep-alive of the others can end even under a steady light load.

use std::collections::VecDeque;
use std::fmt;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::{Duration, Instant};

use reveille_primitive::atomic::{AtomicBool, AtomicUsize, Ordering};
use reveille_primitive::fork;
use reveille_primitive::lock::{Condvar, Mutex, MutexGuard, assert_none_held};
use reveille_primitive::thread::yield_now;

use super::policy::{Counts, Cover, Failed};
use crate::lint::{self, About, Facts, LintKind};
use crate::spin_policy::spin_until;
use crate::threads::{JoinList, Spawner, Thread, ThreadSpec, stays_for};
use crate::timer::clock::system_clock;

/// After this many spins in a row without a job, a thread spins only at every `MISSES`-th
/// opportunity.
const MISSES: u32 = 16;

/// How long jobs wait for a thread before that is reported.
const FULL_LIMIT: Duration = Duration::from_millis(100);

/// Capacity, in jobs, that an empty queue keeps; the memory of a longer backlog is freed.
const KEPT_CAPACITY: usize = 1_024;

/// Work for a pool.
pub(crate) trait Job: Send + 'static {
    /// State of the pool that [`refuse`](Job::refuse) gets.
    type Context: Send + Sync;

    /// What the pool keeps of a job while it runs, for dumps.
    type Info: Send;

    /// What a dump needs.
    fn info(&self) -> Self::Info;

    /// Does the work.
    fn run(self);

    /// Reports to the waiter that the job will not run, because no thread could be started.
    fn refuse(self, context: &Self::Context, error: &io::Error);
}

/// A function that each thread of the pool calls when it starts or ends.
pub(crate) type Hook = Arc<dyn Fn() + Send + Sync>;

/// The configuration of a pool.
#[derive(Clone)]
pub(crate) struct PoolConfig {
    /// Maximum number of threads; at least 1.
    pub(crate) max_threads: usize,
    /// How long a thread without work stays.
    pub(crate) keep_alive: Duration,
    /// How long, in nanoseconds, a thread that has just run a job spins for the next one before it
    /// sleeps.
    pub(crate) spin_ns: u64,
    /// How long a thread naps, while others drain a backlog, before it checks their progress.
    pub(crate) nap: Duration,
    /// The stack size of a thread in bytes; the platform's default if `None`.
    pub(crate) stack_size: Option<usize>,
    /// Returns the name of the thread with this number.
    pub(crate) thread_name: Arc<dyn Fn(u64) -> String + Send + Sync>,
    /// Called by each thread before its first job. Must not drop or shut down the pool.
    pub(crate) on_start: Option<Hook>,
    /// Called by each thread after its last job. Must not drop or shut down the pool.
    pub(crate) on_stop: Option<Hook>,
}

/// The metrics of a pool at one moment.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub(crate) struct PoolMetrics {
    /// Threads that exist or are being started.
    pub(crate) threads: usize,
    /// Threads that sleep.
    pub(crate) idle: usize,
    /// Jobs that have not started.
    pub(crate) queued: usize,
    /// Jobs that have started and not ended.
    pub(crate) running: usize,
    /// Jobs that have started since the pool was made.
    pub(crate) started: u64,
}

/// The part of a pool that its threads share.
pub(crate) struct BlockingShared<J: Job> {
    pub(super) context: J::Context,
    pub(super) state: Mutex<BlockingState<J>>,
    /// Notified when a thread leaves the pool, when the handle of one that has left is stored, and
    /// when one could not be started.
    left: Condvar,
    /// The length of the queue, for the thread that spins. 1 after the pool has closed.
    queued_hint: AtomicUsize,
    pub(super) config: PoolConfig,
    spawner: Spawner,
}

pub(super) struct BlockingState<J: Job> {
    counts: Counts,
    pub(super) queue: VecDeque<J>,
    /// The sleeping threads; the one that became idle last is at the end. There are `counts.idle`
    /// of them.
    sleepers: Vec<Arc<Sleeper>>,
    napper: Option<Arc<Sleeper>>,
    is_spinning: bool,
    /// Spins in a row that found no job, plus the opportunities to spin that were skipped since.
    spin_misses: u32,
    started: u64,
    /// The value of `started` when a thread was last appointed.
    appointed_at: u64,
    last_thread: u64,
    /// What each thread runs.
    pub(super) threads: Vec<Arc<ThreadState<J::Info>>>,
    /// Since when jobs have waited although there are as many threads as there may be.
    full_since: Option<Instant>,
    handles: JoinList,
    /// Number of threads that take no more jobs and are no longer in `counts`, but have not ended.
    leaving: usize,
}

/// What a thread of the pool runs, for dumps. Not under the pool's lock, so that a job costs the
/// other threads nothing.
pub(super) struct ThreadState<I> {
    /// The number of the thread.
    pub(super) number: u64,
    /// The job, and since when it runs.
    pub(super) running: Mutex<Option<(I, Instant)>>,
}

/// The place where a thread of the pool waits.
struct Sleeper {
    condvar: Condvar,
    /// Set by the thread that wakes this one. Accessed under the pool's lock.
    is_woken: AtomicBool,
}

/// What the caller must do after it has released the lock, so that a queued job gets a thread.
#[must_use]
enum ThreadAction {
    Nothing,
    Notify(Arc<Sleeper>),
    Start(u64),
}

impl<J: Job> BlockingShared<J> {
    /// Makes a pool without threads. It uses the system's clock even if the runtime has another
    /// one, because its threads wait in the system's time.
    pub(crate) fn new(
        config: PoolConfig,
        spawner: Spawner,
        context: J::Context,
    ) -> Arc<BlockingShared<J>> {
        Arc::new(BlockingShared {
            context,
            state: Mutex::new(BlockingState::new(config.max_threads)),
            left: Condvar::new(),
            queued_hint: AtomicUsize::new(0),
            config,
            spawner,
        })
    }

    /// Queues `job`. Jobs start in the order in which they were queued.
    ///
    /// # Errors
    ///
    /// Returns `job` if the pool is closed.
    pub(crate) fn push(self: &Arc<Self>, job: J) -> Result<(), J> {
        let mut state = self.state.lock();
        if state.counts.is_closed {
            return Err(job);
        }
        state.queue.push_back(job);
        let cover = state.counts.push();
        self.queued_hint.store(state.queue.len(), Ordering::Relaxed);
        let is_full = self.check_full(&mut state);
        let action = state.action(cover);
        drop(state);
        self.perform(action);
        if is_full {
            self.report_full();
        }
        Ok(())
    }

    /// Whether jobs have waited for [`FULL_LIMIT`] because all threads run others.
    fn check_full(&self, state: &mut BlockingState<J>) -> bool {
        let counts = &state.counts;
        if counts.queued == 0 || counts.running() < counts.max_threads {
            state.full_since = None;
            return false;
        }
        let now = system_clock().now();
        let since = *state.full_since.get_or_insert(now);
        now.saturating_duration_since(since) >= FULL_LIMIT
    }

    #[cold]
    fn report_full(&self) {
        let max = self.config.max_threads;
        lint::report_with(LintKind::BlockingPoolFull, None, || {
            let text = format!(
                "closures have waited for 100 ms because all {max} threads run others; see \
                 `Builder::max_blocking_threads`"
            );
            let queued = self.state.lock().queue.len();
            (Facts::measured(About::Process, queued as u128), text)
        });
    }

    /// Closes the pool: drops the jobs that have not started, and waits for running ones until
    /// `deadline`, an instant of the system's clock, or without a limit if it is `None`.
    ///
    /// Returns the number of jobs that were still running. Their threads end after them.
    pub(crate) fn shutdown(&self, deadline: Option<Instant>) -> usize {
        self.close();
        let mut state = self.state.lock();
        while state.live() > 0 {
            let Some(deadline) = deadline else {
                state = self.left.wait(state);
                continue;
            };
            let left = deadline.saturating_duration_since(system_clock().now());
            if left.is_zero() {
                break;
            }
            (state, _) = self.left.wait_timeout(state, left);
        }
        self.join_left(state)
    }

    /// Closes the pool, and waits for the threads that do not run a job.
    pub(crate) fn abandon(&self) {
        self.close();
        let mut state = self.state.lock();
        while state.live() > state.counts.running() {
            state = self.left.wait(state);
        }
        self.join_left(state);
    }

    pub(crate) fn metrics(&self) -> PoolMetrics {
        let state = self.state.lock();
        PoolMetrics {
            threads: state.counts.threads,
            idle: state.counts.idle,
            queued: state.counts.queued,
            running: state.counts.running(),
            started: state.started,
        }
    }

    fn close(&self) {
        let mut state = self.state.lock();
        state.counts.close();
        let jobs = std::mem::take(&mut state.queue);
        let mut waiting = std::mem::take(&mut state.sleepers);
        waiting.extend(state.napper.take());
        for sleeper in &waiting {
            sleeper.is_woken.store(true, Ordering::Relaxed);
        }
        self.queued_hint.store(1, Ordering::Relaxed);
        drop(state);
        for sleeper in waiting {
            sleeper.condvar.notify_one();
        }
        for job in jobs {
            contain(|| drop(job));
        }
    }

    /// Joins the threads that have left. Returns the number of running jobs.
    fn join_left(&self, mut state: MutexGuard<'_, BlockingState<J>>) -> usize {
        let running = state.counts.running();
        let left = state.handles.take_left();
        drop(state);
        left.into_iter().for_each(Thread::join);
        running
    }

    fn perform(self: &Arc<Self>, mut action: ThreadAction) {
        loop {
            action = match action {
                ThreadAction::Nothing => return,
                ThreadAction::Notify(sleeper) => return sleeper.condvar.notify_one(),
                ThreadAction::Start(number) => self.start(number),
            }
        }
    }

    #[cold]
    fn start(self: &Arc<Self>, number: u64) -> ThreadAction {
        let shared = Arc::clone(self);
        let spec = ThreadSpec {
            name: (self.config.thread_name)(number),
            stack_size: self.config.stack_size,
            body: Box::new(move || shared.run_thread(number)),
        };
        match (self.spawner)(spec) {
            Ok(thread) => {
                let has_left = self.state.lock().handles.started(number, thread);
                if has_left {
                    self.left.notify_all();
                }
                ThreadAction::Nothing
            }
            Err(error) => self.start_failed(&error),
        }
    }

    #[cold]
    fn start_failed(&self, error: &io::Error) -> ThreadAction {
        let mut state = self.state.lock();
        let cover = match state.counts.start_failed() {
            Failed::Wait(cover) => cover,
            Failed::Refuse => {
                let jobs = std::mem::take(&mut state.queue);
                self.queued_hint.store(usize::from(state.counts.is_closed), Ordering::Relaxed);
                drop(state);
                self.left.notify_all();
                for job in jobs {
                    contain(|| job.refuse(&self.context, error));
                }
                return ThreadAction::Nothing;
            }
        };
        let action = state.action(cover);
        drop(state);
        self.left.notify_all();
        action
    }

    /// The body of a thread. The thread was counted as searching when its start was requested.
    fn run_thread(self: &Arc<Self>, number: u64) {
        if let Some(on_start) = &self.config.on_start {
            contain(|| on_start());
        }
        let thread = Arc::new(ThreadState { number, running: Mutex::new(None) });
        self.state.lock().threads.push(Arc::clone(&thread));
        self.work(&thread);
        if let Some(on_stop) = &self.config.on_stop {
            contain(|| on_stop());
        }
        self.leave(number);
    }

    /// Runs jobs until the thread must end. It is then counted in `leaving`.
    fn work(self: &Arc<Self>, thread: &ThreadState<J::Info>) {
        let sleeper =
            Arc::new(Sleeper { condvar: Condvar::new(), is_woken: AtomicBool::new(false) });
        let mut state = self.watch(self.state.lock(), &sleeper);
        loop {
            state = self.drain(state, thread);
            state = self.spin(state);
            if state.counts.is_closed {
                state.counts.leave();
                state.leaving += 1;
                return;
            }
            if !state.queue.is_empty() {
                continue;
            }
            let is_woken;
            (state, is_woken) = self.sleep(state, &sleeper);
            if !is_woken {
                return;
            }
            state = self.watch(state, &sleeper);
        }
    }

    /// Runs jobs until the queue is empty.
    fn drain<'a>(
        self: &'a Arc<Self>,
        mut state: Guard<'a, J>,
        thread: &ThreadState<J::Info>,
    ) -> Guard<'a, J> {
        while let Some(job) = state.queue.pop_front() {
            let cover = state.counts.take();
            state.started += 1;
            self.queued_hint.store(state.queue.len(), Ordering::Relaxed);
            if state.queue.is_empty() && state.queue.capacity() > KEPT_CAPACITY {
                state.queue.shrink_to(KEPT_CAPACITY);
            }
            let is_full = self.check_full(&mut state);
            let action = state.action(cover);
            drop(state);
            self.perform(action);
            if is_full {
                self.report_full();
            }
            let process = fork::generation();
            *thread.running.lock() = Some((job.info(), system_clock().now()));
            contain(|| job.run());
            fork::refuse_to_go_on(process);
            let ran = thread.running.lock().take();
            drop(ran);
            state = self.state.lock();
            state.counts.finish();
        }
        state
    }

    /// The first step of a thread that was appointed for a backlog: it naps while other threads
    /// drain the queue fast enough.
    fn watch<'a>(&'a self, mut state: Guard<'a, J>, sleeper: &Arc<Sleeper>) -> Guard<'a, J> {
        let mut seen = state.appointed_at;
        let mut is_first_check = true;
        while state.counts.may_nap(state.started - seen, is_first_check) {
            seen = state.started;
            is_first_check = false;
            state.counts.nap();
            sleeper.is_woken.store(false, Ordering::Relaxed);
            state.napper = Some(Arc::clone(sleeper));
            let is_woken;
            (state, is_woken) = self.wait(state, sleeper, self.config.nap);
            if !is_woken {
                state.counts.end_nap();
                state.napper = None;
            }
        }
        state
    }

    /// Spins for a job without the lock for a short time. Only one thread spins at a time, and only
    /// if recent spins found jobs.
    fn spin<'a>(&'a self, mut state: Guard<'a, J>) -> Guard<'a, J> {
        let is_closed = state.counts.is_closed;
        if state.is_spinning || is_closed || !state.queue.is_empty() {
            return state;
        }
        if state.spin_misses >= MISSES && !state.spin_misses.is_multiple_of(MISSES) {
            state.spin_misses = state.spin_misses.wrapping_add(1);
            return state;
        }
        state.is_spinning = true;
        drop(state);
        self.spin_for_work();
        state = self.state.lock();
        state.is_spinning = false;
        state.spin_misses =
            if state.queue.is_empty() { state.spin_misses.wrapping_add(1) } else { 0 };
        state
    }

    fn spin_for_work(&self) {
        if self.config.spin_ns == 0 {
            yield_now();
            return;
        }
        let now_ns = || system_clock().now_ns();
        let end_ns = now_ns().saturating_add(self.config.spin_ns);
        let has_work = || self.queued_hint.load(Ordering::Relaxed) > 0;
        let _ = spin_until(now_ns, end_ns, has_work);
    }

    /// Sleeps until another thread wakes this one (`true`), or until the keep-alive has passed and
    /// this thread has left the stack of sleepers (`false`).
    fn sleep<'a>(
        &'a self,
        mut state: Guard<'a, J>,
        sleeper: &Arc<Sleeper>,
    ) -> (Guard<'a, J>, bool) {
        state.counts.sleep();
        sleeper.is_woken.store(false, Ordering::Relaxed);
        state.sleepers.push(Arc::clone(sleeper));
        let mut keep_alive = self.config.keep_alive;
        let (mut state, mut is_woken) = self.wait(state, sleeper, keep_alive);
        while !is_woken {
            drop(state);
            let stays_for = stays_for(keep_alive);
            state = self.state.lock();
            is_woken = sleeper.is_woken.load(Ordering::Relaxed);
            let (Some(stays_for), false) = (stays_for, is_woken) else { break };
            keep_alive = stays_for;
            (state, is_woken) = self.wait(state, sleeper, keep_alive);
        }
        if !is_woken {
            let at = state.sleepers.iter().position(|other| Arc::ptr_eq(other, sleeper));
            state.sleepers.remove(at.expect("the thread that removes a sleeper marks it as woken"));
            state.counts.leave_idle();
            state.leaving += 1;
        }
        (state, is_woken)
    }

    /// Waits until `sleeper` is woken or `timeout` has passed. Returns whether it was woken.
    fn wait<'a>(
        &'a self,
        mut state: Guard<'a, J>,
        sleeper: &Sleeper,
        timeout: Duration,
    ) -> (Guard<'a, J>, bool) {
        if timeout.is_zero() {
            drop(state);
            yield_now();
            state = self.state.lock();
            let is_woken = sleeper.is_woken.load(Ordering::Relaxed);
            return (state, is_woken);
        }
        let mut has_timed_out = false;
        while !sleeper.is_woken.load(Ordering::Relaxed) && !has_timed_out {
            (state, has_timed_out) = sleeper.condvar.wait_timeout(state, timeout);
        }
        let is_woken = sleeper.is_woken.load(Ordering::Relaxed);
        (state, is_woken)
    }

    /// The last step of a thread. Joins the threads that left before it.
    fn leave(&self, number: u64) {
        let mut state = self.state.lock();
        state.leaving -= 1;
        state.threads.retain(|thread| thread.number != number);
        let former = state.handles.leave(number);
        drop(state);
        self.left.notify_all();
        former.into_iter().for_each(Thread::join);
    }
}

type Guard<'a, J> = MutexGuard<'a, BlockingState<J>>;

impl<J: Job> BlockingState<J> {
    fn new(max_threads: usize) -> BlockingState<J> {
        BlockingState {
            counts: Counts::new(max_threads),
            queue: VecDeque::new(),
            sleepers: Vec::new(),
            napper: None,
            is_spinning: false,
            spin_misses: 0,
            started: 0,
            appointed_at: 0,
            last_thread: 0,
            threads: Vec::new(),
            full_since: None,
            handles: JoinList::default(),
            leaving: 0,
        }
    }

    /// The number of threads that a shutdown cannot join yet. The thread that starts one may store
    /// its handle after it has left.
    fn live(&self) -> usize {
        self.counts.threads + self.leaving + self.handles.left_early()
    }

    /// The part of a [`Cover`] that must be done under the lock. Returns the rest.
    fn action(&mut self, cover: Cover) -> ThreadAction {
        let sleeper = match cover {
            Cover::Nothing => return ThreadAction::Nothing,
            Cover::Start => {
                self.appointed_at = self.started;
                self.last_thread += 1;
                return ThreadAction::Start(self.last_thread);
            }
            Cover::WakeIdle => self.sleepers.pop(),
            Cover::WakeNapper => self.napper.take(),
        };
        self.appointed_at = self.started;
        let sleeper = sleeper.expect("a thread that is counted as waiting is stored");
        sleeper.is_woken.store(true, Ordering::Relaxed);
        ThreadAction::Notify(sleeper)
    }
}

/// Runs user code without a lock held and catches its panic. A job reports its panic itself, if
/// something waits for it. The panic hook of std has printed the message in any case.
pub(super) fn contain(user_code: impl FnOnce()) {
    assert_none_held("a job of the blocking pool");
    if let Err(payload) = catch_unwind(AssertUnwindSafe(user_code)) {
        // The drop of a payload is user code too. If it panics, that payload is leaked: the chain
        // must end, and a thread that unwound here would stay in the counts.
        let dropped = catch_unwind(AssertUnwindSafe(|| drop(payload)));
        dropped.unwrap_or_else(std::mem::forget);
    }
}

impl<J: Job> fmt::Debug for BlockingShared<J> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shared").field("config", &self.config).finish_non_exhaustive()
    }
}

impl fmt::Debug for PoolConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PoolConfig")
            .field("max_threads", &self.max_threads)
            .field("keep_alive", &self.keep_alive)
            .field("spin_ns", &self.spin_ns)
            .field("nap", &self.nap)
            .field("stack_size", &self.stack_size)
            .finish_non_exhaustive()
    }
}

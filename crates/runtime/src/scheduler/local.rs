//! The executor of one thread, for `spawn_local` and for a thread that waits in `block_on`.
//!
//! It does not depend on the work-stealing pool. `scheduler/block_on.rs` polls the future of a
//! `block_on` and calls this executor to wait. A worker thread calls it between its other tasks
//! (`local/on_worker.rs`).
//!
//! # Vocabulary
//!
//! * **executor**: [`LocalExecutor`], the state that a thread owns: its local tasks, its timers,
//!   its driver. It lives until the thread ends.
//! * **handle**: [`LocalHandle`], the part of an executor that other threads may use.
//!
//! # Invariants
//!
//! 1. The tasks of an executor are polled and dropped by its thread only. Other threads put
//!    `Runnable`s into the inbox and do nothing else with them.
//! 2. The thread sleeps only while no wake flag is set, and the first flag that is set wakes it.
//!    See `wake_flags.rs`.
//! 3. While a thread is in `block_on` it turns its timers and its driver. When it leaves, or is
//!    stuck in a poll (`rescue.rs`), all their waiters are woken and register elsewhere. A timer or
//!    socket that a pool's task waits for has moved to the pool before that. A timer always moves
//!    to the thread that polls it. A socket moves because each driver records whether a `block_on`
//!    turns it.
//! 4. The thread waits with a parker of its own, or in its driver. It does not use
//!    `std::thread::park`, because that token belongs to the program.
//! 5. The pointer [`EXECUTOR`] is null or points to an executor that sets it to null before it is
//!    freed. Only its own thread reads it, and no reference outlives the closure that it is lent
//!    to.
#![allow(unsafe_code)]

mod awaited;
mod block_on_guard;
mod lost_task;
mod on_worker;
pub(crate) mod visit;
mod visitor;
mod wait;

use std::any::Any;
use std::cell::{Cell, OnceCell, RefCell};
use std::collections::VecDeque;
use std::future::Future;
use std::io;
use std::rc::Rc;
use std::sync::{Arc, Weak};
use std::task::{Wake, Waker};

use parking::{Parker, Unparker};
use reveille_driver::{Driver, Events};
use reveille_primitive::atomic::{AtomicBool, AtomicU32, AtomicUsize, Ordering};
use reveille_primitive::biased::OwnerToken;
use reveille_primitive::fork::{self, ForkHook};
use reveille_primitive::lock::Mutex;
use reveille_primitive::sys::{ThreadNumber, TimerSlack, thread_number};
use reveille_task::{
    Cause, JoinHandle, Kept, Loss, Options, Ran, Runnable, Schedule, TaskHandle, TaskRef,
    is_task_waker,
};
use reveille_trace::Flavour;

use super::lost;
use super::own_driver::OwnDriver;
use super::panic_hook;
use super::registry::Registry;
use super::rescue::{self, BlockOnWatch};
use super::simulated::simulated_poll;
use super::wake;
use super::wake_flags::{INBOX, MAIN, WakeFlags};
pub(crate) use visitor::LocalVisitor;
use visitor::PlaceCell;

pub(crate) use on_worker::{finish_local_tasks, prepare_park, run_local_tasks, unpark};

use crate::context::{self, EVENTS_PER_POLL};
use crate::event_loop::EventLoop;
use crate::observe;
use crate::poll_counter::PollCounter;
use crate::record;
use crate::threads::{self, is_this_thread, thread_index};
use crate::timer::clock::system_clock;
use crate::timer::{self, Timers};
use crate::tokio_context;

/// The part of an executor that other threads may use.
pub(crate) struct LocalHandle {
    flags: WakeFlags,
    unparker: Unparker,
    /// Identifies the thread without a system call.
    number: usize,
    inbox: Mutex<VecDeque<Runnable>>,
    /// The driver that the thread sleeps in; unset if it sleeps in its own parker. Set before the
    /// thread parks.
    driver: Mutex<Option<Arc<Driver>>>,
    /// The wakers of futures that await a local task inside another executor (`awaited.rs`), and
    /// whether a task that becomes runnable has to wake them.
    awaiting: Mutex<Vec<Waker>>,
    has_awaiting: AtomicBool,
    /// For dumps: the name of the thread, where its innermost `block_on` was called, and how many
    /// local tasks it has.
    thread: String,
    place: PlaceCell,
    tasks: AtomicUsize,
    /// The address that stands for the innermost `block_on` in recordings, or 0.
    polled: AtomicUsize,
    /// Calls of `block_on` that are in progress on the thread, one inside the other. Written by the
    /// thread only, without a read-modify-write.
    depth: AtomicU32,
    /// Whether the thread is one of reveille's own.
    is_own: bool,
    /// The system's number of the thread.
    system_number: ThreadNumber,
    /// How many times the thread has parked in `block_on`.
    parks: AtomicUsize,
    /// Whether the thread belongs to tokio's runtime (with the feature `tokio1`).
    is_tokio_thread: bool,
}

impl LocalHandle {
    /// Sets a flag and wakes the thread. Called by another thread.
    fn signal(&self, flag: u32) {
        if self.flags.set(flag) {
            if self.has_awaiting.load(Ordering::Relaxed) {
                self.wake_awaiting();
            }
            let driver = self.driver.lock().clone();
            match driver {
                Some(driver) => driver.notify(),
                None => _ = self.unparker.unpark(),
            }
        }
    }

    /// Sets MAIN, on any thread.
    #[inline]
    fn signal_main(&self) {
        if reveille_task::is_recording() {
            record::woke_block_on(self.polled.load(Ordering::Relaxed));
        }
        if is_this_thread(self.number) {
            self.flags.set_main_locally();
        } else {
            self.signal(MAIN);
        }
    }
}

impl Wake for LocalHandle {
    fn wake(self: Arc<Self>) {
        self.signal_main();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.signal_main();
    }
}

/// The scheduler handle of a local task.
#[derive(Clone)]
struct LocalScheduler(Arc<LocalHandle>);

impl Schedule for LocalScheduler {
    fn schedule(&self, task: Runnable, _cause: Cause) {
        let mut task = Some(task);
        if is_this_thread(self.0.number) {
            with_thread_executor(|executor| {
                if let (Some(executor), Some(task)) = (executor, task.take()) {
                    executor.queue.borrow_mut().push_back(task);
                    if self.0.has_awaiting.load(Ordering::Relaxed)
                        && !executor.runs_for_another.get()
                    {
                        self.0.wake_awaiting();
                    }
                }
            });
        }
        if let Some(task) = task {
            self.0.inbox.lock().push_back(task);
            self.0.signal(INBOX);
        }
    }

    fn completed(&self, task: TaskRef<'_>) -> Option<Kept> {
        let slot = task.owned_slot();
        with_thread_executor(|executor| {
            let executor =
                executor.expect("a local task completes on its own thread, while that lives");
            let mut registry = executor.registry.borrow_mut();
            let kept = registry.remove(slot);
            self.0.tasks.store(registry.len(), Ordering::Relaxed);
            if registry.len() == 0 && executor.is_finishing.get() {
                self.0.signal_main();
            }
            Some(kept)
        })
    }

    fn lost(&self, task: TaskRef<'_>, loss: Loss) {
        lost::add(task, loss, || lost_task::keep(task));
    }

    fn awaited(&self, waker: &Waker) {
        // An executor of this runtime polls the handle. It polls its local tasks afterwards.
        let is_ours = waker.data() == Arc::as_ptr(&self.0).cast() || is_task_waker(waker);
        if !is_ours && is_this_thread(self.0.number) {
            with_thread_executor(|executor| {
                executor.inspect(|executor| executor.awaited(waker));
            });
        } else if self.0.is_tokio_thread && tokio_context::is_tokio_thread() {
            // The task of tokio has moved to another thread. Nothing runs the local task on the old
            // one.
            let is_served =
                self.0.depth.load(Ordering::Relaxed) > 0 || is_this_thread(self.0.number);
            assert!(
                is_served,
                "a task of tokio awaits a task of `spawn_local` that it started on another thread; \
                 use `spawn`, or start it inside of `block_on` or of a `tokio::task::LocalSet`"
            );
        }
    }

    fn unhandled_panic(&self, task: TaskRef<'_>, payload: Box<dyn Any + Send>) {
        let hook = panic_hook::current();
        observe::unhandled(hook.as_ref(), task, payload);
    }
}

/// The state of an executor, which its thread owns.
pub(crate) struct LocalExecutor {
    event_loop: EventLoop,
    timers: OnceCell<&'static Timers>,
    /// Counts the driver of the event loop.
    driver_count: OnceCell<OwnDriver>,
    /// The process that this thread last ran in, and whether the driver belongs to its parent.
    process: Cell<u32>,
    is_driver_inherited: Cell<bool>,
    parker: Parker,
    /// What the watcher checks of this thread, once the thread has waited for a timer or a socket.
    watched: OnceCell<Arc<BlockOnWatch>>,
    queue: RefCell<VecDeque<Runnable>>,
    registry: RefCell<Registry>,
    handle: Arc<LocalHandle>,
    waker: Waker,
    is_finishing: Cell<bool>,
    /// Whether local tasks are being polled.
    is_running: Cell<bool>,
    /// Whether the thread has to call [`LocalExecutor::leave`] when it leaves `block_on`.
    has_to_leave: Cell<bool>,
    round: Cell<u32>,
    /// Counts polls, and the poll in which a foreign waker last awaited a local task.
    passes: Cell<u64>,
    awaited_at: Cell<u64>,
    /// Whether local tasks run inside a foreign executor.
    runs_for_another: Cell<bool>,
    turned_ns: Cell<u64>,
    events: RefCell<Events>,
    /// The timer slack to restore when the thread leaves `block_on`, once it has waited for a
    /// timer.
    slack: Cell<Option<TimerSlack>>,
    /// The visitor of a dump for the next poll of the future of `block_on` (`visit.rs`).
    visitor: Cell<Option<Arc<dyn LocalVisitor>>>,
    has_visitor: Cell<bool>,
}

thread_local! {
    /// The executor of this thread, inside and outside of `block_on`.
    static EXECUTOR: Cell<*const LocalExecutor> = const { Cell::new(std::ptr::null()) };
}

/// Sets the pointer to the executor of this thread; null if there is none.
fn set_thread_executor(executor: *const LocalExecutor) {
    EXECUTOR.with(|current| current.set(executor));
}

/// Lends the executor of this thread, if it has one.
#[inline]
pub(crate) fn with_thread_executor<R>(access: impl FnOnce(Option<&LocalExecutor>) -> R) -> R {
    // The closure only reads the pointer, so that `access` is inlined here.
    let executor = EXECUTOR.with(Cell::get);
    // SAFETY: null, or an executor that sets this pointer to null before it is freed, on this
    // thread (invariant 5).
    let executor = unsafe { executor.as_ref() };
    access(executor)
}

/// Owns the executor of a thread, and drops it when the thread ends. If the thread calls `exit`
/// while the executor is in use, the executor is leaked.
struct ThreadExitGuard(Rc<LocalExecutor>);

thread_local!(static KEEPER: RefCell<Option<ThreadExitGuard>> = const { RefCell::new(None) });

impl Drop for ThreadExitGuard {
    fn drop(&mut self) {
        if self.0.is_in_use() {
            // `exit` was called in a `block_on` or a local task. It runs the destructors of this
            // thread's thread-locals while frames below still use the executor. The process ends.
            std::mem::forget(Rc::clone(&self.0));
            return;
        }
        self.0.take_down();
        set_thread_executor(std::ptr::null());
    }
}

/// Runs `access` on the executor of this thread, which the first call sets up.
#[inline]
pub(crate) fn with_executor<R>(access: impl FnOnce(&LocalExecutor) -> R) -> R {
    let is_set_up = EXECUTOR.with(|executor| !executor.get().is_null());
    let _keeper = if is_set_up { None } else { set_up() };
    with_thread_executor(|executor| access(executor.expect("it was set up just now")))
}

/// Makes the executor of this thread turn timers. Called by its event loop.
fn set_up_timers() {
    with_thread_executor(|executor| executor.map(LocalExecutor::set_up_timers));
}

/// The executors of all threads, for dumps.
static EXECUTORS: Mutex<Vec<Weak<LocalHandle>>> = Mutex::new(Vec::new());

/// Adds the executor of this thread to the list.
fn enter(handle: &Arc<LocalHandle>) {
    let mut executors = EXECUTORS.lock();
    executors.retain(|handle| handle.strong_count() > 0);
    executors.push(Arc::downgrade(handle));
}

/// Sets up the executor of this thread. If the thread is ending and its thread-locals are gone,
/// this returns a guard, and the executor lives for one call.
#[cold]
fn set_up() -> Option<ThreadExitGuard> {
    record::start_from_environment();
    let executor = Rc::new(LocalExecutor::new());
    set_thread_executor(Rc::as_ptr(&executor));
    enter(&executor.handle);
    fork::watch(&FORK_HOOK);
    let kept = KEEPER.try_with(|guard| {
        // An executor that is set already belongs to the parent process, as do its tasks and its
        // driver.
        std::mem::forget(guard.replace(Some(ThreadExitGuard(Rc::clone(&executor)))));
    });
    kept.is_err().then(|| ThreadExitGuard(executor))
}

static FORK_HOOK: ForkHook = ForkHook::new(forget_in_child);

/// Called in a child process made by `fork`. If no frame uses the executor, it is given up, because
/// it belongs to the parent.
fn forget_in_child() {
    if !with_thread_executor(|executor| executor.is_some_and(LocalExecutor::is_in_use)) {
        set_thread_executor(std::ptr::null());
    }
}

/// Spawns onto the executor of this thread. See [`crate::spawn_local`].
pub(crate) fn spawn<F>(future: F, options: Options) -> JoinHandle<F::Output>
where
    F: Future + 'static,
    F::Output: 'static,
{
    with_executor(|executor| {
        let scheduler = LocalScheduler(Arc::clone(&executor.handle));
        // SAFETY: only the executor's own thread runs or drops the `Runnable` of a local task
        // (invariant 1): `schedule` puts it into the inbox on other threads, which that thread
        // alone empties, at the latest when it ends.
        let (task, mut handle, kept) =
            unsafe { reveille_task::spawn_kept_unchecked(future, scheduler, options) };
        if reveille_task::is_recording() {
            record::spawned(task.as_task(), Flavour::Local);
        }
        let mut registry = executor.registry.borrow_mut();
        registry.insert(kept);
        executor.handle.tasks.store(registry.len(), Ordering::Relaxed);
        drop(registry);
        executor.queue.borrow_mut().push_back(task);
        handle.tell_awaits();
        handle
    })
}

impl LocalExecutor {
    fn new() -> LocalExecutor {
        let parker = Parker::new();
        let handle = Arc::new(LocalHandle {
            flags: WakeFlags::new(),
            unparker: parker.unparker(),
            number: thread_index(),
            inbox: Mutex::new(VecDeque::new()),
            driver: Mutex::new(None),
            awaiting: Mutex::default(),
            has_awaiting: AtomicBool::new(false),
            thread: std::thread::current().name().unwrap_or_default().to_owned(),
            place: PlaceCell::default(),
            tasks: AtomicUsize::new(0),
            polled: AtomicUsize::new(0),
            depth: AtomicU32::new(0),
            is_own: threads::is_own(),
            system_number: thread_number(),
            parks: AtomicUsize::new(0),
            is_tokio_thread: tokio_context::is_tokio_thread(),
        });
        LocalExecutor {
            event_loop: EventLoop::on_demand(
                OwnerToken::unique(),
                system_clock().clone(),
                EVENTS_PER_POLL,
                set_up_timers,
            ),
            timers: OnceCell::new(),
            driver_count: OnceCell::new(),
            parker,
            watched: OnceCell::new(),
            queue: RefCell::default(),
            registry: RefCell::default(),
            waker: Waker::from(Arc::clone(&handle)),
            handle,
            is_finishing: Cell::new(false),
            is_running: Cell::new(false),
            process: Cell::new(fork::generation()),
            is_driver_inherited: Cell::new(false),
            has_to_leave: Cell::new(false),
            round: Cell::new(0),
            passes: Cell::new(0),
            awaited_at: Cell::new(0),
            runs_for_another: Cell::new(false),
            turned_ns: Cell::new(0),
            events: RefCell::new(Events::new()),
            slack: Cell::new(None),
            visitor: Cell::new(None),
            has_visitor: Cell::new(false),
        }
    }

    #[inline]
    pub(crate) fn event_loop(&self) -> &EventLoop {
        &self.event_loop
    }

    /// Makes this thread turn timers, and the watcher watch it, until it leaves `block_on`.
    fn set_up_timers(&self) {
        let watched = self.watched();
        let timers = *self.timers.get_or_init(|| {
            let timers = timer::acquire_timers();
            timers.set_owner(Some(self.event_loop.token().borrow().id()));
            watched.set_timers(timers);
            let handle = Arc::downgrade(&self.handle);
            timers.set_notify(Some(Arc::new(move || {
                if let Some(handle) = handle.upgrade() {
                    // Treated as a wake of the main future, so that the thread checks the timers
                    // before it sleeps again.
                    handle.signal_main();
                }
            })));
            timers
        });
        self.event_loop.set_timers(Some(timers));
    }

    /// The driver of this thread, made by the first call. If this thread was evacuated or cannot
    /// have a driver, this is the host's driver.
    pub(crate) fn driver(&self) -> io::Result<Arc<Driver>> {
        self.leave_to_parent();
        let watched = self.watched();
        if self.event_loop.driver().is_none()
            && let Some(driver) = OwnDriver::new()
        {
            watched.set_driver(driver.driver());
            self.event_loop.set_driver(Arc::clone(driver.driver()));
            let _ = self.driver_count.set(driver);
        }
        match self.own_driver().filter(|driver| driver.is_driven()) {
            Some(driver) => Ok(Arc::clone(driver)),
            None => rescue::shared_driver(),
        }
    }

    #[inline]
    fn own_driver(&self) -> Option<&Arc<Driver>> {
        self.event_loop.driver().filter(|_| !self.is_driver_inherited.get())
    }

    /// Called in a child process that was made by `fork` inside this `block_on`. The driver belongs
    /// to the parent, so its waiters are woken and register with the host.
    #[inline]
    fn leave_to_parent(&self) {
        let process = fork::generation();
        if self.process.replace(process) != process
            && let Some(driver) = self.own_driver()
        {
            self.is_driver_inherited.set(true);
            *self.handle.driver.lock() = None;
            wake::wake_waiting(driver);
        }
    }

    /// The waker of the future that this thread polls in `block_on`.
    #[inline]
    pub(crate) fn waker(&self) -> &Waker {
        &self.waker
    }

    /// Whether the next poll of the future of the `block_on` is a probe.
    #[inline]
    pub(crate) fn has_visitor(&self) -> bool {
        self.has_visitor.get()
    }

    /// Takes the wake of the future that this thread polls in `block_on`, if there was one.
    #[inline]
    pub(crate) fn take_main(&self) -> bool {
        self.handle.flags.take_main()
    }

    /// Whether that future was woken.
    #[inline]
    pub(crate) fn has_main(&self) -> bool {
        self.handle.flags.has_main()
    }

    /// Whether the queue of local tasks is empty. Other threads add tasks to the inbox only.
    pub(crate) fn is_queue_empty(&self) -> bool {
        self.queue.borrow().is_empty()
    }

    /// Whether a local task may be runnable.
    #[inline]
    fn has_local(&self) -> bool {
        self.handle.flags.has(INBOX) || !self.is_queue_empty()
    }

    /// Calls of `block_on` that are in progress on this thread.
    #[inline]
    fn depth(&self) -> u32 {
        self.handle.depth.load(Ordering::Relaxed)
    }

    /// Whether user code is running on top of a frame of this thread that uses the executor.
    fn is_in_use(&self) -> bool {
        self.depth() > 0 || self.is_running.get()
    }

    fn has_tasks(&self) -> bool {
        self.registry.borrow().len() > 0
    }

    /// Polls the local tasks that are queued at this moment.
    #[inline]
    pub(crate) fn run_queued(&self) {
        if self.has_local() {
            self.run_local(None);
        }
    }

    /// Like [`LocalExecutor::run_queued`]; `counter` counts the begin and the end of each poll.
    fn run_local(&self, counter: Option<&PollCounter>) {
        if self.handle.flags.take(INBOX) {
            let mut inbox = std::mem::take(&mut *self.handle.inbox.lock());
            self.queue.borrow_mut().append(&mut inbox);
        }
        let is_nested = self.depth() > 1;
        let was_running = self.is_running.replace(true);
        let count = self.queue.borrow().len();
        // The task whose poll is recorded and has no recorded end yet, or 0.
        let mut open_poll = 0;
        for _ in 0..count {
            let Some(task) = self.queue.borrow_mut().pop_front() else {
                break;
            };
            let poll = context::begin_poll(task.as_task());
            let addr = task.as_task().addr();
            let polled = simulated_poll(&task);
            counter.inspect(|counter| counter.begin(task.as_task().addr()));
            if reveille_task::is_recording() {
                let ended = std::mem::replace(&mut open_poll, addr);
                if !record::try_begin_next_poll(ended, addr) {
                    record::begin_next_poll(ended, addr);
                }
            }
            let ran = task.run();
            counter.inspect(|counter| counter.increment());
            self.end_poll(poll, polled, matches!(ran, Ran::Requeued(_)));
            if let Ran::Requeued(task) = ran {
                self.queue.borrow_mut().push_back(task);
            }
            if is_nested && self.handle.flags.has_main() {
                // Nested `block_on`s on this stack share the flag of the main future.
                break;
            }
        }
        if open_poll != 0 {
            record::end_poll(open_poll);
        }
        self.is_running.set(was_running);
    }

    /// Like [`LocalExecutor::run_local`], on a worker thread. The watcher does not count the
    /// thread's other polls.
    fn run_watched(&self, counter: &PollCounter) {
        let watched = || self.watched.get().filter(|_| self.has_to_leave.get());
        watched().inspect(|watched| watched.wake());
        self.run_local(Some(counter));
        watched().inspect(|watched| watched.sleep());
    }

    /// Called when the thread ends. Cancels its local tasks, and wakes everything that waits for
    /// its timers and sockets, so that it registers elsewhere.
    fn take_down(&self) {
        loop {
            let inbox = std::mem::take(&mut *self.handle.inbox.lock());
            let queued = std::mem::take(&mut *self.queue.borrow_mut());
            drop((inbox, queued));
            let live: Vec<TaskHandle> = self.registry.borrow().tasks();
            if live.is_empty() {
                break;
            }
            live.iter().for_each(|task| task.as_task().cancel());
            drop(live);
            if self.queue.borrow().is_empty() && self.handle.inbox.lock().is_empty() {
                // Wakers on other threads are still queuing the last tasks.
                reveille_primitive::thread::yield_now();
            }
        }
        self.leave();
        if let Some(watched) = self.watched.get() {
            watched.forget();
        }
        if let Some(timers) = self.timers.get() {
            timer::release_timers(timers);
        }
    }

    /// Stops turning the thread's timers and driver.
    #[cold]
    fn leave(&self) {
        self.has_to_leave.set(false);
        self.event_loop.release_spare();
        self.event_loop.set_timers(None);
        self.handle.forget_awaiting();
        if let Some(slack) = self.slack.take() {
            slack.restore();
        }
        if let Some(watched) = self.watched.get() {
            watched.sleep();
            watched.take_back(&self.event_loop.token().borrow().id());
        }
        if let Some(driver) = self.own_driver() {
            wake::wake_waiting(driver);
        }
        let Some(timers) = self.timers.get() else {
            return;
        };
        if !timers.is_empty(&mut self.event_loop.token().borrow_mut()) {
            let mut wakers = timers.drain();
            wake::wake_all(&mut wakers);
        }
    }
}

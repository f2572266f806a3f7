//! The executor of one thread: `block_on` and `spawn_local`.
//!
//! # Vocabulary
//!
//! * **stand**: what a thread owns of the runtime: its local tasks, its timers, its driver (made
//!   when
//!   the first socket asks for one). It lives until the thread ends.
//! * **signals**: the part of a stand that other threads reach.
//!
//! # Invariants
//!
//! 1. The tasks of a stand are polled and dropped by its thread only: other threads put their
//!    `Runnable`s into the inbox and no further.
//! 2. The thread sleeps only if there is no reason not to, and is woken by the first:
//!    `wake_flags.rs`.
//! 3. While a thread is in `block_on` its timers and its driver are turned by it. When it leaves,
//!    or is stuck in a poll (`rescue.rs`), everybody who waits there is woken and finds another
//!    home. What a task of a pool waits for moves to the pool before that: a timer because it
//!    always goes with its poller, a socket because the driver says who turns it.
//! 4. The thread waits with a parker of its own, or in its driver: the token of
//!    `std::thread::park` is the program's.
#![allow(unsafe_code)]

mod awaited;
mod on_worker;
mod wait;

use std::any::Any;
use std::cell::{Cell, OnceCell, RefCell};
use std::collections::VecDeque;
use std::future::Future;
use std::io;
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};

use parking::{Parker, Unparker};
use reveille_driver::{Driver, Events};
use reveille_primitive::atomic::{AtomicBool, Ordering};
use reveille_primitive::biased::OwnerToken;
use reveille_primitive::fork;
use reveille_primitive::lock::Mutex;
use reveille_primitive::sys::TimerSlack;
use reveille_task::{
    Cause, JoinHandle, Kept, Options, Ran, Runnable, Schedule, TaskData, TaskHandle, TaskRef,
    is_task_waker,
};

use super::multi::{self, PollCounter, Registry, RuntimeRef};
use super::own_driver::OwnDriver;
use super::rescue::{self, BlockOnWatch};
use super::wake_flags::{INBOX, MAIN, WakeFlags};
pub(crate) use on_worker::{finish_local_tasks, prepare_park, run_local_tasks, unpark};

use crate::context::{self, EVENTS_PER_POLL};
use crate::event_loop::EventLoop;
use crate::observe;
use crate::scheduler::current;
use crate::scheduler::wake;
use crate::timer::clock::system_clock;
use crate::timer::{self, Timers};
use crate::tokio_context;

/// What other threads reach of a stand.
pub(crate) struct LocalHandle {
    flags: WakeFlags,
    unparker: Unparker,
    /// Tells threads apart without asking the system.
    number: usize,
    inbox: Mutex<VecDeque<Runnable>>,
    /// What the thread sleeps in, if not in its own parker. Set before it parks.
    driver: Mutex<Option<Arc<Driver>>>,
    /// Who awaits a local task inside of another executor (`awaited.rs`), and whether a task that
    /// becomes runnable has to wake them.
    awaiting: Mutex<Vec<Waker>>,
    has_awaiting: AtomicBool,
}

impl LocalHandle {
    /// Gives the thread a reason not to sleep, as another thread.
    fn signal(&self, reason: u32) {
        if self.flags.set(reason) {
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

    /// Gives the reason MAIN, on any thread.
    #[inline]
    fn signal_main(&self) {
        if multi::is_this_thread(self.number) {
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
        if multi::is_this_thread(self.0.number) {
            current::with_thread_executor(|stand| {
                if let (Some(stand), Some(task)) = (stand, task.take()) {
                    stand.queue.borrow_mut().push_back(task);
                    if self.0.has_awaiting.load(Ordering::Relaxed) && !stand.runs_for_another.get()
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
        current::with_thread_executor(|stand| {
            let stand = stand.expect("a local task completes on its own thread, while that lives");
            let mut registry = stand.registry.borrow_mut();
            let kept = registry.remove(slot);
            if registry.len() == 0 && stand.is_finishing.get() {
                self.0.signal_main();
            }
            Some(kept)
        })
    }

    fn awaited(&self, waker: &Waker) {
        // An executor of ours polls the handle, and gets to its local tasks after that.
        let is_ours = waker.data() == Arc::as_ptr(&self.0).cast() || is_task_waker(waker);
        if !is_ours && multi::is_this_thread(self.0.number) {
            current::with_thread_executor(|stand| {
                stand.inspect(|stand| stand.awaited(waker));
            });
        }
    }

    fn unhandled_panic(&self, task: TaskRef<'_>, payload: Box<dyn Any + Send>) {
        let hook = current::panic_hook();
        observe::unhandled(hook.as_ref(), task, payload);
    }
}

/// What one thread owns of the runtime.
pub(crate) struct LocalExecutor {
    event_loop: EventLoop,
    timers: OnceCell<&'static Timers>,
    /// Counts the driver of the event loop.
    driver_count: OnceCell<OwnDriver>,
    /// The process that this thread was last seen in, and whether the driver is of one before.
    process: Cell<u32>,
    is_driver_inherited: Cell<bool>,
    parker: Parker,
    /// What the watcher sees, once the thread has waited for a timer or a socket.
    watched: OnceCell<Arc<BlockOnWatch>>,
    queue: RefCell<VecDeque<Runnable>>,
    registry: RefCell<Registry>,
    handle: Arc<LocalHandle>,
    waker: Waker,
    /// Calls of `block_on` that are in progress on this thread, one inside the other.
    depth: Cell<u32>,
    is_finishing: Cell<bool>,
    /// Local tasks are being polled.
    is_running: Cell<bool>,
    /// Something is to be done when the thread leaves `block_on`: see [`LocalExecutor::leave`].
    has_to_leave: Cell<bool>,
    round: Cell<u32>,
    /// Counts polls, and that at which a local task was last awaited by a waker that is not ours.
    passes: Cell<u64>,
    awaited_at: Cell<u64>,
    /// Local tasks run inside of an executor that is not ours.
    runs_for_another: Cell<bool>,
    turned_ns: Cell<u64>,
    events: RefCell<Events>,
    /// What is to be restored of a thread that is not ours, once it has waited for a timer.
    slack: Cell<Option<TimerSlack>>,
}

/// Keeps the thread's stand, and takes it down when the thread ends. If the thread ends the
/// process instead, with the stand in use, the stand stays in memory.
struct ThreadExitGuard(Rc<LocalExecutor>);

thread_local!(static KEEPER: RefCell<Option<ThreadExitGuard>> = const { RefCell::new(None) });

impl Drop for ThreadExitGuard {
    fn drop(&mut self) {
        if self.0.is_in_use() {
            // `exit` was called in a `block_on` or a local task: it runs the destructors of this
            // thread's locals on top of the frames that use the stand. The process ends.
            std::mem::forget(Rc::clone(&self.0));
            return;
        }
        self.0.take_down();
        current::set_thread_executor(std::ptr::null());
    }
}

/// Runs `access` on the stand of this thread, which is set up by the first call.
#[inline]
fn with_executor<R>(access: impl FnOnce(&LocalExecutor) -> R) -> R {
    let _keeper = if current::has_thread_executor() { None } else { set_up() };
    current::with_thread_executor(|stand| access(stand.expect("it was set up just now")))
}

/// Has the executor of this thread turn timers; for its event loop.
fn set_up_timers() {
    current::with_thread_executor(|executor| executor.map(LocalExecutor::set_up_timers));
}

/// Sets the stand of this thread up. Returns its keeper if the thread is ending and its
/// thread-locals are gone: then the stand lives for one call.
#[cold]
fn set_up() -> Option<ThreadExitGuard> {
    let stand = Rc::new(LocalExecutor::new());
    current::set_thread_executor(Rc::as_ptr(&stand));
    current::watch_forks();
    let kept = KEEPER.try_with(|keeper| {
        // What is there already is the parent's: its tasks, its driver.
        std::mem::forget(keeper.replace(Some(ThreadExitGuard(Rc::clone(&stand)))));
    });
    kept.is_err().then(|| ThreadExitGuard(stand))
}

/// In a child process made by `fork`: a stand that no frame uses is left to the parent. Called by
/// the handler of `fork`.
pub(crate) fn forget_in_child() {
    if !current::with_thread_executor(|stand| stand.is_some_and(LocalExecutor::is_in_use)) {
        current::set_thread_executor(std::ptr::null());
    }
}

/// Runs `future` on this thread until it is ready. See [`crate::block_on`].
#[inline]
pub(crate) fn block_on<F: Future>(
    runtime: Option<RuntimeRef>,
    options: Options,
    future: F,
) -> F::Output {
    with_executor(|stand| stand.block_on(runtime, options, future))
}

/// Spawns onto the executor of this thread. See [`crate::spawn_local`].
pub(crate) fn spawn<F>(future: F, options: Options) -> JoinHandle<F::Output>
where
    F: Future + 'static,
    F::Output: 'static,
{
    with_executor(|stand| {
        let scheduler = LocalScheduler(Arc::clone(&stand.handle));
        // SAFETY: a local task's `Runnable` is only run or dropped by the stand's own thread
        // (invariant 1): `schedule` keeps those of other threads in the inbox, which that thread
        // alone empties, at the latest when it ends.
        let (task, mut handle, kept) =
            unsafe { reveille_task::spawn_kept_unchecked(future, scheduler, options) };
        stand.registry.borrow_mut().insert(kept);
        stand.queue.borrow_mut().push_back(task);
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
            number: multi::thread_index(),
            inbox: Mutex::new(VecDeque::new()),
            driver: Mutex::new(None),
            awaiting: Mutex::default(),
            has_awaiting: AtomicBool::new(false),
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
            depth: Cell::new(0),
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
        }
    }

    #[inline]
    pub(crate) fn event_loop(&self) -> &EventLoop {
        &self.event_loop
    }

    /// Has this thread turn timers, and the watcher watch it, until it leaves `block_on`.
    fn set_up_timers(&self) {
        let watched = self.watched();
        let timers = *self.timers.get_or_init(|| {
            let timers = timer::acquire_timers();
            timers.set_owner(Some(self.event_loop.token().borrow().id()));
            watched.set_timers(timers);
            let handle = Arc::downgrade(&self.handle);
            timers.set_notify(Some(Arc::new(move || {
                if let Some(handle) = handle.upgrade() {
                    // As a wake of the main future: the thread checks the timers before it sleeps
                    // again.
                    handle.signal_main();
                }
            })));
            timers
        });
        self.event_loop.set_timers(Some(timers));
    }

    /// The driver of this thread, made by the first call; another one if it was evacuated, or
    /// there is none to be had.
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

    fn own_driver(&self) -> Option<&Arc<Driver>> {
        self.event_loop.driver().filter(|_| !self.is_driver_inherited.get())
    }

    /// In a child process made by `fork` in this `block_on`: the driver is the parent's. Who waits
    /// for its events is woken, and finds the host's.
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

    #[inline]
    fn block_on<F: Future>(
        &self,
        runtime: Option<RuntimeRef>,
        options: Options,
        future: F,
    ) -> F::Output {
        let _foreign = tokio_context::enter();
        let _entered = BlockOnGuard::new(self);
        current::enter_block_on(self, runtime, |frame| {
            let data = TaskData::new(options);
            let mut future = pin!(future);
            let polled = {
                let _poll = frame.begin_poll(&data);
                future.as_mut().poll(&mut Context::from_waker(&self.waker))
            };
            match polled {
                Poll::Ready(output) => output,
                Poll::Pending => self.block_on_pending(frame, &data, future.as_mut()),
            }
        })
    }

    /// Goes on with a future that was not ready at once.
    #[inline(never)]
    fn block_on_pending<F: Future>(
        &self,
        frame: &current::BlockOnFrame<'_>,
        data: &TaskData,
        mut future: Pin<&mut F>,
    ) -> F::Output {
        // Inside a worker's poll: somebody else has to work the place meanwhile.
        let relief = frame.worker().map(multi::BlockInPlace::begin);
        let mut has_helped = false;
        loop {
            if frame.is_nested() {
                has_helped = self.wait_nested(relief.as_ref(), has_helped);
            } else {
                self.wait();
            }
            let polled = {
                let _poll = frame.begin_poll(data);
                future.as_mut().poll(&mut Context::from_waker(&self.waker))
            };
            if let Poll::Ready(output) = polled {
                return output;
            }
        }
    }

    /// Whether a local task may be runnable.
    #[inline]
    fn has_local(&self) -> bool {
        self.handle.flags.has(INBOX) || !self.queue.borrow().is_empty()
    }

    /// Whether a frame of this thread uses the stand while a program's code runs on top of it.
    fn is_in_use(&self) -> bool {
        self.depth.get() > 0 || self.is_running.get()
    }

    fn has_tasks(&self) -> bool {
        self.registry.borrow().len() > 0
    }

    /// Polls the local tasks that are queued at this moment.
    fn run_local(&self, pulse: Option<&PollCounter>) {
        if self.handle.flags.take(INBOX) {
            let mut inbox = std::mem::take(&mut *self.handle.inbox.lock());
            self.queue.borrow_mut().append(&mut inbox);
        }
        let is_nested = self.depth.get() > 1;
        let was_running = self.is_running.replace(true);
        let count = self.queue.borrow().len();
        for _ in 0..count {
            let Some(task) = self.queue.borrow_mut().pop_front() else {
                break;
            };
            let poll = context::begin_poll(task.as_task());
            pulse.inspect(|pulse| pulse.increment());
            let ran = task.run();
            pulse.inspect(|pulse| pulse.increment());
            self.pass();
            drop(poll);
            if let Ran::Requeued(task) = ran {
                self.queue.borrow_mut().push_back(task);
            }
            if is_nested && self.handle.flags.has_main() {
                // One of several futures that wait on this stack, one on top of the other.
                break;
            }
        }
        self.is_running.set(was_running);
    }

    /// As [`LocalExecutor::run_local`] on a worker, whose other polls the watcher does not see.
    fn run_watched(&self, pulse: &PollCounter) {
        let watched = || self.watched.get().filter(|_| self.has_to_leave.get());
        watched().inspect(|watched| watched.wake());
        self.run_local(Some(pulse));
        watched().inspect(|watched| watched.sleep());
    }

    /// The thread ends: its local tasks are cancelled, and what waits at its timers and sockets is
    /// woken and finds another home.
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
                // A waker on another thread is about to queue the last ones.
                reveille_primitive::thread::yield_now();
            }
        }
        self.leave();
        if let Some(watched) = self.watched.get() {
            watched.forget();
        }
        if let Some(home) = self.timers.get() {
            timer::release_timers(home);
        }
    }

    /// Nobody turns the timers and the driver of this thread from now on.
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
        let Some(home) = self.timers.get() else {
            return;
        };
        if !home.is_empty(&mut self.event_loop.token().borrow_mut()) {
            let mut wakers = home.drain();
            wake::wake_all(&mut wakers);
        }
    }
}

/// A `block_on` in progress.
struct BlockOnGuard<'a>(&'a LocalExecutor);

impl<'a> BlockOnGuard<'a> {
    #[inline]
    fn new(stand: &'a LocalExecutor) -> BlockOnGuard<'a> {
        let depth = stand.depth.get();
        stand.depth.set(depth + 1);
        if depth == 0
            && let Some(driver) = stand.own_driver()
        {
            driver.set_driven_here();
            stand.begin_watch();
        }
        BlockOnGuard(stand)
    }
}

impl Drop for BlockOnGuard<'_> {
    #[inline]
    fn drop(&mut self) {
        let depth = self.0.depth.get() - 1;
        self.0.depth.set(depth);
        if depth == 0 {
            if self.0.has_to_leave.get() {
                self.0.leave();
            }
        } else {
            // The outer future may have been woken while the inner one took the signals.
            self.0.handle.signal_main();
        }
    }
}

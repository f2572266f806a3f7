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
//! 2. The thread sleeps only if there is no reason not to, and is woken by the first: `reasons.rs`.
//! 3. While a thread is in `block_on` its timers and its driver are turned by it. When it leaves,
//!    everybody who waits there is woken and finds another home. What a task of a pool waits for
//!    moves to the pool before that, since this thread may be stuck in a poll: a timer because it
//!    always goes with its poller, a socket because the driver says who turns it.
#![allow(unsafe_code)]

use std::any::Any;
use std::cell::{Cell, OnceCell, RefCell};
use std::collections::VecDeque;
use std::future::{Future, poll_fn};
use std::io;
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::thread::Thread;
use std::time::Duration;

use reveille_driver::{Driver, Events, TimerSlack};
use reveille_primitive::biased::Identity;
use reveille_primitive::lock::Mutex;
use reveille_primitive::thread::spin_loop;
use reveille_task::{
    Cause, JoinHandle, Kept, Options, Ran, Runnable, Schedule, TaskData, TaskHandle, TaskRef,
};

use super::multi::{self, Pulse, Registry, Seat, Shared};
use super::reasons::{INBOX, MAIN, Reasons};
use crate::context;
use crate::foreign;
use crate::observe;
use crate::park::Spin;
use crate::time::{self, Home, Sleep};

/// Rounds after which driver and timers are looked at although there is work.
const LOOK_EVERY: u32 = 64;

/// As in the pool: how long the driver may wait while there is work.
const TURN_EVERY_NS: u64 = 100_000;

/// Looks at the signals between two looks at the clock: a pause of the processor each, so about a
/// microsecond in all.
const SPINS_PER_LOOK: u32 = 32;

/// What other threads reach of a stand.
pub(crate) struct Signals {
    reasons: Reasons,
    thread: Thread,
    /// Tells threads apart without asking the system.
    number: usize,
    inbox: Mutex<VecDeque<Runnable>>,
    /// What the thread sleeps in, if not in its own parker. Set before it parks.
    driver: Mutex<Option<Arc<Driver>>>,
}

impl Signals {
    /// Gives the thread a reason not to sleep, as another thread.
    fn signal(&self, reason: u32) {
        if self.reasons.give(reason) {
            let driver = self.driver.lock().clone();
            match driver {
                Some(driver) => driver.notify(),
                None => self.thread.unpark(),
            }
        }
    }

    /// Gives the reason MAIN, on any thread.
    #[inline]
    fn signal_main(&self) {
        if multi::is_lane(self.number) {
            self.reasons.give_main_here();
        } else {
            self.signal(MAIN);
        }
    }
}

impl Wake for Signals {
    fn wake(self: Arc<Self>) {
        self.signal_main();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.signal_main();
    }
}

/// The scheduler handle of a local task.
#[derive(Clone)]
struct LocalScheduler(Arc<Signals>);

impl Schedule for LocalScheduler {
    fn schedule(&self, task: Runnable, _cause: Cause) {
        let mut task = Some(task);
        if multi::is_lane(self.0.number) {
            context::with_own_stand(|stand| {
                if let (Some(stand), Some(task)) = (stand, task.take()) {
                    stand.queue.borrow_mut().push_back(task);
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
        context::with_own_stand(|stand| {
            let stand = stand.expect("a local task completes on its own thread, while that lives");
            let mut registry = stand.registry.borrow_mut();
            let kept = registry.remove(slot);
            if registry.len() == 0 && stand.is_finishing.get() {
                self.0.signal_main();
            }
            Some(kept)
        })
    }

    fn unhandled_panic(&self, task: TaskRef<'_>, payload: Box<dyn Any + Send>) {
        let hook = context::current_runtime().and_then(Shared::panic_hook);
        observe::unhandled(hook.as_ref(), task, payload);
    }
}

/// What one thread owns of the runtime.
pub(crate) struct Stand {
    identity: RefCell<Identity>,
    home: OnceCell<&'static Home>,
    driver: OnceCell<Arc<Driver>>,
    queue: RefCell<VecDeque<Runnable>>,
    registry: RefCell<Registry>,
    signals: Arc<Signals>,
    waker: Waker,
    /// Calls of `block_on` that are in progress on this thread, one inside the other.
    depth: Cell<u32>,
    is_finishing: Cell<bool>,
    /// Something is to be done when the thread leaves `block_on`: see [`Stand::leave`].
    has_to_leave: Cell<bool>,
    round: Cell<u32>,
    turned_ns: Cell<u64>,
    events: RefCell<Events>,
    spin: Spin,
    /// What is to be restored of a thread that is not ours, once it has waited for a timer.
    slack: Cell<Option<TimerSlack>>,
}

/// Keeps the thread's stand, and takes it down when the thread ends.
struct Keeper(Rc<Stand>);

thread_local!(static KEEPER: OnceCell<Keeper> = const { OnceCell::new() });

impl Drop for Keeper {
    fn drop(&mut self) {
        self.0.take_down();
        context::set_own_stand(std::ptr::null());
    }
}

/// Runs `access` on the stand of this thread, which is set up by the first call.
#[inline]
fn with_stand<R>(access: impl FnOnce(&Stand) -> R) -> R {
    let _keeper = if context::has_own_stand() { None } else { set_up() };
    context::with_own_stand(|stand| access(stand.expect("it was set up just now")))
}

/// Sets the stand of this thread up. Returns its keeper if the thread is ending and its
/// thread-locals are gone: then the stand lives for one call.
#[cold]
fn set_up() -> Option<Keeper> {
    let stand = Rc::new(Stand::new());
    context::set_own_stand(Rc::as_ptr(&stand));
    let kept = KEEPER.try_with(|keeper| keeper.set(Keeper(Rc::clone(&stand))).is_ok());
    kept.is_err().then(|| Keeper(stand))
}

/// Runs `future` on this thread until it is ready. See [`crate::block_on`].
#[inline]
pub(crate) fn block_on<F: Future>(
    runtime: Option<&'static Shared>,
    options: Options,
    future: F,
) -> F::Output {
    with_stand(|stand| stand.block_on(runtime, options, future))
}

/// Spawns onto the executor of this thread. See [`crate::spawn_local`].
pub(crate) fn spawn<F>(future: F, options: Options) -> JoinHandle<F::Output>
where
    F: Future + 'static,
    F::Output: 'static,
{
    with_stand(|stand| {
        let scheduler = LocalScheduler(Arc::clone(&stand.signals));
        // SAFETY: a local task's `Runnable` is only run or dropped by the stand's own thread
        // (invariant 1): `schedule` keeps those of other threads in the inbox, which that thread
        // alone empties, at the latest when it ends.
        let (task, handle, kept) =
            unsafe { reveille_task::spawn_kept_unchecked(future, scheduler, options) };
        stand.registry.borrow_mut().insert(kept);
        stand.queue.borrow_mut().push_back(task);
        handle
    })
}

impl Stand {
    fn new() -> Stand {
        let signals = Arc::new(Signals {
            reasons: Reasons::new(),
            thread: std::thread::current(),
            number: multi::lane(),
            inbox: Mutex::new(VecDeque::new()),
            driver: Mutex::new(None),
        });
        Stand {
            identity: RefCell::new(Identity::unique()),
            home: OnceCell::new(),
            driver: OnceCell::new(),
            queue: RefCell::default(),
            registry: RefCell::default(),
            waker: Waker::from(Arc::clone(&signals)),
            signals,
            depth: Cell::new(0),
            is_finishing: Cell::new(false),
            has_to_leave: Cell::new(false),
            round: Cell::new(0),
            turned_ns: Cell::new(0),
            events: RefCell::new(Events::new()),
            spin: Spin::new(),
            slack: Cell::new(None),
        }
    }

    pub(crate) fn identity(&self) -> &RefCell<Identity> {
        &self.identity
    }

    pub(crate) fn timers(&self) -> &'static Home {
        self.has_to_leave.set(true);
        self.home.get_or_init(|| {
            let home = time::acquire_home();
            home.give(Some(self.identity.borrow().recipient()));
            let signals = Arc::downgrade(&self.signals);
            home.set_notify(Some(Arc::new(move || {
                if let Some(signals) = signals.upgrade() {
                    // A wake of the main future: it looks at the timers before it sleeps again.
                    signals.signal_main();
                }
            })));
            home
        })
    }

    /// The driver of this thread, made by the first call.
    pub(crate) fn driver(&self) -> io::Result<Arc<Driver>> {
        self.has_to_leave.set(true);
        if let Some(driver) = self.driver.get() {
            return Ok(Arc::clone(driver));
        }
        let driver = Driver::new(reveille_driver::Kind::Native).inspect(Driver::set_driven_here)?;
        Ok(Arc::clone(self.driver.get_or_init(|| Arc::new(driver))))
    }

    #[inline]
    fn block_on<F: Future>(
        &self,
        runtime: Option<&'static Shared>,
        options: Options,
        future: F,
    ) -> F::Output {
        let _foreign = foreign::enter();
        let _entered = Entered::new(self);
        context::with_frame(self, runtime, |frame| {
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
        frame: &context::Frame<'_>,
        data: &TaskData,
        mut future: Pin<&mut F>,
    ) -> F::Output {
        // Inside a worker's poll: somebody else has to work the place meanwhile.
        let relief = frame.seat().map(multi::Relief::of);
        loop {
            self.wait(relief.as_ref());
            let polled = {
                let _poll = frame.begin_poll(data);
                future.as_mut().poll(&mut Context::from_waker(&self.waker))
            };
            if let Poll::Ready(output) = polled {
                return output;
            }
        }
    }

    /// Runs local tasks, timers and the driver until the main future was woken.
    fn wait(&self, relief: Option<&multi::Relief<'_>>) {
        loop {
            let round = self.round.get().wrapping_add(1);
            self.round.set(round);
            if round.is_multiple_of(LOOK_EVERY) {
                self.look();
            }
            if self.has_local() {
                self.run_local(None);
            }
            if let Some(relief) = relief {
                relief.help();
            }
            if self.signals.reasons.take_main() {
                return;
            }
            if self.queue.borrow().is_empty() {
                self.park(relief.is_some_and(multi::Relief::is_needed));
            }
        }
    }

    /// Whether a local task may be runnable.
    #[inline]
    fn has_local(&self) -> bool {
        self.signals.reasons.has(INBOX) || !self.queue.borrow().is_empty()
    }

    fn has_tasks(&self) -> bool {
        self.registry.borrow().len() > 0
    }

    /// Polls the local tasks that are queued at this moment.
    fn run_local(&self, pulse: Option<&Pulse>) {
        if self.signals.reasons.take(INBOX) {
            let mut inbox = std::mem::take(&mut *self.signals.inbox.lock());
            self.queue.borrow_mut().append(&mut inbox);
        }
        let count = self.queue.borrow().len();
        for _ in 0..count {
            let Some(task) = self.queue.borrow_mut().pop_front() else {
                return;
            };
            let poll = context::begin_poll(task.as_task());
            pulse.inspect(|pulse| pulse.beat());
            let ran = task.run();
            pulse.inspect(|pulse| pulse.beat());
            drop(poll);
            if let Ran::Requeued(task) = ran {
                self.queue.borrow_mut().push_back(task);
            }
        }
    }

    /// Turns the driver and the timers although there is work, if that is due.
    #[cold]
    fn look(&self) {
        let now = context::clock(time::clock::Clock::now_ns);
        if now.saturating_sub(self.turned_ns.get()) >= TURN_EVERY_NS {
            self.turn_driver(Some(Duration::ZERO));
            self.turn_timers();
        }
    }

    fn turn_driver(&self, timeout: Option<Duration>) {
        if let Some(driver) = self.driver.get() {
            multi::turn(driver, timeout, &mut self.events.borrow_mut());
        }
    }

    fn turn_timers(&self) {
        let now = context::clock(time::clock::Clock::now_ns);
        self.turned_ns.set(now);
        if let Some(home) = self.home.get() {
            let mut wakers = Vec::new();
            while home.turn(&self.identity, now, &mut wakers).has_more {}
        }
    }

    /// Sleeps until there is a reason not to.
    fn park(&self, is_brief: bool) {
        let deadline = self.home.get().and_then(|home| home.settle_and_park(&self.identity));
        let driver = self.driver.get();
        if driver.is_some() && self.signals.driver.lock().is_none() {
            *self.signals.driver.lock() = driver.cloned();
        }
        let start = context::clock(time::clock::Clock::now_ns);
        if self.spin_until(start, deadline) {
            return;
        }
        if self.signals.reasons.park() {
            let timeout =
                deadline.map(|deadline| Duration::from_nanos(deadline.saturating_sub(start)));
            let timeout = match is_brief {
                true => Some(Duration::from_millis(1).min(timeout.unwrap_or(Duration::MAX))),
                false => timeout,
            };
            if timeout.is_some() {
                self.be_punctual();
            }
            match (driver, timeout) {
                (Some(_), timeout) => self.turn_driver(timeout),
                (None, Some(timeout)) => std::thread::park_timeout(timeout),
                (None, None) => std::thread::park(),
            }
        }
        let is_signalled = self.signals.reasons.unpark();
        let now = context::clock(time::clock::Clock::now_ns);
        self.spin.record_wait(is_signalled.then(|| now.saturating_sub(start)));
        if self.home.get().is_some() {
            self.turn_timers();
        }
    }

    /// Lets timed waits end on time until the thread leaves `block_on`.
    fn be_punctual(&self) {
        self.has_to_leave.set(true);
        let slack = self.slack.take();
        self.slack.set(slack.or_else(TimerSlack::least));
    }

    /// Looks around for a moment. `true` if a signal came meanwhile.
    fn spin_until(&self, start_ns: u64, deadline_ns: Option<u64>) -> bool {
        let budget = self.spin.budget_ns();
        if budget == 0 || self.driver.get().is_some() {
            return false;
        }
        let end = start_ns.saturating_add(budget).min(deadline_ns.unwrap_or(u64::MAX));
        loop {
            for _ in 0..SPINS_PER_LOOK {
                if self.signals.reasons.has(MAIN | INBOX) {
                    self.spin.record_spin(true);
                    self.spin.record_wait(Some(0));
                    return true;
                }
                spin_loop();
            }
            if context::clock(time::clock::Clock::now_ns) >= end {
                self.spin.record_spin(false);
                return false;
            }
        }
    }

    /// The thread ends: its local tasks are cancelled, and what waits at its timers and sockets is
    /// woken and finds another home.
    fn take_down(&self) {
        loop {
            let inbox = std::mem::take(&mut *self.signals.inbox.lock());
            let queued = std::mem::take(&mut *self.queue.borrow_mut());
            drop((inbox, queued));
            let live: Vec<TaskHandle> = self.registry.borrow().tasks();
            if live.is_empty() {
                break;
            }
            live.iter().for_each(|task| task.as_task().cancel());
            drop(live);
            if self.queue.borrow().is_empty() && self.signals.inbox.lock().is_empty() {
                // A waker on another thread is about to queue the last ones.
                reveille_primitive::thread::yield_now();
            }
        }
        self.leave();
        if let Some(home) = self.home.get() {
            time::release_home(home);
        }
    }

    /// Nobody turns the timers and the driver of this thread from now on.
    #[cold]
    fn leave(&self) {
        self.has_to_leave.set(false);
        if let Some(slack) = self.slack.take() {
            slack.restore();
        }
        if let Some(driver) = self.driver.get() {
            context::wake_waiting(driver);
        }
        let Some(home) = self.home.get() else {
            return;
        };
        if !home.is_empty(&mut self.identity.borrow_mut()) {
            let mut wakers = home.vacate();
            context::wake_all(&mut wakers);
        }
    }
}

/// A `block_on` in progress.
struct Entered<'a>(&'a Stand);

impl<'a> Entered<'a> {
    #[inline]
    fn new(stand: &'a Stand) -> Entered<'a> {
        let depth = stand.depth.get();
        stand.depth.set(depth + 1);
        if depth == 0
            && let Some(driver) = stand.driver.get()
        {
            driver.set_driven_here();
            stand.has_to_leave.set(true);
        }
        Entered(stand)
    }
}

impl Drop for Entered<'_> {
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
            self.0.signals.signal_main();
        }
    }
}

/// Polls the local tasks of a worker's thread. `false` if it has none. The monitor sees these polls
/// as it sees those of other tasks: the worker's place changes hands if one blocks. `prepare` is
/// called first if there are any.
pub(crate) fn run_here(seat: &Seat, prepare: impl FnOnce()) -> bool {
    context::with_own_stand(|stand| {
        let stand = stand.filter(|stand| stand.has_tasks());
        stand.inspect(|_| prepare());
        stand.inspect(|stand| stand.run_local(Some(&seat.pulse)));
        stand.is_some()
    })
}

/// A worker is about to sleep in the driver of its place. `false` if a local task is runnable.
pub(crate) fn park_here(seat: &Seat) -> bool {
    context::with_own_stand(|stand| {
        let Some(stand) = stand.filter(|stand| stand.has_tasks()) else {
            return true;
        };
        *stand.signals.driver.lock() = Some(Arc::clone(seat.driver()));
        stand.signals.reasons.park_but_for_main() && stand.queue.borrow().is_empty()
    })
}

/// A worker woke up.
pub(crate) fn unpark_here(_: &Seat) {
    context::with_own_stand(|stand| {
        if let Some(stand) = stand.filter(|stand| stand.has_tasks()) {
            stand.signals.reasons.unpark();
            *stand.signals.driver.lock() = stand.driver.get().cloned();
        }
    });
}

/// A worker lost its place: its thread runs the local tasks it has to their end, or to that of the
/// pool, before it takes another place.
pub(crate) fn finish_here(shared: &'static Shared) {
    let has_tasks = || context::with_own_stand(|stand| stand.is_some_and(Stand::has_tasks));
    let set_finishing = |value| {
        context::with_own_stand(|stand| {
            if let Some(stand) = stand {
                stand.is_finishing.set(value);
            }
        });
    };
    if !has_tasks() {
        return;
    }
    set_finishing(true);
    // The end of the pool wakes nobody here, so it is looked for.
    let mut look = Sleep::after(FINISH_LOOK);
    block_on(
        Some(shared),
        Options::default(),
        poll_fn(|cx| {
            if !has_tasks() || shared.is_stopping() {
                return Poll::Ready(());
            }
            while std::pin::Pin::new(&mut look).poll(cx).is_ready() {
                look.reset_after(FINISH_LOOK);
            }
            Poll::Pending
        }),
    );
    set_finishing(false);
}

/// How often a thread without a place looks whether its pool is being shut down.
const FINISH_LOOK: Duration = Duration::from_millis(50);

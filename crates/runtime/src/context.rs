//! Which executor this thread works for: the only thread-local of the hot paths.
//!
//! Two pointers into the stack frames above: the *seat* of a worker that runs a core, and the
//! *stand* of a thread in `block_on`. Each is set by a guard that lives in the frame that owns the
//! value, and restores what was there before, so that a `block_on` inside a poll nests.
//!
//! # Invariants
//!
//! 1. A pointer here is null or points to a value that outlives the guard that set it; only this
//!    thread reads it, and nobody keeps a reference beyond the closure it was lent to.
//! 2. `current` points to what this thread polls right now, and is restored when the poll ends.
#![allow(unsafe_code)]

use std::cell::{Cell, RefCell};
use std::marker::PhantomData;
use std::ptr::NonNull;
use std::sync::Arc;
use std::task::Waker;

use reveille_driver::Driver;
use reveille_primitive::biased::OwnerToken;
use reveille_primitive::{fork, lock};
use reveille_task::{Locals, TaskData, TaskRef};

use crate::observe::PanicHook;
use crate::rng::{Rng, seed_from_system};
use crate::scheduler::host;
use crate::scheduler::local::{self, LocalExecutor};
use crate::scheduler::multi::{self, RuntimeRef, WorkerContext};
use crate::time::Timers;
use crate::time::clock::{Clock, system_clock};

thread_local! {
    static CONTEXT: Context = const {
        Context {
            worker: Cell::new(std::ptr::null()),
            local: Cell::new(std::ptr::null()),
            runtime: Cell::new(None),
            pool: Cell::new(None),
            thread_executor: Cell::new(std::ptr::null()),
            current: Cell::new(Current::Nothing),
            budget: Cell::new(UNLIMITED),
        }
    };
}

/// Ready operations a poll may do. With 16-deep pipelines on 50 connections the slowest of a
/// thousand requests took 10 ms with 8, 17 ms with 32 and 67 ms with 128, at the same CPU.
pub(crate) const EVENTS_PER_POLL: u8 = 32;

/// Refusals after which a poll gets another budget. More than the futures that most tasks poll side
/// by side, each of which may be refused once before the poll ends; and few enough that a loop
/// inside a poll loses some microseconds and no more.
///
/// Rejected: to tell another executor by its waker. Every combinator that polls only what was woken
/// has wakers of its own too.
const REFUSALS_MAX: u16 = 64;

/// The budget of a thread that polls nothing of ours: never counted down.
const UNLIMITED: u16 = u16::MAX;

/// The half of the budget's word that counts what is left. The other half counts the refusals of
/// this poll, so that a poll begins with one store.
const LEFT: u16 = u8::MAX as u16;

/// One refusal.
const REFUSAL: u16 = LEFT + 1;

struct Context {
    worker: Cell<*const WorkerContext>,
    local: Cell<*const LocalExecutor>,
    /// Where `spawn` goes; may have ended.
    runtime: Cell<Option<RuntimeRef>>,
    /// The pool that this thread is part of; may have ended.
    pool: Cell<Option<RuntimeRef>>,
    /// The stand of this thread, whether it is in `block_on` or not.
    thread_executor: Cell<*const LocalExecutor>,
    current: Cell<Current>,
    budget: Cell<u16>,
}

#[derive(Clone, Copy)]
enum Current {
    Nothing,
    Task(NonNull<()>),
    Data(*const TaskData),
}

/// Restores one field of the context when dropped. Not `Send`: the field is this thread's.
#[must_use]
pub(crate) struct Guard {
    restore: Restore,
    _thread: PhantomData<*const ()>,
}

enum Restore {
    Seat(*const WorkerContext, Option<RuntimeRef>),
    Runtime(Option<RuntimeRef>),
    Poll(Current, u16),
}

impl Guard {
    fn new(restore: Restore) -> Guard {
        Guard { restore, _thread: PhantomData }
    }
}

impl Drop for Guard {
    #[inline]
    fn drop(&mut self) {
        CONTEXT.with(|context| match self.restore {
            Restore::Seat(seat, runtime) => {
                context.worker.set(seat);
                context.runtime.set(runtime);
            }
            Restore::Runtime(runtime) => context.runtime.set(runtime),
            Restore::Poll(current, budget) => {
                context.current.set(current);
                context.budget.set(budget);
            }
        });
    }
}

/// Runs `body` with `seat` as the worker's seat of this thread.
pub(crate) fn enter_worker<R>(seat: &WorkerContext, body: impl FnOnce() -> R) -> R {
    let _guard = CONTEXT.with(|context| {
        let runtime = context.runtime.replace(Some(seat.incarnation()));
        Guard::new(Restore::Seat(context.worker.replace(seat), runtime))
    });
    body()
}

/// A `block_on` in progress, as the context sees it; lent by [`with_frame`].
pub(crate) struct BlockOnFrame<'a> {
    context: &'a Context,
    worker: *const WorkerContext,
    local: *const LocalExecutor,
    /// What the runtime was before, if it is another now.
    runtime: Option<Option<RuntimeRef>>,
    current: Current,
    budget: u16,
}

/// A poll of the future of a `block_on`, until dropped.
#[must_use]
pub(crate) struct BlockOnPoll<'a>(&'a BlockOnFrame<'a>);

impl BlockOnFrame<'_> {
    /// Begins the poll of what `data` describes, with a full budget.
    #[inline]
    pub(crate) fn begin_poll<'a>(&'a self, data: &'a TaskData) -> BlockOnPoll<'a> {
        self.context.current.set(Current::Data(data));
        self.context.budget.set(u16::from(EVENTS_PER_POLL));
        BlockOnPoll(self)
    }

    /// Whether this is inside of a poll of ours.
    #[inline]
    pub(crate) fn is_nested(&self) -> bool {
        !matches!(self.current, Current::Nothing)
    }

    /// The seat of the worker whose poll this is inside of.
    #[inline]
    pub(crate) fn worker(&self) -> Option<&WorkerContext> {
        // SAFETY: null, or set by a guard in a frame above that owns the seat (invariant 1).
        unsafe { self.worker.as_ref() }
    }
}

impl Drop for BlockOnPoll<'_> {
    #[inline]
    fn drop(&mut self) {
        self.0.context.current.set(self.0.current);
        self.0.context.budget.set(self.0.budget);
    }
}

impl Drop for BlockOnFrame<'_> {
    #[inline]
    fn drop(&mut self) {
        self.context.worker.set(self.worker);
        self.context.local.set(self.local);
        if let Some(before) = self.runtime {
            self.context.runtime.set(before);
        }
    }
}

/// Runs `body` with `stand` as the place of this thread's timers and sockets; `runtime` is where
/// `spawn` goes, or stays what it was.
#[inline]
pub(crate) fn enter_block_on<R>(
    stand: &LocalExecutor,
    runtime: Option<RuntimeRef>,
    body: impl FnOnce(&BlockOnFrame<'_>) -> R,
) -> R {
    CONTEXT.with(|context| {
        let frame = BlockOnFrame {
            context,
            worker: context.worker.replace(std::ptr::null()),
            local: context.local.replace(stand),
            runtime: runtime.map(|runtime| context.runtime.replace(Some(runtime))),
            current: context.current.get(),
            budget: context.budget.get(),
        };
        body(&frame)
    })
}

/// Makes this thread's own stand known, or forgets it with null.
pub(crate) fn set_thread_executor(stand: *const LocalExecutor) {
    CONTEXT.with(|context| context.thread_executor.set(stand));
}

/// Whether the stand of this thread was set up.
#[inline]
pub(crate) fn has_thread_executor() -> bool {
    CONTEXT.with(|context| !context.thread_executor.get().is_null())
}

/// Lends the stand of this thread, if it was set up.
#[inline]
pub(crate) fn with_thread_executor<R>(access: impl FnOnce(Option<&LocalExecutor>) -> R) -> R {
    let stand = CONTEXT.with(|context| context.thread_executor.get());
    // SAFETY: null, or a stand that sets this pointer to null before it is freed, on this thread.
    let stand = unsafe { stand.as_ref() };
    access(stand)
}

/// Sees to it that a child process made by `fork` begins without what its parent's threads do.
pub(crate) fn watch_forks() {
    fork::watch(|| {
        multi::forget_start();
        CONTEXT.with(|context| {
            with_worker(|seat| seat.map(|seat| seat.pool().refuse_child()));
            context.worker.set(std::ptr::null());
            context.runtime.set(None);
            context.pool.set(None);
            local::forget_in_child();
        });
    });
}

/// Marks this thread as one of `pool`'s own, for good.
pub(crate) fn set_own_pool(pool: RuntimeRef) {
    CONTEXT.with(|context| {
        context.pool.set(Some(pool));
        context.runtime.set(Some(pool));
    });
}

/// The pool that this thread is part of, as a worker or a blocking thread.
pub(crate) fn own_pool() -> Option<RuntimeRef> {
    CONTEXT.with(|context| context.pool.get())
}

/// Makes `runtime` the one that `spawn` goes to, until the guard is dropped.
pub(crate) fn enter_runtime(runtime: RuntimeRef) -> Guard {
    CONTEXT.with(|context| Guard::new(Restore::Runtime(context.runtime.replace(Some(runtime)))))
}

/// Begins the poll of a task: it is the current one, with a full budget, until the guard drops.
#[inline]
pub(crate) fn begin_poll(task: TaskRef<'_>) -> Guard {
    begin(Current::Task(task.into_raw()))
}

/// Begins the poll of a task on a thread that polls nothing else: no guard is needed to restore
/// what was before. Ended by [`end_bare_poll`].
#[inline]
pub(crate) fn begin_bare_poll(task: TaskRef<'_>, budget: u8) {
    CONTEXT.with(|context| {
        context.current.set(Current::Task(task.into_raw()));
        context.budget.set(u16::from(budget));
    });
}

/// Ends what [`begin_bare_poll`] began.
#[inline]
pub(crate) fn end_bare_poll() {
    CONTEXT.with(|context| {
        context.current.set(Current::Nothing);
        context.budget.set(UNLIMITED);
    });
}

#[inline]
fn begin(current: Current) -> Guard {
    lock::assert_none_held("a poll");
    CONTEXT.with(|context| {
        let before = context.current.replace(current);
        let budget = context.budget.replace(u16::from(EVENTS_PER_POLL));
        Guard::new(Restore::Poll(before, budget))
    })
}

/// Lends what is polled on this thread right now.
pub(crate) fn with_current<R>(
    on_task: impl FnOnce(TaskRef<'_>) -> R,
    on_data: impl FnOnce(&TaskData) -> R,
) -> Option<R> {
    match CONTEXT.with(|context| context.current.get()) {
        Current::Nothing => None,
        Current::Task(task) => {
            // SAFETY: the task is alive while it is polled, and it is being polled (invariant 2).
            let task = unsafe { TaskRef::from_raw(task) };
            Some(on_task(task))
        }
        Current::Data(data) => {
            // SAFETY: the data outlives the guard that set the pointer (invariant 1).
            let data = unsafe { &*data };
            Some(on_data(data))
        }
    }
}

/// Lends the locals of what is polled on this thread right now.
pub(crate) fn with_locals<R>(access: impl FnOnce(&Locals) -> R) -> Option<R> {
    match CONTEXT.with(|context| context.current.get()) {
        Current::Nothing => None,
        Current::Task(task) => {
            // SAFETY: the task is alive while it is polled, and it is being polled (invariant 2).
            let task: TaskRef<'_> = unsafe { TaskRef::from_raw(task) };
            // SAFETY: this thread polls the task (invariant 2), so its locals are this thread's.
            let locals = unsafe { task.locals() };
            Some(access(locals))
        }
        Current::Data(data) => {
            // SAFETY: the data outlives the guard that set the pointer (invariant 1).
            let data = unsafe { &*data };
            Some(access(data.locals()))
        }
    }
}

thread_local!(static RNG: RefCell<Rng> = RefCell::new(Rng::seeded(seed_from_system())));

/// A random number of this thread's generator.
pub(crate) fn next_random() -> u64 {
    RNG.with(|rng| rng.borrow_mut().next_u64())
}

/// Makes the random numbers of this thread those that belong to `seed`, until the guard is dropped.
/// Without a seed nothing changes.
pub(crate) fn seed_random(seed: Option<u64>) -> Seeded {
    let replace = |seed| RNG.with(|rng| rng.replace(Rng::seeded(seed)));
    Seeded { before: seed.map(replace), _thread: PhantomData }
}

/// Restores the generator of this thread when dropped. Not `Send`: see [`Guard`].
#[must_use]
pub(crate) struct Seeded {
    before: Option<Rng>,
    _thread: PhantomData<*const ()>,
}

impl Drop for Seeded {
    fn drop(&mut self) {
        if let Some(before) = self.before.take() {
            RNG.with(|rng| *rng.borrow_mut() = before);
        }
    }
}

/// Takes one unit of budget. `false` if none is left.
#[inline]
pub(crate) fn take_budget() -> bool {
    CONTEXT.with(|context| match context.budget.get() {
        UNLIMITED => true,
        left if left & LEFT == 0 => refuse(context),
        left => {
            context.budget.set(left - 1);
            true
        }
    })
}

/// Whether a unit of budget is left.
#[inline]
pub(crate) fn has_budget() -> bool {
    CONTEXT.with(|context| context.budget.get() & LEFT != 0)
}

/// Sets a used-up budget to one unit, or that one back to none.
pub(crate) fn lend_budget(is_lent: bool) {
    CONTEXT.with(|context| {
        let refusals = context.budget.get() & !LEFT;
        context.budget.set(refusals | u16::from(is_lent));
    });
}

/// Counts a refusal; fills the budget once there were so many in one poll that something inside it
/// polls again and again, see [`REFUSALS_MAX`].
#[cold]
fn refuse(context: &Context) -> bool {
    let refusals = context.budget.get() / REFUSAL + 1;
    if refusals < REFUSALS_MAX {
        context.budget.set(refusals * REFUSAL);
        return false;
    }
    let full = with_worker(|seat| seat.map_or(EVENTS_PER_POLL, |seat| seat.event_budget));
    // From now on one refusal is enough: it lets the other futures of a foreign executor run.
    context.budget.set((REFUSALS_MAX - 2) * REFUSAL + u16::from(full) - 1);
    true
}

/// Gives one unit of budget back.
#[inline]
pub(crate) fn return_budget() {
    CONTEXT.with(|context| {
        let left = context.budget.get();
        if left & LEFT < LEFT - 1 {
            context.budget.set(left + 1);
        }
    });
}

/// Lends the worker's seat, if this thread polls for a pool right now.
#[inline]
pub(crate) fn with_worker<R>(access: impl FnOnce(Option<&WorkerContext>) -> R) -> R {
    // Only the pointer is fetched inside, so that `access` is inlined here.
    let seat = CONTEXT.with(|context| context.worker.get());
    // SAFETY: null, or set by a guard in a frame above that owns the seat (invariant 1).
    let seat = unsafe { seat.as_ref() };
    access(seat)
}

/// Lends the thread's stand, if it is in `block_on` right now.
#[inline]
pub(crate) fn with_local<R>(access: impl FnOnce(Option<&LocalExecutor>) -> R) -> R {
    let stand = CONTEXT.with(|context| context.local.get());
    // SAFETY: null, or set by a guard in a frame above that owns the stand (invariant 1).
    let stand = unsafe { stand.as_ref() };
    access(stand)
}

/// The runtime that `spawn` goes to: the current one, else the global one, started if need be.
///
/// The current one may have ended, if this thread has outlived it: then what is spawned is
/// cancelled.
#[inline]
pub(crate) fn runtime() -> RuntimeRef {
    CONTEXT.with(|context| context.runtime.get()).unwrap_or_else(multi::global)
}

/// The runtime this thread works for, if any.
pub(crate) fn current_runtime() -> Option<RuntimeRef> {
    CONTEXT.with(|context| context.runtime.get())
}

/// The hook for panics of the runtime this thread works for.
pub(crate) fn panic_hook() -> Option<PanicHook> {
    current_runtime().and_then(RuntimeRef::panic_hook)
}

/// The runtime whose threads serve what this thread waits for: the current one, or the global one
/// if there is none. `None` if that has ended, or cannot be had: then the host serves it.
fn serving_runtime() -> Option<RuntimeRef> {
    match current_runtime() {
        Some(runtime) => Some(runtime).filter(|runtime| runtime.is_up()),
        None => multi::try_global().ok(),
    }
}

/// Lends the timers of this thread with the identity that owns them; `None` for the identity when
/// this thread turns no timers, and then the home is of no use.
#[inline]
pub(crate) fn with_timers<R>(
    access: impl FnOnce(&'static Timers, Option<&RefCell<OwnerToken>>) -> Option<R>,
) -> Option<R> {
    with_worker(|seat| match seat {
        Some(seat) => access(seat.timers(), Some(seat.token())),
        None => with_local(|stand| {
            let stand = stand?;
            access(stand.timers(), Some(stand.token()))
        }),
    })
}

/// Adds an entry to a home that another thread turns, for a thread that has none, or cannot turn it
/// now. `insert` is called again if the runtime ended meanwhile; the entry that it has made by then
/// is of no use.
///
/// # Panics
///
/// Panics when no thread can be had that turns timers.
pub(crate) fn with_remote_timers(mut insert: impl FnMut(&'static Timers)) {
    // A thread in `block_on` that was evacuated has the host's.
    let is_evacuated = with_worker(|seat| seat.is_none()) && with_local(|stand| stand.is_some());
    if !is_evacuated && let Some(runtime) = serving_runtime() {
        insert(runtime.remote_timers());
        // The end of a runtime marks it first and vacates its homes second. So an entry was either
        // found there, or its maker sees the mark.
        if runtime.is_up() {
            return;
        }
    }
    match host::host() {
        Ok(host) => insert(host.timers()),
        Err(_) => insert(multi::global().remote_timers()),
    }
}

/// Lends the identity that owns `home`, if `home` is this thread's.
#[inline]
pub(crate) fn with_own_timers<R>(
    home: &'static Timers,
    access: impl FnOnce(&RefCell<OwnerToken>) -> Option<R>,
) -> Option<R> {
    with_timers(|own, identity| if std::ptr::eq(own, home) { access(identity?) } else { None })
}

/// The driver with which a source registers that this thread waits for.
pub(crate) fn driver() -> std::io::Result<Arc<Driver>> {
    let own = with_worker(|seat| match seat {
        Some(seat) => Some(Ok(Arc::clone(seat.driver()))),
        None => with_local(|stand| stand.map(LocalExecutor::driver)),
    });
    own.unwrap_or_else(|| match serving_runtime().and_then(RuntimeRef::remote_driver) {
        Some(driver) => Ok(driver),
        None => host::host().map(|host| Arc::clone(host.driver())),
    })
}

/// Lends the clock of the current runtime.
pub(crate) fn clock<R>(access: impl FnOnce(&Clock) -> R) -> R {
    with_worker(|seat| match seat {
        Some(seat) => access(seat.clock()),
        None => access(system_clock()),
    })
}

/// A moment not before the present, to reckon a deadline from, in the nanoseconds of the current
/// runtime's clock. See [`crate::time::ApproxClock`].
#[inline]
pub(crate) fn approx_now_ns() -> u64 {
    with_worker(|seat| match seat {
        Some(seat) => seat.approx_now_ns(),
        None => system_clock().now_ns(),
    })
}

/// Wakes every waker of a batch; what they make runnable is queued without waking siblings each
/// time. A waker that panics does not keep the others from their turn.
pub(crate) fn wake_all(wakers: &mut Vec<Waker>) {
    if wakers.is_empty() {
        return;
    }
    lock::assert_none_held("a wake");
    multi::with_batch(|| {
        for waker in wakers.drain(..) {
            let woken = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| waker.wake()));
            if let Err(payload) = woken {
                report_waker(payload);
            }
        }
    });
}

/// Wakes everybody who waits for a source of `driver`, which is turned no more. A waker that panics
/// is reported, and goes no further.
pub(crate) fn wake_waiting(driver: &Driver) {
    let woken = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| driver.wake_all()));
    woken.map_or_else(report_waker, |_| ());
}

/// Tells the hook of this thread's runtime that a waker panicked.
#[cold]
pub(crate) fn report_waker(payload: Box<dyn std::any::Any + Send>) {
    let hook = panic_hook();
    crate::observe::panicked_waker(hook.as_ref(), payload);
}

//! The thread-local context of the hot paths: the current task, its budget, and the event loop of
//! the thread.
//!
//! The context names no executor: an operation needs timers, a clock and a budget, whether a worker
//! or a `block_on` provides them. `scheduler/serving.rs` knows the executors.
//!
//! # Invariants
//!
//! 1. `event_loop` is null or points to a value that outlives the guard that set it. Only this
//!    thread reads it, and no reference to it outlives the closure that borrows it.
//! 2. `current` points to the task or data that this thread polls now, and is restored when the
//!    poll ends.
#![allow(unsafe_code)]

use std::cell::{Cell, RefCell};
use std::marker::PhantomData;
use std::ptr::NonNull;

use reveille_primitive::biased::OwnerToken;
use reveille_primitive::lock;
use reveille_task::{Locals, TaskData, TaskRef};

use crate::event_loop::EventLoop;
use crate::rng::{Rng, seed_from_system};
use crate::timer::Timers;
use crate::timer::clock::{Clock, system_clock};

thread_local! {
    static CONTEXT: Context = const {
        Context {
            event_loop: Cell::new(std::ptr::null()),
            current: Cell::new(Current::Nothing),
            budget: Cell::new(UNLIMITED),
        }
    };
}

/// Number of ready operations that a poll may do. With 50 connections and pipelines of 16 requests,
/// the 99.9th percentile of the latency was 10 ms with 8 operations, 17 ms with 32 and 67 ms with
/// 128, at the same CPU time.
pub(crate) const EVENTS_PER_POLL: u8 = 32;

/// Number of refusals after which a poll gets a new budget. It is larger than the number of futures
/// that most tasks poll concurrently, because each of them may be refused once before the poll
/// ends. It is small enough that a loop inside a poll loses only some microseconds.
///
/// Rejected: detecting another executor by its waker. Combinators that poll only what was woken
/// have wakers of their own too.
const REFUSALS_MAX: u16 = 64;

/// The budget of a thread that polls no task of the runtime: it is never decremented.
const UNLIMITED: u16 = u16::MAX;

/// The half of the word that counts the remaining units. The other half counts the refusals of this
/// poll, so that a poll begins with one store.
const LEFT: u16 = u8::MAX as u16;

/// One refusal, in the upper half of the word.
const REFUSAL: u16 = LEFT + 1;

struct Context {
    event_loop: Cell<*const EventLoop>,
    current: Cell<Current>,
    budget: Cell<u16>,
}

#[derive(Clone, Copy)]
enum Current {
    Nothing,
    Task(NonNull<()>),
    Data(*const TaskData),
}

/// A poll in progress. Its drop restores the previous current task and budget. Not `Send`, because
/// they belong to this thread.
#[must_use]
pub(crate) struct Guard {
    current: Current,
    budget: u16,
    _thread: PhantomData<*const ()>,
}

impl Drop for Guard {
    #[inline]
    fn drop(&mut self) {
        CONTEXT.with(|context| {
            context.current.set(self.current);
            context.budget.set(self.budget);
        });
    }
}

/// The scope in which a thread uses an event loop; [`enter`] passes it to its closure.
pub(crate) struct EventLoopScope {
    event_loop: *const EventLoop,
    current: Current,
    budget: u16,
}

/// The poll of the future of a `block_on`. Its drop ends the poll.
#[must_use]
pub(crate) struct BlockOnPoll<'a>(&'a EventLoopScope);

impl EventLoopScope {
    /// Begins the poll of the future that `data` describes, with a full budget.
    #[inline]
    pub(crate) fn begin_poll<'a>(&'a self, data: &'a TaskData) -> BlockOnPoll<'a> {
        CONTEXT.with(|context| {
            context.current.set(Current::Data(data));
            context.budget.set(u16::from(EVENTS_PER_POLL));
        });
        BlockOnPoll(self)
    }

    /// Whether the event loop was entered inside a poll of this runtime.
    #[inline]
    pub(crate) fn is_nested(&self) -> bool {
        !matches!(self.current, Current::Nothing)
    }
}

impl Drop for BlockOnPoll<'_> {
    #[inline]
    fn drop(&mut self) {
        CONTEXT.with(|context| {
            context.current.set(self.0.current);
            context.budget.set(self.0.budget);
        });
    }
}

impl Drop for EventLoopScope {
    #[inline]
    fn drop(&mut self) {
        CONTEXT.with(|context| context.event_loop.set(self.event_loop));
    }
}

/// Runs `body` with `event_loop` as the event loop of this thread.
///
/// `body` runs outside the access to the thread-local, so that it is inlined here.
#[inline]
pub(crate) fn enter<R>(event_loop: &EventLoop, body: impl FnOnce(&EventLoopScope) -> R) -> R {
    let entered = CONTEXT.with(|context| EventLoopScope {
        event_loop: context.event_loop.replace(event_loop),
        current: context.current.get(),
        budget: context.budget.get(),
    });
    body(&entered)
}

/// Called in a forked child: the event loop of this thread belongs to the parent.
pub(crate) fn forget_event_loop() {
    CONTEXT.with(|context| context.event_loop.set(std::ptr::null()));
}

/// Whether this thread has an event loop.
pub(crate) fn has_event_loop() -> bool {
    CONTEXT.with(|context| !context.event_loop.get().is_null())
}

/// Calls `access` with the event loop of this thread, if it has one.
#[inline]
pub(crate) fn with_event_loop<R>(access: impl FnOnce(Option<&EventLoop>) -> R) -> R {
    // Only the pointer is read inside the closure, so that `access` can be inlined here.
    let event_loop = CONTEXT.with(|context| context.event_loop.get());
    // SAFETY: the pointer is null, or a function further up the stack set it, and its event loop
    // outlives that call (invariant 1).
    let event_loop = unsafe { event_loop.as_ref() };
    access(event_loop)
}

/// Begins the poll of a task: it is the current task, with a full budget, until the guard is
/// dropped.
#[inline]
pub(crate) fn begin_poll(task: TaskRef<'_>) -> Guard {
    begin(Current::Task(task.into_raw()))
}

/// Begins the poll of a task on a thread that polls nothing else, so that there is nothing to
/// restore afterwards. [`end_bare_poll`] ends the poll.
#[inline]
pub(crate) fn begin_bare_poll(task: TaskRef<'_>, budget: u8) {
    CONTEXT.with(|context| {
        context.current.set(Current::Task(task.into_raw()));
        context.budget.set(u16::from(budget));
    });
}

/// Ends the poll that [`begin_bare_poll`] began.
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
        Guard { current: before, budget, _thread: PhantomData }
    })
}

/// Calls `on_task` with the task that this thread polls now, or `on_data` if it polls the future of
/// a `block_on`. `None` outside a poll.
pub(crate) fn with_current<R>(
    on_task: impl FnOnce(TaskRef<'_>) -> R,
    on_data: impl FnOnce(&TaskData) -> R,
) -> Option<R> {
    match CONTEXT.with(|context| context.current.get()) {
        Current::Nothing => None,
        Current::Task(task) => {
            // SAFETY: this thread polls the task now (invariant 2), and a task is alive while it is
            // polled.
            let task = unsafe { TaskRef::from_raw(task) };
            Some(on_task(task))
        }
        Current::Data(data) => {
            // SAFETY: the data outlives the guard that set the pointer (invariant 2).
            let data = unsafe { &*data };
            Some(on_data(data))
        }
    }
}

/// Calls `access` with the locals of the task or the data that this thread polls now. `None`
/// outside a poll.
pub(crate) fn with_locals<R>(access: impl FnOnce(&Locals) -> R) -> Option<R> {
    match CONTEXT.with(|context| context.current.get()) {
        Current::Nothing => None,
        Current::Task(task) => {
            // SAFETY: this thread polls the task now (invariant 2), and a task is alive while it is
            // polled.
            let task: TaskRef<'_> = unsafe { TaskRef::from_raw(task) };
            // SAFETY: this thread polls the task (invariant 2), so its locals are this thread's.
            let locals = unsafe { task.locals() };
            Some(access(locals))
        }
        Current::Data(data) => {
            // SAFETY: the data outlives the guard that set the pointer (invariant 2).
            let data = unsafe { &*data };
            Some(access(data.locals()))
        }
    }
}

thread_local!(static RNG: RefCell<Rng> = RefCell::new(Rng::seeded(seed_from_system())));

/// Returns a random number from the generator of this thread.
pub(crate) fn next_random() -> u64 {
    RNG.with(|rng| rng.borrow_mut().next_u64())
}

/// Seeds the generator of this thread with `seed`, until the guard is dropped. Without a seed
/// nothing changes.
pub(crate) fn seed_random(seed: Option<u64>) -> Seeded {
    let replace = |seed| RNG.with(|rng| rng.replace(Rng::seeded(seed)));
    Seeded { before: seed.map(replace), _thread: PhantomData }
}

/// Its drop restores the generator of this thread. Not `Send`: see [`Guard`].
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

/// Takes one unit of budget. `false` if the budget is used up.
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

/// Sets a budget that is used up to one unit, or takes that unit back.
pub(crate) fn lend_budget(is_lent: bool) {
    CONTEXT.with(|context| {
        let refusals = context.budget.get() & !LEFT;
        context.budget.set(refusals | u16::from(is_lent));
    });
}

/// Counts a refusal. After [`REFUSALS_MAX`] of them in one poll, something inside the poll must be
/// polling in a loop, so this fills the budget again.
#[cold]
fn refuse(context: &Context) -> bool {
    let refusals = context.budget.get() / REFUSAL + 1;
    if refusals < REFUSALS_MAX {
        context.budget.set(refusals * REFUSAL);
        return false;
    }
    let full = with_event_loop(|event_loop| {
        event_loop.map_or(EVENTS_PER_POLL, |event_loop| event_loop.event_budget)
    });
    // After the next budget one refusal is enough to fill it again. That refusal lets the other
    // executor run its other futures.
    context.budget.set((REFUSALS_MAX - 2) * REFUSAL + u16::from(full) - 1);
    true
}

/// Returns one unit of budget.
#[inline]
pub(crate) fn return_budget() {
    CONTEXT.with(|context| {
        let left = context.budget.get();
        if left & LEFT < LEFT - 1 {
            context.budget.set(left + 1);
        }
    });
}

/// Calls `access` with the timers that this thread turns and the token that owns them. `None` if
/// this thread turns no timers.
#[inline]
pub(crate) fn with_timers<R>(
    access: impl FnOnce(&'static Timers, &RefCell<OwnerToken>) -> Option<R>,
) -> Option<R> {
    with_event_loop(|event_loop| {
        let event_loop = event_loop?;
        access(event_loop.timers(), event_loop.token())
    })
}

/// Calls `access` with the token that owns `timers`, if this thread turns them.
#[inline]
pub(crate) fn with_own_timers<R>(
    timers: &'static Timers,
    access: impl FnOnce(&RefCell<OwnerToken>) -> Option<R>,
) -> Option<R> {
    with_timers(|own, token| if std::ptr::eq(own, timers) { access(token) } else { None })
}

/// Calls `access` with the clock of the current runtime.
pub(crate) fn clock<R>(access: impl FnOnce(&Clock) -> R) -> R {
    with_event_loop(|event_loop| match event_loop {
        Some(event_loop) => access(event_loop.clock()),
        None => access(system_clock()),
    })
}

/// A cheap upper bound on the current time, from which deadlines are computed, in nanoseconds of
/// the current runtime's clock. See [`crate::timer::ApproxClock`].
#[inline]
pub(crate) fn approx_now_ns() -> u64 {
    with_event_loop(|event_loop| match event_loop {
        Some(event_loop) => event_loop.approx_now_ns(),
        None => system_clock().now_ns(),
    })
}

/// Runs `body` and treats its wakes as one batch: the tasks are queued in order, and the individual
/// wakes do not wake siblings.
pub(crate) fn with_batch<R>(body: impl FnOnce() -> R) -> R {
    struct Restore<'a>(&'a EventLoop, bool);

    impl Drop for Restore<'_> {
        fn drop(&mut self) {
            self.0.set_batch(self.1);
        }
    }

    with_event_loop(|event_loop| {
        // Restored even if a waker panics.
        let _restore = event_loop.map(|event_loop| Restore(event_loop, event_loop.set_batch(true)));
        body()
    })
}

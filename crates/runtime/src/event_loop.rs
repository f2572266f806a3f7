//! The event loop of a thread: its timers, its driver and its clock.
//!
//! A worker thread and a thread in `block_on` each own an [`EventLoop`]. It does not depend on an
//! executor: it polls no task and wakes no waker. It returns the wakers that are due, and the
//! executor wakes them.
//!
//! # Invariants
//!
//! 1. `token` owns the timers and, on a worker, its core. It never leaves the thread.
//! 2. `timers` is set only while this thread turns them. Before it is reset, all entries are
//!    drained and their wakers are woken.

use std::cell::{Cell, OnceCell, RefCell};
use std::sync::Arc;
use std::time::Duration;

use reveille_driver::{Driver, Events, Turn};
use reveille_primitive::biased::OwnerToken;
use reveille_primitive::simulation;
use reveille_primitive::thread::sleep;

use crate::observe;
use crate::poll_counter::PollCounter;
use crate::spin_policy::SpinPolicy;
use crate::timer::clock::Clock;
use crate::timer::{ApproxClock, Timers};

/// How long a thread sleeps if the wait of its driver fails.
const PAUSE: Duration = Duration::from_millis(5);

/// The timers, driver and clock of a thread.
#[derive(Debug)]
pub(crate) struct EventLoop {
    token: RefCell<OwnerToken>,
    timers: Cell<Option<&'static Timers>>,
    /// Sets the timers of this thread's event loop. Called when they are first needed.
    set_up_timers: fn(),
    driver: OnceCell<Arc<Driver>>,
    clock: Clock,
    /// Estimates the time between reads of the clock, on a thread that reads it often.
    approx_clock: Option<ApproxClock>,
    pub(crate) spin: SpinPolicy,
    /// The budget with which each poll begins.
    pub(crate) event_budget: u8,
    /// Counts the polls of a worker thread; a thread in `block_on` has none.
    poll_counter: Option<Arc<PollCounter>>,
    /// Whether wakes are part of a batch: they queue tasks at the back and wake no sibling.
    is_batch: Cell<bool>,
}

impl EventLoop {
    /// The event loop of a thread that has its timers and its driver from the start.
    pub(crate) fn new(
        token: OwnerToken,
        timers: &'static Timers,
        driver: Arc<Driver>,
        clock: Clock,
        event_budget: u8,
    ) -> EventLoop {
        let event_loop = EventLoop {
            approx_clock: Some(ApproxClock::default()),
            ..EventLoop::on_demand(token, clock, event_budget, || ())
        };
        event_loop.timers.set(Some(timers));
        // Cannot fail: the cell was just made.
        let _ = event_loop.driver.set(driver);
        event_loop
    }

    /// The event loop of a thread that gets timers and a driver when it first needs them.
    /// `set_up_timers` is called on that thread and calls [`EventLoop::set_timers`].
    pub(crate) fn on_demand(
        token: OwnerToken,
        clock: Clock,
        event_budget: u8,
        set_up_timers: fn(),
    ) -> EventLoop {
        EventLoop {
            token: RefCell::new(token),
            timers: Cell::new(None),
            set_up_timers,
            driver: OnceCell::new(),
            clock,
            approx_clock: None,
            spin: SpinPolicy::new(),
            event_budget,
            poll_counter: None,
            is_batch: Cell::new(false),
        }
    }

    /// Makes this the event loop of a worker thread, which counts its polls.
    pub(crate) fn with_poll_counter(self, counter: Arc<PollCounter>) -> EventLoop {
        EventLoop { poll_counter: Some(counter), ..self }
    }

    /// Counts the polls of this thread, if it is a worker thread.
    pub(crate) fn poll_counter(&self) -> Option<&PollCounter> {
        self.poll_counter.as_deref()
    }

    #[inline]
    pub(crate) fn token(&self) -> &RefCell<OwnerToken> {
        &self.token
    }

    /// The timers that this thread turns.
    ///
    /// # Panics
    ///
    /// Panics if `set_up_timers` does not set them, which is a bug in the executor.
    #[inline]
    pub(crate) fn timers(&self) -> &'static Timers {
        match self.timers.get() {
            Some(timers) => timers,
            None => self.set_up(),
        }
    }

    #[cold]
    fn set_up(&self) -> &'static Timers {
        (self.set_up_timers)();
        self.timers.get().expect("the executor has set the timers up")
    }

    /// Sets the timers that this thread turns from now on; `None` if it turns no timers.
    pub(crate) fn set_timers(&self, timers: Option<&'static Timers>) {
        self.timers.set(timers);
    }

    /// The driver of this thread, if it has been made.
    #[inline]
    pub(crate) fn driver(&self) -> Option<&Arc<Driver>> {
        self.driver.get()
    }

    /// Sets the driver, unless there is one.
    pub(crate) fn set_driver(&self, driver: Arc<Driver>) {
        let _ = self.driver.set(driver);
    }

    #[inline]
    pub(crate) fn clock(&self) -> &Clock {
        &self.clock
    }

    /// Reads the clock, in nanoseconds.
    #[inline]
    pub(crate) fn now_ns(&self) -> u64 {
        match &self.approx_clock {
            Some(approx) => approx.read(&self.clock),
            None => self.clock.now_ns(),
        }
    }

    /// A cheap upper bound on the current time, from which deadlines are computed. See
    /// [`ApproxClock`].
    #[inline]
    pub(crate) fn approx_now_ns(&self) -> u64 {
        match &self.approx_clock {
            Some(approx) => approx.now_ns(&self.clock),
            None => self.clock.now_ns(),
        }
    }

    #[inline]
    pub(crate) fn is_batch(&self) -> bool {
        self.is_batch.get()
    }

    /// Returns the former value.
    #[inline]
    pub(crate) fn set_batch(&self, is_batch: bool) -> bool {
        self.is_batch.replace(is_batch)
    }

    /// Waits for events of the driver and puts the wakers of their waiters into `events`. Returns
    /// the number of events. Without a driver it returns 0 immediately.
    #[inline]
    pub(crate) fn collect(&self, timeout: Option<Duration>, events: &mut Events) -> usize {
        match self.driver.get() {
            Some(driver) => collect(driver, timeout, events),
            None => 0,
        }
    }

    /// Spins until `is_done` returns `true`, for a short time and not beyond the next deadline.
    /// Returns whether `is_done` returned `true`. Does not spin if recent waits were long.
    #[inline]
    pub(crate) fn spin(&self, is_done: impl Fn() -> bool) -> bool {
        let next_deadline = || self.timers.get()?.next_deadline(&mut self.token.borrow_mut());
        self.spin.spin(|| self.now_ns(), next_deadline, is_done)
    }

    /// Drops the waker that the timers keep for their next entry, because its task may have ended.
    #[inline]
    pub(crate) fn release_spare(&self) {
        if let Some(timers) = self.timers.get() {
            timers.release_spare(&self.token);
        }
    }

    /// Prepares this thread for its wait. Returns the time at which the wait must end; `None` if
    /// there is no timer. From now on another thread that adds an earlier deadline interrupts the
    /// wait.
    #[inline]
    pub(crate) fn park_timers(&self) -> Option<u64> {
        self.timers.get()?.park(&mut self.token.borrow_mut())
    }
}

/// Waits for events and puts the wakers of their waiters into `events`. Returns the number of
/// events. A failed wait is reported once and treated as a wait without events.
#[inline]
pub(crate) fn collect(driver: &Driver, timeout: Option<Duration>, events: &mut Events) -> usize {
    match driver.collect(timeout, events) {
        Ok(Turn::Done { events, .. }) => events,
        Ok(Turn::Busy) => {
            simulation::yield_now();
            0
        }
        Err(error) => {
            observe::failed_turn(&error);
            // The next wait would fail too, so the caller must not repeat it immediately.
            sleep(timeout.map_or(PAUSE, |timeout| timeout.min(PAUSE)));
            0
        }
    }
}

/// Like [`collect`], for the driver of another thread and without waiting. A notification for that
/// thread is posted again, because the thread may be about to park.
pub(crate) fn collect_remote(driver: &Driver, events: &mut Events) -> usize {
    match driver.collect(Some(Duration::ZERO), events) {
        Ok(Turn::Done { events, is_notified, .. }) => {
            if is_notified {
                driver.notify();
            }
            events
        }
        Ok(Turn::Busy) | Err(_) => 0,
    }
}

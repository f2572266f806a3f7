//! A driver: one event queue of the system, its registered sources, and the right to turn it.
//!
//! ```text
//! turn:  take the right ─► wait ─► lock the slots ─► set readiness, collect wakers
//!        (receive for waiting reads) ─► unlock ─► release the right ─► wake
//! ```
//!
//! Each method may be called from any thread at any time. No method runs user code (the wake or the
//! drop of a waker) while it holds a lock or the right to turn.
//!
//! Invariants:
//! 1. At most one thread turns the driver. The events and wakers of a turn are in buffers of that
//!    thread, so the driver keeps no state of a turn.
//! 2. Wakers run after the slots are unlocked and the right is released: a waker may register,
//!    deregister, notify, or turn this very driver.
//! 3. The mark that the driver is driven is checked under the lock of the slots when a source is
//!    registered, and cleared before `disarm` takes that lock. So a source is either refused or
//!    seen by `disarm`.

use std::io;
use std::sync::Arc;
use std::task::Waker;
use std::time::Duration;

use reveille_primitive::atomic::{AtomicBool, Ordering};
use reveille_primitive::lock::Mutex;
use reveille_primitive::sys::Alarm;

use crate::Kind;
use crate::events::{EventCause, Events, Turn};
use crate::fault;
use crate::fd::{self, Fd};
use crate::metrics::{DriverCounters, DriverMetrics};
use crate::notify::NotifyFlag;
use crate::poll::Poller;
use crate::poll::batch::{BATCH_MIN, Receive, Ring};
use crate::poll::event::{Interest, PollEvent};
use crate::poll::key::SourceKey;
use crate::poll::slots::Slots;
use crate::poll::turn_owner::TurnOwner;
use crate::source::{Arming, Direction, Flags, SourceCore};
use crate::wake::wake_all;

/// One shard of the event source: an event queue of the operating system, which one thread at a
/// time may turn.
///
/// It is not dropped while sources are registered, because each of them holds a reference to it.
#[derive(Debug)]
pub struct Driver {
    poller: Poller,
    registry: Mutex<DriverRegistry>,
    has_batches: bool,
    is_turning: AtomicBool,
    turn_owner: TurnOwner,
    notify: NotifyFlag,
    counters: DriverCounters,
}

/// The data under the lock of the slots.
#[derive(Debug, Default)]
struct DriverRegistry {
    slots: Slots<SourceCore>,
    /// `Some` for a shard of [`Kind::Batched`], until io_uring fails.
    ring: Option<Ring>,
}

/// The right to turn a driver.
struct TurnPermit<'a>(&'a AtomicBool);

impl<'a> TurnPermit<'a> {
    fn claim(is_turning: &'a AtomicBool) -> Option<TurnPermit<'a>> {
        // Acquire pairs with the release below, so each turn happens after the previous one. The
        // permit is made only if the swap succeeded, because its drop would release the right of
        // the other thread.
        let is_won = !is_turning.swap(true, Ordering::Acquire);
        is_won.then(|| TurnPermit(is_turning))
    }
}

impl Drop for TurnPermit<'_> {
    fn drop(&mut self) {
        self.0.store(false, Ordering::Release);
    }
}

/// Returns whether the error means that the system has no such entry: the descriptor is closed, or
/// was never registered.
fn is_forgotten(error: &io::Error) -> bool {
    #[cfg(unix)]
    {
        use rustix::io::Errno;

        matches!(Errno::from_io_error(error), Some(Errno::NOENT | Errno::BADF))
    }
    #[cfg(not(unix))]
    {
        error.kind() == io::ErrorKind::NotFound
    }
}

impl Driver {
    /// Makes a shard. It counts as driven from the start.
    ///
    /// # Errors
    ///
    /// Returns an error if the system refuses the descriptors that a shard needs (two on Linux).
    pub fn new(kind: Kind) -> io::Result<Driver> {
        let poller = Poller::new(kind)
            .map_err(|source| fault::name_of_queue("make an event queue", source))?;
        let ring = if kind == Kind::Batched { Ring::new() } else { None };
        Ok(Driver {
            poller,
            has_batches: ring.is_some(),
            registry: Mutex::new(DriverRegistry { slots: Slots::default(), ring }),
            is_turning: AtomicBool::new(false),
            turn_owner: TurnOwner::any_thread(),
            notify: NotifyFlag::new(),
            counters: DriverCounters::default(),
        })
    }

    /// Waits for events for at most `timeout` (`None`: without a limit; zero: does not wait),
    /// stores readiness and wakes the waiters. Returns early only for an event, a notification or a
    /// signal. On Windows the timer of an earlier turn may also end a turn early.
    ///
    /// Returns [`Turn::Busy`] immediately if another thread turns this shard. A signal that
    /// interrupts the wait ends the turn without events: the caller computes the remaining time
    /// anyway.
    ///
    /// # Errors
    ///
    /// Returns an error if the system refuses the wait, which means a bug in this crate or a closed
    /// descriptor.
    ///
    /// # Panics
    ///
    /// Resumes the panic of a waker, after all other wakers of the turn have been called.
    pub fn turn(&self, timeout: Option<Duration>, events: &mut Events) -> io::Result<Turn> {
        let turn = self.collect(timeout, events)?;
        events.wake();
        Ok(turn)
    }

    /// The first half of [`turn`](Driver::turn): waits, stores readiness, and puts the wakers of
    /// the waiters into `events`. The caller must call [`Events::wake`] next. Before that, it can
    /// prepare for what a waker may do, such as block this thread.
    ///
    /// An event of a source that is no longer registered is ignored.
    ///
    /// # Errors
    ///
    /// The same as [`turn`](Driver::turn).
    pub fn collect(&self, timeout: Option<Duration>, events: &mut Events) -> io::Result<Turn> {
        let Some(permit) = TurnPermit::claim(&self.is_turning) else { return Ok(Turn::Busy) };
        self.poller
            .wait(timeout, &mut events.buffer)
            .map_err(|source| fault::name_of_queue("wait for events", source))?;
        let (count, is_notified) = self.dispatch(events);
        self.counters.turns.add_alone(1);
        self.counters.events.add_alone(count);
        let woken = events.wakers.len();
        self.counters.wakes.add_alone(woken);
        drop(permit);
        Ok(Turn::Done { events: count, woken, is_notified })
    }

    /// Makes the turn in progress, or otherwise the next one, return immediately. Never blocks.
    ///
    /// Everything that the caller wrote before the call is visible to the thread whose turn
    /// returns. While a notification is pending, further ones cost one atomic operation and no
    /// system call.
    pub fn notify(&self) {
        if self.notify.post(|| self.poller.ring()) {
            self.counters.notifies.add(1);
        }
    }

    /// Makes each turn return immediately while `alarm` rings, until [`ignore`](Driver::ignore) or
    /// the drop of the alarm. The turn reports no event for it.
    ///
    /// # Errors
    ///
    /// Returns an error if the system refuses, or if its event queue cannot do that (all systems
    /// but Linux).
    pub fn observe(&self, alarm: &Alarm) -> io::Result<()> {
        self.poller.observe(alarm)
    }

    /// Ends what [`observe`](Driver::observe) began.
    pub fn ignore(&self, alarm: &Alarm) {
        self.poller.ignore(alarm);
    }

    /// Marks the shard as not driven and wakes each waiter of each source registered here, so that
    /// their tasks register elsewhere when they are polled. Returns how many were woken.
    ///
    /// For a thread that leaves `block_on`. No waiter is missed: a later one sees that the shard is
    /// not driven.
    ///
    /// # Panics
    ///
    /// Resumes the panic of a waker, as [`turn`](Driver::turn) does.
    pub fn wake_all(&self) -> usize {
        let mut wakers = Vec::new();
        self.disarm(&mut wakers);
        wake_all(&mut wakers)
    }

    /// Like [`wake_all`](Driver::wake_all), for a caller that cannot run wakers yet: moves them to
    /// `into`, and the caller wakes them later.
    pub fn disarm(&self, into: &mut Vec<Waker>) {
        self.set_driven(false);
        let before = into.len();
        self.registry.lock().slots.iter().for_each(|core| core.disarm(into));
        self.counters.deserted.add(into.len() - before);
    }

    /// Sets whether some thread will turn this shard. A shard that is driven again delivers the
    /// events that arrived in between.
    pub fn set_driven(&self, is_driven: bool) {
        self.turn_owner.set(is_driven);
    }

    /// Declares that only the calling thread will turn this shard, so that no thread turns it while
    /// the caller is busy. A source that is registered here moves to a shard without this
    /// restriction as soon as a thread with such a shard waits for the source.
    pub fn set_driven_here(&self) {
        self.turn_owner.set_this_thread();
    }

    /// Returns whether some thread will turn this shard.
    #[must_use]
    pub fn is_driven(&self) -> bool {
        self.turn_owner.is_owned() && !self.poller.is_inherited()
    }

    /// The number of registered sources.
    #[must_use]
    pub fn sources(&self) -> usize {
        self.registry.lock().slots.len()
    }

    /// Whether anything waits for a source that is registered here.
    #[must_use]
    pub fn has_waiting(&self) -> bool {
        self.registry.lock().slots.iter().any(|core| core.waiting() > 0)
    }

    /// What the shard has done since it was made.
    #[must_use]
    pub fn metrics(&self) -> DriverMetrics {
        self.counters.read()
    }
}

/// Registration of sources.
impl Driver {
    /// Registers a source. Afterwards every change of `fd` from not ready to ready is an event. For
    /// each direction that is ready already, the registration itself causes an event, so that
    /// nothing is lost between a system call that would have blocked and the registration. If the
    /// system refuses, the source is not registered. A shard that is not driven refuses.
    pub(crate) fn register(&self, fd: Fd<'_>, core: &Arc<SourceCore>) -> io::Result<SourceKey> {
        let number = fd::number(fd);
        let named = |source| fault::name("register", number, source);
        // The slot comes first, because the first event may arrive before `add` returns.
        let key = self.enter(number, core).map_err(named)?;
        let hinted = Flags::when(self.poller.reports_close(), Flags::HINTED);
        core.set_traits(hinted.with(Flags::when(self.has_batches, Flags::BATCHED)));
        match self.add(fd, key) {
            Ok(()) => {
                self.counters.registrations.add(1);
                Ok(key)
            }
            Err(source) => {
                self.forget(key);
                Err(named(source))
            }
        }
    }

    /// Ends the events of `key`, even if the descriptor has duplicates. It is no error if the
    /// descriptor is closed or not registered.
    pub(crate) fn deregister(&self, fd: Fd<'_>, key: SourceKey) -> io::Result<()> {
        // The slot goes first: after that, events of the old entry find no source.
        self.forget(key);
        match self.poller.delete(fd) {
            Err(error) if !is_forgotten(&error) => {
                Err(fault::name("deregister", fd::number(fd), error))
            }
            _ => Ok(()),
        }
    }

    /// Ends the events of `key` when the descriptor is no longer available. The system's own entry
    /// is removed when the last duplicate of the descriptor is closed.
    pub(crate) fn forget(&self, key: SourceKey) {
        let core = self.registry.lock().slots.remove(key);
        // Dropped after the lock is released: the last reference drops wakers, which is user code.
        drop(core);
    }

    /// Arms a driver without edge-triggered events for the directions that have waiters. Does
    /// nothing for other drivers.
    pub(crate) fn rearm(&self, fd: Fd<'_>, key: SourceKey) -> io::Result<()> {
        if self.poller.has_edges() {
            return Ok(());
        }
        let core = self.registry.lock().slots.get(key).map(Arc::clone);
        let Some(core) = core else { return Ok(()) };
        let interest = Interest {
            is_read: core.is_awaited(Direction::Read),
            is_write: core.is_awaited(Direction::Write),
        };
        let result = self.poller.modify(fd, key, interest);
        result.map_err(|source| fault::name("arm", fd::number(fd), source))
    }

    /// Returns whether any of several threads may turn this shard, such as the workers of a pool.
    pub(crate) fn is_driven_by_any(&self) -> bool {
        self.turn_owner.is_any_thread()
    }

    /// What a waiter of a registered source must do to get its event.
    pub(crate) fn arming(&self) -> Arming {
        let is_per_wait = !self.poller.has_edges();
        match self.turn_owner.single_thread() {
            Some(thread) => Arming::ArmedByThread { thread, is_per_wait },
            None if is_per_wait => Arming::ArmedPerWait,
            None => Arming::Armed,
        }
    }
}

impl Driver {
    /// Stores readiness and collects wakers. Returns the number of events that found a source, and
    /// whether a notification was taken.
    fn dispatch(&self, events: &mut Events) -> (usize, bool) {
        let Events { buffer, wakers, batch, causes, tracks_causes } = events;
        let has_edges = self.poller.has_edges();
        let mut count = 0;
        let mut registry = self.registry.lock();
        let DriverRegistry { slots, ring } = &mut *registry;
        let may_receive = ring.is_some() && self.poller.event_count(buffer) >= BATCH_MIN;
        let is_notified = self.poller.drain(buffer, |event| {
            // The source may have been removed since, and its slot reused.
            let Some(core) = slots.get(event.key) else { return };
            count += 1;
            if may_receive && self.begin_receive(event, core, slots, batch) {
                return;
            }
            let first_waker = wakers.len();
            core.deliver(event.flags, wakers);
            if !has_edges {
                // The event disarmed both directions, so the waiters of both must arm them again.
                core.take_all(wakers);
            }
            if *tracks_causes && wakers.len() > first_waker {
                causes.push(EventCause::new(first_waker, slots.fd(event.key), event.flags));
            }
        });
        if !batch.is_empty() {
            self.receive(ring, batch);
            for Receive { key, flags, request, outcome, .. } in batch.drain(..) {
                // No source was removed in the meantime: that takes the lock of the slots.
                let Some(core) = slots.get(key) else { continue };
                let first_waker = wakers.len();
                core.complete_prefetch(flags, request, outcome, wakers);
                if *tracks_causes && wakers.len() > first_waker {
                    causes.push(EventCause::new(first_waker, slots.fd(key), flags));
                }
            }
        }
        drop(registry);
        (count, is_notified && self.notify.take())
    }

    /// Adds the event to `batch` if a turn may receive for it. Returns whether it did.
    fn begin_receive(
        &self,
        event: PollEvent,
        core: &SourceCore,
        slots: &Slots<SourceCore>,
        batch: &mut Vec<Receive>,
    ) -> bool {
        if !event.flags.is_message() {
            return false;
        }
        let fd = slots.fd(event.key).and_then(|fd| i32::try_from(fd).ok());
        let (Some(fd), Some(request)) = (fd, core.begin_prefetch()) else { return false };
        batch.push(Receive::new(event.key, event.flags, fd, request));
        true
    }

    #[cold]
    fn receive(&self, ring: &mut Option<Ring>, batch: &mut Vec<Receive>) {
        let Some(working) = ring else { return };
        self.counters.batches.add_alone(1);
        self.counters.batched_reads.add_alone(batch.len());
        if working.receive(batch).is_ok() {
            return;
        }
        // From now on readers make their own system calls. The kernel may still write to the memory
        // of requests that it has not completed, so that memory is leaked (`batch.rs`, invariant
        // 1).
        *ring = None;
        for one in batch {
            if one.outcome.is_err() {
                std::mem::forget(std::mem::take(&mut one.request.bytes));
            }
        }
    }

    fn enter(&self, number: i64, core: &Arc<SourceCore>) -> io::Result<SourceKey> {
        let mut registry = self.registry.lock();
        if !self.is_driven() {
            // Checked under the lock (invariant 3).
            return Err(io::Error::other("no thread waits for its events any more"));
        }
        registry.slots.insert(number, Arc::clone(core))
    }

    /// Adds `fd` to the event queue. If an entry is left over from a source that was dropped
    /// without deregistering while a duplicate kept its file open, replaces that entry. The entry
    /// of a source that still exists is not changed.
    fn add(&self, fd: Fd<'_>, key: SourceKey) -> io::Result<()> {
        let result = self.poller.add(fd, key);
        let is_taken = matches!(&result, Err(e) if e.kind() == io::ErrorKind::AlreadyExists);
        if is_taken && !self.registry.lock().slots.has_other(fd::number(fd), key) {
            return self.poller.modify(fd, key, Interest::BOTH);
        }
        result
    }
}

//! A driver: one event queue of the system, its sources, and the right to turn it.
//!
//! ```text
//! turn:  take the right ─► wait ─► lock the slots ─► set readiness, collect wakers
//!        (receive for waiting reads) ─► unlock ─► release the right ─► wake
//! ```
//!
//! Each method may be called from any thread at any time, and none runs user code (a wake, a drop
//! of a waker) while it holds a lock or the right to turn.
//!
//! Invariants:
//! 1. At most one thread turns. Its events and wakers are in its own buffers, so the driver keeps
//!    nothing of a turn.
//! 2. Wakers run after the slots are unlocked and the right is released: a waker may register,
//!    deregister, notify, or turn this very driver.
//! 3. The driven mark is checked under the lock of the slots when a source is registered, and
//!    cleared before `disarm` takes that lock: a source that is registered is seen by `disarm`, or
//!    is refused.

use std::io;
use std::sync::Arc;
use std::task::Waker;
use std::time::Duration;

use reveille_primitive::atomic::{AtomicBool, Ordering};
use reveille_primitive::lock::Mutex;

use crate::Kind;
use crate::events::{self, Events, Turn};
use crate::fault;
use crate::fd::{self, Fd};
use crate::metrics::{DriverCounters, DriverMetrics};
use crate::notify::NotifyFlag;
use crate::poll::batch::{BATCH_MIN, Receive, Ring};
use crate::poll::slots::{Slots, SourceKey};
use crate::poll::turn_owner::TurnOwner;
use crate::poll::{Interest, PollEvent, Poller};
use crate::source::{Arming, Direction, Flags, SourceCore};

/// One shard of the event source: an event queue of the operating system, which one thread at a
/// time may turn.
///
/// It is not dropped while sources are registered, because they hold a reference to it.
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

/// What the lock of the slots guards.
#[derive(Debug, Default)]
struct DriverRegistry {
    slots: Slots,
    /// For a shard of [`Kind::Batched`], while that works.
    ring: Option<Ring>,
}

/// The right to turn a driver.
struct TurnPermit<'a>(&'a AtomicBool);

impl<'a> TurnPermit<'a> {
    fn claim(is_turning: &'a AtomicBool) -> Option<TurnPermit<'a>> {
        // Acquire pairs with the release below: turns follow one another. The permit is made only
        // after the swap succeeded: the drop of another one would release the other thread's right.
        let is_won = !is_turning.swap(true, Ordering::Acquire);
        is_won.then(|| TurnPermit(is_turning))
    }
}

impl Drop for TurnPermit<'_> {
    fn drop(&mut self) {
        self.0.store(false, Ordering::Release);
    }
}

/// Tells whether the system does not know the descriptor: it is closed, or was never registered.
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
    /// When the system refuses the descriptors it needs (two on Linux).
    pub fn new(kind: Kind) -> io::Result<Driver> {
        let poller = Poller::new(kind).map_err(|source| {
            io::Error::new(source.kind(), format!("make an event queue: {source}"))
        })?;
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

    /// Waits for events for `timeout` at most (`None`: without a limit; zero: does not wait),
    /// stores readiness and wakes the waiters. Never returns early without an event, a notification
    /// or a signal.
    ///
    /// Returns [`Turn::Busy`] at once if another thread turns this shard. A signal that interrupts
    /// the wait ends the turn without events: the caller computes the remaining time anyway.
    ///
    /// # Errors
    ///
    /// When the system refuses the wait, which means a fault of this crate or a closed descriptor.
    ///
    /// # Panics
    ///
    /// When a waker panicked. All the other wakers of the turn have been called before that.
    pub fn turn(&self, timeout: Option<Duration>, events: &mut Events) -> io::Result<Turn> {
        let turn = self.collect(timeout, events)?;
        events.wake();
        Ok(turn)
    }

    /// The first half of [`turn`](Driver::turn): waits and stores readiness. The waiters' wakers
    /// are in `events` afterwards, and the caller has to call [`Events::wake`] next. In between it
    /// can prepare for what a waker may do, such as to block this thread.
    ///
    /// An event of a source that is no longer registered is ignored.
    ///
    /// # Errors
    ///
    /// As [`turn`](Driver::turn).
    pub fn collect(&self, timeout: Option<Duration>, events: &mut Events) -> io::Result<Turn> {
        let Some(permit) = TurnPermit::claim(&self.is_turning) else { return Ok(Turn::Busy) };
        self.poller.wait(timeout, &mut events.buffer).map_err(|source| {
            io::Error::new(source.kind(), format!("wait for events: {source}"))
        })?;
        let (count, is_notified) = self.dispatch(events);
        self.counters.turns.add_alone(1);
        self.counters.events.add_alone(count);
        let woken = events.wakers.len();
        self.counters.wakes.add_alone(woken);
        drop(permit);
        Ok(Turn::Done { events: count, woken, is_notified })
    }

    /// Makes the turn in progress, or else the next one, return at once. Never blocks.
    ///
    /// What the caller wrote before is visible to the thread whose turn returns. While a
    /// notification is pending, further ones cost one atomic operation and no system call.
    pub fn notify(&self) {
        if self.notify.post(|| self.poller.ring()) {
            self.counters.notifies.add(1);
        }
    }

    /// Marks the shard as not driven and wakes each waiter of each source registered here, so that
    /// their tasks register elsewhere when they are polled. Returns how many were woken.
    ///
    /// For a thread that leaves `block_on`. No waiter is missed: one that comes later sees the
    /// mark.
    ///
    /// # Panics
    ///
    /// As [`turn`](Driver::turn), when a waker panicked.
    pub fn wake_all(&self) -> usize {
        let mut wakers = Vec::new();
        self.disarm(&mut wakers);
        events::wake_all(&mut wakers)
    }

    /// As [`wake_all`](Driver::wake_all), from a thread that cannot run wakers now: moves them to
    /// `into`, for the caller to wake.
    pub fn disarm(&self, into: &mut Vec<Waker>) {
        self.set_driven(false);
        let before = into.len();
        self.registry.lock().slots.iter().for_each(|core| core.disarm(into));
        self.counters.deserted.add(into.len() - before);
    }

    /// Sets whether some thread is going to turn this shard. A shard that is driven again delivers
    /// the events that came in between.
    pub fn set_driven(&self, is_driven: bool) {
        self.turn_owner.set(is_driven);
    }

    /// Declares that the calling thread is going to turn this shard, and that no other thread will
    /// while it is busy. A source that is registered here moves to a shard without this restriction
    /// as soon as a thread that has one waits for it.
    pub fn set_driven_here(&self) {
        self.turn_owner.set_this_thread();
    }

    /// Tells whether some thread is going to turn this shard.
    #[must_use]
    pub fn is_driven(&self) -> bool {
        self.turn_owner.is_owned() && !self.poller.is_inherited()
    }

    /// Sources registered at the moment.
    #[must_use]
    pub fn sources(&self) -> usize {
        self.registry.lock().slots.len()
    }

    /// What the shard has done so far.
    #[must_use]
    pub fn metrics(&self) -> DriverMetrics {
        self.counters.read()
    }
}

/// What a source needs.
impl Driver {
    /// Registers a source. From now on every change of `fd` from not ready to ready is an event,
    /// and one event is delivered at once for each direction that is ready already, so that nothing
    /// is lost between a system call that would have blocked and the registration. If the system
    /// refuses, nothing of the source stays registered. A shard that is not driven refuses.
    pub(crate) fn register(&self, fd: Fd<'_>, core: &Arc<SourceCore>) -> io::Result<SourceKey> {
        let number = fd::number(fd);
        let named = |source| fault::name("register", number, source);
        // Entered before the system knows it: the first event may come before `add` returns.
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

    /// Ends the events of `key`, even if the descriptor has duplicates. A descriptor that the
    /// system does not know is no error.
    pub(crate) fn deregister(&self, fd: Fd<'_>, key: SourceKey) -> io::Result<()> {
        // The slot first: events of the old entry find no source from here on.
        self.forget(key);
        match self.poller.delete(fd) {
            Err(error) if !is_forgotten(&error) => {
                Err(fault::name("deregister", fd::number(fd), error))
            }
            _ => Ok(()),
        }
    }

    /// Ends the events of `key` when the descriptor is out of reach. The system's own registration
    /// ends with the last duplicate of the descriptor.
    pub(crate) fn forget(&self, key: SourceKey) {
        let core = self.registry.lock().slots.remove(key);
        // Dropped after the lock: the last reference drops wakers, which is user code.
        drop(core);
    }

    /// Arms a driver without edges for the directions that have waiters. Others need nothing.
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

    /// Tells whether any of several threads turns this shard, as those of a pool.
    pub(crate) fn is_driven_by_any(&self) -> bool {
        self.turn_owner.is_any_thread()
    }

    /// What a waiter of a registered source has to do for its event.
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
        let Events { buffer, wakers, batch } = events;
        let has_edges = self.poller.has_edges();
        let mut count = 0;
        let mut registry = self.registry.lock();
        let DriverRegistry { slots, ring } = &mut *registry;
        let may_receive = ring.is_some() && self.poller.event_count(buffer) >= BATCH_MIN;
        let is_notified = self.poller.drain(buffer, |event| {
            // The source may have left since, and its slot may belong to another one.
            let Some(core) = slots.get(event.key) else { return };
            count += 1;
            if may_receive && self.begin_receive(event, core, slots, batch) {
                return;
            }
            core.deliver(event.flags, wakers);
            if !has_edges {
                // The event disarmed both directions, so the other one has to be armed again too.
                core.take_all(wakers);
            }
        });
        if !batch.is_empty() {
            self.receive(ring, batch);
            for Receive { key, flags, request, outcome, .. } in batch.drain(..) {
                // No source has left meanwhile: that takes the lock of the slots.
                let Some(core) = slots.get(key) else { continue };
                core.complete_prefetch(flags, request, outcome, wakers);
            }
        }
        drop(registry);
        (count, is_notified && self.notify.take())
    }

    /// Adds the event to `batch` if a turn may receive for it. Tells whether it did.
    fn begin_receive(
        &self,
        event: PollEvent,
        core: &SourceCore,
        slots: &Slots,
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
        // Readers make their own system calls from now on. The kernel may still write to the memory
        // of requests that it has not answered, so that is leaked (`batch.rs`, invariant 1).
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
            // Invariant 3.
            return Err(io::Error::other("no thread turns this shard any more"));
        }
        registry.slots.insert(number, Arc::clone(core))
    }

    /// Takes over the system's entry of a source that left without deregistering while a duplicate
    /// kept its file open. An entry of a source that is still here is not touched.
    fn add(&self, fd: Fd<'_>, key: SourceKey) -> io::Result<()> {
        let result = self.poller.add(fd, key);
        let is_taken = matches!(&result, Err(e) if e.kind() == io::ErrorKind::AlreadyExists);
        if is_taken && !self.registry.lock().slots.has_other(fd::number(fd), key) {
            return self.poller.modify(fd, key, Interest::BOTH);
        }
        result
    }
}

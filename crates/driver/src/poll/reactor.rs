//! A shard: one event queue of the system, its sources, and the right to turn it.
//!
//! ```text
//! turn:  right to turn ─► wait ─► lock slots ─► set words, collect wakers (receive for waiting
//!        reads) ─► unlock ─► give the right back ─► wake
//! ```
//!
//! Invariants:
//! 1. At most one thread turns. Its events and wakers are in its own buffers, so nothing of a turn
//!    is in the shard.
//! 2. Wakers run after the slots are unlocked and the right is given back: a waker may register,
//!    deregister, notify, or turn this very shard.
//! 3. The driven mark is looked at under the lock of the slots when a source is entered, and taken
//!    away before `wake_all` takes that lock: an entered source is seen by `wake_all`, or refused.

use std::io;
use std::sync::Arc;
use std::task::Waker;
use std::time::Duration;

use reveille_primitive::atomic::{AtomicBool, Ordering};
use reveille_primitive::lock::Mutex;

use crate::Kind;
use crate::contract::Contract;
use crate::events::{self, Events, Turn};
use crate::fault;
use crate::fd::{self, Fd};
use crate::metrics::{Counters, Metrics};
use crate::notify::Notify;
use crate::poll::batch::{BATCH_MIN, Receive, Ring};
use crate::poll::slots::{Key, Slots};
use crate::poll::turn_owner::TurnOwner;
use crate::poll::{Event, Interest, Poller};
use crate::source::{Arming, Direction, Flags, SourceCore};

/// See the module's header.
#[derive(Debug)]
pub(crate) struct Shard {
    poller: Poller,
    registry: Mutex<Registry>,
    has_batches: bool,
    is_turning: AtomicBool,
    turn_owner: TurnOwner,
    notify: Notify,
    counters: Counters,
}

/// What the lock of the slots guards.
#[derive(Debug, Default)]
struct Registry {
    slots: Slots,
    /// For a shard of [`Kind::Batched`], while that works.
    ring: Option<Ring>,
}

/// The right to turn a shard.
struct TurnPermit<'a>(&'a AtomicBool);

impl<'a> TurnPermit<'a> {
    fn claim(is_turning: &'a AtomicBool) -> Option<TurnPermit<'a>> {
        // Acquire pairs with the release below: turns follow one another. The right is made only
        // when it was won: one made in vain would give the other thread's back when dropped.
        let is_won = !is_turning.swap(true, Ordering::Acquire);
        is_won.then(|| TurnPermit(is_turning))
    }
}

impl Drop for TurnPermit<'_> {
    fn drop(&mut self) {
        self.0.store(false, Ordering::Release);
    }
}

/// Descriptors the system has forgotten: closed, or never registered.
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

impl Shard {
    pub(crate) fn new(kind: Kind) -> io::Result<Shard> {
        let poller = Poller::new(kind).map_err(|source| {
            io::Error::new(source.kind(), format!("make an event queue: {source}"))
        })?;
        let ring = if kind == Kind::Batched { Ring::new() } else { None };
        Ok(Shard {
            poller,
            has_batches: ring.is_some(),
            registry: Mutex::new(Registry { slots: Slots::default(), ring }),
            is_turning: AtomicBool::new(false),
            turn_owner: TurnOwner::any_thread(),
            notify: Notify::new(),
            counters: Counters::default(),
        })
    }

    /// Sets words and collects wakers. Returns the events that found a source, and whether a
    /// notification was taken.
    fn dispatch(&self, events: &mut Events) -> (usize, bool) {
        let Events { buffer, wakers, batch } = events;
        let has_edges = self.poller.has_edges();
        let mut count = 0;
        let mut registry = self.registry.lock();
        let Registry { slots, ring } = &mut *registry;
        let may_receive = ring.is_some() && self.poller.event_count(buffer) >= BATCH_MIN;
        let is_rung = self.poller.drain(buffer, |event| {
            // A source that has left, or its slot's next owner, is not meant.
            let Some(core) = slots.get(event.key) else { return };
            count += 1;
            if may_receive && self.is_put_off(event, core, slots, batch) {
                return;
            }
            core.deliver(event.flags, wakers);
            if !has_edges {
                // Disarmed altogether: the other direction has to arm itself again.
                core.take_all(wakers);
            }
        });
        if !batch.is_empty() {
            self.receive(ring, batch);
            for Receive { key, flags, request, outcome, .. } in batch.drain(..) {
                // Nobody has left: that takes the lock.
                let Some(core) = slots.get(key) else { continue };
                core.complete_prefetch(flags, request, outcome, wakers);
            }
        }
        drop(registry);
        (count, is_rung && self.notify.take())
    }

    /// Whether the event is one to receive for: then it waits in `batch`.
    fn is_put_off(
        &self,
        event: Event,
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
        // Readers read by themselves from now on. What the kernel still owes an answer for goes
        // where nobody looks (`batch.rs`, invariant 1).
        *ring = None;
        for one in batch {
            if one.outcome.is_err() {
                std::mem::forget(std::mem::take(&mut one.request.bytes));
            }
        }
    }

    fn enter(&self, number: i64, core: &Arc<SourceCore>) -> io::Result<Key> {
        let mut registry = self.registry.lock();
        if !self.is_driven() {
            return Err(io::Error::other("no thread turns this shard any more"));
        }
        registry.slots.insert(number, Arc::clone(core))
    }

    /// Takes over the system's entry of a source that left without deregistering while a duplicate
    /// kept its file open. An entry of a source that is still here is not touched.
    fn add(&self, fd: Fd<'_>, key: Key) -> io::Result<()> {
        let result = self.poller.add(fd, key);
        let is_taken = matches!(&result, Err(e) if e.kind() == io::ErrorKind::AlreadyExists);
        if is_taken && !self.registry.lock().slots.has_other(fd::number(fd), key) {
            return self.poller.modify(fd, key, Interest::BOTH);
        }
        result
    }
}

impl Contract for Shard {
    fn collect(&self, timeout: Option<Duration>, events: &mut Events) -> io::Result<Turn> {
        let Some(right) = TurnPermit::claim(&self.is_turning) else { return Ok(Turn::Busy) };
        self.poller.wait(timeout, &mut events.buffer).map_err(|source| {
            io::Error::new(source.kind(), format!("wait for events: {source}"))
        })?;
        let (count, is_notified) = self.dispatch(events);
        self.counters.turns.add_alone(1);
        self.counters.events.add_alone(count);
        let woken = events.wakers.len();
        self.counters.wakes.add_alone(woken);
        drop(right);
        Ok(Turn::Done { events: count, woken, is_notified })
    }

    fn notify(&self) {
        if self.notify.post(|| self.poller.ring()) {
            self.counters.notifies.add(1);
        }
    }

    fn register(&self, fd: Fd<'_>, core: &Arc<SourceCore>) -> io::Result<Key> {
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

    fn deregister(&self, fd: Fd<'_>, key: Key) -> io::Result<()> {
        // The slot first: events of the old entry find nothing from here on.
        self.forget(key);
        match self.poller.delete(fd) {
            Err(error) if !is_forgotten(&error) => {
                Err(fault::name("deregister", fd::number(fd), error))
            }
            _ => Ok(()),
        }
    }

    fn forget(&self, key: Key) {
        let core = self.registry.lock().slots.remove(key);
        // Dropped after the lock: with the last reference go wakers, whose drop is user code.
        drop(core);
    }

    fn rearm(&self, fd: Fd<'_>, key: Key) -> io::Result<()> {
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

    fn wake_all(&self) -> usize {
        let mut wakers = Vec::new();
        self.disarm(&mut wakers);
        events::wake_all(&mut wakers)
    }

    fn disarm(&self, into: &mut Vec<Waker>) {
        self.set_driven(false);
        let before = into.len();
        self.registry.lock().slots.iter().for_each(|core| core.disarm(into));
        self.counters.deserted.add(into.len() - before);
    }

    fn set_driven(&self, is_driven: bool) {
        self.turn_owner.set(is_driven);
    }

    fn set_driven_here(&self) {
        self.turn_owner.set_this_thread();
    }

    fn is_driven_by_any(&self) -> bool {
        self.turn_owner.is_any_thread()
    }

    fn is_driven(&self) -> bool {
        self.turn_owner.is_owned() && !self.poller.is_inherited()
    }

    fn arming(&self) -> Arming {
        let is_per_wait = !self.poller.has_edges();
        match self.turn_owner.single_thread() {
            Some(thread) => Arming::ArmedByThread { thread, is_per_wait },
            None if is_per_wait => Arming::ArmedPerWait,
            None => Arming::Armed,
        }
    }

    fn sources(&self) -> usize {
        self.registry.lock().slots.len()
    }

    fn metrics(&self) -> Metrics {
        self.counters.read()
    }
}

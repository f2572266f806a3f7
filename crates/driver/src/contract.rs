//! What a driver provides, in full sentences.
//!
//! The trait checks the shape of each driver at compile time. It is never a trait object and never
//! a bound: callers go through the `match` in `lib.rs`.

use std::io;
use std::sync::Arc;
use std::task::Waker;
use std::time::Duration;

use crate::events::{Events, Turn};
use crate::fd::Fd;
use crate::metrics::Metrics;
use crate::poll::slots::Key;
use crate::source::{Arming, SourceCore};

/// One shard of an event source.
///
/// Each method may be called from any thread at any time, and none runs user code (a wake, a drop
/// of a waker) while it holds a lock or the right to turn.
pub(crate) trait Contract: Send + Sync {
    /// A turn waits for events no longer than `timeout` and, without an event, a notification or a
    /// signal, no shorter. It is exclusive: while one thread turns, another gets `Turn::Busy` at
    /// once. Each event sets the readiness of its source before its waiters are woken. An event of
    /// a source that is no longer registered is ignored. The wakers are left in `events`.
    fn collect(&self, timeout: Option<Duration>, events: &mut Events) -> io::Result<Turn>;

    /// A notification ends the turn that is in progress, or else the next one. None is lost, and
    /// those posted while one is pending are one.
    fn notify(&self);

    /// Registration makes every later change of `fd` from not ready to ready an event, and delivers
    /// one at once for each direction that is ready already, so that nothing is lost between a
    /// system call that would have blocked and the registration. When the system refuses, nothing
    /// of the source stays behind. A shard that is not driven refuses.
    fn register(&self, fd: Fd<'_>, core: &Arc<SourceCore>) -> io::Result<Key>;

    /// Deregistration ends the events of `key` even for a descriptor that has duplicates. A
    /// descriptor the system has forgotten already is no error.
    fn deregister(&self, fd: Fd<'_>, key: Key) -> io::Result<()>;

    /// Forgetting ends the events of `key` when the descriptor is out of reach: the system's own
    /// registration ends with the last duplicate of the descriptor.
    fn forget(&self, key: Key);

    /// A driver without edges is armed for the directions that have waiters. To the others this is
    /// nothing.
    fn rearm(&self, fd: Fd<'_>, key: Key) -> io::Result<()>;

    /// Marks the shard as not driven, then wakes all waiters of all its sources.
    fn wake_all(&self) -> usize;

    /// Marks the shard as not driven, then moves all waiters of all its sources to `into`.
    fn disarm(&self, into: &mut Vec<Waker>);

    /// Says whether a thread turns this shard.
    fn set_driven(&self, is_driven: bool);

    /// Says that the calling thread turns this shard, and no other.
    fn set_driven_here(&self);

    /// Tells whether a thread turns this shard.
    fn is_driven(&self) -> bool;

    /// Tells whether any of several threads turns this shard, as a pool's.
    fn is_driven_by_any(&self) -> bool;

    /// What a waiter of a registered source has to do for its event.
    fn arming(&self) -> Arming;

    /// Counts the registered sources.
    fn sources(&self) -> usize;

    /// Reads the counters.
    fn metrics(&self) -> Metrics;
}

//! What the futures of reveille say that they wait for, when a probe polls them.
//!
//! A probe (see [`reveille_task::Observer`]) captures the stack of an await. The stack says where a
//! task waits. Futures of reveille also know for what: they call [`note`] before they leave the
//! waker. Without a probe that is one comparison of a pointer.

use std::cell::RefCell;
use std::fmt;
use std::net::SocketAddr;
use std::time::Instant;

use std::task::Waker;

use crate::timer::clock::system_clock;

pub use reveille_task::{is_probe, poll_member};

/// What a task does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum TaskState {
    /// It waits: nothing has woken it.
    Waiting,
    /// It was woken and waits for its turn.
    Queued,
    /// A thread polls it.
    Running,
    /// It ended while the dump was taken.
    Ended,
}

/// What a task waits for, as far as the future that waits knows.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum WaitFor {
    /// A deadline; `None` never comes.
    Timer(Option<Instant>),
    /// A descriptor: what is awaited of it, and its addresses where it is a socket that has some.
    Descriptor {
        /// Such as `to be readable`.
        interest: &'static str,
        /// The number of the descriptor.
        fd: u64,
        /// The address of this side.
        local: Option<SocketAddr>,
        /// The address of the other side.
        peer: Option<SocketAddr>,
    },
    /// The task whose cell has this address.
    Task(usize),
    /// The end of the child process with this number.
    Child(u32),
    /// Something else that has a name.
    Named(&'static str),
}

impl fmt::Display for WaitFor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.write(f, system_clock().now())
    }
}

/// What a task waits for, as it was at some instant.
pub(crate) struct WaitAt<'a>(pub(crate) &'a WaitFor, pub(crate) Instant);

impl fmt::Display for WaitAt<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.write(f, self.1)
    }
}

impl WaitFor {
    fn write(&self, f: &mut fmt::Formatter<'_>, now: Instant) -> fmt::Result {
        match self {
            WaitFor::Timer(None) => f.write_str("a timer that never fires"),
            WaitFor::Timer(Some(deadline)) => match deadline.checked_duration_since(now) {
                Some(left) => write!(f, "a timer, due in {left:.1?}"),
                None => {
                    let late = now.saturating_duration_since(*deadline);
                    write!(f, "a timer, due since {late:.1?}")
                }
            },
            WaitFor::Descriptor { interest, fd, local, peer } => match (local, peer) {
                (None, None) => write!(f, "descriptor {fd} {interest}"),
                (Some(local), None) => write!(f, "socket {fd} ({local}) {interest}"),
                (None, Some(peer)) => write!(f, "socket {fd} (to {peer}) {interest}"),
                (Some(local), Some(peer)) => {
                    write!(f, "socket {fd} ({local} to {peer}) {interest}")
                }
            },
            WaitFor::Task(_) => f.write_str("a task"),
            WaitFor::Child(pid) => write!(f, "the child process {pid}"),
            WaitFor::Named(name) => f.write_str(name),
        }
    }
}

thread_local!(static NOTES: RefCell<Vec<WaitFor>> = const { RefCell::new(Vec::new()) });

/// Notes what the calling future waits for, if it is polled by a probe.
#[inline]
pub fn note(waker: &Waker, what: impl FnOnce() -> WaitFor) {
    if is_probe(waker) {
        push(what());
    }
}

/// Notes what the task that is probed on this thread waits for.
#[cold]
pub(crate) fn push(what: WaitFor) {
    NOTES.with_borrow_mut(|notes| {
        if !notes.contains(&what) {
            notes.push(what);
        }
    });
}

/// Takes the notes of this thread: before a probe those of another one around it.
pub(crate) fn take() -> Vec<WaitFor> {
    NOTES.take()
}

/// Restores `notes` after a probe, and returns those of the probe.
pub(crate) fn replace(notes: Vec<WaitFor>) -> Vec<WaitFor> {
    NOTES.replace(notes)
}

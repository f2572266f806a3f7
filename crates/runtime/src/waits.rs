//! What the futures of reveille wait for: they report it when a probe polls them.
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

/// What a task waits for, if the future that waits reports it.
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

/// The deadlines of many timers, as they were at some instant.
pub(crate) struct TimersAt {
    pub(crate) first: Instant,
    pub(crate) last: Instant,
    pub(crate) now: Instant,
}

impl fmt::Display for TimersAt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [first, last] = [self.first, self.last].map(|deadline| due(deadline, self.now));
        if first == last {
            write!(f, "a timer, due {first}")
        } else {
            write!(f, "a timer, the first due {first}, the last {last}")
        }
    }
}

fn due(deadline: Instant, now: Instant) -> String {
    match deadline.checked_duration_since(now) {
        Some(left) => format!("in {left:.1?}"),
        None => format!("since {:.1?}", now.saturating_duration_since(deadline)),
    }
}

impl WaitFor {
    fn write(&self, f: &mut fmt::Formatter<'_>, now: Instant) -> fmt::Result {
        match self {
            WaitFor::Timer(None) => f.write_str("a timer that never fires"),
            WaitFor::Timer(Some(deadline)) => write!(f, "a timer, due {}", due(*deadline, now)),
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

/// What the futures of a task report while a probe polls it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Notes {
    pub(crate) waits: Vec<WaitFor>,
    /// The scopes, by their addresses, that the task has, and those that it is a task of.
    pub(crate) scopes: Vec<usize>,
    pub(crate) member_of: Vec<usize>,
}

thread_local! {
    static NOTES: RefCell<Notes> = const {
        RefCell::new(Notes { waits: Vec::new(), scopes: Vec::new(), member_of: Vec::new() })
    };
}

/// Notes what the calling future waits for, if it is polled by a probe.
#[inline]
pub fn note(waker: &Waker, what: impl FnOnce() -> WaitFor) {
    if is_probe(waker) {
        push(what());
    }
}

/// Notes that the calling future is the scope at this address, if it is polled by a probe.
#[inline]
pub fn note_scope(waker: &Waker, addr: usize) {
    if is_probe(waker) {
        NOTES.with_borrow_mut(|notes| push_new(&mut notes.scopes, addr));
    }
}

/// Notes that the calling future is that of a task of the scope at this address, if it is polled by
/// a probe.
#[inline]
pub fn note_member(waker: &Waker, addr: usize) {
    if is_probe(waker) {
        NOTES.with_borrow_mut(|notes| push_new(&mut notes.member_of, addr));
    }
}

/// Notes what the task that is probed on this thread waits for.
#[cold]
pub(crate) fn push(what: WaitFor) {
    NOTES.with_borrow_mut(|notes| push_new(&mut notes.waits, what));
}

fn push_new<T: PartialEq>(list: &mut Vec<T>, value: T) {
    if !list.contains(&value) {
        list.push(value);
    }
}

/// Takes the notes of this thread: before a probe those of another one around it.
pub(crate) fn take() -> Notes {
    NOTES.take()
}

/// Restores `notes` after a probe, and returns those of the probe.
pub(crate) fn replace(notes: Notes) -> Notes {
    NOTES.replace(notes)
}

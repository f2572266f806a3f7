//! A thread of the simulation, and the baton that it holds while it runs.
//!
//! # Invariants
//! 1. At most one thread holds the baton. The thread that holds it gives it to one other thread,
//!    and then waits until it gets it back.
//! 2. The cells of a [`Thread`] are read and written only by the thread that holds the baton. The
//!    hand-over is a store with Release and a swap with Acquire, so each holder sees what the
//!    earlier ones wrote.
//! 3. [`ME`] is null or points to a `Thread`, and those are never freed.

use std::cell::Cell;
use std::ffi::c_long;
use std::ptr;
use std::sync::atomic::{AtomicU32, Ordering};

use super::kernel::Id;
use super::original;

/// Another thread has the baton.
const WITHOUT: u32 = 0;
/// The thread has the baton, or is about to find it.
const WITH: u32 = 1;

/// What a thread does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    /// It holds the baton.
    Running,
    /// It may run from this time on.
    Ready { at_ns: u64 },
    /// It waits on a word of memory that had the value `expected`.
    Word { address: usize, expected: u32, bits: u32, deadline_ns: u64 },
    /// It waits for events of a descriptor, which is one of the simulation or one of the system.
    Readable { fd: i32, object: Option<Id>, deadline_ns: u64 },
    /// It waits for the end of the thread with this number.
    Join { thread: usize },
    /// It waits until no other thread can run.
    Stall,
    /// It has ended.
    Ended,
}

/// A deadline that never comes.
pub(super) const NEVER_NS: u64 = u64::MAX;

impl State {
    /// When it can run without an event; [`NEVER_NS`] if it needs an event.
    pub(super) fn time_ns(self) -> u64 {
        match self {
            State::Ready { at_ns } => at_ns,
            State::Word { deadline_ns, .. } | State::Readable { deadline_ns, .. } => deadline_ns,
            State::Running | State::Join { .. } | State::Stall | State::Ended => NEVER_NS,
        }
    }
}

/// How a wait ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    Woken,
    TimedOut,
}

/// One thread. It is never freed.
#[derive(Debug)]
pub(super) struct Thread {
    /// Counted from 0, in the order in which the threads were started.
    pub(super) number: usize,
    baton: AtomicU32,
    /// Written by `World::set_state` only.
    pub(super) state: Cell<State>,
    /// Its place among the threads that have not ended.
    pub(super) place: Cell<usize>,
    pub(super) outcome: Cell<Outcome>,
    pub(super) pthread: Cell<libc::pthread_t>,
    /// The state of its random bytes.
    pub(super) entropy: Cell<u64>,
    /// For the strategy that runs the thread with the highest priority.
    pub(super) priority: Cell<u64>,
    /// How many polls of its own future have ended since it last waited.
    pub(super) spins: Cell<u32>,
    /// How often it has read a clock since it last let others run.
    pub(super) clock_reads: Cell<u32>,
    /// How often the destructors of its thread-locals have run.
    pub(super) exit_rounds: Cell<u32>,
    /// The host that it runs on, and the key of what belongs to the present run of that host.
    pub(super) host: Cell<usize>,
    pub(super) host_key: Cell<u64>,
}

// SAFETY: the cells are accessed by the thread that holds the baton only (invariant 2), and the
// other fields are `Sync`.
unsafe impl Sync for Thread {}

thread_local! {
    static ME: Cell<*const Thread> = const { Cell::new(ptr::null()) };
}

/// The calling thread, if it is part of the simulation. Then it holds the baton.
#[inline]
pub(super) fn me() -> Option<&'static Thread> {
    let me = ME.get();
    // SAFETY: null, or a thread, which is never freed (invariant 3).
    unsafe { me.as_ref() }
}

/// Makes the calling thread part of the simulation, or takes it out.
pub(super) fn set_me(thread: Option<&'static Thread>) {
    ME.set(thread.map_or(ptr::null(), ptr::from_ref));
}

impl Thread {
    /// Makes a thread that may run from `at_ns` on.
    pub(super) fn new(number: usize, at_ns: u64, entropy: u64, priority: u64) -> &'static Thread {
        Box::leak(Box::new(Thread {
            number,
            baton: AtomicU32::new(WITHOUT),
            state: Cell::new(State::Ready { at_ns }),
            place: Cell::new(usize::MAX),
            outcome: Cell::new(Outcome::Woken),
            pthread: Cell::new(0),
            entropy: Cell::new(entropy),
            priority: Cell::new(priority),
            spins: Cell::new(0),
            clock_reads: Cell::new(0),
            exit_rounds: Cell::new(0),
            host: Cell::new(0),
            host_key: Cell::new(0),
        }))
    }

    /// Gives the baton to this thread.
    pub(super) fn give(&self) {
        self.baton.store(WITH, Ordering::Release);
        let wake = libc::FUTEX_WAKE | libc::FUTEX_PRIVATE_FLAG;
        // SAFETY: FUTEX_WAKE takes an address, which it does not read, and a number.
        unsafe { futex(&self.baton, wake, 1) };
    }

    /// Waits until the calling thread, which is this one, gets the baton.
    pub(super) fn wait(&self) {
        let wait = libc::FUTEX_WAIT | libc::FUTEX_PRIVATE_FLAG;
        while self.baton.swap(WITHOUT, Ordering::Acquire) != WITH {
            // SAFETY: the word lives as long as the process. A null pointer means no timeout.
            unsafe { futex(&self.baton, wait, WITHOUT) };
        }
    }
}

/// The kernel's own call, because the thread that waits here is one of the simulation.
///
/// # Safety
///
/// * `operation` is FUTEX_WAIT or FUTEX_WAKE.
unsafe fn futex(word: &AtomicU32, operation: i32, value: u32) {
    let address = ptr::from_ref(word).addr() as c_long;
    let (operation, value) = (c_long::from(operation), c_long::from(value));
    // SAFETY: both operations take the address of a word and a value. The other arguments are
    // null pointers, which they allow.
    unsafe { original::syscall(libc::SYS_futex, address, operation, value, 0, 0, 0) };
}

impl Thread {
    /// The name that the system has for the thread.
    pub(super) fn name(&self) -> String {
        let mut name = [0_u8; 64];
        let pthread = self.pthread.get();
        if pthread == 0 {
            return String::from("the test's");
        }
        // SAFETY: the thread has not been joined, so its handle is valid, and the buffer has the
        // length that is passed.
        let result =
            unsafe { libc::pthread_getname_np(pthread, name.as_mut_ptr().cast(), name.len()) };
        let len = name.iter().position(|&byte| byte == 0).filter(|_| result == 0).unwrap_or(0);
        String::from_utf8_lossy(&name[..len]).into_owned()
    }
}

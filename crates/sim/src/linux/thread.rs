//! A thread of the simulation, and the baton that it holds while it runs.
//!
//! The thread of the system that has the baton, the *carrier*, runs the contexts of other threads,
//! too (`context.rs`). So a switch takes no system call. A thread must be on its own thread of the
//! system while it begins and ends, and when it changes something that the kernel keeps for each
//! thread: [`go_home`]. Where that is not possible, the baton goes to another thread of the system
//! at each switch.
//!
//! # Invariants
//! 1. At most one thread of the system holds the baton. The thread that holds it gives it to one
//!    other thread, and then waits until it gets it back.
//! 2. The cells of a [`Thread`] are read and written only by the thread that holds the baton. The
//!    hand-over is a store with Release and a swap with Acquire, so each holder sees what the
//!    earlier ones wrote.
//! 3. [`ME`] is null or points to a `Thread`, and those are never freed.

use std::cell::Cell;
use std::ffi::c_long;
use std::ptr;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicPtr, AtomicU32, Ordering};

use super::context::{Context, Switches, WITH, WITHOUT};
use super::kernel::Id;
use super::original;

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
    context: Context,
    /// Whether its context was ever saved.
    has_stopped: Cell<bool>,
    /// Whether it runs on its own thread of the system only.
    pub(super) is_pinned: Cell<bool>,
    /// The number that the system has for it.
    pub(super) tid: Cell<libc::pid_t>,
    /// Written by `World::set_state` only.
    pub(super) state: Cell<State>,
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
            context: Context::new(),
            has_stopped: Cell::new(false),
            is_pinned: Cell::new(false),
            tid: Cell::new(0),
            state: Cell::new(State::Ready { at_ns }),
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

    /// Gives the baton to the thread of the system.
    fn give(&self) {
        self.context.baton.store(WITH, Ordering::Release);
        let wake = libc::FUTEX_WAKE | libc::FUTEX_PRIVATE_FLAG;
        // SAFETY: FUTEX_WAKE takes an address, which it does not read, and a number.
        unsafe { futex(&self.context.baton, wake, 1) };
    }

    /// Waits until the calling thread of the system, which is this one's, gets the baton.
    fn wait(&self) {
        let wait = libc::FUTEX_WAIT | libc::FUTEX_PRIVATE_FLAG;
        while self.context.baton.swap(WITHOUT, Ordering::Acquire) != WITH {
            // SAFETY: the word lives as long as the process. A null pointer means no timeout.
            unsafe { futex(&self.context.baton, wait, WITHOUT) };
        }
    }

    /// Whether only its own thread of the system can run it next.
    fn is_bound(&self) -> bool {
        self.is_pinned.get() || !self.has_stopped.get()
    }
}

/// Whether a thread of the system runs the contexts of others, and how. Not set: it does not.
static SWITCHES: OnceLock<Switches> = OnceLock::new();

/// The thread whose thread of the system has the baton.
static CARRIER: AtomicPtr<Thread> = AtomicPtr::new(ptr::null_mut());

/// The thread that sent a signal to one whose context is saved.
static VISITOR: AtomicPtr<Thread> = AtomicPtr::new(ptr::null_mut());

/// Lets threads of the system run the contexts of others, if this machine can.
pub(super) fn use_contexts() {
    if let Some(switches) = Switches::of_this_machine() {
        let _ = SWITCHES.set(switches);
    }
}

fn carrier() -> &'static Thread {
    // SAFETY: `begin` and what changes it store a thread, which is never freed (invariant 3).
    unsafe { &*CARRIER.load(Ordering::Relaxed) }
}

fn set_carrier(thread: &'static Thread) {
    CARRIER.store(ptr::from_ref(thread).cast_mut(), Ordering::Relaxed);
}

/// Makes the calling thread of the system `thread`, which the simulation runs next. The first one
/// has the baton, and the others wait for it.
pub(super) fn begin(thread: &'static Thread) {
    if thread.number == 0 {
        set_carrier(thread);
    } else {
        thread.wait();
    }
    set_me(Some(thread));
    // SAFETY: the call takes nothing.
    thread.tid.set(unsafe { original::gettid() });
    if let Some(switches) = SWITCHES.get() {
        switches.begin(&thread.context);
    }
}

/// Lets the thread `to` run, and returns when `from`, the calling thread, runs again.
pub(super) fn pass(from: &'static Thread, to: &'static Thread) {
    let Some(switches) = SWITCHES.get() else {
        to.give();
        return from.wait();
    };
    from.has_stopped.set(true);
    let carrier = carrier();
    if ptr::eq(carrier, to) || !to.is_bound() {
        // SAFETY: the caller is `from` and has the baton. `to` has stopped, or the calling thread
        // of the system is its own, so its context is saved. No thread is freed.
        unsafe { switches.switch(&from.context, &to.context) };
    } else {
        set_carrier(to);
        // SAFETY: the caller is `from` and has the baton. It runs on the thread of `carrier`, which
        // is not that of `to`, and the latter waits for the baton. No thread is freed.
        unsafe { switches.leave_for(&from.context, &carrier.context, &to.context) };
    }
    return_visits(*switches, from);
}

/// Continues on the calling thread's own thread of the system.
pub(super) fn go_home(me: &'static Thread) {
    let Some(switches) = SWITCHES.get() else { return };
    let carrier = carrier();
    if !ptr::eq(carrier, me) {
        set_carrier(me);
        // SAFETY: the caller is `me` and has the baton. It runs on the thread of `carrier`, and its
        // own waits for the baton: it has begun, and does not carry. No thread is freed.
        unsafe { switches.leave_for(&me.context, &carrier.context, &me.context) };
    }
}

/// Gives the baton away for good. The calling thread is at home, and ends.
pub(super) fn end(to: &'static Thread) {
    set_me(None);
    set_carrier(to);
    to.give();
}

/// Has the thread of the system of `to` run the handlers of its signals, on its own stack. The
/// calling thread is at home.
pub(super) fn visit(me: &'static Thread, to: &'static Thread) {
    if let Some(switches) = SWITCHES.get()
        && to.has_stopped.get()
        && !ptr::eq(me, to)
    {
        VISITOR.store(ptr::from_ref(me).cast_mut(), Ordering::Relaxed);
        me.has_stopped.set(true);
        set_carrier(to);
        // SAFETY: the caller is `me` and has the baton, on its own thread. The one of `to` waits
        // for the baton, because it does not carry. No thread is freed.
        unsafe { switches.leave_for(&me.context, &me.context, &to.context) };
        return_visits(*switches, me);
    }
}

/// Lets the visitor of the calling thread continue, until the simulation runs this thread.
fn return_visits(switches: Switches, me: &'static Thread) {
    loop {
        let visitor = VISITOR.load(Ordering::Relaxed);
        // SAFETY: null, or a thread, which is never freed (invariant 3).
        let Some(visitor) = (unsafe { visitor.as_ref() }) else { return };
        VISITOR.store(ptr::null_mut(), Ordering::Relaxed);
        // SAFETY: the caller is `me` and has the baton. The visitor's context was saved when it
        // came here. No thread is freed.
        unsafe { switches.switch(&me.context, &visitor.context) };
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
        if let Some(me) = me().filter(|me| ptr::eq(*me, self)) {
            // The C library asks the kernel for the name of the thread of the system.
            go_home(me);
        }
        // SAFETY: the thread has not been joined, so its handle is valid, and the buffer has the
        // length that is passed.
        let result =
            unsafe { libc::pthread_getname_np(pthread, name.as_mut_ptr().cast(), name.len()) };
        let len = name.iter().position(|&byte| byte == 0).filter(|_| result == 0).unwrap_or(0);
        String::from_utf8_lossy(&name[..len]).into_owned()
    }
}

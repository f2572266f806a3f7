//! The registers of a simulated thread that does not run, so that another thread of the system can
//! continue it without a system call.
//!
//! A simulated thread is a thread of the system with a stack, thread-locals and a number in the
//! kernel. Its *context* is the stack and the thread pointer, through which code finds its
//! thread-locals. Whichever thread of the system has the baton can run any context: it saves the
//! registers of the one, and loads those of the other. The threads of the system whose contexts run
//! elsewhere sleep in [`Switches::leave_for`], without a stack and with all signals blocked. So the
//! C library could not run a handler on each of them, as it does to change the user of the process:
//! `users.rs` refuses that.
//!
//! # Invariants
//! 1. A context is *saved*, or one thread of the system runs it. Only the thread with the baton
//!    saves or loads a context, or reads or writes its fields, except for `mask` and `baton`.
//! 2. A thread of the system in `leave_for` uses neither the stack nor the thread pointer of a
//!    context between the moment when it gives the baton away and the moment when it has it again.
//! 3. A thread of the system that gets the baton loads its own context, which is saved then.

use std::cell::Cell;
use std::sync::atomic::AtomicU32;

#[cfg(not(target_arch = "x86_64"))]
mod elsewhere;
#[cfg(target_arch = "x86_64")]
mod x86_64;

#[cfg(not(target_arch = "x86_64"))]
pub(super) use elsewhere::Switches;
#[cfg(target_arch = "x86_64")]
pub(super) use x86_64::Switches;

/// Another thread has the baton.
pub(super) const WITHOUT: u32 = 0;
/// The thread has the baton, or is about to find it.
pub(super) const WITH: u32 = 1;

/// See the header of the module. `context/x86_64.rs` knows the order of the fields.
#[derive(Debug)]
#[repr(C)]
pub(super) struct Context {
    /// The stack pointer of a context that is saved. The registers are above it.
    stack: Cell<usize>,
    thread_pointer: Cell<usize>,
    /// The signals that the thread of the system blocks while it is not in `leave_for`. It alone
    /// accesses this.
    mask: Cell<u64>,
    /// Written by the thread that gives the baton, and by the one that takes it.
    pub(super) baton: AtomicU32,
}

impl Context {
    pub(super) const fn new() -> Context {
        Context {
            stack: Cell::new(0),
            thread_pointer: Cell::new(0),
            mask: Cell::new(0),
            baton: AtomicU32::new(WITHOUT),
        }
    }
}

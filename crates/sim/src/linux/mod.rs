//! The simulation on Linux with glibc: it defines the functions of the C library through which std
//! reads clocks, draws random bytes, starts threads and blocks.
//! * `control.rs` has the operations of a test on its hosts and on the network.
//! * `interpose.rs` has these functions. On a thread of the simulation they call `world.rs`, on all
//!   others the original functions (`original.rs`).
//! * `world.rs` has the simulated threads, and decides when each of them runs; `world/choice.rs`
//!   decides which of them runs next, and `world/timed.rs` has their deadlines.
//! * `thread.rs` has one thread, and passes the baton: only one thread runs at a time. `context.rs`
//!   has the switch from one thread to another without a system call.
//! * `kernel/` has the kernel of the simulated hosts: descriptors, sockets, epoll, the network.
//! * `files.rs` has the functions for files. `disk.rs` implements them, and decides what a crash
//!   leaves.
//! * `users.rs` refuses changes of the user and the group.
//! * `strict.rs` makes the kernel stop calls that bypass these functions, in strict mode.
//! * `futex.rs` has the calls with which a thread blocks on a word of memory.
#![allow(unsafe_code)]

mod context;
mod control;
mod disk;
mod files;
mod futex;
mod interpose;
mod kernel;
mod lookup;
mod original;
mod original_files;
mod refusal;
mod run;
mod seam;
mod strict;
mod thread;
mod users;
mod world;

pub(crate) use control::{
    add_host, change_clocks, change_links, describe, fail, limit_descriptors, pause_host, reset,
    start_host, stop_host,
};
pub(crate) use interpose::keep_symbols;
pub(crate) use original::Original;
pub(crate) use run::run;

use crate::disk::Disk;
use crate::shrink::USER;
use crate::trace::Step;

/// Writes `text` to standard error, without a lock or a buffer that another thread may hold.
pub(crate) fn say(text: &str) {
    let mut rest = text.as_bytes();
    while !rest.is_empty() {
        // SAFETY: the pointer and the length are those of a slice.
        let written = unsafe { libc::write(libc::STDERR_FILENO, rest.as_ptr().cast(), rest.len()) };
        match usize::try_from(written) {
            Ok(written) if written > 0 => rest = &rest[written..],
            // Standard error is closed, so there is no place for the text.
            _ => return,
        }
    }
}

/// Whether the calling thread is simulated.
pub(crate) fn is_simulated() -> bool {
    thread::me().is_some()
}

/// The seed of the simulation that the calling thread is part of.
pub(crate) fn seed() -> Option<u64> {
    thread::me().map(|_| world::with(|world| world.seed()))
}

/// Draws a number below `count` from the program's stream `name`.
pub(crate) fn draw(name: &str, count: u64) -> Option<u64> {
    draw_system(&format!("{USER}{name}"), count)
}

/// Draws a number below `count` from the stream `name`, which is not one of the program.
pub(crate) fn draw_system(name: &str, count: u64) -> Option<u64> {
    thread::me().map(|me| {
        world::with(|world| {
            let drawn = world.draw_from(name, count);
            world.note(Step::Note, me, drawn);
            drawn
        })
    })
}

/// Adds a number to the trace.
pub(crate) fn note(number: u64) {
    if let Some(me) = thread::me() {
        world::with(|world| world.note(Step::Note, me, number));
    }
}

/// Blocks the calling thread until no other thread of the simulation can run, then returns. Blocks
/// forever outside of simulations.
pub(crate) fn wait_for_deadlock() {
    match thread::me() {
        Some(me) => drop(world::switch(me, thread::State::Stall)),
        None => loop {
            std::thread::park();
        },
    }
}

/// Ends the simulation as deadlocked. Does nothing outside of simulations.
pub(crate) fn fail_deadlocked() {
    if thread::me().is_some() {
        world::with(|world| world.deadlock());
    }
}

/// Sets the disk of the calling thread's machine.
pub(crate) fn set_disk(disk: Disk) {
    if let Some(me) = thread::me() {
        disk::set_disk(me, disk);
    }
}

/// Cuts the power of the disk of the calling thread's machine.
pub(crate) fn crash_disk() {
    if let Some(me) = thread::me() {
        disk::crash(world::host_of(me));
    }
}

/// The virtual time since the simulation began, in nanoseconds.
pub(crate) fn elapsed_ns() -> Option<u64> {
    thread::me().map(|_| world::elapsed_ns())
}

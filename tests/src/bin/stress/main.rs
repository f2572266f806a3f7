//! Stress test: random operations of all kinds at the same time, with checks at the end of each
//! round.
//!
//! ```text
//! stress [--seconds N] [--seed S] [--from ROUND] [--light]
//! ```
//!
//! Each round builds a runtime with random options. Actors in it spawn, cancel, wake, sleep, use
//! sockets, block and panic ([`churn`]). Then the round ends the runtime, half of the time while
//! actors still run. After that every task must have ended ([`account`]), and no thread and no
//! descriptor may be left. At the end of the program, no more memory may be in use than the first
//! rounds needed. No check depends on time, so the program runs under valgrind and the sanitizers
//! (`--light` makes the rounds smaller for them).
//!
//! The seed of a failed round is printed. It reproduces the choices, but not the order in which the
//! system runs the threads.

#[cfg(target_os = "linux")]
mod account;
#[cfg(target_os = "linux")]
mod churn;

#[cfg(target_os = "linux")]
#[global_allocator]
static ALLOCATOR: reveille_tests::allocator::Counting = reveille_tests::allocator::Counting;

#[cfg(target_os = "linux")]
fn main() {
    account::run(&account::Options::from_arguments(std::env::args().skip(1)));
}

#[cfg(not(target_os = "linux"))]
fn main() {
    println!("stress: threads and descriptors are counted in /proc, which is not here");
}

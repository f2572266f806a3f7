//! Stress: everything at once, chosen at random, with a check at the end of each round.
//!
//! ```text
//! stress [--seconds N] [--seed S] [--from ROUND] [--light]
//! ```
//!
//! Each round builds a runtime with options of its own, lets actors loose in it that spawn, cancel,
//! wake, sleep, talk through sockets, block and panic ([`churn`]), and ends it, half of the time in
//! the middle of things. Then every task has ended ([`account`]), and no thread and no descriptor
//! is left; at the end neither is memory beyond what the first rounds needed. Nothing is expected
//! of the time that things take, so that it runs under valgrind and the sanitizers (`--light`
//! makes the rounds smaller for them).
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

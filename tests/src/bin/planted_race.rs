//! Programs with a data race, to test the tool that must find it: `cargo xtask race`.
//!
//! ```text
//! planted_race plain     two threads write a number, and nothing orders them
//! planted_race relaxed   a number is published by a flag whose store releases nothing
//! planted_race acquire   the same with the right orders, behind an `Arc`: no race
//! ```
//!
//! The last program detects false reports: a fence orders the drop of an `Arc`, which
//! ThreadSanitizer sees only if the standard library was compiled with it.

use std::cell::UnsafeCell;
use std::hint;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

/// A number that a flag publishes.
struct Published {
    number: UnsafeCell<u64>,
    is_there: AtomicBool,
}

// SAFETY: violated on purpose, except in `acquire`: two of the programs race for the number.
unsafe impl Sync for Published {}

impl Published {
    fn write(&self, number: u64) {
        // SAFETY: as above: the race that has to be found. The pointer is valid.
        unsafe { self.number.get().write(number) };
    }

    fn read(&self) -> u64 {
        // SAFETY: as above: the race that has to be found. The pointer is valid.
        unsafe { self.number.get().read() }
    }
}

/// Another thread writes the number and stores the flag with `store`. This one loads the flag with
/// `load` and reads the number.
fn publish(store: Ordering, load: Ordering) {
    let number = Published { number: UnsafeCell::new(0), is_there: AtomicBool::new(false) };
    let number = Arc::new(number);
    let writer = Arc::clone(&number);
    let thread = start(move || {
        writer.write(7);
        writer.is_there.store(true, store);
    });
    while !number.is_there.load(load) {
        hint::spin_loop();
    }
    assert_eq!(number.read(), 7);
    // Whichever thread is last frees the number.
    drop(number);
    thread.join().expect("it only writes");
}

/// Both threads write.
fn plain() {
    let number = Published { number: UnsafeCell::new(0), is_there: AtomicBool::new(false) };
    let number = Arc::new(number);
    let writer = Arc::clone(&number);
    let thread = start(move || writer.write(7));
    number.write(8);
    thread.join().expect("it only writes");
}

#[expect(clippy::disallowed_methods, reason = "the race is between threads, without a runtime")]
fn start(body: impl FnOnce() + Send + 'static) -> thread::JoinHandle<()> {
    thread::spawn(body)
}

fn main() {
    match std::env::args().nth(1).as_deref() {
        Some("plain") => plain(),
        Some("relaxed") => publish(Ordering::Relaxed, Ordering::Relaxed),
        Some("acquire") => publish(Ordering::Release, Ordering::Acquire),
        _ => {
            eprintln!("usage: planted_race plain | relaxed | acquire");
            std::process::exit(2);
        }
    }
}

//! The number and size of a task's allocations.
#![cfg(not(reveille_loom))]
#![allow(clippy::waker_clone_wake, reason = "waking by value is what is tested")]

use reveille_watchdog as _;

#[path = "cell/toy/mod.rs"]
mod toy;

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::future::poll_fn;
use std::task::Poll;

use reveille_task::{Kept, Ran, Runnable, Schedule, TaskRef, spawn};
use toy::{Toy, ready, run};

struct Counting;

thread_local! {
    static COUNT: Cell<usize> = const { Cell::new(0) };
    static BYTES: Cell<usize> = const { Cell::new(0) };
}

// SAFETY: every call is forwarded to the system's allocator, which keeps the contract.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let _ = COUNT.try_with(|count| count.set(count.get() + 1));
        let _ = BYTES.try_with(|bytes| bytes.set(bytes.get() + layout.size()));
        // SAFETY: the caller's obligation.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, memory: *mut u8, layout: Layout) {
        // SAFETY: the caller's obligation.
        unsafe { System.dealloc(memory, layout) };
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// The number of allocations and of bytes that `code` allocates.
fn allocations<R>(code: impl FnOnce() -> R) -> (usize, usize, R) {
    let before = (COUNT.get(), BYTES.get());
    let result = code();
    (COUNT.get() - before.0, BYTES.get() - before.1, result)
}

/// A scheduler handle of the size of a pointer, which drops the tasks that it receives.
#[derive(Clone, Copy)]
struct Pointer(#[allow(dead_code, reason = "only its size is used")] usize);

impl Schedule for Pointer {
    fn schedule(&self, task: Runnable, _: reveille_task::Cause) {
        drop(task);
    }
    fn completed(&self, _: TaskRef<'_>) -> Option<Kept> {
        None
    }
    fn unhandled_panic(&self, _: TaskRef<'_>, _: Box<dyn std::any::Any + Send>) {}
}

#[test]
fn a_task_is_one_allocation_of_its_future_and_forty_bytes() {
    let payload = [3u64; 10];
    let future = poll_fn(move |_| Poll::Ready(payload[0]));
    assert_eq!(size_of_val(&future), 80);
    let (count, bytes, (runnable, handle)) =
        allocations(|| spawn(future, Pointer(0), Default::default()));
    assert_eq!(count, 1);
    if cfg!(target_pointer_width = "64") {
        assert_eq!(bytes, 120);
    }
    let (count, _, output) = allocations(|| {
        run(runnable);
        ready(handle)
    });
    assert_eq!((count, output), (0, 3));
}

#[test]
fn polls_wakes_clones_and_joins_allocate_nothing() {
    let toy = Toy::default();
    let mut left = 10;
    let (first, first_handle) = toy.spawn(poll_fn(move |cx| {
        cx.waker().clone().wake();
        left -= 1;
        if left == 0 { Poll::Ready(()) } else { Poll::Pending }
    }));
    let (second, second_handle) = toy.spawn(first_handle);
    // The toy's queue allocates here, and not in the measured code below.
    let waker = second.waker();
    assert!(matches!(second.run(), Ran::Pending));
    waker.wake_by_ref();
    toy.drain();
    let (count, _, ()) = allocations(|| {
        run(first);
        drop(waker.clone());
        waker.wake();
        toy.drain();
        ready(second_handle);
    });
    assert_eq!(count, 0);
}

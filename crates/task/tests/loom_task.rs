//! Models of the task cell: every order in which a few threads can wake, poll, join, cancel, detach
//! and inspect a task, with every value that their reads may see.
//!
//! Run with `RUSTFLAGS="--cfg reveille_loom" LOOM_MAX_PREEMPTIONS=2` and
//! `cargo test -p reveille-task --release --test 'loom_*'`.
#![cfg(reveille_loom)]

use reveille_watchdog as _;

use std::any::Any;
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::task::{Context, Poll};

use loom::future::block_on;
use loom::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use loom::sync::{Arc, Mutex};
use loom::thread;
use reveille_task::{Cause, JoinHandle, Kept, Options, Ran, Runnable, Schedule, TaskRef, spawn};

/// A queue in loom's own types, so that loom also reports leaks.
#[derive(Clone)]
struct Queue(Arc<Mutex<Vec<Runnable>>>);

impl Schedule for Queue {
    fn schedule(&self, task: Runnable, _: Cause) {
        self.0.lock().unwrap().push(task);
    }
    fn completed(&self, _: TaskRef<'_>) -> Option<Kept> {
        None
    }
    fn unhandled_panic(&self, _: TaskRef<'_>, payload: Box<dyn Any + Send>) {
        std::panic::resume_unwind(payload);
    }
}

impl Queue {
    fn new() -> Queue {
        Queue(Arc::new(Mutex::new(Vec::new())))
    }

    fn spawn<F>(&self, future: F) -> (Runnable, JoinHandle<F::Output>)
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        spawn(future, self.clone(), Options::default())
    }

    fn drain(&self) {
        loop {
            let task = self.0.lock().unwrap().pop();
            match task {
                Some(task) => run(task),
                None => return,
            }
        }
    }
}

fn run(mut task: Runnable) {
    while let Ran::Requeued(again) = task.run() {
        task = again;
    }
}

/// Counts drops, so that each model can assert their number.
#[derive(Clone)]
struct Drops(Arc<AtomicUsize>);

struct OnDrop(Drops);

impl Drop for OnDrop {
    fn drop(&mut self) {
        self.0.0.fetch_add(1, Ordering::AcqRel);
    }
}

impl Drops {
    fn new() -> Drops {
        Drops(Arc::new(AtomicUsize::new(0)))
    }

    fn guard(&self) -> OnDrop {
        OnDrop(self.clone())
    }

    fn get(&self) -> usize {
        self.0.load(Ordering::Acquire)
    }
}

/// Pending until the flag is set; the thread that sets the flag wakes the task. Owns a guard.
fn until(flag: Arc<AtomicBool>, guard: OnDrop) -> impl Future<Output = ()> + Send {
    poll_fn(move |_| {
        let _kept = &guard;
        if flag.load(Ordering::Relaxed) { Poll::Ready(()) } else { Poll::Pending }
    })
}

#[test]
fn the_poll_after_a_wake_sees_what_the_waker_wrote() {
    loom::model(|| {
        let (queue, drops) = (Queue::new(), Drops::new());
        let flag = Arc::new(AtomicBool::new(false));
        let (runnable, handle) = queue.spawn(until(flag.clone(), drops.guard()));
        let waker = runnable.waker();
        let thread = thread::spawn(move || {
            // Relaxed: the wake must publish this.
            flag.store(true, Ordering::Relaxed);
            waker.wake();
        });
        run(runnable);
        queue.drain();
        thread.join().unwrap();
        queue.drain();
        assert!(handle.is_finished());
        assert_eq!(drops.get(), 1);
    });
}

#[test]
fn wakes_of_two_threads_make_one_runnable() {
    loom::model(|| {
        let (queue, drops) = (Queue::new(), Drops::new());
        let flags = [(); 2].map(|()| Arc::new(AtomicBool::new(false)));
        let (first, second) = (flags[0].clone(), flags[1].clone());
        let guard = drops.guard();
        let (runnable, handle) = queue.spawn(poll_fn(move |_| {
            let _kept = &guard;
            let set = |flag: &AtomicBool| flag.load(Ordering::Relaxed);
            if set(&first) && set(&second) { Poll::Ready(()) } else { Poll::Pending }
        }));
        let threads = flags.map(|flag| {
            let waker = runnable.waker();
            thread::spawn(move || {
                flag.store(true, Ordering::Relaxed);
                waker.wake_by_ref();
            })
        });
        run(runnable);
        for thread in threads {
            thread.join().unwrap();
        }
        queue.drain();
        assert!(handle.is_finished());
        drop(handle);
        assert_eq!(drops.get(), 1);
    });
}

#[test]
fn a_joiner_on_another_executor_receives_the_output() {
    loom::model(|| {
        let queue = Queue::new();
        let value = Arc::new(5);
        let output = value.clone();
        let (runnable, handle) = queue.spawn(async move { output });
        let thread = thread::spawn(move || run(runnable));
        assert_eq!(*block_on(handle), 5);
        thread.join().unwrap();
        assert_eq!(Arc::strong_count(&value), 1);
    });
}

#[test]
fn a_joining_task_is_woken() {
    loom::model(|| {
        let queue = Queue::new();
        let (first, first_handle) = queue.spawn(async { Arc::new(5) });
        let (second, second_handle) = queue.spawn(first_handle);
        let thread = thread::spawn(move || run(first));
        run(second);
        thread.join().unwrap();
        queue.drain();
        assert_eq!(*block_on(second_handle), 5);
    });
}

#[test]
fn a_join_waker_is_replaced_or_dropped_while_the_task_completes() {
    loom::model(|| {
        let queue = Queue::new();
        let (first, mut handle) = queue.spawn(async { Arc::new(5) });
        let (other, other_handle) = queue.spawn(async {});
        let wakers = [other.waker(), other.waker()];
        let (foreign, foreign_handle) = queue.spawn(async {});
        let third = foreign.waker();
        let thread = thread::spawn(move || run(first));
        let mut taken = false;
        for waker in [&wakers[0], &wakers[1], &third] {
            if !taken {
                let polled = Pin::new(&mut handle).poll(&mut Context::from_waker(waker));
                taken = polled.is_ready();
            }
        }
        drop(handle);
        thread.join().unwrap();
        drop((wakers, third, other, other_handle, foreign, foreign_handle));
        queue.drain();
    });
}

#[test]
fn a_cancelled_future_is_dropped_before_its_joiner_is_woken() {
    loom::model(|| {
        let (queue, drops) = (Queue::new(), Drops::new());
        let guard = drops.guard();
        let flag = Arc::new(AtomicBool::new(false));
        let (runnable, handle) = queue.spawn(until(flag, guard));
        let worker = queue.clone();
        let thread = thread::spawn(move || {
            run(runnable);
            worker.drain();
        });
        handle.abort();
        thread.join().unwrap();
        queue.drain();
        assert!(handle.is_finished());
        assert_eq!(drops.get(), 1);
        assert!(block_on(handle.cancel()).is_none());
    });
}

#[test]
fn an_awaited_cancel_returns_after_the_drop() {
    loom::model(|| {
        let (queue, drops) = (Queue::new(), Drops::new());
        let guard = drops.guard();
        let (runnable, handle) = queue.spawn(async move { drop(guard) });
        let thread = thread::spawn(move || run(runnable));
        let _ = block_on(handle.cancel());
        assert_eq!(drops.get(), 1);
        thread.join().unwrap();
    });
}

#[test]
fn the_output_is_dropped_once_if_the_handle_is_dropped_during_completion() {
    loom::model(|| {
        let (queue, drops) = (Queue::new(), Drops::new());
        let output = drops.guard();
        let (runnable, handle) = queue.spawn(async move { output });
        let thread = thread::spawn(move || run(runnable));
        drop(handle);
        thread.join().unwrap();
        assert_eq!(drops.get(), 1);
    });
}

#[test]
fn only_the_last_waker_orphans_a_task() {
    loom::model(|| {
        let (queue, drops) = (Queue::new(), Drops::new());
        let flag = Arc::new(AtomicBool::new(false));
        let is_polled_to_its_end = Arc::new(AtomicBool::new(false));
        let (polled, is_woken) = (until(flag.clone(), drops.guard()), is_polled_to_its_end.clone());
        let (runnable, handle) = queue.spawn(async move {
            polled.await;
            is_woken.store(true, Ordering::Relaxed);
        });
        let (dropped, woken) = (runnable.waker(), runnable.waker());
        drop(handle);
        let dropper = thread::spawn(move || drop(dropped));
        let waker = thread::spawn(move || {
            flag.store(true, Ordering::Relaxed);
            woken.wake();
        });
        run(runnable);
        dropper.join().unwrap();
        waker.join().unwrap();
        queue.drain();
        assert_eq!(drops.get(), 1);
        assert!(is_polled_to_its_end.load(Ordering::Relaxed), "the wake was lost");
    });
}

#[test]
fn the_last_two_wakers_and_a_registry_cancel_a_task_once() {
    loom::model(|| {
        let (queue, drops) = (Queue::new(), Drops::new());
        let flag = Arc::new(AtomicBool::new(false));
        let (runnable, handle) = queue.spawn(until(flag, drops.guard()));
        let wakers = [runnable.waker(), runnable.waker()];
        let uncounted = runnable.as_task().into_raw().as_ptr() as usize;
        run(runnable);
        drop(handle);
        let threads = wakers.map(|waker| thread::spawn(move || drop(waker)));
        let pointer = std::ptr::NonNull::new(uncounted as *mut ()).unwrap();
        // SAFETY: only this thread runs the queue, so the task is not complete.
        let task = unsafe { TaskRef::from_raw(pointer) };
        task.cancel();
        for thread in threads {
            thread.join().unwrap();
        }
        queue.drain();
        assert_eq!(drops.get(), 1);
    });
}

#[test]
fn two_threads_that_request_the_id_get_the_same_one() {
    loom::model(|| {
        let queue = Queue::new();
        let (runnable, handle) = queue.spawn(async {});
        let thread = thread::spawn(move || {
            let id = runnable.as_task().id();
            run(runnable);
            id
        });
        let id = handle.id();
        assert_eq!(thread.join().unwrap(), id);
    });
}

#[test]
fn a_compact_waker_is_moved_into_extras_that_another_thread_installs() {
    loom::model(|| {
        let queue = Queue::new();
        let (first, first_handle) = queue.spawn(async { Arc::new(5) });
        let observer = first.as_task().to_handle();
        let (second, second_handle) = queue.spawn(first_handle);
        let asking = thread::spawn(move || observer.as_task().id());
        let running = thread::spawn(move || run(first));
        run(second);
        asking.join().unwrap();
        running.join().unwrap();
        queue.drain();
        assert_eq!(*block_on(second_handle), 5);
    });
}

#[test]
fn a_requeued_task_is_polled_by_another_thread_after_a_wake() {
    loom::model(|| {
        let (queue, drops) = (Queue::new(), Drops::new());
        let flag = Arc::new(AtomicBool::new(false));
        let seen = flag.clone();
        let guard = drops.guard();
        let mut polls = 0;
        let (runnable, handle) = queue.spawn(poll_fn(move |cx| {
            let _kept = &guard;
            polls += 1;
            if polls == 1 {
                cx.waker().wake_by_ref();
            }
            if seen.load(Ordering::Relaxed) { Poll::Ready(polls) } else { Poll::Pending }
        }));
        let waker = runnable.waker();
        let worker = queue.clone();
        let thread = thread::spawn(move || {
            if let Ran::Requeued(task) = runnable.run() {
                worker.0.lock().unwrap().push(task);
            }
        });
        flag.store(true, Ordering::Relaxed);
        waker.wake();
        queue.drain();
        thread.join().unwrap();
        queue.drain();
        assert!(handle.is_finished());
        assert_eq!(drops.get(), 1);
    });
}

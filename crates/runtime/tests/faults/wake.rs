//! Tests for faults of other runtimes in waking, parking and the contract of wakers.
//! `tests/FAULTS.md` lists them.

use std::cell::RefCell;
use std::future::{Future, poll_fn};
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::task::{Context, Poll, Wake, Waker};
use std::thread;
use std::time::Duration;

use reveille_runtime::io::{Interest, Io};
use reveille_runtime::time::Sleep;
use reveille_runtime::{Builder, block_on, spawn, spawn_local, yield_now};

/// Passes its waker to `give` at the first poll. Ready once it is woken.
async fn woken_by(give: impl FnOnce(Waker)) {
    let mut give = Some(give);
    poll_fn(|cx| match give.take() {
        Some(give) => {
            give(cx.waker().clone());
            Poll::Pending
        }
        None => Poll::Ready(()),
    })
    .await;
}

#[test]
fn a_wake_during_the_first_poll_of_block_on_is_kept() {
    for _ in 0..100 {
        block_on(woken_by(|waker| {
            thread::scope(|scope| {
                scope.spawn(|| waker.wake_by_ref());
            });
        }));
    }
}

#[test]
fn the_driver_and_the_timers_are_turned_although_a_local_task_is_always_runnable() {
    let runtime = Builder::new().workers(1).max_spare_threads(0).build().unwrap();
    let is_over = Arc::new(AtomicBool::new(false));
    let watched = Arc::clone(&is_over);
    // Runs on the worker's thread until the test ends.
    let restless = runtime.spawn(async move {
        drop(spawn_local(async move {
            while !watched.load(Ordering::Relaxed) {
                yield_now().await;
            }
        }));
    });
    runtime.block_on(restless);
    let (ours, mut theirs) = crate::pair::pair();
    ours.set_nonblocking(true).unwrap();
    let (tries, has_tried) = mpsc::channel();
    let reader = runtime.spawn(async move {
        let ours = Io::new(ours);
        // The read is tried again after the registration, so later bytes arrive as an event.
        let read = |mut socket: &TcpStream| {
            let result = socket.read(&mut [0; 8]);
            tries.send(()).unwrap();
            result
        };
        let count = ours.io(Interest::Read, read).await;
        Sleep::after(Duration::from_millis(1)).await;
        count.unwrap()
    });
    (0..2).for_each(|_| has_tried.recv().unwrap());
    theirs.write_all(b"x").unwrap();
    assert_eq!(runtime.block_on(reader), 1);
    is_over.store(true, Ordering::Relaxed);
}

#[test]
fn a_task_woken_by_a_poll_that_then_blocks_runs_during_that_poll() {
    let runtime = Builder::new().workers(1).build().unwrap();
    let (gives, wakers) = mpsc::channel();
    let (answers, answer) = mpsc::channel();
    let woken = runtime.spawn(async move {
        woken_by(|waker| gives.send(waker).unwrap()).await;
        answers.send(()).unwrap();
    });
    let waker = wakers.recv().unwrap();
    runtime.block_on(runtime.spawn(async move {
        waker.wake();
        answer.recv().unwrap();
    }));
    runtime.block_on(woken);
}

#[test]
fn wakes_under_a_mutex_that_the_polls_lock_do_not_deadlock() {
    // No other thread runs tasks while the worker waits for the mutex.
    let runtime = Builder::new().workers(1).max_spare_threads(0).build().unwrap();
    let wakers = Arc::new(Mutex::new(Vec::new()));
    // Far more than fit into a queue.
    let tasks: Vec<_> = (0..10_000)
        .map(|_| {
            let wakers = Arc::clone(&wakers);
            runtime.spawn(async move {
                woken_by(|waker| wakers.lock().unwrap().push(waker)).await;
                drop(wakers.lock().unwrap());
            })
        })
        .collect();
    while wakers.lock().unwrap().len() < tasks.len() {
        thread::yield_now();
    }
    let held = wakers.lock().unwrap();
    held.iter().for_each(Waker::wake_by_ref);
    drop(held);
    for task in tasks {
        runtime.block_on(task);
    }
}

#[test]
fn a_local_task_woken_by_other_threads_is_polled_and_dropped_on_its_own() {
    struct OnOwnThread(thread::ThreadId);
    impl Drop for OnOwnThread {
        fn drop(&mut self) {
            assert_eq!(thread::current().id(), self.0);
        }
    }
    let (gives, wakers) = mpsc::channel::<Waker>();
    let waking = thread::Builder::new().spawn(move || wakers.iter().for_each(Waker::wake)).unwrap();
    let own = thread::current().id();
    let polls = Rc::new(RefCell::new(Vec::new()));
    block_on(async {
        let (seen, guard) = (Rc::clone(&polls), OnOwnThread(own));
        let task = spawn_local(async move {
            let _guard = guard;
            loop {
                woken_by(|waker| gives.send(waker).unwrap()).await;
                seen.borrow_mut().push(thread::current().id());
            }
        });
        while polls.borrow().len() < 100 {
            yield_now().await;
        }
        // Tasks that are cancelled on another thread are dropped on this one: one that is woken
        // again and again, and one that waits.
        let guard = OnOwnThread(own);
        let waits = spawn_local(async move {
            let _guard = guard;
            std::future::pending::<()>().await;
        });
        yield_now().await;
        let cancelled = reveille_runtime::spawn_blocking(move || {
            task.abort();
            waits.abort();
            (task, waits)
        });
        let (task, waits) = cancelled.await;
        assert!(task.result().await.unwrap_err().is_cancelled());
        assert!(waits.result().await.unwrap_err().is_cancelled());
    });
    assert!(polls.borrow().iter().all(|id| *id == own));
    waking.join().unwrap();
}

#[test]
fn wakes_during_the_end_of_a_runtime_find_valid_memory() {
    for _ in 0..50 {
        let runtime = Builder::new().workers(2).build().unwrap();
        let (gives, wakers) = mpsc::channel::<Waker>();
        for _ in 0..50 {
            let gives = gives.clone();
            drop(runtime.spawn(async move {
                loop {
                    let gives = gives.clone();
                    woken_by(move |waker| gives.send(waker).unwrap()).await;
                }
            }));
        }
        drop(gives);
        let waking =
            thread::Builder::new().spawn(move || wakers.iter().for_each(Waker::wake)).unwrap();
        drop(runtime);
        waking.join().unwrap();
    }
}

/// A waker that uses timers, the executor and the socket at which it waits, both when it is woken
/// and when it is dropped.
struct UsesTheRuntime {
    calls: Arc<AtomicUsize>,
    socket: Option<Arc<Io<TcpStream>>>,
}

impl UsesTheRuntime {
    fn use_it(&self) {
        self.calls.fetch_add(1, Ordering::Relaxed);
        let mut sleep = Box::pin(Sleep::after(Duration::from_secs(60)));
        let mut cx = Context::from_waker(Waker::noop());
        assert!(sleep.as_mut().poll(&mut cx).is_pending());
        drop(sleep);
        drop(spawn(async {}));
        if let Some(socket) = &self.socket {
            let polled = socket.poll_io(&mut cx, Interest::Write, |mut socket| socket.write(b""));
            assert!(polled.is_ready());
        }
    }
}

impl Wake for UsesTheRuntime {
    fn wake(self: Arc<Self>) {
        self.use_it();
    }
}

impl Drop for UsesTheRuntime {
    fn drop(&mut self) {
        self.use_it();
    }
}

#[test]
fn a_waker_may_use_timers_sockets_and_tasks_while_it_is_woken_or_dropped() {
    let runtime = Builder::new().workers(1).build().unwrap();
    let calls = Arc::new(AtomicUsize::new(0));
    let seen = Arc::clone(&calls);
    let dropped_outside = runtime.block_on(runtime.spawn(async move {
        let new_waker =
            |socket| Waker::from(Arc::new(UsesTheRuntime { calls: Arc::clone(&seen), socket }));
        // Woken by the wheel.
        let mut sleep = Box::pin(Sleep::after(Duration::from_millis(1)));
        let _ = poll(sleep.as_mut(), &new_waker(None));
        Sleep::after(Duration::from_millis(5)).await;
        // Dropped with its entry on this thread, and by the worker after a remote cancellation.
        let mut here = Box::pin(Sleep::after(Duration::from_secs(60)));
        let _ = poll(here.as_mut(), &new_waker(None));
        drop(here);
        let mut outside = Box::pin(Sleep::after(Duration::from_secs(60)));
        let _ = poll(outside.as_mut(), &new_waker(None));
        // Woken by the driver.
        let (ours, mut theirs) = crate::pair::pair();
        ours.set_nonblocking(true).unwrap();
        let ours = Arc::new(Io::new(ours));
        let waker = new_waker(Some(Arc::clone(&ours)));
        wait_for_bytes(&ours, &waker);
        theirs.write_all(b"x").unwrap();
        drop(waker);
        Sleep::after(Duration::from_millis(5)).await;
        Some(outside)
    }));
    drop(dropped_outside);
    for _ in 0..10 {
        runtime.block_on(runtime.spawn(Sleep::after(Duration::from_millis(1))));
    }
    drop(runtime);
    // Woken and dropped by the wheel, dropped on this thread, dropped by the worker, woken and
    // dropped by the driver.
    assert_eq!(calls.load(Ordering::Relaxed), 6);
}

fn poll<F: Future>(future: Pin<&mut F>, waker: &Waker) -> Poll<F::Output> {
    future.poll(&mut Context::from_waker(waker))
}

fn wait_for_bytes(socket: &Io<TcpStream>, waker: &Waker) {
    let mut cx = Context::from_waker(waker);
    let read = socket.poll_io(&mut cx, Interest::Read, |mut socket| socket.read(&mut [0; 1]));
    assert!(read.is_pending());
}

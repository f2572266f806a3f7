//! Tests for faults of other runtimes in scheduling and shutdown. `tests/FAULTS.md` lists them.

use std::future::{Future, pending, poll_fn};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

use reveille_runtime::time::Sleep;
use reveille_runtime::{Builder, Runtime, block_on, spawn, spawn_blocking, yield_now};

/// A runtime with one worker and no spare threads.
fn alone() -> Runtime {
    Builder::new().workers(1).max_spare_threads(0).build().unwrap()
}

/// Spawns two tasks that wake each other until `is_over` is set.
fn ping_pong(is_over: &Arc<AtomicBool>) {
    let slots = Arc::new([const { Mutex::new(None::<Waker>) }; 2]);
    for own in 0..2 {
        let (slots, is_over) = (Arc::clone(&slots), Arc::clone(is_over));
        drop(spawn(poll_fn(move |cx| {
            if is_over.load(Ordering::Relaxed) {
                return Poll::Ready(());
            }
            *slots[own].lock().unwrap() = Some(cx.waker().clone());
            let other = slots[1 - own].lock().unwrap().take();
            other.into_iter().for_each(Waker::wake);
            Poll::Pending
        })));
    }
}

#[test]
fn two_tasks_that_wake_each_other_starve_neither_the_queue_nor_the_injector() {
    let runtime = alone();
    let is_over = Arc::new(AtomicBool::new(false));
    let shared = Arc::clone(&is_over);
    let queued = runtime.block_on(runtime.spawn(async move {
        ping_pong(&shared);
        // In the run queue, behind the two tasks.
        let queued = spawn(async { 7 });
        yield_now().await;
        queued.await
    }));
    // From outside, through the injector.
    let injected = runtime.block_on(runtime.spawn(async { 8 }));
    is_over.store(true, Ordering::Relaxed);
    assert_eq!((queued, injected), (7, 8));
}

/// Timers and sockets are checked after a certain number of polls, and these polls are long.
#[test]
#[expect(clippy::disallowed_methods, reason = "polls of a known length")]
fn long_polls_that_yield_do_not_delay_timers() {
    let runtime = alone();
    let polls = Arc::new(AtomicUsize::new(0));
    let is_over = Arc::new(AtomicBool::new(false));
    let (count, end) = (Arc::clone(&polls), Arc::clone(&is_over));
    let busy = runtime.spawn(async move {
        while !end.load(Ordering::Relaxed) {
            std::thread::sleep(Duration::from_millis(2));
            count.fetch_add(1, Ordering::Relaxed);
            yield_now().await;
        }
    });
    let passed = runtime.block_on(runtime.spawn(async move {
        while polls.load(Ordering::Relaxed) < 80 {
            yield_now().await;
        }
        let before = polls.load(Ordering::Relaxed);
        for _ in 0..5 {
            Sleep::after(Duration::from_millis(1)).await;
        }
        polls.load(Ordering::Relaxed) - before
    }));
    is_over.store(true, Ordering::Relaxed);
    runtime.block_on(busy);
    println!("5 sleeps of 1 ms among polls of 2 ms: {passed} polls went by");
    assert!(passed <= 40, "{passed} polls");
}

#[test]
fn the_task_in_the_lifo_slot_of_a_blocked_worker_runs() {
    let runtime = Builder::new().workers(2).build().unwrap();
    let (answers, answer) = mpsc::channel();
    runtime.block_on(runtime.spawn(async move {
        // The only task that is woken here. It is in the LIFO slot, from which no thief steals.
        drop(spawn(async move { answers.send(7).unwrap() }));
        assert_eq!(answer.recv(), Ok(7));
    }));
}

#[test]
fn an_overflow_keeps_every_task_and_the_order() {
    let runtime = alone();
    let order = Arc::new(Mutex::new(Vec::new()));
    let seen = Arc::clone(&order);
    runtime.block_on(runtime.spawn(async move {
        // All are queued before the first one runs.
        let tasks: Vec<_> = (0..1_000)
            .map(|number| {
                let seen = Arc::clone(&seen);
                spawn(async move { seen.lock().unwrap().push(number) })
            })
            .collect();
        for task in tasks {
            task.await;
        }
    }));
    let order = order.lock().unwrap();
    let mut sorted = order.clone();
    sorted.sort_unstable();
    assert!(sorted.into_iter().eq(0..1_000), "each once");
    // After the task in the LIFO slot, the others run in the order in which they were spawned.
    assert!(order[1..].is_sorted(), "{order:?}");
}

#[test]
fn block_ons_inside_polls_use_no_thread_of_the_blocking_pool() {
    let runtime = Builder::new().workers(2).max_blocking_threads(1).build().unwrap();
    let (go_on, waits) = mpsc::channel::<()>();
    runtime.block_on(async {
        // The only thread of the pool is busy.
        let taken = spawn_blocking(move || waits.recv().ok());
        let nested: Vec<_> = (0..20)
            .map(|number| spawn(async move { block_on(spawn(async move { number })) }))
            .collect();
        for (number, task) in nested.into_iter().enumerate() {
            assert_eq!(task.await, number);
        }
        drop(go_on);
        taken.await;
    });
}

/// Spawns another task like itself when dropped, a limited number of times.
struct SpawnsOnDrop {
    heads: usize,
    dropped: Arc<AtomicUsize>,
}

impl Drop for SpawnsOnDrop {
    fn drop(&mut self) {
        self.dropped.fetch_add(1, Ordering::Relaxed);
        if self.heads > 0 {
            let head = SpawnsOnDrop { heads: self.heads - 1, dropped: Arc::clone(&self.dropped) };
            drop(spawn(async move {
                let _head = head;
                pending::<()>().await;
            }));
            drop(spawn_blocking(|| ()));
        }
    }
}

#[test]
fn a_future_that_is_dropped_by_the_shutdown_may_spawn() {
    let runtime = Builder::new().workers(2).build().unwrap();
    let dropped = Arc::new(AtomicUsize::new(0));
    let hydra = SpawnsOnDrop { heads: 10, dropped: Arc::clone(&dropped) };
    let (starts, has_started) = mpsc::channel();
    drop(runtime.spawn(async move {
        let _hydra = hydra;
        starts.send(()).unwrap();
        pending::<()>().await;
    }));
    // After its first poll it waits in the registry and not in a queue.
    has_started.recv().unwrap();
    assert!(runtime.shutdown(Duration::from_secs(60)).is_complete());
    assert_eq!(dropped.load(Ordering::Relaxed), 11, "each future is dropped");
}

#[test]
fn a_closure_that_is_dropped_by_the_shutdown_may_use_the_pool() {
    let runtime = Builder::new().workers(1).max_blocking_threads(1).build().unwrap();
    let dropped = Arc::new(AtomicUsize::new(0));
    let (go_on, waits) = mpsc::channel::<()>();
    let (starts, has_started) = mpsc::channel();
    runtime.block_on(async {
        drop(spawn_blocking(move || {
            starts.send(()).unwrap();
            let _ = waits.recv();
        }));
        has_started.recv().unwrap();
        let hydra = SpawnsOnDrop { heads: 1, dropped: Arc::clone(&dropped) };
        drop(spawn_blocking(move || drop(hydra)));
    });
    let ended = runtime.shutdown(Duration::from_millis(100));
    assert_eq!(ended.running_closures, 1, "the closure that waits");
    assert_eq!(dropped.load(Ordering::Relaxed), 2);
    drop(go_on);
}

#[test]
fn a_shutdown_timeout_of_the_longest_duration_does_not_overflow() {
    let runtime = alone();
    drop(runtime.spawn(pending::<()>()));
    let ended = runtime.shutdown(Duration::MAX);
    assert!(ended.is_complete());
    assert_eq!(ended.cancelled_tasks, 1);
}

#[test]
fn a_shutdown_ends_although_a_poll_waits_for_a_task_that_never_runs() {
    for spares in [0, 8] {
        let runtime = Builder::new().workers(1).max_spare_threads(spares).build().unwrap();
        let (starts, has_started) = mpsc::channel();
        let waiting = runtime.spawn(async move {
            let never = spawn(pending::<()>());
            starts.send(()).unwrap();
            block_on(never.result()).is_err()
        });
        has_started.recv().unwrap();
        let ended = runtime.shutdown(Duration::from_secs(60));
        assert!(ended.is_complete(), "{ended:?}");
        assert_eq!(ended.cancelled_tasks, 2);
        assert!(block_on(waiting.result()).unwrap_or(true));
    }
}

#[test]
fn a_runtime_dropped_by_its_own_task_ends() {
    let (sender, has_ended) = mpsc::channel();
    let runtime = alone();
    let handle = runtime.handle();
    let task = handle.spawn(async move {
        drop(runtime);
        sender.send(()).unwrap();
    });
    has_ended.recv().unwrap();
    let _ = block_on(task.result());
    while handle.is_running() {
        std::thread::yield_now();
    }
}

struct Count(AtomicUsize);

impl Wake for Count {
    fn wake(self: Arc<Count>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

/// Thousands of timers are due together after a long poll.
#[test]
#[expect(clippy::disallowed_methods, reason = "a poll of a known length")]
fn the_first_of_many_due_timers_does_not_wait_for_the_last_one() {
    const TIMERS: usize = 5_000;
    let runtime = alone();
    let fired = Arc::new(Count(AtomicUsize::new(0)));
    let count = Arc::clone(&fired);
    let seen = runtime.block_on(runtime.spawn(async move {
        let first = spawn({
            let count = Arc::clone(&count);
            async move {
                Sleep::after(Duration::from_millis(1)).await;
                count.0.load(Ordering::Relaxed)
            }
        });
        yield_now().await;
        let waker = Waker::from(Arc::clone(&count));
        let mut sleeps: Vec<_> =
            (0..TIMERS).map(|_| Box::pin(Sleep::after(Duration::from_millis(2)))).collect();
        for sleep in &mut sleeps {
            assert!(sleep.as_mut().poll(&mut Context::from_waker(&waker)).is_pending());
        }
        std::thread::sleep(Duration::from_millis(100));
        let seen = first.await;
        while count.0.load(Ordering::Relaxed) < TIMERS {
            Sleep::after(Duration::from_millis(1)).await;
        }
        seen
    }));
    assert_eq!(fired.0.load(Ordering::Relaxed), TIMERS);
    assert!(seen < TIMERS / 2, "{seen} timers were fired before the first task ran");
}

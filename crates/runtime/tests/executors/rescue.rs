//! A poll that blocks its thread: what is taken over, how soon, and by how many threads.
//!
//! The tests print their figures. The asserted limits are far above them: a poll that is not
//! rescued blocks for [`LONG`].

#![expect(clippy::disallowed_methods, reason = "blocks workers on purpose, and waits in threads")]

use std::cell::Cell;
use std::future::{Future as _, poll_fn};
use std::io::{Read as _, Write as _};
use std::rc::Rc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::task::{Context, Poll};
use std::thread;
use std::time::{Duration, Instant};

use reveille_runtime::io::{Interest, Io};
use reveille_runtime::time::Sleep;
use reveille_runtime::{Builder, Runtime, spawn, spawn_local, yield_now};

use crate::pair::pair;

/// How long a poll blocks if it is not rescued.
const LONG: Duration = Duration::from_secs(10);

/// The time within which another thread must have taken over, even on a busy machine.
const SOON: Duration = Duration::from_secs(3);

fn runtime(workers: usize) -> Runtime {
    Builder::new().workers(workers).build().unwrap()
}

/// Blocks a worker until `answers` messages have arrived. Returns how long that took.
fn block(answer: &mpsc::Receiver<()>, answers: usize) -> Duration {
    let start = Instant::now();
    for _ in 0..answers {
        answer.recv_timeout(LONG).expect("no thread took over");
    }
    start.elapsed()
}

#[track_caller]
fn assert_soon(what: &str, took: Duration) {
    println!("{what}: rescued after {:.1} ms", took.as_secs_f64() * 1e3);
    assert!(took < SOON, "{what}: {took:?}");
}

#[test]
fn the_queue_the_lifo_slot_and_injected_tasks_are_taken_over() {
    let runtime = runtime(1);
    let (answers, answer) = mpsc::channel();
    let from_outside = answers.clone();
    let (blocks, blocked) = mpsc::channel();
    let stuck = runtime.spawn(async move {
        // The last task is in the LIFO slot, the others are in the queue.
        for _ in 0..100 {
            let answers = answers.clone();
            drop(spawn(async move { answers.send(()) }));
        }
        blocks.send(()).unwrap();
        block(&answer, 101)
    });
    blocked.recv().unwrap();
    drop(runtime.spawn(async move { from_outside.send(()) }));
    assert_soon("queue, LIFO slot, injector", runtime.block_on(stuck));
    assert!(runtime.metrics().takeovers >= 1);
}

#[test]
fn the_timers_of_a_blocked_worker_end() {
    let runtime = runtime(1);
    let (answers, answer) = mpsc::channel();
    let stuck = runtime.spawn(async move {
        drop(spawn(async move {
            for _ in 0..5 {
                Sleep::after(Duration::from_millis(5)).await;
                answers.send(()).unwrap();
            }
        }));
        // The sleep of the other task is in the wheel of this worker before it blocks.
        yield_now().await;
        block(&answer, 5)
    });
    assert_soon("timers, 25 ms of them", runtime.block_on(stuck));
}

#[test]
fn the_sockets_of_a_blocked_worker_are_served() {
    let runtime = runtime(1);
    let (ours, mut theirs) = pair();
    ours.set_nonblocking(true).unwrap();
    let (answers, answer) = mpsc::channel();
    let (blocks, blocked) = mpsc::channel();
    let stuck = runtime.spawn(async move {
        drop(spawn(async move {
            let io = Io::new(ours);
            let mut byte = [0];
            let read =
                poll_fn(|cx| io.poll_io(cx, Interest::Read, |mut ours| ours.read(&mut byte)));
            assert_eq!(read.await.unwrap(), 1);
            answers.send(()).unwrap();
        }));
        yield_now().await;
        blocks.send(()).unwrap();
        block(&answer, 1)
    });
    blocked.recv().unwrap();
    theirs.write_all(b"x").unwrap();
    assert_soon("a socket", runtime.block_on(stuck));
}

#[test]
fn all_workers_may_block_at_once() {
    let runtime = runtime(3);
    let (answers, answer) = mpsc::channel();
    let (blocks, blocked) = mpsc::channel();
    let (releases, stuck): (Vec<_>, Vec<_>) = (0..3)
        .map(|_| {
            let (release, released) = mpsc::channel();
            let blocks = blocks.clone();
            let stuck = runtime.spawn(async move {
                blocks.send(()).unwrap();
                block(&released, 1)
            });
            (release, stuck)
        })
        .unzip();
    (0..3).for_each(|_| blocked.recv().unwrap());
    let start = Instant::now();
    let next = runtime.spawn(async move {
        Sleep::after(Duration::from_millis(1)).await;
        answers.send(()).unwrap();
    });
    answer.recv_timeout(LONG).expect("no thread took over");
    assert_soon("all three workers blocked", start.elapsed());
    releases.iter().for_each(|release| release.send(()).unwrap());
    runtime.block_on(next);
    for task in stuck {
        runtime.block_on(task);
    }
    assert_eq!(runtime.block_on(runtime.spawn(async { 5 })), 5);
}

/// The monitor checks less often while all workers are parked, and sleeps after a while. After each
/// of these pauses it is in another state.
#[test]
fn a_poll_that_blocks_after_an_idle_time_is_detected() {
    let runtime = runtime(2);
    for idle in [0, 10, 40, 100, 200, 350, 700] {
        thread::sleep(Duration::from_millis(idle));
        let (answers, answer) = mpsc::channel();
        let stuck = runtime.spawn(async move {
            let other = answers.clone();
            drop(spawn(async move { answers.send(()) }));
            drop(spawn(async move {
                Sleep::after(Duration::from_millis(1)).await;
                other.send(())
            }));
            block(&answer, 2)
        });
        assert_soon(&format!("after {idle} ms of idleness"), runtime.block_on(stuck));
    }
}

/// With one worker no other worker could take the place before the monitor has checked it.
#[test]
fn a_single_worker_that_blocks_after_an_idle_time_is_detected() {
    let runtime = runtime(1);
    for idle in [0, 10, 40, 100, 200, 350, 700] {
        thread::sleep(Duration::from_millis(idle));
        let (answers, answer) = mpsc::channel();
        let stuck = runtime.spawn(async move {
            drop(spawn(async move { answers.send(()) }));
            block(&answer, 1)
        });
        assert_soon(&format!("1 worker, after {idle} ms of idleness"), runtime.block_on(stuck));
    }
}

/// A worker that parks and wakes all the time leaves the monitor's alarm set while it is parked.
#[test]
fn a_worker_that_blocks_after_many_short_polls_is_detected() {
    for workers in [1, 2] {
        let runtime = runtime(workers);
        for polls in [10, 100, 1_000] {
            for _ in 0..polls {
                runtime.block_on(runtime.spawn(async {}));
            }
            let (answers, answer) = mpsc::channel();
            let stuck = runtime.spawn(async move {
                drop(spawn(async move { answers.send(()) }));
                block(&answer, 1)
            });
            let what = format!("{workers} workers, after {polls} short polls");
            assert_soon(&what, runtime.block_on(stuck));
        }
    }
}

/// A busy worker that is the only one awake defers the monitor's alarm while it makes progress.
#[test]
fn a_worker_that_blocks_after_a_busy_time_is_detected() {
    for workers in [1, 2] {
        let runtime = runtime(workers);
        for busy in [1, 6, 20, 50] {
            let (answers, answer) = mpsc::channel();
            let stuck = runtime.spawn(async move {
                let start = Instant::now();
                while start.elapsed() < Duration::from_millis(busy) {
                    yield_now().await;
                }
                drop(spawn(async move { answers.send(()) }));
                block(&answer, 1)
            });
            let what = format!("{workers} workers, after {busy} ms of work");
            assert_soon(&what, runtime.block_on(stuck));
        }
    }
}

/// The main thread opened the socket and blocks. A task of the pool waits for the socket, and then
/// sleeps.
#[test]
fn a_stuck_block_on_does_not_stop_tasks_that_use_its_socket() {
    let runtime = runtime(1);
    let (ours, mut theirs) = pair();
    ours.set_nonblocking(true).unwrap();
    let (answers, answer) = mpsc::channel();
    let took = runtime.block_on(async {
        let io = Io::new(ours);
        let mut sleep = Box::pin(Sleep::after(Duration::from_millis(20)));
        let first = poll_fn(|cx| Poll::Ready(sleep.as_mut().poll(cx))).await;
        assert!(first.is_pending());
        let other = answers.clone();
        drop(spawn(async move {
            let mut byte = [0];
            let read =
                poll_fn(|cx| io.poll_io(cx, Interest::Read, |mut ours| ours.read(&mut byte)));
            assert_eq!(read.await.unwrap(), 1);
            answers.send(()).unwrap();
        }));
        drop(spawn(async move {
            sleep.await;
            other.send(()).unwrap();
        }));
        theirs.write_all(b"x").unwrap();
        block(&answer, 2)
    });
    assert_soon("a block_on that blocks, with a timer of 20 ms", took);
}

/// As above, with a socket for which the main thread waited before it passed it to the task.
///
/// Each byte is sent when the task waits for it. If the socket had stayed with the main thread's
/// driver, only the rescue of that thread could wake the task for the first byte, and nothing could
/// for the second.
#[test]
fn a_socket_that_a_stuck_block_on_waited_for_works_in_a_task() {
    let runtime = runtime(1);
    let (ours, mut theirs) = pair();
    ours.set_nonblocking(true).unwrap();
    let (waits, waiting) = mpsc::channel();
    let (answers, answer) = mpsc::channel();
    let took = runtime.block_on(async {
        let io = Io::new(ours);
        let read = move |cx: &mut Context<'_>| {
            let mut byte = [0];
            io.poll_io(cx, Interest::Read, |mut ours| ours.read(&mut byte))
        };
        assert!(poll_fn(|cx| Poll::Ready(read(cx).is_pending())).await);
        drop(spawn(async move {
            for _ in 0..2 {
                let mut is_waiting = false;
                let byte = poll_fn(|cx| {
                    let polled = read(cx);
                    if polled.is_pending() && !std::mem::replace(&mut is_waiting, true) {
                        waits.send(()).unwrap();
                    }
                    polled
                });
                assert_eq!(byte.await.unwrap(), 1);
            }
            answers.send(()).unwrap();
        }));
        drop(reveille_runtime::spawn_blocking(move || {
            while waiting.recv().is_ok() {
                theirs.write_all(b"x").unwrap();
            }
        }));
        block(&answer, 1)
    });
    assert_soon("a block_on that blocks, with a socket of its own", took);
}

#[test]
fn a_local_task_that_blocks_stops_only_the_local_tasks_of_its_thread() {
    let runtime = runtime(1);
    let (answers, answer) = mpsc::channel();
    let (ends, end) = mpsc::channel();
    let starter = runtime.spawn(async move {
        let count = Rc::new(Cell::new(0));
        let others = Rc::clone(&count);
        spawn_local(async move {
            drop(spawn(async move {
                Sleep::after(Duration::from_millis(1)).await;
                answers.send(()).unwrap();
            }));
            yield_now().await;
            let took = block(&answer, 1);
            // The other local tasks continue when it returns, although the place is taken.
            while count.get() < 10 {
                yield_now().await;
            }
            ends.send(took).unwrap();
        });
        spawn_local(async move {
            for _ in 0..10 {
                Sleep::after(Duration::from_millis(1)).await;
                others.set(others.get() + 1);
            }
        });
    });
    runtime.block_on(starter);
    let took = end.recv_timeout(LONG).expect("the local tasks went on");
    assert_soon("a local task that blocks", took);
    assert!(runtime.metrics().takeovers >= 1);
}

/// A worker that is woken to search may first find a local task, which may block. While it counts
/// as searching, tasks from outside wake no other worker. So it stops searching before it polls the
/// local task.
///
/// The local task is always runnable, so the worker keeps going round: it polls the local task,
/// searches, and parks for a moment. A task that is spawned while it searches or is parked makes it
/// search in the next round. The pauses spread the spawns over the round, so that this happens many
/// times. Without spare threads no other thread can take the worker over and search.
///
/// A spawn that finds the worker parked counts a searcher before it knows whether the worker has
/// woken up by itself meanwhile, so the local task lets it end before it counts.
#[test]
fn a_worker_does_not_search_while_it_polls_a_local_task() {
    const SPAWNS: usize = 300;
    let runtime = Builder::new().workers(1).max_spare_threads(0).build().unwrap();
    let (ends, end) = mpsc::channel();
    let (is_over, spawning) = (Arc::new(AtomicBool::new(false)), Arc::new(Mutex::new(())));
    let (stop, spawn) = (Arc::clone(&is_over), Arc::clone(&spawning));
    let handle = runtime.handle();
    runtime.block_on(runtime.spawn(async move {
        spawn_local(async move {
            let mut searching = 0;
            while !stop.load(Ordering::Relaxed) {
                if handle.metrics().searching_workers > 0 {
                    // The next spawn finds the worker awake, and counts none.
                    drop(spawn.lock().unwrap());
                    searching += handle.metrics().searching_workers;
                }
                yield_now().await;
            }
            ends.send(searching).unwrap();
        });
    }));
    for _ in 0..SPAWNS {
        thread::sleep(Duration::from_micros(100));
        let _spawning = spawning.lock().unwrap();
        drop(runtime.spawn(async {}));
    }
    is_over.store(true, Ordering::Relaxed);
    assert_eq!(end.recv_timeout(LONG).unwrap(), 0, "a searching worker polled a local task");
}

#[test]
fn every_takeover_is_reported_and_spare_threads_are_bounded() {
    let calls = Arc::new(AtomicU64::new(0));
    let count = Arc::clone(&calls);
    let runtime = Builder::new()
        .workers(1)
        .max_spare_threads(2)
        .on_takeover(move || {
            count.fetch_add(1, Ordering::SeqCst);
        })
        .build()
        .unwrap();
    let (starts, started) = mpsc::channel();
    let (releases, stuck): (Vec<_>, Vec<_>) = (0..6)
        .map(|_| {
            let (release, released) = mpsc::channel();
            let starts = starts.clone();
            let stuck = runtime.spawn(async move {
                starts.send(()).unwrap();
                block(&released, 1)
            });
            (release, stuck)
        })
        .unzip();
    // One worker and two spare threads block. There is no thread for the fourth poll.
    (0..3).for_each(|_| started.recv_timeout(LONG).unwrap());
    assert!(started.recv_timeout(Duration::from_millis(200)).is_err(), "a fourth thread");
    let metrics = runtime.metrics();
    println!("6 blocking polls: {} threads, {} takeovers", metrics.threads, metrics.takeovers);
    assert_eq!(metrics.threads, 3);
    assert_eq!(metrics.takeovers, 2);
    assert_eq!(calls.load(Ordering::SeqCst), 2);
    releases.iter().for_each(|release| release.send(()).unwrap());
    for task in stuck {
        runtime.block_on(task);
    }
    let takeovers = runtime.metrics().takeovers;
    drop(runtime);
    assert!(calls.load(Ordering::SeqCst) >= takeovers);
}

#[test]
fn without_spare_threads_no_worker_is_taken_over() {
    let runtime = Builder::new().workers(1).max_spare_threads(0).build().unwrap();
    let (answers, answer) = mpsc::channel();
    let stuck = runtime.spawn(async move {
        drop(spawn(async move { answers.send(()) }));
        let waited = answer.recv_timeout(Duration::from_millis(200));
        (waited, answer)
    });
    let (waited, answer) = runtime.block_on(stuck);
    assert_eq!(waited, Err(mpsc::RecvTimeoutError::Timeout), "a thread took over");
    answer.recv_timeout(LONG).expect("the poll has ended");
    let metrics = runtime.metrics();
    assert_eq!((metrics.takeovers, metrics.threads), (0, 1));
}

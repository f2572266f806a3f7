//! Tests for faults of other runtimes in timers. `tests/FAULTS.md` lists them.

use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc;
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

use reveille_runtime::time::{Sleep, now};
use reveille_runtime::{Builder, Runtime, block_on, spawn_blocking, yield_now};

const LONG: Duration = Duration::from_secs(3_600);

/// Counts its wakes, and unparks a thread.
struct Count {
    wakes: AtomicUsize,
    thread: std::thread::Thread,
}

fn counting() -> (Arc<Count>, Waker) {
    let thread = std::thread::current();
    let count = Arc::new(Count { wakes: AtomicUsize::new(0), thread });
    (Arc::clone(&count), Waker::from(count))
}

impl Wake for Count {
    fn wake(self: Arc<Self>) {
        self.wakes.fetch_add(1, Ordering::SeqCst);
        self.thread.unpark();
    }
}

impl Count {
    fn get(&self) -> usize {
        self.wakes.load(Ordering::SeqCst)
    }
}

fn poll(sleep: &mut Pin<Box<Sleep>>, waker: &Waker) -> Poll<()> {
    sleep.as_mut().poll(&mut Context::from_waker(waker))
}

/// A runtime with one worker and no spare threads.
fn alone() -> Runtime {
    Builder::new().workers(1).max_spare_threads(0).build().unwrap()
}

#[test]
fn a_loop_of_sleeps_that_are_already_over_lets_other_tasks_run() {
    let runtime = alone();
    let is_over = Arc::new(AtomicBool::new(false));
    let watched = Arc::clone(&is_over);
    let looping = runtime.spawn(async move {
        while !watched.load(Ordering::Relaxed) {
            Sleep::after(Duration::ZERO).await;
        }
    });
    runtime.block_on(runtime.spawn(async move { is_over.store(true, Ordering::Relaxed) }));
    runtime.block_on(looping);
}

#[test]
fn a_sleep_wakes_the_waker_of_its_last_poll() {
    let runtime = alone();
    let ((first, _first_waker), (last, last_waker)) = (counting(), counting());
    let first_waker = Waker::from(Arc::clone(&first));
    let sleep = runtime.block_on(runtime.spawn(async move {
        let mut sleep = Box::pin(Sleep::after(Duration::from_millis(20)));
        assert!(poll(&mut sleep, &first_waker).is_pending());
        assert!(poll(&mut sleep, &last_waker).is_pending());
        Some(sleep)
    }));
    while last.get() == 0 {
        std::thread::park();
    }
    assert_eq!((first.get(), last.get()), (0, 1));
    drop(sleep);
}

#[test]
fn sleeps_dropped_by_another_thread_leave_no_waker() {
    let runtime = Builder::new().workers(2).build().unwrap();
    let (count, waker) = counting();
    let (sender, sleeps) = mpsc::channel::<Pin<Box<Sleep>>>();
    let making: Vec<_> = (0..4)
        .map(|_| {
            let (sender, waker) = (sender.clone(), waker.clone());
            runtime.spawn(async move {
                for number in 0..2_000 {
                    let mut sleep = Box::pin(Sleep::after(LONG));
                    assert!(poll(&mut sleep, &waker).is_pending());
                    sender.send(sleep).unwrap();
                    let mut own = Box::pin(Sleep::after(LONG));
                    assert!(poll(&mut own, &waker).is_pending());
                    if number % 16 == 0 {
                        yield_now().await;
                    }
                }
            })
        })
        .collect();
    drop((sender, waker));
    // Dropped here while the workers insert and remove: each drop is a remote cancellation.
    assert_eq!(sleeps.iter().map(drop).count(), 8_000);
    making.into_iter().for_each(|task| runtime.block_on(task));
    drop(runtime);
    assert_eq!(count.get(), 0, "no deadline has passed");
    assert_eq!(Arc::strong_count(&count), 1, "a waker is left");
}

#[test]
fn a_sleep_that_moves_to_another_runtime_ends_there() {
    let (first, second) = (alone(), alone());
    let sleep = first.block_on(first.spawn(async {
        // Long enough that the sleep is not over when it moves, even on a busy machine.
        let mut sleep = Box::pin(Sleep::after(Duration::from_millis(500)));
        assert!(poll_fn(|cx| Poll::Ready(sleep.as_mut().poll(cx))).await.is_pending());
        Some(sleep)
    }));
    let mut sleep = sleep.unwrap();
    // No thread turns the wheel of the first runtime: its only worker is stuck.
    let ((began, has_begun), (release, held)) = (mpsc::channel(), mpsc::channel::<()>());
    let stuck = first.spawn(async move {
        began.send(()).unwrap();
        let _ = held.recv();
    });
    has_begun.recv().unwrap();
    let has_ended = second.block_on(second.spawn(async move {
        let mut limit = Box::pin(Sleep::after(Duration::from_secs(20)));
        poll_fn(|cx| match limit.as_mut().poll(cx) {
            Poll::Ready(()) => Poll::Ready(false),
            Poll::Pending => sleep.as_mut().poll(cx).map(|()| true),
        })
        .await
    }));
    drop(release);
    first.block_on(stuck);
    assert!(has_ended, "it still waits in the wheel of the first runtime");
}

/// Polls `sleep` on a thread of `runtime` that turns no timers, so its entry goes into the wheel of
/// a worker.
fn poll_outside(runtime: &Runtime, mut sleep: Pin<Box<Sleep>>, waker: Waker) -> Pin<Box<Sleep>> {
    let (sleep,) = runtime.block_on(async {
        spawn_blocking(move || {
            assert!(poll(&mut sleep, &waker).is_pending());
            (sleep,)
        })
        .await
    });
    sleep
}

#[test]
fn an_earlier_deadline_from_outside_interrupts_the_park() {
    let runtime = alone();
    // The worker parks until this sleep ends.
    let long = runtime.spawn(Sleep::after(LONG));
    // A worker counts as parked just before it parks. In that case it sees the deadline itself.
    for _ in 0..10 {
        while runtime.metrics().parked_workers == 0 {
            std::thread::yield_now();
        }
        let (count, waker) = counting();
        let sleep = Box::pin(Sleep::after(Duration::from_millis(20)));
        let sleep = poll_outside(&runtime, sleep, waker);
        while count.get() == 0 {
            std::thread::park();
        }
        drop(sleep);
    }
    drop(long);
}

#[test]
fn a_sleep_whose_runtime_ends_is_neither_early_nor_lost() {
    let runtime = alone();
    let start = now();
    let time = Duration::from_millis(100);
    let (count, waker) = counting();
    let mut sleep = poll_outside(&runtime, Box::pin(Sleep::after(time)), waker);
    drop(runtime);
    assert_eq!(count.get(), 1, "the waiter is woken, so that it waits elsewhere");
    let is_pending = poll(&mut sleep, Waker::noop()).is_pending();
    assert!(is_pending || now().saturating_duration_since(start) >= time);
    block_on(sleep);
    assert!(now().saturating_duration_since(start) >= time);
}

/// The queue is empty after each poll, but the driver always has an event, so the worker never
/// parks.
#[test]
fn a_timer_fires_although_sockets_are_always_ready() {
    use std::io::{Read, Write};
    use std::net::TcpStream;

    use reveille_runtime::io::{Interest, Io};

    const EXCHANGES: usize = 20_000;

    async fn read(stream: &Io<TcpStream>) -> usize {
        let reading = stream.io(Interest::Read, |mut stream| stream.read(&mut [0]));
        reading.await.unwrap()
    }
    async fn write(stream: &Io<TcpStream>) {
        stream.io(Interest::Write, |mut stream| stream.write_all(&[7])).await.unwrap();
    }

    let runtime = alone();
    let (near, far) = crate::pair::pair();
    let [near, far] = [near, far].map(|stream| {
        stream.set_nonblocking(true).unwrap();
        Io::new(stream)
    });
    let is_over = Arc::new(AtomicBool::new(false));
    drop(runtime.spawn(async move {
        while read(&far).await > 0 {
            write(&far).await;
        }
    }));
    let has_fired = Arc::clone(&is_over);
    drop(runtime.spawn(async move {
        Sleep::after(Duration::from_millis(1)).await;
        has_fired.store(true, Ordering::Relaxed);
    }));
    let exchanges = runtime.block_on(runtime.spawn(async move {
        for count in 0..EXCHANGES {
            if is_over.load(Ordering::Relaxed) {
                return count;
            }
            write(&near).await;
            assert_eq!(read(&near).await, 1);
        }
        EXCHANGES
    }));
    assert!(exchanges < EXCHANGES, "a timer of 1 ms did not fire during {EXCHANGES} exchanges");
}

//! Overload: nothing is lost, and no task waits for an unrelated one. Each test prints its
//! measurements.

use std::future::{Future as _, pending, poll_fn};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::task::{Poll, Waker};
use std::time::Duration;

use reveille::fs::File;
use reveille::net::{TcpListener, TcpStream, UdpSocket};
use reveille::prelude::*;
use reveille::runtime::{Builder, Handle, Runtime};
use reveille::task;
use reveille_tests::measure::{block_thread, descriptors, now, settle, settled, threads};
use reveille_tests::{child, test_name};

#[test]
fn tasks_run_while_the_blocking_pool_is_full() {
    let runtime = Builder::new().workers(2).max_blocking_threads(4).build().unwrap();
    let (release, gate) = mpsc::channel::<()>();
    let gate = Arc::new(Mutex::new(gate));
    let blocking = |_| {
        let gate = Arc::clone(&gate);
        task::spawn_blocking(move || drop(gate.lock().map(|gate| gate.recv())))
    };
    let done = Arc::new(AtomicUsize::new(0));
    let start = now();
    let closures = runtime.block_on(async {
        let closures: Vec<_> = (0..1_000).map(blocking).collect();
        let tasks: Vec<_> = (0..100_000)
            .map(|_| {
                let done = Arc::clone(&done);
                task::spawn(async move {
                    task::yield_now().await;
                    done.fetch_add(1, Ordering::Relaxed);
                })
            })
            .collect();
        for task in tasks {
            task.await;
        }
        closures
    });
    println!("100,000 tasks beside a full blocking pool: {:?}", start.elapsed());
    assert_eq!(done.load(Ordering::Relaxed), 100_000);
    drop(release);
    runtime.block_on(async {
        for closure in closures {
            closure.await;
        }
    });
}

/// The operation that one task of the storm waits for.
#[derive(Default)]
struct Slot {
    waker: Mutex<Option<Waker>>,
    wakes: AtomicU64,
    polls: AtomicU64,
}

impl Slot {
    fn wake(&self) {
        self.wakes.fetch_add(1, Ordering::SeqCst);
        let waker = self.waker.lock().unwrap().clone();
        waker.into_iter().for_each(Waker::wake);
    }

    async fn woken(&self, times: u64) {
        poll_fn(|cx| {
            self.polls.fetch_add(1, Ordering::Relaxed);
            *self.waker.lock().unwrap() = Some(cx.waker().clone());
            match self.wakes.load(Ordering::SeqCst) == times {
                true => Poll::Ready(()),
                false => Poll::Pending,
            }
        })
        .await;
    }
}

#[test]
fn a_wake_storm_from_eight_threads_loses_no_wake() {
    const THREADS: u64 = 8;
    const ROUNDS: u64 = 2_000;
    let runtime = Builder::new().workers(2).build().unwrap();
    let slots: Arc<Vec<Slot>> = Arc::new((0..64).map(|_| Slot::default()).collect());
    let tasks: Vec<_> = (0..slots.len())
        .map(|index| {
            let slots = Arc::clone(&slots);
            runtime.spawn(async move { slots[index].woken(THREADS * ROUNDS).await })
        })
        .collect();
    let start = now();
    std::thread::scope(|scope| {
        for _ in 0..THREADS {
            scope.spawn(|| (0..ROUNDS).for_each(|_| slots.iter().for_each(Slot::wake)));
        }
    });
    for task in tasks {
        runtime.block_on(task);
    }
    let took = start.elapsed();
    let wakes: u64 = slots.iter().map(|slot| slot.wakes.load(Ordering::Relaxed)).sum();
    let polls: u64 = slots.iter().map(|slot| slot.polls.load(Ordering::Relaxed)).sum();
    println!("{wakes} wakes from {THREADS} threads in {took:?}, {polls} polls");
    assert!(polls <= wakes + slots.len() as u64, "a poll has a cause");
}

#[test]
fn dropping_a_million_sleeps_delays_other_tasks_only_briefly() {
    let runtime = Builder::new().workers(2).build().unwrap();
    let worst = Arc::new(AtomicU64::new(0));
    let seen = Arc::clone(&worst);
    let ticks = runtime.spawn(async move {
        loop {
            let start = now();
            task::sleep(Duration::from_millis(5)).await;
            let late = start.elapsed() - Duration::from_millis(5);
            seen.fetch_max(late.as_micros() as u64, Ordering::Relaxed);
        }
    });
    let pend = || async {
        let start = now();
        let mut sleeps = Vec::with_capacity(1_000_000);
        for _ in 0..1_000_000 {
            let mut sleep = Box::pin(task::sleep(Duration::from_secs(3_600)));
            let polled = poll_fn(|cx| Poll::Ready(sleep.as_mut().poll(cx))).await;
            assert!(polled.is_pending());
            sleeps.push(sleep);
        }
        (sleeps, start.elapsed())
    };
    let (made, dropped) = runtime.block_on(runtime.spawn(async move {
        let (sleeps, made) = pend().await;
        let start = now();
        drop(sleeps);
        (made, start.elapsed())
    }));
    println!("1,000,000 sleeps: made in {made:?}, dropped by a worker in {dropped:?}");
    let (sleeps, _) = runtime.block_on(runtime.spawn(async move { pend().await }));
    let start = now();
    drop(sleeps);
    println!("dropped by a thread outside in {:?}", start.elapsed());
    runtime.block_on(runtime.spawn(task::sleep(Duration::from_millis(20))));
    ticks.abort();
    println!("the latest tick of 5 ms meanwhile: {} us", worst.load(Ordering::Relaxed));
    assert_eq!(runtime.block_on(runtime.spawn(async { 1 })), 1);
}

/// A value whose instances are counted by the references that they hold.
type Guard = Arc<()>;

async fn echo(stream: TcpStream, _guard: Guard) {
    let (mut reader, mut writer) = (&stream, &stream);
    let mut buffer = [0; 64];
    while let Ok(count @ 1..) = reader.read(&mut buffer).await {
        if writer.write_all(&buffer[..count]).await.is_err() {
            return;
        }
    }
}

async fn serve(listener: TcpListener, guard: Guard) {
    while let Ok((stream, _)) = listener.accept().await {
        drop(task::spawn(echo(stream, Arc::clone(&guard))));
    }
}

async fn ask(at: std::net::SocketAddr, _guard: Guard) {
    let Ok(mut stream) = TcpStream::connect(at).await else { return };
    let mut buffer = [0; 5];
    while stream.write_all(b"hello").await.is_ok() && stream.read_exact(&mut buffer).await.is_ok() {
    }
}

/// Sockets, timers, files and closures, all busy.
async fn be_busy(guard: &Guard) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let at = listener.local_addr().unwrap();
    drop(task::spawn(serve(listener, Arc::clone(guard))));
    for number in 0..10 {
        let (a, b, c) = (Arc::clone(guard), Arc::clone(guard), Arc::clone(guard));
        drop(task::spawn(ask(at, Arc::clone(guard))));
        drop(task::spawn(async move {
            let _guard = a;
            loop {
                task::sleep(Duration::from_micros(100 * number)).await;
            }
        }));
        drop(task::spawn(async move {
            loop {
                let held = Arc::clone(&b);
                task::spawn_blocking(move || {
                    block_thread(Duration::from_millis(1));
                    drop(held);
                })
                .await;
            }
        }));
        drop(task::spawn(async move {
            let _guard = c;
            let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
            let mut file = File::open("/dev/zero").await.unwrap();
            let mut bytes = [0; 4_096];
            loop {
                file.read_exact(&mut bytes).await.unwrap();
                socket.send_to(&bytes, at).await.unwrap();
            }
        }));
    }
}

fn start() -> Runtime {
    Builder::new().workers(2).max_blocking_threads(4).build().unwrap()
}

#[test]
fn a_runtime_dropped_in_full_use_leaves_nothing() {
    if child::has_run(test_name!()) {
        return;
    }
    drop(start());
    let before = (settled(threads), descriptors());
    let guard = Guard::default();
    let mut slowest = Duration::ZERO;
    for round in 0..30 {
        let runtime = start();
        runtime.block_on(runtime.spawn({
            let guard = Arc::clone(&guard);
            async move { be_busy(&guard).await }
        }));
        // A thread outside the runtime awaits something that never happens.
        let orphan = runtime.spawn(pending::<()>());
        block_thread(Duration::from_millis(round));
        let begin = now();
        drop(runtime);
        slowest = slowest.max(begin.elapsed());
        let error = task::block_on(orphan.result()).unwrap_err();
        assert!(error.is_cancelled());
        assert_eq!(Arc::strong_count(&guard), 1, "every future and closure is dropped");
    }
    // Files and sockets are closed by then; threads of other tests end a moment later.
    let left = (settle(before.0, threads), descriptors());
    println!("30 runtimes dropped in full use, the slowest in {slowest:?}; left: {left:?}");
    assert_eq!(left, before);
}

/// Whether the runtime of `handle` has begun to end. Then it drops the future of a spawn from
/// outside at once.
fn is_ending(handle: &Handle) -> bool {
    let held = Guard::default();
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let held = Arc::clone(&held);
            let task = handle.spawn(async move {
                pending::<()>().await;
                drop(held);
            });
            task.abort();
        });
    });
    // The worker is in the poll that calls this, so only the end of the runtime can drop the task.
    Arc::strong_count(&held) == 1
}

#[test]
fn a_file_opened_while_the_runtime_ends_is_opened_and_starts_no_other_runtime() {
    if child::has_run(test_name!()) {
        return;
    }
    drop(start());
    let before = (settled(threads), descriptors());
    let runtime = Builder::new().workers(1).build().unwrap();
    let handle = runtime.handle();
    let (begin, begun) = mpsc::channel();
    let (send, opened) = mpsc::channel();
    let task = runtime.spawn(async move {
        begin.send(()).unwrap();
        while !is_ending(&handle) {
            block_thread(Duration::from_millis(1));
        }
        // This is the last poll of this task. The runtime does not poll it again.
        let file = pollster::block_on(File::open("/dev/zero"));
        send.send(file.map(drop)).unwrap();
    });
    begun.recv().unwrap();
    drop(runtime);
    opened.recv().unwrap().unwrap();
    drop(task);
    assert_eq!((settle(before.0, threads), descriptors()), before);
}

#[test]
fn a_future_in_block_on_outlives_the_runtime_it_waits_on() {
    let runtime = start();
    let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).unwrap();
    let at = listener.local_addr().unwrap();
    // It registers with a driver of the runtime, which shuts down, and then with that of this
    // thread.
    let (accepted,) = runtime.block_on(runtime.spawn(async move {
        let mut accept = Box::pin(async move { listener.accept().await.map(drop) });
        poll_fn(|cx| Poll::Ready(accept.as_mut().poll(cx).is_pending())).await;
        (accept,)
    }));
    drop(runtime);
    task::block_on(async {
        let mut accepted = accepted;
        assert!(poll_fn(|cx| Poll::Ready(accepted.as_mut().poll(cx))).await.is_pending());
        let (connected, accepted) = TcpStream::connect(at).join(accepted).await;
        assert!(connected.is_ok() && accepted.is_ok());
    });
}

//! A waker is user code. It may block the thread that wakes it, or call `block_on` on it. The pool
//! keeps running in the meantime, and its counts are correct afterwards.

#![expect(clippy::disallowed_methods, reason = "blocks threads on purpose, and sends from others")]

use std::future::{Future, poll_fn};
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::task::{Context, Poll, Wake, Waker};
use std::thread;
use std::time::{Duration, Instant};

use reveille_runtime::io::{Interest, Io};
use reveille_runtime::time::Sleep;
use reveille_runtime::{Builder, Runtime, block_on, spawn, spawn_local};

/// Longer than any step of these tests takes. A test that fails must end too.
const LIMIT: Duration = Duration::from_secs(60);

/// A pair of connected sockets: ours, and the peer's.
fn pair() -> (Io<TcpStream>, TcpStream) {
    let (ours, theirs) = crate::pair::pair();
    ours.set_nonblocking(true).unwrap();
    (Io::new(ours), theirs)
}

async fn read(socket: &Io<TcpStream>) -> usize {
    socket.io(Interest::Read, |mut stream| stream.read(&mut [0; 8])).await.unwrap()
}

/// Runs a whole program in a waker: a socket, a timer, a local task and a task.
struct CallsBlockOn(AtomicUsize);

impl Wake for CallsBlockOn {
    fn wake(self: Arc<Self>) {
        let count = block_on(async {
            let (ours, mut theirs) = pair();
            let local = spawn_local(async move {
                Sleep::after(Duration::from_millis(1)).await;
                theirs.write_all(b"ab").unwrap();
                drop(spawn(async {}));
            });
            let count = read(&ours).await;
            local.await;
            count
        });
        assert_eq!(count, 2);
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

/// Waits for a message when woken. The message is only sent if another thread takes over the
/// worker.
struct Blocks(Mutex<mpsc::Receiver<()>>, AtomicUsize);

impl Wake for Blocks {
    fn wake(self: Arc<Self>) {
        let answer = self.0.lock().unwrap();
        // A message that is sent while this thread waits.
        while answer.try_recv().is_ok() {}
        if answer.recv_timeout(LIMIT).is_ok() {
            self.1.fetch_add(1, Ordering::SeqCst);
        }
    }
}

/// Polls `future` once with `waker`.
async fn poll_once(future: &mut Pin<Box<impl Future + ?Sized>>, waker: &Waker) {
    poll_fn(|_| {
        assert!(future.as_mut().poll(&mut Context::from_waker(waker)).is_pending());
        Poll::Ready(())
    })
    .await;
}

/// Makes a socket and a timer wake `waker`, and waits until `woken` has counted both. The task
/// awaits neither of them.
async fn let_both_wake(waker: Waker, woken: impl Fn() -> usize) {
    let before = woken();
    let (ours, mut theirs) = pair();
    let mut reads = Box::pin(read(&ours));
    poll_once(&mut reads, &waker).await;
    let mut sleep = Box::pin(Sleep::after(Duration::from_millis(1)));
    poll_once(&mut sleep, &waker).await;
    let writes = thread::spawn(move || {
        thread::sleep(Duration::from_millis(2));
        theirs.write_all(b"x").unwrap();
        theirs
    });
    while woken() < before + 2 {
        Sleep::after(Duration::from_millis(1)).await;
    }
    drop(writes.join().unwrap());
}

/// Waits until `counter` has reached `wanted`: a waker may still run after another thread has taken
/// over its worker.
#[track_caller]
fn settle(counter: &AtomicUsize, wanted: usize) {
    let start = Instant::now();
    while counter.load(Ordering::SeqCst) != wanted {
        assert!(
            start.elapsed() < LIMIT,
            "woken {} of {wanted} times",
            counter.load(Ordering::SeqCst)
        );
        thread::sleep(Duration::from_millis(1));
    }
}

/// Asserts that all workers park and none searches when there is nothing to do, and that a task
/// from outside runs.
#[track_caller]
fn assert_idle_and_working(runtime: &Runtime, workers: usize) {
    let start = Instant::now();
    loop {
        let metrics = runtime.metrics();
        if (metrics.searching_workers, metrics.parked_workers) == (0, workers) {
            break;
        }
        assert!(start.elapsed() < LIMIT, "{metrics:?}");
        thread::sleep(Duration::from_millis(1));
    }
    assert_eq!(runtime.block_on(runtime.spawn(async { 7 })), 7);
}

#[test]
fn a_waker_that_calls_block_on_leaves_the_counts_of_the_pool_correct() {
    for (workers, spare) in [(1, 4), (2, 4), (2, 0)] {
        let builder = Builder::new().workers(workers).max_spare_threads(spare);
        let runtime = builder.build().unwrap();
        for _ in 0..20 {
            let waker = Arc::new(CallsBlockOn(AtomicUsize::new(0)));
            let counted = Arc::clone(&waker);
            let both = let_both_wake(Waker::from(Arc::clone(&waker)), move || {
                counted.0.load(Ordering::SeqCst)
            });
            let both = runtime.spawn(both);
            settle(&waker.0, 2);
            runtime.block_on(both);
            assert_idle_and_working(&runtime, workers);
        }
    }
}

#[test]
fn a_waker_may_call_block_on_on_a_thread_in_block_on() {
    let waker = Arc::new(CallsBlockOn(AtomicUsize::new(0)));
    for _ in 0..5 {
        let woken = || waker.0.load(Ordering::SeqCst);
        block_on(let_both_wake(Waker::from(Arc::clone(&waker)), woken));
    }
    assert_eq!(waker.0.load(Ordering::SeqCst), 10);
}

#[test]
fn a_worker_that_is_blocked_by_a_waker_is_taken_over() {
    let runtime = Builder::new().workers(1).build().unwrap();
    let (answers, answer) = mpsc::channel();
    let waker = Arc::new(Blocks(Mutex::new(answer), AtomicUsize::new(0)));
    let counted = Arc::clone(&waker);
    let done = runtime.spawn(let_both_wake(Waker::from(Arc::clone(&waker)), move || {
        counted.1.load(Ordering::SeqCst)
    }));
    let answering = runtime.spawn(async move {
        loop {
            // Sent by a task on the only worker, which a waker is blocking.
            Sleep::after(Duration::from_millis(1)).await;
            answers.send(()).unwrap();
        }
    });
    settle(&waker.1, 2);
    runtime.block_on(done);
    runtime.block_on(answering.cancel());
    assert!(runtime.metrics().takeovers >= 1);
    assert_idle_and_working(&runtime, 1);
}

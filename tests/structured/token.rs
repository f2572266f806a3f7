//! `task::CancellationToken`: what it cancels, and that its tree neither grows nor overflows.

use std::future::{Future, pending};
use std::pin::pin;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::task::{Context, Poll, Wake, Waker};
use std::thread::{self, ThreadId};
use std::time::Duration;

use reveille::io::{self, prelude::*};
use reveille::net::{TcpListener, TcpStream, UdpSocket};
use reveille::runtime;
use reveille::task::{self, CancellationToken, Cancelled};

const LONG: Duration = Duration::from_secs(3600);

/// Counts its drops.
struct Counted(Arc<AtomicUsize>);

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

/// Runs the body in `block_on` on this thread, as a local task, and as a task of the pool.
fn everywhere<F>(body: impl Fn() -> F)
where
    F: Future<Output = ()> + Send + 'static,
{
    task::block_on(body());
    task::block_on(async { task::spawn_local(body()).await });
    task::block_on(task::spawn(body()));
}

#[test]
fn a_cancelled_token_ends_a_sleep_and_drops_what_slept() {
    everywhere(|| async {
        let drops = Arc::new(AtomicUsize::new(0));
        let token = CancellationToken::new();
        let sleeper = task::spawn({
            let (token, counted) = (token.clone(), Counted(Arc::clone(&drops)));
            let drops = Arc::clone(&drops);
            async move {
                let mut run = pin!(token.run(async move {
                    let _counted = counted;
                    task::sleep(LONG).await;
                }));
                let error = run.as_mut().await.unwrap_err();
                // `run` itself still exists, and the future that it ran is dropped.
                assert_eq!(drops.load(Ordering::SeqCst), 1);
                error
            }
        });
        task::yield_now().await;
        token.cancel();
        assert!(!sleeper.await.is_timeout());
    });
}

#[test]
fn a_deadline_ends_what_runs_under_a_child_of_a_child() {
    everywhere(|| async {
        let token = CancellationToken::new().with_timeout(Duration::from_millis(3));
        let child = token.child().with_timeout(LONG);
        assert_eq!(child.deadline(), token.deadline());
        let error = child.run(pending::<()>()).await.unwrap_err();
        assert!(error.is_timeout());
        assert!(child.is_cancelled() && token.is_cancelled());
        // A call that comes later does not change the reason.
        token.cancel();
        assert!(token.check().unwrap_err().is_timeout());
    });
}

#[test]
fn reads_and_accepts_end_with_an_error_that_says_why() {
    everywhere(|| async {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let mut client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let (_server, _) = listener.accept().await.unwrap();
        let short = CancellationToken::new().with_timeout(Duration::from_millis(2));

        let error = short.try_run(client.read(&mut [0; 8])).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
        assert_eq!(error.to_string(), "cancelled by its token: the deadline has passed");
        let error = short.try_run(listener.accept()).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);

        let token = CancellationToken::new();
        let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let waiter = task::spawn({
            let token = token.clone();
            async move { token.try_run(socket.recv(&mut [0; 8])).await.unwrap_err() }
        });
        task::yield_now().await;
        token.cancel();
        let error = waiter.await;
        assert_eq!(error.kind(), io::ErrorKind::Other);
        assert!(error.get_ref().unwrap().is::<Cancelled>());
    });
}

#[test]
fn nothing_is_begun_under_a_cancelled_token() {
    everywhere(|| async {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let token = CancellationToken::new();
        token.cancel();
        let connect = token.try_run(TcpStream::connect(listener.local_addr().unwrap()));
        assert!(connect.await.is_err());
        let was_polled = token.run(async { panic!("was polled") }).await;
        assert!(was_polled.is_err());
    });
}

#[test]
fn a_blocking_handle_returns_at_once_and_the_result_is_dropped_on_the_pool() {
    struct SendThreadIdOnDrop(mpsc::Sender<ThreadId>);
    impl Drop for SendThreadIdOnDrop {
        fn drop(&mut self) {
            self.0.send(thread::current().id()).unwrap();
        }
    }
    let (release, released) = mpsc::channel::<()>();
    let (on_drop, dropped) = mpsc::channel();
    let (on_start, started) = mpsc::channel();
    let token = CancellationToken::new();
    let result = token.spawn_blocking(move |token| {
        on_start.send(thread::current().id()).unwrap();
        released.recv().unwrap();
        assert!(token.is_cancelled());
        SendThreadIdOnDrop(on_drop)
    });
    let worker = started.recv().unwrap();
    token.cancel();
    // The closure is still blocked: the awaiter does not wait for it.
    assert!(task::block_on(result).is_err());
    release.send(()).unwrap();
    assert_eq!(dropped.recv().unwrap(), worker);
}

#[test]
fn a_closure_that_has_not_started_never_does() {
    let runtime = runtime::Builder::new().workers(1).max_blocking_threads(1).build().unwrap();
    let has_run = Arc::new(AtomicBool::new(false));
    let (release, released) = mpsc::channel::<()>();
    runtime.block_on(async {
        let first = task::spawn_blocking(move || released.recv().unwrap());
        let token = CancellationToken::new();
        let queued = token.spawn_blocking({
            let has_run = Arc::clone(&has_run);
            move |_| has_run.store(true, Ordering::SeqCst)
        });
        token.cancel();
        assert!(queued.await.is_err());
        release.send(()).unwrap();
        first.await;
        // This closure is queued behind the cancelled one, on one thread.
        task::spawn_blocking(|| ()).await;
    });
    assert!(!has_run.load(Ordering::SeqCst));
}

#[test]
fn a_result_that_exists_is_returned_even_after_the_cancel() {
    let runtime = runtime::Builder::new().workers(1).max_blocking_threads(1).build().unwrap();
    runtime.block_on(async {
        let token = CancellationToken::new();
        let result = token.spawn_blocking(|_| 7);
        // There is one thread, so this runs after the first closure has ended.
        task::spawn_blocking(|| ()).await;
        token.cancel();
        assert_eq!(result.await, Ok(7));
    });
}

#[test]
fn a_panic_of_the_closure_arrives_at_the_await() {
    let token = CancellationToken::new();
    let panics = token.spawn_blocking(|_| -> u8 { std::panic::resume_unwind(Box::new(5_u8)) });
    let caught = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        let _ = task::block_on(panics);
    }));
    assert_eq!(*caught.unwrap_err().downcast::<u8>().unwrap(), 5);
}

#[test]
fn a_dropped_blocking_handle_cancels_the_token_of_its_closure() {
    let (on_cancel, cancelled) = mpsc::channel();
    let result = CancellationToken::new().spawn_blocking(move |token| {
        task::block_on(token.cancelled());
        on_cancel.send(()).unwrap();
    });
    drop(result);
    cancelled.recv().unwrap();
}

#[test]
fn a_chain_of_100_000_is_cancelled_and_dropped_on_a_small_stack() {
    let body = || {
        for is_cancelled in [true, false] {
            let root = CancellationToken::new();
            let mut leaf = root.clone();
            for _ in 0..100_000 {
                leaf = leaf.child();
            }
            if is_cancelled {
                root.cancel();
            }
            assert_eq!(leaf.is_cancelled(), is_cancelled);
            drop(root);
            drop(leaf);
        }
    };
    thread::Builder::new().stack_size(64 * 1024).spawn(body).unwrap().join().unwrap();
}

#[test]
fn one_cancel_wakes_100_000_waiting_futures_of_100_000_children() {
    task::block_on(async {
        let root = CancellationToken::new();
        let waiters: Vec<_> = (0..100_000).map(|_| task::spawn(root.child().cancelled())).collect();
        task::yield_now().await;
        root.cancel();
        for waiter in waiters {
            assert!(!waiter.await.is_timeout());
        }
    });
}

#[test]
fn the_guard_cancels_on_drop_unless_it_is_disarmed() {
    let token = CancellationToken::new();
    let token = token.drop_guard().disarm();
    assert!(!token.is_cancelled());
    let result = std::panic::catch_unwind({
        let guard = std::panic::AssertUnwindSafe(token.clone().drop_guard());
        move || {
            let _guard = guard;
            std::panic::resume_unwind(Box::new(()))
        }
    });
    assert!(result.is_err() && token.is_cancelled());
}

/// A waker that uses the token when it is woken, dropped or cloned.
struct Busybody {
    token: CancellationToken,
    woken: Arc<Mutex<Vec<&'static str>>>,
    panics: bool,
}

impl Wake for Busybody {
    fn wake(self: Arc<Self>) {
        let child = self.token.child();
        assert!(child.is_cancelled());
        self.woken.lock().unwrap().push("busybody");
        if self.panics {
            std::panic::resume_unwind(Box::new("the waker"));
        }
    }
}

impl Drop for Busybody {
    fn drop(&mut self) {
        drop(self.token.child());
    }
}

#[test]
fn wakers_may_use_the_token_and_panic_and_the_others_are_woken() {
    let token = CancellationToken::new();
    let woken = Arc::default();
    let mut waiting: Vec<_> = (0..10).map(|_| Box::pin(token.cancelled())).collect();
    for (n, future) in waiting.iter_mut().enumerate() {
        let busybody =
            Busybody { token: token.clone(), woken: Arc::clone(&woken), panics: n % 3 == 0 };
        let waker = Waker::from(Arc::new(busybody));
        assert!(future.as_mut().poll(&mut Context::from_waker(&waker)).is_pending());
        // Another waker replaces the first, which is dropped.
        let again =
            Busybody { token: token.clone(), woken: Arc::clone(&woken), panics: n % 3 == 0 };
        let waker = Waker::from(Arc::new(again));
        assert!(future.as_mut().poll(&mut Context::from_waker(&waker)).is_pending());
    }
    token.cancel();
    assert_eq!(woken.lock().unwrap().len(), 10);
    for future in &mut waiting {
        let polled = future.as_mut().poll(&mut Context::from_waker(Waker::noop()));
        assert!(matches!(polled, Poll::Ready(_)));
    }
}

/// Makes tokens below `root`, waits for a moment, and drops them.
fn come_and_go(root: &CancellationToken) {
    for _ in 0..50 {
        let token = root.child().child();
        let mut waiting = pin!(token.cancelled());
        if waiting.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_ready() {
            assert!(token.is_cancelled() && root.is_cancelled());
        }
    }
}

#[test]
fn threads_that_make_wait_and_drop_race_with_the_cancel() {
    for _ in 0..50 {
        let root = CancellationToken::new();
        thread::scope(|scope| {
            for _ in 0..3 {
                scope.spawn(|| come_and_go(&root));
            }
            scope.spawn(|| root.cancel());
        });
        assert!(root.child().is_cancelled());
    }
}

//! Tests of the pool with threads of the operating system.

use std::sync::atomic::AtomicBool;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::task::{Wake, Waker};

use super::*;
use crate::threads::{Thread, ThreadSpec, system_spawner};
use crate::timer::clock::system_clock;

struct Unpark(thread::Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

fn block_on<F: Future>(future: F) -> F::Output {
    let mut future = std::pin::pin!(future);
    let waker = Waker::from(Arc::new(Unpark(thread::current())));
    loop {
        if let Poll::Ready(output) = future.as_mut().poll(&mut Context::from_waker(&waker)) {
            return output;
        }
        thread::park();
    }
}

fn pool(config: PoolConfig) -> Pool {
    Pool::new(config, system_spawner(), None)
}

/// A closure that signals that it has started and then waits for a signal to continue.
fn blocker() -> (impl FnOnce() + Send, Receiver<()>, Sender<()>) {
    let (started, has_started) = channel();
    let (go_on, may_go_on) = channel();
    let closure = move || {
        started.send(()).expect("the test waits");
        may_go_on.recv().expect("the test sends the signal");
    };
    (closure, has_started, go_on)
}

fn panic_text(handle: JoinHandle<()>) -> String {
    let error = block_on(handle.result()).expect_err("the task has no output");
    error.to_string()
}

#[test]
fn closures_start_in_the_order_in_which_they_were_queued() {
    let pool = pool(PoolConfig { max_threads: 1, ..PoolConfig::default() });
    let (sender, receiver) = channel();
    for index in 0..1_000 {
        let sender = sender.clone();
        drop(pool.spawn(move || sender.send(index), Options::default()));
    }
    drop(sender);
    assert!(receiver.iter().eq(0..1_000));
    assert_eq!(pool.metrics().threads, 1);
}

#[test]
fn every_output_reaches_its_handle() {
    let pool = pool(PoolConfig::default());
    let handles: Vec<_> =
        (0..500).map(|index| pool.spawn(move || index * 2, Options::default())).collect();
    for (index, handle) in handles.into_iter().enumerate() {
        assert_eq!(block_on(handle), index * 2);
    }
    assert_eq!((pool.metrics().started, pool.metrics().queued), (500, 0));
}

#[test]
fn the_pool_grows_if_closures_wait_for_later_ones() {
    const COUNT: usize = 40;
    let pool = pool(PoolConfig { max_threads: COUNT, ..PoolConfig::default() });
    let barrier = Arc::new(std::sync::Barrier::new(COUNT));
    let handles: Vec<_> = (0..COUNT)
        .map(|_| {
            let barrier = Arc::clone(&barrier);
            pool.spawn(move || barrier.wait().is_leader(), Options::default())
        })
        .collect();
    assert_eq!(handles.into_iter().map(block_on).filter(|&is_leader| is_leader).count(), 1);
    assert_eq!(pool.metrics().threads, COUNT);
}

#[test]
fn a_full_pool_queues_closures_and_runs_them_later() {
    let pool = pool(PoolConfig { max_threads: 2, ..PoolConfig::default() });
    let (first, first_started, first_go) = blocker();
    let (second, second_started, second_go) = blocker();
    let _blocked = [first, second].map(|closure| pool.spawn(closure, Options::default()));
    first_started.recv().expect("it starts");
    second_started.recv().expect("it starts");
    let queued: Vec<_> = (0..100).map(|n| pool.spawn(move || n, Options::default())).collect();
    assert_eq!(pool.metrics().queued, 100);
    first_go.send(()).expect("it waits");
    assert!(queued.into_iter().map(block_on).eq(0..100));
    assert_eq!(pool.metrics().threads, 2);
    second_go.send(()).expect("it waits");
}

#[test]
fn a_panic_resumes_at_the_await_and_the_thread_continues() {
    let pool = pool(PoolConfig { max_threads: 1, ..PoolConfig::default() });
    let handle = pool.spawn(|| panic!("as expected"), Options::default());
    assert_eq!(panic_text(handle), "the task panicked: as expected");
    assert_eq!(block_on(pool.spawn(|| 7, Options::default())), 7);
    assert_eq!(pool.metrics().threads, 1);
}

#[test]
fn a_closure_cancelled_before_it_starts_never_runs() {
    let pool = pool(PoolConfig { max_threads: 1, ..PoolConfig::default() });
    let (blocking, started, go_on) = blocker();
    let blocked = pool.spawn(blocking, Options::default());
    started.recv().expect("it starts");
    let has_run = Arc::new(AtomicBool::new(false));
    let flag = Arc::clone(&has_run);
    let handle = pool.spawn(move || flag.store(true, Ordering::Relaxed), Options::default());
    handle.abort();
    go_on.send(()).expect("it waits");
    block_on(blocked);
    assert!(block_on(handle.cancel()).is_none());
    assert!(!has_run.load(Ordering::Relaxed));
}

#[test]
fn idle_threads_end_after_the_keep_alive() {
    let (stopped, has_stopped) = channel();
    let on_stop: pool::Hook = Arc::new(move || stopped.send(()).expect("the test waits"));
    let config = PoolConfig {
        keep_alive: Duration::from_millis(1),
        on_stop: Some(on_stop),
        ..PoolConfig::default()
    };
    let pool = pool(config);
    for _ in 0..3 {
        block_on(pool.spawn(|| (), Options::default()));
        has_stopped.recv().expect("the thread leaves");
        assert_eq!(
            pool.metrics(),
            PoolMetrics { started: pool.metrics().started, ..PoolMetrics::default() }
        );
    }
}

#[test]
fn shutdown_drops_queued_closures_and_waits_for_running_ones() {
    let pool = pool(PoolConfig { max_threads: 1, ..PoolConfig::default() });
    let (blocking, started, go_on) = blocker();
    let blocked = pool.spawn(blocking, Options::default());
    started.recv().expect("it starts");
    let queued = pool.spawn(|| (), Options::default());
    assert_eq!(pool.shutdown(Some(system_clock().now())), 1);
    assert_eq!(panic_text(queued), "the task was cancelled");
    let late = pool.spawn(|| (), Options::default());
    assert_eq!(panic_text(late), "the task was cancelled");
    go_on.send(()).expect("it waits");
    assert_eq!(pool.shutdown(None), 0);
    assert_eq!(pool.metrics().threads, 0);
    block_on(blocked);
}

#[test]
fn shutdown_joins_a_thread_that_left_before_its_handle_was_stored() {
    let (joined, over) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicBool::new(false)));
    let (left, has_left) = channel();
    let (hold, may_go_on) = channel::<()>();
    let hold_back = std::sync::Mutex::new((has_left, may_go_on));
    let (system, is_joined) = (system_spawner(), Arc::clone(&joined));
    let spawner: Spawner = Arc::new(move |spec: ThreadSpec| {
        let (left, body) = (left.clone(), spec.body);
        let body = Box::new(move || {
            body();
            left.send(()).expect("the spawner waits");
        });
        let thread = system(ThreadSpec { body, ..spec })?;
        let held = hold_back.lock().expect("no thread panicked");
        held.0.recv().expect("the thread leaves");
        held.1.recv().expect("the test sends the signal");
        let is_joined = Arc::clone(&is_joined);
        Ok(Thread::new(move || {
            thread.join();
            is_joined.store(true, Ordering::Relaxed);
        }))
    });
    let config = PoolConfig { keep_alive: Duration::ZERO, ..PoolConfig::default() };
    let pool = Pool::new(config, spawner, None);
    thread::scope(|scope| {
        scope.spawn(|| block_on(pool.spawn(|| (), Options::default())));
        while pool.metrics() != (PoolMetrics { started: 1, ..PoolMetrics::default() }) {
            thread::yield_now();
        }
        let shutdown = scope.spawn(|| {
            pool.shutdown(None);
            over.store(true, Ordering::Relaxed);
            joined.load(Ordering::Relaxed)
        });
        // The shutdown waits for the handle, unless it has forgotten the thread.
        let steps = (0..10_000).take_while(|_| !over.load(Ordering::Relaxed));
        steps.for_each(|_| thread::yield_now());
        hold.send(()).expect("the spawner waits");
        assert!(shutdown.join().expect("no panic"));
    });
}

#[test]
fn one_of_its_closures_may_drop_a_pool() {
    let pool = Arc::new(pool(PoolConfig::default()));
    let (dropped, has_dropped) = channel();
    let (go_on, may_go_on) = channel::<()>();
    let held = Arc::clone(&pool);
    let handle = pool.spawn(
        move || {
            may_go_on.recv().expect("the test sends the signal");
            drop(held);
            dropped.send(()).expect("the test waits");
        },
        Options::default(),
    );
    drop(pool);
    go_on.send(()).expect("it waits");
    has_dropped.recv().expect("the drop returns");
    block_on(handle);
}

#[test]
fn if_no_thread_can_be_started_the_await_panics_with_the_error() {
    let spawner: Spawner = Arc::new(|_: ThreadSpec| Err(io::Error::other("no more threads")));
    let pool = Pool::new(PoolConfig::default(), spawner, None);
    let dropped = Arc::new(());
    let held = Arc::clone(&dropped);
    let handle = pool.spawn(move || drop(held), Options::default());
    assert_eq!(Arc::strong_count(&dropped), 1);
    assert!(panic_text(handle).ends_with("for a closure: no more threads"));
    assert_eq!((pool.metrics().threads, pool.metrics().queued), (0, 0));
    assert_eq!(pool.shutdown(None), 0);
}

#[test]
fn if_only_one_thread_can_be_started_it_runs_all_closures() {
    let system = system_spawner();
    let has_one = AtomicBool::new(false);
    let spawner: Spawner = Arc::new(move |spec: ThreadSpec| {
        if has_one.swap(true, Ordering::Relaxed) {
            return Err(io::Error::other("no more threads"));
        }
        system(spec)
    });
    let pool = Pool::new(PoolConfig::default(), spawner, None);
    let (blocking, started, go_on) = blocker();
    let blocked = pool.spawn(blocking, Options::default());
    started.recv().expect("it starts");
    let queued: Vec<_> = (0..10).map(|n| pool.spawn(move || n, Options::default())).collect();
    assert_eq!((pool.metrics().threads, pool.metrics().queued), (1, 10));
    go_on.send(()).expect("it waits");
    block_on(blocked);
    assert!(queued.into_iter().map(block_on).eq(0..10));
}

//! Bad days of a pool that the system cannot be asked for: a thread that is refused at a chosen
//! moment, and a clock that jumps.

use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;
use std::time::Duration;

use reveille_primitive::lock::assert_none_held;
use reveille_task::{Options, Runnable};

use super::injector::Injector;
use super::queue::{CAPACITY, Queue};
use super::{Scheduler, WorkerPool};
use crate::config::Config;
use crate::runtime::Runtime;
use crate::scheduler::sleep::Sleep;
use crate::threads::{Spawner, ThreadSpec, system_spawner};
use crate::timer::clock::{Clock, VirtualClock};
use crate::yield_now;

fn start(config: Config) -> io::Result<Runtime> {
    WorkerPool::start(config).map(Runtime::new)
}

/// Threads of one runtime: how many were asked for, and how many are alive.
#[derive(Default)]
struct Threads {
    asked: AtomicUsize,
    alive: AtomicUsize,
}

/// Makes threads except those whose number `refuses` names.
fn spawner(
    threads: &Arc<Threads>,
    refuses: impl Fn(usize) -> bool + Send + Sync + 'static,
) -> Spawner {
    let (system, threads) = (system_spawner(), Arc::clone(threads));
    Arc::new(move |spec: ThreadSpec| {
        assert_none_held("the start of a thread");
        if refuses(threads.asked.fetch_add(1, Ordering::SeqCst)) {
            return Err(io::Error::other("no more threads"));
        }
        threads.alive.fetch_add(1, Ordering::SeqCst);
        let (threads, body) = (Arc::clone(&threads), spec.body);
        let body = Box::new(move || {
            body();
            threads.alive.fetch_sub(1, Ordering::SeqCst);
        });
        system(ThreadSpec { body, ..spec })
    })
}

#[test]
fn whichever_thread_is_refused_the_start_fails_and_leaves_none() {
    // Three workers and the monitor.
    for refused in 0..4 {
        let threads = Arc::default();
        let spawner = spawner(&threads, move |number| number == refused);
        let error = start(Config { workers: 3, spawner, ..Config::default() }).err();
        assert!(error.expect("a thread is missing").to_string().contains("no more threads"));
        assert_eq!(threads.asked.load(Ordering::SeqCst), refused + 1);
        assert_eq!(threads.alive.load(Ordering::SeqCst), 0);
    }
}

#[test]
fn a_spare_thread_that_is_refused_is_asked_for_again() {
    let threads = Arc::default();
    // One worker and the monitor; the next two are refused.
    let spawner = spawner(&threads, |number| number == 2 || number == 3);
    let runtime = start(Config { workers: 1, spawner, ..Config::default() }).unwrap();
    let (starts, has_started) = mpsc::channel();
    let (go_on, waits) = mpsc::channel();
    let blocked = runtime.spawn(async move {
        starts.send(()).unwrap();
        waits.recv().unwrap();
    });
    has_started.recv().unwrap();
    runtime.block_on(runtime.spawn(async move { go_on.send(()).unwrap() }));
    runtime.block_on(blocked);
    assert_eq!(threads.asked.load(Ordering::SeqCst), 5);
    drop(runtime);
    assert_eq!(threads.alive.load(Ordering::SeqCst), 0);
}

#[test]
fn a_task_spawned_while_every_further_thread_is_refused_runs() {
    let threads = Arc::default();
    let spawner = spawner(&threads, |number| number >= 2);
    let runtime = start(Config { workers: 1, spawner, ..Config::default() }).unwrap();
    let closure = runtime.block_on(runtime.spawn(async {
        let closure = crate::spawn_blocking(|| 1);
        closure.result().await.map_err(|error| error.to_string())
    }));
    let text = "the blocking pool could not start a thread for a closure: no more threads";
    assert_eq!(closure, Err(format!("the task panicked: {text}")));
    assert_eq!(runtime.block_on(runtime.spawn(async { 2 })), 2);
    drop(runtime);
    assert_eq!(threads.alive.load(Ordering::SeqCst), 0);
}

/// A task that no registry knows.
pub(super) fn task(shared: &'static WorkerPool) -> Runnable {
    let scheduler = Scheduler(&shared.remote_scheduler);
    let (task, handle) = reveille_task::spawn(async {}, scheduler, Options::default());
    drop(handle);
    task
}

/// A runtime of one worker whose clock stands until it is set.
fn with_virtual_clock() -> (Runtime, Arc<VirtualClock>) {
    let (clock, hands) = Clock::virtual_at_origin();
    let config = Config { workers: 1, max_spare_threads: 0, clock, ..Config::default() };
    (start(config).unwrap(), hands)
}

/// Makes the worker look at its clock, which it does when it has nothing to do.
fn look(runtime: &Runtime) {
    for _ in 0..3 {
        runtime.block_on(runtime.spawn(yield_now()));
    }
}

#[test]
fn a_clock_that_jumps_forward_ends_the_sleeps_it_passed_and_no_other() {
    let (runtime, hands) = with_virtual_clock();
    let sleep = |hours: u64| {
        runtime.spawn(async move {
            Sleep::after(Duration::from_secs(3_600 * hours)).await;
        })
    };
    let sleeps: Vec<_> = [1, 2, 24 * 365 * 100].map(sleep).into_iter().collect();
    look(&runtime);
    hands.advance(Duration::from_secs(3_599));
    look(&runtime);
    assert!(sleeps.iter().all(|sleep| !sleep.is_finished()));
    hands.advance(Duration::from_secs(3_602));
    while !sleeps[0].is_finished() || !sleeps[1].is_finished() {
        look(&runtime);
    }
    assert!(!sleeps[2].is_finished());
    hands.advance(Duration::MAX);
    while !sleeps[2].is_finished() {
        look(&runtime);
    }
    println!("jumps of 3,602 s and of {:?}: 3 sleeps, none early, none lost", Duration::MAX);
}

#[test]
fn a_clock_that_jumps_back_ends_no_sleep_early_and_stops_nobody() {
    let (runtime, hands) = with_virtual_clock();
    hands.set_ns(10_000_000_000);
    let before = runtime.spawn(async { Sleep::after(Duration::from_millis(100)).await });
    look(&runtime);
    hands.jump_back_to_ns(5_000_000_000);
    look(&runtime);
    let after = runtime.spawn(async { Sleep::after(Duration::from_millis(100)).await });
    look(&runtime);
    assert!(!before.is_finished() && !after.is_finished());
    hands.set_ns(5_100_000_000);
    while !after.is_finished() {
        look(&runtime);
    }
    hands.set_ns(10_099_999_999);
    look(&runtime);
    assert!(!before.is_finished());
    hands.set_ns(10_100_000_000);
    while !before.is_finished() {
        look(&runtime);
    }
    println!("a jump back of 5 s: 2 sleeps of 100 ms, none early by the clock of their deadline");
}

#[test]
fn a_queue_whose_indices_wrap_loses_and_doubles_nothing() {
    let config = Config { workers: 1, ..Config::default() };
    let incarnation = WorkerPool::start(config).unwrap();
    let shared = incarnation.pool();
    let _runtime = Runtime::new(incarnation);
    let (queue, mut owner) = Queue::starting_at(usize::MAX - 10);
    for _ in 0..3 {
        let mut taken = Vec::new();
        // One more than the ring has room for.
        for task in (0..=CAPACITY).map(|_| task(shared)) {
            queue.push(&mut owner, task);
        }
        assert_eq!((queue.len(), owner.has_backlog()), (CAPACITY, true));
        assert_eq!(queue.steal(&mut taken), CAPACITY / 2);
        taken.extend(std::iter::from_fn(|| queue.pop(&mut owner)));
        assert_eq!(taken.len(), CAPACITY + 1);
        assert!(queue.is_empty() && !owner.has_backlog());
    }
}

/// Three workers have four shards, and three threads keep theirs full.
#[test]
fn what_comes_from_one_thread_is_not_kept_waiting_by_what_others_send() {
    let incarnation = WorkerPool::start(Config { workers: 3, ..Config::default() }).unwrap();
    let shared = incarnation.pool();
    let _runtime = Runtime::new(incarnation);
    let injector = Injector::new(3);
    let late = task(shared);
    let address = late.as_task().addr();
    injector.push(3, late);
    let mut lanes = [0, 1, 2];
    for visit in 0..4 {
        for lane in &mut lanes {
            (0..3).for_each(|shard| injector.push(shard, task(shared)));
            let mut taken = Vec::new();
            injector.take(lane, 3, &mut taken);
            if taken.iter().any(|task| task.as_task().addr() == address) {
                println!("taken at visit {visit}");
                drain(&injector);
                return;
            }
        }
    }
    drain(&injector);
    panic!("twelve visits passed it over");
}

fn drain(injector: &Injector) {
    let (mut lane, mut left) = (0, Vec::new());
    while !injector.is_empty() {
        injector.take(&mut lane, 1, &mut left);
    }
}

#[test]
fn a_thread_that_begins_after_the_shutdown_ends_at_once() {
    let (begin, may_begin) = mpsc::channel::<()>();
    let (ends, end) = mpsc::channel();
    let gate = std::sync::Mutex::new(Some((may_begin, ends)));
    let system = system_spawner();
    let spawner: Spawner = Arc::new(move |spec: ThreadSpec| {
        // The worker is the first.
        let Some((may_begin, ends)) = gate.lock().unwrap().take() else { return system(spec) };
        let ThreadSpec { name, stack_size, body } = spec;
        let body = Box::new(move || {
            may_begin.recv().unwrap();
            ends.send(catch_unwind(AssertUnwindSafe(body)).is_ok()).unwrap();
        });
        system(ThreadSpec { name, stack_size, body })
    });
    let runtime = start(Config { workers: 1, spawner, ..Config::default() }).unwrap();
    assert_eq!(runtime.shutdown(Duration::ZERO).stuck_workers, 1);
    begin.send(()).unwrap();
    assert!(end.recv().unwrap(), "it panicked");
}

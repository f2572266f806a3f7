//! The metrics of a runtime say what it has done and what it does.

#![expect(clippy::disallowed_methods, reason = "measures real time, and blocks workers on purpose")]

use reveille_watchdog as _;

use std::sync::mpsc;
use std::time::{Duration, Instant};

use reveille_runtime::{Builder, Metrics, Runtime, spawn, spawn_blocking};

const LONG: Duration = Duration::from_secs(10_000);

/// Reads the metrics until they are as wanted: workers count on their own.
fn wait_for(runtime: &Runtime, what: &str, is_wanted: impl Fn(&Metrics) -> bool) -> Metrics {
    let begin = Instant::now();
    loop {
        let metrics = runtime.metrics();
        if is_wanted(&metrics) {
            return metrics;
        }
        assert!(begin.elapsed() < Duration::from_secs(100), "not {what}: {metrics:#?}");
        std::thread::yield_now();
    }
}

fn are_all_parked(metrics: &Metrics) -> bool {
    metrics.parked_workers == metrics.workers
}

#[test]
fn spawned_and_live_tasks_are_counted_wherever_they_begin_and_end() {
    let runtime = Builder::new().workers(3).build().unwrap();
    let (go_on, may_go_on) = mpsc::channel::<()>();
    // 20 from this thread, and each spawns 10 on a worker.
    let tasks: Vec<_> = (0..20)
        .map(|_| {
            runtime.spawn(async {
                let inner: Vec<_> = (0..10).map(|_| spawn(std::future::pending::<()>())).collect();
                reveille_runtime::yield_now().await;
                inner
            })
        })
        .collect();
    let mut waiting = Vec::new();
    for task in tasks {
        waiting.extend(runtime.block_on(task));
    }
    let metrics = wait_for(&runtime, "220 spawned, 200 alive", |metrics| {
        are_all_parked(metrics) && (metrics.spawned_tasks, metrics.live_tasks) == (220, 200)
    });
    assert!(metrics.polls >= 220);
    for task in waiting {
        runtime.block_on(task.cancel());
    }
    wait_for(&runtime, "no task", |metrics| metrics.live_tasks == 0);

    // One that completes on a thread that has lost its worker, and one that such a thread spawns.
    let blocks = runtime.spawn(async move {
        may_go_on.recv().unwrap();
        let inner = spawn(async {});
        inner.await;
    });
    wait_for(&runtime, "one task", |metrics| metrics.live_tasks == 1);
    while runtime.metrics().takeovers == 0 {
        runtime.block_on(runtime.spawn(reveille::task::sleep(Duration::from_millis(1))));
    }
    go_on.send(()).unwrap();
    runtime.block_on(blocks);
    wait_for(&runtime, "no task", |metrics| metrics.live_tasks == 0);
}

#[test]
fn a_runtime_that_uses_the_memory_of_another_one_begins_at_zero() {
    for _ in 0..3 {
        let runtime = Builder::new().workers(5).build().unwrap();
        let metrics = runtime.metrics();
        assert_eq!((metrics.spawned_tasks, metrics.live_tasks, metrics.polls), (0, 0, 0));
        runtime.block_on(runtime.spawn(async {}));
    }
}

#[test]
fn the_busy_time_contains_polls_and_does_not_grow_while_the_workers_are_parked() {
    let runtime = Builder::new().workers(2).build().unwrap();
    const SPIN: Duration = Duration::from_millis(30);
    let spins = || async {
        let begin = Instant::now();
        while begin.elapsed() < SPIN {
            std::hint::spin_loop();
        }
    };
    let before = runtime.metrics().busy_time;
    runtime.block_on(runtime.spawn(spins()));
    let grown = runtime.metrics().busy_time - before;
    // The clocks of the two may differ by a microsecond.
    assert!(grown > SPIN - Duration::from_millis(1), "{grown:?}");
    // A worker counts as parked before it notes when its busy time ended, and other programs may
    // run in between.
    let is_constant = |_: u32| {
        let parked = wait_for(&runtime, "parked", are_all_parked);
        std::thread::sleep(Duration::from_millis(20));
        let later = runtime.metrics();
        are_all_parked(&later) && later.busy_time == parked.busy_time
    };
    assert!((0..50).any(is_constant), "{:?}", runtime.metrics());
}

#[test]
fn timers_and_sources_are_counted_while_they_wait() {
    let runtime = Builder::new().workers(1).build().unwrap();
    let idle = runtime.metrics();
    let sleeps: Vec<_> = (0..7).map(|_| runtime.spawn(reveille::task::sleep(LONG))).collect();
    wait_for(&runtime, "7 timers", |metrics| metrics.pending_timers == 7);
    for sleep in sleeps {
        runtime.block_on(sleep.cancel());
    }
    wait_for(&runtime, "no timers", |metrics| metrics.pending_timers == 0);

    let listener = reveille::net::TcpListener::bind("127.0.0.1:0");
    let listener = runtime.block_on(listener).unwrap();
    let address = listener.local_addr().unwrap();
    let accepts = runtime.spawn(async move { listener.accept().await.map(drop) });
    // Once the worker is parked, the event that ends the wait is still to come.
    let waits = |metrics: &Metrics| metrics.sources == idle.sources + 1 && are_all_parked(metrics);
    let before = wait_for(&runtime, "one source more, and a parked worker", waits);
    drop(std::net::TcpStream::connect(address).unwrap());
    runtime.block_on(accepts).unwrap();
    let after = wait_for(&runtime, "no source more", |metrics| metrics.sources == idle.sources);
    assert!(after.source_events > before.source_events);
    assert!(after.driver_turns > idle.driver_turns);
}

#[test]
fn blocking_closures_are_counted_while_they_wait_and_run() {
    let runtime = Builder::new().max_blocking_threads(1).build().unwrap();
    let (go_on, may_go_on) = mpsc::channel::<()>();
    let tasks = runtime.block_on(async move {
        let first = spawn_blocking(move || may_go_on.recv().unwrap());
        [first, spawn_blocking(|| ()), spawn_blocking(|| ())]
    });
    let metrics = wait_for(&runtime, "one runs", |metrics| metrics.running_closures == 1);
    assert_eq!((metrics.queued_closures, metrics.started_closures), (2, 1));
    assert_eq!((metrics.blocking_threads, metrics.idle_blocking_threads), (1, 0));
    go_on.send(()).unwrap();
    for task in tasks {
        runtime.block_on(task);
    }
    let metrics = wait_for(&runtime, "none runs", |metrics| metrics.idle_blocking_threads == 1);
    assert_eq!((metrics.queued_closures, metrics.started_closures), (0, 3));
}

//! Each lint fires for a program that has the bug, and not for one that has not.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::time::Duration;

use reveille::observe::LintKind;
use reveille::runtime::{Builder, Runtime};
use reveille::task;

use crate::programs::{child, is_child};

/// The lints that fired in this file: what, and the line.
#[derive(Clone, Default)]
struct Told(Arc<Mutex<Vec<(LintKind, u32)>>>);

impl Told {
    fn runtime(&self, builder: Builder) -> Runtime {
        let told = Arc::clone(&self.0);
        let hook = move |lint: &reveille::observe::Lint| {
            let line = lint.place.filter(|place| place.file() == file!());
            told.lock().unwrap().push((lint.kind, line.map_or(0, |place| place.line())));
        };
        builder.on_lint(hook).build().unwrap()
    }

    fn count(&self, kind: LintKind, line: u32) -> usize {
        let told = self.0.lock().unwrap();
        told.iter().filter(|&&lint| lint == (kind, line)).count()
    }

    fn wait(&self, kind: LintKind, line: u32) {
        while self.count(kind, line) == 0 {
            std::thread::yield_now();
        }
    }
}

#[test]
fn a_poll_that_lasts_is_reported_once_for_its_place() {
    let told = Told::default();
    let runtime = told.runtime(Builder::new().workers(1));
    let mut line = 0;
    for _ in 0..2 {
        let is_over = Arc::new(AtomicBool::new(false));
        let theirs = Arc::clone(&is_over);
        line = line!() + 1;
        let long = runtime.spawn(async move {
            while !theirs.load(Ordering::SeqCst) {
                std::thread::yield_now();
            }
        });
        told.wait(LintKind::LongPoll, line);
        is_over.store(true, Ordering::SeqCst);
        runtime.block_on(long);
    }
    assert_eq!(told.count(LintKind::LongPoll, line), 1);

    let line = line!() + 1;
    runtime.block_on(runtime.spawn(task::sleep(Duration::from_millis(50))));
    assert_eq!(told.count(LintKind::LongPoll, line), 0);
}

#[test]
fn a_poll_whose_worker_is_taken_over_is_reported() {
    let told = Told::default();
    let runtime = told.runtime(Builder::new().workers(1));
    let (go_on, may_go_on) = mpsc::channel::<()>();
    let line = line!() + 1;
    let blocks = runtime.spawn(async move { may_go_on.recv().unwrap() });
    runtime.block_on(runtime.spawn(async {}));
    told.wait(LintKind::HandedOver, line);
    go_on.send(()).unwrap();
    runtime.block_on(blocks);

    // Nothing waits for the worker, so it stays with its thread.
    let is_alone = told.runtime(Builder::new().workers(1));
    let line = line!() + 1;
    is_alone.block_on(is_alone.spawn(async { std::thread::sleep(Duration::from_millis(40)) }));
    assert_eq!(told.count(LintKind::HandedOver, line), 0);
}

#[test]
fn block_on_that_waits_in_a_task_is_reported() {
    let told = Told::default();
    let runtime = told.runtime(Builder::new());
    let line = line!() + 2;
    let task = runtime.spawn(async {
        task::block_on(task::yield_now());
    });
    let ready = line!() + 2;
    let without_a_wait = runtime.spawn(async {
        task::block_on(async {});
    });
    let outside = line!() + 1;
    task::block_on(async move {
        task.await;
        without_a_wait.await;
    });
    assert_eq!(told.count(LintKind::BlockOnInTask, line), 1);
    assert_eq!(told.count(LintKind::BlockOnInTask, ready), 0);
    assert_eq!(told.count(LintKind::BlockOnInTask, outside), 0);
}

#[test]
fn a_large_task_is_reported_and_a_boxed_one_is_not() {
    async fn large() -> u8 {
        let bytes = [1_u8; 17 * 1024];
        task::yield_now().await;
        bytes.iter().copied().max().unwrap_or_default()
    }
    let told = Told::default();
    let runtime = told.runtime(Builder::new());
    let line = line!() + 1;
    let task = runtime.spawn(large());
    let boxed = line!() + 1;
    let boxed_task = runtime.spawn(Box::pin(large()));
    assert_eq!(runtime.block_on(async { task.await + boxed_task.await }), 2);
    assert_eq!(told.count(LintKind::HugeFuture, line), 1);
    assert_eq!(told.count(LintKind::HugeFuture, boxed), 0);
}

/// In a process of its own: it is reported once.
#[test]
fn a_full_blocking_pool_is_reported() {
    if is_child() {
        let told = Told::default();
        let runtime = told.runtime(Builder::new().max_blocking_threads(1));
        let (go_on, may_go_on) = mpsc::channel::<()>();
        let blocks = runtime.block_on(async { task::spawn_blocking(move || may_go_on.recv()) });
        let mut others = Vec::new();
        while told.count(LintKind::BlockingPoolFull, 0) == 0 {
            others.push(runtime.block_on(async { task::spawn_blocking(|| ()) }));
            std::thread::sleep(Duration::from_millis(10));
        }
        assert!(others.len() > 5, "{} closures had not waited for long", others.len());
        go_on.send(()).unwrap();
        return runtime.block_on(async { blocks.await.unwrap() });
    }
    let name = "lints::a_full_blocking_pool_is_reported";
    let output = child(name, ("A", "B")).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
}

#[test]
fn a_blocking_pool_with_room_or_with_short_closures_is_not_reported() {
    if is_child() {
        let told = Told::default();
        let runtime = told.runtime(Builder::new().max_blocking_threads(2));
        let (go_on, may_go_on) = mpsc::channel::<()>();
        let blocks = runtime.block_on(async { task::spawn_blocking(move || may_go_on.recv()) });
        for _ in 0..30 {
            let short = || std::thread::sleep(Duration::from_millis(10));
            runtime.block_on(async { task::spawn_blocking(short).await });
        }
        go_on.send(()).unwrap();
        runtime.block_on(async { blocks.await.unwrap() });
        return assert_eq!(told.count(LintKind::BlockingPoolFull, 0), 0);
    }
    let name = "lints::a_blocking_pool_with_room_or_with_short_closures_is_not_reported";
    let output = child(name, ("A", "B")).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
}

#[test]
fn a_program_that_stands_still_is_reported_to_a_hook() {
    if is_child() {
        let (told, is_told) = mpsc::channel();
        let hook = move |lint: &reveille::observe::Lint| {
            let _ = told.send((lint.kind, lint.to_string()));
        };
        let runtime = Builder::new().on_lint(hook).build().unwrap();
        let (_sender, receiver) = reveille::channel::bounded::<()>(1);
        drop(runtime.spawn(async move { receiver.recv().await }));
        let (kind, text) = is_told.recv().unwrap();
        assert_eq!(kind, LintKind::Quiescent);
        assert!(text.contains("in async_channel::Recv"), "{text}");
        return;
    }
    let name = "lints::a_program_that_stands_still_is_reported_to_a_hook";
    let output = child(name, ("REVEILLE_TEST_DEADLOCK", "1")).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
}

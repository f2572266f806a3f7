//! Each lint fires for a program with the bug, and not for one without it.

use std::future::poll_fn;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use reveille::observe::LintKind;
use reveille::runtime::{Builder, Runtime};
use reveille::task;

use crate::again::{child, is_child};
use crate::names::assert_shown;

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
        let begin = Instant::now();
        let mut others = Vec::new();
        while told.count(LintKind::BlockingPoolFull, 0) == 0 {
            others.push(runtime.block_on(async { task::spawn_blocking(|| ()) }));
            std::thread::sleep(Duration::from_millis(10));
        }
        assert!(begin.elapsed() >= Duration::from_millis(100), "no closure had waited so long");
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

/// Runs a program that the harness does not know, and returns what it printed. Its hook prints each
/// lint.
#[cfg(target_os = "linux")]
fn program(case: &str) -> String {
    let mut program =
        reveille_tests::programs::through_runner(std::path::Path::new(env!("CARGO_BIN_EXE_lints")));
    program.arg(case).env("REVEILLE_TEST_DEADLOCK", "1");
    let finished = reveille_tests::programs::finish(&mut program);
    assert!(finished.status.success(), "{finished:?}");
    finished.stdout
}

// Only on Linux: only there reveille can check whether a process makes progress.
#[cfg(target_os = "linux")]
#[test]
fn a_deadlocked_program_is_reported() {
    for case in ["stuck", "stuck-in-block-on"] {
        let text = program(case);
        assert!(text.contains("lint: quiescent: for 1 s"), "{text}");
        assert!(text.contains("in async_channel::Recv"), "{text}");
    }
}

// Only on Linux: only there reveille can check whether a process makes progress.
#[cfg(target_os = "linux")]
#[test]
fn a_program_whose_own_thread_only_sleeps_is_not_reported() {
    goes_on("thread");
}

// Only on Linux: only there reveille can check whether a process makes progress.
#[cfg(target_os = "linux")]
#[test]
fn a_program_whose_poll_will_return_is_not_reported() {
    goes_on("thread-in-poll");
}

// Only on Linux: only there reveille can check whether a process makes progress.
#[cfg(target_os = "linux")]
#[test]
fn a_program_that_waits_for_a_closure_or_a_timer_is_not_reported() {
    goes_on("closure");
    goes_on("timer");
}

#[cfg(target_os = "linux")]
fn goes_on(case: &str) {
    let text = program(case);
    assert!(!text.contains("quiescent"), "{case}: {text}");
    assert!(text.contains("it went on"), "{case}: {text}");
}

/// The text of each lint of a kind, by the line of its place in this file.
#[derive(Clone, Default)]
struct Texts(Arc<Mutex<Vec<(LintKind, u32, String)>>>);

impl Texts {
    fn runtime(&self, builder: Builder) -> Runtime {
        let told = Arc::clone(&self.0);
        let hook = move |lint: &reveille::observe::Lint| {
            if let Some(place) = lint.place.filter(|place| place.file() == file!()) {
                told.lock().unwrap().push((lint.kind, place.line(), lint.message.clone()));
            }
        };
        builder.on_lint(hook).build().unwrap()
    }

    fn wait(&self, kind: LintKind, line: u32) -> String {
        loop {
            let told = self.0.lock().unwrap();
            if let Some((_, _, text)) = told.iter().find(|told| (told.0, told.1) == (kind, line)) {
                return text.clone();
            }
            drop(told);
            std::thread::yield_now();
        }
    }

    fn lines(&self, kind: LintKind) -> Vec<u32> {
        let told = self.0.lock().unwrap();
        told.iter().filter(|told| told.0 == kind).map(|told| told.1).collect()
    }
}

/// A future that clones its waker and loses the clone.
struct Forgetful;

impl Future for Forgetful {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        drop(cx.waker().clone());
        Poll::Pending
    }
}

async fn awaits_a_forgetful_future() {
    Forgetful.await;
}

#[test]
fn a_poll_that_leaves_no_waker_is_reported_once_with_its_await() {
    let told = Texts::default();
    let runtime = told.runtime(Builder::new().workers(2));
    let mut line = 0;
    let mut tasks = Vec::new();
    for _ in 0..2 {
        line = line!() + 1;
        tasks.push(runtime.spawn(awaits_a_forgetful_future()));
    }
    let ignored = line!() + 1;
    let ignores = runtime.spawn(std::future::pending::<()>());
    let text = told.wait(LintKind::PendingWithoutWaker, line);
    assert!(text.contains("returned `Pending` and left no waker"), "{text}");
    assert!(text.contains("::awaits_a_forgetful_future"), "{text}");
    assert!(text.contains("lints.rs:"), "{text}");
    let text = told.wait(LintKind::PendingWithoutWaker, ignored);
    assert!(text.contains("a task of type core::future::pending::Pending"), "{text}");

    // Tasks that wait as they should: for a timer, a channel, a socket, a task, a closure.
    let (sender, receiver) = reveille::channel::bounded::<u32>(1);
    let listener = runtime.block_on(reveille::net::TcpListener::bind("127.0.0.1:0")).unwrap();
    let first = line!();
    let others = [
        runtime.spawn(task::sleep(Duration::from_secs(1000))),
        runtime.spawn(async move { _ = receiver.recv().await }),
        runtime.spawn(async move { drop(listener.accept().await) }),
        runtime.spawn(async { task::spawn(task::sleep(Duration::from_secs(1000))).await }),
        runtime.spawn(async {
            task::spawn_blocking(|| std::thread::sleep(Duration::from_millis(600))).await;
        }),
    ];
    let correct = first..line!();
    let [.., closure] = others;
    runtime.block_on(closure);
    // The hook also receives lints about tasks of other tests.
    let lines = told.lines(LintKind::PendingWithoutWaker);
    assert!(!lines.iter().any(|line| correct.contains(line)), "{lines:?} {correct:?}");
    assert_eq!(lines.iter().filter(|&&at| at == line).count(), 1);
    drop((sender, tasks, ignores));
}

/// The line in which [`keeps_its_waker`] waits.
const KEEPS: u32 = line!() + 8;

/// Keeps the waker of the task that polls it in `kept`.
async fn keeps_its_waker(kept: Arc<Mutex<Option<Waker>>>) {
    poll_fn(|cx| {
        *kept.lock().unwrap() = Some(cx.waker().clone());
        Poll::<()>::Pending
    })
    .await;
}

const LOSES: u32 = line!() + 4;

fn loses_a_waker(kept: &Mutex<Option<Waker>>) {
    let lost = kept.lock().unwrap().take();
    drop(lost);
}

#[test]
fn the_drop_of_the_last_waker_is_reported_with_its_place_and_the_await() {
    let told = Texts::default();
    let runtime = told.runtime(Builder::new().workers(1));
    let kept = Arc::default();
    let line = line!() + 1;
    let task = runtime.spawn(keeps_its_waker(Arc::clone(&kept)));
    // The task is idle when its worker is, after another task.
    while kept.lock().unwrap().is_none() {
        std::thread::yield_now();
    }
    runtime.block_on(runtime.spawn(async {}));
    loses_a_waker(&kept);
    let text = told.wait(LintKind::LastWakerDropped, line);
    assert!(text.contains("the last waker was dropped without a wake"), "{text}");
    let dropped = &text[text.find("the waker was dropped").expect("a stack of the drop")..];
    assert_shown(dropped, "::loses_a_waker", "lints.rs", LOSES);
    assert_shown(&text, "::keeps_its_waker", "lints.rs", KEEPS);
    runtime.block_on(task.cancel());
    let lines = told.lines(LintKind::LastWakerDropped);
    assert_eq!(lines.iter().filter(|&&at| at == line).count(), 1);
}

#[test]
fn a_local_task_that_is_lost_is_reported() {
    let told = Texts::default();
    let runtime = told.runtime(Builder::new().workers(1));
    let line = line!() + 2;
    runtime.block_on(async {
        let lost = task::spawn_local(std::future::pending::<()>());
        let told = told.clone();
        let wait = move || told.wait(LintKind::PendingWithoutWaker, line);
        let text = task::spawn_blocking(wait).await;
        assert!(text.contains("left no waker"), "{text}");
        lost.cancel().await;
    });
}

#[test]
fn a_hook_is_not_called_by_the_code_that_drops_a_waker() {
    let (told, is_told) = mpsc::channel();
    let hook = move |lint: &reveille::observe::Lint| {
        let line = lint.place.map_or(0, |place| place.line());
        let _ = told.send((lint.kind, line, std::thread::current().id()));
    };
    let runtime = Builder::new().workers(1).on_lint(hook).build().unwrap();
    let kept = Arc::<Mutex<Option<Waker>>>::default();
    let line = line!() + 1;
    let task = runtime.spawn(keeps_its_waker(Arc::clone(&kept)));
    while kept.lock().unwrap().is_none() {
        std::thread::yield_now();
    }
    runtime.block_on(runtime.spawn(async {}));
    loses_a_waker(&kept);
    let thread = loop {
        let (kind, at, thread) = is_told.recv().unwrap();
        if (kind, at) == (LintKind::LastWakerDropped, line) {
            break thread;
        }
    };
    // That code may hold any lock.
    assert_ne!(thread, std::thread::current().id());
    runtime.block_on(task.cancel());
}

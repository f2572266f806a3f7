//! Every place in the runtime where user code may panic: where the panic is reported, and that
//! tasks, timers, sockets and blocking closures still work afterwards.
//!
//! The crate `reveille-task` tests panics that concern only one task.

use std::future::{Future, pending, poll_fn};
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::panic::panic_any;
use std::pin::Pin;
use std::process::ExitStatus;
use std::sync::mpsc::{self, Receiver};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, RawWakerVTable, Wake, Waker};
use std::time::Duration;

use reveille_runtime::io::{Interest, Io};
use reveille_runtime::runtime::UnhandledPanic;
use reveille_runtime::time::Sleep;
use reveille_runtime::{Builder, Runtime, spawn, spawn_blocking, spawn_local, task, yield_now};

use crate::child;

/// Longer than any step of these tests takes. A test that fails must end too.
const LIMIT: Duration = Duration::from_secs(60);

/// The fields of a report that a hook has received.
#[derive(Debug, PartialEq)]
struct PanicReport {
    name: Option<String>,
    has_id: bool,
    line: Option<u32>,
    message: Option<String>,
}

fn report_of(panic: &UnhandledPanic<'_>) -> PanicReport {
    PanicReport {
        name: panic.task_name.map(str::to_owned),
        has_id: panic.task_id.is_some(),
        line: panic.spawned_at.map(std::panic::Location::line),
        message: panic.message().map(str::to_owned),
    }
}

/// A runtime, and the reports that its hook receives.
fn start(builder: Builder) -> (Runtime, Receiver<PanicReport>) {
    let (sender, receiver) = mpsc::channel();
    let builder = builder.workers(2).max_blocking_threads(1);
    let builder = builder.on_unhandled_panic(move |panic| {
        let _ = sender.send(report_of(panic));
    });
    (builder.build().unwrap(), receiver)
}

/// Asserts that tasks, timers, sockets and blocking closures work, and that the runtime shuts down.
fn assert_works(runtime: Runtime) {
    runtime.block_on(async {
        let tasks: Vec<_> = (0..100)
            .map(|n| {
                spawn(async move {
                    yield_now().await;
                    Sleep::after(Duration::from_millis(1)).await;
                    n
                })
            })
            .collect();
        for (n, task) in tasks.into_iter().enumerate() {
            assert_eq!(task.await, n);
        }
        assert_eq!(spawn_blocking(|| 7).await, 7);
        spawn(async {
            let (ours, mut theirs) = pair();
            let sender = spawn(async move { theirs.write_all(b"x").unwrap() });
            let count = ours.io(Interest::Read, |mut socket| socket.read(&mut [0; 8])).await;
            assert_eq!(count.unwrap(), 1);
            sender.await;
        })
        .await;
    });
    let shutdown = runtime.shutdown(LIMIT);
    assert!(shutdown.is_complete(), "{shutdown:?}");
}

/// The only report.
fn only(reports: &Receiver<PanicReport>) -> PanicReport {
    let report = reports.recv().expect("it was reported");
    assert_eq!(reports.try_recv().ok(), None, "there is a second report");
    report
}

fn message(text: &str) -> Option<String> {
    Some(text.to_owned())
}

fn pair() -> (Io<TcpStream>, TcpStream) {
    let (ours, theirs) = crate::pair::pair();
    ours.set_nonblocking(true).unwrap();
    (Io::new(ours), theirs)
}

/// Panics when dropped, unless that would abort.
struct PanicsOnDrop(&'static str);

impl Drop for PanicsOnDrop {
    fn drop(&mut self) {
        assert!(std::thread::panicking(), "{}", self.0);
    }
}

/// A payload whose drop panics with another payload of this type, a limited number of times.
struct Chain(u32);

impl Drop for Chain {
    fn drop(&mut self) {
        if self.0 > 0 && !std::thread::panicking() {
            panic_any(Chain(self.0 - 1));
        }
    }
}

/// A waker that panics when woken, or when dropped.
enum Bomb {
    Wake,
    Drop,
}

impl Wake for Bomb {
    fn wake(self: Arc<Self>) {
        if matches!(*self, Bomb::Wake) {
            panic!("in a wake");
        }
    }
}

impl Drop for Bomb {
    fn drop(&mut self) {
        if matches!(self, Bomb::Drop) && !std::thread::panicking() {
            panic!("in the drop of a waker");
        }
    }
}

/// A waker that cannot be cloned without a panic.
fn unclonable() -> Waker {
    static VTABLE: RawWakerVTable =
        RawWakerVTable::new(|_| panic!("in the clone of a waker"), |_| {}, |_| {}, |_| {});
    // SAFETY: the functions of the vtable ignore the pointer, and any thread may call them.
    unsafe { Waker::new(std::ptr::null(), &VTABLE) }
}

fn poll_with<F: Future>(future: Pin<&mut F>, waker: &Waker) -> Poll<F::Output> {
    future.poll(&mut Context::from_waker(waker))
}

#[test]
fn a_panic_of_a_detached_task_is_reported_once_with_name_id_and_location() {
    let (runtime, reports) = start(Builder::new());
    let line = line!() + 2;
    runtime.block_on(async {
        drop(task::spawn_named(Some("fragile".into()), async { panic!("alone") }));
    });
    let expected = PanicReport {
        name: Some("fragile".to_owned()),
        has_id: true,
        line: Some(line),
        message: message("alone"),
    };
    assert_works(runtime);
    assert_eq!(only(&reports), expected);
}

#[test]
fn a_panic_that_is_awaited_is_not_reported() {
    let (runtime, reports) = start(Builder::new());
    let task = runtime.spawn(async { panic!("awaited") });
    assert!(runtime.block_on(task.result()).is_err());
    assert_works(runtime);
    assert_eq!(reports.try_recv().ok(), None);
}

#[test]
fn a_panic_whose_handle_is_dropped_unread_is_reported_once() {
    let (runtime, reports) = start(Builder::new());
    let task = runtime.spawn(async { panic!("unread") });
    let (closure,) = runtime.block_on(async { (spawn_blocking(|| panic!("unread closure")),) });
    while !task.is_finished() || !closure.is_finished() {
        std::thread::yield_now();
    }
    drop(task);
    assert_eq!(only(&reports).message, message("unread"));
    drop(closure);
    assert_works(runtime);
    assert_eq!(only(&reports).message, message("unread closure"));
}

#[test]
fn panics_of_a_detached_closure_and_a_detached_local_task_are_reported_once() {
    let (runtime, reports) = start(Builder::new());
    runtime.block_on(async {
        drop(spawn_blocking(|| panic!("in a closure")));
        drop(spawn_local(async { panic!("in a local task") }));
        yield_now().await;
    });
    assert_works(runtime);
    let mut messages: Vec<_> = reports.try_iter().map(|report| report.message.unwrap()).collect();
    messages.sort();
    assert_eq!(messages, ["in a closure", "in a local task"]);
}

#[test]
fn a_hook_that_panics_does_not_stop_the_runtime() {
    let (sender, called) = mpsc::channel();
    let hook = move |_: &UnhandledPanic<'_>| {
        let _ = sender.send(());
        panic_any(Chain(3));
    };
    let builder = Builder::new().workers(2).max_blocking_threads(1).on_unhandled_panic(hook);
    let runtime = builder.build().unwrap();
    drop(runtime.spawn(async { panic!("a task") }));
    runtime.block_on(async { drop(spawn_blocking(|| panic!("a closure"))) });
    assert_works(runtime);
    assert_eq!(called.try_iter().count(), 2);
}

#[test]
fn a_payload_whose_drop_panics_does_not_stop_the_runtime() {
    let (runtime, reports) = start(Builder::new());
    drop(runtime.spawn(async { panic_any(Chain(3)) }));
    runtime.block_on(async { drop(spawn_blocking(|| panic_any(Chain(3)))) });
    assert_works(runtime);
    assert_eq!(reports.try_iter().map(|report| report.message).collect::<Vec<_>>(), [None, None]);
}

#[test]
fn drops_that_panic_during_the_shutdown_are_reported_and_it_ends() {
    let (runtime, reports) = start(Builder::new());
    let (sender, has_begun) = mpsc::channel();
    for _ in 0..3 {
        let (bomb, sender) = (PanicsOnDrop("in the drop of a future"), sender.clone());
        drop(runtime.spawn(async move {
            let _bomb = bomb;
            sender.send(()).unwrap();
            pending::<()>().await;
        }));
        has_begun.recv().unwrap();
    }
    let shutdown = runtime.shutdown(LIMIT);
    assert!(shutdown.is_complete(), "{shutdown:?}");
    assert_eq!(shutdown.cancelled_tasks, 3);
    let messages: Vec<_> = reports.try_iter().map(|report| report.message).collect();
    assert_eq!(messages, vec![message("in the drop of a future"); 3]);
}

#[test]
fn an_output_whose_drop_panics_is_reported() {
    let (runtime, reports) = start(Builder::new());
    drop(runtime.spawn(async { PanicsOnDrop("in the drop of an output") }));
    runtime.block_on(async { drop(spawn_blocking(|| PanicsOnDrop("in that of a closure's"))) });
    assert_works(runtime);
    let mut messages: Vec<_> = reports.try_iter().map(|report| report.message.unwrap()).collect();
    messages.sort();
    assert_eq!(messages, ["in that of a closure's", "in the drop of an output"]);
}

#[test]
fn a_panic_in_the_drop_of_a_closure_that_never_ran_is_reported() {
    let (runtime, reports) = start(Builder::new());
    let (go_on, waits) = mpsc::channel::<()>();
    let (starts, has_started) = mpsc::channel();
    runtime.block_on(async {
        drop(spawn_blocking(move || {
            starts.send(()).unwrap();
            let _ = waits.recv();
        }));
        has_started.recv().unwrap();
        let bomb = PanicsOnDrop("in the drop of a closure");
        let cancelled = spawn_blocking(move || drop(bomb));
        cancelled.abort();
        drop(cancelled);
    });
    drop(go_on);
    assert_works(runtime);
    assert_eq!(only(&reports).message, message("in the drop of a closure"));
}

/// Runs `body` as a task of a runtime whose wakers panic, and returns what was reported.
fn reported_by<F>(body: F) -> Vec<PanicReport>
where
    F: Future<Output = ()> + Send + 'static,
{
    let (runtime, reports) = start(Builder::new());
    runtime.block_on(runtime.spawn(body));
    assert_works(runtime);
    reports.try_iter().collect()
}

fn bomb_in_a_wake() -> Vec<PanicReport> {
    let name = Some("<waker>".to_owned());
    vec![PanicReport { name, has_id: false, line: None, message: message("in a wake") }]
}

#[test]
fn a_waker_that_panics_at_a_timer_is_reported_and_the_others_are_woken() {
    let reports = reported_by(async {
        let waker = Waker::from(Arc::new(Bomb::Wake));
        let mut sleep = Box::pin(Sleep::after(Duration::from_millis(1)));
        assert!(poll_with(sleep.as_mut(), &waker).is_pending());
        let others: Vec<_> =
            (0..10).map(|_| spawn(Sleep::after(Duration::from_millis(1)))).collect();
        for other in others {
            other.await;
        }
        while poll_fn(|_| Poll::Ready(poll_with(sleep.as_mut(), Waker::noop()))).await.is_pending()
        {
            yield_now().await;
        }
    });
    assert_eq!(reports, bomb_in_a_wake());
}

#[test]
fn a_waker_that_panics_at_a_socket_is_reported_and_the_others_are_woken() {
    let reports = reported_by(async {
        let (ours, mut theirs) = pair();
        let mut byte = [0; 1];
        let waker = Waker::from(Arc::new(Bomb::Wake));
        let polled =
            ours.poll_io(&mut Context::from_waker(&waker), Interest::Read, |mut socket| {
                socket.read(&mut byte)
            });
        assert!(polled.is_pending());
        theirs.write_all(b"x").unwrap();
        let count = ours.io(Interest::Read, |mut socket| socket.read(&mut byte)).await.unwrap();
        assert_eq!(count, 1);
    });
    // The system decides whether the event arrives before the second reader.
    assert!(reports.is_empty() || reports == bomb_in_a_wake(), "{reports:?}");
}

#[test]
fn a_panicking_waker_that_is_alone_at_a_socket_stops_no_worker() {
    let reports = reported_by(async {
        let (ours, mut theirs) = pair();
        let waker = Waker::from(Arc::new(Bomb::Wake));
        let polled =
            ours.poll_io(&mut Context::from_waker(&waker), Interest::Read, |mut socket| {
                socket.read(&mut [0; 1])
            });
        assert!(polled.is_pending());
        drop(waker);
        theirs.write_all(b"x").unwrap();
        // Both workers park several times, and so turn the driver of this one.
        for _ in 0..20 {
            Sleep::after(Duration::from_millis(1)).await;
        }
    });
    assert_eq!(reports, bomb_in_a_wake());
}

#[test]
fn a_timers_waker_whose_drop_panics_stops_no_worker() {
    let (runtime, reports) = start(Builder::new());
    let (sleep,) = runtime.block_on(runtime.spawn(async {
        let mut sleep = Box::pin(Sleep::after(LIMIT));
        let waker = Waker::from(Arc::new(Bomb::Drop));
        assert!(poll_with(sleep.as_mut(), &waker).is_pending());
        // The wheel has the last reference.
        drop(waker);
        (sleep,)
    }));
    // On a thread that does not own the wheel: a remote cancellation, which the worker applies.
    drop(sleep);
    assert_works(runtime);
    assert_eq!(reports.try_recv().ok(), None);
}

#[test]
fn wakers_that_panic_when_the_runtime_ends_do_not_prevent_its_end() {
    for bomb in [Bomb::Wake, Bomb::Drop] {
        let (runtime, _reports) = start(Builder::new());
        let kept = runtime.block_on(runtime.spawn(async {
            let waker = Waker::from(Arc::new(bomb));
            let mut sleep = Box::pin(Sleep::after(LIMIT));
            assert!(poll_with(sleep.as_mut(), &waker).is_pending());
            let (ours, theirs) = pair();
            let polled =
                ours.poll_io(&mut Context::from_waker(&waker), Interest::Read, |mut socket| {
                    socket.read(&mut [0; 1])
                });
            assert!(polled.is_pending());
            std::mem::forget(waker);
            (sleep, ours, theirs)
        }));
        let shutdown = runtime.shutdown(LIMIT);
        assert!(shutdown.is_complete(), "{shutdown:?}");
        drop(kept);
    }
}

/// Sends a message when woken.
struct SendsOnWake(mpsc::Sender<()>);

impl Wake for SendsOnWake {
    fn wake(self: Arc<Self>) {
        let _ = self.0.send(());
    }
}

#[test]
fn a_waker_that_panics_when_a_thread_leaves_block_on_stops_no_other_waker() {
    let (say_woken, woken) = mpsc::channel();
    let kept = reveille_runtime::block_on(async move {
        let bomb = Waker::from(Arc::new(Bomb::Wake));
        let (ours, theirs) = pair();
        let polled = ours.poll_io(&mut Context::from_waker(&bomb), Interest::Read, |mut socket| {
            socket.read(&mut [0; 1])
        });
        assert!(polled.is_pending());
        let mut sleep = Box::pin(Sleep::after(LIMIT));
        assert!(
            poll_with(sleep.as_mut(), &Waker::from(Arc::new(SendsOnWake(say_woken)))).is_pending()
        );
        (ours, theirs, sleep)
    });
    woken.recv().expect("the other waker is woken when its timers are no longer turned");
    drop(kept);
}

#[test]
fn a_panic_in_the_clone_of_a_waker_is_a_panic_of_the_poll() {
    let (runtime, reports) = start(Builder::new());
    let sleeps = runtime.spawn(async {
        let mut sleep = Box::pin(Sleep::after(LIMIT));
        let _ = poll_with(sleep.as_mut(), &unclonable());
    });
    let reads = runtime.spawn(async {
        let (ours, _theirs) = pair();
        let waker = unclonable();
        let mut cx = Context::from_waker(&waker);
        let _ = ours.poll_io(&mut cx, Interest::Read, |mut socket| socket.read(&mut [0; 1]));
    });
    for task in [sleeps, reads] {
        let error = runtime.block_on(task.result()).expect_err("the clone panics");
        assert_eq!(error.to_string(), "the task panicked: in the clone of a waker");
    }
    assert_works(runtime);
    assert_eq!(reports.try_recv().ok(), None);
}

#[test]
fn thread_hooks_that_panic_do_not_stop_the_runtime() {
    let calls = Arc::new(Mutex::new(Vec::new()));
    let hook = |name: &'static str| {
        let calls = Arc::clone(&calls);
        move || {
            calls.lock().unwrap().push(name);
            panic_any(Chain(3));
        }
    };
    let builder = Builder::new().on_thread_start(hook("start")).on_thread_stop(hook("stop"));
    let (runtime, reports) = start(builder.on_takeover(hook("takeover")));
    // Both workers are blocked, so only a thread that takes over can unblock them.
    let (go_on, waits) = mpsc::channel();
    let waits = Arc::new(Mutex::new(waits));
    let (starts, has_started) = mpsc::channel();
    let blocked: Vec<_> = (0..2)
        .map(|_| {
            let (waits, starts) = (Arc::clone(&waits), starts.clone());
            runtime.spawn(async move {
                starts.send(()).unwrap();
                waits.lock().unwrap().recv().unwrap();
            })
        })
        .collect();
    (0..2).for_each(|_| has_started.recv().unwrap());
    runtime.block_on(runtime.spawn(async move {
        go_on.send(()).unwrap();
        go_on.send(()).unwrap();
    }));
    blocked.into_iter().for_each(|task| runtime.block_on(task));
    let takeovers = runtime.metrics().takeovers;
    assert_works(runtime);
    let calls = calls.lock().unwrap();
    let count = |name| calls.iter().filter(|call| **call == name).count();
    assert!(takeovers > 0 && count("takeover") as u64 >= takeovers);
    assert!(count("start") >= 4 && count("start") == count("stop"), "{calls:?}");
    assert_eq!(reports.try_recv().ok(), None);
}

#[test]
fn hooks_whose_drop_panics_do_not_prevent_the_end_of_the_runtime() {
    let bomb = PanicsOnDrop("in the drop of a hook");
    let (runtime, _reports) = start(Builder::new().on_thread_start(move || {
        let _ = &bomb;
    }));
    assert_works(runtime);
}

#[test]
fn an_initialiser_of_a_task_local_that_panics_leaves_it_unset() {
    let (runtime, _reports) = start(Builder::new());
    let value = runtime.block_on(runtime.spawn(async {
        let fails = || -> Option<()> { task::with_local(1, || panic!("in init"), |_| ()) };
        assert!(std::panic::catch_unwind(fails).is_err());
        task::with_local(1, || Box::new(5u32), |value| *value.downcast_ref::<u32>().unwrap())
    }));
    assert_eq!(value, Some(5));
    assert_works(runtime);
}

/// Unix kills a process that aborts with a signal.
#[cfg(unix)]
fn has_aborted(status: ExitStatus) -> bool {
    use std::os::unix::process::ExitStatusExt as _;
    const SIGABRT: i32 = 6;
    status.signal() == Some(SIGABRT)
}

/// Windows ends a process that aborts with the code of a fast failure.
#[cfg(windows)]
fn has_aborted(status: ExitStatus) -> bool {
    const STATUS_STACK_BUFFER_OVERRUN: u32 = 0xc000_0409;
    status.code() == Some(STATUS_STACK_BUFFER_OVERRUN.cast_signed())
}

/// Asserts that `body` aborts the process. Runs it in a child process.
fn assert_aborts(message: &str, body: impl FnOnce()) {
    let output = child::run(body);
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(has_aborted(output.status), "{}: {stderr}", output.status);
    assert!(stderr.contains(message), "{stderr}");
}

#[test]
fn a_task_local_whose_drop_panics_aborts() {
    assert_aborts("in the drop of a local", || {
        let (runtime, _reports) = start(Builder::new());
        runtime.block_on(runtime.spawn(async {
            task::with_local(1, || Box::new(PanicsOnDrop("in the drop of a local")), |_| ());
        }));
    });
}

#[test]
fn a_destructor_that_panics_during_a_panic_aborts() {
    struct Second;
    impl Drop for Second {
        fn drop(&mut self) {
            panic!("the second panic");
        }
    }
    assert_aborts("the second panic", || {
        let (runtime, _reports) = start(Builder::new());
        let _ = runtime.block_on(
            runtime
                .spawn(async {
                    let _second = Second;
                    panic!("the first panic");
                })
                .result(),
        );
    });
}

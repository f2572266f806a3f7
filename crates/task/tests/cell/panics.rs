//! Every place where user code may panic, and where the panic is reported.

use std::panic::{AssertUnwindSafe, catch_unwind, panic_any};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, RawWaker, RawWakerVTable, Wake, Waker};

use crate::toy::{Count, PanicOnDrop, Toy, poll, probe, ready, run, text, unread};

#[test]
fn a_panic_of_the_poll_resumes_at_the_await() {
    let toy = Toy::default();
    let (future, _, drops) = probe(|_| -> Poll<()> { panic!("in poll") });
    let (runnable, handle) = toy.spawn(future);
    run(runnable);
    assert_eq!((drops.get(), toy.completed()), (1, 1));
    let payload = catch_unwind(AssertUnwindSafe(|| ready(handle))).expect_err("it resumes");
    assert_eq!(text(payload), "in poll");
    assert_eq!((toy.handles(), toy.unhandled().len(), unread()), (1, 0, 0));
}

#[test]
fn a_panic_is_an_error_of_the_result() {
    let toy = Toy::default();
    let (runnable, handle) = toy.spawn(async { panic!("number {}", 7) });
    run(runnable);
    let error = ready(handle.result()).expect_err("it panicked");
    assert!(error.is_panic() && !error.is_cancelled());
    assert_eq!(error.to_string(), "the task panicked: number 7");
    assert_eq!(text(error.into_panic()), "number 7");
}

#[test]
fn a_payload_without_text_is_returned_intact() {
    let toy = Toy::default();
    let (runnable, handle) = toy.spawn(async { panic_any(17u64) });
    run(runnable);
    let error = ready(handle.result()).expect_err("it panicked");
    assert_eq!(error.to_string(), "the task panicked");
    assert_eq!(*error.into_panic().downcast::<u64>().expect("a number"), 17);
}

#[test]
fn cancel_resumes_a_panic() {
    let toy = Toy::default();
    let (runnable, handle) = toy.spawn(async { panic!("in poll") });
    run(runnable);
    let caught = catch_unwind(AssertUnwindSafe(|| ready(handle.cancel())));
    assert_eq!(text(caught.expect_err("it resumes")), "in poll");
}

#[test]
fn a_panic_of_a_detached_task_is_reported() {
    let toy = Toy::default();
    let (runnable, handle) = toy.spawn(async { panic!("alone") });
    drop(handle);
    run(runnable);
    assert_eq!((toy.unhandled(), toy.handles()), (vec![String::from("alone")], 1));
}

#[test]
fn a_panic_dropped_with_its_handle_is_reported_as_unread() {
    let toy = Toy::default();
    let (runnable, handle) = toy.spawn(async { panic!("unread") });
    run(runnable);
    drop(handle);
    assert_eq!((toy.unhandled().len(), unread(), toy.handles()), (0, 1, 1));
}

#[test]
fn a_panic_in_the_drop_of_a_cancelled_future_goes_to_the_joiner() {
    let toy = Toy::default();
    let guard = PanicOnDrop("in drop");
    let (runnable, handle) = toy.spawn(async move { drop(guard) });
    drop(runnable);
    let error = ready(handle.result()).expect_err("the drop panicked");
    assert_eq!(text(error.into_panic()), "in drop");
    assert_eq!((toy.completed(), toy.handles()), (1, 1));
}

#[test]
fn a_panic_in_the_drop_of_a_finished_future_leaves_the_output() {
    let toy = Toy::default();
    let guard = PanicOnDrop("in drop");
    let (future, ..) = probe(move |_| {
        let _kept_by_the_closure = &guard;
        Poll::Ready(8)
    });
    let (runnable, handle) = toy.spawn(future);
    run(runnable);
    assert_eq!(ready(handle), 8);
    assert_eq!((toy.unhandled(), toy.handles()), (vec![String::from("in drop")], 1));
}

#[test]
fn a_second_panic_in_the_drop_of_a_panicked_future_is_reported() {
    let toy = Toy::default();
    let guard = PanicOnDrop("in drop");
    let (future, ..) = probe(move |_| -> Poll<()> {
        let _kept_by_the_closure = &guard;
        panic!("in poll")
    });
    let (runnable, handle) = toy.spawn(future);
    run(runnable);
    let error = ready(handle.result()).expect_err("it panicked");
    assert_eq!(text(error.into_panic()), "in poll");
    assert_eq!(toy.unhandled(), ["in drop"]);
}

#[test]
fn a_panic_in_the_drop_of_a_detached_output_is_reported() {
    let toy = Toy::default();
    let (runnable, handle) = toy.spawn(async { PanicOnDrop("output") });
    drop(handle);
    run(runnable);
    assert_eq!((toy.unhandled(), toy.completed(), toy.handles()), (vec!["output".into()], 1, 1));
}

#[test]
fn a_panic_in_the_drop_of_an_output_with_its_handle_is_reported_as_unread() {
    let toy = Toy::default();
    let (runnable, handle) = toy.spawn(async { PanicOnDrop("output") });
    run(runnable);
    drop(handle);
    assert_eq!((unread(), toy.handles()), (1, 1));
}

struct PanicOnWake;

impl Wake for PanicOnWake {
    fn wake(self: Arc<Self>) {
        panic!("in wake");
    }
}

#[test]
fn a_join_waker_that_panics_is_reported_and_the_task_is_done() {
    let toy = Toy::default();
    let (runnable, mut handle) = toy.spawn(async { 9 });
    let waker = Waker::from(Arc::new(PanicOnWake));
    assert!(Pin::new(&mut handle).poll(&mut Context::from_waker(&waker)).is_pending());
    run(runnable);
    assert_eq!((toy.unhandled(), toy.completed()), (vec![String::from("in wake")], 1));
    assert_eq!((ready(handle), toy.handles()), (9, 1));
}

struct PanicOnWakerDrop;

impl Wake for PanicOnWakerDrop {
    fn wake(self: Arc<Self>) {
        std::mem::forget(self);
    }
}

impl Drop for PanicOnWakerDrop {
    fn drop(&mut self) {
        panic!("in the drop of a waker");
    }
}

#[test]
fn a_join_waker_whose_drop_panics_leaks_nothing() {
    let toy = Toy::default();
    let (runnable, mut handle) = toy.spawn(async { 9 });
    let waker = Waker::from(Arc::new(PanicOnWakerDrop));
    assert!(Pin::new(&mut handle).poll(&mut Context::from_waker(&waker)).is_pending());
    // The slot keeps the last clone.
    drop(waker);
    assert!(catch_unwind(AssertUnwindSafe(|| drop(handle))).is_err());
    run(runnable);
    assert_eq!((toy.completed(), toy.handles()), (1, 1));
}

static CLONES: AtomicUsize = AtomicUsize::new(0);
static PANIC_ON_CLONE: RawWakerVTable = RawWakerVTable::new(
    |_| {
        CLONES.fetch_add(1, Ordering::SeqCst);
        panic!("in the clone of a waker")
    },
    |_| (),
    |_| (),
    |_| (),
);

#[test]
fn a_join_waker_whose_clone_panics_leaves_the_handle_usable() {
    let toy = Toy::default();
    let (runnable, mut handle) = toy.spawn(async { 9 });
    assert!(poll(&mut handle).is_pending());
    // SAFETY: the functions of the vtable ignore the data pointer.
    let waker = unsafe { Waker::from_raw(RawWaker::new(std::ptr::null(), &PANIC_ON_CLONE)) };
    let mut cx = Context::from_waker(&waker);
    let polled = catch_unwind(AssertUnwindSafe(|| Pin::new(&mut handle).poll(&mut cx)));
    assert!(polled.is_err());
    assert_eq!(CLONES.load(Ordering::SeqCst), 1);
    assert!(poll(&mut handle).is_pending());
    run(runnable);
    assert_eq!((ready(handle), toy.handles()), (9, 1));
}

#[test]
fn a_wake_during_a_poll_that_panics_does_nothing() {
    let toy = Toy::default();
    let (future, polls, drops) = probe(|cx| -> Poll<()> {
        cx.waker().wake_by_ref();
        panic!("in poll")
    });
    let (runnable, handle) = toy.spawn(future);
    let waker = runnable.waker();
    run(runnable);
    waker.wake();
    assert_eq!((polls.get(), drops.get(), toy.queued()), (1, 1, 0));
    assert!(ready(handle.result()).is_err());
}

#[test]
fn a_panic_in_the_drop_of_a_local_aborts_the_process() {
    const CHILD: &str = "REVEILLE_TASK_TEST_CHILD";
    const NAME: &str = "panics::a_panic_in_the_drop_of_a_local_aborts_the_process";
    if std::env::var_os(CHILD).is_none() {
        let mut child = reveille_watchdog::itself();
        let output = child.args(["--exact", NAME, "--nocapture"]).env(CHILD, "1").output();
        let output = output.expect("the test starts itself");
        assert!(!output.status.success(), "the child did not abort");
        assert!(String::from_utf8_lossy(&output.stderr).contains("in the drop of a local"));
        return;
    }
    let toy = Toy::default();
    let (runnable, _handle) = toy.spawn(async {});
    // SAFETY: the thread is about to run the task, and no other does.
    let locals = unsafe { runnable.as_task().locals() };
    locals.with(1, || Box::new(PanicOnDrop("in the drop of a local")), |_| ());
    let _not_reached = catch_unwind(AssertUnwindSafe(|| run(runnable)));
    std::process::exit(0);
}

#[test]
fn a_panicking_task_drops_its_locals() {
    let toy = Toy::default();
    let values = Count::default();
    let (runnable, handle) = toy.spawn(async { panic!("in poll") });
    // SAFETY: the thread is about to run the task, and no other does.
    let locals = unsafe { runnable.as_task().locals() };
    locals.with(1, || Box::new(values.on_drop()), |_| ());
    run(runnable);
    assert_eq!(values.get(), 1);
    assert!(ready(handle.result()).is_err());
}

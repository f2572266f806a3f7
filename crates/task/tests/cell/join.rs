//! The join handle: awaiting, waking, dropping, auto traits.

use std::panic::{RefUnwindSafe, UnwindSafe};
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, Wake, Waker};

use reveille_task::{
    JoinError, JoinHandle, JoinResult, Options, Runnable, Task, TaskHandle, TaskId, TaskRef, spawn,
    spawn_unchecked,
};

use crate::toy::{Count, Toy, poll, probe, ready, run};

#[derive(Default)]
struct Wakes(AtomicUsize);

impl Wake for Wakes {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

fn poll_with<T>(handle: &mut JoinHandle<T>, waker: &Waker) -> Poll<T> {
    Future::poll(Pin::new(handle), &mut Context::from_waker(waker))
}

#[test]
fn the_last_of_several_foreign_wakers_is_woken_once() {
    let toy = Toy::default();
    let (runnable, mut handle) = toy.spawn(async { 5 });
    let wakes: [Arc<Wakes>; 2] = Default::default();
    let wakers = wakes.clone().map(Waker::from);
    for waker in [&wakers[0], &wakers[0], &wakers[1], &wakers[0], &wakers[1], &wakers[1]] {
        assert!(poll_with(&mut handle, waker).is_pending());
    }
    assert_eq!((Arc::strong_count(&wakes[0]), Arc::strong_count(&wakes[1])), (2, 3));
    run(runnable);
    assert_eq!(wakes.each_ref().map(|wakes| wakes.0.load(Ordering::SeqCst)), [0, 1]);
    assert_eq!(Arc::strong_count(&wakes[1]), 2, "the waker is dropped with its wake");
    assert_eq!(poll_with(&mut handle, &wakers[0]), Poll::Ready(5));
}

#[test]
fn a_dropped_join_handle_drops_its_waker() {
    for name in [None, Some(Arc::from("named"))] {
        let toy = Toy::default();
        let wakes = Arc::new(Wakes::default());
        let options = Options { name, location: None };
        let (runnable, mut handle) = spawn(async {}, toy.clone(), options);
        assert!(poll_with(&mut handle, &wakes.clone().into()).is_pending());
        assert_eq!(Arc::strong_count(&wakes), 2);
        drop(handle);
        assert_eq!(Arc::strong_count(&wakes), 1);
        run(runnable);
        assert_eq!((wakes.0.load(Ordering::SeqCst), toy.handles()), (0, 1));
    }
}

#[test]
fn a_task_joins_another() {
    let toy = Toy::default();
    let (first, first_handle) = toy.spawn(async { 20 });
    let (second, second_handle) = toy.spawn(async move { first_handle.await + 1 });
    run(second);
    assert!(!second_handle.is_finished());
    run(first);
    toy.drain();
    assert_eq!(ready(second_handle), 21);
    assert_eq!((toy.handles(), toy.completed()), (1, 2));
}

#[test]
fn a_compact_join_waker_moves_into_the_extras_that_an_id_allocates() {
    let toy = Toy::default();
    let (first, first_handle) = toy.spawn(async { 20 });
    let (second, second_handle) = toy.spawn(first_handle);
    run(second);
    let id = first.as_task().id();
    assert_eq!(first.as_task().id(), id);
    run(first);
    toy.drain();
    assert_eq!(ready(second_handle), 20);
    assert_eq!(toy.handles(), 1);
}

#[test]
fn a_cancelled_joiner_detaches_the_task_it_joins() {
    let toy = Toy::default();
    let (first, first_handle) = toy.spawn(async {});
    let (second, second_handle) = toy.spawn(first_handle);
    run(second);
    second_handle.abort();
    toy.drain();
    run(first);
    assert_eq!(ready(second_handle.cancel()), None);
    assert_eq!((toy.completed(), toy.handles(), toy.queued()), (2, 1, 0));
}

#[test]
fn a_joiner_polled_again_stays_registered() {
    let toy = Toy::default();
    let (first, first_handle) = toy.spawn(async { 1 });
    let (second, second_handle) = toy.spawn(first_handle);
    let waker = second.waker();
    run(second);
    for _ in 0..3 {
        waker.wake_by_ref();
        toy.drain();
    }
    drop(waker);
    run(first);
    toy.drain();
    assert_eq!((ready(second_handle), toy.handles()), (1, 1));
}

#[test]
fn cancel_returns_only_after_the_future_is_dropped() {
    let toy = Toy::default();
    let (future, _, drops) = probe(|_| Poll::<()>::Pending);
    let (runnable, handle) = toy.spawn(future);
    run(runnable);
    let mut cancel = Box::pin(handle.cancel());
    assert!(poll(&mut cancel).is_pending());
    assert_eq!(drops.get(), 0);
    toy.drain();
    assert_eq!(drops.get(), 1);
    assert_eq!(poll(&mut cancel), Poll::Ready(None));
}

#[test]
fn a_dropped_cancel_future_still_cancels() {
    let toy = Toy::default();
    let (future, _, drops) = probe(|_| Poll::<()>::Pending);
    let (runnable, handle) = toy.spawn(future);
    run(runnable);
    let mut cancel = Box::pin(handle.cancel());
    assert!(poll(&mut cancel).is_pending());
    drop(cancel);
    toy.drain();
    assert_eq!((drops.get(), toy.handles()), (1, 1));
}

#[test]
fn into_handle_returns_a_handle_that_can_be_awaited() {
    let toy = Toy::default();
    let (runnable, handle) = toy.spawn(async { 2 });
    let mut result = handle.result();
    assert!(poll(&mut result).is_pending());
    run(runnable);
    assert_eq!(ready(result.into_handle()), 2);
}

#[test]
#[should_panic(expected = "awaited a task that was cancelled")]
fn awaiting_a_cancelled_task_panics() {
    let toy = Toy::default();
    let (runnable, handle) = toy.spawn(async {});
    drop(runnable);
    ready(handle);
}

#[test]
#[should_panic(expected = "polled after it had returned its output")]
fn a_join_handle_returns_its_output_once() {
    let toy = Toy::default();
    let (runnable, mut handle) = toy.spawn(async {});
    run(runnable);
    assert!(poll(&mut handle).is_ready());
    let _ = poll(&mut handle);
}

#[test]
fn a_handle_still_has_the_id_after_its_output_is_taken() {
    let toy = Toy::default();
    let outputs = Count::default();
    let output = outputs.on_drop();
    let (runnable, mut handle) = toy.spawn(async move { output });
    let id = handle.id();
    run(runnable);
    let Poll::Ready(output) = poll(&mut handle) else { panic!("it is complete") };
    assert!(handle.is_finished());
    assert_eq!(handle.task().id(), id);
    handle.abort();
    drop(handle);
    assert_eq!(outputs.get(), 0);
    drop(output);
    assert_eq!((outputs.get(), toy.handles()), (1, 1));
}

#[test]
fn a_future_that_is_not_send_stays_on_its_thread() {
    let toy = Toy::default();
    let value = Rc::new(4);
    let seen = value.clone();
    let future = async move { seen };
    // SAFETY: this thread runs the task.
    let (runnable, handle) = unsafe { spawn_unchecked(future, toy.clone(), Options::default()) };
    run(runnable);
    let output: Rc<i32> = ready(handle);
    assert_eq!((*output, Rc::strong_count(&value)), (4, 2));
}

#[test]
fn large_outputs_with_large_alignment_are_returned_intact() {
    #[derive(Debug, PartialEq, Clone, Copy)]
    #[repr(align(64))]
    struct Aligned([u64; 40]);
    let toy = Toy::default();
    let (runnable, handle) = toy.spawn(async { Aligned([7; 40]) });
    run(runnable);
    assert_eq!(ready(handle), Aligned([7; 40]));
}

#[test]
fn auto_traits_are_those_of_async_std() {
    fn send<T: Send>(_: &T) {}
    fn is_send<T: Send>() {}
    fn is_sync<T: Sync>() {}
    fn is_unpin<T: Unpin>() {}
    fn is_unwind_safe<T: UnwindSafe + RefUnwindSafe>() {}
    type NotSync = std::cell::Cell<u8>;
    is_send::<JoinHandle<NotSync>>();
    is_sync::<JoinHandle<Rc<u8>>>();
    is_unpin::<JoinHandle<std::marker::PhantomPinned>>();
    is_unwind_safe::<JoinHandle<&'static mut NotSync>>();
    is_send::<JoinResult<NotSync>>();
    is_sync::<JoinResult<Rc<u8>>>();
    is_unpin::<JoinResult<std::marker::PhantomPinned>>();
    is_send::<JoinError>();
    is_sync::<JoinError>();
    is_send::<Runnable>();
    is_send::<TaskHandle>();
    is_sync::<TaskHandle>();
    is_send::<TaskRef<'_>>();
    is_send::<(Task, TaskId)>();
    is_sync::<(Task, TaskId)>();
    let toy = Toy::default();
    let (runnable, handle) = toy.spawn(async { 1 });
    send(&handle.cancel());
    drop(runnable);
}

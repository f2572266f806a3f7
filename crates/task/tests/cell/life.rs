//! The life of a task from spawn to completion, with run, cancel, detach and drop in every order.

use std::any::Any;
use std::panic::Location;
use std::sync::{Arc, Mutex};
use std::task::Poll;

use reveille_task::{
    Cause, JoinHandle, Kept, Options, Ran, Runnable, Schedule, TaskData, TaskId, TaskRef, spawn,
    spawn_kept, task_ref,
};

use crate::toy::{Count, Toy, poll, probe, ready, run};

#[test]
fn a_finished_task_returns_its_output_and_frees_its_cell() {
    let toy = Toy::default();
    let (runnable, handle) = toy.spawn(async { String::from("done") });
    assert!(!handle.is_finished());
    assert!(matches!(runnable.run(), Ran::Complete));
    assert!(handle.is_finished());
    assert_eq!(ready(handle), "done");
    assert_eq!((toy.completed(), toy.handles()), (1, 1));
}

#[test]
fn a_dropped_runnable_cancels_its_task() {
    let toy = Toy::default();
    let (future, polls, drops) = probe(|_| Poll::Ready(()));
    let (runnable, handle) = toy.spawn(future);
    drop(runnable);
    assert_eq!((polls.get(), drops.get(), toy.completed()), (0, 1, 1));
    assert!(ready(handle.result()).expect_err("it was cancelled").is_cancelled());
    assert_eq!(toy.handles(), 1);
}

#[test]
fn a_runnable_dropped_after_a_requeue_cancels_its_task() {
    let toy = Toy::default();
    let (future, polls, drops) = probe(|cx| {
        cx.waker().wake_by_ref();
        Poll::<()>::Pending
    });
    let (runnable, handle) = toy.spawn(future);
    let Ran::Requeued(runnable) = runnable.run() else { panic!("it woke itself") };
    drop(runnable);
    assert_eq!((polls.get(), drops.get()), (1, 1));
    assert_eq!(ready(handle.cancel()), None);
    assert_eq!(toy.handles(), 1);
}

#[test]
fn a_detached_task_runs_and_drops_its_output() {
    let toy = Toy::default();
    let outputs = Count::default();
    let output = outputs.on_drop();
    let (runnable, handle) = toy.spawn(async move { output });
    drop(handle);
    run(runnable);
    assert_eq!((outputs.get(), toy.completed(), toy.handles()), (1, 1, 1));
}

#[test]
fn a_task_detached_after_completion_drops_its_output_with_the_handle() {
    let toy = Toy::default();
    let outputs = Count::default();
    let output = outputs.on_drop();
    let (runnable, handle) = toy.spawn(async move { output });
    run(runnable);
    assert_eq!(outputs.get(), 0);
    drop(handle);
    assert_eq!((outputs.get(), toy.handles()), (1, 1));
}

#[test]
fn a_task_aborted_before_its_first_poll_is_never_polled() {
    let toy = Toy::default();
    let (future, polls, drops) = probe(|_| Poll::Ready(()));
    let (runnable, handle) = toy.spawn(future);
    handle.abort();
    assert_eq!((drops.get(), toy.queued()), (0, 0));
    assert!(matches!(runnable.run(), Ran::Complete));
    assert_eq!((polls.get(), drops.get()), (0, 1));
    assert_eq!(ready(handle.cancel()), None);
}

#[test]
fn an_idle_task_that_is_aborted_is_scheduled_once_to_be_dropped() {
    let toy = Toy::default();
    let (future, polls, drops) = probe(|_| Poll::<()>::Pending);
    let (runnable, handle) = toy.spawn(future);
    assert!(matches!(runnable.run(), Ran::Pending));
    handle.abort();
    handle.abort();
    assert_eq!(drops.get(), 0);
    let (runnable, cause) = toy.pop();
    assert_eq!(cause, Cause::Cancel);
    run(runnable);
    assert_eq!((polls.get(), drops.get()), (1, 1));
    assert!(handle.is_finished());
}

#[test]
fn an_abort_after_completion_leaves_the_output() {
    let toy = Toy::default();
    let (runnable, handle) = toy.spawn(async { 7 });
    run(runnable);
    handle.abort();
    assert_eq!((ready(handle.cancel()), toy.queued()), (Some(7), 0));
}

/// Lets a future use its own join handle during a poll, as another thread could.
type Shared<T> = Arc<Mutex<Option<JoinHandle<T>>>>;

#[test]
fn a_task_aborted_during_its_poll_is_dropped_when_the_poll_ends() {
    let toy = Toy::default();
    let shared = Shared::<()>::default();
    let mine = shared.clone();
    let (future, polls, drops) = probe(move |cx| {
        cx.waker().wake_by_ref();
        mine.lock().unwrap().as_ref().expect("the handle is here").abort();
        Poll::<()>::Pending
    });
    let (runnable, handle) = toy.spawn(future);
    *shared.lock().unwrap() = Some(handle);
    assert!(matches!(runnable.run(), Ran::Complete));
    assert_eq!((polls.get(), drops.get(), toy.queued()), (1, 1, 0));
    let handle = shared.lock().unwrap().take().expect("the handle is here");
    assert_eq!(ready(handle.cancel()), None);
}

#[test]
fn a_task_aborted_during_its_last_poll_keeps_its_output() {
    let toy = Toy::default();
    let shared = Shared::<u8>::default();
    let mine = shared.clone();
    let (future, ..) = probe(move |_| {
        mine.lock().unwrap().as_ref().expect("the handle is here").abort();
        Poll::Ready(3)
    });
    let (runnable, handle) = toy.spawn(future);
    *shared.lock().unwrap() = Some(handle);
    run(runnable);
    let handle = shared.lock().unwrap().take().expect("the handle is here");
    assert_eq!(ready(handle), 3);
}

#[test]
fn a_task_detached_during_its_last_poll_drops_its_output() {
    let toy = Toy::default();
    let shared = Shared::default();
    let mine = shared.clone();
    let outputs = Count::default();
    let output = outputs.clone();
    let (future, _, drops) = probe(move |_| {
        drop(mine.lock().unwrap().take());
        Poll::Ready(output.on_drop())
    });
    let (runnable, handle) = toy.spawn(future);
    *shared.lock().unwrap() = Some(handle);
    run(runnable);
    assert_eq!((outputs.get(), drops.get(), toy.completed(), toy.handles()), (1, 1, 1, 1));
}

#[test]
fn a_detached_task_that_nothing_can_wake_is_dropped_when_its_poll_ends() {
    let toy = Toy::default();
    let (future, polls, drops) = probe(|_| Poll::<()>::Pending);
    let (runnable, handle) = toy.spawn(future);
    drop(handle);
    assert!(matches!(runnable.run(), Ran::Complete));
    assert_eq!((polls.get(), drops.get(), toy.completed(), toy.handles()), (1, 1, 1, 1));
}

#[test]
fn dropping_the_handle_of_an_idle_task_without_wakers_orphans_it() {
    let toy = Toy::default();
    let (future, polls, drops) = probe(|_| Poll::<()>::Pending);
    let (runnable, handle) = toy.spawn(future);
    run(runnable);
    drop(handle);
    assert_eq!(drops.get(), 0);
    let (runnable, cause) = toy.pop();
    assert_eq!(cause, Cause::Orphan);
    run(runnable);
    assert_eq!((polls.get(), drops.get(), toy.handles()), (1, 1, 1));
}

#[test]
fn a_runnable_converted_to_a_pointer_and_back_runs() {
    let toy = Toy::default();
    let (runnable, handle) = toy.spawn(async { 1 });
    let address = runnable.as_task().addr();
    let pointer = runnable.into_raw();
    assert_eq!((pointer.addr().get(), address % 8), (address, 0));
    // SAFETY: the pointer came from `into_raw` just now.
    run(unsafe { Runnable::from_raw(pointer) });
    assert_eq!(ready(handle), 1);
}

#[test]
fn a_task_handle_cancels_and_keeps_a_task_from_being_orphaned() {
    let toy = Toy::default();
    let (future, _, drops) = probe(|_| Poll::<()>::Pending);
    let (runnable, join) = toy.spawn(future);
    let handle = runnable.as_task().to_handle();
    drop(join);
    assert!(matches!(runnable.run(), Ran::Pending));
    handle.clone().as_task().cancel();
    assert_eq!(drops.get(), 0);
    toy.drain();
    assert_eq!(drops.get(), 1);
    assert!(handle.as_task().is_finished());
    assert_eq!(toy.handles(), 2);
    drop(handle);
    assert_eq!(toy.handles(), 1);
}

#[test]
fn a_task_has_the_name_location_and_slot_of_its_options() {
    let toy = Toy::default();
    let here = Location::caller();
    let options = Options { name: Some("smith".into()), location: Some(here) };
    let (runnable, handle) = spawn(async { [0u8; 100] }, toy.clone(), options);
    let task = runnable.as_task();
    assert_eq!(task.name(), Some("smith"));
    assert!(std::ptr::eq(task.location().expect("it was given"), here));
    assert_eq!(task.owned_slot(), Kept::NO_SLOT);
    assert!(task.future_type_name().contains("life::"));
    assert!(task.future_size() > 0);
    assert_eq!((handle.id(), handle.name()), (task.id(), Some("smith")));
    assert_eq!(handle.task().clone().id(), task.id());
    assert_eq!(format!("{}", task.id()), task.id().get().to_string());
    let (other, _detached) = toy.spawn(async {});
    assert_eq!((other.as_task().known_id(), other.as_task().location()), (None, None));
    assert_ne!(other.as_task().id(), task.id());
    assert!(other.as_task().known_id().is_some());
}

#[test]
fn every_reference_reads_the_slot_that_the_kept_one_stored() {
    let (runnable, handle, mut kept) = spawn_kept(async {}, Toy::default(), Options::default());
    kept.set_slot(9);
    assert_eq!((runnable.as_task().owned_slot(), task_ref(&handle).owned_slot()), (9, 9));
}

/// Returns kept references in its own order, regardless of which task has completed.
#[derive(Clone)]
struct Confused(Arc<Mutex<Vec<Kept>>>);

impl Schedule for Confused {
    fn schedule(&self, task: Runnable, _: Cause) {
        drop(task);
    }

    fn completed(&self, _: TaskRef<'_>) -> Option<Kept> {
        self.0.lock().unwrap().pop()
    }

    fn unhandled_panic(&self, _: TaskRef<'_>, _: Box<dyn Any + Send>) {}
}

#[test]
fn a_kept_reference_of_another_task_frees_no_cell() {
    let confused = Confused(Arc::default());
    let spawn_kept = |value| spawn_kept(async move { value }, confused.clone(), Options::default());
    let (first, mut first_handle, first_kept) = spawn_kept(String::from("first"));
    let (second, mut second_handle, second_kept) = spawn_kept(String::from("second"));
    confused.0.lock().unwrap().extend([first_kept, second_kept]);
    // Each completion returns the other task's reference; each task still has its handle.
    run(first);
    assert_eq!(poll(&mut first_handle), Poll::Ready("first".into()));
    drop(first_handle);
    assert_eq!(Arc::strong_count(&confused.0), 3, "the first is still kept");
    run(second);
    assert_eq!(poll(&mut second_handle), Poll::Ready("second".into()));
    // Each kept reference was released once, so the cells are freed with the handles.
    assert_eq!(Arc::strong_count(&confused.0), 2);
    drop(second_handle);
    assert_eq!(Arc::strong_count(&confused.0), 1);
}

#[test]
fn ids_start_at_one_and_are_unique_across_threads() {
    let threads: Vec<_> = (0..4)
        .map(|_| {
            #[allow(clippy::disallowed_methods, reason = "the test is about threads")]
            std::thread::spawn(|| {
                let ids = (0..100).map(|_| TaskData::new(Options::default()).id());
                ids.collect::<Vec<TaskId>>()
            })
        })
        .collect();
    let mut ids: Vec<_> = threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect();
    ids.sort();
    ids.dedup();
    assert_eq!(ids.len(), 400);
    assert!(ids[0].get() >= 1);
}

#[test]
fn locals_are_dropped_when_the_task_completes() {
    let toy = Toy::default();
    let (values, futures) = (Count::default(), Count::default());
    let (value, seen, future_dropped) = (values.clone(), values.clone(), futures.on_drop());
    let order = futures.clone();
    let (runnable, handle) = toy.spawn(async move {
        let _dropped_first = future_dropped;
        let _ = (&value, &order);
    });
    // SAFETY: this thread runs the task below, and no other thread does.
    let locals = unsafe { runnable.as_task().locals() };
    locals.with(1, || Box::new(values.on_drop()), |_| ());
    assert_eq!(seen.get(), 0);
    run(runnable);
    assert_eq!((futures.get(), seen.get()), (1, 1));
    assert!(handle.is_finished());
}

#[test]
fn task_data_has_a_name_an_id_and_locals() {
    let values = Count::default();
    let data = TaskData::new(Options { name: Some("main".into()), location: None });
    assert_eq!((data.name(), data.id()), (Some("main"), data.task().id()));
    data.locals().with(1, || Box::new(values.on_drop()), |_| ());
    drop(data);
    assert_eq!(values.get(), 1);
}

#[test]
fn a_future_that_is_not_ready_is_polled_again_after_each_wake() {
    let toy = Toy::default();
    let (future, polls, drops) = {
        let mut left = 3;
        probe(move |cx| {
            left -= 1;
            cx.waker().wake_by_ref();
            if left == 0 { Poll::Ready(()) } else { Poll::Pending }
        })
    };
    let (runnable, mut handle) = toy.spawn(future);
    assert!(poll(&mut handle).is_pending());
    run(runnable);
    assert_eq!((polls.get(), drops.get(), toy.queued()), (3, 1, 0));
    assert!(poll(&mut handle).is_ready());
}

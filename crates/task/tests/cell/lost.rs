//! The executor is notified when nothing can wake a task any more, and not otherwise.

use std::any::Any;
use std::collections::VecDeque;
use std::future::{Future, pending, poll_fn};
use std::sync::{Arc, Mutex};
use std::task::{Poll, Waker};

use reveille_task::{
    Cause, JoinHandle, Kept, Loss, Options, Ran, Runnable, Schedule, TaskRef, spawn, spawn_kept,
    task_ref,
};

use crate::toy::run;

/// An executor that keeps a reference to its one task, as those of the runtime do.
#[derive(Clone, Default)]
struct Keeps(Arc<Shared>);

#[derive(Default)]
struct Shared {
    kept: Mutex<Option<Kept>>,
    lost: Mutex<Vec<Loss>>,
    queue: Mutex<VecDeque<Runnable>>,
}

impl Schedule for Keeps {
    fn schedule(&self, task: Runnable, _: Cause) {
        self.0.queue.lock().unwrap().push_back(task);
    }

    fn completed(&self, _: TaskRef<'_>) -> Option<Kept> {
        self.0.kept.lock().unwrap().take()
    }

    fn lost(&self, task: TaskRef<'_>, loss: Loss) {
        assert!(!task.is_finished() && !task.is_active());
        self.0.lost.lock().unwrap().push(loss);
    }

    fn unhandled_panic(&self, _: TaskRef<'_>, _: Box<dyn Any + Send>) {}
}

impl Keeps {
    fn spawn<F>(&self, future: F) -> (Runnable, JoinHandle<F::Output>)
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        let (task, handle, mut kept) = spawn_kept(future, self.clone(), Options::default());
        kept.set_slot(7);
        *self.0.kept.lock().unwrap() = Some(kept);
        (task, handle)
    }

    /// The losses that were reported since the last call.
    fn lost(&self) -> Vec<Loss> {
        std::mem::take(&mut *self.0.lost.lock().unwrap())
    }

    fn pop(&self) -> Runnable {
        self.0.queue.lock().unwrap().pop_front().expect("a task is queued")
    }
}

/// Keeps a waker of its task in `wakers` at each poll.
fn keeps_wakers(wakers: &Arc<Mutex<Vec<Waker>>>) -> impl Future<Output = ()> + use<> {
    let wakers = Arc::clone(wakers);
    poll_fn(move |cx| {
        wakers.lock().unwrap().push(cx.waker().clone());
        Poll::Pending
    })
}

#[test]
fn a_poll_that_leaves_no_waker_is_a_loss_with_and_without_a_join_handle() {
    let keeps = Keeps::default();
    let (task, handle) = keeps.spawn(pending::<()>());
    assert!(matches!(task.run(), Ran::Pending));
    assert_eq!(keeps.lost(), [Loss::NoWaker]);
    drop(handle);
    assert_eq!(keeps.lost(), [], "the handle could not wake it");
    task_of(&keeps).expect("the executor keeps it").cancel();
    run(keeps.pop());

    let (task, handle) = keeps.spawn(pending::<()>());
    drop(handle);
    assert!(matches!(task.run(), Ran::Pending));
    assert_eq!(keeps.lost(), [Loss::NoWaker]);
    task_of(&keeps).expect("the executor keeps it").cancel();
    run(keeps.pop());
}

/// The task that the executor keeps.
fn task_of(keeps: &Keeps) -> Option<reveille_task::TaskHandle> {
    keeps.0.kept.lock().unwrap().as_ref().map(|kept| kept.as_task().to_handle())
}

trait Cancel {
    fn cancel(&self);
}

impl Cancel for reveille_task::TaskHandle {
    fn cancel(&self) {
        self.as_task().cancel();
    }
}

#[test]
fn a_poll_that_leaves_a_waker_or_wakes_itself_is_no_loss() {
    let keeps = Keeps::default();
    let wakers = Arc::default();
    for is_joined in [true, false] {
        let (task, handle) = keeps.spawn(keeps_wakers(&wakers));
        let handle = is_joined.then_some(handle);
        assert!(matches!(task.run(), Ran::Pending));
        assert_eq!(keeps.lost(), []);
        wakers.lock().unwrap().pop().unwrap().wake();
        assert!(matches!(keeps.pop().run(), Ran::Pending));
        assert_eq!(keeps.lost(), []);
        drop(handle);
        task_of(&keeps).unwrap().cancel();
        run(keeps.pop());
        wakers.lock().unwrap().clear();
    }
    let mut polls = 0;
    let (task, handle) = keeps.spawn(poll_fn(move |cx| {
        polls += 1;
        cx.waker().wake_by_ref();
        if polls == 3 { Poll::Ready(()) } else { Poll::Pending }
    }));
    run(task);
    assert!(handle.is_finished());
    assert_eq!(keeps.lost(), []);
}

#[test]
fn only_the_drop_of_the_last_waker_is_a_loss() {
    let keeps = Keeps::default();
    let wakers = Arc::default();
    for is_joined in [true, false] {
        let (task, handle) = keeps.spawn(keeps_wakers(&wakers));
        let handle = is_joined.then_some(handle);
        assert!(matches!(task.run(), Ran::Pending));
        let last = wakers.lock().unwrap().pop().unwrap();
        let other = last.clone();
        drop(other);
        assert_eq!(keeps.lost(), []);
        drop(last);
        assert_eq!(keeps.lost(), [Loss::LastWaker]);
        drop(handle);
        task_of(&keeps).unwrap().cancel();
        run(keeps.pop());
    }
}

#[test]
fn a_drop_while_the_task_is_queued_or_complete_is_no_loss() {
    let keeps = Keeps::default();
    let wakers: Arc<Mutex<Vec<Waker>>> = Arc::default();
    let theirs = Arc::clone(&wakers);
    let mut polls = 0;
    let (task, handle) = keeps.spawn(poll_fn(move |cx| {
        polls += 1;
        theirs.lock().unwrap().push(cx.waker().clone());
        if polls == 2 { Poll::Ready(()) } else { Poll::Pending }
    }));
    assert!(matches!(task.run(), Ran::Pending));
    let waker = wakers.lock().unwrap().pop().unwrap();
    waker.wake_by_ref();
    drop(waker);
    assert!(matches!(keeps.pop().run(), Ran::Complete));
    wakers.lock().unwrap().clear();
    assert!(handle.is_finished());
    assert_eq!(keeps.lost(), []);
}

#[test]
fn a_spare_handle_hides_the_loss_and_dropping_an_unkept_task_is_no_loss() {
    let keeps = Keeps::default();
    let (task, handle) = keeps.spawn(pending::<()>());
    let spare = task_ref(&handle).to_handle();
    assert!(matches!(task.run(), Ran::Pending));
    drop(spare);
    assert_eq!(keeps.lost(), []);
    task_of(&keeps).unwrap().cancel();
    run(keeps.pop());

    let (task, handle) = spawn(pending::<()>(), keeps.clone(), Options::default());
    assert!(matches!(task.run(), Ran::Pending));
    assert_eq!(keeps.lost(), []);
    drop(handle);
    run(keeps.pop());
}

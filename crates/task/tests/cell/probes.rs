//! Probes: an idle task is polled once, and the observer learns where it waits.

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Poll, Waker};

use reveille_task::{
    Observer, Ran, Runnable, TaskRef, is_kept_by, is_probe, is_task_waker, task_ref,
};

use crate::toy::{self, Toy, run};

/// Counts the calls of its methods.
#[derive(Default)]
struct Counts {
    registered: AtomicUsize,
    awaited: Mutex<Vec<usize>>,
}

impl Observer for Counts {
    fn registered(&self) {
        self.registered.fetch_add(1, Ordering::SeqCst);
    }

    fn awaits(&self, other: TaskRef<'_>) {
        self.awaited.lock().unwrap().push(other.addr());
    }
}

impl Counts {
    fn registered(&self) -> usize {
        self.registered.load(Ordering::SeqCst)
    }
}

/// Where a test keeps the waker of its task.
type Kept = Arc<Mutex<Option<Waker>>>;

/// Waits until it is polled `polls` times, and keeps its newest waker, as most futures do.
async fn waits(kept: Kept, polls: usize) {
    let mut count = 0;
    poll_fn(|cx| {
        count += 1;
        let mut kept = kept.lock().unwrap();
        match &*kept {
            Some(old) if old.will_wake(cx.waker()) => {}
            _ => *kept = Some(cx.waker().clone()),
        }
        if count == polls { Poll::Ready(()) } else { Poll::Pending }
    })
    .await;
}

fn claim(task: TaskRef<'_>) -> Option<Runnable> {
    // SAFETY: the futures of this file are `Send`.
    unsafe { task.claim() }
}

#[test]
fn a_probe_reports_the_waker_that_is_left_and_the_task_continues() {
    let (toy, kept, counts) = (Toy::default(), Kept::default(), Counts::default());
    let (task, handle) = toy.spawn(waits(Arc::clone(&kept), 3));
    run(task);
    let probed = claim(task_ref(&handle)).expect("the task is idle");
    assert!(claim(task_ref(&handle)).is_none(), "there is one Runnable");
    assert!(matches!(probed.run_probed(&counts), Ran::Pending));
    assert_eq!(counts.registered(), 1);
    let waker = kept.lock().unwrap().take().unwrap();
    assert!(is_task_waker(&waker), "what the future keeps is the ordinary waker");
    waker.wake();
    run(toy.pop().0);
    assert!(handle.is_finished());
}

#[test]
fn a_task_that_is_queued_or_complete_is_not_claimed() {
    let toy = Toy::default();
    let (task, handle) = toy.spawn(async {});
    assert!(claim(task_ref(&handle)).is_none());
    run(task);
    assert!(claim(task_ref(&handle)).is_none());
}

#[test]
fn a_wake_between_the_claim_and_the_poll_is_followed_by_another_poll() {
    let (toy, kept, counts) = (Toy::default(), Kept::default(), Counts::default());
    let (task, handle) = toy.spawn(waits(Arc::clone(&kept), 3));
    run(task);
    let probed = claim(task_ref(&handle)).unwrap();
    // It is this very poll that follows the wake.
    kept.lock().unwrap().take().unwrap().wake();
    assert_eq!(toy.queued(), 0);
    assert!(matches!(probed.run_probed(&counts), Ran::Pending));
    let probed = claim(task_ref(&handle)).unwrap();
    let waker = kept.lock().unwrap().clone().unwrap();
    let (task, second) = toy.spawn(async move { waker.wake() });
    run(task);
    assert!(matches!(probed.run_probed(&counts), Ran::Complete));
    assert!(handle.is_finished() && second.is_finished());
}

#[test]
fn a_wake_by_the_probe_s_waker_requeues_the_task() {
    let toy = Toy::default();
    let mut polls = 0;
    let (task, handle) = toy.spawn(poll_fn(move |cx| {
        polls += 1;
        if is_probe(cx.waker()) {
            assert!(!is_task_waker(cx.waker()));
            cx.waker().wake_by_ref();
        }
        if polls == 3 { Poll::Ready(()) } else { Poll::<()>::Pending }
    }));
    let _keeps_it = task.waker();
    run(task);
    let counts = Counts::default();
    match claim(task_ref(&handle)).unwrap().run_probed(&counts) {
        Ran::Requeued(task) => run(task),
        other => panic!("{other:?}"),
    }
    assert!(handle.is_finished());
    assert_eq!(counts.registered(), 0, "a wake leaves no waker");
}

#[test]
fn a_future_with_the_task_s_waker_need_not_leave_another() {
    let (toy, counts) = (Toy::default(), Counts::default());
    let kept = Kept::default();
    let theirs = Arc::clone(&kept);
    let (task, handle) = toy.spawn(poll_fn(move |cx| {
        let mut kept = theirs.lock().unwrap();
        if kept.as_ref().is_some_and(|kept| is_kept_by(kept.data().addr(), cx.waker())) {
            return Poll::<()>::Pending;
        }
        *kept = Some(cx.waker().clone());
        Poll::Pending
    }));
    run(task);
    assert!(matches!(claim(task_ref(&handle)).unwrap().run_probed(&counts), Ran::Pending));
    assert_eq!(counts.registered(), 1);
    let (other, _handle) = toy.spawn(async {});
    let foreign = kept.lock().unwrap().replace(other.waker());
    assert!(matches!(claim(task_ref(&handle)).unwrap().run_probed(&counts), Ran::Pending));
    assert_eq!(counts.registered(), 2);
    drop((foreign, other));
    handle.abort();
    toy.drain();
}

#[test]
fn a_probe_reports_which_task_is_awaited_and_the_joiner_is_woken() {
    let (toy, counts) = (Toy::default(), Counts::default());
    let (awaited, awaited_handle) = toy.spawn(async { 7 });
    let address = awaited.as_task().addr();
    let (joiner, handle) = toy.spawn(awaited_handle);
    run(joiner);
    for probes in 1..=2 {
        assert!(matches!(claim(task_ref(&handle)).unwrap().run_probed(&counts), Ran::Pending));
        assert_eq!(*counts.awaited.lock().unwrap(), vec![address; probes]);
        assert_eq!(counts.registered(), probes);
    }
    run(awaited);
    run(toy.pop().0);
    assert_eq!(toy::ready(handle), 7);
}

#[test]
fn a_panic_in_the_poll_of_a_probe_is_the_task_s() {
    let toy = Toy::default();
    let (task, handle) = toy.spawn(poll_fn(|cx| {
        assert!(!is_probe(cx.waker()), "on purpose");
        Poll::<()>::Pending
    }));
    let _keeps_it = task.waker();
    run(task);
    let ran = claim(task_ref(&handle)).unwrap().run_probed(&Counts::default());
    assert!(matches!(ran, Ran::Complete));
    assert!(toy::ready(handle.result()).unwrap_err().is_panic());
}

#[test]
fn a_panic_of_the_observer_is_not_the_task_s() {
    struct Panics;
    impl Observer for Panics {
        fn registered(&self) {
            panic!("on purpose");
        }
    }
    let (toy, kept) = (Toy::default(), Kept::default());
    let (task, handle) = toy.spawn(waits(Arc::clone(&kept), 3));
    run(task);
    let ran = claim(task_ref(&handle)).unwrap().run_probed(&Panics);
    assert!(matches!(ran, Ran::Pending));
    let waker = kept.lock().unwrap().take().unwrap();
    waker.wake();
    run(toy.pop().0);
    assert!(handle.is_finished());
}

#[test]
fn a_future_may_lend_the_waker_of_a_probe_to_another_thread() {
    let (toy, kept, counts) = (Toy::default(), Kept::default(), Counts::default());
    let theirs = Arc::clone(&kept);
    let (task, handle) = toy.spawn(async move {
        let mut polls = 0;
        poll_fn(|cx| {
            polls += 1;
            let waker = cx.waker();
            std::thread::scope(|scope| {
                scope.spawn(|| *theirs.lock().unwrap() = Some(waker.clone()));
            });
            if polls == 3 { Poll::Ready(()) } else { Poll::Pending }
        })
        .await;
    });
    run(task);
    let ran = claim(task_ref(&handle)).unwrap().run_probed(&counts);
    assert!(matches!(ran, Ran::Pending));
    assert_eq!(counts.registered(), 1);
    kept.lock().unwrap().take().unwrap().wake();
    run(toy.pop().0);
    let mut handle = pin!(handle);
    let waker = Waker::noop();
    assert!(handle.as_mut().poll(&mut std::task::Context::from_waker(waker)).is_ready());
}

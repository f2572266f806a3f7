//! `task::JoinSet`: results in the order of completion, nothing lost, nothing left running.

use std::future::{Future, pending};
use std::panic::resume_unwind;
use std::pin::pin;
use std::rc::Rc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

use reveille::prelude::*;
use reveille::runtime::Builder;
use reveille::{channel, task};
use task::{JoinSet, block_on};

struct Counted(Arc<AtomicUsize>);

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

/// A future that never ends and counts its drop.
async fn hold(drops: &Arc<AtomicUsize>) -> impl Future<Output = u32> + use<> {
    let counted = Counted(Arc::clone(drops));
    async move {
        let _counted = counted;
        pending().await
    }
}

#[test]
fn results_come_in_the_order_of_completion() {
    block_on(async {
        let mut set = JoinSet::new();
        let mut gates = Vec::new();
        for n in 0..5 {
            let (gate, opened) = channel::bounded::<()>(1);
            gates.push(gate);
            set.spawn(async move {
                let _ = opened.recv().await;
                n
            });
        }
        for n in [3, 0, 4, 1, 2] {
            gates[n].send(()).await.unwrap();
            assert_eq!(set.len(), 5 - [3, 0, 4, 1, 2].iter().position(|m| *m == n).unwrap());
            assert_eq!(set.join_next().await.unwrap().unwrap(), n);
        }
        assert!(set.join_next().await.is_none());
    });
}

#[test]
fn every_kind_of_task_can_be_in_one_set() {
    let runtime = Builder::new().workers(1).build().unwrap();
    block_on(async {
        let mut set = JoinSet::new();
        set.spawn(async { 1 });
        set.spawn_local(async { 2 });
        set.spawn_blocking(|| 4);
        set.spawn_on(&runtime.handle(), async { 8 });
        let named = task::Builder::new().name("sixteen".to_string());
        let handle = set.spawn_with(named, async { 16 }).unwrap();
        assert_eq!(handle.name(), Some("sixteen"));
        let mut sum = 0;
        while let Some(result) = set.next().await {
            sum += result.unwrap();
        }
        assert_eq!(sum, 31);
    });
}

#[test]
fn local_results_need_not_be_send() {
    block_on(async {
        let mut set = JoinSet::new();
        set.spawn_local(async { Rc::new(5) });
        assert_eq!(*set.join_next().await.unwrap().unwrap(), 5);
    });
}

#[test]
fn a_panic_or_a_cancel_is_a_result_and_the_others_continue() {
    block_on(async {
        let mut set = JoinSet::new();
        set.spawn(async { resume_unwind(Box::new("gone")) });
        assert!(set.join_next().await.unwrap().unwrap_err().is_panic());
        let handle = set.spawn(pending::<u8>());
        set.spawn(async { 1 });
        assert_eq!(set.join_next().await.unwrap().unwrap(), 1);
        handle.abort();
        assert!(set.join_next().await.unwrap().unwrap_err().is_cancelled());
        assert!(handle.is_finished() && set.is_empty());
    });
}

#[test]
fn a_dropped_join_next_loses_no_result() {
    block_on(async {
        let mut set = JoinSet::new();
        for n in 0..100 {
            set.spawn(async move {
                if n % 3 == 0 {
                    task::yield_now().await;
                }
                n
            });
        }
        let mut seen = Vec::new();
        while !set.is_empty() {
            let polled = {
                let mut next = pin!(set.join_next());
                next.as_mut().poll(&mut Context::from_waker(Waker::noop()))
            };
            match polled {
                Poll::Ready(result) => seen.extend(result.map(Result::unwrap)),
                Poll::Pending => task::yield_now().await,
            }
        }
        seen.sort_unstable();
        assert!(seen.into_iter().eq(0..100));
    });
}

#[test]
fn try_join_next_never_waits() {
    block_on(async {
        let mut set = JoinSet::new();
        assert!(set.try_join_next().is_none());
        let handle = set.spawn(async { 9 });
        while !handle.is_finished() {
            task::yield_now().await;
        }
        assert_eq!(set.try_join_next().unwrap().unwrap(), 9);
        set.spawn(pending());
        assert!(set.try_join_next().is_none());
        assert_eq!(set.len(), 1);
    });
}

#[test]
fn drop_cancels_and_shutdown_waits() {
    block_on(async {
        let drops = Arc::new(AtomicUsize::new(0));
        let mut set = JoinSet::new();
        for _ in 0..50 {
            set.spawn(hold(&drops).await);
            set.spawn_local(hold(&drops).await);
        }
        task::yield_now().await;
        set.shutdown().await;
        assert_eq!(drops.load(Ordering::SeqCst), 100);
        assert!(set.is_empty());

        set.spawn(hold(&drops).await);
        drop(set);
        while drops.load(Ordering::SeqCst) < 101 {
            task::yield_now().await;
        }
    });
}

#[test]
fn detached_tasks_continue_and_the_set_can_be_used_again() {
    block_on(async {
        let (sender, receiver) = channel::unbounded();
        let mut set = JoinSet::new();
        let (gate, opened) = channel::bounded::<()>(1);
        for n in 0..10 {
            let (sender, opened) = (sender.clone(), opened.clone());
            set.spawn(async move {
                let _ = opened.recv().await;
                sender.send(n).await.unwrap();
                n
            });
        }
        set.detach_all();
        assert!(set.is_empty());
        set.spawn(async { 99 });
        drop(gate);
        for _ in 0..10 {
            receiver.recv().await.unwrap();
        }
        // The numbers of detached tasks are not used again.
        assert_eq!(set.join_next().await.unwrap().unwrap(), 99);
        assert!(set.join_next().await.is_none());
    });
}

#[test]
fn a_panic_whose_result_is_not_taken_is_reported() {
    let reported = Arc::new(Mutex::new(Vec::new()));
    let hook = {
        let reported = Arc::clone(&reported);
        move |panic: &reveille::runtime::UnhandledPanic<'_>| {
            let message = panic.message().unwrap_or_default().to_owned();
            reported.lock().unwrap().push((message, panic.spawned_at.is_some()));
        }
    };
    let runtime = Builder::new().workers(1).on_unhandled_panic(hook).build().unwrap();
    runtime.block_on(async {
        let mut set = JoinSet::new();
        let handle = set.spawn(async { resume_unwind(Box::new("by shutdown")) });
        while !handle.is_finished() {
            task::yield_now().await;
        }
        set.shutdown().await;
        let handle = set.spawn(async { resume_unwind(Box::new("by drop")) });
        while !handle.is_finished() {
            task::yield_now().await;
        }
        drop::<JoinSet<()>>(set);
    });
    let expected = [("by shutdown".to_owned(), true), ("by drop".to_owned(), true)];
    assert_eq!(*reported.lock().unwrap(), expected);
}

#[test]
fn a_hundred_thousand_tasks_of_the_pool() {
    block_on(async {
        let drops = Arc::new(AtomicUsize::new(0));
        let mut set: JoinSet<usize> = (0..100_000)
            .map(|n| {
                let counted = Counted(Arc::clone(&drops));
                async move {
                    let _counted = counted;
                    task::yield_now().await;
                    n
                }
            })
            .collect();
        let mut sum = 0_u64;
        while let Some(result) = set.join_next().await {
            sum += result.unwrap() as u64;
        }
        assert_eq!(sum, 100_000 * 99_999 / 2);
        assert_eq!(drops.load(Ordering::SeqCst), 100_000);
    });
}

#[test]
fn a_task_of_a_runtime_that_has_ended_is_a_cancelled_one() {
    let runtime = Builder::new().workers(1).build().unwrap();
    let handle = runtime.handle();
    drop(runtime);
    let mut set = JoinSet::new();
    set.spawn_on(&handle, async { 1 });
    assert!(block_on(set.join_next()).unwrap().unwrap_err().is_cancelled());
}

#[test]
fn a_blocking_closure_that_has_not_started_can_be_cancelled() {
    let runtime = Builder::new().workers(1).max_blocking_threads(1).build().unwrap();
    runtime.block_on(async {
        let (release, released) = mpsc::channel::<()>();
        let mut set = JoinSet::new();
        set.spawn_blocking(move || released.recv().unwrap());
        set.spawn_blocking(|| unreachable!("it was cancelled before"));
        task::yield_now().await;
        set.abort_all();
        release.send(()).unwrap();
        let mut results = Vec::new();
        while let Some(result) = set.join_next().await {
            results.push(result.is_ok());
        }
        results.sort_unstable();
        // The first one may have been cancelled before it started.
        assert!(results == [false, true] || results == [false, false]);
    });
}

#[test]
fn a_set_moves_between_tasks() {
    let mut set = JoinSet::new();
    set.spawn(async {
        task::sleep(Duration::from_millis(1)).await;
        3
    });
    let outer = task::spawn(async move { set.join_next().await.unwrap().unwrap() });
    assert_eq!(block_on(outer), 3);
}

/// A waker that uses the tasks of the set when it is woken or dropped, and then panics if `panics`
/// is set.
struct Meddler {
    task: task::AbortHandle,
    woken: Arc<AtomicUsize>,
    panics: bool,
}

impl Wake for Meddler {
    fn wake(self: Arc<Self>) {
        self.task.abort();
        self.woken.fetch_add(1, Ordering::SeqCst);
        if self.panics {
            resume_unwind(Box::new("the waker"));
        }
    }
}

impl Drop for Meddler {
    fn drop(&mut self) {
        self.task.abort();
    }
}

#[test]
fn a_waker_may_end_tasks_of_the_set_that_wakes_or_drops_it_and_panic() {
    for panics in [false, true] {
        let mut set = JoinSet::new();
        let woken = Arc::new(AtomicUsize::new(0));
        let mut results = Vec::new();
        for _ in 0..2 {
            // The second waker replaces the first, whose drop ends a task.
            let task = set.spawn(pending::<()>());
            let meddler = Meddler { task, woken: Arc::clone(&woken), panics };
            let waker = Waker::from(Arc::new(meddler));
            if let Poll::Ready(result) = set.poll_join_next(&mut Context::from_waker(&waker)) {
                results.extend(result);
            }
        }
        // That end wakes the second, which ends the other task.
        while woken.load(Ordering::SeqCst) == 0 {
            std::thread::yield_now();
        }
        while let Some(result) = block_on(set.join_next()) {
            results.push(result);
        }
        assert_eq!(results.len(), 2);
        assert!(results.iter().all(|result| result.as_ref().unwrap_err().is_cancelled()));
        assert_eq!(woken.load(Ordering::SeqCst), 1);
    }
}

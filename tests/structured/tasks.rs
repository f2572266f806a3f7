//! `task::scope` and `task::try_scope`: children end before the scope, and nothing of them is lost.

use std::future::{Future, pending};
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::rc::Rc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::time::Duration;

use reveille::future::FutureExt;
use reveille::runtime::{Builder, Runtime, UnhandledPanic};
use reveille::{channel, future, task};
use task::block_on;

#[derive(Clone, Default)]
struct Count(Arc<AtomicUsize>);

impl Count {
    fn get(&self) -> usize {
        self.0.load(Ordering::SeqCst)
    }

    /// Counts when it is dropped.
    fn counted(&self) -> Counted {
        Counted(self.clone())
    }

    /// A future that never ends and counts its drop.
    fn hold(&self) -> impl Future<Output = ()> + Send + use<> {
        let counted = self.counted();
        async move {
            let _counted = counted;
            pending().await
        }
    }
}

struct Counted(Count);

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.0.fetch_add(1, Ordering::SeqCst);
    }
}

/// Runs the body in `block_on`, as a local task, and as a task of the pool.
fn everywhere<F>(body: impl Fn() -> F)
where
    F: Future<Output = ()> + Send + 'static,
{
    block_on(body());
    block_on(async { task::spawn_local(body()).await });
    block_on(task::spawn(body()));
}

fn panic_of<T>(future: impl Future<Output = T>) -> &'static str {
    let result = catch_unwind(AssertUnwindSafe(|| block_on(future)));
    *result.err().expect("it panics").downcast::<&str>().unwrap()
}

/// A runtime that collects the messages of unhandled panics.
fn listening() -> (Runtime, Arc<Mutex<Vec<String>>>) {
    let reported = Arc::new(Mutex::new(Vec::new()));
    let hook = {
        let reported = Arc::clone(&reported);
        move |panic: &UnhandledPanic<'_>| {
            let place = panic.spawned_at.expect("the place is known");
            assert!(place.file() == file!());
            reported.lock().unwrap().push(panic.message().unwrap_or_default().to_owned());
        }
    };
    (Builder::new().workers(2).on_unhandled_panic(hook).build().unwrap(), reported)
}

#[test]
fn the_scope_waits_for_children_that_are_not_awaited() {
    everywhere(|| async {
        let count = Count::default();
        task::scope(async |s| {
            for n in 0..20 {
                let counted = count.counted();
                drop(s.spawn(async move {
                    let _counted = counted;
                    task::sleep(Duration::from_millis(n % 3)).await;
                }));
            }
        })
        .await;
        assert_eq!(count.get(), 20);
    });
}

#[test]
fn outputs_arrive_from_every_kind_of_child() {
    block_on(async {
        let sum = task::scope(async |s| {
            let pool = s.spawn(async { 1 });
            let local = s.spawn_local(async { *Rc::new(2) });
            let blocking = s.spawn_blocking(|_| 4);
            let sibling = s.spawn({
                let s = s.clone();
                async move { s.spawn(async { 8 }).await }
            });
            pool.await + local.await + blocking.await + sibling.await
        });
        assert_eq!(sum.await, 15);
    });
}

#[test]
fn the_body_may_borrow_and_children_may_come_from_children() {
    let text = String::from("borrowed");
    let count = Count::default();
    let len = block_on(task::scope(async |s| {
        // Each child starts the next after the body is done.
        fn next(s: task::Scope, count: Count, left: usize) {
            let again = s.clone();
            drop(s.spawn(async move {
                task::yield_now().await;
                let _counted = count.counted();
                if left > 0 {
                    next(again, count.clone(), left - 1);
                }
            }));
        }
        next(s, count.clone(), 49);
        text.len()
    }));
    assert_eq!(len, 8);
    assert_eq!(count.get(), 50);
}

#[test]
fn the_first_error_cancels_the_rest_and_is_returned_when_all_have_ended() {
    everywhere(|| async {
        let count = Count::default();
        let result = task::try_scope(async |s| {
            let _in_body = count.counted();
            for _ in 0..10 {
                drop(s.spawn(count.hold()));
                drop(s.spawn_local(count.hold()));
            }
            let fails = s.try_spawn(async { Err::<i32, _>("no") });
            // It has no effect: the body is dropped here.
            let _number = fails.await;
            Ok(())
        })
        .await;
        assert_eq!(result, Err("no"));
        assert_eq!(count.get(), 21);
    });
}

#[test]
fn an_error_of_the_body_cancels_the_children() {
    everywhere(|| async {
        let count = Count::default();
        let result: Result<(), i32> = task::try_scope(async |s| {
            drop(s.spawn(count.hold()));
            let ok = s.try_spawn(async { Ok(3) }).await;
            Err(ok)
        })
        .await;
        assert_eq!(result, Err(3));
        assert_eq!(count.get(), 1);
    });
}

#[test]
fn a_panic_of_a_child_is_raised_after_all_have_ended() {
    for is_awaited in [false, true] {
        let count = Count::default();
        let message = panic_of(async {
            task::scope(async |s| {
                let _in_body = count.counted();
                drop(s.spawn(count.hold()));
                drop(s.spawn_local(count.hold()));
                let panics = s.spawn(async { resume_unwind(Box::new("child")) });
                if is_awaited {
                    let (): () = panics.await;
                }
                pending::<()>().await;
            })
            .await;
        });
        assert_eq!(message, "child");
        assert_eq!(count.get(), 3);
    }
}

#[test]
fn a_panic_of_the_body_is_raised_after_the_children_have_ended() {
    let count = Count::default();
    let message = panic_of(task::scope(async |s| {
        drop(s.spawn(count.hold()));
        task::yield_now().await;
        resume_unwind(Box::new("body"))
    }));
    assert_eq!(message, "body");
    assert_eq!(count.get(), 1);
}

#[test]
fn a_panic_of_a_blocking_child_and_of_a_drop_are_raised_too() {
    let message = panic_of(task::scope(async |s| {
        drop(s.spawn_blocking(|_| resume_unwind(Box::new("closure"))));
    }));
    assert_eq!(message, "closure");

    struct PanicsOnDrop;
    impl Drop for PanicsOnDrop {
        fn drop(&mut self) {
            resume_unwind(Box::new("drop"));
        }
    }
    let message = panic_of(task::scope(async |s| {
        let panics = PanicsOnDrop;
        drop(s.spawn(async move {
            let _panics = panics;
            pending::<()>().await;
        }));
        s.token().cancel();
    }));
    assert_eq!(message, "drop");
}

#[test]
fn further_panics_are_reported_by_the_hook() {
    let (runtime, reported) = listening();
    let result = catch_unwind(AssertUnwindSafe(|| {
        runtime.block_on(task::scope(async |s| {
            let (first, second) = (s.clone(), s);
            // Both are in a poll at the same time, so neither can cancel the other.
            let (meet, met) = mpsc::sync_channel::<()>(0);
            drop(first.spawn_blocking(move |_| {
                meet.send(()).unwrap();
                resume_unwind(Box::new("one of two"))
            }));
            drop(second.spawn_blocking(move |_| {
                met.recv().unwrap();
                resume_unwind(Box::new("one of two"))
            }));
        }))
    }));
    assert_eq!(*result.unwrap_err().downcast::<&str>().unwrap(), "one of two");
    assert_eq!(*reported.lock().unwrap(), ["one of two"]);
}

#[test]
fn a_panic_takes_precedence_over_an_error() {
    let message = panic_of(task::try_scope(async |s| {
        struct PanicsOnDrop;
        impl Drop for PanicsOnDrop {
            fn drop(&mut self) {
                resume_unwind(Box::new("cancelled"));
            }
        }
        let panics = PanicsOnDrop;
        drop(s.spawn_local(async move {
            let _panics = panics;
            pending::<()>().await;
        }));
        Err::<(), _>("error")
    }));
    assert_eq!(message, "cancelled");
}

#[test]
fn a_cancelled_token_ends_the_children_but_not_the_body() {
    everywhere(|| async {
        let count = Count::default();
        let output = task::scope(async |s| {
            let child = s.spawn(count.hold());
            s.token().cancel();
            assert!(child.result().await.is_err());
            let refused = s.spawn(count.hold());
            assert!(refused.id().is_none() && refused.result().await.is_err());
            s.shutdown().await;
            assert_eq!(count.get(), 2);
            "output"
        })
        .await;
        assert_eq!(output, "output");
    });
}

#[test]
fn one_child_can_be_aborted_alone() {
    block_on(task::scope(async |s| {
        let count = Count::default();
        let (one, other) = (s.spawn(count.hold()), s.spawn(async { 1 }));
        one.abort();
        assert!(one.result().await.is_err());
        assert_eq!(other.await, 1);
        assert_eq!(count.get(), 1);
    }));
}

#[test]
fn a_dropped_scope_cancels_its_children_and_shutdown_waits_for_them() {
    everywhere(|| async {
        let count = Count::default();
        let (sender, handles) = channel::bounded(1);
        let scope = task::scope(async |s| {
            for _ in 0..10 {
                drop(s.spawn(count.hold()));
            }
            let token = s.token().clone();
            sender.send((s, token)).await.unwrap();
            pending::<()>().await;
        });
        scope.race(task::sleep(Duration::from_millis(2))).await;
        let (handle, token) = handles.recv().await.unwrap();
        assert!(token.is_cancelled());
        handle.shutdown().await;
        assert_eq!(count.get(), 10);
        assert!(handle.spawn(async {}).id().is_none());
    });
}

#[test]
fn a_child_that_calls_shutdown_is_ended_by_it() {
    let count = Count::default();
    block_on(task::scope(async |s| {
        let own = s.clone();
        let counted = count.counted();
        drop(s.spawn(async move {
            let _counted = counted;
            own.shutdown().await;
            unreachable!("it is dropped while it waits for itself");
        }));
        pending::<()>().race(task::sleep(Duration::from_millis(1))).await;
    }));
    assert_eq!(count.get(), 1);
}

#[test]
fn a_panic_after_the_scope_was_dropped_is_reported() {
    let (runtime, reported) = listening();
    runtime.block_on(async {
        let (sender, handles) = channel::bounded(1);
        let (release, released) = mpsc::channel::<()>();
        let scope = task::scope(async |s| {
            drop(s.spawn_blocking(move |_| {
                let _ = released.recv();
                resume_unwind(Box::new("late"))
            }));
            // Waits until the closure runs, because a cancelled closure that has not started never
            // runs.
            task::sleep(Duration::from_millis(20)).await;
            sender.send(s).await.unwrap();
            pending::<()>().await;
        });
        let handle = scope.map_into(handles.recv()).await;
        release.send(()).unwrap();
        handle.shutdown().await;
    });
    assert_eq!(*reported.lock().unwrap(), ["late"]);
}

/// Races a scope that never ends against a message that the scope sends.
trait MapInto: Future<Output = ()> + Sized {
    async fn map_into<T, E: std::fmt::Debug>(self, other: impl Future<Output = Result<T, E>>) -> T {
        let never = async {
            self.await;
            pending().await
        };
        never.race(async { other.await.unwrap() }).await
    }
}

impl<F: Future<Output = ()>> MapInto for F {}

#[test]
fn a_queued_closure_never_starts_once_the_token_is_cancelled() {
    let runtime = Builder::new().workers(1).max_blocking_threads(1).build().unwrap();
    runtime.block_on(task::scope(async |s| {
        let (release, released) = mpsc::channel::<()>();
        drop(s.spawn_blocking(move |token| {
            released.recv().unwrap();
            assert!(token.is_cancelled());
        }));
        let queued = s.spawn_blocking(|_| unreachable!("it was cancelled before"));
        s.token().cancel();
        release.send(()).unwrap();
        assert!(queued.result().await.is_err());
    }));
}

#[test]
fn scopes_nest_and_an_outer_failure_ends_the_inner_children() {
    let count = Count::default();
    let result = block_on(task::try_scope(async |outer| {
        let hold = count.hold();
        drop(outer.spawn(async move {
            task::scope(async |inner| drop(inner.spawn(hold))).await;
        }));
        task::sleep(Duration::from_millis(2)).await;
        Err::<(), _>("outer")
    }));
    assert_eq!(result, Err("outer"));
    // The inner scope was dropped, which requests cancellation of its child and does not wait.
    while count.get() == 0 {
        std::thread::yield_now();
    }
}

#[test]
fn a_handle_that_left_a_failed_scope_says_so() {
    let (sender, receiver) = mpsc::channel();
    let failed = block_on(task::try_scope(async |s| {
        sender.send(s.spawn(pending::<u8>())).unwrap();
        Err::<(), _>("no")
    }));
    assert_eq!(failed, Err("no"));
    let handle = receiver.recv().unwrap();
    assert!(panic_of(handle).starts_with("awaited a child of a scope that has failed"));
}

#[test]
fn scopes_that_borrow_may_be_raced_in_spawned_tasks() {
    // The main claim is that this compiles: the races must be `Send`.
    let sum = task::spawn(async {
        let text = String::from("borrowed");
        let of_tasks = task::scope(async |s| s.spawn(async { 1 }).await + text.len());
        let of_futures = future::scope(async |s| s.spawn(async { text.len() }).await);
        let first = of_tasks.race(pending()).await;
        let second = reveille::select! {
            len = of_futures => len,
            len = task::scope(async |_| pending::<usize>().await + text.len()) => len,
        };
        first + second
    });
    assert_eq!(block_on(sum), 17);
}

#[test]
fn a_hundred_thousand_children_end_before_the_scope() {
    let count = Count::default();
    block_on(task::scope(async |s| {
        for n in 0..100_000 {
            let counted = count.counted();
            drop(s.spawn(async move {
                let _counted = counted;
                if n % 2 == 0 {
                    task::yield_now().await;
                }
            }));
        }
    }));
    assert_eq!(count.get(), 100_000);
}

#[test]
fn a_hundred_thousand_children_are_cancelled_by_one_error() {
    let count = Count::default();
    let result = block_on(task::try_scope(async |s| {
        for _ in 0..100_000 {
            drop(s.spawn(count.hold()));
        }
        Err::<(), _>("enough")
    }));
    assert_eq!(result, Err("enough"));
    assert_eq!(count.get(), 100_000);
}

#[test]
fn outputs_and_errors_are_dropped_once() {
    let count = Count::default();
    let result = block_on(task::try_scope(async |s| {
        let outputs: Vec<_> = (0..10)
            .map(|_| {
                let counted = count.counted();
                s.spawn(async move { counted })
            })
            .collect();
        let first = future::join_all(outputs).await;
        assert_eq!((first.len(), count.get()), (10, 0));
        let error = count.counted();
        drop(s.try_spawn(async move { Err::<(), _>(error) }));
        pending::<Result<(), _>>().await
    }));
    assert!(result.is_err());
    assert_eq!(count.get(), 10);
    drop(result);
    assert_eq!(count.get(), 11);
}

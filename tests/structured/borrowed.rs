//! `future::scope` and its variants: children that borrow, all polled, none outliving the scope.

use std::cell::{Cell, RefCell};
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::task::{Context, Poll, Waker};
use std::thread;
use std::time::Duration;

use reveille::future::{self, FutureExt};
use reveille::sync::Mutex;
use reveille::{channel, task};

struct Counted<'a>(&'a AtomicUsize);

impl Drop for Counted<'_> {
    fn drop(&mut self) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

/// Is `Send` only if its argument is.
fn is_send<T: Send>(value: T) -> T {
    value
}

async fn lens(words: &[&str]) -> Vec<usize> {
    future::scope(async |s| {
        let lens: Vec<_> = words
            .iter()
            .map(|word| {
                s.spawn(async move {
                    task::yield_now().await;
                    word.len()
                })
            })
            .collect();
        future::join_all(lens).await
    })
    .await
}

#[test]
fn children_borrow_arguments_on_both_executors() {
    assert_eq!(task::block_on(lens(&["a", "bc", ""])), [1, 2, 0]);
    // It runs as a task of the pool, so it must be able to move between threads.
    let task = task::spawn(is_send(async {
        let owned = [String::from("abc"), String::from("de")];
        let words: Vec<&str> = owned.iter().map(String::as_str).collect();
        lens(&words).await
    }));
    assert_eq!(task::block_on(task), [3, 2]);
    assert_eq!(task::block_on(async { task::spawn_local(lens(&["x"])).await }), [1]);
}

#[test]
fn closures_of_both_styles_and_siblings_of_children() {
    let number = &40;
    let sum = task::block_on(is_send(future::scope(|s| async move {
        let child = s.spawn({
            let s = s.clone();
            async move { s.spawn(async move { *number + 1 }).await + 1 }
        });
        child.await
    })));
    assert_eq!(sum, 42);
}

#[test]
fn children_make_progress_while_the_body_awaits_something_else() {
    task::block_on(async {
        let (sender, receiver) = channel::bounded(1);
        let seen = RefCell::new(Vec::new());
        future::scope_local(async |s| {
            let _child = s.spawn(async {
                for n in 0..5 {
                    task::yield_now().await;
                    seen.borrow_mut().push(n);
                }
                sender.send(()).await.unwrap();
            });
            // The body awaits a channel that only the child sends to, and not the child's handle.
            receiver.recv().await.unwrap();
            assert_eq!(*seen.borrow(), [0, 1, 2, 3, 4]);
        })
        .await;
    });
}

#[test]
fn the_scope_waits_for_children_that_are_not_awaited() {
    let done = Cell::new(0);
    task::block_on(future::scope_local(async |s| {
        for _ in 0..10 {
            s.spawn(async {
                task::sleep(Duration::from_millis(1)).await;
                done.set(done.get() + 1);
            });
        }
    }));
    assert_eq!(done.get(), 10);
}

#[test]
fn only_woken_futures_are_polled() {
    let polls = Cell::new(0);
    let body_polls = Cell::new(0);
    task::block_on(future::scope_local(async |s| {
        for _ in 0..1_000 {
            s.spawn(future::poll_fn(|_| {
                polls.set(polls.get() + 1);
                Poll::<()>::Pending
            }));
        }
        let busy = s.spawn(async {
            for _ in 0..1_000 {
                task::yield_now().await;
            }
        });
        let mut busy = pin!(busy);
        future::poll_fn(|cx| {
            body_polls.set(body_polls.get() + 1);
            busy.as_mut().poll(cx)
        })
        .await;
        s.token().cancel();
    }));
    assert_eq!(polls.get(), 1_000);
    // It is polled at the start, and when `busy` is done.
    assert_eq!(body_polls.get(), 2);
}

#[test]
fn children_are_dropped_with_the_scope_halfway() {
    let drops = &AtomicUsize::new(0);
    {
        let mut scope = pin!(future::scope(async |s| {
            for _ in 0..10 {
                let counted = Counted(drops);
                let s2 = s.clone();
                s.spawn(async move {
                    let _counted = counted;
                    let inner = Counted(drops);
                    s2.spawn(async move {
                        let _inner = inner;
                        future::pending::<()>().await;
                    });
                    future::pending::<()>().await;
                });
            }
            future::pending::<()>().await;
        }));
        let mut cx = Context::from_waker(Waker::noop());
        // The body, its children and their children: each generation starts in the next poll.
        for _ in 0..3 {
            assert!(scope.as_mut().poll(&mut cx).is_pending());
        }
        assert_eq!(drops.load(Ordering::SeqCst), 0);
    }
    assert_eq!(drops.load(Ordering::SeqCst), 20);
    // The same with a scope that was never polled.
    drop(future::scope(async |s| drop(s.spawn(async {}))));
}

#[test]
fn a_forgotten_scope_is_harmless() {
    let text = String::from("borrowed");
    let mut scope = Box::pin(future::scope_local(async |s| {
        let child = s.spawn(async {
            future::pending::<()>().await;
            text.len()
        });
        child.await
    }));
    assert!(scope.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
    std::mem::forget(scope);
    drop(text);
}

#[test]
fn the_first_error_drops_the_body_and_the_others() {
    let drops = AtomicUsize::new(0);
    let result: Result<(), &str> = task::block_on(async {
        let result = future::try_scope(async |s| {
            let _in_body = Counted(&drops);
            for _ in 0..3 {
                let counted = Counted(&drops);
                s.spawn(async move {
                    let _counted = counted;
                    future::pending::<()>().await;
                });
            }
            let fails = s.try_spawn(async {
                task::yield_now().await;
                Err::<i32, _>("first")
            });
            let _late = s.try_spawn(async {
                task::yield_now().await;
                Err::<(), _>("second")
            });
            let _number: i32 = fails.await;
            unreachable!("the body is dropped when a child fails");
        })
        .await;
        assert_eq!(drops.load(Ordering::SeqCst), 4);
        result
    });
    assert_eq!(result, Err("first"));
}

#[test]
fn an_error_of_the_body_drops_the_children_and_success_waits_for_them() {
    let drops = AtomicUsize::new(0);
    let run = |fails: bool| {
        let drops = &drops;
        task::block_on(future::try_scope(async move |s| {
            let counted = Counted(drops);
            let child = s.try_spawn(async move {
                let _counted = counted;
                task::sleep(Duration::from_millis(if fails { 3_600_000 } else { 1 })).await;
                Ok(5)
            });
            if fails { Err("body") } else { Ok(child.await) }
        }))
    };
    assert_eq!(run(false), Ok(5));
    assert_eq!(run(true), Err("body"));
    assert_eq!(drops.load(Ordering::SeqCst), 2);
}

#[test]
fn a_panic_of_a_child_is_raised_after_all_others_are_dropped() {
    let drops = AtomicUsize::new(0);
    let scope = future::scope(async |s| {
        let _in_body = Counted(&drops);
        for _ in 0..3 {
            let counted = Counted(&drops);
            s.spawn(async move {
                let _counted = counted;
                future::pending::<()>().await;
            });
        }
        let _panics = s.spawn(async {
            task::yield_now().await;
            resume_unwind(Box::new("child"))
        });
        future::pending::<()>().await;
    });
    // Boxed, so that the scope itself is alive when the drops are counted.
    let mut scope = Box::pin(scope);
    let payload = catch_unwind(AssertUnwindSafe(|| task::block_on(scope.as_mut()))).unwrap_err();
    assert_eq!(*payload.downcast::<&str>().unwrap(), "child");
    assert_eq!(drops.load(Ordering::SeqCst), 4);
}

#[test]
fn a_panic_of_the_body_is_raised_although_drops_panic_too() {
    struct PanicsOnDrop;
    impl Drop for PanicsOnDrop {
        fn drop(&mut self) {
            resume_unwind(Box::new("drop"));
        }
    }
    let drops = AtomicUsize::new(0);
    let payload = catch_unwind(AssertUnwindSafe(|| {
        task::block_on(future::scope(async |s| {
            let counted = Counted(&drops);
            s.spawn(async move {
                let _panics = PanicsOnDrop;
                future::pending::<()>().await;
            });
            s.spawn(async move {
                let _counted = counted;
                future::pending::<()>().await;
            });
            task::yield_now().await;
            resume_unwind(Box::new("body"))
        }))
    }));
    assert_eq!(*payload.unwrap_err().downcast::<&str>().unwrap(), "body");
    assert_eq!(drops.load(Ordering::SeqCst), 1);
}

#[test]
fn a_cancelled_token_drops_the_children_but_not_the_body() {
    let drops = AtomicUsize::new(0);
    let token = task::block_on(future::scope(async |s| {
        let counted = Counted(&drops);
        let child = s.spawn(async move {
            let _counted = counted;
            future::pending::<()>().await;
        });
        task::yield_now().await;
        s.token().cancel();
        assert!(child.result().await.is_err());
        assert_eq!(drops.load(Ordering::SeqCst), 1);
        // Children that come later are not started.
        let refused = s.spawn(async { unreachable!() });
        assert!(refused.result().await.is_err());
        s.token().clone()
    }));
    assert!(token.is_cancelled());
}

/// Adds a child between two polls, as another thread would. The child is not in the group yet when
/// the group is dropped.
#[test]
fn a_child_added_just_before_the_cancellation_is_dropped_and_the_scope_ends() {
    let drops = AtomicUsize::new(0);
    let handle = RefCell::new(None);
    let mut scope = pin!(future::scope(async |s: future::Scope<'_>| {
        handle.replace(Some(s));
        task::yield_now().await;
    }));
    let mut cx = Context::from_waker(Waker::noop());
    assert!(scope.as_mut().poll(&mut cx).is_pending());
    let handle = handle.take().expect("the body has left it there");
    let counted = Counted(&drops);
    let _child = handle.spawn(async move {
        let _counted = counted;
        future::pending::<()>().await;
    });
    handle.token().cancel();
    assert!(scope.as_mut().poll(&mut cx).is_ready());
    assert_eq!(drops.load(Ordering::SeqCst), 1);
}

#[test]
fn a_handle_that_leaves_the_scope_starts_nothing_and_outputs_may_leave() {
    let text = String::from("borrowed");
    let (escaped, output) = task::block_on(future::scope(async |s| {
        let output = s.spawn(async { text.len() });
        (s.clone(), output)
    }));
    assert!(task::block_on(escaped.spawn(async { 1 }).result()).is_err());
    assert_eq!(task::block_on(output), 8);
    assert!(escaped.token().is_cancelled());
}

#[test]
fn a_handle_on_another_thread_adds_children_and_the_task_wakes() {
    let (sender, receiver) = channel::unbounded();
    let sum = task::block_on(future::scope(async |s| {
        let remote = s.clone();
        let receiver = &receiver;
        let sender = &sender;
        thread::scope(|threads| {
            threads.spawn(move || {
                for n in 0..100 {
                    remote.spawn(async move { sender.send(n).await.unwrap() });
                }
            });
        });
        let mut sum = 0;
        for _ in 0..100 {
            sum += receiver.recv().await.unwrap();
        }
        sum
    }));
    assert_eq!(sum, 4950);
}

#[test]
fn a_detached_thread_adds_a_child_while_the_scope_sleeps() {
    let (sender, receiver) = channel::bounded::<i32>(1);
    let got = task::block_on(future::scope(async move |s| {
        let remote = s.clone();
        thread::Builder::new()
            .spawn(move || {
                remote.spawn(async move { sender.send(7).await.unwrap() });
            })
            .unwrap();
        receiver.recv().await.unwrap()
    }));
    assert_eq!(got, 7);
}

#[test]
fn scopes_nest_and_share_borrows() {
    let values = [1, 2, 3, 4];
    let total = task::block_on(future::scope(async |outer| {
        let halves: Vec<_> = values
            .chunks(2)
            .map(|half| {
                outer.spawn(future::scope(async move |inner| {
                    let parts = half.iter().map(|n| inner.spawn(async move { n * 10 }));
                    future::join_all(parts.collect::<Vec<_>>()).await.iter().sum::<i32>()
                }))
            })
            .collect();
        future::join_all(halves).await.iter().sum::<i32>()
    }));
    assert_eq!(total, 100);
}

#[test]
fn a_hundred_thousand_children() {
    let sum = AtomicU64::new(0);
    let drops = AtomicUsize::new(0);
    let run = async {
        future::scope(async |s| {
            for n in 0..100_000_u64 {
                let counted = Counted(&drops);
                let sum = &sum;
                s.spawn(async move {
                    let _counted = counted;
                    task::yield_now().await;
                    sum.fetch_add(n, Ordering::Relaxed);
                });
            }
        })
        .await;
    };
    task::block_on(run);
    assert_eq!(sum.load(Ordering::Relaxed), 100_000 * 99_999 / 2);
    assert_eq!(drops.load(Ordering::Relaxed), 100_000);
}

#[test]
fn a_child_that_always_wakes_itself_lets_other_tasks_run() {
    task::block_on(async {
        let shared = Arc::new(AtomicUsize::new(0));
        let other = task::spawn_local({
            let shared = Arc::clone(&shared);
            async move {
                for _ in 0..10 {
                    task::yield_now().await;
                }
                shared.store(1, Ordering::SeqCst);
            }
        });
        future::scope_local(async |s| {
            let shared = &shared;
            s.spawn(async move {
                while shared.load(Ordering::SeqCst) == 0 {
                    task::yield_now().await;
                }
            });
        })
        .await;
        other.await;
    });
}

#[test]
fn a_lock_that_a_child_waits_for_is_no_futurelock() {
    // RFD 609: the body takes a lock that a future started by it waits for.
    task::block_on(async {
        let lock = Mutex::new(0);
        future::scope(async |s| {
            let guard = lock.lock().await;
            let child = s.spawn(async {
                *lock.lock().await += 1;
            });
            task::yield_now().await;
            drop(guard);
            // `child` reaches the front of the queue and is polled, although the body awaits the
            // lock.
            *lock.lock().await += 1;
            child.await;
        })
        .await;
        assert_eq!(lock.into_inner(), 2);
    });
}

#[test]
fn a_scope_that_loses_a_race_drops_its_children() {
    task::block_on(async {
        let drops = AtomicUsize::new(0);
        let scope = future::scope(async |s| {
            let counted = Counted(&drops);
            s.spawn(async move {
                let _counted = counted;
                future::pending::<()>().await;
            });
        });
        scope.race(task::sleep(Duration::from_millis(1))).await;
        assert_eq!(drops.load(Ordering::SeqCst), 1);
    });
}

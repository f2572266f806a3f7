//! `reveille::select!`: guards, patterns, `else`.

use std::cell::Cell;
use std::future::{pending, poll_fn, ready};
use std::rc::Rc;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use reveille::prelude::*;
use reveille::sync::{Mutex, oneshot};
use reveille::task::{self, JoinSet, block_on};
use reveille::{select, stream};

#[test]
fn an_arm_whose_guard_is_false_is_not_evaluated() {
    block_on(async {
        let mut futures = Vec::<std::future::Ready<u8>>::new();
        let is_there = !futures.is_empty();
        let result = select! {
            n = futures.remove(0), if is_there => n,
            n = ready(2), if !is_there => n,
        };
        assert_eq!(result, 2);
    });
}

#[test]
fn an_output_that_does_not_match_disables_its_arm() {
    block_on(async {
        let result = select! {
            Some(n) = ready(None::<u8>) => n,
            n = async { task::yield_now().await; 2 } => n,
        };
        assert_eq!(result, 2);
    });
}

#[test]
fn when_all_arms_are_disabled_else_runs() {
    block_on(async {
        let no = false;
        let result = select! {
            Some(n) = ready(None::<u8>) => n,
            Ok(n) = async { task::yield_now().await; Err::<u8, ()>(()) } => n,
            n = pending(), if no => n,
            else => 9,
        };
        assert_eq!(result, 9);
    });
}

#[test]
#[should_panic(expected = "every arm of this `select!` is disabled")]
fn when_all_arms_are_disabled_and_there_is_no_else_it_panics() {
    block_on(async {
        select! {
            Some(()) = ready(None) => {}
        }
    });
}

#[test]
fn arms_are_polled_in_the_order_as_written() {
    block_on(async {
        for _ in 0..10 {
            assert_eq!(select! { a = ready(1) => a, b = ready(2) => b }, 1);
            assert_eq!(select! { biased; a = ready(1) => a, b = ready(2) => b }, 1);
        }
        let order = Cell::new(Vec::new());
        let note = |n, is_ready| {
            let order = &order;
            poll_fn(move |_| {
                let mut list = order.take();
                list.push(n);
                order.set(list);
                if is_ready { Poll::Ready(n) } else { Poll::Pending }
            })
        };
        let won = select! {
            n = note(1, false) => n,
            n = note(2, false) => n,
            n = note(3, true) => n,
            n = note(4, true) => n,
        };
        assert_eq!((won, order.take()), (3, vec![1, 2, 3]));
    });
}

#[test]
fn an_empty_set_of_tasks_does_not_spin() {
    let polls = Rc::new(Cell::new(0));
    block_on(async {
        let mut set = JoinSet::<u8>::new();
        let mut left = 3;
        while left > 0 {
            let counted = {
                let polls = Rc::clone(&polls);
                let mut sleep = task::sleep(Duration::from_millis(2));
                poll_fn(move |cx| {
                    polls.set(polls.get() + 1);
                    std::pin::Pin::new(&mut sleep).poll(cx)
                })
            };
            select! {
                Some(result) = set.join_next() => drop(result),
                () = counted => left -= 1,
            }
        }
    });
    assert!(polls.get() <= 12, "{} polls", polls.get());
}

#[test]
fn a_loop_that_takes_nothing_from_an_empty_set_lets_others_run() {
    block_on(async {
        let mut set = JoinSet::<u8>::new();
        let spinning = async {
            loop {
                select! {
                    result = set.join_next() => assert!(result.is_none()),
                    () = pending() => {}
                }
            }
        };
        assert!(spinning.timeout(Duration::from_millis(2)).await.is_err());
    });
}

#[test]
fn the_losers_are_gone_before_the_arm_runs() {
    block_on(async {
        let lock = Mutex::new(0);
        let holding = async {
            let _guard = lock.lock().await;
            pending::<()>().await;
        };
        select! {
            () = holding => {}
            Some(()) = ready(None) => {}
            n = async { task::yield_now().await; 5 } => *lock.lock().await = n,
        }
        assert_eq!(*lock.lock().await, 5);
    });
}

#[test]
fn every_kind_of_pattern_binds() {
    struct Point {
        x: u8,
        y: String,
    }
    let point = || ready(Point { x: 1, y: "y".to_owned() });
    block_on(async {
        select! { Point { x, mut y } = point() => { y.push('!'); assert_eq!((x, &*y), (1, "y!")) } }
        select! { Point { y: ref text, .. } = point() => assert_eq!(text, "y") }
        select! { 1 | 2 = ready(2) => {}, else => unreachable!() }
        select! { n @ 1..=3 = ready(2) => assert_eq!(n, 2), else => unreachable!() }
        select! { &n = ready(&7) => assert_eq!(n, 7) }
        select! { [first, .., last] = ready([1, 2, 3]) => assert_eq!(first + last, 4) }
        select! { (Some(a), Ok(b)) = ready((Some(Box::new(1)), Ok::<_, ()>(2))) => {
            assert_eq!(*a + b, 3);
        } else => unreachable!() }
        select! { _ = point() => {} }
        select! { mut n = ready(1) => { n += 1; assert_eq!(n, 2) } }
    });
}

#[test]
fn an_output_that_is_refused_is_dropped() {
    block_on(async {
        let value = Arc::new(());
        let given = Arc::clone(&value);
        select! {
            Err(error) = async move { Ok::<_, ()>(given) } => error,
            () = task::yield_now() => assert_eq!(Arc::strong_count(&value), 1),
        }
    });
}

#[test]
fn control_flow_in_an_arm_is_that_of_the_function() {
    async fn find(mut numbers: impl stream::Stream<Item = u8> + Unpin) -> Result<u8, String> {
        let mut sum = 0;
        loop {
            select! {
                Some(n) = numbers.next() => {
                    if n == 0 {
                        continue;
                    }
                    if n > 100 {
                        return Ok(n);
                    }
                    sum += u8::try_from(i32::from(n) - 1).map_err(|error| error.to_string())?;
                }
                else => break,
            }
        }
        Err(sum.to_string())
    }
    assert_eq!(block_on(find(stream::from_iter([1, 0, 200]))), Ok(200));
    assert_eq!(block_on(find(stream::from_iter([1, 0, 4]))), Err("3".to_owned()));
}

#[test]
fn a_borrowed_handle_is_awaited_again() {
    block_on(async {
        let (go_on, may_go_on) = oneshot::channel();
        let mut work = task::spawn(async {
            may_go_on.await.unwrap();
            7
        });
        let mut go_on = Some(go_on);
        let mut rounds = 0;
        let result = loop {
            select! {
                result = work.by_ref() => break result,
                () = task::yield_now() => rounds += 1,
            }
            if rounds == 3 {
                let _ = go_on.take().map(|go_on| go_on.send(()));
            }
        };
        assert_eq!(result, 7);
        assert!(rounds >= 3);
    });
}

#[test]
fn guards_may_read_what_futures_of_other_arms_borrow() {
    block_on(async {
        let mut set = JoinSet::new();
        let (mut left, mut sum) = (1..=10, 0);
        loop {
            select! {
                Some(result) = set.join_next() => sum += result.unwrap(),
                Some(job) = async { left.next() }, if set.len() < 4 => {
                    set.spawn(async move { job * 10 });
                }
                else => break,
            }
        }
        assert_eq!(sum, 550);
    });
}

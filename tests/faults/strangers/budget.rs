//! Futures that share a task share its budget: none of them may starve the others.
//!
//! tokio#4612: `join!` starves its second future. tokio#4291: a time limit is never checked.
//! tokio#2390: a set of futures continues to poll without budget.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use reveille::future::{self, FutureExt as _};
use reveille::io::prelude::*;
use reveille::prelude::*;
use reveille::stream;
use reveille_tests::conformance;
use reveille_tests::poll::stream_pair;

use super::soon;

/// After this many rounds the other future counts as starved. Each round uses two units of the
/// budget.
const ROUNDS_MAX: u32 = 20_000;

/// Uses up every budget of its task until `is_over`. Returns the number of rounds.
async fn greedy(is_over: Arc<AtomicBool>) -> u32 {
    let (mut left, mut right) = stream_pair().await;
    for round in 0..ROUNDS_MAX {
        if is_over.load(Ordering::SeqCst) {
            return round;
        }
        left.write_all(&[1]).await.unwrap();
        right.read_exact(&mut [0]).await.unwrap();
    }
    ROUNDS_MAX
}

/// Does some operations that need budget, then ends the greedy futures.
async fn modest(is_over: Arc<AtomicBool>) -> u32 {
    let (mut left, mut right) = stream_pair().await;
    for _ in 0..20 {
        left.write_all(&[1]).await.unwrap();
        right.read_exact(&mut [0]).await.unwrap();
    }
    is_over.store(true, Ordering::SeqCst);
    0
}

/// A greedy future and a modest one.
fn both() -> (impl Future<Output = u32> + Send, impl Future<Output = u32> + Send) {
    let is_over = Arc::new(AtomicBool::new(false));
    (greedy(Arc::clone(&is_over)), modest(is_over))
}

async fn the_second_of_a_pair_is_not_starved() {
    let (left, right) = both();
    let (rounds, _) = left.join(right).await;
    assert!(rounds < ROUNDS_MAX);
    let (left, right) = both();
    let pair = async { Ok::<_, ()>(left.await) }.try_join(async { Ok(right.await) });
    assert!(pair.await.unwrap().0 < ROUNDS_MAX);
}

async fn the_second_of_a_race_is_not_starved() {
    let (left, right) = both();
    // The greedy future ends only after the modest one has run.
    assert!(left.race(right).await < ROUNDS_MAX);
    let (left, right) = both();
    let race = async { Ok::<_, ()>(left.await) }.try_race(async { Ok(right.await) });
    assert!(race.await.unwrap() < ROUNDS_MAX);
    let (left, right) = both();
    let rounds = reveille::select! { rounds = left => rounds, _ = right => 0 };
    assert!(rounds < ROUNDS_MAX);
}

async fn the_last_of_nested_pairs_is_not_starved() {
    let is_over = Arc::new(AtomicBool::new(false));
    let greedy = || greedy(Arc::clone(&is_over));
    let nested = greedy().join(greedy().join(greedy().join(modest(Arc::clone(&is_over)))));
    let (first, _) = nested.await;
    assert!(first < ROUNDS_MAX);
}

async fn the_members_of_a_group_are_not_starved() {
    let is_over = Arc::new(AtomicBool::new(false));
    let member = |number: u32| {
        let is_over = Arc::clone(&is_over);
        async move { if number < 3 { greedy(is_over).await } else { modest(is_over).await } }
    };
    let rounds = future::join_all((0..4).map(member)).await;
    assert!(rounds.iter().all(|rounds| *rounds < ROUNDS_MAX), "{rounds:?}");
}

async fn the_children_of_a_scope_are_not_starved() {
    let is_over = Arc::new(AtomicBool::new(false));
    let rounds = future::scope(async |scope| {
        let greedy = scope.spawn(greedy(Arc::clone(&is_over)));
        scope.spawn(modest(Arc::clone(&is_over)));
        greedy.await
    });
    assert!(rounds.await < ROUNDS_MAX);
}

async fn the_items_of_a_concurrent_loop_are_not_starved() {
    let is_over = Arc::new(AtomicBool::new(false));
    // Eight, because the loop takes one unit of budget per eight items.
    stream::from_iter(0..8)
        .for_each_concurrent(None, |number| {
            let is_over = Arc::clone(&is_over);
            async move {
                let rounds = if number < 7 { greedy(is_over).await } else { modest(is_over).await };
                assert!(rounds < ROUNDS_MAX);
            }
        })
        .await;
}

async fn a_time_limit_of_zero_is_seen_although_the_future_uses_up_the_budget() {
    let never = || Arc::new(AtomicBool::new(false));
    assert!(future::timeout(Duration::ZERO, greedy(never())).await.is_err());
    let limited = async { Ok(greedy(never()).await) };
    assert!(reveille::io::timeout(Duration::ZERO, limited).await.is_err());
    let once = stream::from_iter([()]).throttle(Duration::ZERO);
    let (mut left, mut right) = stream_pair().await;
    let mut busy = Box::pin(once.chain(stream::from_fn(|| None)));
    // A stream that uses up the budget without yielding an item.
    let mut rounds = 0;
    let never_an_item = stream_of(async move {
        busy.next().await;
        while rounds < ROUNDS_MAX {
            left.write_all(&[1]).await.unwrap();
            right.read_exact(&mut [0]).await.unwrap();
            rounds += 1;
        }
    });
    let mut limited = Box::pin(never_an_item.timeout(Duration::ZERO));
    assert!(limited.next().await.expect("it has not ended").is_err());
}

/// A stream with one item, the output of `future`.
fn stream_of<F: Future>(future: F) -> impl Stream<Item = F::Output> {
    struct Of<F>(Option<std::pin::Pin<Box<F>>>);
    impl<F: Future> Stream for Of<F> {
        type Item = F::Output;
        fn poll_next(
            mut self: std::pin::Pin<&mut Self>,
            cx: &mut std::task::Context<'_>,
        ) -> std::task::Poll<Option<F::Output>> {
            let Some(future) = &mut self.0 else { return std::task::Poll::Ready(None) };
            let output = std::task::ready!(future.as_mut().poll(cx));
            self.0 = None;
            std::task::Poll::Ready(Some(output))
        }
    }
    Of(Some(Box::pin(future)))
}

async fn a_loop_of_pairs_without_budget_ends_its_poll() {
    // If each pair had an extra unit of its own, this task would never yield to the other one.
    let is_over = Arc::new(AtomicBool::new(false));
    let other = reveille::task::spawn({
        let is_over = Arc::clone(&is_over);
        async move { is_over.store(true, Ordering::SeqCst) }
    });
    let (mut left, mut right) = stream_pair().await;
    let (mut third, mut fourth) = stream_pair().await;
    let mut is_seen = false;
    for _ in 0..ROUNDS_MAX {
        let one = async {
            left.write_all(&[1]).await.unwrap();
            right.read_exact(&mut [0]).await.unwrap();
        };
        let two = async {
            third.write_all(&[1]).await.unwrap();
            fourth.read_exact(&mut [0]).await.unwrap();
        };
        one.join(two).await;
        is_seen |= is_over.load(Ordering::SeqCst);
    }
    soon(other).await;
    assert!(is_seen, "the other task ran meanwhile");
}

conformance!(
    the_second_of_a_pair_is_not_starved,
    the_second_of_a_race_is_not_starved,
    the_last_of_nested_pairs_is_not_starved,
    the_members_of_a_group_are_not_starved,
    the_children_of_a_scope_are_not_starved,
    the_items_of_a_concurrent_loop_are_not_starved,
    a_time_limit_of_zero_is_seen_although_the_future_uses_up_the_budget,
    a_loop_of_pairs_without_budget_ends_its_poll,
);

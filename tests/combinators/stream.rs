//! `reveille::stream`: every combinator against the iterator method of the same name, and what
//! iterators cannot show: waiting, fairness, cancellation, time.

use std::collections::{BTreeMap, BTreeSet, BinaryHeap, HashMap, HashSet, LinkedList, VecDeque};
use std::future::Future;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

use proptest::prelude::*;
use reveille::prelude::*;
use reveille::stream::{self, FusedStream, IntoStream};
use reveille::task::block_on;
use reveille::{channel, future, task};

/// A stream that is pending, and wakes itself, before the items that `pauses` selects.
#[derive(Clone, Debug)]
struct Fitful {
    items: VecDeque<i32>,
    pauses: VecDeque<bool>,
}

impl Stream for Fitful {
    type Item = i32;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<i32>> {
        if self.pauses.pop_front() == Some(true) {
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        Poll::Ready(self.items.pop_front())
    }
}

/// Items and a stream of them with pauses in random places.
fn fitful() -> impl Strategy<Value = (Vec<i32>, Fitful)> {
    let items = prop::collection::vec(-5..5, 0..40);
    let pauses = prop::collection::vec(any::<bool>(), 0..60);
    (items, pauses).prop_map(|(items, pauses)| {
        let stream = Fitful { items: items.clone().into(), pauses: pauses.into() };
        (items, stream)
    })
}

fn collected<S: Stream + Send>(stream: S) -> Vec<S::Item>
where
    S::Item: Send,
{
    block_on(stream.collect())
}

fn vec<T>(iterator: impl Iterator<Item = T>) -> Vec<T> {
    iterator.collect()
}

/// A waker that counts, for polling by hand.
#[derive(Default)]
struct Counter(AtomicUsize);

impl Wake for Counter {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn adapters_agree_with_iterators((items, s) in fitful(), n in 0usize..50, step in 1usize..6) {
        let i = || items.iter().copied();
        prop_assert_eq!(collected(s.clone()), items.clone());
        prop_assert_eq!(collected(s.clone().take(n)), vec(i().take(n)));
        prop_assert_eq!(collected(s.clone().skip(n)), vec(i().skip(n)));
        prop_assert_eq!(collected(s.clone().step_by(step)), vec(i().step_by(step)));
        let is_small = |x: &i32| *x < 3;
        prop_assert_eq!(collected(s.clone().filter(is_small)), vec(i().filter(is_small)));
        prop_assert_eq!(collected(s.clone().take_while(is_small)), vec(i().take_while(is_small)));
        prop_assert_eq!(collected(s.clone().skip_while(is_small)), vec(i().skip_while(is_small)));
        prop_assert_eq!(collected(s.clone().map(|x| x * 2)), vec(i().map(|x| x * 2)));
        prop_assert_eq!(collected(s.clone().enumerate()), vec(i().enumerate()));
        let positive = |x: i32| (x > 0).then_some(x as u8);
        prop_assert_eq!(collected(s.clone().filter_map(positive)), vec(i().filter_map(positive)));
        let bounded = |sum: &mut i32, x: i32| { *sum += x; (*sum < 12).then_some(*sum) };
        prop_assert_eq!(collected(s.clone().scan(0, bounded)), vec(i().scan(0, bounded)));
        prop_assert_eq!(collected(s.fuse()), items);
    }

    #[test]
    fn combinations_agree_with_iterators((a, s) in fitful(), (b, t) in fitful(), n in 0usize..50) {
        let (i, j) = (|| a.iter().copied(), || b.iter().copied());
        prop_assert_eq!(collected(s.clone().chain(t.clone())), vec(i().chain(j())));
        prop_assert_eq!(collected(s.clone().zip(t.clone())), vec(i().zip(j())));
        prop_assert_eq!(collected(s.clone().cycle().take(if a.is_empty() { 0 } else { n })),
            vec(i().cycle().take(n)));
        let repeat = |x: i32| std::iter::repeat_n(x, x.unsigned_abs() as usize);
        prop_assert_eq!(collected(s.clone().flat_map(|x| stream::from_iter(repeat(x)))),
            vec(i().flat_map(repeat)));
        prop_assert_eq!(collected(s.clone().map(|x| stream::from_iter(repeat(x))).flatten()),
            vec(i().flat_map(repeat)));

        let merged = collected(s.map(|x| (0, x)).merge(t.map(|x| (1, x))));
        let of = |side| merged.iter().filter(|m| m.0 == side).map(|m| m.1).collect::<Vec<_>>();
        prop_assert_eq!((of(0), of(1)), (a, b));
    }

    #[test]
    fn searches_agree_with_iterators((items, s) in fitful(), n in 0usize..50) {
        let i = || items.iter().copied();
        block_on(async {
            prop_assert_eq!(s.clone().nth(n).await, i().nth(n));
            prop_assert_eq!(s.clone().last().await, i().last());
            prop_assert_eq!(s.clone().count().await, i().count());
            prop_assert_eq!(s.clone().all(|x| x < 4).await, i().all(|x| x < 4));
            prop_assert_eq!(s.clone().any(|x| x == 4).await, i().any(|x| x == 4));
            prop_assert_eq!(s.clone().find(|x| *x > 2).await, i().find(|x| *x > 2));
            let half = |x: i32| (x > 2).then_some(x / 2);
            prop_assert_eq!(s.clone().find_map(half).await, i().find_map(half));
            prop_assert_eq!(s.clone().position(|x| x == 4).await, i().position(|x| x == 4));
            Ok(())
        })?;
    }

    #[test]
    fn folds_agree_with_iterators((items, s) in fitful()) {
        let i = || items.iter().copied();
        block_on(async {
            let mix = |a: i32, x: i32| a * 2 % 1000 - x;
            prop_assert_eq!(s.clone().fold(7, mix).await, i().fold(7, mix));
            let bounded = |a: i32, x: i32| if a + x > 9 { Err(a) } else { Ok(a + x) };
            prop_assert_eq!(s.clone().try_fold(0, bounded).await, i().try_fold(0, bounded));
            let small = |x: i32| if x > 3 { Err(x) } else { Ok(()) };
            prop_assert_eq!(s.clone().try_for_each(small).await, i().try_for_each(small));
            prop_assert_eq!(s.clone().sum::<i32>().await, i().sum::<i32>());
            prop_assert_eq!(s.clone().take(6).product::<i32>().await, i().take(6).product::<i32>());
            let (even, odd): (Vec<_>, Vec<_>) = s.clone().partition(|x| x % 2 == 0).await;
            prop_assert_eq!((even, odd), i().partition::<Vec<_>, _>(|x| x % 2 == 0));
            let (left, right): (Vec<i32>, Vec<i32>) = s.clone().map(|x| (x, -x)).unzip().await;
            prop_assert_eq!((left, right), i().map(|x| (x, -x)).unzip());
            Ok(())
        })?;
    }

    #[test]
    fn extremes_are_the_first_of_equals((items, s) in fitful()) {
        let pairs = || items.iter().copied().enumerate().map(|(index, x)| (x / 2, index));
        let s = || s.clone().enumerate().map(|(index, x)| (x / 2, index));
        block_on(async {
            // std keeps the first of equal minima, and of equal maxima the last.
            let min = pairs().min_by_key(|p| p.0);
            let max = pairs().rev().max_by_key(|p| p.0);
            prop_assert_eq!(s().min_by_key(|p| p.0).await, min);
            prop_assert_eq!(s().max_by_key(|p| p.0).await, max);
            prop_assert_eq!(s().min_by(|p, q| p.0.cmp(&q.0)).await, min);
            prop_assert_eq!(s().max_by(|p, q| p.0.cmp(&q.0)).await, max);
            prop_assert_eq!(s().min().await, pairs().min());
            prop_assert_eq!(s().max().await, pairs().max());
            Ok(())
        })?;
    }

    #[test]
    fn comparisons_agree_with_iterators((a, s) in fitful(), (b, t) in fitful(), cut in 0usize..40) {
        // Two random sequences differ at their first items, so a sequence is also compared with its
        // own beginning.
        let beginning: Vec<i32> = a.iter().copied().take(cut).collect();
        let begun = Fitful { items: beginning.clone().into(), pauses: t.pauses.clone() };
        for (c, u) in [(b, t), (beginning, begun), (a.clone(), s.clone())] {
            let (i, j) = (|| a.iter(), || c.iter());
            let (s, u) = (|| s.clone(), || u.clone());
            block_on(async {
                prop_assert_eq!(s().cmp(u()).await, i().cmp(j()));
                prop_assert_eq!(s().partial_cmp(u()).await, i().partial_cmp(j()));
                prop_assert_eq!(s().eq(u()).await, i().eq(j()));
                prop_assert_eq!(s().ne(u()).await, i().ne(j()));
                prop_assert_eq!(s().lt(u()).await, i().lt(j()));
                prop_assert_eq!(s().le(u()).await, i().le(j()));
                prop_assert_eq!(s().gt(u()).await, i().gt(j()));
                prop_assert_eq!(s().ge(u()).await, i().ge(j()));
                Ok(())
            })?;
        }
    }

    #[test]
    fn the_back_agrees_with_iterators(
        items in prop::collection::vec(-5..5, 0..20),
        n in 0usize..20,
    ) {
        let i = || items.iter().copied();
        let s = || stream::from_iter(items.clone());
        block_on(async {
            prop_assert_eq!(s().next_back().await, i().next_back());
            prop_assert_eq!(s().nth_back(n).await, i().nth_back(n));
            prop_assert_eq!(s().rfind(|x| *x > 2).await, i().rfind(|x| *x > 2));
            let mix = |a: i32, x: i32| a * 2 % 1000 - x;
            prop_assert_eq!(s().rfold(1, mix).await, i().rfold(1, mix));
            let bounded = |a: i32, x: i32| if a + x > 9 { Err(a) } else { Ok(a + x) };
            prop_assert_eq!(s().try_rfold(0, bounded).await, i().try_rfold(0, bounded));
            Ok(())
        })?;
    }
}

#[test]
fn every_collection_collects_and_extends() {
    async fn check<T, C>(items: Vec<T>, expected: C)
    where
        T: Clone + Send + 'static,
        C: stream::FromStream<T> + stream::Extend<T> + Default + PartialEq + std::fmt::Debug,
    {
        assert_eq!(stream::from_iter(items.clone()).collect::<C>().await, expected);
        let mut extended = C::default();
        let (first, second) = items.split_at(items.len() / 2);
        stream::extend(&mut extended, stream::from_iter(first.to_vec())).await;
        stream::extend(&mut extended, stream::from_iter(second.to_vec())).await;
        assert_eq!(extended, expected);
    }

    block_on(async {
        let items = vec![3, 1, 2, 1];
        check(items.clone(), items.clone()).await;
        check(items.clone(), VecDeque::from_iter(items.clone())).await;
        check(items.clone(), LinkedList::from_iter(items.clone())).await;
        check(items.clone(), BTreeSet::from_iter(items.clone())).await;
        check(items.clone(), HashSet::<i32>::from_iter(items.clone())).await;
        let pairs = vec![('b', 1), ('a', 2), ('b', 3)];
        check(pairs.clone(), BTreeMap::from_iter(pairs.clone())).await;
        check(pairs.clone(), HashMap::<char, i32>::from_iter(pairs.clone())).await;
        check(vec!['a', 'b'], String::from("ab")).await;
        check(vec![&'a', &'b'], String::from("ab")).await;
        check(vec!["a", "b"], String::from("ab")).await;
        check(vec!["a".to_string(), "b".to_string()], String::from("ab")).await;
        check(vec![std::borrow::Cow::Borrowed("a")], String::from("a")).await;
        check(vec![(), ()], ()).await;
        check(vec!["/usr", "bin"], reveille::path::PathBuf::from("/usr/bin")).await;

        let heap: BinaryHeap<i32> = stream::from_iter(items.clone()).collect().await;
        assert_eq!(heap.into_sorted_vec(), [1, 1, 2, 3]);
        let boxed: Box<[i32]> = stream::from_iter(items.clone()).collect().await;
        let arc: Arc<[i32]> = stream::from_iter(items.clone()).collect().await;
        let rc: std::rc::Rc<[i32]> = stream::from_iter(items.clone()).collect().await;
        let cow: std::borrow::Cow<'_, [i32]> = stream::from_iter(items.clone()).collect().await;
        assert!(*boxed == items[..] && *arc == items[..] && *rc == items[..] && *cow == items[..]);
    });
}

#[test]
fn fallible_items_stop_at_the_first_failure() {
    block_on(async {
        let mut s = stream::from_iter([Ok(1), Err("first"), Ok(2), Err("second")]);
        let collected: Result<Vec<i32>, _> = s.by_ref().collect().await;
        assert_eq!(collected, Err("first"));
        assert_eq!(s.next().await, Some(Ok(2)));

        let collected: Option<Vec<i32>> = stream::from_iter([Some(1), None]).collect().await;
        assert_eq!(collected, None);
        let collected: Option<Vec<i32>> = stream::from_iter([Some(1), Some(2)]).collect().await;
        assert_eq!(collected, Some(vec![1, 2]));
        let sum: Result<i32, &str> = stream::from_iter([Ok(2), Ok(3)]).sum().await;
        assert_eq!(sum, Ok(5));
        let product: Option<i32> = stream::from_iter([Some(2), None, Some(3)]).product().await;
        assert_eq!(product, None);
    });
}

async fn a_consumer_of_ready_items_lets_others_run() {
    // `count` never ends by itself; only another task, on the same thread, can end it.
    let is_over = AtomicBool::new(false);
    let endless = stream::from_fn(|| (!is_over.load(Ordering::Relaxed)).then_some(()));
    let other = async {
        task::yield_now().await;
        is_over.store(true, Ordering::Relaxed);
    };
    let (count, ()) = endless.count().join(other).await;
    assert!(count > 0);
}

#[test]
fn a_dropped_consumer_loses_no_item() {
    let (sender, receiver) = channel::unbounded();
    let mut receiver = pin!(receiver);
    let mut cx = Context::from_waker(Waker::noop());
    block_on(async {
        sender.send(1).await.unwrap();
        let mut find = Box::pin(receiver.find(|n| *n == 9));
        assert!(find.as_mut().poll(&mut cx).is_pending());
        drop(find);
        sender.send(2).await.unwrap();
        assert_eq!(receiver.next().await, Some(2));
    });
}

async fn merge_reads_both_sides() {
    let (a, b) = (stream::repeat('a'), stream::repeat('b'));
    let items: Vec<char> = a.merge(b).take(1000).collect().await;
    let share = items.iter().filter(|item| **item == 'a').count();
    // A fair coin leaves this range once in 10^60 tries.
    assert!((200..800).contains(&share), "{share} of 1000");
}

#[test]
fn merge_ends_when_both_have_ended() {
    block_on(async {
        let (sender, receiver) = channel::unbounded();
        let mut merged = pin!(receiver.merge(stream::empty()));
        let mut cx = Context::from_waker(Waker::noop());
        assert!(merged.as_mut().poll_next(&mut cx).is_pending());
        sender.send(1).await.unwrap();
        assert_eq!(merged.next().await, Some(1));
        drop(sender);
        assert_eq!(merged.next().await, None);
        assert_eq!(merged.next().await, None);
    });
}

async fn interval_waits_a_period_before_its_first_tick() {
    let mut ticks = stream::interval(Duration::from_secs(3600));
    let first = future::timeout(Duration::ZERO, ticks.next());
    assert!(first.await.is_err());
}

#[expect(clippy::disallowed_methods, reason = "the claim is about wall time")]
async fn interval_does_not_make_up_for_missed_ticks() {
    let period = Duration::from_millis(20);
    let mut ticks = stream::interval(period);
    // Long enough for several ticks. Only one tick may be pending, and the next one comes a period
    // later.
    task::sleep(period * 4).await;
    let start = std::time::Instant::now();
    assert_eq!(ticks.next().await, Some(()));
    assert_eq!(ticks.next().await, Some(()));
    assert!(start.elapsed() >= period);
}

async fn the_longest_duration_does_not_overflow() {
    let mut never = stream::interval(Duration::MAX);
    assert!(future::timeout(Duration::ZERO, never.next()).await.is_err());
    let mut s = stream::from_iter([1, 2]).timeout(Duration::MAX);
    assert_eq!(s.next().await, Some(Ok(1)));
    let mut s = stream::from_iter([1, 2]).throttle(Duration::MAX);
    assert_eq!(s.next().await, Some(1));
    assert!(future::timeout(Duration::ZERO, s.next()).await.is_err());
}

async fn an_item_that_is_ready_is_never_late() {
    let mut s = stream::from_iter([1, 2]).timeout(Duration::ZERO);
    assert_eq!(s.next().await, Some(Ok(1)));
    assert_eq!(s.next().await, Some(Ok(2)));
    assert_eq!(s.next().await, None);
}

async fn a_stream_continues_after_a_timeout() {
    let (sender, receiver) = channel::unbounded();
    let mut s = pin!(receiver.timeout(Duration::from_millis(2)));
    assert!(s.next().await.unwrap().is_err());
    assert!(s.next().await.unwrap().is_err());
    sender.send(7).await.unwrap();
    assert_eq!(s.next().await, Some(Ok(7)));
    drop(sender);
    assert_eq!(s.next().await, None);
}

async fn concurrent_futures_respect_the_limit() {
    let (running, most, done) = (AtomicUsize::new(0), AtomicUsize::new(0), AtomicUsize::new(0));
    stream::from_iter(0..50)
        .for_each_concurrent(3, async |n: u64| {
            let now = running.fetch_add(1, Ordering::SeqCst) + 1;
            most.fetch_max(now, Ordering::SeqCst);
            if n.is_multiple_of(3) {
                task::sleep(Duration::from_millis(1)).await;
            } else {
                task::yield_now().await;
            }
            running.fetch_sub(1, Ordering::SeqCst);
            done.fetch_add(1, Ordering::SeqCst);
        })
        .await;
    assert_eq!((done.into_inner(), most.into_inner()), (50, 3));
}

#[test]
fn concurrent_futures_are_polled_when_woken_and_not_otherwise() {
    let polls = AtomicUsize::new(0);
    let (sender, receiver) = channel::bounded::<()>(1);
    let mut all = pin!(stream::from_iter(0..100).for_each_concurrent(None, |n| {
        let mut wait = Box::pin(receiver.recv());
        let polls = &polls;
        future::poll_fn(move |cx| {
            polls.fetch_add(1, Ordering::SeqCst);
            if n == 0 { wait.as_mut().poll(cx).map(drop) } else { Poll::Pending }
        })
    }));
    let counter = Arc::new(Counter::default());
    let waker = Waker::from(Arc::clone(&counter));
    let mut cx = Context::from_waker(&waker);
    // It may yield because of the budget, so it is polled until it does not wake itself.
    loop {
        let before = counter.0.load(Ordering::SeqCst);
        assert!(all.as_mut().poll(&mut cx).is_pending());
        if counter.0.load(Ordering::SeqCst) == before {
            break;
        }
    }
    assert_eq!(polls.swap(0, Ordering::SeqCst), 100);
    sender.try_send(()).unwrap();
    assert!(all.as_mut().poll(&mut cx).is_pending());
    assert_eq!(polls.load(Ordering::SeqCst), 1);
}

#[test]
fn futures_of_streams_keep_their_auto_traits() {
    fn is_send_sync_unpin<T: Send + Sync + Unpin>(_: &T) {}
    fn is_send<T: Send>(_: &T) {}

    // A generic function can rely only on what the signatures guarantee.
    fn generic<S>(mut s: S)
    where
        S: Stream<Item = i32> + Clone + Send + Sync + Unpin,
    {
        is_send_sync_unpin(&s.next());
        is_send_sync_unpin(&s.nth(1));
        is_send_sync_unpin(&s.all(|x| x > 0));
        is_send_sync_unpin(&s.try_fold(0, |a: i32, x| Ok::<i32, ()>(a + x)));
        is_send_sync_unpin(&s.clone().for_each(drop));
        is_send_sync_unpin(&s.clone().max());
        is_send_sync_unpin(&s.clone().cmp(s.clone()));
        is_send_sync_unpin(&s.clone().timeout(Duration::MAX));
        is_send_sync_unpin(&s.clone().merge(s.clone()));
        is_send_sync_unpin(&stream::interval(Duration::MAX));
        is_send(&s.clone().collect::<Vec<_>>());
        is_send(&s.for_each_concurrent(1, |_| future::ready(())));
    }
    generic(stream::from_iter([1]));
}

#[test]
fn streams_that_promise_to_stay_ended_do() {
    fn check<S: FusedStream + Unpin>(mut s: S) {
        block_on(async {
            while s.next().await.is_some() {}
            assert!(s.next().await.is_none());
        });
    }
    check(stream::from_iter([1]));
    check(stream::once(1));
    check(stream::empty::<i32>());
    check(stream::successors(Some(1), |_| None));
    check(stream::from_iter([1]).merge(stream::once(2)));
    let mut calls = 0;
    check(
        stream::from_fn(|| {
            calls += 1;
            (calls != 2).then_some(())
        })
        .fuse(),
    );
}

async fn exact_streams_know_their_length() {
    let mut s = stream::from_iter([1, 2, 3]);
    assert_eq!(ExactSizeStream::len(&s), 3);
    s.next().await;
    assert_eq!(ExactSizeStream::len(&&mut s), 2);
    assert_eq!(ExactSizeStream::len(&stream::once(1)), 1);
    assert_eq!(ExactSizeStream::len(&stream::pending::<()>()), 0);
}

#[test]
fn a_stream_is_its_own_into_stream() {
    let s = stream::from_iter([1, 2]).into_stream();
    assert_eq!(collected(s), [1, 2]);
}

#[test]
#[should_panic]
fn a_step_of_zero_panics() {
    let _ = stream::from_iter([1]).step_by(0);
}

// Each of these runs on every executor.
reveille_tests::conformance!(
    a_consumer_of_ready_items_lets_others_run,
    merge_reads_both_sides,
    interval_waits_a_period_before_its_first_tick,
    interval_does_not_make_up_for_missed_ticks,
    the_longest_duration_does_not_overflow,
    an_item_that_is_ready_is_never_late,
    a_stream_continues_after_a_timeout,
    concurrent_futures_respect_the_limit,
    exact_streams_know_their_length,
);

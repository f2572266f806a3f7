//! The extension trait of streams.
//!
//! Each method has its documentation and a body of one line. The implementations are in the files
//! listed here.
//!
//! | kind | methods |
//! |---|---|
//! | delegate to futures-lite | `next`, and the adapters that pass items on one by one |
//! | own, `consume.rs` | one value from all items, searches |
//! | own, `extremes.rs` | `max`, `min` and their variants |
//! | own, `compare.rs` | `cmp`, `eq`, `lt` and the other comparisons |
//! | own, `collect.rs`, `arithmetic.rs` | `collect`; `sum`, `product` |
//! | own, `join.rs` | `merge`, `zip`, `flatten`, `flat_map` |
//! | own, `fused.rs` | `fuse`, `chain` |
//! | own, `timed.rs` | `timeout`, `throttle`, `delay` |

use std::cmp::Ordering;
use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use super::compare::Compare;
use super::consume::{
    All, Any, Consume, Count, Find, FindMap, Fold, ForEach, Last, Nth, Partition, Position,
    TryFold, TryForEach, Unzip,
};
use super::extremes::{Extreme, Greatest, GreatestBy, KeyedExtreme, Least, LeastBy};
use super::futures::*;
use super::{
    Chain, Cloned, Copied, Extend, Filter, FlatMap, Flatten, FromStream, Fuse, Inspect, IntoStream,
    Map, Merge, Product, Scan, Skip, SkipWhile, StepBy, Stream, Sum, Take, TakeWhile, Timeout, Zip,
};

/// Methods for every stream.
///
/// They are those of [`Iterator`], asynchronous where they return a value. Methods that return a
/// stream do nothing until it is read, and methods that return a future do nothing until it is
/// awaited.
///
/// The methods that borrow the stream (`next`, `nth`, `all`, `any`, `find`, ...) require it to be
/// `Unpin`. Streams made of `async` blocks are not: pin them first, with [`pin!`](crate::pin::pin)
/// or `Box::pin`.
///
/// The futures that consume the stream yield to other tasks from time to time, even if the stream
/// always has another item ready.
///
/// # Examples
///
/// ```
/// use reveille::prelude::*;
/// use reveille::{stream, task};
///
/// task::block_on(async {
///     let words = stream::from_iter(["to", "be", "or", "not", "to", "be"]);
///     let long: Vec<String> = words.filter(|w| w.len() >
///     2).map(str::to_uppercase).collect().await;
///     assert_eq!(long, ["NOT"]);
/// });
/// ```
pub trait StreamExt: Stream {
    /// Takes the next item; `None` at the end.
    ///
    /// What a stream yields after its end depends on the stream. [`fuse`](StreamExt::fuse) makes
    /// sure that it stays ended.
    ///
    /// # Cancel safety
    ///
    /// If the future is dropped before it is ready, no item is lost, unless the stream documents
    /// otherwise.
    ///
    /// # Examples
    ///
    /// ```
    /// use reveille::prelude::*;
    /// use reveille::{stream, task};
    ///
    /// task::block_on(async {
    ///     let mut s = stream::once(7);
    ///     assert_eq!(s.next().await, Some(7));
    ///     assert_eq!(s.next().await, None);
    /// });
    /// ```
    fn next(&mut self) -> NextFuture<'_, Self>
    where
        Self: Unpin,
    {
        futures_lite::StreamExt::next(self)
    }

    /// Takes the item after the next `n` items, and drops those: `nth(0)` takes the next item.
    ///
    /// # Cancel safety
    ///
    /// Items that were skipped before the future was dropped are lost.
    ///
    /// # Examples
    ///
    /// ```
    /// use reveille::prelude::*;
    /// use reveille::{stream, task};
    ///
    /// task::block_on(async {
    ///     let mut s = stream::from_iter([10, 20, 30, 40]);
    ///     assert_eq!(s.nth(1).await, Some(20));
    ///     assert_eq!(s.nth(0).await, Some(30));
    ///     assert_eq!(s.nth(5).await, None);
    /// });
    /// ```
    fn nth(&mut self, n: usize) -> NthFuture<'_, Self>
    where
        Self: Unpin + Sized,
    {
        Consume::new(self, Nth { remaining: n })
    }

    /// Consumes the stream and returns its last item, or `None` if the stream was empty.
    ///
    /// # Examples
    ///
    /// ```
    /// use reveille::prelude::*;
    /// use reveille::{stream, task};
    ///
    /// task::block_on(async {
    ///     assert_eq!(stream::from_iter([1, 2, 3]).last().await, Some(3));
    ///     assert_eq!(stream::empty::<()>().last().await, None);
    /// });
    /// ```
    fn last(self) -> LastFuture<Self, Self::Item>
    where
        Self: Sized,
    {
        Consume::new(self, Last(None))
    }

    /// Yields the first `n` items. After those, the stream is not polled again.
    ///
    /// # Examples
    ///
    /// ```
    /// use reveille::prelude::*;
    /// use reveille::{stream, task};
    ///
    /// task::block_on(async {
    ///     let nines: Vec<i32> = stream::repeat(9).take(3).collect().await;
    ///     assert_eq!(nines, [9, 9, 9]);
    /// });
    /// ```
    fn take(self, n: usize) -> Take<Self>
    where
        Self: Sized,
    {
        futures_lite::StreamExt::take(self, n)
    }

    /// Yields the items before the first that fails a test.
    ///
    /// The item that failed the test is lost.
    ///
    /// # Examples
    ///
    /// ```
    /// use reveille::prelude::*;
    /// use reveille::{stream, task};
    ///
    /// task::block_on(async {
    ///     let mut s = stream::from_iter([1, 2, 3, 1]).take_while(|n| *n < 3);
    ///     assert_eq!(s.next().await, Some(1));
    ///     assert_eq!(s.next().await, Some(2));
    ///     assert_eq!(s.next().await, None);
    /// });
    /// ```
    fn take_while<P>(self, predicate: P) -> TakeWhile<Self, P>
    where
        Self: Sized,
        P: FnMut(&Self::Item) -> bool,
    {
        futures_lite::StreamExt::take_while(self, predicate)
    }

    /// Skips the first `n` items.
    ///
    /// # Examples
    ///
    /// ```
    /// use reveille::prelude::*;
    /// use reveille::{stream, task};
    ///
    /// task::block_on(async {
    ///     let mut s = stream::from_iter([1, 2, 3]).skip(2);
    ///     assert_eq!(s.next().await, Some(3));
    ///     assert_eq!(s.next().await, None);
    /// });
    /// ```
    fn skip(self, n: usize) -> Skip<Self>
    where
        Self: Sized,
    {
        futures_lite::StreamExt::skip(self, n)
    }

    /// Skips the items before the first that fails a test, and yields that item and all later ones.
    ///
    /// # Examples
    ///
    /// ```
    /// use reveille::prelude::*;
    /// use reveille::{stream, task};
    ///
    /// task::block_on(async {
    ///     let s = stream::from_iter([-1, -2, 3, -4]).skip_while(|n| *n < 0);
    ///     let rest: Vec<i32> = s.collect().await;
    ///     assert_eq!(rest, [3, -4]);
    /// });
    /// ```
    fn skip_while<P>(self, predicate: P) -> SkipWhile<Self, P>
    where
        Self: Sized,
        P: FnMut(&Self::Item) -> bool,
    {
        futures_lite::StreamExt::skip_while(self, predicate)
    }

    /// Yields the first item and then every `step`-th one.
    ///
    /// # Panics
    ///
    /// Panics if `step` is 0.
    ///
    /// # Examples
    ///
    /// ```
    /// use reveille::prelude::*;
    /// use reveille::{stream, task};
    ///
    /// task::block_on(async {
    ///     let s = stream::from_iter([0, 1, 2, 3, 4]).step_by(2);
    ///     let even: Vec<i32> = s.collect().await;
    ///     assert_eq!(even, [0, 2, 4]);
    /// });
    /// ```
    fn step_by(self, step: usize) -> StepBy<Self>
    where
        Self: Sized,
    {
        futures_lite::StreamExt::step_by(self, step)
    }

    /// Yields the items that pass a test.
    ///
    /// # Examples
    ///
    /// ```
    /// use reveille::prelude::*;
    /// use reveille::{stream, task};
    ///
    /// task::block_on(async {
    ///     let s = stream::from_iter([1, 2, 3, 4]).filter(|n| n % 2 == 0);
    ///     let even: Vec<i32> = s.collect().await;
    ///     assert_eq!(even, [2, 4]);
    /// });
    /// ```
    fn filter<P>(self, predicate: P) -> Filter<Self, P>
    where
        Self: Sized,
        P: FnMut(&Self::Item) -> bool,
    {
        futures_lite::StreamExt::filter(self, predicate)
    }

    /// Maps items, and drops those for which the closure returns `None`.
    ///
    /// # Examples
    ///
    /// ```
    /// use reveille::prelude::*;
    /// use reveille::{stream, task};
    ///
    /// task::block_on(async {
    ///     let s = stream::from_iter(["1", "two", "3"]).filter_map(|text| text.parse().ok());
    ///     let numbers: Vec<i32> = s.collect().await;
    ///     assert_eq!(numbers, [1, 3]);
    /// });
    /// ```
    fn filter_map<B, F>(self, f: F) -> FilterMap<Self, F>
    where
        Self: Sized,
        F: FnMut(Self::Item) -> Option<B>,
    {
        futures_lite::StreamExt::filter_map(self, f)
    }

    /// Maps every item.
    ///
    /// # Examples
    ///
    /// ```
    /// use reveille::prelude::*;
    /// use reveille::{stream, task};
    ///
    /// task::block_on(async {
    ///     let s = stream::from_iter([1, 2, 3]).map(|n| n * n);
    ///     let squares: Vec<i32> = s.collect().await;
    ///     assert_eq!(squares, [1, 4, 9]);
    /// });
    /// ```
    fn map<B, F>(self, f: F) -> Map<Self, F>
    where
        Self: Sized,
        F: FnMut(Self::Item) -> B,
    {
        futures_lite::StreamExt::map(self, f)
    }

    /// Maps every item with access to a state, and ends when the closure returns `None`.
    ///
    /// # Examples
    ///
    /// ```
    /// use reveille::prelude::*;
    /// use reveille::{stream, task};
    ///
    /// task::block_on(async {
    ///     let s = stream::from_iter([1, 2, 3, 4]).scan(0, |sum, n| {
    ///         *sum += n;
    ///         (*sum < 10).then_some(*sum)
    ///     });
    ///     let sums: Vec<i32> = s.collect().await;
    ///     assert_eq!(sums, [1, 3, 6]);
    /// });
    /// ```
    fn scan<St, B, F>(self, initial_state: St, f: F) -> Scan<Self, St, F>
    where
        Self: Sized,
        F: FnMut(&mut St, Self::Item) -> Option<B>,
    {
        futures_lite::StreamExt::scan(self, initial_state, f)
    }

    /// Numbers the items: yields pairs of an index, from 0, and an item.
    ///
    /// # Panics
    ///
    /// Panics (with overflow checks on) after more than `usize::MAX` items.
    ///
    /// # Examples
    ///
    /// ```
    /// use reveille::prelude::*;
    /// use reveille::{stream, task};
    ///
    /// task::block_on(async {
    ///     let mut s = stream::from_iter(["a", "b"]).enumerate();
    ///     assert_eq!(s.next().await, Some((0, "a")));
    ///     assert_eq!(s.next().await, Some((1, "b")));
    /// });
    /// ```
    fn enumerate(self) -> Enumerate<Self>
    where
        Self: Sized,
    {
        futures_lite::StreamExt::enumerate(self)
    }

    /// Calls a closure with a reference to every item that passes.
    ///
    /// # Examples
    ///
    /// ```
    /// use reveille::prelude::*;
    /// use reveille::{stream, task};
    ///
    /// task::block_on(async {
    ///     let mut seen = Vec::new();
    ///     let sum: i32 = stream::from_iter([1, 2, 3]).inspect(|n| seen.push(*n)).sum().await;
    ///     assert_eq!(sum, 6);
    ///     assert_eq!(seen, [1, 2, 3]);
    /// });
    /// ```
    #[doc(alias = "tap")]
    fn inspect<F>(self, f: F) -> Inspect<Self, F>
    where
        Self: Sized,
        F: FnMut(&Self::Item),
    {
        futures_lite::StreamExt::inspect(self, f)
    }

    /// Clones the items of a stream of references.
    ///
    /// # Examples
    ///
    /// ```
    /// use reveille::prelude::*;
    /// use reveille::{stream, task};
    ///
    /// task::block_on(async {
    ///     let words = ["a".to_string(), "b".to_string()];
    ///     let cloned: Vec<String> = stream::from_iter(&words).cloned().collect().await;
    ///     assert_eq!(cloned, words);
    /// });
    /// ```
    fn cloned<'a, T>(self) -> Cloned<Self>
    where
        Self: Sized + Stream<Item = &'a T>,
        T: Clone + 'a,
    {
        futures_lite::StreamExt::cloned(self)
    }

    /// Copies the items of a stream of references.
    ///
    /// # Examples
    ///
    /// ```
    /// use reveille::prelude::*;
    /// use reveille::{stream, task};
    ///
    /// task::block_on(async {
    ///     let numbers = [1, 2, 3];
    ///     let copied: Vec<i32> = stream::from_iter(&numbers).copied().collect().await;
    ///     assert_eq!(copied, numbers);
    /// });
    /// ```
    fn copied<'a, T>(self) -> Copied<Self>
    where
        Self: Sized + Stream<Item = &'a T>,
        T: Copy + 'a,
    {
        futures_lite::StreamExt::copied(self)
    }

    /// Maps every item to a stream and yields the items of those streams, one stream after the
    /// other.
    ///
    /// The next inner stream is requested after the previous one has ended and was dropped.
    ///
    /// # Examples
    ///
    /// ```
    /// use reveille::prelude::*;
    /// use reveille::{stream, task};
    ///
    /// task::block_on(async {
    ///     let s = stream::from_iter(["ab", "c"]).flat_map(|word| stream::from_iter(word.chars()));
    ///     let letters: Vec<char> = s.collect().await;
    ///     assert_eq!(letters, ['a', 'b', 'c']);
    /// });
    /// ```
    fn flat_map<U, F>(self, f: F) -> FlatMap<Self, U, F>
    where
        Self: Sized,
        U: IntoStream,
        F: FnMut(Self::Item) -> U,
    {
        FlatMap::new(self, f)
    }

    /// Yields the items of the streams that this stream yields, one stream after the other.
    ///
    /// # Examples
    ///
    /// ```
    /// use reveille::prelude::*;
    /// use reveille::{stream, task};
    ///
    /// task::block_on(async {
    ///     let inner = stream::from_iter([1, 2]);
    ///     let s = stream::from_iter([inner.clone(), inner]).flatten();
    ///     let numbers: Vec<i32> = s.collect().await;
    ///     assert_eq!(numbers, [1, 2, 1, 2]);
    /// });
    /// ```
    fn flatten(self) -> Flatten<Self>
    where
        Self: Sized,
        Self::Item: IntoStream,
    {
        Flatten::new(self)
    }

    /// Yields the items of this stream, then those of another.
    ///
    /// This stream is dropped at its end, before the other is polled.
    ///
    /// # Examples
    ///
    /// ```
    /// use reveille::prelude::*;
    /// use reveille::{stream, task};
    ///
    /// task::block_on(async {
    ///     let s = stream::from_iter([1, 2]).chain(stream::from_iter([3]));
    ///     let numbers: Vec<i32> = s.collect().await;
    ///     assert_eq!(numbers, [1, 2, 3]);
    /// });
    /// ```
    fn chain<U>(self, other: U) -> Chain<Self, U>
    where
        Self: Sized,
        U: Stream<Item = Self::Item> + Sized,
    {
        Chain::new(self, other)
    }

    /// Starts over whenever the stream ends, with a clone of its initial state.
    ///
    /// An empty stream stays empty.
    ///
    /// # Examples
    ///
    /// ```
    /// use reveille::prelude::*;
    /// use reveille::{stream, task};
    ///
    /// task::block_on(async {
    ///     let s = stream::from_iter([1, 2]).cycle().take(5);
    ///     let numbers: Vec<i32> = s.collect().await;
    ///     assert_eq!(numbers, [1, 2, 1, 2, 1]);
    /// });
    /// ```
    fn cycle(self) -> Cycle<Self>
    where
        Self: Clone + Sized,
    {
        futures_lite::StreamExt::cycle(self)
    }

    /// Yields the items of two streams as they arrive, and ends when both have ended.
    ///
    /// Each poll chooses at random which stream to poll first, so neither can starve the other,
    /// however many items it has ready. The order of the items of one stream is kept.
    ///
    /// # Examples
    ///
    /// ```
    /// use reveille::prelude::*;
    /// use reveille::{stream, task};
    ///
    /// task::block_on(async {
    ///     let (a, b) = (stream::from_iter([1, 2]), stream::from_iter([30, 40]));
    ///     let mut numbers: Vec<i32> = a.merge(b).collect().await;
    ///     numbers.sort();
    ///     assert_eq!(numbers, [1, 2, 30, 40]);
    /// });
    /// ```
    #[doc(alias("select", "or", "race"))]
    fn merge<U>(self, other: U) -> Merge<Self, U>
    where
        Self: Sized,
        U: Stream<Item = Self::Item> + Sized,
    {
        Merge::new(self, other)
    }

    /// Yields pairs of items, one from each stream, and ends with the shorter.
    ///
    /// If the stream of pairs is dropped while an item of this stream waits for its partner, the
    /// item is lost.
    ///
    /// # Examples
    ///
    /// ```
    /// use reveille::prelude::*;
    /// use reveille::{stream, task};
    ///
    /// task::block_on(async {
    ///     let mut s = stream::from_iter([1, 2, 3]).zip(stream::from_iter(["a", "b"]));
    ///     assert_eq!(s.next().await, Some((1, "a")));
    ///     assert_eq!(s.next().await, Some((2, "b")));
    ///     assert_eq!(s.next().await, None);
    /// });
    /// ```
    fn zip<U>(self, other: U) -> Zip<Self, U>
    where
        Self: Sized,
        U: Stream,
    {
        Zip::new(self, other)
    }

    /// Keeps the stream ended once it has ended: it is then dropped and not polled again.
    ///
    /// # Examples
    ///
    /// ```
    /// use reveille::prelude::*;
    /// use reveille::{stream, task};
    ///
    /// task::block_on(async {
    ///     let mut on = false;
    ///     let flicker = stream::from_fn(|| {
    ///         on = !on;
    ///         on.then_some(1)
    ///     });
    ///     let mut s = flicker.fuse();
    ///     assert_eq!(s.next().await, Some(1));
    ///     assert_eq!(s.next().await, None);
    ///     assert_eq!(s.next().await, None);
    /// });
    /// ```
    fn fuse(self) -> Fuse<Self>
    where
        Self: Sized,
    {
        Fuse::new(self)
    }

    /// Borrows the stream, so that a method that takes it by value can consume a part of it.
    ///
    /// # Examples
    ///
    /// ```
    /// use reveille::prelude::*;
    /// use reveille::{stream, task};
    ///
    /// task::block_on(async {
    ///     let mut s = stream::from_iter([1, 2, 3, 4]);
    ///     let sum: i32 = s.by_ref().take(2).sum().await;
    ///     assert_eq!(sum, 3);
    ///     assert_eq!(s.next().await, Some(3));
    /// });
    /// ```
    fn by_ref(&mut self) -> &mut Self {
        self
    }

    /// Sets a time limit for each item: yields `Ok` items, and an `Err` each time `dur` passes
    /// without one.
    ///
    /// The stream continues after an error, with a new period. To stop, drop it. The first period
    /// begins at the creation of the stream, each later one at the previous item or error. An item
    /// that is ready when the stream is polled is never late. With [`Duration::MAX`] there is no
    /// limit.
    ///
    /// # Examples
    ///
    /// ```
    /// use reveille::prelude::*;
    /// use reveille::{stream, task};
    /// use std::time::Duration;
    ///
    /// task::block_on(async {
    ///     let mut s = stream::once(1).chain(stream::pending()).timeout(Duration::from_millis(5));
    ///     assert_eq!(s.next().await, Some(Ok(1)));
    ///     assert!(s.next().await.unwrap().is_err());
    ///     assert!(s.next().await.unwrap().is_err());
    /// });
    /// ```
    fn timeout(self, dur: Duration) -> Timeout<Self>
    where
        Self: Stream + Sized,
    {
        Timeout::new(self, dur)
    }

    /// Pauses for `d` after every item. The stream is not polled during a pause.
    ///
    /// No item is dropped: a faster source has to wait, or queue.
    ///
    /// # Examples
    ///
    /// ```
    /// use reveille::prelude::*;
    /// use reveille::{stream, task};
    /// use std::time::{Duration, Instant};
    ///
    /// task::block_on(async {
    ///     let start = Instant::now();
    ///     let mut s = stream::from_iter([1, 2]).throttle(Duration::from_millis(5));
    ///     assert_eq!(s.next().await, Some(1));
    ///     assert_eq!(s.next().await, Some(2));
    ///     assert!(start.elapsed() >= Duration::from_millis(5));
    /// });
    /// ```
    fn throttle(self, d: Duration) -> Throttle<Self>
    where
        Self: Sized,
    {
        Throttle::new(self, d)
    }

    /// Waits for `dur`, counted from this call, before it polls the stream for the first time.
    ///
    /// # Examples
    ///
    /// ```
    /// use reveille::prelude::*;
    /// use reveille::{stream, task};
    /// use std::time::{Duration, Instant};
    ///
    /// task::block_on(async {
    ///     let start = Instant::now();
    ///     let mut s = stream::from_iter([1, 2]).delay(Duration::from_millis(5));
    ///     assert_eq!(s.next().await, Some(1));
    ///     assert!(start.elapsed() >= Duration::from_millis(5));
    ///     assert_eq!(s.next().await, Some(2));
    /// });
    /// ```
    fn delay(self, dur: Duration) -> Delay<Self>
    where
        Self: Sized,
    {
        Delay::new(self, dur)
    }

    /// Calls a closure with every item.
    ///
    /// To await something for every item, use a loop: `while let Some(item) = s.next().await`. To
    /// process many items at the same time, see
    /// [`for_each_concurrent`](super::ConcurrentExt::for_each_concurrent).
    ///
    /// # Examples
    ///
    /// ```
    /// use reveille::prelude::*;
    /// use reveille::{stream, task};
    ///
    /// task::block_on(async {
    ///     let mut sum = 0;
    ///     stream::from_iter([1, 2, 3]).for_each(|n| sum += n).await;
    ///     assert_eq!(sum, 6);
    /// });
    /// ```
    fn for_each<F>(self, f: F) -> ForEachFuture<Self, F>
    where
        Self: Sized,
        F: FnMut(Self::Item),
    {
        Consume::new(self, ForEach(f))
    }

    /// Calls a closure with every item, until it fails.
    ///
    /// The stream is only borrowed, so it can be used after a failure.
    ///
    /// # Errors
    ///
    /// The first error of the closure.
    ///
    /// # Examples
    ///
    /// ```
    /// use reveille::prelude::*;
    /// use reveille::{stream, task};
    ///
    /// task::block_on(async {
    ///     let mut s = stream::from_iter(["1", "two", "3"]);
    ///     let checked = s.try_for_each(|text| text.parse::<i32>().map(drop)).await;
    ///     assert!(checked.is_err());
    ///     assert_eq!(s.next().await, Some("3"));
    /// });
    /// ```
    fn try_for_each<F, E>(&mut self, f: F) -> TryForEachFuture<'_, Self, F>
    where
        Self: Unpin + Sized,
        F: FnMut(Self::Item) -> Result<(), E>,
    {
        Consume::new(self, TryForEach(f))
    }

    /// Folds the items into one value: the closure receives the current value and an item, and
    /// returns the next value.
    ///
    /// # Examples
    ///
    /// ```
    /// use reveille::prelude::*;
    /// use reveille::{stream, task};
    ///
    /// task::block_on(async {
    ///     let s = stream::from_iter(["a", "b"]);
    ///     let text = s.fold(String::new(), |text, item| text + item).await;
    ///     assert_eq!(text, "ab");
    /// });
    /// ```
    fn fold<B, F>(self, init: B, f: F) -> FoldFuture<Self, F, B>
    where
        Self: Sized,
        F: FnMut(B, Self::Item) -> B,
    {
        Consume::new(self, Fold { f, state: Some(init) })
    }

    /// Folds the items into one value, until the closure fails.
    ///
    /// The stream is only borrowed, so it can be used after a failure.
    ///
    /// # Errors
    ///
    /// The first error of the closure.
    ///
    /// # Examples
    ///
    /// ```
    /// use reveille::prelude::*;
    /// use reveille::{stream, task};
    ///
    /// task::block_on(async {
    ///     let mut s = stream::from_iter([100u8, 100, 100]);
    ///     let sum = s.try_fold(0u8, |sum: u8, n| sum.checked_add(n).ok_or("too large")).await;
    ///     assert_eq!(sum, Err("too large"));
    /// });
    /// ```
    fn try_fold<B, F, T, E>(&mut self, init: T, f: F) -> TryFoldFuture<'_, Self, F, T>
    where
        Self: Unpin + Sized,
        F: FnMut(B, Self::Item) -> Result<T, E>,
    {
        Consume::new(self, TryFold { f, state: Some(init) })
    }

    /// Collects the items into a collection.
    ///
    /// The type of the result selects the collection; see [`FromStream`] for all types. `Result`
    /// and `Option` collect the values and stop at the first `Err` or `None`.
    ///
    /// # Examples
    ///
    /// ```
    /// use reveille::prelude::*;
    /// use reveille::{stream, task};
    /// use std::collections::BTreeSet;
    ///
    /// task::block_on(async {
    ///     let words = ["b", "a", "b"];
    ///     let set: BTreeSet<&str> = stream::from_iter(words).collect().await;
    ///     assert_eq!(Vec::from_iter(set), ["a", "b"]);
    ///
    ///     let numbers = stream::from_iter(["1", "2"]).map(str::parse::<i32>);
    ///     let numbers: Result<Vec<i32>, _> = numbers.collect().await;
    ///     assert_eq!(numbers, Ok(vec![1, 2]));
    /// });
    /// ```
    fn collect<'a, B>(self) -> Pin<Box<dyn Future<Output = B> + 'a + Send>>
    where
        Self: Sized + 'a + Send,
        B: FromStream<Self::Item>,
        Self::Item: Send,
    {
        FromStream::from_stream(self)
    }

    /// Splits the items into two collections: those that pass a test, and the others.
    ///
    /// The collection must also implement std's `Extend`, as those of std do.
    ///
    /// # Examples
    ///
    /// ```
    /// use reveille::prelude::*;
    /// use reveille::{stream, task};
    ///
    /// task::block_on(async {
    ///     let s = stream::from_iter([1, 2, 3]);
    ///     let (odd, even): (Vec<i32>, Vec<i32>) = s.partition(|n| n % 2 == 1).await;
    ///     assert_eq!(odd, [1, 3]);
    ///     assert_eq!(even, [2]);
    /// });
    /// ```
    fn partition<B, F>(self, f: F) -> PartitionFuture<Self, F, B>
    where
        Self: Sized,
        F: FnMut(&Self::Item) -> bool,
        B: Default + Extend<Self::Item>,
    {
        Consume::new(self, Partition { f, sides: Default::default() })
    }

    /// Collects the left and the right halves of pairs into two collections.
    ///
    /// The collections must also implement std's `Extend`, as those of std do.
    ///
    /// # Examples
    ///
    /// ```
    /// use reveille::prelude::*;
    /// use reveille::{stream, task};
    ///
    /// task::block_on(async {
    ///     let s = stream::from_iter([(1, 'a'), (2, 'b')]);
    ///     let (numbers, letters): (Vec<i32>, String) = s.unzip().await;
    ///     assert_eq!(numbers, [1, 2]);
    ///     assert_eq!(letters, "ab");
    /// });
    /// ```
    fn unzip<A, B, FromA, FromB>(self) -> UnzipFuture<Self, FromA, FromB>
    where
        FromA: Default + Extend<A>,
        FromB: Default + Extend<B>,
        Self: Stream<Item = (A, B)> + Sized,
    {
        Consume::new(self, Unzip { sides: Default::default() })
    }

    /// Counts the items.
    ///
    /// # Examples
    ///
    /// ```
    /// use reveille::prelude::*;
    /// use reveille::{stream, task};
    ///
    /// task::block_on(async {
    ///     assert_eq!(stream::from_iter(["a", "b", "c"]).count().await, 3);
    /// });
    /// ```
    fn count(self) -> CountFuture<Self>
    where
        Self: Sized,
    {
        Consume::new(self, Count(0))
    }

    /// Sums the items. The sum of an empty stream is 0.
    ///
    /// The future is not `Send`, because [`Sum`] does not require it. In a spawned task, use
    /// [`fold`](StreamExt::fold).
    ///
    /// # Panics
    ///
    /// Panics if integers overflow and overflow checks are on, as `+` does.
    ///
    /// # Examples
    ///
    /// ```
    /// use reveille::prelude::*;
    /// use reveille::{stream, task};
    ///
    /// task::block_on(async {
    ///     let sum: i32 = stream::from_iter([1, 2, 3]).sum().await;
    ///     assert_eq!(sum, 6);
    /// });
    /// ```
    fn sum<'a, S>(self) -> Pin<Box<dyn Future<Output = S> + 'a>>
    where
        Self: Sized + Stream<Item = S> + 'a,
        S: Sum<Self::Item>,
    {
        Sum::sum(self)
    }

    /// Multiplies the items. The product of an empty stream is 1.
    ///
    /// The future is not `Send`, because [`Product`] does not require it. In a spawned task, use
    /// [`fold`](StreamExt::fold).
    ///
    /// # Panics
    ///
    /// Panics if integers overflow and overflow checks are on, as `*` does.
    ///
    /// # Examples
    ///
    /// ```
    /// use reveille::prelude::*;
    /// use reveille::{stream, task};
    ///
    /// task::block_on(async {
    ///     let product: i32 = stream::from_iter([1, 2, 3, 4]).product().await;
    ///     assert_eq!(product, 24);
    /// });
    /// ```
    fn product<'a, P>(self) -> Pin<Box<dyn Future<Output = P> + 'a>>
    where
        Self: Sized + Stream<Item = P> + 'a,
        P: Product,
    {
        Product::product(self)
    }

    /// Returns whether all items pass a test. Stops at the first that fails. True if there are no
    /// items.
    ///
    /// # Examples
    ///
    /// ```
    /// use reveille::prelude::*;
    /// use reveille::{stream, task};
    ///
    /// task::block_on(async {
    ///     let mut s = stream::from_iter([1, 2, 3]);
    ///     assert!(!s.all(|n| n < 2).await);
    ///     assert_eq!(s.next().await, Some(3));
    /// });
    /// ```
    fn all<F>(&mut self, f: F) -> AllFuture<'_, Self, F>
    where
        Self: Unpin + Sized,
        F: FnMut(Self::Item) -> bool,
    {
        Consume::new(self, All(f))
    }

    /// Returns whether any item passes a test. Stops at the first that does. False if there are no
    /// items.
    ///
    /// # Examples
    ///
    /// ```
    /// use reveille::prelude::*;
    /// use reveille::{stream, task};
    ///
    /// task::block_on(async {
    ///     let mut s = stream::from_iter([1, 2, 3]);
    ///     assert!(s.any(|n| n == 2).await);
    ///     assert_eq!(s.next().await, Some(3));
    /// });
    /// ```
    fn any<F>(&mut self, f: F) -> AnyFuture<'_, Self, F>
    where
        Self: Unpin + Sized,
        F: FnMut(Self::Item) -> bool,
    {
        Consume::new(self, Any(f))
    }

    /// Finds the first item that passes a test.
    ///
    /// # Examples
    ///
    /// ```
    /// use reveille::prelude::*;
    /// use reveille::{stream, task};
    ///
    /// task::block_on(async {
    ///     let mut s = stream::from_iter([1, 2, 3]);
    ///     assert_eq!(s.find(|n| n % 2 == 0).await, Some(2));
    ///     assert_eq!(s.next().await, Some(3));
    /// });
    /// ```
    fn find<P>(&mut self, p: P) -> FindFuture<'_, Self, P>
    where
        Self: Unpin + Sized,
        P: FnMut(&Self::Item) -> bool,
    {
        Consume::new(self, Find(p))
    }

    /// Returns the first `Some` that the closure returns.
    ///
    /// # Examples
    ///
    /// ```
    /// use reveille::prelude::*;
    /// use reveille::{stream, task};
    ///
    /// task::block_on(async {
    ///     let mut s = stream::from_iter(["one", "2", "3"]);
    ///     assert_eq!(s.find_map(|text| text.parse().ok()).await, Some(2));
    /// });
    /// ```
    fn find_map<F, B>(&mut self, f: F) -> FindMapFuture<'_, Self, F>
    where
        Self: Unpin + Sized,
        F: FnMut(Self::Item) -> Option<B>,
    {
        Consume::new(self, FindMap(f))
    }

    /// Finds the first item that passes a test, and returns its index.
    ///
    /// # Examples
    ///
    /// ```
    /// use reveille::prelude::*;
    /// use reveille::{stream, task};
    ///
    /// task::block_on(async {
    ///     let mut s = stream::from_iter(["a", "b", "c"]);
    ///     assert_eq!(s.position(|text| text == "b").await, Some(1));
    ///     assert_eq!(s.position(|text| text == "b").await, None);
    /// });
    /// ```
    fn position<P>(&mut self, predicate: P) -> PositionFuture<'_, Self, P>
    where
        Self: Unpin + Sized,
        P: FnMut(Self::Item) -> bool,
    {
        Consume::new(self, Position { predicate, index: 0 })
    }

    /// Finds the greatest item. `None` if the stream is empty.
    ///
    /// Of several equal items, the first is returned.
    ///
    /// # Differences
    ///
    /// `Iterator::max` and its variants return the last of several equal items.
    ///
    /// # Examples
    ///
    /// ```
    /// use reveille::prelude::*;
    /// use reveille::{stream, task};
    ///
    /// task::block_on(async {
    ///     assert_eq!(stream::from_iter([1, 3, 2]).max().await, Some(3));
    ///     assert_eq!(stream::empty::<i32>().max().await, None);
    /// });
    /// ```
    fn max(self) -> MaxFuture<Self, Self::Item>
    where
        Self: Sized,
        Self::Item: Ord,
    {
        Consume::new(self, Extreme::new(Greatest))
    }

    /// Finds the greatest item, as a closure compares.
    ///
    /// Of several equal items, the first is returned.
    ///
    /// # Differences
    ///
    /// `Iterator::max` and its variants return the last of several equal items.
    ///
    /// # Examples
    ///
    /// ```
    /// use reveille::prelude::*;
    /// use reveille::{stream, task};
    ///
    /// task::block_on(async {
    ///     let s = stream::from_iter([0.5, 2.5, 1.5]);
    ///     assert_eq!(s.max_by(f64::total_cmp).await, Some(2.5));
    /// });
    /// ```
    fn max_by<F>(self, compare: F) -> MaxByFuture<Self, F, Self::Item>
    where
        Self: Sized,
        F: FnMut(&Self::Item, &Self::Item) -> Ordering,
    {
        Consume::new(self, Extreme::new(GreatestBy(compare)))
    }

    /// Finds the item whose key is greatest. Each key is computed once.
    ///
    /// Of several equal items, the first is returned.
    ///
    /// # Differences
    ///
    /// `Iterator::max` and its variants return the last of several equal items.
    ///
    /// # Examples
    ///
    /// ```
    /// use reveille::prelude::*;
    /// use reveille::{stream, task};
    ///
    /// task::block_on(async {
    ///     let s = stream::from_iter([-3i32, 2, 1]);
    ///     assert_eq!(s.max_by_key(|n| n.abs()).await, Some(-3));
    /// });
    /// ```
    fn max_by_key<B, F>(self, key_by: F) -> MaxByKeyFuture<Self, Self::Item, B, F>
    where
        Self: Sized,
        B: Ord,
        F: FnMut(&Self::Item) -> B,
    {
        Consume::new(self, KeyedExtreme::new(key_by, Greatest))
    }

    /// Finds the least item. `None` if the stream is empty.
    ///
    /// Of several equal items, the first is returned.
    ///
    /// # Examples
    ///
    /// ```
    /// use reveille::prelude::*;
    /// use reveille::{stream, task};
    ///
    /// task::block_on(async {
    ///     assert_eq!(stream::from_iter([2, 1, 3]).min().await, Some(1));
    /// });
    /// ```
    fn min(self) -> MinFuture<Self, Self::Item>
    where
        Self: Sized,
        Self::Item: Ord,
    {
        Consume::new(self, Extreme::new(Least))
    }

    /// Finds the least item, as a closure compares.
    ///
    /// Of several equal items, the first is returned.
    ///
    /// # Examples
    ///
    /// ```
    /// use reveille::prelude::*;
    /// use reveille::{stream, task};
    ///
    /// task::block_on(async {
    ///     let s = stream::from_iter([2.5, 0.5, 1.5]);
    ///     assert_eq!(s.min_by(f64::total_cmp).await, Some(0.5));
    /// });
    /// ```
    fn min_by<F>(self, compare: F) -> MinByFuture<Self, F, Self::Item>
    where
        Self: Sized,
        F: FnMut(&Self::Item, &Self::Item) -> Ordering,
    {
        Consume::new(self, Extreme::new(LeastBy(compare)))
    }

    /// Finds the item whose key is least. Each key is computed once.
    ///
    /// Of several equal items, the first is returned.
    ///
    /// # Examples
    ///
    /// ```
    /// use reveille::prelude::*;
    /// use reveille::{stream, task};
    ///
    /// task::block_on(async {
    ///     let s = stream::from_iter([-3i32, 2, 1]);
    ///     assert_eq!(s.min_by_key(|n| n.abs()).await, Some(1));
    /// });
    /// ```
    fn min_by_key<B, F>(self, key_by: F) -> MinByKeyFuture<Self, Self::Item, B, F>
    where
        Self: Sized,
        B: Ord,
        F: FnMut(&Self::Item) -> B,
    {
        Consume::new(self, KeyedExtreme::new(key_by, Least))
    }

    /// Compares the items with those of another stream.
    ///
    /// The comparison is lexicographic: the first pair that is not equal decides. If all pairs are
    /// equal, the stream that ends first is less.
    ///
    /// # Examples
    ///
    /// ```
    /// use reveille::prelude::*;
    /// use reveille::{stream, task};
    /// use std::cmp::Ordering;
    ///
    /// task::block_on(async {
    ///     let (a, b) = (stream::from_iter([1, 2]), stream::from_iter([1, 3]));
    ///     assert_eq!(a.clone().cmp(b).await, Ordering::Less);
    ///     assert_eq!(a.clone().cmp(a.clone()).await, Ordering::Equal);
    ///     assert_eq!(a.cmp(stream::once(1)).await, Ordering::Greater);
    /// });
    /// ```
    fn cmp<S>(self, other: S) -> CmpFuture<Self, S>
    where
        Self: Sized + Stream,
        S: Stream,
        <Self as Stream>::Item: Ord,
    {
        Compare::new(self, other)
    }

    /// Compares the items with those of another stream by [`PartialOrd`].
    ///
    /// The comparison is lexicographic: the first pair that is not equal decides. If all pairs are
    /// equal, the stream that ends first is less. Returns `None` if the first pair that is not
    /// equal has no order.
    ///
    /// # Examples
    ///
    /// ```
    /// use reveille::prelude::*;
    /// use reveille::{stream, task};
    /// use std::cmp::Ordering;
    ///
    /// task::block_on(async {
    ///     let s = stream::from_iter([1.0, f64::NAN]);
    ///     assert_eq!(s.clone().partial_cmp(stream::once(2.0)).await, Some(Ordering::Less));
    ///     assert_eq!(s.clone().partial_cmp(s).await, None);
    /// });
    /// ```
    fn partial_cmp<S>(self, other: S) -> PartialCmpFuture<Self, S>
    where
        Self: Sized + Stream,
        S: Stream,
        <Self as Stream>::Item: PartialOrd<S::Item>,
    {
        Compare::new(self, other)
    }

    /// Returns whether two streams have equal items and the same length. Stops at the first
    /// difference.
    ///
    /// # Examples
    ///
    /// ```
    /// use reveille::prelude::*;
    /// use reveille::{stream, task};
    ///
    /// task::block_on(async {
    ///     let s = stream::from_iter([1, 2]);
    ///     assert!(s.clone().eq(stream::from_iter([1, 2])).await);
    ///     assert!(!s.eq(stream::from_iter([1, 2, 3])).await);
    /// });
    /// ```
    fn eq<S>(self, other: S) -> EqFuture<Self, S>
    where
        Self: Sized + Stream,
        S: Sized + Stream,
        <Self as Stream>::Item: PartialEq<S::Item>,
    {
        Compare::new(self, other)
    }

    /// Returns whether two streams differ in an item or in length. Stops at the first difference.
    ///
    /// # Examples
    ///
    /// ```
    /// use reveille::prelude::*;
    /// use reveille::{stream, task};
    ///
    /// task::block_on(async {
    ///     let s = stream::from_iter([1, 2]);
    ///     assert!(s.clone().ne(stream::from_iter([1])).await);
    ///     assert!(!s.ne(stream::from_iter([1, 2])).await);
    /// });
    /// ```
    fn ne<S>(self, other: S) -> NeFuture<Self, S>
    where
        Self: Sized,
        S: Sized + Stream,
        <Self as Stream>::Item: PartialEq<S::Item>,
    {
        Compare::new(self, other)
    }

    /// Returns whether this stream is less than another, as [`partial_cmp`](StreamExt::partial_cmp)
    /// compares.
    ///
    /// # Examples
    ///
    /// ```
    /// use reveille::prelude::*;
    /// use reveille::{stream, task};
    ///
    /// task::block_on(async {
    ///     let (a, b) = (stream::from_iter([1, 2]), stream::from_iter([1, 3]));
    ///     assert!(a.lt(b).await);
    /// });
    /// ```
    fn lt<S>(self, other: S) -> LtFuture<Self, S>
    where
        Self: Sized + Stream,
        S: Stream,
        <Self as Stream>::Item: PartialOrd<S::Item>,
    {
        Compare::new(self, other)
    }

    /// Returns whether this stream is less than or equal to another, as
    /// [`partial_cmp`](StreamExt::partial_cmp) compares.
    ///
    /// # Examples
    ///
    /// ```
    /// use reveille::prelude::*;
    /// use reveille::{stream, task};
    ///
    /// task::block_on(async {
    ///     let (a, b) = (stream::from_iter([1, 2]), stream::from_iter([1, 2]));
    ///     assert!(a.le(b).await);
    /// });
    /// ```
    fn le<S>(self, other: S) -> LeFuture<Self, S>
    where
        Self: Sized + Stream,
        S: Stream,
        <Self as Stream>::Item: PartialOrd<S::Item>,
    {
        Compare::new(self, other)
    }

    /// Returns whether this stream is greater than another, as
    /// [`partial_cmp`](StreamExt::partial_cmp) compares.
    ///
    /// # Examples
    ///
    /// ```
    /// use reveille::prelude::*;
    /// use reveille::{stream, task};
    ///
    /// task::block_on(async {
    ///     let (a, b) = (stream::from_iter([1, 2]), stream::from_iter([1]));
    ///     assert!(a.gt(b).await);
    /// });
    /// ```
    fn gt<S>(self, other: S) -> GtFuture<Self, S>
    where
        Self: Sized + Stream,
        S: Stream,
        <Self as Stream>::Item: PartialOrd<S::Item>,
    {
        Compare::new(self, other)
    }

    /// Returns whether this stream is greater than or equal to another, as
    /// [`partial_cmp`](StreamExt::partial_cmp) compares.
    ///
    /// # Examples
    ///
    /// ```
    /// use reveille::prelude::*;
    /// use reveille::{stream, task};
    ///
    /// task::block_on(async {
    ///     let (a, b) = (stream::from_iter([2]), stream::from_iter([1, 2]));
    ///     assert!(a.ge(b).await);
    /// });
    /// ```
    fn ge<S>(self, other: S) -> GeFuture<Self, S>
    where
        Self: Sized + Stream,
        S: Stream,
        <Self as Stream>::Item: PartialOrd<S::Item>,
    {
        Compare::new(self, other)
    }
}

impl<T: Stream + ?Sized> StreamExt for T {}

//! The extension traits. Their stable methods always exist, the others with the feature `unstable`.
//!
//! If the traits always had the unstable methods, `stream.collect()` would be ambiguous in programs
//! that also import the trait of the futures crate. So the shim has its own traits, with
//! async-std's names for the return types. Each method calls reveille's. The exceptions are the
//! methods of futures that reveille refuses for borrowed futures. They keep async-std's signatures
//! here, so they construct reveille's types directly.

use std::cmp::Ordering;
#[cfg(feature = "std")]
use std::future::Future;
#[cfg(feature = "unstable")]
use std::{pin::Pin, time::Duration};

#[cfg(feature = "unstable")]
use reveille::future::{IntoFuture, futures as combined};
use reveille::stream::{
    Chain, Cloned, Copied, Filter, Fuse, Inspect, Map, Scan, Skip, SkipWhile, StepBy, Stream, Take,
    TakeWhile, Zip,
};
#[cfg(feature = "unstable")]
use reveille::stream::{
    Extend, FlatMap, Flatten, FromStream, IntoStream, Merge, Product, Sum, Timeout,
};

use crate::adapters::*;
use crate::names::*;

/// Extends futures. All methods of this trait are `unstable`.
///
/// # Examples
///
/// ```
/// // Without the feature the trait has no methods, but it can be imported.
/// use async_std::prelude::FutureExt as _;
/// use std::time::Duration;
///
/// let late = async_std::future::timeout(Duration::from_millis(1), async_std::future::pending());
/// let late: Result<(), _> = async_std::task::block_on(late);
/// assert!(late.is_err());
/// ```
#[cfg(feature = "std")]
pub trait FutureExt: Future {
    /// Waits for `dur`, counted from this call, before the first poll of the future.
    ///
    /// # Examples
    ///
    /// ```
    /// use async_std::prelude::*;
    /// use async_std::task;
    /// use std::time::Duration;
    ///
    /// task::block_on(async {
    ///     assert_eq!(async { 1 }.delay(Duration::from_millis(1)).await, 1);
    /// });
    /// ```
    #[cfg(feature = "unstable")]
    fn delay(self, dur: Duration) -> DelayFuture<Self>
    where
        Self: Sized,
    {
        reveille::future::FutureExt::delay(self, dur)
    }

    /// Awaits the future, and then the future that it resolves to.
    ///
    /// # Examples
    ///
    /// ```
    /// use async_std::prelude::*;
    /// use async_std::task;
    ///
    /// task::block_on(async {
    ///     let inner = async { 1 };
    ///     assert_eq!(std::future::ready(inner).flatten().await, 1);
    /// });
    /// ```
    #[cfg(feature = "unstable")]
    fn flatten(self) -> FlattenFuture<Self, <Self::Output as IntoFuture>::Future>
    where
        Self: Sized,
        <Self as Future>::Output: IntoFuture,
    {
        reveille::future::FutureExt::flatten(self)
    }

    /// Awaits the first of two futures to be ready. If both are ready, this one wins.
    ///
    /// # Examples
    ///
    /// ```
    /// use async_std::prelude::*;
    /// use async_std::task;
    ///
    /// task::block_on(async {
    ///     let never = std::future::pending();
    ///     assert_eq!(never.race(async { 2 }).await, 2);
    /// });
    /// ```
    #[cfg(feature = "unstable")]
    fn race<F>(self, other: F) -> Race<Self, F>
    where
        Self: Future + Sized,
        F: Future<Output = <Self as Future>::Output>,
    {
        Race::new(combined::Race::new(self, other))
    }

    /// Awaits the first of two futures to succeed.
    ///
    /// # Examples
    ///
    /// ```
    /// use async_std::prelude::*;
    /// use async_std::task;
    ///
    /// task::block_on(async {
    ///     let failed = async { Err("late") };
    ///     assert_eq!(failed.try_race(async { Ok(2) }).await, Ok(2));
    /// });
    /// ```
    #[cfg(feature = "unstable")]
    fn try_race<F, T, E>(self, other: F) -> TryRace<Self, F>
    where
        Self: Future<Output = Result<T, E>> + Sized,
        F: Future<Output = <Self as Future>::Output>,
    {
        TryRace::new(combined::TryRace::new(self, other))
    }

    /// Awaits two futures at the same time and returns both outputs.
    ///
    /// # Examples
    ///
    /// ```
    /// use async_std::prelude::*;
    /// use async_std::task;
    ///
    /// task::block_on(async {
    ///     assert_eq!(async { 1 }.join(async { 'a' }).await, (1, 'a'));
    /// });
    /// ```
    #[cfg(feature = "unstable")]
    fn join<F>(self, other: F) -> Join<Self, F>
    where
        Self: Future + Sized,
        F: Future,
    {
        Join::new(combined::Join::new(self, other))
    }

    /// Awaits two futures at the same time. Fails as soon as one of them fails.
    ///
    /// # Examples
    ///
    /// ```
    /// use async_std::prelude::*;
    /// use async_std::task;
    ///
    /// task::block_on(async {
    ///     let one = async { Ok::<u8, &str>(1) };
    ///     assert_eq!(one.try_join(async { Ok('a') }).await, Ok((1, 'a')));
    /// });
    /// ```
    #[cfg(feature = "unstable")]
    fn try_join<F, A, B, E>(self, other: F) -> TryJoin<Self, F>
    where
        Self: Future<Output = Result<A, E>> + Sized,
        F: Future<Output = Result<B, E>>,
    {
        TryJoin::new(combined::TryJoin::new(self, other))
    }

    /// Awaits the future for at most `dur`.
    ///
    /// # Examples
    ///
    /// ```
    /// use async_std::prelude::*;
    /// use async_std::task;
    /// use std::time::Duration;
    ///
    /// task::block_on(async {
    ///     let never = std::future::pending::<()>();
    ///     assert!(never.timeout(Duration::from_millis(1)).await.is_err());
    /// });
    /// ```
    #[cfg(feature = "unstable")]
    fn timeout(self, dur: Duration) -> TimeoutFuture<Self>
    where
        Self: Sized,
    {
        TimeoutFuture::new(combined::TimeoutFuture::new(self, dur))
    }
}

#[cfg(feature = "std")]
impl<T: Future + ?Sized> FutureExt for T {}

/// Extends streams.
///
/// # Examples
///
/// ```
/// use async_std::prelude::*;
/// use async_std::{stream, task};
///
/// task::block_on(async {
///     let mut evens = stream::from_iter(1..).filter(|n| n % 2 == 0);
///     assert_eq!(evens.next().await, Some(2));
///     assert_eq!(evens.next().await, Some(4));
/// });
/// ```
pub trait StreamExt: Stream {
    /// Takes the next item, or `None` at the end.
    ///
    /// # Examples
    ///
    /// ```
    /// use async_std::prelude::*;
    /// use async_std::{stream, task};
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
        reveille::stream::StreamExt::next(self)
    }

    /// Drops `n` items and takes the next one. `nth(0)` takes the next item.
    ///
    /// # Examples
    ///
    /// ```
    /// use async_std::prelude::*;
    /// use async_std::{stream, task};
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
        reveille::stream::StreamExt::nth(self, n)
    }

    /// Consumes the stream and returns its last item, or `None` if it has no items.
    ///
    /// # Examples
    ///
    /// ```
    /// use async_std::prelude::*;
    /// use async_std::{stream, task};
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
        reveille::stream::StreamExt::last(self)
    }

    /// Keeps the first `n` items. The stream is not polled after them.
    ///
    /// # Examples
    ///
    /// ```
    /// use async_std::prelude::*;
    /// use async_std::{stream, task};
    ///
    /// task::block_on(async {
    ///     let mut s = stream::repeat(9).take(2);
    ///     assert_eq!(s.next().await, Some(9));
    ///     assert_eq!(s.next().await, Some(9));
    ///     assert_eq!(s.next().await, None);
    /// });
    /// ```
    fn take(self, n: usize) -> Take<Self>
    where
        Self: Sized,
    {
        reveille::stream::StreamExt::take(self, n)
    }

    /// Keeps the items before the first one that fails a test.
    ///
    /// # Examples
    ///
    /// ```
    /// use async_std::prelude::*;
    /// use async_std::{stream, task};
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
        reveille::stream::StreamExt::take_while(self, predicate)
    }

    /// Drops the first `n` items.
    ///
    /// # Examples
    ///
    /// ```
    /// use async_std::prelude::*;
    /// use async_std::{stream, task};
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
        reveille::stream::StreamExt::skip(self, n)
    }

    /// Drops the items before the first one that fails a test. Keeps that one and all after it.
    ///
    /// # Examples
    ///
    /// ```
    /// use async_std::prelude::*;
    /// use async_std::{stream, task};
    ///
    /// task::block_on(async {
    ///     let mut s = stream::from_iter([-1, 2, -3]).skip_while(|n| *n < 0);
    ///     assert_eq!(s.next().await, Some(2));
    ///     assert_eq!(s.next().await, Some(-3)); // after the first that stays, all stay
    /// });
    /// ```
    fn skip_while<P>(self, predicate: P) -> SkipWhile<Self, P>
    where
        Self: Sized,
        P: FnMut(&Self::Item) -> bool,
    {
        reveille::stream::StreamExt::skip_while(self, predicate)
    }

    /// Keeps the first item and then every `step`-th one.
    ///
    /// # Examples
    ///
    /// ```
    /// use async_std::prelude::*;
    /// use async_std::{stream, task};
    ///
    /// task::block_on(async {
    ///     let mut s = stream::from_iter(0..5).step_by(2);
    ///     assert_eq!(s.next().await, Some(0));
    ///     assert_eq!(s.next().await, Some(2));
    ///     assert_eq!(s.next().await, Some(4));
    ///     assert_eq!(s.next().await, None);
    /// });
    /// ```
    fn step_by(self, step: usize) -> StepBy<Self>
    where
        Self: Sized,
    {
        reveille::stream::StreamExt::step_by(self, step)
    }

    /// Keeps the items that pass a test.
    ///
    /// # Examples
    ///
    /// ```
    /// use async_std::prelude::*;
    /// use async_std::{stream, task};
    ///
    /// task::block_on(async {
    ///     let even = stream::from_iter(1..=6).filter(|n| n % 2 == 0);
    ///     assert_eq!(even.fold(0, |sum, n| sum + n).await, 12);
    /// });
    /// ```
    fn filter<P>(self, predicate: P) -> Filter<Self, P>
    where
        Self: Sized,
        P: FnMut(&Self::Item) -> bool,
    {
        reveille::stream::StreamExt::filter(self, predicate)
    }

    /// Maps each item, and drops the items for which the closure returns `None`.
    ///
    /// # Examples
    ///
    /// ```
    /// use async_std::prelude::*;
    /// use async_std::{stream, task};
    ///
    /// task::block_on(async {
    ///     let words = stream::from_iter(["1", "two", "3"]);
    ///     let numbers = words.filter_map(|word| word.parse::<u32>().ok());
    ///     assert_eq!(numbers.fold(0, |sum, n| sum + n).await, 4);
    /// });
    /// ```
    fn filter_map<B, F>(self, f: F) -> FilterMap<Self, F>
    where
        Self: Sized,
        F: FnMut(Self::Item) -> Option<B>,
    {
        FilterMap::new(reveille::stream::StreamExt::filter_map(self, f))
    }

    /// Maps each item to another.
    ///
    /// # Examples
    ///
    /// ```
    /// use async_std::prelude::*;
    /// use async_std::{stream, task};
    ///
    /// task::block_on(async {
    ///     let mut s = stream::from_iter(["a", "bc"]).map(str::len);
    ///     assert_eq!(s.next().await, Some(1));
    ///     assert_eq!(s.next().await, Some(2));
    /// });
    /// ```
    fn map<B, F>(self, f: F) -> Map<Self, F>
    where
        Self: Sized,
        F: FnMut(Self::Item) -> B,
    {
        reveille::stream::StreamExt::map(self, f)
    }

    /// Maps each item with a state. Ends when the closure returns `None`.
    ///
    /// # Examples
    ///
    /// ```
    /// use async_std::prelude::*;
    /// use async_std::{stream, task};
    ///
    /// task::block_on(async {
    ///     let mut sums = stream::from_iter([1, 2, 3]).scan(0, |sum, n| {
    ///         *sum += n;
    ///         Some(*sum)
    ///     });
    ///     assert_eq!(sums.next().await, Some(1));
    ///     assert_eq!(sums.next().await, Some(3));
    ///     assert_eq!(sums.next().await, Some(6));
    /// });
    /// ```
    fn scan<St, B, F>(self, initial_state: St, f: F) -> Scan<Self, St, F>
    where
        Self: Sized,
        F: FnMut(&mut St, Self::Item) -> Option<B>,
    {
        reveille::stream::StreamExt::scan(self, initial_state, f)
    }

    /// Yields pairs of an index, from 0, and an item.
    ///
    /// # Examples
    ///
    /// ```
    /// use async_std::prelude::*;
    /// use async_std::{stream, task};
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
        Enumerate::new(reveille::stream::StreamExt::enumerate(self))
    }

    /// Calls a closure with a reference to each item and yields the item.
    ///
    /// # Examples
    ///
    /// ```
    /// use async_std::prelude::*;
    /// use async_std::{stream, task};
    ///
    /// task::block_on(async {
    ///     let mut seen = 0;
    ///     let last = stream::from_iter([1, 2, 3]).inspect(|_| seen += 1).last().await;
    ///     assert_eq!((last, seen), (Some(3), 3));
    /// });
    /// ```
    fn inspect<F>(self, f: F) -> Inspect<Self, F>
    where
        Self: Sized,
        F: FnMut(&Self::Item),
    {
        reveille::stream::StreamExt::inspect(self, f)
    }

    /// Clones the items of a stream of references.
    ///
    /// # Examples
    ///
    /// ```
    /// use async_std::prelude::*;
    /// use async_std::{stream, task};
    ///
    /// task::block_on(async {
    ///     let words = ["a".to_owned(), "b".to_owned()];
    ///     let mut s = stream::from_iter(&words).cloned();
    ///     let owned: Option<String> = s.next().await;
    ///     assert_eq!(owned.as_deref(), Some("a"));
    /// });
    /// ```
    fn cloned<'a, T>(self) -> Cloned<Self>
    where
        Self: Sized + Stream<Item = &'a T>,
        T: Clone + 'a,
    {
        reveille::stream::StreamExt::cloned(self)
    }

    /// Copies the items of a stream of references.
    ///
    /// # Examples
    ///
    /// ```
    /// use async_std::prelude::*;
    /// use async_std::{stream, task};
    ///
    /// task::block_on(async {
    ///     let mut s = stream::from_iter(&[1, 2]).copied();
    ///     assert_eq!(s.next().await, Some(1));
    ///     assert_eq!(s.next().await, Some(2));
    /// });
    /// ```
    fn copied<'a, T>(self) -> Copied<Self>
    where
        Self: Sized + Stream<Item = &'a T>,
        T: Copy + 'a,
    {
        reveille::stream::StreamExt::copied(self)
    }

    /// Yields the items of this stream, then those of another.
    ///
    /// # Examples
    ///
    /// ```
    /// use async_std::prelude::*;
    /// use async_std::{stream, task};
    ///
    /// task::block_on(async {
    ///     let mut s = stream::once(1).chain(stream::once(2));
    ///     assert_eq!(s.next().await, Some(1));
    ///     assert_eq!(s.next().await, Some(2));
    ///     assert_eq!(s.next().await, None);
    /// });
    /// ```
    fn chain<U>(self, other: U) -> Chain<Self, U>
    where
        Self: Sized,
        U: Stream<Item = Self::Item> + Sized,
    {
        reveille::stream::StreamExt::chain(self, other)
    }

    /// Repeats the stream without end. Each repetition is a clone of the stream's initial state.
    ///
    /// # Examples
    ///
    /// ```
    /// use async_std::prelude::*;
    /// use async_std::{stream, task};
    ///
    /// task::block_on(async {
    ///     let mut s = stream::from_iter([7, 8]).cycle();
    ///     assert_eq!(s.next().await, Some(7));
    ///     assert_eq!(s.next().await, Some(8));
    ///     assert_eq!(s.next().await, Some(7));
    /// });
    /// ```
    fn cycle(self) -> Cycle<Self>
    where
        Self: Clone + Sized,
    {
        Cycle::new(reveille::stream::StreamExt::cycle(self))
    }

    /// Yields pairs of items, one from each stream. Ends with the shorter stream.
    ///
    /// # Examples
    ///
    /// ```
    /// use async_std::prelude::*;
    /// use async_std::{stream, task};
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
        reveille::stream::StreamExt::zip(self, other)
    }

    /// Ends the stream permanently after its first `None`: the inner stream is not polled again.
    ///
    /// # Examples
    ///
    /// ```
    /// use async_std::prelude::*;
    /// use async_std::{stream, task};
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
        reveille::stream::StreamExt::fuse(self)
    }

    /// Calls a closure with each item.
    ///
    /// # Examples
    ///
    /// ```
    /// use async_std::prelude::*;
    /// use async_std::{stream, task};
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
        reveille::stream::StreamExt::for_each(self, f)
    }

    /// Calls a closure with each item until the closure fails.
    ///
    /// # Examples
    ///
    /// ```
    /// use async_std::prelude::*;
    /// use async_std::{stream, task};
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
        reveille::stream::StreamExt::try_for_each(self, f)
    }

    /// Folds the items into one value. The closure gets the value so far and an item, and returns
    /// the next value.
    ///
    /// # Examples
    ///
    /// ```
    /// use async_std::prelude::*;
    /// use async_std::{stream, task};
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
        FoldFuture::new(reveille::stream::StreamExt::fold(self, init, f))
    }

    /// Folds the items into one value until the closure fails.
    ///
    /// # Examples
    ///
    /// ```
    /// use async_std::prelude::*;
    /// use async_std::{stream, task};
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
        reveille::stream::StreamExt::try_fold(self, init, f)
    }

    /// Whether all items pass a test. Stops at the first that fails. True for an empty stream.
    ///
    /// # Examples
    ///
    /// ```
    /// use async_std::prelude::*;
    /// use async_std::{stream, task};
    ///
    /// task::block_on(async {
    ///     let mut s = stream::from_iter([1, 2, 3]);
    ///     assert!(!s.all(|n| n < 2).await);
    ///     assert_eq!(s.next().await, Some(3));
    /// });
    /// ```
    fn all<F>(&mut self, f: F) -> AllFuture<'_, Self, F, Self::Item>
    where
        Self: Unpin + Sized,
        F: FnMut(Self::Item) -> bool,
    {
        reveille::stream::StreamExt::all(self, f)
    }

    /// Whether any item passes a test. Stops at the first that does. False for an empty stream.
    ///
    /// # Examples
    ///
    /// ```
    /// use async_std::prelude::*;
    /// use async_std::{stream, task};
    ///
    /// task::block_on(async {
    ///     let mut s = stream::from_iter([1, 2, 3]);
    ///     assert!(s.any(|n| n == 2).await);
    ///     assert_eq!(s.next().await, Some(3));
    /// });
    /// ```
    fn any<F>(&mut self, f: F) -> AnyFuture<'_, Self, F, Self::Item>
    where
        Self: Unpin + Sized,
        F: FnMut(Self::Item) -> bool,
    {
        reveille::stream::StreamExt::any(self, f)
    }

    /// Finds the first item that passes a test.
    ///
    /// # Examples
    ///
    /// ```
    /// use async_std::prelude::*;
    /// use async_std::{stream, task};
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
        reveille::stream::StreamExt::find(self, p)
    }

    /// Returns the first `Some` that the closure returns for an item.
    ///
    /// # Examples
    ///
    /// ```
    /// use async_std::prelude::*;
    /// use async_std::{stream, task};
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
        reveille::stream::StreamExt::find_map(self, f)
    }

    /// Returns the index of the first item that passes a test.
    ///
    /// # Examples
    ///
    /// ```
    /// use async_std::prelude::*;
    /// use async_std::{stream, task};
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
        reveille::stream::StreamExt::position(self, predicate)
    }

    /// Finds the greatest item, or `None` in an empty stream.
    ///
    /// # Examples
    ///
    /// ```
    /// use async_std::prelude::*;
    /// use async_std::{stream, task};
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
        reveille::stream::StreamExt::max(self)
    }

    /// Finds the greatest item by a comparison function.
    ///
    /// # Examples
    ///
    /// ```
    /// use async_std::prelude::*;
    /// use async_std::{stream, task};
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
        reveille::stream::StreamExt::max_by(self, compare)
    }

    /// Finds the item with the greatest key. Computes each key once.
    ///
    /// # Examples
    ///
    /// ```
    /// use async_std::prelude::*;
    /// use async_std::{stream, task};
    ///
    /// task::block_on(async {
    ///     let s = stream::from_iter([-3i32, 2, 1]);
    ///     assert_eq!(s.max_by_key(|n| n.abs()).await, Some(-3));
    /// });
    /// ```
    fn max_by_key<B, F>(self, key_by: F) -> MaxByKeyFuture<Self, Self::Item, F>
    where
        Self: Sized,
        B: Ord,
        F: FnMut(&Self::Item) -> B,
    {
        reveille::stream::StreamExt::max_by_key(self, key_by)
    }

    /// Finds the least item, or `None` in an empty stream.
    ///
    /// # Examples
    ///
    /// ```
    /// use async_std::prelude::*;
    /// use async_std::{stream, task};
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
        reveille::stream::StreamExt::min(self)
    }

    /// Finds the least item by a comparison function.
    ///
    /// # Examples
    ///
    /// ```
    /// use async_std::prelude::*;
    /// use async_std::{stream, task};
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
        reveille::stream::StreamExt::min_by(self, compare)
    }

    /// Finds the item with the least key. Computes each key once.
    ///
    /// # Examples
    ///
    /// ```
    /// use async_std::prelude::*;
    /// use async_std::{stream, task};
    ///
    /// task::block_on(async {
    ///     let s = stream::from_iter([-3i32, 2, 1]);
    ///     assert_eq!(s.min_by_key(|n| n.abs()).await, Some(1));
    /// });
    /// ```
    fn min_by_key<B, F>(self, key_by: F) -> MinByKeyFuture<Self, Self::Item, F>
    where
        Self: Sized,
        B: Ord,
        F: FnMut(&Self::Item) -> B,
    {
        reveille::stream::StreamExt::min_by_key(self, key_by)
    }

    /// Compares the items with those of another stream, in lexicographic order.
    ///
    /// # Examples
    ///
    /// ```
    /// use async_std::prelude::*;
    /// use async_std::{stream, task};
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
        reveille::stream::StreamExt::cmp(self, other)
    }

    /// Compares the items with those of another stream. Returns `None` at two incomparable items.
    ///
    /// # Examples
    ///
    /// ```
    /// use async_std::prelude::*;
    /// use async_std::{stream, task};
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
        reveille::stream::StreamExt::partial_cmp(self, other)
    }

    /// Whether two streams have equal items and equal length. Stops at the first difference.
    ///
    /// # Examples
    ///
    /// ```
    /// use async_std::prelude::*;
    /// use async_std::{stream, task};
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
        reveille::stream::StreamExt::eq(self, other)
    }

    /// Whether two streams differ in an item or in length. Stops at the first difference.
    ///
    /// # Examples
    ///
    /// ```
    /// use async_std::prelude::*;
    /// use async_std::{stream, task};
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
        reveille::stream::StreamExt::ne(self, other)
    }

    /// Whether this stream is less than another by [`partial_cmp`](StreamExt::partial_cmp).
    ///
    /// # Examples
    ///
    /// ```
    /// use async_std::prelude::*;
    /// use async_std::{stream, task};
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
        reveille::stream::StreamExt::lt(self, other)
    }

    /// Whether this stream is less than or equal to another by
    /// [`partial_cmp`](StreamExt::partial_cmp).
    ///
    /// # Examples
    ///
    /// ```
    /// use async_std::prelude::*;
    /// use async_std::{stream, task};
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
        reveille::stream::StreamExt::le(self, other)
    }

    /// Whether this stream is greater than another by [`partial_cmp`](StreamExt::partial_cmp).
    ///
    /// # Examples
    ///
    /// ```
    /// use async_std::prelude::*;
    /// use async_std::{stream, task};
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
        reveille::stream::StreamExt::gt(self, other)
    }

    /// Whether this stream is greater than or equal to another by
    /// [`partial_cmp`](StreamExt::partial_cmp).
    ///
    /// # Examples
    ///
    /// ```
    /// use async_std::prelude::*;
    /// use async_std::{stream, task};
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
        reveille::stream::StreamExt::ge(self, other)
    }

    /// Maps each item to a stream, and yields the items of these streams one after the other.
    ///
    /// # Examples
    ///
    /// ```
    /// use async_std::prelude::*;
    /// use async_std::{stream, task};
    ///
    /// task::block_on(async {
    ///     let words = stream::from_iter(["ab", "c"]);
    ///     let letters = words.flat_map(|word| stream::from_iter(word.chars()));
    ///     assert_eq!(letters.collect::<String>().await, "abc");
    /// });
    /// ```
    #[cfg(feature = "unstable")]
    fn flat_map<U, F>(self, f: F) -> FlatMap<Self, U, F>
    where
        Self: Sized,
        U: IntoStream,
        F: FnMut(Self::Item) -> U,
    {
        reveille::stream::StreamExt::flat_map(self, f)
    }

    /// Yields the items of the streams that this stream yields, one stream after the other.
    ///
    /// # Examples
    ///
    /// ```
    /// use async_std::prelude::*;
    /// use async_std::{stream, task};
    ///
    /// task::block_on(async {
    ///     let parts = [stream::once(1), stream::once(2)];
    ///     let all: Vec<u8> = stream::from_iter(parts).flatten().collect().await;
    ///     assert_eq!(all, [1, 2]);
    /// });
    /// ```
    #[cfg(feature = "unstable")]
    fn flatten(self) -> Flatten<Self>
    where
        Self: Sized,
        Self::Item: IntoStream,
    {
        reveille::stream::StreamExt::flatten(self)
    }

    /// Yields the items of two streams as they become ready.
    ///
    /// # Examples
    ///
    /// ```
    /// use async_std::prelude::*;
    /// use async_std::{stream, task};
    ///
    /// task::block_on(async {
    ///     let merged = stream::once(1).merge(stream::once(2));
    ///     assert_eq!(merged.sum::<u8>().await, 3);
    /// });
    /// ```
    #[cfg(feature = "unstable")]
    fn merge<U>(self, other: U) -> Merge<Self, U>
    where
        Self: Sized,
        U: Stream<Item = Self::Item> + Sized,
    {
        reveille::stream::StreamExt::merge(self, other)
    }

    /// Borrows the stream, so that an adapter does not consume it.
    ///
    /// # Examples
    ///
    /// ```
    /// use async_std::prelude::*;
    /// use async_std::{stream, task};
    ///
    /// task::block_on(async {
    ///     let mut numbers = stream::from_iter(1..=4);
    ///     assert_eq!(numbers.by_ref().take(2).sum::<u8>().await, 3);
    ///     assert_eq!(numbers.next().await, Some(3));
    /// });
    /// ```
    #[cfg(feature = "unstable")]
    fn by_ref(&mut self) -> &mut Self {
        self
    }

    /// Yields an error each time `dur` passes without an item.
    ///
    /// # Examples
    ///
    /// ```
    /// use async_std::prelude::*;
    /// use async_std::{stream, task};
    /// use std::time::Duration;
    ///
    /// task::block_on(async {
    ///     let mut late = stream::pending::<u8>().timeout(Duration::from_millis(1));
    ///     assert!(late.next().await.unwrap().is_err());
    /// });
    /// ```
    #[cfg(feature = "unstable")]
    fn timeout(self, dur: Duration) -> Timeout<Self>
    where
        Self: Stream + Sized,
    {
        reveille::stream::StreamExt::timeout(self, dur)
    }

    /// Pauses for `d` after every item.
    ///
    /// # Examples
    ///
    /// ```
    /// use async_std::prelude::*;
    /// use async_std::{stream, task};
    /// use std::time::Duration;
    ///
    /// task::block_on(async {
    ///     let slow = stream::from_iter([1, 2]).throttle(Duration::from_millis(1));
    ///     assert_eq!(slow.sum::<u8>().await, 3);
    /// });
    /// ```
    #[cfg(feature = "unstable")]
    fn throttle(self, d: Duration) -> Throttle<Self>
    where
        Self: Sized,
    {
        reveille::stream::StreamExt::throttle(self, d)
    }

    /// Waits for `dur`, counted from this call, before the first poll of the stream.
    ///
    /// # Examples
    ///
    /// ```
    /// use async_std::prelude::*;
    /// use async_std::{stream, task};
    /// use std::time::Duration;
    ///
    /// task::block_on(async {
    ///     let late = stream::from_iter([1, 2]).delay(Duration::from_millis(1));
    ///     assert_eq!(late.sum::<u8>().await, 3);
    /// });
    /// ```
    #[cfg(feature = "unstable")]
    fn delay(self, dur: Duration) -> Delay<Self>
    where
        Self: Sized,
    {
        reveille::stream::StreamExt::delay(self, dur)
    }

    /// Collects the items into a collection.
    ///
    /// # Examples
    ///
    /// ```
    /// use async_std::prelude::*;
    /// use async_std::{stream, task};
    ///
    /// task::block_on(async {
    ///     let all: Vec<u8> = stream::repeat(7).take(2).collect().await;
    ///     assert_eq!(all, [7, 7]);
    /// });
    /// ```
    #[cfg(feature = "unstable")]
    fn collect<'a, B>(self) -> Pin<Box<dyn Future<Output = B> + 'a + Send>>
    where
        Self: Sized + 'a + Send,
        B: FromStream<Self::Item>,
        Self::Item: Send,
    {
        reveille::stream::StreamExt::collect(self)
    }

    /// Collects the items into two collections: those that pass a test, and the others.
    ///
    /// # Examples
    ///
    /// ```
    /// use async_std::prelude::*;
    /// use async_std::{stream, task};
    ///
    /// task::block_on(async {
    ///     let numbers = stream::from_iter(0..4);
    ///     let (even, odd): (Vec<u8>, Vec<u8>) = numbers.partition(|n| n % 2 == 0).await;
    ///     assert_eq!((even, odd), (vec![0, 2], vec![1, 3]));
    /// });
    /// ```
    #[cfg(feature = "unstable")]
    fn partition<B, F>(self, f: F) -> PartitionFuture<Self, F, B>
    where
        Self: Sized,
        F: FnMut(&Self::Item) -> bool,
        B: Default + Extend<Self::Item>,
    {
        PartitionFuture::new(reveille::stream::StreamExt::partition(self, f))
    }

    /// Collects the left and the right halves of pairs into two collections.
    ///
    /// # Examples
    ///
    /// ```
    /// use async_std::prelude::*;
    /// use async_std::{stream, task};
    ///
    /// task::block_on(async {
    ///     let pairs = stream::from_iter([(1, 'a'), (2, 'b')]);
    ///     let (numbers, letters): (Vec<u8>, String) = pairs.unzip().await;
    ///     assert_eq!((numbers, &*letters), (vec![1, 2], "ab"));
    /// });
    /// ```
    #[cfg(feature = "unstable")]
    fn unzip<A, B, FromA, FromB>(self) -> UnzipFuture<Self, FromA, FromB>
    where
        FromA: Default + Extend<A>,
        FromB: Default + Extend<B>,
        Self: Stream<Item = (A, B)> + Sized,
    {
        UnzipFuture::new(reveille::stream::StreamExt::unzip(self))
    }

    /// Counts the items.
    ///
    /// # Examples
    ///
    /// ```
    /// use async_std::prelude::*;
    /// use async_std::{stream, task};
    ///
    /// task::block_on(async {
    ///     assert_eq!(stream::repeat(7).take(3).count().await, 3);
    /// });
    /// ```
    #[cfg(feature = "unstable")]
    fn count(self) -> CountFuture<Self>
    where
        Self: Sized,
    {
        reveille::stream::StreamExt::count(self)
    }

    /// Adds the items. The sum of an empty stream is 0.
    ///
    /// # Examples
    ///
    /// ```
    /// use async_std::prelude::*;
    /// use async_std::{stream, task};
    ///
    /// task::block_on(async {
    ///     assert_eq!(stream::from_iter([1, 2, 3]).sum::<u8>().await, 6);
    /// });
    /// ```
    #[cfg(feature = "unstable")]
    fn sum<'a, S>(self) -> Pin<Box<dyn Future<Output = S> + 'a>>
    where
        Self: Sized + Stream<Item = S> + 'a,
        S: Sum<Self::Item>,
    {
        reveille::stream::StreamExt::sum(self)
    }

    /// Multiplies the items. The product of an empty stream is 1.
    ///
    /// # Examples
    ///
    /// ```
    /// use async_std::prelude::*;
    /// use async_std::{stream, task};
    ///
    /// task::block_on(async {
    ///     assert_eq!(stream::from_iter([2, 3]).product::<u8>().await, 6);
    /// });
    /// ```
    #[cfg(feature = "unstable")]
    fn product<'a, P>(self) -> Pin<Box<dyn Future<Output = P> + 'a>>
    where
        Self: Sized + Stream<Item = P> + 'a,
        P: Product,
    {
        reveille::stream::StreamExt::product(self)
    }
}

impl<T: Stream + ?Sized> StreamExt for T {}

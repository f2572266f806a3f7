//! The extension traits as they are without the feature `unstable`.
//!
//! A trait with the methods that the predecessor held back would not only be more: where a program
//! also imports the trait of the futures crate, `stream.collect()` would become ambiguous. So these
//! have the stable methods, each of which is reveille's.

use std::cmp::Ordering;
use std::future::Future;

use reveille::stream::{
    Chain, Cloned, Copied, Filter, Fuse, Inspect, Map, Scan, Skip, SkipWhile, StepBy, Stream, Take,
    TakeWhile, Zip,
};

use crate::names::*;

/// Extends futures. All methods of this trait are `unstable`.
pub trait FutureExt: Future {}

impl<T: Future + ?Sized> FutureExt for T {}

/// Extends streams with the stable methods of the predecessor.
pub trait StreamExt: Stream {
    /// Takes the next item: `Some` item, or `None` at the end.
    fn next(&mut self) -> NextFuture<'_, Self>
    where
        Self: Unpin,
    {
        reveille::stream::StreamExt::next(self)
    }

    /// Takes the item that has `n` others before it, and drops those: `nth(0)` is the next one.
    fn nth(&mut self, n: usize) -> NthFuture<'_, Self>
    where
        Self: Unpin + Sized,
    {
        reveille::stream::StreamExt::nth(self, n)
    }

    /// Uses the stream up and gives its last item, `None` if there was none.
    fn last(self) -> LastFuture<Self, Self::Item>
    where
        Self: Sized,
    {
        reveille::stream::StreamExt::last(self)
    }

    /// Keeps the first `n` items. The stream is not asked for another after them.
    fn take(self, n: usize) -> Take<Self>
    where
        Self: Sized,
    {
        reveille::stream::StreamExt::take(self, n)
    }

    /// Keeps the items up to, and without, the first that fails a test.
    fn take_while<P>(self, predicate: P) -> TakeWhile<Self, P>
    where
        Self: Sized,
        P: FnMut(&Self::Item) -> bool,
    {
        reveille::stream::StreamExt::take_while(self, predicate)
    }

    /// Drops the first `n` items.
    fn skip(self, n: usize) -> Skip<Self>
    where
        Self: Sized,
    {
        reveille::stream::StreamExt::skip(self, n)
    }

    /// Drops the items up to the first that fails a test; that one is kept, and all after it.
    fn skip_while<P>(self, predicate: P) -> SkipWhile<Self, P>
    where
        Self: Sized,
        P: FnMut(&Self::Item) -> bool,
    {
        reveille::stream::StreamExt::skip_while(self, predicate)
    }

    /// Keeps the first item and then every `step`-th one.
    fn step_by(self, step: usize) -> StepBy<Self>
    where
        Self: Sized,
    {
        reveille::stream::StreamExt::step_by(self, step)
    }

    /// Keeps the items that pass a test.
    fn filter<P>(self, predicate: P) -> Filter<Self, P>
    where
        Self: Sized,
        P: FnMut(&Self::Item) -> bool,
    {
        reveille::stream::StreamExt::filter(self, predicate)
    }

    /// Turns items into others, or drops them: those for which the closure gives `None`.
    fn filter_map<B, F>(self, f: F) -> FilterMap<Self, F>
    where
        Self: Sized,
        F: FnMut(Self::Item) -> Option<B>,
    {
        reveille::stream::StreamExt::filter_map(self, f)
    }

    /// Turns every item into another.
    fn map<B, F>(self, f: F) -> Map<Self, F>
    where
        Self: Sized,
        F: FnMut(Self::Item) -> B,
    {
        reveille::stream::StreamExt::map(self, f)
    }

    /// Turns every item into another with a state at hand, and ends when the closure gives `None`.
    fn scan<St, B, F>(self, initial_state: St, f: F) -> Scan<Self, St, F>
    where
        Self: Sized,
        F: FnMut(&mut St, Self::Item) -> Option<B>,
    {
        reveille::stream::StreamExt::scan(self, initial_state, f)
    }

    /// Counts the items: yields pairs of an index, from 0, and an item.
    fn enumerate(self) -> Enumerate<Self>
    where
        Self: Sized,
    {
        reveille::stream::StreamExt::enumerate(self)
    }

    /// Looks at every item in passing.
    fn inspect<F>(self, f: F) -> Inspect<Self, F>
    where
        Self: Sized,
        F: FnMut(&Self::Item),
    {
        reveille::stream::StreamExt::inspect(self, f)
    }

    /// Clones the items of a stream of references.
    fn cloned<'a, T>(self) -> Cloned<Self>
    where
        Self: Sized + Stream<Item = &'a T>,
        T: Clone + 'a,
    {
        reveille::stream::StreamExt::cloned(self)
    }

    /// Copies the items of a stream of references.
    fn copied<'a, T>(self) -> Copied<Self>
    where
        Self: Sized + Stream<Item = &'a T>,
        T: Copy + 'a,
    {
        reveille::stream::StreamExt::copied(self)
    }

    /// Yields the items of this stream, then those of another.
    fn chain<U>(self, other: U) -> Chain<Self, U>
    where
        Self: Sized,
        U: Stream<Item = Self::Item> + Sized,
    {
        reveille::stream::StreamExt::chain(self, other)
    }

    /// Starts over whenever the stream ends, with a clone of it as it was at the beginning.
    fn cycle(self) -> Cycle<Self>
    where
        Self: Clone + Sized,
    {
        reveille::stream::StreamExt::cycle(self)
    }

    /// Yields pairs of items, one of each stream, and ends with the shorter.
    fn zip<U>(self, other: U) -> Zip<Self, U>
    where
        Self: Sized,
        U: Stream,
    {
        reveille::stream::StreamExt::zip(self, other)
    }

    /// Makes sure that the stream, once ended, stays so: it is not polled again.
    fn fuse(self) -> Fuse<Self>
    where
        Self: Sized,
    {
        reveille::stream::StreamExt::fuse(self)
    }

    /// Calls a closure with every item.
    fn for_each<F>(self, f: F) -> ForEachFuture<Self, F>
    where
        Self: Sized,
        F: FnMut(Self::Item),
    {
        reveille::stream::StreamExt::for_each(self, f)
    }

    /// Calls a closure with every item, until it fails.
    fn try_for_each<F, E>(&mut self, f: F) -> TryForEachFuture<'_, Self, F>
    where
        Self: Unpin + Sized,
        F: FnMut(Self::Item) -> Result<(), E>,
    {
        reveille::stream::StreamExt::try_for_each(self, f)
    }

    /// Folds the items into one value: the closure gets the value so far and an item, and gives the
    /// next value.
    fn fold<B, F>(self, init: B, f: F) -> FoldFuture<Self, F, B>
    where
        Self: Sized,
        F: FnMut(B, Self::Item) -> B,
    {
        reveille::stream::StreamExt::fold(self, init, f)
    }

    /// Folds the items into one value, until the closure fails.
    fn try_fold<B, F, T, E>(&mut self, init: T, f: F) -> TryFoldFuture<'_, Self, F, T>
    where
        Self: Unpin + Sized,
        F: FnMut(B, Self::Item) -> Result<T, E>,
    {
        reveille::stream::StreamExt::try_fold(self, init, f)
    }

    /// Whether all items pass a test. Stops at the first that fails; true if there are none.
    fn all<F>(&mut self, f: F) -> AllFuture<'_, Self, F, Self::Item>
    where
        Self: Unpin + Sized,
        F: FnMut(Self::Item) -> bool,
    {
        reveille::stream::StreamExt::all(self, f)
    }

    /// Whether some item passes a test. Stops at the first that does; false if there are none.
    fn any<F>(&mut self, f: F) -> AnyFuture<'_, Self, F, Self::Item>
    where
        Self: Unpin + Sized,
        F: FnMut(Self::Item) -> bool,
    {
        reveille::stream::StreamExt::any(self, f)
    }

    /// Finds the first item that passes a test.
    fn find<P>(&mut self, p: P) -> FindFuture<'_, Self, P>
    where
        Self: Unpin + Sized,
        P: FnMut(&Self::Item) -> bool,
    {
        reveille::stream::StreamExt::find(self, p)
    }

    /// Finds the first item the closure makes something of, and gives that.
    fn find_map<F, B>(&mut self, f: F) -> FindMapFuture<'_, Self, F>
    where
        Self: Unpin + Sized,
        F: FnMut(Self::Item) -> Option<B>,
    {
        reveille::stream::StreamExt::find_map(self, f)
    }

    /// Finds the first item that passes a test, and gives the number of items before it.
    fn position<P>(&mut self, predicate: P) -> PositionFuture<'_, Self, P>
    where
        Self: Unpin + Sized,
        P: FnMut(Self::Item) -> bool,
    {
        reveille::stream::StreamExt::position(self, predicate)
    }

    /// Finds the greatest item; `None` if there are none.
    fn max(self) -> MaxFuture<Self, Self::Item>
    where
        Self: Sized,
        Self::Item: Ord,
    {
        reveille::stream::StreamExt::max(self)
    }

    /// Finds the greatest item, as a closure compares.
    fn max_by<F>(self, compare: F) -> MaxByFuture<Self, F, Self::Item>
    where
        Self: Sized,
        F: FnMut(&Self::Item, &Self::Item) -> Ordering,
    {
        reveille::stream::StreamExt::max_by(self, compare)
    }

    /// Finds the item whose key is greatest. Each key is computed once.
    fn max_by_key<B, F>(self, key_by: F) -> MaxByKeyFuture<Self, Self::Item, F>
    where
        Self: Sized,
        B: Ord,
        F: FnMut(&Self::Item) -> B,
    {
        reveille::stream::StreamExt::max_by_key(self, key_by)
    }

    /// Finds the least item; `None` if there are none.
    fn min(self) -> MinFuture<Self, Self::Item>
    where
        Self: Sized,
        Self::Item: Ord,
    {
        reveille::stream::StreamExt::min(self)
    }

    /// Finds the least item, as a closure compares.
    fn min_by<F>(self, compare: F) -> MinByFuture<Self, F, Self::Item>
    where
        Self: Sized,
        F: FnMut(&Self::Item, &Self::Item) -> Ordering,
    {
        reveille::stream::StreamExt::min_by(self, compare)
    }

    /// Finds the item whose key is least. Each key is computed once.
    fn min_by_key<B, F>(self, key_by: F) -> MinByKeyFuture<Self, Self::Item, F>
    where
        Self: Sized,
        B: Ord,
        F: FnMut(&Self::Item) -> B,
    {
        reveille::stream::StreamExt::min_by_key(self, key_by)
    }

    /// Compares the items with those of another stream.
    fn cmp<S>(self, other: S) -> CmpFuture<Self, S>
    where
        Self: Sized + Stream,
        S: Stream,
        <Self as Stream>::Item: Ord,
    {
        reveille::stream::StreamExt::cmp(self, other)
    }

    /// Compares the items with those of another stream, where that is possible.
    fn partial_cmp<S>(self, other: S) -> PartialCmpFuture<Self, S>
    where
        Self: Sized + Stream,
        S: Stream,
        <Self as Stream>::Item: PartialOrd<S::Item>,
    {
        reveille::stream::StreamExt::partial_cmp(self, other)
    }

    /// Whether two streams have equal items, and equally many. Stops at the first difference.
    fn eq<S>(self, other: S) -> EqFuture<Self, S>
    where
        Self: Sized + Stream,
        S: Sized + Stream,
        <Self as Stream>::Item: PartialEq<S::Item>,
    {
        reveille::stream::StreamExt::eq(self, other)
    }

    /// Whether two streams differ in an item, or in length. Stops at the first difference.
    fn ne<S>(self, other: S) -> NeFuture<Self, S>
    where
        Self: Sized,
        S: Sized + Stream,
        <Self as Stream>::Item: PartialEq<S::Item>,
    {
        reveille::stream::StreamExt::ne(self, other)
    }

    /// Whether this stream is less than another, as [`partial_cmp`](StreamExt::partial_cmp) says.
    fn lt<S>(self, other: S) -> LtFuture<Self, S>
    where
        Self: Sized + Stream,
        S: Stream,
        <Self as Stream>::Item: PartialOrd<S::Item>,
    {
        reveille::stream::StreamExt::lt(self, other)
    }

    /// Whether this stream is less than, or equal to, another, as
    /// [`partial_cmp`](StreamExt::partial_cmp) says.
    fn le<S>(self, other: S) -> LeFuture<Self, S>
    where
        Self: Sized + Stream,
        S: Stream,
        <Self as Stream>::Item: PartialOrd<S::Item>,
    {
        reveille::stream::StreamExt::le(self, other)
    }

    /// Whether this stream is greater than another, as [`partial_cmp`](StreamExt::partial_cmp)
    /// says.
    fn gt<S>(self, other: S) -> GtFuture<Self, S>
    where
        Self: Sized + Stream,
        S: Stream,
        <Self as Stream>::Item: PartialOrd<S::Item>,
    {
        reveille::stream::StreamExt::gt(self, other)
    }

    /// Whether this stream is greater than, or equal to, another, as
    /// [`partial_cmp`](StreamExt::partial_cmp) says.
    fn ge<S>(self, other: S) -> GeFuture<Self, S>
    where
        Self: Sized + Stream,
        S: Stream,
        <Self as Stream>::Item: PartialOrd<S::Item>,
    {
        reveille::stream::StreamExt::ge(self, other)
    }
}

impl<T: Stream + ?Sized> StreamExt for T {}

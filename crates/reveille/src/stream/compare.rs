//! Comparisons of two streams: `cmp`, `partial_cmp`, `eq`, `ne`, `lt`, `le`, `gt`, `ge`.
//!
//! One future, [`Compare`], takes an item from the left, then one from the right, and passes the
//! pair to a [`Comparator`]. The first pair that decides ends it. A stream that ends first is less,
//! as in lexicographic order.

use std::cmp::Ordering;
use std::fmt;
use std::future::Future;
use std::marker::PhantomData;
use std::ops::ControlFlow;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use pin_project_lite::pin_project;

use super::Stream;
use super::consume::Pace;

/// How a pair of items decides the comparison of their streams.
pub trait Comparator<A, B> {
    /// The output of the comparison.
    type Output;

    /// Breaks if this pair decides.
    fn pair(left: &A, right: &B) -> ControlFlow<Self::Output>;

    /// Called if no pair decided. `order` is that of the lengths: `Equal` if both streams ended
    /// together.
    fn ended(order: Ordering) -> Self::Output;
}

/// What has been taken from the left stream for the current pair.
#[derive(Clone, Copy, Debug)]
enum Left<T> {
    /// Nothing so far.
    Empty,
    /// An item.
    Item(T),
    /// Its end. The stream is not polled again.
    Ended,
}

pin_project! {
    /// A future that compares two streams.
    #[must_use = "futures do nothing unless you `.await` or poll them"]
    pub struct Compare<L: Stream, R, V> {
        #[pin]
        left: L,
        #[pin]
        right: R,
        taken: Left<L::Item>,
        comparator: PhantomData<fn() -> V>,
    }
}

impl<L: Stream, R, V> Compare<L, R, V> {
    pub(super) fn new(left: L, right: R) -> Compare<L, R, V> {
        Compare { left, right, taken: Left::Empty, comparator: PhantomData }
    }
}

impl<L: Stream + fmt::Debug, R: fmt::Debug, V> fmt::Debug for Compare<L, R, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Compare").field("left", &self.left).field("right", &self.right).finish()
    }
}

impl<L, R, V> Future for Compare<L, R, V>
where
    L: Stream,
    R: Stream,
    V: Comparator<L::Item, R::Item>,
{
    type Output = V::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<V::Output> {
        let mut this = self.project();
        let mut pace = Pace::new();
        // Bounded by the budget: `pace` is pending when it is used up.
        loop {
            ready!(pace.poll_proceed(cx));
            if matches!(this.taken, Left::Empty) {
                *this.taken = match ready!(this.left.as_mut().poll_next(cx)) {
                    Some(item) => Left::Item(item),
                    None => Left::Ended,
                };
            }
            let right = ready!(this.right.as_mut().poll_next(cx));
            let order = match (std::mem::replace(this.taken, Left::Empty), right) {
                (Left::Item(left), Some(right)) => match V::pair(&left, &right) {
                    ControlFlow::Continue(()) => continue,
                    ControlFlow::Break(output) => return Poll::Ready(output),
                },
                (Left::Item(_), None) => Ordering::Greater,
                (_, Some(_)) => Ordering::Less,
                (_, None) => Ordering::Equal,
            };
            return Poll::Ready(V::ended(order));
        }
    }
}

/// `cmp`: the first pair that differs decides, by [`Ord`].
#[derive(Debug)]
pub struct ByOrd;

impl<T: Ord> Comparator<T, T> for ByOrd {
    type Output = Ordering;

    fn pair(left: &T, right: &T) -> ControlFlow<Ordering> {
        match left.cmp(right) {
            Ordering::Equal => ControlFlow::Continue(()),
            order => ControlFlow::Break(order),
        }
    }

    fn ended(order: Ordering) -> Ordering {
        order
    }
}

/// `eq` (`EQUAL` is true) and `ne`: the first pair that differs decides.
#[derive(Debug)]
pub struct ByEquality<const EQUAL: bool>;

impl<A: PartialEq<B>, B, const EQUAL: bool> Comparator<A, B> for ByEquality<EQUAL> {
    type Output = bool;

    fn pair(left: &A, right: &B) -> ControlFlow<bool> {
        if left == right { ControlFlow::Continue(()) } else { ControlFlow::Break(!EQUAL) }
    }

    fn ended(order: Ordering) -> bool {
        (order == Ordering::Equal) == EQUAL
    }
}

/// Maps the order of two streams to the result.
pub trait OrderTest {
    /// The result.
    type Output;

    /// Returns the result for this order.
    fn test(order: Option<Ordering>) -> Self::Output;
}

/// `partial_cmp`, `lt`, `le`, `gt`, `ge`: the first pair that is not equal decides, by
/// [`PartialOrd`].
#[derive(Debug)]
pub struct ByPartialOrd<Q>(PhantomData<Q>);

impl<A: PartialOrd<B>, B, Q: OrderTest> Comparator<A, B> for ByPartialOrd<Q> {
    type Output = Q::Output;

    fn pair(left: &A, right: &B) -> ControlFlow<Q::Output> {
        match left.partial_cmp(right) {
            Some(Ordering::Equal) => ControlFlow::Continue(()),
            order => ControlFlow::Break(Q::test(order)),
        }
    }

    fn ended(order: Ordering) -> Q::Output {
        Q::test(Some(order))
    }
}

/// `partial_cmp`: the order itself.
#[derive(Debug)]
pub struct AnyOrder;

impl OrderTest for AnyOrder {
    type Output = Option<Ordering>;

    fn test(order: Option<Ordering>) -> Option<Ordering> {
        order
    }
}

macro_rules! order_tests {
    ($($name:ident, $words:literal, $is:ident;)*) => {$(
        #[doc = $words]
        #[derive(Debug)]
        pub struct $name;

        impl OrderTest for $name {
            type Output = bool;

            fn test(order: Option<Ordering>) -> bool {
                order.is_some_and(Ordering::$is)
            }
        }
    )*};
}

order_tests! {
    IsLess, "Is the left one less?", is_lt;
    IsLessOrEqual, "Is the left one less, or are they equal?", is_le;
    IsGreater, "Is the left one greater?", is_gt;
    IsGreaterOrEqual, "Is the left one greater, or are they equal?", is_ge;
}

//! The futures that consume a stream to compute one value.
//!
//! There is one future, [`Consume`], and one [`Consumer`] per method: a state, a step for an item,
//! and the result at the end. Consumers hold no future and are never pinned, so `Consume` is
//! `Unpin` whenever its stream is.
//!
//! **Fairness.** A stream whose items are always ready (a full channel, `from_iter`) would let a
//! plain loop keep its worker thread until the end. `Consume` takes budget for the items of one
//! poll ([`Pace`]) and yields when it is used up. It takes the budget before it takes an item, so a
//! cancelled future loses no item.
//!
//! *Rejected:* futures-lite's futures, which loop without yielding. *Rejected:* async-std's
//! futures, which yield after every item. *Rejected:* `impl Future` as the return type, which is
//! neither `Unpin` nor known to be `Send` in a function that is generic over `S: StreamExt`.

use std::future::Future;
use std::ops::ControlFlow;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use pin_project_lite::pin_project;
use reveille_runtime::budget;

use super::Stream;

/// Items for one unit of budget. A unit is meant for a system call, which costs more than passing
/// on an item; and a stream that does I/O for each item should not pay twice.
const ITEMS_PER_UNIT: u32 = 8;

/// Counts the items taken in one poll, and takes budget for them.
#[derive(Debug)]
pub(super) struct Pace {
    left: u32,
}

impl Pace {
    /// Starts a poll.
    pub(super) fn new() -> Pace {
        Pace { left: ITEMS_PER_UNIT }
    }

    /// Call before taking an item. `Pending`, with the task woken, if the budget is used up.
    pub(super) fn poll_proceed(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if self.left == 0 {
            ready!(budget::poll_proceed(cx));
            self.left = ITEMS_PER_UNIT;
        }
        self.left -= 1;
        Poll::Ready(())
    }
}

/// Processes the items of a stream.
pub trait Consumer<T> {
    /// The output of the future.
    type Output;

    /// Processes an item. Breaks if the result is known without the remaining items.
    fn accept(&mut self, item: T) -> ControlFlow<Self::Output>;

    /// Returns the result after the last item. Called at most once, at the end.
    fn finish(&mut self) -> Self::Output;
}

pin_project! {
    /// A future that feeds a stream to a [`Consumer`].
    #[derive(Clone, Debug)]
    #[must_use = "futures do nothing unless you `.await` or poll them"]
    pub struct Consume<S, C> {
        #[pin]
        stream: S,
        consumer: C,
    }
}

impl<S, C> Consume<S, C> {
    pub(super) fn new(stream: S, consumer: C) -> Consume<S, C> {
        Consume { stream, consumer }
    }
}

impl<S, C> Future for Consume<S, C>
where
    S: Stream,
    C: Consumer<S::Item>,
{
    type Output = C::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<C::Output> {
        let mut this = self.project();
        let mut pace = Pace::new();
        // Bounded by the budget: `pace` is pending when it is used up.
        loop {
            ready!(pace.poll_proceed(cx));
            let Some(item) = ready!(this.stream.as_mut().poll_next(cx)) else {
                return Poll::Ready(this.consumer.finish());
            };
            if let ControlFlow::Break(output) = this.consumer.accept(item) {
                return Poll::Ready(output);
            }
        }
    }
}

/// The invariant behind every `Option` below.
const ONCE: &str = "`finish` is called once, and nothing after a break";

/// `all`: whether no item fails the test.
#[derive(Clone, Debug)]
pub struct All<F>(pub(super) F);

impl<T, F: FnMut(T) -> bool> Consumer<T> for All<F> {
    type Output = bool;

    fn accept(&mut self, item: T) -> ControlFlow<bool> {
        if (self.0)(item) { ControlFlow::Continue(()) } else { ControlFlow::Break(false) }
    }

    fn finish(&mut self) -> bool {
        true
    }
}

/// `any`: whether some item passes the test.
#[derive(Clone, Debug)]
pub struct Any<F>(pub(super) F);

impl<T, F: FnMut(T) -> bool> Consumer<T> for Any<F> {
    type Output = bool;

    fn accept(&mut self, item: T) -> ControlFlow<bool> {
        if (self.0)(item) { ControlFlow::Break(true) } else { ControlFlow::Continue(()) }
    }

    fn finish(&mut self) -> bool {
        false
    }
}

/// `find`: the first item that passes the test.
#[derive(Clone, Debug)]
pub struct Find<P>(pub(super) P);

impl<T, P: FnMut(&T) -> bool> Consumer<T> for Find<P> {
    type Output = Option<T>;

    fn accept(&mut self, item: T) -> ControlFlow<Option<T>> {
        if (self.0)(&item) { ControlFlow::Break(Some(item)) } else { ControlFlow::Continue(()) }
    }

    fn finish(&mut self) -> Option<T> {
        None
    }
}

/// `find_map`: the first `Some` that the closure returns.
#[derive(Clone, Debug)]
pub struct FindMap<F>(pub(super) F);

impl<T, B, F: FnMut(T) -> Option<B>> Consumer<T> for FindMap<F> {
    type Output = Option<B>;

    fn accept(&mut self, item: T) -> ControlFlow<Option<B>> {
        match (self.0)(item) {
            Some(found) => ControlFlow::Break(Some(found)),
            None => ControlFlow::Continue(()),
        }
    }

    fn finish(&mut self) -> Option<B> {
        None
    }
}

/// `position`: the number of items before the first that passes the test.
#[derive(Clone, Debug)]
pub struct Position<P> {
    pub(super) predicate: P,
    pub(super) index: usize,
}

impl<T, P: FnMut(T) -> bool> Consumer<T> for Position<P> {
    type Output = Option<usize>;

    fn accept(&mut self, item: T) -> ControlFlow<Option<usize>> {
        if (self.predicate)(item) {
            return ControlFlow::Break(Some(self.index));
        }
        self.index += 1;
        ControlFlow::Continue(())
    }

    fn finish(&mut self) -> Option<usize> {
        None
    }
}

/// `nth`: the item that `remaining` others precede.
#[derive(Clone, Debug)]
pub struct Nth {
    pub(super) remaining: usize,
}

impl<T> Consumer<T> for Nth {
    type Output = Option<T>;

    fn accept(&mut self, item: T) -> ControlFlow<Option<T>> {
        if self.remaining == 0 {
            return ControlFlow::Break(Some(item));
        }
        self.remaining -= 1;
        ControlFlow::Continue(())
    }

    fn finish(&mut self) -> Option<T> {
        None
    }
}

/// `last`: the last item.
#[derive(Clone, Debug)]
pub struct Last<T>(pub(super) Option<T>);

impl<T> Consumer<T> for Last<T> {
    type Output = Option<T>;

    fn accept(&mut self, item: T) -> ControlFlow<Option<T>> {
        self.0 = Some(item);
        ControlFlow::Continue(())
    }

    fn finish(&mut self) -> Option<T> {
        self.0.take()
    }
}

/// `count`: the number of items.
#[derive(Clone, Debug)]
pub struct Count(pub(super) usize);

impl<T> Consumer<T> for Count {
    type Output = usize;

    fn accept(&mut self, _item: T) -> ControlFlow<usize> {
        self.0 += 1;
        ControlFlow::Continue(())
    }

    fn finish(&mut self) -> usize {
        self.0
    }
}

/// `for_each`: calls a closure with every item.
#[derive(Clone, Debug)]
pub struct ForEach<F>(pub(super) F);

impl<T, F: FnMut(T)> Consumer<T> for ForEach<F> {
    type Output = ();

    fn accept(&mut self, item: T) -> ControlFlow<()> {
        (self.0)(item);
        ControlFlow::Continue(())
    }

    fn finish(&mut self) {}
}

/// `try_for_each`: calls a closure with every item, until it fails.
#[derive(Clone, Debug)]
pub struct TryForEach<F>(pub(super) F);

impl<T, E, F: FnMut(T) -> Result<(), E>> Consumer<T> for TryForEach<F> {
    type Output = Result<(), E>;

    fn accept(&mut self, item: T) -> ControlFlow<Result<(), E>> {
        match (self.0)(item) {
            Ok(()) => ControlFlow::Continue(()),
            Err(error) => ControlFlow::Break(Err(error)),
        }
    }

    fn finish(&mut self) -> Result<(), E> {
        Ok(())
    }
}

/// `fold`: a value that every item changes.
#[derive(Clone, Debug)]
pub struct Fold<F, B> {
    pub(super) f: F,
    /// Empty only while the closure runs, and at the end.
    pub(super) state: Option<B>,
}

impl<T, B, F: FnMut(B, T) -> B> Consumer<T> for Fold<F, B> {
    type Output = B;

    fn accept(&mut self, item: T) -> ControlFlow<B> {
        let state = self.state.take().expect(ONCE);
        self.state = Some((self.f)(state, item));
        ControlFlow::Continue(())
    }

    fn finish(&mut self) -> B {
        self.state.take().expect(ONCE)
    }
}

/// `try_fold`: like `fold`, until the closure fails.
#[derive(Clone, Debug)]
pub struct TryFold<F, B> {
    pub(super) f: F,
    /// Empty only while the closure runs, and at the end.
    pub(super) state: Option<B>,
}

impl<T, B, E, F: FnMut(B, T) -> Result<B, E>> Consumer<T> for TryFold<F, B> {
    type Output = Result<B, E>;

    fn accept(&mut self, item: T) -> ControlFlow<Result<B, E>> {
        let state = self.state.take().expect(ONCE);
        match (self.f)(state, item) {
            Ok(state) => {
                self.state = Some(state);
                ControlFlow::Continue(())
            }
            Err(error) => ControlFlow::Break(Err(error)),
        }
    }

    fn finish(&mut self) -> Result<B, E> {
        Ok(self.state.take().expect(ONCE))
    }
}

/// `partition`: items that pass the test on the left, the others on the right.
#[derive(Clone, Debug)]
pub struct Partition<F, B> {
    pub(super) f: F,
    pub(super) sides: (B, B),
}

impl<T, B, F> Consumer<T> for Partition<F, B>
where
    B: Default + Extend<T>,
    F: FnMut(&T) -> bool,
{
    type Output = (B, B);

    fn accept(&mut self, item: T) -> ControlFlow<(B, B)> {
        let side = if (self.f)(&item) { &mut self.sides.0 } else { &mut self.sides.1 };
        side.extend(Some(item));
        ControlFlow::Continue(())
    }

    fn finish(&mut self) -> (B, B) {
        std::mem::take(&mut self.sides)
    }
}

/// `unzip`: the left and the right halves of pairs.
#[derive(Clone, Debug)]
pub struct Unzip<FromA, FromB> {
    pub(super) sides: (FromA, FromB),
}

impl<A, B, FromA, FromB> Consumer<(A, B)> for Unzip<FromA, FromB>
where
    FromA: Default + Extend<A>,
    FromB: Default + Extend<B>,
{
    type Output = (FromA, FromB);

    fn accept(&mut self, (left, right): (A, B)) -> ControlFlow<(FromA, FromB)> {
        self.sides.0.extend(Some(left));
        self.sides.1.extend(Some(right));
        ControlFlow::Continue(())
    }

    fn finish(&mut self) -> (FromA, FromB) {
        std::mem::take(&mut self.sides)
    }
}

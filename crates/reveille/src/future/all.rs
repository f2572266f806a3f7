//! Any number of futures as one: `join_all`, `try_join_all`, `race_all`, `try_race_all`.
//!
//! They own their futures in boxes and poll those that were woken. Each future is dropped as soon
//! as it is ready, and the losers are dropped before the result is returned. `owned.rs` explains
//! how they refuse borrowed futures.

use std::fmt;
use std::future::Future;
use std::ops::ControlFlow;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use super::group::Group;
use super::owned::OwnedFuture;
use super::pair::warn_if_borrowed;

/// Outputs, in the order of their futures.
struct Outputs<T> {
    /// A future's number in the group is its index here.
    places: Vec<Option<T>>,
    missing: usize,
}

impl<T> Outputs<T> {
    fn new(len: usize) -> Outputs<T> {
        Outputs { places: std::iter::repeat_with(|| None).take(len).collect(), missing: len }
    }

    /// Adds an output. True if it was the last one.
    fn put(&mut self, place: usize, output: T) -> bool {
        self.places[place] = Some(output);
        self.missing -= 1;
        self.missing == 0
    }

    fn take(&mut self) -> Vec<T> {
        std::mem::take(&mut self.places).into_iter().flatten().collect()
    }
}

fn group<I>(futures: I) -> Group<Pin<Box<I::Item>>>
where
    I: IntoIterator,
{
    let mut group = Group::new();
    for future in futures {
        group.insert(Box::pin(future));
    }
    group
}

fn drop_losers<F: Future>(futures: &mut Group<Pin<Box<F>>>) {
    if !futures.is_empty() {
        warn_if_borrowed::<F>();
    }
    futures.clear();
}

macro_rules! all {
    ($name:ident, $function:literal, $output:ty) => {
        #[doc = concat!("The future of [`", $function, "`].")]
        #[must_use = "futures do nothing unless you `.await` or poll them"]
        pub struct $name<F: Future> {
            futures: Group<Pin<Box<F>>>,
            outputs: Outputs<$output>,
        }

        /// The boxes pin the futures. The outputs are not pinned.
        impl<F: Future> Unpin for $name<F> {}

        impl<F: Future> fmt::Debug for $name<F> {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.debug_struct(stringify!($name)).field("futures", &self.futures).finish()
            }
        }
    };
}

all!(JoinAll, "join_all", F::Output);
all!(TryJoinAll, "try_join_all", F::Output);
all!(TryRaceAll, "try_race_all", F::Output);

macro_rules! start {
    ($name:ident, $futures:expr) => {{
        let futures = group($futures);
        let outputs = Outputs::new(futures.len());
        $name { futures, outputs }
    }};
}

/// Awaits all futures at the same time and returns their outputs in the order of the futures.
///
/// This takes the futures themselves: a borrow, `&mut future`, does not compile, because the future
/// would then stay unpolled. [Why?](crate::future#futures-that-are-not-polled)
///
/// # Cancel safety
///
/// Dropping it drops the futures that are not ready and the outputs of those that are.
///
/// # Examples
///
/// ```
/// use reveille::{future, task};
///
/// let words = ["a", "bc", "def"];
/// let lens = future::join_all(words.iter().map(|word| async { word.len() }));
/// assert_eq!(task::block_on(lens), [1, 2, 3]);
/// ```
#[doc(alias("FuturesOrdered", "JoinAll"))]
pub fn join_all<I, NotBorrowed>(futures: I) -> JoinAll<I::Item>
where
    I: IntoIterator<Item: OwnedFuture<NotBorrowed>>,
{
    start!(JoinAll, futures)
}

impl<F: Future> Future for JoinAll<F> {
    type Output = Vec<F::Output>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
        if this.outputs.missing > 0 {
            ready!(this.futures.poll_woken(cx, |place, output| {
                match this.outputs.put(place, output) {
                    true => ControlFlow::Break(()),
                    false => ControlFlow::Continue(()),
                }
            }));
        }
        Poll::Ready(this.outputs.take())
    }
}

/// Awaits all futures at the same time, until one fails.
///
/// This takes the futures themselves: a borrow, `&mut future`, does not compile, because the future
/// would then stay unpolled. [Why?](crate::future#futures-that-are-not-polled)
///
/// # Errors
///
/// Returns the first error. By then the other futures, and the outputs so far, have been dropped.
///
/// # Cancel safety
///
/// As for [`join_all`].
///
/// # Examples
///
/// ```
/// use reveille::{future, task};
///
/// let numbers = |text: &'static str| {
///     future::try_join_all(text.split(' ').map(async |word| word.parse::<i32>()))
/// };
/// assert_eq!(task::block_on(numbers("1 2 3")), Ok(vec![1, 2, 3]));
/// assert!(task::block_on(numbers("1 two 3")).is_err());
/// ```
pub fn try_join_all<I, T, E, NotBorrowed>(futures: I) -> TryJoinAll<I::Item>
where
    I: IntoIterator<Item: Future<Output = Result<T, E>> + OwnedFuture<NotBorrowed>>,
{
    start!(TryJoinAll, futures)
}

impl<F, T, E> Future for TryJoinAll<F>
where
    F: Future<Output = Result<T, E>>,
{
    type Output = Result<Vec<T>, E>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
        if this.outputs.missing > 0 {
            let result = ready!(this.futures.poll_woken(cx, |place, output| match output {
                Err(error) => ControlFlow::Break(Err(error)),
                output => match this.outputs.put(place, output) {
                    true => ControlFlow::Break(Ok(())),
                    false => ControlFlow::Continue(()),
                },
            }));
            if let Err(error) = result {
                drop_losers(&mut this.futures);
                drop(this.outputs.take());
                return Poll::Ready(Err(error));
            }
        }
        Poll::Ready(this.outputs.take().into_iter().collect())
    }
}

/// Awaits the future that is ready first. Returns `None` if there are no futures.
///
/// The others are dropped at their current `.await` before the output is returned. If several are
/// ready, the one that was woken first wins; at the first poll, the first in order.
///
/// This takes the futures themselves: a borrow, `&mut future`, does not compile, because the future
/// would then stay unpolled. [Why?](crate::future#futures-that-are-not-polled)
///
/// # Cancel safety
///
/// The losers' progress is lost, unless they are cancel safe themselves.
///
/// # Examples
///
/// ```
/// use reveille::{future, task};
/// use std::time::Duration;
///
/// let sleeps = [5_000, 1, 7_000].map(|ms| async move {
///     task::sleep(Duration::from_millis(ms)).await;
///     ms
/// });
/// assert_eq!(task::block_on(future::race_all(sleeps)), Some(1));
/// ```
///
/// This does not compile, because the loser would be kept and not polled:
///
/// ```compile_fail
/// use reveille::{future, task};
///
/// let mut kept = [Box::pin(task::yield_now()), Box::pin(task::yield_now())];
/// task::block_on(future::race_all(&mut kept));
/// ```
#[doc(alias = "select_all")]
pub fn race_all<I, NotBorrowed>(futures: I) -> RaceAll<I::Item>
where
    I: IntoIterator<Item: OwnedFuture<NotBorrowed>>,
{
    RaceAll { futures: group(futures) }
}

/// The future of [`race_all`].
///
/// # Examples
///
/// ```
/// use reveille::future::{self, RaceAll};
/// use reveille::task;
///
/// let race: RaceAll<_> = future::race_all([future::ready(1), future::ready(2)]);
/// assert_eq!(task::block_on(race), Some(1));
/// ```
#[derive(Debug)]
#[must_use = "futures do nothing unless you `.await` or poll them"]
pub struct RaceAll<F: Future> {
    futures: Group<Pin<Box<F>>>,
}

impl<F: Future> Future for RaceAll<F> {
    type Output = Option<F::Output>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        if self.futures.is_empty() {
            return Poll::Ready(None);
        }
        let output = ready!(self.futures.poll_woken(cx, |_, output| ControlFlow::Break(output)));
        drop_losers(&mut self.futures);
        Poll::Ready(Some(output))
    }
}

/// Awaits the future that *succeeds* first.
///
/// An error is kept while another future may still succeed. The losers are dropped at their current
/// `.await` before the output is returned.
///
/// This takes the futures themselves: a borrow, `&mut future`, does not compile, because the future
/// would then stay unpolled. [Why?](crate::future#futures-that-are-not-polled)
///
/// # Errors
///
/// If all fail, returns their errors in the order of the futures. The list is empty if there are no
/// futures.
///
/// # Cancel safety
///
/// As for [`race_all`].
///
/// # Examples
///
/// ```
/// use reveille::{future, task};
///
/// let first = |words: &'static [&'static str]| {
///     future::try_race_all(words.iter().map(async |word| word.parse::<i32>().map_err(|_| word)))
/// };
/// assert_eq!(task::block_on(first(&["one", "2", "3"])), Ok(2));
/// assert_eq!(task::block_on(first(&["one", "two"])), Err(vec![&"one", &"two"]));
/// ```
#[doc(alias = "select_ok")]
pub fn try_race_all<I, T, E, NotBorrowed>(futures: I) -> TryRaceAll<I::Item>
where
    I: IntoIterator<Item: Future<Output = Result<T, E>> + OwnedFuture<NotBorrowed>>,
{
    start!(TryRaceAll, futures)
}

impl<F, T, E> Future for TryRaceAll<F>
where
    F: Future<Output = Result<T, E>>,
{
    type Output = Result<T, Vec<E>>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
        if this.outputs.missing > 0 {
            let winner = ready!(this.futures.poll_woken(cx, |place, output| match output {
                Ok(output) => ControlFlow::Break(Some(output)),
                failure => match this.outputs.put(place, failure) {
                    true => ControlFlow::Break(None),
                    false => ControlFlow::Continue(()),
                },
            }));
            if let Some(output) = winner {
                drop_losers(&mut this.futures);
                drop(this.outputs.take());
                return Poll::Ready(Ok(output));
            }
        }
        Poll::Ready(Err(this.outputs.take().into_iter().filter_map(Result::err).collect()))
    }
}

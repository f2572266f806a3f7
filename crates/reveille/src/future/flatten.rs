//! Futures of futures: `flatten`, and the conversion trait that it uses.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use pin_project_lite::pin_project;

/// A value that can be turned into a future.
///
/// Every future converts into itself.
///
/// # Differences
///
/// This is async-std's trait, which [`FutureExt::flatten`](super::FutureExt::flatten) uses. It is
/// not std's trait of the same name, which `.await` uses and whose associated future is called
/// `IntoFuture`.
///
/// # Examples
///
/// ```
/// use reveille::future::{self, IntoFuture};
/// use reveille::task;
///
/// struct Order(u32);
///
/// impl IntoFuture for Order {
///     type Output = u32;
///     type Future = std::future::Ready<u32>;
///
///     fn into_future(self) -> Self::Future {
///         future::ready(self.0)
///     }
/// }
///
/// assert_eq!(task::block_on(Order(3).into_future()), 3);
/// ```
pub trait IntoFuture {
    /// The output of the future.
    type Output;

    /// The future that this converts into.
    type Future: Future<Output = Self::Output>;

    /// Converts this into a future.
    ///
    /// # Examples
    ///
    /// ```
    /// use reveille::future::{self, IntoFuture};
    ///
    /// // A future converts into itself. Named in full, because std's trait also has this method.
    /// let future = IntoFuture::into_future(future::ready("now"));
    /// assert_eq!(reveille::task::block_on(future), "now");
    /// ```
    fn into_future(self) -> Self::Future;
}

impl<T: Future> IntoFuture for T {
    type Output = T::Output;
    type Future = T;

    fn into_future(self) -> T {
        self
    }
}

pin_project! {
    /// The future of [`FutureExt::flatten`](super::FutureExt::flatten).
    ///
    /// # Examples
    ///
    /// ```
    /// use reveille::prelude::*;
    /// use reveille::task;
    ///
    /// // A task that spawns another and returns its handle: a future of a future.
    /// let outer = async { task::spawn(async { 3 }) };
    /// assert_eq!(task::block_on(outer.flatten()), 3);
    /// ```
    #[must_use = "futures do nothing unless you `.await` or poll them"]
    pub struct FlattenFuture<Outer, Inner> {
        #[pin]
        stage: Stage<Outer, Inner>,
    }
}

pin_project! {
    #[project = StageProjection]
    enum Stage<Outer, Inner> {
        Outer { #[pin] future: Outer },
        Inner { #[pin] future: Inner },
        Done,
    }
}

impl<Outer, Inner> FlattenFuture<Outer, Inner> {
    pub(super) fn new(future: Outer) -> FlattenFuture<Outer, Inner> {
        FlattenFuture { stage: Stage::Outer { future } }
    }
}

impl<Outer, Inner> fmt::Debug for FlattenFuture<Outer, Inner> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let stage = match self.stage {
            Stage::Outer { .. } => "outer",
            Stage::Inner { .. } => "inner",
            Stage::Done => "done",
        };
        f.debug_struct("FlattenFuture").field("stage", &stage).finish()
    }
}

impl<Outer> Future for FlattenFuture<Outer, <Outer::Output as IntoFuture>::Future>
where
    Outer: Future,
    Outer::Output: IntoFuture,
{
    type Output = <Outer::Output as IntoFuture>::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut stage = self.project().stage;
        // At most two rounds: one for the outer future and one for the inner one.
        loop {
            match stage.as_mut().project() {
                StageProjection::Outer { future } => {
                    let inner = ready!(future.poll(cx));
                    stage.set(Stage::Inner { future: inner.into_future() });
                }
                StageProjection::Inner { future } => {
                    let output = ready!(future.poll(cx));
                    stage.set(Stage::Done);
                    return Poll::Ready(output);
                }
                StageProjection::Done => panic!("`flatten` was polled after it was ready"),
            }
        }
    }
}

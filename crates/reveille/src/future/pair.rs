//! Two futures as one: `join`, `try_join`, `race`, `try_race`.
//!
//! A [`MaybeDone`] is a future, then its output, then nothing. The future is dropped the moment it
//! completes, and the loser of a race the moment it has lost, so neither holds a lock, a permit or
//! a connection longer than needed. The left future is always polled first: if both are ready, left
//! wins. If left uses up the task's budget, right still gets one unit in each poll, so a left
//! future that is always ready does not starve it.
//!
//! *Rejected:* the pairs of futures-lite, which keep both futures until they are dropped
//! themselves.

use std::any::type_name;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Mutex, PoisonError};
use std::task::{Context, Poll};

use pin_project_lite::pin_project;
use reveille_runtime::budget;

pin_project! {
    /// One of the two futures.
    #[project = MaybeDoneProjection]
    #[project_replace = MaybeDoneOwned]
    enum MaybeDone<F: Future> {
        Pending { #[pin] future: F },
        Done { output: F::Output },
        Gone,
    }
}

impl<F: Future> MaybeDone<F> {
    fn new(future: F) -> MaybeDone<F> {
        MaybeDone::Pending { future }
    }

    /// Polls the future if it has not completed. True if the output is there.
    fn poll_done(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> bool {
        let output = match self.as_mut().project() {
            MaybeDoneProjection::Done { .. } => return true,
            MaybeDoneProjection::Pending { future } => match future.poll(cx) {
                Poll::Ready(output) => output,
                Poll::Pending => return false,
            },
            MaybeDoneProjection::Gone => panic!("a pair of futures was polled after it was ready"),
        };
        // Drops the future before it stores the output.
        self.set(MaybeDone::Done { output });
        true
    }

    /// Like [`poll_done`](MaybeDone::poll_done), for the side that is polled second.
    fn poll_done_second(self: Pin<&mut Self>, cx: &mut Context<'_>, was_budget_left: bool) -> bool {
        budget::poll_after(was_budget_left, || self.poll_done(cx))
    }

    /// The output, if it is there.
    fn output(self: Pin<&mut Self>) -> Option<&F::Output> {
        match self.project() {
            MaybeDoneProjection::Done { output } => Some(output),
            _ => None,
        }
    }

    /// Takes the output, or drops the future.
    fn take(self: Pin<&mut Self>) -> Option<F::Output> {
        match self.project_replace(MaybeDone::Gone) {
            MaybeDoneOwned::Done { output } => Some(output),
            MaybeDoneOwned::Pending { .. } => {
                warn_if_borrowed::<F>();
                None
            }
            MaybeDoneOwned::Gone => None,
        }
    }
}

impl<F: Future> fmt::Debug for MaybeDone<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            MaybeDone::Pending { .. } => "Pending",
            MaybeDone::Done { .. } => "Done",
            MaybeDone::Gone => "Gone",
        })
    }
}

/// Called after the borrow of a future was dropped, but not the future itself, which keeps what it
/// holds. With debug assertions, logs a warning, once per type.
pub(crate) fn warn_if_borrowed<F>() {
    static WARNED: Mutex<Vec<&str>> = Mutex::new(Vec::new());
    let name = type_name::<F>();
    if !cfg!(debug_assertions) || !is_borrow(name) {
        return;
    }
    {
        let mut warned = WARNED.lock().unwrap_or_else(PoisonError::into_inner);
        if warned.contains(&name) {
            return;
        }
        warned.push(name);
    }
    log::warn!(
        "a borrowed future has lost a race or its time limit, and is not polled until it is \
         awaited: if it holds a lock, code of the same task that waits for the lock waits forever; \
         its type: {name}"
    );
}

/// Whether the type with this name is a `&mut` or `Pin<&mut>` of a future. Borrows of join handles
/// do not count: their tasks run whether they are awaited or not.
fn is_borrow(name: &str) -> bool {
    let lent = name.strip_prefix("core::pin::Pin<").unwrap_or(name).strip_prefix("&mut ");
    lent.and_then(|lent| lent.split('<').next()).is_some_and(|path| !path.ends_with("::JoinHandle"))
}

/// The invariant behind the outputs that are taken below.
const DONE: &str = "both sides have just been found done, and their outputs have not been taken";

macro_rules! pair {
    ($name:ident, $doc:expr) => {
        pin_project! {
            #[doc = $doc]
            #[derive(Debug)]
            #[must_use = "futures do nothing unless you `.await` or poll them"]
            pub struct $name<L: Future, R: Future> {
                #[pin]
                left: MaybeDone<L>,
                #[pin]
                right: MaybeDone<R>,
            }
        }

        impl<L: Future, R: Future> $name<L, R> {
            /// Accepts borrows, for the shim, whose methods cannot refuse them.
            #[doc(hidden)]
            pub fn new(left: L, right: R) -> $name<L, R> {
                $name { left: MaybeDone::new(left), right: MaybeDone::new(right) }
            }
        }
    };
}

pair!(Join, "The future of [`super::FutureExt::join`].");
pair!(TryJoin, "The future of [`super::FutureExt::try_join`].");
pair!(Race, "The future of [`super::FutureExt::race`].");
pair!(TryRace, "The future of [`super::FutureExt::try_race`].");

impl<L: Future, R: Future> Future for Join<L, R> {
    type Output = (L::Output, R::Output);

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        let is_budget_left = budget::is_left();
        let is_left_done = this.left.as_mut().poll_done(cx);
        let is_right_done = this.right.as_mut().poll_done_second(cx, is_budget_left);
        if !(is_left_done && is_right_done) {
            return Poll::Pending;
        }
        let (left, right) = (this.left.take().expect(DONE), this.right.take().expect(DONE));
        Poll::Ready((left, right))
    }
}

/// Takes the error of a side that has completed with one.
fn take_error<F, T, E>(mut side: Pin<&mut MaybeDone<F>>) -> Option<E>
where
    F: Future<Output = Result<T, E>>,
{
    if side.as_mut().output().is_some_and(Result::is_err) {
        return side.take().and_then(Result::err);
    }
    None
}

impl<L, R, A, B, E> Future for TryJoin<L, R>
where
    L: Future<Output = Result<A, E>>,
    R: Future<Output = Result<B, E>>,
{
    type Output = Result<(A, B), E>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        let is_budget_left = budget::is_left();
        let is_left_done = this.left.as_mut().poll_done(cx);
        if let Some(error) = take_error(this.left.as_mut()) {
            this.right.take();
            return Poll::Ready(Err(error));
        }
        let is_right_done = this.right.as_mut().poll_done_second(cx, is_budget_left);
        if let Some(error) = take_error(this.right.as_mut()) {
            this.left.take();
            return Poll::Ready(Err(error));
        }
        if !(is_left_done && is_right_done) {
            return Poll::Pending;
        }
        let (left, right) = (this.left.take().expect(DONE), this.right.take().expect(DONE));
        Poll::Ready(left.and_then(|left| right.map(|right| (left, right))))
    }
}

impl<L, R> Future for Race<L, R>
where
    L: Future,
    R: Future<Output = L::Output>,
{
    type Output = L::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        let is_budget_left = budget::is_left();
        if !(this.left.as_mut().poll_done(cx)
            || this.right.as_mut().poll_done_second(cx, is_budget_left))
        {
            return Poll::Pending;
        }
        // Taking both sides drops the one that lost.
        let (left, right) = (this.left.take(), this.right.take());
        Poll::Ready(left.or(right).expect(DONE))
    }
}

impl<L, R, T, E> Future for TryRace<L, R>
where
    L: Future<Output = Result<T, E>>,
    R: Future<Output = Result<T, E>>,
{
    type Output = Result<T, E>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        let is_budget_left = budget::is_left();
        let is_left_done = this.left.as_mut().poll_done(cx);
        if this.left.as_mut().output().is_some_and(Result::is_ok) {
            this.right.take();
            return Poll::Ready(this.left.take().expect(DONE));
        }
        let is_right_done = this.right.as_mut().poll_done_second(cx, is_budget_left);
        if this.right.as_mut().output().is_some_and(Result::is_ok) {
            this.left.take();
            return Poll::Ready(this.right.take().expect(DONE));
        }
        if !(is_left_done && is_right_done) {
            return Poll::Pending;
        }
        // Both failed. The second error is the one that has not been returned yet.
        this.left.take();
        Poll::Ready(this.right.take().expect(DONE))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn borrows_are_recognised_by_the_names_of_their_types() {
        type Future = std::future::Ready<()>;
        assert!(is_borrow(type_name::<&mut Future>()));
        assert!(is_borrow(type_name::<Pin<&mut Future>>()));
        assert!(!is_borrow(type_name::<Future>()));
        assert!(!is_borrow(type_name::<Pin<Box<Future>>>()));
        assert!(!is_borrow(type_name::<Option<&mut Future>>()));
    }
}

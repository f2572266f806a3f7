//! The values of a fallible stream, up to the first failure.
//!
//! `Option` and `Result` collect, sum and multiply with this: the inner collection sees a stream of
//! plain values that ends early, and the failure is returned separately.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use pin_project_lite::pin_project;

use super::Stream;

pin_project! {
    /// Yields the values of `stream` until one fails, and stores that failure in `failure`.
    #[derive(Debug)]
    pub(super) struct Shunt<'f, S, E, F> {
        #[pin]
        stream: S,
        failure: &'f mut Option<E>,
        split: F,
    }
}

impl<'f, S, T> Shunt<'f, S, (), fn(Option<T>) -> Result<T, ()>>
where
    S: Stream<Item = Option<T>>,
{
    /// The values up to the first `None`.
    pub(super) fn of_options(stream: S, failure: &'f mut Option<()>) -> Self {
        Shunt { stream, failure, split: |item| item.ok_or(()) }
    }
}

impl<'f, S, T, E> Shunt<'f, S, E, fn(Result<T, E>) -> Result<T, E>>
where
    S: Stream<Item = Result<T, E>>,
{
    /// The values up to the first `Err`.
    pub(super) fn of_results(stream: S, failure: &'f mut Option<E>) -> Self {
        Shunt { stream, failure, split: std::convert::identity }
    }
}

impl<S, T, E, F> Stream for Shunt<'_, S, E, F>
where
    S: Stream,
    F: FnMut(S::Item) -> Result<T, E>,
{
    type Item = T;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<T>> {
        let this = self.project();
        if this.failure.is_some() {
            return Poll::Ready(None);
        }
        let Some(item) = ready!(this.stream.poll_next(cx)) else {
            return Poll::Ready(None);
        };
        match (this.split)(item) {
            Ok(value) => Poll::Ready(Some(value)),
            Err(failure) => {
                **this.failure = Some(failure);
                Poll::Ready(None)
            }
        }
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        // The next item may be the one that fails.
        (0, self.stream.size_hint().1)
    }
}

//! Return types of the extension traits that async-std names but does not export.
//!
//! Each wraps reveille's type in one with async-std's name and type parameters, and is not exported
//! either. An alias would show the wrapped type with its other parameters.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use pin_project_lite::pin_project;
#[cfg(feature = "unstable")]
use reveille::future::futures as combined;
use reveille::stream::{Stream, futures};

macro_rules! wrap {
    ($method:literal, $name:ident, [$($bounded:tt)*], [$($parameter:ident),*], $wrapped:ty) => {
        pin_project! {
            #[doc = concat!("The return type of `", $method, "`.")]
            #[must_use = "futures and streams do nothing unless they are polled"]
            pub struct $name<$($bounded)*> {
                #[pin]
                wrapped: $wrapped,
            }
        }

        impl<$($bounded)*> $name<$($parameter),*> {
            pub(crate) fn new(wrapped: $wrapped) -> Self {
                $name { wrapped }
            }
        }

        impl<$($bounded)*> Clone for $name<$($parameter),*>
        where
            $wrapped: Clone,
        {
            fn clone(&self) -> Self {
                $name { wrapped: self.wrapped.clone() }
            }
        }

        impl<$($bounded)*> fmt::Debug for $name<$($parameter),*>
        where
            $wrapped: fmt::Debug,
        {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.wrapped.fmt(f)
            }
        }
    };
}

macro_rules! stream {
    ($method:literal, $name:ident, [$($parameter:ident),*], $wrapped:ty) => {
        wrap!($method, $name, [$($parameter),*], [$($parameter),*], $wrapped);

        impl<$($parameter),*> Stream for $name<$($parameter),*>
        where
            $wrapped: Stream,
        {
            type Item = <$wrapped as Stream>::Item;

            fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
                self.project().wrapped.poll_next(cx)
            }

            fn size_hint(&self) -> (usize, Option<usize>) {
                self.wrapped.size_hint()
            }
        }
    };
}

macro_rules! future {
    ($method:literal, $name:ident, [$($bounded:tt)*], [$($parameter:ident),*], $wrapped:ty) => {
        wrap!($method, $name, [$($bounded)*], [$($parameter),*], $wrapped);

        impl<$($bounded)*> Future for $name<$($parameter),*>
        where
            $wrapped: Future,
        {
            type Output = <$wrapped as Future>::Output;

            fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
                self.project().wrapped.poll(cx)
            }
        }
    };
}

stream!("StreamExt::cycle", Cycle, [S], futures::Cycle<S>);
stream!("StreamExt::enumerate", Enumerate, [S], futures::Enumerate<S>);
stream!("StreamExt::filter_map", FilterMap, [S, F], futures::FilterMap<S, F>);
future!("StreamExt::fold", FoldFuture, [S, F, B], [S, F, B], futures::FoldFuture<S, F, B>);

#[cfg(feature = "unstable")]
mod unstable {
    use super::*;

    type Partition<S, F, B> = futures::PartitionFuture<S, F, B>;
    type AllOrError<L, R> = combined::TryJoin<L, R>;
    type AnyOrError<L, R> = combined::TryRace<L, R>;

    future!("StreamExt::partition", PartitionFuture, [S, F, B], [S, F, B], Partition<S, F, B>);
    future!("StreamExt::unzip", UnzipFuture, [S, A, B], [S, A, B], futures::UnzipFuture<S, A, B>);
    future!("FutureExt::timeout", TimeoutFuture, [F], [F], combined::TimeoutFuture<F>);
    future!("FutureExt::join", Join, [L: Future, R: Future], [L, R], combined::Join<L, R>);
    future!("FutureExt::race", Race, [L: Future, R: Future], [L, R], combined::Race<L, R>);
    future!("FutureExt::try_join", TryJoin, [L: Future, R: Future], [L, R], AllOrError<L, R>);
    future!("FutureExt::try_race", TryRace, [L: Future, R: Future], [L, R], AnyOrError<L, R>);
}

#[cfg(feature = "unstable")]
pub(crate) use unstable::*;

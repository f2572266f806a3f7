//! The names of the futures that [`StreamExt`](super::StreamExt)'s methods return.
//!
//! The names are async-std's. As there, the types are unspecified. What is guaranteed is the
//! output, and three traits: they are `Unpin` if the stream is `Unpin` (always, if the stream is
//! only borrowed), and `Send` and `Sync` if everything inside is.

use super::compare::{
    AnyOrder, ByEquality, ByOrd, ByPartialOrd, Compare, IsGreater, IsGreaterOrEqual, IsLess,
    IsLessOrEqual,
};
use super::consume::{
    All, Any, Consume, Count, Find, FindMap, Fold, ForEach, Last, Nth, Partition, Position,
    TryFold, TryForEach, Unzip,
};
use super::extremes::{Extreme, Greatest, GreatestBy, KeyedExtreme, Least, LeastBy};

pub use futures_lite::stream::{Cycle, Enumerate, FilterMap, NextFuture};

pub use super::double_ended::{
    NextBackFuture, NthBackFuture, RFindFuture, RFoldFuture, TryRFoldFuture,
};
pub use super::timed::{Delay, Throttle};

macro_rules! aliases {
    ($($name:ident<$($parameter:tt),*> = $future:ty, $method:literal;)*) => {$(
        #[doc = concat!("The future of [`super::StreamExt::", $method, "`].")]
        pub type $name<$($parameter),*> = $future;
    )*};
}

aliases! {
    AllFuture<'a, S, F> = Consume<&'a mut S, All<F>>, "all";
    AnyFuture<'a, S, F> = Consume<&'a mut S, Any<F>>, "any";
    FindFuture<'a, S, P> = Consume<&'a mut S, Find<P>>, "find";
    FindMapFuture<'a, S, F> = Consume<&'a mut S, FindMap<F>>, "find_map";
    NthFuture<'a, S> = Consume<&'a mut S, Nth>, "nth";
    PositionFuture<'a, S, P> = Consume<&'a mut S, Position<P>>, "position";
    TryFoldFuture<'a, S, F, T> = Consume<&'a mut S, TryFold<F, T>>, "try_fold";
    TryForEachFuture<'a, S, F> = Consume<&'a mut S, TryForEach<F>>, "try_for_each";
    CountFuture<S> = Consume<S, Count>, "count";
    FoldFuture<S, F, B> = Consume<S, Fold<F, B>>, "fold";
    ForEachFuture<S, F> = Consume<S, ForEach<F>>, "for_each";
    LastFuture<S, T> = Consume<S, Last<T>>, "last";
    MaxFuture<S, T> = Consume<S, Extreme<T, Greatest>>, "max";
    MaxByFuture<S, F, T> = Consume<S, Extreme<T, GreatestBy<F>>>, "max_by";
    MaxByKeyFuture<S, T, B, F> = Consume<S, KeyedExtreme<T, B, F, Greatest>>, "max_by_key";
    MinFuture<S, T> = Consume<S, Extreme<T, Least>>, "min";
    MinByFuture<S, F, T> = Consume<S, Extreme<T, LeastBy<F>>>, "min_by";
    MinByKeyFuture<S, T, B, F> = Consume<S, KeyedExtreme<T, B, F, Least>>, "min_by_key";
    PartitionFuture<S, F, B> = Consume<S, Partition<F, B>>, "partition";
    UnzipFuture<S, A, B> = Consume<S, Unzip<A, B>>, "unzip";
    CmpFuture<L, R> = Compare<L, R, ByOrd>, "cmp";
    EqFuture<L, R> = Compare<L, R, ByEquality<true>>, "eq";
    NeFuture<L, R> = Compare<L, R, ByEquality<false>>, "ne";
    PartialCmpFuture<L, R> = Compare<L, R, ByPartialOrd<AnyOrder>>, "partial_cmp";
    LtFuture<L, R> = Compare<L, R, ByPartialOrd<IsLess>>, "lt";
    LeFuture<L, R> = Compare<L, R, ByPartialOrd<IsLessOrEqual>>, "le";
    GtFuture<L, R> = Compare<L, R, ByPartialOrd<IsGreater>>, "gt";
    GeFuture<L, R> = Compare<L, R, ByPartialOrd<IsGreaterOrEqual>>, "ge";
}

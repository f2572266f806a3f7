//! The names that the predecessor gave to what its methods return, and its documentation hid.
//!
//! Hidden, as unreachable names were there. Public only because rustdoc replaces a private name by
//! what it stands for.

use reveille::stream::futures;

/// Gives `T`, whatever it is asked of: for a parameter of a name that its meaning has no use for.
pub trait Means<T> {
    /// What was to be given.
    type Type;
}

impl<I: ?Sized, T> Means<T> for I {
    type Type = T;
}

/// Gives the key that a closure makes of an item.
pub trait KeyOf<T> {
    /// The key.
    type Key;
}

impl<T, B, F: FnMut(&T) -> B> KeyOf<T> for F {
    type Key = B;
}

/// What `StreamExt::all` returns.
pub type AllFuture<'a, S, F, T> = <T as Means<futures::AllFuture<'a, S, F>>>::Type;
/// What `StreamExt::any` returns.
pub type AnyFuture<'a, S, F, T> = <T as Means<futures::AnyFuture<'a, S, F>>>::Type;
/// What `StreamExt::max_by_key` returns.
pub type MaxByKeyFuture<S, T, F> = futures::MaxByKeyFuture<S, T, <F as KeyOf<T>>::Key, F>;
/// What `StreamExt::min_by_key` returns.
pub type MinByKeyFuture<S, T, F> = futures::MinByKeyFuture<S, T, <F as KeyOf<T>>::Key, F>;
/// What `StreamExt::find` returns.
pub type FindFuture<'a, S, P> = futures::FindFuture<'a, S, P>;
/// What `StreamExt::find_map` returns.
pub type FindMapFuture<'a, S, F> = futures::FindMapFuture<'a, S, F>;
/// What `StreamExt::next` returns.
pub type NextFuture<'a, S> = futures::NextFuture<'a, S>;
/// What `StreamExt::nth` returns.
pub type NthFuture<'a, S> = futures::NthFuture<'a, S>;
/// What `StreamExt::position` returns.
pub type PositionFuture<'a, S, P> = futures::PositionFuture<'a, S, P>;
/// What `StreamExt::try_fold` returns.
pub type TryFoldFuture<'a, S, F, T> = futures::TryFoldFuture<'a, S, F, T>;
/// What `StreamExt::try_for_each` returns.
pub type TryForEachFuture<'a, S, F> = futures::TryForEachFuture<'a, S, F>;
/// What `StreamExt::for_each` returns.
pub type ForEachFuture<S, F> = futures::ForEachFuture<S, F>;
/// What `StreamExt::last` returns.
pub type LastFuture<S, T> = futures::LastFuture<S, T>;
/// What `StreamExt::max` returns.
pub type MaxFuture<S, T> = futures::MaxFuture<S, T>;
/// What `StreamExt::max_by` returns.
pub type MaxByFuture<S, F, T> = futures::MaxByFuture<S, F, T>;
/// What `StreamExt::min` returns.
pub type MinFuture<S, T> = futures::MinFuture<S, T>;
/// What `StreamExt::min_by` returns.
pub type MinByFuture<S, F, T> = futures::MinByFuture<S, F, T>;
/// What `StreamExt::cmp` returns.
pub type CmpFuture<L, R> = futures::CmpFuture<L, R>;
/// What `StreamExt::eq` returns.
pub type EqFuture<L, R> = futures::EqFuture<L, R>;
/// What `StreamExt::ne` returns.
pub type NeFuture<L, R> = futures::NeFuture<L, R>;
/// What `StreamExt::partial_cmp` returns.
pub type PartialCmpFuture<L, R> = futures::PartialCmpFuture<L, R>;
/// What `StreamExt::lt` returns.
pub type LtFuture<L, R> = futures::LtFuture<L, R>;
/// What `StreamExt::le` returns.
pub type LeFuture<L, R> = futures::LeFuture<L, R>;
/// What `StreamExt::gt` returns.
pub type GtFuture<L, R> = futures::GtFuture<L, R>;
/// What `StreamExt::ge` returns.
pub type GeFuture<L, R> = futures::GeFuture<L, R>;

#[cfg(feature = "unstable")]
pub use unstable::*;

#[cfg(feature = "unstable")]
mod unstable {
    use reveille::future::futures as of_futures;
    use reveille::stream::futures;

    /// What `StreamExt::count` returns.
    pub type CountFuture<S> = futures::CountFuture<S>;
    /// What `StreamExt::delay` returns.
    pub type Delay<S> = futures::Delay<S>;
    /// What `StreamExt::throttle` returns.
    pub type Throttle<S> = futures::Throttle<S>;
    /// What `FutureExt::delay` returns.
    pub type DelayFuture<F> = of_futures::DelayFuture<F>;
    /// What `FutureExt::flatten` returns.
    pub type FlattenFuture<F, G> = of_futures::FlattenFuture<F, G>;
}

//! async-std's names for the return types of its methods, which its documentation does not show.
//!
//! They are hidden here as well. They are public only because rustdoc replaces a private name by
//! the type that it stands for.

use reveille::stream::futures;

/// Resolves to `T` for every type, for an alias with a type parameter that it does not use.
pub trait Means<T> {
    /// `T`.
    type Type;
}

impl<I: ?Sized, T> Means<T> for I {
    type Type = T;
}

/// Resolves to the key that a closure computes from an item.
pub trait KeyOf<T> {
    /// The key.
    type Key;
}

impl<T, B, F: FnMut(&T) -> B> KeyOf<T> for F {
    type Key = B;
}

/// The return type of `StreamExt::all`.
pub type AllFuture<'a, S, F, T> = <T as Means<futures::AllFuture<'a, S, F>>>::Type;
/// The return type of `StreamExt::any`.
pub type AnyFuture<'a, S, F, T> = <T as Means<futures::AnyFuture<'a, S, F>>>::Type;
/// The return type of `StreamExt::max_by_key`.
pub type MaxByKeyFuture<S, T, F> = futures::MaxByKeyFuture<S, T, <F as KeyOf<T>>::Key, F>;
/// The return type of `StreamExt::min_by_key`.
pub type MinByKeyFuture<S, T, F> = futures::MinByKeyFuture<S, T, <F as KeyOf<T>>::Key, F>;
/// The return type of `StreamExt::find`.
pub type FindFuture<'a, S, P> = futures::FindFuture<'a, S, P>;
/// The return type of `StreamExt::find_map`.
pub type FindMapFuture<'a, S, F> = futures::FindMapFuture<'a, S, F>;
/// The return type of `StreamExt::next`.
pub type NextFuture<'a, S> = futures::NextFuture<'a, S>;
/// The return type of `StreamExt::nth`.
pub type NthFuture<'a, S> = futures::NthFuture<'a, S>;
/// The return type of `StreamExt::position`.
pub type PositionFuture<'a, S, P> = futures::PositionFuture<'a, S, P>;
/// The return type of `StreamExt::try_fold`.
pub type TryFoldFuture<'a, S, F, T> = futures::TryFoldFuture<'a, S, F, T>;
/// The return type of `StreamExt::try_for_each`.
pub type TryForEachFuture<'a, S, F> = futures::TryForEachFuture<'a, S, F>;
/// The return type of `StreamExt::for_each`.
pub type ForEachFuture<S, F> = futures::ForEachFuture<S, F>;
/// The return type of `StreamExt::last`.
pub type LastFuture<S, T> = futures::LastFuture<S, T>;
/// The return type of `StreamExt::max`.
pub type MaxFuture<S, T> = futures::MaxFuture<S, T>;
/// The return type of `StreamExt::max_by`.
pub type MaxByFuture<S, F, T> = futures::MaxByFuture<S, F, T>;
/// The return type of `StreamExt::min`.
pub type MinFuture<S, T> = futures::MinFuture<S, T>;
/// The return type of `StreamExt::min_by`.
pub type MinByFuture<S, F, T> = futures::MinByFuture<S, F, T>;
/// The return type of `StreamExt::cmp`.
pub type CmpFuture<L, R> = futures::CmpFuture<L, R>;
/// The return type of `StreamExt::eq`.
pub type EqFuture<L, R> = futures::EqFuture<L, R>;
/// The return type of `StreamExt::ne`.
pub type NeFuture<L, R> = futures::NeFuture<L, R>;
/// The return type of `StreamExt::partial_cmp`.
pub type PartialCmpFuture<L, R> = futures::PartialCmpFuture<L, R>;
/// The return type of `StreamExt::lt`.
pub type LtFuture<L, R> = futures::LtFuture<L, R>;
/// The return type of `StreamExt::le`.
pub type LeFuture<L, R> = futures::LeFuture<L, R>;
/// The return type of `StreamExt::gt`.
pub type GtFuture<L, R> = futures::GtFuture<L, R>;
/// The return type of `StreamExt::ge`.
pub type GeFuture<L, R> = futures::GeFuture<L, R>;

#[cfg(feature = "unstable")]
pub use unstable::*;

#[cfg(feature = "unstable")]
mod unstable {
    use reveille::future::futures as of_futures;
    use reveille::stream::futures;

    /// The return type of `StreamExt::count`.
    pub type CountFuture<S> = futures::CountFuture<S>;
    /// The return type of `StreamExt::delay`.
    pub type Delay<S> = futures::Delay<S>;
    /// The return type of `StreamExt::throttle`.
    pub type Throttle<S> = futures::Throttle<S>;
    /// The return type of `FutureExt::delay`.
    pub type DelayFuture<F> = of_futures::DelayFuture<F>;
    /// The return type of `FutureExt::flatten`.
    pub type FlattenFuture<F, G> = of_futures::FlattenFuture<F, G>;
}

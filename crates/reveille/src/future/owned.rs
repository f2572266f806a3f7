//! A bound that refuses the borrow of a future.
//!
//! Rust has no bound that says "anything but a borrow". It does refuse what it cannot infer. Every
//! future is an [`OwnedFuture`] of the kind [`Given`], and `&mut _` and `Pin<&mut _>` are also of
//! the kind [`LentSoNotPolledWhenItLoses`]. A function that leaves the kind to inference accepts
//! every future that has exactly one kind. For a borrow the kind is ambiguous. The compiler then
//! reports that it cannot infer the type parameter `NotBorrowed`, which is why it has that name in
//! these functions. Futures that borrow data, boxes, and type parameters have one kind. A borrow
//! behind a type parameter or inside another future is not detected, except inside boxes and
//! delays, which have impls for it.
//!
//! A function of two futures has two such parameters. With one parameter for both, an owned future
//! would fix the kind to [`Given`], which the borrow beside it also has.
//!
//! The module is private, so that code outside cannot name a kind, although rustc suggests it. The
//! names are chosen for rustc's messages.
//!
//! *Rejected:* accepting borrows of join handles, whose tasks keep running. An impl for every `&mut
//! F` cannot exclude one `F`, so the handles have a method, `by_ref`.

use std::future::Future;
use std::pin::Pin;

use super::timed::DelayFuture;

/// A future that is passed by value: not `&mut future`, nor `Pin<&mut future>`.
///
/// The compiler infers the kind. For a borrow it finds two and asks for "type annotations". Pass
/// the future itself, or make it a child of a [`scope`](super::scope).
#[doc(hidden)]
pub trait OwnedFuture<Kind>: Future {}

/// The kind of every future.
#[doc(hidden)]
#[derive(Debug)]
pub struct Given(());

/// The second kind of a borrowed future.
#[doc(hidden)]
#[derive(Debug)]
pub struct LentSoNotPolledWhenItLoses(());

impl<F: Future> OwnedFuture<Given> for F {}
impl<F: Future + Unpin + ?Sized> OwnedFuture<LentSoNotPolledWhenItLoses> for &mut F {}
impl<F: Future + ?Sized> OwnedFuture<LentSoNotPolledWhenItLoses> for Pin<&mut F> {}

impl<F> OwnedFuture<LentSoNotPolledWhenItLoses> for Box<F> where
    F: OwnedFuture<LentSoNotPolledWhenItLoses> + Unpin
{
}

impl<F> OwnedFuture<LentSoNotPolledWhenItLoses> for Pin<Box<F>> where
    F: OwnedFuture<LentSoNotPolledWhenItLoses>
{
}

impl<F> OwnedFuture<LentSoNotPolledWhenItLoses> for DelayFuture<F> where
    F: OwnedFuture<LentSoNotPolledWhenItLoses>
{
}

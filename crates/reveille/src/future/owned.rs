//! How a function refuses the borrow of a future.
//!
//! Rust has no bound that says "anything but a borrow". It refuses, however, what it cannot decide:
//! every future is an [`OwnedFuture`] of the kind [`Given`], and `&mut _` and `Pin<&mut _>` are of
//! the kind [`LentSoNotPolledWhenItLoses`] too. A function that leaves the kind to the compiler so
//! takes whatever has one kind; with a borrow the kind is ambiguous. The complaint is that the type
//! parameter `NotBorrowed` cannot be found, which is why it has that name in these functions.
//! Futures that borrow data, boxes, and type parameters have one kind. A borrow that hides behind a
//! type parameter or in another future is not seen, but for boxes and delays, which are looked
//! into.
//!
//! A function of two futures has two such parameters. With one for both, a future of one kind would
//! decide it for the borrow beside it, which is of that kind among others.
//!
//! The module is private, so that nobody outside can name a kind, although rustc proposes it, and
//! decide for it. The names are for its complaints.
//!
//! *Rejected:* letting the borrows of handles pass, whose tasks run on unwatched. An implementation
//! for every `&mut F` cannot leave one `F` out, so the handles have a method, `by_ref`.

use std::future::Future;
use std::pin::Pin;

use super::timed::DelayFuture;

/// A future that whoever takes it owns: not `&mut future`, nor `Pin<&mut future>`.
///
/// The compiler finds the kind, so nobody names it. For a borrow it finds two, and asks for "type
/// annotations"; give the future itself, or make it a child of [`scope`](super::scope).
#[doc(hidden)]
pub trait OwnedFuture<Kind>: Future {}

/// The kind of every future.
#[doc(hidden)]
#[derive(Debug)]
pub struct Given(());

/// The second kind of the borrow of a future.
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

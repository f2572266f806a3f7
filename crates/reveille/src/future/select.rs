//! `select!`, and how it tells a future from the borrow of one.
//!
//! The macro looks at the type of each expression with a method that two traits provide. `kind` of
//! [`OfBorrow`] needs one reference less than that of [`OfFuture`], so the compiler takes it where
//! it applies, which is for `&mut _` and `Pin<&mut _>`. What it returns wants a bound that no type
//! meets. A borrow that hides behind a type parameter is not seen.

use std::marker::PhantomData;
use std::pin::Pin;

use super::pair;

pub use pair::{Either, Select};

/// The type of an expression.
#[derive(Debug)]
pub struct Probe<F>(PhantomData<F>);

/// The type of this future.
pub fn probe<F>(_: &F) -> Probe<F> {
    Probe(PhantomData)
}

/// Has a method for borrows.
pub trait OfBorrow {
    /// It is a borrow.
    fn kind(&self) -> Borrowed {
        Borrowed
    }
}

impl<F: ?Sized> OfBorrow for Probe<&mut F> {}
impl<F: ?Sized> OfBorrow for Probe<Pin<&mut F>> {}

/// Has a method for everything, which is taken when there is no other.
pub trait OfFuture {
    /// It is not a borrow.
    fn kind(&self) -> Owned {
        Owned
    }
}

impl<F> OfFuture for &Probe<F> {}

/// Lets futures pass.
#[derive(Debug)]
pub struct Owned;

impl Owned {
    /// Gives the future.
    pub fn take<F>(self, future: F) -> F {
        future
    }
}

/// Lets nothing pass.
#[derive(Debug)]
pub struct Borrowed;

impl Borrowed {
    /// Does not compile.
    pub fn take<F: OwnedFuture>(self, future: F) -> F {
        future
    }
}

/// A bound that no type meets.
#[diagnostic::on_unimplemented(
    message = "`select!` takes futures, not borrows of them",
    label = "this future would be kept and not polled when it loses",
    note = "a future that is kept and not polled still holds its locks: give it away, or let it \
            be a child of `reveille::future::scope`, which goes on polling it"
)]
pub trait OwnedFuture {}

/// Makes a pair.
pub fn select<L, R>(left: L, right: R) -> Select<L, R>
where
    L: Future,
    R: Future,
{
    Select::new(left, right)
}

/// Awaits whichever of several futures is ready first, and goes on with what stands behind it.
///
/// Each arm is `pattern = future => expression`. The futures may differ in their outputs, the
/// expressions may not. They are polled in the order in which they stand: on a tie the first wins.
///
/// It takes the futures themselves. Those that lose are dropped where they stand, before the
/// winner's expression runs, and so hold nothing that it may want. A borrow of a future,
/// `&mut future`, does not compile; [why](crate::future#the-future-that-nobody-polls). A future
/// that shall outlive a loser's fate is a child of [`future::scope`](crate::future::scope).
///
/// The pattern has to match every output; to tell outputs apart, match in the expression.
///
/// # Cancel safety
///
/// What the losers did so far is lost, unless they are cancel safe themselves.
///
/// # Examples
///
/// ```
/// use reveille::{channel, task};
/// use std::time::Duration;
///
/// task::block_on(async {
///     let (sender, receiver) = channel::bounded(1);
///     sender.send("hello").await.unwrap();
///     let text = reveille::select! {
///         message = receiver.recv() => message.unwrap_or("closed"),
///         () = task::sleep(Duration::from_secs(5)) => "too late",
///     };
///     assert_eq!(text, "hello");
/// });
/// ```
///
/// This does not compile:
///
/// ```compile_fail
/// use reveille::task;
/// use std::pin::pin;
///
/// task::block_on(async {
///     let mut kept = pin!(task::yield_now());
///     reveille::select! {
///         () = &mut kept => {}
///         () = task::yield_now() => {}
///     }
/// });
/// ```
#[macro_export]
macro_rules! select {
    ($($arms:tt)+) => {
        $crate::__select!(@parse [] $($arms)+)
    };
}

/// The parts of [`select!`].
#[doc(hidden)]
#[macro_export]
macro_rules! __select {
    // As in a `match`, there need not be a comma behind a block.
    (@parse [$($done:tt)*] $pattern:pat = $future:expr => $block:block, $($rest:tt)*) => {
        $crate::__select!(@parse [$($done)* {($pattern) ($future) ($block)}] $($rest)*)
    };
    (@parse [$($done:tt)*] $pattern:pat = $future:expr => $block:block $($rest:tt)*) => {
        $crate::__select!(@parse [$($done)* {($pattern) ($future) ($block)}] $($rest)*)
    };
    (@parse [$($done:tt)*] $pattern:pat = $future:expr => $expression:expr, $($rest:tt)*) => {
        $crate::__select!(@parse [$($done)* {($pattern) ($future) ($expression)}] $($rest)*)
    };
    (@parse [$($done:tt)*] $pattern:pat = $future:expr => $expression:expr) => {
        $crate::__select!(@parse [$($done)* {($pattern) ($future) ($expression)}])
    };
    (@parse [$({($pattern:pat) ($future:expr) ($expression:expr)})+]) => {{
        #[allow(unused_imports)]
        use $crate::future::select::{OfBorrow as _, OfFuture as _};
        let output = $crate::__select!(@futures $($future),+).await;
        $crate::__select!(@arms output; $($pattern => $expression),+)
    }};
    (@futures $future:expr) => {
        match $future {
            future => (&$crate::future::select::probe(&future)).kind().take(future),
        }
    };
    (@futures $future:expr, $($rest:expr),+) => {
        $crate::future::select::select(
            $crate::__select!(@futures $future),
            $crate::__select!(@futures $($rest),+),
        )
    };
    (@arms $output:ident; $pattern:pat => $expression:expr) => {
        match $output {
            $pattern => $expression,
        }
    };
    (@arms $output:ident; $pattern:pat => $expression:expr, $($rest:tt)+) => {
        match $output {
            $crate::future::select::Either::Left($pattern) => $expression,
            $crate::future::select::Either::Right(rest) => {
                $crate::__select!(@arms rest; $($rest)+)
            }
        }
    };
}

//! `select!`, and how it tells a future from the borrow of one.
//!
//! The macro inspects the type of each expression with a method that two traits provide. `kind` of
//! [`OfBorrow`] needs one reference less than that of [`OfFuture`], so the compiler prefers it
//! where it applies: for `&mut _` and `Pin<&mut _>`. Its return value requires a bound that no type
//! meets. A borrow behind a type parameter is not detected.

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
    /// Reports a borrow.
    fn kind(&self) -> Borrowed {
        Borrowed
    }
}

impl<F: ?Sized> OfBorrow for Probe<&mut F> {}
impl<F: ?Sized> OfBorrow for Probe<Pin<&mut F>> {}

/// Has a method for everything, which is used when no other applies.
pub trait OfFuture {
    /// Reports a future that is not borrowed.
    fn kind(&self) -> Owned {
        Owned
    }
}

impl<F> OfFuture for &Probe<F> {}

/// Accepts futures.
#[derive(Debug)]
pub struct Owned;

impl Owned {
    /// Returns the future.
    pub fn take<F>(self, future: F) -> F {
        future
    }
}

/// Accepts nothing.
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

/// Awaits several futures and runs the arm of the one that is ready first.
///
/// Each arm is `pattern = future => expression`. The futures may have different outputs; the
/// expressions must have the same type. The futures are polled in the order in which they are
/// written, so on a tie the first wins.
///
/// This takes the futures themselves. The losers are dropped at their current `.await` before the
/// winner's expression runs, so they hold nothing that it may need. A borrow of a future, `&mut
/// future`, does not compile. [Why?](crate::future#futures-that-are-not-polled) To keep a future
/// running after it loses, make it a child of [`future::scope`](crate::future::scope).
///
/// The pattern must match every output. To distinguish outputs, use `match` in the expression.
///
/// # Cancel safety
///
/// The losers' progress is lost, unless they are cancel safe themselves.
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
#[doc(alias("race", "or"))]
macro_rules! select {
    ($($arms:tt)+) => {
        $crate::__select!(@parse [] $($arms)+)
    };
}

/// The functions and types that [`select!`] expands to.
#[doc(hidden)]
#[macro_export]
macro_rules! __select {
    // As in a `match`, the comma after a block is optional.
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

//! `select!`: its branches, and how it distinguishes a future from the borrow of one.
//!
//! The macro nests its arms in pairs. Each arm is a [`Branch`]: a future, and a closure that says
//! whether the output matches the arm's pattern. A branch without its future is disabled. A pair
//! polls left before right, and drops the other side once one is ready, so the losers are gone
//! before the expression of the winner runs. The expressions are not in closures: `break`, `return`
//! and `?` in them mean what they mean around the macro.
//!
//! The closure of a pattern tests it in the guard of a match arm, where the output is not moved
//! yet. So the macro needs no second form of a pattern that binds by value.
//!
//! The macro inspects the type of each expression with a method that two traits provide. `kind` of
//! [`OfBorrow`] needs one reference less than that of [`OfFuture`], so the compiler prefers it
//! where it applies: for `&mut _` and `Pin<&mut _>`. Its return value requires a bound that no type
//! meets. A borrow behind a type parameter is not detected.

use std::future::Future;
use std::marker::PhantomData;
use std::pin::Pin;
use std::task::{Context, Poll};

use pin_project_lite::pin_project;
use reveille_runtime::budget;

use super::pair::warn_if_borrowed;

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

/// Accepts no expression.
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
            be a child of `reveille::future::scope`, which goes on polling it",
    note = "to wait for a task, a scope's child or a oneshot receiver again later, use its method \
            `by_ref()`",
    note = "to wait for the same moment in each round of a loop, use \
            `reveille::time::sleep_until(deadline)` instead of `&mut sleep`"
)]
pub trait OwnedFuture {}

/// The result of a poll.
#[derive(Debug)]
pub enum Progress<T> {
    /// The output of a branch.
    Ready(T),
    /// A branch waits.
    Pending,
    /// No branch waits: each is disabled.
    Disabled,
}

/// One branch or several.
pub trait Branches {
    /// The output, and the branch that it comes from.
    type Output;

    /// Polls the branches in their order.
    fn poll_branches(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Progress<Self::Output>;

    /// Drops the futures that have lost.
    fn clear(self: Pin<&mut Self>);
}

pin_project! {
    /// A future, and whether its output matches a pattern.
    #[derive(Debug)]
    pub struct Branch<F, M> {
        // `None` if the branch is disabled.
        #[pin]
        future: Option<F>,
        matches: M,
    }
}

/// Makes a branch. `matches` returns the output, as an error if it does not match.
pub fn branch<F, M>(future: Option<F>, matches: M) -> Branch<F, M>
where
    F: Future,
    M: FnMut(F::Output) -> Result<F::Output, F::Output>,
{
    Branch { future, matches }
}

impl<F, M> Branches for Branch<F, M>
where
    F: Future,
    M: FnMut(F::Output) -> Result<F::Output, F::Output>,
{
    type Output = F::Output;

    fn poll_branches(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Progress<F::Output> {
        let mut this = self.project();
        let Some(future) = this.future.as_mut().as_pin_mut() else {
            return Progress::Disabled;
        };
        let Poll::Ready(output) = future.poll(cx) else {
            return Progress::Pending;
        };
        this.future.set(None);
        (this.matches)(output).map_or(Progress::Disabled, Progress::Ready)
    }

    fn clear(self: Pin<&mut Self>) {
        let mut this = self.project();
        if this.future.is_some() {
            this.future.set(None);
            warn_if_borrowed::<F>();
        }
    }
}

pin_project! {
    /// Branches to the left, which are polled first, and to the right.
    #[derive(Debug)]
    pub struct Pair<L, R> {
        #[pin]
        left: L,
        #[pin]
        right: R,
    }
}

/// Makes a pair.
pub fn pair<L: Branches, R: Branches>(left: L, right: R) -> Pair<L, R> {
    Pair { left, right }
}

/// The output of one of two sides.
#[derive(Debug)]
pub enum Either<L, R> {
    /// The left side was ready first.
    Left(L),
    /// The right side was ready first.
    Right(R),
}

impl<L: Branches, R: Branches> Branches for Pair<L, R> {
    type Output = Either<L::Output, R::Output>;

    fn poll_branches(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Progress<Self::Output> {
        let mut this = self.project();
        let is_budget_left = budget::is_left();
        let is_left_disabled = match this.left.as_mut().poll_branches(cx) {
            Progress::Ready(output) => {
                this.right.clear();
                return Progress::Ready(Either::Left(output));
            }
            Progress::Pending => false,
            Progress::Disabled => true,
        };
        let right = this.right;
        match budget::poll_after(is_budget_left, || right.poll_branches(cx)) {
            Progress::Ready(output) => {
                this.left.clear();
                Progress::Ready(Either::Right(output))
            }
            Progress::Disabled if is_left_disabled => Progress::Disabled,
            _ => Progress::Pending,
        }
    }

    fn clear(self: Pin<&mut Self>) {
        let this = self.project();
        this.left.clear();
        this.right.clear();
    }
}

pin_project! {
    /// Resolves to the output that is there first, or to `None` when all branches are disabled.
    #[derive(Debug)]
    #[must_use = "futures do nothing unless you `.await` or poll them"]
    pub struct Select<B> {
        #[pin]
        branches: B,
    }
}

/// Makes the future.
pub fn select<B: Branches>(branches: B) -> Select<B> {
    Select { branches }
}

impl<B: Branches> Future for Select<B> {
    type Output = Option<B::Output>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match self.project().branches.poll_branches(cx) {
            Progress::Ready(output) => Poll::Ready(Some(output)),
            Progress::Pending => Poll::Pending,
            Progress::Disabled => Poll::Ready(None),
        }
    }
}

/// Called when all branches are disabled and there is no `else`.
#[track_caller]
pub fn all_disabled() -> ! {
    panic!("every arm of this `select!` is disabled, and it has no `else`")
}

/// Awaits several futures and runs the arm of the one that is ready first.
///
/// Each arm is `pattern = future => expression`. The futures may have different outputs; the
/// expressions must have the same type. The futures are polled in the order in which they are
/// written, so on a tie the first wins. (A first line `biased;`, which asks tokio's macro for this
/// order, is accepted.)
///
/// This takes the futures themselves. The losers are dropped at their current `.await` before the
/// winner's expression runs, so they hold nothing that it may need. A borrow of a future, `&mut
/// future`, does not compile. [Why?](crate::future#futures-that-are-not-polled) What to write
/// instead:
///
/// | to wait again later for | write |
/// |---|---|
/// | a task | `handle.by_ref()` |
/// | the same moment, in each round of a loop | [`sleep_until(deadline)`](crate::time::sleep_until) |
/// | ticks | [`interval.tick()`](crate::time::Interval::tick), which loses no tick when it is dropped |
/// | other work | its handle's `by_ref()`, in a [`future::scope`](crate::future::scope) |
///
/// # Patterns, guards and `else`
///
/// If an output does not match the arm's pattern, the arm is *disabled*, and the others are still
/// polled. So `Some(message) = messages.next()` stops listening to a stream that has ended, and
/// `Some(result) = set.join_next()` waits for nothing while the set is empty.
///
/// An arm with a guard, `pattern = future, if condition => expression`, is disabled from the start
/// if the condition is false. The expression of its future is then not evaluated. All conditions
/// are evaluated before any future is made, so they may read what the futures borrow.
///
/// When all arms are disabled, the arm `else => expression`, which comes last, runs.
///
/// # Panics
///
/// Panics if all arms are disabled and there is no `else`.
///
/// # Cancel safety
///
/// The losers' progress is lost, unless they are cancel safe themselves. An output that does not
/// match its pattern is dropped.
///
/// # Differences
///
/// tokio's macro polls in random order, evaluates the future of an arm whose guard is false, and
/// accepts `&mut future`. Here, the future of an arm with a guard must not borrow a temporary value
/// of its expression: bind that with a `let` before.
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
/// Two sources until both have ended, with at most four tasks at a time:
///
/// ```
/// use reveille::prelude::*;
/// use reveille::stream;
/// use reveille::task::{self, JoinSet};
///
/// task::block_on(async {
///     let mut jobs = stream::from_iter(1..=10);
///     let mut set = JoinSet::new();
///     let mut sum = 0;
///     loop {
///         reveille::select! {
///             Some(result) = set.join_next() => sum += result.unwrap(),
///             Some(job) = jobs.next(), if set.len() < 4 => {
///                 set.spawn(async move { job * 10 });
///             }
///             else => break,
///         }
///     }
///     assert_eq!(sum, 550);
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
    (biased; $($arms:tt)+) => {
        $crate::__select!(@arm [] $($arms)+)
    };
    ($($arms:tt)+) => {
        $crate::__select!(@arm [] $($arms)+)
    };
}

/// The functions and types that [`select!`] expands to.
#[doc(hidden)]
#[macro_export]
macro_rules! __select {
    // Up to the arrow. Each arm becomes `{(pattern) (future) (guard or nothing) (expression)}`.
    (@arm [$($done:tt)+] else => $expression:expr $(,)?) => {
        $crate::__select!(@done [$($done)+] $expression)
    };
    (@arm [$($done:tt)+]) => {
        $crate::__select!(@done [$($done)+] $crate::future::select::all_disabled())
    };
    (@arm [$($done:tt)*] $pattern:pat = $future:expr, if $guard:expr => $($rest:tt)+) => {
        $crate::__select!(@expression [$($done)*] ($pattern) ($future) ($guard) $($rest)+)
    };
    (@arm [$($done:tt)*] $pattern:pat = $future:expr => $($rest:tt)+) => {
        $crate::__select!(@expression [$($done)*] ($pattern) ($future) () $($rest)+)
    };
    // As in a `match`, the comma after a block is optional.
    (@expression [$($done:tt)*] $p:tt $f:tt $g:tt $block:block, $($rest:tt)*) => {
        $crate::__select!(@arm [$($done)* {$p $f $g ($block)}] $($rest)*)
    };
    (@expression [$($done:tt)*] $p:tt $f:tt $g:tt $block:block $($rest:tt)*) => {
        $crate::__select!(@arm [$($done)* {$p $f $g ($block)}] $($rest)*)
    };
    (@expression [$($done:tt)*] $p:tt $f:tt $g:tt $expression:expr, $($rest:tt)*) => {
        $crate::__select!(@arm [$($done)* {$p $f $g ($expression)}] $($rest)*)
    };
    (@expression [$($done:tt)*] $p:tt $f:tt $g:tt $expression:expr) => {
        $crate::__select!(@arm [$($done)* {$p $f $g ($expression)}])
    };
    (@done [$({($pattern:pat) $future:tt $guard:tt ($expression:expr)})+] $otherwise:expr) => {{
        #[allow(unused_imports)]
        use $crate::future::select::{OfBorrow as _, OfFuture as _};
        // Before the futures are made, which may borrow what a guard reads.
        #[allow(unused_variables)]
        let guards = $crate::__select!(@guards $($guard)+);
        let output = $crate::future::select::select(
            $crate::__select!(@branches (guards) $({($pattern) $future $guard})+),
        )
        .await;
        match output {
            ::core::option::Option::Some(output) => {
                $crate::__select!(@outputs output; $($pattern => $expression),+)
            }
            ::core::option::Option::None => $otherwise,
        }
    }};
    (@guards) => {
        ()
    };
    (@guards () $($rest:tt)*) => {
        (true, $crate::__select!(@guards $($rest)*))
    };
    (@guards ($guard:expr) $($rest:tt)*) => {
        ($guard, $crate::__select!(@guards $($rest)*))
    };
    (@branches $guards:tt {($pattern:pat) ($future:expr) ()}) => {
        match $future {
            future => $crate::future::select::branch(
                ::core::option::Option::Some(
                    (&$crate::future::select::probe(&future)).kind().take(future),
                ),
                |output| $crate::__select!(@matches output, $pattern),
            ),
        }
    };
    (@branches ($($guards:tt)*) {($pattern:pat) ($future:expr) ($guard:expr)}) => {
        $crate::future::select::branch(
            if $($guards)*.0 {
                let future = $future;
                ::core::option::Option::Some(
                    (&$crate::future::select::probe(&future)).kind().take(future),
                )
            } else {
                ::core::option::Option::None
            },
            |output| $crate::__select!(@matches output, $pattern),
        )
    };
    (@branches ($($guards:tt)*) $first:tt $($rest:tt)+) => {
        $crate::future::select::pair(
            $crate::__select!(@branches ($($guards)*) $first),
            $crate::__select!(@branches ($($guards)*.1) $($rest)+),
        )
    };
    // A guard sees the bindings before anything is moved. This guard always refuses, so nothing is
    // moved.
    (@matches $output:ident, $pattern:pat) => {{
        let mut is_match = false;
        #[allow(unused_mut)]
        let mut output = $output;
        #[allow(unused, clippy::all)]
        match output {
            $pattern if { is_match = true; false } => ::core::unreachable!(),
            _ => {}
        }
        match is_match {
            true => ::core::result::Result::Ok(output),
            false => ::core::result::Result::Err(output),
        }
    }};
    (@outputs $output:ident; $pattern:pat => $expression:expr) => {
        match $output {
            $pattern => $expression,
            #[allow(unreachable_patterns)]
            _ => ::core::unreachable!("the output was found to match"),
        }
    };
    (@outputs $output:ident; $pattern:pat => $expression:expr, $($rest:tt)+) => {
        match $output {
            $crate::future::select::Either::Left($pattern) => $expression,
            #[allow(unreachable_patterns)]
            $crate::future::select::Either::Left(_) => {
                ::core::unreachable!("the output was found to match")
            }
            $crate::future::select::Either::Right(rest) => {
                $crate::__select!(@outputs rest; $($rest)+)
            }
        }
    };
}

//! Futures: values that arrive later.
//!
//! `async` and `.await` do most of the work with futures; this module has the rest. [`FutureExt`]
//! combines them: it waits for two at once ([`join`](FutureExt::join)), takes the first of two
//! ([`race`](FutureExt::race)), or sets a time limit ([`timeout`](FutureExt::timeout)).
//!
//! # Tasks or combinators
//!
//! Combined futures are part of one task. They take turns on one thread, may borrow from the
//! surrounding function, and are dropped together. Spawned tasks run in parallel on many threads,
//! must own what they use, and keep running when nothing awaits them.
//!
//! The children of a [`scope`] are between the two: they borrow like combined futures, and run
//! beside what their parent awaits like tasks.
//!
//! # Cancellation
//!
//! A future that loses a race or runs out of time is *dropped* at its current `.await`. What it
//! owned is released, and work that was half done stays half done. The combinators here own their
//! futures and drop the losers before they return their result, not when the combinator itself is
//! dropped.
//!
//! # Futures that are not polled
//!
//! A future that is kept, but neither awaited nor dropped, keeps what it holds: a lock, its
//! position in the queue for one, a permit, a connection. If its own task waits for the same thing,
//! the task waits forever, although no two tasks are in conflict. This is known as
//! [futurelock](https://rfd.shared.oxide.computer/rfd/0609). This short program shows it:
//!
//! ```text
//! let mut work = pin!(async { let _guard = lock.lock().await; slow().await });
//! work.as_mut().race(task::sleep(short)).await;    // `work` has the lock, and loses
//! lock.lock().await;                               // `work` is not polled: never ready
//! ```
//!
//! What each construct of this crate does with such a future:
//!
//! | written as | what happens |
//! |---|---|
//! | `work.race(..)`, `work.timeout(..)`, `token.run(work)`, [`race_all`], [`select!`](crate::select!) with `work` | it is dropped when it loses, and releases the lock |
//! | a child of [`scope`], or a task | it keeps running while its parent awaits something else, and releases the lock when it is done |
//! | [`race`](FutureExt::race), [`try_race`](FutureExt::try_race), [`join`](FutureExt::join), [`try_join`](FutureExt::try_join), the variants for many such as [`race_all`], [`select!`](crate::select!), each `timeout` of a future, a [token](crate::task::CancellationToken::run)'s `run`, a [`scope`]'s `spawn` or the body of a [`try_scope`], with `&mut work` or a `Pin<&mut _>` | **does not compile** |
//! | the same behind a type parameter: inside `async fn first<A: Future, B: Future>(a: A, b: B)`, called with `&mut work` | compiles and hangs; with debug assertions, a logged warning names the type of the future when it loses a race, its time limit or its token |
//! | `&mut work` inside another future, an `async` block or a `poll_fn` | compiles and hangs, without a warning |
//!
//! So these functions refuse a borrow that they can see. Code that hides a borrow from them must
//! keep polling it: await it until it is ready before you wait for anything that it holds.
//!
//! In std `&mut F` is itself a future, so a function that takes any future also takes the borrow of
//! one, and no simple bound excludes borrows. (`'static` would, but it also excludes all futures
//! that borrow a buffer.) The macro sees the types where it is used. The functions and methods have
//! an additional type parameter, `NotBorrowed`, which the compiler infers for everything but a
//! borrow. For a borrow it reports that it cannot infer it (E0282, or E0283 where it knows more of
//! the type). rustc suggests to name the type, which does not help, because the module is private.
//! The macro has a message of its own.
//!
//! ```text
//! error[E0282]: type annotations needed
//!    | kept.as_mut().race(task::yield_now()).await;
//!    |               ^^^^ cannot infer type of the type parameter `NotBorrowed` declared on the
//!    |                    method `race`
//! ```
//!
//! async-std's methods take borrows. The shim `async-std` still does, because its signatures are
//! exactly async-std's. When a borrow loses there, builds with debug assertions log a warning.
//!
//! # Waiting with a limit, and then further
//!
//! With async-std, a borrow was the way to stop waiting without stopping the work. Here there are
//! two ways. A task keeps running by itself, so [`by_ref`](crate::task::JoinHandle::by_ref) of its
//! handle may lose: `handle.by_ref().timeout(..)`. Work that must stay in this task, because it
//! borrows, becomes a child of a [`scope`], whose handle also has [`by_ref`](ScopedFuture::by_ref):
//!
//! ```
//! use reveille::prelude::*;
//! use reveille::{future, task};
//! use std::time::Duration;
//!
//! async fn copy(text: &str) -> String {
//!     task::sleep(Duration::from_millis(5)).await;
//!     text.to_owned()
//! }
//!
//! task::block_on(async {
//!     let text = String::from("borrowed");
//!     let copied = future::scope(async |s| {
//!         let mut work = s.spawn(copy(&text));
//!         if let Ok(copied) = work.by_ref().timeout(Duration::from_millis(1)).await {
//!             return copied;
//!         }
//!         println!("it takes a while"); // and keeps running
//!         work.await
//!     });
//!     assert_eq!(copied.await, "borrowed");
//! });
//! ```
//!
//! The program above, fixed with a scope:
//!
//! ```
//! use reveille::sync::Mutex;
//! use reveille::{future, task};
//! use std::time::Duration;
//!
//! task::block_on(async {
//!     let lock = Mutex::new(0);
//!     future::scope(async |s| {
//!         let work = s.spawn(async {
//!             let mut guard = lock.lock().await;
//!             task::sleep(Duration::from_millis(5)).await;
//!             *guard += 1;
//!         });
//!         task::sleep(Duration::from_millis(1)).await;
//!         // Waits for the lock while `work` keeps running.
//!         *lock.lock().await += 1;
//!         work.await;
//!     })
//!     .await;
//!     assert_eq!(*lock.lock().await, 2);
//! });
//! ```
//!
//! # Examples
//!
//! ```
//! use reveille::prelude::*;
//! use reveille::{future, task};
//! use std::time::Duration;
//!
//! task::block_on(async {
//!     let (sum, word) = async { 1 + 2 }.join(async { "three" }).await;
//!     assert_eq!((sum, word), (3, "three"));
//!
//!     let late = future::timeout(Duration::from_millis(5), future::pending::<()>());
//!     assert!(late.await.is_err());
//! });
//! ```
//!
//! | kind | items |
//! |---|---|
//! | re-export of std | `Future`, `pending`, `poll_fn`, `ready` |
//! | own | `FutureExt`, `IntoFuture`, `timeout`, `timeout_at`, `TimeoutError`; `scope`, `try_scope` and the `_local` variants; `join_all`, `race_all` and the `try_` variants; [`select!`](crate::select!) |

mod all;
mod ext;
mod flatten;
mod group;
pub(crate) mod owned;
mod pair;
mod scope;
#[doc(hidden)]
pub mod select;
mod timed;

#[doc(inline)]
pub use std::future::{Future, pending, poll_fn, ready};

pub use all::{
    JoinAll, RaceAll, TryJoinAll, TryRaceAll, join_all, race_all, try_join_all, try_race_all,
};
pub use ext::FutureExt;
pub use flatten::IntoFuture;
pub(crate) use group::Group;
pub(crate) use pair::warn_if_borrowed;
pub use scope::{LocalScope, Scope, ScopedFuture, scope, scope_local, try_scope, try_scope_local};
pub use timed::{TimeoutError, timeout, timeout_at};

#[doc(hidden)]
pub mod futures {
    //! The futures that [`FutureExt`](super::FutureExt)'s methods return. They are unspecified, and
    //! public for the shim only.

    pub use super::flatten::FlattenFuture;
    pub use super::pair::{Join, Race, TryJoin, TryRace};
    pub use super::timed::{DelayFuture, TimeoutFuture};
}

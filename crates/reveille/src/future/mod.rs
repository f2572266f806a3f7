//! Futures: values that arrive later.
//!
//! `async` and `.await` do most of the work with futures; this module has the rest. [`FutureExt`]
//! combines them: waits for two at once ([`join`](FutureExt::join)), takes the first of two
//! ([`race`](FutureExt::race)), gives up after a while ([`timeout`](FutureExt::timeout)).
//!
//! # Tasks or combinators
//!
//! Combined futures are part of one task. They take turns on one thread, may borrow from what is
//! around them, and are dropped together. Spawned tasks run at the same time on many threads, must
//! own what they use, and live on when nobody awaits them.
//!
//! Between the two stand the children of a [`scope`]: they borrow like combined futures, and run on
//! beside what their parent awaits like tasks.
//!
//! # Cancellation
//!
//! A future that loses a race, or runs out of time, is *dropped* where it stood. Whatever it owned
//! is released, and whatever it had half done stays half done. The combinators here own their
//! futures and drop the losers before they give their result, not when they are dropped themselves.
//!
//! # The future that nobody polls
//!
//! A future that is kept, but neither awaited nor dropped, keeps what it holds: a lock, its turn in
//! the queue for one, a permit, a connection. If its own task waits for that, it waits for ever,
//! although no two tasks disagree about anything. It has been called
//! [futurelock](https://rfd.shared.oxide.computer/rfd/0609). The program for it is short:
//!
//! ```text
//! let mut work = pin!(async { let _guard = lock.lock().await; slow().await });
//! work.as_mut().race(task::sleep(short)).await;    // `work` has the lock, and loses
//! lock.lock().await;                               // nobody polls `work`: never ready
//! ```
//!
//! What comes of it with the means of this crate:
//!
//! | written as | what happens |
//! |---|---|
//! | `work.race(..)`, `work.timeout(..)`, `token.run(work)`, [`race_all`], [`select!`](crate::select!) with `work` | it is dropped when it loses, and gives the lock back |
//! | a child of [`scope`], or a task | it goes on, whatever its parent awaits, and gives the lock back when it is done |
//! | [`race`](FutureExt::race), [`try_race`](FutureExt::try_race), [`join`](FutureExt::join), [`try_join`](FutureExt::try_join), their kin for many such as [`race_all`], [`select!`](crate::select!), each `timeout` of a future, a [token](crate::task::CancellationToken::run)'s `run`, a [`scope`]'s `spawn` or the body of a [`try_scope`], with `&mut work` or a `Pin<&mut _>` | **does not compile** |
//! | the same behind a type parameter: inside `async fn first<A: Future, B: Future>(a: A, b: B)`, called with `&mut work` | compiles, and hangs; with debug assertions a warning in the log names the type of the future when it loses a race, its time or its token |
//! | `&mut work` inside another future, an `async` block or a `poll_fn` | compiles and hangs, without a word |
//!
//! So a borrow that these functions can see is refused. Code that hides one from them has to go on
//! polling it: await it to the end before taking what it holds.
//!
//! `&mut F` is itself a future in std, so a function that takes any future takes the borrow of one,
//! and no simple bound says "anything but a borrow". (`'static` would, and would refuse all futures
//! that borrow a buffer.) The macro sees the types where it is written. The functions and methods
//! have a type parameter more, `NotBorrowed`, which the compiler finds for everything but a borrow.
//! For a borrow it complains of that, by E0282 or, where it knows more of the type, by E0283. (What
//! it then proposes, to name the type, does not help: the module is private.) The macro says it in
//! words.
//!
//! ```text
//! error[E0282]: type annotations needed
//!    | kept.as_mut().race(task::yield_now()).await;
//!    |               ^^^^ cannot infer type of the type parameter `NotBorrowed` declared on the
//!    |                    method `race`
//! ```
//!
//! async-std's methods took borrows. The shim of that name still does, for its signatures are
//! async-std's to the letter; where one loses, builds with debug assertions warn in the log.
//!
//! # Waiting for a while, and then further
//!
//! A borrow was the way to give up waiting without giving up the work. Without one there are two. A
//! task runs on by itself, so that [`by_ref`](crate::task::JoinHandle::by_ref) of its handle may
//! lose: `handle.by_ref().timeout(..)`. And what shall stay in this task, because it borrows, is a
//! child of a [`scope`], whose handle has [`by_ref`](ScopedFuture::by_ref) as well:
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
//!         println!("it takes a while"); // and goes on meanwhile
//!         work.await
//!     });
//!     assert_eq!(copied.await, "borrowed");
//! });
//! ```
//!
//! The program above, too, is one with a scope:
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
//!         // Waits for the lock, while `work` goes on.
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
//! | own | `FutureExt`, `IntoFuture`, `timeout`, `TimeoutError`; `scope` and its kin; `join_all`, `race_all` and theirs; [`select!`](crate::select!) |

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
pub use timed::{TimeoutError, timeout};

#[doc(hidden)]
pub mod futures {
    //! What [`FutureExt`](super::FutureExt)'s methods return: unspecified, and named for the shim.

    pub use super::flatten::FlattenFuture;
    pub use super::pair::{Join, Race, TryJoin, TryRace};
    pub use super::timed::{DelayFuture, TimeoutFuture};
}

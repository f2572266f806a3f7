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
//! # Cancellation
//!
//! A future that loses a race, or runs out of time, is *dropped* where it stood. Whatever it owned
//! is released, and whatever it had half done stays half done. The combinators here own their
//! futures and drop the losers before they give their result, not when they are dropped themselves.
//!
//! That matters for locks. A future that is kept but no longer polled keeps what it holds, its turn
//! in the queue of a mutex included, and blocks everybody behind it, for ever if they are in the
//! same task:
//!
//! ```text
//! let mut a = pin!(use_the_lock());
//! a.as_mut().race(other()).await;      // `other` wins while `a` stands in line for the lock
//! lock.lock().await;                   // the lock is handed to `a`, which nobody polls any more
//! ```
//!
//! Give the combinators the futures themselves, not `&mut` of them, or await the borrowed ones to
//! the end before taking what they may hold.
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
//! | own | `FutureExt`, `IntoFuture`, `timeout`, `TimeoutError` |

mod all;
mod ext;
mod flatten;
mod group;
mod pair;
mod scope;
mod timed;

#[doc(inline)]
pub use std::future::{Future, pending, poll_fn, ready};

pub use all::{
    JoinAll, RaceAll, TryJoinAll, TryRaceAll, join_all, race_all, try_join_all, try_race_all,
};
pub use ext::FutureExt;
pub use flatten::IntoFuture;
pub(crate) use group::Group;
pub use scope::{LocalScope, Scope, ScopedFuture, scope, scope_local, try_scope, try_scope_local};
pub use timed::{TimeoutError, timeout};

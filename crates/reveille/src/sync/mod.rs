//! Locks and other ways for tasks to wait for each other.
//!
//! A task that waits here gives its thread to other tasks; the types of [`std::sync`] block the
//! thread. Use these where a guard has to live across an `.await`, and std's for short moments
//! without one: they are faster, and the compiler helps to keep their guards out of futures that
//! move between threads.
//!
//! | the guard | take |
//! |---|---|
//! | is dropped before the next `.await` | `std::sync::Mutex`, and keep it short |
//! | lives across an `.await` | [`Mutex`] or [`RwLock`] of this module |
//! | would only pass a value on | a [`channel`](crate::channel) |
//! | would only count how many may go on | [`Semaphore`] |
//!
//! # Cancel safety
//!
//! A future that waits for a lock and is dropped leaves the line; a lock that had just been given
//! to it goes to the next. A guard that is dropped with the future that held it unlocks, whatever
//! state the value is in: there is no poisoning here, so put the value right before each `.await`.
//!
//! # Fairness
//!
//! The locks are eventually fair. A task that is running may take a free [`Mutex`] before one that
//! waits for it. A task that has waited for more than half a millisecond is preferred: from then on
//! the lock is handed to those that wait, in the order in which they came. A future that waits for
//! a lock and is kept, but no longer polled, keeps its place in the line and blocks those behind
//! it; see [`future`](crate::future#the-future-that-nobody-polls).
//!
//! A loop over a lock that is always free does not use up the budget of its poll: the lock's type
//! is another crate's. Such a loop calls [`yield_now`](crate::task::yield_now) now and then.
//!
//! | kind | items |
//! |---|---|
//! | re-export of async-lock | `Mutex`, `RwLock`, `Barrier`, `Semaphore`, `OnceCell`, and their guards |
//! | re-export of std | `Arc`, `Weak` |
//! | own | `Condvar`, `WaitTimeoutResult` |
//!
//! The re-exported types *are* those of [async-lock], so that a guard can be handed to a library
//! that uses it.
//!
//! [async-lock]: https://docs.rs/async-lock/3
//!
//! # Examples
//!
//! ```
//! use reveille::sync::{Arc, Mutex};
//! use reveille::task;
//!
//! task::block_on(async {
//!     let total = Arc::new(Mutex::new(0));
//!     let tasks: Vec<_> = (1..=4)
//!         .map(|n| {
//!             let total = Arc::clone(&total);
//!             task::spawn(async move { *total.lock().await += n })
//!         })
//!         .collect();
//!     for task in tasks {
//!         task.await;
//!     }
//!     assert_eq!(*total.lock().await, 10);
//! });
//! ```

mod condvar;

#[doc(inline)]
pub use std::sync::{Arc, Weak};

#[doc(inline)]
pub use async_lock::{
    Barrier, BarrierWaitResult, Mutex, MutexGuard, MutexGuardArc, OnceCell, RwLock,
    RwLockReadGuard, RwLockReadGuardArc, RwLockUpgradableReadGuard, RwLockUpgradableReadGuardArc,
    RwLockWriteGuard, RwLockWriteGuardArc, Semaphore, SemaphoreGuard, SemaphoreGuardArc,
};

pub use condvar::{Condvar, WaitTimeoutResult};

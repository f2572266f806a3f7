//! Locks and other synchronization between tasks.
//!
//! A task that waits here lets other tasks run; the types of [`std::sync`] block the thread. Use
//! these if a guard must live across an `.await`. Otherwise use std's: they are faster, and the
//! compiler keeps their guards out of futures that move between threads.
//!
//! | if the guard | use |
//! |---|---|
//! | is dropped before the next `.await` | `std::sync::Mutex`, for short sections |
//! | lives across an `.await` | [`Mutex`] or [`RwLock`] of this module |
//! | would only pass on a value | a [`channel`](crate::channel) |
//! | would only limit how many continue | [`Semaphore`] |
//!
//! # Cancel safety
//!
//! A future that waits for a lock and is dropped leaves the queue; if the lock had just been
//! assigned to it, the lock goes to the next waiter. A guard that is dropped with its future
//! unlocks, whatever state the value is in: there is no poisoning, so restore the value's
//! invariants before each `.await`.
//!
//! # Fairness
//!
//! The locks are eventually fair. A running task may take a free [`Mutex`] before a task that waits
//! for it. Once a task has waited for more than half a millisecond, the lock is handed to the
//! waiters in the order in which they came. A future that waits for a lock and is kept, but no
//! longer polled, keeps its position in the queue and blocks those after it; see
//! [`future`](crate::future#futures-that-are-not-polled).
//!
//! A loop over a lock that is always free does not use up the budget of its poll, because the
//! lock's type is another crate's. Call [`yield_now`](crate::task::yield_now) in such a loop from
//! time to time; see the [guide](crate::guide#the-budget).
//!
//! | kind | items |
//! |---|---|
//! | re-export of async-lock | `Mutex`, `RwLock`, `Barrier`, `Semaphore`, `OnceCell`, and their guards |
//! | re-export of std | `Arc`, `Weak` |
//! | own | `Condvar`, `WaitTimeoutResult` |
//!
//! The re-exported types *are* those of [async-lock], so a guard can be passed to a library that
//! uses it.
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

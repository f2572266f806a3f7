//! Locks and other synchronization between tasks.
//!
//! A task that waits here lets other tasks run; the types of [`std::sync`] block the thread. Use
//! these if a guard must live across an `.await`. Otherwise use std's: they are faster, and the
//! compiler keeps their guards out of futures that move between threads.
//!
//! | to | use |
//! |---|---|
//! | protect data for a short section without an `.await` | `std::sync::Mutex` |
//! | protect data across an `.await` | [`Mutex`]; [`RwLock`] if most tasks only read |
//! | initialize a value once | [`OnceCell`] |
//! | limit how many tasks do something at the same time | [`Semaphore`] |
//! | wait until a number of tasks have arrived | [`Barrier`] |
//!
//! | to tell other tasks | use |
//! |---|---|
//! | one value, once | [`oneshot`] |
//! | the latest value, to any number of tasks | [`watch`] |
//! | every value, to every task | [`broadcast`] |
//! | every value, to one of the tasks | a [`channel`](crate::channel) |
//! | that something has happened | [`Notify`] |
//! | that a condition on data behind a [`Mutex`] has changed | [`Condvar`] |
//!
//! # Cancel safety
//!
//! A future that waits for a lock and is dropped leaves the queue; if the lock had just been
//! assigned to it, the lock goes to the next waiter. A guard that is dropped with its future
//! unlocks, even if the value is half changed: there is no poisoning. So restore the value's
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
//! [`Semaphore`] and [`Notify`] serve tasks in the order in which they came. Operations of the
//! types that this module defines itself use up the budget of a poll, except those of [`Condvar`].
//!
//! A loop over a [`Mutex`] or [`RwLock`] that is always free does not use up the budget of its
//! poll, because the lock's type is another crate's. Call [`yield_now`](crate::task::yield_now) in
//! such a loop from time to time; see the [guide](crate::guide#the-budget).
//!
//! | kind | items |
//! |---|---|
//! | re-export of async-lock | `Mutex`, `RwLock`, `Barrier`, `OnceCell`, and their guards |
//! | re-export of std | `Arc`, `Weak` |
//! | own | `Condvar`, `Notify`, `Semaphore`, `broadcast`, `oneshot`, `watch` |
//!
//! # Wakers that panic or block
//!
//! The types that this module defines itself wake tasks outside their locks. If a waker of another
//! executor panics, the panic is reported and the other tasks are woken; while one blocks, only the
//! other tasks of that notification wait. The types of async-lock wake one task after the other
//! under a lock: there, a waker that panics leaves those after it waiting, and one that blocks
//! stops all users of the lock. Wakers of reveille's tasks do neither.
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

pub mod broadcast;
mod condvar;
mod notify;
pub mod oneshot;
mod permit;
mod semaphore;
mod send_error;
mod wait_queue;
pub mod watch;

#[doc(inline)]
pub use std::sync::{Arc, Weak};

#[doc(inline)]
pub use async_lock::{
    Barrier, BarrierWaitResult, Mutex, MutexGuard, MutexGuardArc, OnceCell, RwLock,
    RwLockReadGuard, RwLockReadGuardArc, RwLockUpgradableReadGuard, RwLockUpgradableReadGuardArc,
    RwLockWriteGuard, RwLockWriteGuardArc,
};

pub use condvar::{Condvar, WaitTimeoutResult};
pub use notify::{Notified, Notify, OwnedNotified};
pub use permit::{OwnedSemaphorePermit, SemaphorePermit};
pub use semaphore::{AcquireError, Semaphore, TryAcquireError};

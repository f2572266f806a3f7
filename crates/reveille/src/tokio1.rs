//! The context of tokio for libraries made for it, outside of tasks.
//!
//! With the feature `tokio1`, every task, blocking closure and `block_on` is inside the context of
//! one tokio runtime. Other code is not: `main` before and after its `block_on`, and threads of
//! your own. If it creates or drops something that needs the context, such as a pool of
//! connections, call [`enter`] first.
//!
//! Tasks of `tokio::spawn` may use all of reveille. If one calls
//! [`block_on`](crate::task::block_on), tokio runs the other tasks of that thread on another one. A
//! task of [`spawn_local`](crate::task::spawn_local) that it starts runs while it is awaited on the
//! same thread. If tokio has moved the awaiting task to another thread, the await panics.
//!
//! # Examples
//!
//! ```
//! use reveille::{task, tokio1};
//!
//! let never = task::block_on(async { task::spawn(std::future::pending::<()>()) });
//! let guard = tokio1::enter();
//! // What is dropped here may use tokio.
//! drop(never);
//! drop(guard);
//! ```

use reveille_runtime::tokio1::{self, Entered};

/// The context of tokio's runtime, until it is dropped. See [`enter`].
///
/// # Examples
///
/// ```
/// use reveille::tokio1::{EnterGuard, enter};
///
/// /// Keeps the context as long as it exists, for its field's drop too.
/// struct InContext<T> {
///     value: T,
///     _guard: EnterGuard,
/// }
///
/// let pool = InContext { value: "connections", _guard: enter() };
/// assert_eq!(pool.value, "connections");
/// ```
#[derive(Debug)]
#[must_use = "the context ends when the guard is dropped"]
pub struct EnterGuard {
    _entered: Entered,
}

/// Enters the context of tokio's runtime on this thread, until the guard is dropped. Then the
/// context is entered again that the thread was in before.
///
/// The first use of the context in the process starts tokio's threads. If the system refuses them,
/// this is reported on standard error, and the thread continues without the context.
///
/// # Panics
///
/// Guards must be dropped in the reverse order. Otherwise tokio panics in the drop.
///
/// # Examples
///
/// ```
/// use reveille::tokio1;
///
/// let guard = tokio1::enter();
/// // Here tokio's sockets and timers can be created and dropped, and `tokio::spawn` works.
/// drop(guard);
/// ```
pub fn enter() -> EnterGuard {
    EnterGuard { _entered: tokio1::enter() }
}

//! std, with `.await`.
//!
//! reveille runs asynchronous programs. Its modules are those of the standard library, with the
//! same names and the same meaning: [`net::TcpStream`](crate::net), [`fs::read`](crate::fs),
//! [`sync::Mutex`], [`task::spawn`](crate::task) instead of `thread::spawn`. Where std blocks the
//! thread, reveille gives a future, and the thread goes on with other tasks meanwhile. It is the
//! successor of async-std, and its API is a superset of that crate's.
//!
//! # A first program
//!
//! ```
//! use reveille::prelude::*;
//! use reveille::task;
//!
//! async fn greet(name: &str) -> String {
//!     format!("hello, {name}")
//! }
//!
//! #[reveille::main]
//! async fn main() {
//!     // A future runs when it is awaited...
//!     assert_eq!(greet("world").await, "hello, world");
//!
//!     // ... together with another ...
//!     let (a, b) = greet("a").join(greet("b")).await;
//!     assert_ne!(a, b);
//!
//!     // ... or by itself, as a task, on whichever thread has time.
//!     let task = task::spawn(async { greet("task").await });
//!     assert_eq!(task.await, "hello, task");
//! }
//! ```
//!
//! The attribute [`main`](macro@crate::main) is `task::block_on` in disguise: there is no runtime
//! to build or to enter. It starts when it is first needed.
//!
//! # Finding your way
//!
//! | to | see |
//! |---|---|
//! | run something at the same time | [`task::spawn`](crate::task), [`FutureExt::join`](prelude::FutureExt::join) |
//! | wait, or give up waiting | `task::sleep`, [`future::timeout`], [`stream::interval`] |
//! | take what comes first | [`FutureExt::race`](prelude::FutureExt::race), [`StreamExt::merge`](stream::StreamExt::merge) |
//! | read and write bytes | [`io`], [`net`], [`fs`] |
//! | handle one thing after the other as it arrives | [`stream`] |
//! | let tasks talk | [`channel`], [`sync`] |
//! | call code that blocks | `task::spawn_blocking` |
//! | run other programs | [`process`] |
//!
//! # Three rules
//!
//! 1. **Do not block.** A task that computes for long or calls a blocking function keeps its thread
//!    from all others. Move such work to `task::spawn_blocking`.
//! 2. **Dropping is cancelling.** A future that is dropped stops at the `.await` where it stood.
//!    What that means is said under *Cancel safety* in each function's documentation. A task goes
//!    on when its handle is dropped.
//! 3. **Await what you hold.** A future that is kept, but neither awaited nor dropped, still holds
//!    its locks: see [`future`](crate::future#cancellation).
//!
//! # Features
//!
//! | feature | default | what |
//! |---|---|---|
//! | `tokio1` | no | every task, blocking closure and `block_on` sees a tokio context, so that libraries made for tokio work inside; the first of them starts tokio's threads |
//! | `attributes` | yes | the attributes [`main`](macro@crate::main) and [`test`](macro@crate::test) |

#![deny(unsafe_code)]
#![cfg_attr(docsrs, feature(doc_cfg))]

#[cfg(feature = "attributes")]
#[doc(inline)]
pub use reveille_macros::{main, test};

#[doc(no_inline)]
pub use std::{write, writeln};

pub mod channel;
pub mod fs;
pub mod future;
pub mod io;
pub mod net;
pub mod os;
pub mod path;
pub mod pin;
pub mod prelude;
pub mod process;
pub mod runtime;
pub mod stream;
pub mod sync;
pub mod task;

mod macros;

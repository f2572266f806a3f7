//! std, with `.await`.
//!
//! reveille runs asynchronous programs. Its modules are those of the standard library, with the
//! same names and the same meaning: [`net::TcpStream`](crate::net), [`fs::read`](crate::fs),
//! [`sync::Mutex`], [`task::spawn`](crate::task) instead of `std::thread::spawn`. Where std blocks
//! the thread, reveille returns a future, and the thread runs other tasks meanwhile. reveille is
//! the successor of async-std, and its API is a superset of async-std's.
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
//!     // ... or by itself, as a task, on any thread of the pool.
//!     let task = task::spawn(async { greet("task").await });
//!     assert_eq!(task.await, "hello, task");
//! }
//! ```
//!
//! The attribute [`main`](macro@crate::main) expands to a call of `task::block_on`. There is no
//! runtime to build or to enter: it starts at its first use.
//!
//! The rest of this page is an introduction: what a future is, how futures become tasks, how they
//! wait, how they end, and what they must not do. A [map of the modules](#modules)
//! follows.
//!
//! # Futures do nothing
//!
//! Calling an `async fn` runs none of its body. It returns a [`Future`]: a value that holds the
//! arguments, and that a runtime *polls*. A poll runs the body up to the first `.await` that has to
//! wait, and arranges for the future to be woken when it can continue. The local variables stay
//! inside the future. So a waiting future occupies no thread, and a future that is never polled
//! does nothing.
//!
//! ```
//! use reveille::task;
//! use std::cell::Cell;
//!
//! let has_begun = Cell::new(false);
//! let future = async { has_begun.set(true) };
//! assert!(!has_begun.get());
//!
//! task::block_on(future);
//! assert!(has_begun.get());
//! ```
//!
//! # Entry point: `block_on`
//!
//! [`task::block_on`] runs a future from synchronous code. It polls one future on the calling
//! thread, lets the thread sleep (or serve its sockets and timers) in between, and returns the
//! output. The future may borrow, and need not be `Send`. Inside a future, use `.await` to wait for
//! another one.
//!
//! ```
//! use reveille::{fs, io, task};
//!
//! fn lines_of(path: &str) -> io::Result<usize> {
//!     task::block_on(async {
//!         let text = fs::read_to_string(path).await?;
//!         Ok(text.lines().count())
//!     })
//! }
//!
//! assert!(lines_of("Cargo.toml")? > 0);
//! # io::Result::Ok(())
//! ```
//!
//! # Concurrency: tasks and combinators
//!
//! Two futures that are awaited one after the other take the time of both. There are two ways to
//! run them at the same time.
//!
//! **Combine them**, and they share a task: `a.join(b)` waits for both,
//! [`a.race(b)`](prelude::FutureExt::race) for the first, and
//! [`for_each_concurrent`](stream::ConcurrentExt::for_each_concurrent) works on many items of a
//! stream. They take turns on one thread, may borrow from the function around them, and end with
//! it.
//!
//! **Spawn one**, and it becomes a task of its own. It starts at once, on any thread of a pool,
//! whether its handle is awaited or not. It must own what it uses (`'static`) and be able to move
//! between threads (`Send`). Awaiting the [`JoinHandle`](task::JoinHandle) returns its output. A
//! panic stays in the task, and resumes where the handle is awaited.
//!
//! ```
//! use reveille::prelude::*;
//! use reveille::task;
//! use std::time::{Duration, Instant};
//!
//! async fn fetch(id: u32) -> u32 {
//!     task::sleep(Duration::from_millis(20)).await; // a slow server
//!     id * 10
//! }
//!
//! task::block_on(async {
//!     let start = Instant::now();
//!     let (a, b) = fetch(1).join(fetch(2)).await;
//!
//!     let handles: Vec<_> = (3..100).map(|id| task::spawn(fetch(id))).collect();
//!     let mut sum = a + b;
//!     for handle in handles {
//!         sum += handle.await;
//!     }
//!     assert_eq!(sum, 49_500);
//!     // Twice 20 ms and a little. One after the other it would have been two seconds.
//!     println!("99 answers in {:?}", start.elapsed());
//! });
//! ```
//!
//! | | where it runs | needs | for |
//! |---|---|---|---|
//! | [`task::spawn`] | the pool, any thread | `Send + 'static` | work that waits: requests, connections |
//! | [`task::spawn_local`] | this thread, in turns | `'static` | work that holds an `Rc`, or belongs to one thread |
//! | [`task::spawn_blocking`] | a thread of its own | a closure, `Send + 'static` | work that blocks, long computations |
//! | a combinator | the task that it is part of | nothing | work that borrows, or ends together |
//!
//! # Waiting
//!
//! A task waits for time ([`time`]), for bytes ([`net`], [`fs`], [`process`]), or for other tasks
//! ([`channel`], [`sync`], a `JoinHandle`). Each wait can have a time limit. Prefer a bounded
//! [`channel`]: a producer that is faster than its consumers then waits, instead of filling the
//! memory.
//!
//! ```
//! use reveille::{channel, future, task};
//! use std::time::Duration;
//!
//! task::block_on(async {
//!     let (sender, receiver) = channel::bounded(8);
//!     let producer = task::spawn(async move {
//!         for n in 0..100 {
//!             if sender.send(n).await.is_err() {
//!                 break; // all receivers are gone
//!             }
//!         }
//!     });
//!
//!     let mut sum = 0;
//!     while let Ok(n) = receiver.recv().await {
//!         sum += n;
//!     }
//!     assert_eq!(sum, 4_950);
//!     producer.await;
//!
//!     let too_late = future::timeout(Duration::from_millis(5), future::pending::<()>()).await;
//!     assert!(too_late.is_err());
//! });
//! ```
//!
//! # Cancellation: dropping a future
//!
//! A future that is dropped stops at its current `.await`, and its variables are dropped in order.
//! This is the whole mechanism of cancellation: time limits, races and `try_join` drop the futures
//! that they no longer need. It can happen at any `.await`, so know what each one loses: every
//! function says so under *Cancel safety*.
//!
//! A *task* is not dropped with its handle: dropping a `JoinHandle` detaches the task, which keeps
//! running. [`cancel`](task::JoinHandle::cancel) ends it, and waits until its future has been
//! dropped.
//!
//! ```
//! use reveille::{future, task};
//! use std::sync::Arc;
//! use std::time::Duration;
//!
//! task::block_on(async {
//!     let file = Arc::new("what the work holds on to");
//!     let work = |file| async move {
//!         let _file: Arc<&str> = file;
//!         future::pending::<()>().await;
//!     };
//!
//!     // A future: the limit drops it.
//!     let limit = Duration::from_millis(5);
//!     assert!(future::timeout(limit, work(Arc::clone(&file))).await.is_err());
//!     assert_eq!(Arc::strong_count(&file), 1);
//!
//!     // A task: the handle cancels it.
//!     let task = task::spawn(work(Arc::clone(&file)));
//!     assert_eq!(task.cancel().await, None);
//!     assert_eq!(Arc::strong_count(&file), 1);
//! });
//! ```
//!
//! Start work that must finish together in a scope. The scope is ready when everything that was
//! started in it has ended. [`task::scope`] starts tasks. The children of [`future::scope`] live
//! inside its future, so they may borrow:
//!
//! ```
//! use reveille::{future, task};
//!
//! async fn lens(words: &[String]) -> usize {
//!     future::scope(async |s| {
//!         let lens: Vec<_> = words.iter().map(|word| s.spawn(async { word.len() })).collect();
//!         future::join_all(lens).await.iter().sum()
//!     })
//!     .await
//! }
//!
//! let words = ["one".to_owned(), "two".to_owned()];
//! assert_eq!(task::block_on(lens(&words)), 6);
//! ```
//!
//! One trap remains: a future that is *kept*, but neither awaited nor dropped, still holds its
//! locks and its positions in queues. See [`future`](crate::future#futures-that-are-not-polled).
//!
//! # Blocking code
//! Between two `.await`s a task occupies its thread. If it computes for a long time, or calls
//! something that blocks (`std::fs`, `std::net`, `thread::sleep`, a lock of std that is held for a
//! long time, a C library), everything else on that thread has to wait. On the pool, reveille
//! detects a poll that does not end within some milliseconds and moves the other tasks of that
//! worker to another thread. This rescue comes late, and it does not help local tasks or the future
//! of a `block_on`. Use [`task::spawn_blocking`] for such work, or call [`task::yield_now`]
//! regularly in a computation. The [guide] describes scheduling and fairness.
//!
//! ```
//! use reveille::task;
//!
//! fn digest(bytes: &[u8]) -> u64 {
//!     let mix = |hash: u64, byte: &u8| (hash ^ u64::from(*byte)).wrapping_mul(0x100_0000_01b3);
//!     bytes.iter().fold(0xcbf2_9ce4_8422_2325, mix)
//! }
//!
//! task::block_on(async {
//!     let bytes = vec![7; 1 << 16];
//!     let hash = task::spawn_blocking(move || digest(&bytes)).await;
//!     assert_ne!(hash, 0);
//! });
//! ```
//!
//! The modules of this crate never block: they run file operations and name lookups on the blocking
//! pool.
//!
//! # Modules
//!
//! | module | in std | adds |
//! |---|---|---|
//! | [`task`] | `thread` | `block_on`, local and blocking tasks, cancellation, [`task_local!`] |
//! | [`future`] | `future` | [`FutureExt`](prelude::FutureExt): `join`, `race`, `timeout`, `delay` |
//! | [`stream`] | `iter` | [`StreamExt`](stream::StreamExt) with the methods of an iterator, `merge`, `interval`, `throttle` |
//! | [`channel`] | `sync::mpsc` | several receivers; both ends are asynchronous |
//! | [`sync`] | `sync` | `broadcast`, `watch`, `oneshot`, `Notify`, `Semaphore`; guards may live across an `.await` |
//! | [`time`] | `time` | `sleep`, `timeout`, `interval` |
//! | [`io`] | `io` | `timeout`; buffered lines as a stream; copies in both directions |
//! | [`net`] | `net` | accepted connections as a stream, a socket builder, readiness, many datagrams |
//! | [`fs`], [`path`] | `fs`, `path` | directories as streams |
//! | [`process`] | `process` | pipes and exits of children without a thread |
//! | [`signal`] | | Ctrl-C and the signals of Unix |
//! | [`os`] | `os` | Unix domain sockets, readiness of any descriptor |
//! | [`runtime`] | | your own runtimes: their size, hooks and shutdown |
//! | [`prelude`] | `prelude` | the extension traits; import them all |
//!
//! | to | use |
//! |---|---|
//! | run something concurrently | [`task::spawn`](crate::task), [`FutureExt::join`](prelude::FutureExt::join) |
//! | wait, or limit a wait | [`time::sleep`], [`time::timeout`], [`time::interval`] |
//! | send values or notifications to other tasks | [`sync::oneshot`], [`sync::watch`], [`sync::broadcast`], [`channel`], [`sync::Notify`] |
//! | take the first result | [`select!`], [`FutureExt::race`](prelude::FutureExt::race), [`StreamExt::merge`](stream::StreamExt::merge) |
//! | start several things and wait for all of them | [`future::scope`], [`task::scope`], [`task::JoinSet`] |
//! | stop something from outside | [`task::CancellationToken`] |
//! | handle items one after the other | [`stream`] |
//! | handle several items at once | [`for_each_concurrent`](stream::ConcurrentExt::for_each_concurrent) |
//! | stop a task | [`JoinHandle::cancel`](task::JoinHandle::cancel) |
//! | find out why a task has no output | [`JoinHandle::result`](task::JoinHandle::result) |
//! | call blocking code | [`task::spawn_blocking`] |
//! | stop everything, with a time limit | [`Runtime::shutdown`](runtime::Runtime::shutdown), [`shutdown_gracefully`](runtime::Runtime::shutdown_gracefully) |
//! | finish requests after Ctrl-C or SIGTERM, then end | [`signal`], [`shutdown_global`](runtime::shutdown_global) |
//! | learn in which order tasks run, and what is fair | [guide] |
//! | find out why a program is stuck or slow | [guide::observing] |
//! | migrate from async-std, smol or tokio | [the migration guides](https://github.com/reveille-rs/reveille/tree/main/docs) |
//!
//! # Interoperability
//!
//! reveille works with the types of other crates. The I/O traits are those of futures-io,
//! [`Stream`](stream::Stream) is that of futures-core, the locks are async-lock's and the channels
//! async-channel's, so libraries written for those need no adapter. Any executor can poll the
//! futures of this crate, and reveille can await any future that does not need another runtime.
//!
//! # Features
//!
//! | feature | default | effect |
//! |---|---|---|
//! | `tokio1` | no | every task, blocking closure and `block_on` runs in a tokio context, so libraries made for tokio work inside; tokio's threads start with the first of them; elsewhere `tokio1::enter` enters the context |
//! | `attributes` | yes | the attributes [`main`](macro@crate::main) and [`test`](macro@crate::test) |
//! | `sim` | no | tests in simulations, with virtual time and a seed: the module `sim`; for `[dev-dependencies]` |
//! | `thread-stacks` | no | a dump can show the stack of a thread whose poll does not return (Linux); see [`observe::DumpOptions::thread_stacks`] |
//!
//! Features only add dependencies; no feature changes the meaning of an item. (The shim of
//! async-std uses one more, which gives the threads of the global runtime async-std's names.)

#![deny(unsafe_code)]
#![cfg_attr(docsrs, feature(doc_cfg))]

#[cfg(test)]
use reveille_watchdog as _;

#[cfg(feature = "attributes")]
#[doc(inline)]
pub use reveille_macros::{main, test};

#[doc(alias = "mpsc")]
pub mod channel;
pub mod fs;
pub mod future;
pub mod guide;
pub mod io;
pub mod net;
pub mod observe;
pub mod os;
pub mod path;
pub mod pin;
pub mod prelude;
pub mod process;
#[doc(alias("Executor", "executor"))]
pub mod runtime;
pub mod signal;
#[cfg(feature = "sim")]
pub mod sim;
pub mod stream;
pub mod sync;
#[doc(alias = "thread")]
pub mod task;
pub mod time;
#[cfg(feature = "tokio1")]
#[cfg_attr(docsrs, doc(cfg(feature = "tokio1")))]
pub mod tokio1;

mod macros;
mod protocol;

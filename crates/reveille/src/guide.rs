//! Guide: scheduling and fairness.
//!
//! [`observing`] is about programs that are stuck or slow, and [`simulating`] about tests that
//! sometimes fail.
//!
//! This page says in which order tasks run, what keeps one task from delaying the others, and what
//! is guaranteed. It contains no items. The numbers are the defaults of this version on Linux.
//! Unless [Guarantees](#guarantees) names them, they may change in any release.
//!
//! # Workers and queues
//!
//! By default the pool has one *worker* for each processor that the process may use; see
//! [`Builder::workers`] and `REVEILLE_THREADS`. Each worker has
//!
//! * a **LIFO slot** for the task that was woken or spawned last on this worker,
//! * a **run queue**, from whose front other workers may steal,
//! * its own timers and its own set of sockets.
//!
//! All workers share the **injector**, a queue for tasks that are spawned or woken by threads
//! outside the pool.
//!
//! A worker looks for its next task in this order:
//!
//! 1. the LIFO slot,
//! 2. the front of its run queue,
//! 3. the injector,
//! 4. its sockets and timers,
//! 5. the run queues of other workers, from which it steals half.
//!
//! If it finds nothing, it parks in its own driver until a socket, a timer or another thread wakes
//! it.
//!
//! # The LIFO slot
//!
//! A task that was just woken usually finds its data in the processor's cache, so it runs next. If
//! another task is woken before that, the first one moves to the back of the run queue.
//!
//! Two tasks that wake each other could use the slot forever. So after 3 to 15 polls in a row from
//! the slot, about 10 µs, the worker takes the oldest task of its run queue.
//!
//! Two kinds of wakes do not use the slot. A task whose awaited [`JoinHandle`] completes goes to
//! the back of the queue; otherwise awaiting a thousand children in order would poll the parent
//! once for each of them. Tasks that are woken together, such as the waiters of a cancelled token
//! or all sockets that one wait reports, are queued in their order.
//!
//! # The injector
//! Every 61st time, a worker checks the injector first. So tasks from outside run even while the
//! tasks of the pool keep each other busy.
//!
//! # Sockets and timers of a busy worker
//!
//! A worker with work reads the clock every 64 polls, or every millisecond if polls are long. If
//! its driver has not been turned for 100 µs, it collects the events of its sockets and fires the
//! due timers. Timers never fire early. On a busy worker they fire late by up to a millisecond and
//! the length of one poll.
//!
//! # When other workers help
//!
//! Waking a parked worker costs both threads some microseconds. So another worker is woken only
//! when the queued tasks are worth it. Their work is estimated from the mean time of recent polls.
//! It must reach 50 µs, or 4 µs for 256 polls in a row. Ten tasks of 100 ns each therefore run on
//! one thread.
//!
//! # The budget
//!
//! A task yields when it has to wait. An operation that never has to wait, such as a read from a
//! socket that always has data, would let its task run forever. So each poll has a budget of 32
//! operations ([`Builder::event_budget`]). When it is used up, the next operation returns `Pending`
//! and wakes its task at once, which puts the task at the back of the queue.
//!
//! | takes budget | takes no budget |
//! |---|---|
//! | reads and writes of sockets, pipes and files, [`accept`], datagrams | `Mutex`, `RwLock` and [`channel`](crate::channel)s (types of other crates) |
//! | what [`sync`](crate::sync) defines itself, such as `Semaphore` and `broadcast` | `Condvar` |
//! | [`io::copy`], [`io::empty`], [`io::repeat`], [`io::sink`] | futures that you write yourself |
//! | methods that consume a [`stream`], eight items for one unit | computation |
//!
//! In a loop over something that takes no budget, call [`task::yield_now`] from time to time:
//!
//! ```
//! use reveille::{channel, task};
//!
//! task::block_on(async {
//!     let (sender, receiver) = channel::unbounded();
//!     for n in 0..1_000_u32 {
//!         sender.send(n).await.expect("the receiver is there");
//!     }
//!     drop(sender);
//!
//!     let mut sum = 0;
//!     while let Ok(n) = receiver.recv().await {
//!         sum += n;
//!         if n % 128 == 0 {
//!             task::yield_now().await; // the channel always has a message
//!         }
//!     }
//!     assert_eq!(sum, 499_500);
//! });
//! ```
//!
//! Futures that share a task share its budget. [`join`], [`race`] and [`timeout`] lend the future
//! that is polled second one unit, so a time limit takes effect although the operation under it is
//! always ready. [`join_all`], [`for_each_concurrent`] and [`future::scope`] poll their members in
//! the order in which they were woken, and continue in the next poll with the member after the one
//! that used up the budget.
//!
//! # Polls that block
//! A worker that computes for a long time or calls a blocking function cannot poll other tasks. A
//! monitor thread detects this:
//!
//! 1. After about 12 ms, the task in the LIFO slot moves to the run queue, from which other workers
//!    steal. Another worker collects the events of the blocked worker's sockets.
//! 2. After about 16 ms, if work is waiting, another thread takes over everything that the worker
//!    had: queue, sockets and timers. When the blocked poll returns, its task is queued elsewhere.
//!
//! If the pool was idle before, both times can be up to 65 ms longer. At most 256 workers can be
//! taken over at a time ([`Builder::max_spare_threads`]; with 0 there is no rescue). The hook
//! [`Builder::on_takeover`] reports each takeover.
//!
//! A call of [`task::block_on`] inside a task does not wait for the monitor: another thread takes
//! over at once. If no thread is available, the call itself polls tasks of its worker while it
//! waits.
//!
//! The rescue keeps such a mistake from stopping the program. It does not replace
//! [`task::spawn_blocking`]: each takeover costs milliseconds of delay and perhaps a thread. It
//! does not apply to
//!
//! * futures that are part of the same task as the blocking code,
//! * tasks of [`task::spawn_local`] on that thread, and the future of its `block_on`.
//!
//! # Other executors inside a poll
//!
//! A task may contain another executor: `pollster::block_on`, `futures::executor::block_on`, the
//! event loop of a GUI, a second runtime. That executor polls reveille's futures on a thread whose
//! worker is inside a poll. This works as follows:
//!
//! * Budget: after 64 refused operations within one poll, the budget is refilled.
//! * A worker is taken over as during any poll that blocks.
//! * A thread in `block_on` whose poll does not return within 4 to 16 ms loses its sockets and
//!   timers to a helper thread until the poll returns.
//! * Local tasks run while that executor awaits one of their handles.
//!
//! Sockets, timers and blocking closures also work on threads where only another executor runs. A
//! helper thread then serves them.
//!
//! # Threads in `block_on`
//!
//! A thread in [`task::block_on`] outside the pool has an executor of its own: its future, the
//! tasks of [`task::spawn_local`], its own sockets and timers. The future and the local tasks take
//! turns. Nothing is stolen from it, and it steals nothing.
//!
//! # Guarantees
//!
//! * If each poll of the other tasks returns, every woken task is polled. If some polls do not
//!   return, a task of the pool is still polled while a spare thread is available.
//! * A task is never polled by two threads at the same time.
//! * A sleep never ends early.
//! * A time limit takes effect, also over an operation that is always ready, if the operation is in
//!   the left column of the table above.
//! * A task of `spawn_local` stays on its thread.
//!
//! # No guarantees
//!
//! * The order in which tasks run. The LIFO slot, stealing and the injector all change it.
//! * The thread on which a task of [`task::spawn`] runs. It may change at each `.await`.
//! * That tasks get equal shares. The budget counts operations, not time, and nothing interrupts a
//!   poll. There are no priorities. To separate kinds of work, give each a [`Runtime`] of its own.
//! * An upper bound on delays. It depends on the longest poll, and on the system.
//!
//! [`Builder::event_budget`]: crate::runtime::Builder::event_budget
//! [`Builder::max_spare_threads`]: crate::runtime::Builder::max_spare_threads
//! [`Builder::on_takeover`]: crate::runtime::Builder::on_takeover
//! [`Builder::workers`]: crate::runtime::Builder::workers
//! [`JoinHandle`]: crate::task::JoinHandle
//! [`Runtime`]: crate::runtime::Runtime
//! [`accept`]: crate::net::TcpListener::accept
//! [`for_each_concurrent`]: crate::stream::ConcurrentExt::for_each_concurrent
//! [`future::scope`]: crate::future::scope
//! [`io::copy`]: crate::io::copy()
//! [`io::empty`]: crate::io::empty
//! [`io::repeat`]: crate::io::repeat
//! [`io::sink`]: crate::io::sink
//! [`join_all`]: crate::future::join_all
//! [`join`]: crate::future::FutureExt::join
//! [`race`]: crate::future::FutureExt::race
//! [`stream`]: crate::stream
//! [`task::block_on`]: crate::task::block_on
//! [`task::spawn_blocking`]: crate::task::spawn_blocking
//! [`task::spawn_local`]: crate::task::spawn_local
//! [`task::spawn`]: crate::task::spawn
//! [`task::yield_now`]: crate::task::yield_now
//! [`timeout`]: crate::future::timeout

pub mod observing;
pub mod simulating;

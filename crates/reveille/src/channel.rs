//! Channels: queues that carry messages from many senders to many receivers.
//!
//! A channel is a pair of handles. Every message that any clone of the [`Sender`] sends is received
//! by exactly one clone of the [`Receiver`]. In a [`bounded`] channel a fast sender waits for a
//! slow receiver. In an [`unbounded`] channel it does not, so the channel can grow until memory is
//! exhausted. Prefer bounded channels: capacity 1 hands messages over one by one, and a larger one
//! tolerates a receiver that is slow now and then. When all handles of one side are gone, the
//! channel is closed: sends fail from then on, and receives fail once the remaining messages have
//! been received.
//!
//! # Cancel safety
//!
//! A `recv` that is dropped has taken no message. A `send` that is dropped has not sent its
//! message, and drops it. If the message must not be lost, send it from a task that is not
//! cancelled.
//!
//! # Fairness
//!
//! A loop over a channel that always has a message, or always has room, does not use up the budget
//! of its poll, because the types are those of another crate. Other tasks of the worker then run on
//! another thread, but a time limit around the loop does not take effect. Call
//! [`yield_now`](crate::task::yield_now) in such a loop from time to time. The methods that consume
//! a receiver as a stream (`for_each`, `collect` and the like) yield by themselves. See the
//! [guide](crate::guide#the-budget).
//!
//! # Origin
//!
//! This module re-exports the crate [async-channel]. The types are the same, so a library that uses
//! async-channel and a program that uses reveille can share channels.
//!
//! [async-channel]: https://docs.rs/async-channel/1
//!
//! # Examples
//!
//! A worker that is stopped by dropping its sender:
//!
//! ```
//! use reveille::channel;
//! use reveille::task;
//!
//! task::block_on(async {
//!     let (jobs, inbox) = channel::bounded(8);
//!     let worker = task::spawn(async move {
//!         let mut total = 0;
//!         while let Ok(job) = inbox.recv().await {
//!             total += job;
//!         }
//!         total
//!     });
//!
//!     for job in 1..=4 {
//!         jobs.send(job).await.expect("the worker is listening");
//!     }
//!     drop(jobs);
//!     assert_eq!(worker.await, 10);
//! });
//! ```

#[doc(inline)]
pub use async_channel::{
    Receiver, Recv, RecvError, Send, SendError, Sender, TryRecvError, TrySendError, WeakReceiver,
    WeakSender, bounded, unbounded,
};

//! Channels: queues that carry messages from many senders to many receivers.
//!
//! A channel is a pair of handles. Every message sent through any clone of the [`Sender`] is
//! received by exactly one clone of the [`Receiver`]. [`bounded`] channels make a fast sender wait
//! for a slow receiver, [`unbounded`] ones never do and so can grow until memory ends; prefer the
//! first: 1 hands over from one to the other, more makes up for a receiver that is slow now and
//! then. When all handles of one side are gone the channel is closed: sends fail from then on, and
//! receives fail once the messages still inside are used up.
//!
//! # Cancel safety
//!
//! A `recv` that is dropped has taken no message. A `send` that is dropped has not sent, and drops
//! the message with it: where it must not be lost, send it from a task that nobody cancels.
//!
//! # Fairness
//!
//! A loop over a channel that never waits, since the channel always has a message or always has
//! room, does not use up the budget of its poll: the channel's types are another crate's. Other
//! tasks of the worker then run on another thread, but a time limit around the loop does not end
//! it. Such a loop calls [`yield_now`](crate::task::yield_now) now and then. The methods that use
//! up a receiver as a stream (`for_each`, `collect` and the like) yield by themselves.
//!
//! # Where it comes from
//!
//! All of this is the crate [async-channel], re-exported whole: its types are these types, so that
//! a library that speaks async-channel and a program that speaks reveille can be joined.
//!
//! [async-channel]: https://docs.rs/async-channel/1
//!
//! # Examples
//!
//! A worker that is closed by dropping its sender:
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

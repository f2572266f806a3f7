//! Streams: asynchronous iterators.
//!
//! A [`Stream`] is an [`Iterator`] whose items arrive over time: `next().await` waits for the next
//! item. The lines of a socket, the entries of a directory, the messages of a channel and the ticks
//! of a clock are streams. [`StreamExt`] has the methods of iterators. A plain loop is often the
//! clearest:
//!
//! ```
//! use reveille::prelude::*;
//! use reveille::{stream, task};
//!
//! task::block_on(async {
//!     let mut words = stream::from_iter(["hello", "world"]);
//!     let mut length = 0;
//!     while let Some(word) = words.next().await {
//!         length += word.len();
//!     }
//!     assert_eq!(length, 10);
//! });
//! ```
//!
//! # Creating streams
//!
//! Create a stream with [`from_iter`], [`from_fn`], [`unfold`], [`once`], [`repeat`],
//! [`repeat_with`], [`successors`], [`interval`], [`empty`] or [`pending`]. The receiver of a
//! [channel](crate::channel) is a stream. Or implement [`Stream`].
//!
//! # Laziness
//!
//! Adapters such as [`map`](StreamExt::map) do nothing until the stream is read, do nothing between
//! two reads, and fetch no item in advance. (A source may: [`fs::ReadDir`](crate::fs::ReadDir)
//! reads its entries in batches.) To work while the reader is busy, spawn a task and connect it by
//! a channel.
//!
//! # Sequential or concurrent
//!
//! A loop over a stream, and [`for_each`](StreamExt::for_each), finish one item before they take
//! the next. [`for_each_concurrent`](ConcurrentExt::for_each_concurrent) processes several inside
//! one task, and [`buffered`](ConcurrentExt::buffered) yields their results;
//! [`merge`](StreamExt::merge) takes the next item of either of two streams.
//!
//! # Cancel safety
//!
//! A dropped `next` has taken no item from the streams of this crate. A method that consumes a
//! stream (`fold`, `collect`, `for_each`) has taken the items that it received, and loses its
//! partial result. If the stream was only borrowed ([`by_ref`](StreamExt::by_ref)), it continues
//! after those items.
//!
//! # Infinite streams
//!
//! [`repeat`] and [`interval`] never end, so `collect`, `count`, `last` and similar methods never
//! finish on them. Use [`take`](StreamExt::take) first.
//!
//! # Other crates
//!
//! `Stream` is that of futures-core, so streams of other crates have these methods, and the other
//! way round. Adapter types that are not defined in the files of this module are those of
//! futures-lite.

mod arithmetic;
mod buffered;
mod chunks;
mod collect;
mod compare;
mod concurrent;
mod consume;
mod double_ended;
mod ext;
mod extremes;
mod fused;
#[doc(hidden)]
pub mod futures;
mod join;
mod shunt;
mod sources;
mod timed;
mod traits;

#[doc(inline)]
pub use futures_core::stream::Stream;
#[doc(inline)]
pub use futures_lite::stream::{
    Cloned, Copied, Filter, Inspect, Map, Scan, Skip, SkipWhile, StepBy, Take, TakeWhile, Then,
};

pub use arithmetic::{Product, Sum};
pub use buffered::{BufferUnordered, Buffered};
pub use chunks::ChunksTimeout;
pub(crate) use collect::collection;
pub use collect::{Extend, FromStream, extend};
pub use concurrent::{ConcurrentExt, ForEachConcurrent};
pub use double_ended::DoubleEndedStream;
pub use ext::StreamExt;
pub use fused::{Chain, Fuse};
pub use join::{FlatMap, Flatten, Merge, Zip};
pub use sources::{
    Empty, FromFn, FromIter, Once, Pending, Repeat, RepeatWith, Successors, Unfold, empty, from_fn,
    from_iter, once, pending, repeat, repeat_with, successors, unfold,
};
pub use timed::{Interval, Timeout, TimeoutError, interval};
pub use traits::{ExactSizeStream, FusedStream, IntoStream};

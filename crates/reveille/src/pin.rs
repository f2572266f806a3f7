//! Pinning: [`Pin`] of the standard library, and [`pin!`].
//!
//! Awaiting a future does not require pinning it. Pinning matters for polling by hand, and for the
//! methods of a stream that is not `Unpin`. Races, time limits and [`select!`](crate::select!) take
//! the future itself and refuse a pinned borrow. [Why?](crate::future#futures-that-are-not-polled)
//!
//! # Examples
//!
//! ```
//! use reveille::pin::pin;
//! use reveille::prelude::*;
//! use reveille::{stream, task};
//!
//! task::block_on(async {
//!     // A stream that is not `Unpin` has no `next` until it is pinned.
//!     let numbers = stream::once(7).chain(stream::once(8));
//!     let mut numbers = pin!(numbers);
//!     assert_eq!(numbers.next().await, Some(7));
//!     assert_eq!(numbers.next().await, Some(8));
//! });
//! ```

#[doc(inline)]
pub use std::pin::{Pin, pin};

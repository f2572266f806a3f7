//! Values that do not move: [`Pin`] as the standard library has it, and [`pin!`].
//!
//! A future that is awaited needs no thought about pinning. It matters to whoever polls by hand or
//! selects over `&mut` futures.
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

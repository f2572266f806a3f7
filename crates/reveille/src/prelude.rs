//! The traits without which nothing has methods.
//!
//! ```
//! use reveille::prelude::*;
//! # let _ = reveille::stream::empty::<()>().next();
//! ```
//!
//! Traits whose names std or other crates use too (`Read`, `Write`, ...) come without their names:
//! their methods are there, and the names are free.

#[doc(no_inline)]
pub use std::future::Future;

#[doc(no_inline)]
pub use crate::stream::Stream;

#[doc(no_inline)]
pub use crate::future::FutureExt;
#[doc(no_inline)]
pub use crate::stream::{ConcurrentExt, DoubleEndedStream, ExactSizeStream, StreamExt};

#[doc(no_inline)]
pub use crate::io::{
    BufRead as _, BufReadExt as _, Read as _, ReadExt as _, Seek as _, SeekExt as _, Write as _,
    WriteExt as _,
};

#[doc(no_inline)]
pub use crate::task_local;

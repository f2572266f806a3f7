//! The extension traits; import them all.
//!
//! ```
//! use reveille::prelude::*;
//! # let _ = reveille::stream::empty::<()>().next();
//! ```
//!
//! Traits whose names std or other crates also use (`Read`, `Write`, ...) are imported without
//! their names: the methods are available and the names stay free.

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

//! Paths, with asynchronous methods for those that access the file system.
//!
//! [`Path`] and [`PathBuf`] wrap those of std: they convert for free in both directions (`AsRef`,
//! `From`, `Into`), and every function of this crate that takes a path also takes std's paths and
//! strings. The methods that only inspect the text of a path are std's; those that access the file
//! system call [`fs`](crate::fs) and must be awaited.
//!
//! | kind | items |
//! |---|---|
//! | re-export of std | `Component`, `Display`, `Prefix`, `PrefixComponent`, `StripPrefixError`, `MAIN_SEPARATOR`, `is_separator` |
//! | delegate to std | `Path`, `PathBuf`, `Ancestors`, `Components`, `Iter` |
//! | own | the asynchronous methods of `Path` |
//!
//! # Examples
//!
//! ```
//! use reveille::path::Path;
//! use reveille::task;
//!
//! task::block_on(async {
//!     let path = Path::new("/no/such/file.txt");
//!     assert_eq!(path.extension().unwrap(), "txt");
//!     assert!(!path.exists().await);
//! });
//! ```

mod cast;
mod compare;
mod convert;
mod parts;
#[expect(clippy::module_inception, reason = "the file is called like the type it holds")]
mod path;
mod path_buf;

#[doc(inline)]
pub use std::path::{
    Component, Display, MAIN_SEPARATOR, Prefix, PrefixComponent, StripPrefixError, is_separator,
};

pub use parts::{Ancestors, Components, Iter};
pub use path::Path;
pub use path_buf::PathBuf;

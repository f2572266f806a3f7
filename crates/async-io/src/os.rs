//! Items that exist on some systems only.
//!
//! # Examples
//!
//! ```
//! # #[cfg(unix)]
//! assert!(async_io::os::unix::reactor_fd().is_none());
//! ```

#[cfg(unix)]
pub mod unix;

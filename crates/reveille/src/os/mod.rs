//! What only one family of systems has.
//!
//! As in std, the traits and functions here are extensions of the portable modules. Only the module
//! of the system that is compiled for exists. The Windows side was written to the same names and
//! never compiled by its authors: reports are welcome.

#[cfg(unix)]
pub mod unix;
#[cfg(windows)]
pub mod windows;

pub(crate) mod child;
pub(crate) mod file;
pub(crate) mod socket;

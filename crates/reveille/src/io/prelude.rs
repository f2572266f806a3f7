//! The traits of this module, for a glob import.
//!
//! ```
//! use reveille::io::prelude::*;
//! ```
//!
//! The crate's own prelude holds them too, under no name, which is enough to call their methods.

pub use super::{BufRead, BufReadExt, Read, ReadExt, Seek, SeekExt, Write, WriteExt};

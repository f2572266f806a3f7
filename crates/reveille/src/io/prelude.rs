//! The traits of this module, for glob imports.
//!
//! ```
//! use reveille::io::prelude::*;
//! ```
//!
//! The crate's prelude also imports them, without their names, which is enough to call their
//! methods.

pub use super::{BufRead, BufReadExt, Read, ReadExt, Seek, SeekExt, Write, WriteExt};

//! What only Windows has: handles and sockets as the system knows them, two kinds of links, and
//! more.
//!
//! This module was never compiled by its authors, who have no Windows at hand: reports are welcome.

pub mod fs;
pub mod io;
pub mod process;

mod handles;

//! What only Unix has: descriptors, sockets with a path for an address, and more.

pub mod fs;
pub mod io;
pub mod net;
pub mod process;

mod descriptors;

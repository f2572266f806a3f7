//! What the examples share: a small HTTP server on the loopback interface, so that each of them
//! runs on a machine without a network.
//!
//! The server is a program for reveille like any other and worth reading as one: [`serve`] is an
//! accept loop that survives errors, [`answer`] is a connection. It knows nothing of executors;
//! whoever calls [`serve`] says how a connection becomes a task.

mod plan;
mod server;

pub use plan::{Framing, Plan};
pub use server::{answer, bind, loopback, serve};

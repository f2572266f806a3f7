//! A small HTTP server on the loopback interface, so that the examples run without a network.
//!
//! The server is itself an example: [`serve`] is an accept loop that survives errors, and
//! [`answer`] serves a connection. It does not choose an executor: the caller of [`serve`] decides
//! how a connection becomes a task.

#[cfg(test)]
use reveille_watchdog as _;

mod plan;
mod server;

pub use plan::{Framing, Plan};
pub use server::{answer, bind, loopback, serve};

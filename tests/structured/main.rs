//! Structured concurrency: scopes, sets of tasks, cancellation tokens, and graceful shutdowns.

use reveille_watchdog as _;

mod borrowed;
mod everywhere;
mod futurelock;
mod join_set;
mod shutdown;
mod stress;
mod tasks;
mod token;

//! The task cell: one future, its output and everything that refers to it, in one allocation.
//!
//! This crate has no threads, no queues and no clock. An executor passes a future to [`spawn`] and
//! receives a [`Runnable`]. When the task must run again, it calls [`Schedule::schedule`].
//!
//! The modules, lowest first: `cause`, `state`, `memory`, `location`, `id`, `unwind` < `locals`,
//! `error` < `header`, `raw`, `record`, `attachments`, `waker`, `run`, `task_ref` < `schedule`,
//! `probe` < `data`, `cell`, `join` < `spawn`. The seven from `header` on use each other. They
//! belong together: a reference to the cell calls the vtable in its header, and the vtable's
//! functions make and consume references. Separating them would need a trait with one implementor.
//! `cargo xtask tidy` checks this order.
//!
//! # Vocabulary
//!
//! | word      | meaning                                                                         |
//! |-----------|---------------------------------------------------------------------------------|
//! | cell      | the allocation: header, scheduler handle, stage                                 |
//! | header    | its type-erased front, 32 bytes: state word, vtable, attachments, small fields  |
//! | stage     | the future, then its output; a union, because the state word says which it is    |
//! | extras    | rarely needed data: id, name, task-locals, panic payload, other join wakers     |
//! | slot      | where the join waker is kept: in the attachments word or in the extras          |
//! | joiner    | the task or thread that awaits the [`JoinHandle`]                               |
//!
//! # References
//!
//! | kind           | how many | counted | grants                                              |
//! |----------------|----------|---------|-----------------------------------------------------|
//! | [`Runnable`]   | 0 or 1   | yes     | to poll once; dropping it cancels the task          |
//! | [`JoinHandle`] | 0 or 1   | yes     | the output; dropping it detaches the task           |
//! | `Waker`        | any      | yes     | to make the `Runnable`                              |
//! | [`TaskHandle`] | any      | yes     | to request cancellation, to read the small fields   |
//! | [`Kept`]       | 0 or 1   | yes     | the same, and to store the registry's slot          |
//! | [`TaskRef`]    | any      | no      | the same, while something else keeps the cell alive |
//!
//! # Invariants
//!
//! The SAFETY comments of this crate refer to these numbers.
//!
//! 1. Every counted reference has one owner. The owner that releases the last one frees the cell,
//!    and only after completion. Until then the count cannot reach zero: the last reference turns
//!    into a `Runnable` that cancels the task (an *orphan*).
//! 2. Before completion the stage, the panic payload and the task-locals belong to the one
//!    `Runnable` or, while it runs, to the thread that runs it. A future, `Send` or not, is
//!    therefore polled and dropped only where its executor runs or drops the `Runnable`.
//! 3. After completion the stage and the panic payload belong to the join handle if it existed at
//!    completion, and otherwise to the thread that completed the task.
//! 4. The slot of the join waker belongs to the join handle while `JOIN_WAKER` is unset. While it
//!    is set, nothing owns the slot; if it was set at completion, the completing thread owns the
//!    slot from then on. The slot is empty whenever `JOIN_WAKER` is unset and the join handle is
//!    not changing the slot.
//! 5. The attachments word is null, a compact waker, or extras. Only the owner of the slot stores
//!    or takes a compact waker. Any holder of a reference may replace null or a compact waker with
//!    extras (and move the waker into them). Extras stay until the cell is freed.
//! 6. The vtable of a header was made for the future and scheduler types of its cell.
//!
//! # Panics
//!
//! | what panics                         | what happens                                          |
//! | ----------------------------------- | ----------------------------------------------------- |
//! | poll of the future                  | caught; the joiner receives the payload               |
//! | drop of the future, cancelled       | caught; the joiner receives the payload               |
//! | drop of the future, otherwise       | caught; [`Schedule::unhandled_panic`], result stands  |
//! | drop of a detached task's output    | caught; [`Schedule::unhandled_panic`]                 |
//! | drop of the output with the handle  | caught; [`Schedule::unread_panic`]                    |
//! | wake of the joiner                  | caught; [`Schedule::unhandled_panic`], task is done   |
//! | clone, drop of a joiner's waker     | reaches the caller that polls or drops the handle     |
//! | drop of task-locals                 | the process aborts, as with the thread-locals of std  |
//! | a method of `Schedule`              | aborts if the task is being completed                 |
//!
//! # Rejected
//!
//! * An enum as the stage (`enum { Future, Output }`). Its tag is a byte that alignment pads to a
//!   word, and the state word already holds the information.
//! * A counted reference per poll for the context's waker. The waker borrows the reference of the
//!   `Runnable`.
//! * Passing a requeued `Runnable` through [`Schedule::schedule`]. [`Runnable::run`] returns it,
//!   and the worker, which has its queue at hand, pushes it without an indirect call.

#![deny(unsafe_op_in_unsafe_fn)]

#[cfg(test)]
use reveille_watchdog as _;

mod attachments;
mod cause;
mod cell;
mod data;
mod error;
mod header;
mod id;
mod join;
mod locals;
mod location;
mod memory;
mod probe;
mod raw;
mod record;
mod run;
mod schedule;
mod spawn;
mod state;
mod task_ref;
mod unwind;
mod waker;

pub use cause::{Cause, Loss};
pub use data::TaskData;
pub use error::JoinError;
pub use id::{Task, TaskId};
pub use join::{JoinHandle, JoinResult, task_ref};
pub use locals::Locals;
pub use probe::{Observer, is_kept_by, is_probe, poll_member, poll_probed};
pub use record::{RecordFunctions, Woken, is_recording, start_recording, stop_recording};
pub use run::{Ran, Runnable};
pub use schedule::{Options, Schedule};
pub use spawn::{spawn, spawn_kept, spawn_kept_unchecked, spawn_unchecked};
pub use task_ref::{Ended, Kept, TaskHandle, TaskRef};
pub use waker::{is_live, is_task_waker};

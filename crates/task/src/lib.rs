//! The task cell: one future, its output and everything that refers to it, in one allocation.
//!
//! There are no threads, no queues and no clock here. An executor hands a future to [`spawn`],
//! receives a [`Runnable`], and is told through [`Schedule`] when the task wants to run again.
//!
//! # Vocabulary
//!
//! | word      | meaning                                                                         |
//! |-----------|---------------------------------------------------------------------------------|
//! | cell      | the allocation: header, scheduler handle, stage                                 |
//! | header    | its type-erased front, 32 bytes: state word, vtable, attachments, small fields  |
//! | stage     | the future, then its output; a union, since the state word tells which          |
//! | extras    | what few tasks need: id, name, task-locals, panic payload, a foreign join waker |
//! | slot      | where the join waker is kept: in the attachments word or in the extras          |
//! | joiner    | whoever awaits the [`JoinHandle`]                                               |
//!
//! # References
//!
//! | kind           | how many | counted | grants                                              |
//! |----------------|----------|---------|-----------------------------------------------------|
//! | [`Runnable`]   | 0 or 1   | yes     | to poll once; dropping it cancels the task          |
//! | [`JoinHandle`] | 0 or 1   | yes     | the output; dropping it detaches the task           |
//! | `Waker`        | any      | yes     | to make the `Runnable`                              |
//! | [`TaskHandle`] | any      | yes     | to ask for cancellation, to read the small fields   |
//! | [`Kept`]       | 0 or 1   | yes     | the same, and to note the registry's slot           |
//! | [`TaskRef`]    | any      | no      | the same, while something else keeps the cell alive |
//!
//! # Invariants
//!
//! The SAFETY comments of this crate refer to these numbers.
//!
//! 1. Every counted reference has one owner. The cell is freed by whoever gives up the last one,
//!    and only after completion: until then the count cannot reach zero, because the last owner's
//!    reference turns into a `Runnable` that cancels (an *orphan*).
//! 2. Before completion the stage, the panic payload and the task-locals belong to the one
//!    `Runnable`, and while it runs to the thread that runs it. So a future is polled and dropped
//!    only where its executor runs or drops the `Runnable`, even when it is not `Send`.
//! 3. From completion on the stage and the panic payload belong to the join handle if it existed
//!    at that moment, and otherwise to the thread that completed the task.
//! 4. The slot of the join waker belongs to the join handle while `JOIN_WAKER` is unset, to nobody
//!    while it is set, and to the completing thread if it was set at completion. It is empty
//!    whenever `JOIN_WAKER` is unset and the join handle is not at work on it.
//! 5. The attachments word is null, a compact waker, or extras. Only the owner of the slot puts or
//!    takes a compact waker; anybody who holds the cell may replace either by extras (moving
//!    the waker into them), and extras stay until the cell is freed.
//! 6. The vtable of a header was made for the future and scheduler types of its cell.
//!
//! # Panics
//!
//! | where it panics                     | what happens                                          |
//! | ----------------------------------- | ----------------------------------------------------- |
//! | poll of the future                  | caught; the joiner receives the payload               |
//! | drop of the future, cancelled       | caught; the joiner receives the payload               |
//! | drop of the future, otherwise       | caught; [`Schedule::unhandled_panic`], result stands  |
//! | drop of the output, nobody joins    | caught; [`Schedule::unhandled_panic`]                 |
//! | drop of the output with the handle  | caught; [`Schedule::unread_panic`]                    |
//! | wake of the joiner                  | caught; [`Schedule::unhandled_panic`], task is done   |
//! | clone, drop of a joiner's waker     | goes to whoever polls or drops the handle; no leak    |
//! | drop of task-locals                 | the process aborts, as with the thread-locals of std  |
//! | a method of `Schedule`              | aborts if the task is being completed                 |
//!
//! # Rejected
//!
//! * An output tagged in the stage (`enum { Future, Output }`): a byte that becomes a word, and the
//!   state word knows it anyway.
//! * A counted reference per poll for the context's waker: the `Runnable`'s own is lent.
//! * Passing the requeued `Runnable` through [`Schedule::schedule`]: [`Runnable::run`] returns it,
//!   so that the worker that holds its queue already puts it there without an indirect call.

#![deny(unsafe_op_in_unsafe_fn)]

#[cfg(test)]
use reveille_watchdog as _;

mod attachments;
mod cell;
mod data;
mod error;
mod id;
mod join;
mod locals;
mod location;
mod memory;
mod raw;
mod run;
mod schedule;
mod state;
mod task_ref;
mod unwind;
mod waker;

pub use data::TaskData;
pub use error::JoinError;
pub use id::{Task, TaskId};
pub use join::{JoinHandle, JoinResult, task_ref};
pub use locals::Locals;
pub use run::{Ran, Runnable};
pub use schedule::{
    Cause, Options, Schedule, spawn, spawn_kept, spawn_kept_unchecked, spawn_unchecked,
};
pub use task_ref::{Kept, TaskHandle, TaskRef};
pub use waker::{is_live, is_task_waker};

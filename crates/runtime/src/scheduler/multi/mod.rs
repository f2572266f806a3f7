//! The work-stealing pool: workers with run queues, the threads that run them, and what they share.
//!
//! `README.md` describes how workers sleep and how tasks wake them. Start reading at
//! `worker_thread.rs`.
//!
//! # Vocabulary
//!
//! * **pool**: the workers, the injector and their threads ([`pool`]). Pools are never freed, only
//!   used again. A waker that is about to queue a task may access its pool at any later time, so
//!   the memory has to stay valid.
//! * **generation**: the number of one use of a pool. A [`RuntimeRef`] is a pool and a generation.
//! * **scheduler**: a task's reference to its executor ([`pool::SchedulerRef`]): the pool, and the
//!   worker where the task is registered.
//!
//! # Files, lowest first
//!
//! A file imports only those above it in this list. `pool` and `worker` import each other: a worker
//! refers to its pool, and the pool holds the workers.
//!
//! | files | what they hold |
//! |---|---|
//! | `queue`, `injector`, `idle`, `busy_time`, `modes`, `pace`, `handoff`, `handoff_queue`, `monitor` | the parts of a pool, each without knowledge of the others |
//! | `pool`, `worker` | what the threads of a pool share |
//! | `runtime_ref` | a pool and a generation; the runtime of this thread |
//! | `pool_task` | a task that another thread polls for a dump |
//! | `worker_context`, `current` | a thread's claim to its worker; the worker of this thread |
//! | `schedule` | spawns, wakes and completes tasks |
//! | `worker_thread` | the loop of a worker thread |
//! | `shutdown`, `drain`, `diagnosis` | the end of a runtime; the report on its tasks |
//! | `stand_in` | the timers and sockets of a worker that no thread can take over |
//! | `worker_threads`, `block_in_place`, `sampling` | hand workers from thread to thread |
//! | `environment`, `start` | bring a pool up |

mod block_in_place;
mod busy_time;
#[cfg(test)]
mod clock_jump_tests;
mod current;
mod diagnosis;
mod drain;
mod environment;
mod handoff;
mod handoff_queue;
mod idle;
mod injector;
mod modes;
mod monitor;
mod observers;
mod pace;
mod pool;
mod pool_task;
mod queue;
#[cfg(test)]
mod queue_tests;
#[cfg(test)]
mod remote_turn_tests;
mod runtime_ref;
mod sampling;
mod schedule;
mod shutdown;
mod stand_in;
mod start;
mod task_walk;
#[cfg(test)]
mod thread_start_tests;
mod worker;
mod worker_context;
mod worker_thread;
mod worker_threads;

pub(crate) use block_in_place::BlockInPlace;
pub(crate) use current::{leave_worker, with_left_worker, with_worker};
pub(crate) use diagnosis::{are_any_up, describe, polls, pools_are_quiet};
pub(crate) use drain::drain;
pub use drain::{ShutdownReport, TaskInfo};
pub(crate) use pool_task::{ClaimedTask, PoolClaim, PoolTask};
pub(crate) use runtime_ref::{RuntimeRef, current_runtime, own_pool};
pub use shutdown::Shutdown;
pub(crate) use shutdown::{from_inside, stop};
pub(crate) use start::start;
pub(crate) use task_walk::PoolWalk;
pub(crate) use worker_context::WorkerContext;

//! Calls to the operating system that concern threads and the process: alarms, timer slack, the
//! limit of open files, SIGPIPE, signals, child processes, the frames of a stack, processor time,
//! the number of threads, the stacks of other threads, the end of the process, a file with one
//! writer.
//!
//! They are not in the driver, because they have nothing to do with readiness: only the runtime and
//! its callers use them. They are not in the runtime, because they involve no task and no executor,
//! and the driver's tests need one of them.

mod alarm;
mod children;
mod cpu_time;
mod exit;
mod frames;
mod limit;
mod own_file;
mod signals;
mod sigpipe;
mod slack;
mod thread_count;
mod thread_stack;

pub use self::alarm::Alarm;
pub use self::children::has_children;
pub use self::cpu_time::process_cpu_time;
pub use self::exit::at_exit;
pub use self::frames::{StackMark, return_addresses};
pub use self::limit::{FdLimit, raise_fd_limit};
pub use self::own_file::create_own;
pub use self::signals::{SignalHandlers, SignalReceiver, signals};
pub use self::sigpipe::without_sigpipe;
pub use self::slack::TimerSlack;
pub use self::thread_count::thread_count;
pub use self::thread_stack::{ThreadNumber, thread_addresses, thread_number};

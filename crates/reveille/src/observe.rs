//! Shows where each task is and what it waits for.
//!
//! [`dump`] lists every live task of the process: those of all runtimes, local ones, the futures of
//! `block_on`, and closures of `spawn_blocking`. Each entry has the task's name or type, where it
//! was spawned, and what it does. For a task that waits, it also has **the chain of `.await`s**
//! that the task is in, with file and line. Futures of this crate also say what they wait for: a
//! socket with its addresses, a timer with its deadline, another task, a child process.
//! [`guide::observing`](crate::guide::observing) explains how to read it.
//!
//! With [`Builder::dump_on_signal`](crate::runtime::Builder::dump_on_signal), a program prints a
//! dump when it receives a signal. The environment variable `REVEILLE_DUMP=1` sets that for the
//! global runtime and `SIGQUIT` (Ctrl-\ in a terminal).
//!
//! # Examples
//!
//! ```
//! use reveille::{observe, task};
//!
//! let task = task::spawn(std::future::pending::<()>());
//! let dump = observe::dump();
//! assert!(dump.tasks().iter().any(|task| task.spawned_at.is_some()));
//! println!("{dump}");
//! # task::block_on(task.cancel());
//! ```
//!
//! # How it works
//!
//! A dump polls each waiting task once, on a thread of its own. The waker of that poll captures the
//! stack when a future stores it. Futures need no support for this, because any future may be
//! polled without having been woken. It registers again where it was registered before, so nothing
//! is lost and nothing stops. The dump does not poll tasks that are queued or running.
//!
//! | what | how the dump sees it |
//! |---|---|
//! | tasks of a runtime | it polls them, even while every worker is blocked |
//! | local tasks, futures of `block_on` | their thread polls them, if it answers within 100 ms |
//! | running tasks | the thread; how long the poll has run, if more than some milliseconds; where the previous dump saw the task; the stack of the thread, if you ask for it ([`DumpOptions::thread_stacks`]) |
//! | tasks of a scope | below the task that the scope is in, if they wait |
//! | closures of `spawn_blocking` | thread and for how long, or that they are queued |
//!
//! If the poll of a task does not end within a second, another thread continues the dump, which
//! lists the task as running.
//!
//! # Lints
//! While a program runs, reveille reports code that makes it slow or lets it hang ([`LintKind`]):
//! once for each place, as warnings through the crate `log` with the target `reveille::lint`, and
//! to the hook of [`Builder::on_lint`](crate::runtime::Builder::on_lint). They are on in debug
//! builds, and wherever there is a hook.
//!
//! Three of them find programs that hang, and their rules are exact. *Pending without a waker* and
//! *last waker dropped* count references: apart from the runtime and the task's own handle nothing
//! refers to the task, so nothing can wake it. *Quiescent* means that for ten seconds no task has
//! run and no timer, socket, child process or closure is awaited, while each thread of the process
//! is one of reveille's own or waits in `block_on`. A program with a thread of its own is never
//! reported, because that thread may be about to wake a task. A process whose tasks are woken only
//! by another process, through shared memory, or by a signal handler of its own is reported
//! wrongly.
//!
//! # Recordings
//!
//! [`record_to`], or the environment variable `REVEILLE_TRACE=FILE`, records what happens in the
//! process to a file for the command `reveille view`: spawns, polls, wakes with their causes, ends,
//! sleeps of threads, and your own [`span!`]s and [`mark!`]s. A [`FlightRecorder`] keeps the events
//! of the last seconds in memory, and writes them to a file when something goes wrong. There is one
//! recording at a time in a process. `%p` in the name of the file stands for the number of the
//! process, so that a program and its children, which get the same variable, have a file each.
//!
//! # Debug information
//!
//! Functions and lines come from the program's debug information. A build with the profile setting
//! `debug = "limited"` has all of it. With `debug = "line-tables-only"` inlined functions have
//! short names. Without debug information, inlined functions and all places are missing. The dump
//! says so.
//!
//! # Cost
//!
//! While nothing is recorded, the recorder costs a load and a branch at each wake and at the end of
//! a task. To prepare for dumps, each poll of a task makes one more store. A dump of 100,000 tasks
//! took 0.3 to 0.5 s on two cores. The first one takes longer: it reads the debug information.
//!
//! # Limits
//!
//! * Members of `FuturesUnordered` are not seen; those of reveille's own groups and scopes are.
//! * A dump does not show which task holds a lock or a permit: the types are those of `async-lock`,
//!   and a lock does not record its holder. If the whole process makes no progress, the dump names
//!   the tasks that wait for locks, because the holders are among them.
//! * Tasks of a scope that run or are queued are not listed below it.
//! * If calls of `block_on` are nested on one thread, only the innermost is seen.
//! * On Windows with Microsoft's toolchain each stack is captured as a whole, which takes longer.

use std::future::Future;
use std::process::Termination;

pub use reveille_runtime::inspect::{
    Dump, DumpOptions, Frame, RuntimeDump, TaskDump, TaskKind, TaskState, WaitFor, dump,
};
#[doc(hidden)]
pub use reveille_runtime::recording::mark as record_mark;
pub use reveille_runtime::recording::{
    FlightRecorder, FlightRecording, Histogram, Recording, Span, is_recording, record_to,
    snapshot_to,
};
pub use reveille_runtime::{Lint, LintKind};

/// Begins a span of the program in the recording: a part of what a task does, which may contain
/// awaits. It ends when the [`Span`] is dropped.
///
/// The arguments are those of `format!`. Nothing is formatted unless something is recorded. A
/// number may follow, as in `span!("batch", number = 17)`. A span belongs to the task that is
/// polled when it begins, or to the thread outside of tasks. It has to end there, unless it has a
/// number that no other open span of its name has.
///
/// # Examples
///
/// ```
/// use reveille::{observe, task};
///
/// task::block_on(async {
///     let span = observe::span!("reading the answer");
/// task::yield_now().await; // the span continues while the task waits
///     drop(span);
/// });
/// ```
#[doc(inline)]
pub use crate::__span as span;

/// Marks a moment in the recording.
///
/// The arguments are those of `format!`. Nothing is formatted unless something is recorded. A
/// number may follow, as in `mark!("queue", number = 17)`.
///
/// # Examples
///
/// ```
/// use reveille::observe;
///
/// let user = 7;
/// observe::mark!("cache miss of {user}");
/// observe::mark!("queue", number = 17);
/// ```
#[doc(inline)]
pub use crate::__mark as mark;

#[doc(hidden)]
#[macro_export]
macro_rules! __span {
    ($name:literal, number = $number:expr $(,)?) => {
        $crate::observe::Span::begin(::core::format_args!($name), $number)
    };
    ($($format:tt)+) => {
        $crate::observe::Span::begin(::core::format_args!($($format)+), 0)
    };
}

#[doc(hidden)]
#[macro_export]
macro_rules! __mark {
    ($name:literal, number = $number:expr $(,)?) => {
        $crate::observe::record_mark(::core::format_args!($name), $number)
    };
    ($($format:tt)+) => {
        $crate::observe::record_mark(::core::format_args!($($format)+), 0)
    };
}

#[cfg(feature = "sim")]
use crate::sim::run_if_asked;

/// Without the feature `sim` there are no simulations.
#[cfg(not(feature = "sim"))]
fn run_if_asked<T>(_path: &str, _fails_on_deadlock: bool, test: T) -> T {
    test
}

/// Runs a test as [`block_on`](crate::task::block_on) does, and panics if the process makes no
/// progress.
#[doc(hidden)]
#[track_caller]
pub fn run_test<F: Future>(future: F) -> F::Output {
    block_on_test(true, future)
}

/// Runs the test with this path, after the simulations that the environment asks for. For the
/// attribute `test`.
#[doc(hidden)]
#[track_caller]
pub fn run_named_test<F>(
    path: &str,
    fails_on_deadlock: bool,
    test: impl FnOnce() -> F + Send,
) -> F::Output
where
    F: Future,
    F::Output: Termination,
{
    let test = run_if_asked(path, fails_on_deadlock, test);
    block_on_test(fails_on_deadlock, test())
}

/// Runs a test, and panics if it makes no progress, unless that is allowed.
#[track_caller]
pub(crate) fn block_on_test<F: Future>(fails_on_deadlock: bool, test: F) -> F::Output {
    if fails_on_deadlock {
        return crate::task::block_on(reveille_runtime::inspect::deadlock::fail_on_deadlock(test));
    }
    crate::task::block_on(test)
}

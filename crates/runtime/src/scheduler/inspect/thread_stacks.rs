//! The stacks of the threads that run a poll, for a dump that was asked for them.
//!
//! The addresses come from a signal (`reveille_primitive::sys::thread_addresses`). std turns only
//! its own captures into text, so the names come from the crate `backtrace`. It is behind the
//! feature `thread-stacks`, because that crate and its dependencies would double what a program
//! compiles for reveille.

use reveille_primitive::sys::thread_number;

use super::dump::{Dump, TaskDump};

/// Adds the stacks of the threads that run a task.
pub(super) fn add(dump: &mut Dump) {
    let mut failures = Vec::new();
    if thread_number() == 0
        && let Err(reason) = imp::frames(0)
    {
        failures.push(format!("The stacks of threads are missing: {reason}."));
    }
    let has_thread = |task: &&mut TaskDump| task.thread_number != 0;
    for task in dump.tasks.iter_mut().filter(has_thread) {
        match imp::frames(task.thread_number) {
            Ok(frames) => {
                task.thread_stack = u32::try_from(dump.stacks.len()).ok();
                dump.stacks.push(frames.into());
            }
            Err(reason) => {
                let thread = task.thread.as_deref().unwrap_or_default();
                failures.push(format!("The stack of the thread '{thread}' is missing: {reason}."));
            }
        }
    }
    dump.notes.append(&mut failures);
}

#[cfg(feature = "thread-stacks")]
mod imp {
    use reveille_primitive::sys::{ThreadNumber, thread_addresses};

    use crate::scheduler::inspect::dump::Frame;

    /// The frames of a stack.
    const FRAMES_MAX: usize = 256;

    /// The functions of the handler, which are innermost.
    const HANDLER: [&str; 2] = ["thread_stack::linux::answer", "__restore_rt"];

    /// The functions below which is the runtime.
    const BELOW: [&str; 3] =
        ["reveille_task::cell::Cell", "scheduler::block_on::poll", "__rust_begin_short_backtrace"];

    pub(super) fn frames(thread: ThreadNumber) -> Result<Vec<Frame>, String> {
        let mut addresses = [0; FRAMES_MAX];
        let len = thread_addresses(thread, &mut addresses).map_err(|error| error.to_string())?;
        let mut frames = Vec::new();
        for address in &addresses[..len] {
            // A return address belongs to the instruction after the call.
            let call = address.wrapping_sub(1);
            backtrace::resolve(std::ptr::without_provenance_mut(call), |symbol| {
                let Some(name) = symbol.name() else { return };
                let place = symbol.filename().zip(symbol.lineno()).map(|(file, line)| {
                    let column = symbol.colno().map(|column| format!(":{column}"));
                    format!("{}:{line}{}", file.display(), column.unwrap_or_default())
                });
                frames.push(Frame { function: format!("{name:#}"), place });
            });
        }
        let is = |frame: &Frame, names: &[&str]| names.iter().any(|n| frame.function.contains(n));
        let handler = frames.iter().rposition(|frame| is(frame, &HANDLER));
        frames.drain(..handler.map_or(0, |at| at + 1));
        let end = frames.iter().position(|frame| is(frame, &BELOW)).unwrap_or(frames.len());
        frames.truncate(end);
        Ok(frames)
    }
}

#[cfg(not(feature = "thread-stacks"))]
mod imp {
    use reveille_primitive::sys::ThreadNumber;

    use crate::scheduler::inspect::dump::Frame;

    pub(super) fn frames(_: ThreadNumber) -> Result<Vec<Frame>, String> {
        Err(String::from("reveille was built without its feature `thread-stacks`"))
    }
}

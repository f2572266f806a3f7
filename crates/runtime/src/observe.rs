//! Counters and reports of the runtime. No other module counts or reports.
//!
//! Each event in the life of a task calls one function of this module, so a recorder needs only
//! this place. The functions are inlined and write one counter that belongs to the worker.
//!
//! # Panics of user code
//!
//! The crate `reveille-task` has a table for panics of a task. This table has the others:
//!
//! | what panics                                | what happens                                   |
//! | ------------------------------------------ | ---------------------------------------------- |
//! | a waker, in a turn of timers or sockets    | reported; the other wakers are called          |
//! | the drop of a waker the runtime kept       | caught; std has printed the message            |
//! | a waker's clone, wake or drop inside a poll| counts as a panic of the poll                  |
//! | a hook of the builder, or its drop         | caught; std has printed the message            |
//! | the hook for panics                        | caught; std has printed both messages          |
//! | the drop of a payload                      | caught; the second payload is leaked           |
//! | a destructor while another panic unwinds   | std aborts the process                         |
//! | the drop of a task-local                   | the process aborts, as with std's thread-locals|

use std::any::Any;
use std::panic::{AssertUnwindSafe, Location, catch_unwind};
use std::sync::Arc;
use std::task::Waker;

use reveille_primitive::Padded;
use reveille_primitive::atomic::{AtomicU64, Ordering};
use reveille_primitive::lock::assert_none_held;
use reveille_task::{Task, TaskRef};

/// The counters of one worker. The owner writes them with plain stores, and any thread reads them.
#[derive(Debug, Default)]
pub(crate) struct Counters {
    counts: Padded<[AtomicU64; EVENTS]>,
}

const EVENTS: usize = 7;

/// The events that are counted.
#[derive(Clone, Copy, Debug)]
#[repr(usize)]
pub(crate) enum Event {
    Spawn,
    Poll,
    Steal,
    Park,
    WakeSibling,
    Overflow,
    DriverTurn,
}

impl Counters {
    /// Counts one `event`. Only the owner calls it: concurrent calls may lose a count.
    #[inline]
    pub(crate) fn count(&self, event: Event) {
        self.add(event, 1);
    }

    #[inline]
    pub(crate) fn add(&self, event: Event, by: u64) {
        let count = &self.counts[event as usize];
        count.store(count.load(Ordering::Relaxed).wrapping_add(by), Ordering::Relaxed);
    }

    /// Resets the counts for another runtime. No thread counts at the same time.
    pub(crate) fn reset(&self) {
        self.counts.iter().for_each(|count| count.store(0, Ordering::Relaxed));
    }

    pub(crate) fn get(&self, event: Event) -> u64 {
        self.counts[event as usize].load(Ordering::Relaxed)
    }
}

/// Describes a panic that no code awaits. A waker that panics while the runtime wakes it is
/// reported in the same way: its `task_name` is `<waker>`, and the id and location are `None`.
///
/// # Examples
///
/// ```
/// use reveille::runtime::{Builder, UnhandledPanic};
///
/// fn report(panic: &UnhandledPanic<'_>) {
///     let name = panic.task_name.unwrap_or("a task");
///     let text = panic.message().unwrap_or("no message");
///     match panic.spawned_at {
///         Some(place) => eprintln!("{name}, spawned at {place}, panicked: {text}"),
///         None => eprintln!("{name} panicked: {text}"),
///     }
/// }
///
/// let runtime = Builder::new().on_unhandled_panic(report).build()?;
/// # drop(runtime);
/// # std::io::Result::Ok(())
/// ```
#[derive(Debug)]
pub struct UnhandledPanic<'a> {
    /// Name of the task, if it was given one.
    pub task_name: Option<&'a str>,
    /// Number of the task, as returned by `task::current().id()`.
    pub task_id: Option<u64>,
    /// Where the task was spawned.
    pub spawned_at: Option<&'static Location<'static>>,
    /// The payload of the panic.
    pub payload: &'a (dyn Any + Send),
}

impl UnhandledPanic<'_> {
    /// The message of the panic, if it has one.
    ///
    /// # Examples
    ///
    /// ```
    /// use reveille::runtime::UnhandledPanic;
    ///
    /// let panic = UnhandledPanic {
    ///     task_name: None,
    ///     task_id: None,
    ///     spawned_at: None,
    ///     payload: &"out of paper",
    /// };
    /// assert_eq!(panic.message(), Some("out of paper"));
    /// ```
    #[must_use]
    pub fn message(&self) -> Option<&str> {
        let text = self.payload.downcast_ref::<&'static str>().copied();
        text.or_else(|| self.payload.downcast_ref::<String>().map(String::as_str))
    }
}

/// A hook that is called for panics that no code awaits.
pub(crate) type PanicHook = Arc<dyn Fn(&UnhandledPanic<'_>) + Send + Sync>;

/// Writes one line to standard error. Used if there is no hook.
pub(crate) fn report(panic: &UnhandledPanic<'_>) {
    use std::io::Write;
    // Standard error may be closed, and there is no better place to report that.
    let _ = std::io::stderr().write_all(line_about(panic).as_bytes());
}

fn line_about(panic: &UnhandledPanic<'_>) -> String {
    let name = panic.task_name.unwrap_or("<unnamed>");
    let id = panic.task_id.map_or_else(String::new, |id| format!(" {id}"));
    let place = panic.spawned_at.map_or_else(String::new, |at| format!(", spawned at {at}"));
    let message = panic.message().unwrap_or("<no message>");
    format!("task{id} '{name}'{place} panicked and nobody awaits it: {message}\n")
}

/// Reports the panic of a waker that the runtime woke. The caller then wakes the others.
#[cold]
pub(crate) fn panicked_waker(hook: Option<&PanicHook>, payload: Box<dyn Any + Send>) {
    let panic = UnhandledPanic {
        task_name: Some("<waker>"),
        task_id: None,
        spawned_at: None,
        payload: &*payload,
    };
    deliver(hook, &panic);
    discard(payload);
}

/// Reports a panic of a task that no code awaits, to the hook or on standard error.
pub(crate) fn unhandled(hook: Option<&PanicHook>, task: TaskRef<'_>, payload: Box<dyn Any + Send>) {
    let panic = UnhandledPanic {
        task_name: task.name(),
        task_id: Some(task.id().get()),
        spawned_at: task.location(),
        payload: &*payload,
    };
    deliver(hook, &panic);
    discard(payload);
}

/// Like [`unhandled`], for a panic outside a spawned task.
pub(crate) fn unhandled_elsewhere(
    hook: Option<&PanicHook>,
    task: Option<&Task>,
    place: Option<&'static Location<'static>>,
    payload: Box<dyn Any + Send>,
) {
    deliver(
        hook,
        &UnhandledPanic {
            task_name: task.and_then(Task::name),
            task_id: task.map(|task| task.id().get()),
            spawned_at: place,
            payload: &*payload,
        },
    );
    discard(payload);
}

fn deliver(hook: Option<&PanicHook>, panic: &UnhandledPanic<'_>) {
    contain("the hook for panics", || match hook {
        Some(hook) => hook(panic),
        None => report(panic),
    });
}

/// Runs user code, such as a hook or a destructor, whose panic no caller can receive. The panic is
/// caught; std's panic hook has printed the message.
pub(crate) fn contain(what: &str, user_code: impl FnOnce()) {
    assert_none_held(what);
    if let Err(payload) = catch_unwind(AssertUnwindSafe(user_code)) {
        discard(payload);
    }
}

/// Drops wakers that belong to other code. A panic of the drop is caught.
pub(crate) fn drop_wakers(wakers: impl IntoIterator<Item = Waker>) {
    for waker in wakers {
        contain("the drop of a waker", || drop(waker));
    }
}

/// Drops a payload, whose drop is user code and may panic in turn.
fn discard(payload: Box<dyn Any + Send>) {
    if let Err(second) = catch_unwind(AssertUnwindSafe(|| drop(payload))) {
        std::mem::forget(second);
    }
}

/// Reports a failed wait of the driver, but only once, because it will fail again.
pub(crate) fn failed_turn(error: &std::io::Error) {
    use std::io::Write;
    static ONCE: std::sync::Once = std::sync::Once::new();
    ONCE.call_once(|| {
        let line = format!("reveille: the wait for events failed: {error}\n");
        // Standard error may be closed, and there is no better place to report that.
        let _ = std::io::stderr().write_all(line.as_bytes());
    });
}

/// Reports once that no thread can be started to serve a `block_on` that is stuck in a poll.
pub(crate) fn failed_rescue(error: &std::io::Error) {
    use std::io::Write;
    static ONCE: std::sync::Once = std::sync::Once::new();
    ONCE.call_once(|| {
        let line = format!("reveille: no help for a block_on that is stuck in a poll: {error}\n");
        // Standard error may be closed, and there is no better place to report that.
        let _ = std::io::stderr().write_all(line.as_bytes());
    });
}

/// Reports that no thread could be started to shut down a runtime that was dropped on one of its
/// own threads.
pub(crate) fn failed_shutdown(error: &std::io::Error) {
    use std::io::Write;
    let line = format!("reveille: no thread to shut the runtime down: {error}\n");
    // Standard error may be closed, and there is no better place to report that.
    let _ = std::io::stderr().write_all(line.as_bytes());
}

#[cfg(test)]
mod tests {
    use super::{UnhandledPanic, line_about};

    #[test]
    fn the_line_has_the_name_of_the_task_and_the_message() {
        let full = UnhandledPanic {
            task_name: Some("lost"),
            task_id: Some(7),
            spawned_at: None,
            payload: &String::from("on purpose"),
        };
        let line = "task 7 'lost' panicked and nobody awaits it: on purpose\n";
        assert_eq!(line_about(&full), line);
        let bare = UnhandledPanic { task_name: None, task_id: None, spawned_at: None, payload: &7 };
        let line = "task '<unnamed>' panicked and nobody awaits it: <no message>\n";
        assert_eq!(line_about(&bare), line);
    }
}

//! Counts and reports of the runtime. No other module counts or reports.
//!
//! Each event of a task's life passes one function here, so that a recorder has one seam. The
//! functions are inlined and touch one counter of the worker's own.
//!
//! # Panics of user code
//!
//! The table of the task crate says what becomes of a task's own. Of the rest:
//!
//! | where it panics                            | what happens                                   |
//! | ------------------------------------------ | ---------------------------------------------- |
//! | a waker, in a turn of timers or sockets    | reported; the other wakers are woken           |
//! | the drop of a waker the runtime kept       | caught; std has printed the message            |
//! | a waker's clone, wake or drop inside a poll| it is the poll's panic                         |
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

/// Counts of one worker. Written by its owner with plain stores, read by any thread.
#[derive(Debug, Default)]
pub(crate) struct Counters {
    counts: Padded<[AtomicU64; EVENTS]>,
}

const EVENTS: usize = 7;

/// What is counted.
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
    /// Counts one `event`. For the owner: two threads that count at once may lose one.
    #[inline]
    pub(crate) fn count(&self, event: Event) {
        self.add(event, 1);
    }

    #[inline]
    pub(crate) fn add(&self, event: Event, by: u64) {
        let count = &self.counts[event as usize];
        count.store(count.load(Ordering::Relaxed).wrapping_add(by), Ordering::Relaxed);
    }

    /// Resets the counts for another runtime. No thread counts meanwhile.
    pub(crate) fn reset(&self) {
        self.counts.iter().for_each(|count| count.store(0, Ordering::Relaxed));
    }

    pub(crate) fn get(&self, event: Event) -> u64 {
        self.counts[event as usize].load(Ordering::Relaxed)
    }
}

/// What is known of a panic that nobody awaits. A waker that panics while the runtime wakes it is
/// one too: its `task_name` is `<waker>`, and the other fields are empty.
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
    /// Number of the task, as `task::current().id()` shows it.
    pub task_id: Option<u64>,
    /// Where the task was spawned.
    pub spawned_at: Option<&'static Location<'static>>,
    /// What was panicked with.
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

/// A hook that is told of panics that nobody awaits.
pub(crate) type PanicHook = Arc<dyn Fn(&UnhandledPanic<'_>) + Send + Sync>;

/// What happens without a hook: one line on standard error.
pub(crate) fn report(panic: &UnhandledPanic<'_>) {
    use std::io::Write;
    // Standard error may be closed; there is no better place to say so.
    let _ = std::io::stderr().write_all(line_about(panic).as_bytes());
}

fn line_about(panic: &UnhandledPanic<'_>) -> String {
    let name = panic.task_name.unwrap_or("<unnamed>");
    let id = panic.task_id.map_or_else(String::new, |id| format!(" {id}"));
    let place = panic.spawned_at.map_or_else(String::new, |at| format!(", spawned at {at}"));
    let message = panic.message().unwrap_or("<no message>");
    format!("task{id} '{name}'{place} panicked and nobody awaits it: {message}\n")
}

/// A waker panicked while the runtime woke it: the panic is reported, the others are woken.
#[cold]
pub(crate) fn panicked_waker(hook: Option<&PanicHook>, payload: Box<dyn Any + Send>) {
    let panic = UnhandledPanic {
        task_name: Some("<waker>"),
        task_id: None,
        spawned_at: None,
        payload: &*payload,
    };
    tell(hook, &panic);
    discard(payload);
}

/// A task panicked and nobody awaits it: tells the hook, or standard error.
pub(crate) fn unhandled(hook: Option<&PanicHook>, task: TaskRef<'_>, payload: Box<dyn Any + Send>) {
    let panic = UnhandledPanic {
        task_name: task.name(),
        task_id: Some(task.id().get()),
        spawned_at: task.location(),
        payload: &*payload,
    };
    tell(hook, &panic);
    discard(payload);
}

/// As [`unhandled`], for a panic outside of a spawned task.
pub(crate) fn unhandled_elsewhere(
    hook: Option<&PanicHook>,
    task: Option<&Task>,
    place: Option<&'static Location<'static>>,
    payload: Box<dyn Any + Send>,
) {
    tell(
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

fn tell(hook: Option<&PanicHook>, panic: &UnhandledPanic<'_>) {
    contain("the hook for panics", || match hook {
        Some(hook) => hook(panic),
        None => report(panic),
    });
}

/// Runs user code that has nobody to panic to, such as a hook or a destructor. Its panic ends here:
/// std's panic hook has printed the message.
pub(crate) fn contain(what: &str, user_code: impl FnOnce()) {
    assert_none_held(what);
    if let Err(payload) = catch_unwind(AssertUnwindSafe(user_code)) {
        discard(payload);
    }
}

/// Drops wakers whose owners are not here to hear of a panic.
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

/// The driver's wait failed: says so once, since it will fail again.
pub(crate) fn failed_turn(error: &std::io::Error) {
    use std::io::Write;
    static ONCE: std::sync::Once = std::sync::Once::new();
    ONCE.call_once(|| {
        let line = format!("reveille: the wait for events failed: {error}\n");
        // Standard error may be closed; there is no better place to say so.
        let _ = std::io::stderr().write_all(line.as_bytes());
    });
}

/// Nobody can stand in for a thread that is stuck in a poll: says so once.
pub(crate) fn failed_rescue(error: &std::io::Error) {
    use std::io::Write;
    static ONCE: std::sync::Once = std::sync::Once::new();
    ONCE.call_once(|| {
        let line = format!("reveille: no help for a block_on that is stuck in a poll: {error}\n");
        // Standard error may be closed; there is no better place to say so.
        let _ = std::io::stderr().write_all(line.as_bytes());
    });
}

/// A runtime that was dropped on its own thread found none to wait for it.
pub(crate) fn failed_shutdown(error: &std::io::Error) {
    use std::io::Write;
    let line = format!("reveille: no thread to shut the runtime down: {error}\n");
    // Standard error may be closed; there is no better place to say so.
    let _ = std::io::stderr().write_all(line.as_bytes());
}

#[cfg(test)]
mod tests {
    use super::{UnhandledPanic, line_about};

    #[test]
    fn the_line_names_the_task_and_says_the_message() {
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

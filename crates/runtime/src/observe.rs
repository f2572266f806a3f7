//! The counters of a worker, and reports of panics that nothing awaits.
//!
//! A worker counts events with inlined functions, which write one of its own counters. `record.rs`
//! has the recorder, and `lint.rs` the lints.
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
use reveille_primitive::atomic::{AtomicBool, AtomicU64, Ordering};
use reveille_primitive::lock::assert_none_held;
use reveille_task::{Task, TaskId, TaskRef};

/// The counters of one worker. The owner writes them with plain stores, and any thread reads them.
#[derive(Debug, Default)]
pub(crate) struct Counters {
    counts: Padded<[AtomicU64; EVENTS]>,
}

const EVENTS: usize = 8;

/// The events that are counted.
#[derive(Clone, Copy, Debug)]
#[repr(usize)]
pub(crate) enum Event {
    Spawn,
    Complete,
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

/// A task, as the hooks of [`Builder`](crate::Builder) see it.
///
/// # Examples
///
/// ```
/// use reveille::runtime::{Builder, TaskMeta};
///
/// fn log(task: &TaskMeta<'_>) {
///     println!("{} {:?} {:?}", task.id(), task.name(), task.spawned_at());
/// }
///
/// let runtime = Builder::new().on_task_spawn(log).build()?;
/// runtime.block_on(runtime.spawn(async {}));
/// # std::io::Result::Ok(())
/// ```
pub struct TaskMeta<'a> {
    task: TaskRef<'a>,
}

impl<'a> TaskMeta<'a> {
    /// Returns the number of the task, which no other task of the process has. A task gets its
    /// number, and a small allocation for it, when it is first asked for.
    ///
    /// # Examples
    ///
    /// ```
    /// use reveille::runtime::Builder;
    ///
    /// let runtime = Builder::new().on_task_end(|task| println!("{} ended", task.id())).build()?;
    /// # drop(runtime);
    /// # std::io::Result::Ok(())
    /// ```
    #[must_use]
    pub fn id(&self) -> TaskId {
        self.task.id()
    }

    /// Returns the name that the task was given.
    ///
    /// # Examples
    ///
    /// ```
    /// use reveille::runtime::Builder;
    ///
    /// let watch = |task: &reveille::runtime::TaskMeta<'_>| assert_eq!(task.name(), None);
    /// let runtime = Builder::new().on_task_spawn(watch).build()?;
    /// runtime.block_on(runtime.spawn(async {}));
    /// # std::io::Result::Ok(())
    /// ```
    #[must_use]
    pub fn name(&self) -> Option<&'a str> {
        self.task.name()
    }

    /// Returns the place in the source that spawned the task, if that is known.
    ///
    /// # Examples
    ///
    /// ```
    /// use reveille::runtime::Builder;
    ///
    /// let runtime = Builder::new()
    ///     .on_task_spawn(|task| assert!(task.spawned_at().is_some()))
    ///     .build()?;
    /// runtime.block_on(runtime.spawn(async {}));
    /// # std::io::Result::Ok(())
    /// ```
    #[must_use]
    pub fn spawned_at(&self) -> Option<&'static Location<'static>> {
        self.task.location()
    }

    /// Returns the name of the type of the task's future. Its form may change between compilers.
    ///
    /// # Examples
    ///
    /// ```
    /// use reveille::runtime::Builder;
    ///
    /// let runtime = Builder::new()
    ///     .on_task_spawn(|task| assert!(!task.future_type().is_empty()))
    ///     .build()?;
    /// runtime.block_on(runtime.spawn(async {}));
    /// # std::io::Result::Ok(())
    /// ```
    #[must_use]
    pub fn future_type(&self) -> &'static str {
        self.task.future_type_name()
    }
}

impl std::fmt::Debug for TaskMeta<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TaskMeta")
            .field("id", &self.id())
            .field("name", &self.name())
            .field("spawned_at", &self.spawned_at())
            .field("future_type", &self.future_type())
            .finish()
    }
}

/// A hook that is called for tasks.
pub(crate) type TaskHook = Arc<dyn Fn(&TaskMeta<'_>) + Send + Sync>;

/// The hooks for the life of a task.
#[derive(Clone, Default)]
pub(crate) struct TaskHooks {
    pub(crate) on_spawn: Option<TaskHook>,
    pub(crate) on_end: Option<TaskHook>,
}

impl TaskHooks {
    pub(crate) fn is_set(&self) -> bool {
        self.on_spawn.is_some() || self.on_end.is_some()
    }

    /// A task was spawned and has not been polled.
    pub(crate) fn spawned(&self, task: TaskRef<'_>) {
        if let Some(hook) = &self.on_spawn {
            contain("a hook", || hook(&TaskMeta { task }));
        }
    }

    /// A task has completed, and its future is dropped.
    pub(crate) fn ended(&self, task: TaskRef<'_>) {
        if let Some(hook) = &self.on_end {
            contain("a hook", || hook(&TaskMeta { task }));
        }
    }
}

impl std::fmt::Debug for TaskHooks {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TaskHooks").field("is_set", &self.is_set()).finish_non_exhaustive()
    }
}

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
    static IS_REPORTED: AtomicBool = AtomicBool::new(false);
    report_once(&IS_REPORTED, || format!("reveille: the wait for events failed: {error}\n"));
}

/// Reports once that no thread can be started to serve a `block_on` that is stuck in a poll.
pub(crate) fn failed_rescue(error: &std::io::Error) {
    static IS_REPORTED: AtomicBool = AtomicBool::new(false);
    report_once(&IS_REPORTED, || {
        format!("reveille: no help for a block_on that is stuck in a poll: {error}\n")
    });
}

/// Reports once that no thread can be started to detect polls that block.
pub(crate) fn failed_monitor(error: &std::io::Error) {
    static IS_REPORTED: AtomicBool = AtomicBool::new(false);
    report_once(&IS_REPORTED, || {
        format!("reveille: no thread to detect polls that block: {error}\n")
    });
}

/// Writes a line to standard error, unless a call with this flag has. Not a `Once`: threads that
/// have nothing to report would wait while standard error blocks, and in a forked child forever.
fn report_once(is_reported: &AtomicBool, line: impl FnOnce() -> String) {
    use std::io::Write;
    if !is_reported.swap(true, Ordering::Relaxed) {
        // Standard error may be closed, and there is no better place to report that.
        let _ = std::io::stderr().write_all(line().as_bytes());
    }
}

/// Reports that no thread could be started to shut down a runtime that was dropped on one of its
/// own threads.
pub(crate) fn failed_shutdown(error: &std::io::Error) {
    use std::io::Write;
    let line = format!("reveille: could not start a thread to shut the runtime down: {error}\n");
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

//! Lints: code that makes a program slow or lets it hang, found while it runs. Each has an exact
//! rule and costs nothing where it does not fire. Each is reported once for each place in the
//! source, through the crate `log` and the hooks of `Builder::on_lint`. They are on in debug
//! builds, and while there is a hook.

use std::collections::HashSet;
use std::fmt;
use std::panic::Location;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use reveille_primitive::lock::Mutex;

use crate::observe;

/// What was found.
///
/// # Examples
///
/// ```
/// use reveille::observe::LintKind;
///
/// assert_eq!(LintKind::LongPoll.name(), "long poll");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum LintKind {
    /// A poll has not returned for some 10 ms: it blocks its thread, or computes. Use
    /// `spawn_blocking` in both cases.
    LongPoll,
    /// Another thread has taken over the worker of a thread whose poll does not return.
    HandedOver,
    /// `block_on` waits inside a task. Meanwhile it occupies a thread, which `.await` does not.
    BlockOnInTask,
    /// A task is larger than 16 KiB. It is copied when it is spawned; box its largest parts.
    HugeFuture,
    /// Closures have waited for 100 ms because all blocking threads are in use.
    BlockingPoolFull,
    /// No task of the process can make progress: see `Dump::is_quiescent`. Reported after 10 s
    /// without progress, and only if no thread exists that could wake a task: each is one of
    /// reveille's own or waits in `block_on`. On systems other than Linux, threads cannot be
    /// counted. There it is reported only while there is a hook, and a thread of your own may still
    /// wake a task.
    Quiescent,
    /// A poll of a task returned `Pending`, and no waker of the task exists: nothing can wake it,
    /// so it never runs again, except to be cancelled. Also reported for a task that waits for
    /// [`pending`](std::future::pending) on purpose. Not noticed while something keeps a spare
    /// handle of the task.
    PendingWithoutWaker,
    /// The last waker of a task that waits was dropped without a wake, so it never runs again,
    /// except to be cancelled. The message says where it was dropped. Not noticed while something
    /// keeps a spare handle of the task.
    LastWakerDropped,
}

impl LintKind {
    /// A short name.
    ///
    /// # Examples
    ///
    /// ```
    /// use reveille::observe::LintKind;
    ///
    /// assert_eq!(LintKind::HugeFuture.name(), "huge future");
    /// ```
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            LintKind::LongPoll => "long poll",
            LintKind::HandedOver => "worker handed over",
            LintKind::BlockOnInTask => "block_on in a task",
            LintKind::HugeFuture => "huge future",
            LintKind::BlockingPoolFull => "blocking pool full",
            LintKind::Quiescent => "quiescent",
            LintKind::PendingWithoutWaker => "pending without a waker",
            LintKind::LastWakerDropped => "last waker dropped",
        }
    }
}

/// A lint that fired. Its `Display` is one sentence.
///
/// # Examples
///
/// ```
/// use reveille::runtime::Builder;
///
/// let runtime = Builder::new().on_lint(|lint| eprintln!("{lint}")).build()?;
/// # drop(runtime);
/// # std::io::Result::Ok(())
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Lint {
    /// What was found.
    pub kind: LintKind,
    /// Where the task was spawned, or `block_on` was called, if that is known.
    pub place: Option<&'static Location<'static>>,
    /// Details.
    pub message: String,
    /// What a recording keeps of it.
    pub(crate) facts: Facts,
}

/// What a recording keeps of a lint besides its kind.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Facts {
    pub(crate) about: About,
    /// In the unit of the rule (`reveille_trace::LintRule`), or 0.
    pub(crate) measure: u64,
}

/// What a lint is about.
#[derive(Clone, Copy, Debug)]
pub(crate) enum About {
    /// The task that this thread polls, if it polls one.
    Polled,
    /// The task whose cell has this address.
    Task(usize),
    /// The whole process.
    Process,
}

impl Facts {
    /// Facts without a measure.
    pub(crate) fn of(about: About) -> Facts {
        Facts { about, measure: 0 }
    }

    /// Facts with a measure: nanoseconds, bytes or a count.
    pub(crate) fn measured(about: About, measure: u128) -> Facts {
        Facts { about, measure: u64::try_from(measure).unwrap_or(u64::MAX) }
    }
}

impl fmt::Display for Lint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.kind.name(), self.message)?;
        match self.place {
            Some(place) => write!(f, " (at {place})"),
            None => Ok(()),
        }
    }
}

/// A function that is called for each lint.
pub(crate) type LintHook = Arc<dyn Fn(&Lint) + Send + Sync>;

/// The hooks of the runtimes that are up, by numbers.
static HOOKS: Mutex<Vec<(usize, LintHook)>> = Mutex::new(Vec::new());

/// How many there are, and the number of the next.
static HOOK_COUNT: AtomicUsize = AtomicUsize::new(0);
static NEXT_HOOK: AtomicUsize = AtomicUsize::new(0);

/// The lints that were reported.
static REPORTED: Mutex<Option<HashSet<(LintKind, Place)>>> = Mutex::new(None);

pub(crate) type Place = Option<&'static Location<'static>>;

/// Whether lints are on.
#[inline]
pub(crate) fn is_on() -> bool {
    cfg!(debug_assertions) || has_hooks()
}

/// Whether a runtime has a hook for lints.
pub(crate) fn has_hooks() -> bool {
    HOOK_COUNT.load(Ordering::Relaxed) > 0
}

/// A hook, until it is dropped.
pub(crate) struct HookGuard(usize);

/// Adds a hook.
pub(crate) fn add_hook(hook: LintHook) -> HookGuard {
    let number = NEXT_HOOK.fetch_add(1, Ordering::Relaxed);
    HOOKS.lock().push((number, hook));
    HOOK_COUNT.fetch_add(1, Ordering::Relaxed);
    HookGuard(number)
}

impl Drop for HookGuard {
    fn drop(&mut self) {
        let hook = {
            let mut hooks = HOOKS.lock();
            let at = hooks.iter().position(|(number, _)| *number == self.0);
            at.map(|at| hooks.swap_remove(at))
        };
        HOOK_COUNT.fetch_sub(1, Ordering::Relaxed);
        observe::contain("the drop of a hook", || drop(hook));
    }
}

impl fmt::Debug for HookGuard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("HookGuard").field(&self.0).finish()
    }
}

/// Reports a lint about the task that this thread polls, unless it was reported for this place.
/// `message` is made only then. The caller holds no lock: hooks and loggers are user code.
#[cold]
pub(crate) fn report(kind: LintKind, place: Place, message: impl FnOnce() -> String) {
    report_with(kind, place, || (Facts::of(About::Polled), message()));
}

/// Like [`report`], with facts for a recording.
#[cold]
pub(crate) fn report_with(kind: LintKind, place: Place, make: impl FnOnce() -> (Facts, String)) {
    if is_on() && is_new(kind, place) {
        let (facts, message) = make();
        publish(kind, place, facts, message);
    }
}

/// Whether a lint was not reported for this place before. From now on it was.
pub(crate) fn is_new(kind: LintKind, place: Place) -> bool {
    REPORTED.lock().get_or_insert_default().insert((kind, place))
}

/// Undoes [`is_new`].
pub(crate) fn forget(kind: LintKind, place: Place) {
    REPORTED.lock().get_or_insert_default().remove(&(kind, place));
}

/// Reports a lint for which [`is_new`] has returned `true`. The caller holds no lock: hooks and
/// loggers are user code.
pub(crate) fn publish(kind: LintKind, place: Place, facts: Facts, message: String) {
    let lint = Lint { kind, place, message, facts };
    let hooks: Vec<LintHook> = HOOKS.lock().iter().map(|(_, hook)| Arc::clone(hook)).collect();
    observe::contain("a logger", || log::warn!(target: "reveille::lint", "{lint}"));
    for hook in hooks {
        observe::contain("a hook", || hook(&lint));
    }
}

//! Tasks that nothing can wake any more, for two lints.
//!
//! A task may be lost in the drop of a waker, which other code may call under its locks. So neither
//! hooks nor loggers are called there: the task is put on a list, and the thread of the watch
//! (`inspect/deadlock.rs`) reports it. The list has one task for each lint and place at most.

use std::backtrace::Backtrace;

use reveille_primitive::atomic::{AtomicBool, Ordering};
use reveille_primitive::lock::Mutex;
use reveille_task::{Loss, Observer, TaskRef};

use crate::lint::{self, LintKind};
use crate::waits::TaskState;

/// A task that its executor passes on. It keeps the task's cell alive.
pub(crate) trait Lost: Send {
    /// The task.
    fn task(&self) -> TaskRef<'_>;

    /// Polls the task once with a probe, if this thread may and the task is idle.
    fn probe(&self, observer: &dyn Observer) -> Option<TaskState>;
}

/// A task that was lost.
pub(crate) struct LostTask {
    pub(crate) kind: LintKind,
    pub(crate) task: Box<dyn Lost>,
    /// Where the last waker was dropped.
    pub(crate) dropped_at: Option<Backtrace>,
}

static LOST: Mutex<Vec<LostTask>> = Mutex::new(Vec::new());

/// Whether a thread reads the list.
static HAS_READER: AtomicBool = AtomicBool::new(false);

/// Puts a task on the list, unless nothing reads it or the lint was reported for the place where
/// the task was spawned. Calls no user code.
#[cold]
pub(super) fn add(task: TaskRef<'_>, loss: Loss, make: impl FnOnce() -> Box<dyn Lost>) {
    let kind = match loss {
        Loss::NoWaker => LintKind::PendingWithoutWaker,
        Loss::LastWaker => LintKind::LastWakerDropped,
    };
    let is_read = HAS_READER.load(Ordering::Relaxed);
    if !is_read || !lint::is_on() || !lint::is_new(kind, task.location()) {
        return;
    }
    let dropped_at = (loss == Loss::LastWaker).then(Backtrace::force_capture);
    let lost = LostTask { kind, task: make(), dropped_at };
    LOST.lock().push(lost);
}

/// Sets whether a thread reads the list.
pub(super) fn set_reader(has_reader: bool) {
    HAS_READER.store(has_reader, Ordering::Relaxed);
}

/// Takes the tasks on the list.
pub(super) fn take() -> Vec<LostTask> {
    std::mem::take(&mut *LOST.lock())
}

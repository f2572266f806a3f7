//! Tests for faults of other task implementations. `tests/FAULTS.md` lists them.

use std::any::Any;
use std::future::pending;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use reveille_task::{Cause, Kept, Options, Ran, Runnable, Schedule, TaskRef, spawn};

/// Runs a task inside `schedule`, so that the task may be complete and freed before the call
/// returns. Counts the clones that are alive.
struct Inline(Arc<AtomicUsize>);

impl Clone for Inline {
    fn clone(&self) -> Inline {
        self.0.fetch_add(1, Ordering::SeqCst);
        Inline(Arc::clone(&self.0))
    }
}

impl Drop for Inline {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

impl Schedule for Inline {
    fn schedule(&self, task: Runnable, _: Cause) {
        assert!(matches!(task.run(), Ran::Complete));
        // The cell is freed together with its handle; this clone is still alive.
        assert_eq!(self.0.load(Ordering::SeqCst), 1);
    }

    fn completed(&self, _: TaskRef<'_>) -> Option<Kept> {
        None
    }

    fn unhandled_panic(&self, _: TaskRef<'_>, _: Box<dyn Any + Send>) {}
}

#[test]
fn a_scheduler_handle_outlives_the_call_in_which_its_task_is_freed() {
    let alive = Arc::new(AtomicUsize::new(1));
    let scheduler = Inline(Arc::clone(&alive));
    let (runnable, handle) = spawn(pending::<()>(), scheduler, Options::default());
    let waker = runnable.waker();
    assert!(matches!(runnable.run(), Ran::Pending));
    // Dropping the last waker of a detached task schedules the task for its drop.
    drop(handle);
    drop(waker);
    assert_eq!(alive.load(Ordering::SeqCst), 0);
}

//! Faults of other task cells, which this one must not have. `tests/FAULTS.md` lists them.
#![cfg(not(reveille_loom))]

use reveille_watchdog as _;

use std::any::Any;
use std::future::pending;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use reveille_task::{Cause, Kept, Options, Ran, Runnable, Schedule, TaskRef, spawn};

/// Runs a task at once where it is scheduled, so that it may be complete and freed inside the call.
/// Knows how many of its kind are alive.
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
        // The cell is freed, and its handle with it; this one is not.
        assert_eq!(self.0.load(Ordering::SeqCst), 1);
    }

    fn completed(&self, _: TaskRef<'_>) -> Option<Kept> {
        None
    }

    fn unhandled_panic(&self, _: TaskRef<'_>, _: Box<dyn Any + Send>) {}
}

#[test]
fn a_scheduler_outlives_the_call_in_which_its_task_ends() {
    let alive = Arc::new(AtomicUsize::new(1));
    let scheduler = Inline(Arc::clone(&alive));
    let (runnable, handle) = spawn(pending::<()>(), scheduler, Options::default());
    let waker = runnable.waker();
    assert!(matches!(runnable.run(), Ran::Pending));
    // The last waker of a detached task: dropping it hands the task over to be dropped.
    drop(handle);
    drop(waker);
    assert_eq!(alive.load(Ordering::SeqCst), 0);
}

//! Local tasks that nothing can wake.

use reveille_task::{Observer, TaskHandle, TaskRef};

use crate::scheduler::lost::Lost;
use crate::waits::TaskState;

/// A local task that nothing can wake. Only its thread may poll it.
struct LostLocal(TaskHandle);

/// Passes a local task on to the lint for tasks that nothing can wake.
pub(super) fn keep(task: TaskRef<'_>) -> Box<dyn Lost> {
    Box::new(LostLocal(task.to_handle()))
}

impl Lost for LostLocal {
    fn task(&self) -> TaskRef<'_> {
        self.0.as_task()
    }

    fn probe(&self, _: &dyn Observer) -> Option<TaskState> {
        None
    }
}

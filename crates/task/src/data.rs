//! [`TaskData`]: id, name and task-locals for a future that is not a task.

use std::fmt;
use std::marker::PhantomData;
use std::panic::Location;

use crate::attachments::{Attachments, Extras};
use crate::id::{Task, TaskId};
use crate::locals::Locals;
use crate::schedule::Options;

/// The id, name and locals of a future that is polled like a task but is not a task: the future of
/// a `block_on`. Allocates on the first use of the id or the locals.
///
/// It stays on the thread that polls the future. Its drop drops the task-locals, which the future
/// may use, so the owner drops the future first.
pub struct TaskData {
    attachments: Attachments,
    location: Option<&'static Location<'static>>,
    /// Only one thread may use the locals.
    not_send: PhantomData<*const ()>,
}

impl TaskData {
    /// Stores `options`.
    #[inline]
    pub fn new(options: Options) -> TaskData {
        TaskData {
            attachments: Attachments::new(options.name),
            location: options.location,
            not_send: PhantomData,
        }
    }

    #[cold]
    fn clear_slow(&self) {
        if let Some(extras) = self.attachments.extras() {
            extras.locals.clear();
        }
    }

    fn extras(&self) -> &Extras {
        self.attachments.extras_or_new()
    }

    /// The public handle: id and name.
    pub fn task(&self) -> &Task {
        &self.extras().task
    }

    /// The number of this task.
    pub fn id(&self) -> TaskId {
        self.task().id()
    }

    /// The name, if one was given.
    pub fn name(&self) -> Option<&str> {
        self.attachments.extras()?.task.name()
    }

    /// Where the future was started.
    pub fn location(&self) -> Option<&'static Location<'static>> {
        self.location
    }

    /// The task-locals.
    pub fn locals(&self) -> &Locals {
        &self.extras().locals
    }
}

impl Drop for TaskData {
    #[inline]
    fn drop(&mut self) {
        if !self.attachments.is_nothing() {
            self.clear_slow();
        }
    }
}

impl fmt::Debug for TaskData {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TaskData").field("name", &self.name()).finish_non_exhaustive()
    }
}

//! An executor gives back its own reference to a task, not one that any code can make.
//~ error[E0053]: method `completed` has an incompatible type for trait

use std::any::Any;

use reveille_task::{Cause, Runnable, Schedule, TaskHandle, TaskRef};

#[derive(Clone)]
struct Executor;

impl Schedule for Executor {
    fn schedule(&self, task: Runnable, _: Cause) {
        drop(task);
    }

    fn completed(&self, task: TaskRef<'_>) -> Option<TaskHandle> {
        Some(task.to_handle())
    }

    fn unhandled_panic(&self, _: TaskRef<'_>, _: Box<dyn Any + Send>) {}
}

fn main() {}

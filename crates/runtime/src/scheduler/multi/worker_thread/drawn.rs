//! In a simulation, the task that a worker polls next is drawn from all that are queued.

use reveille_primitive::simulation::{Decision, draw};
use reveille_task::Runnable;

use super::WorkerThread;
use super::queue;

impl WorkerThread<'_> {
    /// Moves a drawn task to the front of the worker's tasks. 0 is the task that would be next
    /// anyway.
    #[cold]
    pub(super) fn draw_next_task(&mut self) {
        let may_take_lifo = self.pace.may_take_lifo();
        let queue = &self.worker.queue;
        self.context.with_core(|core| {
            let has_lifo = may_take_lifo && core.lifo_slot.is_some();
            if usize::from(has_lifo) + queue.len() < 2 && !core.ownership.has_backlog() {
                // There is no choice.
                return;
            }
            let lifo = core.lifo_slot.take_if(|_| may_take_lifo);
            let oldest = || queue.pop(&mut core.ownership);
            // As many as fit into the run queue again, so that none goes to the backlog.
            let mut tasks: Vec<Runnable> =
                lifo.into_iter().chain(std::iter::from_fn(oldest)).take(queue::CAPACITY).collect();
            let drawn = if tasks.len() > 1 { draw(Decision::NextTask, tasks.len()) } else { 0 };
            if has_lifo {
                tasks.swap(0, drawn);
                core.lifo_slot = tasks.drain(..1).next();
            } else if drawn > 0 {
                tasks[..=drawn].rotate_right(1);
            }
            queue.push_batch(&mut core.ownership, tasks.into_iter());
        });
    }
}

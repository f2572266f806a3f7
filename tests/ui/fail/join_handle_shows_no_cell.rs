//! The cell of a task, with the slot of its registry, is not the users' to see or to change.
//~ error[E0599]: no method named `as_task` found for struct `reveille::task::JoinHandle<T>`

use reveille::task;

fn main() {
    let task = task::spawn(async {});
    task.as_task().set_owned_slot(1);
}

//! Users can neither see nor change the cell of a task or its slot in the registry.
//~ error[E0599]: no method named `as_task` found for struct `reveille::task::JoinHandle<T>`

use reveille::task;

fn main() {
    let task = task::spawn(async {});
    task.as_task().set_owned_slot(1);
}

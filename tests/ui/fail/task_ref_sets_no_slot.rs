//! Only the executor's own reference notes where its registry keeps a task.
//~ error[E0599]: no method named `set_owned_slot` found for struct `TaskRef<'a>`
//~ error[E0599]: no method named `set_slot` found for struct `TaskRef<'a>`
//~ error[E0599]: no method named `set_slot` found for struct `TaskHandle`

use reveille::task;

fn main() {
    let handle = task::spawn(async {});
    let task = reveille_task::task_ref(&handle);
    task.set_owned_slot(1);
    task.set_slot(1);
    task.to_handle().set_slot(1);
}

//! A scope that borrows is a future that borrows: it cannot be spawned as a task.
//~ error[E0597]: `name` does not live long enough

use reveille::{future, task};

fn main() {
    let name = String::from("reveille");
    let name = &name;
    task::spawn(future::scope(async move |s| {
        s.spawn(async move { name.len() }).await;
    }));
}

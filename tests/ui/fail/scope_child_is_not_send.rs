//! The children of `scope` may cross threads with their parent; those of `scope_local` stay.
//~ error[E0277]: `Rc<i32>` cannot be shared between threads safely
//~ required for `&Rc<i32>` to implement `std::marker::Send`

use std::rc::Rc;

use reveille::{future, task};

fn main() {
    let shared = Rc::new(1);
    task::block_on(future::scope(async |s| {
        s.spawn(async { *shared + 1 }).await;
    }));
}

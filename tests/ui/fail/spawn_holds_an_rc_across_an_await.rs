//! A spawned task may continue on any thread after an await, so what it holds there must be `Send`.
//~ error: future cannot be sent between threads safely
//~ `Rc<i32>` which is not `Send`

use std::rc::Rc;

fn main() {
    reveille::task::spawn(async {
        let shared = Rc::new(1);
        reveille::task::yield_now().await;
        println!("{shared}");
    });
}

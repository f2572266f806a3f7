//! `block_on` waits for its future, which may therefore borrow and need not be `Send`.

use std::rc::Rc;

use reveille::task;

fn main() {
    let numbers = vec![1, 2, 3];
    let shared = Rc::new(4);
    let sum = task::block_on(async {
        task::yield_now().await;
        numbers.iter().sum::<i32>() + *shared
    });
    assert_eq!(sum, 10);
    drop((numbers, shared));
}

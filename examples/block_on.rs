//! `block_on` is the bridge from ordinary code to futures.
//!
//! It polls a future on the calling thread. When the future has to wait, the thread sleeps, it does
//! not spin: the future has left its waker with whatever it waits for, and the waker ends the
//! sleep. Since the caller waits until the end, the future may borrow from the caller and need not
//! be `Send`.

use std::rc::Rc;
use std::time::{Duration, Instant};

use reveille::task;

async fn slow_sum(numbers: &[u64]) -> u64 {
    task::sleep(Duration::from_millis(50)).await;
    numbers.iter().sum()
}

fn main() {
    // A borrowed argument and an `Rc` across an await: neither leaves this thread.
    let numbers = vec![1, 2, 3, 4];
    let shared = Rc::new(10);
    let start = Instant::now();
    let total = task::block_on(async {
        let sum = slow_sum(&numbers).await;
        sum + *shared
    });
    println!("the sum of {numbers:?} and {shared} is {total}");
    println!("it took at least 50 ms: {}", start.elapsed() >= Duration::from_millis(50));

    // A panic inside comes out of block_on, as of any function call, and spoils nothing.
    std::panic::set_hook(Box::new(|_| {}));
    let result = std::panic::catch_unwind(|| task::block_on(async { panic!("no such luck") }));
    let _ = std::panic::take_hook();
    println!("a panic inside was caught outside: {}", result.is_err());
    println!("and the next call works: {}", task::block_on(async { 1 + 1 }));
}

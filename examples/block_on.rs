//! `block_on` is the bridge from ordinary code to futures.
//!
//! It polls a future on the calling thread. While the future waits, the thread sleeps: the future
//! has given its waker to an event, and the waker wakes the thread. The caller waits until the
//! future is ready, so the future can borrow from the caller and need not be `Send`.

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

    // A panic in the future leaves block_on like a panic in any function, and later calls work.
    std::panic::set_hook(Box::new(|_| {}));
    let result = std::panic::catch_unwind(|| task::block_on(async { panic!("no such luck") }));
    let _ = std::panic::take_hook();
    println!("a panic inside was caught outside: {}", result.is_err());
    println!("and the next call works: {}", task::block_on(async { 1 + 1 }));
}

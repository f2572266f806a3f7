//! A delay of a borrow does not hide it.
//~ type annotations needed
//~ the type parameter `NotBorrowed` declared on the

use std::pin::pin;

use reveille::prelude::*;
use reveille::task;
use std::time::Duration;

fn main() {
    task::block_on(async {
        let mut kept = pin!(async { task::yield_now().await });
        (&mut kept).delay(Duration::ZERO).race(task::yield_now()).await;
    });
}

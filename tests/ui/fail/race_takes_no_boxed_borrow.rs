//! A box around a borrow does not hide it.
//~ type annotations needed
//~ the type parameter `NotBorrowed` declared on the

use std::pin::pin;

use reveille::prelude::*;
use reveille::task;

fn main() {
    task::block_on(async {
        let mut kept = pin!(async { task::yield_now().await });
        Box::pin(kept.as_mut()).race(task::yield_now()).await;
    });
}

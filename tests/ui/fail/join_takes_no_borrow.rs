//! If the pair is dropped, the borrowed future would be kept and not polled.
//~ type annotations needed
//~ the type parameter `NotBorrowed` declared on the

use std::pin::pin;

use reveille::prelude::*;
use reveille::task;

fn main() {
    task::block_on(async {
        let mut kept = pin!(async { task::yield_now().await });
        (&mut kept).join(task::yield_now()).await;
    });
}

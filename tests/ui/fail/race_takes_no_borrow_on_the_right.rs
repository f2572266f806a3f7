//! The same, on the other side.
//~ type annotations needed
//~ the type parameter `OtherNotBorrowed` declared on the

use std::pin::pin;

use reveille::prelude::*;
use reveille::task;

fn main() {
    task::block_on(async {
        let mut kept = pin!(async { task::yield_now().await });
        task::yield_now().race(&mut kept).await;
    });
}

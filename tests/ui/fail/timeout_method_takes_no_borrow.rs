//! A future that times out would be kept and not polled.
//~ type annotations needed
//~ the type parameter `NotBorrowed` declared on the

use std::pin::pin;
use std::time::Duration;

use reveille::prelude::*;
use reveille::task;

fn main() {
    task::block_on(async {
        let mut kept = pin!(async { task::yield_now().await });
        kept.as_mut().timeout(Duration::ZERO).await.unwrap_err();
    });
}

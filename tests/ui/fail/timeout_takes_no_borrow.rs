//! A future that times out would be kept and not polled.
//~ type annotations needed
//~ the type parameter `NotBorrowed` declared on the

use std::pin::pin;
use std::time::Duration;

use reveille::{future, task};

fn main() {
    task::block_on(async {
        let mut kept = pin!(async { task::yield_now().await });
        future::timeout(Duration::ZERO, &mut kept).await.unwrap_err();
    });
}

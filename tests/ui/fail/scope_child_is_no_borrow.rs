//! A child that its scope drops would be kept and not polled.
//~ type annotations needed
//~ the type parameter `NotBorrowed` declared on the

use std::pin::pin;

use reveille::{future, task};

fn main() {
    task::block_on(async {
        let mut kept = pin!(async { task::yield_now().await });
        let kept = kept.as_mut();
        future::scope(async |s| {
            s.spawn(kept);
        })
        .await;
    });
}

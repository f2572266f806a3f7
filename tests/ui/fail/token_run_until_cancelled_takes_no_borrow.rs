//! A cancelled future would be kept and not polled.
//~ type annotations needed
//~ the type parameter `NotBorrowed` declared on the

use std::pin::pin;

use reveille::task::{self, CancellationToken};

fn main() {
    task::block_on(async {
        let mut kept = pin!(async { task::yield_now().await });
        CancellationToken::new().run_until_cancelled(kept.as_mut()).await.is_none();
    });
}

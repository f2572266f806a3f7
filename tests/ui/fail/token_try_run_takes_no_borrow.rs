//! A cancelled future would be kept and not polled.
//~ type annotations needed
//~ the type parameter `NotBorrowed` declared on the

use std::pin::pin;

use reveille::task::{self, CancellationToken};

fn main() {
    task::block_on(async {
        let mut kept = pin!(async { std::io::Result::Ok(task::yield_now().await) });
        CancellationToken::new().try_run(kept.as_mut()).await.unwrap_err();
    });
}

//! An operation that times out would be kept and not polled.
//~ type annotations needed
//~ the type parameter `NotBorrowed` declared on the

use std::pin::pin;
use std::time::Duration;

use reveille::{io, task};

fn main() {
    task::block_on(async {
        let mut kept = pin!(async { io::Result::Ok(task::yield_now().await) });
        io::timeout(Duration::ZERO, kept.as_mut()).await.unwrap_err();
    });
}

//! If the other one fails, the borrowed future would be kept and not polled.
//~ type annotations needed
//~ the type parameter `OtherNotBorrowed` declared on the

use std::pin::pin;

use reveille::prelude::*;
use reveille::task;

fn main() {
    task::block_on(async {
        let mut kept = pin!(async { Ok::<_, ()>(task::yield_now().await) });
        async { Err::<(), _>(()) }.try_join(&mut kept).await.unwrap_err();
    });
}

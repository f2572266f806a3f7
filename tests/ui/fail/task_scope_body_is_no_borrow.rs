//! A body that its scope drops would be kept and not polled.
//~ type annotations needed
//~ the type parameter `NotBorrowed` declared on the

use std::pin::pin;

use reveille::task;

fn main() {
    task::block_on(async {
        let mut kept = pin!(async { Ok::<_, ()>(task::yield_now().await) });
        task::try_scope(|_| kept.as_mut()).await.unwrap();
    });
}

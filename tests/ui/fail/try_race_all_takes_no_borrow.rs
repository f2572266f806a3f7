//! The losers would be kept and not polled.
//~ type annotations needed
//~ NotBorrowed

use reveille::{future, task};

fn main() {
    task::block_on(async {
        let mut kept = Box::pin(async { Ok::<_, ()>(task::yield_now().await) });
        let _ = future::try_race_all([&mut kept]).await;
    });
}

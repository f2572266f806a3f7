//! The losers of a race of any number would be kept and not polled.
//~ type annotations needed
//~ NotBorrowed

use reveille::{future, task};

fn main() {
    task::block_on(async {
        let mut kept = [Box::pin(task::yield_now()), Box::pin(task::yield_now())];
        future::race_all(&mut kept).await;
    });
}

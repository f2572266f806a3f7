//! The same, behind a pin.
//~ type annotations needed
//~ NotBorrowed

use std::pin::pin;

use reveille::{future, task};

fn main() {
    task::block_on(async {
        let mut kept = pin!(async { task::yield_now().await });
        future::race_all([kept.as_mut()]).await;
    });
}

//! Handles are no exception for the compiler; use `by_ref`.
//~ type annotations needed
//~ the type parameter `NotBorrowed` declared on the

use std::time::Duration;

use reveille::{future, task};

fn main() {
    task::block_on(async {
        let mut handle = task::spawn(async {});
        let _ = future::timeout(Duration::ZERO, &mut handle).await;
    });
}

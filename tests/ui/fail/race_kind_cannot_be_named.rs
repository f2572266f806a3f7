//! The compiler's suggestion for a borrow, to specify the parameter, cannot be followed.
//~ module `owned` is private

use std::pin::pin;

use reveille::future::owned::Given;
use reveille::prelude::*;
use reveille::task;

fn main() {
    task::block_on(async {
        let mut kept = pin!(async { task::yield_now().await });
        kept.as_mut().race::<_, Given, Given>(task::yield_now()).await;
    });
}

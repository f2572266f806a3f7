//! The same, behind a pin.
//~ `select!` takes futures, not borrows of them
//~ OwnedFuture` is not implemented for `Pin<&mut

use std::pin::pin;

use reveille::{future, task};

fn main() {
    task::block_on(async {
        let mut kept = pin!(async { task::yield_now().await });
        reveille::select! {
            () = future::ready(()) => {}
            () = kept.as_mut() => {}
        }
    });
}

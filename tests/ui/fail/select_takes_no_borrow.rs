//! A borrowed future that loses a race is kept, not polled, and keeps what it holds.
//~ `select!` takes futures, not borrows of them
//~ this future would be kept and not polled when it loses
//~ `by_ref()`
//~ sleep_until(deadline)
//~ OwnedFuture` is not implemented for `&mut

use reveille::{future, task};

fn main() {
    task::block_on(async {
        let mut kept = Box::pin(async { task::yield_now().await });
        reveille::select! {
            () = &mut kept => {}
            () = future::ready(()) => {}
        }
    });
}

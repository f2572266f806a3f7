//! The fixes for an `Rc` across an await: drop it before, share an `Arc` instead, or stay on one
//! thread.

use std::rc::Rc;
use std::sync::Arc;

use reveille::task;

fn main() {
    let sum = task::block_on(async {
        let dropped = task::spawn(async {
            let value = {
                let shared = Rc::new(1);
                *shared
            };
            task::yield_now().await;
            value
        });
        let counted = task::spawn(async {
            let shared = Arc::new(2);
            task::yield_now().await;
            *shared
        });
        let local = task::spawn_local(async {
            let shared = Rc::new(3);
            task::yield_now().await;
            *shared
        });
        dropped.await + counted.await + local.await
    });
    assert_eq!(sum, 6);
}

//! The fixes for a guard across an await: drop it before, or use an asynchronous mutex.

use reveille::sync::{Arc, Mutex};
use reveille::task;

static COUNT: std::sync::Mutex<i32> = std::sync::Mutex::new(0);

fn main() {
    task::block_on(async {
        task::spawn(async {
            *COUNT.lock().unwrap() += 1;
            task::yield_now().await;
        })
        .await;

        let shared = Arc::new(Mutex::new(0));
        let theirs = shared.clone();
        task::spawn(async move {
            let mut count = theirs.lock().await;
            task::yield_now().await;
            *count += 1;
        })
        .await;
        assert_eq!(*shared.lock().await, 1);
    });
    assert_eq!(*COUNT.lock().unwrap(), 1);
}

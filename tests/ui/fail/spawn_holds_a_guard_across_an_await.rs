//! The guard of a blocking mutex across an await would keep the lock while the task waits. It is
//! bound to its thread, so the compiler refuses it.
//~ error: future cannot be sent between threads safely
//~ `std::sync::MutexGuard<'_, i32>` which is not `Send`

use std::sync::Mutex;

static COUNT: Mutex<i32> = Mutex::new(0);

fn main() {
    reveille::task::spawn(async {
        let mut count = COUNT.lock().unwrap();
        reveille::task::yield_now().await;
        *count += 1;
    });
}

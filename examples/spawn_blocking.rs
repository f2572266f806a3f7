//! Work that blocks its thread: `spawn_blocking`, and the same by hand. Long computations, blocking
//! libraries and file operations occupy a thread. `spawn_blocking` runs them on a thread of the
//! blocking pool, and the task awaits the result.
//!
//! The second half builds the same from parts of the standard library. The thread and the future
//! share a slot for the result and a [`Waker`]. A poll takes the result, or stores its waker if
//! there is no result yet. The thread stores the result and takes the waker. Both happen under one
//! lock, so the thread cannot miss a waker. The thread wakes after it releases the lock, because a
//! waker may do anything.

use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};
use std::thread;
use std::time::Duration;

use reveille::task;

/// A slow, blocking function.
fn slow_hash(password: &str) -> u64 {
    thread::sleep(Duration::from_millis(20));
    password.bytes().fold(5381, |hash: u64, byte| hash.wrapping_mul(33) ^ u64::from(byte))
}

/// The state that the thread and the future share.
struct Shared<T> {
    /// The closure's return value or panic. `None` before the closure ends, and after a poll has
    /// taken the result.
    result: Option<thread::Result<T>>,
    /// The waker of the task that awaits the result.
    waker: Option<Waker>,
}

/// The future of a closure that runs on its own thread.
struct SpawnBlocking<T>(Arc<Mutex<Shared<T>>>);

impl<T> Future for SpawnBlocking<T> {
    type Output = T;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<T> {
        let mut shared = self.0.lock().expect("no code that panics runs under this lock");
        match shared.result.take() {
            Some(Ok(value)) => Poll::Ready(value),
            Some(Err(panic)) => {
                drop(shared);
                std::panic::resume_unwind(panic)
            }
            None => {
                // Store the waker of this poll, because the task may have moved since the last one.
                let old = shared.waker.replace(cx.waker().clone());
                drop(shared);
                drop(old);
                Poll::Pending
            }
        }
    }
}

/// Runs `closure` on a new thread. The future resolves to its return value.
fn spawn_blocking_by_hand<T, F>(closure: F) -> SpawnBlocking<T>
where
    F: FnOnce() -> T + Send + 'static,
    T: Send + 'static,
{
    let shared = Arc::new(Mutex::new(Shared { result: None, waker: None }));
    let theirs = shared.clone();
    thread::spawn(move || {
        let result = std::panic::catch_unwind(std::panic::AssertUnwindSafe(closure));
        let mut shared = theirs.lock().expect("no code that panics runs under this lock");
        shared.result = Some(result);
        let waker = shared.waker.take();
        drop(shared);
        if let Some(waker) = waker {
            waker.wake();
        }
    });
    SpawnBlocking(shared)
}

fn main() {
    task::block_on(async {
        // Eight closures at once, 20 ms each. The task that awaits them does not block its thread.
        let passwords: Vec<String> = (0..8).map(|n| format!("secret{n}")).collect();
        let handles: Vec<_> = passwords
            .into_iter()
            .map(|password| task::spawn_blocking(move || slow_hash(&password)))
            .collect();
        let mut pooled = Vec::new();
        for handle in handles {
            pooled.push(handle.await);
        }
        println!("by the pool: {:016x}", pooled[0]);

        let by_hand = spawn_blocking_by_hand(|| slow_hash("secret0")).await;
        println!("by hand:     {by_hand:016x}");
        println!("the same: {}", by_hand == pooled[0]);

        let ready_before_polled = spawn_blocking_by_hand(|| 7);
        task::sleep(Duration::from_millis(20)).await;
        println!("a result that came before the first poll: {}", ready_before_polled.await);
    });
}

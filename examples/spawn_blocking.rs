//! Work that blocks its thread: `spawn_blocking`, and the same thing written by hand.
//!
//! A computation without end, a library that knows no futures, a disk: whatever keeps a thread
//! busy goes to a thread that is kept for such things, and the task awaits the result.
//!
//! The second half builds it from the parts that the standard library has. The thread and the
//! future share a slot for the result and for a [`Waker`]. The future's poll takes the result if
//! it is there and leaves its waker if it is not; the thread stores the result and wakes whoever
//! has left a waker. Both happen under one lock, so a waker cannot be left just after the thread
//! has looked for it. The wake itself happens after the lock, since nobody knows what it does.

use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};
use std::thread;
use std::time::Duration;

use reveille::task;

/// What takes so long.
fn slow_hash(password: &str) -> u64 {
    thread::sleep(Duration::from_millis(20));
    password.bytes().fold(5381, |hash: u64, byte| hash.wrapping_mul(33) ^ u64::from(byte))
}

/// What the thread and the future share.
struct Shared<T> {
    /// What the closure did: returned, or panicked. `None` until then, and after it was taken.
    result: Option<thread::Result<T>>,
    /// Who wants to know.
    waker: Option<Waker>,
}

/// The future of a closure that runs on a thread of its own.
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
                // The waker of this poll, not of an earlier one: the task may have moved since.
                let old = shared.waker.replace(cx.waker().clone());
                drop(shared);
                drop(old);
                Poll::Pending
            }
        }
    }
}

/// Runs `closure` on a new thread; the future gives what it returns.
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
        // Eight at once, each 20 ms: the task that awaits them does not block its thread.
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

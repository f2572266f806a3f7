//! Work for a pool of threads: `spawn`.
//!
//! A spawned task may be polled by any thread of the pool, by another one after each await, and so
//! its future must be `Send`. Idle threads take tasks from busy ones. The handle is a future for
//! the result; dropping it lets the task run on by itself; cancelling it drops the task's future
//! at the await it has reached.

use std::collections::HashSet;
use std::thread;
use std::time::Duration;

use reveille::channel;
use reveille::task;

/// Counts the primes below `limit`, the slow way.
fn count_primes(limit: u32) -> usize {
    let is_prime = |n: u32| (2..).take_while(|d| d * d <= n).all(|d| !n.is_multiple_of(d));
    (2..limit).filter(|n| is_prime(*n)).count()
}

fn main() {
    task::block_on(async {
        // The handles give the results in the order in which they are awaited.
        let limits = [10, 100, 1_000, 10_000];
        let handles = limits.map(|limit| task::spawn(async move { count_primes(limit) }));
        for (limit, handle) in limits.into_iter().zip(handles) {
            println!("below {limit:>6}: {:>5} primes", handle.await);
        }

        // Which threads polled, is for the pool to say; this one is not among them.
        let here = thread::current().id();
        let handles: Vec<_> = (0..100).map(|_| task::spawn(thread_after_await())).collect();
        let mut threads = HashSet::new();
        for handle in handles {
            threads.insert(handle.await);
        }
        println!("polled by this thread: {}", threads.contains(&here));

        // A dropped handle detaches its task, which still says what it has to say.
        let (sender, receiver) = channel::bounded(1);
        drop(task::spawn(async move { sender.send("detached, not cancelled").await }));
        println!("{}", receiver.recv().await.expect("the task sends before it ends"));

        // Cancelling says whether the task had finished: here it had not.
        let sleeper = task::spawn(task::sleep(Duration::from_secs(3600)));
        println!("cancelled after an hour? {}", sleeper.cancel().await.is_some());
    });
}

async fn thread_after_await() -> thread::ThreadId {
    task::yield_now().await;
    thread::current().id()
}

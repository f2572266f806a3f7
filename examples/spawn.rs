//! Tasks on a pool of threads: `spawn`.
//!
//! Any thread of the pool can poll a spawned task, and after each await a different one may do so.
//! So its future must be `Send`. Idle threads steal tasks from busy ones. The handle is a future
//! that resolves to the task's output. Dropping the handle detaches the task. Cancelling it drops
//! the task's future at its current await.

use std::collections::HashSet;
use std::thread;
use std::time::Duration;

use reveille::channel;
use reveille::task;

/// Counts the primes below `limit` by trial division.
fn count_primes(limit: u32) -> usize {
    let is_prime = |n: u32| (2..).take_while(|d| d * d <= n).all(|d| !n.is_multiple_of(d));
    (2..limit).filter(|n| is_prime(*n)).count()
}

fn main() {
    task::block_on(async {
        // The results come in the order in which the handles are awaited.
        let limits = [10, 100, 1_000, 10_000];
        let handles = limits.map(|limit| task::spawn(async move { count_primes(limit) }));
        for (limit, handle) in limits.into_iter().zip(handles) {
            println!("below {limit:>6}: {:>5} primes", handle.await);
        }

        // Any thread of the pool can poll these tasks. This thread is not in the pool.
        let here = thread::current().id();
        let handles: Vec<_> = (0..100).map(|_| task::spawn(thread_after_await())).collect();
        let mut threads = HashSet::new();
        for handle in handles {
            threads.insert(handle.await);
        }
        println!("polled by this thread: {}", threads.contains(&here));

        // Dropping a handle detaches its task, which still sends its message.
        let (sender, receiver) = channel::bounded(1);
        drop(task::spawn(async move { sender.send("detached, not cancelled").await }));
        println!("{}", receiver.recv().await.expect("the task sends before it ends"));

        // `cancel` returns the output if the task had finished. This one had not.
        let sleeper = task::spawn(task::sleep(Duration::from_secs(3600)));
        println!("cancelled after an hour? {}", sleeper.cancel().await.is_some());
    });
}

async fn thread_after_await() -> thread::ThreadId {
    task::yield_now().await;
    thread::current().id()
}

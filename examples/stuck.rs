//! A program that is deadlocked, and prints where each task waits.
//!
//! ```sh
//! cargo run --example stuck &
//! kill -QUIT %1               # or Ctrl-\ in its terminal
//! ```
//!
//! It has three deadlocks: two transfers that wait for each other's lock, a producer and a consumer
//! that wait for each other's channel, and two tasks that await each other. With `--block-all`
//! every worker is blocked, too, and the signal still prints where everything waits.

use std::sync::Arc;
use std::time::Duration;

use reveille::runtime::Builder;
use reveille::sync::Mutex;
use reveille::task::{self, JoinHandle};
use reveille::{channel, io};

type Account = Arc<Mutex<i64>>;

const SIGQUIT: i32 = 3;

/// Moves money. The one from `a` to `b` and the one from `b` to `a` lock in opposite orders.
async fn transfer(from: Account, to: Account) {
    let mut from = from.lock().await;
    task::yield_now().await;
    task::sleep(Duration::from_millis(20)).await;
    let mut to = to.lock().await;
    *from -= 1;
    *to += 1;
}

/// Sends orders, and reads the receipts only after all of them: both channels fill up.
async fn produce(orders: channel::Sender<u32>, receipts: channel::Receiver<u32>) {
    for number in 0..10 {
        if orders.send(number).await.is_err() {
            return;
        }
    }
    while receipts.recv().await.is_ok() {}
}

async fn consume(orders: channel::Receiver<u32>, receipts: channel::Sender<u32>) {
    while let Ok(number) = orders.recv().await {
        if receipts.send(number).await.is_err() {
            return;
        }
    }
}

/// Awaits the task that it is given.
async fn follow(leader: channel::Receiver<JoinHandle<()>>) {
    if let Ok(leader) = leader.recv().await {
        leader.await;
    }
}

/// Spawns everything that gets stuck.
async fn run() {
    let (a, b) = (Account::default(), Account::default());
    task::spawn(transfer(Arc::clone(&a), Arc::clone(&b)));
    task::spawn(transfer(b, a));

    let (orders, orders_in) = channel::bounded(1);
    let (receipts, receipts_in) = channel::bounded(1);
    task::spawn(produce(orders, receipts_in));
    task::spawn(consume(orders_in, receipts));

    let (to_first, first_in) = channel::bounded(1);
    let (to_second, second_in) = channel::bounded(1);
    let first = task::spawn(follow(first_in));
    let second = task::spawn(follow(second_in));
    let _ = to_first.send(second).await;
    let _ = to_second.send(first).await;

    // The tasks are deadlocked now.
    task::sleep(Duration::from_millis(500)).await;
}

fn main() -> io::Result<()> {
    let block_all = std::env::args().any(|argument| argument == "--block-all");
    // `REVEILLE_DUMP=1` does the same for a program that you cannot change.
    let runtime = Builder::new().workers(2).max_spare_threads(0).dump_on_signal(SIGQUIT).build()?;
    runtime.block_on(async {
        run().await;
        if block_all {
            for _ in 0..2 {
                task::spawn(async { std::thread::sleep(Duration::MAX) });
            }
        }
        println!("stuck: send SIGQUIT to the process {}", std::process::id());
        std::future::pending::<()>().await;
    });
    Ok(())
}

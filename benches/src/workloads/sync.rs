//! Each runtime's own mutex, read-write lock and bounded channel.

use std::sync::Arc;

use crate::measure::{Effort, Meter, Sample};
use crate::rt::Rt;

/// Eight tasks lock one mutex in turn and add one; `is_held` across a yield in every lock. Per
/// lock.
pub fn mutex<R: Rt>(effort: &Effort, is_held: bool) -> Sample {
    let rt = R::start(effort.workers);
    let mut meter = Meter::new(effort);
    let (tasks, times) = if is_held { (8, 200) } else { (8, 2_000) };
    rt.inside(async move {
        while meter.is_running() {
            let mutex = Arc::new(R::mutex());
            let adder = |_| R::spawn(add::<R>(mutex.clone(), times, is_held));
            let handles: Vec<_> = (0..tasks).map(adder).collect();
            for handle in handles {
                handle.await;
            }
            assert_eq!(*R::lock(&mutex).await, tasks * times, "every lock added one");
            meter.add((tasks * times) as usize);
        }
        meter.finish()
    })
}

async fn add<R: Rt>(mutex: Arc<R::Mutex>, times: u64, is_held: bool) {
    for _ in 0..times {
        let mut guard = R::lock(&mutex).await;
        *guard += 1;
        if is_held {
            R::yield_now().await;
        }
    }
}

/// Seven tasks read under one lock, one task writes under it. Per lock.
pub fn rwlock<R: Rt>(effort: &Effort) -> Sample {
    let rt = R::start(effort.workers);
    let mut meter = Meter::new(effort);
    let (readers, times) = (7, 2_000);
    rt.inside(async move {
        while meter.is_running() {
            let lock = Arc::new(R::rwlock());
            let writer = R::spawn({
                let lock = lock.clone();
                async move {
                    for _ in 0..times {
                        *R::lock_to_write(&lock).await += 1;
                    }
                }
            });
            let reader = |_| R::spawn(watch::<R>(lock.clone(), times));
            let handles: Vec<_> = (0..readers).map(reader).collect();
            writer.await;
            for handle in handles {
                handle.await;
            }
            assert_eq!(*R::lock_to_read(&lock).await, times, "every write added one");
            meter.add((readers + 1) * times as usize);
        }
        meter.finish()
    })
}

/// Reads so many times a number that only grows.
async fn watch<R: Rt>(lock: Arc<R::RwLock>, times: u64) {
    let mut last = 0;
    for _ in 0..times {
        let now = *R::lock_to_read(&lock).await;
        assert!(now >= last, "a reader sees the writes in their order");
        last = now;
    }
}

/// `senders` tasks send through a channel of 100 to one receiver. Per message.
pub fn channel<R: Rt>(effort: &Effort, senders: usize) -> Sample {
    let rt = R::start(effort.workers);
    let mut meter = Meter::new(effort);
    let total = 20_000;
    rt.inside(async move {
        while meter.is_running() {
            let (sender, mut receiver) = R::channel(100);
            let feeder = |_| {
                let sender = sender.clone();
                R::spawn(async move {
                    for value in 0..total / senders {
                        R::send(&sender, value as u64).await;
                    }
                })
            };
            let feeders: Vec<_> = (0..senders).map(feeder).collect();
            drop(sender);
            let taker = R::spawn(async move {
                let mut received = 0;
                while R::recv(&mut receiver).await.is_some() {
                    received += 1;
                }
                received
            });
            for feeder in feeders {
                feeder.await;
            }
            assert_eq!(taker.await, total, "every message arrives");
            meter.add(total);
        }
        meter.finish()
    })
}

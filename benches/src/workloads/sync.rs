//! Each runtime's own mutex, read-write lock and bounded channel, and other ways of tasks to
//! signal each other.

use std::sync::Arc;

use crate::measure::{Meter, RunConfig, Sample};
use crate::rt::Rt;
use crate::rt::exchanges::Exchange;
use crate::rt::signals::Signal;

/// Eight tasks lock one mutex in turn and add one. With `is_held` they hold each lock across a
/// yield. Per lock.
pub fn mutex<R: Rt>(config: &RunConfig, is_held: bool) -> Sample {
    let rt = R::start(config.workers);
    let mut meter = Meter::new(config);
    let (tasks, times) = if is_held { (8, 200) } else { (8, 2_000) };
    rt.block_on_task(async move {
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

/// Seven tasks take a read lock and one task takes the write lock. Per lock.
pub fn rwlock<R: Rt>(config: &RunConfig) -> Sample {
    let rt = R::start(config.workers);
    let mut meter = Meter::new(config);
    let (readers, times) = (7, 2_000);
    rt.block_on_task(async move {
        while meter.is_running() {
            let lock = Arc::new(R::rwlock());
            let writer = R::spawn({
                let lock = lock.clone();
                async move {
                    for _ in 0..times {
                        *R::write_lock(&lock).await += 1;
                    }
                }
            });
            let reader = |_| R::spawn(watch::<R>(lock.clone(), times));
            let handles: Vec<_> = (0..readers).map(reader).collect();
            writer.await;
            for handle in handles {
                handle.await;
            }
            assert_eq!(*R::read_lock(&lock).await, times, "every write added one");
            meter.add((readers + 1) * times as usize);
        }
        meter.finish()
    })
}

/// A signal between tasks. Per operation. `None` if there is no such type.
pub fn signal<R: Rt>(config: &RunConfig, signal: Signal) -> Option<Sample> {
    let rt = R::start(config.workers);
    let mut meter = Meter::new(config);
    rt.block_on_task(async move {
        while meter.is_running() {
            meter.add(R::signal(signal)?.await);
        }
        Some(meter.finish())
    })
}

/// Exchanges with other sockets and processes. Per round trip, child or copy.
pub fn exchange<R: Rt>(config: &RunConfig, exchange: Exchange) -> Sample {
    let rt = R::start(config.workers);
    let mut meter = Meter::new(config);
    rt.block_on_task(async move {
        while meter.is_running() {
            meter.add(R::exchange(exchange).await);
        }
        meter.finish()
    })
}

/// Reads a growing number `times` times.
async fn watch<R: Rt>(lock: Arc<R::RwLock>, times: u64) {
    let mut last = 0;
    for _ in 0..times {
        let now = *R::read_lock(&lock).await;
        assert!(now >= last, "a reader sees the writes in their order");
        last = now;
    }
}

/// `senders` tasks send through a channel of 100 to one receiver. Per message.
pub fn channel<R: Rt>(config: &RunConfig, senders: usize) -> Sample {
    let rt = R::start(config.workers);
    let mut meter = Meter::new(config);
    let total = 20_000;
    rt.block_on_task(async move {
        while meter.is_running() {
            let (sender, mut receiver) = R::channel(100);
            let start_sender = |_| {
                let sender = sender.clone();
                R::spawn(async move {
                    for value in 0..total / senders {
                        R::send(&sender, value as u64).await;
                    }
                })
            };
            let sending: Vec<_> = (0..senders).map(start_sender).collect();
            drop(sender);
            let receiving = R::spawn(async move {
                let mut received = 0;
                while R::recv(&mut receiver).await.is_some() {
                    received += 1;
                }
                received
            });
            for task in sending {
                task.await;
            }
            assert_eq!(receiving.await, total, "every message arrives");
            meter.add(total);
        }
        meter.finish()
    })
}

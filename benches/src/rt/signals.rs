//! The types with which tasks signal each other: tokio's, reveille's, which have tokio's names, and
//! crates for any executor.
//!
//! smol and async-std have few of these types. Their users take crates, which run on smol here. No
//! such crate is compared with `watch`.

use std::future::Future;
use std::pin::Pin;

/// A type and what happens to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Signal {
    /// A channel is made, its value sent, then received.
    Oneshot,
    /// A channel is made, its value awaited, sent and received.
    OneshotWait,
    /// A notification that comes before its waiter.
    Notify,
    /// Two tasks notify each other: a round trip.
    NotifyWait,
    /// A value is set, and a receiver sees it.
    Watch,
    /// Four tasks wait for each new value.
    WatchWait,
    /// A message is sent, and a receiver takes it.
    Broadcast,
    /// Four tasks wait for messages.
    BroadcastWait,
    /// A permit is taken and given back.
    Semaphore,
    /// Eight tasks share two permits, and hold each across a yield.
    SemaphoreWait,
}

impl Signal {
    /// The signal that a workload of this name measures.
    pub fn named(name: &str) -> Option<Self> {
        Some(match name {
            "oneshot" => Self::Oneshot,
            "oneshot_wait" => Self::OneshotWait,
            "notify" => Self::Notify,
            "notify_wait" => Self::NotifyWait,
            "watch" => Self::Watch,
            "watch_wait" => Self::WatchWait,
            "broadcast" => Self::Broadcast,
            "broadcast_wait" => Self::BroadcastWait,
            "semaphore" => Self::Semaphore,
            "semaphore_wait" => Self::SemaphoreWait,
            _ => return None,
        })
    }
}

/// Many operations, and how many they were. One allocation serves all of them.
pub type Operations = Pin<Box<dyn Future<Output = usize> + Send>>;

/// Operations of one future.
pub const TIMES: usize = 2_000;

/// The tasks that wait for a value or a message.
pub const WAITERS: usize = 4;

/// The tasks that share the permits.
pub const HOLDERS: usize = 8;

/// Implements the signals of `$rt` with the types of `$sync`, which have tokio's names.
macro_rules! of_tokio_names {
    ($rt:ty, $($sync:ident)::+) => {
        use std::sync::Arc;

        use $($sync)::+::{Notify, Semaphore, broadcast, oneshot, watch};

        use $crate::rt::Rt;
        use $crate::rt::signals::{HOLDERS, Operations, Signal, TIMES, WAITERS};

        /// Many operations of a signal.
        pub fn operations(signal: Signal) -> Operations {
            match signal {
                Signal::Oneshot => Box::pin(oneshot()),
                Signal::OneshotWait => Box::pin(oneshot_wait()),
                Signal::Notify => Box::pin(notify()),
                Signal::NotifyWait => Box::pin(notify_wait()),
                Signal::Watch => Box::pin(watch()),
                Signal::WatchWait => Box::pin(watch_wait()),
                Signal::Broadcast => Box::pin(broadcast()),
                Signal::BroadcastWait => Box::pin(broadcast_wait()),
                Signal::Semaphore => Box::pin(semaphore()),
                Signal::SemaphoreWait => Box::pin(semaphore_wait()),
            }
        }

        async fn oneshot() -> usize {
            for value in 0..TIMES {
                let (sender, receiver) = oneshot::channel();
                sender.send(value).expect("there is a receiver");
                assert_eq!(receiver.await, Ok(value), "the value arrives");
            }
            TIMES
        }

        async fn oneshot_wait() -> usize {
            for value in 0..TIMES {
                let (sender, mut receiver) = oneshot::channel();
                let early = futures_lite::future::poll_once(&mut receiver).await;
                assert!(early.is_none(), "nothing was sent");
                sender.send(value).expect("there is a receiver");
                assert_eq!(receiver.await, Ok(value), "the value arrives");
            }
            TIMES
        }

        async fn notify() -> usize {
            let notify = Notify::new();
            for _ in 0..TIMES {
                notify.notify_one();
                notify.notified().await;
            }
            TIMES
        }

        async fn notify_wait() -> usize {
            let (there, back) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
            let partner = <$rt>::spawn({
                let (there, back) = (there.clone(), back.clone());
                async move {
                    for _ in 0..TIMES {
                        there.notified().await;
                        back.notify_one();
                    }
                }
            });
            for _ in 0..TIMES {
                there.notify_one();
                back.notified().await;
            }
            partner.await;
            TIMES
        }

        async fn watch() -> usize {
            let (sender, mut receiver) = watch::channel(0);
            for value in 1..=TIMES {
                sender.send(value).expect("there is a receiver");
                receiver.changed().await.expect("there is a sender");
                assert_eq!(*receiver.borrow_and_update(), value, "the value arrives");
            }
            TIMES
        }

        async fn watch_wait() -> usize {
            let (sender, receiver) = watch::channel(0);
            let waiter = |_| {
                let mut receiver = receiver.clone();
                <$rt>::spawn(async move {
                    let mut last = 0;
                    while receiver.changed().await.is_ok() {
                        last = *receiver.borrow_and_update();
                    }
                    assert_eq!(last, TIMES, "the last value arrives");
                })
            };
            let waiters: Vec<_> = (0..WAITERS).map(waiter).collect();
            for value in 1..=TIMES {
                <$rt>::yield_now().await;
                sender.send(value).expect("there are receivers");
            }
            drop(sender);
            for waiter in waiters {
                waiter.await;
            }
            TIMES
        }

        async fn broadcast() -> usize {
            let (sender, mut receiver) = broadcast::channel(16);
            for value in 0..TIMES {
                sender.send(value).expect("there is a receiver");
                assert_eq!(receiver.recv().await, Ok(value), "the message arrives");
            }
            TIMES
        }

        async fn broadcast_wait() -> usize {
            let (sender, receiver) = broadcast::channel(TIMES);
            let waiter = |_| {
                let mut receiver = receiver.resubscribe();
                <$rt>::spawn(async move {
                    let mut count = 0;
                    while receiver.recv().await.is_ok() {
                        count += 1;
                    }
                    assert_eq!(count, TIMES, "every message arrives");
                })
            };
            let waiters: Vec<_> = (0..WAITERS).map(waiter).collect();
            drop(receiver);
            for value in 0..TIMES {
                <$rt>::yield_now().await;
                sender.send(value).expect("there are receivers");
            }
            drop(sender);
            for waiter in waiters {
                waiter.await;
            }
            TIMES
        }

        async fn semaphore() -> usize {
            let semaphore = Semaphore::new(2);
            for _ in 0..TIMES {
                let permit = semaphore.acquire().await;
                drop(permit.expect("it is not closed"));
            }
            TIMES
        }

        async fn semaphore_wait() -> usize {
            let semaphore = Arc::new(Semaphore::new(2));
            let holder = |_| {
                let semaphore = semaphore.clone();
                <$rt>::spawn(async move {
                    for _ in 0..TIMES / HOLDERS {
                        let permit = semaphore.acquire().await;
                        <$rt>::yield_now().await;
                        drop(permit.expect("it is not closed"));
                    }
                })
            };
            let holders: Vec<_> = (0..HOLDERS).map(holder).collect();
            for holder in holders {
                holder.await;
            }
            TIMES
        }
    };
}

#[cfg(feature = "reveille")]
pub mod reveille {
    //! reveille's own types.
    of_tokio_names!(crate::rt::Reveille, reveille::sync);
}

pub mod tokio {
    //! tokio's own types.
    of_tokio_names!(crate::rt::Tokio<true>, tokio::sync);
}

pub mod crates {
    //! Crates for any executor, on smol.

    use std::sync::Arc;

    use async_lock::Semaphore;
    use event_listener::Event;
    use futures_channel::oneshot;

    use crate::rt::signals::{HOLDERS, Operations, Signal, TIMES, WAITERS};
    use crate::rt::{Rt, Smol};

    /// Many operations of a signal, or `None` where there is no such crate.
    pub fn operations(signal: Signal) -> Option<Operations> {
        Some(match signal {
            Signal::Oneshot => Box::pin(oneshot()),
            Signal::OneshotWait => Box::pin(oneshot_wait()),
            Signal::Notify => Box::pin(notify()),
            Signal::NotifyWait => Box::pin(notify_wait()),
            Signal::Watch | Signal::WatchWait => return None,
            Signal::Broadcast => Box::pin(broadcast()),
            Signal::BroadcastWait => Box::pin(broadcast_wait()),
            Signal::Semaphore => Box::pin(semaphore()),
            Signal::SemaphoreWait => Box::pin(semaphore_wait()),
        })
    }

    async fn oneshot() -> usize {
        for value in 0..TIMES {
            let (sender, receiver) = oneshot::channel();
            sender.send(value).expect("there is a receiver");
            assert_eq!(receiver.await, Ok(value), "the value arrives");
        }
        TIMES
    }

    async fn oneshot_wait() -> usize {
        for value in 0..TIMES {
            let (sender, mut receiver) = oneshot::channel();
            let early = futures_lite::future::poll_once(&mut receiver).await;
            assert!(early.is_none(), "nothing was sent");
            sender.send(value).expect("there is a receiver");
            assert_eq!(receiver.await, Ok(value), "the value arrives");
        }
        TIMES
    }

    /// An event has no permit, so the listener comes first.
    async fn notify() -> usize {
        let event = Event::new();
        for _ in 0..TIMES {
            let listener = event.listen();
            event.notify(1);
            listener.await;
        }
        TIMES
    }

    async fn notify_wait() -> usize {
        let (there, back) = (Arc::new(Event::new()), Arc::new(Event::new()));
        let first = there.listen();
        let partner = Smol::spawn({
            let (there, back) = (there.clone(), back.clone());
            async move {
                let mut listener = first;
                for _ in 0..TIMES {
                    listener.await;
                    listener = there.listen();
                    back.notify(1);
                }
            }
        });
        for _ in 0..TIMES {
            let listener = back.listen();
            there.notify(1);
            listener.await;
        }
        partner.await;
        TIMES
    }

    async fn broadcast() -> usize {
        let (sender, mut receiver) = async_broadcast::broadcast(16);
        for value in 0..TIMES {
            sender.broadcast(value).await.expect("there is a receiver");
            assert_eq!(receiver.recv().await, Ok(value), "the message arrives");
        }
        TIMES
    }

    async fn broadcast_wait() -> usize {
        let (sender, receiver) = async_broadcast::broadcast(TIMES);
        let waiter = |_| {
            let mut receiver = receiver.clone();
            Smol::spawn(async move {
                let mut count = 0;
                while receiver.recv().await.is_ok() {
                    count += 1;
                }
                assert_eq!(count, TIMES, "every message arrives");
            })
        };
        let waiters: Vec<_> = (0..WAITERS).map(waiter).collect();
        drop(receiver);
        for value in 0..TIMES {
            Smol::yield_now().await;
            sender.broadcast(value).await.expect("there are receivers");
        }
        drop(sender);
        for waiter in waiters {
            waiter.await;
        }
        TIMES
    }

    async fn semaphore() -> usize {
        let semaphore = Semaphore::new(2);
        for _ in 0..TIMES {
            drop(semaphore.acquire().await);
        }
        TIMES
    }

    async fn semaphore_wait() -> usize {
        let semaphore = Arc::new(Semaphore::new(2));
        let holder = |_| {
            let semaphore = semaphore.clone();
            Smol::spawn(async move {
                for _ in 0..TIMES / HOLDERS {
                    let permit = semaphore.acquire().await;
                    Smol::yield_now().await;
                    drop(permit);
                }
            })
        };
        let holders: Vec<_> = (0..HOLDERS).map(holder).collect();
        for holder in holders {
            holder.await;
        }
        TIMES
    }
}

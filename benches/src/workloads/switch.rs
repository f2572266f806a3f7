//! Switching: the cost of going from one task to the next.

use std::sync::Arc;

use crate::measure::{Meter, RunConfig, Sample};
use crate::rt::Rt;
use crate::signal::Notify;

/// `pairs` pairs of tasks notify each other in turn, `trips` times. Per round trip.
pub fn ping_pong<R: Rt>(config: &RunConfig, pairs: usize, trips: usize) -> Sample {
    let rt = R::start(config.workers);
    let mut meter = Meter::new(config);
    rt.block_on_task(async move {
        while meter.is_running() {
            let mut handles = Vec::with_capacity(2 * pairs);
            for _ in 0..pairs {
                let there = Arc::new(Notify::default());
                let back = Arc::new(Notify::default());
                let (ping, pong) = (there.clone(), back.clone());
                handles.push(R::spawn(async move {
                    for _ in 0..trips {
                        ping.notify();
                        pong.notified().await;
                    }
                }));
                handles.push(R::spawn(async move {
                    for _ in 0..trips {
                        there.notified().await;
                        back.notify();
                    }
                }));
            }
            for handle in handles {
                handle.await;
            }
            meter.add(pairs * trips);
        }
        meter.finish()
    })
}

/// One task yields. Per yield.
pub fn yield_alone<R: Rt>(config: &RunConfig) -> Sample {
    let rt = R::start(config.workers);
    let mut meter = Meter::new(config);
    rt.block_on_task(async move {
        while meter.is_running() {
            for _ in 0..1_000 {
                R::yield_now().await;
            }
            meter.add(1_000);
        }
        meter.finish()
    })
}

/// `count` tasks yield `times` times each. Per yield.
pub fn yield_together<R: Rt>(config: &RunConfig, count: usize, times: usize) -> Sample {
    let rt = R::start(config.workers);
    let mut meter = Meter::new(config);
    rt.block_on_task(async move {
        while meter.is_running() {
            let yielder = |_| {
                R::spawn(async move {
                    for _ in 0..times {
                        R::yield_now().await;
                    }
                })
            };
            let handles: Vec<_> = (0..count).map(yielder).collect();
            for handle in handles {
                handle.await;
            }
            meter.add(count * times);
        }
        meter.finish()
    })
}

/// Each of `count` tasks in a ring notifies the next, for `laps` laps. Per hop.
pub fn chain<R: Rt>(config: &RunConfig, count: usize, laps: usize) -> Sample {
    let rt = R::start(config.workers);
    let mut meter = Meter::new(config);
    rt.block_on_task(async move {
        while meter.is_running() {
            let ring: Arc<Vec<Notify>> = Arc::new((0..count).map(|_| Notify::default()).collect());
            let node = |index: usize| {
                let ring = ring.clone();
                R::spawn(async move {
                    for _ in 0..laps {
                        ring[index].notified().await;
                        ring[(index + 1) % count].notify();
                    }
                })
            };
            let handles: Vec<_> = (0..count).map(node).collect();
            ring[0].notify();
            for handle in handles {
                handle.await;
            }
            meter.add(count * laps);
        }
        meter.finish()
    })
}

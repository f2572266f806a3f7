//! Switching: what it costs to go from one task to the next.

use std::sync::Arc;

use crate::measure::{Effort, Meter, Sample};
use crate::rt::Rt;
use crate::signal::Baton;

/// `pairs` pairs of tasks hand a baton to and fro, `trips` times. Per round trip.
pub fn ping_pong<R: Rt>(effort: &Effort, pairs: usize, trips: usize) -> Sample {
    let rt = R::start(effort.workers);
    let mut meter = Meter::new(effort);
    rt.inside(async move {
        while meter.is_running() {
            let mut handles = Vec::with_capacity(2 * pairs);
            for _ in 0..pairs {
                let there = Arc::new(Baton::default());
                let back = Arc::new(Baton::default());
                let (ping, pong) = (there.clone(), back.clone());
                handles.push(R::spawn(async move {
                    for _ in 0..trips {
                        ping.pass();
                        pong.take().await;
                    }
                }));
                handles.push(R::spawn(async move {
                    for _ in 0..trips {
                        there.take().await;
                        back.pass();
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
pub fn yield_alone<R: Rt>(effort: &Effort) -> Sample {
    let rt = R::start(effort.workers);
    let mut meter = Meter::new(effort);
    rt.inside(async move {
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
pub fn yield_together<R: Rt>(effort: &Effort, count: usize, times: usize) -> Sample {
    let rt = R::start(effort.workers);
    let mut meter = Meter::new(effort);
    rt.inside(async move {
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

/// `count` tasks in a ring pass one baton on, `laps` times round. Per hop.
pub fn chain<R: Rt>(effort: &Effort, count: usize, laps: usize) -> Sample {
    let rt = R::start(effort.workers);
    let mut meter = Meter::new(effort);
    rt.inside(async move {
        while meter.is_running() {
            let ring: Arc<Vec<Baton>> = Arc::new((0..count).map(|_| Baton::default()).collect());
            let station = |place: usize| {
                let ring = ring.clone();
                R::spawn(async move {
                    for _ in 0..laps {
                        ring[place].take().await;
                        ring[(place + 1) % count].pass();
                    }
                })
            };
            let handles: Vec<_> = (0..count).map(station).collect();
            ring[0].pass();
            for handle in handles {
                handle.await;
            }
            meter.add(count * laps);
        }
        meter.finish()
    })
}

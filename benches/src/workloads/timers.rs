//! Timers: what one costs, and how late it is.

use std::future::{Future, poll_fn};
use std::hint::black_box;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::Poll;
use std::thread;
use std::time::{Duration, Instant};

use crate::measure::{Effort, Mark, Meter, Sample, percentile};
use crate::rt::Rt;

/// A sleep made, polled once and dropped, as every timeout that is not needed.
pub fn made_and_dropped<R: Rt>(effort: &Effort) -> Sample {
    let rt = R::start(effort.workers);
    let mut meter = Meter::new(effort);
    rt.inside(async move {
        while meter.is_running() {
            for _ in 0..1_000 {
                let mut sleep = pin!(R::sleep(Duration::from_secs(3_600)));
                poll_fn(|cx| Poll::Ready(sleep.as_mut().poll(cx).is_ready())).await;
            }
            meter.add(1_000);
        }
        meter.finish()
    })
}

/// The runtime's `timeout` around a ready future.
pub fn timeout_ready<R: Rt>(effort: &Effort) -> Sample {
    let rt = R::start(effort.workers);
    let mut meter = Meter::new(effort);
    rt.inside(async move {
        while meter.is_running() {
            for index in 0..1_000 {
                black_box(R::timeout(Duration::from_secs(3_600), async move { index }).await);
            }
            meter.add(1_000);
        }
        meter.finish()
    })
}

/// The runtime's `timeout` around a future that waits once, so that the timer is set and withdrawn.
pub fn timeout_yield<R: Rt>(effort: &Effort) -> Sample {
    let rt = R::start(effort.workers);
    let mut meter = Meter::new(effort);
    rt.inside(async move {
        while meter.is_running() {
            for _ in 0..1_000 {
                let work = futures_lite::future::yield_now();
                black_box(R::timeout(Duration::from_secs(3_600), work).await);
            }
            meter.add(1_000);
        }
        meter.finish()
    })
}

/// `count` tasks sleep once, their deadlines spread over 100 ms. `wall` is what it is; `cpu` is
/// per timer with its task; `late_p50` and `late_p99` in microseconds.
pub fn many<R: Rt>(effort: &Effort, count: usize) -> Sample {
    let rt = R::start(effort.workers);
    let rounds = effort.scaled(10);
    rt.inside(async move {
        let mark = Mark::now();
        let mut lateness = Vec::with_capacity(count * rounds);
        for _ in 0..rounds {
            let start = Instant::now() + Duration::from_millis(30);
            let sleeper = |index: usize| {
                // A stride through the 100 ms, so that neighbours are not in order.
                let share = (index * 7_919 % count) as u32;
                let deadline = start + Duration::from_millis(100) * share / count as u32;
                R::spawn(async move {
                    R::sleep(deadline.saturating_duration_since(Instant::now())).await;
                    deadline.elapsed().as_nanos() as f64 / 1e3
                })
            };
            let handles: Vec<_> = (0..count).map(sleeper).collect();
            for handle in handles {
                lateness.push(handle.await);
            }
        }
        let p99 = percentile(&mut lateness, 0.99);
        mark.per_op((count * rounds) as u64)
            .with("late_p50", percentile(&mut lateness, 0.5))
            .with("late_p99", p99)
    })
}

/// `sleep(1 ms)` alone, again and again. `over`: mean overshoot in microseconds; `cpu` per sleep.
pub fn sleep_alone<R: Rt>(effort: &Effort) -> Sample {
    let rt = R::start(effort.workers);
    let times = effort.scaled(500);
    rt.inside(async move {
        let mark = Mark::now();
        let mut over = Duration::ZERO;
        for _ in 0..times {
            let start = Instant::now();
            R::sleep(Duration::from_millis(1)).await;
            over += start.elapsed().saturating_sub(Duration::from_millis(1));
        }
        mark.per_op(times as u64).with("over", over.as_nanos() as f64 / 1e3 / times as f64)
    })
}

/// Ten tasks sleep 5 ms at a time beside four that yield without end. `late_p50`, `late_p99` in
/// microseconds.
pub fn beside_yield<R: Rt>(effort: &Effort) -> Sample {
    let rt = R::start(effort.workers);
    let times = if effort.is_quick { 40 } else { 200 };
    rt.inside(async move {
        let is_over = Arc::new(AtomicBool::new(false));
        let yielder = |_| {
            let is_over = is_over.clone();
            R::spawn(async move {
                while !is_over.load(Ordering::Relaxed) {
                    R::yield_now().await;
                }
            })
        };
        let yielders: Vec<_> = (0..4).map(yielder).collect();
        let sleepers: Vec<_> = (0..10)
            .map(|_| {
                R::spawn(async move {
                    let mut late = Vec::with_capacity(times);
                    for _ in 0..times {
                        let deadline = Instant::now() + Duration::from_millis(5);
                        R::sleep(Duration::from_millis(5)).await;
                        late.push(deadline.elapsed().as_nanos() as f64 / 1e3);
                    }
                    late
                })
            })
            .collect();
        let mut lateness = Vec::new();
        for sleeper in sleepers {
            lateness.extend(sleeper.await);
        }
        is_over.store(true, Ordering::Relaxed);
        for yielder in yielders {
            yielder.await;
        }
        let p99 = percentile(&mut lateness, 0.99);
        let p50 = percentile(&mut lateness, 0.5);
        Sample::default().with("late_p50", p50).with("late_p99", p99)
    })
}

/// Ten tasks that began together wake ten times a second each. `cpu_share`: CPU microseconds per
/// second. `bare`: those of a thread that sleeps as often as ten coalesced wakes and does nothing
/// else, which no runtime can be below.
pub fn idle<R: Rt>(effort: &Effort) -> Sample {
    let ticks = if effort.is_quick { 10 } else { 30 };
    tickers::<R>(effort, ticks, Duration::ZERO)
        .with("bare", bare_sleeper(ticks, Duration::from_millis(100)))
}

/// The same, each task begun 9.7 ms after the one before, so that no wake can serve two of them.
pub fn idle_spread<R: Rt>(effort: &Effort) -> Sample {
    let ticks = if effort.is_quick { 10 } else { 30 };
    let gap = Duration::from_micros(9_700);
    tickers::<R>(effort, ticks, gap).with("bare", bare_sleeper(10 * ticks, gap))
}

fn tickers<R: Rt>(effort: &Effort, ticks: u32, gap: Duration) -> Sample {
    let rt = R::start(effort.workers);
    let share = rt.inside(async move {
        let mark = Mark::now();
        let ticker = |index: u32| {
            R::spawn(async move {
                if !gap.is_zero() {
                    R::sleep(gap * index).await;
                }
                for _ in 0..ticks {
                    R::sleep(Duration::from_millis(100)).await;
                }
            })
        };
        let handles: Vec<_> = (0..10).map(ticker).collect();
        for handle in handles {
            handle.await;
        }
        cpu_share(&mark)
    });
    Sample::default().with("cpu_share", share)
}

/// The share of a thread that sleeps that often and that long.
fn bare_sleeper(sleeps: u32, each: Duration) -> f64 {
    let mark = Mark::now();
    for _ in 0..sleeps {
        thread::sleep(each);
    }
    cpu_share(&mark)
}

/// CPU microseconds per second since `mark`.
fn cpu_share(mark: &Mark) -> f64 {
    let seconds = mark.elapsed().as_secs_f64();
    let cpu = mark.per_op(1).get("cpu").expect("a mark reports CPU time");
    cpu / 1e3 / seconds
}

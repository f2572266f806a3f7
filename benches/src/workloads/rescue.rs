//! rescue: tasks that block their threads, beside tasks that must be on time.
//!
//! There are two workers. Two tasks block their threads for two seconds again and again. Beside
//! them 1,000 tasks tick every 5 ms, and 50 echo connections come from an external load generator.

use std::thread;
use std::time::{Duration, Instant};

use crate::load::Load;
use crate::measure::{RunConfig, Sample, percentile};
use crate::rt::Rt;
use crate::workloads::echo::{Generator, serve};

const TICKERS: usize = 1_000;
const TICK: Duration = Duration::from_millis(5);
const BLOCK: Duration = Duration::from_secs(2);

/// `tick_p50`, `tick_p99`, `tick_max`: lateness of the ticks in milliseconds. `echo_p50`,
/// `echo_max`: response time in milliseconds, as the client measures it.
///
/// After a stall a task counts one late tick, not one per missed 5 ms. The percentiles therefore
/// flatter runtimes that stall. The maximum does not.
pub fn run<R: Rt>(config: &RunConfig) -> Sample {
    let time = Duration::from_secs(if config.is_quick { 4 } else { 6 });
    let rt = R::start(config.workers);
    let sample = rt.block_on_task(async move {
        let addr = serve::<R>(None).await;
        let load = Load {
            is_http: false,
            addr,
            connections: 50,
            size: 64,
            depth: 1,
            time,
            pace: Some(Duration::from_millis(20)),
            core: None,
        };
        let measure = thread::spawn(move || Generator::start(&load)?.finish());
        let end = Instant::now() + time;
        let tickers: Vec<_> = (0..TICKERS).map(|_| R::spawn(tick::<R>(end))).collect();
        // The client warms up and measures for five quarters of the time. The tasks block a little
        // longer and then end by themselves, so that a runtime that stalls also finishes.
        let blocked_until = Instant::now() + time.mul_f64(1.3);
        for _ in 0..2 {
            R::detach(R::spawn(async move {
                // Let the load generator connect first.
                R::sleep(Duration::from_millis(500)).await;
                while Instant::now() < blocked_until {
                    thread::sleep(BLOCK);
                    R::yield_now().await;
                }
            }));
        }
        let mut lateness = Vec::new();
        for ticker in tickers {
            lateness.extend(ticker.await);
        }
        let (report, mut lateness) = R::spawn_blocking(move || (measure.join(), lateness)).await;
        let report = report.expect("the measuring thread does not panic").expect("the load ran");
        let echo = |name| report.get(name).expect("the load generator reports it") / 1e3;
        Sample::default()
            .with("tick_p50", percentile(&mut lateness, 0.5))
            .with("tick_p99", percentile(&mut lateness, 0.99))
            .with("tick_max", percentile(&mut lateness, 1.0))
            .with("echo_p50", echo("p50"))
            .with("echo_max", echo("max"))
    });
    // The workers may be blocked for two more seconds. The process ends without waiting for them.
    std::mem::forget(rt);
    sample
}

/// Ticks until `end` and returns the lateness of each tick in milliseconds.
async fn tick<R: Rt>(end: Instant) -> Vec<f64> {
    let mut lateness = Vec::new();
    let mut deadline = Instant::now() + TICK;
    while deadline < end {
        R::sleep(deadline.saturating_duration_since(Instant::now())).await;
        let now = Instant::now();
        let late = now.saturating_duration_since(deadline);
        lateness.push(late.as_nanos() as f64 / 1e6);
        deadline = if late > TICK { now + TICK } else { deadline + TICK };
    }
    lateness
}

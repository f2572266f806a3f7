//! Memory: the bytes of a waiting task, and the allocations of each operation.

use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use crate::measure::{Heap, RunConfig, Sample, resident_bytes};
use crate::rt::Rt;
use crate::signal::WaitGroup;

const AN_HOUR: Duration = Duration::from_secs(3_600);

/// The number of counted tasks that have not been polled yet. It is a static, so that it takes no
/// space in the futures.
static UNPOLLED: WaitGroup = WaitGroup::new(0);

/// A future of 80 bytes that never completes: 64 bytes of state and a waker.
///
/// It keeps the waker, as every real waiting future does. A runtime may free a detached task at
/// once if nothing can wake it, and would then be credited with memory that real tasks need.
struct Waiting {
    state: [u64; 8],
    waker: Option<Waker>,
}

const _: () = assert!(size_of::<Waiting>() == 80);

impl Future for Waiting {
    type Output = u64;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<u64> {
        if self.waker.replace(cx.waker().clone()).is_none() {
            UNPOLLED.done();
        }
        if self.state[0] == u64::MAX { Poll::Ready(self.state.iter().sum()) } else { Poll::Pending }
    }
}

/// Detached tasks that wait forever, with 64 bytes of state (a future of 80 bytes). `heap` and
/// `rss` are bytes per task.
pub fn pending<R: Rt>(config: &RunConfig) -> Sample {
    per_task::<R>(config, |index| {
        R::detach(R::spawn(Waiting { state: [index as u64; 8], waker: None }));
    })
}

/// The same tasks in a sleep: 64 bytes of state beside the runtime's own sleep.
pub fn timer<R: Rt>(config: &RunConfig) -> Sample {
    per_task::<R>(config, |index| {
        let state = [index as u64; 8];
        R::detach(R::spawn(async move {
            UNPOLLED.done();
            R::sleep(AN_HOUR).await;
            std::hint::black_box(state);
        }));
    })
}

/// Spawns many tasks with `spawn` and measures the growth of the heap and of the process.
///
/// A hundred tasks that end at once run first, so that one-time allocations of the runtime do not
/// count. Tables that grow with the live tasks do.
fn per_task<R: Rt>(config: &RunConfig, spawn: impl Fn(usize) + Send + 'static) -> Sample {
    let count = if config.is_quick { 20_000 } else { 100_000 };
    Heap::count();
    let rt = R::start(config.workers);
    rt.block_on_task(async move {
        UNPOLLED.reset(count);
        for handle in (0..100).map(|_| R::spawn(async {})).collect::<Vec<_>>() {
            handle.await;
        }
        let (heap, rss) = (Heap::live_bytes(), resident_bytes());
        for index in 0..count {
            spawn(index);
        }
        UNPOLLED.wait().await;
        Sample::default()
            .with("heap", (Heap::live_bytes() - heap) / count as f64)
            .with("rss", (resident_bytes() - rss) / count as f64)
    })
}

/// Allocations per operation: `spawn` (and join), `wake` (a yield), `sleep` (polled once and
/// dropped), `blocking` (a closure on the pool), `block_on`.
pub fn allocations<R: Rt>(config: &RunConfig) -> Sample {
    const TIMES: usize = 1_000;
    Heap::count();
    let rt = R::start(config.workers);
    let per_op = |before: f64| (Heap::allocations() - before) / TIMES as f64;
    let sample = rt.block_on_task(async move {
        let mut handles = Vec::with_capacity(TIMES);
        let mut sample = Sample::default();
        // The first round fills caches and thread-locals; its figures are discarded.
        for _ in 0..2 {
            let before = Heap::allocations();
            handles.extend((0..TIMES).map(|_| R::spawn(async {})));
            for handle in handles.drain(..) {
                handle.await;
            }
            sample = Sample::default().with("spawn", per_op(before));
            let before = Heap::allocations();
            for _ in 0..TIMES {
                R::yield_now().await;
            }
            sample = sample.with("wake", per_op(before));
            let before = Heap::allocations();
            for _ in 0..TIMES {
                let mut sleep = pin!(R::sleep(AN_HOUR));
                poll_fn(|cx| Poll::Ready(sleep.as_mut().poll(cx).is_ready())).await;
            }
            sample = sample.with("sleep", per_op(before));
            let before = Heap::allocations();
            for _ in 0..TIMES {
                R::spawn_blocking(|| ()).await;
            }
            sample = sample.with("blocking", per_op(before));
        }
        sample
    });
    rt.plain_block_on(async {});
    let before = Heap::allocations();
    for _ in 0..TIMES {
        rt.plain_block_on(async {});
    }
    sample.with("block_on", per_op(before))
}

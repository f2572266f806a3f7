//! Memory: what a task that waits holds, and how often the runtime asks the allocator.

use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use crate::measure::{Effort, Heap, Sample, resident_bytes};
use crate::rt::Rt;
use crate::signal::Countdown;

const AN_HOUR: Duration = Duration::from_secs(3_600);

/// How many of the counted tasks have not been polled yet; a static, so that the futures need no
/// room for it.
static UNPOLLED: Countdown = Countdown::new(0);

/// A future of 80 bytes that never ends: 64 bytes of state and the waker that would end it.
///
/// It has to keep the waker, as everything that is waited for does: a detached task that nobody
/// can wake may be freed at once, and a runtime that does so would be credited with memory that
/// no real task can do without.
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

/// Detached tasks that wait for ever, with 64 bytes of state (80 bytes of future). `heap` and
/// `rss`: bytes per task.
pub fn pending<R: Rt>(effort: &Effort) -> Sample {
    per_task::<R>(effort, |index| {
        R::detach(R::spawn(Waiting { state: [index as u64; 8], waker: None }));
    })
}

/// The same tasks asleep: 64 bytes of state beside the runtime's own sleep.
pub fn timer<R: Rt>(effort: &Effort) -> Sample {
    per_task::<R>(effort, |index| {
        let state = [index as u64; 8];
        R::detach(R::spawn(async move {
            UNPOLLED.done();
            R::sleep(AN_HOUR).await;
            std::hint::black_box(state);
        }));
    })
}

/// Spawns many tasks by `spawn` and counts what the heap and the process grew by.
///
/// Room for the runtime's own tables is made before by as many tasks that end at once; what they
/// leave behind is not counted, what grows with the live tasks is.
fn per_task<R: Rt>(effort: &Effort, spawn: impl Fn(usize) + Send + 'static) -> Sample {
    let count = if effort.is_quick { 20_000 } else { 100_000 };
    Heap::count();
    let rt = R::start(effort.workers);
    rt.inside(async move {
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

/// Allocations per operation: `spawn` (and join), `wake` (a yield), `sleep` (made, polled,
/// dropped), `blocking` (a closure on the pool), `block_on`.
pub fn allocations<R: Rt>(effort: &Effort) -> Sample {
    const TIMES: usize = 1_000;
    Heap::count();
    let rt = R::start(effort.workers);
    let per_op = |before: f64| (Heap::allocations() - before) / TIMES as f64;
    let sample = rt.inside(async move {
        let mut handles = Vec::with_capacity(TIMES);
        let mut sample = Sample::default();
        // The first round fills caches and thread-locals and is thrown away.
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
                R::unblock(|| ()).await;
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

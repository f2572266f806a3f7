//! Clocks, counters and the figures that a measured process returns.
//!
//! CPU time is the process's user plus system time over all its threads, read from
//! `CLOCK_PROCESS_CPUTIME_ID`. It is the same sum as `getrusage` returns, without the rounding.

use std::alloc::{GlobalAlloc, Layout, System};
use std::fmt;
use std::fs;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use rustix::time::{ClockId, clock_gettime};

/// The settings of one child process.
#[derive(Clone, Copy, Debug)]
pub struct RunConfig {
    /// How long a repeated workload runs after its warm-up.
    pub time: Duration,
    /// Reduces the repetitions of workloads that count them.
    pub is_quick: bool,
    /// Threads of the runtime under measurement.
    pub workers: usize,
    /// Counts the server's system calls under strace instead of its time.
    pub has_strace: bool,
}

impl RunConfig {
    /// The full count, or a tenth of it in a quick run.
    pub fn scaled(&self, full: usize) -> usize {
        if self.is_quick { (full / 10).max(1) } else { full }
    }
}

/// Named figures of one child process.
#[derive(Clone, Debug, Default)]
pub struct Sample(Vec<(String, f64)>);

impl Sample {
    /// Adds a figure.
    pub fn with(mut self, name: &str, value: f64) -> Self {
        self.0.push((name.to_owned(), value));
        self
    }

    /// The figure of that name.
    pub fn get(&self, name: &str) -> Option<f64> {
        self.0.iter().find(|(key, _)| key == name).map(|&(_, value)| value)
    }

    /// Parses the output of [`Display`](fmt::Display).
    pub fn parse(line: &str) -> Option<Self> {
        let figure = |word: &str| {
            let (name, value) = word.split_once('=')?;
            Some((name.to_owned(), value.parse().ok()?))
        };
        let figures: Option<Vec<_>> = line.split_whitespace().map(figure).collect();
        figures.filter(|figures| !figures.is_empty()).map(Self)
    }
}

impl fmt::Display for Sample {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, (name, value)) in self.0.iter().enumerate() {
            let space = if index == 0 { "" } else { " " };
            write!(f, "{space}{name}={value}")?;
        }
        Ok(())
    }
}

/// User plus system time of this process so far.
pub fn cpu_time() -> Duration {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    let seconds = u64::try_from(time.tv_sec).expect("CPU time is not negative");
    let nanos = u32::try_from(time.tv_nsec).expect("nanoseconds are below a second");
    Duration::new(seconds, nanos)
}

/// Resident memory of this process in bytes.
pub fn resident_bytes() -> f64 {
    let statm = fs::read_to_string("/proc/self/statm").expect("Linux has /proc/self/statm");
    let pages = statm.split_whitespace().nth(1).and_then(|pages| pages.parse::<f64>().ok());
    pages.expect("statm's second field is a number") * rustix::param::page_size() as f64
}

/// A start time on the wall clock and the CPU clock.
#[derive(Clone, Copy, Debug)]
pub struct Stopwatch {
    wall: Instant,
    cpu: Duration,
}

impl Stopwatch {
    /// Reads both clocks.
    pub fn start() -> Self {
        Self { cpu: cpu_time(), wall: Instant::now() }
    }

    /// Wall time since the start.
    pub fn elapsed(&self) -> Duration {
        self.wall.elapsed()
    }

    /// Wall and CPU nanoseconds since the start, divided by `ops` operations.
    pub fn per_op(&self, ops: u64) -> Sample {
        let wall = self.wall.elapsed();
        let cpu = cpu_time() - self.cpu;
        let ops = ops.max(1) as f64;
        Sample::default()
            .with("wall", wall.as_nanos() as f64 / ops)
            .with("cpu", cpu.as_nanos() as f64 / ops)
    }
}

/// Repeats a workload for the time of the [`RunConfig`], after a warm-up of a fifth of that time.
#[derive(Debug)]
pub struct Meter {
    time: Duration,
    stopwatch: Stopwatch,
    ops: u64,
    is_warm: bool,
}

impl Meter {
    /// Starts the warm-up.
    pub fn new(config: &RunConfig) -> Self {
        Self { time: config.time, stopwatch: Stopwatch::start(), ops: 0, is_warm: false }
    }

    /// Whether to run another batch. A batch takes much longer than the 0.1 µs of this call.
    pub fn is_running(&mut self) -> bool {
        let limit = if self.is_warm { self.time } else { self.time / 5 };
        if self.ops == 0 || self.stopwatch.elapsed() < limit {
            return true;
        }
        if self.is_warm {
            return false;
        }
        *self = Self { time: self.time, stopwatch: Stopwatch::start(), ops: 0, is_warm: true };
        true
    }

    /// Counts the operations of a finished batch.
    pub fn add(&mut self, ops: usize) {
        self.ops += ops as u64;
    }

    /// Wall and CPU nanoseconds per operation.
    pub fn finish(self) -> Sample {
        self.stopwatch.per_op(self.ops)
    }
}

/// The value below which the share `rank` (0 to 1) of `values` lies. Returns 0 for an empty list.
pub fn percentile(values: &mut [f64], rank: f64) -> f64 {
    if values.is_empty() {
        return 0.0;
    }
    values.sort_unstable_by(f64::total_cmp);
    let index = (rank * (values.len() - 1) as f64).round() as usize;
    values[index]
}

/// The median.
pub fn median(values: &[f64]) -> f64 {
    percentile(&mut values.to_vec(), 0.5)
}

static IS_COUNTING: AtomicBool = AtomicBool::new(false);
static LIVE_BYTES: AtomicI64 = AtomicI64::new(0);
static ALLOCATIONS: AtomicU64 = AtomicU64::new(0);

/// The system allocator, which counts only in a process that called [`Heap::count`]. Elsewhere a
/// call costs one load and a branch that is never taken, the same for every runtime.
#[derive(Debug)]
pub struct Heap;

impl Heap {
    /// Turns the counters on, for the rest of this process.
    pub fn count() {
        IS_COUNTING.store(true, Ordering::Relaxed);
    }

    /// Bytes allocated and not freed since [`Heap::count`].
    pub fn live_bytes() -> f64 {
        LIVE_BYTES.load(Ordering::Relaxed) as f64
    }

    /// Allocations since [`Heap::count`]. A reallocation counts as one.
    pub fn allocations() -> f64 {
        ALLOCATIONS.load(Ordering::Relaxed) as f64
    }

    #[cold]
    fn note(allocations: u64, bytes: i64) {
        ALLOCATIONS.fetch_add(allocations, Ordering::Relaxed);
        LIVE_BYTES.fetch_add(bytes, Ordering::Relaxed);
    }
}

// SAFETY: every method passes its arguments to `System` unchanged and returns its result, so this
// allocator has `System`'s guarantees. The counters allocate nothing.
unsafe impl GlobalAlloc for Heap {
    #[inline]
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        if IS_COUNTING.load(Ordering::Relaxed) {
            Self::note(1, layout.size() as i64);
        }
        // SAFETY: the caller's promise about `layout` is passed on.
        unsafe { System.alloc(layout) }
    }

    #[inline]
    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        if IS_COUNTING.load(Ordering::Relaxed) {
            Self::note(1, layout.size() as i64);
        }
        // SAFETY: the caller's promise about `layout` is passed on.
        unsafe { System.alloc_zeroed(layout) }
    }

    #[inline]
    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        if IS_COUNTING.load(Ordering::Relaxed) {
            Self::note(0, -(layout.size() as i64));
        }
        // SAFETY: the block came from `System` through this allocator, with this layout.
        unsafe { System.dealloc(block, layout) }
    }

    #[inline]
    unsafe fn realloc(&self, block: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        if IS_COUNTING.load(Ordering::Relaxed) {
            Self::note(1, size as i64 - layout.size() as i64);
        }
        // SAFETY: the block came from `System` through this allocator, with this layout.
        unsafe { System.realloc(block, layout, size) }
    }
}

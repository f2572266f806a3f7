//! How long polls take, and how long tasks wait for a poll after a wake, while something is
//! recorded.

use std::sync::Arc;
use std::time::Duration;

use reveille_primitive::atomic::{AtomicU64, Ordering};
use reveille_primitive::lock::Mutex;

/// A bucket for each power of two of ticks.
const BUCKETS: usize = 64;

/// The slots for the last wakes of tasks. If two tasks share a slot, only the later wake is kept.
/// 8 KiB, so that the table leaves most of a core's first cache to the program.
const WAKES: usize = 1_024;

/// The bits of a slot that identify the task. The others are the time.
const TAG_BITS: u32 = 20;
const TAG_MASK: u64 = (1 << TAG_BITS) - 1;

/// Counts of durations. One thread writes them with plain stores, and any thread reads them.
#[derive(Debug)]
struct Buckets([AtomicU64; BUCKETS]);

/// The counts of one thread.
#[derive(Debug)]
pub(crate) struct ThreadCounts {
    polls: Buckets,
    latencies: Buckets,
}

/// The histograms of a recording.
#[derive(Debug, Default)]
pub(crate) struct Histograms {
    threads: Mutex<Vec<Arc<ThreadCounts>>>,
    wakes: Arc<Wakes>,
}

/// When tasks were woken last.
#[derive(Debug)]
pub(crate) struct Wakes([AtomicU64; WAKES]);

impl ThreadCounts {
    /// Counts a poll.
    #[inline]
    pub(crate) fn count_poll(&self, ticks: u64) {
        self.polls.add(ticks);
    }

    /// Counts the time from a wake to the poll after it.
    #[inline]
    pub(crate) fn count_latency(&self, ticks: u64) {
        self.latencies.add(ticks);
    }
}

impl Histograms {
    /// Counts for one thread to write. If an earlier thread has ended, its counts are continued.
    pub(crate) fn thread_counts(&self) -> Arc<ThreadCounts> {
        let mut threads = self.threads.lock();
        if let Some(ended) = threads.iter().find(|counts| Arc::strong_count(counts) == 1) {
            return Arc::clone(ended);
        }
        let counts = Arc::new(ThreadCounts { polls: Buckets::new(), latencies: Buckets::new() });
        threads.push(Arc::clone(&counts));
        counts
    }

    /// How long polls took.
    pub(crate) fn poll_times(&self, ns_per_tick: f64) -> Histogram {
        self.read(|counts| &counts.polls, ns_per_tick)
    }

    /// How long tasks waited for a poll after a wake.
    pub(crate) fn latencies(&self, ns_per_tick: f64) -> Histogram {
        self.read(|counts| &counts.latencies, ns_per_tick)
    }

    fn read(&self, of: fn(&ThreadCounts) -> &Buckets, ns_per_tick: f64) -> Histogram {
        let threads = self.threads.lock();
        let mut sums = [0; BUCKETS];
        for counts in &*threads {
            for (sum, count) in sums.iter_mut().zip(&of(counts).0) {
                *sum += count.load(Ordering::Relaxed);
            }
        }
        Histogram::new(&sums, ns_per_tick)
    }

    /// The table of wakes, for a thread to keep.
    pub(crate) fn wakes(&self) -> Arc<Wakes> {
        Arc::clone(&self.wakes)
    }
}

impl Default for Wakes {
    fn default() -> Wakes {
        Wakes([const { AtomicU64::new(0) }; WAKES])
    }
}

impl Wakes {
    /// The slot of a task, and its tag, which is not 0.
    #[inline]
    fn slot(&self, key: u64) -> (&AtomicU64, u64) {
        let hash = key.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        (&self.0[(hash >> 20) as usize % WAKES], hash >> (64 - TAG_BITS) | 1)
    }

    /// A task was woken at `tick`.
    #[inline]
    pub(crate) fn woken(&self, key: u64, tick: u64) {
        let (slot, tag) = self.slot(key);
        slot.store(tick << TAG_BITS | tag, Ordering::Relaxed);
    }

    /// A task is polled at `tick`. Returns how long ago it was woken, if that is known.
    #[inline]
    pub(crate) fn polled(&self, key: u64, tick: u64) -> Option<u64> {
        let (slot, tag) = self.slot(key);
        let word = slot.load(Ordering::Relaxed);
        if word & TAG_MASK != tag {
            return None;
        }
        slot.store(0, Ordering::Relaxed);
        let passed = (tick << TAG_BITS).wrapping_sub(word & !TAG_MASK);
        Some((passed as i64 >> TAG_BITS).max(0).unsigned_abs())
    }
}

impl Buckets {
    fn new() -> Buckets {
        Buckets([const { AtomicU64::new(0) }; BUCKETS])
    }

    #[inline]
    fn add(&self, ticks: u64) {
        // The number of bits of `ticks`, without a branch for 0.
        let bits = (ticks << 1 | 1).ilog2();
        let count = &self.0[bits as usize % BUCKETS];
        count.store(count.load(Ordering::Relaxed) + 1, Ordering::Relaxed);
    }
}

/// A histogram of durations: a bucket for each power of two.
///
/// # Examples
///
/// ```
/// use reveille::{observe, task};
/// use std::time::Duration;
///
/// let recorder = observe::FlightRecorder::new().start()?;
/// task::block_on(task::spawn(task::yield_now()));
/// let polls = recorder.poll_times();
/// assert!(polls.count() >= 2);
/// assert!(polls.quantile(0.5).is_some_and(|half| half < Duration::from_secs(10)));
/// # std::io::Result::Ok(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Histogram {
    /// Upper limits and counts, ascending; without empty ones.
    buckets: Vec<(Duration, u64)>,
}

impl Histogram {
    fn new(counts: &[u64; BUCKETS], ns_per_tick: f64) -> Histogram {
        let limit =
            |bucket: usize| Duration::from_nanos(((1_u64 << bucket) as f64 * ns_per_tick) as u64);
        let buckets = counts.iter().enumerate().filter(|(_, count)| **count > 0);
        Histogram { buckets: buckets.map(|(bucket, count)| (limit(bucket), *count)).collect() }
    }

    /// Returns the buckets that are not empty, in ascending order: the upper limit of the bucket's
    /// durations, and their count. A bucket begins at half of its limit.
    ///
    /// # Examples
    ///
    /// ```
    /// let recorder = reveille::observe::FlightRecorder::new().start()?;
    /// for (limit, count) in recorder.poll_times().buckets() {
    ///     println!("{count} polls took less than {limit:?}");
    /// }
    /// # std::io::Result::Ok(())
    /// ```
    pub fn buckets(&self) -> impl Iterator<Item = (Duration, u64)> {
        self.buckets.iter().copied()
    }

    /// Returns the number of durations.
    ///
    /// # Examples
    ///
    /// ```
    /// assert_eq!(reveille::observe::Histogram::default().count(), 0);
    /// ```
    #[must_use]
    pub fn count(&self) -> u64 {
        self.buckets.iter().map(|(_, count)| count).sum()
    }

    /// Returns a duration such that the given share of all durations, such as 0.99, is below it. It
    /// is at most twice the exact quantile. Returns `None` if there are no durations.
    ///
    /// # Examples
    ///
    /// ```
    /// assert_eq!(reveille::observe::Histogram::default().quantile(0.99), None);
    /// ```
    #[must_use]
    pub fn quantile(&self, share: f64) -> Option<Duration> {
        let wanted = (self.count() as f64 * share.clamp(0.0, 1.0)).ceil() as u64;
        let mut sum = 0;
        let found = self.buckets.iter().find(|(_, count)| {
            sum += count;
            sum >= wanted
        });
        found.map(|(limit, _)| *limit)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quantile_is_the_limit_of_its_bucket() {
        let histograms = Histograms::default();
        for counts in [histograms.thread_counts(), histograms.thread_counts()] {
            [0, 1, 3, 3, 100].into_iter().for_each(|ticks| counts.count_poll(ticks));
        }
        let histogram = histograms.poll_times(10.0);
        let buckets: Vec<_> = histogram.buckets().map(|(limit, n)| (limit.as_nanos(), n)).collect();
        assert_eq!(buckets, [(10, 2), (20, 2), (40, 4), (1_280, 2)]);
        assert_eq!(histogram.quantile(0.5), Some(Duration::from_nanos(40)));
        assert_eq!(histogram.quantile(1.0), Some(Duration::from_nanos(1_280)));
        assert_eq!(histogram.quantile(0.0), Some(Duration::from_nanos(10)));
    }

    #[test]
    fn a_latency_is_the_time_from_the_last_wake_to_the_next_poll() {
        let histograms = Histograms::default();
        let counts = histograms.thread_counts();
        let wakes = histograms.wakes();
        wakes.woken(7, 1_000);
        wakes.woken(7, 2_000);
        assert_eq!(wakes.polled(8, 2_005), None);
        assert_eq!(wakes.polled(7, 2_005), Some(5));
        assert_eq!(wakes.polled(7, 9_000), None);
        // The threads' clocks may differ by some ticks.
        wakes.woken(7, 2_000);
        assert_eq!(wakes.polled(7, 1_990), Some(0));
        counts.count_latency(5);
        assert_eq!(histograms.latencies(1.0).buckets, [(Duration::from_nanos(8), 1)]);
    }
}

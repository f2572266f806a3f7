//! Decides when a busy worker stops polling to do something else.
//!
//! A worker that has tasks still has to read the clock, turn its driver, fire its timers and wake
//! siblings. Each of these costs more than a short poll, so each is done as rarely as its purpose
//! permits. That depends on how long the polls of this worker take, which [`WorkerPace`] measures.
//!
//! Nothing here reads a clock, a queue or an atomic: the times and lengths are passed in, so that
//! the tests below need no threads.

use std::mem;

/// The injector comes first once in this many polls. A prime, so that it does not fall into step
/// with tasks that run periodically. Go and tokio use the same.
const INJECTOR_EVERY: u32 = 61;

/// The most polls between two reads of the clock. This limit applies when polls are short.
const CLOCK_EVERY: u32 = 64;

/// The most nanoseconds between two reads of the clock, when polls are 16 us or longer. A socket or
/// a timer is late by this and the length of one poll at most.
const CLOCK_EVERY_NS: u64 = 1_000_000;

/// How long a busy worker leaves its driver and timers alone, in nanoseconds. The system call takes
/// 165 ns, which is less than two thousandths of this.
const TURN_EVERY_NS: u64 = 100_000;

/// How many nanoseconds in a row the LIFO slot may come first. Tasks that wake each other can delay
/// the oldest task of the queue by this long.
const LIFO_RUN_NS: u64 = 10_000;

/// The lower and the upper bound of how many polls in a row may come from the LIFO slot. tokio has
/// 3, Go 10 ms.
const LIFO_POLLS_MIN: u64 = 3;
const LIFO_POLLS_MAX: u64 = 15;

/// The queued work, in nanoseconds, for which a sibling is woken. The wake costs each core some ten
/// microseconds, and the sibling begins tens of microseconds later. The owner would finish less
/// work than this in that time.
const WAKE_WORTH_NS: u64 = 50_000;

/// The queued work, in nanoseconds, for which a sibling is woken if the queue was never shorter
/// during [`WINDOW_CHECKS`]. Tasks that keep each other busy are then spread over the workers once,
/// and stay there.
const LASTING_WORTH_NS: u64 = 4_000;

/// The length of the window in which the shortest queue is recorded, in reads of the clock.
const WINDOW_CHECKS: u32 = 4;

/// The queued work, in nanoseconds, that is worth a steal of its half. A task that moves to another
/// core leaves its data behind, which costs some hundred nanoseconds.
const STEAL_WORTH_NS: u64 = 3_000;

/// A worker that turned its driver this many nanoseconds ago is assumed to be in a long poll. Its
/// queue is then worth stealing from, however short it is.
const LONG_POLL_NS: u64 = 300_000;

/// A searcher turns the driver of a busy worker that turned it this many nanoseconds ago.
const STALE_TURN_NS: u64 = 1_000_000;

/// The assumed length of a poll until polls were measured, in nanoseconds.
pub(super) const INITIAL_POLL_NS: u64 = 1_000;

/// What cold caches cost a worker that has slept, in nanoseconds. This time is not counted as time
/// of its polls. Ten small tasks take 50 to 150 us after 100 ms of sleep, and 2 us when they are
/// polled again at once.
const WAKEUP_COST_NS: u64 = 100_000;

/// The weight of one read of the clock in the mean: one part of 64 for each poll since the last
/// read, a quarter at most. So one long poll among short ones affects the mean only briefly.
const WEIGHTS: u64 = 64;
const WEIGHT_MAX: u64 = 16;

/// A wait this short, in nanoseconds, means that its events were pending already. More are likely
/// to be pending, so for [`BUSY_POLL_NS`] the worker only polls its driver. It does not search or
/// prepare to sleep.
const IMMEDIATE_WAIT_NS: u64 = 5_000;

/// How many nanoseconds a worker that always finds events polls its driver instead of searching. It
/// has enough work. If tasks of another worker wait for a millisecond, the monitor takes care of
/// them.
const BUSY_POLL_NS: u64 = 1_000_000;

/// Whether a queue of this length, in nanoseconds of work, is worth stealing from. The owner of a
/// shorter one finishes it before the data of its tasks have moved to another core.
#[inline]
pub(super) fn is_worth_stealing(queued_ns: u64) -> bool {
    queued_ns >= STEAL_WORTH_NS
}

/// Whether a worker that turned its driver so long ago is assumed to be in a long poll.
#[inline]
pub(super) fn is_long_poll(since_turn_ns: u64) -> bool {
    since_turn_ns >= LONG_POLL_NS
}

/// Whether a searcher turns a driver that was last turned so long ago.
#[inline]
pub(super) fn is_stale(since_turn_ns: u64) -> bool {
    since_turn_ns >= STALE_TURN_NS
}

/// The mean after `polls` polls that took `each_ns`.
fn next_mean(mean_ns: u64, each_ns: u64, polls: u64) -> u64 {
    let weight = polls.min(WEIGHT_MAX);
    ((WEIGHTS - weight) * mean_ns + weight * each_ns) / WEIGHTS
}

/// How many polls in a row the LIFO slot may come first.
fn lifo_polls_max(mean_ns: u64) -> u32 {
    (LIFO_RUN_NS / mean_ns.max(1)).clamp(LIFO_POLLS_MIN, LIFO_POLLS_MAX) as u32
}

/// After how many polls of `poll_ns` the clock is read next. When polls become longer, the number
/// drops at once; when they become shorter, it at most doubles.
fn next_interval(poll_ns: u64, interval: u32) -> u32 {
    let fitting = (CLOCK_EVERY_NS / poll_ns.max(1)).clamp(1, u64::from(CLOCK_EVERY));
    (fitting as u32).min(2 * interval)
}

/// The length of a worker thread's polls and the times of its last actions.
#[derive(Debug)]
pub(super) struct WorkerPace {
    /// Polls since the thread began; wraps.
    tick: u32,
    /// The tick of the next read of the clock, and the polls between two of them.
    maintenance_tick: u32,
    maintenance_interval: u32,
    /// Polls from the LIFO slot in a row, and their limit.
    lifo_polls: u32,
    lifo_polls_max: u32,
    mean_poll_ns: u64,
    /// The shortest queue of this window, and the reads of the clock in it.
    shortest_queue: u64,
    window_checks: u32,
    /// The tick at which the next read of the clock counts in the window.
    window_tick: u32,
    /// Time and tick of the last read of the clock.
    clock_ns: u64,
    clock_tick: u32,
    /// Time since the last read of the clock that is not counted as time of polls.
    wakeup_cost_ns: u64,
    /// When the driver was last turned, and the timers.
    turned_ns: u64,
    timed_ns: u64,
    /// Until when the worker busy-polls its driver; see [`IMMEDIATE_WAIT_NS`].
    busy_poll_until_ns: u64,
}

impl WorkerPace {
    pub(super) fn new(now_ns: u64) -> WorkerPace {
        WorkerPace {
            tick: 0,
            maintenance_tick: 0,
            maintenance_interval: 1,
            lifo_polls: 0,
            lifo_polls_max: LIFO_POLLS_MAX as u32,
            mean_poll_ns: INITIAL_POLL_NS,
            shortest_queue: 0,
            window_checks: 0,
            window_tick: CLOCK_EVERY,
            clock_ns: now_ns,
            clock_tick: 0,
            // A new thread also takes page faults on its stack.
            wakeup_cost_ns: 5 * WAKEUP_COST_NS,
            turned_ns: now_ns,
            timed_ns: now_ns,
            busy_poll_until_ns: 0,
        }
    }

    /// Whether the clock has to be read before the next poll.
    #[inline]
    pub(super) fn is_maintenance_due(&self) -> bool {
        self.tick == self.maintenance_tick
    }

    /// Makes the clock be read after one more poll.
    pub(super) fn hasten_maintenance(&mut self) {
        self.maintenance_tick = self.tick.wrapping_add(1);
    }

    #[inline]
    pub(super) fn is_injector_first(&self) -> bool {
        self.tick.is_multiple_of(INJECTOR_EVERY)
    }

    #[inline]
    pub(super) fn may_take_lifo(&self) -> bool {
        self.lifo_polls < self.lifo_polls_max
    }

    #[inline]
    pub(super) fn lifo_polls(&self) -> u32 {
        self.lifo_polls
    }

    #[inline]
    pub(super) fn set_lifo_polls(&mut self, polls: u32) {
        self.lifo_polls = polls;
    }

    #[inline]
    pub(super) fn count_poll(&mut self) {
        self.tick = self.tick.wrapping_add(1);
    }

    /// Whether `queued` tasks are worth waking a sibling for.
    #[inline]
    pub(super) fn is_worth_sharing(&mut self, queued: u64) -> bool {
        self.shortest_queue = self.shortest_queue.min(queued);
        queued * self.mean_poll_ns >= WAKE_WORTH_NS
    }

    /// Counts a read of the clock that is due. Returns the mean length of a poll if it has changed.
    #[inline]
    pub(super) fn read_clock(&mut self, now_ns: u64) -> Option<u64> {
        let polls = u64::from(self.tick.wrapping_sub(self.clock_tick));
        let cold_ns = mem::take(&mut self.wakeup_cost_ns);
        let time_ns = now_ns.saturating_sub(self.clock_ns).saturating_sub(cold_ns);
        let each_ns = time_ns.checked_div(polls);
        if let Some(each_ns) = each_ns {
            let each_ns = if cold_ns > 0 { each_ns.max(INITIAL_POLL_NS) } else { each_ns };
            self.mean_poll_ns = next_mean(self.mean_poll_ns, each_ns, polls);
            self.lifo_polls_max = lifo_polls_max(self.mean_poll_ns);
            let poll_ns = self.mean_poll_ns.max(each_ns);
            self.maintenance_interval = next_interval(poll_ns, self.maintenance_interval);
        }
        self.maintenance_tick = self.tick.wrapping_add(self.maintenance_interval);
        self.clock_ns = now_ns;
        self.clock_tick = self.tick;
        each_ns.map(|_| self.mean_poll_ns)
    }

    /// Whether the queue was long enough during the whole window to be worth waking a sibling for.
    /// Called at each read of the clock.
    #[inline]
    pub(super) fn is_lasting_worth_sharing(&mut self) -> bool {
        if self.tick.wrapping_sub(self.window_tick) >= u32::MAX / 2 {
            return false;
        }
        self.window_tick = self.tick.wrapping_add(CLOCK_EVERY);
        self.window_checks += 1;
        if self.window_checks < WINDOW_CHECKS {
            return false;
        }
        let lasting_ns = self.shortest_queue * self.mean_poll_ns;
        (self.shortest_queue, self.window_checks) = (u64::from(u32::MAX), 0);
        lasting_ns >= LASTING_WORTH_NS
    }

    #[inline]
    pub(super) fn is_turn_due(&self, now_ns: u64) -> bool {
        now_ns.saturating_sub(self.turned_ns) >= TURN_EVERY_NS
    }

    #[inline]
    pub(super) fn are_timers_due(&self, now_ns: u64) -> bool {
        now_ns.saturating_sub(self.timed_ns) >= TURN_EVERY_NS
    }

    /// Records that the driver was turned.
    #[inline]
    pub(super) fn turned(&mut self, now_ns: u64) {
        self.turned_ns = now_ns;
    }

    /// Records that the timers were turned.
    #[inline]
    pub(super) fn timed(&mut self, now_ns: u64) {
        self.timed_ns = now_ns;
    }

    #[inline]
    pub(super) fn turned_ns(&self) -> u64 {
        self.turned_ns
    }

    /// Whether the worker polls its driver before it searches.
    #[inline]
    pub(super) fn is_busy_polling(&self) -> bool {
        self.turned_ns < self.busy_poll_until_ns
    }

    pub(super) fn end_busy_poll(&mut self) {
        self.busy_poll_until_ns = 0;
    }

    /// Records that the worker has waited in its driver from `start_ns` to `end_ns`, and how many
    /// events the wait returned.
    #[inline]
    pub(super) fn waited(&mut self, start_ns: u64, end_ns: u64, events: usize) {
        let is_immediate = events > 0 && end_ns - start_ns < IMMEDIATE_WAIT_NS;
        self.busy_poll_until_ns = if is_immediate { end_ns + BUSY_POLL_NS } else { 0 };
        self.clock_ns = end_ns;
        self.clock_tick = self.tick;
        self.wakeup_cost_ns = WAKEUP_COST_NS;
    }
}

#[cfg(test)]
mod tests;

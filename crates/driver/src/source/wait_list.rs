//! The waiters of one direction beyond the first. Plain data: `core.rs` has the lock.
//!
//! A future of this project has a slot and frees it when it is dropped. A `poll_*` method has no
//! state, so its waker stays in a list until the next event. The list never evicts a waiter: any
//! number of tasks may wait for one source, and they must not wake each other. But a task may stop
//! waiting or end without an event, and its waker must not stay forever. So the list is *swept*
//! when it reaches a certain size:
//!
//! 1. Wakers whose task has ended are dropped.
//! 2. Wakers whose task still exists stay.
//! 3. For other wakers (of executors inside a task, or of other runtimes) the sweep cannot
//!    determine that. It wakes and removes them: a task that still waits enters its waker again.
//! 4. The size for the next sweep is at least twice the number of wakers that stayed. After a sweep
//!    that woke wakers, the size doubles if the sweep before it was less than [`GRACE`] ago,
//!    because the woken tasks have entered again; otherwise it halves.
//!
//! So a sweep never wakes a task of this runtime. N waiters of other executors are woken about 2 N
//! times in total. Of the waiters that have stopped waiting, the list keeps at most those that
//! entered within twice the grace period.
//!
//! Rejected: a bound at which the oldest waiter is woken and removed. With one waiter more than the
//! bound, the waiters evict each other in a busy loop.

use std::task::Waker;
use std::time::{Duration, Instant};

use slab::Slab;

use crate::wake::wake_all;

/// The executor's functions for wakers, for the sweep of a list.
#[derive(Debug, Clone, Copy)]
pub struct WakerOps {
    /// Returns whether the task behind a waker still exists; `None` if that is unknown. It must not
    /// run user code, because it is called under a lock.
    pub is_live: fn(&Waker) -> Option<bool>,
    /// Wakes and removes all wakers, even if one of them panics.
    pub wake_all: fn(&mut Vec<Waker>),
}

impl Default for WakerOps {
    /// For wakers of unknown tasks. Resumes the last panic after all wakers have been called.
    fn default() -> WakerOps {
        WakerOps { is_live: |_| None, wake_all: |wakers| _ = wake_all(wakers) }
    }
}

/// The smallest size at which a list is swept.
const SIZE_MIN: usize = 32;

/// The time within which waiters are expected to enter again after a sweep woke them.
const GRACE: Duration = Duration::from_millis(50);

/// The waiters of one direction beyond the first.
#[derive(Debug)]
pub(super) struct WaitList {
    pub(super) more: Vec<Waker>,
    pub(super) owned: Slab<Option<Waker>>,
    /// `more` is swept before it grows beyond this length.
    size: usize,
    /// When a sweep last woke wakers.
    last_woken: Option<Instant>,
}

/// The wakers that a sweep removed from the list. The caller handles them after it has released the
/// lock.
#[derive(Debug, Default)]
pub(super) struct Swept {
    /// The caller drops these: their tasks have ended.
    pub(super) gone: Vec<Waker>,
    /// The caller wakes these: nothing is known about their tasks.
    pub(super) unknown: Vec<Waker>,
}

impl Default for WaitList {
    fn default() -> WaitList {
        WaitList { more: Vec::new(), owned: Slab::new(), size: SIZE_MIN, last_woken: None }
    }
}

impl WaitList {
    /// Adds a shared waker. Sweeps the list first if it has reached the size for that.
    pub(super) fn push(
        &mut self,
        waker: Waker,
        is_live: fn(&Waker) -> Option<bool>,
    ) -> Option<Swept> {
        let swept = (self.more.len() >= self.size).then(|| self.sweep(is_live));
        self.more.push(waker);
        swept
    }

    #[cold]
    fn sweep(&mut self, is_live: fn(&Waker) -> Option<bool>) -> Swept {
        let gone = self.more.extract_if(.., |waker| is_live(waker) == Some(false)).collect();
        let unknown: Vec<_> = self.more.extract_if(.., |waker| is_live(waker).is_none()).collect();
        if unknown.is_empty() {
            self.size = SIZE_MIN;
        } else {
            let now = now();
            let is_soon = self.last_woken.is_some_and(|before| now.duration_since(before) < GRACE);
            self.size = if is_soon { self.size * 2 } else { SIZE_MIN.max(self.size / 2) };
            self.last_woken = Some(now);
        }
        self.size = self.size.max(2 * self.more.len());
        Swept { gone, unknown }
    }

    pub(super) fn take(&mut self, into: &mut Vec<Waker>) {
        into.append(&mut self.more);
        into.extend(self.owned.iter_mut().filter_map(|(_, slot)| slot.take()));
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "only an estimate of elapsed time; nothing waits for it"
)]
fn now() -> Instant {
    Instant::now()
}

#[cfg(all(test, not(reveille_loom)))]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
    use std::task::Wake;

    use super::*;

    /// A task that enters its waker again when it is woken.
    #[derive(Default)]
    struct Waiter {
        wakes: AtomicUsize,
        is_woken: AtomicBool,
    }

    impl Wake for Waiter {
        fn wake(self: Arc<Self>) {
            self.wakes.fetch_add(1, Ordering::Relaxed);
            self.is_woken.store(true, Ordering::Relaxed);
        }
    }

    /// Enters `waiter` and then each waiter that a sweep woke, until no sweep wakes a waiter.
    fn enter(list: &mut WaitList, all: &[Arc<Waiter>], waiter: &Arc<Waiter>) {
        let mut push = |waiter: &Arc<Waiter>| {
            if let Some(swept) = list.push(Waker::from(Arc::clone(waiter)), |_| None) {
                swept.unknown.into_iter().for_each(Waker::wake);
            }
        };
        push(waiter);
        while let Some(woken) = all.iter().find(|it| it.is_woken.swap(false, Ordering::Relaxed)) {
            push(woken);
        }
    }

    #[test]
    fn waiters_of_unknown_tasks_are_woken_at_most_three_times_on_average() {
        for count in [31, 32, 33, 34, 100, 1000] {
            let mut list = WaitList::default();
            let all: Vec<_> = (0..count).map(|_| Arc::new(Waiter::default())).collect();
            for waiter in &all {
                enter(&mut list, &all, waiter);
            }
            let wakes: usize = all.iter().map(|it| it.wakes.load(Ordering::Relaxed)).sum();
            assert!(wakes <= 3 * count, "{count} waiters were woken {wakes} times");
            assert_eq!(list.more.len(), count, "each waiter is in the list");
        }
    }

    #[test]
    fn wakers_of_tasks_that_stopped_waiting_do_not_accumulate() {
        let mut list = WaitList::default();
        for _ in 0..100_000 {
            let waker = Waker::from(Arc::new(Waiter::default()));
            drop(list.push(waker, |_| None));
            // As if each waiter entered a while after the previous one.
            list.last_woken = None;
        }
        assert!(list.more.len() <= SIZE_MIN, "{} are left", list.more.len());
    }

    #[test]
    fn a_sweep_drops_wakers_of_ended_tasks_and_keeps_the_others() {
        let mut list = WaitList::default();
        let (ended, waits) = (Waker::noop().clone(), Arc::new(Waiter::default()));
        let waits = Waker::from(waits);
        fn is_live(waker: &Waker) -> Option<bool> {
            Some(!waker.data().is_null())
        }
        for _ in 0..200 {
            list.more.push(waits.clone());
        }
        for _ in 0..10_000 {
            let swept = list.push(ended.clone(), is_live);
            assert!(swept.is_none_or(|swept| swept.unknown.is_empty()));
        }
        assert!(list.more.len() <= 2 * 200 + 1, "{} are left", list.more.len());
        let waiting = list.more.iter().filter(|waker| waker.will_wake(&waits));
        assert_eq!(waiting.count(), 200);
    }
}

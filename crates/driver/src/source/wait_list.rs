//! The waiters of one direction beyond the first. Plain data: `core.rs` locks it.
//!
//! A future of this project has a slot and frees it when it is dropped. A `poll_*` method has no
//! memory, so its waker stays in a list until the next event. The list never evicts a waiter: any
//! number of tasks may wait for one source, and they must not wake each other. A task may also give
//! up and end while the source stays silent, and its waker must not stay for ever. So the list is
//! *swept* when it reaches a certain size:
//!
//! 1. Wakers whose task has ended are dropped.
//! 2. Wakers whose task still exists stay.
//! 3. For other wakers (of executors inside a task, or of other runtimes) the sweep cannot tell. It
//!    wakes them and removes them: a task that still waits enters again.
//! 4. The next size is at least twice the number that stayed. If wakers were last woken less than
//!    [`GRACE`] ago, the size doubles, because those tasks have entered again; otherwise it halves.
//!
//! So a sweep never wakes a task of this runtime. N waiters of other executors are woken about 2 N
//! times in all. Of those that gave up, at most what arrives within twice the grace is kept.
//!
//! Rejected: a bound at which the oldest waiter is woken and dropped. With one waiter more than the
//! bound, the waiters evict each other in a loop that never sleeps.

use std::task::Waker;
use std::time::{Duration, Instant};

use slab::Slab;

use crate::events;

/// What the executor knows about wakers, for the sweep of a list.
#[derive(Debug, Clone, Copy)]
pub struct WakerOps {
    /// Tells whether the task behind a waker still exists; `None` if it cannot tell. It must not
    /// run user code: it is called under a lock.
    pub is_live: fn(&Waker) -> Option<bool>,
    /// Wakes and removes all wakers, also when one of them panics.
    pub wake_all: fn(&mut Vec<Waker>),
}

impl Default for WakerOps {
    /// Knows nothing about tasks. Resumes the last panic once all wakers were called.
    fn default() -> WakerOps {
        WakerOps { is_live: |_| None, wake_all: |wakers| _ = events::wake_all(wakers) }
    }
}

/// The size below which a list is not swept.
const SIZE_MIN: usize = 32;

/// How long a waiter may take to come back after it was woken by a sweep.
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

/// What a sweep took out of the list. The caller handles it after it has released the lock.
#[derive(Debug, Default)]
pub(super) struct Swept {
    /// Their tasks have ended.
    pub(super) gone: Vec<Waker>,
    /// Nothing is known about their tasks. The caller wakes them.
    pub(super) unknown: Vec<Waker>,
}

impl Default for WaitList {
    fn default() -> WaitList {
        WaitList { more: Vec::new(), owned: Slab::new(), size: SIZE_MIN, last_woken: None }
    }
}

impl WaitList {
    /// Adds a shared waker. A list that is full is swept before that.
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

#[expect(clippy::disallowed_methods, reason = "a guess of how long ago; nothing waits for it")]
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

    /// Enters `waiter` and then all waiters that a sweep woke, until no sweep wakes one.
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
    fn waiters_of_unknown_tasks_are_woken_a_few_times_at_most() {
        for count in [31, 32, 33, 34, 100, 1000] {
            let mut list = WaitList::default();
            let all: Vec<_> = (0..count).map(|_| Arc::new(Waiter::default())).collect();
            for waiter in &all {
                enter(&mut list, &all, waiter);
            }
            let wakes: usize = all.iter().map(|it| it.wakes.load(Ordering::Relaxed)).sum();
            assert!(wakes <= 3 * count, "{count} waiters were woken {wakes} times");
            assert_eq!(list.more.len(), count, "each of them is there");
        }
    }

    #[test]
    fn waiters_that_gave_up_do_not_add_up() {
        let mut list = WaitList::default();
        for _ in 0..100_000 {
            let waker = Waker::from(Arc::new(Waiter::default()));
            drop(list.push(waker, |_| None));
            // As if each came a while after the one before.
            list.last_woken = None;
        }
        assert!(list.more.len() <= SIZE_MIN, "{} are left", list.more.len());
    }

    #[test]
    fn wakers_of_ended_tasks_are_dropped_and_those_of_others_stay_unwoken() {
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

//! The wakers of the calls that wait for a direction of a file.
//!
//! The futures of `Read` and `Write` do not report their drop, so a waker may belong to a call that
//! no longer waits. A read of a terminal can be in flight for days, and each task that stops
//! waiting for it would leave its waker behind. So after every `LIMIT` new waiters, all entries are
//! probed by waking them. A call that still waits is polled and enters itself again. An entry that
//! did not is removed in the next round.
//!
//! # Invariants
//!
//! 1. A probed entry holds no waker, only its identity, so it keeps no task in memory.
//! 2. A waiter that enters itself again after a probe does not count as new, so waiting tasks do
//!    not keep waking each other. If more tasks wait than are polled between two rounds, an entry
//!    may be removed before its task was polled. So one waker is kept as a sample. If it enters
//!    itself again after a round removed its entry, rounds become rarer, until no entry is removed
//!    too early. While the waker is kept, no other task can have its identity. An event removes all
//!    entries, so it ends the sample too.

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::task::Waker;
use std::{mem, ptr, thread};

/// New waiters between two rounds.
const LIMIT: usize = 128;
/// Rounds after which a sample that has not entered itself again is dropped.
const SAMPLE_ROUNDS: u32 = 64;

#[derive(Debug)]
pub(super) struct Waiters {
    entries: Vec<Entry>,
    /// New waiters since the last round.
    fresh: usize,
    limit: usize,
    /// An entered waker, and its rounds so far.
    sample: Option<(Waker, u32)>,
}

#[derive(Debug)]
enum Entry {
    Waiting(Waker),
    /// It was woken, and enters itself again if it still waits.
    Asked(Identity),
}

/// The pointers that `Waker::will_wake` compares.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Identity {
    data: usize,
    vtable: usize,
}

impl Identity {
    fn of(waker: &Waker) -> Identity {
        Identity { data: waker.data().addr(), vtable: ptr::from_ref(waker.vtable()).addr() }
    }
}

impl Waiters {
    pub(super) fn new() -> Waiters {
        Waiters { entries: Vec::new(), fresh: 0, limit: LIMIT, sample: None }
    }

    /// Whether the next `enter` needs a clone of the waker as a sample.
    pub(super) fn wants_sample(&self) -> bool {
        self.sample.is_none() && self.fresh >= LIMIT / 2
    }

    /// Enters `waker`. If it is there already, the caller gets it back and drops it without the
    /// lock. The caller also wakes the returned wakers without the lock. `clone` is for
    /// `wants_sample`.
    pub(super) fn enter(
        &mut self,
        waker: &mut Option<Waker>,
        clone: &mut Option<Waker>,
    ) -> Vec<Waker> {
        let Some(new) = waker.take() else { return Vec::new() };
        let identity = Identity::of(&new);
        for entry in &mut self.entries {
            match entry {
                Entry::Waiting(there) if there.will_wake(&new) => {
                    *waker = Some(new);
                    return Vec::new();
                }
                Entry::Asked(there) if *there == identity => {
                    *entry = Entry::Waiting(new);
                    return Vec::new();
                }
                Entry::Waiting(_) | Entry::Asked(_) => {}
            }
        }
        let mut asked = Vec::new();
        if let Some((sample, _)) = self.sample.take_if(|(sample, _)| sample.will_wake(&new)) {
            self.limit *= 2;
            asked.push(sample);
        }
        if self.fresh >= self.limit {
            self.ask(&mut asked);
        }
        if self.sample.is_none() {
            self.sample = clone.take().map(|clone| (clone, 0));
        }
        self.fresh += 1;
        self.entries.push(Entry::Waiting(new));
        asked
    }

    /// Removes the probed entries that did not enter themselves again, and probes the others.
    fn ask(&mut self, wakers: &mut Vec<Waker>) {
        self.fresh = 0;
        if let Some((_, rounds)) = &mut self.sample {
            *rounds += 1;
        }
        if let Some((sample, _)) = self.sample.take_if(|(_, rounds)| *rounds > SAMPLE_ROUNDS) {
            self.limit = (self.limit / 2).max(LIMIT);
            wakers.push(sample);
        }
        for entry in mem::take(&mut self.entries) {
            if let Entry::Waiting(waker) = entry {
                self.entries.push(Entry::Asked(Identity::of(&waker)));
                wakers.push(waker);
            }
        }
    }

    /// Takes all wakers. The caller wakes them without the lock.
    pub(super) fn take(&mut self) -> Vec<Waker> {
        self.fresh = 0;
        // The sample's next entry will follow this event, so it says nothing about the rounds.
        let sample = self.sample.take().map(|(sample, _)| sample);
        let entries = mem::take(&mut self.entries).into_iter();
        let entered = entries.filter_map(|entry| match entry {
            Entry::Waiting(waker) => Some(waker),
            Entry::Asked(_) => None,
        });
        entered.chain(sample).collect()
    }
}

/// Wakes all, even if one of them panics, and then resumes the first panic.
pub(super) fn wake_all(wakers: Vec<Waker>) {
    let mut first = None;
    for waker in wakers {
        if let Err(payload) = catch_unwind(AssertUnwindSafe(|| waker.wake())) {
            // A payload whose drop panics would end the loop, so later payloads are leaked.
            match first {
                None => first = Some(payload),
                Some(_) => mem::forget(payload),
            }
        }
    }
    match first {
        Some(payload) if !thread::panicking() => resume_unwind(payload),
        Some(payload) => mem::forget(payload),
        None => {}
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::task::Wake;

    use super::*;

    #[derive(Default)]
    struct Count(AtomicUsize);

    impl Wake for Count {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    struct Fatal;

    impl Wake for Fatal {
        fn wake(self: Arc<Self>) {
            panic!("a waker that panics");
        }
    }

    /// Polls a call that waits: it enters itself, and wakes the wakers that are probed.
    fn enter(waiters: &mut Waiters, count: &Arc<Count>) {
        let mut clone = waiters.wants_sample().then(|| Waker::from(count.clone()));
        wake_all(waiters.enter(&mut Some(Waker::from(count.clone())), &mut clone));
    }

    fn counts(len: usize) -> Vec<Arc<Count>> {
        (0..len).map(|_| Arc::default()).collect()
    }

    #[test]
    fn waiters_that_gave_up_do_not_accumulate() {
        let mut waiters = Waiters::new();
        let counts = counts(10_000);
        counts.iter().for_each(|count| enter(&mut waiters, count));
        let kept = counts.iter().filter(|count| Arc::strong_count(count) > 1).count();
        assert!(kept <= LIMIT + 1, "{kept} wakers are kept");
        assert!(waiters.entries.len() <= 2 * LIMIT, "{} entries", waiters.entries.len());
    }

    /// More than 64 events double a number of 64 bits too often.
    #[test]
    fn events_do_not_make_the_rounds_rarer() {
        let mut waiters = Waiters::new();
        let readers = counts(LIMIT);
        for event in 1..=100 {
            readers.iter().for_each(|count| enter(&mut waiters, count));
            wake_all(waiters.take());
            let woken = readers.iter().filter(|count| count.0.load(Ordering::Relaxed) >= event);
            assert_eq!(woken.count(), LIMIT);
        }
        let gave_up = counts(1000);
        gave_up.iter().for_each(|count| enter(&mut waiters, count));
        assert!(waiters.entries.len() <= 2 * LIMIT, "{} entries", waiters.entries.len());
    }

    #[test]
    fn any_number_of_waiters_goes_idle_and_each_is_woken() {
        for len in [1, LIMIT, LIMIT + 1, 3 * LIMIT, 3000] {
            let mut waiters = Waiters::new();
            let counts = counts(len);
            counts.iter().for_each(|count| enter(&mut waiters, count));
            // Each probed waiter is polled, finds nothing, and enters itself again.
            let mut polled = vec![0; len];
            let (mut polls, mut at) = (0, 0);
            let is_woken = |index: &usize, polled: &[usize]| {
                counts[*index].0.load(Ordering::Relaxed) > polled[*index]
            };
            while let Some(index) = (at..len).chain(0..at).find(|index| is_woken(index, &polled)) {
                polled[index] = counts[index].0.load(Ordering::Relaxed);
                enter(&mut waiters, &counts[index]);
                (at, polls) = (index, polls + 1);
                assert!(polls < 100 * len, "{len} waiters keep each other awake");
            }
            wake_all(waiters.take());
            for (count, polled) in counts.iter().zip(polled) {
                assert!(count.0.load(Ordering::Relaxed) > polled, "a waiter of {len} was lost");
            }
        }
    }

    #[test]
    fn a_waker_that_panics_does_not_keep_the_others_asleep() {
        let count = Arc::new(Count::default());
        let wakers = vec![Waker::from(Arc::new(Fatal)), Waker::from(count.clone())];
        assert!(catch_unwind(AssertUnwindSafe(|| wake_all(wakers))).is_err());
        assert_eq!(count.0.load(Ordering::Relaxed), 1);
    }
}

//! Tests of the wheel: comparison with a sorted list, and edge cases of its arithmetic.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::task::Wake;

use proptest::prelude::*;

use super::*;

struct Tag;

impl Wake for Tag {
    fn wake(self: Arc<Self>) {}
}

/// A waker that differs from all others.
fn tagged() -> Waker {
    struct Unique(#[expect(dead_code, reason = "gives each allocation a size")] u8);
    impl Wake for Unique {
        fn wake(self: Arc<Self>) {}
    }
    Waker::from(Arc::new(Unique(0)))
}

fn noop() -> Waker {
    Waker::noop().clone()
}

/// Deadlines at and around each boundary of slots and levels.
fn boundaries() -> Vec<u64> {
    let mut edges = vec![0, 1, u64::MAX - 1];
    for level in 0..LEVELS {
        for slots in [1, 2, 62, 63] {
            let edge = slots << shift_of(level);
            edges.extend([edge - 1, edge, edge + 1]);
        }
    }
    edges
}

/// Advances without a limit. Returns the number of expired entries.
fn expire_all(wheel: &mut Wheel, now_ns: u64) -> usize {
    let done = wheel.advance(now_ns, usize::MAX, &mut Vec::new());
    assert!(!done.has_more);
    done.expired
}

#[test]
fn an_entry_expires_at_its_nanosecond_from_any_start() {
    for start in boundaries() {
        for deadline in boundaries().into_iter().filter(|&deadline| deadline > start) {
            let mut wheel = Wheel::new(start);
            wheel.insert(deadline, noop());
            assert_eq!(wheel.next_deadline(), Some(deadline));
            assert_eq!(expire_all(&mut wheel, deadline - 1), 0, "{start} to {deadline}");
            assert_eq!(wheel.next_deadline(), Some(deadline));
            assert_eq!(expire_all(&mut wheel, deadline), 1, "{start} to {deadline}");
            assert_eq!(wheel.next_deadline(), None);
            assert!(wheel.is_empty());
        }
    }
}

#[test]
fn entries_at_all_boundaries_expire_one_by_one() {
    let mut wheel = Wheel::new(0);
    let mut edges = boundaries();
    edges.sort_unstable();
    for &edge in edges.iter().rev() {
        wheel.insert(edge, noop());
    }
    for edge in edges {
        assert_eq!(wheel.next_deadline(), Some(edge));
        assert_eq!(expire_all(&mut wheel, edge), 1);
    }
    assert!(wheel.is_empty());
}

#[test]
fn the_largest_value_means_never() {
    let mut wheel = Wheel::new(0);
    let key = wheel.insert(u64::MAX, noop());
    assert_eq!(wheel.next_deadline(), None);
    assert_eq!(expire_all(&mut wheel, u64::MAX), 0);
    assert!(wheel.contains(key));
    assert_eq!(wheel.len(), 1);
    assert!(wheel.remove(key).is_some());
    assert!(wheel.is_empty());
}

#[test]
fn a_deadline_in_the_past_is_due_immediately() {
    let mut wheel = Wheel::new(0);
    assert_eq!(expire_all(&mut wheel, 1 << 40), 0);
    wheel.insert(5, noop());
    assert_eq!(wheel.next_deadline(), Some(5));
    assert_eq!(expire_all(&mut wheel, 7), 1);
}

#[test]
fn time_that_goes_back_is_ignored() {
    let mut wheel = Wheel::new(0);
    wheel.insert(2_000_000, noop());
    assert_eq!(expire_all(&mut wheel, 1_999_999), 0);
    assert_eq!(expire_all(&mut wheel, 3), 0);
    let key = wheel.insert(1_000, noop());
    assert_eq!(expire_all(&mut wheel, 3), 1);
    assert!(!wheel.contains(key));
    assert_eq!(expire_all(&mut wheel, 2_000_000), 1);
}

#[test]
fn a_stale_key_matches_no_later_entry() {
    let mut wheel = Wheel::new(0);
    let removed = wheel.insert(10, noop());
    assert!(wheel.remove(removed).is_some());
    let expired = wheel.insert(10, noop());
    assert_eq!(expire_all(&mut wheel, 10), 1);
    let living = wheel.insert(20, noop());
    assert_eq!((removed.index, expired.index), (living.index, living.index));
    for stale in [removed, expired] {
        assert!(!wheel.contains(stale));
        assert!(wheel.remove(stale).is_none());
        assert!(wheel.waker(stale).is_none());
        assert!(wheel.replace_waker(stale, noop()).is_err());
    }
    assert!(wheel.contains(living));
    wheel.drain_all(&mut Vec::new());
    let later = wheel.insert(30, noop());
    assert!(!wheel.contains(living));
    assert!(wheel.contains(later));
}

#[test]
fn the_replacement_waker_is_returned_at_expiry() {
    let mut wheel = Wheel::new(0);
    let (first, second) = (tagged(), tagged());
    let key = wheel.insert(10, first.clone());
    assert!(wheel.waker(key).is_some_and(|waker| waker.will_wake(&first)));
    let former = wheel.replace_waker(key, second.clone()).expect("the entry is there");
    assert!(former.will_wake(&first));
    let mut wakers = Vec::new();
    assert_eq!(wheel.advance(10, 1, &mut wakers).expired, 1);
    assert!(wakers[0].will_wake(&second));
}

#[test]
fn the_wheel_neither_drops_nor_leaks_wakers() {
    let tag = Arc::new(Tag);
    let waker = Waker::from(Arc::clone(&tag));
    let mut wheel = Wheel::new(0);
    let keys: Vec<_> = (0..4).map(|ns| wheel.insert(ns, waker.clone())).collect();
    let removed = wheel.remove(keys[3]);
    let mut wakers = Vec::new();
    assert_eq!(wheel.advance(1, 9, &mut wakers).expired, 2);
    wheel.drain_all(&mut wakers);
    assert_eq!((wakers.len(), Arc::strong_count(&tag)), (3, 6));
    drop((wakers, removed));
    assert_eq!(Arc::strong_count(&tag), 2);
}

#[test]
fn many_due_entries_expire_in_batches() {
    const COUNT: usize = 100_000;
    let mut wheel = Wheel::new(0);
    for _ in 0..COUNT {
        wheel.insert(30_000_000_000, noop());
    }
    let (mut expired, mut calls, mut wakers) = (0, 0, Vec::new());
    loop {
        let done = wheel.advance(40_000_000_000, 1_000, &mut wakers);
        assert!(done.expired <= 1_000);
        assert_eq!(done.expired, wakers.len());
        wakers.clear();
        (expired, calls) = (expired + done.expired, calls + 1);
        if !done.has_more {
            break;
        }
        assert!(wheel.next_deadline().is_some_and(|bound| bound <= 40_000_000_000));
    }
    assert_eq!(expired, COUNT);
    // Each entry cascades at most once per level before it expires.
    assert!(calls <= LEVELS * COUNT / 1_000);
    assert_eq!(wheel.next_deadline(), None);
}

#[test]
fn entries_inserted_into_a_cascading_slot_keep_their_order() {
    let mut wheel = Wheel::new(0);
    let deadline = 3 << shift_of(2);
    let early: Vec<_> = (0..10).map(|_| tagged()).collect();
    for waker in &early {
        wheel.insert(deadline + 9, waker.clone());
    }
    let mut wakers = Vec::new();
    assert!(wheel.advance(deadline + 9, 5, &mut wakers).has_more);
    let late = tagged();
    wheel.insert(deadline + 9, late.clone());
    while wheel.advance(deadline + 9, 5, &mut wakers).has_more {}
    assert_eq!(wakers.len(), 11);
    assert!(wakers.iter().zip(early.iter().chain([&late])).all(|(a, b)| a.will_wake(b)));
}

#[test]
fn a_cascading_slot_that_becomes_empty_expires_nothing() {
    let mut wheel = Wheel::new(0);
    let deadline = 3 << shift_of(2);
    let keys: Vec<_> = (0..10).map(|_| wheel.insert(deadline, noop())).collect();
    assert!(wheel.advance(deadline, 5, &mut Vec::new()).has_more);
    assert!(keys.into_iter().all(|key| wheel.remove(key).is_some()));
    assert_eq!(wheel.next_deadline(), None);
    assert_eq!(expire_all(&mut wheel, deadline << 3), 0);
    wheel.insert((deadline << 3) + 1, noop());
    assert_eq!(expire_all(&mut wheel, deadline << 3), 0);
    assert_eq!(expire_all(&mut wheel, (deadline << 3) + 1), 1);
}

#[test]
fn a_crowded_slot_causes_early_wake_ups_but_no_busy_loop() {
    let mut wheel = Wheel::new(0);
    let deadline = (5 << shift_of(3)) + 77_777;
    let keys: Vec<_> =
        (0..10 * SCAN_MAX as u64).map(|more| wheel.insert(deadline + more, noop())).collect();
    wheel.remove(keys[0]);
    let (mut now, mut advances) = (0, 0);
    while let Some(bound) = wheel.next_deadline() {
        assert!(bound > now, "the caller would not sleep");
        now = bound;
        let _ = wheel.advance(now, usize::MAX, &mut Vec::new());
        advances += 1;
    }
    assert!(advances <= keys.len() + LEVELS);
}

/// A slow implementation of the wheel's guarantees.
#[derive(Default)]
struct Model {
    /// From the level 0 slot and the sequence number to the deadline.
    entries: BTreeMap<(u64, usize), u64>,
    now: u64,
}

impl Model {
    fn insert(&mut self, deadline: u64, sequence: usize) -> (u64, usize) {
        let key = (deadline.max(self.now) >> SLOT_BITS, sequence);
        self.entries.insert(key, deadline);
        key
    }

    fn expire(&mut self, now: u64) -> Vec<usize> {
        self.now = self.now.max(now);
        let due: Vec<_> = self
            .entries
            .iter()
            .filter(|&(_, &deadline)| deadline <= self.now && deadline != u64::MAX)
            .map(|(&key, _)| key)
            .collect();
        self.entries.retain(|key, _| !due.contains(key));
        due.into_iter().map(|(_, sequence)| sequence).collect()
    }

    fn earliest(&self) -> Option<u64> {
        self.entries.values().copied().filter(|&deadline| deadline != u64::MAX).min()
    }
}

#[derive(Clone, Debug)]
enum Step {
    Insert(u64),
    InsertAt(u64),
    Remove(usize),
    Advance(u64, usize),
    Back(u64),
    ToDeadline,
}

fn step() -> impl Strategy<Value = Step> {
    let jump = || prop_oneof![0..200_000u64, (0..63u32).prop_map(|bits| 1 << bits)];
    prop_oneof![
        6 => jump().prop_map(Step::Insert),
        1 => prop_oneof![Just(u64::MAX), Just(u64::MAX - 1), any::<u64>()].prop_map(Step::InsertAt),
        4 => any::<usize>().prop_map(Step::Remove),
        2 => (0..300_000u64, 1..20usize).prop_map(|(by, limit)| Step::Advance(by, limit)),
        1 => ((0..63u32).prop_map(|bits| 1 << bits), 1..20usize)
            .prop_map(|(by, limit)| Step::Advance(by, limit)),
        1 => jump().prop_map(Step::Back),
        3 => Just(Step::ToDeadline),
    ]
}

/// A wheel and its model, to which the same steps are applied.
struct Pair {
    wheel: Wheel,
    model: Model,
    /// By sequence number: the key in the wheel, the key in the model, and the waker.
    inserted: Vec<(Key, (u64, usize), Waker)>,
}

impl Pair {
    fn insert(&mut self, deadline: u64) {
        let waker = tagged();
        let key = self.wheel.insert(deadline, waker.clone());
        self.inserted.push((key, self.model.insert(deadline, self.inserted.len()), waker));
    }

    /// Removes an entry. Stale keys are tried as well.
    fn remove(&mut self, pick: usize) {
        if self.inserted.is_empty() {
            return;
        }
        let (key, model_key, waker) = &self.inserted[pick % self.inserted.len()];
        let expected = self.model.entries.remove(model_key).is_some();
        assert_eq!(self.wheel.contains(*key), expected);
        let removed = self.wheel.remove(*key);
        assert_eq!(removed.is_some_and(|removed| removed.will_wake(waker)), expected);
    }

    fn advance(&mut self, now: u64, limit: usize) {
        let mut wakers = Vec::new();
        loop {
            let before = wakers.len();
            let done = self.wheel.advance(now, limit, &mut wakers);
            assert_eq!(done.expired, wakers.len() - before);
            assert!(done.expired <= limit);
            if !done.has_more {
                break;
            }
        }
        let expected = self.model.expire(now);
        assert_eq!(wakers.len(), expected.len());
        for (waker, sequence) in wakers.iter().zip(expected) {
            assert!(waker.will_wake(&self.inserted[sequence].2), "out of order");
        }
    }

    fn apply(&mut self, step: Step) {
        match step {
            Step::Insert(after) => self.insert(self.model.now.saturating_add(after)),
            Step::InsertAt(deadline) => self.insert(deadline),
            Step::Remove(pick) => self.remove(pick),
            Step::Advance(by, limit) => self.advance(self.model.now.saturating_add(by), limit),
            Step::Back(by) => self.advance(self.model.now.saturating_sub(by), 1),
            Step::ToDeadline => {
                if let Some(bound) = self.wheel.next_deadline() {
                    self.advance(bound, 7);
                }
            }
        }
    }

    fn check(&mut self) {
        assert_eq!(self.wheel.len(), self.model.entries.len());
        let bound = self.wheel.next_deadline();
        match self.model.earliest() {
            Some(earliest) => assert!(bound.is_some_and(|bound| bound <= earliest)),
            None => assert_eq!(bound, None),
        }
        // One scan covers few entries completely, so the bound is exact.
        if self.wheel.len() <= SCAN_MAX && self.wheel.cascading == 0 {
            assert_eq!(bound, self.model.earliest());
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    #[test]
    fn the_wheel_behaves_like_a_sorted_list(
        start in prop_oneof![Just(0), 0..1u64 << 40, any::<u64>()],
        steps in prop::collection::vec(step(), 1..120),
    ) {
        let model = Model { now: start, ..Model::default() };
        let mut pair = Pair { wheel: Wheel::new(start), model, inserted: Vec::new() };
        for step in steps {
            pair.apply(step);
            pair.check();
        }
        let mut wakers = Vec::new();
        pair.wheel.drain_all(&mut wakers);
        prop_assert_eq!(wakers.len(), pair.model.entries.len());
        prop_assert!(pair.wheel.is_empty());
    }
}

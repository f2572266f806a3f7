//! The task state word: eight flags and a reference count in one `usize`.
//!
//! Every transition is a pure rule `Word -> (Word, Action)`; [`State::step`] is the only
//! compare-exchange loop. The word alone decides which thread may access the other fields of the
//! cell:
//!
//! | ACTIVE | NOTIFIED | COMPLETE | name   | owner of the stage and of a reference     |
//! |--------|----------|----------|--------|-------------------------------------------|
//! | 0      | 0        | 0        | idle   | nothing                                   |
//! | 1      | 0        | 0        | active | the one `Runnable`, then the worker       |
//! | 1      | 1        | 0        | again  | the same; woken since its last poll began |
//! | 0      | 0        | 1        | done   | the join handle, or else the worker       |
//!
//! Wakers and handles hold the other references. A worker that has completed the task keeps its
//! reference until it has woken the joiner and notified the executor. The word does not distinguish
//! a queued task from one that is being polled: in both cases the task has one owner, and a wake
//! sets NOTIFIED. The start of a poll is therefore a plain load, and a write only if NOTIFIED is
//! set and must be cleared. The end of a poll that was woken is a plain load too. A wake, its poll
//! and the return to idle are two read-modify-writes, and so are a poll and its requeue.
//!
//! Invariants, checked for every reachable state in `state/tests.rs`. The numbers in brackets are
//! the invariants of `lib.rs` that depend on them:
//!
//! * Each reference has exactly one owner. The cell is freed with the last one, after completion
//!   [1].
//! * There is at most one `Runnable`, and there is no `Runnable` while the task is polled or done
//!   [2].
//! * A wake before completion is followed by a poll; a cancellation is followed by the drop of the
//!   future.
//! * The output is dropped by the join handle if it exists at completion, otherwise by the worker
//!   [3].
//! * The join waker is taken exactly once: by the join handle before completion or by the worker
//!   after it [4].
//!
//! Two transitions are single read-modify-writes and not rules: taking a reference (`fetch_add`),
//! and releasing one after completion (`fetch_sub`, or a plain load if it is the last). A single
//! read-modify-write cannot fail, and takes 2.4 ns where the loop takes 3.2 ns (uncontended,
//! x86-64). Before completion the release is a rule, because the last reference must become the
//! orphan in the same step: a thread that finds the task in its executor's registry may cancel it
//! without a reference.
//!
//! Orderings: rules use AcqRel, so each transition synchronises with all earlier ones: a wake
//! happens before the poll it causes, a poll before the next, and all of them before the free.
//! Taking a reference is Relaxed, because the caller already has one.

use reveille_primitive::atomic::AtomicUsize;
use reveille_primitive::atomic::Ordering::{AcqRel, Acquire, Relaxed};

/// A `Runnable` exists, or a worker polls or drops the future.
const ACTIVE: usize = 1 << 0;
/// The task was woken while it was active, and no poll has begun since.
const NOTIFIED: usize = 1 << 1;
/// The future is gone. Never unset.
const COMPLETE: usize = 1 << 2;
/// The future will be dropped instead of polled. Never unset.
const CANCELLED: usize = 1 << 3;
/// The join waker is published: the thread that completes the task takes it.
const JOIN_WAKER: usize = 1 << 4;
/// The future returned a value, and the stage holds it. Set with COMPLETE, never unset.
const OUTPUT: usize = 1 << 5;
/// The future panicked, and the extras hold the payload. Set with COMPLETE, never unset.
const PANICKED: usize = 1 << 6;
/// The join handle is gone. Never unset. The highest flag, for [`WAKEABLE_MIN`].
const DETACHED: usize = 1 << 7;
/// One reference.
const REF: usize = 1 << 8;
/// The process aborts when the word exceeds this value: leaked wakers must not overflow the count.
/// Half of the range, so that concurrent increments cannot overflow before one of their threads
/// aborts.
const WORD_MAX: usize = usize::MAX / 2;

/// A new task is queued: one reference for the `Runnable`, one for the join handle.
const INITIAL: Word = Word(ACTIVE | (2 * REF));
/// The least word of an idle task that the executor keeps and that something else than the
/// executor and the join handle refers to, such as a waker. The handle is a reference less and a
/// flag below `DETACHED` more, so one comparison covers both cases.
const WAKEABLE_MIN: usize = 2 * REF + DETACHED;

/// A value of the state word.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
struct Word(usize);

/// What the caller must do after a wake or a cancellation.
#[must_use]
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Wake {
    Nothing,
    /// Schedule the `Runnable` whose reference the rule has just made.
    Submit,
    /// Free the cell: the released reference was the last.
    Free,
}

/// What the worker does with the `Runnable` it consumed.
#[must_use]
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Run {
    Poll,
    Cancel,
}

/// What the worker does after the future returned `Pending`.
#[must_use]
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum AfterPending {
    /// Nothing: the rule released the worker's reference.
    Parked,
    /// Queue it again; the worker's reference became the new `Runnable`.
    Requeue,
    /// Drop the future, then complete; the stage is still the worker's.
    Cancel,
    /// Like `Parked`, but the reference is still the worker's. If the executor keeps one, nothing
    /// but the executor and the join handle refers to the task: no waker exists.
    WithoutWaker,
}

/// What the former owner of a reference does.
#[must_use]
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Release {
    Nothing,
    /// No waker is left, so nothing can wake the task: the reference became a `Runnable` that
    /// cancels it.
    Orphan,
    /// Free the cell.
    Free,
    /// Nothing, and the reference is still the caller's. The task is idle. If the executor keeps a
    /// reference, no other waker exists.
    LastWaker,
}

/// How a future ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Outcome {
    /// It returned; the stage holds the output.
    Output,
    /// It panicked; the extras hold the payload.
    Panicked,
    /// It was dropped, and there is nothing to receive.
    Cancelled,
}

/// What the worker does after completion.
#[must_use]
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Complete {
    /// Take the join waker and wake it.
    pub(crate) wake_join: bool,
    /// There is no join handle: drop the output, report the panic.
    pub(crate) drop_outcome: bool,
}

/// What the join handle does when it is dropped.
#[must_use]
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Detach {
    /// Nothing: the rule released its reference.
    Left,
    /// Schedule the `Runnable` that cancels the task: its reference was the last and became one.
    Orphan,
    /// The task is complete: dispose of the outcome, then release.
    Completed,
}

/// Whether a rule that does not change the word still writes it.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Unchanged {
    /// It does, before completion: the write publishes what the caller did before it. A wake must
    /// happen before the poll that it is merged into.
    Publish,
    /// It does not: the caller has nothing to publish.
    Skip,
}

impl Word {
    #[inline(always)]
    fn has(self, flags: usize) -> bool {
        self.0 & flags != 0
    }

    #[inline(always)]
    fn with(self, flags: usize) -> Word {
        Word(self.0 | flags)
    }

    #[inline(always)]
    fn without(self, flags: usize) -> Word {
        Word(self.0 & !flags)
    }

    #[inline(always)]
    fn refs(self) -> usize {
        self.0 / REF
    }

    #[inline(always)]
    const fn retain(self) -> Word {
        Word(self.0 + REF)
    }

    #[inline(always)]
    fn release(self) -> Word {
        debug_assert!(self.refs() > 0, "a reference is given up twice");
        Word(self.0 - REF)
    }

    /// A waker fired by reference.
    #[inline(always)]
    fn wake(self) -> (Word, Wake) {
        if self.has(COMPLETE | NOTIFIED) {
            return (self, Wake::Nothing);
        }
        if self.has(ACTIVE) {
            return (self.with(NOTIFIED), Wake::Nothing);
        }
        (self.with(ACTIVE).retain(), Wake::Submit)
    }

    /// A waker fired by value. If a `Runnable` is needed, it gets the waker's reference.
    #[inline(always)]
    fn wake_consuming(self) -> (Word, Wake) {
        if !self.has(COMPLETE | ACTIVE) {
            return (self.with(ACTIVE), Wake::Submit);
        }
        let next = self.release();
        if !self.has(COMPLETE) {
            debug_assert!(next.refs() > 0, "the worker or the Runnable has a reference");
            return (next.with(NOTIFIED), Wake::Nothing);
        }
        (next, if next.refs() == 0 { Wake::Free } else { Wake::Nothing })
    }

    /// A thread wants to poll an idle task that was not woken. `false`: it is not idle.
    #[inline]
    fn claim(self) -> (Word, bool) {
        if self.has(COMPLETE | ACTIVE) {
            return (self, false);
        }
        (self.with(ACTIVE).retain(), true)
    }

    /// Cancellation was requested. The next thread that runs the task drops the future.
    #[inline]
    fn cancel(self) -> (Word, Wake) {
        if self.has(COMPLETE | CANCELLED) {
            return (self, Wake::Nothing);
        }
        let next = self.with(CANCELLED);
        if self.has(ACTIVE) {
            return (next, Wake::Nothing);
        }
        (next.with(ACTIVE).retain(), Wake::Submit)
    }

    /// A worker consumes the `Runnable` and thereby owns the stage.
    #[inline(always)]
    fn run(self) -> (Word, Run) {
        debug_assert!(self.has(ACTIVE), "a Runnable without its flag");
        debug_assert!(!self.has(COMPLETE), "a Runnable of a complete task");
        let next = self.without(NOTIFIED);
        (next, if self.has(CANCELLED) { Run::Cancel } else { Run::Poll })
    }

    /// The `Runnable` is dropped, which cancels the task.
    #[inline]
    fn abandon(self) -> (Word, Run) {
        self.with(CANCELLED).run()
    }

    /// The future returned `Pending`.
    #[inline(always)]
    fn idle(self) -> (Word, AfterPending) {
        debug_assert!(self.has(ACTIVE), "a poll ends that did not begin");
        if self.has(CANCELLED) {
            return (self, AfterPending::Cancel);
        }
        if self.has(NOTIFIED) {
            return (self, AfterPending::Requeue);
        }
        let next = self.without(ACTIVE).release();
        if next.0 < WAKEABLE_MIN {
            return self.idle_without_waker();
        }
        (next, AfterPending::Parked)
    }

    #[cold]
    fn idle_without_waker(self) -> (Word, AfterPending) {
        if self.refs() == 1 {
            // The worker has the only reference, so no waker can ever wake the task.
            return (self, AfterPending::Cancel);
        }
        (self.without(ACTIVE), AfterPending::WithoutWaker)
    }

    /// The future is gone.
    #[inline]
    fn complete(self, outcome: Outcome) -> (Word, Complete) {
        debug_assert!(self.has(ACTIVE), "only an active task completes");
        debug_assert!(!self.has(COMPLETE), "a task completes twice");
        let result = match outcome {
            Outcome::Output => OUTPUT,
            Outcome::Panicked => PANICKED,
            Outcome::Cancelled => 0,
        };
        let next = self.without(ACTIVE | NOTIFIED).with(COMPLETE | result);
        let drop_outcome = self.has(DETACHED);
        (next, Complete { wake_join: self.has(JOIN_WAKER), drop_outcome })
    }

    /// How the future ended.
    #[inline]
    fn outcome(self) -> Option<Outcome> {
        match self.0 & (COMPLETE | OUTPUT | PANICKED) {
            0 => None,
            COMPLETE => Some(Outcome::Cancelled),
            flags if flags == COMPLETE | OUTPUT => Some(Outcome::Output),
            _ => Some(Outcome::Panicked),
        }
    }

    /// The join handle has filled the slot. `false`: the task is complete, so the slot stays with
    /// the handle.
    #[inline]
    fn publish_join_waker(self) -> (Word, bool) {
        debug_assert!(!self.has(DETACHED), "only the join handle joins");
        debug_assert!(!self.has(JOIN_WAKER), "the slot is published twice");
        if self.has(COMPLETE) {
            return (self, false);
        }
        (self.with(JOIN_WAKER), true)
    }

    /// The join handle takes the slot back. `false`: the thread that completed the task has it.
    #[inline]
    fn reclaim_join_waker(self) -> (Word, bool) {
        debug_assert!(!self.has(DETACHED), "only the join handle joins");
        debug_assert!(self.has(JOIN_WAKER), "the slot is not published");
        if self.has(COMPLETE) {
            return (self, false);
        }
        (self.without(JOIN_WAKER), true)
    }

    /// The join handle is dropped. It owns the slot, or the task is complete.
    #[inline]
    fn detach(self) -> (Word, Detach) {
        debug_assert!(!self.has(DETACHED), "a task is detached twice");
        if self.has(COMPLETE) {
            return (self, Detach::Completed);
        }
        debug_assert!(!self.has(JOIN_WAKER), "the join waker would be lost");
        let next = self.with(DETACHED).release();
        if next.refs() > 0 {
            return (next, Detach::Left);
        }
        (next.orphan(), Detach::Orphan)
    }

    /// A waker is dropped.
    #[inline(always)]
    fn drop_waker(self) -> (Word, Release) {
        let next = self.release();
        if next.0 < WAKEABLE_MIN {
            return self.drop_last_waker();
        }
        (next, Release::Nothing)
    }

    #[cold]
    fn drop_last_waker(self) -> (Word, Release) {
        if self.refs() == 1 || self.has(ACTIVE | COMPLETE) {
            return self.release_or_orphan();
        }
        (self, Release::LastWaker)
    }

    /// A handle is dropped, or a waker that was reported as the last one.
    #[inline(always)]
    fn release_or_orphan(self) -> (Word, Release) {
        let next = self.release();
        if next.refs() > 0 {
            return (next, Release::Nothing);
        }
        if self.has(COMPLETE) {
            return (next, Release::Free);
        }
        (next.orphan(), Release::Orphan)
    }

    /// The last reference to an idle task becomes the `Runnable` that cancels it.
    #[inline]
    fn orphan(self) -> Word {
        debug_assert!(self.refs() == 0, "a waker may still wake the task");
        debug_assert!(!self.has(ACTIVE | NOTIFIED | COMPLETE), "only an idle task is orphaned");
        self.with(ACTIVE | CANCELLED).retain()
    }
}

/// The state word of one task.
pub(crate) struct State(AtomicUsize);

impl State {
    /// The word of a new task: queued, with a `Runnable` and a join handle.
    #[inline(always)]
    pub(crate) fn new() -> State {
        State(AtomicUsize::new(INITIAL.0))
    }

    /// The same, with a third reference for the executor to keep.
    #[inline(always)]
    pub(crate) fn new_kept() -> State {
        State(AtomicUsize::new(INITIAL.retain().0))
    }

    #[inline]
    pub(crate) fn wake(&self) -> Wake {
        self.step(Unchanged::Publish, Word::wake)
    }

    #[inline]
    pub(crate) fn wake_consuming(&self) -> Wake {
        self.step(Unchanged::Publish, Word::wake_consuming)
    }

    pub(crate) fn cancel(&self) -> Wake {
        self.step(Unchanged::Publish, Word::cancel)
    }

    pub(crate) fn claim(&self) -> bool {
        self.step(Unchanged::Skip, Word::claim)
    }

    #[inline]
    pub(crate) fn run(&self) -> Run {
        // The poll has nothing to publish yet, and the load acquires what the waking thread
        // published.
        self.step(Unchanged::Skip, Word::run)
    }

    pub(crate) fn abandon(&self) -> Run {
        self.step(Unchanged::Skip, Word::abandon)
    }

    #[inline]
    pub(crate) fn idle(&self) -> AfterPending {
        // If the word is unchanged, the stage stays with the caller, so there is nothing to
        // publish.
        self.step(Unchanged::Skip, Word::idle)
    }

    pub(crate) fn complete(&self, outcome: Outcome) -> Complete {
        self.step(Unchanged::Publish, |word| word.complete(outcome))
    }

    pub(crate) fn publish_join_waker(&self) -> bool {
        self.step(Unchanged::Skip, Word::publish_join_waker)
    }

    pub(crate) fn reclaim_join_waker(&self) -> bool {
        self.step(Unchanged::Skip, Word::reclaim_join_waker)
    }

    pub(crate) fn detach(&self) -> Detach {
        self.step(Unchanged::Skip, Word::detach)
    }

    /// How the future ended; `None` before completion. Pairs with the write of `complete`: a thread
    /// that sees the outcome also sees the final content of the stage.
    #[inline]
    pub(crate) fn outcome(&self) -> Option<Outcome> {
        Word(self.0.load(Acquire)).outcome()
    }

    /// Whether a `Runnable` exists, or a thread polls the task or drops its future.
    pub(crate) fn is_active(&self) -> bool {
        Word(self.0.load(Relaxed)).has(ACTIVE)
    }

    /// Whether the join waker is published. Exact for the join handle, because only the handle
    /// changes the flag.
    #[inline]
    pub(crate) fn has_join_waker(&self) -> bool {
        Word(self.0.load(Relaxed)).has(JOIN_WAKER)
    }

    /// Takes a reference. The caller owns or borrows another.
    #[inline]
    pub(crate) fn retain(&self) {
        if self.0.fetch_add(REF, Relaxed) > WORD_MAX {
            std::process::abort();
        }
    }

    /// Releases `count` references after completion. `true` if they were the last.
    #[inline]
    pub(crate) fn release_completed(&self, count: usize) -> bool {
        let now = Word(self.0.load(Acquire));
        debug_assert!(now.has(COMPLETE), "before completion the last reference is an orphan");
        debug_assert!(now.refs() >= count, "a reference is given up twice");
        // See `release`.
        now.refs() == count || Word(self.0.fetch_sub(count * REF, AcqRel)).refs() == count
    }

    /// Releases the reference of a waker.
    #[inline]
    pub(crate) fn drop_waker(&self) -> Release {
        self.release_by(Word::drop_waker)
    }

    /// Releases any other reference.
    #[inline]
    pub(crate) fn release(&self) -> Release {
        self.release_by(Word::release_or_orphan)
    }

    #[inline(always)]
    fn release_by(&self, rule: impl Fn(Word) -> (Word, Release)) -> Release {
        let now = Word(self.0.load(Acquire));
        debug_assert!(now.refs() > 0, "a reference is given up twice");
        if !now.has(COMPLETE) {
            return self.step(Unchanged::Publish, rule);
        }
        // Every other former owner wrote the word with Release when it released its reference, and
        // the load or the subtraction reads the last of those writes. So what they did to the cell
        // happens before the free.
        if now.refs() == 1 || Word(self.0.fetch_sub(REF, AcqRel)).refs() == 1 {
            return Release::Free;
        }
        Release::Nothing
    }

    /// Applies `rule`.
    #[inline(always)]
    fn step<A>(&self, unchanged: Unchanged, rule: impl Fn(Word) -> (Word, A)) -> A {
        let mut now = Word(self.0.load(Acquire));
        loop {
            let (next, action) = rule(now);
            // After completion there is no poll to publish anything to.
            if next == now && (unchanged == Unchanged::Skip || now.has(COMPLETE)) {
                return action;
            }
            match self.0.compare_exchange_weak(now.0, next.0, AcqRel, Acquire) {
                Ok(_) => return action,
                Err(actual) => now = Word(actual),
            }
        }
    }
}

#[cfg(all(test, not(reveille_loom)))]
mod tests;

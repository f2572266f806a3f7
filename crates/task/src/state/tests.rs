//! Walks every reachable state of the word, next to a plain model of the references and their
//! owners.

use std::collections::HashSet;

use super::*;

/// Where the join handle and the slot of its waker are.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
enum Join {
    /// The slot is empty and belongs to the handle.
    Empty,
    /// The handle has filled the slot but not published it.
    Filled,
    Published,
    /// The handle has received the outcome.
    Received,
    /// The handle is being dropped and has seen that the task is complete.
    Leaving,
    Gone,
}

/// The word, and the references and values that it must describe.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
struct World {
    word: Word,
    /// `Runnable`s in queues.
    runnables: usize,
    polling: bool,
    /// The worker has completed the task and still has its reference.
    completing: bool,
    /// The executor keeps a reference until the task completes.
    kept: bool,
    /// References of former wakers, or of a worker, that tell the executor that no waker is left.
    losing: usize,
    wakers: usize,
    join: Join,
    /// A waker is in the slot.
    slot: bool,
    /// The stage holds the future.
    future: bool,
    /// The stage or the extras hold the outcome.
    outcome: bool,
    freed: bool,
    /// The task was woken, and no poll has begun since.
    woken: bool,
    cancelled: bool,
    polls: usize,
}

/// Enough for one waker to fire while the other is dropped or cloned.
const WAKERS_MAX: usize = 2;
/// One poll, and one after it.
const POLLS_MAX: usize = 2;

impl World {
    const START: World = World {
        word: INITIAL,
        runnables: 1,
        polling: false,
        completing: false,
        kept: false,
        losing: 0,
        wakers: 0,
        join: Join::Empty,
        slot: false,
        future: true,
        outcome: false,
        freed: false,
        woken: false,
        cancelled: false,
        polls: 0,
    };

    const START_KEPT: World = World { word: INITIAL.retain(), kept: true, ..World::START };

    fn has_handle(self) -> bool {
        self.join != Join::Gone
    }

    fn check(self) {
        let word = self.word;
        let done = word.has(COMPLETE);
        let worker = usize::from(self.polling || self.completing);
        let kept = usize::from(self.kept) + usize::from(self.has_handle());
        let held = self.runnables + worker + self.wakers + self.losing + kept;
        assert_eq!(word.refs(), held, "a reference without owner: {self:?}");
        assert_eq!(self.freed, held == 0, "freed too early or leaked: {self:?}");
        assert!(self.runnables <= 1, "two runnables: {self:?}");
        assert!(self.runnables == 0 || !self.polling, "queued while polled: {self:?}");
        assert!(self.runnables == 0 || word.has(ACTIVE), "queued without the flag: {self:?}");
        assert!(!self.polling || word.has(ACTIVE), "polled without the flag: {self:?}");
        assert!(
            !word.has(ACTIVE) || self.polling || self.runnables == 1,
            "active without owner: {self:?}"
        );
        // The flag is not read after completion.
        assert!(
            done || word.has(DETACHED) != self.has_handle(),
            "DETACHED with a handle: {self:?}"
        );
        assert_eq!(self.future, !done, "the future outlives the task or dies early: {self:?}");
        assert!(!self.freed || (!self.outcome && !self.slot), "leaked: {self:?}");
        assert!(!done || !word.has(ACTIVE | NOTIFIED), "a complete task is queued: {self:?}");

        let queued = self.runnables == 1;
        let renotified = self.polling && word.has(NOTIFIED);
        assert!(!self.woken || queued || renotified || done, "lost wakeup: {self:?}");
        assert!(!self.cancelled || queued || self.polling || done, "lost cancel: {self:?}");
        assert!(!renotified || self.woken, "requeued for nothing: {self:?}");
        let waits = self.join == Join::Published;
        assert!(!waits || self.slot || done, "a joiner waits without waker: {self:?}");
        assert!(!waits || !done || self.completing || !self.slot, "joiner not woken: {self:?}");
    }

    fn after_wake(mut self, action: Wake) -> World {
        match action {
            Wake::Nothing => {}
            Wake::Submit => self.runnables += 1,
            Wake::Free => self.freed = true,
        }
        self
    }

    /// Nothing that could wake the task exists, if the executor keeps it.
    fn check_loss(self) {
        let others = self.wakers + self.losing + self.runnables;
        assert!(!self.kept || (others == 0 && !self.polling), "not lost: {self:?}");
    }

    fn after_drop_of_waker(mut self) -> World {
        let was_idle = !self.word.has(ACTIVE | COMPLETE);
        let (word, action) = self.word.drop_waker();
        if action == Release::LastWaker {
            self.check_loss();
            return World { word, losing: self.losing + 1, ..self };
        }
        let others = self.wakers + self.losing;
        assert!(!self.kept || !was_idle || others > 0, "a loss is not told: {self:?}");
        self.word = word;
        self.after(action)
    }

    fn after_release(mut self) -> World {
        let (word, action) = self.word.release_or_orphan();
        self.word = word;
        self.after(action)
    }

    fn after(mut self, action: Release) -> World {
        match action {
            Release::LastWaker => unreachable!("only the drop of a waker tells"),
            Release::Nothing => {}
            Release::Orphan => self = World { runnables: 1, cancelled: true, ..self },
            Release::Free => self.freed = true,
        }
        self
    }

    /// Every state that one step of any thread can reach.
    fn successors(self) -> Vec<World> {
        let mut next = Vec::new();
        self.steps_of_wakers(&mut next);
        self.steps_of_join_handle(&mut next);
        self.steps_of_worker(&mut next);
        // The registry may cancel without a reference until it is notified of the completion.
        if !self.word.has(COMPLETE) {
            let (word, action) = self.word.cancel();
            next.push(World { word, cancelled: true, ..self }.after_wake(action));
        }
        // A thread that found the task in the registry polls it without a cause.
        let (word, is_claimed) = self.word.claim();
        if is_claimed {
            next.push(World { word, runnables: self.runnables + 1, ..self });
        }
        next
    }

    fn steps_of_wakers(self, next: &mut Vec<World>) {
        if self.wakers == 0 {
            return;
        }
        let fewer = World { wakers: self.wakers - 1, ..self };
        let (word, action) = self.word.wake();
        next.push(World { word, woken: true, ..self }.after_wake(action));
        let (word, action) = self.word.wake_consuming();
        next.push(World { word, woken: true, ..fewer }.after_wake(action));
        next.push(fewer.after_drop_of_waker());
        self.step_clone_waker(next);
    }

    fn step_clone_waker(self, next: &mut Vec<World>) {
        if self.wakers < WAKERS_MAX {
            let word = self.word.retain();
            next.push(World { word, wakers: self.wakers + 1, ..self });
        }
    }

    fn steps_of_join_handle(self, next: &mut Vec<World>) {
        let done = self.word.has(COMPLETE);
        match self.join {
            Join::Gone => return,
            Join::Leaving => {
                // The handle drops the outcome, then releases the reference.
                let left = World { outcome: false, join: Join::Gone, ..self };
                next.push(left.after_release());
                return;
            }
            Join::Empty => {
                if done {
                    next.push(World { outcome: false, join: Join::Received, ..self });
                }
                // The handle checks for completion before it fills the slot. The task may complete
                // in between.
                next.push(World { slot: true, join: Join::Filled, ..self });
                next.push(self.step_detach());
            }
            Join::Filled => {
                let (word, published) = self.word.publish_join_waker();
                let join = if published { Join::Published } else { Join::Empty };
                next.push(World { word, join, slot: published, ..self });
            }
            Join::Published => {
                let (word, reclaimed) = self.word.reclaim_join_waker();
                let reclaimed_world = World { word, slot: false, join: Join::Empty, ..self };
                if reclaimed {
                    next.push(reclaimed_world);
                } else {
                    next.push(World { outcome: false, join: Join::Received, ..self });
                    next.push(self.step_detach());
                }
            }
            Join::Received => next.push(self.step_detach()),
        }
        let (word, action) = self.word.cancel();
        next.push(World { word, cancelled: !done || self.cancelled, ..self }.after_wake(action));
    }

    fn step_detach(self) -> World {
        let (word, action) = self.word.detach();
        match action {
            Detach::Left => World { word, join: Join::Gone, ..self },
            Detach::Orphan => {
                World { word, join: Join::Gone, runnables: 1, cancelled: true, ..self }
            }
            Detach::Completed => World { word, join: Join::Leaving, ..self },
        }
    }

    fn steps_of_worker(self, next: &mut Vec<World>) {
        if self.runnables == 1 {
            let taken = World { runnables: 0, polling: true, woken: false, ..self };
            let (word, action) = self.word.run();
            let world = World { word, polls: self.polls + 1, ..taken };
            match action {
                Run::Poll if self.polls < POLLS_MAX => next.push(world),
                Run::Poll => next.push(world.step_complete(Outcome::Output)),
                Run::Cancel => next.push(world.step_complete(Outcome::Cancelled)),
            }
            let (word, action) = self.word.abandon();
            assert_eq!(action, Run::Cancel);
            next.push(World { word, ..taken }.step_complete(Outcome::Cancelled));
        }
        if self.polling {
            self.step_clone_waker(next);
            // The future wakes itself through the borrowed waker of its context.
            let (word, action) = self.word.wake();
            assert_eq!(action, Wake::Nothing);
            next.push(World { word, woken: true, ..self });
            let (word, action) = self.word.idle();
            let left = World { word, polling: false, ..self };
            let is_told = action != AfterPending::Parked || self.wakers + self.losing > 0;
            assert!(!self.kept || is_told, "a loss is not told: {self:?}");
            next.push(match action {
                AfterPending::Parked => left,
                AfterPending::Requeue => World { runnables: 1, ..left },
                AfterPending::Cancel => World { word, ..self }.step_complete(Outcome::Cancelled),
                AfterPending::WithoutWaker => {
                    left.check_loss();
                    World { losing: self.losing + 1, ..left }
                }
            });
            next.push(self.step_complete(Outcome::Output));
            next.push(self.step_complete(Outcome::Panicked));
        }
        if self.completing {
            next.push(World { completing: false, ..self }.after_release());
        }
        if self.kept && self.completing {
            next.push(World { kept: false, ..self }.after_release());
        }
        if self.losing > 0 {
            next.push(World { losing: self.losing - 1, ..self }.after_release());
        }
    }

    /// Completes the task, and does what the worker does next without other threads.
    fn step_complete(self, outcome: Outcome) -> World {
        assert!(self.polling && self.future, "only a worker completes: {self:?}");
        let (word, action) = self.word.complete(outcome);
        assert_eq!(word.outcome(), Some(outcome));
        assert_eq!(
            action.drop_outcome,
            !self.has_handle(),
            "wrong owner drops the outcome: {self:?}"
        );
        assert_eq!(
            action.wake_join,
            self.join == Join::Published,
            "wrong owner of the slot: {self:?}"
        );
        World {
            word,
            polling: false,
            completing: true,
            future: false,
            outcome: outcome != Outcome::Cancelled && !action.drop_outcome,
            slot: self.slot && !action.wake_join,
            woken: false,
            ..self
        }
    }
}

#[test]
fn every_reachable_state_keeps_the_invariants() {
    let mut seen = HashSet::new();
    let mut todo = vec![World::START, World::START_KEPT];
    while let Some(world) = todo.pop() {
        if !seen.insert(world) {
            continue;
        }
        world.check();
        if !world.freed {
            todo.extend(world.successors());
        }
    }
    let freed = seen.iter().filter(|world| world.freed).count();
    assert!(freed > 0, "no walk reaches the free of the cell");
    assert_eq!(seen.len(), 8482, "the walk has changed: check that it still covers what it should");
}

#[test]
fn the_outcome_is_known_from_completion_on() {
    assert_eq!(INITIAL.outcome(), None);
    for outcome in [Outcome::Output, Outcome::Panicked, Outcome::Cancelled] {
        let (word, _) = INITIAL.run().0.complete(outcome);
        assert_eq!(word.outcome(), Some(outcome));
        assert_eq!(word.with(CANCELLED).outcome(), Some(outcome));
    }
}

#[test]
fn a_wake_after_completion_changes_nothing() {
    let (done, _) = INITIAL.run().0.complete(Outcome::Output);
    assert_eq!(done.wake(), (done, Wake::Nothing));
    assert_eq!(done.cancel(), (done, Wake::Nothing));
}

#[test]
fn too_many_references_abort_the_process() {
    const CHILD: &str = "REVEILLE_TASK_TEST_CHILD";
    const NAME: &str = "state::tests::too_many_references_abort_the_process";
    if std::env::var_os(CHILD).is_none() {
        let mut child = reveille_watchdog::itself();
        let status = child.args(["--exact", NAME]).env(CHILD, "1").status();
        assert!(!status.expect("the test starts itself").success(), "the child did not abort");
        return;
    }
    State(AtomicUsize::new(WORD_MAX)).retain();
    State(AtomicUsize::new(WORD_MAX + 1)).retain();
    std::process::exit(0);
}

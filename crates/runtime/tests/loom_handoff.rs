//! The take-over of a blocked worker's place under loom: the place has one worker at a time, each
//! task runs once, no vacancy is lost.
#![cfg(reveille_loom)]
#![expect(dead_code, reason = "the files are included whole, and a model uses a part of them")]

use reveille_watchdog as _;

#[path = "../src/scheduler/multi"]
mod multi {
    pub(crate) mod handoff;
    pub(crate) mod handoff_queue;
}
#[path = "../src/threads.rs"]
mod threads;

use std::sync::Arc;
use std::time::Duration;

use loom::sync::Mutex;
use loom::sync::atomic::{AtomicUsize, Ordering};
use loom::thread;
use multi::handoff::{Handoff, PollCounter};
use multi::handoff_queue::{HandoffQueue, Offer};
use reveille_primitive::biased::{Biased, OwnerToken};

/// What only the worker of a place touches: tasks, by their numbers.
#[derive(Default)]
struct Core {
    next: Option<usize>,
    queue: Vec<usize>,
}

/// A pool of one place in miniature. The core is loom's cell: two workers in it at a time, or one
/// that does not see what the other did, fail the model.
struct Pool {
    core: Biased<Core>,
    pulse: Arc<PollCounter>,
    injector: Mutex<Vec<usize>>,
    /// How often each task ran.
    runs: [AtomicUsize; 3],
}

impl Pool {
    fn new(owner: &OwnerToken, core: Core) -> Arc<Pool> {
        let pool = Pool {
            core: Biased::new(core),
            pulse: Arc::new(PollCounter::new()),
            injector: Mutex::new(Vec::new()),
            runs: std::array::from_fn(|_| AtomicUsize::new(0)),
        };
        pool.core.give(Some(owner.id()));
        Arc::new(pool)
    }

    fn run(&self, task: usize) {
        let before = self.runs[task].fetch_add(1, Ordering::Relaxed);
        assert_eq!(before, 0, "task {task} ran twice");
    }

    /// As `WorkerThread::run` until the place is lost or has no task left. `true` if it is still
    /// ours.
    fn work(&self, identity: &mut OwnerToken) -> bool {
        loop {
            let Some(mut core) = self.core.enter(identity) else { return false };
            let oldest = |core: &mut Core| (!core.queue.is_empty()).then(|| core.queue.remove(0));
            let Some(task) = core.next.take().or_else(|| oldest(&mut core)) else { return true };
            drop(core);
            self.run(task);
        }
    }

    /// As `WorkerContext::push`, and the injector where the place was lost.
    fn push(&self, identity: &mut OwnerToken, task: usize) {
        match self.core.enter(identity) {
            Some(mut core) => core.queue.push(task),
            None => self.injector.lock().unwrap().push(task),
        }
    }

    /// As the monitor that finds the worker in the same poll again, and the thread that it asks.
    fn take_over(&self, reading: u64) -> bool {
        let mut identity = OwnerToken::unique();
        let vacancy = Handoff::stuck(0, Arc::clone(&self.pulse), reading);
        let is_taken = vacancy.take(&self.core, &identity.id());
        if is_taken {
            assert!(self.work(&mut identity), "nobody takes it from the new worker");
        }
        is_taken
    }

    /// Every task ran once, or waits where somebody finds it.
    fn check(&self, tasks: usize) {
        let mut found: Vec<usize> = self.injector.lock().unwrap().clone();
        self.core.with(|core, _| {
            found.extend(core.next);
            found.extend(&core.queue);
        });
        for task in 0..tasks {
            let runs = self.runs[task].load(Ordering::Relaxed);
            let waits = found.iter().filter(|found| **found == task).count();
            assert_eq!(runs + waits, 1, "task {task} is lost, or there twice");
        }
    }
}

#[test]
fn the_worker_that_comes_back_and_the_one_that_takes_over_agree() {
    loom::model(|| {
        let mut me = OwnerToken::unique();
        let pool = Pool::new(&me, Core { next: Some(1), queue: vec![2] });
        pool.pulse.increment();
        let reading = pool.pulse.read();
        let spare = {
            let pool = Arc::clone(&pool);
            thread::spawn(move || pool.take_over(reading))
        };
        // The blocked poll ends: its task was woken meanwhile and is queued again.
        pool.pulse.increment();
        pool.push(&mut me, 0);
        let is_ours = pool.work(&mut me);
        let is_taken = spare.join().unwrap();
        assert!(is_ours != is_taken, "the place has one worker");
        pool.check(3);
    });
}

#[test]
fn a_poll_that_ended_before_is_not_taken_for_one_that_blocks() {
    loom::model(|| {
        let mut me = OwnerToken::unique();
        let pool = Pool::new(&me, Core::default());
        pool.pulse.increment();
        let reading = pool.pulse.read();
        pool.pulse.increment();
        pool.push(&mut me, 0);
        let spare = {
            let pool = Arc::clone(&pool);
            thread::spawn(move || pool.take_over(reading))
        };
        // In the next poll, whose reading is another.
        pool.pulse.increment();
        assert!(!spare.join().unwrap());
        pool.pulse.increment();
        assert!(pool.work(&mut me));
        pool.check(1);
    });
}

#[test]
fn strangers_move_the_last_in_task_and_wake_others_meanwhile() {
    loom::model(|| {
        let mut me = OwnerToken::unique();
        let pool = Pool::new(&me, Core { next: Some(1), queue: Vec::new() });
        pool.pulse.increment();
        let reading = pool.pulse.read();
        let others = {
            let pool = Arc::clone(&pool);
            thread::spawn(move || {
                // The monitor exposes the last-in task, a waker on a foreign thread injects one.
                pool.core.with(|core, _| {
                    let last_in = core.next.take();
                    core.queue.extend(last_in);
                });
                pool.injector.lock().unwrap().push(2);
                pool.take_over(reading)
            })
        };
        pool.pulse.increment();
        pool.push(&mut me, 0);
        let is_ours = pool.work(&mut me);
        let is_taken = others.join().unwrap();
        assert!(is_ours != is_taken, "the place has one worker");
        pool.check(3);
    });
}

/// Threads that wait on a roster, and what they found.
struct Office {
    roster: HandoffQueue,
    filled: [AtomicUsize; 2],
}

impl Office {
    fn new(max_threads: usize) -> Arc<Office> {
        let office = Office {
            roster: HandoffQueue::new(),
            filled: std::array::from_fn(|_| AtomicUsize::new(0)),
        };
        office.roster.open(max_threads);
        Arc::new(office)
    }

    /// As `WorkerThreads::try_fill`; gives the thread it started.
    fn fill(office: &Arc<Office>, place: usize) -> Option<thread::JoinHandle<()>> {
        match office.roster.offer(Handoff::unowned(place)).expect("there is room for a thread") {
            Offer::Waiting => None,
            Offer::New(number) => {
                let office = Arc::clone(office);
                Some(thread::spawn(move || office.work(number)))
            }
        }
    }

    /// As the life of a thread whose places take no time. Under loom it waits until the end.
    fn work(&self, number: usize) {
        let mut is_new = true;
        while let Some(vacancy) = self.roster.next(Duration::MAX, is_new) {
            is_new = false;
            self.filled[vacancy.worker()].fetch_add(1, Ordering::Relaxed);
        }
        let is_last = self.roster.leave(number);
        assert!(!is_last, "no shutdown has left a thread behind");
    }

    /// Waits for the vacancies, then closes: a thread that is not told hangs the model.
    fn close(&self, places: usize) {
        while self.filled[..places].iter().any(|filled| filled.load(Ordering::Relaxed) == 0) {
            thread::yield_now();
        }
        assert_eq!(self.roster.close(|| None), 0);
        for filled in &self.filled[..places] {
            assert_eq!(filled.load(Ordering::Relaxed), 1, "filled twice");
        }
    }
}

#[test]
fn a_vacancy_reaches_the_thread_that_waits_or_a_new_one() {
    loom::model(|| {
        let office = Office::new(2);
        let threads = [Office::fill(&office, 0), Office::fill(&office, 1)];
        office.close(2);
        for thread in threads.into_iter().flatten() {
            thread.join().unwrap();
        }
        assert_eq!(office.roster.thread_count(), 0);
    });
}

#[test]
fn two_that_offer_at_once_lose_no_vacancy() {
    loom::model(|| {
        let office = Office::new(2);
        let other = {
            let office = Arc::clone(&office);
            thread::spawn(move || Office::fill(&office, 0))
        };
        let mine = Office::fill(&office, 1);
        let theirs = other.join().unwrap();
        office.close(2);
        for thread in [mine, theirs].into_iter().flatten() {
            thread.join().unwrap();
        }
    });
}

#[test]
fn closing_beside_an_offer_leaves_no_thread_behind() {
    loom::model(|| {
        let office = Office::new(1);
        let thread = Office::fill(&office, 0);
        let closer = {
            let office = Arc::clone(&office);
            thread::spawn(move || office.roster.close(|| None))
        };
        let late = office.roster.offer(Handoff::unowned(1));
        assert!(!matches!(late, Ok(Offer::New(_))), "there is a thread already");
        assert_eq!(closer.join().unwrap(), 0);
        thread.expect("the first offer starts one").join().unwrap();
    });
}

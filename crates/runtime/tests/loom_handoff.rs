//! Models of the handoff of a blocked worker's place: the place has one worker at a time, each task
//! runs once, and no handoff is lost.
#![cfg(reveille_loom)]
#![expect(dead_code, reason = "the files are included whole, and a model uses a part of them")]

use reveille_watchdog as _;

#[path = "../src/scheduler/multi"]
mod multi {
    pub(crate) mod handoff;
    pub(crate) mod handoff_queue;
}
#[path = "../src/poll_counter.rs"]
mod poll_counter;
#[path = "../src/threads.rs"]
mod threads;

use std::sync::Arc;
use std::time::Duration;

use loom::sync::Mutex;
use loom::sync::atomic::{AtomicUsize, Ordering};
use loom::thread;
use multi::handoff::Handoff;
use multi::handoff_queue::{HandoffQueue, Offer};
use poll_counter::PollCounter;
use reveille_primitive::biased::{Biased, OwnerToken};

/// The state that only the worker of a place accesses: numbers of tasks.
#[derive(Default)]
struct Core {
    next: Option<usize>,
    queue: Vec<usize>,
}

/// A minimal pool with one place. The core is in a cell that loom checks: the model fails if two
/// workers access it at the same time, or if one does not see what the other wrote.
struct Pool {
    core: Biased<Core>,
    pulse: Arc<PollCounter>,
    injector: Mutex<Vec<usize>>,
    /// The number of runs of each task.
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

    /// Like `WorkerThread::run`, until another thread takes the place or no task is left. `true` if
    /// the place is still ours.
    fn work(&self, identity: &mut OwnerToken) -> bool {
        loop {
            let Some(mut core) = self.core.enter(identity) else { return false };
            let oldest = |core: &mut Core| (!core.queue.is_empty()).then(|| core.queue.remove(0));
            let Some(task) = core.next.take().or_else(|| oldest(&mut core)) else { return true };
            drop(core);
            self.run(task);
        }
    }

    /// Like `WorkerContext::push`. Pushes to the injector if the place is lost.
    fn push(&self, identity: &mut OwnerToken, task: usize) {
        match self.core.enter(identity) {
            Some(mut core) => core.queue.push(task),
            None => self.injector.lock().unwrap().push(task),
        }
    }

    /// Like the monitor that finds the worker in the same poll again, and the thread that then
    /// takes over.
    fn take_over(&self, reading: u64) -> bool {
        let mut identity = OwnerToken::unique();
        let vacancy = Handoff::stuck(0, Arc::clone(&self.pulse), reading);
        let is_taken = vacancy.take(&self.core, &identity.id());
        if is_taken {
            assert!(self.work(&mut identity), "no thread takes the place from the new worker");
        }
        is_taken
    }

    /// Asserts that every task ran once, or is in a queue.
    fn check(&self, tasks: usize) {
        let mut found: Vec<usize> = self.injector.lock().unwrap().clone();
        self.core.with(|core, _| {
            found.extend(core.next);
            found.extend(&core.queue);
        });
        for task in 0..tasks {
            let runs = self.runs[task].load(Ordering::Relaxed);
            let waits = found.iter().filter(|found| **found == task).count();
            assert_eq!(runs + waits, 1, "task {task} is lost or duplicated");
        }
    }
}

#[test]
fn a_place_has_one_worker_when_the_blocked_one_returns_during_a_handoff() {
    loom::model(|| {
        let mut me = OwnerToken::unique();
        let pool = Pool::new(&me, Core { next: Some(1), queue: vec![2] });
        pool.pulse.increment();
        let reading = pool.pulse.read();
        let spare = {
            let pool = Arc::clone(&pool);
            thread::spawn(move || pool.take_over(reading))
        };
        // The blocked poll ends. Its task was woken in the meantime and is queued again.
        pool.pulse.increment();
        pool.push(&mut me, 0);
        let is_ours = pool.work(&mut me);
        let is_taken = spare.join().unwrap();
        assert!(is_ours != is_taken, "the place has one worker");
        pool.check(3);
    });
}

#[test]
fn a_worker_in_its_next_poll_is_not_taken_over() {
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
        // In the next poll the counter has another value.
        pool.pulse.increment();
        assert!(!spare.join().unwrap());
        pool.pulse.increment();
        assert!(pool.work(&mut me));
        pool.check(1);
    });
}

#[test]
fn remote_threads_move_the_lifo_task_and_inject_during_a_handoff() {
    loom::model(|| {
        let mut me = OwnerToken::unique();
        let pool = Pool::new(&me, Core { next: Some(1), queue: Vec::new() });
        pool.pulse.increment();
        let reading = pool.pulse.read();
        let others = {
            let pool = Arc::clone(&pool);
            thread::spawn(move || {
                // The monitor moves the task out of the LIFO slot, a waker elsewhere injects one.
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

/// Threads that wait in a handoff queue, and the places that they got.
struct Threads {
    handoffs: HandoffQueue,
    filled: [AtomicUsize; 2],
}

impl Threads {
    fn new(max_threads: usize) -> Arc<Threads> {
        let pool = Threads {
            handoffs: HandoffQueue::new(),
            filled: std::array::from_fn(|_| AtomicUsize::new(0)),
        };
        pool.handoffs.open(max_threads);
        Arc::new(pool)
    }

    /// Like `worker_threads::hand_off`. Returns the thread if it started one.
    fn fill(pool: &Arc<Threads>, place: usize) -> Option<thread::JoinHandle<()>> {
        match pool.handoffs.offer(Handoff::unowned(place)).expect("there is room for a thread") {
            Offer::Waiting => None,
            Offer::New(number) => {
                let pool = Arc::clone(pool);
                Some(thread::spawn(move || pool.work(number)))
            }
        }
    }

    /// Like the life of a thread that leaves each place immediately. Under loom it waits until the
    /// queue is closed.
    fn work(&self, number: usize) {
        let mut is_new = true;
        while let Some(handoff) = self.handoffs.next(Duration::MAX, is_new) {
            is_new = false;
            self.filled[handoff.worker()].fetch_add(1, Ordering::Relaxed);
        }
        let is_last = self.handoffs.leave(number);
        assert!(!is_last, "this is not the last thread of a runtime that ends");
    }

    /// Waits until all handoffs are taken, then closes the queue. A thread that is not notified
    /// hangs the model.
    fn close(&self, places: usize) {
        while self.filled[..places].iter().any(|filled| filled.load(Ordering::Relaxed) == 0) {
            thread::yield_now();
        }
        assert_eq!(self.handoffs.close(|| None), 0);
        for filled in &self.filled[..places] {
            assert_eq!(filled.load(Ordering::Relaxed), 1, "filled twice");
        }
    }
}

#[test]
fn a_handoff_reaches_a_waiting_thread_or_a_new_one() {
    loom::model(|| {
        let pool = Threads::new(2);
        let threads = [Threads::fill(&pool, 0), Threads::fill(&pool, 1)];
        pool.close(2);
        for thread in threads.into_iter().flatten() {
            thread.join().unwrap();
        }
        assert_eq!(pool.handoffs.thread_count(), 0);
    });
}

#[test]
fn concurrent_offers_lose_no_handoff() {
    loom::model(|| {
        let pool = Threads::new(2);
        let other = {
            let pool = Arc::clone(&pool);
            thread::spawn(move || Threads::fill(&pool, 0))
        };
        let mine = Threads::fill(&pool, 1);
        let theirs = other.join().unwrap();
        pool.close(2);
        for thread in [mine, theirs].into_iter().flatten() {
            thread.join().unwrap();
        }
    });
}

#[test]
fn closing_during_an_offer_leaves_no_thread() {
    loom::model(|| {
        let pool = Threads::new(1);
        let thread = Threads::fill(&pool, 0);
        let closer = {
            let pool = Arc::clone(&pool);
            thread::spawn(move || pool.handoffs.close(|| None))
        };
        let late = pool.handoffs.offer(Handoff::unowned(1));
        assert!(!matches!(late, Ok(Offer::New(_))), "there is a thread already");
        assert_eq!(closer.join().unwrap(), 0);
        thread.expect("the first offer starts one").join().unwrap();
    });
}

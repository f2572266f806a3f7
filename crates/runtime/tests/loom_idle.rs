//! Models of a worker that goes to sleep while another thread queues a task: no task is left
//! without an awake worker.
#![cfg(reveille_loom)]
#![expect(dead_code, reason = "the file is included whole, and a model uses a part of it")]

use reveille_watchdog as _;

#[path = "../src/scheduler/multi/idle.rs"]
mod idle;

use idle::Idle;
use loom::sync::atomic::{AtomicUsize, Ordering};
use loom::sync::{Arc, Condvar, Mutex};
use loom::thread;

/// A minimal pool: a count of queued tasks, and the parker of each worker.
struct Pool {
    idle: Idle,
    queued: AtomicUsize,
    notified: Vec<(Mutex<bool>, Condvar)>,
}

impl Pool {
    fn new(workers: usize) -> Arc<Pool> {
        let notified = (0..workers).map(|_| (Mutex::new(false), Condvar::new())).collect();
        Arc::new(Pool { idle: Idle::new(workers), queued: AtomicUsize::new(0), notified })
    }

    /// Like `inject`: publishes a task, then wakes a worker if necessary.
    fn produce(&self) {
        self.queued.fetch_add(1, Ordering::SeqCst);
        self.wake_one();
    }

    fn wake_one(&self) {
        if let Some(sleeper) = self.idle.claim_sleeper() {
            let (flag, condvar) = &self.notified[sleeper];
            *flag.lock().unwrap() = true;
            condvar.notify_one();
        }
    }

    fn take(&self) -> bool {
        let mut queued = self.queued.load(Ordering::SeqCst);
        while queued > 0 {
            match self.queued.compare_exchange(
                queued,
                queued - 1,
                Ordering::SeqCst,
                Ordering::SeqCst,
            ) {
                Ok(_) => return true,
                Err(actual) => queued = actual,
            }
        }
        false
    }

    /// Like a worker until it has taken one task: searches, parks, and searches again.
    fn work_once(&self, worker: usize) {
        let mut is_searching = false;
        loop {
            if !is_searching {
                is_searching = self.idle.start_search(self.notified.len());
            }
            if self.take() {
                if self.idle.stop_search(&mut is_searching, || self.has_work()) {
                    self.wake_one();
                }
                return;
            }
            let has_work = |pool: &mut &Pool| pool.has_work();
            let wait = |pool: &mut &Pool| {
                let (flag, condvar) = &pool.notified[worker];
                let mut flag = flag.lock().unwrap();
                while !*flag {
                    flag = condvar.wait(flag).unwrap();
                }
                *flag = false;
            };
            self.idle.sleep(worker, &mut is_searching, &mut { self }, has_work, wait);
        }
    }

    fn has_work(&self) -> bool {
        self.queued.load(Ordering::SeqCst) > 0
    }
}

#[test]
fn a_task_from_outside_wakes_a_worker_that_goes_to_sleep() {
    loom::model(|| {
        let pool = Pool::new(1);
        let worker = {
            let pool = Arc::clone(&pool);
            thread::spawn(move || pool.work_once(0))
        };
        pool.produce();
        worker.join().unwrap();
    });
}

#[test]
fn two_tasks_wake_two_workers() {
    loom::model(|| {
        let pool = Pool::new(2);
        let workers: Vec<_> = (0..2)
            .map(|worker| {
                let pool = Arc::clone(&pool);
                thread::spawn(move || pool.work_once(worker))
            })
            .collect();
        pool.produce();
        pool.produce();
        for worker in workers {
            worker.join().unwrap();
        }
    });
}

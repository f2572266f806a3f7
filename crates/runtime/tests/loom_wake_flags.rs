//! Models of the parker of `block_on`: the thread never sleeps while a wake flag is set.
#![cfg(reveille_loom)]
#![expect(dead_code, reason = "the file is included whole, and a model uses a part of it")]

use reveille_watchdog as _;

#[path = "../src/scheduler/wake_flags.rs"]
mod wake_flags;

use loom::sync::atomic::{AtomicU32, Ordering};
use loom::sync::{Arc, Condvar, Mutex};
use loom::thread;
use wake_flags::{INBOX, MAIN, WakeFlags};

/// A minimal local executor: its wake flags, its inbox, and the token of std's parker.
struct LocalExecutor {
    reasons: WakeFlags,
    inbox: Mutex<Vec<u32>>,
    token: Mutex<bool>,
    unparked: Condvar,
}

impl LocalExecutor {
    fn new() -> Arc<LocalExecutor> {
        Arc::new(LocalExecutor {
            reasons: WakeFlags::new(),
            inbox: Mutex::new(Vec::new()),
            token: Mutex::new(false),
            unparked: Condvar::new(),
        })
    }

    fn set(&self, reason: u32) {
        if self.reasons.set(reason) {
            *self.token.lock().unwrap() = true;
            self.unparked.notify_one();
        }
    }

    fn queue(&self, task: u32) {
        self.inbox.lock().unwrap().push(task);
        self.set(INBOX);
    }

    /// Like `LocalExecutor::park`. Only the token ends the sleep, so a missed flag is a deadlock,
    /// which loom reports.
    fn park(&self) {
        if self.reasons.park(MAIN | INBOX) {
            let mut token = self.token.lock().unwrap();
            while !*token {
                token = self.unparked.wait(token).unwrap();
            }
            *token = false;
        }
        self.reasons.unpark();
    }

    /// Like `LocalExecutor::wait` without timers and driver, until MAIN is set. Returns the tasks
    /// that were run.
    fn wait(&self) -> Vec<u32> {
        let mut run = Vec::new();
        loop {
            if self.reasons.take(INBOX) {
                run.append(&mut self.inbox.lock().unwrap());
            }
            if self.reasons.take_main() {
                return run;
            }
            self.park();
        }
    }
}

#[test]
fn a_wake_ends_the_wait_and_publishes_earlier_writes() {
    loom::model(|| {
        let stand = LocalExecutor::new();
        let written = Arc::new(AtomicU32::new(0));
        let waker = {
            let (stand, written) = (Arc::clone(&stand), Arc::clone(&written));
            thread::spawn(move || {
                written.store(7, Ordering::Relaxed);
                stand.set(MAIN);
            })
        };
        stand.wait();
        assert_eq!(written.load(Ordering::Relaxed), 7);
        waker.join().unwrap();
    });
}

#[test]
fn a_local_task_queued_by_another_thread_runs_and_wakes_the_future() {
    loom::model(|| {
        let stand = LocalExecutor::new();
        let other = {
            let stand = Arc::clone(&stand);
            thread::spawn(move || stand.queue(1))
        };
        // The future waits for the task, which wakes it on the same thread.
        let mut run = Vec::new();
        while run.is_empty() {
            if stand.reasons.take(INBOX) {
                run.append(&mut stand.inbox.lock().unwrap());
                stand.reasons.set_main_locally();
            } else {
                stand.park();
            }
        }
        stand.wait();
        assert_eq!(run, [1]);
        other.join().unwrap();
    });
}

#[test]
fn concurrent_wakes_and_a_queued_task_are_never_lost() {
    loom::model(|| {
        let stand = LocalExecutor::new();
        let threads: Vec<_> = [MAIN, INBOX]
            .into_iter()
            .map(|reason| {
                let stand = Arc::clone(&stand);
                thread::spawn(move || match reason {
                    MAIN => stand.set(MAIN),
                    _ => stand.queue(reason),
                })
            })
            .collect();
        let mut run = stand.wait();
        for thread in threads {
            thread.join().unwrap();
        }
        // The next wait finds a task queued after the wake: a flag is set, so it does not sleep.
        stand.reasons.set_main_locally();
        run.extend(stand.wait());
        assert_eq!(run, [INBOX]);
    });
}

#[test]
fn a_wake_by_the_thread_itself_prevents_the_sleep() {
    loom::model(|| {
        let stand = LocalExecutor::new();
        stand.reasons.set_main_locally();
        // No other thread could end a sleep.
        stand.park();
        assert!(stand.reasons.take_main());
        assert!(!stand.reasons.take_main());
    });
}

//! The parker of `block_on` under loom: the thread never sleeps while a wake-up flag is set.
#![cfg(reveille_loom)]
#![expect(dead_code, reason = "the file is included whole, and a model uses a part of it")]

use reveille_watchdog as _;

#[path = "../src/scheduler/wake_flags.rs"]
mod wake_flags;

use loom::sync::atomic::{AtomicU32, Ordering};
use loom::sync::{Arc, Condvar, Mutex};
use loom::thread;
use wake_flags::{INBOX, MAIN, WakeFlags};

/// A stand in miniature: its reasons, its inbox, and the token that std's parker is.
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

    /// As `LocalExecutor::park`: the sleep ends with the token and with nothing else, so a reason
    /// that was slept over is a deadlock, which loom reports.
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

    /// As `LocalExecutor::wait` without timers and driver: until MAIN. Returns the tasks that were
    /// run.
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
fn a_wake_ends_the_wait_and_publishes_what_was_done_before() {
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
fn a_local_task_that_another_thread_queued_runs_and_wakes_the_future() {
    loom::model(|| {
        let stand = LocalExecutor::new();
        let other = {
            let stand = Arc::clone(&stand);
            thread::spawn(move || stand.queue(1))
        };
        // The future waits for the task, which wakes it from this very thread.
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
fn two_wakers_and_a_task_are_one_wait_or_several_and_none_is_lost() {
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
        // What came behind the wake is found by the next wait, which has a reason not to sleep.
        stand.reasons.set_main_locally();
        run.extend(stand.wait());
        assert_eq!(run, [INBOX]);
    });
}

#[test]
fn a_wake_of_ones_own_forbids_the_sleep() {
    loom::model(|| {
        let stand = LocalExecutor::new();
        stand.reasons.set_main_locally();
        // Nobody else is there to end a sleep.
        stand.park();
        assert!(stand.reasons.take_main());
        assert!(!stand.reasons.take_main());
    });
}

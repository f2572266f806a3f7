//! Models: a change of interest while another thread begins to wait, on Windows.
//!
//! The crate `polling` is modelled after its source (3.11, `iocp/mod.rs`): `update_packet`,
//! `wait_deadline` and `notify`.
//!
//! `RUSTFLAGS="--cfg reveille_loom" cargo test -p reveille-driver --test loom_change --release`

#![cfg(reveille_loom)]

use reveille_watchdog as _;

use loom::sync::atomic::{AtomicBool, Ordering};
use loom::sync::{Arc, Notify};
use loom::thread;
use reveille_driver::model::WaitFlag;

/// `polling`'s poller, with one source that is ready as soon as its interest is known.
struct Poller {
    /// Whether a thread waits on the port.
    polling: AtomicBool,
    /// Whether the change is in the queue of updates. Relaxed, so that the queue orders nothing.
    queued: AtomicBool,
    /// Whether the port has the packet of the source.
    event: AtomicBool,
    /// The port.
    port: Notify,
}

impl Poller {
    fn new() -> Poller {
        Poller {
            polling: AtomicBool::new(false),
            queued: AtomicBool::new(false),
            event: AtomicBool::new(false),
            port: Notify::new(),
        }
    }

    fn update_packet(&self) {
        if self.polling.load(Ordering::Acquire) {
            self.update();
        } else {
            // An exchange, because loom may reorder a plain store before an earlier exchange.
            self.queued.swap(true, Ordering::Relaxed);
        }
    }

    /// Passes the interest to the system, which posts the packet of the source to the port.
    fn update(&self) {
        self.event.store(true, Ordering::Release);
        self.port.notify();
    }

    /// Returns whether there was an event. The port's timeout is infinite.
    fn wait_deadline(&self) -> bool {
        self.polling.swap(true, Ordering::SeqCst);
        if self.queued.swap(false, Ordering::Relaxed) {
            self.update();
        }
        self.port.wait();
        self.polling.swap(false, Ordering::SeqCst);
        self.event.load(Ordering::Acquire)
    }

    fn notify(&self) {
        self.port.notify();
    }
}

#[test]
fn a_change_is_seen_by_a_thread_that_begins_to_wait() {
    loom::model(|| {
        let shared = Arc::new((Poller::new(), WaitFlag::new()));
        let waiter = thread::spawn({
            let shared = Arc::clone(&shared);
            move || {
                let (poller, flag) = &*shared;
                // A wait in which the change is lost does not end, which loom reports.
                while !flag.during(|| poller.wait_deadline()) {}
            }
        });
        let (poller, flag) = &*shared;
        poller.update_packet();
        if flag.is_set_after_a_change() {
            poller.notify();
        }
        waiter.join().unwrap();
    });
}

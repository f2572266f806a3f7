//! Delivers signals from a handler to the tasks that wait.
//!
//! Each signal that is listened to has one [`Delivery`]: a counter, and a descriptor that becomes
//! readable. The handler adds to the counter, then writes. A listener remembers the count that it
//! has seen and waits for the descriptor while the count is the same.
//!
//! Why no signal is lost: the driver reports each write as an event of its own (edge-triggered), so
//! nothing has to read the descriptor, and no listener can take the event of another. A listener
//! takes a snapshot of the number of events, checks the counter, and then waits, unless the number
//! has changed since the snapshot ([`Io::watch`]). It leaves the readiness as it is: if it cleared
//! it, another listener that has compared the counter before the signal would wait for the next
//! one. Where the descriptor is a socket pair its buffer is finite, so a listener empties it before
//! it checks the counter.
//!
//! A delivery lives as long as the process, because the crate signal-hook-registry never restores
//! the former action of a signal. After a fork the child and its parent share the descriptor but
//! not the counter, so an event that the other process causes only leads to one more check.
//!
//! Rejected: a descriptor for each listener. A server may have one in each connection, and the
//! handler would write to each. Rejected: `signalfd`, which needs the signal blocked in every
//! thread, including those that other libraries start. Rejected: a thread that waits.
#![allow(unsafe_code, reason = "a signal handler is a promise about what runs in it")]

use std::ffi::c_int;
use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use reveille_runtime::io::{Interest, Io};

use event::{ReadEnd, WriteEnd};

/// The interval at which a listener checks the counter while the driver has no room for the
/// descriptor.
const RETRY: Duration = Duration::from_millis(50);

/// The signals that are listened to.
static DELIVERIES: Mutex<Vec<Arc<Delivery>>> = Mutex::new(Vec::new());

/// A signal and how often it was delivered.
#[derive(Debug)]
pub(super) struct Delivery {
    number: c_int,
    count: AtomicU64,
    write_end: WriteEnd,
    read_end: Io<ReadEnd>,
}

impl Delivery {
    /// Returns the delivery of the signal, and installs the handler if it is the first.
    ///
    /// # Errors
    ///
    /// `InvalidInput` if the signal has no handler that returns. Otherwise the system's error: an
    /// unknown number, or no descriptor left.
    pub(super) fn of(number: c_int) -> io::Result<Arc<Delivery>> {
        // The registry panics for these. SIGKILL and SIGSTOP have no handlers, and a program that
        // returns from the others repeats the instruction that raised them.
        if signal_hook_registry::FORBIDDEN.contains(&number) {
            let message = "no handler may be set for this signal";
            return Err(io::Error::new(io::ErrorKind::InvalidInput, message));
        }
        // Each change is complete, and no user code runs under the lock.
        let mut deliveries = DELIVERIES.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(delivery) = deliveries.iter().find(|delivery| delivery.number == number) {
            return Ok(Arc::clone(delivery));
        }
        let delivery = Delivery::install(number)?;
        deliveries.push(Arc::clone(&delivery));
        Ok(delivery)
    }

    fn install(number: c_int) -> io::Result<Arc<Delivery>> {
        let (write_end, read_end) = event::ends()?;
        let read_end = Io::new(read_end);
        let delivery = Arc::new(Delivery { number, count: AtomicU64::new(0), write_end, read_end });
        let own = Arc::clone(&delivery);
        let handler = move || {
            // Release pairs with the load in `count`: a listener that sees this delivery sees what
            // the process did before it raised the signal.
            own.count.fetch_add(1, Ordering::Release);
            own.write_end.signal(&own.read_end);
        };
        // SAFETY: the closure must only do what is safe in a signal handler. It adds to an atomic
        // and makes one `write` call: it neither allocates, locks nor panics. It is never dropped,
        // because nothing unregisters it. The registry restores `errno`.
        unsafe { signal_hook_registry::register(number, handler)? };
        Ok(delivery)
    }

    /// Returns how often the signal was delivered.
    pub(super) fn count(&self) -> u64 {
        self.count.load(Ordering::Acquire)
    }

    /// Waits until the count differs from `seen`.
    ///
    /// # Cancel safety
    ///
    /// Nothing is lost, because nothing is consumed.
    pub(super) async fn changed(&self, seen: u64) {
        let look = |end: &ReadEnd| {
            event::clear(end);
            if self.count() == seen { Err(io::ErrorKind::WouldBlock.into()) } else { Ok(()) }
        };
        while self.read_end.watch(Interest::Read, look).await.is_err() {
            // No driver can be made, or it has no room for another descriptor. The counter works
            // without it.
            if self.count() != seen {
                return;
            }
            reveille_runtime::time::Sleep::after(RETRY).await;
        }
    }
}

/// An eventfd. Each write is an event, also while it is readable.
#[cfg(target_os = "linux")]
mod event {
    use std::io;
    use std::os::fd::OwnedFd;

    use reveille_runtime::io::Io;
    use rustix::event::{EventfdFlags, eventfd};

    pub(super) type ReadEnd = OwnedFd;

    /// The read end is written to.
    #[derive(Debug)]
    pub(super) struct WriteEnd;

    pub(super) fn ends() -> io::Result<(WriteEnd, ReadEnd)> {
        Ok((WriteEnd, eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?))
    }

    impl WriteEnd {
        /// Makes one system call. Runs in a signal handler.
        pub(super) fn signal(&self, read_end: &Io<ReadEnd>) {
            // It fails only if the counter is full, after 2^64 signals.
            let _ = rustix::io::write(read_end.get_ref(), &1_u64.to_ne_bytes());
        }
    }

    /// Does nothing: an eventfd never fills.
    pub(super) fn clear(_: &ReadEnd) {}
}

/// A socket pair, which std makes with the flag close-on-exec on each system.
#[cfg(not(target_os = "linux"))]
mod event {
    use std::io::{self, Read, Write};
    use std::os::unix::net::UnixStream;

    use reveille_runtime::io::Io;

    pub(super) type ReadEnd = UnixStream;

    #[derive(Debug)]
    pub(super) struct WriteEnd(UnixStream);

    pub(super) fn ends() -> io::Result<(WriteEnd, ReadEnd)> {
        let (write_end, read_end) = UnixStream::pair()?;
        write_end.set_nonblocking(true)?;
        read_end.set_nonblocking(true)?;
        Ok((WriteEnd(write_end), read_end))
    }

    impl WriteEnd {
        /// Makes one system call. Runs in a signal handler.
        pub(super) fn signal(&self, _: &Io<ReadEnd>) {
            // A full buffer is readable already. The read end is open, so there is no SIGPIPE.
            let _ = (&self.0).write(&[1]);
        }
    }

    /// Makes room for the next writes.
    pub(super) fn clear(mut end: &ReadEnd) {
        let mut bytes = [0; 64];
        while matches!(end.read(&mut bytes), Ok(len) if len == bytes.len()) {}
    }
}

#[cfg(test)]
mod tests {
    use rustix::process::{Signal, getpid, kill_process};

    use super::*;
    use crate::{future, task};

    /// The other one has compared the count just before the signal, and waits after the first one
    /// has seen it.
    #[test]
    fn a_listener_that_waits_for_the_next_signal_hides_none_from_another() {
        task::block_on(async {
            let delivery = Delivery::of(Signal::URG.as_raw()).unwrap();
            let before = delivery.count();
            kill_process(getpid(), Signal::URG).unwrap();
            while delivery.count() == before {
                task::sleep(Duration::from_millis(1)).await;
            }
            let now = delivery.count();
            // Long enough for the driver to deliver what the registration reports.
            let next = future::timeout(Duration::from_millis(20), delivery.changed(now));
            assert!(next.await.is_err(), "no second signal was sent");
            delivery.changed(before).await;
        });
    }
}

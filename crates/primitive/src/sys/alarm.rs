//! A timer that wakes a waiting thread, unless another thread clears it in time.
//!
//! It is for a thread that must check another thread's work only if the work takes long. The other
//! thread sets the alarm when its work begins and clears it when the work ends, so the waiting
//! thread stays asleep during short work. On Linux, setting and clearing are each one system call
//! on a timerfd, take half a microsecond, and wake no thread.
//!
//! A condition variable replaces the timerfd on other systems, in a simulation, when the process
//! has no descriptor left, and as soon as a sandbox refuses to set the timer. The behaviour is the
//! same, but setting the alarm wakes the waiting thread, which then waits for the rest of the time.
//! See [`Alarm::is_cheap`].

use std::time::{Duration, Instant};

#[cfg(target_os = "linux")]
use crate::atomic::AtomicBool;
#[cfg(target_os = "linux")]
use crate::atomic::Ordering;
use crate::lock::{Condvar, Mutex};
#[cfg(target_os = "linux")]
use crate::simulation;

/// Wakes the thread that waits for it, at a time that other threads set.
#[derive(Debug)]
pub struct Alarm {
    #[cfg(target_os = "linux")]
    timer: Option<linux::Timer>,
    /// The system has refused to set the timer, so the condition variable is used instead.
    #[cfg(target_os = "linux")]
    is_refused: AtomicBool,
    due: Mutex<Option<Instant>>,
    changed: Condvar,
}

impl Alarm {
    /// Makes an alarm that is not set.
    #[must_use]
    pub fn new() -> Alarm {
        Alarm {
            #[cfg(target_os = "linux")]
            timer: if simulation::is_simulated() { None } else { linux::Timer::new().ok() },
            #[cfg(target_os = "linux")]
            is_refused: AtomicBool::new(false),
            due: Mutex::new(None),
            changed: Condvar::new(),
        }
    }

    /// An alarm that does not use the system's timer.
    #[cfg(test)]
    fn portable() -> Alarm {
        Alarm {
            #[cfg(target_os = "linux")]
            timer: None,
            ..Alarm::new()
        }
    }

    /// Returns whether the waiting thread stays asleep when the alarm is set or cleared.
    #[must_use]
    pub fn is_cheap(&self) -> bool {
        #[cfg(target_os = "linux")]
        return self.timer().is_some();
        #[cfg(not(target_os = "linux"))]
        false
    }

    /// The system's timer, unless the system has refused to set it.
    #[cfg(target_os = "linux")]
    fn timer(&self) -> Option<&linux::Timer> {
        self.timer.as_ref().filter(|_| !self.is_refused.load(Ordering::Relaxed))
    }

    /// Sets the system's timer; zero clears it. Returns `false` if there is no timer or the system
    /// refuses.
    #[cfg(target_os = "linux")]
    fn set_timer(&self, after: Duration) -> bool {
        let Some(timer) = self.timer() else { return false };
        let is_set = timer.set(after);
        if !is_set {
            self.is_refused.store(true, Ordering::Relaxed);
            timer.ring();
        }
        is_set
    }

    #[cfg(not(target_os = "linux"))]
    fn set_timer(&self, _: Duration) -> bool {
        false
    }

    /// The descriptor that is readable while the alarm rings, if the system has one. A thread that
    /// waits for many descriptors can wait for this one too.
    #[cfg(target_os = "linux")]
    #[must_use]
    pub fn fd(&self) -> Option<std::os::fd::BorrowedFd<'_>> {
        self.timer().map(linux::Timer::fd)
    }

    /// Returns whether the alarm rings, and ends that. For a thread that waits for the descriptor.
    pub fn take_ring(&self) -> bool {
        #[cfg(target_os = "linux")]
        return self.timer.as_ref().is_some_and(linux::Timer::take_ring);
        #[cfg(not(target_os = "linux"))]
        false
    }

    /// Sets the alarm to ring once, `after` from now. Replaces the time that was set before.
    pub fn set(&self, after: Duration) {
        // Zero would clear it.
        if self.set_timer(after.max(Duration::from_nanos(1))) {
            return;
        }
        let now = now();
        // The alarm never rings at a time that the clock cannot represent.
        *self.due.lock() = now.checked_add(after);
        self.changed.notify_one();
    }

    /// Clears the alarm. It does not ring, unless the waiting thread has been woken already.
    pub fn clear(&self) {
        if self.set_timer(Duration::ZERO) {
            return;
        }
        *self.due.lock() = None;
    }

    /// Blocks the thread until the alarm rings or `timeout` has passed. Only one thread at a time
    /// may wait.
    ///
    /// May return early: the caller checks its condition and waits again.
    pub fn wait(&self, timeout: Option<Duration>) {
        #[cfg(target_os = "linux")]
        if let Some(timer) = self.timer() {
            return timer.wait(timeout);
        }
        let end = timeout.and_then(|timeout| now().checked_add(timeout));
        let mut due = self.due.lock();
        loop {
            let now = now();
            if due.is_some_and(|due| due <= now) {
                *due = None;
                return;
            }
            if end.is_some_and(|end| end <= now) {
                return;
            }
            let next = [*due, end].into_iter().flatten().min();
            due = match next {
                Some(next) => self.changed.wait_timeout(due, next - now).0,
                None => self.changed.wait(due),
            };
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "the alarm is itself one of the system's clocks")]
fn now() -> Instant {
    Instant::now()
}

impl Default for Alarm {
    fn default() -> Alarm {
        Alarm::new()
    }
}

/// The kernel's timer, through direct calls, because rustix has them in a module that adds half a
/// second to each build.
#[cfg(target_os = "linux")]
#[allow(unsafe_code, reason = "see above")]
mod linux {
    use std::io;
    use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd};
    use std::sync::OnceLock;
    use std::time::Duration;

    use rustix::event::{PollFd, PollFlags, Timespec, poll};
    use rustix::io::Errno;
    use rustix::ioctl;

    /// The longest wait for a timer that cannot [`ring`](Timer::ring): then the thread sees that
    /// the system has refused to set it.
    const CHECK_INTERVAL: Duration = Duration::from_secs(1);

    #[derive(Debug)]
    pub(super) struct Timer {
        fd: OwnedFd,
        can_ring: OnceLock<bool>,
    }

    impl Timer {
        pub(super) fn new() -> io::Result<Timer> {
            let flags = libc::TFD_CLOEXEC | libc::TFD_NONBLOCK;
            // SAFETY: the call takes numbers only.
            let fd = unsafe { libc::timerfd_create(libc::CLOCK_MONOTONIC, flags) };
            if fd < 0 {
                return Err(io::Error::last_os_error());
            }
            // SAFETY: the kernel has just made the descriptor, and no other code has its number.
            let fd = unsafe { OwnedFd::from_raw_fd(fd) };
            Ok(Timer { fd, can_ring: OnceLock::new() })
        }

        /// Sets the timer to ring `after` from now; zero clears it. Returns `false` if the system
        /// refuses, because a filter was installed after the timer was made.
        #[must_use = "nothing may have been set"]
        pub(super) fn set(&self, after: Duration) -> bool {
            let none = libc::timespec { tv_sec: 0, tv_nsec: 0 };
            let value = libc::timespec {
                tv_sec: after.as_secs().try_into().unwrap_or(libc::time_t::MAX),
                tv_nsec: after.subsec_nanos() as _,
            };
            let when = libc::itimerspec { it_interval: none, it_value: value };
            let fd = self.fd.as_raw_fd();
            // SAFETY: `when` is alive during the call. The pointer for the old value may be null.
            unsafe { libc::timerfd_settime(fd, 0, &when, std::ptr::null_mut()) == 0 }
        }

        /// Makes the timer ring immediately without setting it, so that the waiting thread switches
        /// to the condition variable. Kernels without checkpoint support cannot do that, and a
        /// 32-bit program cannot ask a 64-bit kernel for it; there the thread waits for at most
        /// [`CHECK_INTERVAL`].
        pub(super) fn ring(&self) {
            let _ = self.set_ticks(1);
        }

        fn set_ticks(&self, ticks: u64) -> rustix::io::Result<()> {
            const SET_TICKS: ioctl::Opcode = ioctl::opcode::write::<u64>(b'T', 0);
            // SAFETY: this is TFD_IOC_SET_TICKS, which reads one number of 64 bits.
            let ticks = unsafe { ioctl::Setter::<SET_TICKS, u64>::new(ticks) };
            // SAFETY: the descriptor is a timerfd, for which the operation is defined, and `ticks`
            // is alive during the call.
            unsafe { ioctl::ioctl(&self.fd, ticks) }
        }

        pub(super) fn fd(&self) -> BorrowedFd<'_> {
            self.fd.as_fd()
        }

        pub(super) fn take_ring(&self) -> bool {
            rustix::io::read(&self.fd, &mut [0; 8]).is_ok()
        }

        /// Behaves like a kernel that does not know the operation.
        #[cfg(all(test, not(reveille_loom)))]
        pub(super) fn forbid_ring(&self) {
            self.can_ring.set(false).expect("it has not been asked yet");
        }

        /// Whether the kernel knows the operation: it then calls 0 invalid.
        fn can_ring(&self) -> bool {
            *self.can_ring.get_or_init(|| self.set_ticks(0) == Err(Errno::INVAL))
        }

        pub(super) fn wait(&self, timeout: Option<Duration>) {
            let timeout =
                if timeout.is_some_and(|timeout| timeout <= CHECK_INTERVAL) || self.can_ring() {
                    timeout
                } else {
                    Some(CHECK_INTERVAL)
                };
            let timeout = timeout.and_then(|timeout| Timespec::try_from(timeout).ok());
            let mut set = [PollFd::new(&self.fd, PollFlags::IN)];
            if poll(&mut set, timeout.as_ref()).is_ok_and(|ready| ready > 0) {
                // If the timer was cleared or set again since, it does not ring, and there is
                // nothing for the caller to check.
                let _ = self.take_ring();
            }
        }
    }
}

#[cfg(all(test, not(reveille_loom)))]
mod tests {
    use super::*;

    const LONG: Duration = Duration::from_secs(100);

    fn both() -> [Alarm; 2] {
        [Alarm::new(), Alarm::portable()]
    }

    #[test]
    fn an_alarm_rings_once() {
        for alarm in both() {
            let start = now();
            alarm.set(LONG);
            alarm.set(Duration::from_millis(5));
            alarm.wait(Some(LONG));
            let waited = start.elapsed();
            assert!((Duration::from_millis(5)..LONG).contains(&waited), "{alarm:?} {waited:?}");
            alarm.wait(Some(Duration::from_millis(5)));
            assert!(start.elapsed() >= waited + Duration::from_millis(5), "{alarm:?} rang twice");
        }
    }

    #[test]
    fn an_alarm_that_is_cleared_does_not_ring() {
        for alarm in both() {
            let start = now();
            alarm.set(Duration::from_millis(1));
            alarm.clear();
            alarm.wait(Some(Duration::from_millis(20)));
            assert!(start.elapsed() >= Duration::from_millis(20), "{alarm:?}");
        }
    }

    #[test]
    fn an_alarm_that_rang_before_the_wait_ends_it() {
        for alarm in both() {
            alarm.set(Duration::ZERO);
            alarm.wait(None);
        }
    }

    #[test]
    fn another_thread_can_set_the_alarm_during_a_wait_without_timeout() {
        for alarm in both() {
            std::thread::scope(|scope| {
                let waiting = scope.spawn(|| alarm.wait(None));
                alarm.set(LONG);
                alarm.set(Duration::from_millis(1));
                waiting.join().expect("no panic");
            });
        }
    }

    // Only on Linux: a timerfd is refused.
    #[cfg(target_os = "linux")]
    #[test]
    fn a_timer_that_is_refused_moves_its_thread_to_the_condition_variable() {
        let alarm = Alarm::new();
        std::thread::scope(|scope| {
            let waiting = scope.spawn(|| {
                while alarm.is_cheap() {
                    alarm.wait(None);
                }
                alarm.wait(None);
            });
            alarm.is_refused.store(true, Ordering::Relaxed);
            alarm.timer.as_ref().expect("a timer").ring();
            alarm.set(Duration::from_millis(1));
            waiting.join().expect("no panic");
        });
    }

    // Only on Linux: it alone has a timerfd.
    #[cfg(target_os = "linux")]
    #[test]
    fn a_wait_for_a_timer_that_cannot_ring_ends_by_itself() {
        let alarm = Alarm::new();
        alarm.timer.as_ref().expect("a timer").forbid_ring();
        alarm.wait(None);
    }

    // Only on Linux: it alone has a timerfd.
    #[cfg(target_os = "linux")]
    #[test]
    fn only_the_kernels_timer_is_cheap() {
        assert_eq!(both().map(|alarm| alarm.is_cheap()), [true, false]);
    }
}

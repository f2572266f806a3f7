//! Linux 5.11 and later: a wait on an epoll set with a timeout in nanoseconds, in one system call.
//!
//! rustix offers `epoll_pwait2` only with a feature. Cargo unifies features over a user's
//! dependency tree, and this feature replaces `epoll_wait` for all crates, which breaks older
//! kernels. Hence the raw system call here. Older kernels and some sandboxes refuse it. The first
//! call of a shard detects that, and the shard does not try again.

use std::io;
use std::time::Duration;

use reveille_primitive::atomic::{AtomicBool, Ordering};
use rustix::event::epoll;
use rustix::fd::{AsRawFd, BorrowedFd};
use rustix::io::Errno;

/// The wait, and whether the kernel has refused it.
#[derive(Debug)]
pub(crate) struct ExactWait {
    /// The kernel has refused the call.
    is_refused: AtomicBool,
}

/// The kernel's `__kernel_timespec`: 64 bits on every processor, unlike libc's type.
#[repr(C)]
struct Timespec {
    seconds: i64,
    nanoseconds: i64,
}

// The kernel writes `epoll_event`s into rustix's type, as rustix itself lets it do.
const _: () = assert!(size_of::<epoll::Event>() == size_of::<libc::epoll_event>());

impl ExactWait {
    pub(crate) fn new() -> ExactWait {
        ExactWait { is_refused: AtomicBool::new(false) }
    }

    /// Waits for at most `timeout` and appends events to `events`, up to its spare capacity.
    /// Returns `None` without waiting if the kernel refuses the call.
    ///
    /// # Errors
    ///
    /// Returns the error of the kernel, which may be an interruption.
    pub(crate) fn wait(
        &self,
        set: BorrowedFd<'_>,
        timeout: Duration,
        events: &mut Vec<epoll::Event>,
    ) -> Result<Option<usize>, Errno> {
        // Relaxed: the flag publishes no other data.
        if self.is_refused.load(Ordering::Relaxed) {
            return Ok(None);
        }
        match call(set, timeout, events) {
            Ok(count) => Ok(Some(count)),
            // PERM: the error of system call filters that are older than this call.
            Err(Errno::NOSYS | Errno::PERM) => {
                self.is_refused.store(true, Ordering::Relaxed);
                Ok(None)
            }
            Err(errno) => Err(errno),
        }
    }
}

#[allow(unsafe_code, reason = "rustix offers this system call only in place of epoll_wait")]
fn call(
    set: BorrowedFd<'_>,
    timeout: Duration,
    events: &mut Vec<epoll::Event>,
) -> Result<usize, Errno> {
    let timeout = Timespec {
        seconds: i64::try_from(timeout.as_secs()).unwrap_or(i64::MAX),
        nanoseconds: i64::from(timeout.subsec_nanos()),
    };
    let room = events.spare_capacity_mut();
    let room_len = libc::c_int::try_from(room.len()).unwrap_or(libc::c_int::MAX);
    let no_mask = std::ptr::null::<libc::sigset_t>();
    // SAFETY: the kernel reads `timeout` and writes at most `room_len` events into `room`; both
    // outlive the call. The mask is null, so it reads nothing else. `set` is open while it is
    // borrowed.
    let count = unsafe {
        libc::syscall(
            libc::SYS_epoll_pwait2,
            set.as_raw_fd(),
            room.as_mut_ptr(),
            room_len,
            &raw const timeout,
            no_mask,
            0_usize,
        )
    };
    let Ok(count) = usize::try_from(count) else {
        let error = io::Error::last_os_error();
        return Err(Errno::from_io_error(&error).unwrap_or(Errno::INVAL));
    };
    // SAFETY: the kernel has initialised `count` events after the old end, and `count` is at most
    // `room_len`.
    unsafe { events.set_len(events.len() + count) };
    Ok(count)
}

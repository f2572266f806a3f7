//! Linux 5.11 and later: a wait on an epoll set that counts nanoseconds, in one system call.
//!
//! rustix offers `epoll_pwait2` only by a feature. Cargo unifies features over a user's dependency
//! tree, and this one replaces plain `epoll_wait` for all crates, which breaks older kernels. Hence
//! the raw system call here. An older kernel, and some sandboxes, refuse it: a shard's first call
//! finds that out, and the shard remembers it.

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

// rustix passes its own events to the kernel as they are; this asserts the size on which we rely.
const _: () = assert!(size_of::<epoll::Event>() == size_of::<libc::epoll_event>());

impl ExactWait {
    pub(crate) fn new() -> ExactWait {
        ExactWait { is_refused: AtomicBool::new(false) }
    }

    /// Waits for `timeout` at most and appends events to `events`, up to its spare capacity.
    /// Returns `None` if this kernel does not know the call; then it did not wait.
    ///
    /// # Errors
    ///
    /// The error of the kernel, which may be an interruption.
    pub(crate) fn wait(
        &self,
        set: BorrowedFd<'_>,
        timeout: Duration,
        events: &mut Vec<epoll::Event>,
    ) -> Result<Option<usize>, Errno> {
        // Relaxed: the flag publishes nothing but itself.
        if self.is_refused.load(Ordering::Relaxed) {
            return Ok(None);
        }
        match call(set, timeout, events) {
            Ok(count) => Ok(Some(count)),
            // PERM: system call filters that are older than the call answer with it.
            Err(Errno::NOSYS | Errno::PERM) => {
                self.is_refused.store(true, Ordering::Relaxed);
                Ok(None)
            }
            Err(errno) => Err(errno),
        }
    }
}

#[allow(unsafe_code, reason = "a system call that rustix does not offer beside epoll_wait")]
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
    // SAFETY: the kernel reads `timeout` and writes at most `room_len` events, both of which
    // outlive the call; without a mask it reads no more, and `set` is open while it is borrowed.
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
    // the room that it was told of.
    unsafe { events.set_len(events.len() + count) };
    Ok(count)
}

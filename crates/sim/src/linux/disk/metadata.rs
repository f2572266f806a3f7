//! The metadata of files that a program sees, which are the same in each run.

use std::collections::BTreeMap;
use std::ffi::{CString, c_int};
use std::mem::MaybeUninit;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::sync::{Mutex, PoisonError};

use libc::timespec;

use super::super::futex::from_ns;
use super::super::thread::me;
use super::super::world;

/// The device of all files of a simulation.
const DEVICE: u64 = 1;

/// The number that the program sees for each inode, assigned in the order in which it asks.
static NUMBERS: Mutex<BTreeMap<u64, u64>> = Mutex::new(BTreeMap::new());

/// The kernel's answer about a descriptor. `None` if it is not open.
pub(super) fn stat_fd(fd: c_int) -> Option<libc::stat64> {
    let mut answer = MaybeUninit::<libc::stat64>::zeroed();
    // SAFETY: the call writes a `stat64`, for which there is room.
    let result = unsafe { libc::fstat64(fd, answer.as_mut_ptr()) };
    // SAFETY: all bytes zero are a valid value, and the call has written none or all.
    (result == 0).then(|| unsafe { answer.assume_init() })
}

/// Sets the time of the last change of a file to the virtual time.
pub(super) fn touch(path: &Path) {
    let now = now();
    let Ok(path) = CString::new(path.as_os_str().as_bytes()) else { return };
    let times = [now, now];
    let flags = libc::AT_SYMLINK_NOFOLLOW;
    // SAFETY: the path ends with a zero byte, and the two times are alive during the call. A file
    // that is gone has no time.
    unsafe { libc::utimensat(libc::AT_FDCWD, path.as_ptr(), times.as_ptr(), flags) };
}

/// The attributes of a file that differ between runs.
#[derive(Clone, Copy, Debug)]
pub(in super::super) struct Attributes {
    pub(in super::super) inode: u64,
    pub(in super::super) device: u64,
}

/// The attributes to show for a file of the simulation. `None` for others.
pub(in super::super) fn attributes(inode: u64, device: u64) -> Option<Attributes> {
    if device != super::device() || device == 0 {
        return None;
    }
    let mut numbers = NUMBERS.lock().unwrap_or_else(PoisonError::into_inner);
    let next = numbers.len() as u64 + 2;
    let inode = *numbers.entry(inode).or_insert(next);
    Some(Attributes { inode, device: DEVICE })
}

/// The virtual time on the host of the calling thread, for the times of files.
pub(in super::super) fn now() -> timespec {
    from_ns(me().map_or(0, |me| world::time_of_day_ns(me, world::read_clock_ns(me))))
}

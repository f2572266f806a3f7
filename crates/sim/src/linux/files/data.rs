//! Reads, writes and syncs of descriptors.

use std::ffi::{c_int, c_uint, c_void};
use std::slice;

use libc::{iovec, off64_t, size_t, ssize_t};

use super::super::disk::{self, DataChange, Work};
use super::super::futex::fail;
use super::super::kernel::descriptors::is_ours;
use super::super::kernel::transfers;
use super::super::original_files;
use super::super::thread::Thread;
use super::replace_files;

/// Sets the time of the last change of an open file to the virtual time.
pub(super) fn touch(fd: c_int) {
    let now = disk::now();
    let times = [now, now];
    // SAFETY: the two times are alive during the call.
    unsafe { libc::futimens(fd, times.as_ptr()) };
}

/// Begins a read. `Err` is what the function returns instead.
fn begin_read(me: &'static Thread, fd: c_int) -> Result<(), ssize_t> {
    if disk::status(fd).is_none() {
        return Ok(());
    }
    disk::begin(me, Work::Transfer).map_err(fail)
}

/// Where a write goes.
#[derive(Clone, Copy, Debug)]
enum At {
    Cursor,
    Offset(off64_t),
}

fn flags(fd: c_int) -> c_int {
    // SAFETY: the call takes numbers only.
    unsafe { libc::fcntl(fd, libc::F_GETFL) }
}

/// Writes to a file of the simulation.
fn write_file(me: &'static Thread, fd: c_int, at: At, bytes: &[u8]) -> ssize_t {
    if let Err(errno) = disk::begin(me, Work::Transfer) {
        return fail(errno);
    }
    let Some(before) = disk::status(fd) else { return fail(libc::EBADF) };
    let flags = flags(fd);
    let offset = match at {
        _ if flags & libc::O_APPEND != 0 => before.len,
        At::Offset(offset) => offset.cast_unsigned(),
        // SAFETY: the call takes numbers only.
        At::Cursor => unsafe { libc::lseek64(fd, 0, libc::SEEK_CUR) }.cast_unsigned(),
    };
    let growth = offset.saturating_add(bytes.len() as u64).saturating_sub(before.len);
    let room = disk::with(me, |machine| machine.room(growth));
    let len = bytes.len().saturating_sub((growth - room) as usize);
    if len == 0 && !bytes.is_empty() {
        return fail(libc::ENOSPC);
    }
    disk::with(me, |machine| machine.know(fd));
    let from = bytes.as_ptr().cast();
    let written = match at {
        // SAFETY: the pointer and the length are those of a slice.
        At::Cursor => unsafe { original_files::write(fd, from, len) },
        // SAFETY: as above.
        At::Offset(offset) => unsafe { original_files::pwrite64(fd, from, len, offset) },
    };
    let Ok(count) = usize::try_from(written) else { return written };
    let change = DataChange::Write { offset: offset as usize, bytes: bytes[..count].to_vec() };
    disk::with(me, |machine| machine.change(fd, before.len, change));
    touch(fd);
    if flags & libc::O_DSYNC != 0
        && let Err(errno) = sync(me, fd)
    {
        return fail(errno);
    }
    written
}

/// Waits until a file or a directory is on the disk.
fn sync(me: &'static Thread, fd: c_int) -> Result<(), c_int> {
    let is_file = disk::status(fd).is_some();
    let is_dir = !is_file && disk::is_dir(fd);
    if !is_file && !is_dir {
        return Ok(());
    }
    if let Err(errno) = disk::begin(me, Work::Sync) {
        disk::with(me, |machine| machine.sync_failed(fd));
        return Err(errno);
    }
    disk::with(me, |machine| if is_dir { machine.sync_dir(fd) } else { machine.sync_file(fd) });
    Ok(())
}

/// Changes the length of a file.
fn resize(me: &'static Thread, fd: c_int, len: off64_t) -> c_int {
    let Some(before) = disk::status(fd) else {
        // SAFETY: the call takes numbers only.
        return unsafe { original_files::ftruncate64(fd, len) };
    };
    if let Err(errno) = disk::begin(me, Work::Name) {
        return fail(errno);
    }
    disk::with(me, |machine| machine.know(fd));
    // SAFETY: the call takes numbers only.
    let result = unsafe { original_files::ftruncate64(fd, len) };
    if result == 0 {
        let change = DataChange::Resize { len: len as usize };
        // A file may have holes, so this needs no room.
        disk::with(me, |machine| machine.change(fd, before.len, change));
        touch(fd);
    }
    result
}

/// The bytes of all slices.
///
/// # Safety
///
/// * `slices` points to `count` slices of memory that may be read.
unsafe fn gather(slices: *const iovec, count: c_int) -> Vec<u8> {
    let count = usize::try_from(count).unwrap_or(0);
    if count == 0 || slices.is_null() {
        return Vec::new();
    }
    // SAFETY: the caller passes this many.
    let slices = unsafe { slice::from_raw_parts(slices, count) };
    let mut bytes = Vec::new();
    for part in slices.iter().filter(|part| part.iov_len > 0) {
        // SAFETY: the caller passes memory of this length that may be read.
        bytes.extend_from_slice(unsafe {
            slice::from_raw_parts(part.iov_base.cast::<u8>(), part.iov_len)
        });
    }
    bytes
}

replace_files! {
    fn read(fd: c_int, into: *mut c_void, len: size_t) -> ssize_t = |me| {
        // SAFETY: the caller meets the contract of the original (invariant 1).
        if let Some(result) = unsafe { transfers::read(me, fd, into, len) } { return result; }
        if let Err(result) = begin_read(me, fd) { return result; }
        // SAFETY: the caller meets the contract of the original (invariant 1).
        unsafe { original_files::read(fd, into, len) }
    }

    fn pread64(fd: c_int, into: *mut c_void, len: size_t, at: off64_t) -> ssize_t = |me| {
        if let Err(result) = begin_read(me, fd) { return result; }
        // SAFETY: the caller meets the contract of the original (invariant 1).
        unsafe { original_files::pread64(fd, into, len, at) }
    }

    fn readv(fd: c_int, slices: *const iovec, count: c_int) -> ssize_t = |me| {
        // SAFETY: the caller meets the contract of the original (invariant 1).
        if let Some(result) = unsafe { transfers::readv(me, fd, slices, count) } { return result; }
        if let Err(result) = begin_read(me, fd) { return result; }
        // SAFETY: the caller meets the contract of the original (invariant 1).
        unsafe { original_files::readv(fd, slices, count) }
    }

    fn preadv(fd: c_int, slices: *const iovec, count: c_int, at: off64_t) -> ssize_t = |me| {
        if let Err(result) = begin_read(me, fd) { return result; }
        // SAFETY: the caller meets the contract of the original (invariant 1).
        unsafe { original_files::preadv(fd, slices, count, at) }
    }

    fn preadv64(fd: c_int, slices: *const iovec, count: c_int, at: off64_t) -> ssize_t = |me| {
        if let Err(result) = begin_read(me, fd) { return result; }
        // SAFETY: the caller meets the contract of the original (invariant 1).
        unsafe { original_files::preadv64(fd, slices, count, at) }
    }

    fn preadv2(
        fd: c_int, slices: *const iovec, count: c_int, at: off64_t, flags: c_int
    ) -> ssize_t = |me| {
        if flags & libc::RWF_NOWAIT != 0 {
            // Whether the data are cached would depend on the real machine.
            return fail(libc::EOPNOTSUPP);
        }
        if let Err(result) = begin_read(me, fd) { return result; }
        // SAFETY: the caller meets the contract of the original (invariant 1).
        unsafe { original_files::preadv2(fd, slices, count, at, flags) }
    }

    fn preadv64v2(
        fd: c_int, slices: *const iovec, count: c_int, at: off64_t, flags: c_int
    ) -> ssize_t = |_me| {
        // SAFETY: the caller meets the contract of the original (invariant 1).
        unsafe { preadv2(fd, slices, count, at, flags) }
    }

    fn write(fd: c_int, from: *const c_void, len: size_t) -> ssize_t = |me| {
        // SAFETY: the caller meets the contract of the original (invariant 1).
        if let Some(result) = unsafe { transfers::write(me, fd, from, len) } { return result; }
        if disk::status(fd).is_none() || len == 0 {
            // SAFETY: the caller meets the contract of the original (invariant 1).
            return unsafe { original_files::write(fd, from, len) };
        }
        // SAFETY: the caller passes memory of this length that may be read (invariant 1).
        let bytes = unsafe { slice::from_raw_parts(from.cast::<u8>(), len) };
        write_file(me, fd, At::Cursor, bytes)
    }

    fn pwrite64(fd: c_int, from: *const c_void, len: size_t, at: off64_t) -> ssize_t = |me| {
        if disk::status(fd).is_none() || len == 0 {
            // SAFETY: the caller meets the contract of the original (invariant 1).
            return unsafe { original_files::pwrite64(fd, from, len, at) };
        }
        // SAFETY: the caller passes memory of this length that may be read (invariant 1).
        let bytes = unsafe { slice::from_raw_parts(from.cast::<u8>(), len) };
        write_file(me, fd, At::Offset(at), bytes)
    }

    fn writev(fd: c_int, slices: *const iovec, count: c_int) -> ssize_t = |me| {
        // SAFETY: the caller meets the contract of the original (invariant 1).
        if let Some(result) = unsafe { transfers::writev(me, fd, slices, count) } { return result; }
        if disk::status(fd).is_none() {
            // SAFETY: the caller meets the contract of the original (invariant 1).
            return unsafe { original_files::writev(fd, slices, count) };
        }
        // SAFETY: the caller passes slices that may be read (invariant 1).
        write_file(me, fd, At::Cursor, &unsafe { gather(slices, count) })
    }

    fn pwritev(fd: c_int, slices: *const iovec, count: c_int, at: off64_t) -> ssize_t = |me| {
        if disk::status(fd).is_none() {
            // SAFETY: the caller meets the contract of the original (invariant 1).
            return unsafe { original_files::pwritev(fd, slices, count, at) };
        }
        // SAFETY: the caller passes slices that may be read (invariant 1).
        write_file(me, fd, At::Offset(at), &unsafe { gather(slices, count) })
    }

    fn pwritev64(fd: c_int, slices: *const iovec, count: c_int, at: off64_t) -> ssize_t = |_me| {
        // SAFETY: the caller meets the contract of the original (invariant 1).
        unsafe { pwritev(fd, slices, count, at) }
    }

    fn ftruncate(fd: c_int, len: off64_t) -> c_int = |me| {
        resize(me, fd, len)
    }

    fn ftruncate64(fd: c_int, len: off64_t) -> c_int = |me| {
        resize(me, fd, len)
    }

    fn fallocate64(fd: c_int, mode: c_int, at: off64_t, len: off64_t) -> c_int = |me| {
        let Some(before) = disk::status(fd) else {
            // SAFETY: the call takes numbers only.
            return unsafe { original_files::fallocate64(fd, mode, at, len) };
        };
        let end = at.saturating_add(len).cast_unsigned();
        let growth = end.saturating_sub(before.len);
        if mode != 0 {
            return fail(libc::EOPNOTSUPP);
        }
        if disk::with(me, |machine| machine.room(growth)) < growth {
            return fail(libc::ENOSPC);
        }
        if growth == 0 { 0 } else { resize(me, fd, end.cast_signed()) }
    }

    fn fsync(fd: c_int) -> c_int = |me| {
        match sync(me, fd) {
            // SAFETY: the call takes a number.
            Ok(()) => unsafe { original_files::fsync(fd) },
            Err(errno) => fail(errno),
        }
    }

    fn fdatasync(fd: c_int) -> c_int = |me| {
        match sync(me, fd) {
            // SAFETY: the call takes a number.
            Ok(()) => unsafe { original_files::fdatasync(fd) },
            Err(errno) => fail(errno),
        }
    }

    fn syncfs(fd: c_int) -> c_int = |me| {
        let _ = fd;
        match disk::begin(me, Work::Sync) {
            Ok(()) => {
                disk::with(me, |machine| machine.sync_all());
                0
            }
            Err(errno) => fail(errno),
        }
    }

    fn copy_file_range(
        from: c_int, at: *mut off64_t, to: c_int, at_to: *mut off64_t, len: size_t, flags: c_uint
    ) -> ssize_t = |_me| {
        if disk::status(to).is_some() {
            // The caller reads and writes instead.
            return fail(libc::ENOSYS);
        }
        // SAFETY: the caller meets the contract of the original (invariant 1).
        unsafe { original_files::copy_file_range(from, at, to, at_to, len, flags) }
    }

    fn sendfile64(to: c_int, from: c_int, at: *mut off64_t, len: size_t) -> ssize_t = |_me| {
        if disk::status(to).is_some() || is_ours(to) || is_ours(from) {
            // The caller reads and writes instead.
            return fail(libc::EINVAL);
        }
        // SAFETY: the caller meets the contract of the original (invariant 1).
        unsafe { original_files::sendfile64(to, from, at, len) }
    }

    fn sendfile(to: c_int, from: c_int, at: *mut off64_t, len: size_t) -> ssize_t = |_me| {
        // SAFETY: the caller meets the contract of the original (invariant 1).
        unsafe { sendfile64(to, from, at, len) }
    }
}

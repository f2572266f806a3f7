//! Operations that take paths.

use std::ffi::{CStr, CString, OsStr, c_char, c_int, c_uint};
use std::fs;
use std::io;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::{DirBuilderExt, symlink as make_symlink};
use std::path::{Path, PathBuf};
use std::ptr;

use libc::{
    DIR, mode_t, off64_t, size_t, ssize_t, stat64 as stat_answer, statx as statx_answer, timespec,
};

use super::super::disk::{self, NameChange, Use, Work};
use super::super::futex::fail;
use super::super::original_files;
use super::super::thread::Thread;
use super::{answer, open, replace_files, text};

/// The program's path in a call; `None` if the call goes to the system.
///
/// # Safety
///
/// * `path` is null or points to a string that ends with a zero byte.
unsafe fn absolute(me: &Thread, dir: c_int, path: *const c_char) -> Option<PathBuf> {
    // SAFETY: the caller passes such a string, and the result is owned.
    disk::absolute(me, dir, unsafe { text(path) })
}

/// Begins a change of names and does it.
fn change(me: &'static Thread, act: impl FnOnce(&mut disk::Machine) -> io::Result<()>) -> c_int {
    match disk::begin(me, Work::Name) {
        Ok(()) => answer(disk::with(me, act)),
        Err(errno) => fail(errno),
    }
}

fn is_dir(me: &Thread, path: &Path) -> bool {
    let real = disk::real(me, path, Use::Read);
    let real = Path::new(OsStr::from_bytes(real.as_bytes()));
    disk::unobserved(|| fs::symlink_metadata(real)).is_ok_and(|metadata| metadata.is_dir())
}

fn remove_file(me: &'static Thread, path: &Path) -> c_int {
    if is_dir(me, path) {
        return fail(libc::EISDIR);
    }
    change(me, |machine| {
        if machine.exists(path) {
            machine.remove(path)
        } else {
            Err(io::Error::from_raw_os_error(libc::ENOENT))
        }
    })
}

fn remove_dir(me: &'static Thread, path: &Path) -> c_int {
    if !is_dir(me, path) {
        // Of a file, or of nothing.
        let exists = disk::with(me, |machine| machine.exists(path));
        return fail(if exists { libc::ENOTDIR } else { libc::ENOENT });
    }
    change(me, |machine| machine.remove_dir(path))
}

fn make_dir(me: &'static Thread, path: PathBuf, mode: mode_t) -> c_int {
    change(me, |machine| {
        let made = NameChange::MakeDir { path: path.clone() };
        machine.make(&path, |_| made, |real| fs::DirBuilder::new().mode(mode).create(real))
    })
}

fn make_link(me: &'static Thread, from: PathBuf, to: PathBuf) -> c_int {
    change(me, |machine| {
        let real_from = machine.linked(&from);
        let made = NameChange::Link { from: from.clone(), to: to.clone() };
        machine.make(&to, |_| made, |real| fs::hard_link(real_from, real))
    })
}

fn make_symbolic(me: &'static Thread, target: &CStr, path: PathBuf) -> c_int {
    let target = Path::new(OsStr::from_bytes(target.to_bytes()));
    change(me, |machine| {
        let target = machine.link_target(target);
        let made = path.clone();
        machine.make(
            &path,
            |names| NameChange::Create { path: made, grave: names.new_grave() },
            |real| make_symlink(target, real),
        )
    })
}

/// Runs `call` with the real path for the program's path, or with the program's own arguments.
///
/// # Safety
///
/// * `path` is null or points to a string that ends with a zero byte.
unsafe fn by_path<R>(
    me: &Thread,
    dir: c_int,
    path: *const c_char,
    how: Use,
    call: impl FnOnce(c_int, *const c_char) -> R,
) -> R {
    // SAFETY: the caller passes such a string.
    match unsafe { absolute(me, dir, path) } {
        Some(absolute) => {
            let real: CString = disk::real(me, &absolute, how);
            call(libc::AT_FDCWD, real.as_ptr())
        }
        None => call(dir, path),
    }
}

/// Replaces the attributes that differ between runs in the kernel's answer.
///
/// # Safety
///
/// * `into` is valid for reads and writes if `result` is 0.
unsafe fn show_stat(result: c_int, into: *mut stat_answer) -> c_int {
    if result == 0 {
        // SAFETY: the kernel has written the answer there.
        let answer = unsafe { &mut *into };
        if let Some(shown) = disk::attributes(answer.st_ino, answer.st_dev) {
            answer.st_ino = shown.inode;
            answer.st_dev = shown.device;
            (answer.st_ctime, answer.st_ctime_nsec) = (answer.st_mtime, answer.st_mtime_nsec);
            (answer.st_atime, answer.st_atime_nsec) = (answer.st_mtime, answer.st_mtime_nsec);
        }
    }
    result
}

/// Writes a path as `readlink` does, without a zero byte. Returns its length.
///
/// # Safety
///
/// * `into` is valid for writes of `len` bytes.
unsafe fn write_path(path: &Path, into: *mut c_char, len: usize) -> usize {
    let bytes = path.as_os_str().as_bytes();
    let count = bytes.len().min(len);
    // SAFETY: the caller has room for this many bytes.
    unsafe { ptr::copy_nonoverlapping(bytes.as_ptr(), into.cast::<u8>(), count) };
    count
}

fn shown(me: &Thread, real: Vec<u8>) -> PathBuf {
    let real = PathBuf::from(std::ffi::OsString::from_vec(real));
    disk::with(me, |machine| machine.virtual_path(&real))
}

replace_files! {
    fn openat(dir: c_int, path: *const c_char, flags: c_int, mode: mode_t) -> c_int = |me| {
        // SAFETY: the caller passes a string that ends with a zero byte (invariant 1).
        let opened = open(me, dir, unsafe { text(path) }, flags, mode);
        // SAFETY: the caller meets the contract of the original (invariant 1).
        opened.unwrap_or_else(|| unsafe { original_files::openat64(dir, path, flags, mode) })
    }

    fn openat64(dir: c_int, path: *const c_char, flags: c_int, mode: mode_t) -> c_int = |_me| {
        // SAFETY: the caller meets the contract of the original (invariant 1).
        unsafe { openat(dir, path, flags, mode) }
    }

    fn creat(path: *const c_char, mode: mode_t) -> c_int = |_me| {
        let flags = libc::O_CREAT | libc::O_WRONLY | libc::O_TRUNC;
        // SAFETY: the caller meets the contract of the original (invariant 1).
        unsafe { openat(libc::AT_FDCWD, path, flags, mode) }
    }

    fn creat64(path: *const c_char, mode: mode_t) -> c_int = |_me| {
        // SAFETY: the caller meets the contract of the original (invariant 1).
        unsafe { creat(path, mode) }
    }

    fn rename(from: *const c_char, to: *const c_char) -> c_int = |_me| {
        // SAFETY: the caller meets the contract of the original (invariant 1).
        unsafe { renameat(libc::AT_FDCWD, from, libc::AT_FDCWD, to) }
    }

    fn renameat(
        from_dir: c_int, from: *const c_char, to_dir: c_int, to: *const c_char
    ) -> c_int = |me| {
        // SAFETY: the caller passes a string that ends with a zero byte (invariant 1).
        let absolute_from = unsafe { absolute(me, from_dir, from) };
        // SAFETY: as above.
        let absolute_to = unsafe { absolute(me, to_dir, to) };
        match (absolute_from, absolute_to) {
            (Some(from), Some(to)) => change(me, |machine| machine.rename(&from, &to)),
            // SAFETY: the caller meets the contract of the original (invariant 1).
            _ => unsafe { original_files::renameat(from_dir, from, to_dir, to) },
        }
    }

    fn unlink(path: *const c_char) -> c_int = |_me| {
        // SAFETY: the caller meets the contract of the original (invariant 1).
        unsafe { unlinkat(libc::AT_FDCWD, path, 0) }
    }

    fn unlinkat(dir: c_int, path: *const c_char, flags: c_int) -> c_int = |me| {
        // SAFETY: the caller passes a string that ends with a zero byte (invariant 1).
        match unsafe { absolute(me, dir, path) } {
            Some(path) if flags & libc::AT_REMOVEDIR != 0 => remove_dir(me, &path),
            Some(path) => remove_file(me, &path),
            // SAFETY: the caller meets the contract of the original (invariant 1).
            None => unsafe { original_files::unlinkat(dir, path, flags) },
        }
    }

    fn mkdir(path: *const c_char, mode: mode_t) -> c_int = |_me| {
        // SAFETY: the caller meets the contract of the original (invariant 1).
        unsafe { mkdirat(libc::AT_FDCWD, path, mode) }
    }

    fn mkdirat(dir: c_int, path: *const c_char, mode: mode_t) -> c_int = |me| {
        // SAFETY: the caller passes a string that ends with a zero byte (invariant 1).
        match unsafe { absolute(me, dir, path) } {
            Some(path) => make_dir(me, path, mode),
            // SAFETY: the caller meets the contract of the original (invariant 1).
            None => unsafe { original_files::mkdirat(dir, path, mode) },
        }
    }

    fn rmdir(path: *const c_char) -> c_int = |_me| {
        // SAFETY: the caller meets the contract of the original (invariant 1).
        unsafe { unlinkat(libc::AT_FDCWD, path, libc::AT_REMOVEDIR) }
    }

    fn link(from: *const c_char, to: *const c_char) -> c_int = |_me| {
        // SAFETY: the caller meets the contract of the original (invariant 1).
        unsafe { linkat(libc::AT_FDCWD, from, libc::AT_FDCWD, to, 0) }
    }

    fn linkat(
        from_dir: c_int, from: *const c_char, to_dir: c_int, to: *const c_char, flags: c_int
    ) -> c_int = |me| {
        // SAFETY: the caller passes a string that ends with a zero byte (invariant 1).
        let absolute_from = unsafe { absolute(me, from_dir, from) };
        // SAFETY: as above.
        let absolute_to = unsafe { absolute(me, to_dir, to) };
        match (absolute_from, absolute_to) {
            (Some(from), Some(to)) => make_link(me, from, to),
            // SAFETY: the caller meets the contract of the original (invariant 1).
            _ => unsafe { original_files::linkat(from_dir, from, to_dir, to, flags) },
        }
    }

    fn symlink(target: *const c_char, path: *const c_char) -> c_int = |_me| {
        // SAFETY: the caller meets the contract of the original (invariant 1).
        unsafe { symlinkat(target, libc::AT_FDCWD, path) }
    }

    fn symlinkat(target: *const c_char, dir: c_int, path: *const c_char) -> c_int = |me| {
        // SAFETY: the caller passes a string that ends with a zero byte (invariant 1).
        match unsafe { absolute(me, dir, path) } {
            // SAFETY: as above.
            Some(path) => make_symbolic(me, unsafe { text(target) }, path),
            // SAFETY: the caller meets the contract of the original (invariant 1).
            None => unsafe { original_files::symlinkat(target, dir, path) },
        }
    }

    fn readlink(path: *const c_char, into: *mut c_char, len: size_t) -> ssize_t = |me| {
        // SAFETY: the caller passes a string that ends with a zero byte (invariant 1).
        let Some(path) = (unsafe { absolute(me, libc::AT_FDCWD, path) }) else {
            // SAFETY: the caller meets the contract of the original (invariant 1).
            return unsafe { original_files::readlink(path, into, len) };
        };
        let real = disk::real(me, &path, Use::Read);
        match disk::unobserved(|| fs::read_link(OsStr::from_bytes(real.as_bytes()))) {
            Ok(target) => {
                let target = shown(me, target.into_os_string().into_vec());
                // SAFETY: the caller has room for `len` bytes (invariant 1).
                unsafe { write_path(&target, into, len) }.cast_signed()
            }
            Err(error) => fail(error.raw_os_error().unwrap_or(libc::EIO)),
        }
    }

    fn realpath(path: *const c_char, into: *mut c_char) -> *mut c_char = |me| {
        // SAFETY: the caller passes a string that ends with a zero byte (invariant 1).
        let Some(path) = (unsafe { absolute(me, libc::AT_FDCWD, path) }) else {
            // SAFETY: the caller meets the contract of the original (invariant 1).
            return unsafe { original_files::realpath(path, into) };
        };
        let real = disk::real(me, &path, Use::Read);
        match disk::unobserved(|| fs::canonicalize(OsStr::from_bytes(real.as_bytes()))) {
            Ok(real) => {
                let path = shown(me, real.into_os_string().into_vec());
                // The path of a file has no zero byte.
                let path = CString::new(path.into_os_string().into_vec()).unwrap_or_default();
                if into.is_null() {
                    // SAFETY: the string ends with a zero byte. The caller frees the copy.
                    return unsafe { libc::strdup(path.as_ptr()) };
                }
                // SAFETY: the caller has room for `PATH_MAX` bytes, and the path is no longer.
                unsafe { libc::strcpy(into, path.as_ptr()) }
            }
            Err(error) => {
                let _: c_int = fail(error.raw_os_error().unwrap_or(libc::EIO));
                ptr::null_mut()
            }
        }
    }

    fn stat(path: *const c_char, into: *mut stat_answer) -> c_int = |_me| {
        // SAFETY: the caller meets the contract of the original (invariant 1).
        unsafe { fstatat64(libc::AT_FDCWD, path, into, 0) }
    }

    fn stat64(path: *const c_char, into: *mut stat_answer) -> c_int = |_me| {
        // SAFETY: the caller meets the contract of the original (invariant 1).
        unsafe { fstatat64(libc::AT_FDCWD, path, into, 0) }
    }

    fn lstat(path: *const c_char, into: *mut stat_answer) -> c_int = |_me| {
        // SAFETY: the caller meets the contract of the original (invariant 1).
        unsafe { fstatat64(libc::AT_FDCWD, path, into, libc::AT_SYMLINK_NOFOLLOW) }
    }

    fn lstat64(path: *const c_char, into: *mut stat_answer) -> c_int = |_me| {
        // SAFETY: the caller meets the contract of the original (invariant 1).
        unsafe { fstatat64(libc::AT_FDCWD, path, into, libc::AT_SYMLINK_NOFOLLOW) }
    }

    fn fstat(fd: c_int, into: *mut stat_answer) -> c_int = |_me| {
        // SAFETY: the caller meets the contract of the original (invariant 1).
        unsafe { fstat64(fd, into) }
    }

    fn fstat64(fd: c_int, into: *mut stat_answer) -> c_int = |_me| {
        // SAFETY: the caller meets the contract of the original (invariant 1).
        let result = unsafe { original_files::fstat64(fd, into) };
        // SAFETY: the call was given the same pointer.
        unsafe { show_stat(result, into) }
    }

    fn fstatat(
        dir: c_int, path: *const c_char, into: *mut stat_answer, flags: c_int
    ) -> c_int = |_me| {
        // SAFETY: the caller meets the contract of the original (invariant 1).
        unsafe { fstatat64(dir, path, into, flags) }
    }

    fn fstatat64(
        dir: c_int, path: *const c_char, into: *mut stat_answer, flags: c_int
    ) -> c_int = |me| {
        // SAFETY: the caller meets the contract of the original (invariant 1), also for the file of
        // the system.
        let call = |dir, path| unsafe { original_files::fstatat64(dir, path, into, flags) };
        // SAFETY: the caller passes a string that ends with a zero byte (invariant 1).
        let result = unsafe { by_path(me, dir, path, Use::Read, call) };
        // SAFETY: the call was given the same pointer.
        unsafe { show_stat(result, into) }
    }

    fn statx(
        dir: c_int, path: *const c_char, flags: c_int, mask: c_uint, into: *mut statx_answer
    ) -> c_int = |me| {
        // SAFETY: the caller meets the contract of the original (invariant 1), also for the file of
        // the system.
        let call = |dir, path| unsafe { original_files::statx(dir, path, flags, mask, into) };
        // SAFETY: the caller passes null or a string that ends with a zero byte (invariant 1).
        let result = unsafe { by_path(me, dir, path, Use::Read, call) };
        if result == 0 && !into.is_null() {
            // SAFETY: the kernel has written the answer there.
            let answer = unsafe { &mut *into };
            let device = libc::makedev(answer.stx_dev_major, answer.stx_dev_minor);
            if let Some(shown) = disk::attributes(answer.stx_ino, device) {
                answer.stx_ino = shown.inode;
                (answer.stx_dev_major, answer.stx_dev_minor) = (0, shown.device as u32);
                answer.stx_ctime = answer.stx_mtime;
                answer.stx_atime = answer.stx_mtime;
                answer.stx_btime = answer.stx_mtime;
            }
        }
        result
    }

    fn access(path: *const c_char, mode: c_int) -> c_int = |me| {
        // SAFETY: the caller meets the contract of the original (invariant 1).
        let call = |_, path| unsafe { original_files::access(path, mode) };
        // SAFETY: the caller passes a string that ends with a zero byte (invariant 1).
        unsafe { by_path(me, libc::AT_FDCWD, path, Use::Read, call) }
    }

    fn faccessat(dir: c_int, path: *const c_char, mode: c_int, flags: c_int) -> c_int = |me| {
        // SAFETY: the caller meets the contract of the original (invariant 1).
        let call = |dir, path| unsafe { original_files::faccessat(dir, path, mode, flags) };
        // SAFETY: the caller passes a string that ends with a zero byte (invariant 1).
        unsafe { by_path(me, dir, path, Use::Read, call) }
    }

    fn chmod(path: *const c_char, mode: mode_t) -> c_int = |me| {
        // SAFETY: the caller meets the contract of the original (invariant 1).
        let call = |_, path| unsafe { original_files::chmod(path, mode) };
        // SAFETY: the caller passes a string that ends with a zero byte (invariant 1).
        unsafe { by_path(me, libc::AT_FDCWD, path, Use::Change, call) }
    }

    fn fchmodat(dir: c_int, path: *const c_char, mode: mode_t, flags: c_int) -> c_int = |me| {
        // SAFETY: the caller meets the contract of the original (invariant 1).
        let call = |dir, path| unsafe { original_files::fchmodat(dir, path, mode, flags) };
        // SAFETY: the caller passes a string that ends with a zero byte (invariant 1).
        unsafe { by_path(me, dir, path, Use::Change, call) }
    }

    fn utimensat(
        dir: c_int, path: *const c_char, times: *const timespec, flags: c_int
    ) -> c_int = |me| {
        // SAFETY: the caller meets the contract of the original (invariant 1).
        let call = |dir, path| unsafe { original_files::utimensat(dir, path, times, flags) };
        // SAFETY: the caller passes null or a string that ends with a zero byte (invariant 1).
        unsafe { by_path(me, dir, path, Use::Change, call) }
    }

    fn truncate64(path: *const c_char, len: off64_t) -> c_int = |me| {
        // SAFETY: the caller passes a string that ends with a zero byte (invariant 1).
        let Some(fd) = open(me, libc::AT_FDCWD, unsafe { text(path) }, libc::O_WRONLY, 0) else {
            // SAFETY: the caller meets the contract of the original (invariant 1).
            return unsafe { original_files::truncate64(path, len) };
        };
        if fd < 0 {
            return fd;
        }
        // SAFETY: the call takes numbers only. The descriptor is this function's.
        let result = unsafe { libc::ftruncate64(fd, len) };
        // SAFETY: as above.
        unsafe { libc::close(fd) };
        result
    }

    fn opendir(path: *const c_char) -> *mut DIR = |me| {
        // SAFETY: the caller meets the contract of the original (invariant 1).
        let call = |_, path| unsafe { original_files::opendir(path) };
        // SAFETY: the caller passes a string that ends with a zero byte (invariant 1).
        unsafe { by_path(me, libc::AT_FDCWD, path, Use::Read, call) }
    }

    fn chdir(path: *const c_char) -> c_int = |me| {
        // SAFETY: the caller meets the contract of the original (invariant 1).
        let call = |_, path| unsafe { original_files::chdir(path) };
        // SAFETY: the caller passes a string that ends with a zero byte (invariant 1).
        unsafe { by_path(me, libc::AT_FDCWD, path, Use::Read, call) }
    }

    fn getcwd(into: *mut c_char, len: size_t) -> *mut c_char = |me| {
        // SAFETY: the caller meets the contract of the original (invariant 1).
        let result = unsafe { original_files::getcwd(into, len) };
        if !result.is_null() {
            // SAFETY: the call has written a string that ends with a zero byte.
            let real = unsafe { CStr::from_ptr(result) }.to_bytes().to_vec();
            let path = shown(me, real);
            // SAFETY: the program's path is no longer than the real one, for which there was room.
            let count = unsafe { write_path(&path, result, len) };
            // SAFETY: the real path had a zero byte there or behind.
            let end = unsafe { result.add(count) };
            // SAFETY: as above.
            unsafe { end.write(0) };
        }
        result
    }
}

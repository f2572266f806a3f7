//! The functions for files that replace the C library's, for the threads of a simulation.
//!
//! The invariants are those of `interpose.rs`. `files/names.rs` has the functions that take paths,
//! `files/data.rs` those that take descriptors. `disk.rs` implements them.

use std::ffi::{CStr, c_char, c_int};
use std::io;
use std::path::Path;

use libc::mode_t;

use super::disk::{self, DataChange, Use, Work};
use super::futex::fail;
use super::original;
use super::original_files;
use super::thread::Thread;

mod data;
mod names;

/// The sum of the addresses of the functions, as in `interpose.rs`.
pub(super) fn keep_symbols() -> usize {
    data::keep_symbols().wrapping_add(names::keep_symbols())
}

/// Defines functions of the C library. `$body` is what they do on a thread `me` whose files
/// are simulated.
macro_rules! replace_files {
    ($(
        fn $name:ident($($argument:ident: $type:ty),*) -> $result:ty = |$me:ident| $body:block
    )*) => {
        $(
            #[unsafe(no_mangle)]
            unsafe extern "C" fn $name($($argument: $type),*) -> $result {
                match disk::observed() {
                    Some($me) => $body,
                    // SAFETY: the caller meets the contract of the original (invariant 1 of
                    // `interpose.rs`).
                    None => unsafe { original_files::$name($($argument),*) },
                }
            }
        )*

        /// The sum of the addresses of these functions.
        pub(super) fn keep_symbols() -> usize {
            let addresses = [$($name as *const ()),*];
            addresses.iter().fold(0, |sum, address| sum.wrapping_add(address.addr()))
        }
    };
}

use replace_files;

/// What a function of the C library returns for a result of std.
fn answer(result: io::Result<()>) -> c_int {
    match result {
        Ok(()) => 0,
        Err(error) => fail(error.raw_os_error().unwrap_or(libc::EIO)),
    }
}

/// Opens a file. `None` if it is not one of the simulation.
pub(super) fn open(
    me: &'static Thread,
    dir: c_int,
    path: &CStr,
    flags: c_int,
    mode: mode_t,
) -> Option<c_int> {
    let path = disk::absolute(me, dir, path)?;
    let is_made = flags & (libc::O_CREAT | libc::O_TMPFILE & !libc::O_DIRECTORY) != 0;
    let changes = flags & libc::O_ACCMODE != libc::O_RDONLY || flags & libc::O_TRUNC != 0;
    let how = match (is_made, changes) {
        (false, false) => Use::Read,
        _ => Use::Change,
    };
    if how == Use::Read && disk::with(me, |machine| machine.is_outside(&path)) {
        // The backtrace of a panic reads such files, which must not change the run.
        return None;
    }
    if let Err(errno) = disk::begin(me, Work::Name) {
        return Some(fail(errno));
    }
    let real = disk::real(me, &path, how);
    Some(open_real(me, &path, &real, flags, mode))
}

fn open_real(me: &'static Thread, path: &Path, real: &CStr, flags: c_int, mode: mode_t) -> c_int {
    let existed = exists(real);
    // The file is truncated below, when its contents are known.
    let is_cut = existed && flags & libc::O_TRUNC != 0 && flags & libc::O_EXCL == 0;
    let flags = if is_cut { flags & !libc::O_TRUNC } else { flags };
    // SAFETY: the path ends with a zero byte.
    let fd = unsafe { original::open64(real.as_ptr(), flags, mode) };
    if fd < 0 {
        return fd;
    }
    if let Some(before) = disk::status(fd) {
        if !existed && flags & libc::O_TMPFILE != libc::O_TMPFILE {
            disk::with(me, |machine| machine.created(path));
            data::touch(fd);
        }
        if is_cut && before.len > 0 {
            disk::with(me, |machine| machine.know(fd));
            // SAFETY: the call takes numbers only.
            if unsafe { original_files::ftruncate64(fd, 0) } == 0 {
                let change = DataChange::Resize { len: 0 };
                disk::with(me, |machine| machine.change(fd, before.len, change));
                data::touch(fd);
            }
        }
    }
    fd
}

/// Whether a path leads to something.
fn exists(path: &CStr) -> bool {
    // SAFETY: the path ends with a zero byte.
    disk::unobserved(|| unsafe { original_files::access(path.as_ptr(), libc::F_OK) }) == 0
}

/// A path that the caller passes.
///
/// # Safety
///
/// * `path` is null or points to a string that ends with a zero byte and is alive while the result
///   is used.
unsafe fn text<'a>(path: *const c_char) -> &'a CStr {
    if path.is_null() {
        return c"";
    }
    // SAFETY: the caller passes such a string.
    unsafe { CStr::from_ptr(path) }
}

//! The C library's own functions for files, behind those of the same names in `files.rs`.

use std::ffi::{CStr, c_char, c_int, c_uint, c_void};
use std::mem;

use libc::{
    DIR, iovec, mode_t, off64_t, size_t, ssize_t, stat64 as stat_answer, statx as statx_answer,
    timespec,
};

use super::original::originals;

originals! {
    /// Opens a file. Variadic in C, as `open`.
    fn openat(dir: c_int, path: *const c_char, flags: c_int, mode: mode_t) -> c_int;
    /// Opens a file. Variadic in C, as `open`.
    fn openat64(dir: c_int, path: *const c_char, flags: c_int, mode: mode_t) -> c_int;
    /// See `man creat`.
    fn creat(path: *const c_char, mode: mode_t) -> c_int;
    /// See `man creat`.
    fn creat64(path: *const c_char, mode: mode_t) -> c_int;
    /// See `man read`.
    fn read(fd: c_int, into: *mut c_void, len: size_t) -> ssize_t;
    /// See `man pread`.
    fn pread64(fd: c_int, into: *mut c_void, len: size_t, at: off64_t) -> ssize_t;
    /// See `man readv`.
    fn readv(fd: c_int, slices: *const iovec, count: c_int) -> ssize_t;
    /// See `man preadv`.
    fn preadv(fd: c_int, slices: *const iovec, count: c_int, at: off64_t) -> ssize_t;
    /// See `man preadv`.
    fn preadv64(fd: c_int, slices: *const iovec, count: c_int, at: off64_t) -> ssize_t;
    /// See `man preadv2`.
    fn preadv2(fd: c_int, slices: *const iovec, count: c_int, at: off64_t, flags: c_int) -> ssize_t;
    /// See `man preadvv2`.
    fn preadv64v2(
        fd: c_int,
        slices: *const iovec,
        count: c_int,
        at: off64_t,
        flags: c_int
    ) -> ssize_t;
    /// See `man write`.
    fn write(fd: c_int, from: *const c_void, len: size_t) -> ssize_t;
    /// See `man pwrite`.
    fn pwrite64(fd: c_int, from: *const c_void, len: size_t, at: off64_t) -> ssize_t;
    /// See `man writev`.
    fn writev(fd: c_int, slices: *const iovec, count: c_int) -> ssize_t;
    /// See `man pwritev`.
    fn pwritev(fd: c_int, slices: *const iovec, count: c_int, at: off64_t) -> ssize_t;
    /// See `man pwritev`.
    fn pwritev64(fd: c_int, slices: *const iovec, count: c_int, at: off64_t) -> ssize_t;
    /// See `man ftruncate`.
    fn ftruncate(fd: c_int, len: off64_t) -> c_int;
    /// See `man ftruncate`.
    fn ftruncate64(fd: c_int, len: off64_t) -> c_int;
    /// See `man fallocate`.
    fn fallocate64(fd: c_int, mode: c_int, at: off64_t, len: off64_t) -> c_int;
    /// See `man fsync`.
    fn fsync(fd: c_int) -> c_int;
    /// See `man fdatasync`.
    fn fdatasync(fd: c_int) -> c_int;
    /// See `man syncfs`.
    fn syncfs(fd: c_int) -> c_int;
    /// See `man copy_file_range`.
    fn copy_file_range(
        from: c_int,
        at: *mut off64_t,
        to: c_int,
        at_to: *mut off64_t,
        len: size_t,
        flags: c_uint
    ) -> ssize_t;
    /// See `man sendfile`.
    fn sendfile64(to: c_int, from: c_int, at: *mut off64_t, len: size_t) -> ssize_t;
    /// See `man sendfile`.
    fn sendfile(to: c_int, from: c_int, at: *mut off64_t, len: size_t) -> ssize_t;
    /// See `man rename`.
    fn rename(from: *const c_char, to: *const c_char) -> c_int;
    /// See `man renameat`.
    fn renameat(from_dir: c_int, from: *const c_char, to_dir: c_int, to: *const c_char) -> c_int;
    /// See `man unlink`.
    fn unlink(path: *const c_char) -> c_int;
    /// See `man unlinkat`.
    fn unlinkat(dir: c_int, path: *const c_char, flags: c_int) -> c_int;
    /// See `man mkdir`.
    fn mkdir(path: *const c_char, mode: mode_t) -> c_int;
    /// See `man mkdirat`.
    fn mkdirat(dir: c_int, path: *const c_char, mode: mode_t) -> c_int;
    /// See `man rmdir`.
    fn rmdir(path: *const c_char) -> c_int;
    /// See `man link`.
    fn link(from: *const c_char, to: *const c_char) -> c_int;
    /// See `man linkat`.
    fn linkat(
        from_dir: c_int,
        from: *const c_char,
        to_dir: c_int,
        to: *const c_char,
        flags: c_int
    ) -> c_int;
    /// See `man symlink`.
    fn symlink(target: *const c_char, path: *const c_char) -> c_int;
    /// See `man symlinkat`.
    fn symlinkat(target: *const c_char, dir: c_int, path: *const c_char) -> c_int;
    /// See `man readlink`.
    fn readlink(path: *const c_char, into: *mut c_char, len: size_t) -> ssize_t;
    /// See `man realpath`.
    fn realpath(path: *const c_char, into: *mut c_char) -> *mut c_char;
    /// See `man stat`.
    fn stat(path: *const c_char, into: *mut stat_answer) -> c_int;
    /// See `man stat`.
    fn stat64(path: *const c_char, into: *mut stat_answer) -> c_int;
    /// See `man lstat`.
    fn lstat(path: *const c_char, into: *mut stat_answer) -> c_int;
    /// See `man lstat`.
    fn lstat64(path: *const c_char, into: *mut stat_answer) -> c_int;
    /// See `man fstat`.
    fn fstat(fd: c_int, into: *mut stat_answer) -> c_int;
    /// See `man fstat`.
    fn fstat64(fd: c_int, into: *mut stat_answer) -> c_int;
    /// See `man fstatat`.
    fn fstatat(dir: c_int, path: *const c_char, into: *mut stat_answer, flags: c_int) -> c_int;
    /// See `man fstatat`.
    fn fstatat64(dir: c_int, path: *const c_char, into: *mut stat_answer, flags: c_int) -> c_int;
    /// See `man statx`.
    fn statx(
        dir: c_int,
        path: *const c_char,
        flags: c_int,
        mask: c_uint,
        into: *mut statx_answer
    ) -> c_int;
    /// See `man access`.
    fn access(path: *const c_char, mode: c_int) -> c_int;
    /// See `man faccessat`.
    fn faccessat(dir: c_int, path: *const c_char, mode: c_int, flags: c_int) -> c_int;
    /// See `man chmod`.
    fn chmod(path: *const c_char, mode: mode_t) -> c_int;
    /// See `man fchmodat`.
    fn fchmodat(dir: c_int, path: *const c_char, mode: mode_t, flags: c_int) -> c_int;
    /// See `man utimensat`.
    fn utimensat(dir: c_int, path: *const c_char, times: *const timespec, flags: c_int) -> c_int;
    /// See `man truncate`.
    fn truncate64(path: *const c_char, len: off64_t) -> c_int;
    /// See `man opendir`.
    fn opendir(path: *const c_char) -> *mut DIR;
    /// See `man chdir`.
    fn chdir(path: *const c_char) -> c_int;
    /// See `man getcwd`.
    fn getcwd(into: *mut c_char, len: size_t) -> *mut c_char;
}

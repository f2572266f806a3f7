//! What files need to know of the system: reads that may not wait, and who is at the other end.

#[cfg(target_os = "linux")]
pub(crate) use linux::{open_cached, read_inline};
#[cfg(not(target_os = "linux"))]
pub(crate) use portable::{open_cached, read_inline};
#[cfg(unix)]
pub(crate) use unix::{has_peer, is_never_writable, set_mode, takes_bytes_now};
#[cfg(windows)]
pub(crate) use windows::{has_peer, is_never_writable, set_mode, takes_bytes_now};

/// Whether the system has reads that may not wait at all.
pub(crate) const HAS_INLINE_READ: bool = cfg!(target_os = "linux");

/// What became of a call that was told not to wait.
#[derive(Debug)]
#[cfg_attr(not(target_os = "linux"), expect(dead_code, reason = "Linux alone has such calls"))]
pub(crate) enum Attempt<T> {
    /// It is done.
    Done(T),
    /// It would have had to wait, or has to be asked again by a thread that may.
    WouldWait,
    /// This file (or this system) does not know such calls.
    Unsupported,
}

#[cfg(target_os = "linux")]
mod linux {
    use std::ffi::CString;
    use std::fs::File;
    use std::io::{IoSliceMut, Seek, SeekFrom};
    use std::os::fd::{FromRawFd, OwnedFd};
    use std::os::unix::ffi::OsStrExt;
    use std::path::Path;
    use std::sync::atomic::{AtomicBool, Ordering};

    use rustix::io::{Errno, ReadWriteFlags, preadv2};

    use super::Attempt;

    /// Set once `openat2` turns out to be missing (before Linux 5.12) or forbidden: a sandbox that
    /// answers once answers always the same.
    static NO_CACHED_OPEN: AtomicBool = AtomicBool::new(false);

    /// The offset that means "at the cursor, and move it".
    const AT_CURSOR: u64 = u64::MAX;

    /// Reads at the cursor of `file` from memory, if all it takes is there.
    pub(crate) fn read_inline(file: &File, buf: &mut [u8]) -> Attempt<usize> {
        let len = buf.len();
        let slices = &mut [IoSliceMut::new(buf)];
        match preadv2(file, slices, AT_CURSOR, ReadWriteFlags::NOWAIT) {
            // Linux 5.9 and 5.10 answer 0 where they should refuse, so the end of a file is only
            // believed of a read that may wait.
            Ok(0) => Attempt::WouldWait,
            Ok(count) if count == len || is_at_end(file) => Attempt::Done(count),
            // Only the first part was in memory. Programs count on a file to fill their buffer, so
            // the read starts over where it may wait.
            Ok(count) => match (&mut &*file).seek(SeekFrom::Current(-(count as i64))) {
                Ok(_) => Attempt::WouldWait,
                Err(_) => Attempt::Done(count),
            },
            Err(Errno::AGAIN | Errno::INTR) => Attempt::WouldWait,
            // NOSYS, OPNOTSUPP, INVAL are the refusals; anything else the waiting read will report.
            Err(_) => Attempt::Unsupported,
        }
    }

    fn is_at_end(mut file: &File) -> bool {
        let position = file.stream_position();
        position.is_ok_and(|at| file.metadata().is_ok_and(|metadata| metadata.len() <= at))
    }

    /// Opens the regular file at `path` to read it, if its directory entries and inode are in
    /// memory; also gives its length.
    ///
    /// The first descriptor only looks. Opening a pipe to find out that it is one would let a
    /// writer through that waits for a reader, and closing it again would break that writer's pipe.
    pub(crate) fn open_cached(path: &Path) -> Attempt<(File, u64)> {
        if NO_CACHED_OPEN.load(Ordering::Relaxed) {
            return Attempt::Unsupported;
        }
        let Ok(path) = CString::new(path.as_os_str().as_bytes()) else {
            return Attempt::WouldWait;
        };
        let looking = match open_in_memory(&path, libc::O_PATH) {
            Ok(fd) => File::from(fd),
            Err(Errno::NOSYS | Errno::INVAL | Errno::PERM) => {
                NO_CACHED_OPEN.store(true, Ordering::Relaxed);
                return Attempt::Unsupported;
            }
            Err(_) => return Attempt::WouldWait,
        };
        if !looking.metadata().is_ok_and(|metadata| metadata.is_file()) {
            return Attempt::WouldWait;
        }
        drop(looking);
        // NONBLOCK only matters if a pipe took the file's place meanwhile.
        let Ok(file) = open_in_memory(&path, libc::O_RDONLY | libc::O_NONBLOCK).map(File::from)
        else {
            return Attempt::WouldWait;
        };
        match file.metadata() {
            Ok(metadata) if metadata.is_file() => Attempt::Done((file, metadata.len())),
            _ => Attempt::WouldWait,
        }
    }

    /// `openat2` with `RESOLVE_CACHED`, which answers `AGAIN` where it would have to wait.
    ///
    /// A system call of our own: rustix has it in a module that costs each build a second.
    #[allow(unsafe_code, reason = "see above")]
    fn open_in_memory(path: &CString, flags: libc::c_int) -> Result<OwnedFd, Errno> {
        // The kernel's `struct open_how`.
        #[repr(C)]
        struct How {
            flags: u64,
            mode: u64,
            resolve: u64,
        }

        const RESOLVE_CACHED: u64 = 0x20;

        let flags = u64::from((libc::O_CLOEXEC | flags).unsigned_abs());
        let how = How { flags, mode: 0, resolve: RESOLVE_CACHED };
        // SAFETY: the kernel reads the path up to its zero byte and `how`, of the size it is told,
        // and both outlive the call.
        let fd = unsafe {
            libc::syscall(
                libc::SYS_openat2,
                libc::AT_FDCWD,
                path.as_ptr(),
                &raw const how,
                size_of::<How>(),
            )
        };
        let Some(fd) = libc::c_int::try_from(fd).ok().filter(|&fd| fd >= 0) else {
            let error = std::io::Error::last_os_error();
            return Err(Errno::from_io_error(&error).unwrap_or(Errno::INVAL));
        };
        // SAFETY: the kernel has just opened it, for nobody else.
        Ok(unsafe { OwnedFd::from_raw_fd(fd) })
    }
}

#[cfg(not(target_os = "linux"))]
mod portable {
    use std::fs::File;
    use std::path::Path;

    use super::Attempt;

    pub(crate) fn read_inline(_: &File, _: &mut [u8]) -> Attempt<usize> {
        Attempt::Unsupported
    }

    pub(crate) fn open_cached(_: &Path) -> Attempt<(File, u64)> {
        Attempt::Unsupported
    }
}

#[cfg(unix)]
mod unix {
    use std::fs::{DirBuilder, File, Metadata};
    use std::io;
    use std::os::unix::fs::{DirBuilderExt, FileTypeExt};

    use rustix::event::{PollFd, PollFlags, Timespec, poll};
    use rustix::io::Errno;

    /// Whether a read or write of such a file may wait for somebody else.
    pub(crate) fn has_peer(metadata: &Metadata) -> bool {
        let kind = metadata.file_type();
        kind.is_fifo() || kind.is_char_device() || kind.is_socket()
    }

    /// Whether a pipe or terminal has room for a small write.
    pub(crate) fn takes_bytes_now(file: &File) -> bool {
        let asked = &mut [PollFd::new(file, PollFlags::OUT)];
        let at_once = Timespec { tv_sec: 0, tv_nsec: 0 };
        poll(asked, Some(&at_once)).is_ok_and(|ready| ready > 0)
    }

    /// Whether the file was not opened for writing, so trying again is no use.
    pub(crate) fn is_never_writable(error: &io::Error) -> bool {
        error.raw_os_error() == Some(Errno::BADF.raw_os_error())
    }

    /// Sets the permission bits of the directories to come.
    pub(crate) fn set_mode(builder: &mut DirBuilder, mode: u32) {
        builder.mode(mode);
    }
}

#[cfg(windows)]
mod windows {
    use std::fs::{DirBuilder, File, Metadata};
    use std::io;

    /// Whether a read or write of such a file may wait for somebody else.
    pub(crate) fn has_peer(metadata: &Metadata) -> bool {
        !metadata.is_file()
    }

    /// Whether a pipe or console has room for a small write.
    pub(crate) fn takes_bytes_now(_: &File) -> bool {
        false
    }

    /// Whether the file was not opened for writing, so trying again is no use.
    pub(crate) fn is_never_writable(error: &io::Error) -> bool {
        error.kind() == io::ErrorKind::PermissionDenied
    }

    /// Directories have no permission bits here.
    pub(crate) fn set_mode(_: &mut DirBuilder, _: u32) {}
}

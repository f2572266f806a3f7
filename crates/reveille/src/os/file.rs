//! The operating system's side of files: reads that do not wait, and the kinds of files.

use std::fs::File;
use std::io::{self, Seek as _};

#[cfg(target_os = "linux")]
pub(crate) use linux::{flags, open_cached, prefetch, read_inline, read_inline_at};
#[cfg(all(unix, not(target_os = "linux")))]
pub(crate) use portable::read_inline_at;
#[cfg(not(target_os = "linux"))]
pub(crate) use portable::{flags, open_cached, prefetch, read_inline};
#[cfg(unix)]
pub(crate) use unix::{set_mode, sync_dir, takes_bytes_now};
#[cfg(windows)]
pub(crate) use windows::{set_mode, sync_dir, takes_bytes_now};

/// Whether the system has reads that do not wait.
pub(crate) const HAS_INLINE_READ: bool = cfg!(target_os = "linux");

/// The kind of a file. Determining it may take a round trip to a server, so polls must not do it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Kind {
    /// Reads and writes are independent: pipes, terminals, sockets, devices. Either may wait for
    /// another process.
    pub(crate) is_stream: bool,
    /// A regular file of a local file system: bytes without boundaries, and a correct length. Files
    /// of `/proc`, `/sys` and cgroups are not ordinary, because each write there is a command.
    pub(crate) is_ordinary: bool,
    /// The contents are in kernel memory (tmpfs), so a read only copies.
    pub(crate) is_in_memory: bool,
}

impl Kind {
    /// Asks the system. If that fails, the file is treated as not ordinary.
    pub(crate) fn of(file: &File) -> Kind {
        let Ok(metadata) = file.metadata() else {
            return Kind { is_stream: false, is_ordinary: false, is_in_memory: false };
        };
        #[cfg(target_os = "linux")]
        let (is_ordinary, is_in_memory) = linux::file_system(file, &metadata);
        // Other systems have such file systems too, but they are rarely mounted.
        #[cfg(not(target_os = "linux"))]
        let (is_ordinary, is_in_memory) = (metadata.is_file(), false);
        #[cfg(unix)]
        let is_stream = unix::is_stream(&metadata);
        #[cfg(not(unix))]
        let is_stream = !metadata.is_file();
        Kind { is_stream, is_ordinary, is_in_memory }
    }
}

/// How a file was opened. Asking costs a system call that never waits.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Flags {
    /// Reads and writes bypass the page cache, in whole blocks (`O_DIRECT`). On a pipe the flag
    /// makes each write a message.
    pub(crate) is_direct: bool,
    /// Every write goes to the end (`O_APPEND`).
    pub(crate) appends: bool,
    /// The file was opened for reading only, so the system refuses every write.
    pub(crate) is_read_only: bool,
}

/// The system's error for a write to a file that was opened for reading only.
pub(crate) fn refused_write() -> io::Error {
    #[cfg(unix)]
    const NUMBER: i32 = rustix::io::Errno::BADF.raw_os_error();
    // `ERROR_ACCESS_DENIED`.
    #[cfg(windows)]
    const NUMBER: i32 = 5;
    io::Error::from_raw_os_error(NUMBER)
}

/// A multiple of the block size of all common disks.
const ALIGNMENT: usize = 4096;

/// Returns zeroed memory with `len` bytes that are aligned from the returned index on.
pub(crate) fn aligned(len: usize) -> (Vec<u8>, usize) {
    let bytes = vec![0; len + ALIGNMENT];
    let start = bytes.as_ptr().align_offset(ALIGNMENT);
    (bytes, start)
}

/// Whether the cursor is at the end, judged by the length of a regular file.
pub(crate) fn is_at_end(mut file: &File) -> bool {
    let length = |file: &File| {
        file.metadata().ok().filter(std::fs::Metadata::is_file).map(|metadata| metadata.len())
    };
    file.stream_position().is_ok_and(|at| length(file).is_some_and(|len| len <= at))
}

/// The outcome of a call that must not wait.
#[derive(Debug)]
#[cfg_attr(not(target_os = "linux"), expect(dead_code, reason = "Linux alone has such calls"))]
pub(crate) enum Attempt<T> {
    /// It is done.
    Done(T),
    /// It would have to wait, or must be repeated by a thread that may wait.
    WouldWait,
    /// This file or system does not support such calls.
    Unsupported,
}

#[cfg(target_os = "linux")]
mod linux {
    use std::ffi::CString;
    use std::fs::{File, Metadata};
    use std::io::{ErrorKind, IoSliceMut, Seek, SeekFrom};
    use std::mem::MaybeUninit;
    use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
    use std::os::unix::ffi::OsStrExt;
    use std::os::unix::fs::FileExt;
    use std::path::Path;
    use std::sync::atomic::{AtomicBool, Ordering};

    use rustix::io::{Errno, ReadWriteFlags, preadv2};

    use super::{Attempt, Flags, is_at_end};

    /// Set once `openat2` turns out to be missing (before Linux 5.12) or forbidden. A sandbox that
    /// refuses it once always does.
    static NO_CACHED_OPEN: AtomicBool = AtomicBool::new(false);

    /// The offset that means "at the cursor, and advance it".
    const AT_CURSOR: u64 = u64::MAX;

    /// Magic numbers of file systems that keep regular files on a local disk (`man 2 statfs`). A
    /// file system that is missing here is slower, but works.
    const DISKS: [u32; 15] = [
        0xef53,      // ext2, ext3, ext4
        0x5846_5342, // XFS
        0x9123_683e, // Btrfs
        0x794c_7630, // overlayfs
        0xf2f5_2010, // F2FS
        0x2fc1_2fc1, // ZFS
        0xca45_1a4e, // bcachefs
        0x3153_464a, // JFS
        0x5265_4973, // ReiserFS
        0x3434,      // NILFS
        0xe0f5_e1e2, // EROFS
        0x7366_746e, // NTFS
        0x2011_bab0, // exFAT
        0x4d44,      // FAT
        0x7461_636f, // OCFS2
    ];
    /// tmpfs and ramfs.
    const MEMORY: [u32; 2] = [0x0102_1994, 0x8584_58f6];

    /// Whether `file` is ordinary, and whether it is in memory; see `Kind`.
    pub(super) fn file_system(file: &File, metadata: &Metadata) -> (bool, bool) {
        if !metadata.is_file() {
            return (false, false);
        }
        let Some(magic) = magic(file) else { return (false, false) };
        let is_in_memory = MEMORY.contains(&magic);
        (is_in_memory || DISKS.contains(&magic), is_in_memory)
    }

    /// The magic number of the file system of `file`.
    #[allow(unsafe_code, reason = "rustix has it in a module that costs each build a second")]
    fn magic(file: &File) -> Option<u32> {
        let mut answer = MaybeUninit::<libc::statfs>::zeroed();
        // SAFETY: `fstatfs` needs an open descriptor and a writable `struct statfs`. The descriptor
        // is open while `file` is borrowed, and `answer` is such a struct and outlives the call.
        let result = unsafe { libc::fstatfs(file.as_raw_fd(), answer.as_mut_ptr()) };
        // SAFETY: the value must be initialized. `zeroed` has done that, and every field is an
        // integer.
        let answer = unsafe { answer.assume_init() };
        // The type of the field differs between systems. The number has 32 bits.
        (result == 0).then_some(answer.f_type as u32)
    }

    /// Returns how `file` was opened.
    #[allow(unsafe_code, reason = "as above")]
    pub(crate) fn flags(file: &File) -> Flags {
        // SAFETY: the descriptor must be open, which it is while `file` is borrowed. `F_GETFL`
        // accesses no memory.
        let flags = unsafe { libc::fcntl(file.as_raw_fd(), libc::F_GETFL) };
        let has = |flag| flags != -1 && flags & flag != 0;
        Flags {
            is_direct: has(libc::O_DIRECT),
            appends: has(libc::O_APPEND),
            is_read_only: flags != -1 && flags & libc::O_ACCMODE == libc::O_RDONLY,
        }
    }

    /// Reads at the cursor of `file` from memory. Fails unless all of it is there, or at least a
    /// part if `may_be_short`.
    pub(crate) fn read_inline(file: &File, buf: &mut [u8], may_be_short: bool) -> Attempt<usize> {
        let len = buf.len();
        let slices = &mut [IoSliceMut::new(buf)];
        match preadv2(file, slices, AT_CURSOR, ReadWriteFlags::NOWAIT) {
            // Linux 5.9 and 5.10 return 0 where they should refuse, so an end of file counts only
            // if the length confirms it.
            Ok(0) if is_at_end(file) => Attempt::Done(0),
            Ok(0) => Attempt::WouldWait,
            Ok(count) if count == len || may_be_short || is_at_end(file) => Attempt::Done(count),
            // Only the first part was in memory. Programs rely on a file read to fill the buffer,
            // so the read starts over where it may wait.
            Ok(count) => match (&mut &*file).seek(SeekFrom::Current(-(count as i64))) {
                Ok(_) => Attempt::WouldWait,
                Err(_) => Attempt::Done(count),
            },
            Err(Errno::AGAIN | Errno::INTR) => Attempt::WouldWait,
            // NOSYS, OPNOTSUPP and INVAL are refusals. The read that may wait reports other errors.
            Err(_) => Attempt::Unsupported,
        }
    }

    /// Like [`read_inline`], at `offset`, without the cursor. A file without a page cache that may
    /// be read like this (O_DIRECT) answers `Unsupported` or waits as long as its disk.
    pub(crate) fn read_inline_at(file: &File, buf: &mut [u8], offset: u64) -> Attempt<usize> {
        let len = buf.len();
        if offset == AT_CURSOR || flags(file).is_direct {
            return Attempt::Unsupported;
        }
        match preadv2(file, &mut [IoSliceMut::new(buf)], offset, ReadWriteFlags::NOWAIT) {
            Ok(count) if count == len => Attempt::Done(count),
            // Either the file ends here or the rest is not in memory. The read that may wait finds
            // out which.
            Ok(_) | Err(Errno::AGAIN | Errno::INTR) => Attempt::WouldWait,
            Err(_) => Attempt::Unsupported,
        }
    }

    /// Brings the `len` bytes at the cursor of `file` into the page cache without moving the
    /// cursor. May wait for the disk. The read that follows reports an error.
    pub(crate) fn prefetch(file: &File, len: usize) {
        let Ok(start) = (&mut &*file).stream_position() else { return };
        // A size that fits into the processor's cache.
        let mut bytes = vec![0; len.min(256 << 10)];
        let mut done = 0;
        while done < len {
            let part = bytes.len().min(len - done);
            match file.read_at(&mut bytes[..part], start + done as u64) {
                Ok(count) if count > 0 => done += count,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Ok(_) | Err(_) => return,
            }
        }
    }

    /// Opens the regular file at `path` for reading if its directory entries and inode are in
    /// memory. Also returns its length.
    ///
    /// The first descriptor is opened with O_PATH. Opening a pipe to check its type would release a
    /// writer that waits for a reader, and closing it would then break that writer's pipe.
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
        // NONBLOCK only matters if a pipe has replaced the file in the meantime.
        let Ok(file) = open_in_memory(&path, libc::O_RDONLY | libc::O_NONBLOCK).map(File::from)
        else {
            return Attempt::WouldWait;
        };
        match file.metadata() {
            Ok(metadata) if metadata.is_file() => Attempt::Done((file, metadata.len())),
            _ => Attempt::WouldWait,
        }
    }

    /// `openat2` with `RESOLVE_CACHED`, which returns `AGAIN` where it would have to wait.
    ///
    /// Our own system call: rustix has it in a module that adds a second to each build.
    #[allow(unsafe_code, reason = "see above")]
    fn open_in_memory(path: &CString, flags: libc::c_int) -> Result<OwnedFd, Errno> {
        // The kernel's `struct open_how`.
        #[repr(C)]
        struct OpenHow {
            flags: u64,
            mode: u64,
            resolve: u64,
        }

        const RESOLVE_CACHED: u64 = 0x20;

        let flags = u64::from((libc::O_CLOEXEC | flags).unsigned_abs());
        let how = OpenHow { flags, mode: 0, resolve: RESOLVE_CACHED };
        // SAFETY: the kernel reads `path` up to its zero byte, and `how` for the size that is
        // passed. Both outlive the call.
        let fd = unsafe {
            libc::syscall(
                libc::SYS_openat2,
                libc::AT_FDCWD,
                path.as_ptr(),
                &raw const how,
                size_of::<OpenHow>(),
            )
        };
        let Some(fd) = libc::c_int::try_from(fd).ok().filter(|&fd| fd >= 0) else {
            let error = std::io::Error::last_os_error();
            return Err(Errno::from_io_error(&error).unwrap_or(Errno::INVAL));
        };
        // SAFETY: the descriptor must be open and have no other owner. The kernel has just returned
        // it.
        Ok(unsafe { OwnedFd::from_raw_fd(fd) })
    }
}

#[cfg(not(target_os = "linux"))]
mod portable {
    use std::fs::File;
    use std::path::Path;

    use super::{Attempt, Flags};

    pub(crate) fn flags(_: &File) -> Flags {
        Flags::default()
    }

    pub(crate) fn read_inline(_: &File, _: &mut [u8], _: bool) -> Attempt<usize> {
        Attempt::Unsupported
    }

    #[cfg(unix)]
    pub(crate) fn read_inline_at(_: &File, _: &mut [u8], _: u64) -> Attempt<usize> {
        Attempt::Unsupported
    }

    pub(crate) fn prefetch(_: &File, _: usize) {}

    pub(crate) fn open_cached(_: &Path) -> Attempt<(File, u64)> {
        Attempt::Unsupported
    }
}

#[cfg(unix)]
mod unix {
    use std::fs::{DirBuilder, File, Metadata};
    use std::io;
    use std::os::unix::fs::{DirBuilderExt, FileTypeExt};

    use std::path::Path;

    use rustix::event::{PollFd, PollFlags, Timespec, poll};

    /// Whether a read or write of such a file may wait for another process. Files without a type
    /// count too: eventfds and timerfds.
    pub(super) fn is_stream(metadata: &Metadata) -> bool {
        let kind = metadata.file_type();
        !(kind.is_file() || kind.is_dir() || kind.is_symlink() || kind.is_block_device())
    }

    /// Whether a pipe or terminal has room for a small write.
    pub(crate) fn takes_bytes_now(file: &File) -> bool {
        let asked = &mut [PollFd::new(file, PollFlags::OUT)];
        let at_once = Timespec { tv_sec: 0, tv_nsec: 0 };
        poll(asked, Some(&at_once)).is_ok_and(|ready| ready > 0)
    }

    /// Waits until the entries of a directory are on the disk.
    pub(crate) fn sync_dir(path: &Path) -> io::Result<()> {
        let directory = File::open(path)?;
        if !directory.metadata()?.is_dir() {
            return Err(io::ErrorKind::NotADirectory.into());
        }
        directory.sync_all()
    }

    /// Sets the permission bits of directories that it creates.
    pub(crate) fn set_mode(builder: &mut DirBuilder, mode: u32) {
        builder.mode(mode);
    }
}

#[cfg(windows)]
mod windows {
    use std::fs::{DirBuilder, File};
    use std::io;
    use std::path::Path;

    /// Checks that it is a directory. The system has no call that waits for its entries.
    pub(crate) fn sync_dir(path: &Path) -> io::Result<()> {
        if std::fs::metadata(path)?.is_dir() {
            return Ok(());
        }
        Err(io::ErrorKind::NotADirectory.into())
    }

    /// Whether a pipe or console has room for a small write.
    pub(crate) fn takes_bytes_now(_: &File) -> bool {
        false
    }

    /// Directories have no permission bits here.
    pub(crate) fn set_mode(_: &mut DirBuilder, _: u32) {}
}

//! Moving bytes of a file to another file or to a socket inside the kernel: `copy_file_range` and
//! `sendfile`.
//!
//! Both take positions, so the cursors of the files do not move. Both may wait for a disk, so they
//! belong on the blocking pool.

/// The outcome of a transfer.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[cfg_attr(not(target_os = "linux"), expect(dead_code, reason = "Linux alone has such calls"))]
pub(crate) enum Moved {
    /// This many bytes were moved.
    Bytes(usize),
    /// The same, and the socket takes no more for now.
    UntilFull(usize),
    /// The source has ended, or the kernel cannot do it for these two: the rest has to be copied.
    Nothing,
}

#[cfg(target_os = "linux")]
pub(crate) use linux::{Socket, copy_range, send};
#[cfg(not(target_os = "linux"))]
pub(crate) use portable::{Socket, copy_range, send};

#[cfg(target_os = "linux")]
#[allow(unsafe_code, reason = "rustix has these calls in a module that every build would compile")]
mod linux {
    use std::fs::File;
    use std::io::{self, ErrorKind};
    use std::os::fd::{AsFd, AsRawFd, OwnedFd};

    use reveille_runtime::without_sigpipe;

    use super::Moved;
    use crate::os::known::Known;

    /// A duplicate of a socket's descriptor, because the pool may use it after the program has
    /// dropped its socket.
    #[derive(Debug)]
    pub(crate) struct Socket(OwnedFd);

    impl Socket {
        /// Duplicates the descriptor. `None` if no descriptor is left.
        pub(crate) fn of(known: Known<'_>) -> Option<Socket> {
            let fd = match known {
                Known::Tcp(stream) => stream.io().get_ref().as_fd(),
                Known::Unix(stream) => stream.io().get_ref().as_fd(),
            };
            fd.try_clone_to_owned().ok().map(Socket)
        }
    }

    /// Copies up to `len` bytes from one file at `from_at` to another at `to_at`.
    pub(crate) fn copy_range(
        (from, from_at): (&File, u64),
        (to, to_at): (&File, u64),
        len: usize,
    ) -> io::Result<Moved> {
        let (mut from_at, mut to_at) = (position(from_at)?, position(to_at)?);
        let (from, to) = (from.as_raw_fd(), to.as_raw_fd());
        // SAFETY: the kernel reads and writes both positions during the call, and they live longer.
        // The descriptors are borrowed until then.
        let moved = unsafe { libc::copy_file_range(from, &mut from_at, to, &mut to_at, len, 0) };
        match usize::try_from(moved) {
            Ok(0) => Ok(Moved::Nothing),
            Ok(count) => Ok(Moved::Bytes(count)),
            Err(_) => must_copy(io::Error::last_os_error()),
        }
    }

    /// Sends up to `len` bytes of a file, from the position `at` on, until the socket is full.
    pub(crate) fn send(file: &File, at: u64, socket: &Socket, len: usize) -> io::Result<Moved> {
        let mut sent = 0;
        // Each round sends at least one byte or is the last.
        while sent < len {
            let mut offset = position(at + sent as u64)?;
            let (from, to) = (file.as_raw_fd(), socket.0.as_raw_fd());
            let piece = without_sigpipe(|| {
                // SAFETY: the kernel reads and writes the offset during the call, and it lives
                // longer. The descriptors are borrowed until then.
                let piece = unsafe { libc::sendfile64(to, from, &mut offset, len - sent) };
                usize::try_from(piece).map_err(|_| io::Error::last_os_error())
            });
            match piece {
                Ok(0) if sent == 0 => return Ok(Moved::Nothing),
                Ok(0) => break,
                Ok(count) => sent += count,
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    return Ok(Moved::UntilFull(sent));
                }
                // The next call returns the error again.
                Err(_) if sent > 0 => break,
                Err(error) => return must_copy(error),
            }
        }
        Ok(Moved::Bytes(sent))
    }

    /// 64 bits on every processor: `off_t` has 32 on some, and its calls refuse positions after
    /// 2 GiB.
    fn position(at: u64) -> io::Result<libc::off64_t> {
        at.try_into().map_err(|_| ErrorKind::InvalidInput.into())
    }

    /// Distinguishes "not for these two" from errors of the transfer itself. In the first case a
    /// copy reports what is wrong with a descriptor, such as one that was not opened for reading.
    fn must_copy(error: io::Error) -> io::Result<Moved> {
        match error.raw_os_error() {
            Some(
                libc::EBADF
                | libc::EINVAL
                | libc::ENOSYS
                | libc::EOPNOTSUPP
                | libc::EOVERFLOW
                | libc::EPERM
                | libc::ETXTBSY
                | libc::EXDEV,
            ) => Ok(Moved::Nothing),
            Some(libc::EINTR) => Ok(Moved::Bytes(0)),
            _ => Err(error),
        }
    }
}

#[cfg(not(target_os = "linux"))]
mod portable {
    use std::fs::File;
    use std::io;

    use super::Moved;
    use crate::os::known::Known;

    /// Has no values: nothing is sent.
    #[derive(Debug)]
    pub(crate) enum Socket {}

    impl Socket {
        pub(crate) fn of(_: Known<'_>) -> Option<Socket> {
            None
        }
    }

    pub(crate) fn copy_range(_: (&File, u64), _: (&File, u64), _: usize) -> io::Result<Moved> {
        Ok(Moved::Nothing)
    }

    pub(crate) fn send(_: &File, _: u64, socket: &Socket, _: usize) -> io::Result<Moved> {
        match *socket {}
    }
}

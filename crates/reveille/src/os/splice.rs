//! Moving bytes from one socket to another inside the kernel: `splice`, through a pipe.
//!
//! The kernel moves the pages that hold the bytes, so the bytes are not copied to this process and
//! back. Each piece takes two system calls and needs a pipe, so this pays only for long transfers.
//!
//! Invariants:
//! 1. A pipe is drained before it is filled again. So "would block" when it is filled means that
//!    the socket has no bytes, and not that the pipe is full.
//! 2. `len` is the number of bytes in the pipe. No other code has its ends.

#[cfg(target_os = "linux")]
pub(crate) use linux::Splice;
#[cfg(not(target_os = "linux"))]
pub(crate) use portable::Splice;

/// The outcome of an attempt to fill a pipe.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[cfg_attr(not(target_os = "linux"), expect(dead_code, reason = "no pipe is filled there"))]
pub(crate) enum Filled {
    /// This many bytes.
    Bytes(usize),
    /// The reader has ended.
    End,
    /// The kernel cannot do it for this socket, or has read bytes for us already (batched reads):
    /// they have to be copied.
    MustCopy,
}

#[cfg(target_os = "linux")]
mod linux {
    use std::io;
    use std::os::fd::{AsFd, OwnedFd};
    use std::task::{Context, Poll, ready};

    use reveille_runtime::io::{Descriptor, Interest, Io};
    use reveille_runtime::without_sigpipe;
    use rustix::io::Errno;
    use rustix::pipe::{PipeFlags, SpliceFlags, fcntl_setpipe_size, pipe_with, splice};

    use super::Filled;
    use crate::os::known::Known;

    /// The size of the pipe, in bytes: the most that an ordinary user may ask for. If it is
    /// refused, the pipe has the 64 KiB of every pipe.
    const PIPE_LEN: usize = 1 << 20;

    /// A pipe between two sockets.
    #[derive(Debug)]
    pub(crate) struct Splice {
        reader: OwnedFd,
        writer: OwnedFd,
        capacity: usize,
        len: usize,
    }

    impl Splice {
        /// Makes the pipe. `None` if no descriptor is left for it. The bytes are then copied.
        pub(crate) fn new() -> Option<Splice> {
            let (reader, writer) = pipe_with(PipeFlags::CLOEXEC | PipeFlags::NONBLOCK).ok()?;
            let capacity = fcntl_setpipe_size(&writer, PIPE_LEN).unwrap_or(64 * 1024);
            Some(Splice { reader, writer, capacity, len: 0 })
        }

        /// How many bytes are in the pipe.
        pub(crate) fn len(&self) -> usize {
            self.len
        }

        /// Fills the pipe, which is empty, from a socket.
        pub(crate) fn poll_fill(
            &mut self,
            cx: &mut Context<'_>,
            from: Known<'_>,
        ) -> Poll<io::Result<Filled>> {
            debug_assert_eq!(self.len, 0, "invariant 1");
            let filled = ready!(match from {
                Known::Tcp(stream) => self.poll_fill_from(cx, stream.io()),
                Known::Unix(stream) => self.poll_fill_from(cx, stream.io()),
            })?;
            if let Filled::Bytes(count) = filled {
                self.len = count;
            }
            Poll::Ready(Ok(filled))
        }

        fn poll_fill_from<T: Descriptor>(
            &self,
            cx: &mut Context<'_>,
            from: &Io<T>,
        ) -> Poll<io::Result<Filled>> {
            from.poll_io(cx, Interest::Read, |socket| {
                if from.prefetched() > 0 {
                    return Ok(Filled::MustCopy);
                }
                match self.splice(socket, &self.writer, self.capacity) {
                    Ok(0) => Ok(Filled::End),
                    Ok(count) => Ok(Filled::Bytes(count)),
                    // The protocol has no such operation, or a sandbox forbids it.
                    Err(Errno::INVAL | Errno::NOSYS | Errno::PERM | Errno::OPNOTSUPP) => {
                        Ok(Filled::MustCopy)
                    }
                    Err(error) => Err(error.into()),
                }
            })
        }

        /// Moves bytes from the pipe, which is not empty, to a socket. `None` if the kernel cannot:
        /// [`read_rest`](Splice::read_rest) has the bytes.
        pub(crate) fn poll_drain(
            &mut self,
            cx: &mut Context<'_>,
            to: Known<'_>,
        ) -> Poll<io::Result<Option<usize>>> {
            let count = ready!(match to {
                Known::Tcp(stream) => self.poll_drain_to(cx, stream.io()),
                Known::Unix(stream) => self.poll_drain_to(cx, stream.io()),
            })?;
            self.len -= count.unwrap_or(0);
            Poll::Ready(Ok(count))
        }

        fn poll_drain_to<T: Descriptor>(
            &self,
            cx: &mut Context<'_>,
            to: &Io<T>,
        ) -> Poll<io::Result<Option<usize>>> {
            to.poll_io(cx, Interest::Write, |socket| {
                // `splice` cannot suppress the signal of a closed peer, as `send` can.
                let moved = without_sigpipe(|| Ok(self.splice(&self.reader, socket, self.len)?));
                match moved {
                    Ok(count) => Ok(Some(count)),
                    Err(error) => match Errno::from_io_error(&error) {
                        Some(Errno::INVAL | Errno::NOSYS | Errno::PERM | Errno::OPNOTSUPP) => {
                            Ok(None)
                        }
                        _ => Err(error),
                    },
                }
            })
        }

        fn splice(&self, from: impl AsFd, to: impl AsFd, len: usize) -> Result<usize, Errno> {
            splice(from, None, to, None, len, SpliceFlags::MOVE | SpliceFlags::NONBLOCK)
        }

        /// Reads what is in the pipe, and empties it.
        pub(crate) fn read_rest(&mut self) -> io::Result<Vec<u8>> {
            let mut rest = vec![0; std::mem::take(&mut self.len)];
            let mut filled = 0;
            while filled < rest.len() {
                match rustix::io::read(&self.reader, &mut rest[filled..]) {
                    Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
                    Ok(count) => filled += count,
                    Err(Errno::INTR) => {}
                    Err(error) => return Err(error.into()),
                }
            }
            Ok(rest)
        }
    }
}

#[cfg(not(target_os = "linux"))]
mod portable {
    use std::convert::Infallible;
    use std::io;
    use std::task::{Context, Poll};

    use super::Filled;
    use crate::os::known::Known;

    /// No system but Linux has such a call, so there is no value of this type.
    #[derive(Debug)]
    pub(crate) struct Splice(Infallible);

    impl Splice {
        pub(crate) fn new() -> Option<Splice> {
            None
        }

        pub(crate) fn len(&self) -> usize {
            match self.0 {}
        }

        pub(crate) fn poll_fill(
            &mut self,
            _: &mut Context<'_>,
            _: Known<'_>,
        ) -> Poll<io::Result<Filled>> {
            match self.0 {}
        }

        pub(crate) fn poll_drain(
            &mut self,
            _: &mut Context<'_>,
            _: Known<'_>,
        ) -> Poll<io::Result<Option<usize>>> {
            match self.0 {}
        }

        pub(crate) fn read_rest(&mut self) -> io::Result<Vec<u8>> {
            match self.0 {}
        }
    }
}

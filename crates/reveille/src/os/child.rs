//! What child processes need of the system: pipes that can be awaited, and how to learn of an end.
//!
//! | system | pipes | the end of a child |
//! |---|---|---|
//! | Linux | non-blocking, through the driver | its pidfd, through the driver; else as other Unix |
//! | other Unix | non-blocking, through the driver | a thread of the blocking pool in `waitid` |
//! | OpenBSD, Redox, Windows | Windows: blocking pool | asked again, at growing intervals |
//!
//! Rejected: `SIGCHLD`. A process has one handler, which a library may not take; the signal does
//! not say whose end it was; and several ends may share one signal.

#[cfg(unix)]
pub(crate) use super::reaper::{adopt, catch_up};
#[cfg(target_os = "linux")]
pub(crate) use linux::Bell;
#[cfg(all(unix, not(target_os = "linux")))]
pub(crate) use no_bell::Bell;
#[cfg(unix)]
pub(crate) use unix::Pipe;
#[cfg(not(unix))]
pub(crate) use windows::{Pipe, adopt, catch_up};

use std::io;
use std::process::ExitStatus;

/// Knows how to wait for the end of one child.
#[derive(Debug)]
pub(crate) struct Exit {
    #[cfg_attr(
        any(not(unix), target_os = "openbsd", target_os = "redox"),
        allow(dead_code, reason = "nothing here can wait for an id")
    )]
    id: u32,
    #[cfg(target_os = "linux")]
    pidfd: Option<reveille_runtime::io::Io<std::os::fd::OwnedFd>>,
}

impl Exit {
    /// For the child with this id, which nobody has waited for yet, so that it cannot mean another
    /// process.
    pub(crate) fn of(id: u32) -> Exit {
        Exit {
            id,
            #[cfg(target_os = "linux")]
            pidfd: linux::pidfd(id),
        }
    }

    /// Gives up the descriptor that tells of the end, if there is one; else tries to open it.
    #[cfg(unix)]
    pub(crate) fn into_pidfd(self) -> Option<std::os::fd::OwnedFd> {
        #[cfg(target_os = "linux")]
        {
            let pidfd = self.pidfd.or_else(|| linux::pidfd(self.id))?;
            // Refused, the reaper asks for the end from time to time.
            pidfd.into_inner().ok()
        }
        #[cfg(not(target_os = "linux"))]
        None
    }

    /// Waits until `status` has one. `status` must not block; it is called at least once.
    pub(crate) async fn wait(
        &self,
        mut status: impl FnMut() -> io::Result<Option<ExitStatus>>,
    ) -> io::Result<ExitStatus> {
        #[cfg(target_os = "linux")]
        if let Some(pidfd) = &self.pidfd {
            let ended = |_: &_| status()?.ok_or_else(|| io::ErrorKind::WouldBlock.into());
            return pidfd.io(reveille_runtime::io::Interest::Read, ended).await;
        }
        let mut round = 0;
        // Ends with the child, since each round either waits for its end or sleeps.
        loop {
            if let Some(status) = status()? {
                return Ok(status);
            }
            self.wait_without_driver(round).await?;
            round += 1;
        }
    }

    /// Blocks a thread of the pool until the child has ended, and leaves its status to be asked
    /// for.
    #[cfg(all(unix, not(any(target_os = "openbsd", target_os = "redox"))))]
    async fn wait_without_driver(&self, _round: u32) -> io::Result<()> {
        use rustix::io::Errno;
        use rustix::process::{Pid, WaitId, WaitIdOptions, waitid};

        let Some(pid) = i32::try_from(self.id).ok().and_then(Pid::from_raw) else {
            return Err(io::ErrorKind::InvalidInput.into());
        };
        crate::fs::on_pool(move || {
            // NOWAIT leaves the zombie, so that the id stays taken and `kill` cannot hit another.
            match waitid(WaitId::Pid(pid), WaitIdOptions::EXITED | WaitIdOptions::NOWAIT) {
                // Somebody else took the status meanwhile: it is there to be asked for.
                Ok(_) | Err(Errno::CHILD | Errno::INTR) => Ok(()),
                Err(error) => Err(error.into()),
            }
        })
        .await
    }

    /// Sleeps 1 ms, then twice as long each time, up to 64 ms.
    #[cfg(any(not(unix), target_os = "openbsd", target_os = "redox"))]
    async fn wait_without_driver(&self, round: u32) -> io::Result<()> {
        let pause = std::time::Duration::from_millis(1 << round.min(6));
        reveille_runtime::time::Sleep::after(pause).await;
        Ok(())
    }
}

/// There is no bell where nothing tells of the end of a child: the thread asks again and again.
#[cfg(all(unix, not(target_os = "linux")))]
mod no_bell {
    use std::os::fd::OwnedFd;

    #[derive(Debug)]
    pub(crate) struct Bell;

    impl Bell {
        pub(crate) fn new() -> Bell {
            Bell
        }

        pub(crate) fn fd(&self) -> Option<&OwnedFd> {
            None
        }

        pub(crate) fn ring(&self) {}

        pub(crate) fn hush(&self) {}
    }
}

#[cfg(target_os = "linux")]
mod linux {
    use std::os::fd::OwnedFd;

    use reveille_runtime::io::Io;
    use rustix::event::{EventfdFlags, eventfd};
    use rustix::process::{Pid, PidfdFlags, pidfd_open};

    /// Wakes a thread in `poll`. Without a descriptor for it, it stays silent.
    #[derive(Debug)]
    pub(crate) struct Bell(Option<OwnedFd>);

    impl Bell {
        pub(crate) fn new() -> Bell {
            Bell(eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK).ok())
        }

        /// Readable from `ring` to `hush`.
        pub(crate) fn fd(&self) -> Option<&OwnedFd> {
            self.0.as_ref()
        }

        pub(crate) fn ring(&self) {
            if let Some(fd) = &self.0 {
                // The only failure is a full counter, and then it rings already.
                let _ = rustix::io::write(fd, &1_u64.to_ne_bytes());
            }
        }

        pub(crate) fn hush(&self) {
            if let Some(fd) = &self.0 {
                // The only failure is that it does not ring.
                let _ = rustix::io::read(fd, &mut [0; 8]);
            }
        }
    }

    /// A descriptor that becomes readable when the process ends. `None` where the system has no
    /// such thing (before Linux 5.3), forbids it, or has no descriptor left.
    pub(super) fn pidfd(id: u32) -> Option<Io<OwnedFd>> {
        let pid = Pid::from_raw(i32::try_from(id).ok()?)?;
        pidfd_open(pid, PidfdFlags::empty()).ok().map(Io::new)
    }
}

#[cfg(unix)]
mod unix {
    use std::fs::File;
    use std::io::{self, Read, Write};
    use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
    use std::task::{Context, Poll};

    use reveille_runtime::io::{Interest, Io};
    use reveille_runtime::without_sigpipe;
    use rustix::io::ioctl_fionbio;

    /// Our end of a pipe to a child. The child's end stays blocking: the two share no flags. But a
    /// child that puts its end into packet mode puts boundaries into the pipe, so a short read says
    /// nothing of what is behind it.
    #[derive(Debug)]
    pub(crate) struct Pipe(Io<File>);

    impl Pipe {
        pub(crate) fn new(end: impl Into<OwnedFd>) -> io::Result<Pipe> {
            let end = end.into();
            ioctl_fionbio(&end, true)?;
            Ok(Pipe(Io::new(File::from(end))))
        }

        pub(crate) fn poll_read(
            &self,
            cx: &mut Context<'_>,
            buf: &mut [u8],
        ) -> Poll<io::Result<usize>> {
            self.0.poll_io(cx, Interest::Read, |mut end| end.read(buf))
        }

        pub(crate) fn poll_write(
            &self,
            cx: &mut Context<'_>,
            buf: &[u8],
        ) -> Poll<io::Result<usize>> {
            self.0.poll_write_with(cx, buf.len(), |mut end| without_sigpipe(|| end.write(buf)))
        }

        /// A pipe has no buffer of its own.
        pub(crate) fn poll_flush(&self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }

        /// Takes the descriptor out, blocking again.
        pub(crate) fn into_owned(self) -> io::Result<OwnedFd> {
            let end = self.0.into_inner()?;
            ioctl_fionbio(&end, false)?;
            Ok(end.into())
        }
    }

    impl AsFd for Pipe {
        fn as_fd(&self) -> BorrowedFd<'_> {
            self.0.get_ref().as_fd()
        }
    }
}

#[cfg(not(unix))]
mod windows {
    use std::io;
    use std::os::windows::io::OwnedHandle;
    use std::pin::Pin;
    use std::task::{Context, Poll};

    use futures_io::{AsyncRead, AsyncWrite};

    use super::Exit;
    use crate::fs::File;

    /// Nothing is left of a process whose last handle is closed.
    pub(crate) fn adopt(child: std::process::Child, exit: Exit) {
        drop((child, exit));
    }

    /// There is nothing to catch up with.
    pub(crate) fn catch_up() {}

    /// Our end of a pipe to a child: a blocking one, so the pool reads and writes it like a file.
    #[derive(Debug)]
    pub(crate) struct Pipe(File);

    impl Pipe {
        pub(crate) fn new(end: impl Into<OwnedHandle>) -> io::Result<Pipe> {
            Ok(Pipe(File::from(std::fs::File::from(end.into()))))
        }

        pub(crate) fn poll_read(
            &self,
            cx: &mut Context<'_>,
            buf: &mut [u8],
        ) -> Poll<io::Result<usize>> {
            Pin::new(&mut &self.0).poll_read(cx, buf)
        }

        pub(crate) fn poll_write(
            &self,
            cx: &mut Context<'_>,
            buf: &[u8],
        ) -> Poll<io::Result<usize>> {
            Pin::new(&mut &self.0).poll_write(cx, buf)
        }

        pub(crate) fn poll_flush(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
            Pin::new(&mut &self.0).poll_flush(cx)
        }

        /// Takes the handle out.
        pub(crate) fn into_owned(self) -> io::Result<OwnedHandle> {
            self.0.into_std().map(Into::into)
        }
    }
}

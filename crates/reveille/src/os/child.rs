//! The operating system's side of child processes: pipes that can be awaited, and how to wait for
//! an exit.
//!
//! | system | pipes | exit of a child |
//! |---|---|---|
//! | Linux | non-blocking, through the driver | its pidfd, through the driver; else as below |
//! | other Unix | non-blocking, through the driver | a thread of the blocking pool in `waitid` |
//! | OpenBSD, Redox | non-blocking, through the driver | polled at growing intervals |
//! | Windows | blocking pool | an event of the system (`exit_event.rs`); else polled |
//!
//! Rejected: `SIGCHLD`. A process has one handler, which a library must not take. The signal does
//! not say which child ended, and several exits may share one signal.

#[cfg(unix)]
pub(crate) use super::reaper::{adopt, catch_up};
#[cfg(target_os = "linux")]
pub(crate) use linux::WakeEvent;
#[cfg(all(unix, not(target_os = "linux")))]
pub(crate) use no_event::WakeEvent;
#[cfg(unix)]
pub(crate) use unix::{Pipe, terminate};
#[cfg(not(unix))]
pub(crate) use windows::{Pipe, adopt, catch_up, terminate};

use std::io;
use std::process::ExitStatus;

/// Waits for the exit of one child.
#[derive(Debug)]
pub(crate) struct Exit {
    #[cfg_attr(
        any(not(unix), target_os = "openbsd", target_os = "redox"),
        allow(dead_code, reason = "nothing here can wait for an id")
    )]
    id: u32,
    #[cfg(windows)]
    event: super::exit_event::ExitEvent,
    #[cfg(target_os = "linux")]
    pidfd: Option<reveille_runtime::io::Io<std::os::fd::OwnedFd>>,
}

impl Exit {
    /// Creates the waiter for this child. The child must not have been waited for yet; otherwise
    /// its id could belong to another process.
    pub(crate) fn of(child: &std::process::Child) -> Exit {
        let id = child.id();
        Exit {
            id,
            #[cfg(windows)]
            event: super::exit_event::ExitEvent::of(child),
            #[cfg(target_os = "linux")]
            pidfd: linux::pidfd(id),
        }
    }

    #[cfg(unix)]
    pub(crate) fn id(&self) -> u32 {
        self.id
    }

    /// The pidfd, if there is one.
    #[cfg(target_os = "linux")]
    pub(crate) fn pidfd(&self) -> Option<&std::os::fd::OwnedFd> {
        self.pidfd.as_ref().map(reveille_runtime::io::Io::get_ref)
    }

    /// Waits until the child has exited, and leaves its status. On systems that cannot do that
    /// (OpenBSD, Redox) it waits forever.
    #[cfg(unix)]
    pub(crate) async fn exited(&self) -> io::Result<()> {
        #[cfg(target_os = "linux")]
        if let Some(pidfd) = &self.pidfd {
            return pidfd.ready(reveille_runtime::io::Interest::Read).await;
        }
        #[cfg(any(target_os = "openbsd", target_os = "redox"))]
        std::future::pending::<()>().await;
        self.wait_without_driver(0).await
    }

    /// Returns the pidfd. If there is none, tries to open one.
    #[cfg(unix)]
    pub(crate) fn into_pidfd(self) -> Option<std::os::fd::OwnedFd> {
        #[cfg(target_os = "linux")]
        {
            let pidfd = self.pidfd.or_else(|| linux::pidfd(self.id))?;
            // If this fails, the reaper polls the status.
            pidfd.into_inner().ok()
        }
        #[cfg(not(target_os = "linux"))]
        None
    }

    /// Waits until `status` returns one. `status` must not block. It is called at least once, and
    /// the status must not have been taken already.
    pub(crate) async fn wait(
        &self,
        mut status: impl FnMut() -> io::Result<Option<ExitStatus>>,
    ) -> io::Result<ExitStatus> {
        #[cfg(target_os = "linux")]
        if let Some(pidfd) = &self.pidfd {
            let ended = |_: &_| status()?.ok_or_else(|| io::ErrorKind::WouldBlock.into());
            return pidfd.io_after_event(reveille_runtime::io::Interest::Read, ended).await;
        }
        let mut round = 0;
        // Ends with the child: each round either waits for its exit or sleeps.
        loop {
            if let Some(status) = status()? {
                return Ok(status);
            }
            self.wait_without_driver(round).await?;
            round += 1;
        }
    }

    /// Blocks a thread of the pool until the child has exited. The status can still be taken
    /// afterwards.
    #[cfg(all(unix, not(any(target_os = "openbsd", target_os = "redox"))))]
    async fn wait_without_driver(&self, _round: u32) -> io::Result<()> {
        use rustix::io::Errno;
        use rustix::process::{Pid, WaitId, WaitIdOptions, waitid};

        let Some(pid) = i32::try_from(self.id).ok().and_then(Pid::from_raw) else {
            return Err(io::ErrorKind::InvalidInput.into());
        };
        crate::fs::on_pool(move || {
            // NOWAIT leaves the zombie, so the id stays in use and `kill` cannot hit another
            // process.
            match waitid(WaitId::Pid(pid), WaitIdOptions::EXITED | WaitIdOptions::NOWAIT) {
                // Other code has taken the status in the meantime. std's `Child` reports that.
                Ok(_) | Err(Errno::CHILD | Errno::INTR) => Ok(()),
                Err(error) => Err(error.into()),
            }
        })
        .await
    }

    /// Waits for the system's event, where there is one. Else sleeps 1 ms, then twice as long each
    /// time, up to 64 ms.
    #[cfg(any(not(unix), target_os = "openbsd", target_os = "redox"))]
    async fn wait_without_driver(&self, round: u32) -> io::Result<()> {
        #[cfg(windows)]
        if self.event.wait().await && round == 0 {
            return Ok(());
        }
        // After the event the status is available, so there is only one round.
        let pause = std::time::Duration::from_millis(1 << round.min(6));
        reveille_runtime::time::Sleep::after(pause).await;
        Ok(())
    }
}

/// The wake event of systems without pidfds. It does nothing, because the thread polls.
#[cfg(all(unix, not(target_os = "linux")))]
mod no_event {
    use std::os::fd::OwnedFd;

    #[derive(Debug)]
    pub(crate) struct WakeEvent;

    impl WakeEvent {
        pub(crate) fn new() -> WakeEvent {
            WakeEvent
        }

        pub(crate) fn fd(&self) -> Option<&OwnedFd> {
            None
        }

        pub(crate) fn signal(&self) {}

        pub(crate) fn clear(&self) {}
    }
}

#[cfg(target_os = "linux")]
mod linux {
    use std::os::fd::OwnedFd;

    use reveille_runtime::io::Io;
    use rustix::event::{EventfdFlags, eventfd};
    use rustix::process::{Pid, PidfdFlags, pidfd_open};

    /// Wakes a thread in `poll`. If there is no descriptor for it, it does nothing.
    #[derive(Debug)]
    pub(crate) struct WakeEvent(Option<OwnedFd>);

    impl WakeEvent {
        pub(crate) fn new() -> WakeEvent {
            WakeEvent(eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK).ok())
        }

        /// Readable from `signal` until `clear`.
        pub(crate) fn fd(&self) -> Option<&OwnedFd> {
            self.0.as_ref()
        }

        pub(crate) fn signal(&self) {
            if let Some(fd) = &self.0 {
                // The only failure is a full counter, which is readable already.
                let _ = rustix::io::write(fd, &1_u64.to_ne_bytes());
            }
        }

        pub(crate) fn clear(&self) {
            if let Some(fd) = &self.0 {
                // The only failure is that the event is not set.
                let _ = rustix::io::read(fd, &mut [0; 8]);
            }
        }
    }

    /// Opens a descriptor that becomes readable when the process exits. `None` where the system has
    /// none (before Linux 5.3), forbids it, or has no descriptor left.
    pub(super) fn pidfd(id: u32) -> Option<Io<OwnedFd>> {
        let pid = Pid::from_raw(i32::try_from(id).ok()?)?;
        pidfd_open(pid, PidfdFlags::empty()).ok().map(Io::for_events)
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
    use rustix::process::Signal;

    use super::Exit;
    use crate::os::group;

    /// Asks the child to end. Its status must not have been taken.
    pub(crate) fn terminate(_: &mut std::process::Child, exit: &Exit) -> io::Result<()> {
        group::send(exit, Signal::TERM)
    }

    /// Our end of a pipe to a child. The child's end stays blocking, because the two ends share no
    /// flags. A child that switches its end to packet mode adds message boundaries, so a short read
    /// does not prove that the pipe is empty.
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

        /// A pipe has no buffer of its own, so this does nothing.
        pub(crate) fn poll_flush(&self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }

        /// Returns the descriptor in blocking mode.
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

    /// Ends the child. The system has no request to end that every program understands.
    pub(crate) fn terminate(child: &mut std::process::Child, _: &Exit) -> io::Result<()> {
        child.kill()
    }

    /// Does nothing: a process whose last handle is closed leaves nothing behind.
    pub(crate) fn adopt(child: std::process::Child, exit: Exit) {
        drop((child, exit));
    }

    /// Does nothing.
    pub(crate) fn catch_up() {}

    /// Our end of a pipe to a child. It is a blocking pipe, so the pool reads and writes it like a
    /// file.
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

        /// Returns the handle.
        pub(crate) fn into_owned(self) -> io::Result<OwnedHandle> {
            self.0.into_std().map(Into::into)
        }
    }
}

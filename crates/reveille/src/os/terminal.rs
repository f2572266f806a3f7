//! A cancellable wait for input at a terminal.

pub(crate) use imp::{cancel_wait, has_more, wait_until_readable};

#[cfg(unix)]
mod imp {
    use std::io::{self, IsTerminal as _, Read as _, Write as _};
    use std::os::unix::net::UnixStream;
    use std::sync::OnceLock;

    use rustix::event::{PollFd, PollFlags, Timespec, poll};
    use rustix::io::Errno;

    /// Cancels the wait in progress, or the next one. `None` if there is no descriptor for it.
    static CANCEL_PIPE: OnceLock<Option<(UnixStream, UnixStream)>> = OnceLock::new();

    fn cancel_pipe() -> io::Result<(UnixStream, UnixStream)> {
        let (sender, receiver) = UnixStream::pair()?;
        sender.set_nonblocking(true)?;
        receiver.set_nonblocking(true)?;
        Ok((sender, receiver))
    }

    /// Cancels the wait: no reader is left.
    pub(crate) fn cancel_wait() {
        if let Some(Some((sender, _))) = CANCEL_PIPE.get() {
            // A full buffer is a signal already.
            let _ = (&*sender).write(&[1]);
        }
    }

    /// Waits until a read would not block. Returns at once where that cannot be determined. `false`
    /// if the wait was cancelled.
    pub(crate) fn wait_until_readable() -> bool {
        let stdin = io::stdin();
        if !stdin.is_terminal() {
            return true;
        }
        let Some((_, receiver)) = CANCEL_PIPE.get_or_init(|| cancel_pipe().ok()) else {
            return true;
        };
        let mut set = [PollFd::new(&stdin, PollFlags::IN), PollFd::new(receiver, PollFlags::IN)];
        match poll(&mut set, None) {
            Ok(_) => {}
            // A signal interrupted the call. The thread checks for waiting readers and returns
            // here.
            Err(Errno::INTR) => return false,
            // The read itself has to wait.
            Err(_) => return true,
        }
        let is_cancelled = !set[1].revents().is_empty();
        if is_cancelled {
            while (&*receiver).read(&mut [0; 64]).is_ok_and(|count| count > 0) {}
        }
        !is_cancelled
    }

    /// Whether a read would not block, for an input that is not a terminal.
    pub(crate) fn has_more() -> bool {
        let stdin = io::stdin();
        let mut set = [PollFd::new(&stdin, PollFlags::IN)];
        !stdin.is_terminal() && poll(&mut set, Some(&Timespec::default())) == Ok(1)
    }
}

#[cfg(not(unix))]
mod imp {
    pub(crate) fn cancel_wait() {}

    pub(crate) fn wait_until_readable() -> bool {
        true
    }

    pub(crate) fn has_more() -> bool {
        false
    }
}

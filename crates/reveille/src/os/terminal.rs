//! A cancellable wait for input at a terminal.

pub(crate) use imp::{call_off, has_more, wait_until_readable};

#[cfg(unix)]
mod imp {
    use std::io::{self, IsTerminal as _, Read as _, Write as _};
    use std::os::unix::net::UnixStream;
    use std::sync::OnceLock;

    use rustix::event::{PollFd, PollFlags, Timespec, poll};
    use rustix::io::Errno;

    /// Cancels the wait in progress, or the next one. `None` if there is no descriptor for it.
    static BELL: OnceLock<Option<(UnixStream, UnixStream)>> = OnceLock::new();

    fn bell() -> io::Result<(UnixStream, UnixStream)> {
        let (ring, hear) = UnixStream::pair()?;
        ring.set_nonblocking(true)?;
        hear.set_nonblocking(true)?;
        Ok((ring, hear))
    }

    /// Cancels the wait: no reader is left.
    pub(crate) fn call_off() {
        if let Some(Some((ring, _))) = BELL.get() {
            // A full buffer is a signal already.
            let _ = (&*ring).write(&[1]);
        }
    }

    /// Waits until a read would not block. Returns at once where that cannot be determined. `false`
    /// if the wait was cancelled.
    pub(crate) fn wait_until_readable() -> bool {
        let stdin = io::stdin();
        if !stdin.is_terminal() {
            return true;
        }
        let Some((_, hear)) = BELL.get_or_init(|| bell().ok()) else {
            return true;
        };
        let mut set = [PollFd::new(&stdin, PollFlags::IN), PollFd::new(hear, PollFlags::IN)];
        match poll(&mut set, None) {
            Ok(_) => {}
            // A signal interrupted the call. The thread checks for waiting readers and returns
            // here.
            Err(Errno::INTR) => return false,
            // The read itself has to wait.
            Err(_) => return true,
        }
        let is_called_off = !set[1].revents().is_empty();
        if is_called_off {
            while (&*hear).read(&mut [0; 64]).is_ok_and(|count| count > 0) {}
        }
        !is_called_off
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
    pub(crate) fn call_off() {}

    pub(crate) fn wait_until_readable() -> bool {
        true
    }

    pub(crate) fn has_more() -> bool {
        false
    }
}

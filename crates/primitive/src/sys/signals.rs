//! A thread that waits for signals.
//!
//! The handler writes a byte to a socket and returns; a thread reads the byte at the other end.
//! Handlers that the program or other crates have set are called, too.

use std::io;

/// Receives signals. For a thread that does nothing else.
#[derive(Debug)]
pub struct SignalReceiver {
    #[cfg(unix)]
    woken: std::os::unix::net::UnixStream,
}

/// Sets handlers that wake a [`SignalReceiver`].
#[derive(Debug)]
pub struct SignalHandlers {
    #[cfg(unix)]
    wake: std::sync::Arc<std::os::unix::net::UnixStream>,
}

#[cfg(unix)]
#[allow(unsafe_code, reason = "the code of a handler is restricted")]
mod unix {
    use std::io::{self, Read, Write};
    use std::os::unix::net::UnixStream;
    use std::sync::Arc;

    use signal_hook_registry::{FORBIDDEN, register};

    use super::{SignalHandlers, SignalReceiver};

    pub(super) fn pair() -> io::Result<(SignalHandlers, SignalReceiver)> {
        let (wake, woken) = UnixStream::pair()?;
        wake.set_nonblocking(true)?;
        Ok((SignalHandlers { wake: Arc::new(wake) }, SignalReceiver { woken }))
    }

    pub(super) fn wait(receiver: &mut SignalReceiver) -> bool {
        // Signals that arrived in the meantime count as one.
        let mut bytes = [0; 64];
        receiver.woken.read(&mut bytes).is_ok_and(|count| count > 0)
    }

    pub(super) fn add(handlers: &SignalHandlers, signal: i32) -> io::Result<()> {
        if FORBIDDEN.contains(&signal) {
            let text = "no handler may be set for this signal";
            return Err(io::Error::new(io::ErrorKind::InvalidInput, text));
        }
        let (wake, process) = (Arc::clone(&handlers.wake), std::process::id());
        let action = move || {
            // In a child process made by `fork` the thread at the other end is the parent's.
            if std::process::id() == process {
                // If the buffer is full, the thread is about to read it.
                let _ = (&*wake).write(&[0]);
            }
        };
        // SAFETY: the action is allowed in a signal handler: it calls `getpid` and `write`,
        // allocates nothing and takes no lock. The registry keeps `errno`.
        unsafe { register(signal, action) }.map(drop)
    }
}

/// Makes the two ends.
///
/// # Errors
///
/// When the system refuses the sockets, and where there are no signals.
pub fn signals() -> io::Result<(SignalHandlers, SignalReceiver)> {
    #[cfg(unix)]
    {
        unix::pair()
    }
    #[cfg(not(unix))]
    {
        Err(io::Error::new(io::ErrorKind::Unsupported, "this system has no signals"))
    }
}

impl SignalReceiver {
    /// Blocks until a signal arrives. Returns `false` if none can arrive any more. Signals that
    /// arrive together are one.
    pub fn wait(&mut self) -> bool {
        #[cfg(unix)]
        {
            unix::wait(self)
        }
        #[cfg(not(unix))]
        {
            false
        }
    }
}

impl SignalHandlers {
    /// Has `signal` wake the receiver from now on, until the process ends.
    ///
    /// # Errors
    ///
    /// When the system refuses the handler, and for a signal that no handler may be set for.
    pub fn add(&self, signal: i32) -> io::Result<()> {
        #[cfg(unix)]
        {
            unix::add(self, signal)
        }
        #[cfg(not(unix))]
        {
            let text = format!("this system has no signal {signal}");
            Err(io::Error::new(io::ErrorKind::Unsupported, text))
        }
    }
}

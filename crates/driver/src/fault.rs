//! Errors of the driver: which operation failed, on which descriptor, and why, if that is known.
//!
//! The text contains the system's error, so [`Error::source`](error::Error::source) does not return
//! that error: code that prints all sources would print it twice. [`number`] returns the system's
//! error number.

use std::{error, fmt, io};

/// A failed operation of the driver.
#[derive(Debug)]
struct Fault {
    operation: &'static str,
    /// The descriptor, unless the operation is about the event queue.
    fd: Option<i64>,
    reason: Option<&'static str>,
    source: io::Error,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "could not {}", self.operation)?;
        if let Some(fd) = self.fd {
            write!(f, " descriptor {fd}")?;
        }
        match self.reason {
            Some(reason) => write!(f, ": {reason} ({})", self.source),
            None => write!(f, ": {}", self.source),
        }
    }
}

impl error::Error for Fault {
    fn source(&self) -> Option<&(dyn error::Error + 'static)> {
        self.source.source()
    }
}

/// The system's error number behind `error`, if `error` comes from the driver.
pub fn number(error: &(dyn error::Error + 'static)) -> Option<i32> {
    error.downcast_ref::<Fault>()?.source.raw_os_error()
}

/// Adds the operation and the descriptor to `source`. Keeps its kind.
pub(crate) fn name(operation: &'static str, fd: i64, source: io::Error) -> io::Error {
    let reason = reason(&source);
    io::Error::new(source.kind(), Fault { operation, fd: Some(fd), reason, source })
}

/// Adds the operation, which is about the event queue, to `source`. Keeps its kind.
pub(crate) fn name_of_queue(operation: &'static str, source: io::Error) -> io::Error {
    io::Error::new(source.kind(), Fault { operation, fd: None, reason: None, source })
}

/// What the error numbers of `epoll_ctl(2)` mean here, where the system's own text is misleading.
#[cfg(unix)]
fn reason(source: &io::Error) -> Option<&'static str> {
    use rustix::io::Errno;

    let errno = Errno::from_io_error(source)?;
    match errno {
        Errno::PERM => Some("this kind of file reports no readiness, as a regular file"),
        Errno::EXIST => Some("another source has registered the same descriptor"),
        Errno::NOSPC => Some("the limit fs.epoll.max_user_watches is reached"),
        Errno::BADF => Some("it is not open; was it closed behind its owner's back?"),
        _ => None,
    }
}

#[cfg(not(unix))]
fn reason(_source: &io::Error) -> Option<&'static str> {
    None
}

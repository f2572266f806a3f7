//! Errors that say what was tried, on what, and why it failed.
//!
//! An `io::Error` from the operating system knows only its number. Wherever an operation has an
//! object worth naming (an address, a path), the error is wrapped here: same `kind`, the original
//! as `source`, and one line of text that holds all three.
//!
//! Rejected: returning the bare system error, whose text ("Connection refused") names nothing; and
//! a message without its cause, which makes `println!("{error}")` useless.

use std::error::Error as StdError;
use std::fmt;
use std::io;

/// An I/O error together with the operation that met it.
///
/// This is the payload of the [`io::Error`]s of this crate that name an operation and an object,
/// such as ``could not connect to `127.0.0.1:1`: Connection refused (os error 111)``. The outer
/// error has the `kind` of the original, and the original is its [`source`](StdError::source).
///
/// An `io::Error` that carries a payload answers `None` to `raw_os_error`; ask [`raw_os_error`]
/// instead, which looks through.
///
/// # Examples
///
/// ```
/// use reveille::io::{self, OperationError};
/// use reveille::net::TcpListener;
/// use reveille::task;
///
/// # fn main() -> std::io::Result<()> {
/// task::block_on(async {
///     let taken = TcpListener::bind("127.0.0.1:0").await?;
///     let error = TcpListener::bind(taken.local_addr()?).await.unwrap_err();
///
///     assert_eq!(error.kind(), io::ErrorKind::AddrInUse);
///     let payload = error.get_ref().and_then(|e| e.downcast_ref::<OperationError>());
///     let payload = payload.expect("the error names its operation");
///     assert!(payload.operation().starts_with("could not bind to `127.0.0.1:"));
///     assert_eq!(payload.raw_os_error(), io::raw_os_error(&error));
///     Ok(())
/// })
/// # }
/// ```
#[derive(Debug)]
pub struct OperationError {
    operation: String,
    source: io::Error,
}

impl OperationError {
    /// Returns what was tried and on what, without the cause.
    ///
    /// # Examples
    ///
    /// ```
    /// use reveille::{io::OperationError, net::TcpStream, task};
    ///
    /// let error = task::block_on(TcpStream::connect("127.0.0.1:no port")).unwrap_err();
    /// let payload = error.get_ref().and_then(|e| e.downcast_ref::<OperationError>()).unwrap();
    /// assert_eq!(payload.operation(), "could not resolve address `127.0.0.1:no port`");
    /// ```
    pub fn operation(&self) -> &str {
        &self.operation
    }

    /// Returns the error as the system or the layer below reported it.
    ///
    /// # Examples
    ///
    /// ```
    /// use reveille::{io::OperationError, net::TcpStream, task};
    ///
    /// let error = task::block_on(TcpStream::connect("127.0.0.1:no port")).unwrap_err();
    /// let payload = error.get_ref().and_then(|e| e.downcast_ref::<OperationError>()).unwrap();
    /// assert_eq!(payload.cause().kind(), error.kind());
    /// ```
    pub fn cause(&self) -> &io::Error {
        &self.source
    }

    /// Returns the number of the operating system's error, if it was one.
    ///
    /// # Examples
    ///
    /// ```
    /// use reveille::{io::OperationError, net::TcpStream, task};
    ///
    /// let error = task::block_on(TcpStream::connect("127.0.0.1:no port")).unwrap_err();
    /// let payload = error.get_ref().and_then(|e| e.downcast_ref::<OperationError>()).unwrap();
    /// assert_eq!(payload.raw_os_error(), None, "the text was refused, the system never asked");
    /// ```
    pub fn raw_os_error(&self) -> Option<i32> {
        raw_os_error(&self.source)
    }
}

impl fmt::Display for OperationError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.operation, self.source)
    }
}

impl StdError for OperationError {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        Some(&self.source)
    }
}

/// Returns the number of the operating system's error behind `error`, however deep it lies.
///
/// `std`'s method of that name stops at an error that carries a payload, as those of this crate do
/// when they name an operation. This one follows the chain of sources.
///
/// # Examples
///
/// ```
/// use reveille::{io, net::TcpListener, task};
///
/// # fn main() -> std::io::Result<()> {
/// task::block_on(async {
///     let taken = TcpListener::bind("127.0.0.1:0").await?;
///     let error = TcpListener::bind(taken.local_addr()?).await.unwrap_err();
///     assert!(io::raw_os_error(&error).is_some());
///     Ok(())
/// })
/// # }
/// ```
pub fn raw_os_error(error: &io::Error) -> Option<i32> {
    if let Some(number) = error.raw_os_error() {
        return Some(number);
    }
    let mut next: Option<&(dyn StdError + 'static)> = error.get_ref().map(|e| e as _);
    while let Some(link) = next {
        if let Some(number) = link.downcast_ref::<io::Error>().and_then(raw_os_error) {
            return Some(number);
        }
        next = link.source();
    }
    None
}

/// Adds the operation to an error, if there is one.
pub(crate) trait Context {
    /// Wraps the error with what was tried; the text is only made when it is needed.
    fn context(self, operation: impl FnOnce() -> String) -> Self;
}

impl<T> Context for io::Result<T> {
    fn context(self, operation: impl FnOnce() -> String) -> Self {
        self.map_err(|source| {
            io::Error::new(source.kind(), OperationError { operation: operation(), source })
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Any number will do; this one is "permission denied" or the like everywhere.
    const NUMBER: i32 = 13;

    #[test]
    fn wrapped_error_keeps_kind_source_and_number() {
        let plain = || io::Error::from_raw_os_error(NUMBER);
        let once = io::Result::<()>::Err(plain()).context(|| "could not open `x`".into());
        let once = once.unwrap_err();
        assert_eq!(once.kind(), plain().kind());
        assert_eq!(raw_os_error(&once), Some(NUMBER));
        assert_eq!(once.source().expect("the source is set").to_string(), plain().to_string());
        let text = once.to_string();
        assert_eq!(text, format!("could not open `x`: {}", plain()));

        let twice = io::Result::<()>::Err(once).context(|| "could not start".into()).unwrap_err();
        assert_eq!(raw_os_error(&twice), Some(NUMBER));
        assert_eq!(twice.to_string(), format!("could not start: {text}"));
    }

    #[test]
    fn error_without_a_number_has_none() {
        let error = io::Result::<()>::Err(io::ErrorKind::InvalidInput.into())
            .context(|| "could not start".into())
            .unwrap_err();
        assert_eq!(raw_os_error(&error), None);
    }
}

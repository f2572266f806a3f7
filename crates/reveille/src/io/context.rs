//! Errors that say what was tried, on what, and why it failed.
//!
//! An `io::Error` from the operating system knows only its number. Wherever an operation has an
//! object worth naming (an address, a path), the error is wrapped here, with the `kind` of the
//! original.
//!
//! The cause is told once: either the text contains it, or [`source`](StdError::source) returns it.
//! A reporter that prints an error and then walks its sources (anyhow, eyre, `std::error::Report`)
//! would print it twice otherwise. Which of the two follows async-std, since programs print, match
//! and walk what it gave them:
//!
//! * [`Context::context`], where async-std names the operation too (paths, names of hosts, UDP):
//!   the text is the operation alone, word for word, and the cause is the source. `{error:#}`
//!   prints both.
//! * [`Context::named`], where async-std gives the system's error (connecting, binding, starting a
//!   process): the text has to contain that of the system, as in "Connection refused", so the cause
//!   stands in it, behind the operation. The source is that of the cause, which seldom has one.
//!
//! Rejected: returning the bare system error, whose text names nothing; the operation alone for
//! connections as well, after which `println!("{error}")` does not say what is wrong; the cause in
//! every text and no source, which hides the system's error from programs that look for it.

use std::error::Error as StdError;
use std::fmt;
use std::io;

/// An I/O error together with the operation that met it.
///
/// This is the payload of the [`io::Error`]s of this crate that name an operation and an object.
/// The outer error has the `kind` of the original, which [`cause`](OperationError::cause) returns.
///
/// The cause is told once, so that a reporter that walks the sources does not repeat it. Errors of
/// connecting, binding and starting a process contain it: ``could not connect to `127.0.0.1:1`:
/// Connection refused (os error 111)``. Those of paths, names of hosts and UDP packets are the
/// operation alone, as ``could not open `x` ``, and the cause is their
/// [`source`](StdError::source). With `{error:#}` both print the operation and the cause.
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
pub struct OperationError {
    operation: String,
    source: io::Error,
    cause_in: CauseIn,
}

/// Where the cause of an [`OperationError`] is told.
#[derive(Clone, Copy)]
enum CauseIn {
    /// By the source.
    Source,
    /// In the text.
    Text,
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
    /// assert_eq!(payload.operation(), "could not resolve address `\"127.0.0.1:no port\"`");
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

impl fmt::Debug for OperationError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OperationError")
            .field("operation", &self.operation)
            .field("source", &self.source)
            .finish()
    }
}

impl fmt::Display for OperationError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.operation)?;
        match self.cause_in {
            _ if f.alternate() => write!(f, ": {:#}", self.source),
            CauseIn::Text => write!(f, ": {}", self.source),
            CauseIn::Source => Ok(()),
        }
    }
}

impl StdError for OperationError {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        match self.cause_in {
            CauseIn::Source => Some(&self.source),
            CauseIn::Text => self.source.source(),
        }
    }
}

/// Returns the number of the operating system's error behind `error`, however deep it lies.
///
/// `std`'s method of that name stops at an error that carries a payload, as those of this crate do
/// when they name an operation. This one follows the chain of causes.
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
        let number = match link.downcast_ref::<OperationError>() {
            Some(error) => error.raw_os_error(),
            None => link.downcast_ref::<io::Error>().and_then(raw_os_error),
        };
        if let Some(number) = number.or_else(|| reveille_runtime::io::fault_number(link)) {
            return Some(number);
        }
        next = link.source();
    }
    None
}

/// Adds the operation to an error, if there is one.
pub(crate) trait Context {
    /// Wraps the error with what was tried, as the text, and the cause as its source. The text is
    /// only made when it is needed.
    fn context(self, operation: impl FnOnce() -> String) -> Self;

    /// Wraps the error with what was tried, and the cause behind it in the text.
    fn named(self, operation: impl FnOnce() -> String) -> Self;
}

impl<T> Context for io::Result<T> {
    fn context(self, operation: impl FnOnce() -> String) -> Self {
        self.map_err(|source| wrap(operation(), source, CauseIn::Source))
    }

    fn named(self, operation: impl FnOnce() -> String) -> Self {
        self.map_err(|source| wrap(operation(), source, CauseIn::Text))
    }
}

fn wrap(operation: String, source: io::Error, cause_in: CauseIn) -> io::Error {
    io::Error::new(source.kind(), OperationError { operation, source, cause_in })
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
        assert_eq!(once.to_string(), "could not open `x`");
        assert_eq!(format!("{once:#}"), format!("could not open `x`: {}", plain()));

        let twice = io::Result::<()>::Err(once).context(|| "could not start".into()).unwrap_err();
        assert_eq!(raw_os_error(&twice), Some(NUMBER));
        assert_eq!(twice.to_string(), "could not start");
        assert_eq!(
            format!("{twice:#}"),
            format!("could not start: could not open `x`: {}", plain())
        );
    }

    #[test]
    fn named_error_keeps_kind_and_number_and_tells_its_cause() {
        let plain = || io::Error::from_raw_os_error(NUMBER);
        let named = io::Result::<()>::Err(plain()).named(|| "could not start".into()).unwrap_err();
        assert_eq!((named.kind(), raw_os_error(&named)), (plain().kind(), Some(NUMBER)));
        assert_eq!(named.to_string(), format!("could not start: {}", plain()));
        assert!(named.source().is_none());

        // What the text does not tell of a cause is still told by the source.
        let inner = io::Result::<()>::Err(plain()).context(|| "could not open `x`".into());
        let outer = inner.named(|| "could not start".into()).unwrap_err();
        assert_eq!(outer.to_string(), "could not start: could not open `x`");
        assert_eq!(outer.source().expect("that of the cause").to_string(), plain().to_string());
        assert_eq!(raw_os_error(&outer), Some(NUMBER));
    }

    #[test]
    fn error_without_a_number_has_none() {
        let error = io::Result::<()>::Err(io::ErrorKind::InvalidInput.into())
            .context(|| "could not start".into())
            .unwrap_err();
        assert_eq!(raw_os_error(&error), None);
    }
}

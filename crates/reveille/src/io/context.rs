//! Errors that say what was tried, on what, and why it failed.
//!
//! An `io::Error` from the operating system only contains a number. If an operation has an object
//! worth naming (an address, a path), the error is wrapped here and keeps its `kind`.
//!
//! The cause appears once: either in the text, or as [`source`](StdError::source). Otherwise a
//! reporter that prints an error and then its sources (anyhow, eyre, `std::error::Report`) would
//! print it twice. Which of the two is used follows async-std, because programs print, match and
//! inspect its errors:
//!
//! * [`Context::context`], where async-std names the operation too (paths, host names, UDP): the
//!   text is the operation alone, word for word, and the cause is the source. `{error:#}` prints
//!   both.
//! * [`Context::named`], where async-std returns the system's error (connecting, binding, starting
//!   a process): the text must contain that of the system, such as "Connection refused", so the
//!   cause follows the operation in the text. The source is that of the cause, which rarely has
//!   one.
//!
//! Rejected: returning the bare system error, whose text names nothing. Rejected: the operation
//! alone for connections as well, after which `println!("{error}")` does not say what is wrong.
//! Rejected: the cause in every text and no source, which hides the system's error from programs
//! that look for it.

use std::error::Error as StdError;
use std::fmt;
use std::io;

/// An I/O error together with the operation that failed.
///
/// This is the payload of the [`io::Error`]s of this crate that name an operation and an object.
/// The outer error has the `kind` of the original, which [`cause`](OperationError::cause) returns.
///
/// The cause appears once, so a reporter that prints the sources does not repeat it. Errors of
/// connecting, binding and starting a process contain it: ``could not connect to `127.0.0.1:1`:
/// Connection refused (os error 111)``. Errors of paths, host names and UDP packets are the
/// operation alone, such as ``could not open `x` ``, and the cause is their
/// [`source`](StdError::source). `{error:#}` prints the operation and the cause in both cases.
///
/// The operations begin with `could not`, and then:
///
/// | in | texts |
/// |---|---|
/// | names | ``resolve address `NAME` ``, `resolve to any addresses`, `resolve addresses` |
/// | sockets | ``connect to `ADDRESS` ``, ``bind to `ADDRESS` ``, `listen`, `make a TCP socket` |
/// | addresses | `get peer address`, `get local address` |
/// | datagrams | ``send packet to `ADDRESS` ``, `send datagrams`, `receive datagrams` |
/// | files | ``open `PATH` ``, ``read file `PATH` ``, ``write to file `PATH` ``, `lock the file` |
/// | paths | ``rename `A` to `B` ``, ``copy `A` to `B` ``, ``remove file `PATH` `` and others |
/// | folders | ``create directory `PATH` ``, ``read directory `PATH` `` and others |
/// | processes | ``start `PROGRAM` ``, `kill child ID` |
/// | descriptors | `make descriptor NUMBER asynchronous`, `read line on stdin` |
///
/// `raw_os_error` of an `io::Error` with a payload returns `None`. Use [`raw_os_error`], which
/// looks inside.
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

/// Where an [`OperationError`] shows its cause.
#[derive(Clone, Copy)]
enum CauseIn {
    /// As the source.
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

    /// Returns the error that the system or the layer below reported.
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

    /// Returns the operating system's error number, if there is one.
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

/// Returns the operating system's error number inside `error`, at any depth.
///
/// `std`'s method of that name returns `None` for an error with a payload, such as those of this
/// crate that name an operation. This function follows the chain of causes.
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

/// Adds the operation to an error.
pub(crate) trait Context {
    /// Wraps the error: the text is the operation, and the cause is the source. The text is made
    /// only when it is needed.
    fn context(self, operation: impl FnOnce() -> String) -> Self;

    /// Wraps the error: the text is the operation followed by the cause.
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

    /// Any number works; this one means "permission denied" or similar on all systems.
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
    fn named_error_keeps_kind_and_number_and_has_its_cause() {
        let plain = || io::Error::from_raw_os_error(NUMBER);
        let named = io::Result::<()>::Err(plain()).named(|| "could not start".into()).unwrap_err();
        assert_eq!((named.kind(), raw_os_error(&named)), (plain().kind(), Some(NUMBER)));
        assert_eq!(named.to_string(), format!("could not start: {}", plain()));
        assert!(named.source().is_none());

        // The source shows what the text does not.
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

//! Why a task has no output: [`JoinError`].

use std::any::Any;
use std::error::Error;
use std::fmt;
use std::io;

use crate::unwind::Payload;

/// Says why a task ended without an output: it was cancelled, or it panicked.
///
/// Its text is `the task was cancelled` or `the task panicked`. If the panic has a text, it
/// follows: `the task panicked: out of range`.
///
/// # Examples
///
/// ```
/// use reveille::{future, task};
///
/// task::block_on(async {
///     let task = task::spawn(future::pending::<()>());
///     task.abort();
///     let error = task.result().await.unwrap_err();
///     assert_eq!(error.to_string(), "the task was cancelled");
/// });
/// ```
pub struct JoinError {
    cause: JoinErrorKind,
}

enum JoinErrorKind {
    Cancelled,
    Panicked(Payload),
}

// SAFETY: the payload need not be `Sync`. Code with a `&JoinError` only asks for the payload's
// type, which reads its vtable, and reads it only if it is a `&str` or a `String`, which are
// `Sync`.
unsafe impl Sync for JoinError {}

// The payload is returned by value only, to code that expects the payload of a panic.
impl std::panic::UnwindSafe for JoinError {}
impl std::panic::RefUnwindSafe for JoinError {}

impl JoinError {
    pub(crate) fn cancelled() -> JoinError {
        JoinError { cause: JoinErrorKind::Cancelled }
    }

    pub(crate) fn panicked(payload: Payload) -> JoinError {
        JoinError { cause: JoinErrorKind::Panicked(payload) }
    }

    /// Whether the task was cancelled before it finished.
    ///
    /// # Examples
    ///
    /// ```
    /// use reveille::{future, task};
    ///
    /// let task = task::spawn(future::pending::<()>());
    /// task.abort();
    /// assert!(task::block_on(task.result()).unwrap_err().is_cancelled());
    /// ```
    pub fn is_cancelled(&self) -> bool {
        matches!(self.cause, JoinErrorKind::Cancelled)
    }

    /// Whether the task panicked.
    ///
    /// # Examples
    ///
    /// ```
    /// # let hook = std::panic::take_hook();
    /// # std::panic::set_hook(Box::new(|_| {}));
    /// use reveille::task;
    ///
    /// let task = task::spawn(async { panic!("out of paper") });
    /// assert!(task::block_on(task.result()).unwrap_err().is_panic());
    /// # std::panic::set_hook(hook);
    /// ```
    pub fn is_panic(&self) -> bool {
        matches!(self.cause, JoinErrorKind::Panicked(_))
    }

    /// Returns the payload of the task's panic, for [`std::panic::resume_unwind`].
    ///
    /// # Errors
    ///
    /// Returns the error itself if the task did not panic.
    ///
    /// # Examples
    ///
    /// ```
    /// # let hook = std::panic::take_hook();
    /// # std::panic::set_hook(Box::new(|_| {}));
    /// use reveille::task;
    ///
    /// let task = task::spawn(async { std::panic::panic_any(42_u8) });
    /// let error = task::block_on(task.result()).unwrap_err();
    /// let payload = error.try_into_panic().expect("it panicked");
    /// assert_eq!(payload.downcast_ref(), Some(&42_u8));
    /// # std::panic::set_hook(hook);
    /// ```
    pub fn try_into_panic(self) -> Result<Box<dyn Any + Send>, JoinError> {
        match self.cause {
            JoinErrorKind::Panicked(payload) => Ok(payload),
            JoinErrorKind::Cancelled => Err(self),
        }
    }

    /// Returns the payload of the task's panic, for [`std::panic::resume_unwind`].
    ///
    /// # Panics
    ///
    /// Panics if the task did not panic.
    ///
    /// # Examples
    ///
    /// ```
    /// # let hook = std::panic::take_hook();
    /// # std::panic::set_hook(Box::new(|_| {}));
    /// use reveille::task;
    /// use std::panic;
    ///
    /// let task = task::spawn(async { panic!("out of paper") });
    /// let error = task::block_on(task.result()).unwrap_err();
    /// // Awaiting the handle itself would do the same:
    /// let caught = panic::catch_unwind(|| panic::resume_unwind(error.into_panic()));
    /// assert!(caught.is_err());
    /// # std::panic::set_hook(hook);
    /// ```
    #[track_caller]
    pub fn into_panic(self) -> Box<dyn Any + Send> {
        self.try_into_panic().expect("`into_panic` is for the error of a task that panicked")
    }

    /// The text of the panic, if it has one.
    fn message(&self) -> Option<&str> {
        let JoinErrorKind::Panicked(payload) = &self.cause else { return None };
        if let Some(text) = payload.downcast_ref::<&'static str>() {
            return Some(text);
        }
        payload.downcast_ref::<String>().map(String::as_str)
    }
}

impl fmt::Debug for JoinError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.cause {
            JoinErrorKind::Cancelled => f.write_str("JoinError::Cancelled"),
            JoinErrorKind::Panicked(_) => write!(f, "JoinError::Panicked({:?})", self.message()),
        }
    }
}

impl fmt::Display for JoinError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.cause, self.message()) {
            (JoinErrorKind::Cancelled, _) => f.write_str("the task was cancelled"),
            (JoinErrorKind::Panicked(_), Some(text)) => write!(f, "the task panicked: {text}"),
            (JoinErrorKind::Panicked(_), None) => f.write_str("the task panicked"),
        }
    }
}

impl Error for JoinError {}

impl From<JoinError> for io::Error {
    /// Wraps the error, with the kind `Other`. It is not `Interrupted`, which would make reads and
    /// writes try again.
    ///
    /// # Examples
    ///
    /// ```
    /// use reveille::{future, io, task};
    ///
    /// async fn size() -> io::Result<u64> {
    ///     let task = task::spawn(future::pending::<u64>());
    ///     task.abort();
    ///     Ok(task.result().await?)
    /// }
    ///
    /// let error = task::block_on(size()).unwrap_err();
    /// assert_eq!(error.kind(), io::ErrorKind::Other);
    /// assert_eq!(error.to_string(), "the task was cancelled");
    /// ```
    fn from(error: JoinError) -> io::Error {
        io::Error::other(error)
    }
}

//! Unix signals as streams.
//!
//! See [delivery](crate::signal#delivery) for what is guaranteed.
//!
//! # Examples
//!
//! A service that reads its configuration again at SIGHUP, and ends at SIGTERM:
//!
//! ```
//! use reveille::signal::unix::{SignalKind, signal};
//! use reveille::prelude::*;
//!
//! # fn main() -> std::io::Result<()> { reveille::task::block_on(async {
//! let mut hangup = signal(SignalKind::hangup())?;
//! let mut terminate = signal(SignalKind::terminate())?;
//! # std::process::Command::new("sh").args(["-c", "kill -TERM $PPID"]).status()?;
//! loop {
//!     let reload = async { hangup.recv().await; true };
//!     let end = async { terminate.recv().await; false };
//!     if reload.race(end).await {
//!         println!("reading the configuration");
//!     } else {
//!         break;
//!     }
//! }
//! # Ok(()) }) }
//! ```

use std::ffi::c_int;
use std::fmt;
use std::future::{Future, poll_fn};
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use futures_core::Stream;
use rustix::process::Signal as Number;

use super::delivery::Delivery;
use crate::io::context::Context as _;

/// A signal, by its number.
///
/// `Display` writes its name, such as `SIGTERM`.
///
/// # Examples
///
/// ```
/// use reveille::signal::unix::SignalKind;
///
/// assert_eq!(SignalKind::terminate().to_string(), "SIGTERM");
/// assert_eq!(SignalKind::from_raw(15), SignalKind::terminate());
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct SignalKind(c_int);

macro_rules! kinds {
    ($($method:ident $number:ident $name:literal $docs:literal $more:literal)*) => {
        impl SignalKind {
            $(
                #[doc = concat!("Returns ", $name, ": ", $docs)]
                ///
                #[doc = $more]
                ///
                /// # Examples
                ///
                /// ```
                /// use reveille::signal::unix::SignalKind;
                ///
                #[doc = concat!("let kind = SignalKind::", stringify!($method), "();")]
                #[doc = concat!("assert_eq!(kind.to_string(), \"", $name, "\");")]
                /// ```
                #[must_use]
                pub const fn $method() -> SignalKind {
                    SignalKind(Number::$number.as_raw())
                }
            )*
        }
    };
}

kinds! {
    alarm ALARM "SIGALRM" "a timer of the system has expired."
        "Ends the process by default."
    child CHILD "SIGCHLD" "a child ended or stopped."
        "Ignored by default. [`Child`](crate::process::Child) does not need it."
    hangup HUP "SIGHUP" "the terminal was closed."
        "A service usually reloads its configuration then. Ends the process by default."
    interrupt INT "SIGINT" "Ctrl-C."
        "Ends the process by default."
    io IO "SIGIO" "a descriptor is ready."
        "Ends the process by default on Linux."
    pipe PIPE "SIGPIPE" "a write to a pipe without a reader."
        "Rust programs ignore it, and no write of reveille raises it."
    quit QUIT "SIGQUIT" "Ctrl-\\."
        "Ends the process with a core dump by default."
    terminate TERM "SIGTERM" "the usual request to end."
        "`kill` and service managers send it. Ends the process by default."
    user_defined1 USR1 "SIGUSR1" "it has no fixed meaning."
        "Ends the process by default."
    user_defined2 USR2 "SIGUSR2" "it has no fixed meaning."
        "Ends the process by default."
    window_change WINCH "SIGWINCH" "the terminal has another size."
        "Ignored by default."
}

/// The names of the signals that Linux and the BSDs share.
const NAMES: [(Number, &str); 26] = [
    (Number::HUP, "SIGHUP"),
    (Number::INT, "SIGINT"),
    (Number::QUIT, "SIGQUIT"),
    (Number::ILL, "SIGILL"),
    (Number::TRAP, "SIGTRAP"),
    (Number::ABORT, "SIGABRT"),
    (Number::BUS, "SIGBUS"),
    (Number::FPE, "SIGFPE"),
    (Number::KILL, "SIGKILL"),
    (Number::USR1, "SIGUSR1"),
    (Number::SEGV, "SIGSEGV"),
    (Number::USR2, "SIGUSR2"),
    (Number::PIPE, "SIGPIPE"),
    (Number::ALARM, "SIGALRM"),
    (Number::TERM, "SIGTERM"),
    (Number::CHILD, "SIGCHLD"),
    (Number::CONT, "SIGCONT"),
    (Number::STOP, "SIGSTOP"),
    (Number::TSTP, "SIGTSTP"),
    (Number::TTIN, "SIGTTIN"),
    (Number::TTOU, "SIGTTOU"),
    (Number::URG, "SIGURG"),
    (Number::WINCH, "SIGWINCH"),
    (Number::IO, "SIGIO"),
    (Number::SYS, "SIGSYS"),
    (Number::PROF, "SIGPROF"),
];

impl SignalKind {
    /// Makes the kind with this number of the system. [`signal`] refuses numbers that the system
    /// does not have.
    ///
    /// # Examples
    ///
    /// ```
    /// use reveille::signal::unix::SignalKind;
    ///
    /// assert_eq!(SignalKind::from_raw(1), SignalKind::hangup());
    /// ```
    #[must_use]
    pub const fn from_raw(signum: c_int) -> SignalKind {
        SignalKind(signum)
    }

    /// Returns the number.
    ///
    /// # Examples
    ///
    /// ```
    /// use reveille::signal::unix::SignalKind;
    ///
    /// assert_eq!(SignalKind::interrupt().as_raw_value(), 2);
    /// ```
    #[must_use]
    pub const fn as_raw_value(&self) -> c_int {
        self.0
    }

    /// The signal, if the system can send it.
    pub(crate) fn to_number(self) -> io::Result<Number> {
        Number::from_named_raw(self.0).ok_or_else(|| io::ErrorKind::InvalidInput.into())
    }
}

impl fmt::Display for SignalKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match NAMES.iter().find(|(number, _)| number.as_raw() == self.0) {
            Some((_, name)) => f.pad(name),
            None => write!(f, "signal {}", self.0),
        }
    }
}

impl fmt::Debug for SignalKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SignalKind({self})")
    }
}

impl From<c_int> for SignalKind {
    fn from(signum: c_int) -> SignalKind {
        SignalKind(signum)
    }
}

impl From<SignalKind> for c_int {
    fn from(kind: SignalKind) -> c_int {
        kind.0
    }
}

/// Creates a listener of a signal. It receives what is delivered from now on.
///
/// The first listener of a signal replaces the default action for the rest of the process. See
/// [delivery](crate::signal#delivery).
///
/// # Errors
///
/// The error names the signal. `InvalidInput` for SIGKILL, SIGSTOP, SIGSEGV, SIGILL and SIGFPE, and
/// for a number that the system does not have. Otherwise the system's error, such as no descriptor
/// left.
///
/// # Examples
///
/// ```
/// use reveille::signal::unix::{SignalKind, signal};
///
/// # fn main() -> std::io::Result<()> { reveille::task::block_on(async {
/// let mut window = signal(SignalKind::window_change())?;
/// # std::process::Command::new("sh").args(["-c", "kill -WINCH $PPID"]).status()?;
/// assert_eq!(window.recv().await, Some(()));
///
/// let error = signal(SignalKind::from_raw(9)).unwrap_err();
/// assert!(error.to_string().contains("SIGKILL"));
/// # Ok(()) }) }
/// ```
pub fn signal(kind: SignalKind) -> io::Result<Signal> {
    let delivery = Delivery::of(kind.0).named(|| format!("could not listen to {kind}"))?;
    Ok(Signal { seen: delivery.count(), delivery, waiting: None })
}

/// The listener of `ctrl_c`.
pub(crate) fn interrupt() -> io::Result<Signal> {
    signal(SignalKind::interrupt())
}

/// Receives a signal of the process. Made by [`signal`].
///
/// It is also a stream of `()` that does not end. Several signals between two polls count as one.
///
/// # Examples
///
/// ```
/// use reveille::prelude::*;
/// use reveille::signal::unix::{SignalKind, signal};
///
/// # fn main() -> std::io::Result<()> { reveille::task::block_on(async {
/// let (mut first, mut second) = (signal(SignalKind::hangup())?, signal(SignalKind::hangup())?);
/// # std::process::Command::new("sh").args(["-c", "kill -HUP $PPID"]).status()?;
/// // Each listener receives it.
/// assert_eq!(first.next().await, Some(()));
/// assert_eq!(second.next().await, Some(()));
/// # Ok(()) }) }
/// ```
#[must_use = "a listener does nothing until it is polled"]
pub struct Signal {
    delivery: Arc<Delivery>,
    /// The count when this last returned.
    seen: u64,
    /// The wait in progress. It has a slot of its own among the waiters of the descriptor, which
    /// its drop frees.
    waiting: Option<Pin<Box<dyn Future<Output = ()> + Send + Sync>>>,
}

impl Signal {
    /// Waits for the signal. It never returns `None`; the type is that of a stream's next item.
    ///
    /// # Cancel safety
    ///
    /// Nothing is lost: a signal that the future has not returned is returned by the next call.
    ///
    /// # Examples
    ///
    /// ```
    /// use reveille::signal::unix::{SignalKind, signal};
    ///
    /// # fn main() -> std::io::Result<()> { reveille::task::block_on(async {
    /// let mut hangup = signal(SignalKind::hangup())?;
    /// # std::process::Command::new("sh").args(["-c", "kill -HUP $PPID"]).status()?;
    /// hangup.recv().await;
    /// # Ok(()) }) }
    /// ```
    pub async fn recv(&mut self) -> Option<()> {
        poll_fn(|cx| self.poll_recv(cx)).await
    }

    /// Polls for the signal, as [`recv`](Signal::recv) does. Only the waker of the last poll is
    /// woken.
    ///
    /// # Examples
    ///
    /// ```
    /// use reveille::signal::unix::{SignalKind, signal};
    ///
    /// # fn main() -> std::io::Result<()> { reveille::task::block_on(async {
    /// let mut hangup = signal(SignalKind::hangup())?;
    /// # std::process::Command::new("sh").args(["-c", "kill -HUP $PPID"]).status()?;
    /// std::future::poll_fn(|cx| hangup.poll_recv(cx)).await;
    /// # Ok(()) }) }
    /// ```
    pub fn poll_recv(&mut self, cx: &mut Context<'_>) -> Poll<Option<()>> {
        if self.delivery.count() == self.seen {
            let waiting = self.waiting.get_or_insert_with(|| {
                let (delivery, seen) = (Arc::clone(&self.delivery), self.seen);
                Box::pin(async move { delivery.changed(seen).await })
            });
            ready!(waiting.as_mut().poll(cx));
        }
        self.waiting = None;
        self.seen = self.delivery.count();
        Poll::Ready(Some(()))
    }
}

impl Stream for Signal {
    type Item = ();

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<()>> {
        self.poll_recv(cx)
    }
}

impl fmt::Debug for Signal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let has_signal = self.delivery.count() != self.seen;
        f.debug_struct("Signal").field("has_signal", &has_signal).finish_non_exhaustive()
    }
}

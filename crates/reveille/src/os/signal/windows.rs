//! Events of the Windows console as streams.
//!
//! The system calls the handler of a process on a thread that it makes for that. The handler puts
//! a token into the channel of each listener. See [delivery](crate::signal#delivery).
//!
//! This module is type-checked, and programs that use it were run under wine only (`cargo xtask
//! targets --run windows`): expect bugs, and report them.
//!
//! # Examples
//!
//! ```no_run
//! use reveille::signal::windows::ctrl_close;
//!
//! # fn main() -> std::io::Result<()> { reveille::task::block_on(async {
//! let mut close = ctrl_close()?;
//! close.recv().await;
//! println!("the window of the console was closed");
//! # Ok(()) }) }
//! ```
#![allow(unsafe_code, reason = "the handler of the console is a function of the system")]

use std::future::poll_fn;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::{Mutex, PoisonError};
use std::task::{Context, Poll};

use async_channel::{Receiver, Sender, bounded};
use futures_core::Stream;
use windows_sys::Win32::System::Console::{
    CTRL_BREAK_EVENT, CTRL_C_EVENT, CTRL_CLOSE_EVENT, CTRL_LOGOFF_EVENT, CTRL_SHUTDOWN_EVENT,
    SetConsoleCtrlHandler,
};

use crate::io::context::Context as _;

static LISTENERS: Mutex<Listeners> = Mutex::new(Listeners { senders: Vec::new(), is_up: false });

struct Listeners {
    /// The event, and the channel of one listener. A full channel already has an event.
    senders: Vec<(u32, Sender<()>)>,
    /// Whether the handler is installed.
    is_up: bool,
}

/// Runs on a thread that the system makes, once for each event. Returns 0 to call the next handler;
/// the last one ends the process.
unsafe extern "system" fn handle(event: u32) -> windows_sys::core::BOOL {
    let senders: Vec<Sender<()>> = {
        // Each change is complete, and no user code runs under the lock.
        let mut listeners = LISTENERS.lock().unwrap_or_else(PoisonError::into_inner);
        listeners.senders.retain(|(_, sender)| !sender.is_closed());
        let own = listeners.senders.iter().filter(|(of, _)| *of == event);
        own.map(|(_, sender)| sender.clone()).collect()
    };
    for sender in &senders {
        // It wakes a task. A waker that panics must not unwind into the system.
        let sent = catch_unwind(AssertUnwindSafe(|| sender.try_send(())));
        if let Err(payload) = sent {
            std::mem::forget(payload);
        }
    }
    let is_final = matches!(event, CTRL_CLOSE_EVENT | CTRL_LOGOFF_EVENT | CTRL_SHUTDOWN_EVENT);
    // After these the system ends the process as soon as the handler returns, and after some
    // seconds in any case. The program has this time to end by itself.
    while is_final && !senders.is_empty() {
        std::thread::park();
    }
    // A listener has received it, so the next handler, which ends the process, is not called.
    (!senders.is_empty()).into()
}

/// Makes a listener of `event` and installs the handler if it is the first.
fn listen(event: u32, name: &str) -> io::Result<Receiver<()>> {
    let (sender, receiver) = bounded(1);
    let mut listeners = LISTENERS.lock().unwrap_or_else(PoisonError::into_inner);
    if !listeners.is_up {
        // SAFETY: the handler must be a function of this signature that stays: it is a function of
        // this program, and it does not unwind.
        let code = unsafe { SetConsoleCtrlHandler(Some(handle), 1) };
        if code == 0 {
            let error = io::Result::Err(io::Error::last_os_error());
            return error.named(|| format!("could not listen to {name}"));
        }
        listeners.is_up = true;
    }
    listeners.senders.retain(|(_, sender)| !sender.is_closed());
    listeners.senders.push((event, sender));
    Ok(receiver)
}

macro_rules! events {
    ($($function:ident $listener:ident $event:ident $docs:literal $more:literal)*) => {
        $(
            #[doc = concat!("Creates a listener of ", $docs)]
            ///
            #[doc = $more]
            ///
            /// # Errors
            ///
            /// The system's error if it refuses the handler. It names the event.
            ///
            /// # Examples
            ///
            /// ```no_run
            #[doc = concat!("use reveille::signal::windows::", stringify!($function), ";")]
            ///
            /// # fn main() -> std::io::Result<()> { reveille::task::block_on(async {
            #[doc = concat!("let mut listener = ", stringify!($function), "()?;")]
            /// listener.recv().await;
            /// # Ok(()) }) }
            /// ```
            pub fn $function() -> io::Result<$listener> {
                let receiver = listen($event, stringify!($event))?;
                Ok($listener { receiver: Box::pin(receiver) })
            }

            #[doc = concat!("Receives ", $docs)]
            ///
            /// It is also a stream of `()` that does not end. Several events between two polls
            /// count as one.
            ///
            /// # Examples
            ///
            /// ```no_run
            #[doc = concat!("use reveille::signal::windows::", stringify!($function), ";")]
            ///
            /// # fn main() -> std::io::Result<()> { reveille::task::block_on(async {
            #[doc = concat!(stringify!($function), "()?.recv().await;")]
            /// # Ok(()) }) }
            /// ```
            #[derive(Debug)]
            #[must_use = "a listener does nothing until it is polled"]
            pub struct $listener {
                receiver: Pin<Box<Receiver<()>>>,
            }

            impl $listener {
                /// Waits for the event. It never returns `None`.
                ///
                /// # Cancel safety
                ///
                /// Nothing is lost: an event that the future has not returned is returned by the
                /// next call.
                ///
                /// # Examples
                ///
                /// ```no_run
                /// # fn main() -> std::io::Result<()> { reveille::task::block_on(async {
                #[doc = concat!("use reveille::signal::windows::", stringify!($function), ";")]
                ///
                #[doc = concat!(stringify!($function), "()?.recv().await;")]
                /// # Ok(()) }) }
                /// ```
                pub async fn recv(&mut self) -> Option<()> {
                    poll_fn(|cx| self.poll_recv(cx)).await
                }

                /// Polls for the event, as `recv` does. Only the waker of the last poll is woken.
                ///
                /// # Examples
                ///
                /// ```no_run
                /// # fn main() -> std::io::Result<()> { reveille::task::block_on(async {
                #[doc = concat!("use reveille::signal::windows::", stringify!($function), ";")]
                ///
                #[doc = concat!("let mut listener = ", stringify!($function), "()?;")]
                /// std::future::poll_fn(|cx| listener.poll_recv(cx)).await;
                /// # Ok(()) }) }
                /// ```
                pub fn poll_recv(&mut self, cx: &mut Context<'_>) -> Poll<Option<()>> {
                    self.receiver.as_mut().poll_next(cx)
                }
            }

            impl Stream for $listener {
                type Item = ();

                fn poll_next(
                    mut self: Pin<&mut Self>,
                    cx: &mut Context<'_>,
                ) -> Poll<Option<()>> {
                    self.poll_recv(cx)
                }
            }
        )*
    };
}

events! {
    ctrl_c CtrlC CTRL_C_EVENT "Ctrl-C."
        "Ends the process by default."
    ctrl_break CtrlBreak CTRL_BREAK_EVENT "Ctrl-Break."
        "Ends the process by default."
    ctrl_close CtrlClose CTRL_CLOSE_EVENT "the close of the console's window."
        "The system ends the process about five seconds later."
    ctrl_logoff CtrlLogoff CTRL_LOGOFF_EVENT "the user's logoff."
        "Only services see it. The system ends the process some seconds later."
    ctrl_shutdown CtrlShutdown CTRL_SHUTDOWN_EVENT "the system's shutdown."
        "Only services see it. The system ends the process some seconds later."
}

//! The descriptors of the portable types: lent, given and taken.
//!
//! What is given is open, and belongs to who takes it. A shared `TcpStream` or `UnixStream` gives a
//! duplicate, since its clones go on using theirs. All are non-blocking when given, and made so
//! when taken.

use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, IntoRawFd, OwnedFd, RawFd};
use std::os::unix::net as std_unix;

use super::net::{UnixDatagram, UnixListener, UnixStream};
use crate::io::{Stderr, Stdin, Stdout};
use crate::net::{TcpListener, TcpStream, UdpSocket};

/// Implements what every socket has. `$into` gives up the std socket within.
macro_rules! impl_descriptor {
    ($($ours:ty: $std:ty, $into:ident;)*) => {$(
        impl AsRawFd for $ours {
            fn as_raw_fd(&self) -> RawFd {
                self.as_std().as_raw_fd()
            }
        }

        impl AsFd for $ours {
            fn as_fd(&self) -> BorrowedFd<'_> {
                self.as_std().as_fd()
            }
        }

        impl From<OwnedFd> for $ours {
            fn from(fd: OwnedFd) -> Self {
                <$std>::from(fd).into()
            }
        }

        impl From<$ours> for OwnedFd {
            /// Gives the descriptor, which is open and non-blocking.
            ///
            /// # Panics
            ///
            /// Panics if clones share the socket and no descriptor is left for a duplicate:
            /// `socket.as_fd().try_clone_to_owned()` returns that as an error. Panics if it is a
            /// `TcpStream` with bytes that [batched reads](crate::runtime::Builder::batched_reads)
            /// took for a read that was dropped.
            fn from(socket: $ours) -> OwnedFd {
                match socket.$into() {
                    Ok(socket) => socket.into(),
                    Err(error) => panic!("could not give up the {}: {error}", stringify!($ours)),
                }
            }
        }

        #[allow(unsafe_code, reason = "the trait's only function is unsafe")]
        impl FromRawFd for $ours {
            unsafe fn from_raw_fd(fd: RawFd) -> Self {
                // SAFETY: the caller promises that `fd` is open and owned by nobody else.
                let fd = unsafe { OwnedFd::from_raw_fd(fd) };
                fd.into()
            }
        }

        impl IntoRawFd for $ours {
            /// Gives the descriptor, which is open and non-blocking.
            ///
            /// # Panics
            ///
            /// Panics if the socket is shared and no descriptor is left for a duplicate, and if it
            /// is a `TcpStream` with bytes that [batched
            /// reads](crate::runtime::Builder::batched_reads) took for a read that was dropped.
            fn into_raw_fd(self) -> RawFd {
                OwnedFd::from(self).into_raw_fd()
            }
        }
    )*};
}

impl_descriptor! {
    TcpStream: std::net::TcpStream, into_std_shared;
    TcpListener: std::net::TcpListener, into_std;
    UdpSocket: std::net::UdpSocket, into_std;
    UnixStream: std_unix::UnixStream, into_std_shared;
    UnixListener: std_unix::UnixListener, into_std;
    UnixDatagram: std_unix::UnixDatagram, into_std;
}

/// Implements what the standard streams have: they lend, and keep.
macro_rules! impl_stdio {
    ($($ours:ty, $std:ident;)*) => {$(
        impl AsRawFd for $ours {
            fn as_raw_fd(&self) -> RawFd {
                std::io::$std().as_raw_fd()
            }
        }

        #[allow(unsafe_code, reason = "std lends its descriptors no longer than its handles live")]
        impl AsFd for $ours {
            fn as_fd(&self) -> BorrowedFd<'_> {
                // SAFETY: the standard descriptors are open as long as the process lives, by std's
                // own reckoning: its handles lend them in the same way.
                unsafe { BorrowedFd::borrow_raw(self.as_raw_fd()) }
            }
        }
    )*};
}

impl_stdio! {
    Stdin, stdin;
    Stdout, stdout;
    Stderr, stderr;
}

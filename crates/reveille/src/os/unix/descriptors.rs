//! The descriptors of the portable types: borrowed, converted into and from.
//!
//! The caller owns a converted descriptor, which is open. A shared `TcpStream` or `UnixStream`
//! converts into a duplicate, because its clones keep using the original. A socket that is
//! converted into a descriptor stays non-blocking, and a descriptor that is converted into a socket
//! is made non-blocking.

use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, IntoRawFd, OwnedFd, RawFd};
use std::os::unix::net as std_unix;

use super::net::{UnixDatagram, UnixListener, UnixStream};
use crate::io::{Stderr, Stdin, Stdout};
use crate::net::{TcpListener, TcpStream, UdpSocket};

/// Implements the traits that every socket has. `$into` converts into the std socket.
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
            /// Returns the descriptor, which is open and non-blocking.
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
                // SAFETY: the caller guarantees that `fd` is open and has no other owner, which is
                // what `from_raw_fd` requires.
                let fd = unsafe { OwnedFd::from_raw_fd(fd) };
                fd.into()
            }
        }

        impl IntoRawFd for $ours {
            /// Returns the descriptor, which is open and non-blocking.
            ///
            /// # Panics
            ///
            /// Panics if the socket is shared and no descriptor is left for a duplicate. Panics if
            /// it is a `TcpStream` with bytes that [batched
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

/// Implements the traits of the standard streams: they lend their descriptors only.
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
                // SAFETY: `borrow_raw` requires a descriptor that stays open for the lifetime. The
                // standard descriptors stay open as long as the process lives, as std's own handles
                // assume.
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

//! The sockets and handles of the portable types: lent, given and taken.
//!
//! What is given is open, and belongs to who takes it. A shared `TcpStream` gives a duplicate,
//! since its clones go on using theirs. All are non-blocking when given, and made so when taken.

use std::os::windows::io::{
    AsHandle, AsRawHandle, AsRawSocket, AsSocket, BorrowedHandle, BorrowedSocket, FromRawSocket,
    IntoRawSocket, OwnedSocket, RawHandle, RawSocket,
};

use crate::io::{Stderr, Stdin, Stdout};
use crate::net::{TcpListener, TcpStream, UdpSocket};

/// Implements what every socket has. `$into` gives up the std socket within.
macro_rules! impl_socket {
    ($($ours:ty: $std:ty, $into:ident;)*) => {$(
        impl AsRawSocket for $ours {
            fn as_raw_socket(&self) -> RawSocket {
                self.as_std().as_raw_socket()
            }
        }

        impl AsSocket for $ours {
            fn as_socket(&self) -> BorrowedSocket<'_> {
                self.as_std().as_socket()
            }
        }

        impl From<OwnedSocket> for $ours {
            fn from(socket: OwnedSocket) -> Self {
                <$std>::from(socket).into()
            }
        }

        impl From<$ours> for OwnedSocket {
            /// Gives the socket, which is open and non-blocking.
            ///
            /// # Panics
            ///
            /// Panics if it is shared and the system has no socket left for a duplicate.
            fn from(socket: $ours) -> OwnedSocket {
                socket.$into().expect("a descriptor is left for the socket").into()
            }
        }

        #[allow(unsafe_code, reason = "the trait's only function is unsafe")]
        impl FromRawSocket for $ours {
            unsafe fn from_raw_socket(socket: RawSocket) -> Self {
                // SAFETY: the caller promises that `socket` is open and owned by nobody else.
                let socket = unsafe { OwnedSocket::from_raw_socket(socket) };
                socket.into()
            }
        }

        impl IntoRawSocket for $ours {
            /// Gives the socket, which is open and non-blocking.
            ///
            /// # Panics
            ///
            /// Panics if it is shared and the system has no socket left for a duplicate.
            fn into_raw_socket(self) -> RawSocket {
                OwnedSocket::from(self).into_raw_socket()
            }
        }
    )*};
}

impl_socket! {
    TcpStream: std::net::TcpStream, into_std_shared;
    TcpListener: std::net::TcpListener, into_std;
    UdpSocket: std::net::UdpSocket, into_std;
}

/// Implements what the standard streams have: they lend, and keep.
macro_rules! impl_stdio {
    ($($ours:ty, $std:ident;)*) => {$(
        impl AsRawHandle for $ours {
            fn as_raw_handle(&self) -> RawHandle {
                std::io::$std().as_raw_handle()
            }
        }

        #[allow(unsafe_code, reason = "std lends its handles no longer than its own types live")]
        impl AsHandle for $ours {
            fn as_handle(&self) -> BorrowedHandle<'_> {
                // SAFETY: the standard handles are open as long as the process lives, by std's own
                // reckoning: its types lend them in the same way.
                unsafe { BorrowedHandle::borrow_raw(self.as_raw_handle()) }
            }
        }
    )*};
}

impl_stdio! {
    Stdin, stdin;
    Stdout, stdout;
    Stderr, stderr;
}

//! The sockets and handles of the portable types: borrowed, converted into and from.
//!
//! A converted socket is open and owned by the caller. A shared `TcpStream` converts into a
//! duplicate, because its clones keep using the original. All of them are non-blocking when
//! converted into raw sockets, and are made non-blocking when converted from them.

use std::os::windows::io::{
    AsHandle, AsRawHandle, AsRawSocket, AsSocket, BorrowedHandle, BorrowedSocket, FromRawSocket,
    IntoRawSocket, OwnedSocket, RawHandle, RawSocket,
};

use crate::io::{Stderr, Stdin, Stdout};
use crate::net::{TcpListener, TcpStream, UdpSocket};

/// Implements the traits that every socket has. `$into` converts into the std socket.
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
            /// Returns the socket, which is open and non-blocking.
            ///
            /// # Panics
            ///
            /// Panics if the socket is shared and the system has none left for a duplicate.
            fn from(socket: $ours) -> OwnedSocket {
                socket.$into().expect("a descriptor is left for the socket").into()
            }
        }

        #[allow(unsafe_code, reason = "the trait's only function is unsafe")]
        impl FromRawSocket for $ours {
            unsafe fn from_raw_socket(socket: RawSocket) -> Self {
                // SAFETY: the caller guarantees that `socket` is open and has no other owner, which
                // is what `from_raw_socket` requires.
                let socket = unsafe { OwnedSocket::from_raw_socket(socket) };
                socket.into()
            }
        }

        impl IntoRawSocket for $ours {
            /// Returns the socket, which is open and non-blocking.
            ///
            /// # Panics
            ///
            /// Panics if the socket is shared and the system has none left for a duplicate.
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

/// Implements the traits of the standard streams: they lend their descriptors only.
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
                // SAFETY: `borrow_raw` requires a handle that stays open for the lifetime. The
                // standard handles stay open as long as the process lives, as std's own types
                // assume.
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

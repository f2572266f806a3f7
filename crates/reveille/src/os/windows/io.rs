//! Handles and sockets and the traits that convert them: re-exports of std's module of this name.
//!
//! # Examples
//!
//! ```
//! use reveille::net::UdpSocket;
//! use reveille::os::windows::io::AsRawSocket;
//!
//! let socket = reveille::task::block_on(UdpSocket::bind("127.0.0.1:0"))?;
//! println!("socket {}", socket.as_raw_socket());
//! # std::io::Result::Ok(())
//! ```

#[doc(inline)]
pub use std::os::windows::io::{
    AsHandle, AsRawHandle, AsRawSocket, AsSocket, BorrowedHandle, BorrowedSocket, FromRawHandle,
    FromRawSocket, IntoRawHandle, IntoRawSocket, OwnedHandle, OwnedSocket, RawHandle, RawSocket,
};

//! TCP, UDP, and address resolution.
//!
//! This is `std::net` with `.await`: [`TcpStream`] and [`TcpListener`] for connections,
//! [`UdpSocket`] for datagrams, and [`ToSocketAddrs`] for everything that names an address. The
//! plain data types are std's. Unix domain sockets are in [`os::unix::net`](crate::os).
//!
//! | item | kind |
//! |---|---|
//! | [`SocketAddr`], [`IpAddr`], [`Shutdown`] and the other plain types | re-export of std |
//! | [`TcpStream`] and its halves, [`TcpListener`], [`Incoming`], [`TcpSocket`], [`KeepAlive`], [`UdpSocket`], [`Datagram`], [`DatagramMeta`], [`ToSocketAddrs`] | own |
//!
//! | to | use |
//! |---|---|
//! | connect to a server, or accept connections | [`TcpStream::connect`], [`TcpListener`] |
//! | set options before that | [`TcpSocket`] |
//! | read in one task and write in another | a clone, `&TcpStream`, or [`TcpStream::into_split`] |
//! | close the write side, so that the peer reads to the end | [`close`](crate::io::WriteExt::close) |
//! | wait without a buffer, or for a peer that leaves | [`TcpStream::readable`], [`TcpStream::closed`] |
//! | relay between two connections | [`io::copy_bidirectional`](crate::io::copy_bidirectional) |
//! | send or receive many datagrams with few system calls | [`UdpSocket::send_many`], [`UdpSocket::recv_many`] |
//! | wait for a descriptor that has no type here | [`os::unix::io::AsyncFd`](crate::os) |
//!
//! Sockets can be used through shared references: `&TcpStream` also reads and writes, so one task
//! can read while another writes. [`TcpStream`] is `Clone`; the socket is closed with its last
//! clone. Every socket converts from std's and back, which gives access to options that only std or
//! another crate can set.
//!
//! Waiting for a socket occupies no thread. Host names are resolved on the blocking pool; a literal
//! address is not looked up.
//!
//! # Examples
//!
//! ```
//! use reveille::io::prelude::*;
//! use reveille::net::{Shutdown, TcpListener, TcpStream};
//! use reveille::task;
//!
//! # fn main() -> std::io::Result<()> {
//! task::block_on(async {
//!     let listener = TcpListener::bind("127.0.0.1:0").await?;
//!     let address = listener.local_addr()?;
//!     let server = task::spawn(async move {
//!         let (mut stream, _) = listener.accept().await?;
//!         let mut question = String::new();
//!         stream.read_to_string(&mut question).await?;
//!         stream.write_all(question.to_uppercase().as_bytes()).await
//!     });
//!
//!     let mut stream = TcpStream::connect(address).await?;
//!     stream.write_all(b"is anybody there?").await?;
//!     stream.shutdown(Shutdown::Write)?;
//!     let mut answer = String::new();
//!     stream.read_to_string(&mut answer).await?;
//!     assert_eq!(answer, "IS ANYBODY THERE?");
//!     server.await
//! })
//! # }
//! ```

#[doc(inline)]
pub use std::net::{
    AddrParseError, IpAddr, Ipv4Addr, Ipv6Addr, Shutdown, SocketAddr, SocketAddrV4, SocketAddrV6,
};

pub use addr::ToSocketAddrs;
pub use tcp_listener::{Incoming, TcpListener};
pub use tcp_socket::{KeepAlive, TcpSocket};
pub use tcp_stream::{OwnedReadHalf, OwnedWriteHalf, ReuniteError, TcpStream};
pub use udp::{Datagram, DatagramMeta, UdpSocket};

pub(crate) mod connection;
pub(crate) mod halves;
pub(crate) mod listener;
pub(crate) mod ready;

mod addr;
mod tcp_listener;
mod tcp_socket;
mod tcp_stream;
mod udp;

/// Tries the addresses one after the other until one succeeds. Otherwise returns the last error.
async fn first_success<T, F>(
    addresses: impl Iterator<Item = SocketAddr>,
    mut attempt: impl FnMut(SocketAddr) -> F,
) -> std::io::Result<T>
where
    F: Future<Output = std::io::Result<T>>,
{
    let mut last = None;
    for address in addresses {
        match attempt(address).await {
            Ok(value) => return Ok(value),
            Err(error) => last = Some(error),
        }
    }
    Err(last.unwrap_or_else(no_address))
}

fn no_address() -> std::io::Error {
    let message = "could not resolve to any addresses";
    std::io::Error::new(std::io::ErrorKind::InvalidInput, message)
}

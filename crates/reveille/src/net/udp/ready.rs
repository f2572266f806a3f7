//! Waiting for a UDP socket, attempts that do not wait, and poll functions.

use std::io;
use std::net::SocketAddr;
use std::task::{Context, Poll};

use reveille_runtime::io::Interest;

use super::UdpSocket;

/// Readiness.
impl UdpSocket {
    /// Waits until a receive would return at once, with a datagram or an error.
    ///
    /// Another task may take the datagram before this one does.
    ///
    /// # Errors
    ///
    /// The system's error, if the socket cannot be registered.
    ///
    /// # Cancel safety
    ///
    /// Nothing is lost.
    ///
    /// # Examples
    ///
    /// ```
    /// use reveille::net::UdpSocket;
    ///
    /// # fn main() -> std::io::Result<()> {
    /// reveille::task::block_on(async {
    ///     let socket = UdpSocket::bind("127.0.0.1:0").await?;
    ///     let peer = UdpSocket::bind("127.0.0.1:0").await?;
    ///     socket.connect(peer.local_addr()?).await?;
    ///     peer.connect(socket.local_addr()?).await?;
    ///     peer.send(b"ping").await?;
    ///     socket.readable().await?;
    ///     let mut buf = [0; 8];
    ///     assert_eq!(socket.try_recv(&mut buf)?, 4);
    ///     Ok(())
    /// })
    /// # }
    /// ```
    pub async fn readable(&self) -> io::Result<()> {
        self.io.ready(Interest::Read).await
    }

    /// Waits until a send would return at once: there is room in the send buffer, or an error.
    ///
    /// # Errors
    ///
    /// The system's error, if the socket cannot be registered.
    ///
    /// # Cancel safety
    ///
    /// Nothing is lost.
    ///
    /// # Examples
    ///
    /// ```
    /// use reveille::net::UdpSocket;
    ///
    /// # fn main() -> std::io::Result<()> {
    /// reveille::task::block_on(async {
    ///     let socket = UdpSocket::bind("127.0.0.1:0").await?;
    ///     let peer = UdpSocket::bind("127.0.0.1:0").await?;
    ///     socket.connect(peer.local_addr()?).await?;
    ///     peer.connect(socket.local_addr()?).await?;
    ///     socket.writable().await?;
    ///     assert_eq!(socket.try_send(b"ping")?, 4);
    ///     Ok(())
    /// })
    /// # }
    /// ```
    pub async fn writable(&self) -> io::Result<()> {
        self.io.ready(Interest::Write).await
    }
}

/// Attempts.
impl UdpSocket {
    /// Receives a datagram from the connected peer and returns its length, without waiting.
    ///
    /// # Errors
    ///
    /// `WouldBlock` if it would have to wait, and the system's error.
    ///
    /// # Examples
    ///
    /// ```
    /// use reveille::net::UdpSocket;
    ///
    /// # fn main() -> std::io::Result<()> {
    /// reveille::task::block_on(async {
    ///     let socket = UdpSocket::bind("127.0.0.1:0").await?;
    ///     let peer = UdpSocket::bind("127.0.0.1:0").await?;
    ///     socket.connect(peer.local_addr()?).await?;
    ///     peer.connect(socket.local_addr()?).await?;
    ///     let error = socket.try_recv(&mut [0; 8]).unwrap_err();
    ///     assert_eq!(error.kind(), std::io::ErrorKind::WouldBlock);
    ///     Ok(())
    /// })
    /// # }
    /// ```
    pub fn try_recv(&self, buf: &mut [u8]) -> io::Result<usize> {
        retry(|| self.io.get_ref().recv(buf))
    }

    /// Receives a datagram and returns its length and its sender, without waiting.
    ///
    /// # Errors
    ///
    /// `WouldBlock` if it would have to wait, and the system's error.
    ///
    /// # Examples
    ///
    /// ```
    /// use reveille::net::UdpSocket;
    ///
    /// # fn main() -> std::io::Result<()> {
    /// reveille::task::block_on(async {
    ///     let socket = UdpSocket::bind("127.0.0.1:0").await?;
    ///     let peer = UdpSocket::bind("127.0.0.1:0").await?;
    ///     peer.send_to(b"ping", socket.local_addr()?).await?;
    ///     socket.readable().await?;
    ///     let (len, sender) = socket.try_recv_from(&mut [0; 8])?;
    ///     assert_eq!((len, sender), (4, peer.local_addr()?));
    ///     Ok(())
    /// })
    /// # }
    /// ```
    pub fn try_recv_from(&self, buf: &mut [u8]) -> io::Result<(usize, SocketAddr)> {
        retry(|| self.io.get_ref().recv_from(buf))
    }

    /// Sends a datagram to the connected peer, without waiting.
    ///
    /// # Errors
    ///
    /// `WouldBlock` if it would have to wait, and the system's error.
    ///
    /// # Examples
    ///
    /// ```
    /// use reveille::net::UdpSocket;
    ///
    /// # fn main() -> std::io::Result<()> {
    /// reveille::task::block_on(async {
    ///     let socket = UdpSocket::bind("127.0.0.1:0").await?;
    ///     let peer = UdpSocket::bind("127.0.0.1:0").await?;
    ///     socket.connect(peer.local_addr()?).await?;
    ///     peer.connect(socket.local_addr()?).await?;
    ///     assert_eq!(socket.try_send(b"ping")?, 4);
    ///     Ok(())
    /// })
    /// # }
    /// ```
    pub fn try_send(&self, buf: &[u8]) -> io::Result<usize> {
        retry(|| self.io.get_ref().send(buf))
    }

    /// Sends a datagram to `address`, without waiting.
    ///
    /// # Errors
    ///
    /// `WouldBlock` if it would have to wait, and the system's error.
    ///
    /// # Examples
    ///
    /// ```
    /// use reveille::net::UdpSocket;
    ///
    /// # fn main() -> std::io::Result<()> {
    /// reveille::task::block_on(async {
    ///     let socket = UdpSocket::bind("127.0.0.1:0").await?;
    ///     let peer = UdpSocket::bind("127.0.0.1:0").await?;
    ///     assert_eq!(socket.try_send_to(b"ping", peer.local_addr()?)?, 4);
    ///     Ok(())
    /// })
    /// # }
    /// ```
    pub fn try_send_to(&self, buf: &[u8], address: SocketAddr) -> io::Result<usize> {
        retry(|| self.io.get_ref().send_to(buf, address))
    }
}

/// Poll functions, for futures and transports of your own. Every task that polls is woken, not only
/// the last.
impl UdpSocket {
    /// Receives a datagram from the connected peer: [`recv`](UdpSocket::recv) for the poll function
    /// of a future of your own.
    ///
    /// # Errors
    ///
    /// The system's error.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::future::poll_fn;
    ///
    /// use reveille::net::UdpSocket;
    ///
    /// # fn main() -> std::io::Result<()> {
    /// reveille::task::block_on(async {
    ///     let socket = UdpSocket::bind("127.0.0.1:0").await?;
    ///     let peer = UdpSocket::bind("127.0.0.1:0").await?;
    ///     socket.connect(peer.local_addr()?).await?;
    ///     peer.connect(socket.local_addr()?).await?;
    ///     peer.send(b"ping").await?;
    ///     let mut buf = [0; 8];
    ///     assert_eq!(poll_fn(|cx| socket.poll_recv(cx, &mut buf)).await?, 4);
    ///     Ok(())
    /// })
    /// # }
    /// ```
    pub fn poll_recv(&self, cx: &mut Context<'_>, buf: &mut [u8]) -> Poll<io::Result<usize>> {
        self.io.poll_io(cx, Interest::Read, |socket| socket.recv(buf))
    }

    /// Receives a datagram: [`recv_from`](UdpSocket::recv_from) for the poll function of a future
    /// of your own.
    ///
    /// # Errors
    ///
    /// The system's error.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::future::poll_fn;
    ///
    /// use reveille::net::UdpSocket;
    ///
    /// # fn main() -> std::io::Result<()> {
    /// reveille::task::block_on(async {
    ///     let socket = UdpSocket::bind("127.0.0.1:0").await?;
    ///     let peer = UdpSocket::bind("127.0.0.1:0").await?;
    ///     socket.connect(peer.local_addr()?).await?;
    ///     peer.connect(socket.local_addr()?).await?;
    ///     peer.send(b"ping").await?;
    ///     let mut buf = [0; 8];
    ///     let (len, _) = poll_fn(|cx| socket.poll_recv_from(cx, &mut buf)).await?;
    ///     assert_eq!(len, 4);
    ///     Ok(())
    /// })
    /// # }
    /// ```
    pub fn poll_recv_from(
        &self,
        cx: &mut Context<'_>,
        buf: &mut [u8],
    ) -> Poll<io::Result<(usize, SocketAddr)>> {
        self.io.poll_io(cx, Interest::Read, |socket| socket.recv_from(buf))
    }

    /// Receives a datagram and leaves it in the queue: [`peek_from`](UdpSocket::peek_from) for the
    /// poll function of a future of your own.
    ///
    /// # Errors
    ///
    /// The system's error.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::future::poll_fn;
    ///
    /// use reveille::net::UdpSocket;
    ///
    /// # fn main() -> std::io::Result<()> {
    /// reveille::task::block_on(async {
    ///     let socket = UdpSocket::bind("127.0.0.1:0").await?;
    ///     let peer = UdpSocket::bind("127.0.0.1:0").await?;
    ///     socket.connect(peer.local_addr()?).await?;
    ///     peer.connect(socket.local_addr()?).await?;
    ///     peer.send(b"ping").await?;
    ///     let mut buf = [0; 8];
    ///     let (len, _) = poll_fn(|cx| socket.poll_peek_from(cx, &mut buf)).await?;
    ///     assert_eq!(socket.try_recv(&mut buf)?, len);
    ///     Ok(())
    /// })
    /// # }
    /// ```
    pub fn poll_peek_from(
        &self,
        cx: &mut Context<'_>,
        buf: &mut [u8],
    ) -> Poll<io::Result<(usize, SocketAddr)>> {
        self.io.poll_io(cx, Interest::Read, |socket| socket.peek_from(buf))
    }

    /// Sends a datagram to the connected peer: [`send`](UdpSocket::send) for the poll function of a
    /// future of your own.
    ///
    /// # Errors
    ///
    /// The system's error.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::future::poll_fn;
    ///
    /// use reveille::net::UdpSocket;
    ///
    /// # fn main() -> std::io::Result<()> {
    /// reveille::task::block_on(async {
    ///     let socket = UdpSocket::bind("127.0.0.1:0").await?;
    ///     let peer = UdpSocket::bind("127.0.0.1:0").await?;
    ///     socket.connect(peer.local_addr()?).await?;
    ///     peer.connect(socket.local_addr()?).await?;
    ///     assert_eq!(poll_fn(|cx| socket.poll_send(cx, b"ping")).await?, 4);
    ///     Ok(())
    /// })
    /// # }
    /// ```
    pub fn poll_send(&self, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        self.io.poll_io(cx, Interest::Write, |socket| socket.send(buf))
    }

    /// Sends a datagram to `address`: [`send_to`](UdpSocket::send_to) for the poll function of a
    /// future of your own.
    ///
    /// # Errors
    ///
    /// The system's error.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::future::poll_fn;
    ///
    /// use reveille::net::UdpSocket;
    ///
    /// # fn main() -> std::io::Result<()> {
    /// reveille::task::block_on(async {
    ///     let socket = UdpSocket::bind("127.0.0.1:0").await?;
    ///     let peer = UdpSocket::bind("127.0.0.1:0").await?;
    ///     let address = peer.local_addr()?;
    ///     assert_eq!(poll_fn(|cx| socket.poll_send_to(cx, b"ping", address)).await?, 4);
    ///     Ok(())
    /// })
    /// # }
    /// ```
    pub fn poll_send_to(
        &self,
        cx: &mut Context<'_>,
        buf: &[u8],
        address: SocketAddr,
    ) -> Poll<io::Result<usize>> {
        self.io.poll_io(cx, Interest::Write, |socket| socket.send_to(buf, address))
    }

    /// Calls `read` with std's socket until it does not fail with `WouldBlock`. When it does, the
    /// current task is woken once the socket is readable.
    ///
    /// For system calls that this type does not have, such as those of another crate. `read` must
    /// fail with `WouldBlock` only if there is nothing to read. If it does so while there is, it is
    /// not called again before more arrives.
    ///
    /// # Errors
    ///
    /// Those of `read`; the system's error, if the socket cannot be registered.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::future::poll_fn;
    ///
    /// use reveille::net::UdpSocket;
    ///
    /// # fn main() -> std::io::Result<()> {
    /// reveille::task::block_on(async {
    ///     let socket = UdpSocket::bind("127.0.0.1:0").await?;
    ///     let peer = UdpSocket::bind("127.0.0.1:0").await?;
    ///     peer.send_to(b"ping", socket.local_addr()?).await?;
    ///     let mut buf = [0; 8];
    ///     let (len, _) =
    ///         poll_fn(|cx| socket.poll_read_with(cx, |std| std.recv_from(&mut buf))).await?;
    ///     assert_eq!(&buf[..len], b"ping");
    ///     Ok(())
    /// })
    /// # }
    /// ```
    #[doc(alias("try_io", "async_io", "poll_recv_ready"))]
    pub fn poll_read_with<R>(
        &self,
        cx: &mut Context<'_>,
        read: impl FnMut(&std::net::UdpSocket) -> io::Result<R>,
    ) -> Poll<io::Result<R>> {
        self.io.poll_io(cx, Interest::Read, read)
    }

    /// Calls `write` with std's socket until it does not fail with `WouldBlock`. When it does, the
    /// current task is woken once the socket is writable. See
    /// [`poll_read_with`](UdpSocket::poll_read_with).
    ///
    /// # Errors
    ///
    /// Those of `write`; the system's error, if the socket cannot be registered.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::future::poll_fn;
    ///
    /// use reveille::net::UdpSocket;
    ///
    /// # fn main() -> std::io::Result<()> {
    /// reveille::task::block_on(async {
    ///     let socket = UdpSocket::bind("127.0.0.1:0").await?;
    ///     let address = socket.local_addr()?;
    ///     let send = |std: &std::net::UdpSocket| std.send_to(b"ping", address);
    ///     assert_eq!(poll_fn(|cx| socket.poll_write_with(cx, send)).await?, 4);
    ///     Ok(())
    /// })
    /// # }
    /// ```
    #[doc(alias("try_io", "async_io", "poll_send_ready"))]
    pub fn poll_write_with<R>(
        &self,
        cx: &mut Context<'_>,
        write: impl FnMut(&std::net::UdpSocket) -> io::Result<R>,
    ) -> Poll<io::Result<R>> {
        self.io.poll_io(cx, Interest::Write, write)
    }
}

/// Calls `op` again while a signal interrupts it.
pub(super) fn retry<R>(mut op: impl FnMut() -> io::Result<R>) -> io::Result<R> {
    loop {
        match op() {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            result => return result,
        }
    }
}

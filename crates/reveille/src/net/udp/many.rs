//! Many datagrams with one system call.
//!
//! On Linux these are `recvmmsg` and `sendmmsg`, with segmentation by the kernel or the network
//! card (GSO, GRO). Elsewhere they are loops: see `os/datagrams.rs`.

use std::io::{self, IoSliceMut};
use std::net::SocketAddr;
use std::num::NonZeroU16;
use std::task::{Context, Poll};

use reveille_runtime::io::Interest;

use super::UdpSocket;
use crate::io::context::Context as _;
use crate::os::datagrams;

/// A datagram to send, or several of the same length: see [`UdpSocket::send_many`].
///
/// # Examples
///
/// ```
/// use reveille::net::Datagram;
///
/// let datagram = Datagram::new(b"ping").to("127.0.0.1:9".parse().unwrap());
/// assert_eq!(datagram.payload(), b"ping");
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Datagram<'a> {
    pub(crate) payload: &'a [u8],
    pub(crate) address: Option<SocketAddr>,
    pub(crate) segment_len: Option<NonZeroU16>,
}

impl<'a> Datagram<'a> {
    /// Makes a datagram with `payload`, for the peer that the socket is connected to.
    ///
    /// # Examples
    ///
    /// ```
    /// assert_eq!(reveille::net::Datagram::new(b"ping").payload(), b"ping");
    /// ```
    pub fn new(payload: &'a [u8]) -> Datagram<'a> {
        Datagram { payload, address: None, segment_len: None }
    }

    /// Sets the address of the receiver. On some systems a connected socket refuses it.
    ///
    /// # Examples
    ///
    /// ```
    /// use reveille::net::Datagram;
    ///
    /// let datagram = Datagram::new(b"ping").to("127.0.0.1:9".parse().unwrap());
    /// # drop(datagram);
    /// ```
    #[must_use]
    pub fn to(self, address: SocketAddr) -> Datagram<'a> {
        Datagram { address: Some(address), ..self }
    }

    /// Sends the payload as several datagrams of `len` bytes; the last may be shorter. On Linux the
    /// kernel cuts it (GSO): the whole must not exceed 65,507 bytes and 64 segments, and each
    /// segment must fit into a packet of the network.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::num::NonZeroU16;
    ///
    /// use reveille::net::Datagram;
    ///
    /// let two = Datagram::new(b"pingpong").segments_of(NonZeroU16::new(4).unwrap());
    /// # drop(two);
    /// ```
    #[doc(alias("GSO", "UDP_SEGMENT"))]
    #[must_use]
    pub fn segments_of(self, len: NonZeroU16) -> Datagram<'a> {
        Datagram { segment_len: Some(len), ..self }
    }

    /// Returns the payload.
    ///
    /// # Examples
    ///
    /// ```
    /// assert!(reveille::net::Datagram::new(b"").payload().is_empty());
    /// ```
    pub fn payload(&self) -> &'a [u8] {
        self.payload
    }
}

/// What is known about a received datagram: see [`UdpSocket::recv_many`].
///
/// # Examples
///
/// ```
/// let meta = reveille::net::DatagramMeta::default();
/// assert_eq!((meta.len, meta.sender), (0, None));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct DatagramMeta {
    /// The address of the sender.
    pub sender: Option<SocketAddr>,
    /// The number of bytes that were received into the buffer.
    pub len: usize,
    /// The length of one datagram in bytes. If the kernel has put several datagrams of one sender
    /// into the buffer ([`set_merges`](UdpSocket::set_merges)), each of them but the last has this
    /// length. Otherwise it is `len`.
    pub segment_len: usize,
    /// Whether the datagram was longer than the buffer, so that its end is lost.
    pub is_truncated: bool,
}

impl UdpSocket {
    /// Waits for datagrams, receives each into a buffer of its own, and returns their number, which
    /// is at least one. It does not wait for more than are queued. `metas` says what each buffer
    /// holds.
    ///
    /// At most 32 datagrams are received at once, and no more than the length of the shorter slice.
    ///
    /// # Errors
    ///
    /// `InvalidInput` if `metas` or the slice of buffers is empty; the system's error.
    ///
    /// # Cancel safety
    ///
    /// Nothing is lost.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::io::IoSliceMut;
    ///
    /// use reveille::net::{Datagram, DatagramMeta, UdpSocket};
    ///
    /// # fn main() -> std::io::Result<()> {
    /// reveille::task::block_on(async {
    ///     let receiver = UdpSocket::bind("127.0.0.1:0").await?;
    ///     let sender = UdpSocket::bind("127.0.0.1:0").await?;
    ///     sender.connect(receiver.local_addr()?).await?;
    ///     let two = [Datagram::new(b"one"), Datagram::new(b"three")];
    ///     assert_eq!(sender.send_many(&two).await?, 2);
    ///
    ///     let (mut first, mut second) = ([0; 16], [0; 16]);
    ///     let mut bufs = [IoSliceMut::new(&mut first), IoSliceMut::new(&mut second)];
    ///     let mut metas = [DatagramMeta::default(); 2];
    ///     let count = receiver.recv_many(&mut bufs, &mut metas).await?;
    ///     assert!(count >= 1);
    ///     assert_eq!(&bufs[0][..metas[0].len], b"one");
    ///     Ok(())
    /// })
    /// # }
    /// ```
    #[doc(alias = "recvmmsg")]
    pub async fn recv_many(
        &self,
        bufs: &mut [IoSliceMut<'_>],
        metas: &mut [DatagramMeta],
    ) -> io::Result<usize> {
        check(bufs.len().min(metas.len()), "receive")?;
        self.io
            .io(Interest::Read, |socket| datagrams::recv(socket, bufs, metas))
            .await
            .context(|| "could not receive datagrams".to_owned())
    }

    /// Like [`recv_many`](UdpSocket::recv_many), for the poll function of a future of your own.
    ///
    /// # Errors
    ///
    /// As for [`recv_many`](UdpSocket::recv_many).
    ///
    /// # Examples
    ///
    /// ```
    /// use std::future::poll_fn;
    /// use std::io::IoSliceMut;
    ///
    /// use reveille::net::{DatagramMeta, UdpSocket};
    ///
    /// # fn main() -> std::io::Result<()> {
    /// reveille::task::block_on(async {
    ///     let socket = UdpSocket::bind("127.0.0.1:0").await?;
    ///     socket.send_to(b"ping", socket.local_addr()?).await?;
    ///     let mut buf = [0; 16];
    ///     let (mut bufs, mut metas) = ([IoSliceMut::new(&mut buf)], [DatagramMeta::default()]);
    ///     poll_fn(|cx| socket.poll_recv_many(cx, &mut bufs, &mut metas)).await?;
    ///     assert_eq!(metas[0].len, 4);
    ///     Ok(())
    /// })
    /// # }
    /// ```
    pub fn poll_recv_many(
        &self,
        cx: &mut Context<'_>,
        bufs: &mut [IoSliceMut<'_>],
        metas: &mut [DatagramMeta],
    ) -> Poll<io::Result<usize>> {
        check(bufs.len().min(metas.len()), "receive")?;
        self.io.poll_io(cx, Interest::Read, |socket| datagrams::recv(socket, bufs, metas))
    }

    /// Sends datagrams in order and returns how many were sent: at least one. Call it again with
    /// the rest. At most 32 are sent at once.
    ///
    /// # Errors
    ///
    /// `InvalidInput` if there is no datagram. The system's error if the first cannot be sent: it
    /// is too long (`EMSGSIZE`), or an earlier one was refused (`ConnectionRefused`). If a later
    /// one cannot be sent, this returns the number of those before it, and the next call returns
    /// the error.
    ///
    /// # Cancel safety
    ///
    /// If the future is dropped, no datagram was sent. On systems other than Linux, some segments
    /// of the first one may have been sent; the next call sends them again.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::num::NonZeroU16;
    ///
    /// use reveille::net::{Datagram, UdpSocket};
    ///
    /// # fn main() -> std::io::Result<()> {
    /// reveille::task::block_on(async {
    ///     let receiver = UdpSocket::bind("127.0.0.1:0").await?;
    ///     let sender = UdpSocket::bind("127.0.0.1:0").await?;
    ///     let four = NonZeroU16::new(4).unwrap();
    ///     let two = Datagram::new(b"pingpong").segments_of(four).to(receiver.local_addr()?);
    ///     assert_eq!(sender.send_many(&[two]).await?, 1);
    ///
    ///     let mut buf = [0; 16];
    ///     assert_eq!(receiver.recv(&mut buf).await?, 4);
    ///     assert_eq!(receiver.recv(&mut buf).await?, 4);
    ///     assert_eq!(&buf[..4], b"pong");
    ///     Ok(())
    /// })
    /// # }
    /// ```
    #[doc(alias = "sendmmsg")]
    pub async fn send_many(&self, datagrams: &[Datagram<'_>]) -> io::Result<usize> {
        check(datagrams.len(), "send")?;
        self.io
            .io(Interest::Write, |socket| datagrams::send(socket, datagrams))
            .await
            .context(|| "could not send datagrams".to_owned())
    }

    /// Like [`send_many`](UdpSocket::send_many), for the poll function of a future of your own.
    ///
    /// # Errors
    ///
    /// As for [`send_many`](UdpSocket::send_many).
    ///
    /// # Examples
    ///
    /// ```
    /// use std::future::poll_fn;
    ///
    /// use reveille::net::{Datagram, UdpSocket};
    ///
    /// # fn main() -> std::io::Result<()> {
    /// reveille::task::block_on(async {
    ///     let socket = UdpSocket::bind("127.0.0.1:0").await?;
    ///     let pings = [Datagram::new(b"ping").to(socket.local_addr()?); 3];
    ///     let sent = poll_fn(|cx| socket.poll_send_many(cx, &pings)).await?;
    ///     assert!(sent >= 1);
    ///     Ok(())
    /// })
    /// # }
    /// ```
    pub fn poll_send_many(
        &self,
        cx: &mut Context<'_>,
        datagrams: &[Datagram<'_>],
    ) -> Poll<io::Result<usize>> {
        check(datagrams.len(), "send")?;
        self.io.poll_io(cx, Interest::Write, |socket| datagrams::send(socket, datagrams))
    }

    /// Sets whether the kernel may put several datagrams of one sender into one buffer (GRO), which
    /// saves work for each of them.
    ///
    /// If so, receive only with [`recv_many`](UdpSocket::recv_many), into buffers of 64 KiB.
    /// [`DatagramMeta::segment_len`] tells you where each datagram ends; the other functions return
    /// several datagrams as one.
    ///
    /// # Errors
    ///
    /// `Unsupported` on systems other than Linux; the system's error before Linux 5.0.
    ///
    /// # Examples
    ///
    /// ```
    /// use reveille::net::UdpSocket;
    ///
    /// # fn main() -> std::io::Result<()> {
    /// reveille::task::block_on(async {
    ///     let socket = UdpSocket::bind("127.0.0.1:0").await?;
    ///     if let Err(error) = socket.set_merges(true) {
    ///         eprintln!("one datagram at a time: {error}");
    ///     }
    ///     Ok(())
    /// })
    /// # }
    /// ```
    #[doc(alias("GRO", "UDP_GRO"))]
    pub fn set_merges(&self, on: bool) -> io::Result<()> {
        datagrams::set_merges(self.io.get_ref(), on)
    }
}

/// Refuses a call without buffers or datagrams, which would wait and transfer nothing.
fn check(count: usize, verb: &str) -> io::Result<()> {
    if count == 0 {
        let message = format!("there is no datagram to {verb}");
        return Err(io::Error::new(io::ErrorKind::InvalidInput, message));
    }
    Ok(())
}

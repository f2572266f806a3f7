//! A UDP socket.

use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};

use reveille_runtime::io::{Interest, Io};

use super::{ToSocketAddrs, first_success};
use crate::io::context::Context as _;

pub use many::{Datagram, DatagramMeta};

mod many;
mod ready;

/// A UDP socket, which sends and receives datagrams.
///
/// After [`bind`](UdpSocket::bind) it communicates with any address, by
/// [`send_to`](UdpSocket::send_to) and [`recv_from`](UdpSocket::recv_from). After
/// [`connect`](UdpSocket::connect) it also communicates with one address, by
/// [`send`](UdpSocket::send) and [`recv`](UdpSocket::recv). Any number of tasks may use it at the
/// same time.
///
/// # Examples
///
/// ```
/// use reveille::net::UdpSocket;
/// use reveille::task;
///
/// # fn main() -> std::io::Result<()> {
/// task::block_on(async {
///     let server = UdpSocket::bind("127.0.0.1:0").await?;
///     let client = UdpSocket::bind("127.0.0.1:0").await?;
///
///     client.send_to(b"marco", server.local_addr()?).await?;
///     let mut buf = [0; 1500];
///     let (len, peer) = server.recv_from(&mut buf).await?;
///     assert_eq!(&buf[..len], b"marco");
///     server.send_to(b"polo", peer).await?;
///     assert_eq!(client.recv_from(&mut buf).await?.0, 4);
///     Ok(())
/// })
/// # }
/// ```
#[derive(Debug)]
pub struct UdpSocket {
    io: Io<std::net::UdpSocket>,
}

impl UdpSocket {
    /// Binds to the first address that is available. Addresses are tried one after the other.
    ///
    /// With port 0 the system chooses a free port; see [`local_addr`](UdpSocket::local_addr).
    ///
    /// # Errors
    ///
    /// ``could not bind to `address`: …``, with the kind and the text of the last address's error.
    /// `InvalidInput` if there is no address. If a name does not resolve, see [`ToSocketAddrs`].
    ///
    /// # Cancel safety
    ///
    /// If the future is dropped, no address is bound.
    ///
    /// # Examples
    ///
    /// ```
    /// use reveille::net::UdpSocket;
    ///
    /// # fn main() -> std::io::Result<()> {
    /// reveille::task::block_on(async {
    ///     let socket = UdpSocket::bind("127.0.0.1:0").await?;
    ///     assert_ne!(socket.local_addr()?.port(), 0);
    ///     Ok(())
    /// })
    /// # }
    /// ```
    pub async fn bind<A: ToSocketAddrs>(addrs: A) -> io::Result<UdpSocket> {
        let addresses = addrs.to_socket_addrs().await?;
        first_success(addresses, async |address| {
            bind_one(address).named(|| format!("could not bind to `{address}`"))
        })
        .await
    }

    /// Returns the address that the socket is connected to.
    ///
    /// # Errors
    ///
    /// ``could not get peer address``, with the system's error as the source. The kind is
    /// `NotConnected` if the socket is not connected.
    ///
    /// # Examples
    ///
    /// ```
    /// use reveille::net::UdpSocket;
    ///
    /// # fn main() -> std::io::Result<()> {
    /// reveille::task::block_on(async {
    ///     let a = UdpSocket::bind("127.0.0.1:0").await?;
    ///     let b = UdpSocket::bind("127.0.0.1:0").await?;
    ///     assert!(a.peer_addr().is_err());
    ///     a.connect(b.local_addr()?).await?;
    ///     assert_eq!(a.peer_addr()?, b.local_addr()?);
    ///     Ok(())
    /// })
    /// # }
    /// ```
    pub fn peer_addr(&self) -> io::Result<SocketAddr> {
        self.io.get_ref().peer_addr().context(|| "could not get peer address".to_owned())
    }

    /// Returns the local address, with the port that the system chose.
    ///
    /// # Errors
    ///
    /// ``could not get local address``, with the system's error as the source.
    ///
    /// # Examples
    ///
    /// ```
    /// use reveille::net::UdpSocket;
    ///
    /// # fn main() -> std::io::Result<()> {
    /// reveille::task::block_on(async {
    ///     let socket = UdpSocket::bind("127.0.0.1:0").await?;
    ///     assert!(socket.local_addr()?.ip().is_loopback());
    ///     Ok(())
    /// })
    /// # }
    /// ```
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.io.get_ref().local_addr().context(|| "could not get local address".to_owned())
    }

    /// Sends a datagram to the first address and returns its length in bytes.
    ///
    /// # Errors
    ///
    /// ``could not send packet to address``, with the system's error as the source, for example if
    /// the datagram is too long. `InvalidInput` if there is no address.
    ///
    /// # Cancel safety
    ///
    /// If the future is dropped before it completes, nothing was sent.
    ///
    /// # Examples
    ///
    /// ```
    /// use reveille::net::UdpSocket;
    ///
    /// # fn main() -> std::io::Result<()> {
    /// reveille::task::block_on(async {
    ///     let a = UdpSocket::bind("127.0.0.1:0").await?;
    ///     let b = UdpSocket::bind("127.0.0.1:0").await?;
    ///     assert_eq!(a.send_to(b"hi", b.local_addr()?).await?, 2);
    ///     Ok(())
    /// })
    /// # }
    /// ```
    pub async fn send_to<A: ToSocketAddrs>(&self, buf: &[u8], addrs: A) -> io::Result<usize> {
        let Some(address) = addrs.to_socket_addrs().await?.next() else {
            let message = "no addresses to send data to";
            return Err(io::Error::new(io::ErrorKind::InvalidInput, message));
        };
        self.io
            .io(Interest::Write, |socket| socket.send_to(buf, address))
            .await
            .context(|| format!("could not send packet to {address}"))
    }

    /// Waits for a datagram and returns its length and the address of the sender.
    ///
    /// Bytes that do not fit into `buf` are discarded. On Windows the call then fails with
    /// `WSAEMSGSIZE` (10040), although `buf` is filled.
    ///
    /// # Errors
    ///
    /// The system's error.
    ///
    /// # Cancel safety
    ///
    /// If the future is dropped, no datagram is lost.
    ///
    /// # Examples
    ///
    /// ```
    /// use reveille::net::UdpSocket;
    ///
    /// # fn main() -> std::io::Result<()> {
    /// reveille::task::block_on(async {
    ///     let a = UdpSocket::bind("127.0.0.1:0").await?;
    ///     let b = UdpSocket::bind("127.0.0.1:0").await?;
    ///     a.send_to(b"hi", b.local_addr()?).await?;
    ///     let mut buf = [0; 1500];
    ///     let (len, from) = b.recv_from(&mut buf).await?;
    ///     assert_eq!((&buf[..len], from), (&b"hi"[..], a.local_addr()?));
    ///     Ok(())
    /// })
    /// # }
    /// ```
    pub async fn recv_from(&self, buf: &mut [u8]) -> io::Result<(usize, SocketAddr)> {
        self.io.io(Interest::Read, |socket| socket.recv_from(buf)).await
    }

    /// Waits for a datagram without removing it from the queue, and returns its length and the
    /// address of the sender.
    ///
    /// # Errors
    ///
    /// The system's error.
    ///
    /// # Cancel safety
    ///
    /// Nothing is lost, because nothing is removed.
    ///
    /// # Examples
    ///
    /// ```
    /// use reveille::net::UdpSocket;
    ///
    /// # fn main() -> std::io::Result<()> {
    /// reveille::task::block_on(async {
    ///     let a = UdpSocket::bind("127.0.0.1:0").await?;
    ///     let b = UdpSocket::bind("127.0.0.1:0").await?;
    ///     a.send_to(b"hi", b.local_addr()?).await?;
    ///     let mut buf = [0; 1500];
    ///     assert_eq!(b.peek_from(&mut buf).await?, b.recv_from(&mut [0; 2]).await?);
    ///     Ok(())
    /// })
    /// # }
    /// ```
    pub async fn peek_from(&self, buf: &mut [u8]) -> io::Result<(usize, SocketAddr)> {
        self.io.io(Interest::Read, |socket| socket.peek_from(buf)).await
    }

    /// Connects to the first address that the system accepts: [`send`](UdpSocket::send) sends to
    /// it, and datagrams from other addresses are discarded. No packet is sent.
    ///
    /// # Errors
    ///
    /// ``could not connect to `address`: …``, with the kind and the text of the last address's
    /// error. `InvalidInput` if there is no address. If a name does not resolve, see
    /// [`ToSocketAddrs`].
    ///
    /// # Cancel safety
    ///
    /// If the future is dropped, the socket may or may not be connected.
    ///
    /// # Examples
    ///
    /// ```
    /// use reveille::net::UdpSocket;
    ///
    /// # fn main() -> std::io::Result<()> {
    /// reveille::task::block_on(async {
    ///     let a = UdpSocket::bind("127.0.0.1:0").await?;
    ///     let b = UdpSocket::bind("127.0.0.1:0").await?;
    ///     a.connect(b.local_addr()?).await?;
    ///     a.send(b"hi").await?;
    ///     assert_eq!(b.recv(&mut [0; 2]).await?, 2);
    ///     Ok(())
    /// })
    /// # }
    /// ```
    pub async fn connect<A: ToSocketAddrs>(&self, addrs: A) -> io::Result<()> {
        let addresses =
            addrs.to_socket_addrs().await.context(|| "could not resolve addresses".to_owned())?;
        first_success(addresses, async |address| {
            let result = self.io.get_ref().connect(address);
            result.named(|| format!("could not connect to `{address}`"))
        })
        .await
    }

    /// Sends a datagram to the connected address and returns its length in bytes.
    ///
    /// # Errors
    ///
    /// The system's error, such as `ConnectionRefused` if an earlier datagram found no receiver.
    ///
    /// # Cancel safety
    ///
    /// If the future is dropped before it completes, nothing was sent.
    ///
    /// # Examples
    ///
    /// ```
    /// use reveille::net::UdpSocket;
    ///
    /// # fn main() -> std::io::Result<()> {
    /// reveille::task::block_on(async {
    ///     let a = UdpSocket::bind("127.0.0.1:0").await?;
    ///     let b = UdpSocket::bind("127.0.0.1:0").await?;
    ///     assert!(a.send(b"to whom?").await.is_err());
    ///     a.connect(b.local_addr()?).await?;
    ///     assert_eq!(a.send(b"hi").await?, 2);
    ///     Ok(())
    /// })
    /// # }
    /// ```
    pub async fn send(&self, buf: &[u8]) -> io::Result<usize> {
        self.io.io(Interest::Write, |socket| socket.send(buf)).await
    }

    /// Waits for a datagram from the connected address and returns its length.
    ///
    /// Bytes that do not fit into `buf` are discarded. On Windows the call then fails with
    /// `WSAEMSGSIZE` (10040), although `buf` is filled.
    ///
    /// # Errors
    ///
    /// The system's error, such as `ConnectionRefused` if an earlier datagram found no receiver.
    ///
    /// # Cancel safety
    ///
    /// If the future is dropped, no datagram is lost.
    ///
    /// # Examples
    ///
    /// ```
    /// use reveille::net::UdpSocket;
    ///
    /// # fn main() -> std::io::Result<()> {
    /// reveille::task::block_on(async {
    ///     let a = UdpSocket::bind("127.0.0.1:0").await?;
    ///     let b = UdpSocket::bind("127.0.0.1:0").await?;
    ///     b.connect(a.local_addr()?).await?;
    ///     a.send_to(b"four and more", b.local_addr()?).await?;
    ///
    ///     let mut buf = [0; 4];
    ///     assert_eq!(b.recv(&mut buf).await?, 4);
    ///     assert_eq!(&buf, b"four"); // the rest of this datagram is gone
    ///     Ok(())
    /// })
    /// # }
    /// ```
    pub async fn recv(&self, buf: &mut [u8]) -> io::Result<usize> {
        self.io.io(Interest::Read, |socket| socket.recv(buf)).await
    }

    /// Waits for a datagram without removing it from the queue, and returns its length.
    ///
    /// # Errors
    ///
    /// The system's error.
    ///
    /// # Cancel safety
    ///
    /// Nothing is lost, because nothing is removed.
    ///
    /// # Examples
    ///
    /// ```
    /// use reveille::net::UdpSocket;
    ///
    /// # fn main() -> std::io::Result<()> {
    /// reveille::task::block_on(async {
    ///     let a = UdpSocket::bind("127.0.0.1:0").await?;
    ///     let b = UdpSocket::bind("127.0.0.1:0").await?;
    ///     b.connect(a.local_addr()?).await?;
    ///     a.send_to(b"hi", b.local_addr()?).await?;
    ///     assert_eq!(b.peek(&mut [0; 8]).await?, 2);
    ///     assert_eq!(b.recv(&mut [0; 8]).await?, 2);
    ///     Ok(())
    /// })
    /// # }
    /// ```
    pub async fn peek(&self, buf: &mut [u8]) -> io::Result<usize> {
        self.io.io(Interest::Read, |socket| socket.peek(buf)).await
    }

    /// Returns whether sending to broadcast addresses is allowed (`SO_BROADCAST`).
    ///
    /// # Errors
    ///
    /// The system's error.
    ///
    /// # Examples
    ///
    /// ```
    /// use reveille::net::UdpSocket;
    ///
    /// # fn main() -> std::io::Result<()> {
    /// reveille::task::block_on(async {
    ///     let socket = UdpSocket::bind("127.0.0.1:0").await?;
    ///     assert!(!socket.broadcast()?); // must be allowed first
    ///     Ok(())
    /// })
    /// # }
    /// ```
    pub fn broadcast(&self) -> io::Result<bool> {
        self.io.get_ref().broadcast()
    }

    /// Sets whether sending to broadcast addresses is allowed (`SO_BROADCAST`).
    ///
    /// # Errors
    ///
    /// The system's error.
    ///
    /// # Examples
    ///
    /// ```
    /// use reveille::net::UdpSocket;
    ///
    /// # fn main() -> std::io::Result<()> {
    /// reveille::task::block_on(async {
    ///     let socket = UdpSocket::bind("127.0.0.1:0").await?;
    ///     socket.set_broadcast(true)?;
    ///     assert!(socket.broadcast()?);
    ///     Ok(())
    /// })
    /// # }
    /// ```
    pub fn set_broadcast(&self, on: bool) -> io::Result<()> {
        self.io.get_ref().set_broadcast(on)
    }

    /// Returns whether multicast datagrams are looped back to this machine (`IP_MULTICAST_LOOP`).
    ///
    /// # Errors
    ///
    /// The system's error.
    ///
    /// # Examples
    ///
    /// ```
    /// use reveille::net::UdpSocket;
    ///
    /// # fn main() -> std::io::Result<()> {
    /// reveille::task::block_on(async {
    ///     let socket = UdpSocket::bind("127.0.0.1:0").await?;
    ///     assert!(socket.multicast_loop_v4()?); // the default of the system
    ///     Ok(())
    /// })
    /// # }
    /// ```
    pub fn multicast_loop_v4(&self) -> io::Result<bool> {
        self.io.get_ref().multicast_loop_v4()
    }

    /// Sets whether multicast datagrams are looped back to this machine (`IP_MULTICAST_LOOP`).
    ///
    /// # Errors
    ///
    /// The system's error.
    ///
    /// # Examples
    ///
    /// ```
    /// use reveille::net::UdpSocket;
    ///
    /// # fn main() -> std::io::Result<()> {
    /// reveille::task::block_on(async {
    ///     let socket = UdpSocket::bind("127.0.0.1:0").await?;
    ///     socket.set_multicast_loop_v4(false)?;
    ///     assert!(!socket.multicast_loop_v4()?);
    ///     Ok(())
    /// })
    /// # }
    /// ```
    pub fn set_multicast_loop_v4(&self, on: bool) -> io::Result<()> {
        self.io.get_ref().set_multicast_loop_v4(on)
    }

    /// Returns the time-to-live of multicast datagrams, in hops (`IP_MULTICAST_TTL`).
    ///
    /// # Errors
    ///
    /// The system's error.
    ///
    /// # Examples
    ///
    /// ```
    /// use reveille::net::UdpSocket;
    ///
    /// # fn main() -> std::io::Result<()> {
    /// reveille::task::block_on(async {
    ///     let socket = UdpSocket::bind("127.0.0.1:0").await?;
    ///     assert_eq!(socket.multicast_ttl_v4()?, 1); // not beyond this network
    ///     Ok(())
    /// })
    /// # }
    /// ```
    pub fn multicast_ttl_v4(&self) -> io::Result<u32> {
        self.io.get_ref().multicast_ttl_v4()
    }

    /// Sets the time-to-live of multicast datagrams, in hops (`IP_MULTICAST_TTL`).
    ///
    /// # Errors
    ///
    /// The system's error.
    ///
    /// # Examples
    ///
    /// ```
    /// use reveille::net::UdpSocket;
    ///
    /// # fn main() -> std::io::Result<()> {
    /// reveille::task::block_on(async {
    ///     let socket = UdpSocket::bind("127.0.0.1:0").await?;
    ///     socket.set_multicast_ttl_v4(4)?;
    ///     assert_eq!(socket.multicast_ttl_v4()?, 4);
    ///     Ok(())
    /// })
    /// # }
    /// ```
    pub fn set_multicast_ttl_v4(&self, ttl: u32) -> io::Result<()> {
        self.io.get_ref().set_multicast_ttl_v4(ttl)
    }

    /// Returns whether multicast datagrams are looped back to this machine (`IPV6_MULTICAST_LOOP`).
    ///
    /// # Errors
    ///
    /// The system's error.
    ///
    /// # Examples
    ///
    /// ```
    /// use reveille::net::UdpSocket;
    ///
    /// # fn main() -> std::io::Result<()> {
    /// reveille::task::block_on(async {
    ///     let Ok(socket) = UdpSocket::bind("[::1]:0").await else {
    ///         return Ok(()); // A machine without IPv6.
    ///     };
    ///     assert!(socket.multicast_loop_v6()?); // the default of the system
    ///     Ok(())
    /// })
    /// # }
    /// ```
    pub fn multicast_loop_v6(&self) -> io::Result<bool> {
        self.io.get_ref().multicast_loop_v6()
    }

    /// Sets whether multicast datagrams are looped back to this machine (`IPV6_MULTICAST_LOOP`).
    ///
    /// # Errors
    ///
    /// The system's error.
    ///
    /// # Examples
    ///
    /// ```
    /// use reveille::net::UdpSocket;
    ///
    /// # fn main() -> std::io::Result<()> {
    /// reveille::task::block_on(async {
    ///     let Ok(socket) = UdpSocket::bind("[::1]:0").await else {
    ///         return Ok(()); // A machine without IPv6.
    ///     };
    ///     socket.set_multicast_loop_v6(false)?;
    ///     assert!(!socket.multicast_loop_v6()?);
    ///     Ok(())
    /// })
    /// # }
    /// ```
    pub fn set_multicast_loop_v6(&self, on: bool) -> io::Result<()> {
        self.io.get_ref().set_multicast_loop_v6(on)
    }

    /// Returns the time-to-live of datagrams, in hops (`IP_TTL`).
    ///
    /// # Errors
    ///
    /// The system's error.
    ///
    /// # Examples
    ///
    /// ```
    /// use reveille::net::UdpSocket;
    ///
    /// # fn main() -> std::io::Result<()> {
    /// reveille::task::block_on(async {
    ///     let socket = UdpSocket::bind("127.0.0.1:0").await?;
    ///     assert!(socket.ttl()? > 0);
    ///     Ok(())
    /// })
    /// # }
    /// ```
    pub fn ttl(&self) -> io::Result<u32> {
        self.io.get_ref().ttl()
    }

    /// Sets the time-to-live of datagrams, in hops (`IP_TTL`).
    ///
    /// # Errors
    ///
    /// The system's error.
    ///
    /// # Examples
    ///
    /// ```
    /// use reveille::net::UdpSocket;
    ///
    /// # fn main() -> std::io::Result<()> {
    /// reveille::task::block_on(async {
    ///     let socket = UdpSocket::bind("127.0.0.1:0").await?;
    ///     socket.set_ttl(100)?;
    ///     assert_eq!(socket.ttl()?, 100);
    ///     Ok(())
    /// })
    /// # }
    /// ```
    pub fn set_ttl(&self, ttl: u32) -> io::Result<()> {
        self.io.get_ref().set_ttl(ttl)
    }

    /// Joins a multicast group on the interface with the address `interface`. If that is
    /// unspecified, the system chooses one.
    ///
    /// # Errors
    ///
    /// The system's error.
    ///
    /// # Examples
    ///
    /// ```
    /// use reveille::net::{Ipv4Addr, UdpSocket};
    ///
    /// # fn main() -> std::io::Result<()> {
    /// reveille::task::block_on(async {
    ///     let socket = UdpSocket::bind("0.0.0.0:0").await?;
    ///     let (group, any) = (Ipv4Addr::new(239, 255, 0, 1), Ipv4Addr::UNSPECIFIED);
    ///     if socket.join_multicast_v4(group, any).is_ok() {
    ///         socket.leave_multicast_v4(group, any)?;
    ///     }
    ///     Ok(())
    /// })
    /// # }
    /// ```
    pub fn join_multicast_v4(&self, multiaddr: Ipv4Addr, interface: Ipv4Addr) -> io::Result<()> {
        self.io.get_ref().join_multicast_v4(&multiaddr, &interface)
    }

    /// Joins a multicast group on the interface with the index `interface`. If that is zero, the
    /// system chooses one.
    ///
    /// # Errors
    ///
    /// The system's error.
    ///
    /// # Examples
    ///
    /// ```
    /// use reveille::net::{Ipv6Addr, UdpSocket};
    ///
    /// # fn main() -> std::io::Result<()> {
    /// reveille::task::block_on(async {
    ///     let Ok(socket) = UdpSocket::bind("[::]:0").await else {
    ///         return Ok(()); // A machine without IPv6.
    ///     };
    ///     let group = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 0x123);
    ///     if socket.join_multicast_v6(&group, 0).is_ok() {
    ///         socket.leave_multicast_v6(&group, 0)?;
    ///     }
    ///     Ok(())
    /// })
    /// # }
    /// ```
    pub fn join_multicast_v6(&self, multiaddr: &Ipv6Addr, interface: u32) -> io::Result<()> {
        self.io.get_ref().join_multicast_v6(multiaddr, interface)
    }

    /// Leaves a multicast group on the interface with the address `interface`. If that is
    /// unspecified, the system chooses one.
    ///
    /// # Errors
    ///
    /// The system's error.
    ///
    /// # Examples
    ///
    /// ```
    /// use reveille::net::{Ipv4Addr, UdpSocket};
    ///
    /// # fn main() -> std::io::Result<()> {
    /// reveille::task::block_on(async {
    ///     let socket = UdpSocket::bind("0.0.0.0:0").await?;
    ///     let (group, any) = (Ipv4Addr::new(239, 255, 0, 2), Ipv4Addr::UNSPECIFIED);
    ///     assert!(socket.leave_multicast_v4(group, any).is_err()); // it is not a member
    ///     Ok(())
    /// })
    /// # }
    /// ```
    pub fn leave_multicast_v4(&self, multiaddr: Ipv4Addr, interface: Ipv4Addr) -> io::Result<()> {
        self.io.get_ref().leave_multicast_v4(&multiaddr, &interface)
    }

    /// Leaves a multicast group on the interface with the index `interface`. If that is zero, the
    /// system chooses one.
    ///
    /// # Errors
    ///
    /// The system's error.
    ///
    /// # Examples
    ///
    /// ```
    /// use reveille::net::{Ipv6Addr, UdpSocket};
    ///
    /// # fn main() -> std::io::Result<()> {
    /// reveille::task::block_on(async {
    ///     let Ok(socket) = UdpSocket::bind("[::]:0").await else {
    ///         return Ok(()); // A machine without IPv6.
    ///     };
    ///     let group = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 0x124);
    ///     assert!(socket.leave_multicast_v6(&group, 0).is_err()); // it is not a member
    ///     Ok(())
    /// })
    /// # }
    /// ```
    pub fn leave_multicast_v6(&self, multiaddr: &Ipv6Addr, interface: u32) -> io::Result<()> {
        self.io.get_ref().leave_multicast_v6(multiaddr, interface)
    }

    /// Returns and clears the pending error of the socket (`SO_ERROR`).
    ///
    /// # Errors
    ///
    /// The system's error, if the option cannot be read.
    ///
    /// # Examples
    ///
    /// ```
    /// use reveille::net::UdpSocket;
    ///
    /// # fn main() -> std::io::Result<()> {
    /// reveille::task::block_on(async {
    ///     let socket = UdpSocket::bind("127.0.0.1:0").await?;
    ///     assert!(socket.take_error()?.is_none());
    ///     Ok(())
    /// })
    /// # }
    /// ```
    pub fn take_error(&self) -> io::Result<Option<io::Error>> {
        self.io.get_ref().take_error()
    }

    /// Returns a second handle to the same socket.
    ///
    /// # Errors
    ///
    /// The system's error, for example if no descriptor is left.
    ///
    /// # Examples
    ///
    /// ```
    /// use reveille::net::UdpSocket;
    ///
    /// # fn main() -> std::io::Result<()> {
    /// reveille::task::block_on(async {
    ///     let a = UdpSocket::bind("127.0.0.1:0").await?;
    ///     let b = UdpSocket::bind("127.0.0.1:0").await?;
    ///     let sender = a.try_clone()?;
    ///     sender.send_to(b"hi", b.local_addr()?).await?;
    ///     assert_eq!(b.recv_from(&mut [0; 2]).await?, (2, a.local_addr()?));
    ///     Ok(())
    /// })
    /// # }
    /// ```
    pub fn try_clone(&self) -> io::Result<UdpSocket> {
        Ok(UdpSocket { io: Io::new(self.io.get_ref().try_clone()?) })
    }

    pub(crate) fn as_std(&self) -> &std::net::UdpSocket {
        self.io.get_ref()
    }

    /// Returns the socket, still non-blocking.
    pub(crate) fn into_std(self) -> io::Result<std::net::UdpSocket> {
        self.io.into_inner()
    }
}

fn bind_one(address: SocketAddr) -> io::Result<UdpSocket> {
    let socket = std::net::UdpSocket::bind(address)?;
    socket.set_nonblocking(true)?;
    Ok(UdpSocket { io: Io::new(socket) })
}

impl From<std::net::UdpSocket> for UdpSocket {
    /// Sets the socket to non-blocking mode, for every handle that shares it.
    ///
    /// # Panics
    ///
    /// Panics if the system refuses that, which it does only if the descriptor is not an open
    /// socket.
    fn from(socket: std::net::UdpSocket) -> UdpSocket {
        socket.set_nonblocking(true).expect("a UdpSocket is an open socket");
        UdpSocket { io: Io::new(socket) }
    }
}

impl TryFrom<UdpSocket> for std::net::UdpSocket {
    type Error = io::Error;

    /// Returns the socket in blocking mode.
    fn try_from(socket: UdpSocket) -> io::Result<std::net::UdpSocket> {
        let socket = socket.into_std()?;
        socket.set_nonblocking(false)?;
        Ok(socket)
    }
}

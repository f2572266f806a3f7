//! Conversion of names and addresses to socket addresses.

use std::fmt;
use std::future::Future;
use std::io;
use std::iter::Cloned;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV4, SocketAddrV6};
use std::pin::Pin;
use std::task::{Context, Poll};
use std::{mem, option, slice, vec};

use reveille_runtime::{JoinHandle, spawn_plain};

use crate::io::context::Context as _;

/// A value that names one or more socket addresses.
///
/// Addresses, pairs of a host and a port, and text like `"example.org:80"` or `"[::1]:80"`
/// implement it. An address, as data or as text, is converted on the spot. Host names are resolved
/// by the system on the blocking pool.
///
/// # Errors
///
/// A name that does not resolve gives ``could not resolve address `"x"` ``, with the kind of the
/// system's error, which is the source. An empty list is not an error here; connecting or binding
/// to it is `InvalidInput`.
///
/// # Cancel safety
///
/// If the future is dropped, the lookup continues on its thread and its result is discarded.
///
/// # Examples
///
/// ```
/// use reveille::net::ToSocketAddrs;
/// use reveille::task;
///
/// # fn main() -> std::io::Result<()> {
/// task::block_on(async {
///     let mut spelled_out = "127.0.0.1:8080".to_socket_addrs().await?;
///     assert_eq!(spelled_out.next(), Some(([127, 0, 0, 1], 8080).into()));
///
///     let mut looked_up = ("localhost", 8080).to_socket_addrs().await?;
///     assert!(looked_up.all(|address| address.ip().is_loopback()));
///     Ok(())
/// })
/// # }
/// ```
#[doc(alias("lookup_host", "resolve"))]
pub trait ToSocketAddrs {
    /// The addresses.
    type Iter: Iterator<Item = SocketAddr>;

    /// Resolves the addresses.
    ///
    /// # Examples
    ///
    /// ```
    /// use reveille::net::{Ipv6Addr, ToSocketAddrs};
    ///
    /// # fn main() -> std::io::Result<()> {
    /// reveille::task::block_on(async {
    ///     let mut addresses = (Ipv6Addr::LOCALHOST, 53).to_socket_addrs().await?;
    ///     assert_eq!(addresses.next(), "[::1]:53".parse().ok());
    ///     Ok(())
    /// })
    /// # }
    /// ```
    fn to_socket_addrs(&self) -> ToSocketAddrsFuture<Self::Iter>;
}

/// The future of [`ToSocketAddrs::to_socket_addrs`].
#[doc(hidden)]
#[must_use = "futures do nothing unless you `.await` or poll them"]
pub enum ToSocketAddrsFuture<I> {
    Resolving(JoinHandle<io::Result<I>>),
    Ready(io::Result<I>),
    Done,
}

impl<I> Unpin for ToSocketAddrsFuture<I> {}

impl<I> fmt::Debug for ToSocketAddrsFuture<I> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ToSocketAddrsFuture").finish_non_exhaustive()
    }
}

impl<I: Iterator<Item = SocketAddr>> Future for ToSocketAddrsFuture<I> {
    type Output = io::Result<I>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.get_mut();
        if let ToSocketAddrsFuture::Resolving(task) = this {
            let poll = Pin::new(task).poll(cx);
            if poll.is_ready() {
                *this = ToSocketAddrsFuture::Done;
            }
            return poll;
        }
        match mem::replace(this, ToSocketAddrsFuture::Done) {
            ToSocketAddrsFuture::Ready(result) => Poll::Ready(result),
            _ => panic!("an address lookup was polled after it was ready"),
        }
    }
}

fn one(address: SocketAddr) -> ToSocketAddrsFuture<option::IntoIter<SocketAddr>> {
    ToSocketAddrsFuture::Ready(Ok(Some(address).into_iter()))
}

fn spelled_out(address: SocketAddr) -> ToSocketAddrsFuture<vec::IntoIter<SocketAddr>> {
    ToSocketAddrsFuture::Ready(Ok(vec![address].into_iter()))
}

/// Resolves a name on the blocking pool. `name` is what error messages call it: the address in its
/// `Debug` form, as in async-std.
fn look_up<A>(address: A, name: String) -> ToSocketAddrsFuture<vec::IntoIter<SocketAddr>>
where
    A: std::net::ToSocketAddrs<Iter = vec::IntoIter<SocketAddr>> + Send + 'static,
{
    ToSocketAddrsFuture::Resolving(spawn_plain(move || {
        address.to_socket_addrs().context(|| format!("could not resolve address `{name}`"))
    }))
}

impl ToSocketAddrs for SocketAddr {
    type Iter = option::IntoIter<SocketAddr>;

    fn to_socket_addrs(&self) -> ToSocketAddrsFuture<Self::Iter> {
        one(*self)
    }
}

impl ToSocketAddrs for SocketAddrV4 {
    type Iter = option::IntoIter<SocketAddr>;

    fn to_socket_addrs(&self) -> ToSocketAddrsFuture<Self::Iter> {
        one((*self).into())
    }
}

impl ToSocketAddrs for SocketAddrV6 {
    type Iter = option::IntoIter<SocketAddr>;

    fn to_socket_addrs(&self) -> ToSocketAddrsFuture<Self::Iter> {
        one((*self).into())
    }
}

impl ToSocketAddrs for (IpAddr, u16) {
    type Iter = option::IntoIter<SocketAddr>;

    fn to_socket_addrs(&self) -> ToSocketAddrsFuture<Self::Iter> {
        one((*self).into())
    }
}

impl ToSocketAddrs for (Ipv4Addr, u16) {
    type Iter = option::IntoIter<SocketAddr>;

    fn to_socket_addrs(&self) -> ToSocketAddrsFuture<Self::Iter> {
        one((*self).into())
    }
}

impl ToSocketAddrs for (Ipv6Addr, u16) {
    type Iter = option::IntoIter<SocketAddr>;

    fn to_socket_addrs(&self) -> ToSocketAddrsFuture<Self::Iter> {
        one((*self).into())
    }
}

impl ToSocketAddrs for (&str, u16) {
    type Iter = vec::IntoIter<SocketAddr>;

    fn to_socket_addrs(&self) -> ToSocketAddrsFuture<Self::Iter> {
        let (host, port) = *self;
        match host.parse::<IpAddr>() {
            Ok(ip) => spelled_out((ip, port).into()),
            Err(_) => look_up((host.to_owned(), port), format!("{:?}", (host, port))),
        }
    }
}

impl ToSocketAddrs for (String, u16) {
    type Iter = vec::IntoIter<SocketAddr>;

    fn to_socket_addrs(&self) -> ToSocketAddrsFuture<Self::Iter> {
        (self.0.as_str(), self.1).to_socket_addrs()
    }
}

impl ToSocketAddrs for str {
    type Iter = vec::IntoIter<SocketAddr>;

    fn to_socket_addrs(&self) -> ToSocketAddrsFuture<Self::Iter> {
        match self.parse() {
            Ok(address) => spelled_out(address),
            Err(_) => look_up(self.to_owned(), format!("{self:?}")),
        }
    }
}

impl ToSocketAddrs for String {
    type Iter = vec::IntoIter<SocketAddr>;

    fn to_socket_addrs(&self) -> ToSocketAddrsFuture<Self::Iter> {
        self.as_str().to_socket_addrs()
    }
}

impl<'a> ToSocketAddrs for &'a [SocketAddr] {
    type Iter = Cloned<slice::Iter<'a, SocketAddr>>;

    fn to_socket_addrs(&self) -> ToSocketAddrsFuture<Self::Iter> {
        ToSocketAddrsFuture::Ready(Ok(self.iter().cloned()))
    }
}

impl<T: ToSocketAddrs + ?Sized> ToSocketAddrs for &T {
    type Iter = T::Iter;

    fn to_socket_addrs(&self) -> ToSocketAddrsFuture<Self::Iter> {
        (**self).to_socket_addrs()
    }
}

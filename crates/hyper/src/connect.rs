//! Connectors for hyper-util's pooled client.

use std::fmt;
use std::future::{Future, poll_fn};
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use hyper::Uri;
use reveille::net::{TcpSocket, TcpStream, ToSocketAddrs};
use reveille::time::{Sleep, timeout};

use crate::HyperIo;

/// How long an attempt runs alone before the next address is tried as well, as RFC 8305 recommends.
const ATTEMPT_DELAY: Duration = Duration::from_millis(250);

/// The [`TcpConnector`] with its default options.
///
/// # Examples
///
/// ```
/// use http_body_util::Empty;
/// use hyper::body::Bytes;
/// use hyper_util::client::legacy::Client;
/// use reveille_hyper::{ReveilleConnector, ReveilleExecutor, ReveilleTimer};
///
/// let client: Client<_, Empty<Bytes>> =
///     Client::builder(ReveilleExecutor).pool_timer(ReveilleTimer).build(ReveilleConnector);
/// # drop(client);
/// ```
#[derive(Debug, Clone, Copy, Default)]
pub struct ReveilleConnector;

impl tower_service::Service<Uri> for ReveilleConnector {
    type Response = HyperIo<TcpStream>;
    type Error = io::Error;
    type Future = Connecting;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, uri: Uri) -> Connecting {
        TcpConnector::new().call(uri)
    }
}

/// The future of a connection that is being made.
type Connecting = Pin<Box<dyn Future<Output = io::Result<HyperIo<TcpStream>>> + Send>>;

/// Sets options of a socket before it connects.
type Configure = dyn Fn(&TcpSocket) -> io::Result<()> + Send + Sync;

/// Connects hyper-util's client over TCP.
///
/// All addresses of the host are tried, IPv6 and IPv4 by turns, beginning with the family that the
/// lookup returned first. The next attempt begins when one has failed, or after 250 ms without an
/// answer. The first connection that succeeds is used, and the other attempts are dropped (RFC
/// 8305). Small writes are sent at once (`TCP_NODELAY`).
///
/// # Errors
///
/// A connection fails with an error that names the host or the address: `InvalidInput` for a URI
/// without a host or with a scheme other than `http`, `TimedOut` after the
/// [limit](TcpConnector::connect_timeout), and otherwise the error of the last address.
///
/// # Examples
///
/// ```
/// use std::time::Duration;
///
/// use http_body_util::Empty;
/// use hyper::body::Bytes;
/// use hyper_util::client::legacy::Client;
/// use reveille_hyper::{ReveilleExecutor, TcpConnector};
///
/// let connector = TcpConnector::new().connect_timeout(Duration::from_secs(5));
/// let client: Client<_, Empty<Bytes>> = Client::builder(ReveilleExecutor).build(connector);
/// # drop(client);
/// ```
#[derive(Clone)]
#[doc(alias = "HttpConnector")]
pub struct TcpConnector {
    timeout: Option<Duration>,
    is_http_only: bool,
    configure: Option<Arc<Configure>>,
}

impl TcpConnector {
    /// A connector without a time limit of its own, for `http` only.
    ///
    /// # Examples
    ///
    /// ```
    /// let connector = reveille_hyper::TcpConnector::new();
    /// # drop(connector);
    /// ```
    pub fn new() -> TcpConnector {
        TcpConnector { timeout: None, is_http_only: true, configure: None }
    }

    /// Sets a time limit for the lookup of the name and all attempts together. Default: no limit.
    /// The system then gives up by itself, on Linux after two minutes for each address.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// use reveille_hyper::TcpConnector;
    ///
    /// let connector = TcpConnector::new().connect_timeout(Duration::from_secs(5));
    /// # drop(connector);
    /// ```
    #[must_use]
    pub fn connect_timeout(mut self, limit: Duration) -> TcpConnector {
        self.timeout = Some(limit);
        self
    }

    /// Sets whether a URI has to have the scheme `http`. Default: yes, so that a request for an
    /// `https` URI is not sent unencrypted. A TLS connector that wraps this one needs `false`.
    ///
    /// # Examples
    ///
    /// ```
    /// let below_tls = reveille_hyper::TcpConnector::new().enforce_http(false);
    /// # drop(below_tls);
    /// ```
    #[must_use]
    pub fn enforce_http(mut self, is_http_only: bool) -> TcpConnector {
        self.is_http_only = is_http_only;
        self
    }

    /// Sets a closure that sets options of each socket before it connects, such as a source address
    /// or keep-alive. If it returns an error, the attempt fails.
    ///
    /// # Examples
    ///
    /// ```
    /// use reveille_hyper::TcpConnector;
    ///
    /// let connector = TcpConnector::new().socket_options(|socket| socket.set_keep_alive(true));
    /// # drop(connector);
    /// ```
    #[must_use]
    pub fn socket_options(
        mut self,
        configure: impl Fn(&TcpSocket) -> io::Result<()> + Send + Sync + 'static,
    ) -> TcpConnector {
        self.configure = Some(Arc::new(configure));
        self
    }

    async fn connect(self, uri: Uri) -> io::Result<HyperIo<TcpStream>> {
        let (host, port) = self.target(&uri)?;
        let connecting = self.connect_host(&host, port);
        let Some(limit) = self.timeout else { return connecting.await };
        timeout(limit, connecting).await.unwrap_or_else(|_| {
            let message = format!("could not connect to `{host}:{port}` within {limit:?}");
            Err(io::Error::new(io::ErrorKind::TimedOut, message))
        })
    }

    /// The host and the port of a URI.
    fn target(&self, uri: &Uri) -> io::Result<(String, u16)> {
        let refuse = |why| {
            let message = format!("could not connect to `{uri}`: {why}");
            Err(io::Error::new(io::ErrorKind::InvalidInput, message))
        };
        let scheme = uri.scheme_str();
        if self.is_http_only && scheme != Some("http") {
            return refuse("its scheme is not http");
        }
        let Some(host) = uri.host().filter(|host| !host.is_empty()) else {
            return refuse("it has no host");
        };
        let default_port = if scheme == Some("https") { 443 } else { 80 };
        // In a URI, an IPv6 address is in brackets.
        let host = host.trim_matches(['[', ']']).to_owned();
        Ok((host, uri.port_u16().unwrap_or(default_port)))
    }

    async fn connect_host(&self, host: &str, port: u16) -> io::Result<HyperIo<TcpStream>> {
        let addresses: Vec<SocketAddr> = (host, port).to_socket_addrs().await?.collect();
        let attempt = |address| Box::pin(attempt(address, self.configure.clone())) as Pin<Box<_>>;
        let stream = first_of(by_turns(addresses), attempt).await.unwrap_or_else(|| {
            let message = format!("could not connect to `{host}:{port}`: it has no address");
            Err(io::Error::new(io::ErrorKind::NotFound, message))
        })?;
        Ok(HyperIo(stream))
    }
}

impl Default for TcpConnector {
    fn default() -> TcpConnector {
        TcpConnector::new()
    }
}

impl fmt::Debug for TcpConnector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TcpConnector")
            .field("timeout", &self.timeout)
            .field("is_http_only", &self.is_http_only)
            .field("has_socket_options", &self.configure.is_some())
            .finish()
    }
}

impl tower_service::Service<Uri> for TcpConnector {
    type Response = HyperIo<TcpStream>;
    type Error = io::Error;
    type Future = Connecting;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, uri: Uri) -> Connecting {
        Box::pin(self.clone().connect(uri))
    }
}

async fn attempt(address: SocketAddr, configure: Option<Arc<Configure>>) -> io::Result<TcpStream> {
    let Some(configure) = configure else {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        return Ok(stream);
    };
    let socket = TcpSocket::new_for(address)?;
    socket.set_nodelay(true)?;
    configure(&socket).map_err(|error| {
        let message = format!("could not set options of a socket to `{address}`: {error}");
        io::Error::new(error.kind(), message)
    })?;
    socket.connect(address).await
}

/// Orders addresses so that the families alternate, beginning with that of the first address.
fn by_turns(addresses: Vec<SocketAddr>) -> Vec<SocketAddr> {
    let is_v6_first = addresses.first().is_some_and(SocketAddr::is_ipv6);
    let count = addresses.len();
    let (first, second): (Vec<_>, Vec<_>) =
        addresses.into_iter().partition(|address| address.is_ipv6() == is_v6_first);
    let (mut first, mut second) = (first.into_iter(), second.into_iter());
    let mut ordered = Vec::with_capacity(count);
    while ordered.len() < count {
        ordered.extend(first.next());
        ordered.extend(second.next());
    }
    ordered
}

/// Starts the attempts one by one: the next begins when one has failed, or [`ATTEMPT_DELAY`] after
/// the previous one began. Returns the first success or the last error, and `None` if there are no
/// addresses.
async fn first_of<T>(
    addresses: Vec<SocketAddr>,
    mut start: impl FnMut(SocketAddr) -> Pin<Box<dyn Future<Output = io::Result<T>> + Send>>,
) -> Option<io::Result<T>> {
    let mut addresses = addresses.into_iter();
    let mut attempts = Vec::new();
    let mut next_start = Sleep::never();
    let mut last_error = None;
    poll_fn(|cx| {
        loop {
            let mut has_failed = false;
            let mut index = 0;
            while index < attempts.len() {
                let attempt: &mut Pin<Box<dyn Future<Output = _> + Send>> = &mut attempts[index];
                match attempt.as_mut().poll(cx) {
                    Poll::Ready(Ok(connection)) => return Poll::Ready(Some(Ok(connection))),
                    Poll::Ready(Err(error)) => {
                        last_error = Some(error);
                        has_failed = true;
                        drop(attempts.swap_remove(index));
                    }
                    Poll::Pending => index += 1,
                }
            }
            let starts =
                has_failed || attempts.is_empty() || Pin::new(&mut next_start).poll(cx).is_ready();
            if !starts {
                return Poll::Pending;
            }
            match addresses.next() {
                Some(address) => {
                    attempts.push(start(address));
                    next_start.reset_after(ATTEMPT_DELAY);
                }
                None if attempts.is_empty() => return Poll::Ready(last_error.take().map(Err)),
                None => {
                    next_start = Sleep::never();
                    return Poll::Pending;
                }
            }
        }
    })
    .await
}

#[cfg(test)]
mod tests {
    use std::net::{Ipv4Addr, Ipv6Addr};
    use std::sync::atomic::{AtomicUsize, Ordering};

    use reveille::task::block_on;

    use super::*;

    type Attempt = Pin<Box<dyn Future<Output = io::Result<u16>> + Send>>;

    fn v4(port: u16) -> SocketAddr {
        (Ipv4Addr::LOCALHOST, port).into()
    }

    fn v6(port: u16) -> SocketAddr {
        (Ipv6Addr::LOCALHOST, port).into()
    }

    #[test]
    fn families_take_turns_and_the_first_begins() {
        assert_eq!(by_turns(vec![]), []);
        assert_eq!(by_turns(vec![v6(1), v6(2), v6(3), v4(4)]), [v6(1), v4(4), v6(2), v6(3)]);
        assert_eq!(by_turns(vec![v4(1), v6(2), v6(3)]), [v4(1), v6(2), v6(3)]);
    }

    #[test]
    fn an_address_that_never_answers_does_not_hold_up_the_next() {
        let connected = first_of(vec![v6(1), v4(2)], |address| -> Attempt {
            match address.port() {
                1 => Box::pin(std::future::pending()),
                port => Box::pin(async move { Ok(port) }),
            }
        });
        assert_eq!(block_on(connected).unwrap().unwrap(), 2);
    }

    #[test]
    fn a_failure_starts_the_next_attempt_at_once_and_the_last_error_is_returned() {
        let started = AtomicUsize::new(0);
        let refused = first_of(vec![v6(1), v4(2), v4(3)], |address| -> Attempt {
            started.fetch_add(1, Ordering::Relaxed);
            let port = address.port();
            Box::pin(async move { Err(io::Error::other(format!("refused {port}"))) })
        });
        let error = block_on(refused).unwrap().unwrap_err();
        assert_eq!(error.to_string(), "refused 3");
        assert_eq!(started.into_inner(), 3);
        assert!(block_on(first_of(vec![], |_| -> Attempt { unreachable!() })).is_none());
    }

    #[test]
    fn a_slow_first_attempt_may_still_win() {
        let connected = first_of(vec![v6(1), v4(2)], |address| -> Attempt {
            let port = address.port();
            match port {
                1 => Box::pin(async move {
                    reveille::task::sleep(2 * ATTEMPT_DELAY).await;
                    Ok(port)
                }),
                _ => Box::pin(async move { Err(io::Error::other("refused")) }),
            }
        });
        assert_eq!(block_on(connected).unwrap().unwrap(), 1);
    }

    #[test]
    fn uris_that_cannot_be_connected_to_are_refused_by_name() {
        let target = |connector: TcpConnector, uri: &str| connector.target(&uri.parse().unwrap());
        let plain = TcpConnector::new();
        let error = target(plain.clone(), "https://example.org/").unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::InvalidInput);
        assert!(error.to_string().contains("https://example.org/"), "{error}");
        assert!(target(plain.clone(), "/path").is_err());
        assert!(target(plain.clone().enforce_http(false), "/path").is_err());
        assert_eq!(target(plain.clone(), "http://[::1]/").unwrap(), ("::1".to_owned(), 80));
        let https = target(plain.enforce_http(false), "https://a/").unwrap();
        assert_eq!(https, ("a".to_owned(), 443));
    }
}

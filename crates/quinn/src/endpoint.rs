//! Endpoints on reveille.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use quinn::{Endpoint, EndpointConfig, ServerConfig};
use socket2::{Domain, Protocol, Socket, Type};

use crate::ReveilleRuntime;

/// Binds an endpoint that only opens connections, as `quinn::Endpoint::client` does. Its tasks run
/// on the current runtime; outside of a runtime on the global one.
///
/// `address` is the local one. With `0.0.0.0:0` or `[::]:0` the system chooses; an IPv6 endpoint
/// reaches IPv4 peers too, where the system allows that. Before it can connect, the endpoint needs
/// a configuration: see [`Endpoint::set_default_client_config`].
///
/// # Errors
///
/// ``could not bind a QUIC endpoint to `address`: …``, with the kind of the system's error, for
/// example if the address is taken or no descriptor is left.
///
/// # Examples
///
/// ```
/// use std::net::Ipv6Addr;
///
/// # fn main() -> std::io::Result<()> {
/// # if std::net::UdpSocket::bind("[::]:0").is_err() { return Ok(()) }
/// let endpoint = reveille_quinn::client((Ipv6Addr::UNSPECIFIED, 0).into())?;
/// assert_ne!(endpoint.local_addr()?.port(), 0);
/// # Ok(())
/// # }
/// ```
pub fn client(address: SocketAddr) -> io::Result<Endpoint> {
    bind(None, address)
}

/// Binds an endpoint that accepts connections, and opens them too, as `quinn::Endpoint::server`
/// does. Its tasks run on the current runtime; outside of a runtime on the global one.
///
/// An endpoint at an IPv6 wildcard address serves IPv4 peers too, where the system allows that.
///
/// # Errors
///
/// As for [`client`].
///
/// # Examples
///
/// ```
/// use quinn::ServerConfig;
/// use rustls::pki_types::PrivatePkcs8KeyDer;
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let key = rcgen::generate_simple_self_signed(["localhost".to_owned()])?;
/// let private = PrivatePkcs8KeyDer::from(key.signing_key.serialize_der());
/// let config = ServerConfig::with_single_cert(vec![key.cert.der().clone()], private.into())?;
/// let endpoint = reveille_quinn::server(config, "127.0.0.1:0".parse()?)?;
/// assert_ne!(endpoint.local_addr()?.port(), 0);
/// # Ok(())
/// # }
/// ```
pub fn server(config: ServerConfig, address: SocketAddr) -> io::Result<Endpoint> {
    bind(Some(config), address)
}

fn bind(config: Option<ServerConfig>, address: SocketAddr) -> io::Result<Endpoint> {
    let runtime = Arc::new(ReveilleRuntime::current());
    socket(address)
        .and_then(|socket| Endpoint::new(EndpointConfig::default(), config, socket, runtime))
        .map_err(|error| {
            let message = format!("could not bind a QUIC endpoint to `{address}`: {error}");
            io::Error::new(error.kind(), message)
        })
}

fn socket(address: SocketAddr) -> io::Result<std::net::UdpSocket> {
    let socket = Socket::new(Domain::for_address(address), Type::DGRAM, Some(Protocol::UDP))?;
    if address.is_ipv6() {
        // The default differs between systems, and some refuse a socket for both.
        let _ = socket.set_only_v6(false);
    }
    socket.bind(&address.into())?;
    Ok(socket.into())
}

//! rustls: TLS over reveille's sockets, on both sides, by futures-rustls.
//!
//! The streams of futures-rustls take any stream with the traits of futures-io, which reveille's
//! sockets implement. Closing the writer sends TLS's close_notify and the end of the TCP stream.
//! Crates with streams of tokio (tokio-rustls) need `tokio_util::compat` or the feature `tokio1`.

use std::error::Error;
use std::sync::Arc;

use futures_rustls::pki_types::{PrivatePkcs8KeyDer, ServerName};
use futures_rustls::rustls::{ClientConfig, RootCertStore, ServerConfig};
use futures_rustls::{TlsAcceptor, TlsConnector};
use reveille::net::{TcpListener, TcpStream};
use reveille::prelude::*;
use reveille::task;

type Failure = Box<dyn Error + Send + Sync>;

#[reveille::main]
async fn main() -> Result<(), Failure> {
    let (server, client) = configs()?;
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    let serving = task::spawn(serve(listener, TlsAcceptor::from(Arc::new(server))));

    let stream = TcpStream::connect(address).await?;
    let name = ServerName::try_from("localhost")?;
    let mut stream = TlsConnector::from(Arc::new(client)).connect(name, stream).await?;
    stream.write_all(b"hello").await?;
    stream.close().await?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await?;
    assert_eq!(answer, "hello");
    serving.await?;
    println!("{answer}, by {:?}", stream.get_ref().1.negotiated_cipher_suite());
    Ok(())
}

/// Sends back all that the first client sends.
async fn serve(listener: TcpListener, acceptor: TlsAcceptor) -> Result<(), Failure> {
    let (stream, _) = listener.accept().await?;
    let mut stream = acceptor.accept(stream).await?;
    let mut message = Vec::new();
    // An error if the client ends the stream without close_notify.
    stream.read_to_end(&mut message).await?;
    stream.write_all(&message).await?;
    stream.close().await?;
    Ok(())
}

/// A server with a new certificate, and a client that trusts no other.
fn configs() -> Result<(ServerConfig, ClientConfig), Failure> {
    let key = rcgen::generate_simple_self_signed(["localhost".to_owned()])?;
    let certificate = key.cert.der().clone();
    let mut roots = RootCertStore::empty();
    roots.add(certificate.clone())?;
    let private = PrivatePkcs8KeyDer::from(key.signing_key.serialize_der()).into();
    let server = ServerConfig::builder().with_no_client_auth();
    let client = ClientConfig::builder().with_root_certificates(roots).with_no_client_auth();
    Ok((server.with_single_cert(vec![certificate], private)?, client))
}

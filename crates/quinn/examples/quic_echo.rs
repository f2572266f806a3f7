//! A QUIC server that sends each stream back, and a client with many streams at once.
//!
//! ```text
//! cargo run --release -p reveille-quinn --example quic_echo
//! cargo run --release -p reveille-quinn --example quic_echo -- 500
//! ```
//!
//! The argument is the number of streams. Both endpoints are in this process, on 127.0.0.1, with a
//! certificate that is made at the start.

use std::error::Error;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use quinn::{ClientConfig, Connection, Endpoint, Incoming, ServerConfig};
use reveille::task;
use rustls::pki_types::PrivatePkcs8KeyDer;

type Failure = Box<dyn Error + Send + Sync>;

const LOOPBACK: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 0);

/// The most bytes of one stream that either side reads into memory.
const MESSAGE_MAX_BYTES: usize = 1 << 20;

#[reveille::main]
async fn main() -> Result<(), Failure> {
    let streams = std::env::args().nth(1).map_or(Ok(100), |count| count.parse::<usize>())?;
    let (server, client) = configs()?;
    let server = reveille_quinn::server(server, LOOPBACK)?;
    let address = server.local_addr()?;
    let serving = task::spawn(serve(server.clone()));

    let endpoint = reveille_quinn::client(LOOPBACK)?;
    let connection = endpoint.connect_with(client, address, "localhost")?.await?;
    println!("connected to {address}");

    // The server allows 100 streams at a time. The others wait in `open_bi`.
    let echoes: Vec<_> =
        (0..streams).map(|n| task::spawn(echo(connection.clone(), n * 100))).collect();
    let mut bytes = 0;
    for echo in echoes {
        bytes += echo.await?;
    }
    println!("{streams} streams, {bytes} bytes each way");

    // Tells the server, and waits until that has been sent.
    connection.close(0u32.into(), b"done");
    endpoint.wait_idle().await;
    server.close(0u32.into(), b"done");
    serving.await;
    Ok(())
}

/// Sends `len` bytes on a stream of their own, and compares what comes back.
async fn echo(connection: Connection, len: usize) -> Result<usize, Failure> {
    let message = vec![b'.'; len];
    let (mut send, mut recv) = connection.open_bi().await?;
    send.write_all(&message).await?;
    send.finish()?;
    let answer = recv.read_to_end(MESSAGE_MAX_BYTES).await?;
    if answer != message {
        return Err(format!("{len} bytes were sent, and {} others returned", answer.len()).into());
    }
    Ok(len)
}

async fn serve(endpoint: Endpoint) {
    // `None` when the endpoint is closed.
    while let Some(incoming) = endpoint.accept().await {
        task::spawn(async move {
            if let Err(error) = answer(incoming).await {
                eprintln!("a connection failed: {error}");
            }
        });
    }
    endpoint.wait_idle().await;
}

async fn answer(incoming: Incoming) -> Result<(), Failure> {
    let connection = incoming.await?;
    // An error when the peer has closed the connection.
    while let Ok((mut send, mut recv)) = connection.accept_bi().await {
        task::spawn(async move {
            let message = recv.read_to_end(MESSAGE_MAX_BYTES).await?;
            send.write_all(&message).await?;
            send.finish()?;
            Ok::<(), Failure>(())
        });
    }
    Ok(())
}

/// A server with a new certificate, and a client that trusts no other.
fn configs() -> Result<(ServerConfig, ClientConfig), Failure> {
    let key = rcgen::generate_simple_self_signed(["localhost".to_owned()])?;
    let certificate = key.cert.der().clone();
    let mut roots = rustls::RootCertStore::empty();
    roots.add(certificate.clone())?;
    let private = PrivatePkcs8KeyDer::from(key.signing_key.serialize_der());
    let server = ServerConfig::with_single_cert(vec![certificate], private.into())?;
    Ok((server, ClientConfig::with_root_certificates(Arc::new(roots))?))
}

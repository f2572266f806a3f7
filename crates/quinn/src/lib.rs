//! QUIC on the reveille runtime: [quinn](https://docs.rs/quinn) with reveille's tasks, timers and
//! UDP sockets.
//!
//! | part | for |
//! |---|---|
//! | [`ReveilleRuntime`] | quinn's trait `Runtime`, for an endpoint on a socket of your own |
//! | `client`, `server` | endpoints on reveille, in place of quinn's own functions for them |
//!
//! Everything else is quinn's own API. No runtime of tokio is started, and no thread is added.
//! (quinn uses tokio's channels, so the crate `tokio` is in the tree. Depend on quinn with
//! `default-features = false`, or else tokio's driver is compiled too.)
//!
//! Datagrams are sent and received in batches where the system can (GSO, GRO and `recvmmsg` on
//! Linux), by quinn-udp.
//!
//! # Examples
//!
//! A server with a certificate of its own, and a client that trusts it:
//!
//! ```
//! use std::error::Error;
//! use std::net::Ipv4Addr;
//! use std::sync::Arc;
//!
//! use quinn::{ClientConfig, Connection, ServerConfig};
//! use reveille::task;
//! use rustls::pki_types::PrivatePkcs8KeyDer;
//!
//! async fn echo(connection: Connection) -> Result<(), Box<dyn Error + Send + Sync>> {
//!     let (mut send, mut recv) = connection.accept_bi().await?;
//!     send.write_all(&recv.read_to_end(1024).await?).await?;
//!     send.finish()?;
//!     connection.closed().await;
//!     Ok(())
//! }
//!
//! # fn main() -> Result<(), Box<dyn Error + Send + Sync>> {
//! task::block_on(async {
//!     let key = rcgen::generate_simple_self_signed(["localhost".to_owned()])?;
//!     let certificate = key.cert.der().clone();
//!     let mut roots = rustls::RootCertStore::empty();
//!     roots.add(certificate.clone())?;
//!     let private = PrivatePkcs8KeyDer::from(key.signing_key.serialize_der());
//!     let config = ServerConfig::with_single_cert(vec![certificate], private.into())?;
//!
//!     let server = reveille_quinn::server(config, (Ipv4Addr::LOCALHOST, 0).into())?;
//!     let address = server.local_addr()?;
//!     let answering = task::spawn(async move {
//!         let incoming = server.accept().await.expect("the endpoint is open");
//!         echo(incoming.await?).await
//!     });
//!
//!     let mut client = reveille_quinn::client((Ipv4Addr::LOCALHOST, 0).into())?;
//!     client.set_default_client_config(ClientConfig::with_root_certificates(Arc::new(roots))?);
//!     let connection = client.connect(address, "localhost")?.await?;
//!     let (mut send, mut recv) = connection.open_bi().await?;
//!     send.write_all(b"hello").await?;
//!     send.finish()?;
//!     assert_eq!(recv.read_to_end(1024).await?, b"hello");
//!
//!     connection.close(0u32.into(), b"done");
//!     client.wait_idle().await;
//!     answering.await
//! })
//! # }
//! ```
//!
//! # Features
//!
//! | feature | default | effect |
//! |---|---|---|
//! | `rustls-ring` | yes | quinn's feature: TLS by rustls with ring; the functions `client` and `server` |
//!
//! Without it, choose quinn's cryptography yourself, for example with its feature
//! `rustls-aws-lc-rs`, and make endpoints with a [`ReveilleRuntime`]. Features only add items and
//! dependencies.
//!
//! # The end of a runtime
//! An endpoint belongs to the runtime on which it was made. When that runtime ends, the endpoint
//! and its connections are lost: their operations fail, on any runtime, and no new ones begin.
//! Accepting an [`Incoming`](quinn::Incoming) afterwards fails with `TimedOut`. (Without an idle
//! timeout in the server's configuration quinn cannot refuse it, and the connection never begins.)
//!
//! The peers are not told. They notice it by their idle timeout. So before you shut a runtime down,
//! close the endpoint and await [`wait_idle`](quinn::Endpoint::wait_idle).

#![cfg_attr(docsrs, feature(doc_cfg))]
#![forbid(unsafe_code)]

#[cfg(test)]
use reveille_watchdog as _;

mod driver;
#[cfg(feature = "rustls-ring")]
mod endpoint;
mod runtime;
mod socket;

#[cfg(feature = "rustls-ring")]
pub use endpoint::{client, server};
pub use runtime::ReveilleRuntime;

// The code of the README runs with the doc tests.
#[cfg(all(doctest, feature = "rustls-ring"))]
#[doc = include_str!("../README.md")]
struct Readme;

//! hyper 1 and axum on the reveille runtime.
//!
//! | part | for |
//! |---|---|
//! | [`ReveilleExecutor`], [`ReveilleLocalExecutor`] | hyper's background tasks |
//! | [`ReveilleTimer`] | hyper's time limits and keep-alive |
//! | [`HyperIo`] | any stream of reveille under hyper's traits |
//! | [`FuturesIo`], [`upgrade`] | upgraded connections, such as tunnels and WebSockets |
//! | `TcpConnector`, `ReveilleConnector`, `os::unix::UnixConnector` | the pooled client of hyper-util (feature `client`) |
//! | `serve`, `serve_with` | a server with graceful shutdown (feature `server`) |
//! | `serve_axum` | the same for axum (feature `axum`) |
//!
//! Everything runs on reveille: no runtime of tokio is started. (hyper uses tokio's channels, so
//! the crate `tokio` is in the tree.)
//!
//! # Examples
//!
//! A server, and a client for it:
//!
//! ```
//! use std::convert::Infallible;
//!
//! use http_body_util::{BodyExt, Full};
//! use hyper::body::{Bytes, Incoming};
//! use hyper::service::service_fn;
//! use hyper::{Request, Response};
//! use hyper_util::client::legacy::Client;
//! use reveille::net::TcpListener;
//! use reveille::task;
//! use reveille_hyper::{ReveilleConnector, ReveilleExecutor, serve};
//!
//! async fn echo(request: Request<Incoming>) -> Result<Response<Incoming>, Infallible> {
//!     Ok(Response::new(request.into_body()))
//! }
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! task::block_on(async {
//!     let listener = TcpListener::bind("127.0.0.1:0").await?;
//!     let address = listener.local_addr()?;
//!     let server = task::spawn(serve(listener, service_fn(echo)).into_future());
//!
//!     let client: Client<_, Full<Bytes>> =
//!         Client::builder(ReveilleExecutor).build(ReveilleConnector);
//!     let request = Request::post(format!("http://{address}/")).body(Full::from("hello"))?;
//!     let response = client.request(request).await?;
//!     assert_eq!(response.into_body().collect().await?.to_bytes(), "hello");
//!
//!     server.cancel().await;
//!     Ok(())
//! })
//! # }
//! ```
//!
//! # Features
//!
//! | feature | default | effect |
//! |---|---|---|
//! | `client` | yes | connectors for hyper-util's client |
//! | `server` | yes | `serve` and `serve_with`, for HTTP/1 and HTTP/2 |
//! | `axum` | no | `serve_axum` |
//!
//! Features only add items and dependencies.

#![cfg_attr(docsrs, feature(doc_cfg))]

#[cfg(test)]
use reveille_watchdog as _;

pub mod os;
pub mod upgrade;

#[cfg(feature = "axum")]
mod axum;
#[cfg(feature = "client")]
mod connect;
mod io;
mod rt;
#[cfg(feature = "server")]
mod serve;

#[cfg(feature = "axum")]
pub use crate::axum::{RouterService, serve_axum};
#[cfg(feature = "client")]
pub use connect::{ReveilleConnector, TcpConnector};
pub use io::{FuturesIo, HyperIo};
pub use rt::{ReveilleExecutor, ReveilleLocalExecutor, ReveilleTimer};
#[cfg(feature = "server")]
pub use serve::{Listener, Report, Serve, serve, serve_with};

// The code of the README runs with the doc tests.
#[cfg(all(doctest, feature = "axum"))]
#[doc = include_str!("../README.md")]
struct Readme;

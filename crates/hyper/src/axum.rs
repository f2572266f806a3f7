//! axum on reveille's own sockets.

use std::convert::Infallible;

use ::axum::Router;
use ::axum::body::Body;
use ::axum::extract::ConnectInfo;
use ::axum::routing::future::RouteFuture;
use hyper::body::Incoming;
use hyper::service::Service;
use hyper::{Request, Response};
use tower_service::Service as _;

use crate::{Listener, Serve, serve_with};

/// Serves an axum [`Router`] as [`serve`](crate::serve) serves a service of hyper. It replaces
/// `axum::serve`, which needs a runtime of tokio.
///
/// Handlers may extract the address of the peer as `ConnectInfo<SocketAddr>`, for a Unix listener
/// `ConnectInfo<reveille::os::unix::net::SocketAddr>`.
///
/// # Differences
///
/// Parts of axum that spawn tasks or sleep use tokio: `extract::ws` and the keep-alive of
/// `response::sse`. They work with reveille's feature `tokio1`.
///
/// # Examples
///
/// ```
/// use std::net::SocketAddr;
///
/// use axum::extract::ConnectInfo;
/// use axum::{Router, routing::get};
/// use reveille::net::{TcpListener, TcpStream};
/// use reveille::prelude::*;
/// use reveille::task;
///
/// async fn hello(ConnectInfo(peer): ConnectInfo<SocketAddr>) -> String {
///     format!("hello, {}", peer.ip())
/// }
///
/// # fn main() -> std::io::Result<()> {
/// task::block_on(async {
///     let listener = TcpListener::bind("127.0.0.1:0").await?;
///     let address = listener.local_addr()?;
///     let router = Router::new().route("/", get(hello));
///     let server = task::spawn(reveille_hyper::serve_axum(listener, router).into_future());
///
///     let mut client = TcpStream::connect(address).await?;
///     client.write_all(b"GET / HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").await?;
///     let mut response = String::new();
///     client.read_to_string(&mut response).await?;
///     assert!(response.ends_with("hello, 127.0.0.1"));
///     server.cancel().await;
///     Ok(())
/// })
/// # }
/// ```
pub fn serve_axum<L>(
    listener: L,
    router: Router,
) -> Serve<L, impl FnMut(&L::Addr) -> RouterService<L::Addr> + Send + 'static>
where
    L: Listener,
    L::Addr: Clone + Send + Sync + 'static,
{
    // Builds the routes once here, not for each request.
    let router = router.with_state(());
    serve_with(listener, move |peer: &L::Addr| RouterService {
        router: router.clone(),
        peer: ConnectInfo(peer.clone()),
    })
}

/// A router for one connection, as a service of hyper. Made by [`serve_axum`].
///
/// # Examples
///
/// ```
/// use reveille_hyper::RouterService;
///
/// fn is_send<T: Send>() {}
/// is_send::<RouterService<std::net::SocketAddr>>();
/// ```
#[derive(Debug, Clone)]
pub struct RouterService<A> {
    router: Router,
    peer: ConnectInfo<A>,
}

impl<A: Clone + Send + Sync + 'static> Service<Request<Incoming>> for RouterService<A> {
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = RouteFuture<Infallible>;

    fn call(&self, request: Request<Incoming>) -> RouteFuture<Infallible> {
        let mut request = request.map(Body::new);
        request.extensions_mut().insert(self.peer.clone());
        // A router is always ready.
        self.router.clone().call(request)
    }
}

//! A server for hyper's services: accepts connections, serves each in its own task, and completes
//! running requests before it ends.

use std::fmt;
use std::future::{Future, IntoFuture, poll_fn};
use std::io;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use http_body::Body;
use hyper::body::Incoming;
use hyper::service::Service;
use hyper::{Request, Response};
use hyper_util::server::conn::auto;
use log::{error, warn};
use reveille::task::{CancellationToken, JoinError, JoinSet};
use reveille::time::{Sleep, timeout};

use crate::{ReveilleExecutor, ReveilleTimer};
use connection::{BoxError, Shared, serve_connection};

pub use listener::Listener;

mod connection;
mod listener;

/// The default limit for the head of a request, as in hyper.
const HEADER_READ_TIMEOUT: Duration = Duration::from_secs(30);

/// The default grace time, which is that of common process managers.
const GRACE_TIME: Duration = Duration::from_secs(30);

/// How long idle connections stay open at the end by default. Requests that were sent before the
/// client could know of the end arrive within a round trip of the network.
const IDLE_GRACE_TIME: Duration = Duration::from_millis(50);

/// If two errors of `accept` come within this time, the server pauses.
const ERROR_INTERVAL: Duration = Duration::from_millis(10);

/// The length of that pause. reveille's own listeners wait as long when descriptors run out.
const ERROR_PAUSE: Duration = Duration::from_millis(50);

/// Errors of `accept` are logged at most this often.
const LOG_INTERVAL: Duration = Duration::from_secs(1);

/// Serves HTTP/1 and HTTP/2 on `listener` with clones of `service`. Await the result, or set its
/// options first.
///
/// Each connection has a task of its own. The version of HTTP is recognized from the first bytes;
/// upgrades work (see [`upgrade`](crate::upgrade)). See [`Serve`] for its end, its limits and its
/// errors.
///
/// # Examples
///
/// ```
/// use std::convert::Infallible;
///
/// use http_body_util::Full;
/// use hyper::body::{Bytes, Incoming};
/// use hyper::service::service_fn;
/// use hyper::{Request, Response};
/// use reveille::net::{TcpListener, TcpStream};
/// use reveille::prelude::*;
/// use reveille::sync::oneshot;
/// use reveille::task;
///
/// async fn hello(_: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
///     Ok(Response::new(Full::from("hello")))
/// }
///
/// # fn main() -> std::io::Result<()> {
/// task::block_on(async {
///     let listener = TcpListener::bind("127.0.0.1:0").await?;
///     let address = listener.local_addr()?;
///     let (stop, stopped) = oneshot::channel::<()>();
///     let server = reveille_hyper::serve(listener, service_fn(hello))
///         .with_graceful_shutdown(async { _ = stopped.await });
///     let server = task::spawn(server.into_future());
///
///     let mut client = TcpStream::connect(address).await?;
///     client.write_all(b"GET / HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").await?;
///     let mut response = String::new();
///     client.read_to_string(&mut response).await?;
///     assert!(response.ends_with("hello"));
///
///     drop(stop);
///     assert!(server.await.is_complete());
///     Ok(())
/// })
/// # }
/// ```
pub fn serve<L, S, B>(
    listener: L,
    service: S,
) -> Serve<L, impl FnMut(&L::Addr) -> S + Send + 'static>
where
    L: Listener,
    S: Service<Request<Incoming>, Response = Response<B>> + Clone + Send + 'static,
{
    serve_with(listener, move |_: &L::Addr| service.clone())
}

/// Like [`serve`], with a separate service for each connection, which `make` creates from the
/// peer's address.
///
/// # Examples
///
/// ```
/// use std::convert::Infallible;
/// use std::net::SocketAddr;
///
/// use hyper::body::Incoming;
/// use hyper::service::service_fn;
/// use hyper::{Request, Response};
/// use reveille::net::TcpListener;
///
/// async fn run(listener: TcpListener) {
///     let server = reveille_hyper::serve_with(listener, |peer: &SocketAddr| {
///         let peer = *peer;
///         service_fn(move |_: Request<Incoming>| async move {
///             Ok::<_, Infallible>(Response::new(format!("you are {peer}")))
///         })
///     });
///     server.await;
/// }
/// # let _ = run;
/// ```
pub fn serve_with<L, M, S>(listener: L, make: M) -> Serve<L, M>
where
    L: Listener,
    M: FnMut(&L::Addr) -> S + Send + 'static,
{
    let mut builder = auto::Builder::new(ReveilleExecutor);
    builder.http1().timer(ReveilleTimer);
    builder.http2().timer(ReveilleTimer);
    Serve {
        listener,
        make,
        builder,
        shutdown: None,
        grace_time: GRACE_TIME,
        idle_grace_time: IDLE_GRACE_TIME,
        header_read_timeout: Some(HEADER_READ_TIMEOUT),
        max_connections: usize::MAX,
    }
}

/// A server that has not started. It runs while it is awaited. Made by [`serve`], [`serve_with`]
/// and, with the feature `axum`, `serve_axum`.
///
/// # Errors
///
/// Only its [shutdown](Serve::with_graceful_shutdown) ends the server. Errors of a connection are
/// logged with the crate `log`, at the level `debug` if they concern the peer only. Errors of
/// `accept`, for example when no descriptor is left, are logged as warnings at most once a second,
/// and the server keeps accepting. If a service panics, its connection ends; with HTTP/2, only its
/// stream.
///
/// # Cancel safety
///
/// If the future is dropped, all connections are closed at once, even during a request.
///
/// # Examples
///
/// See [`serve`].
///
/// ```
/// use std::time::Duration;
///
/// use reveille::net::TcpListener;
/// # use hyper::{Request, Response, body::Incoming, service::service_fn};
/// # async fn hello(_: Request<Incoming>) -> Result<Response<String>, std::convert::Infallible> {
/// #     Ok(Response::new("hello".to_owned()))
/// # }
///
/// async fn run(listener: TcpListener) {
///     let report = reveille_hyper::serve(listener, service_fn(hello))
///         .with_graceful_shutdown(async { reveille::signal::ctrl_c().await.unwrap() })
///         .grace_time(Duration::from_secs(10))
///         .await;
///     println!("{report}");
/// }
/// # let _ = run;
/// ```
#[must_use = "a server runs only while it is awaited"]
pub struct Serve<L, M> {
    listener: L,
    make: M,
    builder: auto::Builder<ReveilleExecutor>,
    shutdown: Option<Pin<Box<dyn Future<Output = ()> + Send>>>,
    grace_time: Duration,
    idle_grace_time: Duration,
    header_read_timeout: Option<Duration>,
    max_connections: usize,
}

impl<L, M> Serve<L, M> {
    /// Sets a future that ends the server when it completes.
    ///
    /// The server then closes the listener, and after the
    /// [idle grace time](Serve::idle_grace_time) the idle connections. It answers requests that
    /// have begun, each as the last one of its connection. Connections that have not finished after
    /// the [grace time](Serve::grace_time) are closed. The server does not wait for upgraded
    /// connections, which belong to the program.
    ///
    /// # Examples
    ///
    /// See [`Serve`].
    ///
    /// ```
    /// # use reveille::net::TcpListener;
    /// # use hyper::{Request, Response, body::Incoming, service::service_fn};
    /// # async fn hello(_: Request<Incoming>) -> Result<Response<String>, std::fmt::Error> {
    /// #     Ok(Response::new("hello".to_owned()))
    /// # }
    /// # reveille::task::block_on(async {
    /// # let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    /// let server = reveille_hyper::serve(listener, service_fn(hello));
    /// let report = server.with_graceful_shutdown(std::future::ready(())).await;
    /// assert!(report.is_complete());
    /// # });
    /// ```
    pub fn with_graceful_shutdown(
        mut self,
        shutdown: impl Future<Output = ()> + Send + 'static,
    ) -> Serve<L, M> {
        self.shutdown = Some(Box::pin(shutdown));
        self
    }

    /// Sets how long connections may take to finish after the shutdown has begun. Default: 30
    /// seconds. `Duration::MAX` waits for all of them.
    ///
    /// # Examples
    ///
    /// See [`Serve`].
    ///
    /// ```
    /// # use hyper::{Request, Response, body::Incoming, service::service_fn};
    /// # async fn hello(_: Request<Incoming>) -> Result<Response<String>, std::fmt::Error> {
    /// #     Ok(Response::new("hello".to_owned()))
    /// # }
    /// # fn f(listener: reveille::net::TcpListener) {
    /// let server = reveille_hyper::serve(listener, service_fn(hello));
    /// let server = server.grace_time(std::time::Duration::from_secs(10));
    /// # drop(server);
    /// # }
    /// ```
    pub fn grace_time(mut self, limit: Duration) -> Serve<L, M> {
        self.grace_time = limit;
        self
    }

    /// Sets how long an idle connection stays open after the shutdown has begun. A request that was
    /// on its way is still answered, as the last one of its connection. Without this time, its
    /// client could not know whether the request was executed. Default: 50 ms; at most half of the
    /// [grace time](Serve::grace_time).
    ///
    /// # Examples
    ///
    /// ```
    /// # use hyper::{Request, Response, body::Incoming, service::service_fn};
    /// # async fn hello(_: Request<Incoming>) -> Result<Response<String>, std::fmt::Error> {
    /// #     Ok(Response::new("hello".to_owned()))
    /// # }
    /// # fn f(listener: reveille::net::TcpListener) {
    /// let server = reveille_hyper::serve(listener, service_fn(hello));
    /// // For clients on the other side of the world.
    /// let server = server.idle_grace_time(std::time::Duration::from_millis(500));
    /// # drop(server);
    /// # }
    /// ```
    pub fn idle_grace_time(mut self, limit: Duration) -> Serve<L, M> {
        self.idle_grace_time = limit;
        self
    }

    /// Sets how long the head of an HTTP/1 request may take. That includes the wait for the first
    /// byte, so it also limits how long a connection stays idle. Default: 30 seconds. `None` means
    /// no limit. The same limit applies to the handshake of a [`Listener`] and, with HTTP/2 too, to
    /// the time until the first request of a connection.
    ///
    /// # Examples
    ///
    /// ```
    /// # use hyper::{Request, Response, body::Incoming, service::service_fn};
    /// # async fn hello(_: Request<Incoming>) -> Result<Response<String>, std::fmt::Error> {
    /// #     Ok(Response::new("hello".to_owned()))
    /// # }
    /// # fn f(listener: reveille::net::TcpListener) {
    /// let server = reveille_hyper::serve(listener, service_fn(hello));
    /// let server = server.header_read_timeout(std::time::Duration::from_secs(5));
    /// # drop(server);
    /// # }
    /// ```
    pub fn header_read_timeout(mut self, limit: impl Into<Option<Duration>>) -> Serve<L, M> {
        self.header_read_timeout = limit.into();
        self
    }

    /// Sets how many connections are served at the same time. Others wait in the queue of the
    /// listener. Default: no limit.
    ///
    /// # Panics
    ///
    /// Panics if `count` is 0.
    ///
    /// # Examples
    ///
    /// ```
    /// # use hyper::{Request, Response, body::Incoming, service::service_fn};
    /// # async fn hello(_: Request<Incoming>) -> Result<Response<String>, std::fmt::Error> {
    /// #     Ok(Response::new("hello".to_owned()))
    /// # }
    /// # fn f(listener: reveille::net::TcpListener) {
    /// let server = reveille_hyper::serve(listener, service_fn(hello)).max_connections(10_000);
    /// # drop(server);
    /// # }
    /// ```
    pub fn max_connections(mut self, count: usize) -> Serve<L, M> {
        assert!(count > 0, "a server with 0 connections would serve nothing");
        self.max_connections = count;
        self
    }

    /// Passes hyper's options to `configure`: sizes of buffers, keep-alive of HTTP/2, one version
    /// of HTTP only, and others. Timers are set already; the limit for headers is
    /// [`header_read_timeout`](Serve::header_read_timeout), which replaces hyper's.
    ///
    /// # Examples
    ///
    /// ```
    /// # use hyper::{Request, Response, body::Incoming, service::service_fn};
    /// # async fn hello(_: Request<Incoming>) -> Result<Response<String>, std::fmt::Error> {
    /// #     Ok(Response::new("hello".to_owned()))
    /// # }
    /// # fn f(listener: reveille::net::TcpListener) {
    /// use std::time::Duration;
    ///
    /// let server = reveille_hyper::serve(listener, service_fn(hello)).configure(|builder| {
    ///     builder.http2().keep_alive_interval(Duration::from_secs(20));
    ///     builder.http1().max_buf_size(64 << 10);
    /// });
    /// # drop(server);
    /// # }
    /// ```
    pub fn configure(
        mut self,
        configure: impl FnOnce(&mut auto::Builder<ReveilleExecutor>),
    ) -> Serve<L, M> {
        configure(&mut self.builder);
        self
    }
}

impl<L, M, S, B> Serve<L, M>
where
    L: Listener,
    M: FnMut(&L::Addr) -> S + Send + 'static,
    S: Service<Request<Incoming>, Response = Response<B>> + Send + 'static,
    S::Future: Send + 'static,
    S::Error: Into<BoxError>,
    B: Body + Send + 'static,
    B::Data: Send,
    B::Error: Into<BoxError>,
{
    async fn run(mut self) -> Report {
        self.builder.http1().header_read_timeout(self.header_read_timeout);
        let shared = Arc::new(Shared {
            builder: self.builder,
            drain: CancellationToken::new(),
            first_request_limit: self.header_read_timeout,
            idle_grace_time: self.idle_grace_time.min(self.grace_time / 2),
        });
        let mut shutdown = self.shutdown.unwrap_or_else(|| Box::pin(std::future::pending()));
        let mut connections = Connections::new(self.max_connections);
        let mut errors = AcceptErrors::new();
        loop {
            let accepted = {
                let mut accept = pin!(self.listener.accept());
                poll_fn(|cx| {
                    if shutdown.as_mut().poll(cx).is_ready() {
                        return Poll::Ready(None);
                    }
                    ready!(connections.poll_room(cx));
                    ready!(errors.poll_pause(cx));
                    accept.as_mut().poll(cx).map(Some)
                })
                .await
            };
            match accepted {
                None => break,
                Some(Ok((opening, peer))) => {
                    let service = (self.make)(&peer);
                    connections.spawn(serve_connection(Arc::clone(&shared), opening, service));
                }
                Some(Err(error)) => errors.note(&error),
            }
        }
        // New connections are refused. Otherwise they would wait in a queue that nothing reads.
        drop(self.listener);
        shared.drain.cancel();
        connections.finish(self.grace_time).await
    }
}

impl<L, M, S, B> IntoFuture for Serve<L, M>
where
    L: Listener,
    M: FnMut(&L::Addr) -> S + Send + 'static,
    S: Service<Request<Incoming>, Response = Response<B>> + Send + 'static,
    S::Future: Send + 'static,
    S::Error: Into<BoxError>,
    B: Body + Send + 'static,
    B::Data: Send,
    B::Error: Into<BoxError>,
{
    type Output = Report;
    type IntoFuture = Pin<Box<dyn Future<Output = Report> + Send>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(self.run())
    }
}

impl<L: fmt::Debug, M> fmt::Debug for Serve<L, M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Serve")
            .field("listener", &self.listener)
            .field("builder", &self.builder)
            .field("has_shutdown", &self.shutdown.is_some())
            .field("grace_time", &self.grace_time)
            .field("idle_grace_time", &self.idle_grace_time)
            .field("header_read_timeout", &self.header_read_timeout)
            .field("max_connections", &self.max_connections)
            .finish_non_exhaustive()
    }
}

/// How a server ended.
///
/// # Examples
///
/// See [`serve`].
///
/// ```
/// use reveille_hyper::Report;
///
/// fn exit_code(report: &Report) -> i32 {
///     if report.is_complete() { 0 } else { 1 }
/// }
/// # let _ = exit_code;
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Report {
    /// The number of connections that the server has accepted.
    pub accepted: u64,
    /// The number of connections that were still open after the grace time and were closed.
    pub aborted: usize,
}

impl Report {
    /// Whether all connections finished within the grace time.
    ///
    /// # Examples
    ///
    /// See [`serve`].
    ///
    /// ```
    /// fn warn_of(report: &reveille_hyper::Report) {
    ///     if !report.is_complete() {
    ///         eprintln!("{report}");
    ///     }
    /// }
    /// # let _ = warn_of;
    /// ```
    #[must_use]
    pub fn is_complete(&self) -> bool {
        self.aborted == 0
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Report { accepted, aborted } = self;
        write!(f, "{accepted} connections accepted, {aborted} aborted at the end")
    }
}

/// The tasks of the connections.
struct Connections {
    tasks: JoinSet<()>,
    max: usize,
    accepted: u64,
}

impl Connections {
    fn new(max: usize) -> Connections {
        Connections { tasks: JoinSet::new(), max, accepted: 0 }
    }

    fn spawn(&mut self, connection: impl Future<Output = ()> + Send + 'static) {
        self.accepted += 1;
        self.tasks.spawn(connection);
    }

    /// Waits until another connection may be served. Removes the tasks of those that have ended.
    fn poll_room(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        while let Poll::Ready(Some(ended)) = self.tasks.poll_join_next(cx) {
            log_panic(ended);
        }
        if self.tasks.len() < self.max { Poll::Ready(()) } else { Poll::Pending }
    }

    /// Waits until all connections have ended, and closes those that are still open after
    /// `grace_time`.
    async fn finish(mut self, grace_time: Duration) -> Report {
        let ended = async {
            while let Some(ended) = self.tasks.join_next().await {
                log_panic(ended);
            }
        };
        let aborted = match timeout(grace_time, ended).await {
            Ok(()) => 0,
            Err(_) => self.tasks.len(),
        };
        if aborted > 0 {
            warn!("{aborted} connections are closed, because they did not end in {grace_time:?}");
            self.tasks.shutdown().await;
        }
        Report { accepted: self.accepted, aborted }
    }
}

/// A connection's task fails only if the service panics, or if the runtime ends.
fn log_panic(ended: Result<(), JoinError>) {
    match ended {
        Err(failed) if failed.is_panic() => error!("a service panicked: {failed}"),
        _ => {}
    }
}

/// Logs errors of `accept`, and pauses if they come too fast.
struct AcceptErrors {
    /// Ends when the next error no longer counts as close to the last one.
    recent: Sleep,
    pause: Option<Sleep>,
    /// Ends when the next error may be logged.
    quiet: Sleep,
    unlogged: u64,
}

impl AcceptErrors {
    fn new() -> AcceptErrors {
        let over = || Sleep::after(Duration::ZERO);
        AcceptErrors { recent: over(), pause: None, quiet: over(), unlogged: 0 }
    }

    fn note(&mut self, error: &io::Error) {
        if !self.recent.is_elapsed() {
            self.pause = Some(Sleep::after(ERROR_PAUSE));
        }
        self.recent.reset_after(ERROR_INTERVAL);
        if !self.quiet.is_elapsed() {
            self.unlogged += 1;
            return;
        }
        let unlogged = std::mem::take(&mut self.unlogged);
        warn!("could not accept a connection: {error} ({unlogged} earlier errors not logged)");
        self.quiet.reset_after(LOG_INTERVAL);
    }

    fn poll_pause(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if let Some(pause) = &mut self.pause {
            ready!(Pin::new(pause).poll(cx));
            self.pause = None;
        }
        Poll::Ready(())
    }
}

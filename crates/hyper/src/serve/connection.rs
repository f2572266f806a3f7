//! The task of one connection.

use std::error::Error as StdError;
use std::future::{Future, poll_fn};
use std::io;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use futures_io::{AsyncRead, AsyncWrite};
use http_body::Body;
use hyper::body::Incoming;
use hyper::service::Service;
use hyper::{Request, Response};
use hyper_util::server::conn::auto;
use log::debug;
use pin_project_lite::pin_project;
use reveille::task::CancellationToken;
use reveille::time::{Sleep, timeout};

use crate::{HyperIo, ReveilleExecutor};

/// An error of any type.
pub(super) type BoxError = Box<dyn StdError + Send + Sync>;

/// The state that all connections of a server share.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) builder: auto::Builder<ReveilleExecutor>,
    /// Cancelled when connections have to finish.
    pub(super) drain: CancellationToken,
    /// The time limit for the handshake, and for the first request to begin.
    pub(super) first_request_limit: Option<Duration>,
    /// How long an idle connection stays open once it has to finish.
    pub(super) idle_grace_time: Duration,
}

/// The requests of a connection, as its task sees them.
#[derive(Debug, Default)]
struct Requests {
    /// Whether one has begun since this was last cleared.
    has_begun: AtomicBool,
    /// The number of requests whose response has no head yet.
    running: AtomicUsize,
}

/// Notes the requests that a service gets.
#[derive(Debug)]
struct Noted<S> {
    service: S,
    requests: Arc<Requests>,
}

impl<S: Service<Request<Incoming>>> Service<Request<Incoming>> for Noted<S> {
    type Response = S::Response;
    type Error = S::Error;
    type Future = Running<S::Future>;

    #[inline]
    fn call(&self, request: Request<Incoming>) -> Running<S::Future> {
        // Relaxed: neither publishes anything else.
        self.requests.has_begun.store(true, Ordering::Relaxed);
        self.requests.running.fetch_add(1, Ordering::Relaxed);
        let count = Count(Arc::clone(&self.requests));
        Running { response: self.service.call(request), count }
    }
}

pin_project! {
    /// The future of a response.
    struct Running<F> {
        #[pin]
        response: F,
        count: Count,
    }
}

impl<F: Future> Future for Running<F> {
    type Output = F::Output;

    #[inline]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        self.project().response.poll(cx)
    }
}

/// Counts a request until it is dropped, which hyper does when the response is ready.
struct Count(Arc<Requests>);

impl Drop for Count {
    fn drop(&mut self) {
        self.0.running.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Serves a connection until it ends. Its errors concern the peer, so they are logged at the level
/// `debug`.
pub(super) async fn serve_connection<O, I, S, B>(shared: Arc<Shared>, opening: O, service: S)
where
    O: Future<Output = io::Result<I>> + Send,
    I: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    S: Service<Request<Incoming>, Response = Response<B>> + Send + 'static,
    S::Future: Send + 'static,
    S::Error: Into<BoxError>,
    B: Body + Send + 'static,
    B::Data: Send,
    B::Error: Into<BoxError>,
{
    let Some(io) = open(&shared, opening).await else { return };
    let requests = Arc::new(Requests::default());
    let service = Noted { service, requests: Arc::clone(&requests) };
    let has_begun = &requests.has_begun;
    let connection = shared.builder.serve_connection_with_upgrades(HyperIo(io), service);
    let mut connection = pin!(connection);
    let mut drain = Some(shared.drain.cancelled());
    let mut limit = shared.first_request_limit.map(Sleep::after);
    let mut idle = None;
    let ended = poll_fn(|cx| {
        // hyper's own limit for headers starts when the version of HTTP is known, and does not
        // exist for HTTP/2.
        if let Some(sleep) = &mut limit {
            if has_begun.load(Ordering::Relaxed) {
                limit = None;
            } else if Pin::new(sleep).poll(cx).is_ready() {
                limit = None;
                debug!("a connection without a request is closed");
                connection.as_mut().graceful_shutdown();
            }
        }
        if let Some(cancelled) = &mut drain
            && Pin::new(cancelled).poll(cx).is_ready()
        {
            drain = None;
            has_begun.store(requests.running.load(Ordering::Relaxed) > 0, Ordering::Relaxed);
            idle = Some(Sleep::after(shared.idle_grace_time));
        }
        // First, so that a request that has arrived begins before the connection counts as idle.
        if let Poll::Ready(ended) = connection.as_mut().poll(cx) {
            return Poll::Ready(ended);
        }
        let Some(sleep) = &mut idle else { return Poll::Pending };
        if !has_begun.load(Ordering::Relaxed) && Pin::new(sleep).poll(cx).is_pending() {
            return Poll::Pending;
        }
        idle = None;
        connection.as_mut().graceful_shutdown();
        connection.as_mut().poll(cx)
    });
    if let Err(error) = ended.await {
        debug!("a connection ended: {}", Chain(&*error));
    }
}

/// Waits for the stream until the time limit for the first request has passed or the server ends.
async fn open<I>(
    shared: &Shared,
    opening: impl Future<Output = io::Result<I>> + Send,
) -> Option<I> {
    let mut opening = pin!(opening);
    let mut drain = shared.drain.cancelled();
    let opened = poll_fn(|cx| {
        if let Poll::Ready(opened) = opening.as_mut().poll(cx) {
            return Poll::Ready(Some(opened));
        }
        Pin::new(&mut drain).poll(cx).map(|_| None)
    });
    let limit = shared.first_request_limit.unwrap_or(Duration::MAX);
    match timeout(limit, opened).await {
        Ok(Some(Ok(io))) => return Some(io),
        Ok(Some(Err(error))) => debug!("a connection could not be opened: {}", Chain(&error)),
        Ok(None) => {}
        Err(_) => debug!("a connection could not be opened within {limit:?}"),
    }
    None
}

/// An error with its sources, in one line.
struct Chain<'a>(&'a (dyn StdError + 'static));

impl std::fmt::Display for Chain<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", self.0)?;
        let mut source = self.0.source();
        while let Some(error) = source {
            write!(f, ": {error}")?;
            source = error.source();
        }
        Ok(())
    }
}

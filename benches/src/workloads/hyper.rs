//! The HTTP/1 server of hyper, which answers "hello", on reveille and on tokio. The load generator
//! is that of the echo rows. Both servers have the same options, and the time limit for headers
//! that hyper has by default.

use std::convert::Infallible;
use std::future::Future;
use std::net::SocketAddr;

use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::rt::{Read, Timer, Write};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::{TokioIo, TokioTimer};
use reveille_hyper::{HyperIo, ReveilleTimer};

use super::echo::{self, Shape};
use crate::http::BODY;
use crate::measure::{RunConfig, Sample};
use crate::rt::{Reveille, Rt, Tokio};

/// A runtime that hyper runs on.
pub trait Hyper: Rt {
    /// Serves all connections, each in its own task.
    fn serve(listener: Self::Listener) -> impl Future<Output = ()> + Send;
}

impl Hyper for Reveille {
    fn serve(listener: Self::Listener) -> impl Future<Output = ()> + Send {
        accept::<Self, _>(listener, ReveilleTimer, HyperIo)
    }
}

impl<const MULTI: bool> Hyper for Tokio<MULTI> {
    fn serve(listener: Self::Listener) -> impl Future<Output = ()> + Send {
        accept::<Self, _>(listener, TokioTimer::new(), TokioIo::new)
    }
}

async fn accept<R: Rt, S>(
    listener: R::Listener,
    timer: impl Timer + Clone + Send + Sync + 'static,
    adapt: fn(R::Stream) -> S,
) where
    S: Read + Write + Unpin + Send + 'static,
{
    let mut server = http1::Builder::new();
    server.timer(timer);
    loop {
        let stream = R::accept(&listener).await.expect("accept succeeds on loopback");
        let connection = server.serve_connection(adapt(stream), service_fn(hello));
        R::detach(R::spawn(async {
            // The client resets its connections at the end.
            let _closed = connection.await;
        }));
    }
}

async fn hello(_: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
    Ok(Response::new(Full::new(Bytes::from_static(BODY.as_bytes()))))
}

/// Starts a server in its own task.
pub async fn serve<R: Hyper>() -> SocketAddr {
    let (listener, addr) = R::listen().await.expect("a loopback port is free");
    R::detach(R::spawn(R::serve(listener)));
    addr
}

/// Serves one load. The figures are those of [`echo::run`].
pub fn run<R: Hyper>(config: &RunConfig, shape: Shape) -> Sample {
    let load_on = echo::prepared(config, shape);
    let rt = R::start(config.workers);
    echo::beside(&rt, serve::<R>(), move |addr| {
        echo::time_load(&load_on(addr)).expect("the load generator runs")
    })
}

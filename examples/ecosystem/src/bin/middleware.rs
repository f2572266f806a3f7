//! tower: layers around the pooled client of hyper-util, over reveille-hyper. Layers that use no
//! timer and spawn nothing work without a change: limits of concurrency, load-shed, retries, and
//! all of `tower::util`. `timeout`, `limit::rate`, `hedge`, `buffer` and `spawn_ready` use tokio's
//! timers and tasks; they need reveille's feature `tokio1`, or a layer such as `with_limit` below.

use std::convert::Infallible;
use std::error::Error;
use std::future::{self, Ready};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use http_body_util::Empty;
use hyper::body::{Bytes, Incoming};
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
use hyper_util::client::legacy::Client;
use reveille::future::timeout;
use reveille::net::TcpListener;
use reveille::task;
use reveille_hyper::{ReveilleConnector, ReveilleExecutor, serve};
use tower::retry::Policy;
use tower::{Service, ServiceBuilder, ServiceExt};

type Failure = Box<dyn Error + Send + Sync>;

/// Repeats a request that the server was too busy for, so many times.
#[derive(Clone)]
struct Retries(usize);

impl<B: Clone, E> Policy<Request<B>, Response<Incoming>, E> for Retries {
    type Future = Ready<()>;

    fn retry(
        &mut self,
        _: &mut Request<B>,
        result: &mut Result<Response<Incoming>, E>,
    ) -> Option<Ready<()>> {
        let is_busy = matches!(result, Ok(r) if r.status() == StatusCode::SERVICE_UNAVAILABLE);
        self.0 = self.0.checked_sub(1).filter(|_| is_busy)?;
        Some(future::ready(()))
    }

    fn clone_request(&mut self, request: &Request<B>) -> Option<Request<B>> {
        Some(request.clone())
    }
}

/// Answers each third request.
async fn busy(_: Request<Incoming>) -> Result<Response<Empty<Bytes>>, Infallible> {
    static REQUESTS: AtomicUsize = AtomicUsize::new(1);
    let is_third = REQUESTS.fetch_add(1, Ordering::Relaxed).is_multiple_of(3);
    let status = if is_third { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    Ok(Response::builder().status(status).body(Empty::new()).expect("the parts are valid"))
}

#[reveille::main]
async fn main() -> Result<(), Failure> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let uri = format!("http://{}/", listener.local_addr()?);
    let serving = task::spawn(serve(listener, service_fn(busy)).into_future());

    let limit = Duration::from_secs(10);
    let client = Client::builder(ReveilleExecutor).build(ReveilleConnector);
    let with_limit = tower::service_fn(move |request: Request<Empty<Bytes>>| {
        let response = client.request(request);
        async move { timeout(limit, response).await?.map_err(Failure::from) }
    });
    let mut service =
        ServiceBuilder::new().concurrency_limit(8).retry(Retries(2)).service(with_limit);
    for _ in 0..10 {
        let request = Request::get(&uri).body(Empty::new())?;
        assert_eq!(service.ready().await?.call(request).await?.status(), StatusCode::OK);
    }
    println!("10 answers");
    serving.cancel().await;
    Ok(())
}

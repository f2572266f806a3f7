//! Connectors under hyper-util's pooled client, and streams under the traits of both sides.

use reveille_watchdog as _;

use std::convert::Infallible;
use std::error::Error as _;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use http_body_util::{BodyExt, Full};
use hyper::body::{Bytes, Incoming};
use hyper::service::service_fn;
use hyper::{Request, Response, Version};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::Connect;
use reveille::net::{TcpListener, TcpStream};
use reveille::prelude::*;
use reveille::sync::oneshot;
use reveille::task::{self, JoinHandle};
use reveille_hyper::{
    FuturesIo, HyperIo, Report, ReveilleConnector, ReveilleExecutor, ReveilleTimer, TcpConnector,
    serve,
};
use reveille_tests::conformance;

async fn echo(request: Request<Incoming>) -> Result<Response<Incoming>, Infallible> {
    Ok(Response::new(request.into_body()))
}

async fn start() -> (SocketAddr, oneshot::Sender<()>, JoinHandle<Report>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (stop, stopped) = oneshot::channel::<()>();
    let server = serve(listener, service_fn(echo));
    let server = server.with_graceful_shutdown(async { _ = stopped.await });
    (address, stop, task::spawn(server.into_future()))
}

fn client<C: Connect + Clone>(connector: C) -> Client<C, Full<Bytes>> {
    Client::builder(ReveilleExecutor).pool_timer(ReveilleTimer).build(connector)
}

fn post(uri: &str, body: impl Into<Bytes>) -> Request<Full<Bytes>> {
    Request::post(uri).body(Full::new(body.into())).unwrap()
}

async fn a_pooled_client_uses_its_connection_again() {
    let (address, stop, server) = start().await;
    let client = client(ReveilleConnector);
    for number in 0..20_u8 {
        let request = post(&format!("http://{address}/"), vec![number; 1 << (number % 18)]);
        let body = client.request(request).await.unwrap().into_body();
        let body = body.collect().await.unwrap().to_bytes();
        assert!(body.len() == 1 << (number % 18) && body.iter().all(|byte| *byte == number));
    }
    drop((client, stop));
    let report = server.await;
    // The client may open another connection if it sees too late that the old one is idle.
    assert!(report.accepted < 20, "{report}");
}

async fn a_client_of_http_2_has_one_connection() {
    let (address, stop, server) = start().await;
    let client: Client<_, Full<Bytes>> = Client::builder(ReveilleExecutor)
        .timer(ReveilleTimer)
        .pool_timer(ReveilleTimer)
        .http2_only(true)
        .http2_keep_alive_interval(Duration::from_secs(5))
        .build(TcpConnector::new());
    let uri = format!("http://{address}/");
    client.request(post(&uri, "")).await.unwrap();
    let requests: Vec<_> = (0..50)
        .map(|number| {
            let (client, uri) = (client.clone(), uri.clone());
            task::spawn(async move {
                let response = client.request(post(&uri, vec![1; number])).await.unwrap();
                assert_eq!(response.version(), Version::HTTP_2);
                let body = response.into_body().collect().await.unwrap().to_bytes();
                assert_eq!(body.len(), number);
            })
        })
        .collect();
    for request in requests {
        request.await;
    }
    drop((client, stop));
    assert_eq!(server.await.accepted, 1);
}

/// The text of the I/O error behind an error of the client.
fn cause(error: &hyper_util::client::legacy::Error) -> (io::ErrorKind, String) {
    let source = error.source().expect("a cause").downcast_ref::<io::Error>();
    let source = source.expect("an I/O error");
    (source.kind(), source.to_string())
}

async fn errors_name_the_target() {
    let unused = {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        listener.local_addr().unwrap()
    };
    let client = client(TcpConnector::new().socket_options(|socket| socket.set_keep_alive(true)));
    let error = client.request(post(&format!("http://{unused}/"), "")).await.unwrap_err();
    let (kind, text) = cause(&error);
    assert_eq!(kind, io::ErrorKind::ConnectionRefused);
    assert!(text.contains(&unused.to_string()), "{text}");

    let error = client.request(post(&format!("https://{unused}/"), "")).await.unwrap_err();
    let (kind, text) = cause(&error);
    assert_eq!(kind, io::ErrorKind::InvalidInput);
    assert!(text.contains("not http"), "{text}");
}

async fn an_option_that_cannot_be_set_fails_the_connection() {
    let (address, _stop, server) = start().await;
    let refuse = |_: &reveille::net::TcpSocket| Err(io::Error::other("no such device"));
    let client = client(TcpConnector::new().socket_options(refuse));
    let error = client.request(post(&format!("http://{address}/"), "")).await.unwrap_err();
    let (_, text) = cause(&error);
    assert!(text.contains(&address.to_string()) && text.contains("no such device"), "{text}");
    server.cancel().await;
}

async fn a_connection_without_an_answer_is_given_up() {
    // The queue of this listener is full, so the kernel does not answer.
    let full = reveille::net::TcpSocket::new_v4().unwrap();
    full.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let listener = full.listen(0).unwrap();
    let address = listener.local_addr().unwrap();
    let limit = Duration::from_millis(20);
    let mut waiting = Vec::new();
    let client = client(TcpConnector::new().connect_timeout(limit));
    while let Ok(stream) = TcpStream::connect_timeout(address, limit).await {
        waiting.push(stream);
    }
    let error = client.request(post(&format!("http://{address}/"), "")).await.unwrap_err();
    let (kind, text) = cause(&error);
    assert_eq!(kind, io::ErrorKind::TimedOut, "{text}");
    assert!(text.contains(&address.to_string()), "{text}");
}

async fn a_stream_of_hyper_is_a_stream_of_reveille_again() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
    let mut client = FuturesIo(HyperIo(client));
    let (mut server, _) = listener.accept().await.unwrap();
    client.write_all(b"ping").await.unwrap();
    // After hyper's shutdown the peer reads to the end, and the other direction stays open.
    client.close().await.unwrap();
    let mut all = String::new();
    server.read_to_string(&mut all).await.unwrap();
    assert_eq!(all, "ping");
    server.write_all(b"pong").await.unwrap();
    drop(server);
    let mut answer = String::new();
    client.read_to_string(&mut answer).await.unwrap();
    assert_eq!(answer, "pong");
}

#[test]
fn only_sockets_write_several_buffers_with_one_call() {
    use hyper::rt::Write as _;

    task::block_on(async {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        assert!(HyperIo(client).is_write_vectored());
        assert!(!HyperIo(reveille::io::duplex(1).0).is_write_vectored());
    });
}

#[cfg(unix)]
async fn a_unix_socket_is_served_and_connected_to() {
    use reveille::os::unix::net::UnixListener;
    use reveille_hyper::os::unix::UnixConnector;
    use reveille_tests::scratch::Scratch;

    let path = Scratch::new();
    let listener = UnixListener::bind(path.0.clone()).await.unwrap();
    let server = task::spawn(serve(listener, service_fn(echo)).into_future());
    let response = client(UnixConnector::new(&path.0)).request(post("http://any/", "hello")).await;
    let body = response.unwrap().into_body().collect().await.unwrap().to_bytes();
    assert_eq!(body, "hello");
    server.cancel().await;

    let nothing = Scratch::new();
    let error = client(UnixConnector::new(&nothing.0)).request(post("http://any/", "")).await;
    let (kind, text) = cause(&error.unwrap_err());
    assert_eq!(kind, io::ErrorKind::NotFound);
    assert!(text.contains(&*nothing.0.to_string_lossy()), "{text}");
}

conformance!(
    a_pooled_client_uses_its_connection_again,
    a_client_of_http_2_has_one_connection,
    errors_name_the_target,
    an_option_that_cannot_be_set_fails_the_connection,
    a_connection_without_an_answer_is_given_up,
    a_stream_of_hyper_is_a_stream_of_reveille_again,
    // Only on Unix: a socket with a path.
    #[cfg(unix)]
    a_unix_socket_is_served_and_connected_to,
);

//! `serve`: versions, upgrades, limits, shutdown, and peers that misbehave.

use reveille_watchdog as _;

use std::convert::Infallible;
use std::future::{Future, Ready};
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use http_body_util::{BodyExt, Full};
use hyper::body::{Bytes, Incoming};
use hyper::client::conn::{http1, http2};
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode, Version, header};
use reveille::channel;
use reveille::io;
use reveille::net::{TcpListener, TcpStream};
use reveille::prelude::*;
use reveille::sync::{Semaphore, oneshot};
use reveille::task::{self, JoinHandle};
use reveille_hyper::{
    HyperIo, Listener, Report, ReveilleExecutor, ReveilleTimer, Serve, serve, serve_with, upgrade,
};
use reveille_tests::conformance;

type Answer = Result<Response<Full<Bytes>>, Infallible>;

/// Echoes the body.
async fn echo(request: Request<Incoming>) -> Answer {
    let body = request.into_body().collect().await.map(|body| body.to_bytes());
    let mut response = Response::new(Full::new(body.unwrap_or_default()));
    response.headers_mut().insert("server", header::HeaderValue::from_static("echo"));
    Ok(response)
}

/// A server that runs.
struct Server {
    address: SocketAddr,
    stop: oneshot::Sender<()>,
    ends: JoinHandle<Report>,
}

impl Server {
    async fn stop(self) -> Report {
        drop(self.stop);
        self.ends.await
    }
}

/// Starts the server that `make` returns for a listener.
async fn start<L, M>(make: impl FnOnce(TcpListener) -> Serve<L, M>) -> Server
where
    Serve<L, M>: IntoFuture<Output = Report, IntoFuture: Send + 'static>,
{
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (stop, stopped) = oneshot::channel::<()>();
    let server = make(listener).with_graceful_shutdown(async { _ = stopped.await });
    Server { address, stop, ends: task::spawn(server.into_future()) }
}

async fn start_echo() -> Server {
    start(|listener| serve(listener, service_fn(echo))).await
}

/// Sends `request` on a connection of its own, and returns all that comes back. A reset counts as
/// the end.
async fn exchange(address: SocketAddr, request: &[u8]) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(request).await.unwrap();
    rest(&mut stream).await
}

async fn rest(stream: &mut (impl io::Read + Unpin)) -> String {
    let mut bytes = Vec::new();
    let _ = stream.read_to_end(&mut bytes).await;
    String::from_utf8(bytes).unwrap()
}

/// Reads one response with a head that ends with an empty line and `body_len` more bytes.
async fn response(stream: &mut TcpStream, body_len: usize) -> String {
    let mut bytes = Vec::new();
    while !bytes.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        stream.read_exact(&mut byte).await.unwrap();
        bytes.push(byte[0]);
    }
    let head_len = bytes.len();
    bytes.resize(head_len + body_len, 0);
    stream.read_exact(&mut bytes[head_len..]).await.unwrap();
    String::from_utf8(bytes).unwrap()
}

fn post(body: impl Into<Bytes>) -> Request<Full<Bytes>> {
    let request = Request::post("http://localhost/").header("host", "localhost");
    request.body(Full::new(body.into())).unwrap()
}

async fn connect_h1(address: SocketAddr) -> http1::SendRequest<Full<Bytes>> {
    let stream = TcpStream::connect(address).await.unwrap();
    let (sender, connection) = http1::handshake(HyperIo(stream)).await.unwrap();
    drop(task::spawn(connection.with_upgrades()));
    sender
}

async fn connect_h2(address: SocketAddr) -> http2::SendRequest<Full<Bytes>> {
    let stream = TcpStream::connect(address).await.unwrap();
    let mut builder = http2::Builder::new(ReveilleExecutor);
    let (sender, connection) =
        builder.timer(ReveilleTimer).handshake(HyperIo(stream)).await.unwrap();
    drop(task::spawn(connection));
    sender
}

async fn body_of(response: Response<Incoming>) -> Bytes {
    response.into_body().collect().await.unwrap().to_bytes()
}

async fn a_connection_of_http_1_answers_many_requests() {
    let server = start_echo().await;
    let mut stream = TcpStream::connect(server.address).await.unwrap();
    for _ in 0..3 {
        stream
            .write_all(b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 4\r\n\r\nping")
            .await
            .unwrap();
        let response = response(&mut stream, 4).await;
        assert!(response.starts_with("HTTP/1.1 200 OK") && response.ends_with("ping"));
    }
    // Two requests in one packet.
    stream.write_all(&b"GET / HTTP/1.1\r\nhost: x\r\n\r\n".repeat(2)).await.unwrap();
    for _ in 0..2 {
        assert!(response(&mut stream, 0).await.starts_with("HTTP/1.1 200 OK"));
    }
    drop(stream);
    let report = server.stop().await;
    assert_eq!((report.accepted, report.aborted), (1, 0), "{report}");
}

async fn long_bodies_arrive_whole() {
    let server = start_echo().await;
    let body: Vec<u8> = (0..3 << 20).map(|at| (at % 251) as u8).collect();
    let mut h1 = connect_h1(server.address).await;
    let answer = body_of(h1.send_request(post(body.clone())).await.unwrap()).await;
    assert!(answer == body, "HTTP/1 changed the body");
    // Not before: the server closes a connection that sends nothing for too long.
    let mut h2 = connect_h2(server.address).await;
    let answer = body_of(h2.send_request(post(body.clone())).await.unwrap()).await;
    assert!(answer == body, "HTTP/2 changed the body");
    drop((h1, h2));
    assert!(server.stop().await.is_complete());
}

async fn streams_of_http_2_share_a_connection() {
    let server = start_echo().await;
    let sender = connect_h2(server.address).await;
    let streams: Vec<_> = (0..50_usize)
        .map(|number| {
            let mut sender = sender.clone();
            task::spawn(async move {
                let response = sender.send_request(post(vec![7; number * 100])).await.unwrap();
                assert_eq!(response.version(), Version::HTTP_2);
                assert_eq!(body_of(response).await.len(), number * 100);
            })
        })
        .collect();
    for stream in streams {
        stream.await;
    }
    drop(sender);
    assert_eq!(server.stop().await.accepted, 1);
}

/// Upgrades, and echoes the bytes that follow, including those that came with the request.
async fn upgrading(request: Request<Incoming>) -> Answer {
    drop(task::spawn(async move {
        let upgraded = hyper::upgrade::on(request).await.unwrap();
        let wrong = upgrade::downcast::<io::DuplexStream>(upgraded).map(drop);
        let parts = upgrade::downcast::<TcpStream>(wrong.unwrap_err()).expect("a TcpStream");
        let mut stream = parts.stream;
        stream.write_all(&parts.read_buf).await.unwrap();
        io::copy(&mut stream.clone(), &mut stream).await.unwrap();
    }));
    let mut response = Response::new(Full::default());
    *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
    let headers = response.headers_mut();
    headers.insert(header::UPGRADE, header::HeaderValue::from_static("echo"));
    headers.insert(header::CONNECTION, header::HeaderValue::from_static("upgrade"));
    Ok(response)
}

async fn an_upgrade_returns_the_stream_and_what_was_read_already() {
    let server = start(|listener| serve(listener, service_fn(upgrading))).await;
    let mut stream = TcpStream::connect(server.address).await.unwrap();
    let request = "GET / HTTP/1.1\r\nhost: x\r\nupgrade: echo\r\nconnection: upgrade\r\n\r\nearly ";
    stream.write_all(request.as_bytes()).await.unwrap();
    assert!(response(&mut stream, 6).await.ends_with("\r\n\r\nearly "));
    stream.write_all(b"late").await.unwrap();
    stream.close().await.unwrap();
    assert_eq!(rest(&mut stream).await, "late");
    assert!(server.stop().await.is_complete());
}

async fn a_client_gets_its_upgraded_stream_back() {
    let server = start(|listener| serve(listener, service_fn(upgrading))).await;
    let mut sender = connect_h1(server.address).await;
    let mut request = post(Bytes::new());
    request.headers_mut().insert("upgrade", "echo".parse().unwrap());
    request.headers_mut().insert("connection", "upgrade".parse().unwrap());
    let response = sender.send_request(request).await.unwrap();
    assert_eq!(response.status(), StatusCode::SWITCHING_PROTOCOLS);
    let upgraded = hyper::upgrade::on(response).await.unwrap();
    let mut stream = upgrade::downcast::<TcpStream>(upgraded).expect("a TcpStream").stream;
    stream.write_all(b"ping").await.unwrap();
    stream.close().await.unwrap();
    assert_eq!(rest(&mut stream).await, "ping");
    assert!(server.stop().await.is_complete());
}

async fn connections_without_a_request_are_closed() {
    let limit = Duration::from_millis(50);
    let make = |listener| serve(listener, service_fn(echo)).header_read_timeout(limit);
    let server = start(make).await;
    // Nothing, a part of the head, and a part of the first bytes of HTTP/2.
    for beginning in ["", "G", "GET / HT", "PRI * HTTP/2.0\r\n"] {
        let answer = exchange(server.address, beginning.as_bytes()).await;
        assert!(!answer.contains(" 200 "), "{beginning:?}: {answer:?}");
    }
    // HTTP/2 without a stream.
    let sender = connect_h2(server.address).await;
    while !sender.is_closed() {
        task::sleep(Duration::from_millis(1)).await;
    }
    assert_eq!(server.stop().await.accepted, 5);
}

async fn an_idle_connection_is_closed_after_its_first_request() {
    let limit = Duration::from_millis(50);
    let make = |listener| serve(listener, service_fn(echo)).header_read_timeout(limit);
    let server = start(make).await;
    let answer = exchange(server.address, b"GET / HTTP/1.1\r\nhost: x\r\n\r\n").await;
    assert!(answer.starts_with("HTTP/1.1 200 OK"), "{answer}");
    assert!(server.stop().await.is_complete());
}

/// Lets the test decide when a request is answered.
#[derive(Clone)]
struct Gate {
    begun: channel::Sender<()>,
    open: Arc<Semaphore>,
}

impl Gate {
    fn new() -> (Gate, channel::Receiver<()>) {
        let (begun, requests) = channel::unbounded();
        (Gate { begun, open: Arc::new(Semaphore::new(0)) }, requests)
    }

    /// Starts a server whose requests wait at the gate.
    async fn start(&self, grace_time: Duration) -> Server {
        let gate = self.clone();
        let service = service_fn(move |request: Request<Incoming>| {
            let gate = gate.clone();
            async move {
                gate.begun.send(()).await.unwrap();
                drop(gate.open.acquire().await);
                echo(request).await
            }
        });
        start(move |listener| serve(listener, service).grace_time(grace_time)).await
    }
}

async fn requests_in_flight_are_answered_at_a_shutdown() {
    let (gate, begun) = Gate::new();
    let server = gate.start(Duration::MAX).await;
    let mut idle = TcpStream::connect(server.address).await.unwrap();
    let mut h1 = connect_h1(server.address).await;
    let mut h2 = connect_h2(server.address).await;
    let by_h1 =
        task::spawn(async move { body_of(h1.send_request(post("1")).await.unwrap()).await });
    let by_h2 =
        task::spawn(async move { body_of(h2.send_request(post("2")).await.unwrap()).await });
    begun.recv().await.unwrap();
    begun.recv().await.unwrap();

    let address = server.address;
    drop(server.stop);
    assert_eq!(rest(&mut idle).await, "", "an idle connection is closed");
    let refused = TcpStream::connect(address).await.unwrap_err();
    assert_eq!(refused.kind(), io::ErrorKind::ConnectionRefused);
    assert!(!server.ends.is_finished(), "it waits for the answers");

    gate.open.add_permits(1);
    assert_eq!(by_h1.await, "1");
    assert_eq!(by_h2.await, "2");
    let report = server.ends.await;
    assert_eq!((report.accepted, report.aborted), (3, 0), "{report}");
}

async fn a_request_that_outlasts_the_grace_time_is_cut() {
    let (gate, begun) = Gate::new();
    let server = gate.start(Duration::from_millis(20)).await;
    let mut sender = connect_h1(server.address).await;
    let cut = task::spawn(async move { sender.send_request(post("x")).await.is_err() });
    begun.recv().await.unwrap();
    let report = server.stop().await;
    assert_eq!((report.accepted, report.aborted), (1, 1), "{report}");
    assert!(!report.is_complete());
    assert!(cut.await, "the client hears of it");
}

async fn a_dropped_server_closes_its_connections() {
    let (gate, begun) = Gate::new();
    let server = gate.start(Duration::MAX).await;
    let mut stream = TcpStream::connect(server.address).await.unwrap();
    stream.write_all(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
    begun.recv().await.unwrap();
    assert_eq!(server.ends.cancel().await, None);
    assert_eq!(rest(&mut stream).await, "");
}

async fn peers_that_leave_do_not_disturb_others() {
    let (gate, begun) = Gate::new();
    let server = gate.start(Duration::MAX).await;
    for has_linger in [false, true] {
        let socket = reveille::net::TcpSocket::new_v4().unwrap();
        if has_linger {
            // The close is a reset.
            socket.set_linger(Some(Duration::ZERO)).unwrap();
        }
        let mut stream = socket.connect(server.address).await.unwrap();
        stream.write_all(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
        begun.recv().await.unwrap();
        drop(stream);
    }
    // The client closes in the middle of a body.
    let mut stream = TcpStream::connect(server.address).await.unwrap();
    stream.write_all(b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 9\r\n\r\nhalf").await.unwrap();
    begun.recv().await.unwrap();
    drop(stream);

    gate.open.add_permits(1);
    let mut sender = connect_h1(server.address).await;
    assert_eq!(body_of(sender.send_request(post("still here")).await.unwrap()).await, "still here");
    drop(sender);
    let report = server.stop().await;
    assert_eq!((report.accepted, report.aborted), (4, 0), "{report}");
}

async fn malformed_requests_are_answered_with_an_error() {
    let server = start_echo().await;
    for (request, status) in [
        ("\u{1}\u{2}\u{3} nonsense\r\n\r\n".to_owned(), "400"),
        ("GET / HTTP/9.9\r\n\r\n".to_owned(), "400"),
        ("GET / HTTP/1.1\r\nno colon\r\n\r\n".to_owned(), "400"),
        ("POST / HTTP/1.1\r\nhost: x\r\ncontent-length: -1\r\n\r\n".to_owned(), "400"),
        (format!("GET / HTTP/1.1\r\nhost: x\r\n{}\r\n", "a: b\r\n".repeat(200)), "431"),
    ] {
        let answer = exchange(server.address, request.as_bytes()).await;
        let start = format!("HTTP/1.1 {status} ");
        assert!(answer.starts_with(&start), "{request:?}: {answer:?}");
    }
    // The preface of HTTP/2 without a frame after it. The server answers with a frame.
    let mut stream = TcpStream::connect(server.address).await.unwrap();
    stream.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\nthis is no frame of HTTP/2").await.unwrap();
    let _ = stream.read_to_end(&mut Vec::new()).await;
    let mut sender = connect_h1(server.address).await;
    assert_eq!(sender.send_request(post("x")).await.unwrap().status(), StatusCode::OK);
    drop(sender);
    assert!(server.stop().await.is_complete());
}

async fn a_service_that_panics_ends_its_connection_only() {
    let service = service_fn(|request: Request<Incoming>| async move {
        assert!(request.uri().path() != "/panic", "the service panics on purpose");
        echo(request).await
    });
    let server = start(|listener| serve(listener, service)).await;
    let answer = exchange(server.address, b"GET /panic HTTP/1.1\r\nhost: x\r\n\r\n").await;
    assert_eq!(answer, "");
    let mut sender = connect_h1(server.address).await;
    assert_eq!(body_of(sender.send_request(post("x")).await.unwrap()).await, "x");
    drop(sender);
    assert!(server.stop().await.is_complete());
}

async fn connections_above_the_limit_wait() {
    let (gate, begun) = Gate::new();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let inside = gate.clone();
    let service = service_fn(move |request: Request<Incoming>| {
        let gate = inside.clone();
        async move {
            gate.begun.send(()).await.unwrap();
            echo(request).await
        }
    });
    let server = task::spawn(serve(listener, service).max_connections(1).into_future());
    let mut first = connect_h1(address).await;
    assert_eq!(first.send_request(post("1")).await.unwrap().status(), StatusCode::OK);
    begun.recv().await.unwrap();
    let second = task::spawn(async move {
        let mut sender = connect_h1(address).await;
        body_of(sender.send_request(post("2")).await.unwrap()).await
    });
    // The first connection still counts.
    first.ready().await.unwrap();
    assert_eq!(first.send_request(post("3")).await.unwrap().status(), StatusCode::OK);
    begun.recv().await.unwrap();
    assert!(begun.try_recv().is_err(), "the second connection is not served yet");
    drop(first);
    assert_eq!(second.await, "2");
    server.cancel().await;
}

#[test]
#[should_panic(expected = "0 connections")]
fn a_limit_of_no_connections_is_refused() {
    let (_, streams) = channel::unbounded();
    drop(serve(Streams(streams), service_fn(echo)).max_connections(0));
}

/// Connections that a test makes, and errors.
struct Streams(channel::Receiver<io::Result<Opening>>);

type Opening = Pin<Box<dyn Future<Output = io::Result<io::DuplexStream>> + Send>>;

impl Listener for Streams {
    type Io = io::DuplexStream;
    type Addr = ();
    type Opening = Opening;

    async fn accept(&mut self) -> io::Result<(Opening, ())> {
        match self.0.recv().await {
            Ok(accepted) => accepted.map(|opening| (opening, ())),
            Err(_) => std::future::pending().await,
        }
    }
}

async fn errors_of_accept_and_of_handshakes_do_not_end_the_server() {
    let (sender, streams) = channel::unbounded();
    let server = task::spawn(serve(Streams(streams), service_fn(echo)).into_future());
    for _ in 0..3 {
        // EMFILE on Unix.
        sender.send(Err(io::Error::from_raw_os_error(24))).await.unwrap();
    }
    let refused: Opening = Box::pin(async { Err(io::Error::other("no shared cipher")) });
    sender.send(Ok(refused)).await.unwrap();
    let (mut client, stream) = io::duplex(64);
    let opened: Opening = Box::pin(std::future::ready(Ok(stream)));
    sender.send(Ok(opened)).await.unwrap();
    // The stream is not a socket, so this also tests reads into cleared memory.
    client.write_all(b"GET / HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").await.unwrap();
    assert!(rest(&mut client).await.starts_with("HTTP/1.1 200 OK"));
    server.cancel().await;
}

async fn a_handshake_that_does_not_end_is_limited_and_ends_at_a_shutdown() {
    struct Held(oneshot::Sender<()>);

    for limit in [Some(Duration::from_millis(10)), None] {
        let (sender, streams) = channel::unbounded();
        let (stop, stopped) = oneshot::channel::<()>();
        let server = serve(Streams(streams), service_fn(echo))
            .header_read_timeout(limit)
            .with_graceful_shutdown(async { _ = stopped.await });
        let server = task::spawn(server.into_future());
        let (begin, begun) = oneshot::channel();
        let (held, dropped) = oneshot::channel();
        let opening: Opening = Box::pin(async move {
            let held = Held(held);
            begin.send(()).unwrap();
            std::future::pending::<()>().await;
            drop(held.0);
            unreachable!()
        });
        sender.send(Ok(opening)).await.unwrap();
        begun.await.unwrap();
        if limit.is_some() {
            assert!(dropped.await.is_err(), "the handshake is dropped while the server runs");
            drop(stop);
        } else {
            drop(stop);
            assert!(dropped.await.is_err(), "the handshake is dropped with the server");
        }
        assert!(server.await.is_complete());
    }
}

async fn each_connection_has_the_service_that_was_made_for_its_peer() {
    let make = |listener| {
        serve_with(listener, |peer: &SocketAddr| {
            let peer = peer.to_string();
            service_fn(move |_: Request<Incoming>| {
                let answer: Ready<Answer> =
                    std::future::ready(Ok(Response::new(Full::from(peer.clone()))));
                answer
            })
        })
    };
    let server = start(make).await;
    let mut stream = TcpStream::connect(server.address).await.unwrap();
    let own = stream.local_addr().unwrap().to_string();
    stream.write_all(b"GET / HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").await.unwrap();
    assert!(rest(&mut stream).await.ends_with(&own));
    assert!(server.stop().await.is_complete());
}

async fn options_of_hyper_apply() {
    let server = start(|listener| {
        serve(listener, service_fn(echo)).configure(|builder| {
            builder.http1().keep_alive(false);
        })
    })
    .await;
    let answer = exchange(server.address, b"GET / HTTP/1.1\r\nhost: x\r\n\r\n").await;
    assert!(answer.contains("connection: close"), "{answer}");
    assert!(server.stop().await.is_complete());
}

conformance!(
    a_connection_of_http_1_answers_many_requests,
    long_bodies_arrive_whole,
    streams_of_http_2_share_a_connection,
    an_upgrade_returns_the_stream_and_what_was_read_already,
    a_client_gets_its_upgraded_stream_back,
    connections_without_a_request_are_closed,
    an_idle_connection_is_closed_after_its_first_request,
    requests_in_flight_are_answered_at_a_shutdown,
    a_request_that_outlasts_the_grace_time_is_cut,
    a_dropped_server_closes_its_connections,
    peers_that_leave_do_not_disturb_others,
    malformed_requests_are_answered_with_an_error,
    a_service_that_panics_ends_its_connection_only,
    connections_above_the_limit_wait,
    errors_of_accept_and_of_handshakes_do_not_end_the_server,
    a_handshake_that_does_not_end_is_limited_and_ends_at_a_shutdown,
    each_connection_has_the_service_that_was_made_for_its_peer,
    options_of_hyper_apply,
);

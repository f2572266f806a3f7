//! `serve_axum`: a router on reveille's sockets.

use reveille_watchdog as _;

use std::net::SocketAddr;

use axum::Router;
use axum::extract::{ConnectInfo, Path};
use axum::routing::{get, post};
use reveille::net::{TcpListener, TcpStream};
use reveille::prelude::*;
use reveille::sync::oneshot;
use reveille::task;
use reveille_hyper::serve_axum;
use reveille_tests::conformance;

async fn peer(ConnectInfo(peer): ConnectInfo<SocketAddr>) -> String {
    peer.to_string()
}

async fn slowly(Path(count): Path<u32>) -> String {
    for _ in 0..count {
        task::sleep(std::time::Duration::from_millis(1)).await;
    }
    format!("waited {count}")
}

fn router() -> Router {
    Router::new()
        .route("/peer", get(peer))
        .route("/slowly/{count}", get(slowly))
        .route("/echo", post(|body: String| async { body }))
}

async fn exchange(stream: &mut TcpStream, head: &str, body: &str) -> String {
    let request = format!("{head} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n");
    let length = body.len();
    let request = format!("{request}content-length: {length}\r\n\r\n{body}");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut response = String::new();
    stream.read_to_string(&mut response).await.unwrap();
    response
}

async fn handlers_run_and_know_their_peer() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (stop, stopped) = oneshot::channel::<()>();
    let server = serve_axum(listener, router());
    let server = server.with_graceful_shutdown(async { _ = stopped.await });
    let server = task::spawn(server.into_future());

    for (head, body, status, answer) in [
        ("GET /slowly/3", "", "200", "waited 3"),
        ("POST /echo", "text", "200", "text"),
        ("GET /nowhere", "", "404", ""),
        ("GET /echo", "", "405", ""),
        ("GET /slowly/x", "", "400", ""),
    ] {
        let mut stream = TcpStream::connect(address).await.unwrap();
        let response = exchange(&mut stream, head, body).await;
        assert!(response.starts_with(&format!("HTTP/1.1 {status} ")), "{head}: {response}");
        assert!(response.ends_with(answer), "{head}: {response}");
    }
    let mut stream = TcpStream::connect(address).await.unwrap();
    let own = stream.local_addr().unwrap().to_string();
    assert!(exchange(&mut stream, "GET /peer", "").await.ends_with(&own));

    drop(stop);
    let report = server.await;
    assert_eq!((report.accepted, report.aborted), (6, 0), "{report}");
}

conformance!(handlers_run_and_know_their_peer);

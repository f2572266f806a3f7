//! A server in a process that has no descriptor left. The test has a file of its own, because the
//! limit applies to the whole process.

// Only on Unix: it counts descriptors under a limit.
#![cfg(unix)]

use reveille_watchdog as _;

use std::convert::Infallible;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream as StdStream};

use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper::{Request, Response};
use reveille::net::TcpListener;
use reveille::task;
use reveille_hyper::serve;
use rustix::process::{Resource, getrlimit, setrlimit};

async fn hello(_: Request<Incoming>) -> Result<Response<String>, Infallible> {
    Ok(Response::new("hello".to_owned()))
}

fn request(stream: &mut StdStream) -> String {
    stream.write_all(b"GET / HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").unwrap();
    let mut response = String::new();
    stream.read_to_string(&mut response).unwrap();
    response
}

#[test]
fn a_server_without_descriptors_continues_when_some_are_free() {
    let listener = task::block_on(TcpListener::bind("127.0.0.1:0")).unwrap();
    let address: SocketAddr = listener.local_addr().unwrap();
    let server = task::spawn(serve(listener, service_fn(hello)).into_future());
    // The runtime has opened its own descriptors by now.
    assert!(request(&mut StdStream::connect(address).unwrap()).ends_with("hello"));

    let before = getrlimit(Resource::Nofile);
    let mut limit = before;
    limit.current = Some(64);
    setrlimit(Resource::Nofile, limit).unwrap();
    // The clients take all descriptors; those of the last connections are in the queue.
    let mut clients = Vec::new();
    let full = loop {
        match StdStream::connect(address) {
            Ok(client) => clients.push(client),
            Err(error) => break error,
        }
    };
    assert_eq!(full.raw_os_error(), Some(rustix::io::Errno::MFILE.raw_os_error()));
    let mut last = clients.pop().expect("there was room for some");
    drop(clients);
    assert!(request(&mut last).ends_with("hello"));
    setrlimit(Resource::Nofile, before).unwrap();
    assert!(request(&mut StdStream::connect(address).unwrap()).ends_with("hello"));
    task::block_on(server.cancel());
}

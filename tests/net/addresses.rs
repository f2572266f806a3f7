//! `net::ToSocketAddrs`: what is looked up, where, and the errors if nothing is found.

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV4, SocketAddrV6};

use futures_lite::future;
use reveille::io;
use reveille::net::{TcpListener, TcpStream, ToSocketAddrs, UdpSocket};
use reveille::task::block_on;

const V4: SocketAddr = SocketAddr::V4(SocketAddrV4::new(Ipv4Addr::LOCALHOST, 80));
const V6: SocketAddr = SocketAddr::V6(SocketAddrV6::new(Ipv6Addr::LOCALHOST, 80, 0, 0));

/// The addresses, if they are known without a wait.
fn at_once(addrs: impl ToSocketAddrs) -> Vec<SocketAddr> {
    let first_poll = block_on(future::poll_once(addrs.to_socket_addrs()));
    first_poll.expect("no thread was asked").unwrap().collect()
}

#[test]
fn literal_addresses_are_resolved_on_the_calling_thread() {
    assert_eq!(at_once(V4), [V4]);
    assert_eq!(at_once(SocketAddrV4::new(Ipv4Addr::LOCALHOST, 80)), [V4]);
    assert_eq!(at_once(SocketAddrV6::new(Ipv6Addr::LOCALHOST, 80, 0, 0)), [V6]);
    assert_eq!(at_once((V4.ip(), 80)), [V4]);
    assert_eq!(at_once((Ipv4Addr::LOCALHOST, 80)), [V4]);
    assert_eq!(at_once((Ipv6Addr::LOCALHOST, 80)), [V6]);
    assert_eq!(at_once(("127.0.0.1", 80)), [V4]);
    assert_eq!(at_once(("::1", 80)), [V6]);
    assert_eq!(at_once((String::from("::1"), 80)), [V6]);
    assert_eq!(at_once("127.0.0.1:80"), [V4]);
    assert_eq!(at_once(String::from("[::1]:80")), [V6]);
    assert_eq!(at_once(&[V4, V6][..]), [V4, V6]);
}

/// Runs alone in a process of its own, where no other test starts threads.
// Only on Linux: it counts threads in /proc.
#[cfg(target_os = "linux")]
#[test]
fn literal_addresses_start_no_thread() {
    use reveille_tests::measure::threads;
    use reveille_tests::{child, test_name};

    if child::has_run(test_name!()) {
        return;
    }
    let before = threads();
    for text in ["127.0.0.1:80", "[::1]:80", "[fe80::1%3]:80"] {
        assert_eq!(at_once(text), [text.parse::<SocketAddr>().unwrap()]);
    }
    assert_eq!(at_once(("::1", 80)), [V6]);
    assert_eq!(threads(), before, "no pool, so no look-up");
    block_on("localhost:80".to_socket_addrs()).unwrap();
    assert!(threads() > before, "a look-up would have been seen");
}

#[test]
fn names_are_resolved() {
    let mut found = block_on("localhost:7".to_socket_addrs()).unwrap();
    assert!(found.all(|address| address.ip().is_loopback() && address.port() == 7));
    let found = block_on(("localhost", 7).to_socket_addrs()).unwrap();
    assert!(found.count() > 0);
}

#[test]
fn what_does_not_resolve_is_named_and_keeps_kind_and_source() {
    let cases = [
        (block_on("no-port".to_socket_addrs()).map(drop), r#""no-port""#),
        (block_on("host:99999".to_socket_addrs()).map(drop), r#""host:99999""#),
        (block_on(("a\0b", 1).to_socket_addrs()).map(drop), r#"("a\0b", 1)"#),
    ];
    for (result, name) in cases {
        let error = result.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::InvalidInput, "{error}");
        assert_eq!(error.to_string(), format!("could not resolve address `{name}`"));
        assert!(std::error::Error::source(&error).is_some());
    }
}

async fn connecting_to_a_name_that_does_not_resolve_says_so() {
    let error = TcpStream::connect("127.0.0.1:no port").await.unwrap_err();
    assert_eq!(error.to_string(), "could not resolve address `\"127.0.0.1:no port\"`");
}

async fn an_empty_list_is_invalid_input() {
    let none: &[SocketAddr] = &[];
    let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let errors = [
        TcpStream::connect(none).await.unwrap_err(),
        TcpListener::bind(none).await.unwrap_err(),
        UdpSocket::bind(none).await.unwrap_err(),
        socket.connect(none).await.unwrap_err(),
        socket.send_to(b"x", none).await.unwrap_err(),
    ];
    for error in errors {
        assert_eq!(error.kind(), io::ErrorKind::InvalidInput, "{error}");
    }
}

// Each of these runs on every executor.
reveille_tests::conformance!(
    connecting_to_a_name_that_does_not_resolve_says_so,
    an_empty_list_is_invalid_input,
);

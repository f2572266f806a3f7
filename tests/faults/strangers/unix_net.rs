//! Sockets of Unix: resets, urgent data, truncated datagrams, and the queue of a listener.

use std::io::ErrorKind;
use std::net::SocketAddr;
use std::pin::pin;
use std::time::Duration;

use reveille::future;
use reveille::io::prelude::*;
use reveille::net::{TcpListener, TcpStream, UdpSocket};
use reveille::os::unix::net::UnixDatagram;
use reveille::task;
use reveille_tests::conformance;
use reveille_tests::poll::tcp_pair as pair;
use rustix::net::{SendFlags, send, sockopt};

use super::{is_pending, soon};

// netty#4449: a peer that resets gives one error, and neither a hang nor a loop.
async fn a_reset_is_an_error_of_the_waiting_read_and_then_the_stream_has_ended() {
    let (mut stream, peer) = pair().await;
    let mut clone = stream.clone();
    let mut waits = Box::pin(async move { clone.read(&mut [0; 4]).await });
    assert!(is_pending(waits.as_mut()).await);
    sockopt::set_socket_linger(&peer, Some(Duration::ZERO)).unwrap();
    drop(peer);
    assert_eq!(soon(waits).await.unwrap_err().kind(), ErrorKind::ConnectionReset);
    assert_eq!(soon(stream.read(&mut [0; 4])).await.unwrap(), 0);
    assert_eq!(soon(stream.write(&[1])).await.unwrap_err().kind(), ErrorKind::BrokenPipe);
}

// Of the same kind: urgent data is an event without bytes to read.
async fn urgent_data_is_not_taken_for_the_stream() {
    let (mut stream, mut peer) = pair().await;
    let mut bytes = [0; 8];
    assert!(is_pending(pin!(stream.read(&mut bytes))).await);
    assert_eq!(send(&peer, b"!", SendFlags::OOB).unwrap(), 1);
    assert!(future::timeout(Duration::ZERO, stream.read(&mut bytes)).await.is_err());
    peer.write_all(b"xyz").await.unwrap();
    assert_eq!(soon(stream.read(&mut bytes)).await.unwrap(), 3);
    assert_eq!(&bytes[..3], b"xyz");
}

// ponyc#5289, golang/go#23849, tokio#3543: an empty datagram is a datagram, and a small buffer
// truncates this datagram only.
async fn datagrams_keep_their_bounds() {
    let receiver = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let sender = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    sender.connect(receiver.local_addr().unwrap()).await.unwrap();
    for datagram in [&b""[..], b"x", b"12345", b"9"] {
        assert_eq!(soon(sender.send(datagram)).await.unwrap(), datagram.len());
    }
    let mut two = [0; 2];
    assert_eq!(soon(receiver.recv_from(&mut two)).await.unwrap().0, 0);
    assert_eq!(soon(receiver.recv_from(&mut [])).await.unwrap().0, 0);
    assert_eq!(soon(receiver.recv_from(&mut two)).await.unwrap().0, 2);
    assert_eq!(soon(receiver.recv_from(&mut two)).await.unwrap().0, 1);
    assert_eq!(two[0], b'9');
    let (left, right) = UnixDatagram::pair().unwrap();
    for datagram in [&b""[..], b"abc"] {
        assert_eq!(soon(left.send(datagram)).await.unwrap(), datagram.len());
    }
    assert_eq!(soon(right.recv(&mut two)).await.unwrap(), 0);
    assert_eq!(soon(right.recv(&mut two)).await.unwrap(), 2);
}

// mio#1915, compio#784: a burst of clients is not refused by a queue of 128.
#[cfg(target_os = "linux")]
async fn the_system_decides_how_many_connections_wait_to_be_accepted() {
    let allowed = std::fs::read_to_string("/proc/sys/net/core/somaxconn").unwrap();
    let allowed: usize = allowed.trim().parse().unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address: SocketAddr = listener.local_addr().unwrap();
    let mut clients = Vec::new();
    for _ in 0..allowed.min(300) {
        clients.push(soon(TcpStream::connect(address)).await.unwrap());
    }
}

// trio#247 and #809, compio#315.
// Only on Linux: it counts descriptors in /proc.
#[cfg(target_os = "linux")]
#[test]
fn a_dropped_connect_leaves_no_descriptor() {
    use reveille_tests::measure::descriptors;

    reveille_tests::child::passes_in_own_process(&[], || {
        task::block_on(async {
            // The first connections fill a backlog of zero.
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            let address = listener.local_addr().unwrap();
            rustix::net::listen(&listener, 0).unwrap();
            let mut connected = Vec::new();
            let mut given_up = 0;
            let mut before = 0;
            for round in 0..40 {
                let mut connecting = Box::pin(TcpStream::connect(address));
                match is_pending(connecting.as_mut()).await {
                    true => given_up += 1,
                    false => connected.push(connecting),
                }
                if round == 19 {
                    before = descriptors();
                }
            }
            assert!(given_up >= 20, "{given_up}");
            assert!(descriptors() <= before + 1, "{} were {before}", descriptors());
        });
    });
}

conformance!(
    a_reset_is_an_error_of_the_waiting_read_and_then_the_stream_has_ended,
    urgent_data_is_not_taken_for_the_stream,
    datagrams_keep_their_bounds,
    // Only on Linux: the limit is a file in /proc.
    #[cfg(target_os = "linux")]
    the_system_decides_how_many_connections_wait_to_be_accepted,
);

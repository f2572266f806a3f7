//! Sockets: empty writes, many buffers, ends and resets, empty datagrams.

use std::io::{ErrorKind, IoSlice, IoSliceMut};
use std::net::{Shutdown, SocketAddr};
use std::pin::pin;
use std::time::Duration;

use reveille::future;
use reveille::io::prelude::*;
use reveille::net::{TcpListener, TcpStream, UdpSocket};
use reveille::os::unix::net::{UnixDatagram, UnixStream};
use reveille::task;
use reveille_tests::conformance;
use rustix::net::{SendFlags, send, sockopt};

use super::{is_pending, soon};

async fn pair() -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
    let (server, _) = listener.accept().await.unwrap();
    (client, server)
}

/// Writes until there is no room.
async fn fill(writer: &mut (impl reveille::io::Write + Unpin)) {
    let bytes = vec![0; 1 << 20];
    while !is_pending(pin!(writer.write(&bytes))).await {}
}

// golang/go#14139: a write of no bytes does not wait.
async fn writing_nothing_needs_no_room() {
    let (mut stream, _peer) = pair().await;
    fill(&mut stream).await;
    assert_eq!(soon(stream.write(&[])).await.unwrap(), 0);
    assert_eq!(soon(stream.write_vectored(&[IoSlice::new(&[])])).await.unwrap(), 0);
    let (mut stream, _peer) = UnixStream::pair().unwrap();
    fill(&mut stream).await;
    assert_eq!(soon(stream.write(&[])).await.unwrap(), 0);
}

// tokio#4937 and mio#967: zero bytes read into an empty buffer do not mean end of stream.
async fn a_read_into_nothing_neither_takes_bytes_nor_ends_the_stream() {
    let (mut stream, mut peer) = pair().await;
    peer.write_all(b"abc").await.unwrap();
    assert_eq!(soon(stream.peek(&mut [0; 3])).await.unwrap(), 3);
    assert_eq!(soon(stream.read(&mut [])).await.unwrap(), 0);
    let mut bytes = [0; 3];
    soon(stream.read_exact(&mut bytes)).await.unwrap();
    soon(stream.read_exact(&mut [])).await.unwrap();
    assert_eq!(&bytes, b"abc");
    peer.write_all(b"d").await.unwrap();
    assert_eq!(soon(stream.read(&mut bytes)).await.unwrap(), 1);
}

/// Sends and receives 3,000 bytes in buffers of one byte.
async fn exchange(
    mut from: impl reveille::io::Write + Unpin,
    mut to: impl reveille::io::Read + Unpin,
) {
    let sent: Vec<u8> = (0..3_000).map(|number| (number % 251) as u8).collect();
    let mut done = 0;
    while done < sent.len() {
        let slices: Vec<_> = sent[done..].chunks(1).map(IoSlice::new).collect();
        done += soon(from.write_vectored(&slices)).await.unwrap();
    }
    let mut received = vec![0; sent.len()];
    let mut done = 0;
    while done < received.len() {
        let mut slices: Vec<_> = received[done..].chunks_mut(1).map(IoSliceMut::new).collect();
        let count = soon(to.read_vectored(&mut slices)).await.unwrap();
        assert!(count > 0, "the stream has not ended");
        done += count;
    }
    assert_eq!(received, sent);
}

// rust-lang/rust#68042 and libuv#770: more buffers than a system call accepts give a short write.
async fn any_number_of_buffers_is_taken() {
    let (client, server) = pair().await;
    exchange(client, server).await;
    let (client, server) = UnixStream::pair().unwrap();
    exchange(client, server).await;
}

// tokio#7551 and compio#288: a clone is closed by another task.
async fn a_shutdown_wakes_reads_and_writes_of_a_clone() {
    for how in [Shutdown::Read, Shutdown::Both] {
        let (stream, _peer) = pair().await;
        let mut reader = stream.clone();
        let mut waits = Box::pin(async move { reader.read(&mut [0; 4]).await });
        assert!(is_pending(waits.as_mut()).await);
        stream.shutdown(how).unwrap();
        assert_eq!(soon(waits).await.unwrap(), 0, "{how:?}");
    }
    let (stream, _peer) = pair().await;
    let mut writer = stream.clone();
    fill(&mut writer).await;
    let mut waits = Box::pin(async move { writer.write(&[1]).await });
    assert!(is_pending(waits.as_mut()).await);
    stream.shutdown(Shutdown::Write).unwrap();
    assert_eq!(soon(waits).await.unwrap_err().kind(), ErrorKind::BrokenPipe);
}

// nodejs/node#49073, tokio#3876: one direction ends and the other continues.
async fn a_half_that_is_closed_leaves_the_other_open() {
    let (mut client, mut server) = pair().await;
    client.write_all(b"question").await.unwrap();
    client.shutdown(Shutdown::Write).unwrap();
    let mut question = String::new();
    soon(server.read_to_string(&mut question)).await.unwrap();
    assert_eq!(question, "question");
    for _ in 0..3 {
        server.write_all(b"answer").await.unwrap();
        task::yield_now().await;
    }
    drop(server);
    let mut answer = String::new();
    soon(client.read_to_string(&mut answer)).await.unwrap();
    assert_eq!(answer, "answer".repeat(3));
}

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
    writing_nothing_needs_no_room,
    a_read_into_nothing_neither_takes_bytes_nor_ends_the_stream,
    any_number_of_buffers_is_taken,
    a_shutdown_wakes_reads_and_writes_of_a_clone,
    a_half_that_is_closed_leaves_the_other_open,
    a_reset_is_an_error_of_the_waiting_read_and_then_the_stream_has_ended,
    urgent_data_is_not_taken_for_the_stream,
    datagrams_keep_their_bounds,
    // Only on Linux: the limit is a file in /proc.
    #[cfg(target_os = "linux")]
    the_system_decides_how_many_connections_wait_to_be_accepted,
);

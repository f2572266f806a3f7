//! `os::unix::net`: Unix domain sockets.

use std::os::fd::{AsRawFd, IntoRawFd, OwnedFd};
use std::os::unix::net::{UnixListener as StdUnixListener, UnixStream as StdUnixStream};
use std::sync::Arc;
#[cfg(target_os = "linux")]
use std::time::Duration;

use futures_lite::future;
use reveille::io::{self, ErrorKind, IoSlice};
use reveille::net::Shutdown;
use reveille::os::unix::net::{UnixDatagram, UnixListener, UnixStream};
use reveille::prelude::*;
use reveille::task;
use reveille_tests::scratch::Scratch;

#[test]
fn types_are_send_sync_and_unwind_safe() {
    fn is_all<T: Send + Sync + Unpin + std::panic::UnwindSafe + std::panic::RefUnwindSafe>() {}
    is_all::<UnixStream>();
    is_all::<UnixListener>();
    is_all::<UnixDatagram>();
}

async fn streams_connect_and_know_their_addresses() {
    let place = Scratch::new();
    let listener = UnixListener::bind(place.path()).await.unwrap();
    let mut client = UnixStream::connect(place.path()).await.unwrap();
    let (mut server, peer) = listener.accept().await.unwrap();
    assert!(peer.is_unnamed());
    assert_eq!(client.peer_addr().unwrap().as_pathname(), Some(&*place.0));
    assert_eq!(listener.local_addr().unwrap().as_pathname(), Some(&*place.0));
    client.write_all(b"hello").await.unwrap();
    client.shutdown(Shutdown::Write).unwrap();
    let mut text = String::new();
    server.read_to_string(&mut text).await.unwrap();
    assert_eq!(text, "hello");
    let shown = format!("{listener:?}");
    assert!(shown.starts_with("UnixListener { fd: "), "{shown}");
}

async fn incoming_gives_one_stream_per_client() {
    let place = Scratch::new();
    let listener = UnixListener::bind(place.path()).await.unwrap();
    let path = place.path().to_path_buf();
    let clients = task::spawn(async move {
        for _ in 0..20 {
            let mut text = String::new();
            let mut stream = UnixStream::connect(&path).await.unwrap();
            stream.read_to_string(&mut text).await.unwrap();
            assert_eq!(text, "served");
        }
    });
    let mut incoming = listener.incoming();
    for _ in 0..20 {
        incoming.next().await.unwrap().unwrap().write_all(b"served").await.unwrap();
    }
    clients.await;
}

async fn clones_in_two_tasks_read_and_write_at_once() {
    const LEN: usize = 4 << 20;
    let (a, mut b) = UnixStream::pair().unwrap();
    let writer = a.clone();
    let write = task::spawn(async move {
        (&writer).write_all(&vec![7; LEN]).await.unwrap();
        writer.shutdown(Shutdown::Write).unwrap();
    });
    let echo = task::spawn(async move {
        let copied = io::copy(&mut b.clone(), &mut b).await.unwrap();
        b.shutdown(Shutdown::Write).unwrap();
        copied
    });
    let mut back = Vec::new();
    (&a).read_to_end(&mut back).await.unwrap();
    assert_eq!((back.len(), echo.await), (LEN, LEN as u64));
    write.await;
}

async fn vectored_write_is_one_call() {
    let (mut a, mut b) = UnixStream::pair().unwrap();
    let parts = [IoSlice::new(b"head"), IoSlice::new(b"body")];
    assert_eq!(a.write_vectored(&parts).await.unwrap(), 8);
    assert_eq!(b.read(&mut [0; 16]).await.unwrap(), 8);
}

async fn errors_name_the_path_and_keep_the_kind() {
    let place = Scratch::new();
    let shown = place.0.display().to_string();
    let error = UnixStream::connect(place.path()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
    assert!(error.to_string().starts_with(&format!("could not connect to `{shown}`: ")));
    assert!(io::raw_os_error(&error).is_some());

    let socket = UnixDatagram::unbound().unwrap();
    let error = socket.send_to(b"x", place.path()).await.unwrap_err();
    assert!(error.to_string().starts_with(&format!("could not send packet to `{shown}`: ")));

    let listener = UnixListener::bind(place.path()).await.unwrap();
    let error = UnixListener::bind(place.path()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::AddrInUse);
    assert!(error.to_string().starts_with(&format!("could not bind to `{shown}`: ")));

    drop(listener);
    let error = UnixStream::connect(place.path()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ConnectionRefused);

    let long = "x".repeat(200);
    let error = UnixStream::connect(&long).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidInput);
}

#[cfg(target_os = "linux")]
async fn connecting_waits_while_the_queue_of_the_listener_is_full() {
    let place = Scratch::new();
    let listener = StdUnixListener::bind(&place.0).unwrap();
    rustix::net::listen(&listener, 0).unwrap();
    let listener = UnixListener::from(listener);
    // A queue of zero holds one.
    let _first = UnixStream::connect(place.path()).await.unwrap();
    let path = place.path().to_path_buf();
    let mut second = Box::pin(UnixStream::connect(path));
    assert!(future::poll_once(second.as_mut()).await.is_none(), "it waits");
    listener.accept().await.unwrap();
    second.await.unwrap();
    listener.accept().await.unwrap();
}

async fn datagrams_arrive_whole_with_their_sender() {
    let (here, there) = (Scratch::new(), Scratch::new());
    let a = UnixDatagram::bind(here.path()).await.unwrap();
    let b = UnixDatagram::bind(there.path()).await.unwrap();
    a.send_to(b"one", there.path()).await.unwrap();
    a.connect(there.path()).await.unwrap();
    a.send(b"three").await.unwrap();
    let mut buf = [0; 16];
    let (len, from) = b.recv_from(&mut buf).await.unwrap();
    assert_eq!((&buf[..len], from.as_pathname()), (&b"one"[..], Some(&*here.0)));
    assert_eq!(b.recv(&mut buf).await.unwrap(), 5);
    assert_eq!(a.peer_addr().unwrap().as_pathname(), Some(&*there.0));
}

async fn datagram_sender_waits_for_a_receiver_that_is_behind() {
    let (a, b) = UnixDatagram::pair().unwrap();
    let mut sent = 0;
    while let Some(n) = future::poll_once(a.send(b"x")).await {
        assert_eq!(n.unwrap(), 1);
        sent += 1;
    }
    let a = Arc::new(a);
    let sender = Arc::clone(&a);
    let more = task::spawn(async move { sender.send(b"last").await.unwrap() });
    let mut buf = [0; 8];
    for _ in 0..sent {
        assert_eq!(b.recv(&mut buf).await.unwrap(), 1);
    }
    assert_eq!(b.recv(&mut buf).await.unwrap(), 4);
    assert_eq!(more.await, 4);
}

/// A sequenced-packet socket, which a program may have been given.
#[cfg(target_os = "linux")]
fn packets() -> (std::os::fd::OwnedFd, std::os::fd::OwnedFd) {
    use rustix::net::{AddressFamily, SocketFlags, SocketType, socketpair};

    let flags = SocketFlags::CLOEXEC;
    socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, flags, None).unwrap()
}

/// Reads three packets that are all there before the thread checks again.
#[cfg(target_os = "linux")]
async fn reads_each_packet(
    mut ours: impl reveille::io::Read + Unpin,
    theirs: &std::os::fd::OwnedFd,
) {
    use rustix::net::{SendFlags, send};

    let mut buf = [0; 64];
    send(theirs, b"first", SendFlags::empty()).unwrap();
    assert_eq!(ours.read(&mut buf).await.unwrap(), 5);
    assert!(futures_lite::future::poll_once(ours.read(&mut buf)).await.is_none());
    for packet in [&b"one"[..], b"two", b"three"] {
        send(theirs, packet, SendFlags::empty()).unwrap();
    }
    for packet in [&b"one"[..], b"two", b"three"] {
        let read = reveille::future::timeout(Duration::from_secs(20), ours.read(&mut buf));
        let len = read.await.expect("it is there").unwrap();
        assert_eq!(&buf[..len], packet);
    }
}

#[cfg(target_os = "linux")]
async fn packets_of_a_socket_that_was_taken_as_a_stream_all_arrive() {
    let (ours, theirs) = packets();
    reads_each_packet(reveille::net::TcpStream::from(ours), &theirs).await;
    let (ours, theirs) = packets();
    reads_each_packet(UnixStream::from(ours), &theirs).await;
}

async fn into_raw_fd_gives_an_open_descriptor() {
    let (a, mut b) = UnixStream::pair().unwrap();
    let (mut clone, number) = (a.clone(), a.as_raw_fd());
    let duplicate = a.into_raw_fd();
    assert_ne!(duplicate, number);
    let shown = std::fs::read_link(format!("/proc/self/fd/{duplicate}")).unwrap();
    assert!(shown.to_string_lossy().starts_with("socket:"), "{shown:?}");
    clone.write_all(b"x").await.unwrap();
    assert_eq!(b.read(&mut [0; 1]).await.unwrap(), 1);
    assert_eq!(clone.into_raw_fd(), number);
}

async fn streams_go_to_std_blocking_if_they_are_not_shared() {
    let (a, _b) = UnixStream::pair().unwrap();
    let clone = a.clone();
    assert!(StdUnixStream::try_from(a).is_err());
    let std = StdUnixStream::try_from(clone).unwrap();
    let again = UnixStream::from(OwnedFd::from(std));
    assert!(future::poll_once((&again).read(&mut [0; 1])).await.is_none(), "non-blocking");
}

// Each of these runs on every executor.
reveille_tests::conformance!(
    // Only on Linux: packets of Unix sockets.
    #[cfg(target_os = "linux")]
    packets_of_a_socket_that_was_taken_as_a_stream_all_arrive,
    streams_connect_and_know_their_addresses,
    incoming_gives_one_stream_per_client,
    clones_in_two_tasks_read_and_write_at_once,
    vectored_write_is_one_call,
    errors_name_the_path_and_keep_the_kind,
    // Only on Linux: elsewhere a full queue refuses.
    #[cfg(target_os = "linux")]
    connecting_waits_while_the_queue_of_the_listener_is_full,
    datagrams_arrive_whole_with_their_sender,
    datagram_sender_waits_for_a_receiver_that_is_behind,
    into_raw_fd_gives_an_open_descriptor,
    streams_go_to_std_blocking_if_they_are_not_shared,
);

//! `net::UdpSocket`: whole datagrams, to every waiting task.

use std::net::{Ipv4Addr, Ipv6Addr, UdpSocket as StdUdpSocket};
use std::pin::pin;
use std::sync::Arc;

use futures_lite::future;
use reveille::io::ErrorKind;
use reveille::net::UdpSocket;
use reveille::task::{self, block_on};

async fn pair() -> (UdpSocket, UdpSocket) {
    let a = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let b = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    (a, b)
}

async fn datagrams_arrive_whole_and_say_where_from() {
    let (a, b) = pair().await;
    for text in [&b"one"[..], b"", b"three"] {
        a.send_to(text, b.local_addr().unwrap()).await.unwrap();
    }
    let mut buf = [0; 16];
    for text in [&b"one"[..], b"", b"three"] {
        let (len, from) = b.recv_from(&mut buf).await.unwrap();
        assert_eq!((&buf[..len], from), (text, a.local_addr().unwrap()));
    }
}

async fn peeked_datagrams_stay() {
    let (a, b) = pair().await;
    b.connect(a.local_addr().unwrap()).await.unwrap();
    a.send_to(b"look", b.local_addr().unwrap()).await.unwrap();
    let mut buf = [0; 16];
    let from = a.local_addr().unwrap();
    assert_eq!(b.peek_from(&mut buf).await.unwrap(), (4, from));
    assert_eq!(b.peek(&mut buf).await.unwrap(), 4);
    assert_eq!(b.recv_from(&mut buf).await.unwrap(), (4, from));
    assert!(future::poll_once(b.recv(&mut buf)).await.is_none(), "it was the only one");
}

async fn dropped_receive_loses_no_datagram() {
    let (a, b) = pair().await;
    let mut buf = [0; 16];
    for _ in 0..3 {
        assert!(future::poll_once(b.recv_from(&mut buf)).await.is_none());
    }
    a.send_to(b"kept", b.local_addr().unwrap()).await.unwrap();
    assert_eq!(b.recv_from(&mut buf).await.unwrap().0, 4);
}

async fn every_task_that_waits_gets_a_datagram() {
    let (a, b) = pair().await;
    let b = Arc::new(b);
    let receive = |socket: Arc<UdpSocket>| async move {
        let mut byte = [0];
        socket.recv(&mut byte).await.unwrap();
        byte[0]
    };
    let tasks: Vec<_> = (0..8).map(|_| task::spawn(receive(Arc::clone(&b)))).collect();
    for byte in 0..8 {
        a.send_to(&[byte], b.local_addr().unwrap()).await.unwrap();
    }
    let mut received = Vec::new();
    for task in tasks {
        received.push(task.await);
    }
    received.sort_unstable();
    assert_eq!(received, [0, 1, 2, 3, 4, 5, 6, 7]);
}

async fn clone_of_the_socket_receives_too() {
    let (a, b) = pair().await;
    let (clone, address) = (b.try_clone().unwrap(), b.local_addr().unwrap());
    assert!(future::poll_once(b.recv(&mut [0; 16])).await.is_none());
    drop(b);
    let receive = task::spawn(async move { clone.recv(&mut [0; 16]).await.unwrap() });
    a.send_to(b"still here", address).await.unwrap();
    assert_eq!(receive.await, 10);
}

async fn datagram_that_is_too_long_names_where_it_should_go() {
    let (a, b) = pair().await;
    let address = b.local_addr().unwrap();
    let error = a.send_to(&[0; 70_000], address).await.unwrap_err();
    assert_eq!(error.to_string(), format!("could not send packet to {address}"));
    assert!(reveille::io::raw_os_error(&error).is_some());
}

async fn address_in_use_is_named() {
    let (a, _) = pair().await;
    let address = a.local_addr().unwrap();
    let error = UdpSocket::bind(address).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::AddrInUse);
    assert!(error.to_string().contains(&address.to_string()), "{error}");
}

async fn peer_that_is_not_there_is_reported_once_and_the_socket_stays_usable() {
    let (a, b) = pair().await;
    let address = b.local_addr().unwrap();
    a.connect(address).await.unwrap();
    drop(b);
    let mut buf = [0; 8];
    {
        // It waits, so that the error comes as an event.
        let mut receives = pin!(a.recv(&mut buf));
        assert!(future::poll_once(&mut receives).await.is_none());
        a.send(b"anybody?").await.unwrap();
        assert_eq!(receives.await.unwrap_err().kind(), ErrorKind::ConnectionRefused);
    }

    let b = UdpSocket::bind(address).await.unwrap();
    a.send(b"again").await.unwrap();
    assert_eq!(b.recv(&mut [0; 8]).await.unwrap(), 5);
    // The error was taken, so the next receive waits and does not spin.
    let mut receives = pin!(a.recv(&mut buf));
    assert!(future::poll_once(&mut receives).await.is_none());
    b.send_to(b"yes", a.local_addr().unwrap()).await.unwrap();
    assert_eq!(receives.await.unwrap(), 3);
}

#[test]
fn socket_comes_from_std_and_goes_back_blocking() {
    let (a, b) = (StdUdpSocket::bind("127.0.0.1:0"), StdUdpSocket::bind("127.0.0.1:0"));
    let (a, b) = (a.unwrap(), UdpSocket::from(b.unwrap()));
    let address = b.local_addr().unwrap();
    block_on(async {
        assert!(future::poll_once(b.recv(&mut [0; 8])).await.is_none(), "it is non-blocking");
    });
    let b = StdUdpSocket::try_from(b).unwrap();
    a.send_to(b"back", address).unwrap();
    assert_eq!(b.recv(&mut [0; 8]).unwrap(), 4);
}

async fn short_buffer_gets_the_front_and_the_next_read_the_next_datagram() {
    let (a, b) = pair().await;
    for text in [&b"first"[..], b"second"] {
        a.send_to(text, b.local_addr().unwrap()).await.unwrap();
    }
    // `WSAEMSGSIZE`: Windows fills the buffer too, and reports what was lost.
    let expected = if cfg!(windows) { Err(Some(10040)) } else { Ok(2) };
    let mut two = [0; 2];
    for text in [b"fi", b"se"] {
        let received = b.recv_from(&mut two).await.map(|(len, _)| len);
        assert_eq!(received.map_err(|error| reveille::io::raw_os_error(&error)), expected);
        assert_eq!(&two, text);
    }
}

async fn connected_socket_receives_only_from_its_peer() {
    let ((a, b), (c, _)) = (pair().await, pair().await);
    let (a_address, b_address) = (a.local_addr().unwrap(), b.local_addr().unwrap());
    let error = a.peer_addr().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotConnected);
    assert_eq!(error.to_string(), "could not get peer address");

    a.connect(b_address).await.unwrap();
    assert_eq!(a.peer_addr().unwrap(), b_address);
    c.send_to(b"from c", a_address).await.unwrap();
    b.send_to(b"from b", a_address).await.unwrap();
    let mut buf = [0; 16];
    let len = a.recv(&mut buf).await.unwrap();
    assert_eq!(&buf[..len], b"from b");
    a.send(b"answer").await.unwrap();
    assert_eq!(b.recv_from(&mut buf).await.unwrap(), (6, a_address));
}

async fn bind_and_connect_try_every_address() {
    let (a, b) = pair().await;
    let (taken, b_address) = (a.local_addr().unwrap(), b.local_addr().unwrap());
    let socket = UdpSocket::bind(&[taken, "127.0.0.1:0".parse().unwrap()][..]).await.unwrap();
    assert_ne!(socket.local_addr().unwrap(), taken);

    // A socket of one family cannot send to an address of the other.
    let foreign = "[::1]:1".parse().unwrap();
    socket.connect(&[foreign, b_address][..]).await.unwrap();
    assert_eq!(socket.peer_addr().unwrap(), b_address);
    let error = socket.connect(foreign).await.unwrap_err();
    assert!(error.to_string().starts_with("could not connect to `[::1]:1`: "), "{error}");
}

async fn options_are_those_of_the_socket() {
    let (a, _) = pair().await;
    for on in [true, false] {
        a.set_broadcast(on).unwrap();
        assert_eq!(a.broadcast().unwrap(), on);
        a.set_multicast_loop_v4(on).unwrap();
        assert_eq!(a.multicast_loop_v4().unwrap(), on);
    }
    a.set_ttl(42).unwrap();
    a.set_multicast_ttl_v4(7).unwrap();
    assert_eq!((a.ttl().unwrap(), a.multicast_ttl_v4().unwrap()), (42, 7));

    // A machine without IPv6 cannot run this.
    let Ok(socket) = UdpSocket::bind("[::1]:0").await else { return };
    for on in [false, true] {
        socket.set_multicast_loop_v6(on).unwrap();
        assert_eq!(socket.multicast_loop_v6().unwrap(), on);
    }
}

async fn groups_are_joined_and_left_as_with_std() {
    // Whether it works depends on the machine, so only the results are compared. The second call
    // may fail because the first one has done it already.
    let number = |result: std::io::Result<()>| result.map_err(|error| error.raw_os_error());
    let (group, local) = (Ipv4Addr::new(239, 255, 4, 2), Ipv4Addr::LOCALHOST);
    let ours = UdpSocket::bind("0.0.0.0:0").await.unwrap();
    let plain = StdUdpSocket::bind("0.0.0.0:0").unwrap();
    for _ in 0..2 {
        let expected = number(plain.join_multicast_v4(&group, &local));
        assert_eq!(number(ours.join_multicast_v4(group, local)), expected);
    }
    for _ in 0..2 {
        let expected = number(plain.leave_multicast_v4(&group, &local));
        assert_eq!(number(ours.leave_multicast_v4(group, local)), expected);
    }

    let Ok(plain) = StdUdpSocket::bind("[::]:0") else { return };
    let ours = UdpSocket::bind("[::]:0").await.unwrap();
    let group = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 0x123);
    for _ in 0..2 {
        let expected = number(plain.join_multicast_v6(&group, 0));
        assert_eq!(number(ours.join_multicast_v6(&group, 0)), expected);
    }
    for _ in 0..2 {
        let expected = number(plain.leave_multicast_v6(&group, 0));
        assert_eq!(number(ours.leave_multicast_v6(&group, 0)), expected);
    }
}

#[cfg(unix)]
async fn descriptors_go_both_ways() {
    use std::os::fd::{AsFd as _, AsRawFd as _, FromRawFd as _, IntoRawFd as _, OwnedFd};

    let (a, b) = pair().await;
    let address = a.local_addr().unwrap();
    assert_eq!(a.as_fd().as_raw_fd(), a.as_raw_fd());
    let a = UdpSocket::from(OwnedFd::from(a));
    // SAFETY: `into_raw_fd` made us the only owner.
    let a = unsafe { UdpSocket::from_raw_fd(a.into_raw_fd()) };
    a.send_to(b"x", b.local_addr().unwrap()).await.unwrap();
    assert_eq!(b.recv_from(&mut [0; 1]).await.unwrap(), (1, address));
}

// Each of these runs on every executor.
reveille_tests::conformance!(
    datagrams_arrive_whole_and_say_where_from,
    peeked_datagrams_stay,
    dropped_receive_loses_no_datagram,
    every_task_that_waits_gets_a_datagram,
    clone_of_the_socket_receives_too,
    datagram_that_is_too_long_names_where_it_should_go,
    address_in_use_is_named,
    peer_that_is_not_there_is_reported_once_and_the_socket_stays_usable,
    short_buffer_gets_the_front_and_the_next_read_the_next_datagram,
    connected_socket_receives_only_from_its_peer,
    bind_and_connect_try_every_address,
    options_are_those_of_the_socket,
    groups_are_joined_and_left_as_with_std,
    // Only on Unix: it is about descriptors.
    #[cfg(unix)]
    descriptors_go_both_ways,
);

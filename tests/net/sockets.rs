//! `TcpSocket`, peer credentials, and many datagrams at once.

use std::future::poll_fn;
use std::io::{ErrorKind, IoSliceMut};
use std::net::SocketAddr;
use std::num::NonZeroU16;
use std::time::Duration;

use reveille::net::{
    Datagram, DatagramMeta, KeepAlive, TcpListener, TcpSocket, TcpStream, UdpSocket,
};
use reveille::prelude::*;
use reveille_tests::conformance;

fn local() -> SocketAddr {
    "127.0.0.1:0".parse().unwrap()
}

async fn a_socket_connects_from_the_address_it_is_bound_to() {
    let listener = TcpListener::bind(local()).await.unwrap();
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.3:0".parse().unwrap()).unwrap();
    let source = socket.local_addr().unwrap();
    let mut client = socket.connect(listener.local_addr().unwrap()).await.unwrap();
    let (mut server, peer) = listener.accept().await.unwrap();
    assert_eq!(peer, source);
    client.write_all(b"ping").await.unwrap();
    let mut buf = [0; 4];
    server.read_exact(&mut buf).await.unwrap();
    assert_eq!(&buf, b"ping");
}

async fn options_reach_the_connection() {
    let listener = TcpListener::bind(local()).await.unwrap();
    #[cfg_attr(not(target_os = "linux"), expect(unused_mut, reason = "Fast Open sets a flag"))]
    let mut socket = TcpSocket::new_for(local()).unwrap();
    socket.set_nodelay(true).unwrap();
    socket.set_recv_buffer_size(20_000).unwrap();
    socket.set_send_buffer_size(30_000).unwrap();
    assert!(socket.recv_buffer_size().unwrap() >= 20_000);
    assert!(socket.send_buffer_size().unwrap() >= 30_000);
    let probes = KeepAlive {
        idle: Some(Duration::from_secs(40)),
        interval: Some(Duration::from_secs(5)),
        retries: Some(3),
    };
    socket.set_keep_alive_with(&probes).unwrap();
    #[cfg(target_os = "linux")]
    socket.set_fast_open(true).unwrap();
    let stream = socket.connect(listener.local_addr().unwrap()).await.unwrap();
    assert!(stream.nodelay().unwrap());
    #[cfg(unix)]
    {
        use rustix::net::sockopt;
        assert!(sockopt::socket_keepalive(&stream).unwrap());
        assert_eq!(sockopt::tcp_keepidle(&stream).unwrap(), Duration::from_secs(40));
        assert_eq!(sockopt::tcp_keepintvl(&stream).unwrap(), Duration::from_secs(5));
        assert_eq!(sockopt::tcp_keepcnt(&stream).unwrap(), 3);
    }
}

async fn a_listener_has_the_queue_that_was_asked_for() {
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_reuse_address(true).unwrap();
    socket.bind(local()).unwrap();
    let listener = socket.listen(u32::MAX).unwrap();
    let address = listener.local_addr().unwrap();
    let client = TcpStream::connect(address).await.unwrap();
    let (server, peer) = listener.accept().await.unwrap();
    assert_eq!(peer, client.local_addr().unwrap());
    assert_eq!(server.local_addr().unwrap(), address);
}

#[cfg(target_os = "linux")]
async fn fast_open_carries_the_first_bytes() {
    let mut socket = TcpSocket::new_v4().unwrap();
    socket.set_fast_open(true).unwrap();
    socket.bind(local()).unwrap();
    let listener = socket.listen(16).unwrap();
    let address = listener.local_addr().unwrap();
    // The first connection brings the cookie, if the system allows it at all.
    for _ in 0..3 {
        let mut socket = TcpSocket::new_v4().unwrap();
        socket.set_fast_open(true).unwrap();
        let mut client = socket.connect(address).await.unwrap();
        client.write_all(b"early").await.unwrap();
        let (mut server, _) = listener.accept().await.unwrap();
        let mut buf = [0; 5];
        server.read_exact(&mut buf).await.unwrap();
        assert_eq!(&buf, b"early");
    }
}

async fn errors_name_the_operation_and_the_address() {
    let listener = TcpListener::bind(local()).await.unwrap();
    let taken = listener.local_addr().unwrap();
    let socket = TcpSocket::new_v4().unwrap();
    let error = socket.bind(taken).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::AddrInUse);
    assert!(error.to_string().starts_with(&format!("could not bind to `{taken}`: ")), "{error}");

    drop(listener);
    let error = socket.connect(taken).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ConnectionRefused);
    let start = format!("could not connect to `{taken}`: ");
    assert!(error.to_string().starts_with(&start), "{error}");

    let wrong_family = TcpSocket::new_v4().unwrap().connect("[::1]:9".parse().unwrap()).await;
    assert!(wrong_family.is_err());
}

async fn zero_linger_resets_the_connection() {
    let listener = TcpListener::bind(local()).await.unwrap();
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_linger(Some(Duration::ZERO)).unwrap();
    let client = socket.connect(listener.local_addr().unwrap()).await.unwrap();
    let (mut server, _) = listener.accept().await.unwrap();
    drop(client);
    let error = server.read(&mut [0; 1]).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ConnectionReset);
}

#[cfg(target_os = "linux")]
async fn sockets_that_share_a_port_both_listen() {
    let bind = |address| {
        let socket = TcpSocket::new_v4().unwrap();
        socket.set_reuse_port(true).unwrap();
        socket.bind(address).unwrap();
        socket.listen(16).unwrap()
    };
    let first = bind(local());
    let second = bind(first.local_addr().unwrap());
    assert_eq!(first.local_addr().unwrap(), second.local_addr().unwrap());
}

#[cfg(target_os = "linux")]
async fn the_peer_of_a_unix_stream_is_known() {
    use reveille::os::unix::net::UnixStream;

    let (here, _there) = UnixStream::pair().unwrap();
    let peer = here.peer_credentials().unwrap();
    assert_eq!(peer.uid, rustix::process::geteuid().as_raw());
    assert_eq!(peer.gid, rustix::process::getegid().as_raw());
    assert_eq!(peer.pid, Some(std::process::id()));
}

async fn udp_pair() -> (UdpSocket, UdpSocket) {
    let (a, b) = (UdpSocket::bind(local()).await.unwrap(), UdpSocket::bind(local()).await.unwrap());
    a.connect(b.local_addr().unwrap()).await.unwrap();
    b.connect(a.local_addr().unwrap()).await.unwrap();
    (a, b)
}

async fn datagrams_are_polled_for() {
    let (a, b) = udp_pair().await;
    let mut buf = [0; 8];
    assert_eq!(poll_fn(|cx| a.poll_send(cx, b"ping")).await.unwrap(), 4);
    assert_eq!(poll_fn(|cx| b.poll_peek_from(cx, &mut buf)).await.unwrap().0, 4);
    let (len, sender) = poll_fn(|cx| b.poll_recv_from(cx, &mut buf)).await.unwrap();
    assert_eq!((&buf[..len], sender), (&b"ping"[..], a.local_addr().unwrap()));
    let waiting = reveille::task::spawn(async move {
        let mut buf = [0; 8];
        poll_fn(|cx| b.poll_recv(cx, &mut buf)).await
    });
    a.send(b"pong!").await.unwrap();
    assert_eq!(waiting.await.unwrap(), 5);
}

async fn many_datagrams_keep_their_order_and_their_lengths() {
    let (a, b) = udp_pair().await;
    let payloads: Vec<Vec<u8>> = (0..50_u8).map(|i| vec![i; usize::from(i)]).collect();
    let datagrams: Vec<Datagram<'_>> = payloads.iter().map(|it| Datagram::new(it)).collect();
    let mut sent = 0;
    while sent < datagrams.len() {
        sent += a.send_many(&datagrams[sent..]).await.unwrap();
    }
    let mut received = 0;
    while received < payloads.len() {
        let mut space = [[0; 64]; 40];
        let mut bufs: Vec<_> = space.iter_mut().map(|buf| IoSliceMut::new(buf)).collect();
        let mut metas = [DatagramMeta::default(); 40];
        let count = b.recv_many(&mut bufs, &mut metas).await.unwrap();
        for (buf, meta) in bufs.iter().zip(&metas[..count]) {
            assert_eq!(&buf[..meta.len], payloads[received]);
            assert_eq!((meta.segment_len, meta.is_truncated), (meta.len, false));
            assert_eq!(meta.sender, Some(a.local_addr().unwrap()));
            received += 1;
        }
    }
}

async fn segments_arrive_one_by_one() {
    let receiver = UdpSocket::bind(local()).await.unwrap();
    let sender = UdpSocket::bind(local()).await.unwrap();
    let bytes: Vec<u8> = (0..2_500_u32).map(|i| i as u8).collect();
    let len = NonZeroU16::new(1_000).unwrap();
    let datagram = Datagram::new(&bytes).segments_of(len).to(receiver.local_addr().unwrap());
    // One that fits is not cut.
    let short = Datagram::new(b"short").segments_of(len).to(receiver.local_addr().unwrap());
    assert_eq!(sender.send_many(&[datagram, short]).await.unwrap(), 2);
    let mut buf = [0; 4_000];
    for part in bytes.chunks(1_000).chain([&b"short"[..]]) {
        let count = receiver.recv(&mut buf).await.unwrap();
        assert!(&buf[..count] == part);
    }
}

#[cfg(target_os = "linux")]
async fn merged_datagrams_have_their_length() {
    let (a, b) = udp_pair().await;
    b.set_merges(true).unwrap();
    let bytes = [7; 3_500];
    let datagram = Datagram::new(&bytes).segments_of(NonZeroU16::new(1_000).unwrap());
    a.send_many(&[datagram]).await.unwrap();
    let mut lens = Vec::new();
    while lens.iter().sum::<usize>() < bytes.len() {
        let mut buf = vec![0; 1 << 16];
        let mut metas = [DatagramMeta::default()];
        assert_eq!(b.recv_many(&mut [IoSliceMut::new(&mut buf)], &mut metas).await.unwrap(), 1);
        lens.extend(buf[..metas[0].len].chunks(metas[0].segment_len).map(<[u8]>::len));
    }
    assert_eq!(lens, [1_000, 1_000, 1_000, 500]);
}

async fn a_datagram_that_is_too_long_for_its_buffer_is_marked() {
    let (a, b) = udp_pair().await;
    a.send(b"too long").await.unwrap();
    let (mut buf, mut metas) = ([0; 3], [DatagramMeta::default()]);
    let received = b.recv_many(&mut [IoSliceMut::new(&mut buf)], &mut metas).await;
    if cfg!(target_os = "linux") {
        received.unwrap();
        assert_eq!((metas[0].len, metas[0].is_truncated, &buf), (3, true, b"too"));
    }
}

async fn calls_that_could_never_end_are_refused() {
    let (a, _b) = udp_pair().await;
    let error = a.recv_many(&mut [], &mut [DatagramMeta::default()]).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidInput);
    assert_eq!(a.send_many(&[]).await.unwrap_err().kind(), ErrorKind::InvalidInput);
    let long = vec![0; 70_000];
    let error = a.send_many(&[Datagram::new(b"x"), Datagram::new(&long)]).await.unwrap();
    assert_eq!(error, 1, "what comes before the refused one is sent");
    let error = a.send_many(&[Datagram::new(&long)]).await.unwrap_err();
    assert_eq!(error.to_string(), "could not send datagrams");
}

conformance! {
    a_socket_connects_from_the_address_it_is_bound_to,
    options_reach_the_connection,
    a_listener_has_the_queue_that_was_asked_for,
    // Only on Linux: it alone has this form of the option.
    #[cfg(target_os = "linux")]
    fast_open_carries_the_first_bytes,
    errors_name_the_operation_and_the_address,
    zero_linger_resets_the_connection,
    // Only on Linux: others do not have the option, or share the port otherwise.
    #[cfg(target_os = "linux")]
    sockets_that_share_a_port_both_listen,
    // Only on Linux: Unix sockets, and its number of the process.
    #[cfg(target_os = "linux")]
    the_peer_of_a_unix_stream_is_known,
    datagrams_are_polled_for,
    many_datagrams_keep_their_order_and_their_lengths,
    segments_arrive_one_by_one,
    // Only on Linux: it alone merges datagrams.
    #[cfg(target_os = "linux")]
    merged_datagrams_have_their_length,
    a_datagram_that_is_too_long_for_its_buffer_is_marked,
    calls_that_could_never_end_are_refused,
}

//! Point 12: sockets, which of them can be cloned, and how addresses are tried.

use std::marker::PhantomData;
use std::sync::mpsc;
use std::time::Duration;

use async_std::future::timeout;
use async_std::io::{ErrorKind, ReadExt as _, WriteExt as _};
use async_std::net::{SocketAddr, TcpListener, TcpStream, ToSocketAddrs, UdpSocket};
use async_std::task::{self, block_on};
use reveille_tests::child::passes_in_own_process;

/// Finds out whether a type is `Clone`. An inherent method takes precedence over that of a trait,
/// and the inherent one here exists only for `Clone` types.
struct Probe<T>(PhantomData<T>);

impl<T: Clone> Probe<T> {
    fn is_clone(&self) -> bool {
        true
    }
}

trait NotClone {
    fn is_clone(&self) -> bool {
        false
    }
}

impl<T> NotClone for Probe<T> {}

#[test]
fn point_12_streams_can_be_cloned_and_others_cannot() {
    assert!(Probe::<TcpStream>(PhantomData).is_clone());
    assert!(!Probe::<TcpListener>(PhantomData).is_clone());
    assert!(!Probe::<UdpSocket>(PhantomData).is_clone());
    #[cfg(unix)]
    {
        use async_std::os::unix::net::{UnixDatagram, UnixListener, UnixStream};
        assert!(Probe::<UnixStream>(PhantomData).is_clone());
        assert!(!Probe::<UnixListener>(PhantomData).is_clone());
        assert!(!Probe::<UnixDatagram>(PhantomData).is_clone());
    }
}

async fn connected() -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let stream = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
    (stream, listener.accept().await.unwrap().0)
}

/// A clone is the same socket: it sees the other's shutdown, and keeps the connection open.
#[test]
fn point_12_a_clone_is_the_same_socket() {
    block_on(async {
        let (stream, mut peer) = connected().await;
        let mut clone = stream.clone();
        assert_eq!(clone.local_addr().unwrap(), stream.local_addr().unwrap());
        drop(stream);
        clone.write_all(b"still open").await.unwrap();
        drop(clone);
        let mut text = String::new();
        peer.read_to_string(&mut text).await.unwrap();
        assert_eq!(text, "still open");
    });
}

#[test]
fn point_12_shared_references_read_and_write() {
    block_on(async {
        let (stream, peer) = connected().await;
        let (mut writer, mut reader) = (&stream, &peer);
        writer.write_all(b"by reference").await.unwrap();
        let mut bytes = [0; 12];
        reader.read_exact(&mut bytes).await.unwrap();
        assert_eq!(&bytes, b"by reference");
    });
    #[cfg(unix)]
    block_on(async {
        let (one, two) = async_std::os::unix::net::UnixStream::pair().unwrap();
        let (mut writer, mut reader) = (&one, &two);
        writer.write_all(b"unix").await.unwrap();
        let mut bytes = [0; 4];
        reader.read_exact(&mut bytes).await.unwrap();
        assert_eq!(&bytes, b"unix");
    });
}

/// An address without a listener.
async fn closed() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap()
}

#[test]
fn point_12_connect_tries_every_address() {
    block_on(async {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let open = listener.local_addr().unwrap();
        let addresses = [closed().await, closed().await, open];
        let stream = TcpStream::connect(&addresses[..]).await.unwrap();
        assert_eq!(stream.peer_addr().unwrap(), open);
        let error = TcpStream::connect(&addresses[..2]).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::ConnectionRefused);
    });
}

#[test]
fn point_12_an_empty_list_is_invalid_input() {
    block_on(async {
        let none: &[SocketAddr] = &[];
        let kinds = [
            TcpStream::connect(none).await.unwrap_err().kind(),
            TcpListener::bind(none).await.unwrap_err().kind(),
            UdpSocket::bind(none).await.unwrap_err().kind(),
        ];
        assert_eq!(kinds, [ErrorKind::InvalidInput; 3]);
    });
}

/// The only blocking thread is busy. A lookup of a name waits for it, a literal address does not.
#[test]
fn point_12_names_are_resolved_on_the_blocking_pool() {
    passes_in_own_process(&[("BLOCKING_MAX_THREADS", "1")], || {
        let (release, gate) = mpsc::channel::<()>();
        let (started, start) = mpsc::channel();
        let blocking = task::spawn_blocking(move || {
            started.send(()).unwrap();
            gate.recv().unwrap();
        });
        start.recv().unwrap();
        let name =
            task::spawn(async { "localhost:80".to_socket_addrs().await.map(Iterator::count) });
        block_on(async {
            let mut name = name;
            let spelled_out = "127.0.0.1:80".to_socket_addrs().await.unwrap();
            assert_eq!(spelled_out.count(), 1);
            assert!(timeout(Duration::from_millis(50), &mut name).await.is_err());
            release.send(()).unwrap();
            assert!(name.await.unwrap() > 0);
            blocking.await;
        });
    });
}

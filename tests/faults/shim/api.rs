//! API that async-std did not have, had removed, or hid behind features.

use std::cell::Cell;
use std::rc::Rc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

#[cfg(unix)]
use async_std::net::TcpStream;
use reveille::net::{TcpListener, UdpSocket};
use reveille::stream;
use reveille::stream::ConcurrentExt as _;
use reveille::task::{self, block_on};

/// Types of the shim are those of reveille, so a test of one covers the other. TCP and Unix streams
/// are the shim's own types, because `close` does nothing there, and so are the listeners that
/// accept them.
#[test]
fn the_types_of_the_shim_are_those_of_reveille() {
    fn is_same<A: 'static, B: 'static>() -> bool {
        std::any::TypeId::of::<A>() == std::any::TypeId::of::<B>()
    }
    assert!(is_same::<async_std::fs::File, reveille::fs::File>());
    assert!(is_same::<async_std::io::Stdin, reveille::io::Stdin>());
    assert!(is_same::<async_std::net::UdpSocket, UdpSocket>());
    assert!(is_same::<async_std::path::PathBuf, reveille::path::PathBuf>());
    assert!(is_same::<async_std::sync::Barrier, reveille::sync::Barrier>());
    assert!(is_same::<async_std::task::JoinHandle<()>, task::JoinHandle<()>>());
}

// Only on Unix: it is about descriptors.
#[cfg(unix)]
#[test]
fn fault_730_into_raw_fd_gives_an_open_descriptor() {
    use std::io::Write as _;
    use std::os::fd::{FromRawFd as _, IntoRawFd as _, OwnedFd};

    use async_std::io::ReadExt as _;

    block_on(async {
        let listener = async_std::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let stream = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let (mut peer, _) = listener.accept().await.unwrap();
        let number = stream.into_raw_fd();
        // SAFETY: `into_raw_fd` has released the descriptor: it is open and has no owner.
        let descriptor = unsafe { OwnedFd::from_raw_fd(number) };
        std::net::TcpStream::from(descriptor).write_all(b"open").unwrap();
        let mut text = String::new();
        peer.read_to_string(&mut text).await.unwrap();
        assert_eq!(text, "open");
    });
}

/// An error that names its path or address keeps the system's number.
#[test]
fn fault_errors_keep_the_number_of_the_system() {
    // ENOENT, and on Windows `ERROR_PATH_NOT_FOUND`: the directory is not there either.
    const NOT_FOUND: i32 = if cfg!(windows) { 3 } else { 2 };
    block_on(async {
        let error = async_std::fs::read("/there/is/no/such/file").await.unwrap_err();
        assert!(error.to_string().contains("/there/is/no/such/file"));
        assert_eq!(reveille::io::raw_os_error(&error), Some(NOT_FOUND));
        let error = async_std::fs::File::open("/there/is/no/such/file").await.unwrap_err();
        assert_eq!(reveille::io::raw_os_error(&error), Some(NOT_FOUND));
    });
}

/// Only the default features of reveille are enabled here.
#[test]
fn fault_815_spawn_local_needs_no_feature() {
    let count = Rc::new(Cell::new(0));
    block_on(async {
        let count = Rc::clone(&count);
        task::spawn_local(async move { count.set(1) }).await;
    });
    assert_eq!(count.get(), 1);
}

#[test]
fn fault_connect_timeout_exists() {
    block_on(async {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let limit = Duration::from_secs(60);
        let stream = reveille::net::TcpStream::connect_timeout(address, limit).await.unwrap();
        assert_eq!(stream.peer_addr().unwrap(), address);
    });
}

/// The error of a datagram without a receiver stays with the socket until it is taken.
// Only on Linux: others do not keep that error, or report it to each receive.
#[cfg(target_os = "linux")]
#[test]
fn fault_507_take_error_takes_the_sockets_error_once() {
    block_on(async {
        let nobody = UdpSocket::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
        let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        socket.connect(nobody).await.unwrap();
        assert!(socket.take_error().unwrap().is_none());
        socket.send(b"to nobody").await.unwrap();
        // The loopback interface answers before `send` returns.
        let error = socket.take_error().unwrap().expect("the answer was that nobody is there");
        assert_eq!(error.kind(), std::io::ErrorKind::ConnectionRefused);
        assert!(socket.take_error().unwrap().is_none());
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        assert!(listener.take_error().unwrap().is_none());
    });
}

#[test]
fn fault_1095_udp_sockets_can_be_cloned() {
    block_on(async {
        let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let clone = socket.try_clone().unwrap();
        let address = socket.local_addr().unwrap();
        assert_eq!(clone.local_addr().unwrap(), address);
        drop(socket);
        clone.send_to(b"still open", address).await.unwrap();
        let mut buffer = [0; 16];
        assert_eq!(clone.recv(&mut buffer).await.unwrap(), 10);
    });
}

#[test]
fn fault_477_streams_have_for_each_concurrent() {
    let (running, most, done) = (AtomicUsize::new(0), AtomicUsize::new(0), AtomicUsize::new(0));
    block_on(stream::from_iter(0..40).for_each_concurrent(4, async |_| {
        let now = running.fetch_add(1, Ordering::Relaxed) + 1;
        most.fetch_max(now, Ordering::Relaxed);
        task::yield_now().await;
        running.fetch_sub(1, Ordering::Relaxed);
        done.fetch_add(1, Ordering::Relaxed);
    }));
    assert_eq!(done.into_inner(), 40);
    let most = most.into_inner();
    assert!((2..=4).contains(&most), "{most} at once");
}

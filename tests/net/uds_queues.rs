//! `os::unix::net`: names without a file, passed descriptors, and queues that other senders fill.

use std::future::{Future, poll_fn};
use std::io::{ErrorKind, IoSlice, Write as _};
use std::mem::MaybeUninit;
use std::os::fd::AsFd;
use std::os::unix::net as std_unix;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

use futures_lite::future::zip;
use reveille::io::{self, prelude::*};
use reveille::os::unix::net::{UnixDatagram, UnixListener, UnixStream};
use reveille_tests::scratch::Scratch;
use rustix::net::{SendAncillaryBuffer, SendAncillaryMessage, SendFlags, sendmsg};

/// Only a failing test waits this long.
const FAR: Duration = Duration::from_secs(30);

/// Sends `bytes` together with a descriptor.
fn pass_descriptor(through: &std_unix::UnixStream, bytes: &[u8]) {
    let passed = [through.as_fd()];
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut control = SendAncillaryBuffer::new(&mut space);
    assert!(control.push(SendAncillaryMessage::ScmRights(&passed)));
    let sent = sendmsg(through, &[IoSlice::new(bytes)], &mut control, SendFlags::empty());
    assert_eq!(sent, Ok(bytes.len()));
}

/// Fills the queue of the socket at `path` with datagrams of a sender that does not wait.
fn fill(path: &std::path::Path) -> usize {
    let sender = std_unix::UnixDatagram::unbound().unwrap();
    sender.set_nonblocking(true).unwrap();
    for sent in 0..100_000 {
        match sender.send_to(b"filler", path) {
            Ok(_) => {}
            Err(error) if error.kind() == ErrorKind::WouldBlock => return sent,
            Err(error) => panic!("{error}"),
        }
    }
    panic!("the queue has no end");
}

async fn poll_once<F: Future>(mut future: Pin<&mut F>) -> Poll<F::Output> {
    poll_fn(|cx| Poll::Ready(future.as_mut().poll(cx))).await
}

/// Returns when the driver has delivered everything.
async fn turn_driver() {
    for _ in 0..2 {
        let (mut here, mut there) = UnixStream::pair().unwrap();
        let mut byte = [0];
        let (count, written) = zip(there.read(&mut byte), here.write(b"!")).await;
        assert_eq!((count.unwrap(), written.unwrap()), (1, 1));
    }
}

async fn bytes_behind_a_passed_descriptor_need_no_further_event() {
    let (sender, receiver) = std_unix::UnixStream::pair().unwrap();
    let mut receiver = UnixStream::from(receiver);
    let mut buf = [0; 64];
    // The first read is waiting, so both messages are announced by one event.
    let send = async {
        pass_descriptor(&sender, b"ab");
        (&sender).write_all(b"cd").unwrap();
    };
    let (count, ()) = zip(receiver.read(&mut buf), send).await;
    let mut all = buf[..count.unwrap()].to_vec();
    while all.len() < 4 {
        let count = io::timeout(FAR, receiver.read(&mut buf)).await.unwrap();
        all.extend_from_slice(&buf[..count]);
    }
    assert_eq!(all, b"abcd");
}

/// A name that no other test uses, nor this one on another executor.
#[cfg(target_os = "linux")]
fn abstract_name() -> String {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let count = COUNT.fetch_add(1, Ordering::Relaxed);
    format!("reveille-abstract-{}-{count}", std::process::id())
}

#[cfg(target_os = "linux")]
async fn path_that_begins_with_zero_is_an_abstract_name() {
    use std::os::linux::net::SocketAddrExt;

    let name = abstract_name();
    let path = format!("\0{name}");
    let listener = UnixListener::bind(&path).await.unwrap();
    let local = listener.local_addr().unwrap();
    assert_eq!(local.as_abstract_name(), Some(name.as_bytes()));
    let stream = UnixStream::connect(&path).await.unwrap();
    let (_, from) = listener.accept().await.unwrap();
    assert!(from.is_unnamed(), "{from:?}");
    assert_eq!(stream.peer_addr().unwrap().as_abstract_name(), Some(name.as_bytes()));
    drop(listener);
    let error = UnixStream::connect_addr(&local).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ConnectionRefused);
    assert!(error.to_string().contains(&format!("`\\0{name}`")), "{error}");
}

#[cfg(target_os = "linux")]
async fn datagrams_go_to_abstract_names() {
    let path = format!("\0{}", abstract_name());
    let inbox = UnixDatagram::bind(&path).await.unwrap();
    let sender = UnixDatagram::unbound().unwrap();
    sender.send_to(b"a", &path).await.unwrap();
    sender.connect(&path).await.unwrap();
    sender.send(b"b").await.unwrap();
    let mut buf = [0; 2];
    assert_eq!(inbox.recv(&mut buf).await.unwrap(), 1);
    assert_eq!(inbox.recv(&mut buf[1..]).await.unwrap(), 1);
    assert_eq!(&buf, b"ab");
}

#[cfg(target_os = "linux")]
async fn empty_path_lets_the_system_choose_a_name() {
    let listener = UnixListener::bind("").await.unwrap();
    let address = listener.local_addr().unwrap();
    assert!(!address.is_unnamed());
    UnixStream::connect_addr(&address).await.unwrap();
    let error = UnixStream::connect("").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidInput);
}

async fn accepted_connection_has_the_path_of_its_client() {
    use rustix::net::{AddressFamily, SocketAddrUnix, SocketType, bind, connect, socket};

    let (place, client) = (Scratch::new(), Scratch::new());
    let listener = UnixListener::bind(place.path()).await.unwrap();
    let socket = socket(AddressFamily::UNIX, SocketType::STREAM, None).unwrap();
    bind(&socket, &SocketAddrUnix::new(&client.0).unwrap()).unwrap();
    connect(&socket, &SocketAddrUnix::new(&place.0).unwrap()).unwrap();
    let (_, from) = listener.accept().await.unwrap();
    assert_eq!(from.as_pathname(), Some(client.0.as_path()));
}

/// `sending` waits while the queue of `count` datagrams is full, and is next once they are taken.
async fn waits_until_others_are_taken(
    inbox: &UnixDatagram,
    count: usize,
    sending: impl Future<Output = io::Result<usize>>,
) {
    let mut sending = Box::pin(sending);
    assert!(poll_once(sending.as_mut()).await.is_pending(), "the queue of {count} is full");
    // The driver's first event only reports the state at registration.
    turn_driver().await;
    assert!(poll_once(sending.as_mut()).await.is_pending(), "the queue is still full");
    let mut buf = [0; 16];
    for _ in 0..count {
        assert_eq!(inbox.recv(&mut buf).await.unwrap(), 6);
    }
    io::timeout(FAR, sending).await.unwrap();
    assert_eq!(inbox.recv(&mut buf).await.unwrap(), 4);
}

async fn datagram_waits_for_room_that_others_have_taken() {
    let place = Scratch::new();
    let inbox = UnixDatagram::bind(place.path()).await.unwrap();
    let count = fill(&place.0);
    let sender = UnixDatagram::unbound().unwrap();
    waits_until_others_are_taken(&inbox, count, sender.send_to(b"mine", place.path())).await;
}

async fn connected_datagram_waits_for_room_that_others_have_taken() {
    let place = Scratch::new();
    let inbox = UnixDatagram::bind(place.path()).await.unwrap();
    let sender = UnixDatagram::unbound().unwrap();
    sender.connect(place.path()).await.unwrap();
    let count = fill(&place.0);
    waits_until_others_are_taken(&inbox, count, sender.send(b"mine")).await;
}

async fn datagram_larger_than_the_space_left_waits_for_an_event() {
    let place = Scratch::new();
    let inbox = UnixDatagram::bind(place.path()).await.unwrap();
    let sender = UnixDatagram::unbound().unwrap();
    // Large datagrams use up the sender's buffer before the receiver's queue is full.
    let large = vec![7; 64 * 1024];
    let mut count = 0;
    let mut sending = Box::pin(sender.send_to(&large, place.path()));
    while poll_once(sending.as_mut()).await.is_ready() {
        count += 1;
        sending = Box::pin(sender.send_to(&large, place.path()));
    }
    let mut buf = vec![0; large.len()];
    for _ in 0..count {
        assert_eq!(inbox.recv(&mut buf).await.unwrap(), large.len());
    }
    assert_eq!(io::timeout(FAR, sending).await.unwrap(), large.len());
}

async fn datagram_without_room_waits_idly() {
    const TURNS: usize = 100;

    struct Count(AtomicUsize);
    impl Wake for Count {
        fn wake(self: Arc<Count>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    let place = Scratch::new();
    let _inbox = UnixDatagram::bind(place.path()).await.unwrap();
    fill(&place.0);
    let sender = UnixDatagram::unbound().unwrap();
    let mut sending = Box::pin(sender.send_to(b"mine", place.path()));
    let count = Arc::new(Count(AtomicUsize::new(0)));
    let waker = Waker::from(Arc::clone(&count));
    let mut polled_at = usize::MAX;
    for _ in 0..TURNS {
        let woken = count.0.load(Ordering::Relaxed);
        if woken != polled_at {
            polled_at = woken;
            assert!(sending.as_mut().poll(&mut Context::from_waker(&waker)).is_pending());
        }
        turn_driver().await;
    }
    // The turns take some milliseconds; fifty pauses, which grow to 64 ms, take three seconds.
    let woken = count.0.load(Ordering::Relaxed);
    assert!(woken < TURNS / 2, "woken {woken} times, for nothing");
}

async fn dropped_receive_loses_no_datagram() {
    let (here, there) = UnixDatagram::pair().unwrap();
    let mut buf = [0; 4];
    assert!(poll_once(pin!(there.recv(&mut buf))).await.is_pending());
    here.send(b"kept").await.unwrap();
    turn_driver().await;
    assert_eq!(io::timeout(FAR, there.recv(&mut buf)).await.unwrap(), 4);
    assert_eq!(&buf, b"kept");
}

async fn datagram_that_does_not_fit_loses_its_rest() {
    let (here, there) = UnixDatagram::pair().unwrap();
    here.send(b"long one").await.unwrap();
    here.send(b"x").await.unwrap();
    let mut buf = [0; 4];
    assert_eq!(there.recv(&mut buf).await.unwrap(), 4);
    assert_eq!(&buf, b"long");
    assert_eq!(there.recv(&mut buf).await.unwrap(), 1);
}

// Each of these runs on every executor.
reveille_tests::conformance!(
    bytes_behind_a_passed_descriptor_need_no_further_event,
    // Only on Linux: it alone has abstract names.
    #[cfg(target_os = "linux")]
    path_that_begins_with_zero_is_an_abstract_name,
    // Only on Linux: it alone has abstract names.
    #[cfg(target_os = "linux")]
    datagrams_go_to_abstract_names,
    // Only on Linux: it alone has abstract names.
    #[cfg(target_os = "linux")]
    empty_path_lets_the_system_choose_a_name,
    accepted_connection_has_the_path_of_its_client,
    datagram_waits_for_room_that_others_have_taken,
    connected_datagram_waits_for_room_that_others_have_taken,
    datagram_larger_than_the_space_left_waits_for_an_event,
    datagram_without_room_waits_idly,
    dropped_receive_loses_no_datagram,
    datagram_that_does_not_fit_loses_its_rest,
);

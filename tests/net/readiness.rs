//! Readiness of sockets and of any descriptor: `readable`, `writable`, `closed`, `AsyncFd`.

use std::cell::Cell;
use std::fs::File;
use std::future::poll_fn;
use std::io::{ErrorKind, Read as _, Write as _};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, Wake, Waker};

use futures_lite::future;
use reveille::io;
use reveille::net::{TcpStream, UdpSocket};
use reveille::os::unix::io::AsyncFd;
use reveille::os::unix::net::{UnixDatagram, UnixStream};
use reveille::prelude::*;
use reveille::task;
use reveille_tests::conformance;
use reveille_tests::poll::is_ready;

async fn closed_of_a_unix_stream_sees_the_drop_of_the_peer() {
    let (here, there) = UnixStream::pair().unwrap();
    assert!(!is_ready(here.closed()));
    let dropping = task::spawn(async move { drop(there) });
    here.closed().await.unwrap();
    dropping.await;
}

async fn datagram_sockets_have_readiness() {
    let (here, there) = UnixDatagram::pair().unwrap();
    here.writable().await.unwrap();
    assert!(!is_ready(here.readable()));
    there.send(b"x").await.unwrap();
    here.readable().await.unwrap();

    let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let address = socket.local_addr().unwrap();
    socket.writable().await.unwrap();
    assert_eq!(socket.try_recv_from(&mut [0]).unwrap_err().kind(), ErrorKind::WouldBlock);
    assert_eq!(socket.try_send_to(b"ping", address).unwrap(), 4);
    socket.readable().await.unwrap();
    assert_eq!(socket.try_recv_from(&mut [0; 8]).unwrap(), (4, address));
}

async fn any_descriptor_is_waited_for() {
    let (reader, mut writer) = std::io::pipe().unwrap();
    let reader = AsyncFd::new(reader).unwrap();
    assert!(!is_ready(reader.readable()));
    let writing = task::spawn(async move {
        task::yield_now().await;
        writer.write_all(b"ping").unwrap();
        writer
    });
    reader.readable().await.unwrap();
    poll_fn(|cx| reader.poll_readable(cx)).await.unwrap();
    let mut buf = [0; 8];
    assert_eq!(reader.read_with(|mut pipe| pipe.read(&mut buf)).await.unwrap(), 4);
    assert!(!is_ready(reader.readable()));
    drop(writing.await);
    assert_eq!(reader.read_with(|mut pipe| pipe.read(&mut buf)).await.unwrap(), 0);
}

async fn an_object_that_reads_and_writes_is_a_stream() {
    let (reader, writer) = std::io::pipe().unwrap();
    let (mut reader, mut writer) = (AsyncFd::new(reader).unwrap(), AsyncFd::new(writer).unwrap());
    let bytes: Vec<u8> = (0..300_000_u32).map(|i| i as u8).collect();
    let writing = task::spawn({
        let bytes = bytes.clone();
        async move { writer.write_all(&bytes).await.unwrap() }
    });
    let mut all = Vec::new();
    reader.read_to_end(&mut all).await.unwrap();
    assert!(all == bytes);
    writing.await;
}

async fn the_error_of_a_closure_is_returned_and_wakes_no_one() {
    let (reader, _writer) = std::io::pipe().unwrap();
    let reader = AsyncFd::new(reader).unwrap();
    let error = reader.read_with(|_| Err::<(), _>(ErrorKind::InvalidData.into())).await;
    assert_eq!(error.unwrap_err().kind(), ErrorKind::InvalidData);
}

#[test]
fn descriptors_without_readiness_are_refused() {
    for path in ["/dev/null", "Cargo.toml", "/"] {
        let file = File::open(path).unwrap();
        let fd = file.as_raw_fd();
        let error = AsyncFd::new(file).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput, "{path}");
        let start = format!("could not make descriptor {fd} asynchronous: a ");
        assert!(error.to_string().starts_with(&start), "{error}");
    }
}

/// Returns another descriptor each time, and closes the first one.
struct Shifty {
    pipes: Vec<std::io::PipeReader>,
    at: Cell<usize>,
}

impl AsFd for Shifty {
    fn as_fd(&self) -> BorrowedFd<'_> {
        let at = self.at.replace((self.at.get() + 1) % self.pipes.len());
        self.pipes[at].as_fd()
    }
}

#[test]
fn an_object_that_closes_its_lent_descriptor_does_not_affect_others() {
    future::block_on(async {
        let (first, mut first_writer) = std::io::pipe().unwrap();
        let (second, _second_writer) = std::io::pipe().unwrap();
        let mut shifty =
            AsyncFd::new(Shifty { pipes: vec![first, second], at: Cell::new(0) }).unwrap();
        assert!(!is_ready(shifty.readable()));
        // The number of the first may belong to the next pipe now.
        drop(shifty.get_mut().pipes.remove(0));
        let (third, mut third_writer) = std::io::pipe().unwrap();
        let third = AsyncFd::new(third).unwrap();
        assert!(!is_ready(third.readable()));

        // The duplicate still is the first pipe.
        first_writer.write_all(b"x").unwrap();
        shifty.readable().await.unwrap();
        drop(shifty);
        third_writer.write_all(b"x").unwrap();
        third.readable().await.unwrap();
    });
}

#[allow(unsafe_code, reason = "rustix has this call in a module that the tests do not build")]
fn is_nonblocking(fd: &impl AsRawFd) -> bool {
    // SAFETY: the call takes a number and touches no memory.
    let flags = unsafe { libc::fcntl(fd.as_raw_fd(), libc::F_GETFL) };
    flags & libc::O_NONBLOCK != 0
}

#[test]
fn a_descriptor_is_given_back_and_its_duplicate_is_closed() {
    let (reader, mut writer) = std::io::pipe().unwrap();
    let reader = AsyncFd::new(reader).unwrap().into_inner();
    assert!(is_nonblocking(&reader));
    drop(reader);
    assert_eq!(writer.write(b"x").unwrap_err().kind(), ErrorKind::BrokenPipe);
}

/// Counts its wakes.
#[derive(Default)]
struct Count(AtomicUsize);

impl Wake for Count {
    fn wake(self: Arc<Count>) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

#[test]
fn each_task_that_polls_for_readiness_is_woken() {
    future::block_on(async {
        let (reader, mut writer) = std::io::pipe().unwrap();
        let reader = AsyncFd::new(reader).unwrap();
        let counts = [Arc::new(Count::default()), Arc::new(Count::default())];
        for count in &counts {
            let waker = Waker::from(Arc::clone(count));
            assert!(reader.poll_readable(&mut Context::from_waker(&waker)).is_pending());
        }
        writer.write_all(b"x").unwrap();
        reader.readable().await.unwrap();
        // The turn that reports the event wakes all of them. It may be that of another thread,
        // which is still waking them.
        while counts.iter().any(|count| count.0.load(Ordering::SeqCst) == 0) {
            future::yield_now().await;
        }
    });
}

async fn closing_a_buffer_flushes_it_and_closes_its_writer() {
    let (here, mut there) = UnixStream::pair().unwrap();
    let mut here = io::BufWriter::new(here);
    here.write_all(b"buffered").await.unwrap();
    here.close().await.unwrap();
    let mut text = String::new();
    there.read_to_string(&mut text).await.unwrap();
    assert_eq!(text, "buffered");
}

/// async-std's `close` does nothing, and so does that of its shim.
async fn the_shim_closes_nothing() {
    use async_std::net::{TcpListener, TcpStream};

    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
    let (mut server, _) = listener.accept().await.unwrap();
    futures_lite::AsyncWriteExt::close(&mut client).await.unwrap();
    client.write_all(b"still open").await.unwrap();
    let mut buf = [0; 10];
    server.read_exact(&mut buf).await.unwrap();
    assert_eq!(&buf, b"still open");

    let (mut here, mut there) = async_std::os::unix::net::UnixStream::pair().unwrap();
    futures_lite::AsyncWriteExt::close(&mut here).await.unwrap();
    here.write_all(b"still open").await.unwrap();
    there.read_exact(&mut buf).await.unwrap();
}

conformance! {
    closed_of_a_unix_stream_sees_the_drop_of_the_peer,
    datagram_sockets_have_readiness,
    any_descriptor_is_waited_for,
    an_object_that_reads_and_writes_is_a_stream,
    the_error_of_a_closure_is_returned_and_wakes_no_one,
    closing_a_buffer_flushes_it_and_closes_its_writer,
    the_shim_closes_nothing,
}

#[allow(dead_code, reason = "a type check")]
fn waits_are_send(fd: &AsyncFd<File>, stream: &TcpStream) {
    fn is_send<T: Send>(_: T) {}
    is_send((fd.readable(), fd.writable(), stream.readable(), stream.closed()));
    let poll: Poll<()> = Poll::Pending;
    is_send(poll);
}

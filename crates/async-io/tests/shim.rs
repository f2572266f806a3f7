//! The behaviour that async-io's users rely on, and where the shim works differently.

#![allow(clippy::disallowed_methods, reason = "tests start threads and read the clock")]

use reveille_watchdog as _;

use std::cell::Cell;
use std::future::Future;
use std::io::{self, Read, Write};
use std::net::{TcpListener, TcpStream, UdpSocket};
#[cfg(unix)]
use std::os::fd::{AsFd, BorrowedFd};
#[cfg(unix)]
use std::os::unix::net::UnixStream as Stream;
#[cfg(windows)]
use std::os::windows::io::{AsSocket, BorrowedSocket};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, Wake, Waker};
use std::time::{Duration, Instant};

use async_io::{Async, IoSafe, Readable, ReadableOwned, Timer, Writable, WritableOwned, block_on};
use futures_lite::{AsyncReadExt, AsyncWriteExt, StreamExt, future};

/// A stream of which the system makes pairs; Windows has no such pairs.
#[cfg(windows)]
type Stream = TcpStream;

/// Makes two connected streams.
#[cfg(unix)]
fn pair() -> io::Result<(Async<Stream>, Async<Stream>)> {
    Async::<Stream>::pair()
}

#[cfg(windows)]
fn pair() -> io::Result<(Async<Stream>, Async<Stream>)> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let one = TcpStream::connect(listener.local_addr()?)?;
    let (other, _) = listener.accept()?;
    // The bytes are sent at once.
    one.set_nodelay(true)?;
    other.set_nodelay(true)?;
    Ok((Async::new(one)?, Async::new(other)?))
}

/// Makes two connected streams of std, in blocking mode.
fn pair_of_std() -> io::Result<(Stream, Stream)> {
    let (one, other) = pair()?;
    let (one, other) = (one.into_inner()?, other.into_inner()?);
    one.set_nonblocking(false)?;
    other.set_nonblocking(false)?;
    Ok((one, other))
}

/// An object that lends the descriptor of a stream.
trait Lends {
    fn stream(&self) -> &Stream;
}

macro_rules! lend {
    ($($object:ty),*) => { $(
        #[cfg(unix)]
        impl AsFd for $object {
            fn as_fd(&self) -> BorrowedFd<'_> {
                self.stream().as_fd()
            }
        }

        #[cfg(windows)]
        impl AsSocket for $object {
            fn as_socket(&self) -> BorrowedSocket<'_> {
                self.stream().as_socket()
            }
        }
    )* };
}

lend!(Fickle, Closes, Buffered);

#[derive(Default)]
struct Wakes(AtomicUsize);

impl Wake for Wakes {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

fn counted() -> (Arc<Wakes>, Waker) {
    let wakes = Arc::new(Wakes::default());
    (wakes.clone(), wakes.into())
}

fn wait_for(wakes: &Wakes, count: usize) {
    while wakes.0.load(Ordering::SeqCst) < count {
        std::thread::yield_now();
    }
}

#[test]
fn the_types_cross_threads_as_those_of_the_original() {
    fn is_send_sync_unpin<T: Send + Sync + Unpin>() {}
    is_send_sync_unpin::<Async<TcpStream>>();
    is_send_sync_unpin::<Timer>();
    is_send_sync_unpin::<Readable<'_, TcpStream>>();
    is_send_sync_unpin::<Writable<'_, TcpStream>>();
    is_send_sync_unpin::<ReadableOwned<TcpStream>>();
    is_send_sync_unpin::<WritableOwned<TcpStream>>();
    fn is_unpin<T: Unpin>() {}
    is_unpin::<Async<std::marker::PhantomPinned>>();
}

#[test]
fn a_timer_that_is_set_while_a_task_waits_wakes_the_task() {
    let (wakes, waker) = counted();
    let mut timer = Timer::never();
    assert!(Pin::new(&mut timer).poll(&mut Context::from_waker(&waker)).is_pending());
    timer.set_after(Duration::from_millis(1));
    wait_for(&wakes, 1);
    timer.clear();
    timer.set_at(Instant::now());
    wait_for(&wakes, 2);
    assert!(Pin::new(&mut timer).poll(&mut Context::from_waker(&waker)).is_ready());
}

#[test]
fn an_interval_whose_stream_is_not_polled_again_still_wakes() {
    let mut timer = Timer::interval_at(Instant::now(), Duration::from_millis(1));
    let wakes = loop {
        // Of this poll alone.
        let (wakes, waker) = counted();
        if timer.poll_next(&mut Context::from_waker(&waker)).is_ready() {
            break wakes;
        }
        std::thread::yield_now();
    };
    // The poll that returned an instant has armed the next one, as in async-io.
    wait_for(&wakes, 1);
}

#[test]
fn a_timer_that_is_set_in_each_poll_does_not_wake_itself() {
    let (wakes, waker) = counted();
    let mut timer = Timer::after(Duration::from_secs(1000));
    for _ in 0..10 {
        timer.set_after(Duration::from_secs(1000));
        assert!(Pin::new(&mut timer).poll(&mut Context::from_waker(&waker)).is_pending());
    }
    assert_eq!(wakes.0.load(Ordering::SeqCst), 0);
}

#[test]
fn a_closure_that_would_block_for_its_own_reasons_is_called_again() -> io::Result<()> {
    block_on(async {
        let socket = Async::<UdpSocket>::bind(([127, 0, 0, 1], 0))?;
        socket.get_ref().send_to(b"x", socket.get_ref().local_addr()?)?;
        let mut calls = 0;
        let mut read = async |refused| {
            socket
                .read_with(|socket| {
                    calls += 1;
                    if calls <= refused {
                        return Err(io::ErrorKind::WouldBlock.into());
                    }
                    socket.peek_from(&mut [0; 8])
                })
                .await
        };
        // More operations than the budget of one poll.
        assert_eq!(read(100).await?.0, 1);
        assert_eq!(calls, 101);
        Ok(())
    })
}

#[test]
fn a_flush_does_not_wait_for_room() -> io::Result<()> {
    block_on(async {
        let (mut one, _other) = pair()?;
        // Until a write waits. Each write is in a poll of its own, so none waits for the budget.
        while let Some(written) = future::poll_once(one.write(&[0; 65536])).await {
            written?;
            future::yield_now().await;
        }
        assert!(matches!(future::poll_once(one.flush()).await, Some(Ok(()))));
        assert!(matches!(future::poll_once(one.close()).await, Some(Ok(()))));
        assert!(matches!(future::poll_once(one.write(&[])).await, Some(Ok(0))));
        Ok(())
    })
}

/// Lends another descriptor at each second call, without unsafe code.
struct Fickle {
    calls: Cell<usize>,
    one: Stream,
    other: Stream,
}

impl Lends for Fickle {
    fn stream(&self) -> &Stream {
        self.calls.set(self.calls.get() + 1);
        if self.calls.get() % 2 == 1 { &self.one } else { &self.other }
    }
}

#[test]
fn an_object_that_changes_its_descriptor_harms_only_itself() -> io::Result<()> {
    let (one, mut peer) = pair_of_std()?;
    let (other, _peer) = pair_of_std()?;
    let source = Async::new(Fickle { calls: Cell::new(0), one, other })?;
    block_on(async {
        assert!(future::poll_once(source.readable()).await.is_none());
        peer.write_all(b"x")?;
        source.readable().await?;
        source.read_with(|fickle| (&fickle.one).read(&mut [0; 8])).await?;
        let Fickle { calls, .. } = source.into_inner()?;
        assert_eq!(calls.get(), 1);
        Ok(())
    })
}

/// Closes its descriptor at the first read.
struct Closes(Option<Stream>);

impl Lends for Closes {
    fn stream(&self) -> &Stream {
        self.0.as_ref().expect("open until the first read")
    }
}

#[test]
fn a_descriptor_that_its_object_closed_stays_registered_until_the_end() -> io::Result<()> {
    let (one, mut peer) = pair_of_std()?;
    let mut source = Async::new(Closes(Some(one)))?;
    block_on(async {
        assert!(future::poll_once(source.readable()).await.is_none());
        // SAFETY: the contract asks that the object keeps its descriptor. This package has a
        // duplicate of it, so that breaking that part reaches no memory.
        unsafe { source.get_mut() }.0 = None;
        peer.write_all(b"x")?;
        source.readable().await
    })
}

// Only on Unix: it counts descriptors in /proc.
#[cfg(unix)]
#[test]
fn objects_of_std_need_no_second_descriptor() -> io::Result<()> {
    let dup_of = |fd: BorrowedFd<'_>| {
        let of = |fd: &str| std::fs::read_link(format!("/proc/self/fd/{fd}"));
        let own = of(&format!("{}", std::os::fd::AsRawFd::as_raw_fd(&fd))).ok()?;
        let names = std::fs::read_dir("/proc/self/fd").ok()?;
        let names = names.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
        Some(names.filter(|name| of(name).ok().as_ref() == Some(&own)).count())
    };
    let listener = Async::new(TcpListener::bind("127.0.0.1:0")?)?;
    // Without /proc, nothing can be counted.
    assert!(matches!(dup_of(listener.as_fd()), Some(1) | None));
    let shared = Async::new(Arc::new(TcpListener::bind("127.0.0.1:0")?))?;
    assert!(matches!(dup_of(shared.get_ref().as_fd()), Some(2) | None));
    Ok(())
}

// Only on Linux: the error is that of epoll.
#[cfg(target_os = "linux")]
#[test]
fn a_file_is_refused_as_epoll_refuses_it() -> io::Result<()> {
    for path in ["Cargo.toml", "/", "/dev/null"] {
        let error = Async::new(std::fs::File::open(path)?).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::PermissionDenied, "{path}");
    }
    Ok(())
}

#[test]
fn a_mutable_object_reads_and_writes_through_buffers() -> io::Result<()> {
    block_on(async {
        let (one, other) = pair_of_std()?;
        let mut reader = Async::new(Buffered(io::BufReader::new(one)))?;
        let mut writer = Async::new(other)?;
        let mut buf = [0; 4];
        let read = async {
            reader.read_exact(&mut buf).await?;
            io::Result::Ok(())
        };
        let write = async {
            for byte in b"ping" {
                future::yield_now().await;
                writer.write_all(&[*byte]).await?;
            }
            Ok(())
        };
        future::try_zip(read, write).await?;
        assert_eq!(&buf, b"ping");
        Ok(())
    })
}

struct Buffered(io::BufReader<Stream>);

impl Lends for Buffered {
    fn stream(&self) -> &Stream {
        self.0.get_ref()
    }
}

impl Read for Buffered {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        self.0.read(buf)
    }
}

// SAFETY: reads leave the socket where it is.
unsafe impl IoSafe for Buffered {}

#[test]
fn each_task_that_polls_for_readiness_is_woken() -> io::Result<()> {
    let (one, other) = pair()?;
    let (first, first_waker) = counted();
    let (second, second_waker) = counted();
    for waker in [&first_waker, &second_waker] {
        assert!(one.poll_readable(&mut Context::from_waker(waker)).is_pending());
    }
    other.get_ref().write_all(b"x")?;
    wait_for(&first, 1);
    wait_for(&second, 1);
    Ok(())
}

#[test]
fn any_executor_polls_a_source_and_a_timer() -> io::Result<()> {
    let (one, other) = pair()?;
    let thread = std::thread::spawn(move || future::block_on((&one).read(&mut [0; 8])));
    future::block_on(async {
        Timer::after(Duration::from_millis(5)).await;
        (&other).write_all(b"x").await
    })?;
    assert_eq!(thread.join().expect("no panic")?, 1);
    Ok(())
}

#[test]
fn a_connection_that_is_refused_is_an_error_that_names_the_address() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let error = block_on(Async::<TcpStream>::connect(address)).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::ConnectionRefused);
    assert!(error.to_string().contains(&address.to_string()), "{error}");
}

// Only on Linux: it lists threads in /proc.
#[cfg(target_os = "linux")]
#[test]
fn no_thread_of_the_original_runs() -> io::Result<()> {
    block_on(async {
        let listener = Async::<TcpListener>::bind(([127, 0, 0, 1], 0))?;
        let address = listener.get_ref().local_addr()?;
        let accept = async { listener.accept().await };
        let (_peer, mut stream) =
            future::try_zip(accept, Async::<TcpStream>::connect(address)).await?;
        assert!(future::poll_once(stream.read(&mut [0; 8])).await.is_none());
        Timer::interval(Duration::from_millis(1)).take(3).for_each(drop).await;
        future::poll_fn(|cx| stream.poll_writable(cx)).await?;
        for entry in std::fs::read_dir("/proc/self/task")? {
            // A thread may end meanwhile.
            let name = std::fs::read_to_string(entry?.path().join("comm")).unwrap_or_default();
            assert_ne!(name.trim_end(), "async-io");
        }
        Ok(())
    })
}

#[test]
fn a_read_that_is_dropped_takes_nothing() -> io::Result<()> {
    block_on(async {
        let (mut one, mut other) = pair()?;
        for _ in 0..3 {
            assert!(future::poll_once(one.read(&mut [0; 8])).await.is_none());
        }
        other.write_all(b"x").await?;
        assert_eq!(one.read(&mut [0; 8]).await?, 1);
        Ok(())
    })
}

#[test]
fn a_poll_of_reads_that_are_always_ready_lets_others_run() {
    let has_run = Arc::new(AtomicUsize::new(0));
    let seen = has_run.clone();
    reveille::task::block_on(async move {
        let other = reveille::task::spawn_local(async move {
            has_run.store(1, Ordering::SeqCst);
        });
        let socket = Async::<UdpSocket>::bind(([127, 0, 0, 1], 0)).unwrap();
        let to = socket.get_ref().local_addr().unwrap();
        socket.get_ref().send_to(b"x", to).unwrap();
        while seen.load(Ordering::SeqCst) == 0 {
            socket.read_with(|socket| socket.peek_from(&mut [0; 8])).await.unwrap();
        }
        other.await;
    });
}

/// Polls a future on this thread, and blocks the thread until it was woken.
fn poll_and_block<T>(mut future: Pin<&mut impl Future<Output = T>>) -> T {
    let (wakes, waker) = counted();
    loop {
        let seen = wakes.0.load(Ordering::SeqCst);
        if let Poll::Ready(output) = future.as_mut().poll(&mut Context::from_waker(&waker)) {
            return output;
        }
        wait_for(&wakes, seen + 1);
    }
}

#[test]
fn timers_and_sockets_of_a_block_on_that_is_stuck_in_a_poll_are_served() -> io::Result<()> {
    block_on(async {
        let (one, other) = pair()?;
        let mut timer = Timer::after(Duration::from_millis(20));
        // Both are registered with this thread before its poll gets stuck.
        assert!(future::poll_once(&mut timer).await.is_none());
        assert!(future::poll_once(one.readable()).await.is_none());
        poll_and_block(Pin::new(&mut timer));
        other.get_ref().write_all(b"x")?;
        poll_and_block(std::pin::pin!(one.readable()))?;
        assert_eq!(one.get_ref().read(&mut [0; 8])?, 1);
        // Registered while the thread is stuck.
        poll_and_block(Pin::new(&mut Timer::after(Duration::from_millis(1))));
        let connected = std::pin::pin!(async {
            let listener = Async::<TcpListener>::bind(([127, 0, 0, 1], 0))?;
            let address = listener.get_ref().local_addr()?;
            future::try_zip(listener.accept(), Async::<TcpStream>::connect(address)).await
        });
        poll_and_block(connected).map(drop)
    })
}

#[test]
fn a_block_on_inside_another_executor_inside_block_on_is_served() -> io::Result<()> {
    block_on(async {
        let (mut one, mut other) = pair()?;
        assert!(future::poll_once(one.read(&mut [0; 8])).await.is_none());
        future::block_on(async {
            block_on(async {
                Timer::after(Duration::from_millis(1)).await;
                other.write_all(b"x").await
            })?;
            Timer::after(Duration::from_millis(1)).await;
            assert_eq!(one.read(&mut [0; 8]).await?, 1);
            Ok(())
        })
    })
}

//! Streams on real sockets: short reads, half-close, closed peers.

use std::cell::{Cell, RefCell};
use std::future::{Future, poll_fn};
use std::io::{self, Read, Write};
#[cfg(unix)]
use std::net::TcpListener;
use std::net::{Shutdown, TcpStream, UdpSocket};
#[cfg(unix)]
use std::os::fd::{AsFd as _, OwnedFd};
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

#[cfg(target_os = "linux")]
use reveille_driver::Kind;
use reveille_driver::{Direction, Driver, Flags};
#[cfg(unix)]
use rustix::io::Errno;

use crate::support::{Io, counting, drain, drive, each_kind, kinds, tcp, turn_until};

/// Reads until the source would block. Returns the bytes read, and whether the end was seen.
fn read_all(shard: &Arc<Driver>, ours: &Io<TcpStream>) -> (usize, bool) {
    let mut total = 0;
    let mut buffer = [0; 64];
    loop {
        match ours.poll_read(shard, Waker::noop(), &mut buffer) {
            Poll::Pending => return (total, false),
            Poll::Ready(Ok(0)) => return (total, true),
            Poll::Ready(count) => total += count.expect("read"),
        }
    }
}

#[test]
fn a_waiting_read_is_woken_when_bytes_arrive() {
    each_kind(|shard| {
        let (ours, mut theirs) = tcp();
        let (count, waker) = counting();
        let mut buffer = [0; 16];
        assert!(ours.poll_read(&shard, &waker, &mut buffer).is_pending());
        theirs.write_all(b"hello").expect("sent");
        turn_until(&shard, || count.get() > 0);
        assert_eq!(drive(&shard, ours.read(&shard, &mut buffer)).expect("read"), 5);
        assert_eq!(&buffer[..5], b"hello");
    });
}

#[test]
fn a_source_for_events_makes_no_attempt_before_the_first_event() {
    each_kind(|shard| {
        let (stream, mut theirs) = tcp();
        let ours = stream.with_events();
        let attempts = Cell::new(0);
        let mut buffer = [0; 16];
        let at = ours.at(&shard);
        let mut read = pin!(at.io_after_event(Direction::Read, || {
            attempts.set(attempts.get() + 1);
            (&ours.inner).read(&mut buffer)
        }));
        let (count, waker) = counting();
        let mut cx = Context::from_waker(&waker);
        assert!(read.as_mut().poll(&mut cx).is_pending());
        assert_eq!((attempts.get(), shard.sources()), (0, 1));
        theirs.write_all(b"hello").expect("sent");
        turn_until(&shard, || count.get() > 0);
        assert_eq!(drive(&shard, read).expect("read"), 5);
        assert_eq!(attempts.get(), 1);
    });
}

#[test]
fn a_source_for_events_sees_what_came_before_it_was_registered() {
    each_kind(|shard| {
        let (stream, mut theirs) = tcp();
        let ours = stream.with_events();
        theirs.write_all(b"hello").expect("sent");
        let mut buffer = [0; 16];
        let at = ours.at(&shard);
        let read = at.io_after_event(Direction::Read, || (&ours.inner).read(&mut buffer));
        assert_eq!(drive(&shard, read).expect("read"), 5);
    });
}

#[test]
fn a_source_for_events_moves_from_a_shard_that_is_not_driven() {
    for kind in kinds() {
        let old = Arc::new(Driver::new(kind).expect("a shard"));
        let new = Arc::new(Driver::new(kind).expect("a shard"));
        let shard = RefCell::new(Arc::clone(&old));
        let (stream, mut theirs) = tcp();
        let ours = stream.with_events();
        let mut buffer = [0; 16];
        let at = ours.at_any(|| Ok(Arc::clone(&shard.borrow())));
        let mut read = pin!(at.io_after_event(Direction::Read, || (&ours.inner).read(&mut buffer)));
        let (count, waker) = counting();
        assert!(read.as_mut().poll(&mut Context::from_waker(&waker)).is_pending());
        assert_eq!((old.wake_all(), count.get()), (1, 1));
        shard.replace(Arc::clone(&new));
        assert!(read.as_mut().poll(&mut Context::from_waker(&waker)).is_pending());
        theirs.write_all(b"hello").expect("sent");
        assert_eq!(drive(&new, read).expect("read"), 5);
    }
}

// Only on Linux: elsewhere a short read proves nothing, and a wait is armed.
#[cfg(target_os = "linux")]
#[test]
fn the_fast_path_tries_once_and_waits_if_an_event_is_certain() {
    let shard = Arc::new(Driver::new(Kind::default()).expect("a shard"));
    let (ours, mut theirs) = tcp();
    let (count, waker) = counting();
    let poll = |direction, op: &dyn Fn() -> io::Result<usize>| {
        let cx = Context::from_waker(&waker);
        let poll = ours.source.poll_stream_fast(direction, &cx, 4, op);
        poll.map(|poll| poll.map(|outcome| outcome.map_err(|error| error.kind())))
    };
    let read = || poll(Direction::Read, &|| (&ours.inner).read(&mut [0; 4]));
    let is_readable = || ours.source.readiness().flags().has(Flags::READABLE);

    assert_eq!(read(), None, "not registered, so there is no event");
    assert!(!is_readable(), "the read would have blocked");
    assert!(ours.poll_read(&shard, Waker::noop(), &mut [0; 4]).is_pending());
    drain(&shard);
    assert_eq!(read(), None, "registered, and another task waits in place");
    theirs.write_all(b"hello").expect("sent");
    turn_until(&shard, is_readable);
    assert_eq!(read(), Some(Poll::Ready(Ok(4))), "a full read does not empty the queue");
    assert_eq!(read(), Some(Poll::Ready(Ok(1))));
    assert!(!is_readable(), "a short read emptied it");
    assert_eq!(poll(Direction::Read, &|| panic!("not ready")), Some(Poll::Pending));
    assert_eq!((ours.source.waiting(), count.get()), (1, 0));
    theirs.write_all(b"next").expect("sent");
    turn_until(&shard, || count.get() == 1);
    assert_eq!(read(), Some(Poll::Ready(Ok(4))));
    assert_eq!(read(), Some(Poll::Pending), "waits after a read that would have blocked");
    assert_eq!((ours.source.waiting(), is_readable()), (1, false));
    theirs.write_all(b"again").expect("sent");
    turn_until(&shard, || count.get() == 2);
    assert_eq!(read(), Some(Poll::Ready(Ok(4))));
    let interrupted = || Err(io::ErrorKind::Interrupted.into());
    assert_eq!(poll(Direction::Read, &interrupted), None);
    assert_eq!(read(), Some(Poll::Ready(Ok(1))), "an interruption does not change the readiness");
    let refused = || Err(io::ErrorKind::ConnectionReset.into());
    let outcome = poll(Direction::Write, &refused);
    assert_eq!(outcome, Some(Poll::Ready(Err(io::ErrorKind::ConnectionReset))));
}

#[test]
fn bytes_and_close_that_arrive_together_are_both_seen() {
    each_kind(|shard| {
        let (ours, mut theirs) = tcp();
        let (count, waker) = counting();
        assert!(ours.poll_read(&shard, &waker, &mut [0; 64]).is_pending());
        theirs.write_all(b"last words").expect("sent");
        drop(theirs);
        turn_until(&shard, || count.get() > 0);
        let mut total = 0;
        let mut buffer = [0; 64];
        loop {
            let read = poll_fn(|cx| ours.poll_read(&shard, cx.waker(), &mut buffer));
            match drive(&shard, read).expect("read") {
                0 => break,
                count => total += count,
            }
        }
        assert_eq!(total, 10);
    });
}

#[test]
fn a_close_reported_before_the_short_read_keeps_the_source_readable() {
    each_kind(|shard| {
        let (ours, mut theirs) = tcp();
        assert_eq!(read_all(&shard, &ours), (0, false));
        theirs.write_all(b"last words").expect("sent");
        theirs.shutdown(Shutdown::Write).expect("half-closed");
        turn_until(&shard, || ours.source.readiness().flags().has(Flags::READABLE));
        // Whatever the driver has reported so far, the end is found without another event.
        let mut seen = (0, false);
        while !seen.1 {
            let (more, is_end) = read_all(&shard, &ours);
            seen = (seen.0 + more, is_end);
            if !is_end {
                turn_until(&shard, || ours.source.readiness().flags().has(Flags::READABLE));
            }
        }
        assert_eq!(seen.0, 10);
    });
}

// Only on Linux: elsewhere a short read proves nothing.
#[cfg(target_os = "linux")]
#[test]
fn a_short_read_saves_the_next_system_call() {
    let shard = Arc::new(Driver::new(Kind::Native).expect("a shard"));
    let (ours, mut theirs) = tcp();
    let calls = Cell::new(0);
    let poll = || {
        let mut buffer = [0; 64];
        ours.at(&shard).poll_stream(
            Direction::Read,
            &Context::from_waker(Waker::noop()),
            64,
            || {
                calls.set(calls.get() + 1);
                (&ours.inner).read(&mut buffer)
            },
        )
    };
    assert!(poll().is_pending());
    drain(&shard);
    theirs.write_all(b"hello").expect("sent");
    turn_until(&shard, || ours.source.readiness().flags().has(Flags::READABLE));
    calls.set(0);
    assert!(poll().is_ready());
    assert!(poll().is_pending());
    assert_eq!(calls.get(), 1, "the short read has emptied the queue");
    theirs.write_all(b"again").expect("sent");
    turn_until(&shard, || ours.source.readiness().flags().has(Flags::READABLE));
    assert!(poll().is_ready());
}

#[test]
fn a_full_read_keeps_the_source_readable() {
    each_kind(|shard| {
        let (ours, mut theirs) = tcp();
        assert_eq!(read_all(&shard, &ours), (0, false));
        theirs.write_all(b"12345678").expect("sent");
        turn_until(&shard, || ours.source.readiness().flags().has(Flags::READABLE));
        let mut buffer = [0; 4];
        for _ in 0..2 {
            let Poll::Ready(Ok(4)) = ours.poll_read(&shard, Waker::noop(), &mut buffer) else {
                panic!("four bytes are queued");
            };
        }
    });
}

#[test]
fn writes_work_after_a_half_close() {
    each_kind(|shard| {
        let (ours, mut theirs) = tcp();
        assert_eq!(read_all(&shard, &ours), (0, false));
        theirs.shutdown(Shutdown::Write).expect("half-closed");
        let mut buffer = [0; 4];
        assert_eq!(drive(&shard, ours.read(&shard, &mut buffer)).expect("read"), 0);
        // Fill the send buffer, so that the write has to wait after the half-close.
        let block = vec![7; 1 << 20];
        let mut sent = 0;
        loop {
            let poll = ours.at(&shard).poll_stream(
                Direction::Write,
                &Context::from_waker(Waker::noop()),
                block.len(),
                || (&ours.inner).write(&block),
            );
            match poll {
                Poll::Ready(count) => sent += count.expect("written"),
                Poll::Pending => break,
            }
        }
        let mut sink = vec![0; sent];
        theirs.read_exact(&mut sink).expect("received");
        let attempt = ours.at(&shard);
        let write = attempt.io(Direction::Write, || (&ours.inner).write(b"more"));
        assert!(drive(&shard, write).expect("written") > 0);
    });
}

// Only on Unix: it makes the system calls itself; tests/net/tcp.rs is for all systems.
#[cfg(unix)]
#[test]
fn a_refused_connection_is_an_error() {
    each_kind(|shard| {
        // A port that was just released, so no socket listens on it.
        let address = TcpListener::bind("127.0.0.1:0").and_then(|l| l.local_addr()).expect("port");
        let socket = rustix::net::socket_with(
            rustix::net::AddressFamily::INET,
            rustix::net::SocketType::STREAM,
            rustix::net::SocketFlags::NONBLOCK,
            None,
        );
        let ours = Io::new(socket.expect("a socket"));
        let connect = async {
            match rustix::net::connect(&ours.inner, &address) {
                Err(Errno::INPROGRESS) => {}
                // On some kernels a loopback connection fails immediately.
                other => return Ok::<_, io::Error>(other),
            }
            ours.at(&shard).ready(Direction::Write).await?;
            Ok(rustix::net::sockopt::socket_error(&ours.inner)?)
        };
        let outcome = drive(&shard, connect).expect("waited");
        assert_eq!(outcome, Err(Errno::CONNREFUSED));
    });
}

#[test]
fn an_event_between_the_read_and_the_clear_is_kept() {
    each_kind(|shard| {
        let (ours, theirs) = tcp();
        assert_eq!(read_all(&shard, &ours), (0, false));
        // Read the byte directly, so that the source counts as readable but a read would block.
        (&theirs).write_all(b"x").expect("sent");
        turn_until(&shard, || ours.source.readiness().flags().has(Flags::READABLE));
        (&ours.inner).read_exact(&mut [0]).expect("read");
        let mut buffer = [0; 4];
        let mut has_raced = false;
        let poll =
            ours.at(&shard).poll_io(Direction::Read, &Context::from_waker(Waker::noop()), || {
                let result = (&ours.inner).read(&mut buffer);
                if !std::mem::replace(&mut has_raced, true) {
                    assert_eq!(result.as_ref().unwrap_err().kind(), io::ErrorKind::WouldBlock);
                    (&theirs).write_all(b"y").expect("sent");
                    // On loopback the edge arrives before the write returns.
                    drain(&shard);
                }
                result
            });
        if poll.is_pending() {
            // Without edge-triggered events it is reported when armed, which this poll has done.
            turn_until(&shard, || ours.source.readiness().flags().has(Flags::READABLE));
            assert_eq!(drive(&shard, ours.read(&shard, &mut buffer)).expect("read"), 1);
        }
        assert_eq!(buffer[0], b'y');
    });
}

#[test]
fn two_readers_of_one_source_are_both_woken() {
    each_kind(|shard| {
        let (ours, mut theirs) = tcp();
        let (first, first_waker) = counting();
        let (second, second_waker) = counting();
        assert!(ours.poll_read(&shard, &first_waker, &mut [0; 4]).is_pending());
        assert!(ours.poll_read(&shard, &second_waker, &mut [0; 4]).is_pending());
        theirs.write_all(b"hi").expect("sent");
        turn_until(&shard, || first.get() > 0 && second.get() > 0);
    });
}

#[test]
fn a_wait_after_an_error_was_taken_does_not_spin() {
    each_kind(|shard| {
        let unused = UdpSocket::bind("127.0.0.1:0").and_then(|s| s.local_addr()).expect("port");
        let socket = UdpSocket::bind("127.0.0.1:0").expect("a socket");
        socket.connect(unused).expect("connected");
        socket.set_nonblocking(true).expect("non-blocking");
        let ours = Io::new(socket);
        let calls = Cell::new(0);
        let receive = || {
            calls.set(calls.get() + 1);
            ours.inner.recv(&mut [0; 8])
        };
        let (count, waker) = counting();
        let cx = Context::from_waker(&waker);
        assert!(ours.at(&shard).poll_io(Direction::Read, &cx, receive).is_pending());
        drain(&shard);
        ours.inner.send(b"?").expect("sent");
        turn_until(&shard, || count.get() > 0);
        let poll = ours.at(&shard).poll_io(Direction::Read, &cx, receive);
        let Poll::Ready(Err(error)) = poll else { panic!("no error: {poll:?}") };
        // Windows has one error for all that a peer's system refuses.
        let refused = io::ErrorKind::ConnectionRefused;
        let expected = if cfg!(windows) { io::ErrorKind::ConnectionReset } else { refused };
        assert_eq!(error.kind(), expected);
        calls.set(0);
        assert!(ours.at(&shard).poll_io(Direction::Read, &cx, receive).is_pending());
        assert!(calls.get() <= 2, "the error flag counts as readiness");
    });
}

// Only on Unix: pipes of Windows are not sources.
#[cfg(unix)]
#[test]
fn a_pipe_without_writers_ends_and_a_pipe_without_readers_fails() {
    each_kind(|shard| {
        let (read, write) =
            rustix::pipe::pipe_with(rustix::pipe::PipeFlags::NONBLOCK).expect("pipe");
        let ours = Io::new(read);
        let take = |end: &OwnedFd| Ok(rustix::io::read(end, &mut [0_u8; 8])?);
        let (count, waker) = counting();
        let cx = Context::from_waker(&waker);
        assert!(
            ours.at(&shard).poll_stream(Direction::Read, &cx, 8, || take(&ours.inner)).is_pending()
        );
        drop(write);
        turn_until(&shard, || count.get() > 0);
        let poll = ours.at(&shard).poll_stream(Direction::Read, &cx, 8, || take(&ours.inner));
        assert!(matches!(poll, Poll::Ready(Ok(0))), "HUP alone must wake the reader");

        let (read, write) =
            rustix::pipe::pipe_with(rustix::pipe::PipeFlags::NONBLOCK).expect("pipe");
        let ours = Io::new(write);
        let block = [0_u8; 1 << 16];
        let fill = || Ok(rustix::io::write(&ours.inner, &block)?);
        let (count, waker) = counting();
        let cx = Context::from_waker(&waker);
        while ours.at(&shard).poll_stream(Direction::Write, &cx, block.len(), fill).is_ready() {}
        drain(&shard);
        let before = count.get();
        drop(read);
        turn_until(&shard, || count.get() > before);
        let poll = ours.at(&shard).poll_stream(Direction::Write, &cx, block.len(), fill);
        let Poll::Ready(Err(error)) = poll else {
            panic!("ERR alone must wake the writer: {poll:?}")
        };
        assert_eq!(error.kind(), io::ErrorKind::BrokenPipe);
    });
}

// Only on Linux: it alone has such descriptors.
#[cfg(target_os = "linux")]
#[test]
fn eventfd_and_pidfd_become_readable() {
    use rustix::event::{EventfdFlags, eventfd};
    use rustix::process::{Pid, PidfdFlags, pidfd_open};

    each_kind(|shard| {
        let ours = Io::new(eventfd(0, EventfdFlags::NONBLOCK).expect("an eventfd"));
        let wait = ours.at(&shard);
        let wait = wait.ready(Direction::Read);
        rustix::io::write(&ours.inner, &1_u64.to_ne_bytes()).expect("written");
        drive(&shard, wait).expect("readable");

        let mut child = std::process::Command::new("cat")
            .stdin(std::process::Stdio::piped())
            .spawn()
            .expect("a child");
        let pid = Pid::from_child(&child);
        let ours = Io::new(pidfd_open(pid, PidfdFlags::empty()).expect("a pidfd"));
        let wait = ours.at(&shard);
        let mut wait = std::pin::pin!(wait.ready(Direction::Read));
        let (count, waker) = counting();
        assert!(wait.as_mut().poll(&mut Context::from_waker(&waker)).is_pending(), "it lives");
        drop(child.stdin.take());
        turn_until(&shard, || count.get() > 0);
        drive(&shard, wait).expect("it ended");
        assert!(child.wait().expect("a status").success());
    });
}

// Only on Unix: Windows has no such pairs.
#[cfg(unix)]
#[test]
fn unix_sockets_and_datagrams_wake_their_reader() {
    each_kind(|shard| {
        let (a, b) = std::os::unix::net::UnixStream::pair().expect("a pair");
        a.set_nonblocking(true).expect("non-blocking");
        let a = Io::new(a);
        let (count, waker) = counting();
        assert!(a.poll_read(&shard, &waker, &mut [0; 4]).is_pending());
        (&b).write_all(b"u").expect("sent");
        turn_until(&shard, || count.get() > 0);

        let (a, b) = std::os::unix::net::UnixDatagram::pair().expect("a pair");
        a.set_nonblocking(true).expect("non-blocking");
        let a = Io::new(a);
        let wait = a.at(&shard);
        let wait = wait.ready(Direction::Read);
        b.send(b"d").expect("sent");
        drive(&shard, wait).expect("readable");
    });
}

// Only on Unix: it passes descriptors.
#[cfg(unix)]
#[test]
fn a_read_from_a_unix_stream_stops_at_passed_descriptors() {
    // A read stops after a message that carries descriptors although more is queued. So the short
    // rule would lose the rest; `poll_io` does not use it.
    use rustix::net::{SendAncillaryBuffer, SendAncillaryMessage, SendFlags, sendmsg};

    each_kind(|shard| {
        let (a, b) = std::os::unix::net::UnixStream::pair().expect("a pair");
        a.set_nonblocking(true).expect("non-blocking");
        let a = Io::new(a);
        let (count, waker) = counting();
        let cx = Context::from_waker(&waker);
        let mut buffer = [0; 64];
        assert!(a.poll_read(&shard, &waker, &mut buffer).is_pending());
        let mut space = [std::mem::MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
        let mut control = SendAncillaryBuffer::new(&mut space);
        let passed = [b.as_fd()];
        assert!(control.push(SendAncillaryMessage::ScmRights(&passed)));
        sendmsg(&b, &[io::IoSlice::new(b"first")], &mut control, SendFlags::empty()).expect("sent");
        (&b).write_all(b"second").expect("sent");
        turn_until(&shard, || count.get() > 0);
        let read = |buffer: &mut [u8]| {
            a.at(&shard).poll_io(Direction::Read, &cx, || (&a.inner).read(buffer))
        };
        assert!(
            matches!(read(&mut buffer), Poll::Ready(Ok(5))),
            "the read stops at the descriptor"
        );
        assert!(matches!(read(&mut buffer), Poll::Ready(Ok(6))), "more is queued");
    });
}

//! Turns that receive for waiting reads: [`Kind::Batched`].

use std::future::Future;
use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use reveille_driver::{Direction, Driver, Events, Kind, Turn};
use rustix::event::{PollFd, PollFlags, poll};

use crate::support::{Io, LONG, counting, drain, filter, tcp, turn_until};

fn copy(buf: &mut [u8], bytes: &[u8]) -> usize {
    let count = buf.len().min(bytes.len());
    buf[..count].copy_from_slice(&bytes[..count]);
    count
}

/// Tries the fast path first, as the runtime does.
fn poll_recv(
    io: &Io<TcpStream>,
    shard: &Arc<Driver>,
    waker: &Waker,
    buf: &mut [u8],
) -> Poll<io::Result<usize>> {
    let (len, cx) = (buf.len(), Context::from_waker(waker));
    let op = |buf: &mut [u8]| (&io.inner).read(buf);
    if let Some(poll) = io.source.poll_recv_fast(&cx, len, buf, copy, op) {
        return poll;
    }
    io.at(shard).poll_recv(&cx, len, buf, copy, op)
}

/// Returns the bytes that a read gets, or `None` if it waits.
fn recv(io: &Io<TcpStream>, shard: &Arc<Driver>, len: usize) -> Option<Vec<u8>> {
    let mut buf = vec![0; len];
    match poll_recv(io, shard, Waker::noop(), &mut buf) {
        Poll::Ready(count) => Some(buf[..count.expect("a read")].to_vec()),
        Poll::Pending => None,
    }
}

/// A shard, and `count` connections, each with a waiting read of `len` bytes.
fn waiting(count: usize, len: usize) -> (Arc<Driver>, Vec<(Io<TcpStream>, TcpStream)>) {
    let shard = Arc::new(Driver::new(Kind::Batched).expect("a shard"));
    let pairs: Vec<_> = (0..count).map(|_| tcp()).collect();
    for (ours, theirs) in &pairs {
        // The first read registers the source; the later ones only wait.
        assert_eq!(recv(ours, &shard, len), None);
        (&*theirs).write_all(b"!").expect("room");
        let mut first = None;
        turn_until(&shard, || {
            first = recv(ours, &shard, len);
            first.is_some()
        });
        assert_eq!(first.as_deref(), Some(&b"!"[..]));
        drain(&shard);
        assert_eq!(recv(ours, &shard, len), None);
    }
    (shard, pairs)
}

/// Makes one turn, which must report events of `count` sources.
fn turn(shard: &Driver, count: usize) {
    let turn = shard.turn(Some(LONG), &mut Events::new()).expect("a turn");
    assert!(matches!(turn, Turn::Done { events, .. } if events == count), "{turn:?}");
}

fn send(pairs: &[(Io<TcpStream>, TcpStream)], bytes: &[u8]) {
    for (_, theirs) in pairs {
        (&*theirs).write_all(bytes).expect("room");
    }
    for (ours, _) in pairs {
        wait_until_readable(ours);
    }
}

/// Waits until the socket has bytes to read.
fn wait_until_readable(io: &Io<TcpStream>) {
    let mut asked = [PollFd::new(&io.inner, PollFlags::IN)];
    assert_eq!(poll(&mut asked, None).expect("a wait"), 1);
}

#[test]
fn several_messages_are_received_by_one_call() {
    let (shard, pairs) = waiting(8, 16);
    let before = shard.metrics();
    send(&pairs, b"message");
    turn(&shard, 8);
    let after = shard.metrics();
    assert_eq!((after.batches - before.batches, after.batched_reads), (1, 8));
    for (ours, theirs) in &pairs {
        assert_eq!(ours.source.prefetched(), 7);
        // The message has been taken from the socket, and later bytes are read after it.
        assert_eq!((&ours.inner).read(&mut [0; 16]).expect_err("nothing").kind(), WOULD_BLOCK);
        (&*theirs).write_all(b" more").expect("room");
        assert_eq!(recv(ours, &shard, 3).as_deref(), Some(&b"mes"[..]));
        assert_eq!(recv(ours, &shard, 16).as_deref(), Some(&b"sage"[..]));
        let mut more = None;
        turn_until(&shard, || {
            more = recv(ours, &shard, 16);
            more.is_some()
        });
        assert_eq!(more.as_deref(), Some(&b" more"[..]));
        assert_eq!(recv(ours, &shard, 16), None);
    }
}

const WOULD_BLOCK: io::ErrorKind = io::ErrorKind::WouldBlock;

#[test]
fn readers_are_woken_once_each() {
    let (shard, pairs) = waiting(4, 16);
    // An event for each source takes the wakers that `waiting` entered; these replace them.
    send(&pairs, b"x");
    turn(&shard, 4);
    let counts: Vec<_> = pairs
        .iter()
        .map(|(ours, _)| {
            let (count, waker) = counting();
            assert_eq!(recv(ours, &shard, 16).as_deref(), Some(&b"x"[..]));
            assert!(poll_recv(ours, &shard, &waker, &mut [0; 16]).is_pending());
            count
        })
        .collect();
    send(&pairs, b"y");
    turn(&shard, 4);
    assert!(counts.iter().all(|count| count.get() == 1));
    assert_eq!(shard.metrics().batched_reads, 8);
}

#[test]
fn small_batches_and_long_reads_are_left_to_the_readers() {
    for (count, len) in [(3, 16), (8, 8 * 1024 + 1)] {
        let (shard, pairs) = waiting(count, len);
        send(&pairs, b"message");
        turn(&shard, count);
        assert_eq!(shard.metrics().batches, 0);
        for (ours, _) in &pairs {
            assert_eq!(recv(ours, &shard, len).as_deref(), Some(&b"message"[..]));
        }
    }
}

#[test]
fn a_filled_read_is_followed_by_another_read() {
    let (shard, pairs) = waiting(4, 4);
    send(&pairs, b"message and end");
    for (_, theirs) in &pairs {
        // The event reports only the message if the turn is quick, and otherwise the close too.
        theirs.shutdown(std::net::Shutdown::Write).expect("open");
    }
    turn(&shard, 4);
    for (ours, _) in &pairs {
        let mut all = Vec::new();
        turn_until(&shard, || {
            while let Some(bytes) = recv(ours, &shard, 4) {
                if bytes.is_empty() {
                    return true;
                }
                all.extend(bytes);
            }
            false
        });
        assert_eq!(all, b"message and end");
    }
}

#[test]
fn a_peek_sees_the_bytes_that_a_turn_received() {
    let (shard, pairs) = waiting(4, 16);
    send(&pairs, b"message");
    turn(&shard, 4);
    for (ours, _) in &pairs {
        for len in [3, 16] {
            let mut seen = vec![0; len];
            let count = ours.source.peek(|bytes| copy(&mut seen, bytes));
            let count = count.expect("there are bytes").expect("no error");
            assert_eq!(seen[..count], b"message"[..count]);
            assert_eq!(count, len.min(7));
        }
        // The socket is empty, but the source has bytes to read.
        let mut ready = pin!(async { ours.at(&shard).ready(Direction::Read).await });
        assert!(ready.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_ready());
        assert_eq!(recv(ours, &shard, 16).as_deref(), Some(&b"message"[..]));
        assert!(ours.source.peek(<[u8]>::len).is_none());
    }
}

#[test]
fn received_bytes_move_with_their_source() {
    let (shard, pairs) = waiting(4, 16);
    send(&pairs, b"message");
    turn(&shard, 4);
    assert_eq!(shard.wake_all(), 0, "the event has woken the readers");
    let other = Arc::new(Driver::new(Kind::Native).expect("a shard"));
    send(&pairs, b", and more");
    for (ours, _) in &pairs {
        let mut all = Vec::new();
        all.extend(recv(ours, &other, 16).expect("it was received"));
        turn_until(&other, || {
            while let Some(bytes) = recv(ours, &other, 16) {
                all.extend(bytes);
            }
            all.len() == 17
        });
        assert_eq!(all, b"message, and more");
    }
    assert_eq!((shard.sources(), other.sources()), (0, 4));
}

#[test]
fn the_message_of_a_deregistered_source_stays_in_its_socket() {
    use std::os::fd::AsFd;

    let (shard, pairs) = waiting(5, 16);
    let (left, _) = &pairs[0];
    left.source.deregister(left.inner.as_fd()).expect("it was registered");
    send(&pairs, b"message");
    turn(&shard, 4);
    assert_eq!(shard.metrics().batched_reads, 4);
    let mut bytes = [0; 16];
    assert_eq!((&left.inner).read(&mut bytes).expect("it is in the socket"), 7);
}

/// If io_uring is forbidden, before the shard is made or later, readers make their own system
/// calls.
#[test]
fn without_io_uring_readers_read_from_the_socket() {
    let check = |shard: &Arc<Driver>, pairs: &[(Io<TcpStream>, TcpStream)]| {
        send(pairs, b"message");
        turn(shard, pairs.len());
        for (ours, _) in pairs {
            assert_eq!(recv(ours, shard, 16).as_deref(), Some(&b"message"[..]));
            assert_eq!(recv(ours, shard, 16), None);
        }
    };
    // A filter applies to one thread.
    std::thread::scope(|scope| {
        for errno in [libc::ENOSYS, libc::EPERM] {
            scope.spawn(move || {
                filter::refuse(libc::SYS_io_uring_setup, errno);
                let (shard, pairs) = waiting(4, 16);
                check(&shard, &pairs);
                assert_eq!(shard.metrics().batches, 0);
            });
        }
        scope.spawn(move || {
            let (shard, pairs) = waiting(4, 16);
            check(&shard, &pairs);
            filter::refuse(libc::SYS_io_uring_enter, libc::EPERM);
            check(&shard, &pairs);
            check(&shard, &pairs);
            let metrics = shard.metrics();
            assert_eq!((metrics.batches, metrics.batched_reads), (2, 8), "tried once more");
        });
    });
}

//! Descriptors of unknown kind: a short read or write does not prove that the queue is empty or
//! full.

use std::fs::File;
use std::io::Write;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::task::{Poll, Waker};

use reveille_driver::{Direction, Driver, Flags};
use rustix::net::{AddressFamily, SocketFlags, SocketType};
use rustix::pipe::{PipeFlags, pipe_with};

use crate::support::{Io, counting, each_kind, tcp, turn_until};

/// Sends three messages, each of which ends a read although more is queued: all are read after one
/// event.
fn reads_all_messages(shard: &Arc<Driver>, ours: &Io<File>, mut theirs: File) {
    let mut buffer = [0; 64];
    let read = |buffer: &mut [u8]| ours.poll_read(shard, Waker::noop(), buffer);
    assert!(read(&mut buffer).is_pending());
    for message in [&b"one"[..], b"two", b"three"] {
        theirs.write_all(message).expect("room");
    }
    turn_until(shard, || ours.source.readiness().flags().has(Flags::READABLE));
    for message in [&b"one"[..], b"two", b"three"] {
        match read(&mut buffer) {
            Poll::Ready(count) => assert_eq!(&buffer[..count.expect("read")], message),
            Poll::Pending => {
                panic!("{} is queued, and no event will report it", message.escape_ascii())
            }
        }
    }
    assert!(read(&mut buffer).is_pending());
}

#[test]
fn all_packets_of_a_pipe_in_packet_mode_are_read() {
    each_kind(|shard| {
        let flags = PipeFlags::CLOEXEC | PipeFlags::NONBLOCK | PipeFlags::DIRECT;
        let (ours, theirs) = pipe_with(flags).expect("a pipe");
        reads_all_messages(&shard, &Io::of_unknown(File::from(ours)), File::from(theirs));
    });
}

#[test]
fn all_packets_of_a_seqpacket_socket_are_read() {
    each_kind(|shard| {
        let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
        let pair = rustix::net::socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, flags, None);
        let (ours, theirs): (OwnedFd, OwnedFd) = pair.expect("a pair");
        reads_all_messages(&shard, &Io::of_unknown(File::from(ours)), File::from(theirs));
    });
}

#[test]
fn an_exposed_stream_no_longer_trusts_short_reads() {
    each_kind(|shard| {
        let (ours, mut theirs) = tcp();
        let mut buffer = [0; 64];
        assert!(ours.poll_read(&shard, Waker::noop(), &mut buffer).is_pending());
        ours.source.expose();
        for _ in 0..3 {
            theirs.write_all(b"hello").expect("room");
            turn_until(&shard, || ours.source.readiness().flags().has(Flags::READABLE));
            let read = ours.poll_read(&shard, Waker::noop(), &mut buffer);
            assert!(matches!(read, Poll::Ready(Ok(5))), "{read:?}");
            let now = ours.source.readiness().flags();
            assert!(now.has(Flags::READABLE), "more than five bytes may be queued");
            assert!(ours.poll_read(&shard, Waker::noop(), &mut buffer).is_pending());
        }
    });
}

#[test]
fn a_short_write_to_an_unknown_descriptor_is_followed_by_another_write() {
    each_kind(|shard| {
        let (ours, _theirs) = std::os::unix::net::UnixStream::pair().expect("a pair");
        ours.set_nonblocking(true).expect("a socket");
        let ours = Io::of_unknown(ours);
        let cx = std::task::Context::from_waker(Waker::noop());
        let write = || ours.at(&shard).poll_stream(Direction::Write, &cx, 4, || Ok(1));
        assert!(matches!(write(), Poll::Ready(Ok(1))));
        assert!(ours.source.readiness().flags().has(Flags::WRITABLE));
        assert!(matches!(write(), Poll::Ready(Ok(1))), "one of four bytes proves nothing");
    });
}

#[test]
fn any_number_of_tasks_wait_for_one_source_and_all_are_woken() {
    for count in [33, 100, 1000] {
        each_kind(|shard| {
            let (ours, mut theirs) = tcp();
            let waiters: Vec<_> = (0..count).map(|_| counting()).collect();
            // Twice, because a poll may wake others in the first round only.
            for _ in 0..2 {
                for (_, waker) in &waiters {
                    assert!(ours.poll_read(&shard, waker, &mut [0; 8]).is_pending());
                }
            }
            let before: Vec<_> = waiters.iter().map(|(count, _)| count.get()).collect();
            for (_, waker) in &waiters {
                assert!(ours.poll_read(&shard, waker, &mut [0; 8]).is_pending());
            }
            let after: Vec<_> = waiters.iter().map(|(count, _)| count.get()).collect();
            assert_eq!(before, after, "waiters evict each other");
            theirs.write_all(b"for one").expect("room");
            turn_until(&shard, || {
                let is_woken = |(at, before): (usize, &usize)| waiters[at].0.get() > *before;
                before.iter().enumerate().all(is_woken)
            });
        });
    }
}

//! Descriptors of which nothing is known: a short read or write says nothing of the queue.

#![cfg(all(target_os = "linux", not(reveille_loom)))]

mod support;

use std::fs::File;
use std::io::Write;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::task::{Poll, Waker};

use reveille_driver::{Direction, Driver, Flags};
use reveille_watchdog as _;
use rustix::net::{AddressFamily, SocketFlags, SocketType};
use rustix::pipe::{PipeFlags, pipe_with};
use support::{Io, each_kind, turn_until};

/// Three messages that each end a read, with more behind: all are read after one event.
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
            Poll::Pending => panic!("{} is there, and no event will tell", message.escape_ascii()),
        }
    }
    assert!(read(&mut buffer).is_pending());
}

#[test]
fn a_pipe_in_packet_mode_is_read_to_its_end() {
    each_kind(|shard| {
        let flags = PipeFlags::CLOEXEC | PipeFlags::NONBLOCK | PipeFlags::DIRECT;
        let (ours, theirs) = pipe_with(flags).expect("a pipe");
        reads_all_messages(&shard, &Io::of_unknown(File::from(ours)), File::from(theirs));
    });
}

#[test]
fn a_socket_of_packets_is_read_to_its_end() {
    each_kind(|shard| {
        let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
        let pair = rustix::net::socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, flags, None);
        let (ours, theirs): (OwnedFd, OwnedFd) = pair.expect("a pair");
        reads_all_messages(&shard, &Io::of_unknown(File::from(ours)), File::from(theirs));
    });
}

#[test]
fn a_stream_whose_descriptor_was_lent_is_read_by_the_cautious_rule_from_then_on() {
    each_kind(|shard| {
        let (ours, mut theirs) = support::tcp();
        let mut buffer = [0; 64];
        assert!(ours.poll_read(&shard, Waker::noop(), &mut buffer).is_pending());
        ours.source.expose();
        for _ in 0..3 {
            theirs.write_all(b"hello").expect("room");
            turn_until(&shard, || ours.source.readiness().flags().has(Flags::READABLE));
            let read = ours.poll_read(&shard, Waker::noop(), &mut buffer);
            assert!(matches!(read, Poll::Ready(Ok(5))), "{read:?}");
            let now = ours.source.readiness().flags();
            assert!(now.has(Flags::READABLE), "five of 64 bytes may not be all there is");
            assert!(ours.poll_read(&shard, Waker::noop(), &mut buffer).is_pending());
        }
    });
}

#[test]
fn a_short_write_to_an_unknown_descriptor_is_followed_by_another_try() {
    each_kind(|shard| {
        let (ours, _theirs) = std::os::unix::net::UnixStream::pair().expect("a pair");
        ours.set_nonblocking(true).expect("a socket");
        let ours = Io::of_unknown(ours);
        let cx = std::task::Context::from_waker(Waker::noop());
        let write = || ours.at(&shard).poll_stream(Direction::Write, &cx, 4, || Ok(1));
        assert!(matches!(write(), Poll::Ready(Ok(1))));
        assert!(ours.source.readiness().flags().has(Flags::WRITABLE));
        assert!(matches!(write(), Poll::Ready(Ok(1))), "one of four bytes says nothing");
    });
}

#[test]
fn any_number_of_tasks_wait_for_one_source_and_all_are_woken() {
    for count in [33, 100, 1000] {
        each_kind(|shard| {
            let (ours, mut theirs) = support::tcp();
            let waiters: Vec<_> = (0..count).map(|_| support::counting()).collect();
            // Twice, as what a poll may cause comes to rest after one round.
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

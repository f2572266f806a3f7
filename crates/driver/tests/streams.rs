//! Streams on real sockets: short reads, half-close, closed peers.

#![cfg(all(target_os = "linux", not(loom)))]

mod support;

use std::io::Write;

use support::{drive, each_kind, tcp};

#[test]
fn a_waiting_read_gets_what_arrives() {
    each_kind(|shard| {
        let (ours, mut theirs) = tcp();
        let mut buffer = [0; 16];
        let read = async {
            let mut read = std::pin::pin!(ours.read(&shard, &mut buffer));
            let first = std::future::poll_fn(|cx| {
                std::task::Poll::Ready(read.as_mut().poll(cx).is_pending())
            });
            assert!(first.await, "nothing has been sent");
            theirs.write_all(b"hello").expect("sent");
            read.await
        };
        assert_eq!(drive(&shard, read).expect("read"), 5);
        assert_eq!(&buffer[..5], b"hello");
    });
}

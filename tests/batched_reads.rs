//! `Builder::batched_reads`: what a turn has read for a stream whose read was given up.
#![cfg(all(target_os = "linux", target_arch = "x86_64"))]

use std::io::{IoSliceMut, Write};
use std::os::fd::IntoRawFd;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::task::Poll;
use std::time::Duration;

use reveille::future;
use reveille::io::prelude::*;
use reveille::net::{TcpListener, TcpStream};
use reveille::runtime::{Builder, Handle};
use reveille::task;

const COUNT: usize = 6;

type Pair = (TcpStream, std::net::TcpStream);

/// A read that is given up; tells whether it waited.
async fn waits(mut stream: &TcpStream) -> bool {
    future::poll_fn(|cx| {
        let poll = Pin::new(&mut stream).poll_read(cx, &mut [0; 16]);
        Poll::Ready(poll.is_pending())
    })
    .await
}

/// Streams for each of which `message` was read by the driver, or none if it was not.
async fn received(runtime: Handle, message: &[u8]) -> Vec<Pair> {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port is free");
    let address = listener.local_addr().expect("it is bound");
    let mut pairs = Vec::new();
    for _ in 0..COUNT {
        let mut client = std::net::TcpStream::connect(address).expect("it listens");
        client.set_nodelay(true).expect("a socket");
        let (mut stream, _) = listener.accept().await.expect("a connection");
        // The first read that waits registers; those behind it only wait.
        assert!(waits(&stream).await);
        client.write_all(b"!").expect("room");
        assert_eq!(stream.read(&mut [0; 16]).await.expect("a byte"), 1);
        assert!(waits(&stream).await);
        pairs.push((stream, client));
    }
    let before = runtime.metrics().batched_reads;
    for (_, client) in &mut pairs {
        client.write_all(message).expect("room");
    }
    for _ in 0..100 {
        if runtime.metrics().batched_reads - before == COUNT as u64 {
            return pairs;
        }
        task::sleep(Duration::from_millis(1)).await;
    }
    Vec::new()
}

fn with_received(message: &'static [u8], check: impl AsyncFnOnce(Vec<Pair>)) {
    let runtime = Builder::new().workers(1).batched_reads(true).build().expect("a runtime");
    let receive = || {
        let handle = runtime.handle();
        runtime.block_on(runtime.spawn(async move { received(handle, message).await }))
    };
    // A busy machine may deliver the messages in two turns.
    let pairs = (0..5).map(|_| receive()).find(|pairs| !pairs.is_empty());
    match pairs {
        Some(pairs) => runtime.block_on(check(pairs)),
        None => println!("io_uring is missing or forbidden here"),
    }
}

#[test]
fn the_next_read_has_it_first_whatever_its_form() {
    with_received(b"message", async |pairs| {
        for (at, (mut stream, mut client)) in pairs.into_iter().enumerate() {
            let mut peeked = [0; 4];
            assert_eq!(stream.peek(&mut peeked).await.expect("bytes"), 4);
            assert_eq!(&peeked, b"mess");
            client.write_all(b", more").expect("room");
            drop(client);
            let mut all = Vec::new();
            if at % 2 == 0 {
                let (mut one, mut two) = ([0; 2], [0; 9]);
                let mut bufs = [IoSliceMut::new(&mut one), IoSliceMut::new(&mut two)];
                assert_eq!(stream.read_vectored(&mut bufs).await.expect("bytes"), 7);
                all.extend(one);
                all.extend(&two[..5]);
            }
            stream.read_to_end(&mut all).await.expect("the end");
            assert_eq!(all, b"message, more");
        }
    });
}

#[test]
fn a_stream_with_such_bytes_is_not_given_up() {
    with_received(b"message", async |pairs| {
        for (at, (mut stream, _client)) in pairs.into_iter().enumerate() {
            if at == 0 {
                // Once they are read it is.
                stream.read_exact(&mut [0; 7]).await.expect("bytes");
                std::net::TcpStream::try_from(stream).expect("nothing is kept back");
            } else if at % 2 == 0 {
                let error = std::net::TcpStream::try_from(stream).expect_err("bytes are here");
                assert!(error.to_string().contains("7 bytes of it were read already"), "{error}");
            } else {
                let give_up = AssertUnwindSafe(|| stream.into_raw_fd());
                catch_unwind(give_up).expect_err("bytes are here");
            }
        }
    });
}

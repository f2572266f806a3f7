//! `Builder::batched_reads`: data that a turn has read for a stream whose read was dropped.

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

/// Polls a read once and drops it. Returns whether it was pending.
async fn waits(mut stream: &TcpStream) -> bool {
    future::poll_fn(|cx| {
        let poll = Pin::new(&mut stream).poll_read(cx, &mut [0; 16]);
        Poll::Ready(poll.is_pending())
    })
    .await
}

/// Streams for each of which the driver has read `message`, or an empty list if it has not.
async fn received(runtime: Handle, message: &[u8]) -> Vec<Pair> {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port is free");
    let address = listener.local_addr().expect("it is bound");
    let mut pairs = Vec::new();
    for _ in 0..COUNT {
        let mut client = std::net::TcpStream::connect(address).expect("it listens");
        client.set_nodelay(true).expect("a socket");
        let (mut stream, _) = listener.accept().await.expect("a connection");
        // The first read that waits registers; later ones only wait.
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
fn the_next_read_of_any_kind_returns_bytes_read_ahead_first() {
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
fn a_stream_with_bytes_read_ahead_cannot_be_converted_into_a_descriptor() {
    with_received(b"message", async |pairs| {
        for (at, (mut stream, _client)) in pairs.into_iter().enumerate() {
            if at == 0 {
                // After the bytes have been read, the conversion succeeds.
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

/// Bytes that depend on their position.
fn bytes_from(start: usize, len: usize) -> Vec<u8> {
    (start..start + len).map(|at| (at % 251) as u8).collect()
}

/// A pseudo-random number, different for each seed.
fn chance(state: &mut u64, below: u64) -> usize {
    *state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
    ((*state >> 33) % below) as usize
}

/// Reads `len` bytes in pieces, drops one read in four, and blocks the worker now and then.
async fn reads_all(mut stream: TcpStream, len: usize, mut seed: u64) {
    let mut at = 0;
    let mut buf = vec![0; 9_000];
    while at < len {
        let room = 1 + chance(&mut seed, 9_000);
        if chance(&mut seed, 4) == 0 {
            waits_or_reads(&stream, &mut at).await;
            continue;
        }
        if chance(&mut seed, 200) == 0 {
            // Long enough for the worker, with its sources, to be handed off.
            #[allow(clippy::disallowed_methods, reason = "a poll that blocks is what is tested")]
            std::thread::sleep(Duration::from_millis(25));
        }
        let count = stream.read(&mut buf[..room]).await.expect("a connection");
        assert_ne!(count, 0, "the end after {at} of {len} bytes");
        assert_eq!(buf[..count], bytes_from(at, count), "at {at}");
        at += count;
    }
    assert_eq!(stream.read(&mut buf).await.expect("the end"), 0);
}

/// Polls a read once and drops it. Bytes that it has read count.
async fn waits_or_reads(mut stream: &TcpStream, at: &mut usize) {
    let mut buf = [0; 500];
    let read = future::poll_fn(|cx| Poll::Ready(Pin::new(&mut stream).poll_read(cx, &mut buf)));
    if let Poll::Ready(count) = read.await {
        let count = count.expect("a connection");
        assert_eq!(buf[..count], bytes_from(*at, count), "at {at}");
        *at += count;
    }
}

#[test]
fn streams_arrive_whole_while_tasks_move_reads_are_dropped_and_polls_block() {
    for workers in [1, 3] {
        streams_arrive_whole(workers);
    }
}

fn streams_arrive_whole(workers: usize) {
    const STREAMS: usize = 40;
    const LEN: usize = 300_000;
    let runtime = Builder::new().workers(workers).batched_reads(true).build().expect("a runtime");
    let handle = runtime.handle();
    runtime.block_on(runtime.spawn(async move {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port is free");
        let address = listener.local_addr().expect("it is bound");
        let mut tasks = Vec::new();
        for number in 0..STREAMS {
            let mut client = TcpStream::connect(address).await.expect("it listens");
            client.set_nodelay(true).expect("a socket");
            let (stream, _) = listener.accept().await.expect("a connection");
            tasks.push(task::spawn(reads_all(stream, LEN, number as u64)));
            tasks.push(task::spawn(async move {
                let (mut at, mut seed) = (0, number as u64 + 1_000);
                while at < LEN {
                    let len = (1 + chance(&mut seed, 3_000)).min(LEN - at);
                    client.write_all(&bytes_from(at, len)).await.expect("a connection");
                    at += len;
                    task::yield_now().await;
                }
            }));
        }
        for task in tasks {
            task.await;
        }
    }));
    let metrics = handle.metrics();
    println!("{} of the reads in {} batches", metrics.batched_reads, metrics.read_batches);
}

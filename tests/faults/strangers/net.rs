//! Sockets of all systems: empty writes, many buffers, ends.

use std::io::{ErrorKind, IoSlice, IoSliceMut};
use std::net::Shutdown;
use std::pin::pin;

use reveille::io::prelude::*;
use reveille::task;
use reveille_tests::conformance;
use reveille_tests::poll::{stream_pair, tcp_pair as pair};

use super::{is_pending, soon};

/// Writes until there is no room.
async fn fill(writer: &mut (impl reveille::io::Write + Unpin)) {
    let bytes = vec![0; 1 << 20];
    while !is_pending(pin!(writer.write(&bytes))).await {}
}

// golang/go#14139: a write of no bytes does not wait.
async fn writing_nothing_needs_no_room() {
    let (mut stream, _peer) = pair().await;
    fill(&mut stream).await;
    assert_eq!(soon(stream.write(&[])).await.unwrap(), 0);
    assert_eq!(soon(stream.write_vectored(&[IoSlice::new(&[])])).await.unwrap(), 0);
    let (mut stream, _peer) = stream_pair().await;
    fill(&mut stream).await;
    assert_eq!(soon(stream.write(&[])).await.unwrap(), 0);
}

// tokio#4937 and mio#967: zero bytes read into an empty buffer do not mean end of stream.
async fn a_read_into_nothing_neither_takes_bytes_nor_ends_the_stream() {
    let (mut stream, mut peer) = pair().await;
    peer.write_all(b"abc").await.unwrap();
    assert_eq!(soon(stream.peek(&mut [0; 3])).await.unwrap(), 3);
    assert_eq!(soon(stream.read(&mut [])).await.unwrap(), 0);
    let mut bytes = [0; 3];
    soon(stream.read_exact(&mut bytes)).await.unwrap();
    soon(stream.read_exact(&mut [])).await.unwrap();
    assert_eq!(&bytes, b"abc");
    peer.write_all(b"d").await.unwrap();
    assert_eq!(soon(stream.read(&mut bytes)).await.unwrap(), 1);
}

/// Sends and receives 3,000 bytes in buffers of one byte.
async fn exchange(
    mut from: impl reveille::io::Write + Unpin,
    mut to: impl reveille::io::Read + Unpin,
) {
    let sent: Vec<u8> = (0..3_000).map(|number| (number % 251) as u8).collect();
    let mut done = 0;
    while done < sent.len() {
        let slices: Vec<_> = sent[done..].chunks(1).map(IoSlice::new).collect();
        done += soon(from.write_vectored(&slices)).await.unwrap();
    }
    let mut received = vec![0; sent.len()];
    let mut done = 0;
    while done < received.len() {
        let mut slices: Vec<_> = received[done..].chunks_mut(1).map(IoSliceMut::new).collect();
        let count = soon(to.read_vectored(&mut slices)).await.unwrap();
        assert!(count > 0, "the stream has not ended");
        done += count;
    }
    assert_eq!(received, sent);
}

// rust-lang/rust#68042 and libuv#770: more buffers than a system call accepts give a short write.
async fn any_number_of_buffers_is_taken() {
    let (client, server) = pair().await;
    exchange(client, server).await;
    let (client, server) = stream_pair().await;
    exchange(client, server).await;
}

// tokio#7551 and compio#288: a clone is closed by another task.
async fn a_shutdown_wakes_reads_and_writes_of_a_clone() {
    for how in [Shutdown::Read, Shutdown::Both] {
        let (stream, _peer) = pair().await;
        let mut reader = stream.clone();
        let mut waits = Box::pin(async move { reader.read(&mut [0; 4]).await });
        assert!(is_pending(waits.as_mut()).await);
        stream.shutdown(how).unwrap();
        assert_eq!(soon(waits).await.unwrap(), 0, "{how:?}");
    }
    let (stream, _peer) = pair().await;
    let mut writer = stream.clone();
    fill(&mut writer).await;
    let mut waits = Box::pin(async move { writer.write(&[1]).await });
    assert!(is_pending(waits.as_mut()).await);
    stream.shutdown(Shutdown::Write).unwrap();
    let error = soon(waits).await.unwrap_err();
    if cfg!(windows) {
        // `WSAESHUTDOWN`, for which std has no kind.
        assert_eq!(error.raw_os_error(), Some(10_058));
    } else {
        assert_eq!(error.kind(), ErrorKind::BrokenPipe);
    }
}

// nodejs/node#49073, tokio#3876: one direction ends and the other continues.
async fn a_half_that_is_closed_leaves_the_other_open() {
    let (mut client, mut server) = pair().await;
    client.write_all(b"question").await.unwrap();
    client.shutdown(Shutdown::Write).unwrap();
    let mut question = String::new();
    soon(server.read_to_string(&mut question)).await.unwrap();
    assert_eq!(question, "question");
    for _ in 0..3 {
        server.write_all(b"answer").await.unwrap();
        task::yield_now().await;
    }
    drop(server);
    let mut answer = String::new();
    soon(client.read_to_string(&mut answer)).await.unwrap();
    assert_eq!(answer, "answer".repeat(3));
}

conformance!(
    writing_nothing_needs_no_room,
    a_read_into_nothing_neither_takes_bytes_nor_ends_the_stream,
    any_number_of_buffers_is_taken,
    a_shutdown_wakes_reads_and_writes_of_a_clone,
    a_half_that_is_closed_leaves_the_other_open,
);

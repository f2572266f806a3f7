//! Readiness of TCP streams, and their halves: `readable`, `writable`, `closed`, `into_split`.

use std::io::ErrorKind;
#[cfg(target_os = "linux")]
use std::pin::pin;

#[cfg(target_os = "linux")]
use futures_lite::future;
use reveille::io;
use reveille::net::{Shutdown, TcpStream};
use reveille::prelude::*;
use reveille::task;
use reveille_tests::conformance;
use reveille_tests::poll::{is_ready, tcp_pair};

async fn readable_waits_for_bytes_and_takes_none() {
    let (mut client, mut server) = tcp_pair().await;
    assert!(!is_ready(server.readable()));
    assert_eq!(server.try_read(&mut [0; 4]).unwrap_err().kind(), ErrorKind::WouldBlock);

    let writing = task::spawn(async move {
        client.write_all(b"ping").await.unwrap();
        client
    });
    server.readable().await.unwrap();
    server.readable().await.unwrap();
    let mut buf = [0; 4];
    server.read_exact(&mut buf).await.unwrap();
    assert_eq!(&buf, b"ping");
    drop(writing.await);
    server.readable().await.unwrap();
    assert_eq!(server.try_read(&mut buf).unwrap(), 0);
}

async fn writable_waits_for_room() {
    let (client, mut server) = tcp_pair().await;
    client.writable().await.unwrap();
    let bytes = vec![1; 1 << 20];
    let mut sent = 0;
    while let Ok(count) = client.try_write(&bytes) {
        sent += count;
    }
    assert!(!is_ready(client.writable()));
    let reading = task::spawn(async move {
        let mut all = vec![0; sent];
        server.read_exact(&mut all).await.unwrap();
        server
    });
    client.writable().await.unwrap();
    assert!(client.try_write(b"more").is_ok());
    drop(reading.await);
}

#[cfg(target_os = "linux")]
async fn closed_sees_the_end_behind_unread_bytes_and_leaves_them_to_readers() {
    let (mut client, mut server) = tcp_pair().await;
    client.write_all(b"unread").await.unwrap();
    server.readable().await.unwrap();
    {
        let mut closed = pin!(server.closed());
        assert!(future::poll_once(closed.as_mut()).await.is_none());
        client.write_all(b" and more").await.unwrap();
        assert!(future::poll_once(closed.as_mut()).await.is_none());
        let closing = task::spawn(async move { client.close().await.map(|()| client) });
        closed.await.unwrap();
        drop(closing.await.unwrap());
    }
    let mut text = String::new();
    server.read_to_string(&mut text).await.unwrap();
    assert_eq!(text, "unread and more");
    server.closed().await.unwrap();
}

/// A waiter for the close must not consume the event that a reader waits for.
async fn closed_and_a_reader_wait_side_by_side() {
    let (mut client, server) = tcp_pair().await;
    let watching = task::spawn({
        let server = server.clone();
        async move { server.closed().await }
    });
    let echo = task::spawn(async move {
        let (mut reader, mut writer) = (&server, &server);
        io::copy(&mut reader, &mut writer).await
    });
    for round in 0..100_u32 {
        client.write_all(&round.to_ne_bytes()).await.unwrap();
        let mut buf = [0; 4];
        client.read_exact(&mut buf).await.unwrap();
        assert_eq!(u32::from_ne_bytes(buf), round);
    }
    client.close().await.unwrap();
    assert_eq!(echo.await.unwrap(), 400);
    watching.await.unwrap();
}

async fn closing_a_writer_reaches_the_peer() {
    let (mut client, mut server) = tcp_pair().await;
    client.write_all(b"question").await.unwrap();
    client.close().await.unwrap();
    client.close().await.unwrap();
    let error = client.write(b"x").await.unwrap_err();
    if cfg!(windows) {
        // `WSAESHUTDOWN`, for which std has no kind.
        assert_eq!(error.raw_os_error(), Some(10_058));
    } else {
        assert_eq!(error.kind(), ErrorKind::BrokenPipe);
    }
    let mut text = String::new();
    server.read_to_string(&mut text).await.unwrap();
    server.write_all(text.to_uppercase().as_bytes()).await.unwrap();
    // Other crates' `close` is the same function.
    futures_lite::AsyncWriteExt::close(&mut server).await.unwrap();
    text.clear();
    client.read_to_string(&mut text).await.unwrap();
    assert_eq!(text, "QUESTION");
    drop(server);
    client.close().await.unwrap();
}

async fn dropping_the_write_half_shuts_down_and_forgetting_it_does_not() {
    let (client, mut server) = tcp_pair().await;
    let (reader, mut writer) = client.into_split();
    writer.write_all(b"x").await.unwrap();
    let client = reader.reunite(writer).unwrap();
    let (reader, writer) = client.into_split();
    writer.forget();
    let mut client: &TcpStream = reader.as_ref();
    client.write_all(b"y").await.unwrap();

    let (mut reader, writer) = client.clone().into_split();
    drop(writer);
    let mut text = String::new();
    server.read_to_string(&mut text).await.unwrap();
    assert_eq!(text, "xy");
    server.write_all(b"z").await.unwrap();
    server.shutdown(Shutdown::Write).unwrap();
    text.clear();
    reader.read_to_string(&mut text).await.unwrap();
    assert_eq!(text, "z");
}

async fn halves_of_different_connections_do_not_join() {
    let (client, server) = tcp_pair().await;
    let ((reader, writer), (other_reader, other_writer)) =
        (client.into_split(), server.into_split());
    let error = reader.reunite(other_writer).unwrap_err();
    assert_eq!(error.to_string(), "the halves belong to different connections");
    // Nothing was shut down by the attempt.
    let mut client = error.0.reunite(writer).unwrap();
    let mut server = error.1.reunite(other_reader).unwrap();
    client.write_all(b"x").await.unwrap();
    assert_eq!(server.read(&mut [0; 4]).await.unwrap(), 1);
}

conformance! {
    readable_waits_for_bytes_and_takes_none,
    writable_waits_for_room,
    // Only on Linux: elsewhere `closed` waits until everything before the end was read.
    #[cfg(target_os = "linux")]
    closed_sees_the_end_behind_unread_bytes_and_leaves_them_to_readers,
    closed_and_a_reader_wait_side_by_side,
    closing_a_writer_reaches_the_peer,
    dropping_the_write_half_shuts_down_and_forgetting_it_does_not,
    halves_of_different_connections_do_not_join,
}

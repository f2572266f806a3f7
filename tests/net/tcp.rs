//! `net::{TcpStream, TcpListener}`: connections, their ends, and errors.

use std::net::{Shutdown, SocketAddr, TcpStream as StdTcpStream};
use std::time::Duration;

use futures_lite::future;
use reveille::io::{self, BufReader, ErrorKind, IoSlice, IoSliceMut};
use reveille::net::{TcpListener, TcpStream};
use reveille::prelude::*;
use reveille::task::{self, block_on};
use socket2::{Domain, Socket, Type};

use crate::connections::{listen, pair};

/// How long a test waits for an event that must happen.
const LONG: Duration = Duration::from_secs(60);

/// An address without a listener, and a socket that keeps others from using it.
struct Nobody {
    _bound: Socket,
    address: SocketAddr,
}

fn nobody() -> Nobody {
    let any: SocketAddr = "127.0.0.1:0".parse().unwrap();
    let bound = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    bound.bind(&any.into()).unwrap();
    let address = bound.local_addr().unwrap().as_socket().unwrap();
    Nobody { _bound: bound, address }
}

async fn futures_and_types_are_send_and_sync() {
    fn is_send<T: Send>(value: T) -> T {
        value
    }
    fn is_all<T: Send + Sync + Unpin + std::panic::UnwindSafe + std::panic::RefUnwindSafe>() {}
    is_all::<TcpStream>();
    is_all::<TcpListener>();
    is_all::<reveille::net::UdpSocket>();
    drop(is_send(TcpStream::connect("127.0.0.1:1")));
    drop(is_send(TcpStream::connect((String::from("x"), 1))));
    drop(is_send(TcpStream::connect_timeout("127.0.0.1:1", LONG)));
    drop(is_send(TcpListener::bind("127.0.0.1:1")));
    let (listener, _) = listen().await;
    drop(is_send(listener.accept()));
    drop(is_send(listener.incoming()));
    drop(is_send(listener.into_incoming()));
}

// Connecting.

async fn connect_tries_every_address() {
    let (listener, address) = listen().await;
    let (first, second) = (nobody(), nobody());
    let addresses = [first.address, second.address, address];
    let stream = TcpStream::connect(&addresses[..]).await.unwrap();
    assert_eq!(stream.peer_addr().unwrap(), address);
    drop(listener);
}

async fn refused_connection_names_its_address_and_keeps_kind_text_and_number() {
    let nobody = nobody();
    let address = nobody.address;
    let error = TcpStream::connect(address).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ConnectionRefused);
    let text = error.to_string();
    assert!(text.starts_with(&format!("could not connect to `{address}`: ")), "{text}");
    let plain = StdTcpStream::connect(address).unwrap_err();
    assert!(text.ends_with(&plain.to_string()), "{text}");
    assert_eq!(io::raw_os_error(&error), plain.raw_os_error());
    let payload = error.get_ref().and_then(|error| error.downcast_ref::<io::OperationError>());
    assert_eq!(payload.expect("it names its operation").cause().to_string(), plain.to_string());
    // The text contains the source already.
    assert!(std::error::Error::source(&error).is_none());
}

async fn connection_that_never_comes_ends_with_the_timeout() {
    // No connection is accepted. When its queue is full, the listener does not answer. The system's
    // longest queue is a few thousand; that of std's listeners is 128.
    const LONGEST_QUEUE: usize = 10_000;
    let limit = Duration::from_millis(500);
    let (_listener, address) = listen().await;
    let mut queued = Vec::new();
    let error = loop {
        match TcpStream::connect_timeout(address, limit).await {
            Ok(stream) => queued.push(stream),
            Err(error) => break error,
        }
        assert!(queued.len() < LONGEST_QUEUE, "the queue has no end");
    };
    assert_eq!(error.kind(), ErrorKind::TimedOut, "{error}");
    let text = format!("could not connect to `{address}`: no answer within 500ms");
    assert_eq!(error.to_string(), text);
}

async fn connect_timeout_leaves_other_errors_alone() {
    let nobody = nobody();
    let error = TcpStream::connect_timeout(nobody.address, LONG).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ConnectionRefused);

    let none: &[SocketAddr] = &[];
    let error = TcpStream::connect_timeout(none, LONG).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidInput);
    assert_eq!(error.to_string(), "could not resolve to any addresses");

    let error = TcpStream::connect_timeout("no-port", LONG).await.unwrap_err();
    assert_eq!(error.to_string(), "could not resolve address `\"no-port\"`");
}

async fn address_in_use_is_named() {
    let (_listener, address) = listen().await;
    let error = TcpListener::bind(address).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::AddrInUse);
    let start = format!("could not bind to `{address}`: ");
    assert!(error.to_string().starts_with(&start), "{error}");
    assert!(io::raw_os_error(&error).is_some());
}

async fn bind_tries_every_address() {
    let (_taken, address) = listen().await;
    let free: SocketAddr = "127.0.0.1:0".parse().unwrap();
    let listener = TcpListener::bind(&[address, free][..]).await.unwrap();
    assert_ne!(listener.local_addr().unwrap(), address);
}

// Reading and writing.

async fn half_close_ends_one_direction_only() {
    let (mut client, mut server) = pair().await;
    client.write_all(b"question").await.unwrap();
    client.shutdown(Shutdown::Write).unwrap();
    let mut text = String::new();
    server.read_to_string(&mut text).await.unwrap();
    assert_eq!(text, "question");
    // The reading side saw the end; the other direction is still open.
    server.write_all(b"a long answer").await.unwrap();
    drop(server);
    text.clear();
    client.read_to_string(&mut text).await.unwrap();
    assert_eq!(text, "a long answer");
    assert!(client.write_all(b"more").await.is_err());
}

async fn more_connections_may_wait_than_std_has_room_for() {
    let (_listener, address) = listen().await;
    let mut waiting = Vec::new();
    // No connection is accepted, so a client gets no answer once the queue is full.
    for _ in 0..300 {
        let stream = StdTcpStream::connect_timeout(&address, Duration::from_secs(10));
        waiting.push(stream.expect("there is room in the queue"));
    }
}

async fn many_clients_are_served_at_once() {
    const CLIENTS: usize = 200;
    let (listener, address) = listen().await;
    let server = task::spawn(async move {
        let mut incoming = listener.incoming();
        for _ in 0..CLIENTS {
            let stream = incoming.next().await.unwrap().unwrap();
            task::spawn(async move { io::copy(&mut &stream, &mut &stream).await });
        }
    });
    let clients = (0..CLIENTS).map(|number| {
        task::spawn(async move {
            let stream = TcpStream::connect(address).await.unwrap();
            let mut reader = BufReader::new(&stream);
            for round in 0..5 {
                let question = format!("{number} {round}\n");
                (&stream).write_all(question.as_bytes()).await.unwrap();
                let mut answer = String::new();
                reader.read_line(&mut answer).await.unwrap();
                assert_eq!(answer, question);
            }
        })
    });
    for client in clients.collect::<Vec<_>>() {
        client.await;
    }
    server.await;
}

async fn clones_in_two_tasks_read_and_write_at_once() {
    const LEN: usize = 4 << 20;
    let (client, server) = pair().await;
    let mut writers = Vec::new();
    for stream in [client.clone(), server.clone()] {
        writers.push(task::spawn(async move {
            let data: Vec<u8> = (0..LEN).map(|i| (i % 251) as u8).collect();
            (&stream).write_all(&data).await.unwrap();
            stream.shutdown(Shutdown::Write).unwrap();
        }));
    }
    let mut readers = Vec::new();
    for mut stream in [client, server] {
        readers.push(task::spawn(async move {
            let mut data = Vec::new();
            stream.read_to_end(&mut data).await.unwrap();
            assert_eq!(data.len(), LEN);
            assert!(data.iter().enumerate().all(|(i, byte)| *byte == (i % 251) as u8));
        }));
    }
    for task in writers.into_iter().chain(readers) {
        task.await;
    }
}

async fn every_clone_that_reads_gets_a_byte() {
    let (mut client, server) = pair().await;
    let read = |mut stream: TcpStream| async move {
        let mut byte = [0];
        stream.read_exact(&mut byte).await.unwrap();
        byte[0]
    };
    let tasks: Vec<_> = (0..8).map(|_| task::spawn(read(server.clone()))).collect();
    for byte in 0..8 {
        task::yield_now().await;
        client.write_all(&[byte]).await.unwrap();
    }
    let mut bytes = Vec::new();
    for task in tasks {
        bytes.push(task.await);
    }
    bytes.sort_unstable();
    assert_eq!(bytes, [0, 1, 2, 3, 4, 5, 6, 7]);
}

async fn vectored_reads_and_writes_are_one_call() {
    let (mut client, mut server) = pair().await;
    let parts = [IoSlice::new(b"head"), IoSlice::new(b""), IoSlice::new(b"body")];
    assert_eq!(client.write_vectored(&parts).await.unwrap(), 8);
    let (mut a, mut b) = ([0; 3], [0; 8]);
    let mut parts = [IoSliceMut::new(&mut a), IoSliceMut::new(&mut b)];
    assert_eq!(server.read_vectored(&mut parts).await.unwrap(), 8);
    assert_eq!((&a, &b[..5]), (b"hea", &b"dbody"[..]));
}

async fn peeked_bytes_stay() {
    let (mut client, mut server) = pair().await;
    let mut buf = [0; 8];
    assert!(future::poll_once(server.peek(&mut buf)).await.is_none());
    client.write_all(b"look").await.unwrap();
    assert_eq!(server.peek(&mut buf).await.unwrap(), 4);
    assert_eq!(server.peek(&mut buf[..2]).await.unwrap(), 2);
    assert_eq!(server.read(&mut buf).await.unwrap(), 4);
    assert_eq!(&buf[..4], b"look");
}

#[test]
fn stream_moves_between_threads_with_its_readiness() {
    let (mut client, mut server) = block_on(async {
        let (client, mut server) = pair().await;
        let waits = future::poll_once(server.read(&mut [0; 1])).await.is_none();
        assert!(waits, "it is registered now");
        (client, server)
    });
    // The socket is registered with the driver of a thread that has left `block_on`. It is now used
    // on the pool and then on another thread.
    let reading = task::spawn(async move {
        let mut one = [0; 1];
        server.read_exact(&mut one).await.unwrap();
        assert_eq!(&one, b"a");
        server
    });
    block_on(client.write_all(b"a")).unwrap();
    let mut server = block_on(reading);
    let thread = std::thread::Builder::new().spawn(move || {
        let mut one = [0; 1];
        block_on(server.read_exact(&mut one)).unwrap();
        one
    });
    block_on(client.write_all(b"b")).unwrap();
    assert_eq!(&thread.unwrap().join().unwrap(), b"b");
}

async fn dropped_read_loses_no_byte() {
    let (mut client, mut server) = pair().await;
    let mut buf = [0; 8];
    for _ in 0..3 {
        assert!(future::poll_once(server.read(&mut buf)).await.is_none());
    }
    client.write_all(b"kept").await.unwrap();
    server.read_exact(&mut buf[..4]).await.unwrap();
    assert_eq!(&buf[..4], b"kept");
}

async fn writer_waits_for_a_reader_that_is_behind() {
    let (mut client, mut server) = pair().await;
    let chunk = vec![1; 1 << 16];
    let mut written = 0;
    // Until the buffers of both ends are full.
    while let Some(n) = future::poll_once(client.write(&chunk)).await {
        written += n.unwrap();
    }
    let mut read = 0;
    let mut buf = vec![0; 1 << 20];
    while read < written {
        read += server.read(&mut buf).await.unwrap();
    }
    assert_eq!(read, written, "what a dropped write did not write did not arrive");
    client.write_all(b"x").await.unwrap();
    assert_eq!(server.read(&mut buf).await.unwrap(), 1);
}

// Ends.

async fn peer_that_closes_early_is_the_end_of_reading() {
    let (mut client, mut server) = pair().await;
    server.write_all(b"cut o").await.unwrap();
    drop(server);
    let error = client.read_exact(&mut [0; 8]).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::UnexpectedEof);
}

async fn peer_that_closes_unread_resets_the_connection() {
    let (mut client, server) = pair().await;
    client.write_all(b"never read").await.unwrap();
    let mut byte = [0];
    server.peek(&mut byte).await.unwrap();
    drop(server);
    let error = client.read(&mut byte).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ConnectionReset);
}

async fn writing_to_a_peer_that_is_gone_is_an_error_and_no_signal() {
    let (mut client, server) = pair().await;
    drop(server);
    let error = loop {
        if let Err(error) = client.write_all(&[0; 1000]).await {
            break error;
        }
    };
    let expected = [ErrorKind::BrokenPipe, ErrorKind::ConnectionReset];
    assert!(expected.contains(&error.kind()), "{error}");
}

async fn reader_wakes_when_another_clone_shuts_the_connection_down() {
    let (client, _server) = pair().await;
    let mut reader = client.clone();
    let read = task::spawn(async move { reader.read(&mut [0; 1]).await });
    task::yield_now().await;
    client.shutdown(Shutdown::Both).unwrap();
    assert_eq!(read.await.unwrap(), 0);
}

// Conversions.

// Only on Unix: it is about descriptors; `sockets.rs` has the conversions of Windows.
#[cfg(unix)]
mod descriptors {
    use std::io::{Read as _, Write as _};
    use std::os::fd::{AsFd, AsRawFd, FromRawFd, IntoRawFd, OwnedFd, RawFd};

    use std::net::TcpListener as StdTcpListener;

    use super::*;

    fn take(fd: RawFd) -> StdTcpStream {
        // SAFETY: `into_raw_fd` gave it to us, so it is open and has no other owner.
        unsafe { StdTcpStream::from_raw_fd(fd) }
    }

    /// async-std#730: the descriptor that `into_raw_fd` gave was closed already.
    #[test]
    fn into_raw_fd_gives_an_open_descriptor() {
        block_on(async {
            let (client, mut server) = pair().await;
            let number = client.as_raw_fd();
            let mut client = take(client.into_raw_fd());
            assert_eq!(client.as_raw_fd(), number, "it is the very one");
            client.write_all(b"open").unwrap();
            server.read_exact(&mut [0; 4]).await.unwrap();
        });
    }

    #[test]
    fn into_raw_fd_of_a_shared_stream_gives_a_duplicate() {
        block_on(async {
            let (client, mut server) = pair().await;
            let mut clone = client.clone();
            let mut given = take(client.into_raw_fd());
            assert_ne!(given.as_raw_fd(), clone.as_raw_fd());
            given.write_all(b"one").unwrap();
            drop(given);
            clone.write_all(b"two").await.unwrap();
            let mut buf = [0; 6];
            server.read_exact(&mut buf).await.unwrap();
            assert_eq!(&buf, b"onetwo");
        });
    }

    #[test]
    fn descriptor_that_is_given_away_after_a_wait_is_forgotten_by_the_driver() {
        block_on(async {
            let (client, mut server) = pair().await;
            let mut byte = [0];
            assert!(future::poll_once((&client).read(&mut byte)).await.is_none());
            let fd = OwnedFd::from(client);
            let mut again = TcpStream::from(fd);
            server.write_all(b"x").await.unwrap();
            assert_eq!(again.read(&mut byte).await.unwrap(), 1);
        });
    }

    #[test]
    fn streams_go_to_std_blocking_if_they_are_not_shared() {
        block_on(async {
            let (client, mut server) = pair().await;
            let clone = client.clone();
            let error = StdTcpStream::try_from(client).unwrap_err();
            assert!(error.to_string().contains("multiple references"), "{error}");
            let mut client = StdTcpStream::try_from(clone).unwrap();
            let read = task::spawn_blocking(move || {
                let mut byte = [0];
                client.read_exact(&mut byte).map(|()| byte)
            });
            server.write_all(b"!").await.unwrap();
            assert_eq!(read.await.unwrap(), *b"!");
        });
    }

    #[test]
    fn listeners_come_from_std_and_go_back() {
        block_on(async {
            let listener = StdTcpListener::bind("127.0.0.1:0").unwrap();
            let listener = TcpListener::from(OwnedFd::from(listener));
            let address = listener.local_addr().unwrap();
            assert!(future::poll_once(listener.accept()).await.is_none(), "it is non-blocking");
            let client = TcpStream::connect(address).await.unwrap();
            listener.accept().await.unwrap();
            let listener = StdTcpListener::try_from(listener).unwrap();
            assert!(listener.as_fd().as_raw_fd() >= 0);
            drop(client);
        });
    }
}

// Each of these runs on every executor.
reveille_tests::conformance!(
    futures_and_types_are_send_and_sync,
    connect_tries_every_address,
    refused_connection_names_its_address_and_keeps_kind_text_and_number,
    connection_that_never_comes_ends_with_the_timeout,
    connect_timeout_leaves_other_errors_alone,
    address_in_use_is_named,
    bind_tries_every_address,
    half_close_ends_one_direction_only,
    more_connections_may_wait_than_std_has_room_for,
    many_clients_are_served_at_once,
    clones_in_two_tasks_read_and_write_at_once,
    every_clone_that_reads_gets_a_byte,
    vectored_reads_and_writes_are_one_call,
    peeked_bytes_stay,
    dropped_read_loses_no_byte,
    writer_waits_for_a_reader_that_is_behind,
    peer_that_closes_early_is_the_end_of_reading,
    peer_that_closes_unread_resets_the_connection,
    writing_to_a_peer_that_is_gone_is_an_error_and_no_signal,
    reader_wakes_when_another_clone_shuts_the_connection_down,
);

//! Error texts: a reporter that prints an error and then its sources prints each cause once.

use std::error::Error;
use std::future::Future;
use std::time::Duration;

use reveille::fs::{self, File};
use reveille::io::{self, Cursor, OperationError, prelude::*};
use reveille::net::{TcpListener, TcpStream, ToSocketAddrs, UdpSocket};
use reveille::prelude::*;
use reveille::task::{self, CancellationToken, block_on};
use reveille::{channel, future, stream};

const MISSING: &str = "/nonexistent/x";

/// The texts that a reporter prints: that of the error, and those of its sources.
fn told(error: &(dyn Error + 'static)) -> Vec<String> {
    let mut texts = vec![error.to_string()];
    let mut next = error.source();
    while let Some(cause) = next {
        texts.push(cause.to_string());
        next = cause.source();
    }
    texts
}

/// None of the texts repeats another.
fn assert_each_text_once(error: &(dyn Error + 'static)) {
    let texts = told(error);
    for (n, text) in texts.iter().enumerate() {
        assert!(!text.is_empty(), "{error:?}");
        let others = texts.iter().enumerate().filter(|(m, _)| *m != n);
        for (_, other) in others {
            assert!(!other.contains(text), "`{text}` is in two texts: {texts:?}");
        }
    }
}

#[track_caller]
fn failure<T>(result: io::Result<T>) -> io::Error {
    result.err().expect("the operation fails")
}

/// For an operation whose error names it in async-std: the text is the operation, and the source is
/// the cause.
#[track_caller]
fn assert_apart<T>(call: impl Future<Output = io::Result<T>>, operation: &str) {
    let error = failure(block_on(call));
    assert_each_text_once(&error);
    assert_eq!(error.to_string(), operation);
    let payload = error.get_ref().and_then(|error| error.downcast_ref::<OperationError>());
    let payload = payload.expect("the error names its operation");
    assert_eq!(payload.operation(), operation);
    assert_eq!(told(&error)[1], payload.cause().to_string());
    assert!(format!("{error:#}").starts_with(&format!("{operation}: ")), "{error:#}");
}

/// For an operation that returns the system's error in async-std: the text contains that error.
#[track_caller]
fn assert_named<T>(call: impl Future<Output = io::Result<T>>, operation: &str, cause: &str) {
    let error = failure(block_on(call));
    assert_each_text_once(&error);
    assert_eq!(told(&error), [format!("{operation}: {cause}")]);
    assert_eq!(format!("{error:#}"), error.to_string());
    assert!(io::raw_os_error(&error).is_some(), "{error}");
}

#[test]
fn errors_of_paths_are_the_operation_and_their_source_the_cause() {
    let of = |operation: &str| format!("could not {operation} `{MISSING}`");
    assert_apart(fs::canonicalize(MISSING), &of("canonicalize"));
    assert_apart(fs::copy(MISSING, "/to"), &format!("could not copy `{MISSING}` to `/to`"));
    assert_apart(fs::create_dir(MISSING), &of("create directory"));
    assert_apart(
        fs::hard_link(MISSING, "/to"),
        "could not create a hard link from `/nonexistent/x` to `/to`",
    );
    assert_apart(fs::read(MISSING), &of("read file"));
    assert_apart(fs::read_dir(MISSING), &of("read directory"));
    assert_apart(fs::read_link(MISSING), &of("read link"));
    assert_apart(fs::read_to_string(MISSING), &of("read file"));
    assert_apart(fs::remove_dir(MISSING), &of("remove directory"));
    assert_apart(fs::remove_dir_all(MISSING), &of("remove directory"));
    assert_apart(fs::remove_file(MISSING), &of("remove file"));
    assert_apart(fs::rename(MISSING, "/to"), &format!("could not rename `{MISSING}` to `/to`"));
    assert_apart(fs::write(MISSING, b""), &of("write to file"));
    assert_apart(File::open(MISSING), &of("open"));
}

#[test]
fn errors_of_names_and_packets_are_the_operation_and_their_source_the_cause() {
    let name = "no-such-host.invalid:80";
    let unresolved = format!("could not resolve address `{name:?}`");
    assert_apart(name.to_socket_addrs(), &unresolved);
    assert_apart(TcpStream::connect(name), &unresolved);
    assert_apart(
        ("no-such-host.invalid", 80).to_socket_addrs(),
        "could not resolve address `(\"no-such-host.invalid\", 80)`",
    );
    let socket = block_on(UdpSocket::bind("127.0.0.1:0")).unwrap();
    let address = socket.local_addr().unwrap();
    assert_apart(socket.connect(name), "could not resolve addresses");
    assert_apart(
        socket.send_to(&[0; 70_000], address),
        &format!("could not send packet to {address}"),
    );
    assert_apart(async { socket.peer_addr() }, "could not get peer address");
    let copy = async {
        let mut room = [0_u8; 1];
        io::copy(&mut Cursor::new(b"ab"), &mut Cursor::new(&mut room[..])).await
    };
    assert_apart(copy, "io::copy failed");
}

#[test]
fn errors_of_connections_contain_that_of_the_system() {
    let refused = "Connection refused (os error 111)";
    let listener = block_on(TcpListener::bind("127.0.0.1:0")).unwrap();
    let address = listener.local_addr().unwrap();
    let taken = "Address already in use (os error 98)";
    if cfg!(target_os = "linux") {
        let bind = format!("could not bind to `{address}`");
        assert_named(TcpListener::bind(address), &bind, taken);
        let socket = block_on(UdpSocket::bind("127.0.0.1:0")).unwrap();
        let address = socket.local_addr().unwrap();
        assert_named(UdpSocket::bind(address), &format!("could not bind to `{address}`"), taken);
    }
    drop(listener);
    if cfg!(target_os = "linux") {
        let connect = format!("could not connect to `{address}`");
        assert_named(TcpStream::connect(address), &connect, refused);
        assert_named(
            TcpStream::connect_timeout(address, Duration::from_secs(60)),
            &connect,
            refused,
        );
    }
}

// Only on Linux: sockets with a path, and its error texts.
#[cfg(target_os = "linux")]
#[test]
fn errors_of_socket_paths_and_programs_contain_that_of_the_system() {
    use reveille::os::unix::net::{UnixDatagram, UnixListener, UnixStream};

    let cause = "No such file or directory (os error 2)";
    let of = |operation: &str| format!("could not {operation} `{MISSING}`");
    assert_named(UnixStream::connect(MISSING), &of("connect to"), cause);
    assert_named(UnixListener::bind(MISSING), &of("bind to"), cause);
    assert_named(UnixDatagram::bind(MISSING), &of("bind to"), cause);
    let socket = UnixDatagram::unbound().unwrap();
    assert_named(socket.connect(MISSING), &of("connect to"), cause);
    assert_named(socket.send_to(b"x", MISSING), &of("send packet to"), cause);
    let command = reveille::process::Command::new(MISSING).output();
    assert_named(command, &of("start"), cause);
}

#[test]
fn errors_without_an_operation_have_their_cause_once() {
    let late = io::timeout(Duration::ZERO, future::pending::<io::Result<()>>());
    // The runtime has started from here on.
    block_on(task::spawn(async {}));
    let errors: Vec<io::Error> = vec![
        failure(block_on(late)),
        failure(block_on(File::create(MISSING))),
        failure(block_on(Cursor::new(b"\xff\n").read_line(&mut String::new()))),
        failure(block_on(Cursor::new(b"").read_exact(&mut [0]))),
        failure(block_on(TcpStream::connect(&[][..]))),
        failure(reveille::runtime::Builder::new().build_global()),
        CancellationToken::new().with_timeout(Duration::ZERO).check().unwrap_err().into(),
        io::Error::other(
            block_on(future::timeout(Duration::ZERO, future::pending::<()>())).unwrap_err(),
        ),
    ];
    for error in &errors {
        assert_each_text_once(error);
    }
}

#[test]
fn each_type_of_error_has_its_cause_once() {
    reveille::task_local! {
        static NUMBER: u32 = 7;
    }
    assert_each_text_once(&NUMBER.try_with(|_| ()).unwrap_err());
    assert_each_text_once(
        &CancellationToken::new().with_timeout(Duration::ZERO).check().unwrap_err(),
    );
    let late = future::timeout(Duration::ZERO, future::pending::<()>());
    assert_eq!(told(&block_on(late).unwrap_err()), ["future has timed out"]);
    let mut late = stream::pending::<()>().timeout(Duration::ZERO);
    assert_eq!(told(&block_on(late.next()).unwrap().unwrap_err()), ["stream has timed out"]);

    let aborted = task::spawn(future::pending::<()>());
    aborted.abort();
    assert_each_text_once(&block_on(aborted.result()).unwrap_err());

    let (sender, receiver) = channel::bounded::<u8>(1);
    assert_each_text_once(&receiver.try_recv().unwrap_err());
    sender.close();
    assert_each_text_once(&block_on(receiver.recv()).unwrap_err());
    assert_each_text_once(&block_on(sender.send(1)).unwrap_err());

    let full: &'static mut [u8] = Box::leak(Box::new([0_u8; 1]));
    let failed = block_on(async {
        let mut writer = io::BufWriter::new(Cursor::new(full));
        writer.write_all(b"ab").await.unwrap();
        writer.into_inner().await.unwrap_err()
    });
    assert_each_text_once(&failed);
}

//! Unix sockets: names without a file, and listeners that continue.

use std::io::ErrorKind;
use std::pin::pin;
use std::sync::atomic::{AtomicU32, Ordering};

use reveille::io::prelude::*;
use reveille::os::unix::net::{UnixListener, UnixStream};
use reveille::prelude::*;
use reveille_tests::conformance;

use super::{is_pending, soon};

/// A name that no other test and no other process uses.
fn unique(prefix: &str) -> String {
    static NUMBER: AtomicU32 = AtomicU32::new(0);
    let number = NUMBER.fetch_add(1, Ordering::SeqCst);
    format!("{prefix}reveille-strangers-{}-{number}", std::process::id())
}

// tokio#6837, async-io#176, async-std#623: the zero byte in front is not part of the name.
#[cfg(target_os = "linux")]
async fn an_abstract_name_is_the_one_that_others_know() {
    use std::os::linux::net::SocketAddrExt as _;

    let name = unique("\0");
    let listener = UnixListener::bind(&name).await.unwrap();
    let address = std::os::unix::net::SocketAddr::from_abstract_name(&name.as_bytes()[1..]);
    let _client = std::os::unix::net::UnixStream::connect_addr(&address.unwrap()).unwrap();
    soon(listener.accept()).await.unwrap();
    let (_client, _server) = (UnixStream::connect(&name).await.unwrap(), listener.accept().await);
}

// async-std#248: the listener stopped after the first connection, or after one that it did not wait
// for.
async fn a_listener_continues_after_connections_and_after_dropped_accepts() {
    let path = std::env::temp_dir().join(unique(""));
    let listener = UnixListener::bind(&path).await.unwrap();
    let mut incoming = listener.incoming();
    for round in 0..5 {
        assert!(is_pending(pin!(incoming.next())).await);
        let mut client = UnixStream::connect(&path).await.unwrap();
        let mut server = soon(incoming.next()).await.unwrap().unwrap();
        client.write_all(&[round]).await.unwrap();
        let mut byte = [0];
        soon(server.read_exact(&mut byte)).await.unwrap();
        assert_eq!(byte, [round]);
    }
    drop(incoming);
    drop(listener);
    let error = soon(UnixStream::connect(&path)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ConnectionRefused);
    assert!(error.to_string().contains(&path.display().to_string()), "{error}");
    std::fs::remove_file(&path).unwrap();
}

async fn names_that_cannot_be_are_refused_and_named() {
    for name in ["/tmp/with\0zero".to_owned(), format!("/tmp/{}", "x".repeat(200))] {
        let error = UnixListener::bind(&name).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput);
        let error = UnixStream::connect(&name).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput);
    }
}

conformance!(
    // Only on Linux: it alone has abstract names.
    #[cfg(target_os = "linux")]
    an_abstract_name_is_the_one_that_others_know,
    a_listener_continues_after_connections_and_after_dropped_accepts,
    names_that_cannot_be_are_refused_and_named,
);

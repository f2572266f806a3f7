//! Point 11: the texts of errors.

use std::future::Future;
use std::time::Duration;

use async_std::fs::{self, File};
use async_std::io::{self, ErrorKind};
use async_std::net::{TcpListener, TcpStream, ToSocketAddrs};
use async_std::path::PathBuf;
use async_std::stream::StreamExt as _;
use async_std::task::block_on;

use crate::scratch::Scratch;

/// The error names the operation and the object, keeps the kind, and has the system's error as its
/// source.
fn check<T>(call: impl Future<Output = io::Result<T>>, operation: &str, object: &str) {
    let error = match block_on(call) {
        Ok(_) => panic!("{operation} `{object}` worked"),
        Err(error) => error,
    };
    let text = error.to_string();
    assert!(text.starts_with(&format!("could not {operation}")), "{text}");
    assert!(text.contains(&format!("`{object}`")), "{text}");
    // As in async-std, the text is the operation alone, and the source is the cause.
    assert!(text.ends_with('`') && !text.contains("os error"), "{text}");
    assert_eq!(error.kind(), ErrorKind::NotFound, "{text}");
    let payload = error.get_ref().expect("the error has a payload");
    let source = payload.source().expect("the payload has a source");
    let source = source.downcast_ref::<io::Error>().expect("which is the system's error");
    assert_eq!(source.kind(), ErrorKind::NotFound);
}

#[test]
fn point_11_errors_of_paths_name_operation_and_path() {
    let scratch = Scratch::new();
    let path = PathBuf::from(scratch.path("missing"));
    let missing = &*path.to_string_lossy().into_owned();
    let deeper = path.join("deeper").to_string_lossy().into_owned();
    check(fs::canonicalize(&path), "canonicalize", missing);
    check(fs::copy(&path, scratch.path("to")), "copy", missing);
    check(fs::create_dir(path.join("deeper")), "create directory", &deeper);
    check(fs::hard_link(&path, scratch.path("to")), "create a hard link", missing);
    check(fs::read(&path), "read file", missing);
    check(fs::read_dir(&path), "read directory", missing);
    check(fs::read_link(&path), "read link", missing);
    check(fs::read_to_string(&path), "read file", missing);
    check(fs::remove_dir(&path), "remove directory", missing);
    check(fs::remove_dir_all(&path), "remove directory", missing);
    check(fs::remove_file(&path), "remove file", missing);
    check(fs::rename(&path, scratch.path("to")), "rename", missing);
    check(fs::write(path.join("deeper"), b"text"), "write", &deeper);
    check(File::open(&path), "open", missing);
}

#[test]
fn point_11_errors_of_names_say_which() {
    let name = "no-such-host.invalid:80";
    for error in [
        block_on(name.to_socket_addrs()).map(drop).unwrap_err(),
        block_on(TcpStream::connect(name)).map(drop).unwrap_err(),
    ] {
        let text = error.to_string();
        // As in async-std: the text is the operation, with the name in quotation marks.
        assert_eq!(text, format!("could not resolve address `{name:?}`"));
        assert!(error.get_ref().is_some_and(|payload| payload.source().is_some()), "{error:?}");
    }
    let error = block_on("127.0.0.1:no port".to_socket_addrs()).map(drop).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidInput);
    assert!(error.to_string().contains("127.0.0.1:no port"), "{error}");
}

/// What programs print and match, word for word.
#[test]
fn point_11_texts_are_those_of_async_std() {
    let late = async_std::future::timeout(Duration::ZERO, std::future::pending::<()>());
    assert_eq!(block_on(late).unwrap_err().to_string(), "future has timed out");
    let mut slow = async_std::stream::pending::<()>().timeout(Duration::ZERO);
    let late = block_on(slow.next());
    assert_eq!(late.unwrap().unwrap_err().to_string(), "stream has timed out");
    let late = io::timeout(Duration::ZERO, std::future::pending::<io::Result<()>>());
    assert_eq!(block_on(late).unwrap_err().to_string(), "future timed out");

    async_std::task_local!(static NUMBER: u32 = 7);
    let outside = NUMBER.try_with(|_| ()).unwrap_err();
    assert_eq!(outside.to_string(), "already destroyed or called outside the context of a task");
    assert_eq!(format!("{outside:?}"), "AccessError");

    // Where async-std returns the system's error, our text contains that of the system.
    let refused = block_on(async {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        drop(listener);
        TcpStream::connect(address).await.map(drop).unwrap_err()
    });
    assert!(refused.to_string().contains("refused"), "{refused}");
}

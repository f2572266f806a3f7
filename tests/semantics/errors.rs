//! Point 11: what errors say.

use std::future::Future;

use async_std::fs::{self, File};
use async_std::io::{self, ErrorKind};
use async_std::net::{TcpStream, ToSocketAddrs};
use async_std::path::PathBuf;
use async_std::task::block_on;

use crate::scratch::Scratch;

/// The error names the operation and the object, keeps the kind, and has the system's as source.
fn check<T>(call: impl Future<Output = io::Result<T>>, operation: &str, object: &str) {
    let error = match block_on(call) {
        Ok(_) => panic!("{operation} `{object}` worked"),
        Err(error) => error,
    };
    let text = error.to_string();
    assert!(text.contains(&format!("could not {operation}")), "{text}");
    assert!(text.contains(&format!("`{object}`")), "{text}");
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
    check(fs::canonicalize(&path), "canonicalize", missing);
    check(fs::copy(&path, scratch.path("to")), "copy", missing);
    check(fs::create_dir(path.join("deeper")), "create directory", &format!("{missing}/deeper"));
    check(fs::hard_link(&path, scratch.path("to")), "create a hard link", missing);
    check(fs::read(&path), "read file", missing);
    check(fs::read_dir(&path), "read directory", missing);
    check(fs::read_link(&path), "read link", missing);
    check(fs::read_to_string(&path), "read file", missing);
    check(fs::remove_dir(&path), "remove directory", missing);
    check(fs::remove_dir_all(&path), "remove directory", missing);
    check(fs::remove_file(&path), "remove file", missing);
    check(fs::rename(&path, scratch.path("to")), "rename", missing);
    check(fs::write(path.join("deeper"), b"text"), "write", &format!("{missing}/deeper"));
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
        // async-std puts the name into quotation marks as well.
        assert!(text.contains("could not resolve address `"), "{text}");
        assert!(text.contains(name), "{text}");
        assert!(error.get_ref().is_some_and(|payload| payload.source().is_some()), "{error:?}");
    }
    let error = block_on("127.0.0.1:no port".to_socket_addrs()).map(drop).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidInput);
    assert!(error.to_string().contains("127.0.0.1:no port"), "{error}");
}

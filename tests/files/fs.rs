//! `fs`: the free functions, directories, and the texts of their errors.

use std::future::Future;
use std::io::ErrorKind;
use std::pin::pin;
use std::sync::atomic::{AtomicU32, Ordering};
use std::task::{Context, Waker};

use futures_lite::StreamExt as _;
use reveille::fs;
use reveille::io;
use reveille::path::PathBuf;
use reveille::task::block_on;

/// A directory of this test's own, removed when it is dropped.
struct Scratch(PathBuf);

impl Scratch {
    fn new() -> Scratch {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let name = format!("reveille-fs-{}-{count}", std::process::id());
        let path = std::env::temp_dir().join(name);
        std::fs::create_dir_all(&path).expect("the temporary directory is writable");
        Scratch(path.into())
    }

    fn file(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

async fn write_then_read_gives_the_same_bytes() {
    let dir = Scratch::new();
    // Empty, and shorter and longer than a read without the pool.
    for len in [0, 1, 4096, 65_536, 65_537, 300_000] {
        let bytes: Vec<u8> = (0..len).map(|i| (i % 251) as u8).collect();
        fs::write(dir.file("a"), &bytes).await.unwrap();
        assert!(fs::read(dir.file("a")).await.unwrap() == bytes, "{len} bytes");
    }
}

async fn read_of_a_file_without_a_length_reads_to_the_end() {
    if !cfg!(target_os = "linux") {
        return;
    }
    let text = fs::read_to_string("/proc/self/status").await.unwrap();
    assert!(text.contains("VmPeak"), "{text}");
}

async fn read_to_string_refuses_what_is_not_utf8() {
    let dir = Scratch::new();
    fs::write(dir.file("a"), b"\xff\xfe").await.unwrap();
    let error = fs::read_to_string(dir.file("a")).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidData);
}

async fn semantics_11_errors_name_operation_and_path_and_keep_kind_source_and_number() {
    use std::error::Error as _;
    let missing = "/no/such/file";
    let errors = [
        (fs::canonicalize(missing).await.unwrap_err(), "could not canonicalize"),
        (fs::copy(missing, "/no/b").await.unwrap_err(), "could not copy"),
        (fs::create_dir(missing).await.unwrap_err(), "could not create directory"),
        (fs::hard_link(missing, "/no/b").await.unwrap_err(), "could not create a hard link from"),
        (fs::read(missing).await.unwrap_err(), "could not read file"),
        (fs::read_dir(missing).await.unwrap_err(), "could not read directory"),
        (fs::read_link(missing).await.unwrap_err(), "could not read link"),
        (fs::read_to_string(missing).await.unwrap_err(), "could not read file"),
        (fs::remove_dir(missing).await.unwrap_err(), "could not remove directory"),
        (fs::remove_dir_all(missing).await.unwrap_err(), "could not remove directory"),
        (fs::remove_file(missing).await.unwrap_err(), "could not remove file"),
        (fs::rename(missing, "/no/b").await.unwrap_err(), "could not rename"),
        (fs::write(missing, b"").await.unwrap_err(), "could not write to file"),
        (fs::File::open(missing).await.unwrap_err(), "could not open"),
    ];
    for (error, start) in errors {
        let expected = format!("{start} `/no/such/file`");
        assert!(error.to_string().starts_with(&expected), "{error}");
        assert_eq!(error.kind(), ErrorKind::NotFound, "{error}");
        assert!(error.source().is_some(), "{error}");
        if cfg!(unix) {
            // async-std lost the number of these errors.
            assert_eq!(io::raw_os_error(&error), Some(2), "{error}");
        }
    }
}

async fn plain_errors_stay_those_of_the_system() {
    let missing = "/no/such/file";
    for error in [
        fs::metadata(missing).await.unwrap_err(),
        fs::symlink_metadata(missing).await.unwrap_err(),
        fs::File::create(missing).await.unwrap_err(),
        fs::OpenOptions::new().read(true).open(missing).await.unwrap_err(),
        fs::DirBuilder::new().create(missing).await.unwrap_err(),
    ] {
        assert!(error.raw_os_error().is_some(), "{error}");
    }
}

#[test]
fn read_dir_yields_every_entry_once() {
    let dir = Scratch::new();
    // More entries than one call on the pool fetches.
    let mut names: Vec<String> = (0..300).map(|i| format!("entry-{i:03}")).collect();
    for name in &names {
        std::fs::write(dir.file(name), b"").unwrap();
    }
    let mut seen = block_on(async {
        let mut entries = fs::read_dir(&dir.0).await.unwrap();
        let mut seen = Vec::new();
        while let Some(entry) = entries.next().await {
            let entry = entry.unwrap();
            assert!(entry.file_type().await.unwrap().is_file());
            seen.push(entry.file_name().into_string().unwrap());
        }
        assert!(entries.next().await.is_none(), "the stream stays at its end");
        seen
    });
    seen.sort();
    names.sort();
    assert_eq!(seen, names);
}

#[test]
fn read_dir_loses_no_entry_when_a_next_is_dropped() {
    let dir = Scratch::new();
    for i in 0..300 {
        std::fs::write(dir.file(&i.to_string()), b"").unwrap();
    }
    let count = block_on(async {
        let mut entries = fs::read_dir(&dir.0).await.unwrap();
        let mut count = 0;
        loop {
            // Polled once and dropped; then awaited.
            let polled = pin!(entries.next()).poll(&mut Context::from_waker(Waker::noop()));
            let entry = match polled {
                std::task::Poll::Ready(entry) => entry,
                std::task::Poll::Pending => entries.next().await,
            };
            match entry {
                Some(entry) => drop(entry.unwrap()),
                None => break count,
            }
            count += 1;
        }
    });
    assert_eq!(count, 300);
}

async fn directories_are_made_and_removed() {
    let dir = Scratch::new();
    fs::create_dir(dir.file("a")).await.unwrap();
    fs::create_dir_all(dir.file("a/b/c")).await.unwrap();
    let mut builder = fs::DirBuilder::new();
    assert!(builder.create(dir.file("x/y")).await.is_err(), "not recursive");
    builder.recursive(true).create(dir.file("x/y")).await.unwrap();
    fs::remove_dir(dir.file("x/y")).await.unwrap();
    fs::remove_dir_all(dir.file("a")).await.unwrap();
    assert!(fs::metadata(dir.file("a")).await.is_err());
    assert!(fs::metadata(dir.file("x")).await.unwrap().is_dir());
}

#[cfg(unix)]
async fn unix_extensions_reach_the_system() {
    use std::os::unix::fs::PermissionsExt as _;

    use reveille::os::unix::fs::{DirBuilderExt as _, DirEntryExt as _, OpenOptionsExt as _};

    let dir = Scratch::new();
    fs::DirBuilder::new().mode(0o700).create(dir.file("d")).await.unwrap();
    let mode = fs::metadata(dir.file("d")).await.unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o700);
    let mut options = fs::OpenOptions::new();
    options.write(true).create(true).mode(0o600);
    drop(options.open(dir.file("f")).await.unwrap());
    let mode = fs::metadata(dir.file("f")).await.unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    reveille::os::unix::fs::symlink("f", dir.file("l")).await.unwrap();
    assert_eq!(fs::read_link(dir.file("l")).await.unwrap(), PathBuf::from("f"));
    let entry = fs::read_dir(&dir.0).await.unwrap().next().await.unwrap().unwrap();
    assert_ne!(entry.ino(), 0);
}

#[cfg(target_os = "linux")]
async fn read_does_not_disturb_a_pipe_that_it_only_looks_at() {
    let dir = Scratch::new();
    let path = dir.file("pipe");
    let made = std::process::Command::new("mkfifo").arg(&path).status().unwrap();
    assert!(made.success());
    let writer = reveille::task::spawn_blocking({
        let path = path.clone();
        // Blocks in `open` until there is a reader. A reader that disappears would break the pipe.
        move || std::fs::write(&path, b"through the pipe")
    });
    assert_eq!(fs::read(&path).await.unwrap(), b"through the pipe");
    writer.await.unwrap();
}

// Each of these runs on every executor.
reveille_tests::conformance!(
    write_then_read_gives_the_same_bytes,
    read_of_a_file_without_a_length_reads_to_the_end,
    read_to_string_refuses_what_is_not_utf8,
    semantics_11_errors_name_operation_and_path_and_keep_kind_source_and_number,
    plain_errors_stay_those_of_the_system,
    directories_are_made_and_removed,
    // Only on Unix: permission bits and inodes.
    #[cfg(unix)]
    unix_extensions_reach_the_system,
    // Only on Linux: it looks at a file before it opens it.
    #[cfg(target_os = "linux")]
    read_does_not_disturb_a_pipe_that_it_only_looks_at,
);

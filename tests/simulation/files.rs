//! Files in simulations, and their contents after a crash.

#![cfg(target_os = "linux")]
#![allow(clippy::disallowed_methods, reason = "these calls are what is simulated")]

use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::linux::net::SocketAddrExt;
use std::os::unix::fs::{FileExt, FileTypeExt, MetadataExt};
use std::path::Path;
use std::time::{Duration, Instant, SystemTime};

use reveille::fs::{self, OpenOptions};
use reveille::os::unix::net::{UnixDatagram, UnixListener, UnixStream};
use reveille::prelude::*;
use reveille::sim;
use reveille_watchdog as _;

/// Adds the bytes of a text to the trace.
fn note(text: &str) {
    text.bytes().for_each(|byte| sim::note(u64::from(byte)));
}

/// The message with which `test` fails.
fn failure(test: impl FnOnce() + std::panic::UnwindSafe) -> String {
    let payload = std::panic::catch_unwind(test).expect_err("a seed fails");
    payload.downcast_ref::<String>().expect("a text").clone()
}

#[test]
fn files_and_directories_are_the_same_in_two_processes() {
    sim::Builder::new().seeds(0..10).checked().run(|| async {
        let dir = std::env::temp_dir().join("a directory");
        fs::create_dir(&dir).await.expect("temporary folders are empty");
        for number in 0..5 {
            fs::write(dir.join(format!("file {number}")), [b'x'; 100])
                .await
                .expect("there is room");
        }
        fs::rename(dir.join("file 1"), dir.join("file 2")).await.expect("it replaces the other");
        fs::remove_file(dir.join("file 3")).await.expect("it exists");
        fs::hard_link(dir.join("file 0"), dir.join("link")).await.expect("it exists");
        std::os::unix::fs::symlink(dir.join("file 0"), dir.join("symbolic")).expect("a link");
        let target = std::fs::read_link(dir.join("symbolic")).expect("a link");
        assert_eq!(target, dir.join("file 0"));
        let real = fs::canonicalize(dir.join("symbolic")).await.expect("it leads somewhere");
        assert_eq!(AsRef::<Path>::as_ref(&real), dir.join("file 0"));
        let mut names = Vec::new();
        let mut entries = fs::read_dir(&dir).await.expect("it exists");
        while let Some(entry) = entries.next().await {
            names.push(entry.expect("an entry").file_name().to_string_lossy().into_owned());
        }
        for name in &names {
            let metadata = fs::metadata(dir.join(name)).await.expect("it exists");
            let age = SystemTime::now().duration_since(metadata.modified().expect("a time"));
            let age = age.expect("it is older");
            assert!(age < Duration::from_secs(1));
            note(&format!("{name} {age:?} {} {}", metadata.ino(), metadata.dev()));
        }
        names.sort();
        assert_eq!(names, ["file 0", "file 2", "file 4", "link", "symbolic"]);
        fs::remove_dir(&dir).await.expect_err("it is not empty");
        fs::remove_dir_all(&dir).await.expect("it exists");
        assert!(!dir.exists());
    });
}

#[test]
fn operations_of_std_on_files_work() {
    sim::Builder::new().seeds(0..5).run(|| async {
        let mut options = std::fs::OpenOptions::new();
        let options = options.read(true).write(true).create(true).truncate(true);
        let mut file = options.open("/tmp/file").expect("it can be made");
        file.write_all(b"0123456789").expect("there is room");
        file.write_at(b"xy", 3).expect("there is room");
        file.seek(SeekFrom::Start(2)).expect("files can be read anywhere");
        let mut bytes = [0; 4];
        file.read_exact(&mut bytes).expect("there are as many");
        assert_eq!(&bytes, b"2xy5");
        file.set_len(5).expect("it can be shorter");
        std::fs::copy("/tmp/file", "/tmp/copy").expect("both can be used");
        assert_eq!(std::fs::read("/tmp/copy").expect("it exists"), b"012xy");
        let mut appending = std::fs::OpenOptions::new().append(true).open("/tmp/copy").expect("it");
        let slices = [io::IoSlice::new(b"ab"), io::IoSlice::new(b"cd")];
        assert_eq!(appending.write_vectored(&slices).expect("there is room"), 4);
        assert_eq!(std::fs::read("/tmp/copy").expect("it exists"), b"012xyabcd");
        std::fs::write("/tmp/copy", "again").expect("there is room");
        assert_eq!(std::fs::metadata("/tmp/copy").expect("it exists").len(), 5);
        let error = std::fs::create_dir("/tmp/copy").expect_err("there is a file");
        assert_eq!(error.kind(), io::ErrorKind::AlreadyExists);
        let error = std::fs::read("/tmp/nothing").expect_err("there is no file");
        assert_eq!(error.kind(), io::ErrorKind::NotFound);
    });
}

#[test]
fn files_of_the_machine_are_read_and_not_changed() {
    if std::env::current_dir().expect("a folder").starts_with(std::env::temp_dir()) {
        eprintln!("skipped: a simulation's temporary folder is empty, and this clone is in it");
        return;
    }
    let before = std::fs::read_to_string("Cargo.toml").expect("the package's manifest");
    sim::Builder::new().seeds(0..3).run(move || async move {
        let text = fs::read_to_string("Cargo.toml").await.expect("the package's manifest");
        assert!(text.contains("reveille-tests-simulation"));
        fs::write("Cargo.toml", "changed").await.expect("a copy can be changed");
        assert_eq!(fs::read_to_string("Cargo.toml").await.expect("it exists"), "changed");
        fs::remove_file("conformance.rs").await.expect("it can be hidden");
        assert!(!Path::new("conformance.rs").exists());
        let mut more = OpenOptions::new().append(true).open("files.rs").await.expect("a copy");
        more.write_all(b"// more").await.expect("there is room");
        more.flush().await.expect("there is room");
        let text = fs::read_to_string("files.rs").await.expect("it exists");
        assert!(text.starts_with("//! Files in") && text.ends_with("// more"));
        fs::write("new", "new").await.expect("it can be made");
        let here = std::env::current_dir().expect("a folder");
        assert_eq!(std::fs::read(here.join("new")).expect("it exists"), b"new");
    });
    let after = std::fs::read_to_string("Cargo.toml").expect("the package's manifest");
    assert_eq!(before, after);
    assert!(Path::new("conformance.rs").exists() && !Path::new("new").exists());
}

/// Writes a file, cuts the power, and returns what the file has afterwards.
async fn write_and_crash(syncs_file: bool, syncs_dir: bool) -> Option<Vec<u8>> {
    let mut file = fs::File::create("/tmp/log").await.expect("it can be made");
    file.write_all(&[1; 1024]).await.expect("there is room");
    file.flush().await.expect("there is room");
    if syncs_file {
        file.sync_all().await.expect("the disk works");
    }
    if syncs_dir {
        fs::sync_dir("/tmp").await.expect("the disk works");
    }
    sim::crash_disk();
    fs::read("/tmp/log").await.ok()
}

#[reveille::test(simulate = 40)]
async fn what_was_synced_survives_a_crash() {
    assert_eq!(write_and_crash(true, true).await, Some(vec![1; 1024]));
    sim::Disk::new().lose_unsynced(false).apply();
    assert_eq!(write_and_crash(false, false).await, Some(vec![1; 1024]));
}

#[test]
fn what_was_not_synced_is_lost_or_torn_under_some_seeds() {
    let text = failure(|| {
        let test = sim::Builder::new()
            .seeds(0..40)
            .shrink_time(Duration::ZERO)
            .test_name("what_was_not_synced_is_lost_or_torn_under_some_seeds");
        test.run(|| async {
            let left = write_and_crash(false, true).await.expect("its directory was synced");
            let is_torn = left.len() == 1024 && left.contains(&0) && left.contains(&1);
            assert!(!is_torn, "a torn write is found");
        });
    });
    assert!(text.contains("a torn write is found"), "{text}");
}

#[test]
fn a_new_file_is_lost_under_some_seeds_if_its_directory_was_not_synced() {
    let text = failure(|| {
        let name = "a_new_file_is_lost_under_some_seeds_if_its_directory_was_not_synced";
        sim::Builder::new().seeds(0..40).shrink_time(Duration::ZERO).test_name(name).run(
            || async {
                assert!(write_and_crash(true, false).await.is_some(), "the file is lost");
            },
        );
    });
    assert!(text.contains("the file is lost"), "{text}");
}

/// Replaces a file as it should be done, but for one sync.
async fn replace(syncs_new: bool) {
    fs::write("/tmp/state", "old").await.expect("there is room");
    fs::File::open("/tmp/state").await.expect("it exists").sync_all().await.expect("it works");
    fs::sync_dir("/tmp").await.expect("the disk works");
    let mut new = fs::File::create("/tmp/state.new").await.expect("it can be made");
    new.write_all(b"new").await.expect("there is room");
    new.flush().await.expect("there is room");
    if syncs_new {
        new.sync_all().await.expect("the disk works");
    }
    fs::rename("/tmp/state.new", "/tmp/state").await.expect("it replaces the other");
    sim::crash_disk();
    let state = fs::read_to_string("/tmp/state").await.expect("it exists");
    assert!(state == "old" || state == "new", "the state is {state:?}");
    sim::note(u64::from(state == "old"));
}

#[reveille::test(simulate = 60)]
async fn a_rename_after_a_sync_leaves_the_old_or_the_new_file() {
    replace(true).await;
}

#[test]
fn a_rename_without_a_sync_leaves_an_empty_file_under_some_seeds() {
    let text = failure(|| {
        let name = "a_rename_without_a_sync_leaves_an_empty_file_under_some_seeds";
        sim::Builder::new()
            .seeds(0..100)
            .shrink_time(Duration::ZERO)
            .test_name(name)
            .run(|| replace(false));
    });
    assert!(text.contains("the state is \"\""), "{text}");
}

#[reveille::test(simulate = 10)]
async fn a_full_disk_and_a_broken_one_return_errors_that_name_the_file() {
    sim::Disk::new().full_at(1000).apply();
    let error = fs::write("/tmp/large", vec![0; 2000]).await.expect_err("the disk is full");
    assert_eq!(error.kind(), io::ErrorKind::StorageFull);
    assert!(error.to_string().contains("/tmp/large"), "{error}");
    assert_eq!(fs::metadata("/tmp/large").await.expect("it exists").len(), 1000);
    fs::remove_file("/tmp/large").await.expect("it exists");
    fs::write("/tmp/small", vec![0; 900]).await.expect("there is room again");
    sim::Disk::new().eio(1.0).apply();
    let error = fs::read("/tmp/small").await.expect_err("the disk is broken");
    assert!(format!("{error:?}").contains("Input/output error"), "{error:?}");
}

#[reveille::test(simulate = 10)]
async fn a_sync_takes_the_time_of_the_disk() {
    let slow = Duration::from_millis(30)..=Duration::from_millis(40);
    sim::Disk::new().latency(slow).apply();
    let file = fs::File::create("/tmp/file").await.expect("it can be made");
    let start = Instant::now();
    file.sync_all().await.expect("the disk works");
    assert!((30..100).contains(&start.elapsed().as_millis()), "{:?}", start.elapsed());
}

/// A name that no other program uses.
const SOCKET: &str = "/tmp/reveille-simulated-socket";

/// Binds sockets to the same names as other hosts, and uses them.
async fn use_sockets() -> io::Result<()> {
    let listener = UnixListener::bind(SOCKET).await?;
    let error = UnixListener::bind(SOCKET).await.expect_err("the path is in use");
    assert_eq!(error.kind(), io::ErrorKind::AddrInUse);
    assert!(std::fs::symlink_metadata(SOCKET)?.file_type().is_socket());
    let mut client = UnixStream::connect(SOCKET).await?;
    let (mut server, peer) = listener.accept().await?;
    assert!(peer.is_unnamed());
    assert_eq!(listener.local_addr()?.as_pathname(), Some(Path::new(SOCKET)));
    assert_eq!(client.peer_addr()?.as_pathname(), Some(Path::new(SOCKET)));
    client.write_all(b"x").await?;
    server.read_exact(&mut [0]).await?;
    fs::remove_file(SOCKET).await?;
    let error = UnixStream::connect(SOCKET).await.expect_err("the path is free");
    assert_eq!(error.kind(), io::ErrorKind::NotFound);
    drop(UnixListener::bind(SOCKET).await?);
    let error = UnixListener::bind("/tmp/no folder/socket").await.expect_err("it has no place");
    assert_eq!(error.kind(), io::ErrorKind::NotFound);
    // As long as an address allows, so the path of the host's folder is too long.
    let long = format!("/tmp/{}", "x".repeat(102));
    let (receiver, sender) =
        (UnixDatagram::bind(&long).await?, UnixDatagram::bind("/tmp/b").await?);
    sender.send_to(b"datagram", &long).await?;
    let mut bytes = [0; 20];
    let (len, from) = receiver.recv_from(&mut bytes).await?;
    assert_eq!((&bytes[..len], from.as_pathname()), (&b"datagram"[..], Some(Path::new("/tmp/b"))));
    sender.connect(&long).await?;
    assert_eq!(sender.peer_addr()?.as_pathname(), Some(Path::new(&long)));
    let name = std::os::unix::net::SocketAddr::from_abstract_name("reveille-simulated")?;
    let listener = std::os::unix::net::UnixListener::bind_addr(&name)?;
    let client = std::os::unix::net::UnixStream::connect_addr(&name)?;
    assert_eq!(client.peer_addr()?.as_abstract_name(), Some(&b"reveille-simulated"[..]));
    drop((listener, client));
    Ok(())
}

#[test]
fn names_of_unix_sockets_belong_to_a_host() {
    std::fs::symlink_metadata(SOCKET).expect_err("nothing is there");
    sim::Builder::new().seeds(0..3).checked().check(|sim| {
        for host in ["one", "two"] {
            sim.client(host, use_sockets);
        }
    });
    std::fs::symlink_metadata(SOCKET).expect_err("nothing was left there");
}

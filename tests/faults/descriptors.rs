//! Resource exhaustion: no descriptor is left. The error names the operation and its object,
//! nothing spins, and everything works again when descriptors are available.

use std::fs::File as StdFile;
use std::io::Write as _;
use std::net::TcpStream as StdTcpStream;
use std::os::unix::net::UnixStream as StdUnixStream;
use std::panic::catch_unwind;
use std::time::Duration;

use futures_lite::future;
use reveille::fs::{self, File};
use reveille::io;
use reveille::net::{TcpListener, TcpStream, ToSocketAddrs, UdpSocket};
use reveille::os::unix::net::{UnixListener, UnixStream};
use reveille::prelude::*;
use reveille::process::{Command, Stdio};
use reveille::runtime::Builder;
use reveille::task::{self, block_on};
use reveille_tests::measure::{block_thread, descriptors, now, thread_names, threads};
use reveille_tests::{child, test_name};
use rustix::process::{Resource, getrlimit, setrlimit};
use rustix::time::{ClockId, clock_gettime};

/// Too many open files.
const EMFILE: Option<i32> = Some(24);

/// The number of descriptors that a test may use.
const LIMIT: u64 = 128;

/// All descriptors that were available.
struct Hog(Vec<StdFile>);

/// Takes all descriptors that are available.
fn take_all() -> Hog {
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = Some(LIMIT);
    setrlimit(Resource::Nofile, limit).unwrap();
    let hog = Hog(std::iter::from_fn(|| StdFile::open("/dev/null").ok()).collect());
    assert!(hog.0.len() > 10, "{}", hog.0.len());
    hog
}

/// The same within a poll. If it takes long, the runtime starts a thread that helps a stuck poll.
/// An attempt that fails gives back what it took before, so that thread is started first.
async fn take_all_in_a_poll() -> Hog {
    // Only a poll of a thread that waits for something is helped.
    task::sleep(Duration::from_millis(1)).await;
    while !thread_names().iter().any(|name| name == "reveille-host") {
        block_thread(Duration::from_millis(1));
    }
    take_all()
}

/// The processor time of this process.
fn cpu() -> Duration {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    Duration::new(time.tv_sec.unsigned_abs(), u32::try_from(time.tv_nsec).unwrap())
}

/// Asserts that `result` is the error of the limit and begins with `text`; returns its text.
fn refused<T: std::fmt::Debug>(result: io::Result<T>, text: &str) -> String {
    let error = result.expect_err("there is no descriptor for it");
    assert_eq!(io::raw_os_error(&error), EMFILE, "{error}");
    let said = error.to_string();
    assert!(said.starts_with(text), "{said}");
    said
}

#[test]
fn accepting_at_the_limit_keeps_the_number_and_does_not_spin() {
    if child::has_run(test_name!()) {
        return;
    }
    block_on(async {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let at = listener.local_addr().unwrap();
        let clients: Vec<_> = (0..3).map(|_| StdTcpStream::connect(at).unwrap()).collect();
        let hog = take_all_in_a_poll().await;
        let (start, before) = (now(), cpu());
        let mut errors = 0;
        while start.elapsed() < Duration::from_secs(1) {
            // Only its number identifies this error, so the error is not wrapped.
            assert_eq!(listener.accept().await.unwrap_err().raw_os_error(), EMFILE);
            errors += 1;
        }
        let used = cpu() - before;
        println!("accept at the limit: {errors} errors and {used:?} of processor time in 1 s");
        assert!(errors <= 40, "{errors} errors in a second are a loop that spins");
        assert!(used < Duration::from_millis(500), "{used:?}");
        drop(hog);
        for _ in &clients {
            listener.accept().await.unwrap();
        }
    });
}

/// Asserts that `connections` yields nothing while there is no descriptor, not even an error, and
/// then yields the waiting connection.
async fn outlasts_the_limit<T: std::fmt::Debug>(
    connections: impl Stream<Item = io::Result<T>> + Send,
) {
    let mut connections = std::pin::pin!(connections);
    let hog = take_all_in_a_poll().await;
    let wait = reveille::future::timeout(Duration::from_millis(200), connections.next());
    let waited = wait.await;
    assert!(waited.is_err(), "{waited:?}");
    drop(hog);
    connections.next().await.expect("it never ends").expect("there are descriptors again");
}

#[test]
fn each_stream_of_connections_outlasts_the_limit() {
    if child::has_run(test_name!()) {
        return;
    }
    block_on(async {
        // Sets up everything for which the waits below need descriptors.
        task::sleep(Duration::from_millis(1)).await;
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let at = listener.local_addr().unwrap();
        let _first = StdTcpStream::connect(at).unwrap();
        listener.accept().await.unwrap();
        let _clients = [StdTcpStream::connect(at).unwrap(), StdTcpStream::connect(at).unwrap()];
        outlasts_the_limit(listener.incoming()).await;
        outlasts_the_limit(listener.into_incoming()).await;

        let path = std::env::temp_dir().join(format!("reveille-outlasts-{}", std::process::id()));
        let listener = UnixListener::bind(&path).await.unwrap();
        let _first = StdUnixStream::connect(&path).unwrap();
        listener.accept().await.unwrap();
        let _client = StdUnixStream::connect(&path).unwrap();
        outlasts_the_limit(listener.incoming()).await;
        std::fs::remove_file(path).unwrap();
    });
}

#[test]
fn dropping_a_child_at_the_limit_starts_no_runtime_and_leaves_no_zombie() {
    if child::has_run(test_name!()) {
        return;
    }
    // No runtime has been started, and no runtime could be started.
    let mut waits = Command::new("cat");
    waits.stdin(Stdio::piped());
    let (child, stdin) = block_on(async {
        let mut child = waits.spawn().unwrap();
        let stdin = child.stdin.take();
        (child, stdin)
    });
    let id = child.id();
    let before = threads();
    let hog = take_all();
    drop(child);
    drop(hog);
    assert!(threads() <= before + 1, "one thread waits for it, and no runtime");
    drop(stdin);
    while fs_exists(id) {
        block_thread(Duration::from_millis(1));
    }
}

/// Whether the process `id` exists, possibly as a zombie.
fn fs_exists(id: u32) -> bool {
    std::path::Path::new(&format!("/proc/{id}")).exists()
}

#[test]
fn children_dropped_when_no_thread_can_be_started_are_reaped_with_the_next_one() {
    let name = test_name!();
    if child::has_run(name) {
        return;
    }
    let mut waits = Command::new("cat");
    let mut child = waits.stdin(Stdio::piped()).spawn().unwrap();
    let (id, stdin) = (child.id(), child.stdin.take());
    let before = threads();
    // A thread cannot be started without memory for its stack.
    let mut limit = getrlimit(Resource::As);
    let usual = limit.current;
    limit.current = Some(1);
    setrlimit(Resource::As, limit).unwrap();
    drop(child);
    limit.current = usual;
    setrlimit(Resource::As, limit).unwrap();
    assert_eq!(threads(), before);
    drop(stdin);
    let mut next = Command::new("true").spawn().unwrap();
    while fs_exists(id) {
        let _ = next.try_status();
        let _ = Command::new("true").spawn().unwrap();
        block_thread(Duration::from_millis(1));
    }
}

#[test]
fn converting_a_clone_at_the_limit_names_the_reason() {
    if child::has_run(test_name!()) {
        return;
    }
    let (ours, _theirs) = UnixStream::pair().unwrap();
    let (clone, whole) = (ours.clone(), UnixStream::pair().unwrap().0);
    let hog = take_all();
    let panic = catch_unwind(move || std::os::fd::OwnedFd::from(clone)).unwrap_err();
    let text = panic.downcast_ref::<String>().unwrap();
    assert!(text.contains("clones share the socket") && text.contains("os error 24"), "{text}");
    // A socket that is not shared needs no descriptor.
    drop(std::os::fd::OwnedFd::from(whole));
    drop((hog, ours));
}

#[test]
fn connecting_at_the_limit_names_the_address_and_recovers() {
    if child::has_run(test_name!()) {
        return;
    }
    block_on(async {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let at = listener.local_addr().unwrap();
        let hog = take_all_in_a_poll().await;
        let text = format!("could not connect to `{at}`");
        println!("{}", refused(TcpStream::connect(at).await, &text));
        drop(hog);
        TcpStream::connect(at).await.unwrap();
    });
}

#[test]
fn opening_at_the_limit_names_the_path_and_recovers() {
    if child::has_run(test_name!()) {
        return;
    }
    block_on(async {
        task::spawn_blocking(|| ()).await;
        let hog = take_all_in_a_poll().await;
        println!("{}", refused(File::open("/etc/passwd").await, "could not open `/etc/passwd`"));
        refused(fs::read("/etc/passwd").await, "could not read file `/etc/passwd`");
        refused(fs::read_dir("/etc").await, "could not read directory `/etc`");
        drop(hog);
        File::open("/etc/passwd").await.unwrap();
    });
}

#[test]
fn resolving_at_the_limit_names_the_host_and_recovers() {
    if child::has_run(test_name!()) {
        return;
    }
    block_on(async {
        task::spawn_blocking(|| ()).await;
        let hog = take_all_in_a_poll().await;
        // The behaviour of the system's resolver without a descriptor is unspecified.
        let error = "localhost:80".to_socket_addrs().await.expect_err("it reads a file");
        println!("{error:#}");
        assert_eq!(error.to_string(), "could not resolve address `\"localhost:80\"`");
        drop(hog);
        assert!("localhost:80".to_socket_addrs().await.unwrap().count() > 0);
    });
}

#[test]
fn starting_a_process_at_the_limit_names_the_program_and_recovers() {
    if child::has_run(test_name!()) {
        return;
    }
    block_on(async {
        let hog = take_all_in_a_poll().await;
        println!("{}", refused(Command::new("true").output().await, "could not start `true`"));
        drop(hog);
        assert!(Command::new("true").status().await.unwrap().success());
    });
}

#[test]
fn awaiting_a_child_at_the_limit_is_an_error_and_recovers() {
    if child::has_run(test_name!()) {
        return;
    }
    // The child runs, but this thread has no driver yet to wait for its exit.
    block_on(async {
        let mut waits = Command::new("sh");
        waits.args(["-c", "read line; true"]).stdin(Stdio::piped());
        let mut child = waits.spawn().unwrap();
        let stdin = child.stdin.take();
        let hog = take_all();
        let error = child.status().await.unwrap_err();
        assert!(error.to_string().starts_with("could not make an event queue: "), "{error}");
        drop((hog, stdin));
        assert!(child.status().await.unwrap().success());
    });
}

#[test]
fn the_first_socket_of_a_thread_at_the_limit_is_an_error_and_recovers() {
    if child::has_run(test_name!()) {
        return;
    }
    let (ours, mut theirs) = StdUnixStream::pair().unwrap();
    let mut ours = UnixStream::from(ours);
    let hog = take_all();
    // This thread has no driver yet, and cannot make one.
    let mut byte = [0; 1];
    let error = block_on(ours.read(&mut byte)).unwrap_err();
    println!("{error}");
    assert!(error.to_string().starts_with("could not make an event queue: "), "{error}");
    drop(hog);
    theirs.write_all(b"x").unwrap();
    assert_eq!(block_on(ours.read(&mut byte)).unwrap(), 1);
}

#[test]
fn a_runtime_without_descriptors_is_an_error_and_leaves_nothing() {
    if child::has_run(test_name!()) {
        return;
    }
    let mut hog = take_all();
    // Enough for the first of four drivers and a part of the second.
    hog.0.truncate(hog.0.len() - 3);
    let before = (threads(), descriptors_without_one(&mut hog));
    let error = Builder::new().workers(4).build().expect_err("four need eight");
    println!("{error}");
    assert!(error.to_string().starts_with("could not make an event queue: "), "{error}");
    assert_eq!(reveille::io::raw_os_error(&error), Some(24), "{error}");
    assert_eq!((threads(), descriptors_without_one(&mut hog)), before);
    drop(hog);
    let runtime = Builder::new().workers(4).build().unwrap();
    assert_eq!(runtime.block_on(task::spawn(async { 1 })), 1);
}

#[test]
fn a_global_runtime_without_descriptors_panics_with_the_cause_and_starts_later() {
    if child::has_run(test_name!()) {
        return;
    }
    let hog = take_all();
    let payload = catch_unwind(|| task::spawn(async {})).expect_err("it has no driver");
    let text = payload.downcast_ref::<String>().expect("it says why");
    println!("{text}");
    assert!(text.starts_with("reveille: could not start the global runtime: "), "{text}");
    drop(hog);
    assert_eq!(block_on(task::spawn(async { 1 })), 1);
}

/// Counting descriptors takes one.
fn descriptors_without_one(hog: &mut Hog) -> usize {
    drop(hog.0.pop());
    let count = descriptors();
    hog.0.push(StdFile::open("/dev/null").unwrap());
    count
}

/// A driver takes two descriptors. For many threads in `block_on` there are not enough.
#[test]
fn a_hundred_threads_with_two_sockets_each_fit_into_256_descriptors() {
    const THREADS: usize = 100;
    if child::has_run(test_name!()) {
        return;
    }
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = Some(256);
    setrlimit(Resource::Nofile, limit).unwrap();
    let all_wait = std::sync::Barrier::new(THREADS);
    let exchange = || async {
        let ours = UdpSocket::bind("127.0.0.1:0").await?;
        let theirs = UdpSocket::bind("127.0.0.1:0").await?;
        let to = ours.local_addr()?;
        let mut buf = [0; 4];
        let mut receive = std::pin::pin!(ours.recv_from(&mut buf));
        let is_ready = future::poll_once(receive.as_mut()).await;
        assert!(is_ready.is_none());
        all_wait.wait();
        theirs.send_to(b"x", to).await?;
        receive.await.map(|(len, _)| len)
    };
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..THREADS).map(|_| scope.spawn(|| block_on(exchange()))).collect();
        for thread in threads {
            assert_eq!(thread.join().unwrap().unwrap(), 1);
        }
    });
}

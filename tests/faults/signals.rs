//! Signals that interrupt every kind of wait, and children that are started during traffic.

use std::ffi::c_int;
use std::fs as std_fs;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use reveille::fs::{self, OpenOptions};
use reveille::net::{TcpListener, TcpStream, ToSocketAddrs, UdpSocket};
use reveille::os::unix::net::{UnixDatagram, UnixStream};
use reveille::prelude::*;
use reveille::process::{Command, Stdio};
use reveille::runtime::Builder;
use reveille::task::{self, block_on};
use reveille_tests::measure::{block_thread, now};
use reveille_tests::{child, test_name};

static DELIVERED: AtomicU64 = AtomicU64::new(0);

extern "C" fn count(_: c_int) {
    DELIVERED.fetch_add(1, Ordering::Relaxed);
}

/// Sends signals to every other thread of this process until it is dropped. The handler does not
/// restart system calls.
struct Storm {
    is_over: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Storm {
    fn begin() -> Storm {
        // SAFETY: all zeroes are a sigaction: no flags, no mask, the default handler.
        let mut action: libc::sigaction = unsafe { std::mem::zeroed() };
        action.sa_sigaction = count as extern "C" fn(c_int) as usize;
        // SAFETY: the action is initialised, and its handler only counts in an atomic.
        let code =
            unsafe { libc::sigaction(libc::SIGUSR1, &raw const action, std::ptr::null_mut()) };
        assert_eq!(code, 0);
        let is_over = Arc::new(AtomicBool::new(false));
        let watched = Arc::clone(&is_over);
        let thread = std::thread::Builder::new().spawn(move || blow(&watched)).unwrap();
        Storm { is_over, thread: Some(thread) }
    }
}

impl Drop for Storm {
    fn drop(&mut self) {
        self.is_over.store(true, Ordering::Relaxed);
        self.thread.take().unwrap().join().unwrap();
    }
}

fn blow(is_over: &AtomicBool) {
    // SAFETY: the call has no preconditions.
    let own = unsafe { libc::gettid() };
    // SAFETY: the call has no preconditions.
    let process = unsafe { libc::getpid() };
    while !is_over.load(Ordering::Relaxed) {
        for entry in std_fs::read_dir("/proc/self/task").unwrap().filter_map(Result::ok) {
            let thread: c_int = entry.file_name().to_string_lossy().parse().unwrap();
            if thread != own {
                // SAFETY: if the thread has ended meanwhile, the call only returns an error.
                unsafe { libc::syscall(libc::SYS_tgkill, process, thread, libc::SIGUSR1) };
            }
        }
        block_thread(Duration::from_micros(300));
    }
}

/// Bytes that depend on their position.
fn pattern(len: usize) -> Vec<u8> {
    (0..len).map(|index| (index % 251) as u8).collect()
}

async fn stream_through_tcp() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let at = listener.local_addr().unwrap();
    let sent = pattern(4 << 20);
    let sender = task::spawn(async move {
        let mut stream = TcpStream::connect(at).await.unwrap();
        stream.write_all(&sent).await.unwrap();
    });
    let (mut stream, _) = listener.accept().await.unwrap();
    let mut received = Vec::new();
    stream.read_to_end(&mut received).await.unwrap();
    sender.await;
    assert_eq!(received, pattern(4 << 20));
}

async fn connect_and_accept() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let at = listener.local_addr().unwrap();
    for _ in 0..100 {
        let client = task::spawn(async move { TcpStream::connect(at).await.unwrap() });
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut client = client.await;
        client.write_all(b"hello").await.unwrap();
        let mut text = [0; 5];
        stream.read_exact(&mut text).await.unwrap();
        assert_eq!(&text, b"hello");
    }
}

async fn send_datagrams() {
    let a = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let b = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    for number in 0..200u8 {
        let at = b.local_addr().unwrap();
        let receiver = async {
            let mut byte = [0; 1];
            b.recv(&mut byte).await.unwrap();
            byte[0]
        };
        let (sent, received) = a.send_to(&[number], at).join(receiver).await;
        assert_eq!((sent.unwrap(), received), (1, number));
    }
}

async fn write_and_read_files() {
    let path = std::env::temp_dir().join(format!("reveille-signals-{}", std::process::id()));
    for len in (0..100).map(|n| n * 1_000) {
        fs::write(&path, pattern(len)).await.unwrap();
        assert_eq!(fs::read(&path).await.unwrap(), pattern(len));
    }
    fs::remove_file(&path).await.unwrap();
}

async fn wait_at_a_fifo() {
    let path = std::env::temp_dir().join(format!("reveille-fifo-{}", std::process::id()));
    assert!(Command::new("mkfifo").arg(&path).status().await.unwrap().success());
    // Each `open` blocks in the system until the other end is opened.
    let writer = async {
        task::sleep(Duration::from_millis(50)).await;
        let mut file = OpenOptions::new().write(true).open(&path).await.unwrap();
        for piece in pattern(1 << 20).chunks(30_000) {
            file.write_all(piece).await.unwrap();
            task::sleep(Duration::from_millis(1)).await;
        }
        file.flush().await.unwrap();
    };
    let reader = async {
        let mut file = fs::File::open(&path).await.unwrap();
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes).await.unwrap();
        bytes
    };
    let ((), bytes) = writer.join(reader).await;
    assert_eq!(bytes, pattern(1 << 20));
    fs::remove_file(&path).await.unwrap();
}

async fn sleep_again_and_again() {
    for _ in 0..200 {
        let start = now();
        task::sleep(Duration::from_millis(1)).await;
        assert!(start.elapsed() >= Duration::from_millis(1));
    }
}

async fn wait_for_children() {
    for _ in 0..5 {
        let output = Command::new("sh").args(["-c", "sleep 0.05; echo done"]).output().await;
        let output = output.unwrap();
        assert!(output.status.success());
        assert_eq!(output.stdout, b"done\n");
    }
}

async fn block_and_resolve() {
    for number in 0..50 {
        let slept = task::spawn_blocking(move || {
            block_thread(Duration::from_millis(1));
            number
        });
        assert_eq!(slept.await, number);
        assert!("localhost:80".to_socket_addrs().await.unwrap().count() > 0);
    }
}

fn everything() -> Vec<task::JoinHandle<()>> {
    vec![
        task::spawn(stream_through_tcp()),
        task::spawn(connect_and_accept()),
        task::spawn(send_datagrams()),
        task::spawn(write_and_read_files()),
        task::spawn(wait_at_a_fifo()),
        task::spawn(sleep_again_and_again()),
        task::spawn(wait_for_children()),
        task::spawn(block_and_resolve()),
    ]
}

#[test]
fn a_storm_of_signals_fails_no_operation() {
    if child::has_run(test_name!()) {
        return;
    }
    let start = now();
    let storm = Storm::begin();
    let runtime = Builder::new().workers(2).build().unwrap();
    runtime.block_on(async {
        for task in everything() {
            task.await;
        }
    });
    // The same waits on a thread with a driver of its own.
    block_on(async {
        connect_and_accept().await;
        sleep_again_and_again().await;
        wait_for_children().await;
    });
    assert!(runtime.shutdown(Duration::from_secs(60)).is_complete());
    drop(storm);
    let delivered = DELIVERED.load(Ordering::Relaxed);
    println!("{delivered} signals in {:?}, and every operation succeeded", start.elapsed());
    assert!(delivered > 1_000, "{delivered}");
}

/// Writes until the system reports that there is no reader.
async fn until_refused(mut write: impl AsyncFnMut() -> std::io::Result<usize>) {
    let error = loop {
        match write().await {
            Ok(_) => task::yield_now().await,
            Err(error) => break error,
        }
    };
    let is_expected = matches!(
        error.kind(),
        std::io::ErrorKind::BrokenPipe | std::io::ErrorKind::ConnectionReset
    );
    assert!(is_expected, "{error}");
}

#[test]
fn a_write_without_a_reader_is_an_error_where_sigpipe_ends_the_process() {
    if child::has_run(test_name!()) {
        return;
    }
    // SAFETY: the default action runs no code of this process.
    unsafe { libc::signal(libc::SIGPIPE, libc::SIG_DFL) };
    let parts = [std::io::IoSlice::new(b"ab"), std::io::IoSlice::new(b"cd")];
    block_on(async {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let at = listener.local_addr().unwrap();
        let connect = async || {
            let stream = TcpStream::connect(at).await.unwrap();
            drop(listener.accept().await.unwrap());
            stream
        };
        let mut stream = connect().await;
        until_refused(async || stream.write(b"abcd").await).await;
        until_refused(async || stream.write_vectored(&parts).await).await;
        let mut stream = connect().await;
        until_refused(async || stream.write_vectored(&parts).await).await;
        let unix = || UnixStream::pair().unwrap().0;
        let mut stream = unix();
        until_refused(async || stream.write(b"abcd").await).await;
        let mut stream = unix();
        until_refused(async || stream.write_vectored(&parts).await).await;
        let (datagrams, _theirs) = UnixDatagram::pair().unwrap();
        datagrams.shutdown(std::net::Shutdown::Write).unwrap();
        until_refused(async || datagrams.send(b"abcd").await).await;
        let mut ended = Command::new("true").stdin(Stdio::piped()).spawn().unwrap();
        let mut stdin = ended.stdin.take().unwrap();
        assert!(ended.status().await.unwrap().success());
        until_refused(async || stdin.write(b"abcd").await).await;
        until_refused(async || stdin.write_vectored(&parts).await).await;
    });
    // The thread's mask is as before, and no signal is pending.
    let raised = std::process::Command::new("sh")
        .args(["-c", "grep -E '^(SigPnd|SigBlk)' /proc/$PPID/task/$PPID/status"])
        .output()
        .unwrap();
    let text = String::from_utf8(raised.stdout).unwrap();
    let is_clear = |line: &str| line.ends_with("0000000000000000");
    assert!(text.lines().count() == 2 && text.lines().all(is_clear), "{text}");
}

#[test]
fn a_message_of_more_parts_than_the_system_takes_is_sent_in_part() {
    let parts: Vec<_> = (0..5_000).map(|_| std::io::IoSlice::new(b"x")).collect();
    block_on(async {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let mut stream = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let sent = stream.write_vectored(&parts).await.unwrap();
        assert!((1..=5_000).contains(&sent), "{sent}");
        assert_eq!(stream.write_vectored(&[]).await.unwrap(), 0);
        let (mut ours, _theirs) = UnixStream::pair().unwrap();
        let sent = ours.write_vectored(&parts).await.unwrap();
        assert!((1..=5_000).contains(&sent), "{sent}");
    });
}

/// Children that are started while sockets are in use have the same descriptors and signal mask as
/// a child of an idle process.
#[test]
fn children_started_under_load_inherit_nothing() {
    // Other tests have descriptors that children inherit.
    if child::has_run(test_name!()) {
        return;
    }
    let script = "ls /proc/self/fd | wc -l; grep SigBlk /proc/self/status";
    // Descriptors that this process inherited are passed on to every child.
    let at_rest = std::process::Command::new("sh").args(["-c", script]).output().unwrap().stdout;
    block_on(async {
        let sockets: Vec<_> = (0..50).map(|_| std::net::UdpSocket::bind("127.0.0.1:0")).collect();
        let _sockets: Vec<UdpSocket> = sockets.into_iter().map(|s| s.unwrap().into()).collect();
        let traffic: Vec<_> = (0..3).map(|_| task::spawn(stream_through_tcp())).collect();
        let start = now();
        let children: Vec<_> = (0..30)
            .map(|_| task::spawn(Command::new("sh").args(["-c", script]).output()))
            .collect();
        for child in children {
            assert_eq!(child.await.unwrap().stdout, at_rest);
        }
        assert!(at_rest.ends_with(b"SigBlk:\t0000000000000000\n"));
        println!("30 children amid traffic took {:?}", start.elapsed());
        for task in traffic {
            task.await;
        }
    });
}

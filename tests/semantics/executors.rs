//! Point 7: operations that need none of our executors.

use std::sync::mpsc;
use std::time::{Duration, Instant};

use async_std::io::{ReadExt as _, WriteExt as _};
use async_std::net::{TcpListener, TcpStream, UdpSocket};
use async_std::task;
use futures_lite::future::block_on;

/// futures-lite's `block_on`, which uses no runtime. It parks the thread until it is woken.
#[test]
fn point_07_timers_work_in_any_executor() {
    let start = now();
    block_on(task::sleep(Duration::from_millis(5)));
    assert!(now() - start >= Duration::from_millis(5));
    let late = async_std::future::timeout(Duration::from_millis(5), std::future::pending::<()>());
    assert!(block_on(late).is_err());
}

#[expect(clippy::disallowed_methods, reason = "a test's claim is about the time")]
fn now() -> Instant {
    Instant::now()
}

#[test]
fn point_07_sockets_work_in_any_executor() {
    block_on(async {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let serve = async {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut word = [0; 4];
            stream.read_exact(&mut word).await.unwrap();
            stream.write_all(&word).await.unwrap();
        };
        let ask = async {
            let mut stream = TcpStream::connect(address).await.unwrap();
            stream.write_all(b"ping").await.unwrap();
            let mut answer = String::new();
            stream.read_to_string(&mut answer).await.unwrap();
            answer
        };
        let (_, answer) = futures_lite::future::zip(serve, ask).await;
        assert_eq!(answer, "ping");

        let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        socket.send_to(b"self", socket.local_addr().unwrap()).await.unwrap();
        let mut buffer = [0; 8];
        assert_eq!(socket.recv(&mut buffer).await.unwrap(), 4);
    });
}

#[test]
fn point_07_files_and_blocking_closures_work_in_any_executor() {
    let scratch = crate::scratch::Scratch::new();
    let path = scratch.file(b"contents");
    block_on(async {
        assert_eq!(async_std::fs::read(&path).await.unwrap(), b"contents");
        let mut file = async_std::fs::File::open(&path).await.unwrap();
        let mut text = String::new();
        file.read_to_string(&mut text).await.unwrap();
        assert_eq!(text, "contents");
        assert_eq!(task::spawn_blocking(|| 3).await, 3);
        assert_eq!(task::spawn(async { 4 }).await, 4);
    });
}

#[test]
fn point_07_tasks_run_without_any_block_on() {
    let (sender, receiver) = mpsc::channel();
    task::spawn(async move {
        task::sleep(Duration::from_millis(1)).await;
        let inner = task::spawn(async { 5 }).await;
        sender.send(inner).unwrap();
    });
    assert_eq!(receiver.recv(), Ok(5));
}

/// Threads are counted on systems that list them.
// Only on Linux: it counts threads in /proc.
#[cfg(target_os = "linux")]
#[test]
fn point_07_the_runtime_starts_with_the_first_task() {
    let threads = || std::fs::read_dir("/proc/self/task").unwrap().count();
    reveille_tests::child::passes_in_own_process(&[], || {
        let before = threads();
        let (sender, _receiver) = async_std::channel::bounded(1);
        sender.try_send(1).unwrap();
        let _not_polled = task::sleep(Duration::from_secs(1));
        let _mutex = async_std::sync::Mutex::new(1);
        assert_eq!(threads(), before);
        async_std::task::block_on(task::spawn(async {}));
        assert!(threads() > before);
    });
}

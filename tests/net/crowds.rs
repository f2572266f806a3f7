//! Many tasks that wait for one socket or pipe in one direction: they do not wake each other, all
//! are woken, and those that stop waiting leave nothing behind.

use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use reveille::future::poll_fn;
use reveille::io::{Read, Write};
use reveille::net::{TcpListener, TcpStream, UdpSocket};
use reveille::prelude::*;
use reveille::process::{Command, Stdio};
use reveille::task::{self, JoinHandle};

use reveille_tests::poll::stream_pair;

use crate::connections::pair;

/// The number of waiting tasks.
const COUNTS: [usize; 3] = [33, 100, 1_000];

/// Spawns `count` futures, waits until each has been polled, and asserts that they do not go on
/// being polled.
async fn spawn_waiting<T, F>(count: usize, mut future: impl FnMut(usize) -> F) -> Vec<JoinHandle<T>>
where
    T: Send + 'static,
    F: Future<Output = T> + Send + 'static,
{
    let polls = Arc::new(AtomicUsize::new(0));
    let counted = |at| {
        let (polls, future) = (Arc::clone(&polls), future(at));
        task::spawn(async move {
            let mut future = pin!(future);
            poll_fn(|cx| {
                polls.fetch_add(1, Ordering::Relaxed);
                future.as_mut().poll(cx)
            })
            .await
        })
    };
    let tasks = (0..count).map(counted).collect();
    while polls.load(Ordering::Relaxed) < count {
        task::yield_now().await;
    }
    // The time in which the tasks could wake each other. If they did, they would be polled a
    // million times. Wine reports a full socket as writable some times.
    let each = if cfg!(unix) { 5 } else { 50 };
    task::sleep(Duration::from_millis(50)).await;
    let polls = polls.load(Ordering::Relaxed);
    assert!(polls <= each * count, "{count} tasks that wait were polled {polls} times");
    tasks
}

/// `count` clones of `ours` read, and each gets a byte of `theirs`.
async fn read_at_once<S>(ours: S, mut theirs: S, count: usize)
where
    S: Read + Write + Clone + Unpin + Send + 'static,
{
    let read = |_| {
        let mut ours = ours.clone();
        async move { ours.read(&mut [0]).await.unwrap() }
    };
    let tasks = spawn_waiting(count, read).await;
    theirs.write_all(&vec![7; count]).await.unwrap();
    for task in tasks {
        assert_eq!(task.await, 1);
    }
}

/// `count` clones of `ours` write more than there is room for, and all of it arrives.
async fn write_at_once<S>(ours: S, mut theirs: S, count: usize)
where
    S: Read + Write + Clone + Unpin + Send + 'static,
{
    // Fills the queue first, so that each task waits.
    let mut fill = ours.clone();
    let mut total = 0;
    while let Some(sent) = futures_lite::future::poll_once(fill.write(&[0; 4096])).await {
        total += sent.unwrap();
    }
    let write = |_| {
        let mut ours = ours.clone();
        async move { ours.write_all(&[7; 100]).await.unwrap() }
    };
    let tasks = spawn_waiting(count, write).await;
    let mut received = vec![0; 64 * 1024];
    let mut left = total + 100 * count;
    while left > 0 {
        left -= theirs.read(&mut received).await.unwrap();
    }
    for task in tasks {
        task.await;
    }
}

async fn any_number_of_tasks_read_from_one_stream() {
    for count in COUNTS {
        let (ours, theirs) = pair().await;
        read_at_once(ours, theirs, count).await;
        let (ours, theirs) = stream_pair().await;
        read_at_once(ours, theirs, count).await;
    }
}

async fn any_number_of_tasks_write_to_one_stream() {
    for count in COUNTS {
        let (ours, theirs) = pair().await;
        write_at_once(ours, theirs, count).await;
        let (ours, theirs) = stream_pair().await;
        write_at_once(ours, theirs, count).await;
    }
}

async fn any_number_of_tasks_accept_and_receive_at_one_socket() {
    for count in COUNTS {
        let listener = Arc::new(TcpListener::bind("127.0.0.1:0").await.unwrap());
        let socket = Arc::new(UdpSocket::bind("127.0.0.1:0").await.unwrap());
        let done = Arc::new(AtomicUsize::new(0));
        let serve = |at| {
            let (listener, socket) = (Arc::clone(&listener), Arc::clone(&socket));
            let done = Arc::clone(&done);
            async move {
                if at % 2 == 0 {
                    listener.accept().await.unwrap();
                } else {
                    socket.recv_from(&mut [0; 8]).await.unwrap();
                }
                done.fetch_add(1, Ordering::Relaxed);
            }
        };
        let tasks = spawn_waiting(count, serve).await;
        let (at, to) = (listener.local_addr().unwrap(), socket.local_addr().unwrap());
        let sender = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        for served in 0..count {
            if served % 2 == 0 {
                TcpStream::connect(at).await.unwrap();
            } else {
                sender.send_to(b"x", to).await.unwrap();
            }
            // One at a time, as the queue of a socket for datagrams is short.
            while done.load(Ordering::Relaxed) <= served {
                task::yield_now().await;
            }
        }
        for task in tasks {
            task.await;
        }
    }
}

/// Set in the process that copies its input.
const COPIES: &str = "REVEILLE_TEST_CROWDS_COPIES";

/// Copies its input to its error output, because the harness writes to the other one. Ends the
/// process, past the harness.
#[test]
fn the_program_of_the_other_tests() {
    if std::env::var_os(COPIES).is_some() {
        std::io::copy(&mut std::io::stdin(), &mut std::io::stderr()).unwrap();
        std::process::exit(0);
    }
}

/// A pipe has one handle, so the waiters share it under a lock that is held for a poll only.
async fn any_number_of_tasks_read_from_one_pipe() {
    for count in COUNTS {
        let mut copies = reveille_tests::programs::itself();
        copies.args(["--exact", "crowds::the_program_of_the_other_tests", "--nocapture"]);
        let mut copies = Command::from(copies);
        copies.env(COPIES, "").stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::piped());
        let mut copies = copies.spawn().unwrap();
        let mut stdin = copies.stdin.take().unwrap();
        let stderr = Arc::new(std::sync::Mutex::new(copies.stderr.take().unwrap()));
        let read = |_| {
            let stderr = Arc::clone(&stderr);
            let read = poll_fn(move |cx| {
                let mut stderr = stderr.lock().unwrap();
                std::pin::Pin::new(&mut *stderr).poll_read(cx, &mut [0])
            });
            async { read.await.unwrap() }
        };
        let tasks = spawn_waiting(count, read).await;
        stdin.write_all(&vec![7; count]).await.unwrap();
        for task in tasks {
            assert_eq!(task.await, 1);
        }
        drop(stdin);
        assert!(copies.status().await.unwrap().success());
    }
}

// Each of these runs on every executor.
reveille_tests::conformance!(
    any_number_of_tasks_read_from_one_stream,
    any_number_of_tasks_write_to_one_stream,
    any_number_of_tasks_accept_and_receive_at_one_socket,
    any_number_of_tasks_read_from_one_pipe,
);

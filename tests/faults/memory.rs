//! Memory: what runtimes leave behind, in bytes, and what happens when allocations fail.

use std::future::{Future as _, poll_fn};
use std::os::unix::process::ExitStatusExt as _;
use std::task::Poll;
use std::time::Duration;

use reveille::net::{TcpListener, TcpStream};
use reveille::prelude::*;
use reveille::runtime::Builder;
use reveille::task;
use reveille_tests::allocator::{Counting, live_bytes, refuse_from};
use reveille_tests::measure::{descriptors, now, settle, settled, threads};
use reveille_tests::{child, programs, test_name};

/// The allocator of every test here. It only counts until a test in its own process refuses memory.
#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// Starts a runtime, uses each of its parts, and ends it.
fn live_and_end() {
    let runtime = Builder::new().workers(2).build().unwrap();
    runtime.block_on(runtime.spawn(async {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let at = listener.local_addr().unwrap();
        let client = task::spawn(async move {
            let mut stream = TcpStream::connect(at).await.unwrap();
            stream.write_all(b"hello").await.unwrap();
        });
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut text = String::new();
        stream.read_to_string(&mut text).await.unwrap();
        client.await;
        assert_eq!(text, "hello");
        task::sleep(Duration::from_micros(10)).await;
        assert_eq!(task::spawn_blocking(|| 7).await, 7);
        drop(task::spawn(std::future::pending::<()>()));
    }));
}

#[test]
fn a_thousand_runtimes_leave_no_thread_descriptor_or_byte() {
    if child::has_run(test_name!()) {
        return;
    }
    // The pools' memory is not freed but reused, and the first pools allocate it.
    (0..50).for_each(|_| live_and_end());
    let before = (settled(threads), descriptors(), live_bytes());
    let start = now();
    (0..1_000).for_each(|_| live_and_end());
    let took = start.elapsed();
    let after = (settle(before.0, threads), descriptors(), live_bytes());
    println!("(threads, descriptors, bytes) before 1,000 runtimes: {before:?}");
    println!("and after them: {after:?}, in {took:?}");
    assert_eq!((after.0, after.1), (before.0, before.1));
    // A table of the pool that is used for the first time now keeps a chunk of 4 KiB. If each
    // runtime leaked an allocation, more than two such chunks would remain.
    assert!(after.2 <= before.2 + (8 << 10), "{} bytes more", after.2 - before.2);
}

#[test]
fn a_million_sleeps_give_their_memory_back() {
    if child::has_run(test_name!()) {
        return;
    }
    let runtime = Builder::new().workers(1).build().unwrap();
    runtime.block_on(runtime.spawn(task::sleep(Duration::from_millis(1))));
    let before = live_bytes();
    let peak = runtime.block_on(runtime.spawn(async {
        let mut sleeps: Vec<_> =
            (0..1_000_000).map(|_| Box::pin(task::sleep(Duration::from_secs(3_600)))).collect();
        poll_fn(|cx| {
            assert!(sleeps.iter_mut().all(|sleep| sleep.as_mut().poll(cx).is_pending()));
            Poll::Ready(())
        })
        .await;
        live_bytes()
    }));
    // If another thread took the worker over meanwhile, it removes them now.
    let most = before + (1 << 20);
    let excess = settle(0, || live_bytes().saturating_sub(most));
    println!("bytes: {before} before a million sleeps, {peak} with them, {} after", live_bytes());
    assert_eq!(excess, 0, "bytes are left above {most}");
}

#[test]
fn dropped_reads_of_a_silent_stream_leave_nothing() {
    if child::has_run(test_name!()) {
        return;
    }
    let runtime = Builder::new().workers(2).build().unwrap();
    runtime.block_on(async {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let silent = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let _peer = listener.accept().await.unwrap();
        let handle = runtime.handle();
        // Each read is in a task of its own, so the stream cannot detect that its waker is of no
        // use any more.
        let give_up = async |count: usize| {
            for _ in 0..count {
                let mut silent = silent.clone();
                let read = handle.spawn(async move {
                    let (large, mut buf) = ([1_u8; 1_000], [0; 8]);
                    let mut read = std::pin::pin!(silent.read(&mut buf));
                    poll_fn(|cx| Poll::Ready(read.as_mut().poll(cx).is_pending())).await
                        && large[0] == 1
                });
                assert!(read.await);
            }
        };
        give_up(2_000).await;
        let before = live_bytes();
        give_up(20_000).await;
        let after = live_bytes();
        println!("{before} bytes before 20,000 reads that were given up, {after} after");
        assert!(after < before + (64 << 10), "{} bytes are left", after - before);
    });
}

#[test]
fn memory_refused_for_a_task_aborts_the_process() {
    let name = test_name!();
    if child::is_inside(name) {
        let runtime = Builder::new().workers(1).build().unwrap();
        refuse_from(100_000);
        let large = [0u8; 100_000];
        drop(runtime.spawn(async move {
            task::yield_now().await;
            std::hint::black_box(&large);
        }));
        return;
    }
    let finished = programs::finish(&mut child::command(name));
    let said =
        finished.stderr.lines().find(|line| line.contains("memory allocation")).unwrap_or("");
    println!("{said}; {}", finished.status);
    assert_eq!(finished.status.signal(), Some(libc::SIGABRT), "{}", finished.stderr);
    assert!(said.contains("failed"), "{}", finished.stderr);
}

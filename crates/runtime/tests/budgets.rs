//! The cost of operations in units that do not depend on the machine: allocations, system calls,
//! and wake-ups of other threads.
#![cfg(not(reveille_loom))]
#![allow(clippy::waker_clone_wake, reason = "waking by value is what is counted")]

use reveille_watchdog as _;

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::future::{Future, poll_fn};
use std::io::{self, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use reveille_runtime as reveille;
use reveille_runtime::io::Io;
use reveille_runtime::time::Sleep;
use reveille_runtime::{Builder, Runtime};

/// Counts the allocations of each thread.
struct Counting;

thread_local!(static ALLOCATIONS: Cell<usize> = const { Cell::new(0) });

// SAFETY: every call is forwarded to the system's allocator, which keeps the contract.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let _ = ALLOCATIONS.try_with(|count| count.set(count.get() + 1));
        // SAFETY: the caller keeps the contract, which is that of the system's allocator.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, memory: *mut u8, layout: Layout) {
        // SAFETY: the caller keeps the contract, which is that of the system's allocator.
        unsafe { System.dealloc(memory, layout) };
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

const TIMES: usize = 1_000;

/// Runs `code` twice on the only worker of a runtime, and returns the number of allocations of the
/// second run; tables grow in the first. Repeats that if another thread took over the worker in the
/// meantime, as may happen on a busy machine, because each thread counts its own allocations.
fn allocations_on_a_worker<F, O>(code: F) -> usize
where
    F: Fn() -> O + Send + 'static,
    O: Future<Output = ()> + Send + 'static,
{
    let runtime = runtime(1);
    let task = runtime.spawn(async move {
        loop {
            code().await;
            let (thread, before) = (std::thread::current().id(), ALLOCATIONS.get());
            code().await;
            if std::thread::current().id() == thread {
                return ALLOCATIONS.get() - before;
            }
        }
    });
    runtime.block_on(task)
}

fn runtime(workers: usize) -> Runtime {
    Builder::new().workers(workers).build().expect("a runtime")
}

#[test]
fn a_spawn_is_one_allocation() {
    let count = allocations_on_a_worker(|| async {
        for _ in 0..TIMES {
            reveille::spawn(async {}).await;
        }
    });
    assert!(count <= TIMES, "{count} allocations for {TIMES} tasks");
}

#[test]
fn a_wake_and_a_switch_between_tasks_do_not_allocate() {
    let count = allocations_on_a_worker(|| async {
        for _ in 0..TIMES {
            reveille::yield_now().await;
        }
        poll_fn(|cx| {
            (0..TIMES).for_each(|_| cx.waker().clone().wake());
            Poll::Ready(())
        })
        .await;
    });
    assert_eq!(count, 0);
}

#[test]
fn a_sleep_that_is_polled_and_dropped_does_not_allocate() {
    let count = allocations_on_a_worker(|| async {
        for _ in 0..TIMES {
            let mut sleep = Sleep::after(Duration::from_secs(3_600));
            poll_fn(|cx| {
                assert!(Pin::new(&mut sleep).poll(cx).is_pending());
                Poll::Ready(())
            })
            .await;
        }
    });
    assert_eq!(count, 0);
}

#[test]
fn block_on_does_not_allocate() {
    let run = || {
        reveille::block_on(async {});
        reveille::block_on(reveille::yield_now());
    };
    run();
    let before = ALLOCATIONS.get();
    (0..TIMES).for_each(|_| run());
    assert_eq!(ALLOCATIONS.get() - before, 0);
}

#[test]
fn a_single_runnable_task_wakes_no_sibling() {
    let runtime = runtime(4);
    let (first, second) = (Arc::new(Baton::default()), Arc::new(Baton::default()));
    // Two tasks, only one of which is runnable at a time, and one task that only yields.
    let partner = runtime.spawn({
        let (first, second) = (Arc::clone(&first), Arc::clone(&second));
        async move {
            for _ in 0..TIMES {
                first.take().await;
                second.pass();
            }
        }
    });
    let wakes = runtime.block_on(runtime.spawn({
        let handle = runtime.handle();
        async move {
            let before = handle.metrics().sibling_wakes;
            for _ in 0..TIMES {
                first.pass();
                second.take().await;
            }
            for _ in 0..TIMES {
                reveille::yield_now().await;
            }
            handle.metrics().sibling_wakes - before
        }
    }));
    runtime.block_on(partner);
    assert!(wakes <= 5 * 3, "{wakes} siblings woken in 3,000 switches");
}

/// One value that tasks pass to each other.
#[derive(Default)]
struct Baton {
    state: std::sync::Mutex<(bool, Option<Waker>)>,
}

impl Baton {
    fn pass(&self) {
        let waker = {
            let mut state = self.state.lock().expect("no panic under the lock");
            state.0 = true;
            state.1.take()
        };
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    async fn take(&self) {
        poll_fn(|cx| {
            let mut state = self.state.lock().expect("no panic under the lock");
            if std::mem::take(&mut state.0) {
                return Poll::Ready(());
            }
            state.1 = Some(cx.waker().clone());
            Poll::Pending
        })
        .await;
    }
}

/// Counts the system calls on sockets; the runtime counts the waits.
static OPERATIONS: AtomicUsize = AtomicUsize::new(0);

/// Reads like `TcpStream`.
fn poll_read(io: &Io<TcpStream>, cx: &mut Context<'_>, buffer: &mut [u8]) -> Poll<usize> {
    let copy = |buffer: &mut [u8], bytes: &[u8]| {
        buffer[..bytes.len()].copy_from_slice(bytes);
        bytes.len()
    };
    let read = io.poll_recv_with(cx, buffer.len(), buffer, copy, |mut stream, buffer| {
        OPERATIONS.fetch_add(1, Ordering::Relaxed);
        stream.read(buffer)
    });
    read.map(|read| read.expect("the connection is open"))
}

async fn read(io: &Io<TcpStream>) -> usize {
    let mut buffer = [0; 1_024];
    poll_fn(|cx| poll_read(io, cx, &mut buffer)).await
}

async fn write(io: &Io<TcpStream>) {
    let message = [7; 64];
    let written = poll_fn(|cx| {
        io.poll_write_with(cx, message.len(), |mut stream| {
            OPERATIONS.fetch_add(1, Ordering::Relaxed);
            stream.write(&message)
        })
    });
    assert_eq!(written.await.expect("a connection"), message.len());
}

fn connection(listener: &TcpListener) -> io::Result<[Io<TcpStream>; 2]> {
    let client = TcpStream::connect(listener.local_addr()?)?;
    let (server, _) = listener.accept()?;
    for stream in [&client, &server] {
        stream.set_nonblocking(true)?;
        stream.set_nodelay(true)?;
    }
    Ok([Io::for_stream(client), Io::for_stream(server)])
}

/// How often a busy worker checks its driver.
const TURN_EVERY: Duration = Duration::from_micros(100);

/// What an echo took.
struct Echo {
    /// Calls on sockets.
    operations: usize,
    waits: usize,
    batches: usize,
    /// Pairs of receive and send.
    sides: usize,
    /// How many times [`TURN_EVERY`] has passed.
    turns_due: usize,
}

/// Echoes 64 bytes on 50 connections.
fn echo(builder: Builder) -> Echo {
    const CONNECTIONS: usize = 50;
    const REQUESTS: usize = 200;
    let listener = TcpListener::bind("127.0.0.1:0").expect("a listener");
    // One thread for both sides, so that the number of requests per wait does not vary.
    let runtime = builder.workers(1).build().expect("a runtime");
    let handle = runtime.handle();
    let connections: Vec<_> =
        (0..CONNECTIONS).map(|_| connection(&listener).expect("a connection")).collect();
    let (before, operations) = (handle.metrics(), OPERATIONS.load(Ordering::Relaxed));
    #[allow(clippy::disallowed_methods, reason = "a busy worker checks its driver by time")]
    let start = std::time::Instant::now();
    let mut clients = Vec::new();
    for [client, server] in connections {
        drop(runtime.spawn(async move {
            while read(&server).await > 0 {
                write(&server).await;
            }
        }));
        clients.push(runtime.spawn(async move {
            for _ in 0..REQUESTS {
                write(&client).await;
                assert_eq!(read(&client).await, 64);
            }
        }));
    }
    for client in clients {
        runtime.block_on(client);
    }
    let turns_due = start.elapsed().div_duration_f64(TURN_EVERY) as usize;
    let (after, sides) = (handle.metrics(), 2 * CONNECTIONS * REQUESTS);
    let waits = (after.driver_turns - before.driver_turns) as usize;
    let batches = (after.read_batches - before.read_batches) as usize;
    // Besides a receive and a send per request, there are some calls when a connection begins and
    // ends: reads before the first message, a read after the registration, and the read of the end.
    let ends = 6 * CONNECTIONS;
    let operations = OPERATIONS.load(Ordering::Relaxed) - operations;
    println!(
        "{operations} calls on sockets, {waits} waits and {batches} batches for {sides} times \
         receive and send: {:.3} each",
        (operations.saturating_sub(ends) + waits + batches) as f64 / sides as f64
    );
    Echo { operations: operations.saturating_sub(ends), waits, batches, sides, turns_due }
}

/// With 50 connections a request takes 2.0 system calls: a receive, a send, and a small part of a
/// wait, which serves twenty requests or more. The portable driver cannot tell from a short read
/// that nothing is left, so it takes one more receive. Where twenty requests take longer than
/// [`TURN_EVERY`], as in an emulator, the worker waits that often instead. With batched reads a
/// request takes little more than the send.
#[test]
fn an_echo_request_is_two_system_calls_and_with_batched_reads_one() {
    let Echo { operations, waits, batches, sides, turns_due } = echo(Builder::new());
    let calls = if cfg!(target_os = "linux") { 2 } else { 3 };
    assert!(operations <= calls * sides, "{operations} calls on sockets");
    assert!(waits <= (sides / 20).max(turns_due), "{waits} waits, {turns_due} due");
    assert_eq!(batches, 0);

    let echo = echo(Builder::new().batched_reads(true));
    let Echo { operations, waits, batches, sides, .. } = echo;
    if batches == 0 {
        println!("no io_uring here");
        return;
    }
    let calls = operations + waits + batches;
    assert!(calls <= sides * 3 / 2, "{calls} calls for {sides} times receive and send");
}

/// The number of voluntary context switches of each thread of this process whose name begins with
/// `name`.
#[cfg(target_os = "linux")]
fn context_switches(name: &str) -> Vec<(String, String)> {
    let mut threads = Vec::new();
    for thread in std::fs::read_dir("/proc/self/task").expect("a list of threads").flatten() {
        let read = |file: &str| std::fs::read_to_string(thread.path().join(file));
        // A thread of another test may end between the two reads.
        let (Ok(comm), Ok(status)) = (read("comm"), read("status")) else { continue };
        if comm.starts_with(name) {
            let switches = status.lines().find(|line| line.starts_with("voluntary_ctxt"));
            let switches = switches.expect("Linux counts them").to_owned();
            threads.push((thread.file_name().to_string_lossy().into_owned(), switches));
        }
    }
    threads
}

/// Whether a timer can be made to ring without being set. A 32-bit program cannot request that from
/// a 64-bit kernel, and qemu does not pass the request on.
#[cfg(target_os = "linux")]
fn can_timers_ring() -> bool {
    /// `TFD_IOC_SET_TICKS`, which reads a number of 64 bits.
    const SET_TICKS: u64 = 0x4008_5400;
    let ticks = 0_u64;
    // SAFETY: the call takes numbers.
    let timer = unsafe { libc::timerfd_create(libc::CLOCK_MONOTONIC, libc::TFD_CLOEXEC) };
    assert!(timer >= 0, "{}", io::Error::last_os_error());
    // SAFETY: the kernel reads `ticks`, which outlives the call.
    let result = unsafe { libc::ioctl(timer, SET_TICKS as _, &raw const ticks) };
    let error = io::Error::last_os_error();
    // SAFETY: the descriptor is that of the timer above, which nothing else uses.
    unsafe { libc::close(timer) };
    // A kernel that knows the request refuses zero ticks.
    result == -1 && error.raw_os_error() == Some(libc::EINVAL)
}

// Only on Linux: it counts context switches in /proc.
#[cfg(target_os = "linux")]
#[test]
fn an_idle_runtime_sleeps_in_one_system_call() {
    const NAME: &str = "idle-runtime";
    // A monitor whose timer cannot be made to ring checks it once a second.
    let may_wake = usize::from(!can_timers_ring());
    let runtime = Builder::new().workers(3).thread_name(NAME).build().expect("a runtime");
    let listener = TcpListener::bind("127.0.0.1:0").expect("a listener");
    let [ours, _theirs] = connection(&listener).expect("a connection");
    // Tasks that wait for a socket, for a timer and for another task, after some work.
    drop(runtime.spawn(async move { read(&ours).await }));
    drop(runtime.spawn(Sleep::after(Duration::from_secs(3_600))));
    drop(runtime.spawn(std::future::pending::<()>()));
    for _ in 0..100 {
        runtime.block_on(runtime.spawn(reveille::yield_now()));
    }
    #[allow(clippy::disallowed_methods, reason = "the claim is about what happens in a second")]
    let pause = |ms| std::thread::sleep(Duration::from_millis(ms));
    // The monitor starts when a poll is long.
    runtime.block_on(runtime.spawn(async move { pause(50) }));
    // The monitor runs for some milliseconds before it sleeps too, or longer on a busy machine. A
    // thread that wakes up once a second or more often fails in every round.
    let mut threads = Vec::new();
    let is_still = (0..6).any(|_| {
        threads = context_switches(NAME);
        pause(1_000);
        let later = context_switches(NAME);
        let awake = threads.iter().filter(|thread| !later.contains(thread)).count();
        later.len() == threads.len() && awake <= may_wake
    });
    assert!(threads.len() >= 4, "three workers and the monitor: {threads:?}");
    assert!(is_still, "a thread wakes up without work: {threads:?}, {:?}", context_switches(NAME));
}

/// The timer slack of this thread, in nanoseconds.
#[cfg(target_os = "linux")]
fn timer_slack() -> String {
    let thread = std::fs::read_link("/proc/thread-self").expect("Linux has this link");
    let number = thread.file_name().expect("a number").to_string_lossy().into_owned();
    let slack = std::fs::read_to_string(format!("/proc/{number}/timerslack_ns"));
    slack.expect("a thread may read its own slack").trim().to_owned()
}

// Only on Linux: it alone has a timer slack for each thread.
#[cfg(target_os = "linux")]
#[test]
fn a_worker_has_no_timer_slack_and_block_on_restores_that_of_its_thread() {
    let pool = runtime(1);
    assert_eq!(reveille::block_on(pool.spawn(async { timer_slack() })), "1");
    let before = timer_slack();
    let inside = reveille::block_on(async {
        Sleep::after(Duration::from_micros(1_500)).await;
        timer_slack()
    });
    assert_eq!(inside, "1");
    assert_ne!(before, "1", "threads start with the default of 50 us");
    assert_eq!(timer_slack(), before);
}

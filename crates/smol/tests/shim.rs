//! The behaviour that smol's users rely on, and where the shim works differently.

#![allow(clippy::disallowed_methods, reason = "tests start threads")]

use reveille_watchdog as _;

#[cfg(target_os = "linux")]
use std::collections::BTreeSet;
use std::future::{Future, poll_fn};
use std::path::PathBuf;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, mpsc};
use std::task::{Context, Poll, Wake};
use std::time::Duration;

use smol::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
#[cfg(unix)]
use smol::net::unix::UnixStream;
use smol::net::{TcpListener, TcpStream, UdpSocket};
use smol::process::{Command, Stdio};
use smol::{Async, Executor, LocalExecutor, Task, Timer, Unblock, channel, fs, future, io, lock};
use smol::{block_on, prelude::*, spawn, stream, unblock};

#[cfg(unix)]
async fn pair() -> io::Result<(UnixStream, UnixStream)> {
    UnixStream::pair()
}

/// Windows has no pairs of streams.
#[cfg(windows)]
async fn pair() -> io::Result<(TcpStream, TcpStream)> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let one = TcpStream::connect(listener.local_addr()?).await?;
    Ok((one, listener.accept().await?.0))
}

#[test]
fn the_types_are_those_of_the_crates_that_smol_is_made_of() {
    fn same<T>(_: Option<T>, _: Option<T>) {}
    same::<Task<u8>>(None::<async_executor::Task<u8>>, None);
    same::<Async<std::net::TcpStream>>(None::<async_io::Async<std::net::TcpStream>>, None);
    same::<Unblock<u8>>(None::<blocking::Unblock<u8>>, None);
    same::<smol::process::Child>(None::<async_process::Child>, None);
    same::<lock::Mutex<u8>>(None::<async_lock::Mutex<u8>>, None);
    same::<channel::Sender<u8>>(None::<async_channel::Sender<u8>>, None);
    // The tasks of an executor, of the pool and of `spawn` are of one type.
    let executor = Executor::new();
    let tasks = [executor.spawn(async { 1 }), spawn(async { 2 }), unblock(|| 3)];
    let sum = block_on(executor.run(async {
        let mut sum = 0;
        for task in tasks {
            sum += task.await;
        }
        sum
    }));
    assert_eq!(sum, 6);
}

#[test]
fn an_executor_of_the_program_runs_on_several_threads_and_with_block_on() {
    let executor = Executor::new();
    let (signal, shutdown) = channel::unbounded::<()>();
    let seen = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| block_on(executor.run(shutdown.recv())));
        }
        let tasks: Vec<Task<()>> = (0..100)
            .map(|number| {
                executor.spawn(async move {
                    Timer::after(Duration::from_micros(10 * number)).await;
                    future::yield_now().await;
                })
            })
            .collect();
        block_on(async {
            for task in tasks {
                task.await;
                seen.fetch_add(1, Ordering::SeqCst);
            }
        });
        drop(signal);
    });
    assert_eq!(seen.into_inner(), 100);
}

#[test]
fn a_local_executor_waits_for_sockets_and_timers_of_reveille() -> io::Result<()> {
    let executor = LocalExecutor::new();
    block_on(executor.run(async {
        let (mut one, mut other) = pair().await?;
        let shared = Rc::new(5);
        let reads = executor.spawn(async move {
            let mut buf = [0; 5];
            one.read_exact(&mut buf).await?;
            io::Result::Ok((*shared, buf))
        });
        Timer::after(Duration::from_millis(1)).await;
        other.write_all(b"hello").await?;
        assert_eq!(reads.await?, (5, *b"hello"));
        Ok(())
    }))
}

async fn echo(mut stream: TcpStream) -> io::Result<()> {
    let mut line = String::new();
    BufReader::new(stream.clone()).read_line(&mut line).await?;
    stream.write_all(line.as_bytes()).await
}

async fn talk_over_tcp() -> io::Result<()> {
    let listener = TcpListener::bind("localhost:0").await?;
    let address = listener.local_addr()?;
    let server = spawn(async move {
        let mut incoming = listener.incoming();
        for _ in 0..4 {
            let stream = incoming.next().await.expect("it never ends")?;
            spawn(echo(stream)).detach();
        }
        io::Result::Ok(())
    });
    let clients: Vec<Task<io::Result<String>>> = (0..4)
        .map(|number| {
            spawn(async move {
                let mut stream = TcpStream::connect(address).await?;
                stream.write_all(format!("hello {number}\n").as_bytes()).await?;
                let mut line = String::new();
                BufReader::new(stream).read_line(&mut line).await?;
                Ok(line)
            })
        })
        .collect();
    for (number, client) in clients.into_iter().enumerate() {
        assert_eq!(client.await?, format!("hello {number}\n"));
    }
    server.await
}

async fn talk_over_udp() -> io::Result<()> {
    let one = UdpSocket::bind("127.0.0.1:0").await?;
    let other = UdpSocket::bind("127.0.0.1:0").await?;
    one.send_to(b"ping", other.local_addr()?).await?;
    let mut buf = [0; 8];
    let (len, from) = other.recv_from(&mut buf).await?;
    assert_eq!((&buf[..len], from), (&b"ping"[..], one.local_addr()?));
    Ok(())
}

async fn use_files(folder: PathBuf) -> io::Result<()> {
    fs::create_dir_all(&folder).await?;
    let path = folder.join("file");
    let mut file = fs::File::create(&path).await?;
    file.write_all(b"one\ntwo\n").await?;
    file.sync_all().await?;
    drop(file);
    let lines: Vec<String> =
        BufReader::new(fs::File::open(&path).await?).lines().try_collect().await?;
    assert_eq!(lines, ["one", "two"]);
    let names = fs::read_dir(&folder).await?;
    let names: Vec<_> =
        names.map(|entry| entry.map(|entry| entry.file_name())).try_collect().await?;
    assert_eq!(names, ["file"]);
    loop {
        match fs::remove_dir_all(&folder).await {
            // A thread of the pool closes a file after it was dropped. On Windows the file keeps
            // its name until then.
            Err(error) if cfg!(windows) && error.kind() == io::ErrorKind::DirectoryNotEmpty => {
                future::yield_now().await;
            }
            removed => return removed,
        }
    }
}

/// Set in the process that copies its input.
const COPIES: &str = "REVEILLE_TEST_COPIES";

/// The program of [`use_processes`]: it ends the process, past the harness.
#[test]
fn the_program_of_the_other_tests() -> io::Result<()> {
    if std::env::var_os(COPIES).is_some() {
        std::io::copy(&mut std::io::stdin(), &mut std::io::stdout())?;
        std::process::exit(7);
    }
    Ok(())
}

async fn use_processes() -> io::Result<()> {
    let mut program = reveille_watchdog::itself();
    program.args(["--exact", "the_program_of_the_other_tests", "--nocapture"]).env(COPIES, "");
    let mut program = Command::from(program);
    let mut child = program.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
    let mut input = child.stdin.take().expect("it is piped");
    input.write_all(b"through a child").await?;
    drop(input);
    let output = child.output().await?;
    // Behind what the harness has printed.
    assert!(output.stdout.ends_with(b"through a child"), "{output:?}");
    assert_eq!(output.status.code(), Some(7));
    Ok(())
}

/// The names of this process' threads.
#[cfg(target_os = "linux")]
fn thread_names() -> BTreeSet<String> {
    let threads = std::fs::read_dir("/proc/self/task").expect("it is Linux");
    // A thread may end meanwhile.
    let names =
        threads.filter_map(|thread| std::fs::read_to_string(thread.ok()?.path().join("comm")).ok());
    names.map(|name| name.trim_end().to_owned()).collect()
}

async fn use_everything(name: &str) -> io::Result<()> {
    talk_over_tcp().await?;
    talk_over_udp().await?;
    use_files(std::env::temp_dir().join(format!("{name}-{}", std::process::id()))).await?;
    use_processes().await?;
    let mut stdout = Unblock::new(std::io::sink());
    stdout.write_all(b"nothing").await?;
    stdout.flush().await?;
    assert_eq!(Timer::interval(Duration::from_millis(1)).take(3).count().await, 3);
    Ok(())
}

#[test]
fn sockets_files_processes_and_timers_work() -> io::Result<()> {
    block_on(use_everything("reveille-smol"))
}

// Only on Linux: it lists threads in /proc.
#[cfg(target_os = "linux")]
#[test]
fn sockets_files_processes_and_timers_start_no_thread_of_smol() -> io::Result<()> {
    block_on(async {
        use_everything("reveille-smol-threads").await?;
        let names = thread_names();
        for prefix in ["smol-", "async-io", "async-process", "blocking-"] {
            assert!(!names.iter().any(|name| name.starts_with(prefix)), "{names:?}");
        }
        // The tasks ran somewhere.
        assert!(spawn(async { thread_names().len() }).await > 1);
        Ok(())
    })
}

/// The pool that runs the closures of smol is that of reveille, which the crates below use too.
#[test]
fn blocking_closures_of_all_crates_run_on_one_pool() -> io::Result<()> {
    let name = || std::thread::current().name().map(str::to_owned);
    let kind = |name: Option<String>| {
        name.map(|name| name.trim_end_matches(|c: char| c.is_ascii_digit()).to_owned())
    };
    let own = kind(block_on(reveille::task::spawn_blocking(name)));
    assert!(own.is_some());
    assert_eq!(kind(block_on(unblock(name))), own);
    Ok(())
}

/// Sends a message when it is woken.
struct SendsWake(mpsc::Sender<()>);

impl Wake for SendsWake {
    fn wake(self: Arc<Self>) {
        // The test may have ended.
        let _ = self.0.send(());
    }
}

/// Polls a future on this thread, and blocks the thread until it was woken.
fn poll_and_block(what: &str, mut future: Pin<&mut impl Future>) {
    let (sender, woken) = mpsc::channel();
    let waker = Arc::new(SendsWake(sender)).into();
    let mut cx = Context::from_waker(&waker);
    while future.as_mut().poll(&mut cx).is_pending() {
        woken.recv().unwrap_or_else(|_| panic!("{what} was not woken"));
    }
}

#[test]
fn timers_and_sockets_of_a_block_on_that_is_stuck_in_a_poll_are_served() -> io::Result<()> {
    block_on(async {
        let (mut one, mut other) = pair().await?;
        let mut timer = Timer::after(Duration::from_millis(20));
        // Both are registered with this thread before its poll gets stuck.
        assert!(future::poll_once(&mut timer).await.is_none());
        let mut buf = [0; 4];
        assert!(future::poll_once(one.read(&mut buf)).await.is_none());
        poll_and_block("the timer", Pin::new(&mut timer));
        let writes = std::thread::spawn(move || block_on(other.write_all(b"ping")));
        poll_and_block("the socket", std::pin::pin!(one.read_exact(&mut buf)));
        writes.join().expect("it does not panic")?;
        assert_eq!(&buf, b"ping");
        // Registered while the thread is stuck.
        poll_and_block("a new timer", Pin::new(&mut Timer::after(Duration::from_millis(1))));
        Ok(())
    })
}

#[test]
fn another_executor_inside_block_on_is_served() -> io::Result<()> {
    block_on(async {
        let work = async {
            Timer::after(Duration::from_millis(1)).await;
            talk_over_udp().await?;
            talk_over_tcp().await
        };
        // Without a turn of this thread's driver until it ends.
        future::block_on(work)
    })
}

#[test]
fn a_task_that_blocks_its_thread_does_not_stop_the_others() {
    let (sender, receiver) = mpsc::channel();
    let blocks = spawn(async move { receiver.recv() });
    let (first, second) = (spawn(async { 1 }), spawn(async { 2 }));
    assert_eq!(block_on(future::zip(first, second)), (1, 2));
    sender.send(3).unwrap();
    assert_eq!(block_on(blocks), Ok(3));
}

#[test]
fn a_race_drops_the_task_that_loses() {
    let (sender, receiver) = channel::bounded::<()>(1);
    block_on(async {
        let waits = spawn(async move {
            future::pending::<()>().await;
            drop(sender);
        });
        let wins = async {};
        future::race(waits, wins).await;
        // The only sender was in the future that lost.
        assert!(receiver.recv().await.is_err());
    });
}

#[test]
fn streams_futures_and_macros_are_those_of_futures_lite() {
    block_on(async {
        let sum = stream::iter([1, 2, 3]).fold(0, |sum, number| sum + number).await;
        assert_eq!(sum, 6);
        let ready = poll_fn(|cx| {
            let future = future::ready(4);
            smol::pin!(future);
            Poll::Ready(smol::ready!(future.poll(cx)))
        });
        assert_eq!(ready.await, 4);
        let mutex = lock::Mutex::new(1);
        *mutex.lock().await += 1;
        assert_eq!(mutex.into_inner(), 2);
    });
}

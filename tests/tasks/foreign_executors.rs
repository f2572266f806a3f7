//! Another executor inside one of our polls: the operations that it awaits make progress.
//!
//! Every kind of operation, on every kind of thread and poll, inside each of several executors that
//! park or spin until they are woken, with and without a budget.

use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::{Pin, pin};
use std::sync::mpsc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use futures_lite::{AsyncReadExt, AsyncWriteExt, FutureExt, future};
use reveille::channel;
use reveille::fs::{self, File};
use reveille::future::FutureExt as _;
use reveille::net::{TcpListener, TcpStream, ToSocketAddrs, UdpSocket};
use reveille::runtime::{Builder, Runtime};
use reveille::sync::{Arc, Mutex};
use reveille::task::{self, block_on, sleep, spawn, spawn_blocking, spawn_local};

/// Every operation here takes less than a second, even on a busy machine.
const LONG: Duration = Duration::from_secs(60);

const SHORT: Duration = Duration::from_millis(5);

type Operation = Pin<Box<dyn Future<Output = ()>>>;

/// Makes the future of an operation.
type Begin = fn() -> Operation;

/// Runs a future to completion on this thread.
type Executor = fn(Operation);

const EXECUTORS: [(&str, Executor); 4] = [
    ("pollster", |operation| pollster::block_on(operation)),
    ("futures", |operation| futures_executor::block_on(operation)),
    ("futures-lite", |operation| future::block_on(operation)),
    ("a loop that polls", |mut operation| {
        let mut cx = Context::from_waker(Waker::noop());
        while operation.as_mut().poll(&mut cx).is_pending() {
            std::thread::yield_now();
        }
    }),
];

/// A context in which code runs: a kind of thread, inside one of our polls or outside. It is called
/// once.
type Body = Box<dyn FnOnce() + Send>;

/// Calls the body in that context.
type Place = fn(Body);

/// Runs the body when it is dropped.
struct OnDrop(Option<Body>);

impl Drop for OnDrop {
    fn drop(&mut self) {
        if let Some(body) = self.0.take() {
            body();
        }
    }
}

/// A future that never ends, and runs the body when it is dropped.
fn drops(body: Body) -> impl Future<Output = ()> + Send {
    let guard = OnDrop(Some(body));
    async move {
        let _guard = guard;
        future::pending().await
    }
}

const PLACES: [(&str, Place); 12] = [
    ("a plain thread", |body| body()),
    ("block_on", |body| block_on(async { body() })),
    ("block_on, after it has waited for a timer", |body| {
        block_on(async {
            sleep(SHORT).await;
            body();
        });
    }),
    ("a local task", |body| block_on(spawn_local(async { body() }))),
    ("a task", |body| block_on(spawn(async { body() }))),
    ("a local task on a worker", |body| {
        block_on(spawn(async {
            let local = spawn_local(async { body() });
            // Only a handle that is `Send` lives across an await of a task.
            local.await;
        }));
    }),
    ("a blocking closure", |body| block_on(spawn_blocking(body))),
    ("a drop in block_on", |body| {
        block_on(async { drop(OnDrop(Some(body))) });
    }),
    ("the drop of what a task holds", |body| {
        block_on(spawn(async {
            let _guard = OnDrop(Some(body));
        }));
    }),
    ("the drop of a cancelled task", |body| {
        block_on(async {
            let task = spawn(drops(body));
            sleep(SHORT).await;
            task.cancel().await;
        });
    }),
    ("the drop of a cancelled local task", |body| {
        block_on(async {
            let task = spawn_local(drops(body));
            task::yield_now().await;
            task.cancel().await;
        });
    }),
    ("a task that a shutdown drops", |body| {
        let runtime = Runtime::start().expect("a runtime");
        let (starts, started) = mpsc::channel();
        let task = runtime.spawn(async move {
            starts.send(()).expect("the test waits");
            drops(body).await;
        });
        started.recv().expect("the task runs");
        drop(runtime);
        drop(task);
    }),
];

async fn sleeps() {
    sleep(SHORT).await;
}

async fn gives_up() {
    let never = future::pending::<()>().timeout(SHORT).await;
    assert!(never.is_err());
}

async fn receives_a_datagram() {
    let socket = UdpSocket::bind("127.0.0.1:0").await.expect("a socket");
    let to = socket.local_addr().expect("an address");
    let sender = std::thread::scope(|scope| {
        // Woken by another thread, before or after the wait begins.
        scope.spawn(|| std::net::UdpSocket::bind("127.0.0.1:0")?.send_to(b"x", to)).join()
    });
    assert!(matches!(sender, Ok(Ok(1))));
    assert_eq!(socket.recv_from(&mut [0; 4]).await.expect("a datagram").0, 1);
}

async fn exchanges_by_tcp() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a listener");
    let to = listener.local_addr().expect("an address");
    let server = spawn(async move {
        let (mut stream, _) = listener.accept().await.expect("a connection");
        sleep(SHORT).await;
        stream.write_all(b"answer").await.expect("a client");
    });
    let mut stream = TcpStream::connect(to).await.expect("a server");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.expect("an answer");
    assert_eq!(answer, "answer");
    server.await;
}

#[cfg(unix)]
async fn exchanges_by_unix() {
    use reveille::os::unix::net::UnixStream;

    let (mut ours, mut theirs) = UnixStream::pair().expect("a pair");
    let writer = spawn(async move {
        sleep(SHORT).await;
        theirs.write_all(b"x").await.expect("a reader");
    });
    assert_eq!(ours.read(&mut [0; 4]).await.expect("a byte"), 1);
    writer.await;
}

#[cfg(not(unix))]
async fn exchanges_by_unix() {}

/// Reads a byte at a time, more often than the budget of one poll allows.
async fn reads_a_file() {
    let mut file = File::open("Cargo.toml").await.expect("cargo runs tests in the package");
    let len = file.metadata().await.expect("a file").len();
    for _ in 0..len.min(200) {
        assert_eq!(file.read(&mut [0]).await.expect("a byte"), 1);
    }
    assert!(fs::read("Cargo.toml").await.expect("the file").len() as u64 == len);
}

async fn receives_a_message() {
    let (sender, receiver) = channel::bounded(1);
    let task = spawn(async move {
        for number in 0..100 {
            sender.send(number).await.expect("a receiver");
        }
    });
    for number in 0..100 {
        assert_eq!(receiver.recv().await, Ok(number));
    }
    task.await;
}

async fn locks() {
    let mutex = Arc::new(Mutex::new(0));
    let held = mutex.lock().await;
    let other = Arc::clone(&mutex);
    let task = spawn(async move { *other.lock().await += 1 });
    sleep(SHORT).await;
    drop(held);
    task.await;
    assert_eq!(*mutex.lock().await, 1);
}

async fn waits_for_a_process() {
    // This program, without a test: not every system has a program that does nothing.
    let mut command = reveille_tests::programs::itself();
    command.args(["--exact", "no test"]).stdout(std::process::Stdio::null());
    let status = reveille::process::Command::from(command).status();
    assert!(status.await.expect("a process").success());
}

async fn resolves_a_name() {
    let mut addresses = ("localhost", 80).to_socket_addrs().await.expect("an address");
    assert!(addresses.next().is_some());
}

async fn awaits_a_task() {
    assert_eq!(spawn(async { 1 }).await, 1);
    assert_eq!(spawn_blocking(|| 2).await, 2);
}

/// The thread that awaits it is the only one that may run it.
async fn awaits_a_local_task() {
    let (sender, receiver) = channel::bounded(1);
    let local = spawn_local(async move {
        sleep(SHORT).await;
        task::yield_now().await;
        receiver.recv().await
    });
    let another = spawn(async move {
        sleep(SHORT).await;
        sender.send(5).await
    });
    assert_eq!(local.await, Ok(5));
    another.await.expect("a receiver");
}

const OPERATIONS: [(&str, Begin); 12] = [
    ("a sleep", || Box::pin(sleeps())),
    ("a time limit", || Box::pin(gives_up())),
    ("UDP", || Box::pin(receives_a_datagram())),
    ("TCP", || Box::pin(exchanges_by_tcp())),
    ("a Unix socket", || Box::pin(exchanges_by_unix())),
    ("a file", || Box::pin(reads_a_file())),
    ("a channel", || Box::pin(receives_a_message())),
    ("a mutex", || Box::pin(locks())),
    ("a process", || Box::pin(waits_for_a_process())),
    ("a name", || Box::pin(resolves_a_name())),
    ("a task", || Box::pin(awaits_a_task())),
    ("a local task", || Box::pin(awaits_a_local_task())),
];

/// The operations that spawn nothing.
const ALONE: [&str; 4] = ["a sleep", "a time limit", "UDP", "a process"];

/// Uses up the budget of the poll that this is called in.
fn use_up() {
    let mut cx = Context::from_waker(Waker::noop());
    while pin!(sleep(Duration::ZERO)).poll(&mut cx) == Poll::Ready(()) {
        if task::try_current().is_none() {
            // There is no budget on this thread.
            return;
        }
    }
}

/// Runs `body` in the context. If it does not end, fails with the last name that it sent.
fn run_at(
    place: Place,
    what: &str,
    body: impl FnOnce(&mpsc::Sender<&'static str>) + Send + 'static,
) {
    let (steps, stepped) = mpsc::channel();
    let (ends, ended) = mpsc::channel();
    #[expect(clippy::disallowed_methods, reason = "a thread of the program's own")]
    std::thread::spawn(move || {
        let body: Body = Box::new(move || {
            // A panic in a drop is not always seen by the dropping code.
            let result = catch_unwind(AssertUnwindSafe(|| body(&steps)));
            let _ = ends.send(result.is_ok());
        });
        place(body);
    });
    let result = ended.recv_timeout(LONG);
    let last = stepped.try_iter().last();
    assert_eq!(result, Ok(true), "{what}: {last:?} makes no progress");
}

fn every_operation_makes_progress(is_used_up: bool) {
    for (place_name, place) in PLACES {
        for (executor_name, executor) in EXECUTORS {
            let what = format!("{executor_name} in {place_name}");
            run_at(place, &what, move |steps| {
                let is_ending = place_name == "a task that a shutdown drops";
                // A runtime that ends runs no task and no closure any more.
                for (name, operation) in
                    OPERATIONS.iter().filter(|it| !is_ending || ALONE.contains(&it.0))
                {
                    steps.send(*name).expect("the test waits");
                    if is_used_up {
                        use_up();
                    }
                    executor((*operation)());
                }
            });
        }
    }
}

#[test]
fn every_operation_makes_progress_inside_another_executor() {
    every_operation_makes_progress(false);
}

#[test]
fn every_operation_makes_progress_inside_another_executor_without_a_budget() {
    every_operation_makes_progress(true);
}

/// No thread is left to take over the worker, and none can run a task. Each task waits in another
/// executor for what only the worker turns.
#[test]
fn other_executors_in_more_tasks_than_there_are_threads_make_progress() {
    for spare_threads in [1, 2] {
        for (executor_name, executor) in &EXECUTORS[..3] {
            let what = format!("{executor_name} in six tasks, {spare_threads} spare threads");
            run_at(
                |body| body(),
                &what,
                move |steps| {
                    let builder = Builder::new().workers(1).max_spare_threads(spare_threads);
                    let runtime = builder.build().expect("a runtime");
                    for (name, begin) in
                        OPERATIONS.into_iter().filter(|(name, _)| ALONE.contains(name))
                    {
                        let _ = steps.send(name);
                        let tasks: Vec<_> = (0..6)
                            .map(|_| runtime.spawn(async move { executor(begin()) }))
                            .collect();
                        tasks.into_iter().for_each(|task| runtime.block_on(task));
                    }
                },
            );
        }
    }
}

/// An executor inside an executor inside ours, and ours again in the innermost position.
#[test]
fn executors_nest() {
    run_at(
        |body| body(),
        "executors in turns",
        |_| {
            block_on(async {
                pollster::block_on(async {
                    sleep(SHORT).await;
                    block_on(async {
                        sleep(SHORT).await;
                        futures_executor::block_on(async {
                            sleep(SHORT).await;
                            block_on(spawn_local(sleep(SHORT)));
                        });
                        sleep(SHORT).await;
                    });
                    sleep(SHORT).await;
                });
                sleep(SHORT).await;
            });
        },
    );
}

/// Other threads serve the timers and sockets that the thread had registered before. Afterwards it
/// serves them itself.
#[test]
fn a_socket_that_a_stuck_block_on_used_is_served_for_another_block_on() {
    run_at(
        |body| body(),
        "two threads at one socket",
        |_| {
            let socket = Arc::new(block_on(UdpSocket::bind("127.0.0.1:0")).expect("a socket"));
            let to = socket.local_addr().expect("an address");
            let send = move || std::net::UdpSocket::bind("127.0.0.1:0")?.send_to(b"x", to);
            let (waits, waiting) = mpsc::channel();
            let (frees, freed) = mpsc::channel::<()>();
            let first = Arc::clone(&socket);
            #[expect(clippy::disallowed_methods, reason = "a thread of the program's own")]
            let stuck = std::thread::spawn(move || {
                block_on(async move {
                    let mut buffer = [0; 4];
                    assert!(future::poll_once(first.recv_from(&mut buffer)).await.is_none());
                    waits.send(()).expect("the test waits");
                    freed.recv().expect("the test ends it");
                    first.recv_from(&mut buffer).await.map(|(len, _)| len)
                })
            });
            waiting.recv().expect("the thread runs");
            block_on(async {
                let mut buffer = [0; 4];
                let receive = socket.recv_from(&mut buffer).or(async {
                    sleep(SHORT).await;
                    send().expect("a socket");
                    future::pending().await
                });
                assert_eq!(receive.await.expect("a datagram").0, 1);
            });
            frees.send(()).expect("the thread waits");
            send().expect("a socket");
            assert_eq!(stuck.join().expect("no panic").expect("a datagram"), 1);
        },
    );
}

/// A thread that was stuck once is as fast as before.
#[test]
fn a_thread_that_was_stuck_takes_its_timers_and_sockets_back() {
    run_at(
        |body| body(),
        "after a poll that blocked",
        |_| {
            block_on(async {
                let socket = UdpSocket::bind("127.0.0.1:0").await.expect("a socket");
                let to = socket.local_addr().expect("an address");
                for _ in 0..3 {
                    let mut buffer = [0; 4];
                    let receive = socket.recv_from(&mut buffer).or(async {
                        sleep(SHORT).await;
                        pollster::block_on(sleep(8 * SHORT));
                        sleep(SHORT).await;
                        socket.send_to(b"x", to).await.expect("a socket");
                        future::pending().await
                    });
                    assert_eq!(receive.await.expect("a datagram").0, 1);
                }
            });
        },
    );
}

//! The process or a thread ends during other work: `exit` in every place where user code runs, and
//! destructors of thread-locals that use the runtime.

use std::cell::RefCell;
use std::future::{Future, pending};
use std::pin::Pin;
use std::process::exit;
use std::sync::{Arc, mpsc};
use std::task::{Context, Poll, Wake, Waker};
use std::thread;
use std::time::Duration;

use reveille::net::UdpSocket;
use reveille::runtime::Builder;
use reveille::task;
use reveille_tests::{child, programs};

/// The exit code of the tests, which nothing else uses.
const CODE: i32 = 7;

/// Runs the test that contains `body` again, in a process of its own. That process calls `body`
/// while other tasks use the runtime, and `body` must call `exit` with [`CODE`].
fn assert_exits(body: impl FnOnce()) {
    let name = child::name_around(&body);
    if child::is_inside(name) {
        drop(task::spawn(async {
            loop {
                task::sleep(Duration::from_millis(1)).await;
            }
        }));
        body();
        panic!("exit was not called");
    }
    let finished = programs::finish(&mut child::command(name));
    assert_eq!(finished.status.code(), Some(CODE), "{}\n{}", finished.stdout, finished.stderr);
}

/// Calls `exit` when dropped.
struct Exits;

impl Drop for Exits {
    fn drop(&mut self) {
        exit(CODE);
    }
}

/// Calls `exit` when woken.
struct ExitsAwake;

impl Wake for ExitsAwake {
    fn wake(self: Arc<Self>) {
        exit(CODE);
    }
}

/// Polls `future` once with a waker that calls `exit`.
async fn poll_once(future: Pin<&mut impl Future>) {
    let waker = Waker::from(Arc::new(ExitsAwake));
    assert!(future.poll(&mut Context::from_waker(&waker)).is_pending());
}

#[test]
fn exit_in_a_local_task_ends_the_process() {
    assert_exits(|| {
        task::block_on(async { task::spawn_local(async { exit(CODE) }).await });
    });
}

#[test]
fn exit_in_a_local_task_of_a_worker_ends_the_process() {
    assert_exits(|| {
        let local = async { task::spawn_local(async { exit(CODE) }).await };
        task::block_on(task::spawn(local));
    });
}

#[test]
fn exit_in_a_nested_block_on_ends_the_process() {
    assert_exits(|| {
        task::block_on(async {
            let nested = async {
                task::yield_now().await;
                exit(CODE)
            };
            task::spawn_local(async { task::block_on(nested) }).await
        });
    });
}

#[test]
fn exit_in_block_on_beside_a_waiting_local_task_ends_the_process() {
    assert_exits(|| {
        task::block_on(async {
            drop(task::spawn_local(pending::<()>()));
            task::yield_now().await;
            exit(CODE)
        });
    });
}

#[test]
fn exit_in_the_drop_of_a_local_task_ends_the_process() {
    assert_exits(|| {
        task::block_on(async {
            let exits = Exits;
            let local = task::spawn_local(async move {
                let _exits = exits;
                pending::<()>().await;
            });
            task::yield_now().await;
            local.cancel().await;
        });
    });
}

#[test]
fn exit_in_the_drop_of_a_local_task_of_a_thread_that_ends_ends_the_process() {
    assert_exits(|| {
        let thread = thread::spawn(|| {
            let exits = Exits;
            drop(task::spawn_local(async move {
                let _exits = exits;
                pending::<()>().await;
            }));
        });
        let _ = thread.join();
    });
}

#[test]
fn exit_in_a_panic_hook_ends_the_process() {
    assert_exits(|| {
        std::panic::set_hook(Box::new(|_| exit(CODE)));
        task::block_on(async { task::spawn_local(async { panic!("fatal") }).await });
    });
}

#[test]
fn exit_in_a_task_and_in_a_blocking_closure_ends_the_process() {
    assert_exits(|| {
        let blocking =
            async { task::spawn_blocking(|| task::block_on(async { exit(CODE) })).await };
        task::block_on(task::spawn(blocking));
    });
}

#[test]
fn exit_in_the_waker_of_a_timer_ends_the_process() {
    assert_exits(|| {
        task::block_on(async {
            let mut sleep = Box::pin(task::sleep(Duration::from_millis(1)));
            drop(task::spawn_local(pending::<()>()));
            poll_once(sleep.as_mut()).await;
            task::sleep(Duration::from_secs(100)).await;
        });
    });
}

#[test]
fn exit_in_the_waker_of_a_socket_of_a_worker_ends_the_process() {
    assert_exits(|| {
        task::block_on(task::spawn(async {
            let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
            let address = socket.local_addr().unwrap();
            let mut buf = [0; 4];
            let mut receives = Box::pin(socket.recv_from(&mut buf));
            poll_once(receives.as_mut()).await;
            std::net::UdpSocket::bind("127.0.0.1:0").unwrap().send_to(b"x", address).unwrap();
            task::sleep(Duration::from_secs(100)).await;
        }));
    });
}

#[test]
fn exit_beside_a_runtime_that_is_being_ended_ends_the_process() {
    assert_exits(|| {
        let runtime = Builder::new().workers(1).build().unwrap();
        let (begin, begun) = mpsc::channel();
        drop(runtime.spawn(async move {
            begin.send(()).unwrap();
            task::block_on(pending::<()>());
        }));
        begun.recv().unwrap();
        drop(thread::spawn(move || drop(runtime)));
        task::block_on(async { task::spawn_local(async { exit(CODE) }).await });
    });
}

/// Uses every part of the API when it is dropped, and records the results.
struct UsesAll(mpsc::Sender<Used>);

#[derive(Debug, PartialEq)]
struct Used {
    block_on: u8,
    spawned: u8,
    is_local_cancelled: bool,
    has_socket: bool,
    is_sleep_pending: bool,
}

impl Drop for UsesAll {
    fn drop(&mut self) {
        let mut sleep = Box::pin(task::sleep(Duration::from_secs(100)));
        let is_pending = sleep.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending();
        let local = task::spawn_local(pending::<()>());
        let socket = task::block_on(async {
            task::sleep(Duration::from_millis(1)).await;
            UdpSocket::bind("127.0.0.1:0").await
        });
        let used = Used {
            block_on: task::block_on(async {
                task::yield_now().await;
                1
            }),
            spawned: task::block_on(task::spawn(async { 2 })),
            is_local_cancelled: task::block_on(local.cancel()).is_none(),
            has_socket: socket.is_ok(),
            is_sleep_pending: is_pending,
        };
        let _ = self.0.send(used);
    }
}

thread_local!(static EARLY: RefCell<Option<UsesAll>> = const { RefCell::new(None) });
thread_local!(static LATE: RefCell<Option<UsesAll>> = const { RefCell::new(None) });

#[test]
fn destructors_of_thread_locals_use_the_runtime_in_any_order() {
    let (sender, receiver) = mpsc::channel();
    let thread = thread::spawn(move || {
        // One is destroyed after the runtime's own thread-locals, the other before them.
        EARLY.with(|slot| *slot.borrow_mut() = Some(UsesAll(sender.clone())));
        task::block_on(async {
            drop(task::spawn_local(pending::<()>()));
            task::sleep(Duration::from_millis(1)).await;
            LATE.with(|slot| *slot.borrow_mut() = Some(UsesAll(sender)));
        });
    });
    thread.join().unwrap();
    let all: Vec<_> = receiver.iter().collect();
    let used = || Used {
        block_on: 1,
        spawned: 2,
        is_local_cancelled: true,
        has_socket: true,
        is_sleep_pending: true,
    };
    assert_eq!(all, [used(), used()]);
}

#[test]
fn a_thread_local_of_a_worker_may_wait_for_a_task_of_the_runtime_that_ends() {
    struct Waits(Option<task::JoinHandle<()>>, mpsc::Sender<bool>);

    impl Drop for Waits {
        fn drop(&mut self) {
            if let Some(handle) = self.0.take() {
                let _ = self.1.send(task::block_on(handle.result()).is_err());
            }
        }
    }

    thread_local!(static WAITS: RefCell<Option<Waits>> = const { RefCell::new(None) });

    let (sender, receiver) = mpsc::channel();
    let runtime = Builder::new().workers(1).build().unwrap();
    runtime.block_on(runtime.spawn(async move {
        let endless = task::spawn(pending::<()>());
        WAITS.with(|slot| *slot.borrow_mut() = Some(Waits(Some(endless), sender)));
    }));
    drop(runtime);
    assert_eq!(receiver.recv(), Ok(true), "the task was cancelled");
}

#[test]
fn a_sleep_polled_by_a_destructor_during_exit_finds_its_thread_in_memory() {
    struct Polls(Pin<Box<dyn Future<Output = ()>>>);

    impl Drop for Polls {
        fn drop(&mut self) {
            let polled = self.0.as_mut().poll(&mut Context::from_waker(Waker::noop()));
            assert!(matches!(polled, Poll::Pending));
        }
    }

    thread_local!(static POLLS: RefCell<Option<Polls>> = const { RefCell::new(None) });

    assert_exits(|| {
        let sleep = Box::pin(task::sleep(Duration::from_secs(100)));
        // Created before the runtime's own thread-locals, so it is destroyed after them.
        POLLS.with(|slot| *slot.borrow_mut() = Some(Polls(sleep)));
        let thread = thread::spawn(|| {
            let sleep = Box::pin(task::sleep(Duration::from_secs(100)));
            POLLS.with(|slot| *slot.borrow_mut() = Some(Polls(sleep)));
            task::block_on(async {
                task::sleep(Duration::from_millis(1)).await;
                exit(CODE)
            })
        });
        let _ = thread.join();
    });
}

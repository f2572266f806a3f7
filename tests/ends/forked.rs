//! A child process made by `fork`, which has one thread of its parent and no runtime.

use std::time::Duration;

use reveille::net::{TcpListener, TcpStream, UdpSocket};
use reveille::prelude::*;
use reveille::runtime::{Builder, Handle};
use reveille::{fs, task};
use reveille_tests::{child, test_name};

/// Runs `body` in a child process. Returns its exit code, or minus the number of the signal that
/// ended it. The code is 0 if `body` returned true.
fn in_child(body: impl FnOnce() -> bool) -> i32 {
    let id = fork();
    if id == 0 {
        let ran = std::panic::catch_unwind(std::panic::AssertUnwindSafe(body));
        end_child(ran.unwrap_or(false));
    }
    wait_for(id)
}

/// Returns 0 in the child, which ends after a minute at the latest, and its number in the parent.
fn fork() -> libc::pid_t {
    // SAFETY: violated on purpose: after a fork in a program with threads, the child may only make
    // some calls. The tests show what works in the child nevertheless.
    let id = unsafe { libc::fork() };
    assert!(id >= 0, "{}", std::io::Error::last_os_error());
    if id == 0 {
        // SAFETY: the call takes a number.
        unsafe { libc::alarm(60) };
    }
    id
}

/// Ends the child that calls this, without the parent's destructors.
fn end_child(is_good: bool) -> ! {
    // SAFETY: the call takes a number.
    unsafe { libc::_exit(if is_good { 0 } else { 1 }) }
}

/// Returns the exit code of a child, or minus the number of the signal that ended it.
fn wait_for(id: libc::pid_t) -> i32 {
    let mut status = 0;
    // SAFETY: the status outlives the call.
    assert_eq!(unsafe { libc::waitpid(id, &mut status, 0) }, id);
    if libc::WIFSIGNALED(status) { -libc::WTERMSIG(status) } else { libc::WEXITSTATUS(status) }
}

/// Uses every feature of a runtime.
async fn use_all() -> bool {
    let spawned = task::spawn(async {
        task::sleep(Duration::from_millis(1)).await;
        fs::read("/proc/self/maps").await.is_ok()
    });
    let local = task::spawn_local(async {
        task::yield_now().await;
        true
    });
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let client = TcpStream::connect(listener.local_addr().unwrap());
    let (mut client, (mut server, _)) = client.try_join(listener.accept()).await.unwrap();
    let writes = task::spawn(async move { server.write_all(b"hello").await.is_ok() });
    let mut text = String::new();
    client.read_to_string(&mut text).await.unwrap();
    text == "hello"
        && writes.await
        && spawned.await
        && local.await
        && task::spawn_blocking(|| true).await
}

/// Runs the test `name` in a process of its own, where the global runtime and this thread's driver
/// are in use.
fn alone(name: &str) -> bool {
    if child::has_run(name) {
        return false;
    }
    assert!(task::block_on(use_all()));
    assert!(task::block_on(task::spawn(async { true })));
    true
}

/// The runtime of the parent still works.
fn assert_unharmed() {
    assert!(task::block_on(use_all()));
}

#[test]
fn a_child_has_a_runtime_of_its_own() {
    if alone(test_name!()) {
        assert_eq!(in_child(|| task::block_on(use_all())), 0);
        assert_eq!(in_child(|| task::block_on(task::spawn(async { true }))), 0);
        assert_eq!(in_child(|| task::block_on(task::spawn_blocking(|| true))), 0);
        let on_thread = || std::thread::spawn(|| task::block_on(use_all())).join().unwrap();
        assert_eq!(in_child(on_thread), 0);
        let with_builder = || {
            let runtime = Builder::new().workers(2).build().unwrap();
            runtime.block_on(use_all()) && runtime.shutdown(Duration::MAX).is_complete()
        };
        assert_eq!(in_child(with_builder), 0);
        assert_unharmed();
    }
}

#[test]
fn a_forked_child_of_a_forked_child_has_a_runtime_of_its_own() {
    if alone(test_name!()) {
        let twice = || task::block_on(use_all()) && in_child(|| task::block_on(use_all())) == 0;
        assert_eq!(in_child(twice), 0);
        assert_unharmed();
    }
}

#[test]
fn a_program_may_fork_in_block_on_and_continue_in_the_child() {
    if alone(test_name!()) {
        task::block_on(async {
            let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
            let address = socket.local_addr().unwrap();
            let mut buf = [0; 8];
            // The socket is registered with the driver of this thread, which is the parent's.
            let mut receives = Box::pin(socket.recv_from(&mut buf));
            assert!(futures_lite::future::poll_once(&mut receives).await.is_none());
            let id = fork();
            if id == 0 {
                let sends = task::spawn(async move {
                    let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
                    socket.send_to(b"child", address).await.unwrap();
                });
                let (count, _) = receives.await.unwrap();
                sends.await;
                end_child(count == 5 && use_all().await);
            }
            assert_eq!(task::spawn_blocking(move || wait_for(id)).await, 0);
            // The child has dropped its copy of the socket. The parent still receives events.
            let sender = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
            sender.send_to(b"x", address).unwrap();
            assert_eq!(receives.await.unwrap().0, 1);
        });
        assert_unharmed();
    }
}

#[test]
fn a_child_that_drops_sockets_takes_no_events_from_its_parent() {
    if alone(test_name!()) {
        task::block_on(async {
            let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
            let address = socket.local_addr().unwrap();
            let mut buf = [0; 8];
            {
                let mut receives = Box::pin(socket.recv_from(&mut buf));
                assert!(futures_lite::future::poll_once(&mut receives).await.is_none());
            }
            let mut socket = Some(socket);
            let dropped = in_child(|| {
                drop(socket.take());
                true
            });
            assert_eq!(dropped, 0);
            let sender = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
            let socket = socket.take().unwrap();
            let mut receives = Box::pin(socket.recv_from(&mut buf));
            assert!(futures_lite::future::poll_once(&mut receives).await.is_none());
            sender.send_to(b"x", address).unwrap();
            assert_eq!(receives.await.unwrap().0, 1);
        });
    }
}

#[test]
fn runtimes_of_the_parent_have_ended_in_the_child() {
    if alone(test_name!()) {
        let mut runtime = Some(Builder::new().workers(1).build().unwrap());
        let handle = runtime.as_ref().unwrap().handle();
        let global = Handle::current();
        let ended = in_child(|| {
            let is_cancelled = |handle: &Handle| {
                task::block_on(handle.spawn(async {}).result()).is_err() && !handle.is_running()
            };
            let are_cancelled = is_cancelled(&handle) && is_cancelled(&global);
            drop(runtime.take());
            are_cancelled && Handle::current().is_running()
        });
        assert_eq!(ended, 0);
        let runtime = runtime.take().unwrap();
        assert!(runtime.block_on(runtime.spawn(async { true })));
        assert!(runtime.shutdown(Duration::MAX).is_complete());
        assert_unharmed();
    }
}

#[test]
fn a_child_of_a_task_or_a_closure_works_until_it_returns_there() {
    if alone(test_name!()) {
        let in_task = async { in_child(|| task::block_on(use_all())) };
        assert_eq!(task::block_on(task::spawn(in_task)), 0);
        let in_closure = || in_child(|| task::block_on(use_all()));
        assert_eq!(task::block_on(task::spawn_blocking(in_closure)), 0);

        // The poll returns in the child, which would then run copies of the parent's tasks.
        let returns = || {
            let id = fork();
            // The runtime ends the child.
            if id == 0 { 0 } else { wait_for(id) }
        };
        let ended = task::block_on(task::spawn(async move { returns() }));
        assert_eq!(ended, -libc::SIGABRT);
        assert_eq!(task::block_on(task::spawn_blocking(returns)), -libc::SIGABRT);
        assert_unharmed();
    }
}

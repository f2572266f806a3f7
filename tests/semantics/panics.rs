//! Point 4: how panics propagate.

use std::panic::{AssertUnwindSafe, catch_unwind, panic_any};
use std::sync::mpsc;

use async_std::task::{self, block_on};
use reveille_tests::child::passes_in_own_process;

/// A payload that is not text.
#[derive(Debug, PartialEq)]
struct Payload(u32);

fn payload_of<T>(run: impl FnOnce() -> T) -> Payload {
    match catch_unwind(AssertUnwindSafe(run)) {
        Ok(_) => panic!("it did not panic"),
        Err(payload) => *payload.downcast().expect("the payload is the one that was panicked with"),
    }
}

#[test]
fn point_04_payload_arrives_at_the_awaiter() {
    let payload = payload_of(|| {
        block_on(async {
            let task = task::spawn(async {
                task::yield_now().await;
                panic_any(Payload(1));
            });
            task.await
        })
    });
    assert_eq!(payload, Payload(1));
}

#[test]
fn point_04_payload_of_a_local_task_arrives_at_the_awaiter() {
    let payload =
        payload_of(|| block_on(async { task::spawn_local(async { panic_any(Payload(2)) }).await }));
    assert_eq!(payload, Payload(2));
}

#[test]
fn point_04_payload_of_a_blocking_closure_arrives_at_the_awaiter() {
    let payload = payload_of(|| block_on(task::spawn_blocking(|| panic_any(Payload(3)))));
    assert_eq!(payload, Payload(3));
    assert_eq!(block_on(task::spawn_blocking(|| 4)), 4, "the pool is alive");
}

#[test]
fn point_04_block_on_panics_on_the_caller() {
    let thread = std::thread::current().id();
    let payload = payload_of(|| {
        block_on(async move {
            assert_eq!(std::thread::current().id(), thread);
            panic_any(Payload(5));
        });
    });
    assert_eq!(payload, Payload(5));
    assert_eq!(block_on(async { 6 }), 6, "the thread can block again");
}

/// Many more tasks panic than there are workers.
#[test]
fn point_04_detached_panics_are_swallowed_and_workers_survive() {
    struct Dropped(mpsc::Sender<()>);
    impl Drop for Dropped {
        fn drop(&mut self) {
            let _ = self.0.send(());
        }
    }
    passes_in_own_process(&[("ASYNC_STD_THREAD_COUNT", "2")], || {
        let (sender, receiver) = mpsc::channel();
        for _ in 0..50 {
            let dropped = Dropped(sender.clone());
            drop(task::spawn(async {
                let _dropped = dropped;
                panic!("detached, on purpose");
            }));
        }
        for _ in 0..50 {
            receiver.recv().unwrap();
        }
        assert_eq!(block_on(task::spawn(async { 7 })), 7);
    });
}

/// A panic in the destructor of a task-local ends the process, in whichever kind of task.
mod destructors {
    #[cfg(unix)]
    use std::os::unix::process::ExitStatusExt as _;
    use std::process::{ExitStatus, Stdio};

    use reveille_tests::child::in_own_process;

    use super::*;

    struct Bomb;

    impl Drop for Bomb {
        fn drop(&mut self) {
            panic!("in the destructor of a task-local, on purpose");
        }
    }

    async_std::task_local! {
        static BOMB: Bomb = Bomb;
    }

    #[cfg(unix)]
    fn is_abort(status: ExitStatus) -> bool {
        const SIGABRT: i32 = 6;
        status.signal() == Some(SIGABRT)
    }

    #[cfg(windows)]
    fn is_abort(status: ExitStatus) -> bool {
        /// The code of a process that ends itself at once (`__fastfail`).
        const STATUS_STACK_BUFFER_OVERRUN: u32 = 0xc000_0409;
        status.code() == Some(STATUS_STACK_BUFFER_OVERRUN.cast_signed())
    }

    #[test]
    fn point_04_panic_of_a_task_local_in_block_on_aborts() {
        let finished = in_own_process(|_| Stdio::null(), || block_on(async { BOMB.with(|_| ()) }));
        if let Some(finished) = finished {
            assert!(is_abort(finished.status), "{}: {}", finished.status, finished.stderr);
        }
    }

    #[test]
    fn point_04_panic_of_a_task_local_in_a_task_aborts() {
        let finished = in_own_process(
            |_| Stdio::null(),
            || block_on(task::spawn(async { BOMB.with(|_| ()) })),
        );
        if let Some(finished) = finished {
            assert!(is_abort(finished.status), "{}: {}", finished.status, finished.stderr);
        }
    }
}

//! Panics that were lost, or that ended more than their own task.

use std::panic::{AssertUnwindSafe, catch_unwind, panic_any};
use std::process::Stdio;
use std::sync::mpsc;

use async_std::task::{self, block_on};
use reveille::runtime::{Builder, UnhandledPanic};
use reveille_tests::child::{in_own_process, passes_in_own_process};

#[test]
fn fault_local_tasks_run_again_after_a_block_on_that_panicked() {
    let (go, gate) = async_std::channel::bounded::<()>(1);
    let task = task::spawn_local(async move {
        gate.recv().await.unwrap();
        "ran"
    });
    block_on(task::yield_now());
    for _ in 0..3 {
        let panicked = catch_unwind(AssertUnwindSafe(|| {
            block_on(async {
                task::yield_now().await;
                panic!("on purpose");
            });
        }));
        assert!(panicked.is_err());
    }
    go.try_send(()).unwrap();
    assert_eq!(block_on(task), "ran");
}

#[test]
fn fault_1052_a_hook_receives_panics_that_are_not_awaited() {
    let (sender, told) = mpsc::channel();
    let runtime = Builder::new()
        .workers(1)
        .on_unhandled_panic(move |panic| {
            let message = panic.message().unwrap_or_default().to_owned();
            sender.send((message, panic.spawned_at.map(|place| place.file()))).unwrap();
        })
        .build()
        .unwrap();
    drop(runtime.spawn(async { panic!("on purpose") }));
    let (message, file) = told.recv().unwrap();
    assert_eq!(message, "on purpose");
    assert_eq!(file, Some(file!()));
}

#[test]
fn fault_1052_an_awaiter_may_ask_for_the_panic_instead_of_sharing_it() {
    let error = block_on(task::spawn(async { panic!("on purpose") }).result()).unwrap_err();
    assert!(error.is_panic());
    let payload = error.into_panic();
    assert_eq!(payload.downcast_ref::<&str>(), Some(&"on purpose"));
}

#[test]
fn fault_1052_the_global_runtime_may_have_such_a_hook() {
    passes_in_own_process(&[], || {
        let (sender, told) = mpsc::channel();
        let hook = move |panic: &UnhandledPanic<'_>| {
            sender.send(panic.message().map(str::to_owned)).unwrap();
        };
        Builder::new().workers(1).on_unhandled_panic(hook).build_global().unwrap();
        drop(task::spawn(async { panic!("on purpose") }));
        assert_eq!(told.recv().unwrap().as_deref(), Some("on purpose"));
    });
}

/// In a global runtime without a hook, a panic of a detached task is a line on standard error.
#[test]
fn fault_1052_a_panic_that_is_not_awaited_is_reported() {
    let finished = in_own_process(
        |command| {
            command.env("ASYNC_STD_THREAD_COUNT", "1");
            Stdio::null()
        },
        || {
            struct Dropped(mpsc::Sender<()>);
            impl Drop for Dropped {
                fn drop(&mut self) {
                    let _ = self.0.send(());
                }
            }
            let (sender, reported) = mpsc::channel();
            let payload = Dropped(sender);
            let builder = task::Builder::new().name("lost".to_string());
            drop(builder.spawn(async move { panic_any(payload) }));
            // The payload is dropped after the report, whichever thread makes it.
            reported.recv().unwrap();
        },
    );
    if let Some(finished) = finished {
        assert!(finished.status.success(), "{}", finished.stdout);
        let report = "panicked and nobody awaits it: <no message>";
        let line = finished.stderr.lines().find(|line| line.contains(report));
        assert!(line.is_some_and(|line| line.contains("'lost'")), "{}", finished.stderr);
    }
}

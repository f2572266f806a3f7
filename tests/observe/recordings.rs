//! Recordings that end with a runtime, with the process, on a full disk, or not at all.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::mpsc;
use std::time::Duration;

use reveille::observe::record_to;
use reveille::runtime::{Builder, Runtime};
use reveille::task;
use reveille_tests::child::{in_own_process, passes_in_own_process};
use reveille_tests::programs::Finished;
use reveille_tests::scratch::Scratch;
use reveille_trace::{Flavour, Missing, Outcome, Task, Trace};

#[cfg(target_os = "linux")]
use crate::recorder::recorded;
use crate::recorder::{named, read, spawn_named};

const VARIABLE: &str = "REVEILLE_TRACE";

#[test]
fn a_builder_records_until_the_runtime_has_ended() {
    passes_in_own_process(&[], || {
        let scratch = Scratch::new();
        let runtime = Builder::new().workers(1).record_to(&scratch.0).build().unwrap();
        let unfinished = runtime.spawn(std::future::pending::<()>());
        assert!(record_to("elsewhere").is_err_and(|error| {
            let text = error.to_string();
            error.kind() == std::io::ErrorKind::AlreadyExists && text.contains("elsewhere")
        }));
        drop(runtime);
        drop(unfinished);
        let trace = read(&scratch.0);
        assert_eq!(trace.missing, []);
        let cancelled = |task: &Task| task.ended.is_some_and(|end| end.1 == Outcome::Cancelled);
        assert!(trace.tasks.iter().any(cancelled));
        // The next one may record.
        let runtime = Builder::new().workers(1).record_to(&scratch.0).build().unwrap();
        runtime.block_on(runtime.spawn(async {}));
        drop(runtime);
        assert_eq!(read(&scratch.0).missing, []);
    });
}

/// Runs `body` in a process of its own that records to a file by the environment.
fn traced(path: &Path, body: impl FnOnce()) -> Option<Finished> {
    in_own_process(
        |command| {
            command.env(VARIABLE, path);
            Stdio::null()
        },
        body,
    )
}

#[test]
fn the_environment_records_from_the_first_task_to_the_end_of_main() {
    let scratch = Scratch::new();
    let finished = traced(&scratch.0, || {
        task::block_on(async { spawn_named("only", async {}).await });
    });
    if finished.is_some() {
        let trace = read(&scratch.0);
        assert_eq!(trace.missing, []);
        // `main` may return before the worker has recorded the end of the task that it awaited.
        assert_eq!(trace.polls_of(named(&trace, "only").0).count(), 1);
        let block_on = trace.tasks.iter().find(|task| task.flavour == Flavour::BlockOn);
        assert!(block_on.is_some_and(|task| task.spawned.is_some()));
    }
}

#[test]
fn exit_in_a_task_completes_the_file() {
    let scratch = Scratch::new();
    let finished = traced(&scratch.0, || {
        task::block_on(async { spawn_named("exits", async { std::process::exit(7) }).await });
    });
    if let Some(finished) = finished {
        assert_eq!(finished.status.code(), Some(7), "{}", finished.stderr);
        if cfg!(windows) {
            // There `exit` calls no function of the C library.
            let trace = Trace::read(&std::fs::read(&scratch.0).unwrap());
            return assert!(!trace.is_ok_and(|trace| trace.missing.is_empty()));
        }
        let trace = read(&scratch.0);
        assert_eq!(trace.missing, []);
        let (exits, task) = named(&trace, "exits");
        assert_eq!(task.ended, None);
        assert!(trace.polls_of(exits).all(|poll| !poll.is_whole));
    }
}

#[test]
fn a_process_that_is_killed_leaves_a_trace_that_can_be_read() {
    let scratch = Scratch::new();
    let path = scratch.0.clone();
    let finished = traced(&path.clone(), || {
        let path = PathBuf::from(std::env::var_os(VARIABLE).unwrap());
        task::block_on(async { spawn_named("early", async {}).await });
        // The file is written while the program runs.
        let is_written = || {
            Trace::read(&std::fs::read(&path).unwrap()).is_ok_and(|trace| {
                trace
                    .tasks
                    .iter()
                    .any(|task| trace.text(task.name) == "early" && task.ended.is_some())
            })
        };
        while !is_written() {
            std::thread::sleep(Duration::from_millis(10));
        }
        std::process::abort();
    });
    if let Some(finished) = finished {
        assert!(!finished.status.success());
        let trace = read(&scratch.0);
        assert_eq!(trace.missing, [Missing::End]);
        named(&trace, "early");
    }
}

/// An output whose drop waits until the other end of the channel is gone.
struct Waits(mpsc::Receiver<()>);

impl Drop for Waits {
    fn drop(&mut self) {
        let _ = self.0.recv();
    }
}

/// Spawns a task that nobody awaits. Returns the other end, and the line of the spawn.
fn spawn_waiting() -> (mpsc::Sender<()>, u32) {
    let (sender, receiver) = mpsc::channel();
    drop(task::spawn(async { Waits(receiver) }));
    (sender, line!() - 1)
}

/// The thread has recorded nothing after the end, because it waits in the drop of the output. Then
/// it goes on, and the event after it must not say again that the task ended.
#[test]
fn an_end_that_nothing_follows_is_in_the_file_and_only_once() {
    passes_in_own_process(&[], || {
        const TASKS: usize = 200;
        let scratch = Scratch::new();
        let recording = record_to(&scratch.0).unwrap();
        let runtime = Builder::new().workers(1).build().unwrap();
        // The first ones do not wait. After them the recorder knows that polls are short.
        let (sender, line) = runtime.block_on(async {
            (0..TASKS).for_each(|_| drop(spawn_waiting()));
            spawn_waiting()
        });
        let of_line = |trace: &Trace| {
            let tasks = trace.tasks.iter().filter(|task| task.line == line);
            let tasks = tasks.map(|task| task.ended.map(|(_, outcome)| outcome));
            tasks.collect::<Vec<_>>()
        };
        let all = [Some(Outcome::Finished); TASKS + 1];
        let is_written = || {
            Trace::read(&std::fs::read(&scratch.0).unwrap())
                .is_ok_and(|trace| of_line(&trace) == all)
        };
        while !is_written() {
            runtime.block_on(task::sleep(Duration::from_millis(20)));
        }
        drop(sender);
        for _ in 0..100 {
            runtime.block_on(async { task::spawn(async {}).await });
        }
        recording.finish().unwrap();
        let trace = read(&scratch.0);
        assert_eq!(trace.missing, []);
        assert_eq!(of_line(&trace), all);
        assert!(trace.tasks.iter().all(|task| task.spawned.is_some()), "{:?}", trace.tasks);
    });
}

#[test]
fn a_variable_with_an_unknown_value_is_reported() {
    let finished = in_own_process(
        |command| {
            command.env("REVEILLE_DUMP", "true").env("REVEILLE_BATCHED_READS", "0");
            Stdio::null()
        },
        || task::block_on(task::spawn(async {})),
    );
    if let Some(finished) = finished {
        assert!(finished.status.success(), "{}", finished.stderr);
        let said = "reveille: REVEILLE_DUMP must be `1` or `threads`, but is \"true\": it has no";
        assert!(finished.stderr.contains(said), "{}", finished.stderr);
        assert!(!finished.stderr.contains("BATCHED"), "{}", finished.stderr);
    }
}

#[test]
fn a_file_that_cannot_be_made_is_named_and_the_program_runs() {
    let finished = traced(Path::new("/nowhere/x.rvt"), || {
        let runtime = Runtime::start().unwrap();
        assert_eq!(runtime.block_on(runtime.spawn(async { 7 })), 7);
        let error = Builder::new().record_to("/nowhere/y.rvt").build().unwrap_err();
        assert!(error.to_string().starts_with("could not record to `/nowhere/y.rvt`: "), "{error}");
        assert_eq!(error.kind(), std::io::ErrorKind::NotFound);
    });
    if let Some(finished) = finished {
        assert!(finished.status.success(), "{}", finished.stderr);
        let line = "reveille: REVEILLE_TRACE: could not record to `/nowhere/x.rvt`: ";
        assert!(finished.stderr.contains(line), "{}", finished.stderr);
    }
}

// Not on Windows: a lock would keep readers out too, so there is none.
#[cfg(not(windows))]
#[test]
fn a_file_that_another_process_records_to_is_left_alone() {
    let scratch = Scratch::new();
    std::fs::write(&scratch.0, "of the other process").unwrap();
    let file = std::fs::File::options().write(true).open(&scratch.0).unwrap();
    file.lock().unwrap();
    let finished = traced(&scratch.0, || task::block_on(task::spawn(async {})));
    if let Some(finished) = finished {
        assert!(finished.status.success(), "{}", finished.stderr);
        let why = "another process writes it: `%p` in the name of the file stands for the number";
        assert!(finished.stderr.contains(why), "{}", finished.stderr);
        assert_eq!(std::fs::read(&scratch.0).unwrap(), b"of the other process");
    }
}

// Only on Linux: /dev/full.
#[cfg(target_os = "linux")]
#[test]
fn a_full_disk_ends_the_recording_and_not_the_program() {
    let finished = in_own_process(
        |_| Stdio::null(),
        || {
            let recording = record_to("/dev/full").unwrap();
            let runtime = Runtime::start().unwrap();
            for _ in 0..10_000 {
                runtime.block_on(runtime.spawn(async {}));
            }
            let error = recording.finish().unwrap_err();
            assert_eq!(error.kind(), std::io::ErrorKind::StorageFull);
            assert!(error.to_string().contains("the trace `/dev/full` is cut off: "), "{error}");
        },
    );
    if let Some(finished) = finished {
        assert!(finished.status.success(), "{}", finished.stderr);
    }
}

// Only on Linux: it forks.
#[cfg(target_os = "linux")]
#[test]
#[expect(unsafe_code, reason = "fork")]
fn a_child_made_by_fork_does_not_write_to_its_parents_file() {
    passes_in_own_process(&[], || {
        let trace = recorded(|| {
            task::block_on(async { spawn_named("parent", async {}).await });
            // SAFETY: this test has the process for itself, and the child ends with `_exit`.
            let child = unsafe { libc::fork() };
            if child == 0 {
                task::block_on(async { spawn_named("child", async {}).await });
                // SAFETY: it ends the process.
                unsafe { libc::_exit(if record_to("/nowhere/x").is_err() { 0 } else { 1 }) };
            }
            let mut status = 0;
            // SAFETY: the status is valid for the call.
            assert_eq!(unsafe { libc::waitpid(child, &mut status, 0) }, child);
            assert_eq!(status, 0);
            task::block_on(async { spawn_named("later", async {}).await });
        });
        named(&trace, "parent");
        named(&trace, "later");
        assert!(trace.tasks.iter().all(|task| trace.text(task.name) != "child"));
    });
}

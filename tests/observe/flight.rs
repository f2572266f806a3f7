//! Flight recorders: what a snapshot contains, and its triggers.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use reveille::channel;
use reveille::observe::{self, FlightRecorder};
use reveille::runtime::Builder;
use reveille::task;
use reveille_tests::child::{in_own_process, passes_in_own_process};
#[cfg(unix)]
use reveille_tests::programs::{build_with_abort, through_runner};
use reveille_tests::scratch::Scratch;
use reveille_trace::{LintFound, LintRule, Missing, NO_INDEX, Trace};

use crate::recorder::{named, spawn_named};

/// A flight recorder for the tests, which keeps everything.
fn flight() -> FlightRecorder {
    FlightRecorder::new().window(Duration::from_secs(3_600))
}

#[test]
fn a_snapshot_has_what_happened_and_the_await_stacks_of_the_tasks_that_wait() {
    passes_in_own_process(&[], || {
        let runtime = Builder::new().workers(2).build().unwrap();
        let recorder = flight().start().unwrap();
        let (sender, receiver) = channel::bounded::<()>(1);
        runtime.block_on(async {
            spawn_named("done", async {}).await;
            spawn_named("waits", async move { receiver.recv().await });
        });
        let waits = |trace: &Trace| -> bool {
            let (index, _) = named(trace, "waits");
            let [snapshot] = &trace.snapshots[..] else { panic!("{:?}", trace.snapshots) };
            let live = snapshot.tasks.iter().find(|live| live.task == index);
            live.is_some_and(|live| live.stack != NO_INDEX)
        };
        // The task may not have been polled yet.
        let trace = loop {
            let trace = Trace::read(&recorder.snapshot().unwrap()).unwrap();
            assert_eq!(trace.missing, []);
            if waits(&trace) {
                break trace;
            }
        };
        assert_eq!(trace.polls_of(named(&trace, "done").0).count(), 1);
        let (waiting, task) = named(&trace, "waits");
        assert!(task.spawned.is_some());
        let stack = trace.waits_of(waiting).last().unwrap().stack;
        let frames = &trace.stacks[stack as usize].frames;
        assert!(frames.iter().any(|frame| trace.text(frame.file).ends_with("observe/flight.rs")));
        drop(sender);
        // The recording continues, and nothing was recorded twice.
        let second = Trace::read(&recorder.snapshot().unwrap()).unwrap();
        assert_eq!(second.polls_of(named(&second, "done").0).count(), 1);
    });
}

#[test]
fn a_flight_recorder_keeps_the_newest_events_in_its_memory() {
    passes_in_own_process(&[], || {
        const CHUNK_BYTES: usize = 32 * 1024;
        let runtime = Builder::new().workers(1).build().unwrap();
        let recorder = flight().memory(2 * CHUNK_BYTES).start().unwrap();
        runtime.block_on(async {
            spawn_named("first", async {}).await;
            for _ in 0..10_000 {
                task::spawn(async {}).await;
            }
            spawn_named("last", async {}).await;
        });
        let file = recorder.snapshot().unwrap();
        let trace = Trace::read(&file).unwrap();
        named(&trace, "last");
        assert!(trace.tasks.iter().all(|task| trace.text(task.name) != "first"));
        assert!(trace.missing.iter().any(|one| matches!(one, Missing::Overwritten { .. })));
        assert!(file.len() < 12 * CHUNK_BYTES, "{}", file.len());
    });
}

#[test]
fn a_snapshot_is_taken_while_the_worker_is_blocked() {
    passes_in_own_process(&[], || {
        let runtime = Builder::new().workers(1).max_spare_threads(0).build().unwrap();
        let recorder = flight().start().unwrap();
        let (begin, begun) = std::sync::mpsc::channel();
        let (let_go, held) = std::sync::mpsc::channel::<()>();
        let stuck = runtime.block_on(async {
            spawn_named("stuck", async move {
                begin.send(()).unwrap();
                let _ = held.recv();
            })
        });
        begun.recv().unwrap();
        let trace = Trace::read(&recorder.snapshot().unwrap()).unwrap();
        let (index, _) = named(&trace, "stuck");
        let polls: Vec<_> = trace.polls_of(index).collect();
        assert_eq!(polls.len(), 1);
        assert!(!polls[0].is_whole, "it goes on");
        drop(let_go);
        runtime.block_on(stuck);
    });
}

/// The variable with the folder for the snapshots of a test's process.
const FOLDER: &str = "REVEILLE_TEST_FOLDER";

/// Makes the folder for the snapshots, and tells the process of a test where it is. That process
/// may end without removing anything, so it makes no folder itself.
fn tell(command: &mut Command, folder: &Scratch) -> Stdio {
    std::fs::create_dir(&folder.0).unwrap();
    command.env(FOLDER, &folder.0);
    Stdio::null()
}

/// The folder that [`tell`] has told.
fn told_folder() -> PathBuf {
    std::env::var_os(FOLDER).expect("the test has told it").into()
}

/// The snapshots in a folder that lack nothing.
fn complete_traces(folder: &Path) -> impl Iterator<Item = Trace> {
    std::fs::read_dir(folder).unwrap().filter_map(|file| {
        let file = std::fs::read(file.unwrap().path()).unwrap();
        Trace::read(&file).ok().filter(|trace| trace.missing.is_empty())
    })
}

#[test]
fn signals_panics_and_lints_write_snapshots() {
    let folder = Scratch::new();
    let finished = in_own_process(
        |command| tell(command, &folder),
        || {
            let folder = told_folder();
            let missing = FlightRecorder::new().folder("/nowhere").on_panic().start();
            assert!(missing.unwrap_err().to_string().contains("/nowhere"));
            assert!(observe::snapshot_to("/nowhere/x").is_err(), "there is no recorder");
            let recorder = flight().folder(&folder).on_panic().on_lint();
            // Windows has no signals.
            #[cfg(unix)]
            let recorder = recorder.on_signal(rustix::process::Signal::USR2.as_raw());
            let runtime = Builder::new().workers(1).flight_recorder(recorder).build().unwrap();
            // Waits for a complete snapshot of which `is_it` is true.
            let wait_for = |is_it: &dyn Fn(&Trace) -> bool| loop {
                if complete_traces(&folder).any(|trace| is_it(&trace)) {
                    return;
                }
                std::thread::sleep(Duration::from_millis(5));
            };
            let has = |trace: &Trace, name: &str| {
                trace.tasks.iter().any(|task| trace.text(task.name) == name)
            };
            let panics = async { panic!("on purpose") };
            let _: Result<(), _> =
                runtime.block_on(async { spawn_named("panics", panics).result().await });
            wait_for(&|trace| has(trace, "panics"));
            runtime.block_on(async { spawn_named("then", async {}).await });
            #[cfg(unix)]
            {
                use rustix::process::{Signal, getpid, kill_process};

                kill_process(getpid(), Signal::USR2).unwrap();
                wait_for(&|trace| has(trace, "then"));
            }
            let huge = [0_u8; 20_000];
            runtime.block_on(runtime.spawn(async move {
                task::yield_now().await;
                std::hint::black_box(&huge);
            }));
            let is_huge = |lint: &LintFound| lint.rule == LintRule::HugeFuture;
            wait_for(&|trace| trace.lints.iter().any(is_huge));
            observe::snapshot_to(folder.join("asked-%p.rvt")).unwrap();
            drop(runtime);
            assert!(observe::snapshot_to(folder.join("late.rvt")).is_err());
        },
    );
    if let Some(finished) = finished {
        assert!(finished.status.success(), "{}", finished.stderr);
        let path = folder.0.join("reveille-");
        let line = format!("snapshot of what happened last: {}", path.display());
        assert!(finished.stderr.contains(&line), "{}", finished.stderr);
        std::fs::remove_dir_all(&folder.0).unwrap();
    }
}

/// The panic of this function calls the hooks, and then aborts the process without unwinding, as
/// each panic does with `panic = "abort"`.
extern "C" fn panics_without_unwinding() {
    panic!("on purpose");
}

/// A program for `panic = "abort"`. Its argument is the folder of the snapshots.
#[cfg(unix)]
const ABORTS: &str = r#"
use reveille::observe::FlightRecorder;

fn main() {
    assert!(cfg!(panic = "abort"));
    let folder = std::env::args_os().nth(1).unwrap();
    let recorder = FlightRecorder::new().folder(folder).on_panic();
    let builder = reveille::runtime::Builder::new().workers(1).flight_recorder(recorder);
    builder.build().unwrap().block_on(async {
        let builder = reveille::task::Builder::new().name("aborts".to_owned());
        builder.spawn(async { panic!("on purpose") }).unwrap().await
    });
}
"#;

// Only on Unix: it builds a program with cargo, and asks for the signal that ended it.
#[cfg(unix)]
#[test]
fn a_program_built_with_panic_abort_leaves_a_snapshot_that_can_be_read() {
    use std::os::unix::process::ExitStatusExt;

    let folder = Scratch::new();
    std::fs::create_dir(&folder.0).unwrap();
    let Some(program) = build_with_abort(ABORTS, &folder.0) else {
        std::fs::remove_dir_all(&folder.0).unwrap();
        return eprintln!("NOT TESTED: there is no cargo for this system");
    };
    let snapshots = folder.0.join("snapshots");
    std::fs::create_dir(&snapshots).unwrap();
    let output = through_runner(&program).arg(&snapshots).output().unwrap();
    let text = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.signal().is_some() || output.status.code() == Some(134), "{text}");
    assert!(text.contains("snapshot of what happened last: "), "{text}");
    let trace = complete_traces(&snapshots).next().expect("a snapshot is complete");
    let (index, _) = named(&trace, "aborts");
    let polls: Vec<_> = trace.polls_of(index).collect();
    assert!(polls.len() == 1 && !polls[0].is_whole, "the poll that aborts: {polls:?}");
    std::fs::remove_dir_all(&folder.0).unwrap();
}

#[test]
fn a_panic_that_aborts_the_process_leaves_a_snapshot_that_can_be_read() {
    let folder = Scratch::new();
    let finished = in_own_process(
        |command| tell(command, &folder),
        || {
            let recorder = flight().folder(told_folder()).on_panic();
            let runtime = Builder::new().workers(1).flight_recorder(recorder).build().unwrap();
            runtime.block_on(async {
                spawn_named("before", async {}).await;
                spawn_named("aborts", async { panics_without_unwinding() }).await;
            });
        },
    );
    if let Some(finished) = finished {
        assert!(!finished.status.success(), "{}", finished.stderr);
        let trace = complete_traces(&folder.0).next().expect("a snapshot is complete");
        named(&trace, "before");
        let (index, _) = named(&trace, "aborts");
        let polls: Vec<_> = trace.polls_of(index).collect();
        assert!(polls.len() == 1 && !polls[0].is_whole, "the poll that aborts: {polls:?}");
        std::fs::remove_dir_all(&folder.0).unwrap();
    }
}

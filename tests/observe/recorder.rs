//! Recordings: a trace agrees with what the program did, and if something failed it says what is
//! missing. Each test has a process of its own, because a process makes one recording at a time.

use std::path::Path;
use std::sync::{Arc, Mutex, mpsc};
use std::time::Duration;

use reveille::channel;
use reveille::net::{TcpListener, TcpStream};
use reveille::observe::{self, LintKind, record_to};
use reveille::prelude::*;
use reveille::runtime::Builder;
use reveille::task;
use reveille_tests::child::passes_in_own_process;
use reveille_tests::scratch::Scratch;
use reveille_trace::{
    Cause, Flavour, LintRule, NO_INDEX, Outcome, Poll, Task, TaskIndex, Trace, WaitFor, Wake,
    WakeKind,
};

pub(crate) fn read(path: &Path) -> Trace {
    let file = std::fs::read(path).expect("the trace is there");
    Trace::read(&file).expect("it is a trace")
}

/// Records `program` and returns the trace, of which nothing is missing.
pub(crate) fn recorded(program: impl FnOnce()) -> Trace {
    let scratch = Scratch::new();
    let recording = record_to(&scratch.0).expect("nothing else records");
    program();
    recording.finish().expect("the disk has room");
    let trace = read(&scratch.0);
    assert_eq!(trace.missing, []);
    trace
}

/// The only task with this name.
pub(crate) fn named<'a>(trace: &'a Trace, name: &str) -> (TaskIndex, &'a Task) {
    let is_it = |task: &&Task| trace.text(task.name) == name;
    assert_eq!(trace.tasks.iter().filter(is_it).count(), 1, "{name}");
    let index = trace.tasks.iter().position(|task| is_it(&task)).unwrap();
    (index as TaskIndex, &trace.tasks[index])
}

pub(crate) fn spawn_named<F>(name: &str, future: F) -> task::JoinHandle<F::Output>
where
    F: Future + Send + 'static,
    F::Output: Send + 'static,
{
    task::Builder::new().name(name.to_owned()).spawn(future).unwrap()
}

/// The wakes that queued a task.
fn wakes_of(trace: &Trace, task: TaskIndex) -> Vec<&Wake> {
    let is_it = |wake: &&Wake| wake.task == task && wake.kind == WakeKind::Queued;
    trace.wakes.iter().filter(is_it).collect()
}

async fn yield_times(count: usize) {
    for _ in 0..count {
        task::yield_now().await;
    }
}

#[test]
fn spawns_polls_and_ends_are_counted_as_the_program_counts_them() {
    passes_in_own_process(&[], || {
        let (mut polls, mut before) = (0, 0);
        let trace = recorded(|| {
            let runtime = Builder::new().workers(2).build().unwrap();
            before = runtime.metrics().polls;
            runtime.block_on(async {
                let yielding = (0..100).map(|count| task::spawn(yield_times(count)));
                for task in yielding.collect::<Vec<_>>() {
                    task.await;
                }
            });
            polls = runtime.metrics().polls;
        });
        assert_eq!(before, 0);
        let pool: Vec<_> =
            trace.tasks.iter().filter(|task| task.flavour == Flavour::Pool).collect();
        assert_eq!(pool.len(), 100);
        assert!(pool.iter().all(|task| task.spawned.is_some()));
        assert!(pool.iter().all(|task| task.ended.is_some_and(|end| end.1 == Outcome::Finished)));
        let is_pool = |task: TaskIndex| trace.tasks[task as usize].flavour == Flavour::Pool;
        let recorded = trace.polls.iter().filter(|poll| is_pool(poll.task));
        assert_eq!(recorded.count() as u64, polls);
        assert!(trace.polls.iter().all(|poll| poll.is_whole));
        // A task that yields is woken inside its own poll.
        let again = |wake: &&Wake| wake.kind == WakeKind::Again && is_pool(wake.task);
        assert_eq!(trace.wakes.iter().filter(again).count(), (0..100).sum::<usize>());
        let by_itself = |wake: &Wake| wake.cause == Cause::Task(wake.task);
        assert!(trace.wakes.iter().filter(again).all(by_itself));
    });
}

#[test]
fn the_end_of_a_poll_is_no_event_of_its_own_if_another_one_follows() {
    passes_in_own_process(&[], || {
        const POLLS: usize = 20_000;
        let trace = recorded(|| {
            let runtime = Builder::new().workers(1).build().unwrap();
            runtime.block_on(async {
                let both =
                    [task::spawn(yield_times(POLLS / 2)), task::spawn(yield_times(POLLS / 2))];
                for task in both {
                    task.await;
                }
            });
        });
        assert!(trace.polls.len() >= POLLS);
        assert!(trace.polls.iter().all(|poll| poll.is_whole && poll.depth == 0));
        // One for the start of a poll and one for the wake in it. At times the worker does
        // something else between two polls.
        assert!(trace.events as usize <= POLLS * 5 / 2, "{} events", trace.events);
    });
}

#[test]
fn each_wake_says_which_task_caused_it() {
    passes_in_own_process(&[], || {
        const ROUNDS: usize = 1_000;
        let trace = recorded(|| {
            let runtime = Builder::new().workers(2).build().unwrap();
            runtime.block_on(async {
                let (to_pong, balls) = channel::bounded(1);
                let (to_ping, returned) = channel::bounded(1);
                let ping = spawn_named("ping", async move {
                    for _ in 0..ROUNDS {
                        to_pong.send(()).await.unwrap();
                        returned.recv().await.unwrap();
                    }
                });
                let pong = spawn_named("pong", async move {
                    while balls.recv().await.is_ok() {
                        to_ping.send(()).await.unwrap();
                    }
                });
                ping.await;
                pong.await;
            });
        });
        let (ping, pong) = (named(&trace, "ping").0, named(&trace, "pong").0);
        for (woken, by) in [(ping, pong), (pong, ping)] {
            let wakes = wakes_of(&trace, woken);
            assert!(!wakes.is_empty());
            assert!(wakes.iter().all(|wake| wake.cause == Cause::Task(by)), "{wakes:?}");
        }
    });
}

#[test]
fn each_wake_says_which_timer_or_socket_caused_it() {
    passes_in_own_process(&[], || {
        const ROUNDS: usize = 30;
        let trace = recorded(|| {
            let runtime = Builder::new().workers(2).build().unwrap();
            runtime.block_on(async {
                let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
                let address = listener.local_addr().unwrap();
                let writer = spawn_named("writer", async move {
                    let mut stream = TcpStream::connect(address).await.unwrap();
                    for _ in 0..ROUNDS {
                        task::sleep(Duration::from_millis(1)).await;
                        stream.write_all(b"x").await.unwrap();
                    }
                });
                let reader = spawn_named("reader", async move {
                    let (mut stream, _) = listener.accept().await.unwrap();
                    for _ in 0..ROUNDS {
                        stream.read_exact(&mut [0]).await.unwrap();
                    }
                });
                writer.await;
                reader.await;
            });
        });
        // On a busy machine some bytes are there before they are awaited.
        let wakes = |name| wakes_of(&trace, named(&trace, name).0);
        let is_timer = |wake: &&Wake| matches!(wake.cause, Cause::Timer { .. });
        let is_socket = |wake: &&Wake| matches!(wake.cause, Cause::Io { .. });
        assert!(wakes("writer").iter().any(is_timer), "{:?}", wakes("writer"));
        assert!(wakes("reader").iter().any(is_socket), "{:?}", wakes("reader"));
        assert!(wakes("reader").iter().all(is_socket), "{:?}", wakes("reader"));
    });
}

#[test]
fn a_task_has_its_name_type_place_parent_and_outcome() {
    passes_in_own_process(&[], || {
        async fn parent() {
            spawn_named("child", async { 1 }).await;
        }
        let trace = recorded(|| {
            let runtime = Builder::new().workers(1).build().unwrap();
            runtime.block_on(async {
                spawn_named("parent", parent()).await;
                let lost = spawn_named("lost", async { std::panic::resume_unwind(Box::new(1)) });
                let _: Result<(), _> = lost.result().await;
                spawn_named("cancelled", std::future::pending::<()>()).cancel().await;
            });
        });
        let (parent, task) = named(&trace, "parent");
        assert!(trace.text(task.type_name).contains("parent"), "{}", trace.text(task.type_name));
        assert!(trace.text(task.file).ends_with("recorder.rs"));
        assert!(task.line > 0 && task.size > 0);
        assert_eq!(named(&trace, "child").1.parent, parent);
        let outcome = |name| named(&trace, name).1.ended.map(|(_, outcome)| outcome);
        assert_eq!(outcome("parent"), Some(Outcome::Finished));
        assert_eq!(outcome("lost"), Some(Outcome::Panicked));
        assert_eq!(outcome("cancelled"), Some(Outcome::Cancelled));
    });
}

/// Spawns tasks in groups: 99 of one kind and one of another. Returns the lines of both kinds.
async fn spawn_groups(groups: usize) -> [u32; 2] {
    for _ in 0..groups {
        let mut group = Vec::new();
        for _ in 0..99 {
            group.push(task::spawn(async {}));
        }
        group.push(task::spawn(task::yield_now()));
        for task in group {
            task.await;
        }
    }
    [line!() - 7, line!() - 5]
}

#[test]
fn tasks_that_are_alike_take_a_word_for_the_spawn_and_one_for_the_poll() {
    passes_in_own_process(&[], || {
        const GROUPS: usize = 200;
        const OTHER_BYTES: usize = 40_000;
        let scratch = Scratch::new();
        let recording = record_to(&scratch.0).unwrap();
        let runtime = Builder::new().workers(1).build().unwrap();
        let lines = runtime.block_on(async { task::spawn(spawn_groups(GROUPS)).await });
        recording.finish().unwrap();
        let trace = read(&scratch.0);
        for (line, count) in lines.into_iter().zip([99 * GROUPS, GROUPS]) {
            let of_line: Vec<_> = trace.tasks.iter().filter(|task| task.line == line).collect();
            assert_eq!(of_line.len(), count);
            for task in of_line {
                assert!(trace.text(task.file).ends_with("recorder.rs"));
                assert_eq!(task.flavour, Flavour::Pool);
                assert!(task.spawned.is_some(), "{task:?}");
                assert!(task.ended.is_some_and(|(_, outcome)| outcome == Outcome::Finished));
            }
        }
        // Of the three events, the end takes a word of its own if polls are long: then events have
        // stamps. Each other event takes up to two words, and a slow machine has more of them.
        let others = trace.events as usize - 3 * 100 * GROUPS;
        let mut polls: Vec<_> = trace.polls.iter().map(Poll::len).collect();
        polls.sort_unstable();
        let words = if polls[polls.len() / 2] < 2_000 { 2 } else { 3 };
        let ours = words * 100 * GROUPS;
        let bytes = std::fs::metadata(&scratch.0).unwrap().len() as usize;
        assert!(bytes < 8 * (ours + 2 * others) + OTHER_BYTES, "{bytes} bytes, {others} others");
    });
}

#[test]
fn local_tasks_blocking_closures_and_block_on_are_recorded() {
    passes_in_own_process(&[], || {
        let trace = recorded(|| {
            // Its end waits for the blocking thread, which records the end of the closure.
            let runtime = Builder::new().workers(1).build().unwrap();
            runtime.block_on(async {
                task::spawn_local(async { task::yield_now().await }).await;
                task::spawn_blocking(|| ()).await;
            });
        });
        for (flavour, polls) in [(Flavour::Local, 2), (Flavour::Blocking, 1)] {
            let tasks = trace.tasks.iter().enumerate();
            let found: Vec<_> = tasks.filter(|(_, task)| task.flavour == flavour).collect();
            let [(index, task)] = found[..] else { panic!("{flavour:?}: {found:?}") };
            assert!(task.spawned.is_some() && task.ended.is_some());
            assert_eq!(trace.polls_of(index as TaskIndex).count(), polls);
            // The future of the `block_on` spawned it.
            assert_eq!(trace.tasks[task.parent as usize].flavour, Flavour::BlockOn);
            // Its end woke that, unless the closure ended before it was awaited.
            let wakes = wakes_of(&trace, task.parent);
            let by_it = wakes.iter().any(|wake| wake.cause == Cause::Task(index as TaskIndex));
            assert!(by_it || flavour == Flavour::Blocking, "{wakes:?}");
        }
    });
}

#[test]
fn a_recording_that_begins_late_has_the_tasks_that_live() {
    passes_in_own_process(&[], || {
        let runtime = Builder::new().workers(1).build().unwrap();
        let (sender, receiver) = channel::bounded::<()>(1);
        let old =
            runtime.block_on(async { spawn_named("old", async move { receiver.recv().await }) });
        // Its first poll, after which it waits, is over before the recording begins.
        while runtime.metrics().polls < 1 || runtime.metrics().parked_workers < 1 {
            std::thread::yield_now();
        }
        let trace = recorded(|| {
            runtime.block_on(async {
                sender.send(()).await.unwrap();
                old.await.unwrap();
            });
        });
        let (index, task) = named(&trace, "old");
        assert_eq!(task.spawned, None);
        assert!(task.ended.is_some());
        assert_eq!(trace.polls_of(index).count(), 1);
        assert_eq!(trace.snapshots.len(), 1);
        assert_eq!(trace.snapshots[0].tasks.len(), 1);
    });
}

#[test]
fn after_a_recording_nothing_is_recorded_until_the_next_one() {
    passes_in_own_process(&[], || {
        let runtime = Builder::new().workers(1).build().unwrap();
        let run =
            |name: &'static str| runtime.block_on(async { spawn_named(name, async {}).await });
        let first = recorded(|| run("first"));
        run("between");
        let second = recorded(|| run("second"));
        let names = |trace: &Trace| -> Vec<String> {
            let names = trace.tasks.iter().map(|task| trace.text(task.name).to_owned());
            names.filter(|name| !name.is_empty()).collect()
        };
        assert_eq!(names(&first), ["first"]);
        assert_eq!(names(&second), ["second"]);
    });
}

#[test]
fn marks_and_spans_belong_to_their_task() {
    passes_in_own_process(&[], || {
        let trace = recorded(|| {
            let runtime = Builder::new().workers(1).build().unwrap();
            let user = 7;
            observe::mark!("outside");
            runtime.block_on(async move {
                spawn_named("worker", async move {
                    let _span = observe::span!("request of {user}", number = 42);
                    task::yield_now().await;
                    observe::mark!("a miss", number = 3);
                })
                .await;
            });
        });
        let (worker, _) = named(&trace, "worker");
        let marks: Vec<_> = trace
            .marks
            .iter()
            .map(|mark| (trace.text(mark.name), mark.number, mark.task))
            .collect();
        assert_eq!(marks, [("outside", 0, NO_INDEX), ("a miss", 3, worker)]);
        let [span] = trace.spans[..] else { panic!("{:?}", trace.spans) };
        assert_eq!((trace.text(span.name), span.number, span.task), ("request of 7", 42, worker));
        assert!(span.end.is_some_and(|end| end >= trace.polls_of(worker).next().unwrap().end));
    });
}

#[test]
fn the_histograms_count_each_poll_and_the_time_from_a_wake_to_a_poll() {
    passes_in_own_process(&[], || {
        let scratch = Scratch::new();
        let runtime = Builder::new().workers(1).build().unwrap();
        let recording = record_to(&scratch.0).unwrap();
        runtime.block_on(runtime.spawn(async {
            task::sleep(Duration::from_millis(1)).await;
            let end = std::time::Instant::now() + Duration::from_millis(2);
            while std::time::Instant::now() < end {}
        }));
        // The end of a task is seen before the end of its poll.
        drop(runtime);
        let polls = recording.poll_times();
        assert!(polls.quantile(1.0) >= Some(Duration::from_millis(2)), "{polls:?}");
        assert!(recording.latencies().count() >= 1);
        recording.finish().unwrap();
        // Two of the task, and those of the `block_on`, whose first may find that the task has
        // ended.
        let trace = read(&scratch.0);
        let is_tasks = |poll: &&Poll| trace.tasks[poll.task as usize].flavour == Flavour::Pool;
        assert_eq!(trace.polls.iter().filter(is_tasks).count(), 2);
        assert_eq!(polls.count(), trace.polls.len() as u64, "{polls:?}");
    });
}

#[test]
fn each_lint_has_the_task_that_it_is_about_and_its_measure() {
    passes_in_own_process(&[], || check_lints(&recorded(record_lints)));
}

fn record_lints() {
    let told = Arc::new(Mutex::new(Vec::new()));
    let hook = {
        let told = Arc::clone(&told);
        move |lint: &observe::Lint| told.lock().unwrap().push(lint.kind)
    };
    // The recording installed its hook earlier, so each lint that this hook receives is recorded.
    let builder = Builder::new().workers(1).max_blocking_threads(1).on_lint(hook);
    let runtime = builder.build().unwrap();
    let wait_for = |kind: LintKind| {
        while !told.lock().unwrap().contains(&kind) {
            std::thread::sleep(Duration::from_millis(1));
        }
    };
    runtime.block_on(async {
        let blocks = task::Builder::new().name("blocks".to_owned());
        let (go_on, may_go_on) = mpsc::channel::<()>();
        let blocks = blocks.spawn(async move { may_go_on.recv() }).unwrap();
        // Work that waits, so that the worker is taken over.
        let next = task::spawn(async {});
        wait_for(LintKind::HandedOver);
        drop(go_on);
        blocks.await.unwrap_err();
        next.await;
        drop(spawn_named("forgets", std::future::pending::<()>()));
        wait_for(LintKind::PendingWithoutWaker);
        let spawns = async {
            task::spawn(async {
                let huge = [0_u8; 20_000];
                task::yield_now().await;
                std::hint::black_box(&huge);
            })
        };
        spawn_named("spawns", spawns).await.await;
        let (go_on, may_go_on) = mpsc::channel::<()>();
        let runs = task::spawn_blocking(move || may_go_on.recv());
        let mut queued = Vec::new();
        while !told.lock().unwrap().contains(&LintKind::BlockingPoolFull) {
            queued.push(task::spawn_blocking(|| ()));
            task::sleep(Duration::from_millis(10)).await;
        }
        drop(go_on);
        runs.await.unwrap_err();
    });
}

fn check_lints(trace: &Trace) {
    let found = |rule| {
        let lint = trace.lints.iter().find(|lint| lint.rule == rule).expect("it fired");
        let name = match lint.task {
            NO_INDEX => "",
            task => trace.text(trace.tasks[task as usize].name),
        };
        (name, lint.measure)
    };
    let (long, handed_off) = (found(LintRule::LongPoll), found(LintRule::HandedOff));
    assert_eq!((long.0, handed_off.0), ("blocks", "blocks"));
    assert!(long.1 >= 3_000_000 && handed_off.1 > long.1, "{long:?} {handed_off:?} ns");
    assert_eq!(found(LintRule::NoWaker), ("forgets", 0));
    let (task, bytes) = found(LintRule::HugeFuture);
    assert_eq!(task, "spawns");
    assert!((20_000..40_000).contains(&bytes), "{bytes}");
    let (task, closures) = found(LintRule::PoolFull);
    assert_eq!(task, "");
    assert!(closures >= 1, "{closures}");
}

#[test]
fn dumps_are_in_the_file_with_the_stacks_of_tasks_and_of_a_block_on() {
    passes_in_own_process(&[], || {
        let mut dumps = 0;
        let trace = recorded(|| {
            let runtime = Builder::new().workers(2).build().unwrap();
            let (sender, receiver) = channel::bounded::<()>(1);
            let joins = runtime.block_on(async {
                let waits = spawn_named("waits", async move { receiver.recv().await });
                spawn_named("joins", waits)
            });
            let (stop, stopped) = channel::bounded::<()>(1);
            let block_on = move || task::block_on(async move { stopped.recv().await });
            let thread = std::thread::spawn(block_on);
            // The tasks may not have been polled yet.
            let mut waiting = 0;
            while dumps < 2 || waiting < 3 {
                let dump = observe::dump();
                let is_waiting =
                    |task: &&observe::TaskDump| task.state == observe::TaskState::Waiting;
                (dumps, waiting) = (dumps + 1, dump.tasks().iter().filter(is_waiting).count());
            }
            drop((sender, stop));
            runtime.block_on(joins).unwrap_err();
            thread.join().unwrap().unwrap_err();
        });
        assert_eq!(trace.snapshots.len(), dumps);
        let last = trace.snapshots.last().unwrap();
        let live = |index| last.tasks.iter().find(|live| live.task == index).unwrap();
        let frames = |stack: u32| &trace.stacks[stack as usize].frames;
        let is_here = |stack: u32| {
            frames(stack).iter().any(|frame| trace.text(frame.file).ends_with("recorder.rs"))
        };
        let (waits, joins) = (named(&trace, "waits").0, named(&trace, "joins").0);
        assert!(is_here(live(waits).stack), "{:?}", live(waits));
        assert!(matches!(live(joins).on, WaitFor::Task(_)), "{:?}", live(joins));
        // Each dump found the same stack, and the wait during the dumps has it.
        assert!(trace.waits_of(waits).iter().any(|wait| wait.stack == live(waits).stack));
        let is_block_on = |task: TaskIndex| trace.tasks[task as usize].flavour == Flavour::BlockOn;
        let block_on = last.tasks.iter().find(|live| is_block_on(live.task)).unwrap();
        assert!(block_on.stack != NO_INDEX && is_here(block_on.stack), "{block_on:?}");
    });
}

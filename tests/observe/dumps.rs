//! What a dump contains, and dumps in awkward places.

use std::future::{pending, poll_fn};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, mpsc};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use reveille::future::FutureExt;
use reveille::observe::{self, Dump, Frame, TaskDump, TaskKind, TaskState, WaitFor};
use reveille::runtime::{Builder, Runtime};
use reveille::{channel, task};

use futures_util::future::join;

use crate::names::is_at;
use crate::stacks::{dump_of_waiting, find, spawn};

/// Keeps its waker, as a future that waits does.
#[derive(Default)]
struct Keeps(Option<Waker>);

impl Keeps {
    fn keep(&mut self, cx: &Context<'_>) {
        self.0 = Some(cx.waker().clone());
    }
}

pub(crate) fn lines_at_most_80_columns(dump: &Dump) {
    for line in dump.to_string().lines() {
        // A word that is longer, such as a path, has a line of its own.
        let is_one_word = !line.trim().contains(' ');
        assert!(line.chars().count() <= 80 || is_one_word, "{line}");
    }
}

/// The lines of the entry of the task of this name, with those below it.
fn entry_of(dump: &Dump, name: &str) -> String {
    let text = dump.to_string();
    let name = format!("'{name}'");
    let entry = text.split("\n\n").find(|entry| entry.contains(&name));
    entry.unwrap_or_else(|| panic!("no entry of {name}: {text}")).to_owned()
}

#[test]
fn a_timeout_around_a_join_waits_for_the_timer_and_for_the_task() {
    const LIMIT: Duration = Duration::from_secs(100);
    task::block_on(async {
        let (sender, receiver) = channel::bounded::<()>(1);
        let awaited = spawn("the awaited", async move { receiver.recv().await });
        let both = spawn("timer and task", awaited.timeout(LIMIT));
        let dump = dump_of_waiting("timer and task").await;
        let waits = &find(&dump, "timer and task").unwrap().waits;
        let has_timer = waits.iter().any(|wait| matches!(wait, WaitFor::Timer(Some(_))));
        let awaits = waits.iter().find_map(|wait| dump.awaited(wait)).unwrap();
        assert!(has_timer && awaits.name.as_deref() == Some("the awaited"), "{dump}");
        let entry = entry_of(&dump, "timer and task");
        let (_, due) = entry.split_once("    for a timer, due in ").expect(&entry);
        let left: f64 = due.split_once("s\n").unwrap().0.parse().expect(&entry);
        assert!(left <= LIMIT.as_secs_f64(), "{entry}");
        assert!(entry.contains("    for a task below\n"), "{entry}");
        assert!(entry.contains("'the awaited' spawned at "), "{entry}");
        drop(sender);
        assert!(both.await.unwrap().is_err());
    });
}

#[test]
fn tasks_that_do_the_same_are_one_entry() {
    let runtime = Builder::new().workers(2).thread_name("many").build().unwrap();
    let (sender, receiver) = channel::bounded::<()>(1);
    for _ in 0..500 {
        let receiver = receiver.clone();
        drop(runtime.spawn(async move { receiver.recv().await }));
    }
    let dump = loop {
        let dump = observe::dump();
        if dump.to_string().contains("500 tasks spawned at ") {
            break dump;
        }
    };
    lines_at_most_80_columns(&dump);
    let many = dump.runtimes().iter().find(|runtime| &*runtime.thread_name == "many").unwrap();
    assert_eq!(many.metrics.workers, 2);
    drop(sender);
}

#[test]
fn local_tasks_and_the_future_of_block_on_are_seen_and_continue() {
    let (sender, receiver) = channel::bounded(1);
    let line = line!() + 5;
    let thread = std::thread::Builder::new().name("has locals".to_owned()).spawn(move || {
        task::block_on(async move {
            let theirs = receiver.clone();
            let local = task::Builder::new().name("a local task".to_owned());
            let local = local.local(async move { theirs.recv().await }).unwrap();
            join(local, async move { receiver.recv().await }).await
        })
    });
    let is_of_thread = |task: &&TaskDump| task.thread.as_deref() == Some("has locals");
    let dump = loop {
        let dump = observe::dump();
        let is_waiting = |task: &&TaskDump| is_of_thread(task) && task.state == TaskState::Waiting;
        if dump.tasks().iter().filter(is_waiting).count() == 2 {
            break dump;
        }
    };
    let of =
        |kind| dump.tasks().iter().filter(is_of_thread).find(|task| task.kind == kind).unwrap();
    let (main, local) = (of(TaskKind::BlockOn), of(TaskKind::Local));
    assert_eq!(local.name.as_deref(), Some("a local task"));
    assert_eq!(main.spawned_at.unwrap().file(), file!());
    let awaited = main.waits.iter().find_map(|wait| dump.awaited(wait)).unwrap();
    assert_eq!(awaited.name, local.name);
    let has_stack = |task, line| {
        let frames = dump.stacks(task).flatten();
        frames.into_iter().any(|frame| is_at(frame, "dumps::local_tasks", "dumps.rs", line))
    };
    assert!(has_stack(local, line) && has_stack(main, line + 1), "{dump}");
    task::block_on(async {
        sender.send(1).await.unwrap();
        sender.send(2).await.unwrap();
    });
    let (one, other) = thread.unwrap().join().unwrap();
    assert_eq!(one.unwrap() + other.unwrap(), 3);
}

#[test]
fn a_thread_in_a_poll_is_named_and_its_local_tasks_are_counted() {
    let (go_on, may_go_on) = mpsc::channel::<()>();
    let (begin, begun) = mpsc::channel();
    let thread = std::thread::Builder::new().name("is busy".to_owned()).spawn(move || {
        task::block_on(async move {
            drop(task::spawn_local(pending::<()>()));
            begin.send(()).unwrap();
            may_go_on.recv().unwrap();
        });
    });
    begun.recv().unwrap();
    let dump = observe::dump();
    let busy = |task: &&TaskDump| task.thread.as_deref() == Some("is busy");
    let record = dump.tasks().iter().find(busy).unwrap();
    assert_eq!((record.kind, record.state), (TaskKind::BlockOn, TaskState::Running));
    assert!(dump.notes().iter().any(|note| note.contains("1 local tasks of the thread 'is busy'")));
    go_on.send(()).unwrap();
    thread.unwrap().join().unwrap();
}

#[test]
fn closures_that_run_and_those_that_are_queued_are_seen() {
    let runtime = Builder::new().max_blocking_threads(1).build().unwrap();
    let (go_on, may_go_on) = mpsc::channel::<()>();
    let line = line!() + 2;
    let (running, queued) = runtime.block_on(async {
        let running = task::spawn_blocking(move || may_go_on.recv());
        (running, task::spawn_blocking(|| ()))
    });
    let dump = loop {
        let dump = observe::dump();
        let here = |task: &&TaskDump| {
            task.spawned_at.is_some_and(|at| at.file() == file!() && at.line() == line)
        };
        let state = dump.tasks().iter().find(here).map(|task| task.state);
        if state == Some(TaskState::Running) {
            break dump;
        }
    };
    let of_line = |line| {
        let here = |task: &&TaskDump| task.spawned_at.is_some_and(|at| at.line() == line);
        let mut tasks = dump.tasks().iter().filter(|task| task.kind == TaskKind::Blocking);
        tasks.find(here).unwrap()
    };
    assert!(of_line(line).since.is_some() && of_line(line).thread.is_some());
    assert_eq!(of_line(line + 1).state, TaskState::Queued);
    go_on.send(()).unwrap();
    runtime.block_on(async move {
        running.await.unwrap();
        queued.await;
    });
}

#[test]
fn with_all_workers_blocked_the_others_are_seen_and_the_polls_are_named() {
    let runtime =
        Builder::new().workers(2).max_spare_threads(0).thread_name("blocked").build().unwrap();
    let (sender, receiver) = channel::bounded::<()>(1);
    let waiting = runtime.block_on(async {
        let waiting = spawn("behind blocked workers", async move { receiver.recv().await });
        dump_of_waiting("behind blocked workers").await;
        waiting
    });
    let begun = Arc::new(AtomicUsize::new(0));
    let may_end = Arc::new(AtomicBool::new(false));
    let blocking: Vec<_> = (0..2)
        .map(|_| {
            let (begun, may_end) = (Arc::clone(&begun), Arc::clone(&may_end));
            runtime.spawn(async move {
                begun.fetch_add(1, Ordering::SeqCst);
                while !may_end.load(Ordering::SeqCst) {
                    std::thread::yield_now();
                }
            })
        })
        .collect();
    while begun.load(Ordering::SeqCst) < 2 {
        std::thread::yield_now();
    }
    let dump = observe::dump();
    let waits = find(&dump, "behind blocked workers").unwrap();
    assert_eq!(waits.state, TaskState::Waiting);
    assert!(dump.stacks(waits).next().is_some());
    let is_running = |task: &&TaskDump| {
        task.state == TaskState::Running && task.thread.as_deref() == Some("blocked")
    };
    assert_eq!(dump.tasks().iter().filter(is_running).count(), 2, "{dump}");
    let in_words = |dump: &Dump| dump.to_string().split_whitespace().collect::<Vec<_>>().join(" ");
    assert_eq!(in_words(&dump).matches(" on thread blocked, runs").count(), 2, "{dump}");
    // Without a monitor, the dump before has seen them.
    let dump = observe::dump();
    let mut running = dump.tasks().iter().filter(is_running);
    assert!(running.all(|task| task.since.is_some()), "{dump}");
    assert_eq!(in_words(&dump).matches(" on thread blocked, runs for ").count(), 2, "{dump}");
    may_end.store(true, Ordering::SeqCst);
    drop(sender);
    runtime.block_on(async {
        assert!(waiting.await.is_err());
        for task in blocking {
            task.await;
        }
    });
}

#[test]
fn a_poll_that_lost_its_worker_is_named_with_its_time() {
    let runtime = Builder::new().workers(1).thread_name("taken over").build().unwrap();
    let (go_on, may_go_on) = mpsc::channel::<()>();
    let blocking = runtime.spawn(async move { may_go_on.recv().unwrap() });
    // Runs although the only worker's thread is blocked: another thread has the worker.
    runtime.block_on(runtime.spawn(task::sleep(Duration::from_millis(1))));
    let dump = loop {
        let dump = observe::dump();
        let is_running = |task: &&TaskDump| {
            let is_ours = task.thread.as_deref() == Some("taken over");
            is_ours && task.state == TaskState::Running && task.since.is_some()
        };
        if dump.tasks().iter().any(|task| is_running(&task)) {
            break dump;
        }
    };
    let text = dump.to_string();
    let text: Vec<_> = text.split_whitespace().collect();
    assert!(text.join(" ").contains(" on thread taken over, runs for "), "{dump}");
    go_on.send(()).unwrap();
    runtime.block_on(blocking);
}

#[reveille::test]
async fn a_dump_inside_a_poll_names_that_poll() {
    let dump = spawn("takes a dump", async { observe::dump() }).await;
    let own = find(&dump, "takes a dump").unwrap();
    assert_eq!(own.state, TaskState::Running);
    assert!(own.thread.is_some());
}

#[test]
fn a_dump_under_block_on_names_that_thread() {
    let dump = task::block_on(async { observe::dump() });
    let name = std::thread::current().name().map(str::to_owned);
    let mut own = dump.tasks().iter().filter(|task| task.thread == name);
    let own = own.find(|task| task.kind == TaskKind::BlockOn).unwrap();
    assert_eq!(own.state, TaskState::Running);
}

/// Takes a dump when a dump polls it.
#[reveille::test]
async fn a_dump_inside_the_poll_of_a_dump_ends() {
    let (sender, receiver) = channel::bounded::<()>(1);
    let inner = Arc::new(std::sync::Mutex::new(None));
    let theirs = Arc::clone(&inner);
    let mut receive = Box::pin(async move { receiver.recv().await });
    let mut has_waited = false;
    let nested = spawn(
        "dumps when probed",
        poll_fn(move |cx| {
            let poll = receive.as_mut().poll(cx);
            let is_probe = std::mem::replace(&mut has_waited, true);
            if is_probe && poll.is_pending() && theirs.lock().unwrap().is_none() {
                let dump = observe::dump();
                *theirs.lock().unwrap() = Some(dump);
            }
            poll
        }),
    );
    while inner.lock().unwrap().is_none() {
        drop(task::spawn_blocking(observe::dump).await);
    }
    let inner = inner.lock().unwrap().take().unwrap();
    let own = find(&inner, "dumps when probed").unwrap();
    assert_eq!((own.state, own.thread.as_deref()), (TaskState::Running, Some("reveille-dump")));
    let outer = dump_of_waiting("dumps when probed").await;
    assert!(outer.stacks(find(&outer, "dumps when probed").unwrap()).next().is_some());
    drop(sender);
    assert!(nested.await.is_err());
}

#[test]
fn dumps_at_the_same_time_all_see_a_task_that_waits() {
    let runtime = Runtime::start().unwrap();
    let (sender, receiver) = channel::bounded::<()>(1);
    let waiting = runtime.block_on(async {
        let waiting = spawn("seen by all", async move { receiver.recv().await });
        dump_of_waiting("seen by all").await;
        waiting
    });
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for _ in 0..10 {
                    let dump = observe::dump();
                    let task = find(&dump, "seen by all").unwrap();
                    // To this dump the task is queued or runs while another one polls it.
                    assert_ne!(task.state, TaskState::Ended);
                }
            });
        }
    });
    drop(sender);
    assert!(runtime.block_on(waiting).is_err());
}

#[test]
fn dumps_while_runtimes_begin_and_end_lose_nothing() {
    let is_over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !is_over.load(Ordering::Relaxed) {
                drop(observe::dump());
            }
        });
        for _ in 0..60 {
            let runtime = Builder::new().workers(2).build().unwrap();
            let tasks: Vec<_> = (0..20)
                .map(|number| {
                    runtime.spawn(async move {
                        task::sleep(Duration::from_micros(number * 50)).await;
                        task::yield_now().await;
                        number
                    })
                })
                .collect();
            drop(runtime.spawn(pending::<()>()));
            let sum: u64 = runtime.block_on(async {
                let mut sum = 0;
                for task in tasks {
                    sum += task.await;
                }
                sum
            });
            assert_eq!(sum, 190);
            assert!(runtime.shutdown(Duration::from_secs(100)).is_complete());
        }
        is_over.store(true, Ordering::Relaxed);
    });
    drop(observe::dump());
}

#[reveille::test]
async fn a_task_that_is_ready_when_it_is_probed_continues() {
    // It becomes ready without a wake, as a future that reads a clock may.
    let is_ready = Arc::new(AtomicBool::new(false));
    let theirs = Arc::clone(&is_ready);
    let mut keeps = Keeps::default();
    let odd = spawn(
        "ready without a wake",
        poll_fn(move |cx| {
            keeps.keep(cx);
            if theirs.load(Ordering::SeqCst) { Poll::Ready(true) } else { Poll::Pending }
        }),
    );
    dump_of_waiting("ready without a wake").await;
    is_ready.store(true, Ordering::SeqCst);
    while !odd.is_finished() {
        let dump = task::spawn_blocking(observe::dump).await;
        assert!(
            find(&dump, "ready without a wake").is_none_or(|task| task.state != TaskState::Waiting)
        );
    }
    assert!(odd.await);
}

#[reveille::test]
async fn a_task_that_wakes_itself_when_it_is_probed_is_queued_again() {
    let polls = Arc::new(AtomicUsize::new(0));
    let theirs = Arc::clone(&polls);
    let mut keeps = Keeps::default();
    let busy = spawn(
        "wakes itself",
        poll_fn(move |cx| {
            keeps.keep(cx);
            match theirs.fetch_add(1, Ordering::SeqCst) {
                0 => Poll::Pending,
                1 => {
                    cx.waker().wake_by_ref();
                    Poll::Pending
                }
                _ => Poll::Ready(true),
            }
        }),
    );
    while !busy.is_finished() {
        drop(task::spawn_blocking(observe::dump).await);
    }
    assert!(busy.await);
    assert_eq!(polls.load(Ordering::SeqCst), 3);
}

#[reveille::test]
async fn a_panic_of_a_future_that_is_probed_is_that_of_the_task() {
    let mut polls = 0;
    let mut keeps = Keeps::default();
    let panics = spawn(
        "panics when probed",
        poll_fn(move |cx| {
            polls += 1;
            keeps.keep(cx);
            assert!(polls == 1, "polled without a cause");
            Poll::<()>::Pending
        }),
    );
    while !panics.is_finished() {
        drop(task::spawn_blocking(observe::dump).await);
    }
    assert!(panics.result().await.unwrap_err().to_string().ends_with("polled without a cause"));
}

#[reveille::test]
async fn a_probe_whose_poll_blocks_is_left_behind_and_ends_later() {
    let (go_on, may_go_on) = mpsc::channel::<()>();
    let may_go_on = std::sync::Mutex::new(may_go_on);
    let mut polls = 0;
    let mut keeps = Keeps::default();
    let blocks = spawn(
        "blocks when probed",
        poll_fn(move |cx| {
            polls += 1;
            keeps.keep(cx);
            if polls == 1 {
                return Poll::Pending;
            }
            may_go_on.lock().unwrap().recv().unwrap();
            Poll::Ready(true)
        }),
    );
    let (sender, receiver) = channel::bounded::<()>(1);
    let after = spawn("after one that blocks", async move { receiver.recv().await });
    let dump = loop {
        let dump = task::spawn_blocking(observe::dump).await;
        let task = find(&dump, "blocks when probed").unwrap();
        if task.thread.as_deref() == Some("reveille-dump") && task.since.is_some() {
            break dump;
        }
    };
    assert_eq!(find(&dump, "blocks when probed").unwrap().state, TaskState::Running);
    assert!(find(&dump, "after one that blocks").is_some());
    go_on.send(()).unwrap();
    assert!(blocks.await);
    drop(sender);
    assert!(after.await.is_err());
}

#[test]
fn a_dump_says_that_a_poll_left_no_waker() {
    let runtime = Builder::new().build().unwrap();
    let lost = runtime.spawn(pending::<()>());
    let text = loop {
        let text = observe::dump().to_string();
        if text.contains("left no waker") {
            break text;
        }
    };
    assert!(text.contains("unless it keeps an older one"));
    runtime.block_on(lost.cancel());
}

#[test]
fn a_signal_that_cannot_be_handled_is_an_error_that_names_it() {
    #[cfg(unix)]
    for signal in [9, 11, 19] {
        let error = Builder::new().dump_on_signal(signal).build().unwrap_err();
        assert!(
            error.to_string().contains(&format!("could not print dumps on signal {signal}: ")),
            "{error}"
        );
    }
    let error = Builder::new().dump_on_signal(10_000).build().unwrap_err();
    assert!(error.to_string().contains("could not print dumps on signal 10000: "), "{error}");
}

#[reveille::test]
async fn the_json_of_a_dump_has_its_tasks() {
    let (sender, receiver) = channel::bounded::<()>(1);
    let line = line!() + 1;
    let waiting = spawn("in \"JSON\"\n", async move { receiver.recv().await });
    let dump = dump_of_waiting("in \"JSON\"\n").await;
    let json: serde_json::Value = serde_json::from_str(&dump.to_json()).unwrap();
    let tasks = json["tasks"].as_array().unwrap();
    assert_eq!(tasks.len(), dump.tasks().len());
    let own = tasks.iter().find(|task| task["name"] == "in \"JSON\"\n").unwrap();
    assert_eq!((&own["state"], &own["kind"]), (&"waiting".into(), &"spawned".into()));
    let stack = own["stacks"][0].as_u64().unwrap() as usize;
    let stack = json["stacks"][stack].as_array().unwrap();
    let is_own = |frame: &serde_json::Value| {
        let text = |field: &str| frame[field].as_str().unwrap_or_default().to_owned();
        let frame = Frame { function: text("function"), place: Some(text("place")) };
        is_at(&frame, "the_json_of_a_dump", "dumps.rs", line)
    };
    assert!(stack.iter().any(is_own), "{json}");
    assert!(json["runtimes"].as_array().is_some_and(|runtimes| !runtimes.is_empty()));
    drop(sender);
    assert!(waiting.await.is_err());
}

#[test]
fn waits_are_described_in_words() {
    let address = "127.0.0.1:80".parse().unwrap();
    let wait = |local, peer| WaitFor::Descriptor { interest: "to be readable", fd: 7, local, peer };
    assert_eq!(wait(None, None).to_string(), "descriptor 7 to be readable");
    let text = wait(Some(address), Some(address)).to_string();
    assert_eq!(text, "socket 7 (127.0.0.1:80 to 127.0.0.1:80) to be readable");
    assert_eq!(WaitFor::Timer(None).to_string(), "a timer that never fires");
}

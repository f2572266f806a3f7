//! What a dump shows of running polls, of scopes, and of tasks that wait for locks.

use std::future::pending;
use std::sync::{Arc, mpsc};

use reveille::observe::{self, DumpOptions, TaskDump, TaskState};
#[cfg(all(target_os = "linux", not(target_arch = "x86")))]
use reveille::observe::{Dump, Frame};
use reveille::runtime::Builder;
use reveille::{channel, task};

use crate::again::{child, is_child};
#[cfg(all(target_os = "linux", not(target_arch = "x86")))]
use crate::dumps::lines_at_most_80_columns;
#[cfg(all(target_os = "linux", not(target_arch = "x86")))]
use crate::names::{assert_shown, is_at};
use crate::stacks::{dump_of_waiting, find, spawn};

/// The line in which [`blocks_its_thread`] blocks, and the one in which it is called.
#[cfg(all(target_os = "linux", not(target_arch = "x86")))]
const BLOCKS: u32 = line!() + 8;
#[cfg(all(target_os = "linux", not(target_arch = "x86")))]
const CALLS: u32 = BLOCKS + 10;

/// Sends that it has begun, and blocks until it gets a message.
#[inline(never)]
fn blocks_its_thread(begin: &mpsc::Sender<()>, may_go_on: &mpsc::Receiver<()>) {
    begin.send(()).unwrap();
    may_go_on.recv().unwrap();
}

#[cfg(all(target_os = "linux", not(target_arch = "x86")))]
async fn waits_then_blocks(
    receiver: channel::Receiver<()>,
    begin: mpsc::Sender<()>,
    may_go_on: mpsc::Receiver<()>,
) {
    receiver.recv().await.unwrap();
    blocks_its_thread(&begin, &may_go_on);
}

/// In a process of its own, where no other test takes dumps.
// Only on Linux, and not on 32-bit x86: the others do not show the stacks of other threads.
#[cfg(all(target_os = "linux", not(target_arch = "x86")))]
#[test]
fn a_poll_that_blocks_has_the_stack_of_its_thread_and_where_it_was_seen_before() {
    if !is_child() {
        let name =
            "running::a_poll_that_blocks_has_the_stack_of_its_thread_and_where_it_was_seen_before";
        let output = child(name, ("A", "B")).output().unwrap();
        return assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
    }
    let runtime = Builder::new().workers(1).thread_name("blocks in a poll").build().unwrap();
    let (sender, receiver) = channel::bounded(1);
    let (begin, begun) = mpsc::channel();
    let (go_on, may_go_on) = mpsc::channel();
    let task = task::Builder::new().name("waits, then blocks".to_owned());
    let future = waits_then_blocks(receiver, begin, may_go_on);
    let task = runtime.block_on(async { task.spawn(future) });
    let state = |dump: &Dump| find(dump, "waits, then blocks").unwrap().state;
    while state(&observe::dump()) != TaskState::Waiting {}
    sender.send_blocking(()).unwrap();
    begun.recv().unwrap();
    let dump = DumpOptions::new().thread_stacks(true).dump();
    assert_eq!(state(&dump), TaskState::Running);
    let record = find(&dump, "waits, then blocks").unwrap();

    let stack = dump.thread_stack(record).unwrap_or_else(|| panic!("{:?}", dump.notes()));
    let is_in =
        |line| stack.iter().position(|frame| is_at(frame, "blocks_its_thread", "running.rs", line));
    // The thread may still be in the line before, where it wakes this one.
    let (line, at) = [BLOCKS, BLOCKS - 1]
        .into_iter()
        .find_map(|line| Some((line, is_in(line)?)))
        .unwrap_or_else(|| panic!("{stack:#?}"));
    let calls = |frame: &Frame| is_at(frame, "waits_then_blocks", "running.rs", CALLS);
    assert!(stack[at + 1..].iter().any(calls), "{stack:#?}");
    assert!(!stack.iter().any(|frame| frame.function.contains("thread_stack")), "{stack:#?}");

    let [(seen, _)] = dump.last_seen(record).collect::<Vec<_>>()[..] else { panic!("{dump}") };
    let waits = |frame: &Frame| is_at(frame, "waits_then_blocks", "running.rs", CALLS - 1);
    assert!(seen.iter().any(waits), "{seen:#?}");
    let text = dump.to_string();
    assert!(text.contains("    its thread is\n"), "{text}");
    assert_shown(&text, "running::blocks_its_thread", "running.rs", line);
    assert!(text.contains(" before, waiting\n"), "{text}");
    lines_at_most_80_columns(&dump);

    let without = observe::dump();
    let record = find(&without, "waits, then blocks").unwrap();
    assert!(without.thread_stack(record).is_none());
    assert!(without.last_seen(record).next().is_none(), "the dump before saw it running");
    go_on.send(()).unwrap();
    runtime.block_on(task.unwrap());
}

#[test]
fn a_thread_whose_block_on_blocks_has_its_stack() {
    let (go_on, may_go_on) = mpsc::channel::<()>();
    let (begin, begun) = mpsc::channel();
    let thread = std::thread::Builder::new().name("blocks in block_on".to_owned());
    let thread = thread.spawn(move || {
        task::block_on(async move { blocks_its_thread(&begin, &may_go_on) });
    });
    begun.recv().unwrap();
    let dump = DumpOptions::new().thread_stacks(true).dump();
    let ours = |task: &&TaskDump| task.thread.as_deref() == Some("blocks in block_on");
    let record = dump.tasks().iter().find(ours).unwrap();
    assert_eq!(record.state, TaskState::Running);
    if cfg!(all(target_os = "linux", not(target_arch = "x86"))) {
        let stack = dump.thread_stack(record).unwrap_or_else(|| panic!("{:?}", dump.notes()));
        let has = stack.iter().any(|frame| frame.function.contains("blocks_its_thread"));
        assert!(has, "{stack:#?}");
    } else {
        assert!(dump.notes().iter().any(|note| note.contains("does not show the stacks")));
    }
    go_on.send(()).unwrap();
    thread.unwrap().join().unwrap();
}

#[reveille::test]
async fn the_tasks_of_a_scope_are_listed_below_it_in_text_and_json() {
    let (sender, receiver) = channel::bounded::<()>(1);
    let scope = spawn("has a scope", async move {
        task::scope(async |s| {
            for _ in 0..3 {
                let receiver = receiver.clone();
                drop(s.spawn(async move { _ = receiver.recv().await }));
            }
        })
        .await;
    });
    let dump = loop {
        let dump = dump_of_waiting("has a scope").await;
        if dump.scope_tasks(find(&dump, "has a scope").unwrap()).count() == 3 {
            break dump;
        }
    };
    let text = dump.to_string();
    let own = &text[text.find("'has a scope'").unwrap()..];
    assert!(own.contains("    in its scope: 3 tasks below\n"), "{text}");
    assert!(own.contains("\n    3 tasks spawned at "), "{text}");
    let json: serde_json::Value = serde_json::from_str(&dump.to_json()).unwrap();
    let tasks = json["tasks"].as_array().unwrap();
    let index = tasks.iter().position(|task| task["name"] == "has a scope").unwrap();
    assert_eq!(tasks[index]["scope_tasks"].as_array().unwrap().len(), 3);
    let tree = json["tree"].as_array().unwrap();
    let node = tree.iter().find(|node| node["task"] == index).unwrap();
    assert_eq!(node["below"].as_array().unwrap().len(), 3);
    fn count(nodes: &[serde_json::Value]) -> usize {
        nodes.iter().map(|node| 1 + count(node["below"].as_array().unwrap())).sum()
    }
    assert_eq!(count(tree), tasks.len(), "each task is in the tree once: {json}");
    drop(sender);
    scope.await;
}

#[test]
fn tasks_that_wait_for_locks_while_nothing_runs_are_named_together() {
    if !is_child() {
        let name = "running::tasks_that_wait_for_locks_while_nothing_runs_are_named_together";
        let output = child(name, ("A", "B")).output().unwrap();
        return assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
    }
    type Lock = Arc<reveille::sync::Mutex<()>>;
    async fn locks(first: Lock, second: Lock, go: channel::Receiver<()>) {
        let _first = first.lock().await;
        let _ = go.recv().await;
        let _second = second.lock().await;
    }
    let runtime = Builder::new().workers(1).build().unwrap();
    let (a, b) = (Lock::default(), Lock::default());
    let (sender, receiver) = channel::bounded(1);
    let names = ["one side", "the other side"];
    let tasks = [locks(Arc::clone(&a), Arc::clone(&b), receiver.clone()), locks(b, a, receiver)];
    let spawn_all = async {
        for (name, future) in names.into_iter().zip(tasks) {
            drop(task::Builder::new().name(name.to_owned()).spawn(future).unwrap());
        }
    };
    runtime.block_on(spawn_all);
    while observe::dump().tasks().iter().filter(|task| task.state == TaskState::Waiting).count() < 2
    {
    }
    drop(sender);
    loop {
        let dump = observe::dump();
        let text = dump.to_string();
        let text: Vec<_> = text.split_whitespace().collect();
        let text = text.join(" ");
        if dump.is_quiescent() && text.contains("wait for locks or permits") {
            let verdict = &text[..text.find("wait for locks or permits").unwrap()];
            assert!(names.iter().all(|name| verdict.contains(name)), "{text}");
            break;
        }
    }
}

#[test]
fn a_dump_after_the_end_of_a_runtime_has_none_of_its_tasks() {
    let runtime = Builder::new().thread_name("has ended").build().unwrap();
    let task = task::Builder::new().name("ended with its runtime".to_owned());
    let task = runtime.block_on(async { task.spawn(pending::<()>()).unwrap() });
    drop(runtime);
    let dump = observe::dump();
    assert!(find(&dump, "ended with its runtime").is_none());
    assert!(!dump.runtimes().iter().any(|runtime| &*runtime.thread_name == "has ended"));
    drop(task);
}

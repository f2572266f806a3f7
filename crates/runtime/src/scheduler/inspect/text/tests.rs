//! The text of dumps that these tests construct.

use std::panic::Location;
use std::sync::Arc;
use std::time::Duration;

use super::super::dump::{Dump, Frame, TaskDump, TaskKind};
use super::shortened;
use crate::waits::{TaskState, WaitFor};

fn task(addr: usize, waits: &[usize]) -> TaskDump {
    let mut task = TaskDump::of_block_on(None, None);
    task.kind = TaskKind::Spawned;
    task.addr = addr;
    task.id = Some(addr as u64);
    task.is_probed = true;
    task.has_waker = true;
    task.waits = waits.iter().map(|&addr| WaitFor::Task(addr)).collect();
    task
}

fn dump(tasks: Vec<TaskDump>, stacks: &[&[(&str, &str)]]) -> Dump {
    let frame = |&(function, place): &(&str, &str)| {
        let place = Some(place.to_owned()).filter(|place| !place.is_empty());
        Frame { function: function.to_owned(), place }
    };
    let stacks = stacks.iter().map(|stack| stack.iter().map(frame).collect::<Arc<[Frame]>>());
    Dump::new(Dump {
        tasks,
        stacks: stacks.collect(),
        runtimes: Vec::new(),
        taken_at: crate::timer::clock::system_clock().now(),
        took: Duration::from_millis(3),
        notes: Vec::new(),
        is_quiescent: false,
        source_root: None,
    })
}

#[track_caller]
fn place() -> Option<&'static Location<'static>> {
    Some(Location::caller())
}

#[test]
fn tasks_with_the_same_state_place_and_stack_are_one_entry() {
    let at = place();
    let tasks = (1..=1000).map(|addr| {
        let mut task = task(addr, &[]);
        task.spawned_at = at;
        task.stacks = vec![0];
        task.waits = vec![WaitFor::Named(if addr == 7 { "the seventh" } else { "a thing" })];
        task
    });
    let stack: &[_] =
        &[("lib::Leaf::poll", "/registry/src/x/lib.rs:1:2"), ("app::run", "app.rs:3:4")];
    let text = dump(tasks.collect(), &[stack]).to_string();
    assert!(text.starts_with("dump of 1000 tasks: 1000 waiting (taken in 3ms)\n"), "{text}");
    assert!(text.contains("\n1000 tasks spawned at "), "{text}");
    assert!(text.contains("    for a thing\n    for the seventh\n"), "{text}");
    assert!(text.contains("    in lib::Leaf\n    at app::run "), "{text}");
    assert_eq!(text.matches("app.rs:3:4").count(), 1);
}

#[test]
fn each_task_that_runs_is_an_entry_with_its_thread_and_time() {
    let at = place();
    let tasks = (1..=2).map(|addr| {
        let mut task = task(addr, &[]);
        (task.spawned_at, task.state) = (at, TaskState::Running);
        task.thread = Some(format!("reveille-{addr}"));
        task.since = Some(Duration::from_secs(addr as u64));
        task
    });
    let text = dump(tasks.collect(), &[]).to_string();
    let text = text.replace("\n      ", " ");
    for runs in [" on thread reveille-1, runs for 1.0s\n", " on thread reveille-2, runs for 2.0s\n"]
    {
        assert!(text.contains(runs), "{text}");
    }
}

#[test]
fn the_timers_of_an_entry_are_a_line() {
    let now = crate::timer::clock::system_clock().now();
    let timers = |after: &[u64]| {
        let tasks = after.iter().enumerate().map(|(at, &ms)| {
            let mut task = task(at + 1, &[]);
            task.waits = vec![WaitFor::Timer(Some(now + Duration::from_millis(ms)))];
            task
        });
        let mut dump = dump(tasks.collect(), &[]);
        dump.taken_at = now + Duration::from_millis(100);
        dump.to_string()
    };
    let text = timers(&[5_100, 600, 3_000, 700, 800, 90]);
    let range = "    for a timer, the first due since 10.0ms, the last in 5.0s\n";
    assert!(text.contains(range), "{text}");
    assert_eq!(text.matches("a timer").count(), 1, "{text}");
    let text = timers(&[600, 600]);
    assert!(text.contains("    for a timer, due in 500.0ms\n"), "{text}");
}

#[test]
fn a_timer_is_due_from_when_its_task_was_seen() {
    let begin = crate::timer::clock::system_clock().now();
    let seen = begin + Duration::from_millis(700);
    let mut task = task(1, &[]);
    task.waits = vec![WaitFor::Timer(Some(seen + Duration::from_millis(1)))];
    task.probed_at = Some(seen);
    let mut dump = dump(vec![task], &[]);
    dump.taken_at = begin;
    let text = dump.to_string();
    assert!(text.contains("    for a timer, due in 1.0ms\n"), "{text}");
    assert!(dump.to_json().contains("a timer, due in 1.0ms\""), "{}", dump.to_json());
}

#[test]
fn joins_are_a_tree_in_which_each_task_occurs_once() {
    let mut tasks = vec![task(1, &[2, 3]), task(2, &[4]), task(3, &[]), task(4, &[])];
    for (task, name) in tasks.iter_mut().zip(["a", "b", "c", "d"]) {
        task.name = Some(name.to_owned());
        task.type_name = "T";
        task.spawned_at = None;
    }
    tasks[2].state = TaskState::Queued;
    tasks[1].type_name = "U";
    tasks[3].type_name = "V";
    let text = dump(tasks, &[]).to_string();
    let lines: Vec<_> = text.lines().filter(|line| line.contains("task ")).collect();
    assert_eq!(
        lines,
        [
            "task 1 'a' of type T, waits",
            "    for a task below",
            "    for a task below",
            "    task 2 'b' of type U, waits",
            "        for a task below",
            "        task 4 'd' of type V, waits",
            "    task 3 'c' of type T, is queued",
        ]
    );
}

#[test]
fn a_circle_is_named_and_begins_with_its_first_task() {
    let mut tasks = vec![task(1, &[2]), task(2, &[3]), task(3, &[1])];
    tasks[1].type_name = "U";
    tasks[2].type_name = "V";
    let text = dump(tasks, &[]).to_string();
    assert!(
        text.contains("deadlock: task 1 and task 2 and task 3 wait for each other and never end.")
    );
    assert!(text.contains("\ntask 1, waits\n    for a task below\n    task 2 of type U"), "{text}");
    assert!(text.contains("            for task 1\n"), "{text}");
}

#[test]
fn a_task_that_awaits_itself_and_one_that_awaits_an_ended_task_are_named() {
    let text = dump(vec![task(1, &[1]), task(2, &[99])], &[]).to_string();
    assert!(text.contains("deadlock: task 1 wait"), "{text}");
    assert!(text.contains("for 1 of these tasks"), "{text}");
    assert!(text.contains("for a task\n"), "{text}");
}

#[test]
fn lines_have_80_columns_at_most() {
    let mut long = task(1, &[]);
    long.name = Some("a name with many words ".repeat(8));
    long.stacks = vec![0];
    let function = "a_module::".repeat(12) + "function";
    let stack: &[_] = &[(function.as_str(), "src/a_file_in_a_folder.rs:1234:56")];
    let text = dump(vec![long], &[stack]).to_string();
    for line in text.lines() {
        assert!(line.chars().count() <= 80, "{line}");
    }
    assert!(text.contains("…::a_module::"), "{text}");
    assert!(text.contains("src/a_file_in_a_folder.rs:1234:56"), "{text}");
}

#[test]
fn what_the_build_lacks_is_reported_once_with_the_setting_that_helps() {
    let probed = |stack| {
        let mut task = task(1, &[]);
        task.stacks = vec![stack];
        task
    };
    let names: &[_] = &[("app::run", "")];
    let text = dump(vec![probed(0), probed(0)], &[names]).to_string();
    let text: Vec<_> = text.split_whitespace().collect();
    assert_eq!(text.join(" ").matches("debug = \"limited\"").count(), 1);
    let stripped: &[_] = &[];
    let text = dump(vec![probed(0)], &[stripped]).to_string();
    assert!(text.contains("There are no symbols"), "{text}");
}

#[test]
fn with_line_tables_alone_the_dump_has_places_and_says_once_why_names_are_missing() {
    let mut waiting = task(1, &[]);
    waiting.stacks = vec![0, 1];
    let own = ("{async_fn#0}", "/app/src/run.rs:3:4");
    let stack: &[_] = &[("<core::task::wake::Waker as core::clone::Clone>::clone", ""), own];
    // The executor of local tasks awaits a task for its `block_on`.
    let executor: &[_] = &[("reveille_runtime::scheduler::local::awaited", "/w/local.rs:1:2")];
    let text = dump(vec![waiting], &[stack, executor]).to_string();
    assert!(text.contains("    at {async_fn#0}"), "{text}");
    assert!(text.contains("run.rs:3:4"), "{text}");
    assert_eq!(text.matches("line tables and no other debug information").count(), 1, "{text}");
    assert!(!text.contains("    in "), "{text}");
}

#[test]
fn paths_are_relative_to_the_folder_of_the_program() {
    let mut task = task(1, &[]);
    task.spawned_at = place();
    task.stacks = vec![0];
    let own = format!("/home/me/app/{}:1:2", file!());
    let text = dump(vec![task], &[&[("app::run", &own), ("app::main", "/home/me/app/b.rs:3:4")]]);
    let text = text.to_string();
    assert!(!text.contains("/home/me") && text.contains("  b.rs:3:4"), "{text}");
}

#[test]
fn the_first_modules_of_a_long_path_are_left_out() {
    assert_eq!(shortened("a::b::c", 7), "a::b::c");
    assert_eq!(shortened("aaa::bbb::c", 9), "…::bbb::c");
    assert_eq!(shortened("aaa::bbb::c", 8), "…::c");
}

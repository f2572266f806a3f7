//! Reading complete files.

use reveille_watchdog as _;

mod synthetic;

use std::collections::HashMap;

use reveille_trace::{Cause, NO_INDEX, Outcome, Trace, WaitFor, WakeKind};
use synthetic::{Size, program};

fn middle() -> (Trace, synthetic::Counts) {
    let made = program(Size::MIDDLE);
    (Trace::read(&made.file).unwrap(), made.counts)
}

#[test]
fn a_trace_has_what_was_recorded() {
    for size in [Size::SMALL, Size::MIDDLE, Size::LARGE] {
        let made = program(size);
        let trace = Trace::read(&made.file).unwrap();
        assert_eq!(trace.events, made.counts.events);
        assert_eq!(trace.missing, []);
        // The main future is a task and a poll, too.
        assert_eq!(trace.tasks.len() as u64, made.counts.tasks + 1);
        assert!(trace.tasks.iter().all(|task| task.spawned.is_some()));
        assert_eq!(trace.polls.len() as u64, made.counts.polls + 1);
        let ended = trace.tasks.iter().filter(|task| task.ended.is_some()).count();
        assert_eq!(ended as u64, made.counts.ended);
        let effective = trace.wakes.iter().filter(|wake| wake.kind == WakeKind::Queued).count();
        assert_eq!(effective as u64, made.counts.wakes);
    }
}

#[test]
fn the_same_program_gives_the_same_trace() {
    let traces = [(), ()].map(|()| Trace::read(&program(Size::MIDDLE).file).unwrap());
    assert_eq!(format!("{:?}", traces[0]), format!("{:?}", traces[1]));
}

#[test]
fn names_places_and_parents_come_with_the_tasks() {
    let (trace, _) = middle();
    let labels: HashMap<String, usize> =
        (0..trace.tasks.len()).map(|task| (trace.task_label(task as u32), task)).collect();
    let accept = &trace.tasks[labels["accept-0"]];
    assert_eq!((trace.text(accept.file), accept.line), ("src/server.rs", 37));
    assert_eq!(trace.text(accept.type_name), "shop::server::serve::{{closure}}");
    assert_eq!(trace.task_label(accept.parent), "shop::main");
    let handle = &trace.tasks[labels["shop::server::handle"]];
    assert_eq!(trace.task_label(handle.parent), "accept-0");
    assert!(trace.group_label(handle.group).starts_with("shop::server::handle at src/server.rs:"));
    let tasks: u32 = trace.groups.iter().map(|group| group.tasks).sum();
    assert_eq!(tasks as usize, trace.tasks.len());
}

/// An address is used again. Each poll belongs to the task that had the address at that time.
#[test]
fn each_poll_lies_within_the_life_of_its_task() {
    let (trace, _) = middle();
    let mut keys: Vec<_> = trace.tasks.iter().map(|task| task.key).collect();
    keys.sort_unstable();
    keys.dedup();
    assert!(keys.len() < trace.tasks.len(), "no address was used twice");
    for poll in &trace.polls {
        let task = &trace.tasks[poll.task as usize];
        assert!(task.spawned.is_some_and(|spawned| spawned <= poll.end), "{poll:?} {task:?}");
        assert!(task.ended.is_none_or(|(ended, _)| poll.start <= ended), "{poll:?} {task:?}");
        assert_eq!(poll.is_last, task.ended.is_some() && poll.end >= task.ended.unwrap().0);
    }
    for task in 0..trace.tasks.len() as u32 {
        let polls: Vec<_> = trace.polls_of(task).collect();
        assert!(polls.is_sorted_by(|one, next| one.end <= next.start), "{task} runs twice at once");
    }
}

#[test]
fn the_cause_of_a_wake_follows_from_its_position() {
    let (trace, _) = middle();
    let mut causes = [0; 3];
    for wake in &trace.wakes {
        match wake.cause {
            Cause::Task(waker) => {
                causes[0] += 1;
                let is_around = |poll: &reveille_trace::Poll| {
                    poll.thread == wake.thread && poll.start <= wake.at && wake.at <= poll.end
                };
                assert!(trace.polls_of(waker).any(is_around), "{wake:?}");
            }
            Cause::Io { fd, socket, .. } => {
                causes[1] += 1;
                assert!(fd > 0 && trace.text(socket).starts_with("tcp "), "{wake:?}");
            }
            Cause::Timer { late_ns } => {
                causes[2] += 1;
                assert!(late_ns >= 700, "{wake:?}");
            }
            Cause::Thread => panic!("outside of everything: {wake:?}"),
        }
    }
    assert!(causes.iter().all(|count| *count > 100), "{causes:?}");
}

/// At every moment of its life a task is polled, queued or waiting.
#[test]
fn polls_queues_and_waits_fill_the_life_of_a_task() {
    let (trace, _) = middle();
    let mut stacks = 0;
    for (index, task) in trace.tasks.iter().enumerate() {
        let until = task.ended.map_or(trace.end, |(ended, _)| ended);
        let life = until - task.spawned.unwrap();
        let known = task.busy + task.queued + task.waited;
        // The end is recorded in the middle of the last poll.
        let last = trace.polls_of(index as u32).next_back().map_or(0, reveille_trace::Poll::len);
        assert!(life.abs_diff(known) <= last + 10, "{task:?}: {life} and {known}");
        for wait in trace.waits_of(index as u32) {
            assert!(wait.from <= wait.woken && wait.woken <= wait.until, "{wait:?}");
            if wait.wake != NO_INDEX {
                assert_eq!(trace.wakes[wait.wake as usize].task, wait.task);
            }
            if let (WaitFor::Timer(_), false) = (wait.on, wait.is_open) {
                let cause = trace.wakes[wait.wake as usize].cause;
                assert!(matches!(cause, Cause::Timer { .. }), "{wait:?} {cause:?}");
            }
            stacks += usize::from(wait.stack != NO_INDEX);
        }
    }
    assert!(stacks > 100, "{stacks}");
}

#[test]
fn marks_spans_and_lints_are_read() {
    let (trace, _) = middle();
    let is_request = |span: &&reveille_trace::Span| trace.text(span.name) == "request";
    let requests: Vec<_> = trace.spans.iter().filter(is_request).collect();
    let ended = requests.iter().filter_map(|span| Some(span.end? - span.start));
    assert!(ended.clone().count() > 10 && ended.clone().all(|len| len > 0));
    assert!(requests.iter().all(|span| span.task != NO_INDEX));
    assert!(trace.marks.iter().any(|mark| trace.text(mark.name) == "cache miss"));
    let threads: Vec<&str> = trace.threads.iter().map(|thread| trace.text(thread.name)).collect();
    assert!(threads.starts_with(&["reveille-0", "reveille-1"]), "{threads:?}");
    assert!(threads.contains(&"main") && threads.contains(&"blocking-0"), "{threads:?}");
    let busy = trace.threads.iter().all(|thread| thread.busy + thread.parked <= trace.end);
    assert!(busy);

    let panicked = |task: &&reveille_trace::Task| {
        task.ended.is_some_and(|(_, outcome)| outcome == Outcome::Panicked)
    };
    assert_eq!(trace.panics.len(), trace.tasks.iter().filter(panicked).count());

    let [snapshot] = &trace.snapshots[..] else { panic!("there is one snapshot") };
    let live = trace.tasks.iter().filter(|task| task.ended.is_none());
    assert!(live.count() >= snapshot.tasks.len() && !snapshot.tasks.is_empty());
    let stacks = snapshot.stacks();
    assert_eq!(stacks.iter().map(|(_, count)| count).sum::<usize>(), snapshot.tasks.len());
    assert!(stacks.is_sorted_by(|(_, one), (_, next)| one >= next));
}

//! A dump as JSON, written by hand, because it needs only strings, numbers and lists.

use std::fmt::Write as _;
use std::time::Instant;

use super::dump::{Dump, Frame, RuntimeDump, TaskDump, TaskKind};
use crate::waits::{TaskState, WaitAt, WaitFor};

impl Dump {
    /// The dump as JSON: an object with `tasks`, `stacks` (which the tasks name by their index),
    /// `tree`, `runtimes` and `notes`.
    ///
    /// `tree` has the tasks once each, by their index: `{"task": 0, "below": […]}`. Below a task
    /// are those that it awaits, and those of its scopes, unless another one awaits them too.
    #[must_use]
    pub fn to_json(&self) -> String {
        write(self)
    }
}

fn write(dump: &Dump) -> String {
    let mut json = String::from("{");
    let _ = write!(json, "\"version\":1,\"took_us\":{}", dump.took.as_micros());
    let _ = write!(json, ",\"is_quiescent\":{}", dump.is_quiescent);
    json.push_str(",\"notes\":");
    list(&mut json, &dump.notes, |json, note| string(json, note));
    json.push_str(",\"runtimes\":");
    list(&mut json, &dump.runtimes, runtime);
    json.push_str(",\"tasks\":");
    list(&mut json, &dump.tasks, |json, one| task(json, one, dump.taken_at));
    json.push_str(",\"tree\":");
    tree(&mut json, dump);
    json.push_str(",\"stacks\":");
    list(&mut json, &dump.stacks, |json, stack| list(json, stack, frame));
    json.push('}');
    json
}

fn runtime(json: &mut String, runtime: &RuntimeDump) {
    json.push_str("{\"thread_name\":");
    string(json, &runtime.thread_name);
    let metrics = &runtime.metrics;
    let numbers = [
        ("workers", metrics.workers),
        ("parked_workers", metrics.parked_workers),
        ("queued_tasks", metrics.queued_tasks + metrics.injected_tasks),
        ("threads", metrics.threads),
        ("live_tasks", metrics.live_tasks),
        ("pending_timers", metrics.pending_timers),
        ("sources", metrics.sources),
        ("blocking_threads", metrics.blocking_threads),
        ("queued_closures", metrics.queued_closures),
        ("running_closures", metrics.running_closures),
    ];
    for (key, value) in numbers {
        let _ = write!(json, ",\"{key}\":{value}");
    }
    let _ = write!(json, ",\"polls\":{},\"takeovers\":{}}}", metrics.polls, metrics.takeovers);
}

fn task(json: &mut String, task: &TaskDump, now: Instant) {
    let kind = match task.kind {
        TaskKind::Spawned => "spawned",
        TaskKind::Local => "local",
        TaskKind::BlockOn => "block_on",
        TaskKind::Blocking => "blocking",
    };
    let state = match task.state {
        TaskState::Waiting => "waiting",
        TaskState::Queued => "queued",
        TaskState::Running => "running",
        TaskState::Ended => "ended",
    };
    let _ = write!(json, "{{\"address\":{},\"kind\":\"{kind}\",\"state\":\"{state}\"", task.addr);
    let mut text = |key: &str, value: Option<&str>| {
        if let Some(value) = value {
            let _ = write!(json, ",\"{key}\":");
            string(json, value);
        }
    };
    text("name", task.name.as_deref());
    text("type", Some(task.type_name));
    text("thread", task.thread.as_deref());
    let place = task.spawned_at.map(ToString::to_string);
    text("spawned_at", place.as_deref());
    if let Some(id) = task.id {
        let _ = write!(json, ",\"id\":{id}");
    }
    if let Some(since) = task.since {
        let _ = write!(json, ",\"since_us\":{}", since.as_micros());
    }
    json.push_str(",\"waits\":");
    list(json, &task.waits, |json, wait| self::wait(json, wait, task.seen_at(now)));
    numbers(json, "stacks", &task.stacks);
    numbers(json, "scope_tasks", &task.scope_tasks);
    if let Some(number) = task.thread_stack {
        let _ = write!(json, ",\"thread_stack\":{number}");
    }
    if let Some(last) = &task.last_await {
        let _ = write!(json, ",\"last_seen_us\":{}", last.age.as_micros());
        numbers(json, "last_seen", &last.stacks);
    }
    json.push('}');
}

fn numbers<T: std::fmt::Display>(json: &mut String, key: &str, numbers: &[T]) {
    let _ = write!(json, ",\"{key}\":");
    list(json, numbers, |json, number| _ = write!(json, "{number}"));
}

/// Writes the tasks as a tree. In loops, because tasks may await each other in a long chain.
fn tree(json: &mut String, dump: &Dump) {
    let below = dump.below();
    let mut is_below = vec![false; below.len()];
    below.iter().flatten().for_each(|&task| is_below[task] = true);
    // The brackets that are open, and what comes next inside.
    let roots: Vec<usize> = (0..below.len()).filter(|&task| !is_below[task]).collect();
    let mut open = vec![roots.iter()];
    let mut is_first = true;
    json.push('[');
    while let Some(level) = open.last_mut() {
        match level.next() {
            Some(&task) => {
                let comma = if is_first { "" } else { "," };
                let _ = write!(json, "{comma}{{\"task\":{task},\"below\":[");
                is_first = true;
                open.push(below[task].iter());
            }
            None => {
                open.pop();
                json.push_str(if open.is_empty() { "]" } else { "]}" });
                is_first = false;
            }
        }
    }
}

fn wait(json: &mut String, wait: &WaitFor, now: Instant) {
    match wait {
        WaitFor::Task(addr) => _ = write!(json, "{{\"task\":{addr}}}"),
        wait => {
            json.push_str("{\"text\":");
            string(json, &WaitAt(wait, now).to_string());
            json.push('}');
        }
    }
}

fn frame(json: &mut String, frame: &Frame) {
    json.push_str("{\"function\":");
    string(json, &frame.function);
    if let Some(place) = &frame.place {
        json.push_str(",\"place\":");
        string(json, place);
    }
    json.push('}');
}

fn list<T>(json: &mut String, items: &[T], mut write: impl FnMut(&mut String, &T)) {
    json.push('[');
    for (index, item) in items.iter().enumerate() {
        if index > 0 {
            json.push(',');
        }
        write(json, item);
    }
    json.push(']');
}

fn string(json: &mut String, text: &str) {
    json.push('"');
    for c in text.chars() {
        match c {
            '"' => json.push_str("\\\""),
            '\\' => json.push_str("\\\\"),
            '\n' => json.push_str("\\n"),
            '\r' => json.push_str("\\r"),
            '\t' => json.push_str("\\t"),
            c if u32::from(c) < 0x20 => _ = write!(json, "\\u{:04x}", u32::from(c)),
            c => json.push(c),
        }
    }
    json.push('"');
}

#[cfg(test)]
mod tests {
    use super::string;

    #[test]
    fn strings_are_escaped() {
        let mut json = String::new();
        string(&mut json, "a\"b\\c\nd\u{1}é");
        assert_eq!(json, "\"a\\\"b\\\\c\\nd\\u0001é\"");
    }
}

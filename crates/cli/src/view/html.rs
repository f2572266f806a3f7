//! One page of HTML with everything in it: the style, the script, and the trace.

use std::collections::HashMap;

use reveille_trace::{
    Cause, Flavour, NO_INDEX, Outcome, Trace, Wake, WakeKind, WorkerId, readable_type,
};
use serde_json::{Value, json};

use super::awaits::{Await, Awaits};
use super::figures::{Figures, date};
use super::pack::Columns;
use super::reason::Reason;
use super::summary::rule;

/// The first bytes of our pages.
pub(crate) const BEGIN: &str = "<!doctype html><meta name=\"generator\" content=\"reveille view\">";

const PAGE: &str = include_str!("page/page.html");
const STYLE: &str = include_str!("page/page.css");
const SCRIPT: &str = include_str!("page/page.js");

/// How many lints, panics and stacks of waiting tasks the page lists.
const LISTED: usize = 1_000;

/// Returns the page.
pub(crate) fn page(trace: &Trace) -> Result<String, String> {
    let figures = Figures::new(trace);
    let mut columns = Columns::default();
    tasks(trace, &mut columns);
    polls(trace, &mut columns);
    wakes(trace, &mut columns);
    user(trace, &mut columns);
    let reasons = waits(trace, &mut columns);
    let data = columns.finish(head(trace, &figures, &reasons));
    let data = data.map_err(|error| format!("cannot pack the trace: {error}"))?;
    let mut page = String::with_capacity(PAGE.len() + STYLE.len() + SCRIPT.len() + data.len());
    let mut rest = PAGE;
    for (mark, text) in [("/*STYLE*/", STYLE), ("/*DATA*/", &*data), ("/*SCRIPT*/", SCRIPT)] {
        let (before, after) = rest.split_once(mark).expect("the page has its three marks");
        page.push_str(before);
        page.push_str(text);
        rest = after;
    }
    page.push_str(rest);
    Ok(page)
}

/// The reasons of waits, by number.
#[derive(Default)]
struct Reasons {
    all: Vec<Reason>,
    numbers: HashMap<Reason, u32>,
}

impl Reasons {
    fn number(&mut self, reason: Reason) -> u32 {
        *self.numbers.entry(reason).or_insert_with(|| {
            self.all.push(reason);
            self.all.len() as u32 - 1
        })
    }
}

/// An index plus 1, or 0 for [`NO_INDEX`].
fn or_zero(index: u32) -> u64 {
    if index == NO_INDEX { 0 } else { u64::from(index) + 1 }
}

fn tasks(trace: &Trace, columns: &mut Columns) {
    let tasks = || trace.tasks.iter();
    columns.plain("taskName", tasks().map(|task| task.name.into()));
    columns.plain("taskGroup", tasks().map(|task| task.group.into()));
    columns.rising("taskKey", tasks().map(|task| task.key.value()));
    columns.plain("taskParent", tasks().map(|task| or_zero(task.parent)));
    columns.rising("taskSpawned", tasks().map(|task| task.spawned.map_or(0, |at| at + 1)));
    columns.rising("taskEnded", tasks().map(|task| task.ended.map_or(0, |(at, _)| at + 1)));
    let outcome = |outcome| match outcome {
        Outcome::Finished => 1,
        Outcome::Panicked => 2,
        Outcome::Cancelled => 3,
        Outcome::Unknown => 4,
    };
    columns.plain("taskOutcome", tasks().map(|task| task.ended.map_or(0, |(_, how)| outcome(how))));
    columns.plain("taskSize", tasks().map(|task| task.size.into()));
}

fn polls(trace: &Trace, columns: &mut Columns) {
    let polls = || trace.polls.iter();
    columns.plain("pollTask", polls().map(|poll| poll.task.into()));
    columns.plain("pollThread", polls().map(|poll| poll.thread.into()));
    columns.rising("pollStart", polls().map(|poll| poll.start));
    columns.plain("pollLen", polls().map(|poll| poll.len()));
    columns.plain(
        "pollFlags",
        polls().map(|poll| {
            let depth = u64::from(poll.depth.min(15));
            u64::from(poll.is_last) | u64::from(!poll.is_whole) << 1 | depth << 2
        }),
    );
    columns.plain("parkThread", trace.parks.iter().map(|park| park.thread.into()));
    columns.rising("parkStart", trace.parks.iter().map(|park| park.start));
    columns.plain("parkLen", trace.parks.iter().map(|park| park.end - park.start));
}

fn wakes(trace: &Trace, columns: &mut Columns) {
    let wakes = || trace.wakes.iter();
    columns.plain("wakeTask", wakes().map(|wake| wake.task.into()));
    columns.plain("wakeThread", wakes().map(|wake| wake.thread.into()));
    columns.rising("wakeAt", wakes().map(|wake| wake.at));
    columns.plain("wakeSpan", wakes().map(|wake| wake.latest - wake.at));
    // The effect and the cause of the wake: kind, cause, and the number of the cause.
    let kind = |wake: &Wake| match wake.kind {
        WakeKind::Queued => 0,
        WakeKind::Again => 1,
        WakeKind::Cancel => 2,
    };
    columns.plain(
        "wakeKind",
        wakes().map(|wake| {
            let cause = match wake.cause {
                Cause::Task(_) => 0,
                Cause::Io { .. } => 1,
                Cause::Timer { .. } => 2,
                Cause::Thread => 3,
            };
            kind(wake) | cause << 2
        }),
    );
    columns.plain(
        "wakeBy",
        wakes().map(|wake| match wake.cause {
            Cause::Task(task) => or_zero(task),
            Cause::Io { fd, .. } => fd.into(),
            Cause::Timer { late_ns } => late_ns,
            Cause::Thread => 0,
        }),
    );
    columns.plain(
        "wakeSocket",
        wakes().map(|wake| match wake.cause {
            Cause::Io { socket, .. } => socket.into(),
            _ => 0,
        }),
    );
}

/// Adds the waits. The page finds those of a task by their numbers, which follow each other.
fn waits(trace: &Trace, columns: &mut Columns) -> Reasons {
    let mut reasons = Reasons::default();
    let waits = || trace.waits.iter();
    let tasks = 0..trace.tasks.len() as u32;
    columns.plain("waitCount", tasks.map(|task| trace.waits_of(task).len() as u64));
    columns.rising("waitFrom", waits().map(|wait| wait.from));
    columns.plain("waitLen", waits().map(|wait| wait.woken - wait.from));
    columns.plain("waitQueued", waits().map(|wait| wait.until - wait.woken));
    let mut reason = |wait: &reveille_trace::Wait| match wait.woken > wait.from {
        true => reasons.number(Reason::of(trace, wait)).into(),
        // The task was queued at once, so this number is not used.
        false => 0,
    };
    columns.plain("waitReason", waits().map(&mut reason));
    columns.rising("waitWake", waits().map(|wait| or_zero(wait.wake)));
    columns.plain("waitStack", waits().map(|wait| or_zero(wait.stack)));
    columns.plain("waitOpen", waits().map(|wait| wait.is_open.into()));
    reasons
}

fn user(trace: &Trace, columns: &mut Columns) {
    let spans = || trace.spans.iter();
    columns.plain("spanTask", spans().map(|span| or_zero(span.task)));
    columns.plain("spanThread", spans().map(|span| span.thread.into()));
    columns.rising("spanStart", spans().map(|span| span.start));
    let end = |span: &reveille_trace::Span| span.end.unwrap_or(trace.end).max(span.start);
    columns.plain("spanLen", spans().map(|span| end(span) - span.start));
    columns.plain("spanName", spans().map(|span| span.name.into()));
    columns.plain("spanNumber", spans().map(|span| span.number));
    let marks = || trace.marks.iter();
    columns.plain("markTask", marks().map(|mark| or_zero(mark.task)));
    columns.plain("markThread", marks().map(|mark| mark.thread.into()));
    columns.rising("markAt", marks().map(|mark| mark.at));
    columns.plain("markName", marks().map(|mark| mark.name.into()));
    columns.plain("markNumber", marks().map(|mark| mark.number));
}

fn head(trace: &Trace, figures: &Figures, reasons: &Reasons) -> Value {
    let missing: Vec<String> = trace.missing.iter().map(ToString::to_string).collect();
    let reasons_of = |reason: &Reason| json!([reason.label(trace), reason.code()]);
    let number = |reason: Reason| reasons.numbers.get(&reason).copied();
    let waited = figures
        .waited
        .iter()
        .map(|one| json!([one.group, number(one.reason), one.total, one.count, one.longest]));
    let standing = figures.standing.iter().take(LISTED).map(|one| {
        let stack = or_zero(one.stack);
        json!([one.group, number(one.reason), stack, one.count, one.longest, one.task])
    });
    let lints = trace.lints.iter().take(LISTED);
    let lints =
        lints.map(|lint| json!([lint.at, or_zero(lint.task), rule(lint.rule, lint.measure)]));
    let panics = trace.panics.iter().take(LISTED);
    let panics =
        panics.map(|panic| json!([panic.at, or_zero(panic.task), trace.text(panic.message)]));
    let awaits = Awaits::new(trace);
    let frame = |one: &Await| json!([one.word, one.function, one.place()]);
    let stack = |stack| awaits.of(stack).iter().map(frame).collect::<Vec<_>>();
    let hand_offs = trace.hand_offs.iter().map(|one| json!([one.thread, one.at]));
    json!({
        "program": trace.meta.program,
        "process": trace.meta.process,
        "producer": trace.meta.producer,
        "date": if trace.start_wall_ns > 0 { date(trace.start_wall_ns) } else { String::new() },
        "end": trace.end,
        "events": trace.events,
        "missing": missing,
        "texts": trace.texts,
        "threads": threads(trace),
        "groups": groups(trace, figures),
        "reasons": reasons.all.iter().map(reasons_of).collect::<Vec<_>>(),
        "stacks": trace.stacks.iter().map(stack).collect::<Vec<_>>(),
        "waited": waited.collect::<Vec<_>>(),
        "standing": standing.collect::<Vec<_>>(),
        "longestPolls": figures.longest_polls,
        "longestQueued": figures.longest_queued,
        "handOffs": hand_offs.collect::<Vec<_>>(),
        "lints": lints.collect::<Vec<_>>(),
        "lintCount": trace.lints.len(),
        "panics": panics.collect::<Vec<_>>(),
        "panicCount": trace.panics.len(),
    })
}

fn threads(trace: &Trace) -> Vec<Value> {
    let worker = |worker: &Option<WorkerId>| match worker {
        Some(WorkerId { runtime: 0, index }) => format!("worker {index}"),
        Some(WorkerId { runtime, index }) => format!("worker {index} of runtime {runtime}"),
        None => "no worker".to_owned(),
    };
    let thread = |thread: &reveille_trace::Thread| {
        let workers = thread.workers.iter().map(|(at, on)| json!([at, worker(on)]));
        let recorded = thread.recorded.iter().map(|range| json!([range.start, range.end]));
        json!({
            "name": trace.text(thread.name),
            "busy": thread.busy,
            "parked": thread.parked,
            "polls": thread.polls,
            "dropped": thread.dropped,
            "workers": workers.collect::<Vec<_>>(),
            "recorded": recorded.collect::<Vec<_>>(),
        })
    };
    trace.threads.iter().map(thread).collect()
}

fn groups(trace: &Trace, figures: &Figures) -> Vec<Value> {
    let group = |(index, group): (usize, &reveille_trace::Group)| {
        let spent = &figures.spent[index];
        let flavour = match group.flavour {
            Flavour::Pool => "task",
            Flavour::Local => "local task",
            Flavour::Blocking => "blocking closure",
            Flavour::BlockOn => "block_on",
        };
        let place = trace.place_label(group.file, group.line);
        json!({
            "label": trace.group_label(index as u32),
            "name": readable_type(trace.text(group.type_name)),
            "type": trace.text(group.type_name),
            "place": place,
            "flavour": flavour,
            "tasks": group.tasks,
            "live": spent.live,
            "polls": spent.polls,
            "busy": spent.busy,
            "queued": spent.queued,
            "waited": spent.waited,
            "longest": spent.longest_poll,
        })
    };
    trace.groups.iter().enumerate().map(group).collect()
}

//! The summary for the terminal, at most 80 columns wide.

use std::fmt::Write as _;

use reveille_trace::{LintRule, NO_INDEX, Trace};

use super::awaits::{Await, Awaits};
use super::figures::{Figures, date, duration, thousands};
use super::reason::Reason;

/// The maximum width of a line.
const COLUMNS: usize = 80;

/// The maximum number of entries in a list.
const ROWS: usize = 8;

/// Returns the summary.
pub(crate) fn text(trace: &Trace) -> String {
    let figures = Figures::new(trace);
    let mut text = String::new();
    head(trace, &mut text);
    missing(trace, &mut text);
    threads(trace, &mut text);
    groups(trace, &figures, &mut text);
    waited(trace, &figures, &mut text);
    standing(trace, &figures, &mut text);
    longest_polls(trace, &figures, &mut text);
    longest_queued(trace, &figures, &mut text);
    found(trace, &mut text);
    text
}

fn head(trace: &Trace, text: &mut String) {
    let program = match &*trace.meta.program {
        "" => "a program",
        program => program,
    };
    let live = trace.tasks.iter().filter(|task| task.ended.is_none()).count();
    let mut process = format!("{program}, process {}", trace.meta.process);
    if trace.start_wall_ns > 0 {
        let _ = write!(process, ", from {}", date(trace.start_wall_ns));
    }
    line(text, &process);
    let facts = format!(
        "{} on {}; {} ({} live at the end), {}, {}",
        duration(trace.end),
        many(trace.threads.len(), "thread"),
        many(trace.tasks.len(), "task"),
        thousands(live as u64),
        many(trace.polls.len(), "poll"),
        many(trace.wakes.len(), "wake"),
    );
    wrapped(text, "", &facts);
}

/// Returns `1 task` or `2,000 tasks`.
fn many(count: usize, noun: &str) -> String {
    let plural = if count == 1 { "" } else { "s" };
    format!("{} {noun}{plural}", thousands(count as u64))
}

fn missing(trace: &Trace, text: &mut String) {
    if !trace.missing.is_empty() {
        heading(text, "Missing from the trace");
        trace.missing.iter().for_each(|missing| wrapped(text, "  ", &missing.to_string()));
    }
}

fn threads(trace: &Trace, text: &mut String) {
    if trace.threads.is_empty() {
        return;
    }
    let columns = ["busy", "asleep", "polls", "longest poll"];
    let [busy, asleep, polls, longest] = columns;
    heading(text, &format!("{:36}{busy:>6}{asleep:>10}{polls:>10}{longest:>15}", "Threads"));
    let mut longest = vec![0; trace.threads.len()];
    for poll in &trace.polls {
        let longest: &mut u64 = &mut longest[poll.thread as usize];
        *longest = poll.len().max(*longest);
    }
    for (thread, longest) in trace.threads.iter().zip(longest) {
        let whole = trace.end.max(1) as f64;
        let (busy, asleep) = (thread.busy as f64 / whole, thread.parked as f64 / whole);
        let row = format!(
            "  {} {} {:>4.0} %{:>8.0} %{:>10}{:>15}",
            padded(trace.text(thread.name), 18),
            bar(busy, 14),
            busy * 100.0,
            asleep * 100.0,
            thousands(thread.polls.into()),
            duration(longest),
        );
        line(text, &row);
    }
}

fn groups(trace: &Trace, figures: &Figures, text: &mut String) {
    let mut order: Vec<usize> = (0..trace.groups.len()).collect();
    order.sort_by_key(|group| std::cmp::Reverse(figures.spent[*group].busy));
    let columns = ["tasks", "live", "polls", "polled", "queued", "waited"];
    let row = |begin: &str, [tasks, live, polls, busy, queued, waited]: [&str; 6]| {
        format!("{begin:20}{tasks:>9}{live:>9}{polls:>9}{busy:>11}{queued:>11}{waited:>11}")
    };
    heading(text, &row("Tasks by place", columns));
    for group in order.iter().take(ROWS) {
        let (tasks, spent) = (trace.groups[*group].tasks, &figures.spent[*group]);
        line(text, &format!("  {}", fitted(&trace.group_label(*group as u32), COLUMNS - 2)));
        let counts = [tasks.into(), spent.live, spent.polls].map(thousands);
        let times = [spent.busy, spent.queued, spent.waited].map(duration);
        let [tasks, live, polls] = counts.each_ref().map(String::as_str);
        let [busy, queued, waited] = times.each_ref().map(String::as_str);
        line(text, &row("", [tasks, live, polls, busy, queued, waited]));
    }
    others(text, order.len());
}

fn waited(trace: &Trace, figures: &Figures, text: &mut String) {
    if figures.waited.is_empty() {
        return;
    }
    let all = figures.waited.iter().fold(0_u64, |all, one| all.saturating_add(one.total));
    let [total, times, longest] = ["total", "times", "longest"];
    let title = "What tasks waited for";
    heading(text, &format!("{title:47}{total:>11}{times:>11}{longest:>11}"));
    for one in figures.waited.iter().take(ROWS) {
        let label = one.reason.label(trace);
        let row = format!(
            "  {} {}{:>11}{:>11}{:>11}",
            padded(&label, 30),
            bar(one.total as f64 / all.max(1) as f64, 14),
            duration(one.total),
            thousands(one.count),
            duration(one.longest),
        );
        line(text, &row);
        line(text, &format!("    {}", fitted(&trace.group_label(one.group), COLUMNS - 4)));
    }
    others(text, figures.waited.len());
}

fn standing(trace: &Trace, figures: &Figures, text: &mut String) {
    if figures.standing.is_empty() {
        return;
    }
    heading(text, "Waiting at the end");
    let awaits = Awaits::new(trace);
    for one in figures.standing.iter().take(ROWS) {
        let label = trace.group_label(one.group);
        let many = match one.count {
            1 => trace.tasks.get(one.task as usize).map_or(String::new(), |task| {
                if task.name == 0 { String::new() } else { format!("'{}' ", trace.text(task.name)) }
            }),
            count => format!("{} × ", thousands(count)),
        };
        line(text, &format!("  {}", fitted(&format!("{many}{label}"), COLUMNS - 2)));
        let waits = match one.reason {
            // The stack says it.
            Reason::Unknown if one.stack != NO_INDEX => "waits".to_owned(),
            Reason::Unknown => "for what is not known".to_owned(),
            reason => format!("for {}", reason.label(trace)),
        };
        line(text, &format!("    {waits}, {} so far", duration(one.longest)));
        if one.stack != NO_INDEX {
            stack(&awaits.of(&trace.stacks[one.stack as usize]), text);
        }
    }
    others(text, figures.standing.len());
    if figures.standing.iter().all(|one| one.stack == NO_INDEX) {
        line(text, "  The awaits are known from dumps only: take one while the program records.");
    }
}

/// Writes a stack, the innermost function first.
fn stack(awaits: &[Await], text: &mut String) {
    for one in awaits {
        let (word, function) = (one.word, &one.function);
        let place = one.place();
        // Most functions fit, so most places begin at the same column.
        let width = COLUMNS.saturating_sub(10 + place.chars().count()).clamp(20, 34);
        let function = match &*place {
            "" => function.clone(),
            _ if function.chars().count() > width => format!("{function}\n          "),
            _ => format!("{function:width$}"),
        };
        format!("      {word} {function} {place}").lines().for_each(|row| line(text, row));
    }
}

fn longest_polls(trace: &Trace, figures: &Figures, text: &mut String) {
    if figures.longest_polls.is_empty() {
        return;
    }
    heading(text, "Longest polls");
    for index in figures.longest_polls.iter().take(ROWS) {
        let poll = &trace.polls[*index as usize];
        let thread = trace.text(trace.threads[poll.thread as usize].name);
        let on = format!("at {} on {}", duration(poll.start), fitted(thread, 16));
        let label = trace.task_label(poll.task);
        let width = COLUMNS - 14 - on.chars().count();
        line(text, &format!("  {:>9}  {} {on}", duration(poll.len()), padded(&label, width)));
    }
}

fn longest_queued(trace: &Trace, figures: &Figures, text: &mut String) {
    if figures.longest_queued.is_empty() {
        return;
    }
    heading(text, "Longest times from the wake to the poll");
    for index in figures.longest_queued.iter().take(ROWS / 2) {
        let wait = &trace.waits[*index as usize];
        let from = format!("from {}", duration(wait.woken));
        let label = trace.task_label(wait.task);
        let width = COLUMNS - 14 - from.chars().count();
        let queued = duration(wait.until - wait.woken);
        line(text, &format!("  {queued:>9}  {} {from}", padded(&label, width)));
    }
}

/// Writes panics and the findings of rules.
fn found(trace: &Trace, text: &mut String) {
    if !trace.panics.is_empty() {
        heading(text, "Panics");
        for panic in trace.panics.iter().take(ROWS) {
            let label = label(trace, panic.task);
            let message = trace.text(panic.message);
            wrapped(text, "  ", &format!("at {}, {label}: {message}", duration(panic.at)));
        }
        others(text, trace.panics.len());
    }
    if !trace.lints.is_empty() {
        heading(text, "What rules found");
        for lint in trace.lints.iter().take(ROWS) {
            let label = label(trace, lint.task);
            let what = rule(lint.rule, lint.measure);
            wrapped(text, "  ", &format!("at {}, {label}: {what}", duration(lint.at)));
        }
        others(text, trace.lints.len());
    }
}

fn label(trace: &Trace, task: u32) -> String {
    if task == NO_INDEX { "the runtime".to_owned() } else { trace.task_label(task) }
}

/// Returns the finding of a rule, in words.
pub(crate) fn rule(rule: LintRule, measure: u64) -> String {
    match rule {
        LintRule::LongPoll => format!("a poll took {}", duration(measure)),
        LintRule::HandedOff => {
            format!("another thread took over the worker after {} in a poll", duration(measure))
        }
        LintRule::BlockOnInTask => "`block_on` was called in a task".to_owned(),
        LintRule::NoWaker => "a poll ended pending and kept no waker".to_owned(),
        LintRule::LastWakerDropped => "the last waker was dropped while it waits".to_owned(),
        LintRule::SelfWake => format!("it woke itself in {} polls in a row", thousands(measure)),
        LintRule::LateRun => format!("it was polled {} after its wake", duration(measure)),
        LintRule::LateTimer => format!("a timer was {} late", duration(measure)),
        LintRule::PoolFull => {
            format!("the blocking pool is full, {} closures wait", thousands(measure))
        }
        LintRule::HugeFuture => format!("a future of {} bytes was spawned", thousands(measure)),
        LintRule::Quiescent => format!("no task can make progress: {} wait", thousands(measure)),
        _ => "a rule that this version does not know".to_owned(),
    }
}

fn heading(text: &mut String, heading: &str) {
    text.push('\n');
    line(text, heading);
}

fn others(text: &mut String, count: usize) {
    if count > ROWS {
        line(text, &format!("  and {} more", thousands((count - ROWS) as u64)));
    }
}

fn line(text: &mut String, line: &str) {
    let _ = writeln!(text, "{}", fitted(line, COLUMNS).trim_end());
}

/// Returns `text` cut in its middle to `width` columns.
fn fitted(text: &str, width: usize) -> String {
    // Control characters in a name could change the state of the terminal.
    let clean = text.chars().map(|letter| if letter.is_control() { '�' } else { letter });
    let letters: Vec<char> = clean.collect();
    if letters.len() <= width {
        return letters.into_iter().collect();
    }
    let left = width.saturating_sub(1) / 2;
    let right = width.saturating_sub(1) - left;
    let begin = letters[..left].iter();
    begin.chain(&['…']).chain(&letters[letters.len() - right..]).collect()
}

/// Returns `text` cut or filled with spaces to `width` columns.
fn padded(text: &str, width: usize) -> String {
    let text = fitted(text, width);
    format!("{text:width$}")
}

/// Writes words in as many lines as they need.
fn wrapped(text: &mut String, indent: &str, words: &str) {
    let mut row = String::new();
    for word in words.split_whitespace() {
        let len = indent.len() + row.chars().count() + 1 + word.chars().count();
        if !row.is_empty() && len > COLUMNS {
            line(text, &format!("{indent}{row}"));
            row = "  ".to_owned();
        } else if !row.is_empty() {
            row.push(' ');
        }
        row.push_str(word);
    }
    line(text, &format!("{indent}{row}"));
}

/// Returns a bar of `width` columns that is filled to `part` of 1.
fn bar(part: f64, width: usize) -> String {
    const EIGHTHS: [char; 8] = [' ', '▏', '▎', '▍', '▌', '▋', '▊', '▉'];
    let eighths = (part.clamp(0.0, 1.0) * width as f64 * 8.0).round() as usize;
    let mut bar = "█".repeat(eighths / 8);
    if bar.chars().count() < width {
        bar.push(EIGHTHS[eighths % 8]);
    }
    format!("{bar:width$}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_cut_in_the_middle() {
        assert_eq!(fitted("abcdefgh", 8), "abcdefgh");
        assert_eq!(fitted("abcdefghi", 8), "abc…fghi");
        assert_eq!(fitted("a\u{1b}[2J", 8), "a�[2J");
        assert_eq!(bar(0.5, 4), "██  ");
        assert_eq!((bar(0.0, 3), bar(2.0, 3)), ("   ".to_owned(), "███".to_owned()));
    }
}

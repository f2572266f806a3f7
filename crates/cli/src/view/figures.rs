//! The figures of the summary and the page: times by group and by reason, the longest polls and
//! waits.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use reveille_trace::{NO_INDEX, Poll, Trace, Wait};

use super::reason::Reason;

/// How many entries the lists of the longest polls and waits have.
const LONGEST: usize = 20;

/// A reason for which tasks of a group waited.
#[derive(Debug)]
pub(crate) struct Waited {
    pub(crate) group: u32,
    pub(crate) reason: Reason,
    pub(crate) total: u64,
    pub(crate) count: u64,
    pub(crate) longest: u64,
}

/// How the time of a group of tasks was spent.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Spent {
    pub(crate) polls: u64,
    pub(crate) busy: u64,
    pub(crate) queued: u64,
    pub(crate) waited: u64,
    pub(crate) longest_poll: u64,
    pub(crate) live: u64,
}

/// Tasks that wait at the end of the trace, with the same stack and reason.
#[derive(Debug)]
pub(crate) struct Standing {
    pub(crate) group: u32,
    pub(crate) reason: Reason,
    pub(crate) stack: u32,
    pub(crate) count: u64,
    /// The longest wait among them.
    pub(crate) longest: u64,
    /// One of the tasks.
    pub(crate) task: u32,
}

/// The figures of a trace.
#[derive(Debug)]
pub(crate) struct Figures {
    /// The longest first.
    pub(crate) waited: Vec<Waited>,
    /// By group.
    pub(crate) spent: Vec<Spent>,
    /// Indices of polls of tasks, the longest first. Blocking closures are left out.
    pub(crate) longest_polls: Vec<u32>,
    /// Indices of waits, in order of the time that the task was queued, longest first.
    pub(crate) longest_queued: Vec<u32>,
    /// The longest wait first.
    pub(crate) standing: Vec<Standing>,
}

impl Figures {
    pub(crate) fn new(trace: &Trace) -> Figures {
        let (spent, waited) = spent_and_waited(trace);
        let is_task = |poll: &Poll| {
            let flavour = trace.tasks[poll.task as usize].flavour;
            flavour != reveille_trace::Flavour::Blocking
        };
        let polls = trace.polls.iter().enumerate().filter(|(_, poll)| is_task(poll));
        let queued = |wait: &Wait| wait.until - wait.woken;
        let queues = trace.waits.iter().enumerate().filter(|(_, wait)| queued(wait) > 0);
        Figures {
            waited,
            spent,
            longest_polls: longest(polls.map(|(index, poll)| (poll.len(), index as u32))),
            longest_queued: longest(queues.map(|(index, wait)| (queued(wait), index as u32))),
            standing: standing(trace),
        }
    }
}

/// Returns the indices of the longest entries.
fn longest(all: impl Iterator<Item = (u64, u32)>) -> Vec<u32> {
    let mut heap = std::collections::BinaryHeap::new();
    for (len, index) in all {
        heap.push(Reverse((len, Reverse(index))));
        if heap.len() > LONGEST {
            heap.pop();
        }
    }
    heap.into_sorted_vec().into_iter().map(|Reverse((_, Reverse(index)))| index).collect()
}

fn spent_and_waited(trace: &Trace) -> (Vec<Spent>, Vec<Waited>) {
    let mut spent = vec![Spent::default(); trace.groups.len()];
    for task in &trace.tasks {
        let group = &mut spent[task.group as usize];
        group.busy = group.busy.saturating_add(task.busy);
        group.queued = group.queued.saturating_add(task.queued);
        group.waited = group.waited.saturating_add(task.waited);
        group.live += u64::from(task.ended.is_none());
    }
    for poll in &trace.polls {
        let group = &mut spent[trace.tasks[poll.task as usize].group as usize];
        group.polls += 1;
        group.longest_poll = group.longest_poll.max(poll.len());
    }
    let mut waited: BTreeMap<(u32, Reason), (u64, u64, u64)> = BTreeMap::new();
    for wait in &trace.waits {
        let len = wait.woken - wait.from;
        if len > 0 {
            let group = trace.tasks[wait.task as usize].group;
            let (total, count, longest) =
                waited.entry((group, Reason::of(trace, wait))).or_default();
            (*total, *count) = (total.saturating_add(len), *count + 1);
            *longest = len.max(*longest);
        }
    }
    let waited = waited.into_iter().map(|((group, reason), (total, count, longest))| Waited {
        group,
        reason,
        total,
        count,
        longest,
    });
    let mut waited: Vec<Waited> = waited.collect();
    waited.sort_by_key(|waited| Reverse(waited.total));
    (spent, waited)
}

fn standing(trace: &Trace) -> Vec<Standing> {
    let mut found: BTreeMap<(u32, Reason, u32), Standing> = BTreeMap::new();
    let still = |wait: &&Wait| wait.is_open && wait.woken == wait.until && wait.woken > wait.from;
    for wait in trace.waits.iter().filter(still) {
        let group = trace.tasks[wait.task as usize].group;
        let reason = Reason::of(trace, wait);
        let one = found.entry((group, reason, wait.stack)).or_insert(Standing {
            group,
            reason,
            stack: wait.stack,
            count: 0,
            longest: 0,
            task: NO_INDEX,
        });
        let len = wait.until - wait.from;
        one.count += 1;
        if one.task == NO_INDEX || len > one.longest {
            (one.longest, one.task) = (len, wait.task);
        }
    }
    let mut found: Vec<Standing> = found.into_values().collect();
    found.sort_by_key(|one| Reverse(one.longest));
    found
}

/// Returns a duration in nanoseconds with its unit, three digits at least.
pub(crate) fn duration(ns: u64) -> String {
    let exact = ns as f64;
    let (number, unit) = match ns {
        0..1_000 => return format!("{ns} ns"),
        1_000..999_950 => (exact / 1e3, "µs"),
        999_950..999_950_000 => (exact / 1e6, "ms"),
        _ => (exact / 1e9, "s"),
    };
    match number {
        ..9.995 => format!("{number:.2} {unit}"),
        ..99.95 => format!("{number:.1} {unit}"),
        _ => format!("{number:.0} {unit}"),
    }
}

/// Returns a number with commas between thousands.
pub(crate) fn thousands(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// Returns a moment as a date and a time of day in UTC.
pub(crate) fn date(ns_since_1970: u64) -> String {
    let seconds = ns_since_1970 / 1_000_000_000;
    let (days, rest) = (seconds / 86_400, seconds % 86_400);
    // Howard Hinnant, "chrono-Compatible Low-Level Date Algorithms": years begin in March, so that
    // the leap day comes last.
    let shifted = days + 719_468;
    let (era, day_of_era) = (shifted / 146_097, shifted % 146_097);
    let leaps = day_of_era / 1_460 - day_of_era / 36_524 + day_of_era / 146_096;
    let year_of_era = (day_of_era - leaps) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 };
    let year = year_of_era + era * 400 + u64::from(month <= 2);
    let (hour, minute, second) = (rest / 3_600, rest / 60 % 60, rest % 60);
    format!("{year}-{month:02}-{day:02} {hour:02}:{minute:02}:{second:02} UTC")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_have_three_digits_and_a_unit() {
        for (ns, text) in [
            (0, "0 ns"),
            (999, "999 ns"),
            (1_000, "1.00 µs"),
            (12_345, "12.3 µs"),
            (999_949, "1000 µs"),
            (999_950, "1.00 ms"),
            (123_456_789, "123 ms"),
            (5_000_000_000, "5.00 s"),
            (7_200_000_000_000, "7200 s"),
        ] {
            assert_eq!(duration(ns), text);
        }
        assert_eq!((thousands(7), thousands(1_234_567)), ("7".to_owned(), "1,234,567".to_owned()));
    }

    #[test]
    fn dates_are_those_of_the_calendar() {
        assert_eq!(date(0), "1970-01-01 00:00:00 UTC");
        assert_eq!(date(951_782_400_000_000_000), "2000-02-29 00:00:00 UTC");
        assert_eq!(date(1_790_000_000_000_000_000), "2026-09-21 14:13:20 UTC");
    }
}

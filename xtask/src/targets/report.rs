//! The counts of test programs, read from what their harness printed.

use std::fmt;

/// How many tests of a program passed and failed, and which did not end.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Counts {
    passed: usize,
    failed: usize,
    unfinished: Vec<String>,
    /// Whether the harness printed its result.
    pub(super) is_complete: bool,
}

/// The programs of a system.
#[derive(Debug, Default)]
pub(super) struct Report {
    rows: Vec<(String, Counts)>,
    /// What failed.
    bad: Vec<String>,
}

impl Counts {
    /// Reads the counts from the result, or from the lines of the tests if there is none.
    pub(super) fn of(output: &str) -> Counts {
        match output.lines().rfind(|line| line.starts_with("test result: ")) {
            Some(result) => Counts {
                passed: count(result, "passed"),
                failed: count(result, "failed"),
                unfinished: Vec::new(),
                is_complete: true,
            },
            None => Counts {
                passed: ended(output, "ok").count(),
                failed: ended(output, "FAILED").count(),
                ..Counts::default()
            },
        }
    }

    /// Notes the tests in `list`, which is the output of `--list`, that did not end.
    pub(super) fn find_unfinished(&mut self, list: &str, output: &str) {
        let names = list.lines().filter_map(|line| line.trim_end().strip_suffix(": test"));
        let is_ended = |name: &&str| {
            let mut all = ended(output, "ok").chain(ended(output, "FAILED"));
            all.any(|ended| ended == *name)
        };
        let unfinished = names.filter(|name| !is_ended(name));
        self.unfinished = unfinished.map(str::to_owned).collect();
    }
}

impl fmt::Display for Counts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} passed; {} failed", self.passed, self.failed)?;
        match &self.unfinished[..] {
            [] => Ok(()),
            unfinished => write!(f, "; did not end: {}", unfinished.join(", ")),
        }
    }
}

impl Report {
    /// Adds a program. It is a failure if it did not succeed or printed no result.
    pub(super) fn add(&mut self, name: String, counts: Counts, has_succeeded: bool) {
        if !has_succeeded || !counts.is_complete {
            self.bad.push(name.clone());
        }
        self.rows.push((name, counts));
    }

    /// Notes a failure of a program that has no tests.
    pub(super) fn fail(&mut self, name: &str) {
        self.bad.push(name.to_owned());
    }

    /// Prints the table and its sums.
    pub(super) fn print(&self, system: &str) {
        println!("{:<45} passed failed did not end", format!("{system}: program"));
        let row = |name: &str, passed: usize, failed: usize, unfinished: usize| {
            println!("{name:<45} {passed:>6} {failed:>6} {unfinished:>11}");
        };
        for (name, counts) in &self.rows {
            row(name, counts.passed, counts.failed, counts.unfinished.len());
        }
        let sum = |of: fn(&Counts) -> usize| self.rows.iter().map(|(_, counts)| of(counts)).sum();
        let name = format!("{} programs", self.rows.len());
        let unfinished = sum(|counts| counts.unfinished.len());
        row(&name, sum(|counts| counts.passed), sum(|counts| counts.failed), unfinished);
    }

    /// Names what failed.
    pub(super) fn problem(&self, system: &str) -> Option<String> {
        let text = format!("{system}: failed: {}", self.bad.join(", "));
        (!self.bad.is_empty()).then_some(text)
    }
}

/// The names of the tests that ended with this result.
fn ended<'a>(output: &'a str, result: &'a str) -> impl Iterator<Item = &'a str> {
    let names = output.lines().filter_map(move |line| {
        let name = line.trim_end().strip_suffix(result)?.strip_suffix(" ... ")?;
        name.strip_prefix("test ")
    });
    names.map(|name| name.trim_end_matches(" - should panic"))
}

/// The number before `what` in the line with the result of a harness.
fn count(result: &str, what: &str) -> usize {
    let mut parts = result.split([';', '.']).map(str::trim);
    let part = parts.find_map(|part| part.strip_suffix(what));
    part.and_then(|number| number.trim().parse().ok()).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_counts_are_those_of_the_harness() {
        let line =
            "test result: FAILED. 41 passed; 2 failed; 0 ignored; 0 measured; 3 filtered out";
        let counts = Counts::of(line);
        assert_eq!((counts.passed, counts.failed, counts.is_complete), (41, 2, true));
    }

    #[test]
    fn tests_that_did_not_end_are_named() {
        let output = "running 5 tests\ntest a ... ok\r\ntest b ... FAILED\n\
                      test m::c - should panic ... ok\ntest d has been running for over 60 s\n";
        let mut counts = Counts::of(output);
        assert_eq!((counts.passed, counts.failed, counts.is_complete), (2, 1, false));
        counts.find_unfinished("a: test\nb: test\nd: test\r\nm::c: test\n", output);
        assert_eq!(counts.unfinished, ["d"]);
        assert_eq!(counts.to_string(), "2 passed; 1 failed; did not end: d");
    }

    #[test]
    fn a_program_without_a_result_has_failed() {
        let mut report = Report::default();
        report.add("one".to_owned(), Counts { is_complete: true, ..Counts::default() }, true);
        assert_eq!(report.problem("windows"), None);
        report.add("two".to_owned(), Counts::default(), true);
        assert_eq!(report.problem("windows").as_deref(), Some("windows: failed: two"));
    }
}

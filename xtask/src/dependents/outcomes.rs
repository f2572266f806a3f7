//! Outcomes of tests: parses libtest's output and the records.

use std::collections::BTreeMap;

/// How one test ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ended {
    Ok,
    Failed,
    Ignored,
}

/// Each test, by its target and its name.
pub(super) type Outcomes = BTreeMap<String, Ended>;

impl Ended {
    pub(super) fn word(self) -> &'static str {
        match self {
            Ended::Ok => "ok",
            Ended::Failed => "failed",
            Ended::Ignored => "ignored",
        }
    }

    fn of(word: &str) -> Option<Ended> {
        [Ended::Ok, Ended::Failed, Ended::Ignored].into_iter().find(|ended| ended.word() == word)
    }
}

/// Parses the output of `cargo test`, with both of its streams in one text.
pub(super) fn printed(text: &str) -> Outcomes {
    let mut outcomes = Outcomes::new();
    let mut target = String::new();
    // The output of a test that bypasses libtest's capture appears between the test's name and its
    // outcome.
    let mut open: Option<String> = None;
    for line in text.lines() {
        if let Some(name) = of_target(line) {
            target = name;
            open = None;
        } else if let Some((name, end)) = line.strip_prefix("test ").and_then(end_of) {
            let test = format!("{target} {name}");
            match ended(end) {
                Some(ended) => drop(outcomes.insert(test, ended)),
                None => open = Some(test),
            }
        } else if let (Some(test), Some(ended)) = (&open, ended(line)) {
            outcomes.insert(test.clone(), ended);
            open = None;
        }
    }
    outcomes
}

fn end_of(line: &str) -> Option<(&str, &str)> {
    let (name, end) = line.split_once(" ... ")?;
    let name = name.trim_end_matches(" - should panic").trim_end_matches(" - compile fail");
    Some((name.trim_end_matches(" - compile"), end))
}

fn ended(text: &str) -> Option<Ended> {
    // `ignored` may be followed by a reason.
    let is = |word: &str| text.ends_with(word) || text.starts_with(&format!("{word},"));
    let words = [("ok", Ended::Ok), ("FAILED", Ended::Failed), ("ignored", Ended::Ignored)];
    words.into_iter().find(|(word, _)| is(word)).map(|(_, ended)| ended)
}

/// The target whose tests follow this line.
fn of_target(line: &str) -> Option<String> {
    let line = line.trim_start();
    if let Some(name) = line.strip_prefix("Doc-tests ") {
        return Some(format!("doc {name}"));
    }
    let path = line.strip_prefix("Running ")?.split(" (").next()?;
    Some(path.trim_start_matches("unittests ").to_owned())
}

/// The rows of a record.
pub(super) fn write(outcomes: &Outcomes) -> String {
    outcomes.iter().map(|(test, ended)| format!("{}\t{test}\n", ended.word())).collect()
}

/// Parses a record and skips its comments.
pub(super) fn read(text: &str) -> Outcomes {
    let rows = text.lines().filter_map(|line| line.split_once('\t'));
    rows.filter_map(|(word, test)| Some((test.to_owned(), Ended::of(word)?))).collect()
}

/// The number of tests with each outcome, in words.
pub(super) fn sum(outcomes: &Outcomes) -> String {
    let count = |ended| outcomes.values().filter(|other| **other == ended).count();
    let mut text = format!("{} ok", count(Ended::Ok));
    for (ended, word) in [(Ended::Failed, "failed"), (Ended::Ignored, "ignored")] {
        if count(ended) > 0 {
            text.push_str(&format!(", {} {word}", count(ended)));
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    const PRINTED: &str = "\
   Compiling surf v2.3.2
     Running unittests src/lib.rs (target/debug/deps/surf-0123)

running 3 tests
test url::joins ... ok
test retries - should panic ... ok
test talks ... said something
FAILED

     Running tests/test.rs (target/debug/deps/test-4567)
test late ... ignored, needs a network
test url::joins ... FAILED
   Doc-tests surf
test src/lib.rs - get (line 12) - compile ... ok
";

    #[test]
    fn what_libtest_prints_is_read() {
        let rows: Vec<(String, Ended)> = printed(PRINTED).into_iter().collect();
        let rows: Vec<(&str, Ended)> = rows.iter().map(|(test, end)| (&**test, *end)).collect();
        assert_eq!(
            rows,
            [
                ("doc surf src/lib.rs - get (line 12)", Ended::Ok),
                ("src/lib.rs retries", Ended::Ok),
                ("src/lib.rs talks", Ended::Failed),
                ("src/lib.rs url::joins", Ended::Ok),
                ("tests/test.rs late", Ended::Ignored),
                ("tests/test.rs url::joins", Ended::Failed),
            ]
        );
    }

    #[test]
    fn a_record_is_read_as_it_was_written() {
        let outcomes = printed(PRINTED);
        assert_eq!(read(&format!("# a comment\n{}", write(&outcomes))), outcomes);
    }
}

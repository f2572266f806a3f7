//! `tests/mutations.txt`: for each row of `tests/FAULTS.md`, a change of the code that puts the
//! fault back, and the test that must fail then.
//!
//! ```text
//! fault: the first cell of the row
//! file: crates/task/src/state.rs
//! test: task/tests/loom_task.rs::the_poll_after_a_wake_sees_what_the_waker_wrote
//!  a line that stays
//! -a line that is removed
//! +a line that is added
//! ```
//!
//! An entry ends at an empty line. The lines of the change keep their indentation. The old lines
//! together must occur exactly once in the file. An entry that covers several rows has a line
//! `fault:` for each. An entry with `none:` in place of a change says why its row has no mutation.

use std::fs;
use std::path::Path;

/// The path of the list, from the root.
pub(crate) const LIST: &str = "tests/mutations.txt";

/// A change of a file.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Change {
    pub(crate) file: String,
    /// In the form of FAULTS.md: `file.rs::name`.
    pub(crate) test: String,
    pub(crate) old: String,
    pub(crate) new: String,
}

/// An entry of the list.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Mutation {
    /// The line where the entry begins, counted from one.
    pub(crate) line: usize,
    pub(crate) faults: Vec<String>,
    /// The change, or the reason why there is none.
    pub(crate) change: Result<Change, String>,
}

impl Mutation {
    /// Whether one of its texts contains `name`.
    pub(crate) fn is_named(&self, name: &str) -> bool {
        let is_in = |text: &String| text.contains(name);
        let is_in_change = |change: &Change| is_in(&change.file) || is_in(&change.test);
        self.faults.iter().any(is_in) || self.change.as_ref().is_ok_and(is_in_change)
    }
}

/// Reads the list.
pub(crate) fn parse(text: &str) -> Result<Vec<Mutation>, String> {
    let mut mutations = Vec::new();
    let mut entry: Vec<(usize, &str)> = Vec::new();
    for (index, line) in text.lines().chain([""]).enumerate() {
        if !line.is_empty() {
            entry.push((index + 1, line));
        } else if !entry.is_empty() {
            mutations.extend(parse_entry(&std::mem::take(&mut entry))?);
        }
    }
    Ok(mutations)
}

/// Reads one entry. A block of comments is not an entry.
fn parse_entry(lines: &[(usize, &str)]) -> Result<Option<Mutation>, String> {
    let mut faults = Vec::new();
    let mut change = Change::default();
    let mut reason = None;
    for &(number, line) in lines.iter().filter(|(_, line)| !line.starts_with('#')) {
        let in_change = line.chars().next().filter(|mark| [' ', '-', '+'].contains(mark));
        if let Some(mark) = in_change {
            let code = &line[1..];
            for (text, other) in [(&mut change.old, '+'), (&mut change.new, '-')] {
                if mark != other {
                    text.push_str(code);
                    text.push('\n');
                }
            }
            continue;
        }
        let (key, value) = line.split_once(": ").unwrap_or((line, ""));
        match key {
            "fault" => faults.push(value.to_owned()),
            "file" => change.file = value.to_owned(),
            "test" => change.test = value.to_owned(),
            "none" => reason = Some(value.to_owned()),
            _ => return Err(format!("{LIST}:{number}: `{key}` is not a part of an entry")),
        }
    }
    let Some(&(line, _)) = lines.iter().find(|(_, line)| line.starts_with("fault: ")) else {
        let is_comment = lines.iter().all(|(_, line)| line.starts_with('#'));
        let message = || format!("{LIST}:{}: an entry without `fault:`", lines[0].0);
        return if is_comment { Ok(None) } else { Err(message()) };
    };
    let is_whole = !change.file.is_empty() && !change.test.is_empty() && change.old != change.new;
    match reason {
        None if !is_whole => Err(format!("{LIST}:{line}: needs `file:`, `test:` and a change")),
        None => Ok(Some(Mutation { line, faults, change: Ok(change) })),
        Some(reason) => Ok(Some(Mutation { line, faults, change: Err(reason) })),
    }
}

impl Change {
    /// Returns the text of the file with the change, if its old lines are there exactly once.
    pub(crate) fn apply(&self, text: &str) -> Result<String, String> {
        // Whole lines only, so that a shorter line does not match the end of another one.
        let text = format!("\n{text}");
        let old = format!("\n{}", self.old);
        let (first, last) = (text.find(&old), text.rfind(&old));
        if first.is_none() || first != last {
            let message = if first.is_none() { "are not" } else { "are more than once" };
            return Err(format!("its old lines {message} in {}", self.file));
        }
        Ok(text.replacen(&old, &format!("\n{}", self.new), 1)[1..].to_owned())
    }

    /// Like [`apply`](Change::apply), for the file below `root`.
    pub(crate) fn apply_below(&self, root: &Path) -> Result<String, String> {
        let path = root.join(&self.file);
        let text = fs::read_to_string(&path);
        self.apply(&text.map_err(|error| format!("cannot read {}: {error}", path.display()))?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "# a comment\n\nfault: a\nfault: b\nfile: f.rs\ntest: g.rs::h\n     x\n\
                        -    y\n+    z\n\nfault: c\nnone: it has no code\n";

    #[test]
    fn entries_have_faults_and_a_change_or_a_reason() {
        let mutations = parse(TEXT).unwrap();
        assert_eq!(mutations.len(), 2);
        assert_eq!((mutations[0].line, &*mutations[0].faults), (3, &["a".into(), "b".into()][..]));
        let change = mutations[0].change.as_ref().unwrap();
        assert_eq!((&*change.old, &*change.new), ("    x\n    y\n", "    x\n    z\n"));
        assert_eq!(mutations[1].change, Err("it has no code".to_owned()));
        assert!(parse("fault: a\nfile: f.rs\n").is_err(), "no change");
        assert!(parse("file: f.rs\n").is_err(), "no fault");
        assert!(parse("fault: a\nother: b\n").is_err(), "another key");
    }

    #[test]
    fn old_lines_must_be_there_once_and_whole() {
        let change = parse(TEXT).unwrap().remove(0).change.unwrap();
        assert_eq!(change.apply("a\n    x\n    y\n").unwrap(), "a\n    x\n    z\n");
        assert!(change.apply("    x\n    y\n    x\n    y\n").is_err());
        assert!(change.apply("    x\n    yy\n").is_err());
        assert!(change.apply("     x\n    y\n").is_err());
    }
}

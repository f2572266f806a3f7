//! `tests/FAULTS.md` and `tests/STRANGERS.md` list faults of other runtimes, each with the tests
//! that show that reveille does not have it. Each test that they name exists. Each fault has a
//! test, or a reason why it needs no test.

use std::path::PathBuf;

use super::Problem;
use super::tree::{File, Tree};

/// The two lists: faults by kind, and single public reports.
const LISTS: [&str; 2] = ["tests/FAULTS.md", "tests/STRANGERS.md"];

/// The most lines between an attribute and its function.
const ATTRIBUTES_MAX: usize = 4;

pub(super) fn check(tree: &Tree) -> Vec<Problem> {
    LISTS.iter().flat_map(|list| check_list(tree, list)).collect()
}

fn check_list(tree: &Tree, name: &str) -> Vec<Problem> {
    let list = tree.read(name);
    if list.is_empty() {
        return vec![Problem::new(name, "is missing: it lists faults of other runtimes")];
    }
    let mut problems = Vec::new();
    for (index, line) in list.lines().enumerate() {
        let mut say = |message| problems.push(Problem::at(name, index + 1, message));
        for (file, test) in tests(line) {
            let path = path_of(tree, file);
            match tree.files.iter().find(|file| file.path == path) {
                None => say(format!("there is no file {}", path.display())),
                Some(file) if !has_test(file, test) => {
                    say(format!("there is no test {test} in {}", path.display()));
                }
                Some(_) => {}
            }
        }
        if is_bare(line) {
            say("has neither a test nor a reason that begins with `no`".to_owned());
        }
    }
    problems
}

/// Returns what the line names as `file.rs::test`.
pub(super) fn tests(line: &str) -> impl Iterator<Item = (&str, &str)> {
    // Every second piece is inside backticks.
    let quoted = line.split('`').skip(1).step_by(2);
    quoted.filter_map(|text| text.split_once("::")).filter(|(file, _)| file.ends_with(".rs"))
}

/// Returns the path of a file that a list names: below `crates/` if it begins with the name of a
/// crate, else below `tests/`.
fn path_of(tree: &Tree, file: &str) -> PathBuf {
    let (first, _) = file.split_once('/').unwrap_or((file, ""));
    let in_crate = PathBuf::from("crates").join(first);
    let is_crate = tree.files.iter().any(|file| file.path.starts_with(&in_crate));
    PathBuf::from(if is_crate { "crates" } else { "tests" }).join(file)
}

/// Whether a function of this name is marked as a test, or `conformance!` makes tests of it.
fn has_test(file: &File, name: &str) -> bool {
    has_marked_test(file, name) || has_conformance_test(file, name)
}

/// Whether the `conformance!` at the end of the file lists the name.
fn has_conformance_test(file: &File, name: &str) -> bool {
    let entry = format!("{name},");
    let lines = file.lines.iter().map(|line| line.code.trim());
    let list = lines.skip_while(|code| !code.contains("conformance!("));
    list.skip(1).take_while(|code| *code != ");").any(|code| code == entry)
}

fn has_marked_test(file: &File, name: &str) -> bool {
    let begins = format!("fn {name}(");
    file.lines.iter().enumerate().any(|(index, line)| {
        let above = &file.lines[index.saturating_sub(ATTRIBUTES_MAX)..index];
        line.code.contains(&begins) && above.iter().any(|line| line.code.contains("#[test]"))
    })
}

/// Whether the line is the row of a fault without a test and without a reason for that.
fn is_bare(line: &str) -> bool {
    let cells: Vec<&str> = line.split('|').map(str::trim).collect();
    match cells[..] {
        [_, _, applies, shown, _] => shown.is_empty() && !applies.starts_with("no"),
        // A public report: source, report, right value, three runtimes, test.
        [_, _, _, _, _, _, _, test, _] => test.is_empty(),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_found_between_marks() {
        let line = "| `a::b` | x | `c/d.rs::e`, `f.rs::g` |";
        assert!(tests(line).eq([("c/d.rs", "e"), ("f.rs", "g")]));
    }

    #[test]
    fn a_file_is_below_crates_if_its_path_begins_with_a_crate() {
        let file = File { path: "crates/task/src/lib.rs".into(), lines: Vec::new() };
        let (manifests, readmes) = (Vec::new(), Vec::new());
        let tree = Tree {
            root: "/nowhere".into(),
            files: vec![file],
            manifests,
            readmes,
            ..Tree::default()
        };
        let path = |file| path_of(&tree, file);
        assert_eq!(path("task/tests/a.rs"), PathBuf::from("crates/task/tests/a.rs"));
        assert_eq!(path("tasks/a.rs"), PathBuf::from("tests/tasks/a.rs"));
        assert_eq!(path("a.rs"), PathBuf::from("tests/a.rs"));
    }

    #[test]
    fn a_row_has_a_test_or_a_reason() {
        assert!(is_bare("| a fault | the queue | |"));
        assert!(!is_bare("| a fault | no: there is none | |"));
        assert!(!is_bare("| a fault | the queue | `a.rs::b` |"));
        assert!(is_bare("| a#1 | hangs | ends | ok | ok | ok | |"));
        assert!(!is_bare("| a#1 | hangs | ends | ok | ok | ok | `a.rs::b` |"));
        assert!(!is_bare("some text"));
    }
}

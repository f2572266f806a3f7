//! The list of faults that others shipped names the tests that show this house free of them. Each
//! test that it names is there, and each fault has one, or a word why it needs none.

use std::path::PathBuf;

use super::Problem;
use super::tree::{File, Tree};

const LIST: &str = "tests/FAULTS.md";

/// How far above its function an attribute stands at most.
const ATTRIBUTES_MAX: usize = 4;

pub(super) fn check(tree: &Tree) -> Vec<Problem> {
    let list = tree.read(LIST);
    if list.is_empty() {
        return vec![Problem::new(LIST, "is missing: it lists the faults others shipped")];
    }
    let mut problems = Vec::new();
    for (index, line) in list.lines().enumerate() {
        let mut say = |message| problems.push(Problem::at(LIST, index + 1, message));
        for (file, name) in tests(line) {
            let path = path_of(file);
            match tree.files.iter().find(|file| file.path == path) {
                None => say(format!("there is no file {}", path.display())),
                Some(file) if !has_test(file, name) => {
                    say(format!("there is no test {name} in {}", path.display()));
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
fn tests(line: &str) -> impl Iterator<Item = (&str, &str)> {
    // Every second piece stands between two marks.
    let quoted = line.split('`').skip(1).step_by(2);
    quoted.filter_map(|text| text.split_once("::")).filter(|(file, _)| file.ends_with(".rs"))
}

fn path_of(file: &str) -> PathBuf {
    let folder = if file.contains('/') { "crates" } else { "tests" };
    PathBuf::from(folder).join(file)
}

/// Whether a function of this name is marked as a test, or one that `conformance!` makes tests of.
fn has_test(file: &File, name: &str) -> bool {
    has_marked_test(file, name) || has_conformance_test(file, name)
}

/// Whether the list of the file's `conformance!`, which stands at its end, has the name.
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

/// Whether the line is the row of a fault that has no test and does not say why.
fn is_bare(line: &str) -> bool {
    let cells: Vec<&str> = line.split('|').map(str::trim).collect();
    let [_, _, applies, shown, _] = cells[..] else { return false };
    shown.is_empty() && !applies.starts_with("no")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_found_between_marks() {
        let line = "| `a::b` | x | `c/d.rs::e`, `f.rs::g` |";
        assert!(tests(line).eq([("c/d.rs", "e"), ("f.rs", "g")]));
        assert_eq!(path_of("c/d.rs"), PathBuf::from("crates/c/d.rs"));
        assert_eq!(path_of("f.rs"), PathBuf::from("tests/f.rs"));
    }

    #[test]
    fn a_row_has_a_test_or_a_reason() {
        assert!(is_bare("| a fault | the queue | |"));
        assert!(!is_bare("| a fault | no: there is none | |"));
        assert!(!is_bare("| a fault | the queue | `a.rs::b` |"));
        assert!(!is_bare("some text"));
    }
}

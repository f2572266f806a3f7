//! Words that do not belong: names that say nothing, and promises of later work.

use super::Problem;
use super::source::Line;
use super::tree::{File, Tree};

/// Names under which things pile up that have nothing to do with each other.
const DRAWERS: [&str; 6] = ["utils", "util", "helpers", "common", "misc", "inner"];

/// Names for which the house has another word (house words are in ARCHITECTURE.md).
const OTHER_WORDS: [(&str, &str); 5] = [
    ("Manager", "scheduler"),
    ("Ticker", "worker"),
    ("Inbox", "injector"),
    ("Trailer", "stage"),
    ("Backend", "driver"),
];

/// What a comment says when work was left undone. In two parts, so that this file may hold them.
const PROMISES: [(&str, &str); 3] = [("TO", "DO"), ("FIX", "ME"), ("XX", "X")];

/// Code that stands for code to come, or for a test that is not run.
const STUBS: [&str; 3] = ["todo!(", "unimplemented!(", "#[ignore"];

pub(super) fn check(tree: &Tree) -> Vec<Problem> {
    let mut problems = Vec::new();
    for file in &tree.files {
        file_name(file, &mut problems);
        for (index, line) in file.lines.iter().enumerate() {
            if let Some(message) = complaint(line) {
                problems.push(Problem::at(&file.path, index + 1, message));
            }
        }
    }
    problems
}

fn file_name(file: &File, problems: &mut Vec<Problem>) {
    let parts = file.path.iter().map(|part| part.to_string_lossy().into_owned());
    for part in parts {
        let name = part.trim_end_matches(".rs");
        if DRAWERS.contains(&name) {
            let message = format!("`{name}` says nothing: name it after what it holds");
            problems.push(Problem::new(&file.path, message));
        }
    }
}

fn complaint(line: &Line) -> Option<String> {
    let code = line.code.trim_start();
    if let Some(stub) = STUBS.iter().find(|stub| code.contains(**stub)) {
        return Some(format!("`{stub}` stands for what is not there: write it, or leave it out"));
    }
    let promise = PROMISES.iter().map(|(a, b)| format!("{a}{b}"));
    if let Some(word) = promise.into_iter().find(|word| line.comment.contains(word.as_str())) {
        return Some(format!("`{word}`: do it, or say why it is as it is"));
    }
    let name = defined_name(code)?;
    if DRAWERS.contains(&name) && code.contains("mod ") {
        return Some(format!("`{name}` says nothing: name the module after what it holds"));
    }
    let (word, house) = OTHER_WORDS.iter().find(|(word, _)| *word == name)?;
    Some(format!("`{word}` is called {house} in this house"))
}

/// Returns the name of the module or type that this line defines.
fn defined_name(code: &str) -> Option<&str> {
    let mut words =
        code.split(|c: char| !(c.is_alphanumeric() || c == '_')).filter(|w| !w.is_empty());
    words.find(|word| ["mod", "struct", "enum", "trait", "type"].contains(word))?;
    words.next()
}

#[cfg(test)]
mod tests {
    use super::super::source;
    use super::*;

    fn complains(text: &str) -> bool {
        complaint(&source::parse(text)[0]).is_some()
    }

    #[test]
    fn promises_and_drawers_are_found_where_they_count() {
        for text in ["mod utils;", "pub struct Manager;", "#[ignore = \"slow\"]", "    todo!()"] {
            assert!(complains(text), "{text}");
        }
        assert!(complains(&format!("// {}{}: later", "TO", "DO")));
        for text in ["fn utils() {}", "x(\"todo!()\")", "let manager = Manager;", "// inner"] {
            assert!(!complains(text), "{text}");
        }
    }
}

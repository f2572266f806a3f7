//! Rejects names without meaning, names for which this repository has another word, and unfinished
//! work.

use super::Problem;
use super::source::Line;
use super::tree::{File, Tree};

/// Names of modules that collect unrelated items.
const DRAWERS: [&str; 6] = ["utils", "util", "helpers", "common", "misc", "inner"];

/// Names for which this repository has another word; see the glossary of ARCHITECTURE.md.
const OTHER_WORDS: [(&str, &str); 5] = [
    ("Manager", "scheduler"),
    ("Ticker", "worker"),
    ("Inbox", "injector"),
    ("Trailer", "stage"),
    ("Backend", "driver"),
];

/// Marks of unfinished work in a comment. Each is written in two parts, so that this file does not
/// contain it.
const PROMISES: [(&str, &str); 3] = [("TO", "DO"), ("FIX", "ME"), ("XX", "X")];

/// Code without a body, and tests that do not run.
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
        return Some(format!("`{stub}`: write the code, or remove it"));
    }
    let promise = PROMISES.iter().map(|(a, b)| format!("{a}{b}"));
    if let Some(word) = promise.into_iter().find(|word| line.comment.contains(word.as_str())) {
        return Some(format!("`{word}`: do it, or open an issue"));
    }
    let name = defined_name(code)?;
    if DRAWERS.contains(&name) && code.contains("mod ") {
        return Some(format!("`{name}` says nothing: name the module after what it holds"));
    }
    let (word, own) = OTHER_WORDS.iter().find(|(word, _)| *word == name)?;
    Some(format!("`{word}` is called {own} here"))
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

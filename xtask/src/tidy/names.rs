//! No two types of the core crates have the same name.
//!
//! A reader who searches for a name finds one definition, and a name in a comment or a backtrace
//! says which type it is.

use std::collections::BTreeMap;

use super::Problem;
use super::tree::{File, Tree};

/// The crates whose types are compared with each other.
const CORE: [&str; 4] =
    ["crates/primitive/src", "crates/task/src", "crates/driver/src", "crates/runtime/src"];

pub(super) fn check(tree: &Tree) -> Vec<Problem> {
    let mut first: BTreeMap<&str, &File> = BTreeMap::new();
    let mut problems = Vec::new();
    for file in tree.files.iter().filter(|file| is_core(file)) {
        for (line, name) in types(file) {
            // Two definitions in one file are the same type for two systems.
            let before = *first.entry(name).or_insert(file);
            if before.path != file.path {
                let message = format!("`{name}` is also a type in {}", before.path.display());
                problems.push(Problem::at(&file.path, line, message));
            }
        }
    }
    problems
}

fn is_core(file: &File) -> bool {
    !file.is_test() && CORE.iter().any(|folder| file.is_under(folder))
}

/// The types that a file defines outside of its tests, each with its line, counted from one.
fn types(file: &File) -> impl Iterator<Item = (usize, &str)> {
    let tests = file.test_modules();
    let lines = file.lines.iter().enumerate();
    lines.filter_map(move |(index, line)| {
        let is_test = tests.iter().any(|(first, last)| (*first..=*last).contains(&index));
        let name = defined_type(&line.code).filter(|_| !is_test)?;
        Some((index + 1, name))
    })
}

/// The name of the type or trait whose definition begins on this line. Associated types and aliases
/// define no type.
fn defined_type(code: &str) -> Option<&str> {
    const KEYWORDS: [&str; 4] = ["struct", "enum", "union", "trait"];
    let mut words = code.split_whitespace().peekable();
    let is_before = |word: &str| word.starts_with("pub") || word == "unsafe";
    while words.next_if(|word| is_before(word)).is_some() {}
    // `pub(in path)` has a second word.
    words.next_if(|word| word.ends_with(')'));
    words.next().filter(|word| KEYWORDS.contains(word))?;
    let name = words.next()?;
    let end = name.find(|letter: char| !letter.is_alphanumeric() && letter != '_');
    Some(&name[..end.unwrap_or(name.len())])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_definition_names_its_type() {
        assert_eq!(defined_type("pub(crate) struct Key(usize);"), Some("Key"));
        assert_eq!(defined_type("    enum Stage<T> {"), Some("Stage"));
        assert_eq!(defined_type("pub unsafe trait System: Sync {"), Some("System"));
        assert_eq!(defined_type("pub(in crate::poll) struct Slot {"), Some("Slot"));
        assert_eq!(defined_type("type Target = T;"), None);
        assert_eq!(defined_type("let structure = Key(1);"), None);
    }
}

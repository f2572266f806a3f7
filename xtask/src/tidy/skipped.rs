//! Each test that is skipped on another system exists. The old name of a test would skip nothing,
//! and the test would fail or hang there.

use std::collections::HashSet;

use super::Problem;
use super::tree::Tree;
use crate::targets;

const SYSTEMS: &str = "xtask/src/targets/system.rs";

pub(super) fn check(tree: &Tree) -> Vec<Problem> {
    let lines = tree.files.iter().flat_map(|file| &file.lines);
    let names: HashSet<&str> = lines.filter_map(|line| name(&line.code)).collect();
    let is_lost = |(_, test): &(&str, &str)| !exists(test, &names);
    let problem = |(system, test)| {
        let message = format!("{system} skips {test}, and no function or module has that name");
        Problem::new(SYSTEMS, message)
    };
    targets::skipped().filter(is_lost).map(problem).collect()
}

/// The name of the function or module that begins in this line.
fn name(code: &str) -> Option<&str> {
    let mut words = code.split_whitespace().skip_while(|word| !["fn", "mod"].contains(word));
    let name = words.nth(1)?;
    let end = name.find(|c: char| !(c.is_alphanumeric() || c == '_'));
    Some(&name[..end.unwrap_or(name.len())])
}

/// Whether each part of a test's path is a part of some name.
fn exists(test: &str, names: &HashSet<&str>) -> bool {
    let mut parts = test.split("::").filter(|part| !part.is_empty());
    parts.all(|part| names.iter().any(|name| name.contains(part)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_names_of_functions_and_modules_exist() {
        let lines = ["    async fn reads_at_once() {", "pub mod batched;", "let works = 1;"];
        let names = lines.into_iter().filter_map(name).collect();
        for test in ["batched::", "at_once", "batched::reads_at_once"] {
            assert!(exists(test, &names), "{test}");
        }
        for test in ["works", "batched::reads_all", "let"] {
            assert!(!exists(test, &names), "{test}");
        }
    }
}

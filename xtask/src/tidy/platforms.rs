//! Code that differs between systems stands where the systems are: in the driver, in the files
//! that wrap descriptors, in the shim's copy of their names, and nowhere else.

use super::Problem;
use super::tree::{File, Tree};

/// Where `cfg` may ask for the system.
const OPEN: [&str; 6] = [
    "crates/primitive/src",
    "crates/driver/src",
    "crates/runtime/src/io.rs",
    "crates/reveille/src/os",
    "crates/async-std/src",
    "crates/async-process/src",
];

/// What asks for it.
const QUESTIONS: [&str; 4] = ["target_os", "target_family", "unix", "windows"];

pub(super) fn check(tree: &Tree) -> Vec<Problem> {
    let mut problems = Vec::new();
    let is_closed = |file: &&File| {
        file.is_under("crates") && !file.is_test() && !OPEN.iter().any(|open| file.is_under(open))
    };
    for file in tree.files.iter().filter(is_closed) {
        for (index, line) in file.lines.iter().enumerate() {
            if asks(&line.code) {
                let message = "asks which system this is: that belongs into the driver or into os/";
                problems.push(Problem::at(&file.path, index + 1, message));
            }
        }
    }
    problems
}

fn asks(code: &str) -> bool {
    let Some((_, condition)) = code.split_once("cfg(") else { return false };
    if condition.starts_with("all(test") {
        return false;
    }
    let mut words = condition.split(|c: char| !(c.is_alphanumeric() || c == '_'));
    words.any(|word| QUESTIONS.contains(&word))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn questions_about_the_system_are_told_from_others() {
        assert!(asks("#[cfg(unix)]") && asks("#[cfg(not(target_os = \"\"))]"));
        assert!(!asks("#[cfg(all(test, windows))]"));
        assert!(
            !asks("#[cfg(test)]") && !asks("use std::os::unix;") && !asks("cfg(reveille_loom)")
        );
    }
}

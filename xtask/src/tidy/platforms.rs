//! Code that differs between systems is only in the driver, in the files that wrap descriptors, and
//! in the shims, which re-export those files' items.

use super::Problem;
use super::tree::{File, Tree};

/// Files whose `cfg` may depend on the system.
const OPEN: [&str; 9] = [
    "crates/primitive/src",
    "crates/driver/src",
    "crates/runtime/src/io.rs",
    "crates/sim/src",
    "crates/reveille/src/os",
    "crates/hyper/src/os",
    "crates/async-std/src",
    "crates/async-process/src",
    "crates/async-io/src",
];

/// Conditions that depend on the system.
const CONDITIONS: [&str; 4] = ["target_os", "target_family", "unix", "windows"];

pub(super) fn check(tree: &Tree) -> Vec<Problem> {
    let mut problems = Vec::new();
    let is_closed = |file: &&File| {
        file.is_under("crates") && !file.is_test() && !OPEN.iter().any(|open| file.is_under(open))
    };
    for file in tree.files.iter().filter(is_closed) {
        for (index, line) in file.lines.iter().enumerate() {
            if depends_on_system(&line.code) {
                let message = "depends on the system: move it to the driver or to os/";
                problems.push(Problem::at(&file.path, index + 1, message));
            }
        }
    }
    problems
}

fn depends_on_system(code: &str) -> bool {
    let Some((_, condition)) = code.split_once("cfg(") else { return false };
    if condition.starts_with("all(test") {
        return false;
    }
    let mut words = condition.split(|c: char| !(c.is_alphanumeric() || c == '_'));
    words.any(|word| CONDITIONS.contains(&word))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_conditions_on_the_system_are_found() {
        assert!(
            depends_on_system("#[cfg(unix)]") && depends_on_system("#[cfg(not(target_os = \"\"))]")
        );
        assert!(!depends_on_system("#[cfg(all(test, windows))]"));
        assert!(
            !depends_on_system("#[cfg(test)]")
                && !depends_on_system("use std::os::unix;")
                && !depends_on_system("cfg(reveille_loom)")
        );
    }
}

//! Layers are crates, and inside of `runtime` modules: lower ones never name higher ones.

use super::Problem;
use super::manifests::{Section, dependencies};
use super::tree::{File, Tree};

/// Which crates of the house each crate may name, tests aside.
const CRATES: [(&str, &[&str]); 10] = [
    ("primitive", &[]),
    ("task", &["primitive"]),
    ("driver", &["primitive"]),
    ("tokio1", &[]),
    ("runtime", &["primitive", "task", "driver", "tokio1"]),
    ("macros", &[]),
    ("reveille", &["runtime", "macros"]),
    ("async-std", &["macros"]),
    ("async-process", &["reveille"]),
    ("cli", &[]),
];

/// Crates below the public one that name the standard library's atomics directly would escape
/// their own models.
const MODELLED: [&str; 3] = ["crates/task/src", "crates/driver/src", "crates/runtime/src"];

/// Files with a counter that stands alone: nothing else is published by it, so there is no
/// protocol for a model to see, and it may stand in a `static`, which loom's may not.
const LONE_COUNTERS: [&str; 4] = [
    "crates/task/src/id.rs",
    "crates/runtime/src/time/clock.rs",
    "crates/runtime/src/time/approx_clock.rs",
    "crates/runtime/src/scheduler/multi/mod.rs",
];

pub(super) fn check(tree: &Tree) -> Vec<Problem> {
    let mut problems = Vec::new();
    for (name, allowed) in CRATES {
        let path = format!("crates/{name}/Cargo.toml");
        let Some(manifest) = tree.manifests.iter().find(|manifest| manifest.path == *path) else {
            continue;
        };
        for dependency in dependencies(&manifest.text) {
            let house = dependency.name.strip_prefix("reveille-");
            let is_allowed = house.is_none_or(|house| allowed.contains(&house));
            if dependency.section == Section::Normal && !is_allowed {
                let message = format!("`{}` is not below `{name}`", dependency.name);
                problems.push(Problem::at(&path, dependency.line, message));
            }
        }
    }
    for file in &tree.files {
        loom_by_name(file, &mut problems);
        std_by_name(file, &mut problems);
    }
    problems
}

/// Only `primitive` chooses between the standard library and loom.
fn loom_by_name(file: &File, problems: &mut Vec<Problem>) {
    if file.is_under("crates/primitive") || file.is_test() || !file.is_under("crates") {
        return;
    }
    for (index, line) in file.lines.iter().enumerate() {
        if line.code.contains("loom::") {
            let message =
                "take it from reveille_primitive, which is loom's under `--cfg reveille_loom`";
            problems.push(Problem::at(&file.path, index + 1, message));
        }
    }
}

fn std_by_name(file: &File, problems: &mut Vec<Problem>) {
    let is_excused = LONE_COUNTERS.iter().any(|counter| file.is_under(counter));
    if is_excused || file.is_test() || !MODELLED.iter().any(|folder| file.is_under(folder)) {
        return;
    }
    let tests = file.test_modules();
    for (index, line) in file.lines.iter().enumerate() {
        let is_test = tests.iter().any(|(first, last)| (*first..=*last).contains(&index));
        if !is_test && line.code.contains("std::sync::atomic") {
            let message = "take it from reveille_primitive, or no model sees it";
            problems.push(Problem::at(&file.path, index + 1, message));
        }
    }
}

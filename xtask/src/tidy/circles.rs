//! No files import each other in a circle, except for those that are listed here. Inside a folder
//! with an order, a file imports only files that come before it.

use super::Problem;
use super::imports::{self, Imports};
use super::tree::Tree;

/// The source folders that are checked.
const FOLDERS: [&str; 4] =
    ["crates/primitive/src", "crates/task/src", "crates/driver/src", "crates/runtime/src"];

/// Files that may import each other. The list only gets shorter: each of them must be in a circle.
const CIRCLES: [&[&str]; 4] = [
    // A reference calls the vtable in the header of its cell, and the vtable's functions make and
    // consume references.
    &[
        "crates/task/src/attachments.rs",
        "crates/task/src/header.rs",
        "crates/task/src/raw.rs",
        "crates/task/src/record.rs",
        "crates/task/src/run.rs",
        "crates/task/src/task_ref.rs",
        "crates/task/src/waker.rs",
    ],
    // A driver holds the sources that are registered with it, and a source refers to its driver.
    &["crates/driver/src/driver.rs", "crates/driver/src/source/core.rs"],
    // A worker refers to its pool, and the pool holds the workers.
    &["crates/runtime/src/scheduler/multi/pool.rs", "crates/runtime/src/scheduler/multi/worker.rs"],
    // `Runtime::start` is a shorthand for the builder, which makes a runtime.
    &["crates/runtime/src/runtime.rs", "crates/runtime/src/runtime/builder.rs"],
];

/// The order of the modules inside a folder, lowest first.
const ORDERS: [(&str, &[&str]); 3] = [
    (
        "crates/task/src",
        &[
            "cause",
            "state",
            "memory",
            "location",
            "id",
            "unwind",
            "locals",
            "error",
            "header",
            "raw",
            "record",
            "attachments",
            "waker",
            "run",
            "task_ref",
            "schedule",
            "probe",
            "data",
            "cell",
            "join",
            "spawn",
        ],
    ),
    (
        "crates/runtime/src/scheduler",
        &[
            "generation",
            "lost",
            "own_driver",
            "registry",
            "simulated",
            "wake_flags",
            "watchdog",
            "panic_hook",
            "wake",
            "host",
            "rescue",
            "local",
            "multi",
            "inspect",
            "recording",
            "global",
            "serving",
            "block_on",
            "sleep",
        ],
    ),
    (
        "crates/runtime/src/scheduler/multi",
        &[
            "queue",
            "injector",
            "idle",
            "busy_time",
            "modes",
            "pace",
            "handoff",
            "handoff_queue",
            "observers",
            "monitor",
            "worker",
            "pool",
            "runtime_ref",
            "pool_task",
            "worker_context",
            "current",
            "schedule",
            "worker_thread",
            "shutdown",
            "drain",
            "diagnosis",
            "task_walk",
            "worker_threads",
            "block_in_place",
            "stand_in",
            "sampling",
            "environment",
            "start",
        ],
    ),
];

pub(super) fn check(tree: &Tree) -> Vec<Problem> {
    let mut problems = Vec::new();
    let mut in_circles = Vec::new();
    for folder in FOLDERS {
        let files = imports::of(tree, folder);
        let circles = circles(&files);
        problems.extend(circles.iter().filter_map(|circle| forbidden(&files, circle)));
        in_circles.extend(circles.iter().flatten().map(|file| path_of(&files[*file])));
        for (folder, order) in ORDERS {
            problems.extend(out_of_order(&files, folder, order));
        }
    }
    problems.extend(unused(CIRCLES.concat(), &in_circles));
    problems
}

/// The files that may be in a circle and are in none.
fn unused<'a>(allowed: Vec<&'a str>, in_circles: &'a [String]) -> impl Iterator<Item = Problem> {
    let unused = allowed.into_iter().filter(|path| in_circles.iter().all(|other| other != path));
    let message = "is in no circle any more: remove it from the list";
    unused.map(|path| Problem::new(path, message.to_owned()))
}

fn path_of(file: &Imports<'_>) -> String {
    file.file.path.to_string_lossy().into_owned()
}

fn is_allowed(one: &str, other: &str) -> bool {
    CIRCLES.iter().any(|circle| circle.contains(&one) && circle.contains(&other))
}

/// The problem with a circle, unless it is allowed.
fn forbidden(files: &[Imports<'_>], circle: &[usize]) -> Option<Problem> {
    let paths: Vec<String> = circle.iter().map(|file| path_of(&files[*file])).collect();
    let first = paths.first()?;
    if paths.iter().all(|path| is_allowed(first, path)) {
        return None;
    }
    let message =
        format!("{} files import each other in a circle: {}", paths.len(), paths.join(", "));
    Some(Problem::new(first, message))
}

/// The groups of two or more files that all reach each other by imports.
fn circles(files: &[Imports<'_>]) -> Vec<Vec<usize>> {
    let reached: Vec<Vec<bool>> = (0..files.len()).map(|from| reach(files, from)).collect();
    let circle_of = |one: usize| -> Vec<usize> {
        let is_mutual = |other: &usize| reached[one][*other] && reached[*other][one];
        (0..files.len()).filter(is_mutual).collect()
    };
    // Each circle is reported once, from its first file.
    let is_first = |(one, circle): &(usize, Vec<usize>)| circle.len() > 1 && circle[0] == *one;
    let circles = (0..files.len()).map(|one| (one, circle_of(one))).filter(is_first);
    circles.map(|(_, circle)| circle).collect()
}

/// The files that a file reaches by imports, directly or through other files.
fn reach(files: &[Imports<'_>], from: usize) -> Vec<bool> {
    let mut reached = vec![false; files.len()];
    let mut left = vec![from];
    while let Some(file) = left.pop() {
        for (_, target) in &files[file].targets {
            if !std::mem::replace(&mut reached[*target], true) {
                left.push(*target);
            }
        }
    }
    reached
}

/// Each import in `folder` that names a module which comes later in `order` than its own.
fn out_of_order(files: &[Imports<'_>], folder: &str, order: &[&str]) -> Vec<Problem> {
    let module = |file: &Imports<'_>| {
        let path = file.file.path.strip_prefix(folder).ok()?.with_extension("");
        Some(path.iter().next()?.to_string_lossy().into_owned())
    };
    let rank = |name: &str| order.iter().position(|other| *other == name);
    let mut problems = Vec::new();
    for file in files {
        let Some(own) = module(file).filter(|own| own != "mod" && own != "lib") else { continue };
        let path = path_of(file);
        let Some(own_rank) = rank(&own) else {
            let message = format!("`{own}` has no place in the order of {folder}");
            problems.push(Problem::at(&path, 1, message));
            continue;
        };
        for (line, target) in &file.targets {
            let Some(other) = module(&files[*target]) else { continue };
            let is_above = rank(&other).is_some_and(|other| other > own_rank);
            if is_above && !is_allowed(&path, &path_of(&files[*target])) {
                let message = format!("`{other}` is not below `{own}`");
                problems.push(Problem::at(&path, *line, message));
            }
        }
    }
    problems
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;
    use crate::tidy::source;
    use crate::tidy::tree::File;

    fn files(count: usize) -> Vec<File> {
        let path = |number| PathBuf::from(format!("src/m{number}.rs"));
        (0..count).map(|number| File { path: path(number), lines: source::parse("") }).collect()
    }

    fn imports<'a>(files: &'a [File], targets: &[&[usize]]) -> Vec<Imports<'a>> {
        let lines = targets.iter().map(|of| of.iter().map(|target| (1, *target)).collect());
        files.iter().zip(lines).map(|(file, targets)| Imports { file, targets }).collect()
    }

    #[test]
    fn files_that_reach_each_other_are_a_circle() {
        let files = files(5);
        let graph = imports(&files, &[&[1], &[2], &[0, 3], &[4], &[]]);
        assert_eq!(circles(&graph), [[0, 1, 2]]);
        assert!(forbidden(&graph, &[0, 1, 2]).is_some());
        let graph = imports(&files, &[&[1, 2], &[2], &[3], &[4], &[]]);
        assert!(circles(&graph).is_empty());
    }

    #[test]
    fn a_circle_that_is_gone_is_removed_from_the_list() {
        let in_circles = ["a.rs".to_owned(), "b.rs".to_owned()];
        assert_eq!(unused(vec!["a.rs", "b.rs"], &in_circles).count(), 0);
        assert_eq!(unused(vec!["a.rs", "b.rs", "c.rs"], &in_circles).count(), 1);
    }

    #[test]
    fn a_module_imports_only_those_before_it() {
        let files = files(3);
        let graph = imports(&files, &[&[], &[0], &[1]]);
        assert_eq!(out_of_order(&graph, "src", &["m0", "m1", "m2"]).len(), 0);
        assert_eq!(out_of_order(&graph, "src", &["m1", "m0", "m2"]).len(), 1);
        assert_eq!(out_of_order(&graph, "src", &["m0", "m1"]).len(), 1, "`m2` is missing");
    }
}

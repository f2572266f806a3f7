//! A lower layer never names a higher one. The layers are crates, and modules inside a crate.

use super::Problem;
use super::manifests::{Section, dependencies};
use super::source::Line;
use super::tree::{File, Tree};

/// Which crates of this workspace each crate may depend on, tests aside.
const CRATES: [(&str, &[&str]); 20] = [
    ("primitive", &[]),
    ("trace", &[]),
    ("task", &["primitive"]),
    ("driver", &["primitive"]),
    ("tokio1", &[]),
    ("sim", &["primitive"]),
    ("runtime", &["primitive", "task", "driver", "tokio1", "trace"]),
    ("macros", &[]),
    ("reveille", &["runtime", "macros", "sim"]),
    ("async-std", &["macros"]),
    ("async-process", &["reveille"]),
    ("hyper", &["reveille"]),
    ("quinn", &["reveille"]),
    ("async-io", &["reveille", "runtime"]),
    ("blocking", &["runtime"]),
    ("async-global-executor", &["reveille", "runtime"]),
    ("smol", &[]),
    ("metrics", &["reveille"]),
    ("tracing", &["reveille"]),
    ("cli", &["trace"]),
];

/// The order of modules inside a crate, lowest first. A module names only those before it.
const MODULES: [(&str, &[&str]); 2] = [
    (
        "crates/primitive/src",
        &[
            "atomic",
            "cell",
            "fork",
            "lock",
            "padded",
            "prefetch",
            "simulation",
            "stack",
            "thread",
            "ticks",
            "asymmetric",
            "spin_lock",
            "barrier",
            "biased",
            "sys",
        ],
    ),
    (
        "crates/runtime/src",
        &[
            "rng",
            "threads",
            "observe",
            "lint",
            "task_options",
            "metrics",
            "poll_counter",
            "spin_policy",
            "tokio_context",
            "timer",
            "record",
            "waits",
            "polls",
            "event_loop",
            "blocking",
            "context",
            "budget",
            "config",
            "scheduler",
            "runtime",
            "task",
            "io",
        ],
    ),
];

/// Crates with loom models. A model does not see an atomic that is named from std directly.
const MODELLED: [&str; 3] = ["crates/task/src", "crates/driver/src", "crates/runtime/src"];

/// Files with a counter that publishes nothing else. It has no protocol for a model, and it can be
/// a `static`, which loom's atomics cannot. And the queues that the kernel shares: they are in
/// memory that it has mapped, and no model can run its side.
const LONE_COUNTERS: [&str; 7] = [
    "crates/driver/src/poll/uring.rs",
    "crates/task/src/id.rs",
    "crates/task/src/record.rs",
    "crates/runtime/src/timer/clock.rs",
    "crates/runtime/src/timer/approx_clock.rs",
    "crates/runtime/src/threads.rs",
    "crates/runtime/src/lint.rs",
];

pub(super) fn check(tree: &Tree) -> Vec<Problem> {
    let mut problems = Vec::new();
    for (name, allowed) in CRATES {
        let path = format!("crates/{name}/Cargo.toml");
        let Some(manifest) = tree.manifests.iter().find(|manifest| manifest.path == *path) else {
            continue;
        };
        for dependency in dependencies(&manifest.text) {
            let own = dependency.name.strip_prefix("reveille-");
            let is_allowed = own.is_none_or(|own| allowed.contains(&own));
            if dependency.section == Section::Normal && !is_allowed {
                let message = format!("`{}` is not below `{name}`", dependency.name);
                problems.push(Problem::at(&path, dependency.line, message));
            }
        }
    }
    for (folder, order) in MODULES {
        let files = tree.files.iter().filter(|file| file.is_under(folder) && !file.is_test());
        files.for_each(|file| module_order(file, folder, order, &mut problems));
    }
    for file in &tree.files {
        loom_by_name(file, &mut problems);
        std_by_name(file, &mut problems);
    }
    problems
}

/// Each module of `folder` names only modules before it in `order`. `lib.rs` may name all.
fn module_order(file: &File, folder: &str, order: &[&str], problems: &mut Vec<Problem>) {
    let path = file.path.strip_prefix(folder).unwrap_or(&file.path).with_extension("");
    let module = path.iter().next().unwrap_or_default().to_string_lossy();
    if module == "lib" {
        return;
    }
    let rank = |name: &str| order.iter().position(|module| *module == name);
    let Some(own) = rank(&module) else {
        let message = format!("`{module}` is missing in the order of modules of {folder}");
        problems.push(Problem::at(&file.path, 1, message));
        return;
    };
    let tests = file.test_modules();
    for (index, line) in file.lines.iter().enumerate() {
        if tests.iter().any(|(first, last)| (*first..=*last).contains(&index)) {
            continue;
        }
        for name in named_modules(&file.lines, index, &line.code) {
            if rank(&name).is_some_and(|other| other > own) {
                let message = format!("`{name}` is not below `{module}`");
                problems.push(Problem::at(&file.path, index + 1, message));
            }
        }
    }
}

/// The names after each `crate::` on a line, including those of a group that continues on the next
/// lines.
fn named_modules(lines: &[Line], index: usize, code: &str) -> Vec<String> {
    let mut names = Vec::new();
    for after in code.split("crate::").skip(1) {
        let Some(group) = after.strip_prefix('{') else {
            names.push(first_word(after));
            continue;
        };
        let mut group = group.to_owned();
        for line in lines[index + 1..].iter().take_while(|_| !code.contains(';')) {
            group.push_str(&line.code);
            if line.code.contains(';') {
                break;
            }
        }
        names.extend(top_level(&group).iter().map(|item| first_word(item.trim())));
    }
    names
}

/// The items of a group of `use`, without its opening bracket.
fn top_level(group: &str) -> Vec<String> {
    let (mut items, mut depth) = (vec![String::new()], 0);
    for letter in group.chars() {
        match letter {
            '{' => depth += 1,
            '}' if depth == 0 => break,
            '}' => depth -= 1,
            ',' if depth == 0 => items.push(String::new()),
            _ if depth == 0 => items.last_mut().expect("there is one from the start").push(letter),
            _ => {}
        }
    }
    items
}

fn first_word(text: &str) -> String {
    text.chars().take_while(|letter| letter.is_alphanumeric() || *letter == '_').collect()
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
            let message = "take it from reveille_primitive, so that models see it";
            problems.push(Problem::at(&file.path, index + 1, message));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;
    use crate::tidy::source;

    fn problems(path: &str, text: &str) -> usize {
        let file = File { path: PathBuf::from(path), lines: source::parse(text) };
        let mut problems = Vec::new();
        module_order(&file, "src", &["low", "middle", "high"], &mut problems);
        problems.len()
    }

    #[test]
    fn a_module_names_only_those_below_it() {
        assert_eq!(problems("src/middle.rs", "use crate::low::A;\n"), 0);
        assert_eq!(problems("src/middle/part.rs", "use crate::high::A;\n"), 1);
        assert_eq!(problems("src/middle.rs", "fn f() { crate::high::g() }\n"), 1);
        assert_eq!(problems("src/lib.rs", "use crate::high;\n"), 0);
        assert_eq!(problems("src/unknown.rs", ""), 1);
    }

    #[test]
    fn groups_are_read_to_their_end() {
        assert_eq!(problems("src/middle.rs", "use crate::{low, high};\n"), 1);
        assert_eq!(
            problems("src/low.rs", "use crate::{\n    middle::{high, B},\n    high,\n};\n"),
            2
        );
        assert_eq!(problems("src/high.rs", "use crate::{low::{C, D}, middle};\n"), 0);
    }

    #[test]
    fn comments_and_tests_may_name_any_module() {
        assert_eq!(problems("src/low.rs", "/// See [`crate::high`].\nfn f() {}\n"), 0);
        assert_eq!(problems("src/low.rs", "mod tests {\n    use crate::high;\n}\n"), 0);
    }
}

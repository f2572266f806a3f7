//! Tests that are compiled only for some systems, and the reason above each of them.
//!
//! ```text
//! // Only on Linux: it counts descriptors in /proc.
//! #[cfg(target_os = "linux")]
//! mod descriptors;
//! ```
//!
//! The reason is one comment line directly above the `cfg`. It begins with `// Only on` or `// Not
//! on`, the systems, and a colon. It is required where the condition depends on the system and
//! removes tests: at a test, a module of tests, a name in `conformance!`, and a whole file. Product
//! code that a system lacks needs none.
//! `cargo xtask targets --run` lists what a system lacks, with these reasons.

use std::path::{Path, PathBuf};

use super::Problem;
use super::source::Line;
use super::tree::{File, Tree};

/// A system, as conditions see it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Facts {
    /// `linux`, `windows`, `macos`.
    pub(crate) os: &'static str,
    /// `x86_64`, `aarch64`, `x86`.
    pub(crate) arch: &'static str,
    pub(crate) pointer_width: &'static str,
}

/// The system on which every test is compiled.
pub(crate) const LINUX: Facts = Facts { os: "linux", arch: "x86_64", pointer_width: "64" };

/// Tests that one condition removes.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Absent {
    pub(crate) path: PathBuf,
    /// The test, the module, or nothing if it is the whole file.
    pub(crate) name: String,
    /// How many tests are in it, counted in the source.
    pub(crate) count: usize,
    pub(crate) reason: String,
}

/// A condition on tests.
#[derive(Debug)]
struct Gate {
    /// The line of the condition, counted from zero.
    line: usize,
    condition: String,
    item: Item,
    reason: Option<String>,
}

#[derive(Debug, PartialEq, Eq)]
enum Item {
    File,
    /// `mod name;`
    Declaration(String),
    /// Lines of this file: a test or a module, with its name.
    Block {
        name: String,
        first: usize,
        last: usize,
    },
}

/// The marks of a test. A name in `conformance!` is a test on each executor.
const TESTS: [&str; 2] = ["#[test]", "::test]"];
const EXECUTORS: usize = 5;

/// Words in a condition that depend on the system.
const SYSTEM_WORDS: [&str; 7] = [
    "unix",
    "windows",
    "target_os",
    "target_arch",
    "target_env",
    "target_family",
    "target_pointer_width",
];

/// How reasons begin.
const REASONS: [&str; 2] = ["// Only on ", "// Not on "];

pub(super) fn check(tree: &Tree) -> Vec<Problem> {
    let mut problems = Vec::new();
    for file in tree.files.iter().filter(|file| may_have_tests(file)) {
        for gate in gates(tree, file) {
            if gate.reason.is_none() {
                let message = "removes tests from a system: say why in the line above, \
                               `// Only on SYSTEM: reason` or `// Not on SYSTEM: reason`";
                problems.push(Problem::at(&file.path, gate.line + 1, message));
            }
        }
    }
    problems
}

/// Returns the tests that are compiled on Linux and not on this system.
pub(crate) fn absent(root: &Path, facts: Facts) -> Result<Vec<Absent>, String> {
    Ok(absent_from(&Tree::load(root)?, facts))
}

fn absent_from(tree: &Tree, facts: Facts) -> Vec<Absent> {
    let mut found = Vec::new();
    // Files that a condition has removed already, with all their modules.
    let mut removed: Vec<PathBuf> = Vec::new();
    // The declarations are in files that come before or after their modules in the order of the
    // paths, so they are collected first.
    for file in tree.files.iter().filter(|file| may_have_tests(file)) {
        for gate in removing(tree, file, facts) {
            if let Item::Declaration(name) = &gate.item {
                removed.extend(module_paths(&file.path, name));
            } else if gate.item == Item::File && is_root(&file.path) {
                removed.extend(file.path.parent().map(Path::to_owned));
            }
        }
    }
    for file in tree.files.iter().filter(|file| may_have_tests(file)) {
        let is_removed = removed.iter().any(|path| file.path.starts_with(path));
        let is_root = is_root(&file.path);
        let gates = removing(tree, file, facts);
        let is_whole = gates.iter().any(|gate| gate.item == Item::File);
        for gate in gates {
            let is_file = gate.item == Item::File;
            if is_removed && !(is_root && is_file) || is_whole && !is_file {
                continue;
            }
            let count = gate.tests(tree, file);
            let name = gate.name();
            let reason = gate.reason.unwrap_or_default();
            found.push(Absent { path: file.path.clone(), name, count, reason });
        }
    }
    found
}

/// The conditions of a file that do not hold on this system.
fn removing(tree: &Tree, file: &File, facts: Facts) -> Vec<Gate> {
    gates(tree, file).into_iter().filter(|gate| gate.removes_from(facts)).collect()
}

impl Gate {
    fn removes_from(&self, facts: Facts) -> bool {
        holds(&self.condition, LINUX) && !holds(&self.condition, facts)
    }

    fn name(&self) -> String {
        match &self.item {
            Item::File => String::new(),
            Item::Declaration(name) | Item::Block { name, .. } => name.clone(),
        }
    }

    fn tests(&self, tree: &Tree, file: &File) -> usize {
        match &self.item {
            Item::File if is_root(&file.path) => {
                let folder = file.path.parent().unwrap_or(Path::new(""));
                tests_under(tree, &[folder.to_owned()])
            }
            Item::File => tests_in(&file.lines),
            Item::Declaration(name) => tests_under(tree, &module_paths(&file.path, name)),
            Item::Block { name, first, last } if first == last => {
                // A name in `conformance!`, or a macro that makes one test.
                if file.lines[*first].code.trim() == format!("{name},") { EXECUTORS } else { 1 }
            }
            Item::Block { first, last, .. } => tests_in(&file.lines[*first..=*last]).max(1),
        }
    }
}

/// Whether the file may contain tests. `tests/ui` does not compile, the library of the tests and
/// the watchdog have other rules, and the packages beside the workspace are Linux's.
fn may_have_tests(file: &File) -> bool {
    let apart = ["tests/ui", "tests/src", "tests/watchdog", "tests/tokio1", "tests/simulation"];
    (file.is_under("tests") || file.is_under("crates"))
        && !apart.iter().any(|folder| file.is_under(folder))
}

/// The file of a test program that has modules.
fn is_root(path: &Path) -> bool {
    path.file_name().is_some_and(|name| name == "main.rs")
}

/// Where a module that `path` declares is: its file, and the folder of its own modules.
fn module_paths(path: &Path, name: &str) -> Vec<PathBuf> {
    let folder = path.parent().unwrap_or(Path::new(""));
    let stem = path.file_stem().unwrap_or_default();
    let is_top = ["main", "lib", "mod"].iter().any(|top| stem == *top);
    let folder = if is_top { folder.to_owned() } else { folder.join(stem) };
    vec![folder.join(format!("{name}.rs")), folder.join(name)]
}

fn tests_under(tree: &Tree, paths: &[PathBuf]) -> usize {
    let is_inside = |file: &&File| paths.iter().any(|path| file.path.starts_with(path));
    tree.files.iter().filter(is_inside).map(|file| tests_in(&file.lines)).sum()
}

/// The number of tests in these lines.
fn tests_in(lines: &[Line]) -> usize {
    let mut count = 0;
    let mut is_in_list = false;
    for line in lines {
        let code = line.code.trim();
        if is_in_list {
            is_in_list = !code.starts_with([')', '}']);
            let is_name = code.ends_with(',') && !code.starts_with('#');
            count += if is_name { EXECUTORS } else { 0 };
        } else if let Some(names) = names_of_list(code) {
            is_in_list = !names.contains([')', '}']);
            let names = names.trim_end_matches([')', '}', ';']).split(',');
            count += EXECUTORS * names.filter(|name| !name.trim().is_empty()).count();
        } else if TESTS.iter().any(|test| code.contains(test)) {
            count += 1;
        }
    }
    count
}

/// What stands behind the opening bracket, if this line begins a list of `conformance!`.
fn names_of_list(code: &str) -> Option<&str> {
    let (_, list) = code.split_once("conformance!")?;
    list.trim_start().strip_prefix(['(', '{'])
}

/// Returns the conditions on tests in a file that depend on the system.
fn gates(tree: &Tree, file: &File) -> Vec<Gate> {
    let mut gates = Vec::new();
    for (index, line) in file.lines.iter().enumerate() {
        let code = line.code.trim();
        let is_inner = code.starts_with("#![cfg(");
        if !is_inner && !code.starts_with("#[cfg(") {
            continue;
        }
        let condition = condition(&file.lines, index);
        if !SYSTEM_WORDS.iter().any(|word| has_word(&condition, word)) {
            continue;
        }
        let item = if is_inner { Some(Item::File) } else { item(tree, file, index, &condition) };
        let Some(item) = item else { continue };
        gates.push(Gate { line: index, condition, item, reason: reason(&file.lines, index) });
    }
    gates
}

fn has_word(condition: &str, word: &str) -> bool {
    let mut words = condition.split(|c: char| !(c.is_alphanumeric() || c == '_'));
    words.any(|other| other == word)
}

/// The text between the brackets of the `cfg` on this line, which may span several lines.
fn condition(lines: &[Line], index: usize) -> String {
    let mut text = String::new();
    let mut depth = 0_usize;
    for line in &lines[index..] {
        let part = if text.is_empty() {
            line.text.split_once("cfg").map_or("", |(_, part)| part)
        } else {
            line.text.trim()
        };
        for letter in part.chars() {
            match letter {
                '(' => depth += 1,
                ')' => depth = depth.saturating_sub(1),
                _ => {}
            }
            text.push(letter);
            if depth == 0 && text.len() > 1 {
                return text[1..text.len() - 1].to_owned();
            }
        }
    }
    text
}

/// What the condition on this line applies to, if that is a test or contains tests.
fn item(tree: &Tree, file: &File, index: usize, condition: &str) -> Option<Item> {
    let is_attribute = |line: &Line| line.code.trim().starts_with("#[") || !line.has_code();
    let above = file.lines[..index].iter().rev().take_while(|line| is_attribute(line));
    let below = file.lines[index..].iter().take_while(|line| is_attribute(line));
    let has_mark = |line: &Line| TESTS.iter().any(|test| line.code.contains(test));
    let first = index + below.clone().count();
    let is_test = above.take_while(|line| line.has_code()).chain(below).any(has_mark);
    let code = file.lines.get(first)?.code.trim().to_owned();
    let declared = code.trim_start_matches("pub ").strip_prefix("mod ");
    if let Some(name) = declared.and_then(|rest| rest.strip_suffix(';')) {
        let is_for_tests = file.is_test() || has_word(condition, "test");
        let has_tests = tests_under(tree, &module_paths(&file.path, name)) > 0 && is_for_tests;
        return has_tests.then(|| Item::Declaration(name.to_owned()));
    }
    if let Some(name) = declared.and_then(|rest| rest.strip_suffix('{')) {
        let last = file.end_of_block(first);
        let block = &file.lines[first..=last];
        let has_tests = tests_in(block) > 0 && (file.is_test() || has_word(condition, "test"));
        let name = name.trim().to_owned();
        return has_tests.then_some(Item::Block { name, first, last });
    }
    let is_name =
        code.ends_with(',') && code.chars().all(|c| c.is_alphanumeric() || "_,".contains(c));
    if is_name && is_in_conformance(&file.lines, first) {
        let name = code.trim_end_matches(',').to_owned();
        return Some(Item::Block { name, first, last: first });
    }
    if is_test {
        let name = code.split_once("fn ").map_or(&*code, |(_, rest)| rest);
        let name = name.split(['(', '<']).next().unwrap_or_default().to_owned();
        return Some(Item::Block { name, first, last: file.end_of_block(first) });
    }
    None
}

fn is_in_conformance(lines: &[Line], index: usize) -> bool {
    let before = lines[..index].iter().rev();
    let start =
        before.map(|line| line.code.trim()).find(|code| code.ends_with(['(', ';', '{', '}']));
    start.is_some_and(|code| names_of_list(code).is_some())
}

/// The reason in the line above.
fn reason(lines: &[Line], index: usize) -> Option<String> {
    let above = lines[..index].last()?.text.trim();
    let is_reason = REASONS.iter().any(|begin| above.starts_with(begin));
    let text = above.trim_start_matches("// ");
    let (_, why) = text.split_once(": ")?;
    (is_reason && !why.trim().is_empty()).then(|| text.to_owned())
}

/// Whether a condition holds on this system, in a build of tests with all features.
pub(crate) fn holds(condition: &str, facts: Facts) -> bool {
    let condition = condition.trim().trim_end_matches(',');
    let inner = |name: &str| {
        let rest = condition.strip_prefix(name)?.trim_start();
        rest.strip_prefix('(')?.strip_suffix(')')
    };
    if let Some(parts) = inner("all") {
        return split(parts).iter().all(|part| holds(part, facts));
    }
    if let Some(parts) = inner("any") {
        return split(parts).iter().any(|part| holds(part, facts));
    }
    if let Some(part) = inner("not") {
        return !holds(part, facts);
    }
    match condition.split_once('=') {
        Some((name, value)) => {
            let value = value.trim().trim_matches('"');
            match name.trim() {
                "target_os" => value == facts.os,
                "target_arch" => value == facts.arch,
                "target_pointer_width" => value == facts.pointer_width,
                "target_family" => value == if facts.os == "windows" { "windows" } else { "unix" },
                "target_env" => value == "gnu",
                _ => true,
            }
        }
        None => match condition {
            "unix" => facts.os != "windows",
            "windows" => facts.os == "windows",
            // The compilers of models and interpreters are not systems.
            "reveille_loom" | "miri" => false,
            _ => true,
        },
    }
}

/// Splits at the commas that are not in brackets.
fn split(parts: &str) -> Vec<&str> {
    let mut depth = 0_usize;
    let is_comma = |letter: char| {
        match letter {
            '(' => depth += 1,
            ')' => depth = depth.saturating_sub(1),
            _ => {}
        }
        letter == ',' && depth == 0
    };
    let parts = parts.split(is_comma).map(str::trim);
    parts.filter(|part| !part.is_empty()).collect()
}

#[cfg(test)]
mod tests {
    use super::super::source;
    use super::*;

    const WINDOWS: Facts = Facts { os: "windows", arch: "x86_64", pointer_width: "64" };

    fn tree(files: &[(&str, &str)]) -> Tree {
        let files =
            files.iter().map(|(path, text)| File { path: path.into(), lines: source::parse(text) });
        Tree { files: files.collect(), ..Tree::default() }
    }

    fn lines(files: &[(&str, &str)]) -> Vec<Option<usize>> {
        check(&tree(files)).iter().map(|problem| problem.line).collect()
    }

    #[test]
    fn conditions_are_evaluated() {
        for (condition, expected) in [
            ("unix", false),
            ("not(unix)", true),
            ("any(unix, windows)", true),
            ("all(test, target_os = \"linux\")", false),
            ("all(\ntarget_os = \"windows\",\nany(target_arch = \"x86_64\", unix)\n)", true),
            ("not(all(windows, reveille_loom))", true),
        ] {
            assert_eq!(holds(condition, WINDOWS), expected, "{condition}");
        }
        assert!(holds("all(target_os = \"linux\", target_pointer_width = \"64\")", LINUX));
    }

    #[test]
    fn a_condition_that_removes_tests_needs_a_reason() {
        let bare =
            "#[cfg(unix)]\n#[test]\nfn a() {}\n#[test]\n#[cfg(target_os = \"linux\")]\nfn b() {}\n";
        assert_eq!(lines(&[("tests/net/a.rs", bare)]), [Some(1), Some(5)]);
        let with = "// Only on Unix: it uses a path.\n#[cfg(unix)]\n#[test]\nfn a() {}\n";
        assert!(lines(&[("tests/net/a.rs", with)]).is_empty());
        let listed = "conformance!(\n    a,\n    #[cfg(unix)]\n    b,\n);\n";
        assert_eq!(lines(&[("tests/net/a.rs", listed)]), [Some(3)]);
        let listed = listed.replace("!(", "! {").replace(");", "}");
        assert_eq!(lines(&[("tests/net/a.rs", &listed)]), [Some(3)]);
        let main = ("tests/net/main.rs", "#[cfg(unix)]\nmod a;\n");
        assert_eq!(lines(&[main, ("tests/net/a.rs", "#[test]\nfn a() {}\n")]), [Some(1)]);
        assert!(lines(&[main, ("tests/net/a.rs", "fn support() {}\n")]).is_empty());
        let support = "#[cfg(unix)]\nfn a() {}\n#[cfg(feature = \"x\")]\n#[test]\nfn b() {}\n";
        assert!(lines(&[("tests/net/a.rs", support)]).is_empty());
        assert_eq!(lines(&[("tests/net/a.rs", "#![cfg(unix)]\n")]), [Some(1)]);
    }

    #[test]
    fn what_a_system_lacks_is_listed_once() {
        let main = "// Only on Unix: paths.\n#[cfg(unix)]\nmod a;\n";
        let tests = "// Only on Linux: no.\n#[cfg(target_os = \"linux\")]\n#[test]\nfn b() {}\n\
                     #[test]\nfn c() {}\nconformance!(d, e);\nconformance! {\n    f,\n}\n";
        let tree = tree(&[("tests/net/main.rs", main), ("tests/net/a.rs", tests)]);
        let [found] = &absent_from(&tree, WINDOWS)[..] else { panic!("one is expected") };
        assert_eq!((found.count, &*found.name, &*found.reason), (17, "a", "Only on Unix: paths."));
    }

    #[test]
    fn a_test_of_a_file_that_a_system_lacks_is_not_listed_again() {
        let text = "// Only on Unix: all.\n#![cfg(unix)]\n#[test]\nfn a() {}\n\
                    // Only on Linux: this.\n#[cfg(target_os = \"linux\")]\n#[test]\nfn b() {}\n";
        let tree = tree(&[("tests/whole.rs", text)]);
        let [found] = &absent_from(&tree, WINDOWS)[..] else { panic!("one is expected") };
        assert_eq!((found.count, &*found.reason), (2, "Only on Unix: all."));
    }
}

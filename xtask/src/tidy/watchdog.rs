//! Every test program links the watchdog, which ends it when a test hangs.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::Problem;
use super::tree::Tree;

/// The line that links it, in any file of the program.
const LINE: &str = "use reveille_watchdog as _;";

/// A call of the watchdog links it too.
const USE: &str = "reveille_watchdog::";

/// The marks of a test.
const TESTS: [&str; 3] = ["#[test]", "::test]", "conformance!("];

/// Folders whose programs need no watchdog. `tests/ui` does not compile, the unit tests of the
/// benchmarks wait for nothing, `tests/src` is the library of the program `stress`, which runs for
/// minutes, `tests/simulation/src` has a macro with tests and no test, and `tests/watchdog` is the
/// watchdog.
const EXCUSED: [&str; 5] =
    ["tests/ui", "benches", "tests/src", "tests/simulation/src", "tests/watchdog"];

pub(super) fn check(tree: &Tree) -> Vec<Problem> {
    let mut programs: BTreeMap<PathBuf, (bool, bool)> = BTreeMap::new();
    let files = tree.files.iter();
    for file in files.filter(|file| !EXCUSED.iter().any(|folder| file.is_under(folder))) {
        let Some(program) = program(tree, &file.path) else { continue };
        let (has_tests, has_watchdog) = programs.entry(program).or_default();
        let has = |what: &str| file.lines.iter().any(|line| line.code.contains(what));
        *has_tests |= TESTS.iter().any(|test| has(test));
        *has_watchdog |= has(LINE) || has(USE);
    }
    let bare = programs.into_iter().filter(|(_, (tests, watchdog))| *tests && !watchdog);
    bare.map(|(program, _)| Problem::new(program, format!("has tests and no line `{LINE}`")))
        .collect()
}

/// Returns the file or folder of the program that a file's tests belong to; `None` if the file is a
/// module of another program.
fn program(tree: &Tree, path: &Path) -> Option<PathBuf> {
    if let Some(folder) = path.ancestors().find(|folder| folder.ends_with("src")) {
        return Some(folder.to_owned());
    }
    let folder = path.parent()?;
    let is_package = |folder: &Path| {
        tree.manifests.iter().any(|manifest| manifest.path.parent() == Some(folder))
    };
    if is_package(folder) || folder.ends_with("tests") {
        return Some(path.to_owned());
    }
    // `tests/net/` is a program, and `crates/runtime/tests/modelled/` is a module of several
    // programs.
    let has_main =
        |folder: &&Path| tree.files.iter().any(|file| file.path == folder.join("main.rs"));
    folder.ancestors().find(has_main).map(Path::to_owned)
}

#[cfg(test)]
mod tests {
    use super::super::source;
    use super::super::tree::{File, Manifest};
    use super::*;

    fn problems(files: &[(&str, &str)]) -> Vec<PathBuf> {
        let manifest = |path: &str| Manifest { path: path.into(), text: String::new() };
        let manifests = vec![manifest("tests/Cargo.toml"), manifest("crates/task/Cargo.toml")];
        let files = files.iter().map(|(path, text)| {
            let (path, lines) = (PathBuf::from(path), source::parse(text));
            File { path, lines }
        });
        let tree =
            Tree { root: "/nowhere".into(), files: files.collect(), manifests, ..Tree::default() };
        check(&tree).into_iter().map(|problem| problem.path).collect()
    }

    #[test]
    fn a_program_with_tests_needs_the_watchdog_in_one_of_its_files() {
        let test = "#[test]\nfn a() {}\n";
        let main = ("tests/net/main.rs", "");
        let bare = [
            main,
            ("tests/a.rs", "conformance!(\n"),
            ("tests/net/unix/b.rs", test),
            ("crates/task/src/c/d.rs", test),
            ("crates/task/tests/e.rs", test),
        ];
        let programs = ["crates/task/src", "crates/task/tests/e.rs", "tests/a.rs", "tests/net"];
        assert_eq!(problems(&bare), programs.map(PathBuf::from));
        let with = bare.map(|(path, text)| (path, format!("{LINE}\n{text}")));
        assert!(problems(&with.each_ref().map(|(path, text)| (*path, text.as_str()))).is_empty());
        let elsewhere = [bare[2], ("tests/net/main.rs", LINE), ("tests/none.rs", "")];
        assert!(problems(&elsewhere).is_empty());
        assert!(problems(&[("crates/task/tests/toy/mod.rs", test)]).is_empty());
    }
}

//! Runs the tests of crates that depend on async-std, with the shim in place of async-std.
//!
//! `tests/dependents/list.txt` lists the crates. `--record` runs the tests on the real async-std
//! and writes the outcome of each test to `tests/dependents/NAME.txt`. Without it, the tests run on
//! the shim, and each test that passed on async-std has to pass. The sources are those that cargo
//! downloads. The only change is a `[patch.crates-io]` at the end of the manifest.
//!
//! If nothing is built yet, this takes half an hour and a few gigabytes, so it is not part of
//! `check`.
//!
//! Rejected: running the tests on async-std each time as well. That takes twice as long, and a test
//! that starts to fail on both would go unnoticed.

mod outcomes;
pub(crate) mod shims;
mod sources;

use std::fs;
use std::path::{Path, PathBuf};

use crate::shell::{self, Outcome};

use outcomes::{Ended, Outcomes};
use sources::Ground;

/// One row of the list.
struct Dependent {
    name: String,
    version: String,
    what: String,
    /// The arguments of `cargo test`.
    words: String,
}

/// What to do with the outcomes.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mode {
    /// Run on the shim, compare with the record.
    Compare,
    /// Run on the real async-std, write the record.
    Record,
}

/// Runs the dependents of these names, or all.
pub(crate) fn run(mode: Mode, names: &[&str]) -> Outcome {
    let list = read(&folder().join("list.txt"))?;
    let all: Vec<Dependent> = list.lines().filter_map(parse).collect();
    if let Some(unknown) = names.iter().find(|name| !all.iter().any(|row| row.name == **name)) {
        return Err(format!("tests/dependents/list.txt has no {unknown}"));
    }
    let chosen = all.iter().filter(|row| names.is_empty() || names.contains(&row.name.as_str()));
    let mut failed = Vec::new();
    for row in chosen {
        println!("{} {}: {}", row.name, row.version, row.what);
        let result = match mode {
            Mode::Record => record(row),
            Mode::Compare => compare(row),
        };
        match result {
            Ok(line) => println!("    {line}"),
            Err(message) => {
                println!("    {message}");
                failed.push(row.name.as_str());
            }
        }
    }
    match failed.is_empty() {
        true => Ok(()),
        false => Err(format!("not as with async-std: {}", failed.join(", "))),
    }
}

fn folder() -> PathBuf {
    shell::root().join("tests/dependents")
}

fn read(path: &Path) -> Result<String, String> {
    fs::read_to_string(path).map_err(|error| format!("cannot read {}: {error}", path.display()))
}

/// Parses `name version | what | words`. Returns `None` for a comment.
fn parse(line: &str) -> Option<Dependent> {
    if line.starts_with('#') {
        return None;
    }
    let mut columns = line.split('|').map(str::trim);
    let (name, version) = columns.next()?.split_once(' ')?;
    let what = columns.next()?.to_owned();
    let words = columns.next()?.to_owned();
    Some(Dependent { name: name.to_owned(), version: version.to_owned(), what, words })
}

/// Runs the tests on the real async-std and writes their outcomes.
fn record(row: &Dependent) -> Result<String, String> {
    let outcomes = sources::test(row, Ground::Original)?;
    let (name, version) = (&row.name, &row.version);
    let mut text = format!(
        "# The tests of {name} {version} on async-std 1.13.2, as `cargo xtask dependents --record` \
         saw them.\n"
    );
    text.push_str(&outcomes::write(&outcomes));
    let path = folder().join(format!("{name}.txt"));
    fs::write(&path, text).map_err(|error| format!("cannot write {}: {error}", path.display()))?;
    Ok(format!("{} recorded", outcomes::sum(&outcomes)))
}

/// Runs the tests on the shim, runs the failed ones again, and compares the outcomes with the
/// record.
fn compare(row: &Dependent) -> Result<String, String> {
    let recorded = read(&folder().join(format!("{}.txt", row.name)))?;
    let recorded = outcomes::read(&recorded);
    let mut outcomes = sources::test(row, Ground::Shim)?;
    let mut again = String::new();
    if !lost(&recorded, &outcomes).is_empty() {
        // Tests of other projects may assert times that a busy machine does not meet.
        let second = sources::test(row, Ground::Shim)?;
        second.into_iter().filter(|(_, ended)| *ended == Ended::Ok).for_each(|(test, ended)| {
            outcomes.insert(test, ended);
        });
        again.push_str(", some at the second try");
    }
    let lost = lost(&recorded, &outcomes);
    let sum = outcomes::sum(&outcomes);
    match lost.is_empty() {
        true => Ok(format!("{sum}: as with async-std{again}")),
        false => Err(format!("{sum}; {} lost:\n      {}", lost.len(), lost.join("\n      "))),
    }
}

/// The tests that passed in the record and do not pass now.
fn lost(recorded: &Outcomes, now: &Outcomes) -> Vec<String> {
    let passed = recorded.iter().filter(|(_, ended)| **ended == Ended::Ok);
    let lost = passed.filter(|(test, _)| now.get(*test) != Some(&Ended::Ok));
    lost.map(|(test, _)| match now.get(test) {
        Some(ended) => format!("{test} ({})", ended.word()),
        None => format!("{test} (did not run)"),
    })
    .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outcomes(rows: &[(&str, Ended)]) -> Outcomes {
        rows.iter().map(|(test, ended)| ((*test).to_owned(), *ended)).collect()
    }

    #[test]
    fn what_passed_must_pass_and_nothing_else() {
        let recorded =
            outcomes(&[("a", Ended::Ok), ("b", Ended::Ok), ("c", Ended::Failed), ("d", Ended::Ok)]);
        let now = outcomes(&[("a", Ended::Ok), ("b", Ended::Failed), ("e", Ended::Failed)]);
        assert_eq!(lost(&recorded, &now), ["b (failed)", "d (did not run)"]);
    }

    #[test]
    fn each_dependent_of_the_list_has_a_record_with_a_test_that_passes() {
        let list = read(&folder().join("list.txt")).unwrap();
        let rows: Vec<Dependent> = list.lines().filter_map(parse).collect();
        assert!(rows.len() >= 10, "{} dependents", rows.len());
        for row in rows {
            let recorded = read(&folder().join(format!("{}.txt", row.name))).unwrap();
            assert!(recorded.contains(&format!("{} {} ", row.name, row.version)), "{}", row.name);
            let recorded = outcomes::read(&recorded);
            assert!(recorded.values().any(|ended| *ended == Ended::Ok), "{}", row.name);
        }
    }
}

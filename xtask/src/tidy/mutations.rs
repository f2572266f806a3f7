//! Each row of `tests/FAULTS.md` that names tests has a mutation in `tests/mutations.txt`, or a
//! reason why it has no mutation, and the mutations fit the sources.

use super::Problem;
use super::faults;
use super::tree::Tree;
use crate::mutants::list::{self, LIST, Mutation};

const FAULTS: &str = "tests/FAULTS.md";

pub(super) fn check(tree: &Tree) -> Vec<Problem> {
    let mutations = match list::parse(&tree.read(LIST)) {
        Ok(mutations) => mutations,
        Err(message) => return vec![Problem::new(LIST, message)],
    };
    let text = tree.read(FAULTS);
    let rows: Vec<Row<'_>> = text.lines().enumerate().filter_map(row).collect();
    let mut problems = Vec::new();
    for row in &rows {
        if !mutations.iter().any(|mutation| mutation.faults.iter().any(|name| name == row.fault)) {
            let message = format!("has no entry in {LIST}: put the fault back, its test must fail");
            problems.push(Problem::at(FAULTS, row.line, message));
        }
    }
    for mutation in &mutations {
        problems.extend(
            complaint(tree, &rows, mutation).map(|text| Problem::at(LIST, mutation.line, text)),
        );
    }
    problems
}

/// A row that names tests.
struct Row<'a> {
    line: usize,
    fault: &'a str,
    tests: Vec<String>,
}

fn row((index, line): (usize, &str)) -> Option<Row<'_>> {
    let fault = line.strip_prefix("| ")?.split(" | ").next()?;
    let tests: Vec<String> =
        faults::tests(line).map(|(file, test)| format!("{file}::{test}")).collect();
    (!tests.is_empty()).then_some(Row { line: index + 1, fault, tests })
}

/// The reason why the mutation does not fit the rows or the sources; `None` if it fits.
fn complaint(tree: &Tree, rows: &[Row<'_>], mutation: &Mutation) -> Option<String> {
    for fault in &mutation.faults {
        let mut own = rows.iter().filter(|row| row.fault == fault).peekable();
        if own.peek().is_none() {
            return Some(format!("{FAULTS} has no row `{fault}` with tests"));
        }
        if let Ok(change) = &mutation.change
            && !own.any(|row| row.tests.contains(&change.test))
        {
            return Some(format!("the row `{fault}` does not name {}", change.test));
        }
    }
    mutation.change.as_ref().ok().and_then(|change| change.apply_below(&tree.root).err())
}

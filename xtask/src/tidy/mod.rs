//! The checks that no other tool has: sizes, layers, names, files, references, examples.
//!
//! Each rule is a function from the [`Tree`] to a list of [`Problem`]s, and each problem says what
//! to change. CONTRIBUTING.md lists the rules. The same run is a test of this package, so
//! `cargo test` finds what CI finds.

mod changelog;
mod circles;
mod faults;
mod files;
pub(crate) mod gates;
mod imports;
mod inherent;
mod layers;
mod links;
mod manifests;
mod members;
mod mutations;
mod names;
mod platforms;
mod public;
mod references;
mod sizes;
mod skipped;
mod source;
mod tree;
mod unsafety;
mod watchdog;
mod words;

use std::fmt;
use std::path::PathBuf;

use self::tree::Tree;
use crate::shell::{self, Outcome};

/// A line or a file that breaks a rule.
#[derive(Debug)]
struct Problem {
    path: PathBuf,
    /// Counted from one. `None` if the problem concerns the whole file.
    line: Option<usize>,
    message: String,
}

impl Problem {
    fn new(path: impl Into<PathBuf>, message: impl Into<String>) -> Problem {
        Problem { path: path.into(), line: None, message: message.into() }
    }

    fn at(path: impl Into<PathBuf>, line: usize, message: impl Into<String>) -> Problem {
        Problem { path: path.into(), line: Some(line), message: message.into() }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            Some(line) => write!(f, "{}:{line}: {}", self.path.display(), self.message),
            None => write!(f, "{}: {}", self.path.display(), self.message),
        }
    }
}

/// One check.
type Rule = fn(&Tree) -> Vec<Problem>;

const RULES: [Rule; 19] = [
    sizes::check,
    layers::check,
    circles::check,
    words::check,
    files::check,
    manifests::check,
    names::check,
    references::check,
    links::check,
    unsafety::check,
    platforms::check,
    gates::check,
    skipped::check,
    changelog::check,
    public::check,
    inherent::check,
    faults::check,
    mutations::check,
    watchdog::check,
];

/// Checks the repository and prints the problems.
pub(crate) fn run() -> Outcome {
    let tree = Tree::load(&shell::root())?;
    let problems: Vec<Problem> = RULES.iter().flat_map(|rule| rule(&tree)).collect();
    for problem in &problems {
        eprintln!("{problem}");
    }
    match problems.len() {
        0 => {
            println!("tidy: {} files, nothing to say", tree.files.len());
            Ok(())
        }
        count => Err(format!("tidy: {count} problems")),
    }
}

/// Prints how many public items are documented.
pub(crate) fn coverage() -> Outcome {
    let tree = Tree::load(&shell::root())?;
    println!("{}", public::coverage(&tree));
    Ok(())
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_tree_is_tidy() {
        super::run().unwrap();
    }
}

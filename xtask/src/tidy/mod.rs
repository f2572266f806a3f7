//! What no other tool checks: sizes, layers, words, files, reasons, examples.
//!
//! Every rule is a function from the [`Tree`] to a list of [`Problem`]s, and every problem says
//! what to do about it. The rules are the house's (CONTRIBUTING.md lists them); a rule without a
//! check is a wish. The same run is a test of this package, so nothing fails elsewhere that
//! passes here.

mod changelog;
mod faults;
mod files;
mod layers;
mod manifests;
mod mutations;
mod names;
mod platforms;
mod public;
mod sizes;
mod source;
mod tree;
mod unsafety;
mod watchdog;
mod words;

use std::fmt;
use std::path::PathBuf;

use self::tree::Tree;
use crate::shell::{self, Outcome};

/// A place that breaks a rule.
#[derive(Debug)]
struct Problem {
    path: PathBuf,
    /// Counted from one; none where the whole file is meant.
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

/// A rule of the house.
type Rule = fn(&Tree) -> Vec<Problem>;

const RULES: [Rule; 13] = [
    sizes::check,
    layers::check,
    words::check,
    files::check,
    manifests::check,
    names::check,
    unsafety::check,
    platforms::check,
    changelog::check,
    public::check,
    faults::check,
    mutations::check,
    watchdog::check,
];

/// Checks the repository and prints what is wrong.
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
        count => Err(format!("tidy: {count} places break a rule of the house")),
    }
}

/// Prints how much of what users see is documented.
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

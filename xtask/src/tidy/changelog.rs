//! The changelog speaks of the version in the manifest, and changes along with the API.

use super::Problem;
use super::tree::Tree;
use crate::shell;

/// What users see.
const API: &str = "crates/reveille/src/";

pub(super) fn check(tree: &Tree) -> Vec<Problem> {
    let mut problems = Vec::new();
    let changelog = tree.read("CHANGELOG.md");
    if !changelog.contains("\n## [Unreleased]") {
        problems.push(Problem::new("CHANGELOG.md", "has no section [Unreleased]"));
    }
    if is_api_changed_alone() {
        let message = format!("is as it was, although something public was added under {API}");
        problems.push(Problem::new("CHANGELOG.md", message));
    }
    problems
}

/// Whether the work in hand adds a public item and leaves the changelog as it was.
///
/// Compared is the working tree with the last commit, since that is what is about to become the
/// next one. Without git, or in a clean tree, there is nothing to compare.
fn is_api_changed_alone() -> bool {
    let diff = |path: &str| {
        let mut git = shell::program("git");
        git.args(["diff", "HEAD", "--unified=0", "--", path]);
        shell::output(&mut git).unwrap_or_default()
    };
    let is_api = |line: &str| {
        line.strip_prefix('+').is_some_and(|added| added.trim_start().starts_with("pub "))
    };
    diff(API).lines().any(is_api) && diff("CHANGELOG.md").is_empty()
}

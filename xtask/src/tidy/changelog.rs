//! The changelog has the section `[Unreleased]`. It has entries if the API has changed.

use super::Problem;
use super::tree::Tree;
use crate::shell;

/// The public crate.
const API: &str = "crates/reveille/src/";

pub(super) fn check(tree: &Tree) -> Vec<Problem> {
    let changelog = tree.read("CHANGELOG.md");
    let message = match unreleased(&changelog) {
        None => "has no section [Unreleased]",
        Some(entries) if entries.is_empty() && is_api_changed() => {
            "has no entry under [Unreleased], although the public crate has changed"
        }
        Some(_) => return Vec::new(),
    };
    vec![Problem::new("CHANGELOG.md", message)]
}

/// Returns the entries of the section that is not released yet.
fn unreleased(changelog: &str) -> Option<Vec<&str>> {
    let (_, rest) = changelog.split_once("\n## [Unreleased]")?;
    let section = rest.split("\n## [").next().unwrap_or_default();
    Some(section.lines().filter(|line| line.starts_with("- ")).collect())
}

/// Whether the public crate differs from the last release, which is the last tag `v*`. Before the
/// first release everything is new. Without git there is nothing to compare with.
fn is_api_changed() -> bool {
    let describe = ["describe", "--tags", "--abbrev=0", "--match", "v*"];
    let Ok(tag) = shell::output(shell::program("git").args(describe)) else {
        return tree_is_under_git();
    };
    !shell::succeeds(shell::program("git").args(["diff", "--quiet", tag.trim(), "--", API]))
}

fn tree_is_under_git() -> bool {
    shell::succeeds(shell::program("git").args(["rev-parse", "--git-dir"]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_end_where_the_next_release_begins() {
        let text = "# C\n\n## [Unreleased]\n\n### Added\n\n- a\n\n## [0.1.0]\n\n- b\n";
        assert_eq!(unreleased(text), Some(vec!["- a"]));
        assert_eq!(unreleased("# C\n\n## [0.1.0]\n- b\n"), None);
    }
}

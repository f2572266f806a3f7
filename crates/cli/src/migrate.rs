//! Who depends on async-std, and what line moves it.

use std::collections::VecDeque;
use std::fmt::Write as _;

use crate::lock::Package;

const NAME: &str = "async-std";

/// The version of the shim, which is that of the last async-std.
const SHIM: (u64, u64, u64) = (1, 13, 2);

/// What is said about a tree.
pub(crate) fn report(packages: &[Package]) -> String {
    let found: Vec<usize> =
        (0..packages.len()).filter(|number| packages[*number].name == NAME).collect();
    if found.is_empty() {
        return "Nothing here depends on async-std.\n".to_owned();
    }
    let mut text = String::new();
    for number in found {
        one(packages, number, &mut text);
    }
    text.truncate(text.trim_end().len());
    text + "\n"
}

/// What is said about one version of async-std.
fn one(packages: &[Package], number: usize, text: &mut String) {
    let async_std = &packages[number];
    let version = &async_std.version;
    let is_moved = async_std.source.as_deref().is_none_or(|from| !from.starts_with("registry+"));
    if is_moved {
        let from = async_std.source.as_deref().unwrap_or("a folder");
        let _ = writeln!(text, "async-std {version} is from {from}: it has been moved.\n");
    } else {
        let _ = writeln!(text, "async-std {version}\n");
    }
    let users = users(packages, number);
    let is_own = |user: &usize| packages[*user].source.is_none();
    let (own, others): (Vec<usize>, Vec<usize>) = users.into_iter().partition(is_own);
    for (who, users) in [("Your own:", &own), ("Of others:", &others)] {
        if !users.is_empty() {
            let _ = writeln!(text, "{who}");
            users.iter().for_each(|user| {
                let path = path(packages, *user);
                let names: Vec<String> = path.iter().map(|at| name(&packages[*at])).collect();
                let _ = writeln!(text, "  {}", names.join(" > "));
            });
            text.push('\n');
        }
    }
    if !is_moved {
        advise(version, !own.is_empty(), !others.is_empty(), text);
    }
}

/// The lines that move it.
fn advise(version: &str, has_own: bool, has_others: bool, text: &mut String) {
    let parts: Vec<u64> = version.split('.').map_while(|part| part.parse().ok()).collect();
    let is_one = parts.first() == Some(&SHIM.0);
    if has_own {
        let _ = writeln!(
            text,
            "In a Cargo.toml of yours this takes the place of the line that asks for async-std, \
             {}:\n\n    async-std = {{ package = \"reveille\", version = \"0.1\" }}\n",
            if is_one { "and no source is touched" } else { "and what 1.0 renamed is mended" }
        );
    }
    if is_one {
        let whom = match (has_own, has_others) {
            (true, true) => "Or this, at the end of the Cargo.toml at the root, moves all at once",
            (true, false) => "Or this, at the end of the Cargo.toml at the root, instead of it",
            _ => "This, at the end of the Cargo.toml at the root, moves all of them",
        };
        let _ = writeln!(
            text,
            "{whom}:\n\n    [patch.crates-io]\n    \
             async-std = {{ git = \"https://github.com/reveille-rs/reveille\" }}\n"
        );
        if parts != [SHIM.0, SHIM.1, SHIM.2] {
            let _ = writeln!(
                text,
                "The lock file holds it at {version}; after the patch, once:\n\n    \
                 cargo update -p async-std@{version}\n"
            );
        }
    } else if has_others {
        let _ = writeln!(
            text,
            "{version} is not compatible with 1.x, and no patch moves it: update what asks for \
             it.\n"
        );
    }
}

/// The packages that depend on this one themselves.
fn users(packages: &[Package], number: usize) -> Vec<usize> {
    let depends = |user: &usize| packages[*user].dependencies.contains(&number);
    (0..packages.len()).filter(depends).collect()
}

/// The shortest way to a package from one that nothing depends on, both ends included. A package
/// that is only reached in a circle is its own beginning.
fn path(packages: &[Package], end: usize) -> Vec<usize> {
    let mut next: Vec<Option<usize>> = vec![None; packages.len()];
    let mut queue = VecDeque::from([end]);
    let mut first = end;
    while let Some(number) = queue.pop_front() {
        let users = users(packages, number);
        if users.is_empty() {
            first = number;
            break;
        }
        for user in users {
            if user != end && next[user].is_none() {
                next[user] = Some(number);
                queue.push_back(user);
            }
        }
    }
    let mut path = vec![first];
    while let Some(number) = path.last().and_then(|last| next[*last]) {
        path.push(number);
    }
    path
}

fn name(package: &Package) -> String {
    format!("{} {}", package.name, package.version)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lock::parse;

    fn lock(version: &str) -> String {
        format!(
            "[[package]]\nname = \"app\"\nversion = \"0.1.0\"\ndependencies = [\"web\"]\n\
             [[package]]\nname = \"web\"\nversion = \"2.0.0\"\nsource = \"registry+x\"\n\
             dependencies = [\"async-std\", \"cycle\"]\n\
             [[package]]\nname = \"cycle\"\nversion = \"1.0.0\"\nsource = \"registry+x\"\n\
             dependencies = [\"web\"]\n\
             [[package]]\nname = \"async-std\"\nversion = \"{version}\"\n\
             source = \"registry+x\"\n"
        )
    }

    #[test]
    fn the_way_to_a_dependent_begins_at_the_program() {
        let text = report(&parse(&lock("1.13.2")).unwrap());
        assert!(text.contains("Of others:\n  app 0.1.0 > web 2.0.0\n"), "{text}");
        assert!(!text.contains("Your own"), "{text}");
        assert!(text.contains("[patch.crates-io]"), "{text}");
        assert!(!text.contains("cargo update"), "{text}");
    }

    #[test]
    fn an_older_version_needs_an_update_and_0_99_more_than_that() {
        let text = report(&parse(&lock("1.12.0")).unwrap());
        assert!(text.contains("cargo update -p async-std@1.12.0"), "{text}");
        let text = report(&parse(&lock("0.99.12")).unwrap());
        assert!(text.contains("no patch moves it") && !text.contains("[patch"), "{text}");
    }

    #[test]
    fn a_tree_without_it_and_one_that_was_moved_need_nothing() {
        assert_eq!(report(&[]), "Nothing here depends on async-std.\n");
        let moved = lock("1.13.2").replace("registry+x", "git+https://example.org/reveille#0");
        let text = report(&parse(&moved).unwrap());
        assert!(text.contains("it has been moved") && !text.contains("[patch"), "{text}");
    }
}

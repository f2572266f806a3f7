//! The report: what depends on async-std, and the lines that replace it.

use std::collections::VecDeque;
use std::fmt::Write as _;

use crate::lock::Package;

const NAME: &str = "async-std";

/// The repository that the printed lines depend on, until a release is on crates.io.
const REPOSITORY: &str = "https://github.com/reveille-rs/reveille";

/// The shim's version, which equals that of the last async-std.
const SHIM: (u64, u64, u64) = (1, 13, 2);

/// The shims of smol's world: what each replaces, its version, and what it would start.
const SMOL: [(&str, (u64, u64, u64), &str); 2] = [
    ("async-io", (2, 6, 0), "a second reactor, on a thread of its own"),
    ("blocking", (1, 7, 0), "a second pool of threads for blocking calls"),
];

/// Returns the report about a tree of packages.
pub(crate) fn report(packages: &[Package]) -> String {
    let found: Vec<usize> =
        (0..packages.len()).filter(|index| packages[*index].name == NAME).collect();
    let mut text = String::new();
    if found.is_empty() {
        text.push_str("Nothing here depends on async-std.\n\n");
    }
    for index in found {
        report_one(packages, index, &mut text);
    }
    advise_smol(packages, &mut text);
    text.truncate(text.trim_end().len());
    text + "\n"
}

/// Appends the report about one version of async-std.
fn report_one(packages: &[Package], index: usize, text: &mut String) {
    let Package { version, source, .. } = &packages[index];
    let is_replaced = source.as_ref().is_none_or(|source| !source.is_registry());
    if is_replaced {
        let from = source.as_ref().map_or("a folder".to_owned(), ToString::to_string);
        let _ = writeln!(text, "async-std {version} comes from {from}: it has been replaced.\n");
    } else {
        let _ = writeln!(text, "async-std {version}\n");
    }
    let is_own = |dependent: &usize| packages[*dependent].source.is_none();
    let (own, others): (Vec<usize>, Vec<usize>) =
        dependents(packages, index).into_iter().partition(is_own);
    let groups = [("Your own packages that depend on it:", &own), ("Other packages:", &others)];
    for (heading, dependents) in groups {
        if !dependents.is_empty() {
            let _ = writeln!(text, "{heading}");
            for dependent in dependents {
                let path = path(packages, *dependent);
                let names: Vec<String> = path.iter().map(|at| name(&packages[*at])).collect();
                let _ = writeln!(text, "  {}", names.join(" > "));
            }
            text.push('\n');
        }
    }
    if !is_replaced {
        advise(&packages[index], !own.is_empty(), !others.is_empty(), text);
        if version.major == SHIM.0 && uses_processes(packages) {
            let _ = writeln!(
                text,
                "Other packages use async-process, whose types async-std re-exports. To keep them \
                 the same types, add this line to the patch:\n\n    \
                 async-process = {{ git = \"{REPOSITORY}\" }}\n"
            );
        }
    }
}

/// Appends the lines that replace the reactor and the pool of crates made for smol. What only
/// async-std uses goes with it.
fn advise_smol(packages: &[Package], text: &mut String) {
    let (mut lines, mut reasons, mut updates) = (String::new(), String::new(), String::new());
    for (name, (major, minor, patch), reason) in SMOL {
        for (index, package) in packages.iter().enumerate() {
            let version = &package.version;
            let is_registry = package.source.as_ref().is_some_and(|source| source.is_registry());
            if package.name != name || version.major != major || !is_registry {
                continue;
            }
            if !is_used_without_async_std(packages, index) {
                continue;
            }
            let _ = writeln!(lines, "    {name} = {{ git = \"{REPOSITORY}\" }}");
            let _ = writeln!(reasons, "  {name} {version}: {reason}");
            if (version.minor, version.patch) != (minor, patch) {
                let _ = writeln!(updates, "    cargo update -p {name}@{version}");
            }
        }
    }
    if lines.is_empty() {
        return;
    }
    let _ = writeln!(
        text,
        "Packages made for smol would start, beside reveille:\n{reasons}\n\
         To replace it in all of them, add this to the Cargo.toml of the workspace root:\n\n    \
         [patch.crates-io]\n{lines}"
    );
    if !updates.is_empty() {
        let _ = writeln!(text, "The lock file holds other versions. Then run once:\n\n{updates}");
    }
}

/// Returns whether a path from your own packages reaches a package other than through async-std.
fn is_used_without_async_std(packages: &[Package], end: usize) -> bool {
    let mut seen = vec![false; packages.len()];
    let mut queue = vec![end];
    while let Some(index) = queue.pop() {
        if packages[index].name == NAME || std::mem::replace(&mut seen[index], true) {
            continue;
        }
        if packages[index].source.is_none() {
            return true;
        }
        queue.extend(dependents(packages, index));
    }
    false
}

/// Returns whether a package other than async-std depends on async-process 2 from a registry.
fn uses_processes(packages: &[Package]) -> bool {
    packages.iter().enumerate().any(|(index, package)| {
        let is_registry = package.source.as_ref().is_some_and(|source| source.is_registry());
        package.name == "async-process"
            && package.version.major == 2
            && is_registry
            && dependents(packages, index).iter().any(|other| packages[*other].name != NAME)
    })
}

/// Appends the lines that replace a version of async-std.
fn advise(async_std: &Package, has_own: bool, has_others: bool, text: &mut String) {
    let version = &async_std.version;
    let is_one = version.major == SHIM.0;
    if has_own {
        let sources =
            if is_one { "the source code stays as it is" } else { "then fix what 1.0 renamed" };
        let _ = writeln!(
            text,
            "In your Cargo.toml, replace the line for async-std with this one; {sources}:\n\n    \
             async-std = {{ package = \"reveille\", git = \"{REPOSITORY}\" }}\n\n\
             With a clone of that repository, write `path = \"../reveille/crates/reveille\"` \
             instead of `git`.\n"
        );
    }
    if is_one {
        let which = match (has_own, has_others) {
            (true, true) => "Or replace it for all packages at once",
            (true, false) => "Or replace it without a change of that line",
            _ => "To replace it for all of them",
        };
        let _ = writeln!(
            text,
            "{which}: add this to the Cargo.toml of the workspace root:\n\n    \
             [patch.crates-io]\n    async-std = {{ git = \"{REPOSITORY}\" }}\n"
        );
        if (version.major, version.minor, version.patch) != SHIM {
            let _ = writeln!(
                text,
                "The lock file holds version {version}. After adding the patch, run once:\n\n    \
                 cargo update -p async-std@{version}\n"
            );
        }
    } else if has_others {
        let _ = writeln!(
            text,
            "A patch cannot replace {version}, which is not compatible with 1.x. Update the \
             packages that depend on it.\n"
        );
    }
}

/// Returns the packages that depend directly on a package.
fn dependents(packages: &[Package], index: usize) -> Vec<usize> {
    let depends = |other: &usize| packages[*other].dependencies.contains(&index);
    (0..packages.len()).filter(depends).collect()
}

/// Returns the shortest path to a package from one that nothing depends on, including both ends. A
/// package that only a cycle of dependencies reaches is the start of its own path.
fn path(packages: &[Package], end: usize) -> Vec<usize> {
    let mut next: Vec<Option<usize>> = vec![None; packages.len()];
    let mut queue = VecDeque::from([end]);
    let mut first = end;
    while let Some(index) = queue.pop_front() {
        let dependents = dependents(packages, index);
        if dependents.is_empty() {
            first = index;
            break;
        }
        for dependent in dependents {
            if dependent != end && next[dependent].is_none() {
                next[dependent] = Some(index);
                queue.push_back(dependent);
            }
        }
    }
    let mut path = vec![first];
    while let Some(index) = path.last().and_then(|last| next[*last]) {
        path.push(index);
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

    const REGISTRY: &str = "registry+https://example.org/index";

    fn lock(version: &str) -> String {
        format!(
            "[[package]]\nname = \"app\"\nversion = \"0.1.0\"\ndependencies = [\"web\"]\n\
             [[package]]\nname = \"web\"\nversion = \"2.0.0\"\nsource = \"{REGISTRY}\"\n\
             dependencies = [\"async-std\", \"cycle\"]\n\
             [[package]]\nname = \"cycle\"\nversion = \"1.0.0\"\nsource = \"{REGISTRY}\"\n\
             dependencies = [\"web\"]\n\
             [[package]]\nname = \"async-std\"\nversion = \"{version}\"\n\
             source = \"{REGISTRY}\"\n"
        )
    }

    #[test]
    fn the_path_to_a_dependent_starts_at_the_program() {
        let text = report(&parse(&lock("1.13.2")).unwrap());
        assert!(text.contains("Other packages:\n  app 0.1.0 > web 2.0.0\n"), "{text}");
        assert!(!text.contains("Your own"), "{text}");
        assert!(text.contains("[patch.crates-io]"), "{text}");
        assert!(!text.contains("cargo update"), "{text}");
    }

    #[test]
    fn an_older_version_needs_an_update_and_0_99_cannot_be_patched() {
        let text = report(&parse(&lock("1.12.0")).unwrap());
        assert!(text.contains("cargo update -p async-std@1.12.0"), "{text}");
        let text = report(&parse(&lock("0.99.12")).unwrap());
        assert!(text.contains("A patch cannot replace 0.99.12"), "{text}");
        assert!(!text.contains("[patch"), "{text}");
    }

    #[test]
    fn a_tree_without_async_std_or_with_a_replaced_one_needs_nothing() {
        assert_eq!(report(&[]), "Nothing here depends on async-std.\n");
        let replaced = lock("1.13.2").replace(REGISTRY, "git+https://example.org/reveille#0");
        let text = report(&parse(&replaced).unwrap());
        assert!(text.contains("it has been replaced") && !text.contains("[patch"), "{text}");
    }

    #[test]
    fn the_report_also_patches_an_async_process_that_the_tree_uses() {
        let with = |user: &str| {
            let process = format!(
                "[[package]]\nname = \"async-process\"\nversion = \"2.5.0\"\n\
                 source = \"{REGISTRY}\"\n"
            );
            lock("1.13.2").replace(user, &format!("{user}, \"async-process\"")) + &process
        };
        let text = report(&parse(&with("\"async-std\", \"cycle\"")).unwrap());
        assert!(text.contains("    async-process = { git = "), "{text}");
        let alone = lock("1.13.2")
            + "dependencies = [\"async-process\"]\n"
            + "[[package]]\nname = \"async-process\"\nversion = \"2.5.0\"\n"
            + &format!("source = \"{REGISTRY}\"\n");
        let text = report(&parse(&alone).unwrap());
        assert!(!text.contains("async-process"), "only async-std uses it: {text}");
    }

    #[test]
    fn what_smol_would_start_is_replaced_unless_only_async_std_uses_it() {
        let package = |name: &str, version: &str| {
            format!(
                "[[package]]\nname = \"{name}\"\nversion = \"{version}\"\n\
                 source = \"{REGISTRY}\"\n"
            )
        };
        let tail = package("async-io", "2.4.0") + &package("blocking", "1.7.0");
        let used = "dependencies = [\"async-io\", \"blocking\"]\n";
        let text = report(&parse(&(lock("1.13.2") + used + &tail)).unwrap());
        assert!(!text.contains("async-io"), "only async-std uses them: {text}");
        let own = "[[package]]\nname = \"app\"\nversion = \"0.1.0\"\n".to_owned() + used + &tail;
        let text = report(&parse(&own).unwrap());
        assert!(text.starts_with("Nothing here depends on async-std."), "{text}");
        for line in ["    async-io = { git = ", "    blocking = { git = "] {
            assert!(text.contains(line), "{text}");
        }
        assert!(text.contains("cargo update -p async-io@2.4.0\n"), "{text}");
        assert!(!text.contains("blocking@"), "{text}");
        let replaced = own.replace(REGISTRY, "git+https://example.org/reveille#0");
        assert_eq!(report(&parse(&replaced).unwrap()), "Nothing here depends on async-std.\n");
        let text = report(&parse(&own.replace("2.4.0", "1.13.0")).unwrap());
        assert!(!text.contains("async-io = "), "no shim of async-io 1: {text}");
    }

    #[test]
    fn a_sparse_registry_is_a_registry() {
        let sparse = lock("1.13.2").replace("registry+", "sparse+");
        let text = report(&parse(&sparse).unwrap());
        assert!(text.contains("[patch.crates-io]"), "{text}");
    }
}

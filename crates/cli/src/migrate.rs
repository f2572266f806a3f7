//! The report: what depends on async-std, and the lines that replace it.

use std::collections::VecDeque;
use std::fmt::Write as _;

use crate::lock::Package;

const NAME: &str = "async-std";

/// The repository that the printed lines depend on, until a release is on crates.io.
const REPOSITORY: &str = "https://github.com/reveille-rs/reveille";

/// The shim's version, which equals that of the last async-std.
const SHIM: (u64, u64, u64) = (1, 13, 2);

/// A package that is made for smol, and the shim that replaces it.
struct Replaced {
    name: &'static str,
    /// The shim's version, which equals that of the last package that it replaces.
    version: (u64, u64, u64),
    /// What the package would start beside reveille.
    reason: &'static str,
    /// Whether its shim uses the other shims, even if the program does not patch them.
    is_whole: bool,
}

/// The shims for smol's packages. Packages of other major versions have no shim.
const REPLACED: [Replaced; 6] = [
    Replaced {
        name: "async-global-executor",
        version: (2, 4, 1),
        reason: EXECUTOR,
        is_whole: true,
    },
    Replaced {
        name: "async-global-executor",
        version: (3, 1, 0),
        reason: EXECUTOR,
        is_whole: true,
    },
    Replaced {
        name: "async-io",
        version: (2, 6, 0),
        reason: "a second reactor, on a thread of its own",
        is_whole: true,
    },
    Replaced {
        name: "async-process",
        version: (2, 5, 0),
        reason: "a second driver of child processes, with types that are not those of async-std",
        is_whole: true,
    },
    Replaced {
        name: "blocking",
        version: (1, 7, 0),
        reason: "a second pool of threads for blocking calls",
        is_whole: true,
    },
    // Its files and sockets come from packages that build on async-io and blocking.
    Replaced { name: "smol", version: (2, 0, 2), reason: EXECUTOR, is_whole: false },
];

const EXECUTOR: &str = "a second executor, on threads of its own";

/// The guide for programs that are made for tokio.
const FROM_TOKIO: &str =
    "https://github.com/reveille-rs/reveille/blob/main/docs/migrating-from-tokio.md";

/// What the report says about the whole tree, after what it says about each async-std. A manifest
/// has one section `[patch.crates-io]`, so the report has one too.
#[derive(Default)]
struct Tree {
    patches: String,
    updates: String,
    reasons: String,
    refused: String,
}

impl Tree {
    /// Appends the section, and what it cannot do.
    fn write_to(&self, text: &mut String) {
        let Tree { patches, updates, reasons, refused } = self;
        if !reasons.is_empty() {
            let _ =
                writeln!(text, "Beside reveille, packages made for smol would start:\n{reasons}");
        }
        if !patches.is_empty() {
            let _ = writeln!(
                text,
                "To move the whole tree, add this to the Cargo.toml of the workspace root:\n\n\
                 \x20   [patch.crates-io]\n{patches}"
            );
        }
        if !updates.is_empty() {
            let _ =
                writeln!(text, "The lock file holds other versions. Then run once:\n\n{updates}");
        }
        if !refused.is_empty() {
            let _ = writeln!(
                text,
                "A patch cannot replace these versions. Update the packages that depend on \
                 them:\n{refused}"
            );
        }
    }

    /// Adds the version of a package that a shim replaces, and the line that does it.
    fn replace(&mut self, package: &Package, line: &str, shim: (u64, u64, u64)) {
        let Package { name, version, .. } = package;
        let _ = writeln!(self.patches, "    {line}");
        if (version.major, version.minor, version.patch) != shim {
            let _ = writeln!(self.updates, "    cargo update -p {name}@{version}");
        }
    }
}

/// Returns the report about a tree of packages.
pub(crate) fn report(packages: &[Package]) -> String {
    let found: Vec<usize> =
        (0..packages.len()).filter(|index| packages[*index].name == NAME).collect();
    let mut text = String::new();
    let mut tree = Tree::default();
    if found.is_empty() {
        text.push_str("Nothing here depends on async-std.\n\n");
    }
    for index in found {
        report_one(packages, index, &mut text, &mut tree);
    }
    advise_smol(packages, &mut tree);
    tree.write_to(&mut text);
    if has_own_code_for_tokio(packages) {
        let _ = writeln!(
            text,
            "For your code that is made for tokio, see\n\n    {FROM_TOKIO}\n\n\
             Libraries made for tokio work in tasks of reveille with its feature `tokio1`.\n"
        );
    }
    text.truncate(text.trim_end().len());
    text + "\n"
}

fn has_own_code_for_tokio(packages: &[Package]) -> bool {
    let is_tokio = |index: &usize| packages[*index].name == "tokio";
    let own = packages.iter().filter(|package| package.source.is_none());
    own.flat_map(|package| &package.dependencies).any(is_tokio)
}

/// Appends the report about one version of async-std.
fn report_one(packages: &[Package], index: usize, text: &mut String, tree: &mut Tree) {
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
        advise(&packages[index], !own.is_empty(), !others.is_empty(), text, tree);
    }
}

/// Adds the lines that replace the executor, the reactor and the pool of crates made for smol.
/// Packages that only async-std uses disappear with it.
fn advise_smol(packages: &[Package], tree: &mut Tree) {
    for (index, package) in packages.iter().enumerate() {
        let Package { name, version, .. } = package;
        let Some(known) = REPLACED.iter().find(|known| known.name == name) else { continue };
        if !is_from_registry(package) || !is_used(packages, index) {
            continue;
        }
        let _ = writeln!(tree.reasons, "  {name} {version}: {}", known.reason);
        match shim_of(package) {
            Some(shim) => tree.replace(package, &patch_line(packages, shim), shim.version),
            None => drop(writeln!(tree.refused, "  {name} {version}")),
        }
    }
}

/// The line of a patch. Most names belong to one package of the repository. Only where two packages
/// share a name does the line have the package and the version.
fn patch_line(packages: &[Package], shim: &Replaced) -> String {
    let (name, (major, ..)) = (shim.name, shim.version);
    let has_others = REPLACED.iter().filter(|other| other.name == name).count() > 1;
    if !has_others {
        return format!("{name} = {{ git = \"{REPOSITORY}\" }}");
    }
    let is_newest = |package: &Package| package.name != name || package.version.major <= major;
    if packages.iter().all(is_newest) {
        return format!("{name} = {{ version = \"{major}\", git = \"{REPOSITORY}\" }}");
    }
    format!(
        "{name}-{major} = {{ package = \"{name}\", version = \"{major}\", \
         git = \"{REPOSITORY}\" }}"
    )
}

/// The shim that replaces a package, if there is one.
fn shim_of(package: &Package) -> Option<&'static Replaced> {
    REPLACED
        .iter()
        .find(|shim| shim.name == package.name && shim.version.0 == package.version.major)
}

fn is_from_registry(package: &Package) -> bool {
    package.source.as_ref().is_some_and(|source| source.is_registry())
}

/// Returns whether a path from your own packages leads to a package, without passing through a
/// package whose shim does not need it.
fn is_used(packages: &[Package], end: usize) -> bool {
    let mut seen = vec![false; packages.len()];
    let mut queue = dependents(packages, end);
    while let Some(index) = queue.pop() {
        let package = &packages[index];
        let is_replaced =
            is_from_registry(package) && shim_of(package).is_some_and(|shim| shim.is_whole);
        if is_replaced || package.name == NAME || std::mem::replace(&mut seen[index], true) {
            continue;
        }
        if package.source.is_none() {
            return true;
        }
        queue.extend(dependents(packages, index));
    }
    false
}

/// Appends the line that replaces a version of async-std in your own packages, and adds the one for
/// the whole tree.
fn advise(package: &Package, has_own: bool, has_others: bool, text: &mut String, tree: &mut Tree) {
    let is_one = package.version.major == SHIM.0;
    if has_own {
        let sources =
            if is_one { "the source code stays as it is" } else { "then fix what 1.0 renamed" };
        let _ = writeln!(
            text,
            "To move only your own packages, replace their line for async-std with this one; \
             {sources}:\n\n    \
             async-std = {{ package = \"reveille\", git = \"{REPOSITORY}\" }}\n\n\
             With a clone of that repository, write `path = \"../reveille/crates/reveille\"` \
             instead of `git`.\n"
        );
    }
    if is_one {
        tree.replace(package, &format!("async-std = {{ git = \"{REPOSITORY}\" }}"), SHIM);
    } else if has_others {
        let _ = writeln!(tree.refused, "  {}", name(package));
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
mod tests;

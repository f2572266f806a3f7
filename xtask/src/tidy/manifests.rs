//! Every dependency has a reason, and every package has the metadata that a registry needs.
//!
//! The reasons are in deny.toml, one line each: `# name: why`. A reason for a crate that no package
//! depends on is a problem too.

use super::Problem;
use super::tree::{Manifest, Tree};

/// The section of a manifest that names a dependency.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Section {
    Normal,
    Dev,
    /// In the root, for members to inherit.
    Workspace,
}

/// A dependency and its line.
#[derive(Debug)]
pub(super) struct Dependency {
    pub(super) name: String,
    pub(super) section: Section,
    pub(super) line: usize,
}

/// The keys that each package sets, or inherits from the workspace.
const METADATA: [&str; 8] = [
    "name",
    "description",
    "version",
    "edition",
    "rust-version",
    "license",
    "repository",
    "keywords",
];

/// The further keys of a package that is published.
const PUBLISHED: [&str; 2] = ["documentation", "readme"];

/// The files beside the manifest of a package that is published, because it is packed alone.
const LICENCES: [&str; 2] = ["LICENSE-APACHE", "LICENSE-MIT"];

/// Folders of packages that are separate workspaces with dependencies of their own.
const APART: [&str; 10] = [
    "benches",
    "crates/async-global-executor/v2",
    "examples/apart",
    "examples/ecosystem",
    "examples/fleet",
    "examples/raft",
    "fuzz",
    "tests/simulation",
    "tests/smol",
    "tests/tokio1",
];

pub(super) fn check(tree: &Tree) -> Vec<Problem> {
    let reasons = tree.read("deny.toml");
    let mut problems = Vec::new();
    let mut used = Vec::new();
    for manifest in &tree.manifests {
        if APART.iter().any(|folder| manifest.path.starts_with(folder)) {
            continue;
        }
        metadata(manifest, &mut problems);
        licences(tree, manifest, &mut problems);
        for dependency in dependencies(&manifest.text) {
            let is_own = dependency.name.starts_with("reveille");
            if !is_own && reason(&reasons, &dependency.name).is_none() {
                let message =
                    format!("`{}` has no line with its reason in deny.toml", dependency.name);
                problems.push(Problem::at(&manifest.path, dependency.line, message));
            }
            if dependency.section != Section::Workspace {
                used.push(dependency.name);
            }
        }
    }
    let mut said = Vec::new();
    for (index, line) in reasons.lines().enumerate() {
        let Some((name, _)) = parse_reason(line) else { continue };
        if !used.iter().any(|used| used == name) {
            let message = format!("no package depends on `{name}`");
            problems.push(Problem::at("deny.toml", index + 1, message));
        }
        if said.contains(&name) {
            let message = format!("`{name}` has a reason already");
            problems.push(Problem::at("deny.toml", index + 1, message));
        }
        said.push(name);
    }
    problems
}

/// Returns the dependencies that a manifest names.
pub(super) fn dependencies(text: &str) -> Vec<Dependency> {
    let mut found = Vec::new();
    let mut section = None;
    for (index, line) in text.lines().enumerate() {
        let line = line.trim();
        if let Some(header) = line.strip_prefix('[') {
            section = section_of(header.trim_end_matches(']'));
            continue;
        }
        let end = line.find(['=', '.', ' ']).unwrap_or(line.len());
        let (name, rest) = line.split_at(end);
        let is_entry = !name.is_empty() && !name.starts_with('#') && !rest.is_empty();
        if let Some(section) = section.filter(|_| is_entry) {
            // A renamed dependency counts under the name that the registry knows.
            let package =
                rest.split_once("package = \"").and_then(|(_, rest)| rest.split('"').next());
            let name = package.unwrap_or(name).to_owned();
            found.push(Dependency { name, section, line: index + 1 });
        }
    }
    found
}

fn section_of(header: &str) -> Option<Section> {
    match header.rsplit('.').next()? {
        "dependencies" if header == "workspace.dependencies" => Some(Section::Workspace),
        "dependencies" | "build-dependencies" => Some(Section::Normal),
        "dev-dependencies" => Some(Section::Dev),
        _ => None,
    }
}

fn metadata(manifest: &Manifest, problems: &mut Vec<Problem>) {
    if !manifest.text.contains("[package]") {
        return;
    }
    let has = |key: &str| {
        manifest.text.lines().any(|line| {
            let rest = line.strip_prefix(key).unwrap_or_default();
            rest.starts_with(['.', ' ', '='])
        })
    };
    let published = if is_published(manifest) { &PUBLISHED[..] } else { &[] };
    for key in METADATA.iter().chain(published).filter(|key| !has(key)) {
        problems.push(Problem::new(&manifest.path, format!("the package has no `{key}`")));
    }
    if !manifest.text.contains("[lints]\nworkspace = true") {
        problems.push(Problem::new(&manifest.path, "the package does not inherit the lints"));
    }
}

fn is_published(manifest: &Manifest) -> bool {
    manifest.text.contains("[package]") && !manifest.text.contains("publish = false")
}

fn licences(tree: &Tree, manifest: &Manifest, problems: &mut Vec<Problem>) {
    if !is_published(manifest) {
        return;
    }
    for name in LICENCES {
        if !tree.root.join(manifest.path.with_file_name(name)).is_file() {
            let message = format!("the package has no {name} beside it");
            problems.push(Problem::new(&manifest.path, message));
        }
    }
}

fn reason<'a>(reasons: &'a str, name: &str) -> Option<&'a str> {
    let mut lines = reasons.lines().filter_map(parse_reason);
    lines.find(|(known, _)| *known == name).map(|(_, why)| why)
}

/// Splits `# name: why`.
fn parse_reason(line: &str) -> Option<(&str, &str)> {
    let (name, why) = line.strip_prefix("# ")?.split_once(": ")?;
    let is_name = name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_');
    (is_name && !why.trim().is_empty()).then_some((name, why))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dependencies_are_found_in_each_kind_of_section() {
        let text = "[package]\nname = \"x\"\n[dependencies]\na.workspace = true\n# b = 1\n\
                    [dev-dependencies]\nc = { package = \"d\", version = \"1\" }\n\
                    [target.'cfg(unix)'.dependencies]\ne = \"1\"\n[features]\nf = []\n";
        let found = dependencies(text).into_iter().map(|d| (d.name, d.section, d.line));
        let expected =
            [("a", Section::Normal, 4), ("d", Section::Dev, 7), ("e", Section::Normal, 9)];
        let expected = expected.map(|(name, section, line)| (name.to_owned(), section, line));
        assert_eq!(found.collect::<Vec<_>>(), expected);
    }

    #[test]
    fn a_package_that_is_published_needs_more_keys_and_the_licences() {
        let problems = |text: &str| {
            let manifest = Manifest { path: "x/Cargo.toml".into(), text: text.to_owned() };
            let tree = Tree { root: "/nowhere".into(), ..Tree::default() };
            let mut problems = Vec::new();
            metadata(&manifest, &mut problems);
            licences(&tree, &manifest, &mut problems);
            problems.len()
        };
        let keys = METADATA.map(|key| format!("{key} = 1\n")).concat();
        let text = format!("[package]\n{keys}[lints]\nworkspace = true\n");
        assert_eq!(problems(&text), PUBLISHED.len() + LICENCES.len());
        assert_eq!(problems(&text.replace("[lints]", "publish = false\n[lints]")), 0);
    }

    #[test]
    fn a_reason_needs_a_name_and_words() {
        assert_eq!(parse_reason("# slab: sources by index"), Some(("slab", "sources by index")));
        assert_eq!(parse_reason("# two words: no"), None);
        assert_eq!(parse_reason("slab: no"), None);
    }
}

//! The name that a package's manifest gives to reveille.
//!
//! A procedural macro has no `$crate`, so this one reads the manifest of the package that it
//! expands in. With `async-std = { package = "reveille" }` a program keeps `async_std` in its
//! sources and in its attributes. The reader knows only the usual forms of a dependency, one line
//! each. For anything else it returns the default. `crate = path` in the attribute overrides the
//! manifest.

use std::fs;
use std::path::{Path, PathBuf};

/// How a manifest declares a dependency.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Form {
    /// The package has the name of the dependency.
    Plain,
    /// `package = "..."`.
    Package(String),
    /// `workspace = true`: the workspace root declares the dependency.
    Inherited,
}

/// Returns the path of reveille in the package that is compiled.
pub(crate) fn path() -> String {
    let folder = std::env::var_os("CARGO_MANIFEST_DIR").map(PathBuf::from);
    let manifest = folder.as_deref().and_then(read).unwrap_or_default();
    let root = || {
        let folders = folder.as_deref().into_iter().flat_map(Path::ancestors);
        folders.filter_map(read).find(|text| text.contains("[workspace"))
    };
    let name = name(&manifest, root).unwrap_or_else(|| "reveille".to_owned());
    format!("::{}", name.replace('-', "_"))
}

fn read(folder: &Path) -> Option<String> {
    fs::read_to_string(folder.join("Cargo.toml")).ok()
}

/// Returns the name that a manifest gives to reveille, if it depends on it.
fn name(manifest: &str, root: impl FnOnce() -> Option<String>) -> Option<String> {
    let own = dependencies(manifest, |section| !section.starts_with("workspace"));
    if own.iter().any(|(name, form)| name == "reveille" && !matches!(form, Form::Package(_))) {
        return Some("reveille".to_owned());
    }
    let is_ours = |form: &Form| matches!(form, Form::Package(package) if package == "reveille");
    if let Some((name, _)) = own.iter().find(|(_, form)| is_ours(form)) {
        return Some(name.clone());
    }
    let mut inherited = own.iter().filter(|(_, form)| *form == Form::Inherited).peekable();
    inherited.peek()?;
    let shared = dependencies(&root()?, |section| section.starts_with("workspace"));
    let is_shared = |name: &str| shared.iter().any(|(other, form)| other == name && is_ours(form));
    inherited.find(|(name, _)| is_shared(name)).map(|(name, _)| name.clone())
}

/// Returns the dependencies in the sections for which `is_included` holds.
fn dependencies(manifest: &str, is_included: impl Fn(&str) -> bool) -> Vec<(String, Form)> {
    let mut found: Vec<(String, Form)> = Vec::new();
    let mut section = "";
    for line in manifest.lines().map(str::trim) {
        if let Some(header) = line.strip_prefix('[') {
            section = header.trim_end_matches(']').trim();
        }
        if !is_included(section) {
            continue;
        }
        let (Some(name), value) = dependency(section, line) else { continue };
        let form = form(value);
        // A table has several lines, and so can the dotted form.
        match found.iter_mut().find(|(other, _)| *other == name) {
            Some((_, old)) if form != Form::Plain => *old = form,
            Some(_) => {}
            None => found.push((name, form)),
        }
    }
    found
}

/// Returns the dependency that a line belongs to, and the part of the line that declares it.
fn dependency<'a>(section: &str, line: &'a str) -> (Option<String>, &'a str) {
    let clean = |name: &str| name.trim().trim_matches('"').to_owned();
    // `[dependencies.NAME]`, and each line below it.
    let table = section.rsplit_once('.').filter(|(parent, _)| parent.ends_with("dependencies"));
    if let Some((_, name)) = table {
        return (Some(clean(name)), line);
    }
    match line.split_once('=') {
        Some((key, value)) if section.ends_with("dependencies") => match key.split_once('.') {
            Some((name, _)) => (Some(clean(name)), &line[name.len() + 1..]),
            None => (Some(clean(key)), value),
        },
        _ => (None, line),
    }
}

/// Parses a value, or a line of a table.
fn form(value: &str) -> Form {
    let after = |key: &str| {
        let (before, rest) = value.split_once(key)?;
        let is_key = before.trim_end().is_empty() || before.trim_end().ends_with(['{', ',']);
        let value = rest.trim_start().strip_prefix('=')?.trim_start();
        is_key.then_some(value)
    };
    if let Some(package) = after("package").and_then(|value| value.strip_prefix('"')) {
        return Form::Package(package.split('"').next().unwrap_or_default().to_owned());
    }
    match after("workspace").is_some_and(|value| value.starts_with("true")) {
        true => Form::Inherited,
        false => Form::Plain,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(manifest: &str) -> Option<String> {
        let root = "[workspace]\n[workspace.dependencies]\nstd = { package = \"reveille\" }\n";
        name(manifest, || Some(root.to_owned()))
    }

    #[test]
    fn each_way_to_rename_a_dependency_is_understood() {
        for (manifest, expected) in [
            ("[dependencies]\nreveille = \"0.1\"", Some("reveille")),
            ("[dependencies]\nreveille.workspace = true", Some("reveille")),
            ("[dependencies]\na-b = { version = \"0.1\", package = \"reveille\" }", Some("a-b")),
            ("[dev-dependencies]\na = {package=\"reveille\"}", Some("a")),
            ("[target.'cfg(unix)'.dependencies]\na = { package = \"reveille\" }", Some("a")),
            ("[dependencies.a]\nversion = \"0.1\"\npackage = \"reveille\"", Some("a")),
            ("[dependencies]\na.version = \"0.1\"\na.package = \"reveille\"", Some("a")),
            ("[dependencies]\nstd.workspace = true", Some("std")),
            ("[dependencies]\nstd = { workspace = true, features = [] }", Some("std")),
        ] {
            assert_eq!(found(manifest).as_deref(), expected, "{manifest}");
        }
    }

    #[test]
    fn other_dependencies_are_not_taken_for_reveille() {
        for manifest in [
            "",
            "[package]\nname = \"reveille\"\n",
            "[dependencies]\nlog = \"0.4\"\n",
            "[dependencies]\na = { package = \"reveille-cli\" }",
            "[dependencies]\nother.workspace = true",
            "[package.metadata]\na = { package = \"reveille\" }",
        ] {
            assert_eq!(found(manifest), None, "{manifest}");
        }
    }

    #[test]
    fn the_name_reveille_comes_first() {
        let both = "[dependencies]\nasync-std = { package = \"reveille\" }\nreveille = \"0.1\"\n";
        assert_eq!(found(both).as_deref(), Some("reveille"));
    }
}

//! Runs the published tests and examples of a crate on the shim that replaces it.
//!
//! `tests/shims/list.txt` names the crates. Their tests use them by name, as any program does. So
//! they become a package of their own: the tests, the examples and the examples of the
//! documentation of the published crate, its dependencies, and the crate itself as one more. On the
//! shim the manifest gets `[patch.crates-io]`. `--record` runs the tests on the original and writes
//! how each ended to `tests/shims/NAME.txt`. Nothing else of the published crate is kept.
//!
//! Examples run too, servers with their clients (`examples.rs`).

mod doc_tests;
mod examples;

use std::fs;
use std::io;
use std::path::Path;

use crate::shell::{self, Outcome};

use super::outcomes::{self, Outcomes};
use super::sources::{self, Ground};
use super::{Dependent, Mode, lost, read};

/// The packages that replace others, and their folders.
const SHIMS: [(&str, &str); 7] = [
    ("async-global-executor", "async-global-executor"),
    ("async-global-executor", "async-global-executor/v2"),
    ("async-io", "async-io"),
    ("async-process", "async-process"),
    ("async-std", "async-std"),
    ("blocking", "blocking"),
    ("smol", "smol"),
];

/// One row of the list.
struct Row {
    published: Dependent,
    /// The tests that a difference makes fail.
    differing: Vec<String>,
}

/// Runs the tests of these shims, or of all.
pub(crate) fn run(mode: Mode, names: &[&str]) -> Outcome {
    let list = read(&folder().join("list.txt"))?;
    let rows: Vec<Row> = list.lines().filter_map(parse).collect();
    if let Some(unknown) = names.iter().find(|name| !rows.iter().any(|row| row.is(name))) {
        return Err(format!("tests/shims/list.txt has no {unknown}"));
    }
    let mut failed = Vec::new();
    for row in rows.iter().filter(|row| names.is_empty() || names.iter().any(|name| row.is(name))) {
        let Dependent { name, version, .. } = &row.published;
        println!("{name} {version}");
        let result = match mode {
            Mode::Record => record(row),
            Mode::Compare => compare(row),
        };
        match result {
            Ok(line) => println!("    {line}"),
            Err(message) => {
                println!("    {message}");
                failed.push(name.as_str());
            }
        }
    }
    match failed.is_empty() {
        true => Ok(()),
        false => Err(format!("not as the original: {}", failed.join(", "))),
    }
}

impl Row {
    fn is(&self, name: &str) -> bool {
        self.published.name == name
    }

    /// The record of this version. One crate may have several.
    fn record(&self) -> std::path::PathBuf {
        let Dependent { name, version, .. } = &self.published;
        folder().join(format!("{name}-{version}.txt"))
    }
}

fn folder() -> std::path::PathBuf {
    shell::root().join("tests/shims")
}

/// Reads `name version | what | tests that differ, separated by commas`; comments have no row.
fn parse(line: &str) -> Option<Row> {
    let (rest, differing) = line.rsplit_once('|')?;
    let published = super::parse(&format!("{rest}|"))?;
    let differing = differing.split(',').map(|test| test.trim().to_owned());
    Some(Row { published, differing: differing.filter(|test| !test.is_empty()).collect() })
}

fn record(row: &Row) -> Result<String, String> {
    let outcomes = test(row, Ground::Original)?;
    let Dependent { name, version, .. } = &row.published;
    let mut text = format!(
        "# The tests of {name} {version} on itself, as `cargo xtask shims --record` saw them.\n"
    );
    text.push_str(&outcomes::write(&outcomes));
    let path = row.record();
    fs::write(&path, text).map_err(|error| format!("cannot write {}: {error}", path.display()))?;
    Ok(format!("{} recorded", outcomes::sum(&outcomes)))
}

/// What passed on the original passes on the shim, or the list says that it differs.
fn compare(row: &Row) -> Result<String, String> {
    let recorded = read(&row.record())?;
    let recorded = outcomes::read(&recorded);
    let now = test(row, Ground::Shim)?;
    let is_known = |lost: &String| row.differing.iter().any(|test| lost.contains(test.as_str()));
    let (known, lost): (Vec<String>, Vec<String>) =
        lost(&recorded, &now).into_iter().partition(is_known);
    let sum = outcomes::sum(&now);
    if !lost.is_empty() {
        return Err(format!("{sum}; lost:\n      {}", lost.join("\n      ")));
    }
    if known.len() != row.differing.len() {
        return Err(format!("{sum}; a test that the list names as different passes"));
    }
    Ok(format!("{sum}: as the original, but for {} that differ as documented", known.len()))
}

/// Builds and runs the tests and examples.
fn test(row: &Row, ground: Ground) -> Result<Outcomes, String> {
    let Dependent { name, version, .. } = &row.published;
    let work = shell::target_dir().join("dependents");
    let source = sources::downloaded(&row.published, &work)?;
    let folder = work.join(format!("{}-of-shims", ground.word())).join(format!("{name}-{version}"));
    let prepare = || {
        if folder.exists() {
            fs::remove_dir_all(&folder)?;
        }
        sources::copy(&source, &folder)?;
        let docs = doc_tests::library(&folder)?;
        for part in ["src", "benches"].map(|part| folder.join(part)) {
            if part.exists() {
                fs::remove_dir_all(part)?;
            }
        }
        let lock = folder.join("Cargo.lock");
        if lock.exists() {
            fs::remove_file(lock)?;
        }
        fs::create_dir(folder.join("src"))?;
        fs::write(folder.join("src/lib.rs"), docs)?;
        let manifest = folder.join("Cargo.toml");
        let text = fs::read_to_string(&manifest)?;
        fs::write(&manifest, tests_only(&text, name, version, ground))
    };
    prepare().map_err(|error| format!("cannot copy {}: {error}", source.display()))?;
    let log = work.join(format!("{name}-{version}-of-shims-{}.log", ground.word()));
    sources::run(&row.published, &folder, &work, &log)
        .map_err(|error| format!("cannot run its tests: {error}"))?;
    let text = fs::read(&log).map_err(|error| format!("cannot read {}: {error}", log.display()))?;
    let text = String::from_utf8_lossy(&text);
    if text.contains("could not compile") {
        return Err(format!("it does not compile; {} says why", log.display()));
    }
    let mut outcomes = outcomes::printed(&text);
    if ground == Ground::Shim && text.contains(&format!("Compiling {name} v{version}\n")) {
        return Err("the patch was not applied".to_owned());
    }
    let names = names_of(&folder.join("examples"))
        .map_err(|error| format!("cannot list its examples: {error}"))?;
    let built = work.join("target/debug/examples");
    examples::run(&names, &built, &folder, ground == Ground::Shim, &mut outcomes)
        .map_err(|error| format!("cannot run its examples: {error}"))?;
    Ok(outcomes)
}

/// The names of the examples in a folder, which may not exist.
fn names_of(folder: &Path) -> io::Result<Vec<String>> {
    if !folder.exists() {
        return Ok(Vec::new());
    }
    let paths: io::Result<Vec<_>> =
        fs::read_dir(folder)?.map(|entry| entry.map(|entry| entry.path())).collect();
    let stem = |path: &std::path::PathBuf| {
        let is_source = path.extension().is_some_and(|extension| extension == "rs");
        is_source.then(|| path.file_stem().unwrap_or_default().to_string_lossy().into_owned())
    };
    Ok(paths?.iter().filter_map(stem).collect())
}

/// The manifest of a package with the tests and examples of a crate, which depends on the crate.
/// Cargo writes the manifests that it publishes in one form, section by section.
fn tests_only(manifest: &str, name: &str, version: &str, ground: Ground) -> String {
    let mut text = String::new();
    for section in sections(manifest) {
        let head = section.lines().next().unwrap_or_default();
        let is_kept = head == "[package]"
            || ["[[test]]", "[[example]]"].contains(&head)
            || head.contains("dependencies.")
                && !head.contains("build-dependencies.")
                && !section.contains("optional = true");
        if !is_kept {
            continue;
        }
        for line in section.lines() {
            match line.split(" =").next() {
                Some("name") if head == "[package]" => {
                    // The file of the build script is still there.
                    text.push_str(&format!("name = \"{name}-tests\"\nbuild = false\n"));
                }
                Some("build" | "autolib" | "readme") => {}
                _ => text.push_str(&format!("{line}\n")),
            }
        }
    }
    text.push_str(&format!("\n[workspace]\n[dependencies.{name}]\nversion = \"={version}\"\n"));
    if ground == Ground::Shim {
        text.push_str("[patch.crates-io]\n");
        for (index, (shim, folder)) in SHIMS.iter().enumerate() {
            let path = shell::root().join("crates").join(folder);
            // The second package of a name needs a key of its own.
            text.push_str(&format!("shim-{index} = {{ package = {shim:?}, path = {path:?} }}\n"));
        }
    }
    text
}

/// The parts of a manifest, each with its heading.
fn sections(manifest: &str) -> Vec<String> {
    let mut sections: Vec<String> = Vec::new();
    for line in manifest.lines() {
        if line.starts_with('[') {
            sections.push(String::new());
        }
        if let Some(section) = sections.last_mut() {
            section.push_str(&format!("{line}\n"));
        }
    }
    sections
}

#[cfg(test)]
mod tests {
    use super::*;

    const MANIFEST: &str = "# generated\n[package]\nname = \"aio\"\nbuild = \"build.rs\"\n\
        [lib]\nname = \"aio\"\n[[test]]\nname = \"one\"\n[[bench]]\nname = \"two\"\n\
        [dependencies.tracing]\noptional = true\n[dependencies.slab]\nversion = \"1\"\n\
        [build-dependencies.autocfg]\nversion = \"1\"\n\
        [dev-dependencies.tempfile]\nversion = \"3\"\n";

    #[test]
    fn the_package_has_the_tests_and_depends_on_the_crate() {
        let text = tests_only(MANIFEST, "aio", "2.6.0", Ground::Original);
        assert_eq!(
            text,
            "[package]\nname = \"aio-tests\"\nbuild = false\n[[test]]\nname = \"one\"\n\
             [dependencies.slab]\n\
             version = \"1\"\n[dev-dependencies.tempfile]\nversion = \"3\"\n\n[workspace]\n\
             [dependencies.aio]\nversion = \"=2.6.0\"\n"
        );
        let text = tests_only(MANIFEST, "aio", "2.6.0", Ground::Shim);
        assert!(text.contains("shim-2 = { package = \"async-io\", path = "), "{text}");
    }

    #[test]
    fn each_row_of_the_list_has_a_record() {
        let list = read(&folder().join("list.txt")).unwrap();
        let rows: Vec<Row> = list.lines().filter_map(parse).collect();
        assert!(rows.len() >= 2, "{} rows", rows.len());
        for row in rows {
            let path = row.record();
            let recorded = read(&path).unwrap();
            assert!(recorded.contains(&row.published.version), "{}", path.display());
            for test in &row.differing {
                assert!(recorded.contains(test.as_str()), "{test} is not of {}", path.display());
            }
        }
    }
}

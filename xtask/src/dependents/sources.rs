//! Gets a dependent's sources and runs its tests.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use crate::shell;

use super::Dependent;
use super::outcomes::{self, Outcomes};

/// The time limit for building and running the tests of one dependent on two cores, in seconds.
const TIME_LIMIT: &str = "2400";

/// The async-std that the dependent is built with.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Ground {
    Original,
    Shim,
}

impl Ground {
    pub(super) fn word(self) -> &'static str {
        match self {
            Ground::Original => "original",
            Ground::Shim => "shim",
        }
    }
}

/// Builds and runs the tests of a dependent.
pub(super) fn test(row: &Dependent, ground: Ground) -> Result<Outcomes, String> {
    let work = shell::target_dir().join("dependents");
    let folder = work.join(ground.word()).join(&row.name);
    let source = downloaded(row, &work)?;
    let prepare = || {
        if folder.exists() {
            fs::remove_dir_all(&folder)?;
        }
        copy(&source, &folder)?;
        // The lock file of a library is for its developers, and its versions are old by now.
        let lock = folder.join("Cargo.lock");
        if lock.exists() {
            fs::remove_file(lock)?;
        }
        let manifest = folder.join("Cargo.toml");
        fs::write(&manifest, patched(&fs::read_to_string(&manifest)?, ground))
    };
    prepare().map_err(|error| format!("cannot copy {}: {error}", source.display()))?;

    let log = work.join(format!("{}-{}.log", row.name, ground.word()));
    run(row, &folder, &work, &log).map_err(|error| format!("cannot run its tests: {error}"))?;
    let text = fs::read(&log).map_err(|error| format!("cannot read {}: {error}", log.display()))?;
    let outcomes = outcomes::printed(&String::from_utf8_lossy(&text));
    if outcomes.is_empty() {
        return Err(format!("no test ran; {} says why", log.display()));
    }
    check_lock(&folder, ground)?;
    Ok(outcomes)
}

/// Has cargo download the sources, and returns where they are.
pub(super) fn downloaded(row: &Dependent, work: &Path) -> Result<PathBuf, String> {
    let folder = work.join("download").join(&row.name);
    let manifest = format!(
        "[package]\nname = \"download\"\nversion = \"0.0.0\"\nedition = \"2021\"\n[workspace]\n\
         [dependencies]\n{} = {{ version = \"={}\", default-features = false }}\n",
        row.name, row.version
    );
    let write = || {
        fs::create_dir_all(folder.join("src"))?;
        fs::write(folder.join("src/lib.rs"), "")?;
        fs::write(folder.join("Cargo.toml"), manifest)
    };
    write().map_err(|error| format!("cannot write {}: {error}", folder.display()))?;
    let mut cargo = shell::cargo();
    cargo.args(["metadata", "--quiet", "--format-version", "1", "--manifest-path"]);
    let metadata = shell::output(cargo.arg(folder.join("Cargo.toml")))?;
    // A single field can be found without a parser.
    let end = format!("{}-{}/Cargo.toml", row.name, row.version);
    let mut paths =
        metadata.split("\"manifest_path\":\"").filter_map(|rest| rest.split('"').next());
    let path = paths.find(|path| path.ends_with(&end)).ok_or("cargo did not download it")?;
    Ok(Path::new(path).parent().expect("a manifest lies in a folder").to_owned())
}

/// Copies a folder, and makes the copy writable.
pub(super) fn copy(from: &Path, to: &Path) -> io::Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        match entry.file_type()?.is_dir() {
            true => copy(&entry.path(), &target)?,
            false => drop(fs::copy(entry.path(), target)?),
        }
    }
    Ok(())
}

/// The manifest with the shim in place of async-std, and with a workspace of its own.
fn patched(manifest: &str, ground: Ground) -> String {
    let mut text = manifest.to_owned();
    if !text.lines().any(|line| line.trim() == "[workspace]") {
        text.push_str("\n[workspace]\n");
    }
    if ground == Ground::Shim {
        let shim = shell::root().join("crates/async-std");
        text.push_str(&format!("\n[patch.crates-io]\nasync-std = {{ path = {shim:?} }}\n"));
    }
    text
}

pub(super) fn run(row: &Dependent, folder: &Path, work: &Path, log: &Path) -> io::Result<()> {
    let log = File::create(log)?;
    // `timeout` also ends the processes that the tests have started.
    let mut command = shell::program("timeout");
    command.args(["--kill-after=5", TIME_LIMIT]).arg(shell::cargo().get_program());
    command.args(["test", "--no-fail-fast"]).args(shell::words(&row.words));
    command.args(["--", "--test-threads=2"]).current_dir(folder);
    command.env("CARGO_TARGET_DIR", work.join("target"));
    command.env("CARGO_INCREMENTAL", "0").env("CARGO_TERM_COLOR", "never");
    command.env("CARGO_PROFILE_DEV_DEBUG", "0").env("CARGO_PROFILE_TEST_DEBUG", "0");
    // Warnings in the code of others do not matter, even where that code makes them errors.
    command.env("RUSTFLAGS", "--cap-lints=warn").env("RUSTDOCFLAGS", "--cap-lints=warn");
    command.stdout(log.try_clone()?).stderr(log);
    // The exit code is ignored: the outcome of each test is read from the output.
    command.status().map(drop)
}

/// Checks that the tests ran with the chosen async-std.
fn check_lock(folder: &Path, ground: Ground) -> Result<(), String> {
    let lock = fs::read_to_string(folder.join("Cargo.lock"));
    let lock = lock.map_err(|error| format!("cannot read its Cargo.lock: {error}"))?;
    let mut packages = lock.split("[[package]]");
    let Some(package) = packages.find(|package| package.contains("name = \"async-std\"\n")) else {
        return Err("async-std is not among what it depends on".to_owned());
    };
    match (ground, package.contains("\nsource = ")) {
        (Ground::Original, true) | (Ground::Shim, false) => Ok(()),
        (Ground::Original, false) => Err("it was not async-std that it ran on".to_owned()),
        (Ground::Shim, true) => Err("the patch was not applied".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_patch_is_added_once_and_only_for_the_shim() {
        let own = "[package]\nname = \"a\"\n[workspace]\n";
        assert_eq!(patched(own, Ground::Original), own);
        let text = patched("[package]\nname = \"a\"\n", Ground::Shim);
        assert_eq!(text.matches("[workspace]").count(), 1);
        assert!(text.contains("[patch.crates-io]\nasync-std = { path = "));
    }
}

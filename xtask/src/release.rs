//! Rehearses a release: packs every crate that is published, and tests what is in the packages.
//!
//! A crate that builds in this repository may fail from its package: a file from outside of its
//! folder is missing there, and so is a dependency without a version. So this
//!
//! 1. lets cargo do all that it does to publish the crates, in order, except for the upload,
//! 2. packs the crates, and checks that each package has a README and the licences,
//! 3. unpacks them into a workspace of their own, where `[patch.crates-io]` leads from one to the
//!    other, because no registry knows this version yet,
//! 4. builds them there, and runs the doc tests of each library,
//! 5. builds the documentation as docs.rs does, if there is a nightly compiler,
//! 6. writes, builds and runs the program of the tutorial in an empty folder, with the packages
//!    only (`scripts/first-program.sh`),
//! 7. runs the tests of the driver, the runtime and TCP for Windows, if wine is installed.
//!
//! It publishes nothing. It packs the files as they are, committed or not. Afterwards
//! `target/release-packages` has the unpacked packages, without what was built there. The tests for
//! Windows keep what they build in `target/targets`.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::shell::{self, Outcome};

/// What each package contains besides its sources.
const FILES: [&str; 3] = ["README.md", "LICENSE-APACHE", "LICENSE-MIT"];

/// A crate that is published.
#[derive(Debug)]
struct Package {
    name: String,
    version: String,
    /// The crates of this repository that it needs.
    needs: BTreeSet<String>,
    /// Those that only its examples need. They have no version, so that the registry sees no
    /// circle, and are not in the package.
    borrows: BTreeSet<String>,
    is_library: bool,
    /// Whether it has features with which docs.rs would not build it. The documentation of an item
    /// behind a feature would then be missing.
    has_hidden_features: bool,
}

/// Packs and tests.
pub(crate) fn dry_run() -> Outcome {
    let mut cargo = shell::cargo();
    let metadata = shell::output(cargo.args(["metadata", "--no-deps", "--format-version", "1"]))?;
    let metadata: Value = serde_json::from_str(&metadata).map_err(|error| error.to_string())?;
    let packages = in_order(published(&metadata))?;
    for (index, package) in packages.iter().enumerate() {
        println!("{:2}. {} {}", index + 1, package.name, package.version);
    }
    if let Some(package) = packages.iter().find(|it| it.is_library && it.has_hidden_features) {
        return Err(format!("docs.rs would not build {} with all features", package.name));
    }
    rehearse_upload(&packages)?;
    pack(&packages)?;
    let folder = shell::target_dir().join("release-packages");
    unpack(&packages, &folder)?;
    test(&packages, &folder)?;
    document(&packages, &folder)?;
    first_program(&folder)?;
    let built = folder.join("target");
    fs::remove_dir_all(&built).map_err(|error| cannot("remove", &built, &error))?;
    println!("release: {} packages are complete", packages.len());
    crate::targets::run_short_on_windows()
}

fn published(metadata: &Value) -> Vec<Package> {
    let all = metadata["packages"].as_array().into_iter().flatten();
    // `null` stands for every registry, and an empty list for none.
    let published: Vec<&Value> = all.filter(|package| package["publish"].is_null()).collect();
    let name = |value: &Value| value["name"].as_str().unwrap_or_default().to_owned();
    let names: BTreeSet<String> = published.iter().map(|package| name(package)).collect();
    let read = |package: &&Value| {
        let dependencies = package["dependencies"].as_array().into_iter().flatten();
        let own = dependencies.filter(|dependency| names.contains(&name(dependency)));
        let (needs, others): (Vec<_>, Vec<_>) =
            own.partition(|dependency| dependency["kind"] != "dev");
        let borrows = others.into_iter().filter(|dependency| dependency["req"] == "*");
        let targets = package["targets"].as_array().into_iter().flatten();
        let mut kinds = targets.flat_map(|target| target["kind"].as_array().into_iter().flatten());
        Package {
            name: name(package),
            version: package["version"].as_str().unwrap_or_default().to_owned(),
            needs: needs.into_iter().map(name).collect(),
            borrows: borrows.map(name).collect(),
            is_library: kinds.any(|kind| kind == "lib" || kind == "proc-macro"),
            has_hidden_features: package["features"].as_object().is_some_and(|all| !all.is_empty())
                && package["metadata"]["docs"]["rs"]["all-features"] != true,
        }
    };
    published.iter().map(read).collect()
}

/// Sorts the packages so that each comes after those that it needs.
fn in_order(mut left: Vec<Package>) -> Result<Vec<Package>, String> {
    let mut sorted: Vec<Package> = Vec::new();
    while !left.is_empty() {
        let is_known = |name: &String| sorted.iter().any(|package| package.name == *name);
        let next = left.iter().position(|package| package.needs.iter().all(is_known));
        let names = || left.iter().map(|package| package.name.as_str()).collect::<Vec<_>>();
        let next = next.ok_or_else(|| format!("{} need each other", names().join(", ")))?;
        sorted.push(left.remove(next));
    }
    Ok(sorted)
}

/// Cargo checks the metadata, finds each dependency in the registry or among the packages, and
/// stops before the upload. It names the packages in the order of their upload.
fn rehearse_upload(packages: &[Package]) -> Outcome {
    let mut cargo = shell::cargo();
    cargo.args(["publish", "--dry-run", "--no-verify", "--allow-dirty"]);
    shell::run(cargo.args(selected(packages)))
}

fn pack(packages: &[Package]) -> Outcome {
    let mut cargo = shell::cargo();
    cargo.args(["package", "--quiet", "--no-verify", "--allow-dirty", "--exclude-lockfile"]);
    shell::run(cargo.args(selected(packages)))
}

/// The options of cargo that select these packages.
fn selected(packages: &[Package]) -> impl Iterator<Item = &str> {
    packages.iter().flat_map(|package| ["--package", &package.name])
}

fn unpack(packages: &[Package], folder: &Path) -> Outcome {
    for package in packages {
        let own = folder_of(package, folder);
        if own.exists() {
            fs::remove_dir_all(&own).map_err(|error| cannot("remove", &own, &error))?;
        }
        fs::create_dir_all(folder).map_err(|error| cannot("make", folder, &error))?;
        let name = format!("package/{}-{}.crate", package.name, package.version);
        let mut tar = shell::program("tar");
        // `-m`: the files are as old as now. In a package they have a fixed date, and cargo would
        // take what an earlier rehearsal built.
        tar.arg("-xmzf").arg(shell::target_dir().join(name)).arg("-C").arg(folder);
        shell::run(&mut tar)?;
        if let Some(file) = FILES.iter().find(|file| !own.join(file).is_file()) {
            return Err(format!("the package {} has no {file}", package.name));
        }
        lend(package, &own)?;
    }
    let path = folder.join("Cargo.toml");
    fs::write(&path, workspace(packages)).map_err(|error| cannot("write", &path, &error))
}

/// Gives the package what only its examples need.
fn lend(package: &Package, own: &Path) -> Outcome {
    let path = own.join("Cargo.toml");
    let text = fs::read_to_string(&path).map_err(|error| cannot("read", &path, &error))?;
    let lent = package
        .borrows
        .iter()
        .map(|name| format!("\n[dev-dependencies.{name}]\nversion = \"*\"\n"));
    let text = text + &lent.collect::<String>();
    fs::write(&path, text).map_err(|error| cannot("write", &path, &error))
}

fn workspace(packages: &[Package]) -> String {
    let folders = packages.iter().map(|package| format!("{}-{}", package.name, package.version));
    let folders: Vec<String> = folders.collect();
    let patches = packages.iter().zip(&folders);
    let patches =
        patches.map(|(package, folder)| format!("{} = {{ path = {folder:?} }}\n", package.name));
    format!(
        "[workspace]\nresolver = \"3\"\nmembers = {folders:?}\n\n[patch.crates-io]\n{}",
        patches.collect::<String>()
    )
}

fn folder_of(package: &Package, folder: &Path) -> PathBuf {
    folder.join(format!("{}-{}", package.name, package.version))
}

fn cannot(what: &str, path: &Path, error: &dyn std::error::Error) -> String {
    format!("cannot {what} {}: {error}", path.display())
}

/// A cargo that works on the unpacked packages.
fn cargo_in(mut cargo: std::process::Command, folder: &Path) -> std::process::Command {
    cargo.current_dir(folder).env("CARGO_TARGET_DIR", folder.join("target"));
    cargo.env("CARGO_INCREMENTAL", "0").env("CARGO_PROFILE_DEV_DEBUG", "0");
    cargo
}

fn test(packages: &[Package], folder: &Path) -> Outcome {
    let mut build = cargo_in(shell::cargo(), folder);
    shell::run(build.args(["build", "--workspace", "--lib", "--bins"]))?;
    for package in packages.iter().filter(|package| package.is_library) {
        let mut cargo = cargo_in(shell::cargo(), folder);
        shell::run(cargo.args(["test", "--quiet", "--doc", "--package", &package.name]))?;
    }
    Ok(())
}

fn document(packages: &[Package], folder: &Path) -> Outcome {
    if !shell::succeeds(shell::cargo_nightly().arg("--version")) {
        println!(
            "release: no nightly compiler, so the documentation was not built as docs.rs does"
        );
        return Ok(());
    }
    for package in packages.iter().filter(|package| package.is_library) {
        let mut cargo = cargo_in(shell::cargo_nightly(), folder);
        cargo.args(["doc", "--quiet", "--no-deps", "--all-features", "--package", &package.name]);
        shell::run(cargo.env("RUSTDOCFLAGS", "--cfg docsrs -D warnings"))?;
    }
    Ok(())
}

fn first_program(folder: &Path) -> Outcome {
    let mut script = shell::program("scripts/first-program.sh");
    shell::run(script.arg(folder).arg("--target-dir").arg(folder.join("target/first-program")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn package(name: &str, needs: &[&str]) -> Package {
        Package {
            name: name.to_owned(),
            version: "0.1.0".to_owned(),
            needs: needs.iter().map(|name| (*name).to_owned()).collect(),
            borrows: BTreeSet::new(),
            is_library: true,
            has_hidden_features: false,
        }
    }

    #[test]
    fn each_package_comes_after_what_it_needs() {
        let packages = vec![package("top", &["left", "right"]), package("left", &["base"])];
        let packages = packages.into_iter().chain([package("right", &[]), package("base", &[])]);
        let sorted = in_order(packages.collect()).unwrap();
        let names: Vec<&str> = sorted.iter().map(|package| package.name.as_str()).collect();
        assert_eq!(names, ["right", "base", "left", "top"]);
        let circle = vec![package("a", &["b"]), package("b", &["a"])];
        assert_eq!(in_order(circle).unwrap_err(), "a, b need each other");
    }

    #[test]
    fn only_published_packages_and_their_own_dependencies_count() {
        let metadata = serde_json::json!({ "packages": [
            { "name": "base", "version": "1.0.0", "publish": null, "dependencies": [
                { "name": "top", "kind": "dev", "req": "*" },
                { "name": "log", "kind": null, "req": "^0.4" },
            ], "targets": [{ "kind": ["lib"] }], "features": { "more": [] },
              "metadata": { "docs": { "rs": { "all-features": true } } } },
            { "name": "top", "version": "1.0.0", "publish": null, "dependencies": [
                { "name": "base", "kind": null, "req": "=1.0.0" },
            ], "targets": [{ "kind": ["bin"] }], "features": { "more": [] }, "metadata": null },
            { "name": "tests", "version": "1.0.0", "publish": [], "dependencies": [] },
        ] });
        let packages = in_order(published(&metadata)).unwrap();
        assert_eq!(packages.len(), 2);
        assert_eq!(packages[0].name, "base");
        assert!(packages[0].borrows.contains("top") && packages[0].needs.is_empty());
        assert!(packages[0].is_library && !packages[0].has_hidden_features);
        assert!(packages[1].has_hidden_features);
        assert!(packages[1].needs.contains("base") && !packages[1].is_library);
    }
}

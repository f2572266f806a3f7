//! Finds or fetches the sources of the standard library for a nightly compiler.
//!
//! It uses the first of these that is available:
//!
//! 1. the component `rust-src` of the nightly toolchain;
//! 2. the sources that an earlier run has fetched into `target/std-sources`;
//! 3. the component, from rustup;
//! 4. the package `rust-src` of Debian unstable, from the mirror that this machine uses, with apt
//!    and its signatures. Its version is close to that of a nightly compiler, so the compiler can
//!    usually build it. The planted races show whether the result works.
//!
//! Only the component is installed. The package is unpacked and not installed.

use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::shell;

/// The variable with the path of sources that are not in the toolchain. Cargo has no other option
/// for that. Rejected: copying them into the toolchain, where other programs would find sources
/// that are not the compiler's.
const PLACE: &str = "__CARGO_TESTS_ONLY_SRC_ROOT";

/// Where the sources of the standard library are.
#[derive(Debug)]
pub(super) enum Sources {
    /// In the toolchain, where cargo looks.
    Toolchain,
    /// In this folder, which was unpacked from a package.
    Package(PathBuf),
}

impl Sources {
    /// Finds or fetches the sources. The error says why neither was possible.
    pub(super) fn find() -> Result<Sources, String> {
        let folder = shell::target_dir().join("std-sources");
        if is_in_toolchain() {
            return Ok(Sources::Toolchain);
        }
        if let Some(library) = unpacked(&folder) {
            return Ok(Sources::Package(library));
        }
        let by_rustup = match component() {
            Ok(()) if is_in_toolchain() => return Ok(Sources::Toolchain),
            Ok(()) => "it was added and is not in the toolchain".to_owned(),
            Err(error) => error,
        };
        let by_apt = match package(&folder) {
            Ok(()) => match unpacked(&folder) {
                Some(library) => return Ok(Sources::Package(library)),
                None => "the package has no usr/src/rustc-*/library".to_owned(),
            },
            Err(error) => error,
        };
        Err(format!(
            "no sources of the standard library; the component rust-src of the nightly toolchain: \
             {by_rustup}; the package rust-src of Debian unstable: {by_apt}"
        ))
    }

    /// Sets the path of the sources for cargo.
    pub(super) fn apply(&self, cargo: &mut Command) {
        if let Sources::Package(library) = self {
            cargo.env(PLACE, library);
        }
    }
}

impl fmt::Display for Sources {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Sources::Toolchain => f.write_str("those of the nightly toolchain"),
            Sources::Package(library) => write!(
                f,
                "Debian's in {}, which may be too far from the nightly compiler: install its \
                 component rust-src",
                library.display()
            ),
        }
    }
}

fn is_in_toolchain() -> bool {
    let mut rustc = shell::program("rustc");
    rustc.env_remove("RUSTC").env("RUSTUP_TOOLCHAIN", "nightly").args(["--print", "sysroot"]);
    let sysroot = shell::output(&mut rustc).unwrap_or_default();
    is_library(&Path::new(sysroot.trim()).join("lib/rustlib/src/rust/library"))
}

fn is_library(folder: &Path) -> bool {
    folder.join("Cargo.lock").is_file() && folder.join("std/Cargo.toml").is_file()
}

/// Returns the library that an earlier run left in `folder`.
fn unpacked(folder: &Path) -> Option<PathBuf> {
    let versions = fs::read_dir(folder.join("usr/src")).ok()?;
    let libraries = versions.filter_map(|entry| Some(entry.ok()?.path().join("library")));
    libraries.into_iter().find(|library| is_library(library))
}

/// Adds the component to the nightly toolchain.
fn component() -> Result<(), String> {
    let mut rustup = shell::program("rustup");
    quietly(rustup.args(shell::words("component add rust-src --toolchain nightly")))
}

/// Downloads the package from the machine's own mirror and unpacks the library into `folder`.
fn package(folder: &Path) -> Result<(), String> {
    let fail = |path: &Path, error| format!("cannot write {}: {error}", path.display());
    let (lists, cache) = (folder.join("lists"), folder.join("cache"));
    for needed in [lists.join("partial"), cache.join("archives/partial")] {
        fs::create_dir_all(&needed).map_err(|error| fail(&needed, error))?;
    }
    let list = folder.join("unstable.list");
    let line = format!("deb {} unstable main\n", mirror()?);
    fs::write(&list, line).map_err(|error| fail(&list, error))?;
    // apt uses lists and a cache of its own here, so that the machine's package state does not
    // change.
    let apt = |command: &str| {
        let mut apt = shell::program("apt-get");
        apt.current_dir(folder).arg("-qq");
        for (name, value) in [
            ("Dir::Etc::sourcelist", list.as_path()),
            ("Dir::Etc::sourceparts", Path::new("/dev/null")),
            ("Dir::State::lists", lists.as_path()),
            ("Dir::Cache", cache.as_path()),
        ] {
            apt.arg("-o").arg(format!("{name}={}", value.display()));
        }
        quietly(apt.args(shell::words(command)))
    };
    apt("update")?;
    apt("download rust-src")?;
    let unpack = "dpkg-deb --fsys-tarfile rust-src_*.deb \
                  | tar -x --wildcards './usr/src/rustc-*/library'";
    quietly(shell::program("sh").current_dir(folder).args(["-c", unpack]))?;
    // 80 MB that are not needed any more.
    quietly(shell::program("sh").current_dir(folder).args(["-c", "rm -r lists cache *.deb"]))
}

/// Returns the address of this machine's package mirror, with the option that names the
/// distribution's keys.
fn mirror() -> Result<String, String> {
    let mut apt = shell::program("apt-get");
    apt.args(["indextargets", "--format", "$(REPO_URI)", "Created-By: Packages"]);
    let addresses = shell::output(&mut apt)?;
    let address = addresses.lines().find(|address| !address.contains("security"));
    let address = address.ok_or("apt-get has no source of packages")?;
    let keys = Path::new("/usr/share/keyrings/debian-archive-keyring.gpg");
    match keys.is_file() {
        true => Ok(format!("[signed-by={}] {address}", keys.display())),
        false => Err(format!("{} is missing: this is not Debian", keys.display())),
    }
}

/// Runs a command. If it fails, the error is the last line of its output.
fn quietly(command: &mut Command) -> Result<(), String> {
    let name = command.get_program().to_string_lossy().into_owned();
    let output = command.stdin(Stdio::null()).output();
    let output = output.map_err(|error| format!("cannot start {name}: {error}"))?;
    let said = String::from_utf8_lossy(&output.stderr);
    match output.status.success() {
        true => Ok(()),
        false => Err(said.trim().lines().last().unwrap_or("failed without a word").to_owned()),
    }
}

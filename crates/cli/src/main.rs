//! The command `reveille`.
//!
//! ```text
//! reveille migrate [PATH]    lists what depends on async-std, and the lines that replace it
//! ```
//!
//! PATH is a `Cargo.lock`, a folder, or the `Cargo.toml` in a folder. Without PATH it is the
//! current folder. For a folder, the command reads the nearest lock file there or above, as cargo
//! does. It changes nothing, downloads nothing and does not run cargo.

#![forbid(unsafe_code)]

#[cfg(test)]
use reveille_watchdog as _;

mod lock;
mod migrate;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

const USAGE: &str = "usage: reveille migrate [PATH of a Cargo.lock, a folder or a Cargo.toml]

Lists the packages that depend on async-std, and prints the lines that replace it with reveille.
Changes nothing.";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let result = match arguments[..] {
        ["migrate"] => migrate(Path::new(".")),
        ["migrate", path] if !path.starts_with('-') => migrate(Path::new(path)),
        ["--help" | "-h" | "help"] => Ok(USAGE.to_owned() + "\n"),
        _ => Err(USAGE.to_owned()),
    };
    match result {
        Ok(text) => {
            print!("{text}");
            ExitCode::SUCCESS
        }
        Err(message) => {
            eprintln!("reveille: {message}");
            ExitCode::FAILURE
        }
    }
}

/// Reads the lock file and returns the report about it.
fn migrate(path: &Path) -> Result<String, String> {
    let lock_file = lock_file(path)?;
    let name = lock_file.display();
    let text = std::fs::read_to_string(&lock_file);
    let text = text.map_err(|error| format!("cannot read {name}: {error}"))?;
    let packages =
        lock::parse(&text).map_err(|error| format!("cannot parse {name}: {}", error.trim_end()))?;
    Ok(format!("{name}: {}", migrate::report(&packages)))
}

/// Returns the lock file that `path` stands for.
fn lock_file(path: &Path) -> Result<PathBuf, String> {
    let name = path.display();
    let folder = match path.parent() {
        _ if path.is_dir() => path,
        Some(parent) if path.ends_with("Cargo.toml") => parent,
        _ => return Ok(path.to_owned()),
    };
    if folder.join("Cargo.lock").is_file() {
        return Ok(folder.join("Cargo.lock"));
    }
    // The parent of a bare `Cargo.toml` is the empty path, which no system call accepts.
    let folder = Path::new(".").join(folder).canonicalize();
    let folder = folder.map_err(|error| format!("cannot read {name}: {error}"))?;
    let mut found = folder.ancestors().map(|above| above.join("Cargo.lock"));
    found.find(|file| file.is_file()).ok_or_else(|| {
        format!("no Cargo.lock for {name}: run `cargo generate-lockfile` there to write one")
    })
}

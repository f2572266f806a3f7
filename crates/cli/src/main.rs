//! The command `reveille`.
//!
//! ```text
//! reveille migrate [PATH]    who depends on async-std, and what line moves it
//! ```
//!
//! PATH is a `Cargo.lock`, or a folder or the `Cargo.toml` in it, whose lock file is the nearest
//! from there upwards, as cargo has it; without PATH, the folder one is in. Nothing is changed,
//! nothing is downloaded, and cargo is not asked.

#![forbid(unsafe_code)]

mod lock;
mod migrate;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

const USAGE: &str = "usage: reveille migrate [PATH of a Cargo.lock, or of a folder or Cargo.toml]

Says who depends on async-std, and what line moves it. Changes nothing.";

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

/// Reads the lock file and returns what is to be said about it.
fn migrate(path: &Path) -> Result<String, String> {
    let lock_file = lock_file(path)?;
    let name = lock_file.display();
    let text = std::fs::read_to_string(&lock_file);
    let text = text.map_err(|error| format!("cannot read {name}: {error}"))?;
    let packages = lock::parse(&text).map_err(|error| format!("{name}: {error}"))?;
    Ok(format!("{name}: {}", migrate::report(&packages)))
}

/// The lock file that is meant.
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
    // Of `Cargo.toml` alone the parent is the empty path, which no system knows.
    let folder = Path::new(".").join(folder).canonicalize();
    let folder = folder.map_err(|error| format!("cannot read {name}: {error}"))?;
    let mut found = folder.ancestors().map(|above| above.join("Cargo.lock"));
    found.find(|file| file.is_file()).ok_or_else(|| {
        format!("no Cargo.lock for {name}: there, `cargo generate-lockfile` writes one")
    })
}

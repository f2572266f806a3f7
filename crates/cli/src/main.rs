//! The command `reveille`.
//!
//! ```text
//! reveille migrate [PATH]    who depends on async-std, and what line moves it
//! ```
//!
//! PATH is a `Cargo.lock`, or the folder that has it; without it, the folder one is in. Nothing is
//! changed, nothing is downloaded, and cargo is not asked.

#![forbid(unsafe_code)]

mod lock;
mod migrate;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

const USAGE: &str = "usage: reveille migrate [PATH of a Cargo.lock or of its folder]";

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
    let path = if path.is_dir() { path.join("Cargo.lock") } else { PathBuf::from(path) };
    let name = path.display();
    let text = std::fs::read_to_string(&path);
    let text = text.map_err(|error| format!("cannot read {name}: {error}"))?;
    let packages = lock::parse(&text).map_err(|error| format!("{name}: {error}"))?;
    Ok(migrate::report(&packages))
}

//! The command `reveille`.
//!
//! ```text
//! reveille view FILE           shows what a program did, from the trace that it recorded
//! reveille migrate [PATH]      lists what depends on async-std, and the lines that replace it
//! reveille completions SHELL   prints completions for a shell
//! reveille man [FOLDER]        prints the manual page, or writes all pages
//! ```
//! An error is one sentence on standard error, which begins with `reveille:`.

#![forbid(unsafe_code)]

#[cfg(test)]
use reveille_watchdog as _;

mod arguments;
mod lock;
mod migrate;
mod output;
mod view;

use std::io;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{CommandFactory, Parser};

use self::arguments::{Arguments, Command};

fn main() -> ExitCode {
    let result = match Arguments::parse().command {
        Command::Migrate { path } => migrate(&path).and_then(|text| output::print(text.as_bytes())),
        Command::View(options) => view::run(&options),
        Command::Completions { shell } => {
            let mut text = Vec::new();
            clap_complete::generate(shell, &mut Arguments::command(), "reveille", &mut text);
            output::print(&text)
        }
        Command::Man { folder: None } => man_page().and_then(|text| output::print(&text)),
        Command::Man { folder: Some(folder) } => {
            clap_mangen::generate_to(Arguments::command(), &folder)
                .map_err(|error| format!("cannot write to {}: {error}", folder.display()))
        }
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            eprintln!("reveille: {message}");
            ExitCode::FAILURE
        }
    }
}

/// Returns the manual page of the command.
fn man_page() -> Result<Vec<u8>, String> {
    let mut text = Vec::new();
    let page = clap_mangen::Man::new(Arguments::command());
    page.render(&mut text).map_err(|error: io::Error| error.to_string())?;
    Ok(text)
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

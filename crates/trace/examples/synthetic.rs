//! Writes the trace of a simulated program: `synthetic small|middle|large|long FILE`.

#[path = "../tests/synthetic/mod.rs"]
mod synthetic;

use std::process::ExitCode;

use synthetic::{Size, program};

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [size, path] = &arguments[..] else {
        eprintln!("usage: synthetic small|middle|large|long FILE");
        return ExitCode::FAILURE;
    };
    let size = match &**size {
        "small" => Size::SMALL,
        "middle" => Size::MIDDLE,
        "large" => Size::LARGE,
        "long" => Size::LONG,
        other => {
            eprintln!("synthetic: no size is called {other}");
            return ExitCode::FAILURE;
        }
    };
    let made = program(size);
    match std::fs::write(path, &made.file) {
        Ok(()) => {
            println!("{path}: {} bytes, {:?}", made.file.len(), made.counts);
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("synthetic: cannot write {path}: {error}");
            ExitCode::FAILURE
        }
    }
}

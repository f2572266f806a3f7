//! Computes the SHA-256 of files, several at a time, and prints them as `sha256sum` does.
//!
//! ```sh
//! cargo run --release --manifest-path examples/apart/Cargo.toml --bin hasher -- /usr/bin
//! ```
//!
//! Reading waits and hashing computes. A task of the pool reads, and each block is hashed on the
//! blocking pool while the next one is read.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;
use indicatif::{ProgressBar, ProgressStyle};
use reveille::fs::{self, File};
use reveille::prelude::*;
use reveille::{io, stream, task};
use sha2::{Digest, Sha256};

/// Computes the SHA-256 of files and of all files in folders, as `sha256sum` prints them.
#[derive(Parser)]
struct Options {
    /// Files and folders
    #[arg(required = true)]
    paths: Vec<PathBuf>,
    /// How many files are read at the same time
    #[arg(long, value_name = "N", default_value_t = 8,
          value_parser = clap::value_parser!(u16).range(1..))]
    jobs: u16,
    /// Show no progress
    #[arg(long)]
    quiet: bool,
}

const BLOCK_BYTES: usize = 256 * 1024;

/// What failed and why.
type Failure = (PathBuf, io::Error);

/// The files at and below the paths, sorted. Links to folders are not followed.
async fn files(paths: Vec<PathBuf>) -> (Vec<PathBuf>, Vec<Failure>) {
    let (mut files, mut failures) = (Vec::new(), Vec::new());
    let mut left = paths;
    while let Some(path) = left.pop() {
        match entries(&path).await {
            Ok(Some(entries)) => left.extend(entries),
            Ok(None) => files.push(path),
            Err(error) => failures.push((path, error)),
        }
    }
    files.sort();
    (files, failures)
}

/// What is in a folder, or `None` if the path is a file.
async fn entries(path: &PathBuf) -> io::Result<Option<Vec<PathBuf>>> {
    if !fs::metadata(path).await?.is_dir() {
        return Ok(None);
    }
    let mut folder = fs::read_dir(path).await?;
    let mut entries = Vec::new();
    while let Some(entry) = folder.next().await.transpose()? {
        let kind = entry.file_type().await?;
        // No pipes, sockets and devices: reading them may never end.
        if kind.is_dir() || kind.is_file() {
            entries.push(PathBuf::from(&entry.path()));
        }
    }
    Ok(Some(entries))
}

async fn hash(path: PathBuf) -> Result<(PathBuf, String), Failure> {
    let hashed = async {
        let mut file = File::open(&path).await?;
        let mut hashing = task::spawn_blocking(Sha256::new);
        loop {
            let mut block = vec![0; BLOCK_BYTES];
            let len = file.read(&mut block).await?;
            let mut hasher = hashing.await;
            if len == 0 {
                return Ok(hasher.finalize());
            }
            hashing = task::spawn_blocking(move || {
                hasher.update(&block[..len]);
                hasher
            });
        }
    };
    match hashed.await {
        Ok(digest) => Ok((path, digest.iter().map(|byte| format!("{byte:02x}")).collect())),
        Err(error) => Err((path, error)),
    }
}

async fn run(options: Options) -> io::Result<bool> {
    let (files, mut failures) = files(options.paths).await;
    let style = ProgressStyle::with_template("{bar:40} {pos} of {len} files, {eta} left");
    let progress = match options.quiet {
        true => ProgressBar::hidden(),
        // It draws on standard error, and only if that is a terminal.
        false => ProgressBar::new(files.len() as u64).with_style(style.map_err(io::Error::other)?),
    };
    // A task for each file, so several are read and hashed in parallel. The order is kept.
    let tasks = stream::from_iter(files).map(|path| task::spawn(hash(path)));
    let mut results = tasks.buffered(usize::from(options.jobs));
    let mut out = io::BufWriter::new(io::stdout());
    while let Some(result) = results.next().await {
        match result {
            Ok((path, digest)) => {
                out.write_all(format!("{digest}  {}\n", path.display()).as_bytes()).await?;
            }
            Err(failure) => failures.push(failure),
        }
        progress.inc(1);
    }
    progress.finish_and_clear();
    out.flush().await?;
    for (path, error) in &failures {
        eprintln!("hasher: {}: {error:#}", path.display());
    }
    Ok(failures.is_empty())
}

#[reveille::main]
async fn main() -> ExitCode {
    match run(Options::parse()).await {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        // The reader of the output is gone, as with `| head`.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("hasher: {error:#}");
            ExitCode::FAILURE
        }
    }
}

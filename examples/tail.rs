//! Prints the ends of files, and then new lines as they are added, as `tail -F` does.
//!
//! ```sh
//! cargo run --example tail -- --lines 5 /var/log/syslog /var/log/kern.log
//! ```
//!
//! A file that is replaced (by the rotation of logs) is followed under its name, and one that is
//! truncated is read from its beginning. Each file is a child of a scope, so all of them borrow the
//! options.

use std::io::SeekFrom;
use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;
use reveille::fs::{self, File};
use reveille::prelude::*;
use reveille::{future, io, time};

/// Prints the ends of files, and what is added to them.
#[derive(Parser)]
struct Options {
    /// The files
    #[arg(required = true)]
    files: Vec<String>,
    /// How many of the last lines are printed first
    #[arg(short = 'n', long, value_name = "N", default_value_t = 10)]
    lines: usize,
    /// Print the last lines and end
    #[arg(long)]
    once: bool,
    /// How often the files are checked, in milliseconds
    #[arg(long, value_name = "MS", default_value_t = 100,
          value_parser = clap::value_parser!(u64).range(1..))]
    interval: u64,
}

/// The size of the blocks in which a file is read.
const BLOCK_BYTES: usize = 64 * 1024;

/// Returns where the last lines begin. Reads the file from its end, block by block.
async fn last_lines(file: &mut File, count: usize) -> io::Result<u64> {
    let end = file.seek(SeekFrom::End(0)).await?;
    let (mut position, mut found) = (end, 0);
    let mut block = vec![0; BLOCK_BYTES];
    while position > 0 {
        let len = position.min(BLOCK_BYTES as u64) as usize;
        position -= len as u64;
        file.seek(SeekFrom::Start(position)).await?;
        file.read_exact(&mut block[..len]).await?;
        for index in (0..len).rev() {
            let at = position + index as u64 + 1;
            // The newline at the end of the file ends the last line and begins none.
            if block[index] == b'\n' && at < end {
                found += 1;
                if found == count {
                    return Ok(at);
                }
            }
        }
    }
    Ok(if count == 0 { end } else { 0 })
}

/// Prints from the current position to the end. Returns the new position.
async fn print_rest(file: &mut File, title: Option<&str>) -> io::Result<u64> {
    let mut out = io::stdout();
    let mut block = vec![0; BLOCK_BYTES];
    let mut title = title;
    loop {
        let len = file.read(&mut block).await?;
        if len == 0 {
            out.flush().await?;
            return file.seek(SeekFrom::Current(0)).await;
        }
        if let Some(title) = title.take() {
            out.write_all(format!("==> {title} <==\n").as_bytes()).await?;
        }
        out.write_all(&block[..len]).await?;
    }
}

/// Whether two files are the same one, whatever their names.
#[cfg(unix)]
fn is_same(one: &fs::Metadata, other: &fs::Metadata) -> bool {
    use std::os::unix::fs::MetadataExt;
    (one.dev(), one.ino()) == (other.dev(), other.ino())
}

/// std has no identity of a file on other systems, so only a shorter file is noticed.
#[cfg(not(unix))]
fn is_same(one: &fs::Metadata, other: &fs::Metadata) -> bool {
    one.len() <= other.len()
}

async fn follow(path: &str, options: &Options) -> io::Result<()> {
    let title = (options.files.len() > 1).then_some(path);
    let mut file = File::open(path).await?;
    let start = last_lines(&mut file, options.lines).await?;
    file.seek(SeekFrom::Start(start)).await?;
    let mut position = print_rest(&mut file, title).await?;
    let mut ticks = time::interval(Duration::from_millis(options.interval));
    loop {
        if options.once {
            return Ok(());
        }
        ticks.tick().await;
        let open = file.metadata().await?;
        let now = match fs::metadata(path).await {
            Ok(now) => now,
            // Between the removal of the old file and the creation of the new one.
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            Err(error) => return Err(error),
        };
        if !is_same(&open, &now) {
            print_rest(&mut file, title).await?; // what was added before it was replaced
            eprintln!("tail: {path} was replaced");
            file = File::open(path).await?;
        } else if now.len() < position {
            eprintln!("tail: {path} was cut");
            file.seek(SeekFrom::Start(0)).await?;
        }
        position = print_rest(&mut file, title).await?;
    }
}

#[reveille::main]
async fn main() -> ExitCode {
    let options = Options::parse();
    let results = future::scope(async |s| {
        let follows = options.files.iter().map(|path| s.spawn(follow(path, &options)));
        future::join_all(follows.collect::<Vec<_>>()).await
    });
    let mut status = ExitCode::SUCCESS;
    for error in results.await.into_iter().filter_map(Result::err) {
        eprintln!("tail: {error:#}");
        status = ExitCode::FAILURE;
    }
    status
}

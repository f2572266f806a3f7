//! Runs several commands at once, and puts the name of its command in front of each line.
//!
//! ```sh
//! cargo run --example runner -- 'web=python3 -m http.server' 'log=tail -f /var/log/syslog'
//! ```
//!
//! When one command ends, the others are asked to end (SIGTERM), and killed after a grace time. The
//! same happens at Ctrl-C. The exit status is that of the command that ended first.

use std::process::{ExitCode, ExitStatus, Stdio};
use std::time::Duration;

use clap::Parser;
use reveille::io::{self, BufReader, Read};
#[cfg(unix)]
use reveille::os::unix::process::{ChildExt as _, CommandExt as _};
use reveille::prelude::*;
use reveille::process::{Child, Command};
use reveille::task::{self, CancellationToken, JoinSet};
use reveille::{select, signal};

/// Runs several commands at once, and puts the name of its command in front of each line.
#[derive(Parser)]
struct Options {
    /// A name, `=`, and a command of the shell
    #[arg(required = true, value_name = "NAME=COMMAND", value_parser = task_of)]
    commands: Vec<(String, String)>,
    /// Keep the others running when a command has ended
    #[arg(long)]
    keep_going: bool,
    /// Time between asking a command to end and killing it, in seconds
    #[arg(long, value_name = "SECONDS", default_value_t = 5)]
    grace: u64,
}

fn task_of(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, command)) if !name.is_empty() && !command.is_empty() => {
            Ok((name.to_owned(), command.to_owned()))
        }
        _ => {
            Err("write a name, `=` and a command, such as web='python3 -m http.server'".to_owned())
        }
    }
}

/// Prints each line of a pipe behind a name. Text that is not UTF-8 is shown as well as possible.
async fn print(name: String, pipe: impl Read + Unpin) -> io::Result<()> {
    let mut pieces = BufReader::new(pipe).split(b'\n');
    while let Some(line) = pieces.next().await {
        // One call for the whole line, so lines of different commands do not mix.
        reveille::println!("{name} | {}", String::from_utf8_lossy(&line?).trim_end_matches('\r'))
            .await;
    }
    Ok(())
}

async fn end(child: &mut Child, grace: Duration) -> io::Result<ExitStatus> {
    #[cfg(unix)]
    return child.terminate_group(grace).await;
    #[cfg(not(unix))]
    return child.terminate(grace).await;
}

async fn run(
    name: String,
    command: String,
    grace: Duration,
    stop: CancellationToken,
) -> io::Result<ExitStatus> {
    let mut shell = Command::new("sh");
    shell.args(["-c", &command]).stdin(Stdio::null());
    shell.stdout(Stdio::piped()).stderr(Stdio::piped());
    // A group of its own, so that Ctrl-C reaches this program alone, which then ends the others in
    // order, with what they have started.
    #[cfg(unix)]
    shell.process_group(0);
    let mut child = shell.spawn()?;
    let out = child.stdout.take().expect("it is piped");
    let err = child.stderr.take().expect("it is piped");
    let printing = task::spawn(print(name.clone(), out).try_join(print(name.clone(), err)));
    let ended = child.status();
    let status = select! {
        status = ended => status?,
        _ = stop.cancelled() => end(&mut child, grace).await?,
    };
    printing.await?; // what it printed last
    reveille::println!("{name} | ended with {status}").await;
    Ok(status)
}

async fn run_all(options: Options) -> io::Result<Option<ExitStatus>> {
    let interrupt = signal::ctrl_c();
    let stop = CancellationToken::new();
    let width = options.commands.iter().map(|(name, _)| name.chars().count()).max().unwrap_or(0);
    let mut children = JoinSet::new();
    for (name, command) in options.commands {
        let grace = Duration::from_secs(options.grace);
        children.spawn(run(format!("{name:width$}"), command, grace, stop.clone()));
    }
    let guard = stop.clone();
    let watching = task::spawn(async move {
        let _ = interrupt.await;
        guard.cancel();
    });
    let mut first = None;
    while let Some(ended) = children.join_next().await {
        let status = ended.map_err(io::Error::other)??;
        let is_failure = first.is_none_or(|first: ExitStatus| first.success()) && !status.success();
        if first.is_none() || (options.keep_going && is_failure) {
            first = Some(status);
        }
        if !options.keep_going {
            stop.cancel();
        }
    }
    watching.cancel().await;
    Ok(first)
}

#[reveille::main]
async fn main() -> ExitCode {
    match run_all(Options::parse()).await {
        Ok(Some(status)) if !status.success() => {
            ExitCode::from(status.code().and_then(|code| u8::try_from(code).ok()).unwrap_or(1))
        }
        Ok(_) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("runner: {error:#}");
            ExitCode::FAILURE
        }
    }
}

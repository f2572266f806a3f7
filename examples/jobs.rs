//! A job queue: runs the commands that it reads, some at a time, with retries and a rate limit.
//!
//! For example: `printf 'true\nsleep 1\nfalse\n' | cargo run --example jobs -- --jobs 2` A command
//! that fails is tried again after a pause that doubles, with a random part, so that jobs that
//! failed together are not tried again together. The exit status is 1 if a job failed. Ctrl-C kills
//! the running commands.

use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;
use std::num::{NonZeroU16, NonZeroU32};
use std::process::{ExitCode, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use clap::Parser;
use reveille::io::{self, BufReader};
#[cfg(unix)]
use reveille::os::unix::process::{ChildExt as _, CommandExt as _};
use reveille::prelude::*;
use reveille::process::{Child, Command};
use reveille::sync::Mutex;
use reveille::{signal, task, time};

/// Runs the commands of standard input, one a line, with retries and a rate limit.
#[derive(Parser)]
struct Options {
    /// How many run at the same time
    #[arg(long, value_name = "N", default_value = "4")]
    jobs: NonZeroU16,
    /// How often a command is tried
    #[arg(long, value_name = "N", default_value = "3")]
    attempts: NonZeroU32,
    /// The pause before the second attempt, in milliseconds; it doubles with each attempt
    #[arg(long, value_name = "MS", default_value_t = 100)]
    backoff: u64,
    /// The longest pause, in milliseconds
    #[arg(long, value_name = "MS", default_value_t = 10_000)]
    backoff_max: u64,
    /// How many commands are started a second, at most
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    rate: Option<u32>,
    /// Time limit of an attempt, in seconds
    #[arg(long, value_name = "SECONDS", default_value_t = 60)]
    timeout: u64,
}

/// Lets starts pass at a steady rate.
struct Rate {
    period: Duration,
    next: Mutex<Instant>,
}

impl Rate {
    fn new(per_second: Option<u32>) -> Rate {
        let period = per_second.map_or(Duration::ZERO, |rate| Duration::from_secs(1) / rate);
        Rate { period, next: Mutex::new(Instant::now()) }
    }

    /// Waits for a turn. The lock is held while it waits, so the others queue behind it.
    async fn turn(&self) {
        let mut next = self.next.lock().await;
        time::sleep_until(*next).await;
        *next = Instant::now() + self.period;
    }
}

/// The pause after a number of failures: between half of the doubled pause and all of it.
fn pause(options: &Options, failures: u32) -> Duration {
    let doubled =
        options.backoff.saturating_mul(1_u64.checked_shl(failures - 1).unwrap_or(u64::MAX));
    let most = doubled.min(options.backoff_max);
    let random = RandomState::new().hash_one(failures); // std seeds it at random
    Duration::from_millis(most / 2 + random % (most / 2 + 1))
}

/// A command. When it is dropped, it is killed with all that it has started.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        #[cfg(unix)]
        let _ = self.0.kill_group();
        #[cfg(not(unix))]
        let _ = self.0.kill();
    }
}

/// Runs the command once. The error is the reason in words.
async fn attempt(command: &str, options: &Options) -> Result<(), String> {
    let mut shell = Command::new("sh");
    shell.args(["-c", command]).stdin(Stdio::null());
    #[cfg(unix)]
    shell.process_group(0);
    let mut running = Running(shell.spawn().map_err(|error| error.to_string())?);
    match io::timeout(Duration::from_secs(options.timeout), running.0.status()).await {
        Ok(status) if status.success() => Ok(()),
        Ok(status) => Err(status.to_string()),
        Err(error) => Err(error.to_string()),
    }
}

/// Runs the command until it succeeds. Returns `false` if all attempts have failed.
async fn job(number: u64, command: String, options: &Options, rate: &Rate) -> bool {
    for failures in 1..=options.attempts.get() {
        rate.turn().await;
        let Err(reason) = attempt(&command, options).await else {
            println!("job {number}: done at attempt {failures}: {command}");
            return true;
        };
        if failures == options.attempts.get() {
            println!("job {number}: FAILED after {failures} attempts ({reason}): {command}");
            return false;
        }
        let pause = pause(options, failures);
        println!("job {number}: attempt {failures} failed ({reason}), again in {pause:?}");
        time::sleep(pause).await;
    }
    unreachable!("the last attempt has returned")
}

fn main() -> ExitCode {
    let options = Options::parse();
    let rate = Rate::new(options.rate);
    let (done, failed) = (AtomicU64::new(0), AtomicU64::new(0));
    let commands = BufReader::new(io::stdin()).lines().enumerate();
    // The next line is read when one of the jobs has ended, so the input may be endless.
    let work =
        commands.for_each_concurrent(usize::from(options.jobs.get()), async |(index, line)| {
            let number = index as u64 + 1;
            let is_done = match line {
                Ok(line) if line.trim().is_empty() => return,
                Ok(line) => job(number, line, &options, &rate).await,
                Err(error) => {
                    eprintln!("jobs: cannot read line {number}: {error:#}");
                    false
                }
            };
            let count = if is_done { &done } else { &failed };
            count.fetch_add(1, Ordering::Relaxed);
        });
    // Ctrl-C drops the work, and with it the commands that run.
    let interrupt = async { drop(signal::ctrl_c().await) };
    let is_complete = task::block_on(async {
        reveille::select! { _ = work => true, _ = interrupt => false }
    });
    let failed = failed.into_inner();
    println!("{} done, {failed} failed", done.into_inner());
    if is_complete && failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

//! The machine of the measurement: its cores, its limits, its description.

use std::fs;
use std::io;
use std::process::Command;
use std::time::{SystemTime, UNIX_EPOCH};

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};

/// The cores this process may run on.
pub fn cores() -> Vec<usize> {
    let allowed = sched_getaffinity(None).expect("a process may ask for its own affinity");
    (0..CpuSet::MAX_CPU).filter(|&core| allowed.is_set(core)).collect()
}

/// A core for the server and one for the load generator, if there are at least two.
pub fn two_cores() -> (Option<usize>, Option<usize>) {
    match cores().as_slice() {
        [first, .., last] => (Some(*first), Some(*last)),
        _ => (None, None),
    }
}

/// Pins the calling thread, and the threads that it starts later, to one core.
pub fn pin(core: Option<usize>) -> io::Result<()> {
    let Some(core) = core else { return Ok(()) };
    let mut only = CpuSet::new();
    only.set(core);
    Ok(sched_setaffinity(None, &only)?)
}

/// Raises the soft limit of open files to the hard limit. Later failures name what exceeds it.
pub fn raise_fd_limit() {
    let Rlimit { maximum, .. } = getrlimit(Resource::Nofile);
    let raised = Rlimit { current: maximum, maximum };
    if setrlimit(Resource::Nofile, raised).is_err() {
        eprintln!("cannot raise the limit of open files to {maximum:?}");
    }
}

/// The machine in one line: processor, cores, kernel, compiler.
pub fn describe() -> String {
    let cpuinfo = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = cpuinfo.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": "));
    let model = model.map_or("unknown processor", |(_, model)| model);
    let release = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    let rustc = Command::new("rustc").arg("-V").output().map(|output| output.stdout);
    let rustc = String::from_utf8(rustc.unwrap_or_default()).unwrap_or_default();
    let (cores, release, rustc) = (cores().len(), release.trim(), rustc.trim());
    format!("{model}, {cores} cores, Linux {release}, {rustc}")
}

/// The machine's CPU use so far, in clock ticks. Ratios mean something only on a quiet machine.
#[derive(Clone, Copy, Debug)]
pub struct Usage {
    total: f64,
    idle: f64,
    stolen: f64,
    own: f64,
}

impl Usage {
    /// Reads the counters of the machine and of this process with its ended children.
    pub fn now() -> Self {
        let stat = fs::read_to_string("/proc/stat").unwrap_or_default();
        let ticks = numbers(stat.lines().next().unwrap_or_default());
        let field = |index: usize| ticks.get(index).copied().unwrap_or(0.0);
        let own = fs::read_to_string("/proc/self/stat").unwrap_or_default();
        // The program's name, in parentheses, may contain spaces. utime is the 12th field after it.
        let after_name = own.rsplit_once(')').map_or("", |(_, rest)| rest);
        let own = numbers(after_name).iter().skip(10).take(4).sum();
        // The last two columns, guest time, are already part of user time.
        let total = ticks.iter().take(8).sum();
        Self { total, idle: field(3) + field(4), stolen: field(7), own }
    }

    /// The shares of the machine's time that other processes used and that the hypervisor took
    /// since this reading.
    pub fn disturbance(&self) -> (f64, f64) {
        let now = Self::now();
        let total = (now.total - self.total).max(1.0);
        let stolen = now.stolen - self.stolen;
        let others = total - (now.idle - self.idle) - stolen - (now.own - self.own);
        ((others / total).max(0.0), stolen / total)
    }
}

fn numbers(line: &str) -> Vec<f64> {
    line.split_whitespace().filter_map(|word| word.parse().ok()).collect()
}

/// Today in UTC, as `2026-11-24`.
pub fn today() -> String {
    let seconds = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |now| now.as_secs());
    let (year, month, day) = civil((seconds / 86_400) as i64);
    format!("{year}-{month:02}-{day:02}")
}

/// The date of a day counted from 1970-01-01, by Howard Hinnant's `civil_from_days`.
fn civil(day: i64) -> (i64, i64, i64) {
    let shifted = day + 719_468;
    let era = shifted.div_euclid(146_097);
    let day_of_era = shifted.rem_euclid(146_097);
    let year_of_era =
        (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let march_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * march_month + 2) / 5 + 1;
    let month = if march_month < 10 { march_month + 3 } else { march_month - 9 };
    (year_of_era + era * 400 + i64::from(month <= 2), month, day)
}

/// The versions of the runtimes, from the lock file that this binary was built with.
pub fn versions() -> String {
    let lock = include_str!("../Cargo.lock");
    let mut found = Vec::new();
    let mut lines = lock.lines();
    while let Some(line) = lines.next() {
        let Some(name) = quoted(line, "name = ") else { continue };
        let version = lines.next().and_then(|line| quoted(line, "version = ")).unwrap_or("?");
        if ["tokio", "smol", "async-executor", "async-std", "reveille"].contains(&name) {
            found.push(format!("{name} {version}"));
        }
    }
    found.join(", ")
}

fn quoted<'a>(line: &'a str, key: &str) -> Option<&'a str> {
    line.strip_prefix(key)?.strip_prefix('"')?.strip_suffix('"')
}

#[cfg(test)]
mod tests {
    use super::civil;

    #[test]
    fn days_become_dates() {
        assert_eq!(civil(0), (1970, 1, 1));
        assert_eq!(civil(11_016), (2000, 2, 29));
        assert_eq!(civil(20_781), (2026, 11, 24));
    }
}

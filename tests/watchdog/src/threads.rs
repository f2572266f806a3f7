//! The threads of this process, as the kernel lists them.
//!
//! [`youngest`] runs beside the tests, so it allocates nothing, and opens few descriptors for a few
//! microseconds.

use std::ffi::CStr;
use std::mem::MaybeUninit;
use std::time::Duration;

use rustix::fd::{AsFd, BorrowedFd};
use rustix::fs::{CWD, Mode, OFlags, RawDir, openat};
use rustix::io::read;

/// Threads whose name has this prefix belong to runtimes, which start them even if no test makes
/// progress.
const RUNTIME: [&str; 3] = ["async-std/", "reveille", "tokio"];

/// What the kernel reports about a thread.
#[derive(Debug)]
pub(crate) struct Stat<'a> {
    /// Its name, of which the kernel keeps 15 bytes.
    pub(crate) name: &'a str,
    /// `R` runs, `S` sleeps, `D` sleeps without interruption.
    pub(crate) state: &'a str,
    /// When it started, in ticks since the system did.
    started: u64,
}

/// Calls `each` with the number of every thread but this one, and with what the kernel says of it.
pub(crate) fn for_each(mut each: impl FnMut(i32, &Stat<'_>)) -> rustix::io::Result<()> {
    let flags = OFlags::RDONLY | OFlags::CLOEXEC;
    let folder = openat(CWD, c"/proc/self/task", flags | OFlags::DIRECTORY, Mode::empty())?;
    let own = rustix::thread::gettid().as_raw_nonzero().get();
    let mut buffer = [MaybeUninit::uninit(); 4096];
    let mut entries = RawDir::new(&folder, &mut buffer);
    while let Some(entry) = entries.next() {
        let entry = entry?;
        let number = entry.file_name().to_str().ok().and_then(|name| name.parse().ok());
        let Some(number) = number.filter(|number| *number != own) else { continue };
        let mut text = [0; 512];
        // A thread that has ended meanwhile is skipped.
        let Ok(text) = file(folder.as_fd(), entry.file_name(), "stat", &mut text) else { continue };
        if let Some(stat) = parse(text) {
            each(number, &stat);
        }
    }
    Ok(())
}

/// Returns the age of the youngest thread that a harness may have started, the main one included,
/// or `None` if the kernel does not say.
pub(crate) fn youngest() -> Option<Duration> {
    let mut latest = 0;
    for_each(|_, stat| {
        if !RUNTIME.iter().any(|prefix| stat.name.starts_with(prefix)) {
            latest = latest.max(stat.started);
        }
    })
    .ok()?;
    let now = rustix::time::clock_gettime(rustix::time::ClockId::Boottime);
    let now = Duration::new(now.tv_sec.try_into().ok()?, now.tv_nsec.try_into().ok()?);
    let ticks = rustix::param::clock_ticks_per_second();
    let started = Duration::from_millis(latest * 1000 / ticks);
    (latest > 0).then(|| now.saturating_sub(started))
}

/// Reads the file `name` of a thread, at most the length of `text`.
pub(crate) fn file<'a>(
    folder: BorrowedFd<'_>,
    thread: &CStr,
    name: &str,
    text: &'a mut [u8],
) -> rustix::io::Result<&'a str> {
    let flags = OFlags::RDONLY | OFlags::CLOEXEC;
    let thread = openat(folder, thread, flags | OFlags::DIRECTORY, Mode::empty())?;
    let file = openat(&thread, name, flags, Mode::empty())?;
    drop(thread);
    let len = read(&file, &mut *text)?;
    Ok(std::str::from_utf8(&text[..len]).unwrap_or_default())
}

/// Parses a line of `/proc/…/stat`. The name is in parentheses and may contain some.
fn parse(line: &str) -> Option<Stat<'_>> {
    let (before, after) = line.rsplit_once(')')?;
    let (_, name) = before.split_once('(')?;
    let mut fields = after.split_ascii_whitespace();
    let state = fields.next()?;
    // The state is field 3 of the manual, the start is field 22.
    let started = fields.nth(18)?.parse().ok()?;
    Some(Stat { name, state, started })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_may_have_brackets_and_spaces() {
        let line = "7 (a (b) c) S 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 4711 20 21";
        let stat = parse(line).unwrap();
        assert_eq!((stat.name, stat.state, stat.started), ("a (b) c", "S", 4711));
    }

    #[test]
    fn the_thread_of_a_test_is_young_and_the_process_older() {
        let age = std::thread::scope(|scope| scope.spawn(youngest).join()).unwrap().unwrap();
        assert!(age < Duration::from_secs(60), "{age:?}");
        let mut names = Vec::new();
        let list = || for_each(|_, stat| names.push(stat.name.to_owned()));
        std::thread::scope(|scope| scope.spawn(list).join()).unwrap().unwrap();
        assert!(names.iter().any(|name| name.starts_with("threads::tests")), "{names:?}");
    }
}

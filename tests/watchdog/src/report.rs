//! The report about a program that hangs, and its end.
//!
//! Only a thread itself can get its stack and its whole name. So each thread gets a signal, and the
//! handler prints both. A signal handler must not allocate or lock, but this one allocates and
//! takes the lock of std's backtraces, so it may block forever. That is acceptable, because the
//! process is about to be aborted. Each wait has a limit, and [`LIMIT`] is the limit of all waits
//! together.
//!
//! On 32-bit x86 the unwinder cannot pass the system calls of rustix: they push registers, and the
//! unwind tables do not say so. So it may read an address that is not mapped. A thread to which
//! that happens prints its name without a stack and keeps the lock, so the later ones print only
//! their names.

use std::backtrace::Backtrace;
use std::fmt::Write as _;
use std::mem;
use std::ptr;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
#[cfg(not(reveille_loom))]
use std::sync::mpsc;
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use rustix::io::write;
use rustix::stdio::stderr;

use crate::threads;

/// The time limit of the whole report.
const LIMIT: Duration = Duration::from_secs(60);

/// The time limit of one thread to print its stack: reading the debug information takes a while.
const STACK_LIMIT: Duration = Duration::from_secs(15);

/// The time limit of the next thread after one that did not answer, because the same lock may block
/// it.
const STACK_LIMIT_LATER: Duration = Duration::from_secs(1);

/// The frame between the handler of a signal and what it interrupted, with its name and without.
const INTERRUPTED: [&str; 2] = ["__restore_rt", "<unknown>"];

/// At most this many lines come before that frame.
const HANDLER_LINES: usize = 8;

/// The frame of the harness under each test.
const HARNESS: &str = "test::run_test";

/// The frames below this one are the same in each thread.
const BELOW: [&str; 2] = ["__rust_begin_short_backtrace", "test::test_main"];

/// How many threads have printed their stack.
static ANSWERS: AtomicUsize = AtomicUsize::new(0);

/// The names of the tests whose threads have printed their stack.
static TESTS: Mutex<Vec<String>> = Mutex::new(Vec::new());

/// Whether a thread has failed to walk through its stack.
static HAS_FAULTED: AtomicBool = AtomicBool::new(false);

/// Prints the report and aborts the process.
pub(crate) fn end(limit: Duration) {
    // Even if something below hangs, such as standard error, the process ends.
    let _ = thread::Builder::new().spawn(|| {
        pause(LIMIT);
        std::process::abort();
    });
    let program = std::env::current_exe().unwrap_or_default();
    let seconds = limit.as_secs();
    say(&format!(
        "\nwatchdog: {} hangs: no test has begun for {seconds} s ({})\n",
        program.display(),
        crate::LIMIT
    ));
    let threads = list();
    stacks(&threads);
    runtimes();
    let tests = TESTS.lock().unwrap_or_else(PoisonError::into_inner);
    match tests[..] {
        [] => say("watchdog: no test runs: the end of the program hangs\n"),
        _ => tests.iter().for_each(|name| say(&format!("watchdog: the test {name} hangs\n"))),
    }
    std::process::abort();
}

/// Prints a line for each thread, and returns their numbers.
fn list() -> Vec<i32> {
    let (mut threads, mut lines) = (Vec::new(), String::new());
    let listed = threads::for_each(|number, stat| {
        threads.push(number);
        let path = format!("/proc/self/task/{number}/wchan");
        let place = std::fs::read_to_string(path).unwrap_or_default();
        let (name, state) = (stat.name, stat.state);
        let _ = writeln!(lines, "watchdog: thread {number} {name:?}: {state} {place}");
    });
    say(&lines);
    if let Err(error) = listed {
        say(&format!("watchdog: cannot list the threads: {error}\n"));
    }
    threads
}

/// Has each thread print its stack.
fn stacks(threads: &[i32]) {
    // A real-time signal that programs do not use.
    let signal = libc::SIGRTMIN() + 7;
    if !handle(signal, print_stack) || !handle(libc::SIGSEGV, give_up) {
        return;
    }
    let process = std::process::id();
    let mut limit = STACK_LIMIT;
    for thread in threads {
        let before = ANSWERS.load(Ordering::SeqCst);
        // SAFETY: a system call that takes numbers. A thread that has ended is an error.
        let sent = unsafe { libc::syscall(libc::SYS_tgkill, process, *thread, signal) };
        if sent == 0 && !has_answered(before, limit) {
            say(&format!("watchdog: thread {thread} does not answer\n"));
            limit = STACK_LIMIT_LATER;
        }
    }
}

/// Sets the handler of a signal. Returns whether that worked.
fn handle(signal: libc::c_int, handler: extern "C" fn(libc::c_int)) -> bool {
    // SAFETY: zeroes are a valid `sigaction`, which has integers and a pointer that may be null.
    let mut action: libc::sigaction = unsafe { mem::zeroed() };
    action.sa_sigaction = handler as *const () as usize;
    action.sa_flags = libc::SA_RESTART;
    // SAFETY: both pointers are valid for the call or null. The handler does what handlers must
    // not, as the module says, in a process that is aborted a minute from now at the latest.
    unsafe { libc::sigaction(signal, &raw const action, ptr::null_mut()) == 0 }
}

/// Waits until a thread more than `before` has answered.
fn has_answered(before: usize, limit: Duration) -> bool {
    let step = Duration::from_millis(5);
    let mut waited = Duration::ZERO;
    while ANSWERS.load(Ordering::SeqCst) == before {
        if waited >= limit {
            return false;
        }
        pause(step);
        waited += step;
    }
    true
}

/// Prints the name and the stack of the thread that it interrupts.
extern "C" fn print_stack(_signal: libc::c_int) {
    if HAS_FAULTED.load(Ordering::SeqCst) {
        return print_name();
    }
    let trace = Backtrace::force_capture().to_string();
    let thread = thread::current();
    let name = thread.name().unwrap_or("without a name");
    say(&format!("\nwatchdog: the stack of the thread {name:?}\n{}\n", frames(&trace)));
    answer(name, trace.contains(HARNESS) && name != "main");
}

/// Ends the walk through the stack of the thread that it interrupts: it has read an address that is
/// not mapped.
extern "C" fn give_up(_signal: libc::c_int) {
    HAS_FAULTED.store(true, Ordering::SeqCst);
    print_name();
    loop {
        pause(LIMIT);
    }
}

/// Prints the name of this thread, whose stack cannot be printed. The harness names the thread of a
/// test after the path of the test.
fn print_name() {
    let thread = thread::current();
    let name = thread.name().unwrap_or("without a name");
    say(&format!("\nwatchdog: the stack of the thread {name:?} cannot be walked\n"));
    answer(name, name.contains("::"));
}

/// Notes that this thread has answered, and whether it runs a test.
fn answer(name: &str, is_test: bool) {
    if let Some(mut tests) = TESTS.try_lock().ok().filter(|_| is_test) {
        tests.push(name.to_owned());
    }
    ANSWERS.fetch_add(1, Ordering::SeqCst);
}

/// Returns the lines of `trace` that are neither the handler's nor the same in each thread.
fn frames(trace: &str) -> String {
    let is_frame = |line: &str, names: [&str; 2]| names.iter().any(|name| line.contains(name));
    let mut handler = trace.lines().take(HANDLER_LINES);
    let start = handler.position(|line| is_frame(line, INTERRUPTED)).map_or(0, |frame| frame + 1);
    let frames = trace.lines().skip(start).take_while(|line| !is_frame(line, BELOW));
    frames.collect::<Vec<_>>().join("\n")
}

/// Prints the tasks of the runtimes of this process.
#[cfg(not(reveille_loom))]
fn runtimes() {
    let (sender, receiver) = mpsc::channel();
    // A stuck worker may hold a lock that this needs.
    let _ = thread::Builder::new().spawn(move || sender.send(reveille_runtime::diagnosis()));
    match receiver.recv_timeout(STACK_LIMIT) {
        Ok(text) => say(&format!("\n{text}\n")),
        Err(_) => say("watchdog: the runtimes do not answer\n"),
    }
}

/// A loom model has no runtimes.
#[cfg(reveille_loom)]
fn runtimes() {}

/// Writes to standard error without std's lock, which a thread that hangs may hold.
fn say(text: &str) {
    let mut rest = text.as_bytes();
    while let Ok(written) = write(stderr(), rest) {
        rest = &rest[written..];
        if rest.is_empty() {
            return;
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "there is no runtime to ask")]
fn pause(duration: Duration) {
    thread::sleep(duration);
}

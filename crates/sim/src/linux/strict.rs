//! Strict mode: the kernel stops a simulated thread whose call bypasses the simulation.
//! * A seccomp filter stops system calls that do not come from the C library. It also stops calls
//!   that only functions of the C library that are not simulated make: clocks, random bytes,
//!   processes, timers.
//! * On x86-64, `PR_SET_TSC` stops reads of the processor's counter, including those in the vDSO.
//!
//! Both apply to the calling thread and to those that it starts. The handlers print the call and
//! its place, and end the process. Neither needs a privilege.

use std::backtrace::Backtrace;
use std::ffi::{c_int, c_void};
use std::fmt::Write as _;
use std::fs;
use std::mem::MaybeUninit;
use std::ops::Range;
use std::ptr;

use libc::{sock_filter, sock_fprog};

use super::refusal::frames;
use super::{run, thread};

/// System calls that no simulated thread makes, with their names.
const STOPPED: [(libc::c_long, &str); 14] = [
    (libc::SYS_clock_gettime, "clock_gettime"),
    (libc::SYS_gettimeofday, "gettimeofday"),
    (libc::SYS_getrandom, "getrandom"),
    (libc::SYS_getrusage, "getrusage"),
    (libc::SYS_times, "times"),
    (libc::SYS_execve, "execve"),
    (libc::SYS_execveat, "execveat"),
    (libc::SYS_io_uring_setup, "io_uring_setup"),
    (libc::SYS_timerfd_create, "timerfd_create"),
    (libc::SYS_inotify_init1, "inotify_init1"),
    (libc::SYS_perf_event_open, "perf_event_open"),
    (libc::SYS_ptrace, "ptrace"),
    (libc::SYS_userfaultfd, "userfaultfd"),
    (libc::SYS_getcpu, "getcpu"),
];

/// Where the fields of the filter's input are, in bytes.
const NUMBER: u32 = 0;
const POINTER_LOW: u32 = 8;
const POINTER_HIGH: u32 = 12;

/// Where `siginfo_t` has the number of the call, in bytes.
const SIGINFO_NUMBER: usize = 24;

/// Begins strict mode on the calling thread.
///
/// # Errors
///
/// Returns an error if the kernel does not support it, or the C library is not found.
pub(super) fn begin() -> Result<(), String> {
    let libraries = libraries().map_err(|error| format!("/proc/self/maps: {error}"))?;
    handle(libc::SIGSYS, call_stopped)?;
    #[cfg(target_arch = "x86_64")]
    counter::stop()?;
    let mut filter = filter(&libraries)?;
    let len = u16::try_from(filter.len()).map_err(|error| error.to_string())?;
    let program = sock_fprog { len, filter: filter.as_mut_ptr() };
    // SAFETY: the call takes numbers only.
    if unsafe { libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) } != 0 {
        return Err(format!("PR_SET_NO_NEW_PRIVS: {}", std::io::Error::last_os_error()));
    }
    // SAFETY: the kernel copies the program, which outlives the call.
    let result =
        unsafe { libc::prctl(libc::PR_SET_SECCOMP, libc::SECCOMP_MODE_FILTER, &raw const program) };
    if result != 0 {
        return Err(format!("PR_SET_SECCOMP: {}", std::io::Error::last_os_error()));
    }
    Ok(())
}

/// The addresses of the code of the C library and of the dynamic linker.
fn libraries() -> std::io::Result<Vec<Range<u64>>> {
    let maps = fs::read_to_string("/proc/self/maps")?;
    Ok(maps.lines().filter_map(code_of_library).collect())
}

/// The addresses of a line of `/proc/self/maps`, if it is code of the C library.
fn code_of_library(line: &str) -> Option<Range<u64>> {
    let mut words = line.split_whitespace();
    let (start, end) = words.next()?.split_once('-')?;
    let is_code = words.next()?.contains('x');
    let file = words.last()?.rsplit('/').next()?;
    let is_library = file.starts_with("libc.so")
        || file.starts_with("libc-")
        || file.starts_with("ld-linux")
        || file.starts_with("libpthread");
    let number = |text| u64::from_str_radix(text, 16).ok();
    if is_code && is_library { Some(number(start)?..number(end)?) } else { None }
}

fn operation(code: u32, k: u32, jt: u8, jf: u8) -> sock_filter {
    // The constants of the kernel's header have 16 bits.
    sock_filter { code: code as u16, jt, jf, k }
}

/// Loads a word of the input.
fn load(offset: u32) -> sock_filter {
    operation(libc::BPF_LD | libc::BPF_W | libc::BPF_ABS, offset, 0, 0)
}

/// Compares the loaded word, and skips instructions.
fn jump(comparison: u32, k: u32, if_true: u8, if_false: u8) -> sock_filter {
    operation(libc::BPF_JMP | comparison | libc::BPF_K, k, if_true, if_false)
}

fn answer(action: u32) -> sock_filter {
    operation(libc::BPF_RET | libc::BPF_K, action, 0, 0)
}

/// The filter: stops the calls in [`STOPPED`], and all calls from outside of `libraries`.
fn filter(libraries: &[Range<u64>]) -> Result<Vec<sock_filter>, String> {
    if libraries.is_empty() {
        return Err("the C library is not in /proc/self/maps".to_owned());
    }
    let mut filter = vec![load(NUMBER)];
    for (number, _) in STOPPED {
        let number = u32::try_from(number).map_err(|error| error.to_string())?;
        filter.push(jump(libc::BPF_JEQ, number, 0, 1));
        filter.push(answer(libc::SECCOMP_RET_TRAP));
    }
    for range in libraries {
        let (first, last) = (range.start, range.end - 1);
        if first >> 32 != last >> 32 {
            return Err("the C library crosses a boundary of 4 GiB".to_owned());
        }
        // Each test that fails skips the rest of this range.
        filter.push(load(POINTER_HIGH));
        filter.push(jump(libc::BPF_JEQ, (first >> 32) as u32, 0, 4));
        filter.push(load(POINTER_LOW));
        filter.push(jump(libc::BPF_JGE, first as u32, 0, 2));
        filter.push(jump(libc::BPF_JGT, last as u32, 1, 0));
        filter.push(answer(libc::SECCOMP_RET_ALLOW));
    }
    filter.push(answer(libc::SECCOMP_RET_TRAP));
    Ok(filter)
}

/// The type of a signal handler that gets details.
type Handler = extern "C" fn(c_int, *mut libc::siginfo_t, *mut c_void);

/// Sets the handler of a signal. It runs on the stack of the thread, because it prints a backtrace.
fn handle(signal: c_int, handler: Handler) -> Result<(), String> {
    // SAFETY: all bytes zero are an action without flags.
    let mut action: libc::sigaction = unsafe { MaybeUninit::zeroed().assume_init() };
    action.sa_sigaction = handler as *const () as usize;
    action.sa_flags = libc::SA_SIGINFO;
    // SAFETY: the action is alive during the call, and the old one is not asked for.
    if unsafe { libc::sigaction(signal, &raw const action, ptr::null_mut()) } != 0 {
        return Err(format!("signal {signal}: {}", std::io::Error::last_os_error()));
    }
    Ok(())
}

/// The handler of SIGSYS.
extern "C" fn call_stopped(_: c_int, info: *mut libc::siginfo_t, _: *mut c_void) {
    // SAFETY: the number of the call is within the details of the signal.
    let number = unsafe { info.cast::<u8>().add(SIGINFO_NUMBER) }.cast::<c_int>();
    // SAFETY: the kernel has written the number there, and it is aligned as a number.
    let number = unsafe { number.read() };
    let name = STOPPED.iter().find(|(stopped, _)| *stopped == libc::c_long::from(number));
    let name = name.map_or_else(|| format!("number {number}"), |(_, name)| format!("`{name}`"));
    bypassed(&format!("the system call {name} directly"));
}

/// Reports a call that bypasses the simulation, and ends the process.
fn bypassed(what: &str) -> ! {
    let thread = thread::me().map(thread::Thread::name).unwrap_or_default();
    // What follows is not part of the simulation.
    thread::set_me(None);
    let mut text = format!(
        "reveille-sim: thread '{thread}' makes {what}, past the simulation (strict mode):\n"
    );
    for frame in frames(&Backtrace::force_capture().to_string()) {
        let _ = writeln!(text, "    {frame}");
    }
    super::say(&text);
    run::fail_bypassed()
}

#[cfg(target_arch = "x86_64")]
mod counter {
    use super::*;

    /// The codes of `rdtsc` and `rdtscp`.
    const RDTSC: [u8; 2] = [0x0f, 0x31];
    const RDTSCP: [u8; 3] = [0x0f, 0x01, 0xf9];

    const PR_SET_TSC: c_int = 26;
    const PR_TSC_SIGSEGV: libc::c_ulong = 2;

    /// Stops reads of the processor's counter on the calling thread.
    pub(super) fn stop() -> Result<(), String> {
        handle(libc::SIGSEGV, fault)?;
        // SAFETY: the call takes numbers only.
        if unsafe { libc::prctl(PR_SET_TSC, PR_TSC_SIGSEGV, 0, 0, 0) } != 0 {
            return Err(format!("PR_SET_TSC: {}", std::io::Error::last_os_error()));
        }
        Ok(())
    }

    /// The handler of SIGSEGV.
    extern "C" fn fault(signal: c_int, _: *mut libc::siginfo_t, context: *mut c_void) {
        // SAFETY: the kernel passes the context of the thread.
        let context = unsafe { &*context.cast::<libc::ucontext_t>() };
        let at = context.uc_mcontext.gregs[libc::REG_RIP as usize];
        let code = ptr::with_exposed_provenance::<[u8; 3]>(at as usize);
        // SAFETY: the thread has executed the instruction at this address, unless it jumped to an
        // address without code. Then this read faults, and the signal, which is blocked here, ends
        // the process.
        let code = unsafe { code.read_unaligned() };
        if code[..2] == RDTSC || code == RDTSCP {
            bypassed("a read of the processor's counter (`rdtsc`)");
        }
        // Another fault: it happens again, and ends the process.
        // SAFETY: the call takes numbers only.
        unsafe { libc::signal(signal, libc::SIG_DFL) };
    }
}

#[cfg(test)]
mod tests {
    use super::code_of_library;

    #[test]
    fn the_code_of_the_c_library_is_found() {
        let line = "7f00a000-7f01b000 r-xp 00026000 fe:00 99 /lib/x86_64-linux-gnu/libc.so.6";
        assert_eq!(code_of_library(line), Some(0x7f00_a000..0x7f01_b000));
        assert_eq!(code_of_library(&line.replace("r-xp", "r--p")), None);
        assert_eq!(code_of_library(&line.replace("libc.so.6", "libcrypto.so.3")), None);
        assert_eq!(code_of_library("7f00a000-7f01b000 r-xp 00000000 00:00 0 [vdso]"), None);
    }
}

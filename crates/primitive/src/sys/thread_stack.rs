//! The return addresses of another thread's stack, which need not cooperate.
//!
//! The thread gets a signal, whose handler walks through the stack and stores the addresses. The
//! thread that asks waits for them, with a time limit. The handler calls nothing that takes a lock
//! or allocates: the unwinder finds its tables through `_dl_find_object`, which the C library made
//! for signal handlers. Without that function (glibc before 2.35, musl) the unwinder takes the lock
//! of the dynamic linker, so there are no addresses.
//!
//! The signal is a real-time one that has no handler. A system call that it interrupts is restarted
//! (`SA_RESTART`), except for those that never are, such as `nanosleep` and `epoll_wait`. They
//! return `EINTR`, as with any signal, and std and reveille repeat them.
//!
//! Not on 32-bit x86. There the system calls of rustix push registers, and its unwind tables do not
//! say so, because they are inline assembly. An unwinder that begins in such a call takes another
//! word for the return address, and reads where nothing is mapped.
//!
//! Rejected: a copy of the registers and of the stack, unwound by the thread that asks. It needs an
//! unwinder of our own or another crate. Rejected: `ptrace`, which a process may not use on itself.
//!
//! # Invariants
//!
//! 1. One thread asks at a time: it holds `ASKING`.
//! 2. `STATE` goes from idle to asked (the asking thread), to writing (the handler on the thread
//!    that is asked), to done (the same) and to idle (the asking thread). Asked goes to idle when
//!    the time is up, and a late done is ignored. So `ADDRESSES` has one writer at a time, and is
//!    read after it.

use std::io;

/// Identifies a thread to the system. 0 where that is not known.
pub type ThreadNumber = u32;

/// The number of this thread, for [`thread_addresses`]. 0 on systems where that has no use.
#[must_use]
pub fn thread_number() -> ThreadNumber {
    #[cfg(all(target_os = "linux", not(target_arch = "x86"), not(reveille_loom)))]
    {
        linux::thread_number()
    }
    #[cfg(not(all(target_os = "linux", not(target_arch = "x86"), not(reveille_loom))))]
    {
        0
    }
}

/// Writes the addresses on the stack of a thread of this process, innermost first: the address of
/// the instruction that it executes or waits in, then the return addresses. The first ones are
/// those of the signal's handler. Returns how many were written: `addresses.len()` at most.
///
/// # Errors
///
/// Where this is not possible (all systems but Linux, and 32-bit x86), and if the thread has ended
/// or does not answer in time, because it blocks the signal or does not get a processor.
pub fn thread_addresses(thread: ThreadNumber, addresses: &mut [usize]) -> io::Result<usize> {
    #[cfg(all(target_os = "linux", not(target_arch = "x86"), not(reveille_loom)))]
    {
        linux::addresses(thread, addresses)
    }
    #[cfg(not(all(target_os = "linux", not(target_arch = "x86"), not(reveille_loom))))]
    {
        let _ = (thread, addresses);
        let text = "this system does not show the stacks of other threads";
        Err(io::Error::new(io::ErrorKind::Unsupported, text))
    }
}

#[cfg(all(target_os = "linux", not(target_arch = "x86"), not(reveille_loom)))]
#[allow(unsafe_code, reason = "a signal handler")]
mod linux {
    use std::io;
    use std::mem;
    use std::ptr;
    use std::sync::OnceLock;
    use std::time::Duration;

    use super::ThreadNumber;
    use crate::atomic::{AtomicU32, AtomicUsize, Ordering};
    use crate::lock::Mutex;
    use crate::sys::{StackMark, return_addresses};

    /// Addresses of a stack.
    const MAX: usize = 256;

    /// How long a thread has for its answer, in steps.
    const STEP: Duration = Duration::from_millis(1);
    const STEPS: u32 = 200;

    const IDLE: u32 = 0;
    const ASKED: u32 = 1;
    const WRITING: u32 = 2;
    const DONE: u32 = 3;

    static ASKING: Mutex<()> = Mutex::new(());
    static STATE: AtomicU32 = AtomicU32::new(IDLE);
    /// The thread that is asked.
    static THREAD: AtomicU32 = AtomicU32::new(0);
    static LEN: AtomicUsize = AtomicUsize::new(0);
    static ADDRESSES: [AtomicUsize; MAX] = [const { AtomicUsize::new(0) }; MAX];

    /// The signal, once its handler is installed.
    static SIGNAL: OnceLock<Result<libc::c_int, &'static str>> = OnceLock::new();

    pub(super) fn thread_number() -> ThreadNumber {
        // SAFETY: the call takes nothing and always succeeds.
        let number = unsafe { libc::syscall(libc::SYS_gettid) };
        number.try_into().unwrap_or(0)
    }

    pub(super) fn addresses(thread: ThreadNumber, addresses: &mut [usize]) -> io::Result<usize> {
        let _asking = ASKING.lock();
        let unsupported = |text: &str| io::Error::new(io::ErrorKind::Unsupported, text.to_owned());
        let signal = SIGNAL.get_or_init(install).map_err(unsupported)?;
        if STATE.load(Ordering::Acquire) == WRITING {
            return Err(unsupported("a thread has not returned from the handler"));
        }
        THREAD.store(thread, Ordering::Relaxed);
        STATE.store(ASKED, Ordering::Release);
        // SAFETY: a system call that takes numbers. A thread that has ended is an error.
        let sent = unsafe { libc::syscall(libc::SYS_tgkill, std::process::id(), thread, signal) };
        if sent != 0 {
            STATE.store(IDLE, Ordering::Relaxed);
            return Err(io::Error::last_os_error());
        }
        for _ in 0..STEPS {
            if STATE.load(Ordering::Acquire) == DONE {
                let len = LEN.load(Ordering::Relaxed).min(addresses.len());
                for (to, from) in addresses.iter_mut().zip(&ADDRESSES[..len]) {
                    *to = from.load(Ordering::Relaxed);
                }
                STATE.store(IDLE, Ordering::Relaxed);
                return Ok(len);
            }
            crate::thread::sleep(STEP);
        }
        // If a handler is writing, its answer is late, and the next call ignores it.
        let _ = STATE.compare_exchange(ASKED, IDLE, Ordering::Relaxed, Ordering::Relaxed);
        Err(io::Error::new(io::ErrorKind::TimedOut, "the thread does not answer"))
    }

    /// Sets the handler of a signal that has none.
    fn install() -> Result<libc::c_int, &'static str> {
        let name = c"_dl_find_object".as_ptr();
        // SAFETY: the name is a string that ends with a zero byte.
        if unsafe { libc::dlsym(libc::RTLD_DEFAULT, name) }.is_null() {
            return Err("the C library cannot find unwind tables in a signal handler");
        }
        // The first walk of a process prepares the unwinder, which may take locks.
        return_addresses(StackMark::here(), &mut [0; 4]);
        let signals = (libc::SIGRTMIN()..=libc::SIGRTMAX()).rev();
        let signal = { signals }.find(|&signal| is_free(signal)).ok_or("no signal is free")?;
        // SAFETY: zeroes are a valid `sigaction`, which has integers and a pointer that may be
        // null.
        let mut action: libc::sigaction = unsafe { mem::zeroed() };
        action.sa_sigaction = answer as *const () as usize;
        action.sa_flags = libc::SA_RESTART;
        // SAFETY: the pointer to the action is valid for the call, and the other one may be null.
        // The handler does what a handler may, as the module says.
        let set = unsafe { libc::sigaction(signal, &raw const action, ptr::null_mut()) };
        if set == 0 { Ok(signal) } else { Err("the system refuses the handler of a signal") }
    }

    fn is_free(signal: libc::c_int) -> bool {
        // SAFETY: zeroes are a valid `sigaction`, as above.
        let mut present: libc::sigaction = unsafe { mem::zeroed() };
        // SAFETY: the pointer to the action may be null, and the other one is valid for the call.
        let got = unsafe { libc::sigaction(signal, ptr::null(), &raw mut present) };
        got == 0 && present.sa_sigaction == libc::SIG_DFL
    }

    /// The handler.
    extern "C" fn answer(_: libc::c_int) {
        // SAFETY: this returns the address of this thread's variable, which lives as long as the
        // thread.
        let errno = unsafe { libc::__errno_location() };
        // SAFETY: the address is that of an initialized number.
        let before = unsafe { errno.read() };
        let is_asked = THREAD.load(Ordering::Relaxed) == thread_number();
        let begin = || STATE.compare_exchange(ASKED, WRITING, Ordering::Acquire, Ordering::Relaxed);
        if is_asked && begin().is_ok() {
            let mut addresses = [0; MAX];
            let len = return_addresses(StackMark::END, &mut addresses);
            for (to, from) in ADDRESSES.iter().zip(&addresses[..len]) {
                to.store(*from, Ordering::Relaxed);
            }
            LEN.store(len, Ordering::Relaxed);
            STATE.store(DONE, Ordering::Release);
        }
        // SAFETY: as for the read.
        unsafe { errno.write(before) };
    }

    #[cfg(test)]
    #[expect(clippy::disallowed_methods, reason = "threads as users start them")]
    mod tests {
        use std::sync::mpsc;

        use super::*;

        #[test]
        fn a_thread_that_blocks_shows_its_stack_and_continues() {
            let (send_number, number) = mpsc::channel();
            let (go_on, may_go_on) = mpsc::channel::<u32>();
            let thread = std::thread::spawn(move || {
                send_number.send(thread_number()).expect("the test waits");
                may_go_on.recv()
            });
            let number = number.recv().expect("the thread sends it");
            let is_sanitized = std::env::var_os("TSAN_OPTIONS").is_some();
            let mut stack = [0; 64];
            for _ in 0..3 {
                let len = match addresses(number, &mut stack) {
                    // On a C library that cannot.
                    Err(error) if error.kind() == io::ErrorKind::Unsupported => break,
                    // ThreadSanitizer calls no handler while the thread waits.
                    Err(error) if is_sanitized && error.kind() == io::ErrorKind::TimedOut => break,
                    result => result.expect("it answers"),
                };
                assert!(len > 4 && stack[..len].iter().all(|&address| address != 0), "{len}");
            }
            go_on.send(7).expect("it waits");
            assert_eq!(thread.join().expect("no panic"), Ok(7));
            // It has ended.
            addresses(number, &mut stack).expect_err("no such thread");
        }
    }
}

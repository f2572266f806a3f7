//! What qemu's emulation of Linux programs lacks, shown without reveille.
//!
//! `cargo xtask targets --run aarch64` skips the tests that fail because of it, and prints what
//! this program prints. On Linux each line ends with the expected value.

#[cfg(target_os = "linux")]
#[allow(unsafe_code, reason = "system calls that std does not make")]
#[expect(clippy::disallowed_methods, reason = "threads of std, because this is a bare program")]
mod linux {
    use std::fs::File;
    use std::io;
    use std::os::fd::AsRawFd;
    use std::process::Command;
    use std::ptr;
    use std::thread;

    pub(crate) fn show() -> io::Result<()> {
        threads_of_a_program()?;
        filter_of_system_calls();
        program_that_is_missing();
        read_that_does_not_wait()?;
        attributes_of_a_terminal()?;
        wait_to_the_nanosecond();
        last_signal();
        ring_of_the_kernel();
        ring_of_a_timer();
        limit_of_addresses();
        thread_of_a_forked_child();
        memory_of_ended_threads()
    }

    /// The error of a system call that has returned `result`.
    fn error_of(result: i64) -> Option<io::Error> {
        (result == -1).then(io::Error::last_os_error)
    }

    /// qemu has a thread of its own, which the kernel counts.
    fn threads_of_a_program() -> io::Result<()> {
        let threads = std::fs::read_dir("/proc/self/task")?.count();
        println!("the threads of a program with one: {threads}; expected: 1");
        Ok(())
    }

    /// A null pointer, where a filter is expected: Linux answers `EFAULT` (14).
    fn filter_of_system_calls() {
        // SAFETY: the kernel refuses the null pointer.
        let result = unsafe {
            libc::prctl(libc::PR_SET_SECCOMP, libc::SECCOMP_MODE_FILTER, ptr::null::<u8>())
        };
        println!("seccomp without a filter: {:?}; expected: error 14", error_of(result.into()));
    }

    /// std learns the error from a child that shares its memory. qemu copies the memory instead.
    fn program_that_is_missing() {
        let started = Command::new("/no/such/program").status();
        println!("a program that is missing: {started:?}; expected: error 2");
    }

    fn read_that_does_not_wait() -> io::Result<()> {
        let file = File::open(std::env::current_exe()?)?;
        let mut byte = 0_u8;
        let part = libc::iovec { iov_base: (&raw mut byte).cast(), iov_len: 1 };
        // SAFETY: the kernel writes one byte to `byte`, which outlives the call.
        let read =
            unsafe { libc::preadv2(file.as_raw_fd(), &raw const part, 1, 0, libc::RWF_NOWAIT) };
        println!("preadv2: {:?}; expected: None", error_of(read as i64));
        Ok(())
    }

    /// Linux answers `ENOTTY` (25), because the file is no terminal.
    fn attributes_of_a_terminal() -> io::Result<()> {
        let file = File::open(std::env::current_exe()?)?;
        let mut attributes = [0_u8; 256];
        // SAFETY: the kernel writes at most 44 bytes to `attributes`, which outlives the call.
        let result =
            unsafe { libc::ioctl(file.as_raw_fd(), libc::TCGETS2 as _, attributes.as_mut_ptr()) };
        println!("TCGETS2: {:?}; expected: error 25", error_of(result.into()));
        Ok(())
    }

    /// Linux answers `EBADF` (9).
    fn wait_to_the_nanosecond() {
        let null = ptr::null::<u8>();
        // SAFETY: the kernel refuses the descriptor.
        let result = unsafe { libc::syscall(libc::SYS_epoll_pwait2, -1, null, 1, null, null, 0) };
        println!("epoll_pwait2: {:?}; expected: error 9", error_of(result as i64));
    }

    /// qemu needs two signals for itself. It accepts actions for the last two, but does not send
    /// these.
    fn last_signal() {
        // SAFETY: an action that ignores the signal runs no code.
        unsafe { libc::signal(libc::SIGRTMAX(), libc::SIG_IGN) };
        // SAFETY: the call takes numbers.
        let result = unsafe { libc::raise(libc::SIGRTMAX()) };
        println!("the last signal: {result}; expected: 0");
    }

    /// A null pointer, where io_uring's parameters are expected: Linux answers `EFAULT` (14).
    fn ring_of_the_kernel() {
        // SAFETY: the kernel refuses the null pointer.
        let result = unsafe { libc::syscall(libc::SYS_io_uring_setup, 1, ptr::null::<u8>()) };
        println!("io_uring: {:?}; expected: error 14", error_of(result as i64));
    }

    /// `TFD_IOC_SET_TICKS` makes a timer ring. Linux refuses zero ticks with `EINVAL` (22).
    fn ring_of_a_timer() {
        const SET_TICKS: u64 = 0x4008_5400;
        let ticks = 0_u64;
        // SAFETY: the call takes numbers.
        let timer = unsafe { libc::timerfd_create(libc::CLOCK_MONOTONIC, libc::TFD_CLOEXEC) };
        // SAFETY: the kernel reads `ticks`, which outlives the call.
        let result = unsafe { libc::ioctl(timer, SET_TICKS as _, &raw const ticks) };
        println!("the ticks of a timer: {:?}; expected: error 22", error_of(result.into()));
        // SAFETY: the descriptor is that of the timer above, which nothing else uses.
        unsafe { libc::close(timer) };
    }

    fn limit_of_addresses() {
        let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
        // SAFETY: the kernel writes to `limit`, which outlives the call.
        unsafe { libc::getrlimit(libc::RLIMIT_AS, &raw mut limit) };
        let usual = limit;
        limit.rlim_cur = 1;
        // SAFETY: the kernel reads `limit`.
        unsafe { libc::setrlimit(libc::RLIMIT_AS, &raw const limit) };
        let started = thread::Builder::new().spawn(|| ()).map(drop).map_err(|error| error.kind());
        // SAFETY: the kernel reads `usual`.
        unsafe { libc::setrlimit(libc::RLIMIT_AS, &raw const usual) };
        println!("a thread without memory for its stack: {started:?}; expected: WouldBlock");
    }

    fn thread_of_a_forked_child() {
        // SAFETY: no other thread of this process runs, so the child may call anything.
        let child = unsafe { libc::fork() };
        if child == 0 {
            let ended = thread::spawn(|| ()).join();
            std::process::exit(i32::from(ended.is_err()));
        }
        let mut status = 0;
        // SAFETY: the kernel writes to `status`, which outlives the call.
        unsafe { libc::waitpid(child, &raw mut status, 0) };
        println!("a child of fork that starts a thread: status {status}; expected: 0");
    }

    /// The memory and the maps of this process after 50 threads, and after 50 more.
    fn memory_of_ended_threads() -> io::Result<()> {
        let round = || {
            (0..50).for_each(|_| thread::spawn(|| ()).join().expect("no panic"));
            let pages = std::fs::read_to_string("/proc/self/statm")?;
            let pages: u64 =
                pages.split(' ').nth(1).and_then(|text| text.parse().ok()).unwrap_or(0);
            io::Result::Ok(pages)
        };
        round()?;
        let (before, after) = (round()?, round()?);
        println!("pages before and after 50 threads: {before}, {after}; expected: equal");
        Ok(())
    }
}

#[cfg(target_os = "linux")]
fn main() -> std::io::Result<()> {
    linux::show()
}

#[cfg(not(target_os = "linux"))]
fn main() {
    println!("only on Linux");
}

//! The C library's own functions, which `interpose.rs` hides by functions of the same names.
//!
//! # Invariants
//!
//! 1. An address is null or that of the function of this name in the next library, which the
//!    dynamic linker found. Libraries are not unloaded, so it stays valid.
//!
//! The linker binds the program's calls to `interpose.rs`, because a definition in the program
//! comes before those of libraries. `dlsym` with `RTLD_NEXT` finds the next one.

use std::ffi::{CStr, c_char, c_int, c_long, c_uint, c_ulong, c_void};
use std::mem;
use std::ptr;
use std::sync::atomic::{AtomicPtr, Ordering};

use libc::{
    addrinfo, clockid_t, cpu_set_t, epoll_event, loff_t, mmsghdr, mode_t, msghdr, nfds_t, pid_t,
    pollfd, pthread_attr_t, pthread_t, sigset_t, size_t, sockaddr, socklen_t, stack_t, time_t,
    timespec, timeval,
};

/// One function.
pub(crate) struct Original {
    name: &'static CStr,
    address: AtomicPtr<c_void>,
}

impl Original {
    pub(crate) const fn new(name: &'static CStr) -> Original {
        Original { name, address: AtomicPtr::new(ptr::null_mut()) }
    }

    pub(crate) fn address(&self) -> *mut c_void {
        let known = self.address.load(Ordering::Relaxed);
        if !known.is_null() {
            return known;
        }
        // SAFETY: the name is a string that ends with a zero byte.
        let found = unsafe { libc::dlsym(libc::RTLD_NEXT, self.name.as_ptr()) };
        if found.is_null() {
            // A panic could not unwind through the caller, which is C.
            super::say("reveille-sim: the C library has no function of this name: ");
            super::say(&self.name.to_string_lossy());
            super::say("\n");
            std::process::abort();
        }
        self.address.store(found, Ordering::Relaxed);
        found
    }
}

/// Defines functions that call the original ones. A name in brackets is the symbol.
macro_rules! originals {
    ($(
        $(#[$attribute:meta])*
        fn $name:ident($($argument:ident: $type:ty),*) -> $result:ty;
    )*) => {$(
        $(#[$attribute])*
        ///
        /// # Safety
        ///
        /// * The arguments meet the contract that the C library documents.
        pub(super) unsafe fn $name($($argument: $type),*) -> $result {
            static ORIGINAL: $crate::platform::Original = {
                let name = concat!(stringify!($name), "\0").as_bytes();
                match CStr::from_bytes_with_nul(name) {
                    Ok(name) => $crate::platform::Original::new(name),
                    Err(_) => panic!("the name has one zero byte, at its end"),
                }
            };
            type Function = unsafe extern "C" fn($($type),*) -> $result;
            // SAFETY: the address is that of the C library's function of this name, which has
            // these types (invariant 1).
            let function = unsafe { mem::transmute::<*mut c_void, Function>(ORIGINAL.address()) };
            // SAFETY: the caller keeps the function's contract.
            unsafe { function($($argument),*) }
        }
    )*};
}

pub(super) use originals;

/// A thread's main function.
pub(super) type Routine = extern "C" fn(*mut c_void) -> *mut c_void;

originals! {
    /// Reads a clock.
    fn clock_gettime(clock: clockid_t, into: *mut timespec) -> c_int;
    /// Reads the time of day.
    fn gettimeofday(into: *mut timeval, zone: *mut c_void) -> c_int;
    /// Reads the time of day in seconds.
    fn time(into: *mut time_t) -> time_t;
    /// Sleeps.
    fn nanosleep(time: *const timespec, left: *mut timespec) -> c_int;
    /// Sleeps by a clock.
    fn clock_nanosleep(
        clock: clockid_t,
        flags: c_int,
        time: *const timespec,
        left: *mut timespec
    ) -> c_int;
    /// Lets another thread run.
    fn sched_yield() -> c_int;
    /// The processors that a thread may use.
    fn sched_getaffinity(process: pid_t, len: size_t, into: *mut cpu_set_t) -> c_int;
    /// Random bytes.
    fn getrandom(into: *mut c_void, len: size_t, flags: c_uint) -> isize;
    /// Random bytes.
    fn getentropy(into: *mut c_void, len: size_t) -> c_int;
    /// Any system call. Variadic in C; on the processors that this module is compiled for, variadic
    /// arguments that are integers are passed as others are.
    fn syscall(
        number: c_long,
        a: c_long,
        b: c_long,
        c: c_long,
        d: c_long,
        e: c_long,
        f: c_long
    ) -> c_long;
    /// The number that the system has for the calling thread.
    fn gettid() -> pid_t;
    /// Sends a signal to a thread.
    fn tgkill(process: pid_t, thread: pid_t, signal: c_int) -> c_int;
    /// Changes the calling thread. Variadic in C, as [`syscall`].
    fn prctl(option: c_int, a: c_ulong, b: c_ulong, c: c_ulong, d: c_ulong) -> c_int;
    /// The stack for handlers of signals.
    fn sigaltstack(new: *const stack_t, old: *mut stack_t) -> c_int;
    /// The signals that the calling thread blocks.
    fn pthread_sigmask(how: c_int, new: *const sigset_t, old: *mut sigset_t) -> c_int;
    /// The signals that the calling thread blocks.
    fn sigprocmask(how: c_int, new: *const sigset_t, old: *mut sigset_t) -> c_int;
    /// Names a thread.
    fn pthread_setname_np(thread: pthread_t, name: *const c_char) -> c_int;
    /// Starts a thread.
    fn pthread_create(
        into: *mut pthread_t,
        attributes: *const pthread_attr_t,
        routine: Routine,
        argument: *mut c_void
    ) -> c_int;
    /// Waits for the end of a thread.
    fn pthread_join(thread: pthread_t, into: *mut *mut c_void) -> c_int;
    /// Opens a file. Variadic in C, as [`syscall`].
    fn open(path: *const c_char, flags: c_int, mode: mode_t) -> c_int;
    /// Opens a file. Variadic in C, as [`syscall`].
    fn open64(path: *const c_char, flags: c_int, mode: mode_t) -> c_int;
    /// Makes a socket.
    fn socket(domain: c_int, kind: c_int, protocol: c_int) -> c_int;
    /// Makes two sockets that are connected.
    fn socketpair(domain: c_int, kind: c_int, protocol: c_int, into: *mut c_int) -> c_int;
    /// Names a socket.
    fn bind(fd: c_int, address: *const sockaddr, len: socklen_t) -> c_int;
    /// Connects a socket.
    fn connect(fd: c_int, address: *const sockaddr, len: socklen_t) -> c_int;
    /// Accepts a connection.
    fn accept4(fd: c_int, into: *mut sockaddr, len: *mut socklen_t, flags: c_int) -> c_int;
    /// The name of a socket.
    fn getsockname(fd: c_int, into: *mut sockaddr, len: *mut socklen_t) -> c_int;
    /// The name of a socket's peer.
    fn getpeername(fd: c_int, into: *mut sockaddr, len: *mut socklen_t) -> c_int;
    /// Sets an option.
    fn setsockopt(
        fd: c_int,
        level: c_int,
        option: c_int,
        value: *const c_void,
        len: socklen_t
    ) -> c_int;
    /// Reads an option.
    fn getsockopt(
        fd: c_int,
        level: c_int,
        option: c_int,
        into: *mut c_void,
        len: *mut socklen_t
    ) -> c_int;
    /// Makes a socket a listener.
    fn listen(fd: c_int, backlog: c_int) -> c_int;
    /// Accepts a connection.
    fn accept(fd: c_int, into: *mut sockaddr, len: *mut socklen_t) -> c_int;
    /// Ends one or both directions.
    fn shutdown(fd: c_int, how: c_int) -> c_int;
    /// Sends bytes.
    fn send(fd: c_int, from: *const c_void, len: size_t, flags: c_int) -> isize;
    /// Sends bytes to an address.
    fn sendto(
        fd: c_int,
        from: *const c_void,
        len: size_t,
        flags: c_int,
        to: *const sockaddr,
        to_len: socklen_t
    ) -> isize;
    /// Sends a message.
    fn sendmsg(fd: c_int, message: *const msghdr, flags: c_int) -> isize;
    /// Sends several messages.
    fn sendmmsg(fd: c_int, messages: *mut mmsghdr, len: c_uint, flags: c_int) -> c_int;
    /// Receives bytes.
    fn recv(fd: c_int, into: *mut c_void, len: size_t, flags: c_int) -> isize;
    /// Receives bytes and the address of the sender.
    fn recvfrom(
        fd: c_int,
        into: *mut c_void,
        len: size_t,
        flags: c_int,
        from: *mut sockaddr,
        from_len: *mut socklen_t
    ) -> isize;
    /// Receives a message.
    fn recvmsg(fd: c_int, message: *mut msghdr, flags: c_int) -> isize;
    /// Receives several messages.
    fn recvmmsg(
        fd: c_int,
        messages: *mut mmsghdr,
        len: c_uint,
        flags: c_int,
        timeout: *mut timespec
    ) -> c_int;
    /// Moves bytes between a pipe and another descriptor.
    fn splice(
        from: c_int,
        from_at: *mut loff_t,
        to: c_int,
        to_at: *mut loff_t,
        len: size_t,
        flags: c_uint
    ) -> isize;
    /// Closes a descriptor.
    fn close(fd: c_int) -> c_int;
    /// Duplicates a descriptor.
    fn dup(fd: c_int) -> c_int;
    /// Duplicates a descriptor to a number.
    fn dup2(fd: c_int, to: c_int) -> c_int;
    /// Duplicates a descriptor to a number, with flags.
    fn dup3(fd: c_int, to: c_int, flags: c_int) -> c_int;
    /// Changes a descriptor. Variadic in C, as [`syscall`].
    fn fcntl(fd: c_int, command: c_int, argument: c_long) -> c_int;
    /// Changes a descriptor. Variadic in C, as [`syscall`].
    fn ioctl(fd: c_int, request: c_ulong, argument: *mut c_void) -> c_int;
    /// Waits for events.
    fn poll(fds: *mut pollfd, len: nfds_t, timeout: c_int) -> c_int;
    /// Waits for events.
    fn ppoll(
        fds: *mut pollfd,
        len: nfds_t,
        timeout: *const timespec,
        mask: *const sigset_t
    ) -> c_int;
    /// Makes an eventfd.
    fn eventfd(count: c_uint, flags: c_int) -> c_int;
    /// Makes an epoll set.
    fn epoll_create1(flags: c_int) -> c_int;
    /// Changes an epoll set.
    fn epoll_ctl(set: c_int, operation: c_int, fd: c_int, event: *mut epoll_event) -> c_int;
    /// Waits for the events of an epoll set.
    fn epoll_wait(set: c_int, into: *mut epoll_event, max: c_int, timeout: c_int) -> c_int;
    /// Looks a name up.
    fn getaddrinfo(
        node: *const c_char,
        service: *const c_char,
        hints: *const addrinfo,
        into: *mut *mut addrinfo
    ) -> c_int;
    /// Makes a child process.
    fn fork() -> pid_t;
    /// Replaces the program of this process.
    fn execvp(file: *const c_char, arguments: *const *const c_char) -> c_int;
    /// Starts a program.
    fn posix_spawnp(
        into: *mut pid_t,
        file: *const c_char,
        actions: *const c_void,
        attributes: *const c_void,
        arguments: *const *mut c_char,
        environment: *const *mut c_char
    ) -> c_int;
    /// Starts a program and returns its descriptor.
    fn pidfd_spawnp(
        into: *mut c_int,
        file: *const c_char,
        actions: *const c_void,
        attributes: *const c_void,
        arguments: *const *mut c_char,
        environment: *const *mut c_char
    ) -> c_int;
}

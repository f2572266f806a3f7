//! The functions that replace the C library's, for the threads of a simulation.
//!
//! # Invariants
//! 1. Each function has the name, the arguments, the result and the contract of the C library's. So
//!    a caller that meets the contract of the original meets the contract of this one.
//! 2. On a thread that is not simulated, a function calls the original and does nothing else. It
//!    allocates nothing, takes no lock and uses no thread-local with a destructor, so it may be
//!    called at any time, even before `main` and while a thread ends.
//! 3. No function unwinds.
//!
//! The functions that draw bytes do not access the world either, so an allocator may call them.
//! Those that read the time do so after many reads in a row only.

use std::ffi::{CStr, c_char, c_int, c_long, c_uint, c_ulong, c_void};
use std::ptr;
use std::sync::OnceLock;

use libc::{
    addrinfo, clockid_t, cpu_set_t, mode_t, pid_t, pthread_attr_t, pthread_t, sigset_t, size_t,
    stack_t, time_t, timespec, timeval,
};

use super::futex::{self, FutexCall, fail, fill_randomly, from_ns, to_ns};
use super::original::{self, Routine};
use super::refusal;
use super::thread::{self, Thread, me};
use super::world;
use super::{disk, files, lookup};
use crate::trace::Step;

/// Returns the sum of the addresses of all functions. The caller uses the number, so the linker
/// keeps the functions.
pub(crate) fn keep_symbols() -> usize {
    let addresses: [*const (); 26] = [
        clock_gettime as *const (),
        gettimeofday as *const (),
        time as *const (),
        nanosleep as *const (),
        clock_nanosleep as *const (),
        sched_yield as *const (),
        sched_getaffinity as *const (),
        getrandom as *const (),
        getentropy as *const (),
        syscall as *const (),
        pthread_create as *const (),
        pthread_join as *const (),
        open as *const (),
        open64 as *const (),
        getaddrinfo as *const (),
        gettid as *const (),
        tgkill as *const (),
        prctl as *const (),
        sigaltstack as *const (),
        pthread_sigmask as *const (),
        sigprocmask as *const (),
        pthread_setname_np as *const (),
        fork as *const (),
        execvp as *const (),
        posix_spawnp as *const (),
        pidfd_spawnp as *const (),
    ];
    let others = super::files::keep_symbols()
        .wrapping_add(super::kernel::calls::keep_symbols())
        .wrapping_add(super::users::keep_symbols());
    addresses.iter().fold(others, |sum, address| sum.wrapping_add(address.addr()))
}

/// System calls that concern the calling thread of the system.
const OF_THREAD: [c_long; 12] = [
    libc::SYS_prctl,
    libc::SYS_sigaltstack,
    libc::SYS_rt_sigprocmask,
    libc::SYS_rt_sigtimedwait,
    libc::SYS_sched_setaffinity,
    libc::SYS_sched_setscheduler,
    libc::SYS_setpriority,
    libc::SYS_seccomp,
    libc::SYS_set_robust_list,
    libc::SYS_set_tid_address,
    libc::SYS_setns,
    libc::SYS_unshare,
];

/// Sends a signal to a thread. If that is a simulated one, its handler runs before this returns.
fn send_signal(me: &'static Thread, process: pid_t, thread: pid_t, signal: c_int) -> c_int {
    // The thread of the system that gets the signal may be the one that runs the caller.
    thread::go_home(me);
    let [process_word, thread_word, signal] = [process, thread, signal].map(c_long::from);
    // SAFETY: the call takes numbers only.
    let sent =
        unsafe { original::syscall(libc::SYS_tgkill, process_word, thread_word, signal, 0, 0, 0) };
    if sent == 0
        && let Some(to) = world::with(|world| world.find_tid(thread))
    {
        thread::visit(me, to);
    }
    sent as c_int
}

/// Keeps a thread on its own thread of the system while it blocks other signals than the first one.
fn pin_if_masked(me: &'static Thread) {
    // SAFETY: all bytes zero are an empty set.
    let mut now: sigset_t = unsafe { std::mem::zeroed() };
    // SAFETY: a null pointer changes nothing, and there is room for a set.
    unsafe { original::pthread_sigmask(libc::SIG_BLOCK, ptr::null(), &raw mut now) };
    // SAFETY: the set is initialized, and the numbers are those of signals.
    let is_blocked = |signal| unsafe { libc::sigismember(&raw const now, signal) } == 1;
    me.is_pinned.set((1..=libc::SIGRTMAX()).any(is_blocked));
}

/// Defines functions of the C library. `$simulated` is what they do on a simulated thread `me`.
macro_rules! replace {
    ($(
        fn $name:ident($($argument:ident: $type:ty),*) -> $result:ty = |$me:ident| $simulated:block
    )*) => {$(
        #[unsafe(no_mangle)]
        unsafe extern "C" fn $name($($argument: $type),*) -> $result {
            match me() {
                Some($me) => $simulated,
                // SAFETY: the caller meets the contract of the original (invariant 1).
                None => unsafe { original::$name($($argument),*) },
            }
        }
    )*};
}

pub(super) use replace;

/// The time of a clock. Clocks of processor time show the time that has passed.
fn clock_ns(me: &'static Thread, clock: clockid_t) -> u64 {
    world::yield_after_reads(me);
    let now_ns = world::read_clock_ns(me);
    match clock {
        libc::CLOCK_REALTIME | libc::CLOCK_REALTIME_COARSE | libc::CLOCK_TAI => {
            world::time_of_day_ns(me, now_ns)
        }
        _ => now_ns,
    }
}

replace! {
    fn clock_gettime(clock: clockid_t, into: *mut timespec) -> c_int = |me| {
        // SAFETY: the caller passes a pointer to a time that it may write (invariant 1).
        unsafe { into.write(from_ns(clock_ns(me, clock))) };
        0
    }

    fn gettimeofday(into: *mut timeval, zone: *mut c_void) -> c_int = |me| {
        let _ = zone;
        let time = from_ns(clock_ns(me, libc::CLOCK_REALTIME));
        let time = timeval { tv_sec: time.tv_sec, tv_usec: time.tv_nsec / 1_000 };
        if !into.is_null() {
            // SAFETY: the caller passes null or a time that it may write (invariant 1).
            unsafe { into.write(time) };
        }
        0
    }

    fn time(into: *mut time_t) -> time_t = |me| {
        let seconds = from_ns(clock_ns(me, libc::CLOCK_REALTIME)).tv_sec;
        if !into.is_null() {
            // SAFETY: the caller passes null or a number that it may write (invariant 1).
            unsafe { into.write(seconds) };
        }
        seconds
    }

    fn nanosleep(time: *const timespec, left: *mut timespec) -> c_int = |me| {
        let _ = left;
        // SAFETY: the caller passes a pointer to a time (invariant 1).
        let ns = to_ns(unsafe { &*time });
        world::sleep_locally(me, ns);
        0
    }

    fn clock_nanosleep(
        clock: clockid_t, flags: c_int, time: *const timespec, left: *mut timespec
    ) -> c_int = |me| {
        let _ = left;
        // SAFETY: the caller passes a pointer to a time (invariant 1).
        let ns = to_ns(unsafe { &*time });
        match (flags & libc::TIMER_ABSTIME != 0, clock) {
            (false, _) => world::sleep_locally(me, ns),
            (true, libc::CLOCK_REALTIME) => {
                world::sleep_until(me, world::from_time_of_day_ns(me, ns));
            }
            (true, _) => world::sleep_until(me, world::from_local_ns(me, ns)),
        }
        0
    }

    fn sched_yield() -> c_int = |me| {
        world::sleep(me, 0);
        0
    }

    fn sched_getaffinity(process: pid_t, len: size_t, into: *mut cpu_set_t) -> c_int = |_me| {
        let _ = process;
        if len < size_of::<cpu_set_t>() {
            return fail(libc::EINVAL);
        }
        // SAFETY: the caller passes a set of this size that it may write (invariant 1).
        unsafe { into.cast::<u8>().write_bytes(0, len) };
        // SAFETY: the bytes were written just now, and a set is an array of numbers.
        let set = unsafe { &mut *into };
        for processor in 0..world::processors() {
            // SAFETY: there are at most four processors, and a set has room for 1024.
            unsafe { libc::CPU_SET(processor, set) };
        }
        0
    }

    fn getrandom(into: *mut c_void, len: size_t, flags: c_uint) -> isize = |me| {
        let _ = flags;
        // SAFETY: the caller passes memory of this length that it may write (invariant 1).
        unsafe { fill_randomly(me, into, len) };
        len.cast_signed()
    }

    fn getentropy(into: *mut c_void, len: size_t) -> c_int = |me| {
        // SAFETY: the caller passes memory of this length that it may write (invariant 1).
        unsafe { fill_randomly(me, into, len) };
        0
    }

    fn syscall(
        number: c_long, a: c_long, b: c_long, c: c_long, d: c_long, e: c_long, f: c_long
    ) -> c_long = |me| {
        if number == libc::SYS_getrandom {
            let into = ptr::with_exposed_provenance_mut(a as usize);
            // SAFETY: the caller passes memory of this length that it may write (invariant 1).
            unsafe { fill_randomly(me, into, b as usize) };
            return b;
        }
        if number == libc::SYS_futex {
            let call = FutexCall {
                address: a,
                operation: b as c_int,
                value: c as u32,
                timeout: ptr::with_exposed_provenance(d as usize),
                bits: f as u32,
            };
            // SAFETY: the caller meets the contract of the system call (invariant 1).
            match unsafe { futex::call(me, call) } {
                Some(Ok(result)) => return result,
                Some(Err(errno)) => return fail(errno),
                None => refusal::report(me, "the futex system call with an unusual operation"),
            }
            return fail(libc::ENOSYS);
        }
        if number == libc::SYS_eventfd2 {
            // As rustix makes one: the C library has no function of this name.
            return super::kernel::waits::make_counter(a as c_uint, b as c_int).into();
        }
        match number {
            // As the crate `polling` calls them. It waits with a timeout if there is no timerfd.
            libc::SYS_epoll_create1 => return super::kernel::waits::make_set(a as c_int).into(),
            libc::SYS_timerfd_create => return fail(libc::ENOSYS),
            libc::SYS_gettid => return me.tid.get().into(),
            libc::SYS_tgkill => return send_signal(me, a as pid_t, b as pid_t, c as c_int).into(),
            _ if OF_THREAD.contains(&number) => thread::go_home(me),
            _ => (),
        }
        if matches!(number, libc::SYS_openat2 | libc::SYS_copy_file_range)
            && disk::observed().is_some()
        {
            // The callers open, read and write instead.
            return fail(libc::ENOSYS);
        }
        // SAFETY: the caller meets the contract of the system call (invariant 1).
        unsafe { original::syscall(number, a, b, c, d, e, f) }
    }

    fn pthread_create(
        into: *mut pthread_t,
        attributes: *const pthread_attr_t,
        routine: Routine,
        argument: *mut c_void
    ) -> c_int = |me| {
        // SAFETY: the caller meets the contract of the original (invariant 1).
        unsafe { start_thread(me, into, attributes, routine, argument) }
    }

    fn pthread_join(thread: pthread_t, into: *mut *mut c_void) -> c_int = |me| {
        wait_for_end(me, thread);
        // SAFETY: the caller meets the contract of the original (invariant 1). If the thread is
        // simulated, it has ended.
        unsafe { original::pthread_join(thread, into) }
    }

    fn gettid() -> pid_t = |me| { me.tid.get() }

    fn tgkill(process: pid_t, thread: pid_t, signal: c_int) -> c_int = |me| {
        send_signal(me, process, thread, signal)
    }

    fn prctl(
        option: c_int, a: c_ulong, b: c_ulong, c: c_ulong, d: c_ulong
    ) -> c_int = |me| {
        thread::go_home(me);
        // SAFETY: the caller meets the contract of the original (invariant 1).
        unsafe { original::prctl(option, a, b, c, d) }
    }

    fn sigaltstack(new: *const stack_t, old: *mut stack_t) -> c_int = |me| {
        thread::go_home(me);
        // SAFETY: the caller meets the contract of the original (invariant 1).
        unsafe { original::sigaltstack(new, old) }
    }

    fn pthread_sigmask(how: c_int, new: *const sigset_t, old: *mut sigset_t) -> c_int = |me| {
        thread::go_home(me);
        // SAFETY: the caller meets the contract of the original (invariant 1).
        let result = unsafe { original::pthread_sigmask(how, new, old) };
        pin_if_masked(me);
        result
    }

    fn sigprocmask(how: c_int, new: *const sigset_t, old: *mut sigset_t) -> c_int = |me| {
        thread::go_home(me);
        // SAFETY: the caller meets the contract of the original (invariant 1).
        let result = unsafe { original::sigprocmask(how, new, old) };
        pin_if_masked(me);
        result
    }

    fn pthread_setname_np(thread: pthread_t, name: *const c_char) -> c_int = |me| {
        thread::go_home(me);
        // SAFETY: the caller meets the contract of the original (invariant 1).
        unsafe { original::pthread_setname_np(thread, name) }
    }

    fn open(path: *const c_char, flags: c_int, mode: mode_t) -> c_int = |me| {
        // SAFETY: the caller passes a string that ends with a zero byte (invariant 1).
        if is_hidden(me, unsafe { CStr::from_ptr(path) }) {
            return fail(libc::ENOENT);
        }
        // SAFETY: the caller meets the contract of the original (invariant 1).
        unsafe { open_file(path, flags, mode) }
    }

    fn open64(path: *const c_char, flags: c_int, mode: mode_t) -> c_int = |me| {
        // SAFETY: the caller passes a string that ends with a zero byte (invariant 1).
        if is_hidden(me, unsafe { CStr::from_ptr(path) }) {
            return fail(libc::ENOENT);
        }
        // SAFETY: the caller meets the contract of the original (invariant 1).
        unsafe { open_file(path, flags, mode) }
    }

    fn getaddrinfo(
        node: *const c_char,
        service: *const c_char,
        hints: *const addrinfo,
        into: *mut *mut addrinfo
    ) -> c_int = |me| {
        // SAFETY: the caller passes null or a string that ends with a zero byte (invariant 1).
        let name = (!node.is_null()).then(|| unsafe { CStr::from_ptr(node) });
        let ip = match name {
            Some(name) => lookup::resolve(me, &name.to_string_lossy()),
            None => Some(std::net::Ipv4Addr::LOCALHOST.into()),
        };
        let Some(ip) = ip else {
            if !world::with(|world| world.is_network()) {
                refusal::report(me, "`getaddrinfo`, the lookup of another name than `localhost`");
            }
            return libc::EAI_NONAME;
        };
        let Ok(ip) = std::ffi::CString::new(ip.to_string()) else { return libc::EAI_FAIL };
        // SAFETY: the caller meets the contract of the original (invariant 1). The name is an
        // address, so nothing is looked up.
        unsafe { original::getaddrinfo(ip.as_ptr(), service, hints, into) }
    }

    fn fork() -> pid_t = |me| {
        refusal::report(me, "`fork`, to start a process");
        fail(libc::ENOSYS)
    }

    fn execvp(file: *const c_char, arguments: *const *const c_char) -> c_int = |me| {
        let _ = (file, arguments);
        refusal::report(me, "`execvp`, to start a program");
        fail(libc::ENOSYS)
    }

    fn posix_spawnp(
        into: *mut pid_t,
        file: *const c_char,
        actions: *const c_void,
        attributes: *const c_void,
        arguments: *const *mut c_char,
        environment: *const *mut c_char
    ) -> c_int = |me| {
        let _ = (into, file, actions, attributes, arguments, environment);
        refusal::report(me, "`posix_spawnp`, to start a program");
        // This function returns the number and does not set `errno`.
        libc::EPERM
    }

    fn pidfd_spawnp(
        into: *mut c_int,
        file: *const c_char,
        actions: *const c_void,
        attributes: *const c_void,
        arguments: *const *mut c_char,
        environment: *const *mut c_char
    ) -> c_int = |me| {
        let _ = (into, file, actions, attributes, arguments, environment);
        refusal::report(me, "`pidfd_spawnp`, to start a program");
        libc::EPERM
    }
}

/// What the C library returns for a result.
pub(super) fn answer(result: Result<(), c_int>) -> c_int {
    result.map_or_else(fail, |()| 0)
}

/// # Safety
///
/// * The arguments meet the contract of `open`.
unsafe fn open_file(path: *const c_char, flags: c_int, mode: mode_t) -> c_int {
    let opened = disk::observed().and_then(|me| {
        // SAFETY: the caller passes a string that ends with a zero byte.
        files::open(me, libc::AT_FDCWD, unsafe { CStr::from_ptr(path) }, flags, mode)
    });
    // SAFETY: the caller keeps the contract.
    opened.unwrap_or_else(|| unsafe { original::open64(path, flags, mode) })
}

/// Whether a file reveals the real machine, or has bytes that no seed repeats.
fn is_hidden(me: &Thread, path: &CStr) -> bool {
    match path.to_bytes() {
        // std reads a limit on the number of processors from it.
        b"/proc/self/cgroup" => true,
        b"/dev/urandom" | b"/dev/random" => {
            refusal::report(me, "`open` of a device with random bytes");
            true
        }
        _ => false,
    }
}

/// What a new thread needs to know.
struct Start {
    thread: &'static Thread,
    routine: Routine,
    argument: *mut c_void,
}

/// # Safety
///
/// * The arguments meet the contract of `pthread_create`.
unsafe fn start_thread(
    me: &'static Thread,
    into: *mut pthread_t,
    attributes: *const pthread_attr_t,
    routine: Routine,
    argument: *mut c_void,
) -> c_int {
    let thread = world::with(|world| world.start_thread(me));
    let start = Box::into_raw(Box::new(Start { thread, routine, argument }));
    // SAFETY: the caller keeps the contract for `into` and `attributes`. `begin_thread` takes the
    // box, in the one thread that is started.
    let result = unsafe { original::pthread_create(into, attributes, begin_thread, start.cast()) };
    if result == 0 {
        // SAFETY: the C library has written the handle. The new thread does not run yet: it waits
        // for the baton, which this thread has.
        thread.pthread.set(unsafe { *into });
    } else {
        // SAFETY: no thread was started, so the box is still this function's.
        drop(unsafe { Box::from_raw(start) });
        world::with(|world| world.forget_thread(thread));
    }
    result
}

/// The main function of each simulated thread.
extern "C" fn begin_thread(start: *mut c_void) -> *mut c_void {
    // SAFETY: `start_thread` made the box for this thread alone.
    let start = unsafe { Box::from_raw(start.cast::<Start>()) };
    let Start { thread, routine, argument } = *start;
    thread::begin(thread);
    end_with_thread_locals(thread);
    routine(argument)
}

/// Arranges that [`leave`] is called after the destructors of the thread's thread-locals. They are
/// part of the program, so the thread keeps the baton until then.
fn end_with_thread_locals(thread: &'static Thread) {
    static KEY: OnceLock<libc::pthread_key_t> = OnceLock::new();
    let key = *KEY.get_or_init(|| {
        let mut key = 0;
        // SAFETY: the number is alive during the call, and `leave` is never unloaded.
        let result = unsafe { libc::pthread_key_create(&mut key, Some(leave)) };
        if result != 0 {
            super::say("reveille-sim: the process has no key for thread-specific data left\n");
            std::process::abort();
        }
        key
    });
    thread.exit_rounds.set(0);
    EXIT_KEY.set(key);
    // SAFETY: the key exists, and is never deleted.
    unsafe { libc::pthread_setspecific(key, ptr::from_ref(thread).cast()) };
}

thread_local! {
    /// The key of [`end_with_thread_locals`], for [`leave`].
    static EXIT_KEY: std::cell::Cell<libc::pthread_key_t> = const { std::cell::Cell::new(0) };
}

/// The rounds in which the C library calls destructors (`PTHREAD_DESTRUCTOR_ITERATIONS`), less one.
const EXIT_ROUNDS: u32 = 3;

/// Called when a simulated thread ends, after its thread-locals were dropped. Values of other keys
/// may still be dropped, so it asks for further calls and acts in the last one.
extern "C" fn leave(_: *mut c_void) {
    let Some(thread) = me() else { return };
    let rounds = thread.exit_rounds.get() + 1;
    thread.exit_rounds.set(rounds);
    if rounds < EXIT_ROUNDS {
        // SAFETY: the key exists, and is never deleted.
        unsafe { libc::pthread_setspecific(EXIT_KEY.get(), ptr::from_ref(thread).cast()) };
    } else {
        world::end(thread);
    }
}

/// Waits until a simulated thread has ended. Returns at once for others.
fn wait_for_end(me: &'static Thread, pthread: pthread_t) {
    let Some(thread) = world::with(|world| world.find(pthread)) else { return };
    if thread.state.get() != super::thread::State::Ended {
        world::with(|world| world.note(Step::Wait, me, thread.number as u64));
        world::switch(me, super::thread::State::Join { thread: thread.number });
    }
    world::with(|world| world.joined(thread));
}

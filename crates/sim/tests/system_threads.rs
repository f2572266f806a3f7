//! What the system keeps for each thread stays that of a simulated thread, whichever thread of the
//! system runs it.

#![allow(clippy::disallowed_methods, reason = "these calls are what is simulated")]
// Only on Linux with 64 bits: simulations replace functions of its C library.
#![cfg(all(
    target_os = "linux",
    target_env = "gnu",
    any(target_arch = "x86_64", target_arch = "aarch64")
))]
#![expect(unsafe_code, reason = "calls to the system without std")]

use std::cell::{Cell, RefCell};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::{ExitCode, Output};
use std::ptr;
use std::sync::atomic::{AtomicI32, AtomicU32, Ordering};
use std::sync::{Arc, Barrier};
use std::thread;
use std::time::Duration;

use reveille_sim::{Role, SimulatedTest};

/// Runs `body` under some seeds, each twice.
fn simulate(name: &str, body: impl FnOnce() + Send) {
    if let Role::Simulation(simulation) = SimulatedTest::new(name).seeds(0..8).checked().start() {
        simulation.run(move || {
            body();
            ExitCode::SUCCESS
        });
    }
}

/// Lets other threads run, a few times.
fn switch() {
    (0..20).for_each(|_| thread::sleep(Duration::from_micros(50)));
}

/// Runs `body` on four threads that take turns.
fn beside_others(body: impl Fn(u64) + Copy + Send + 'static) {
    let threads: Vec<_> = (0..4).map(|number| thread::spawn(move || body(number))).collect();
    threads.into_iter().for_each(|thread| thread.join().expect("no panic"));
}

fn tid() -> i64 {
    // SAFETY: the call takes nothing.
    unsafe { libc::syscall(libc::SYS_gettid) }
}

/// What the kernel has for the calling thread: a name or the blocked signals.
fn status(field: &str) -> String {
    let path = format!("/proc/self/task/{}/status", tid());
    let text = std::fs::read_to_string(path).expect("the thread is alive");
    let line = text.lines().find_map(|line| line.strip_prefix(field));
    line.expect("the kernel has it").trim().to_owned()
}

#[test]
fn a_thread_keeps_its_number_its_name_and_its_errno() {
    simulate("a_thread_keeps_its_number_its_name_and_its_errno", || {
        let body = |number: u64| {
            switch();
            let before = tid();
            // SAFETY: the call takes nothing.
            let handle = unsafe { libc::pthread_self() };
            let name = std::ffi::CString::new(format!("number {number}")).expect("no zero byte");
            // SAFETY: the handle is that of the calling thread, and the string is alive.
            assert_eq!(unsafe { libc::pthread_setname_np(handle, name.as_ptr()) }, 0);
            // SAFETY: a descriptor that is not open is an error.
            assert_eq!(unsafe { libc::close(-1) }, -1);
            switch();
            assert_eq!(std::io::Error::last_os_error().raw_os_error(), Some(libc::EBADF));
            assert_eq!(tid(), before);
            // SAFETY: the call takes nothing.
            assert_eq!(unsafe { libc::gettid() }, before as i32);
            assert_eq!(status("Name:"), format!("number {number}"));
        };
        beside_others(body);
    });
}

#[test]
fn thread_locals_are_dropped_on_their_thread() {
    /// Waits for others when it is dropped.
    struct Last(Cell<i64>);
    impl Drop for Last {
        fn drop(&mut self) {
            switch();
            assert_eq!(self.0.get(), tid());
        }
    }
    thread_local! {
        static LAST: Last = const { Last(Cell::new(0)) };
        static NUMBERS: RefCell<Vec<u64>> = const { RefCell::new(Vec::new()) };
    }
    simulate("thread_locals_are_dropped_on_their_thread", || {
        beside_others(|number| {
            LAST.with(|last| last.0.set(tid()));
            for _ in 0..5 {
                NUMBERS.with_borrow_mut(|numbers| {
                    numbers.push(number);
                    switch();
                });
            }
            NUMBERS.with_borrow(|numbers| assert_eq!(**numbers, [number; 5]));
        });
    });
}

#[test]
fn a_thread_that_blocks_signals_keeps_them_blocked() {
    simulate("a_thread_that_blocks_signals_keeps_them_blocked", || {
        beside_others(|number| {
            let before = status("SigBlk:");
            // SAFETY: all bytes zero are an empty set.
            let mut set: libc::sigset_t = unsafe { std::mem::zeroed() };
            // SAFETY: the set is initialized, and the number is that of a signal.
            unsafe { libc::sigaddset(&raw mut set, libc::SIGUSR1 + 2 * (number as i32 % 2)) };
            // SAFETY: the set is initialized, and the old one is not asked for.
            unsafe { libc::pthread_sigmask(libc::SIG_BLOCK, &raw const set, ptr::null_mut()) };
            let blocked = status("SigBlk:");
            assert_ne!(blocked, before);
            switch();
            assert_eq!(status("SigBlk:"), blocked);
            // SAFETY: as above.
            unsafe { libc::pthread_sigmask(libc::SIG_UNBLOCK, &raw const set, ptr::null_mut()) };
            switch();
            // SAFETY: a null pointer changes nothing, and there is room for a set.
            unsafe { libc::pthread_sigmask(libc::SIG_BLOCK, ptr::null(), &raw mut set) };
            // That call was made on the thread's own thread of the system.
            assert_eq!(status("SigBlk:"), before);
        });
    });
}

#[test]
fn a_panic_stays_on_its_thread() {
    simulate("a_panic_stays_on_its_thread", || {
        beside_others(|number| {
            let result = catch_unwind(AssertUnwindSafe(|| {
                switch();
                panic!("number {number}");
            }));
            switch();
            let payload = result.expect_err("it panics");
            let text = payload.downcast_ref::<String>().expect("a text");
            assert_eq!(*text, format!("number {number}"));
        });
    });
}

mod arithmetic {
    use super::*;

    #[cfg(target_arch = "x86_64")]
    mod rounding {
        /// The usual control word, and two with another rounding, up or down.
        pub(super) const USUAL: u32 = 0x1f80;
        pub(super) const OTHERS: [u32; 2] = [0x5f80, 0x3f80];

        /// The control word of the vector unit, without the exceptions that have occurred.
        pub(super) fn control() -> u32 {
            let mut word = 0_u32;
            // SAFETY: the instruction writes four bytes to the address.
            unsafe { std::arch::asm!("stmxcsr [{}]", in(reg) &raw mut word, options(nostack)) };
            word & !0x3f
        }

        pub(super) fn set_control(word: u32) {
            // SAFETY: the instruction reads four bytes from the address. No arithmetic depends on
            // the rounding until it is set back.
            unsafe { std::arch::asm!("ldmxcsr [{}]", in(reg) &raw const word, options(nostack)) };
        }
    }

    #[cfg(target_arch = "aarch64")]
    mod rounding {
        /// The usual control word, and two with another rounding, up or down.
        pub(super) const USUAL: u64 = 0;
        pub(super) const OTHERS: [u64; 2] = [1 << 22, 2 << 22];

        /// The control word of floating-point arithmetic.
        pub(super) fn control() -> u64 {
            let word: u64;
            // SAFETY: the instruction reads a register of the thread.
            unsafe { std::arch::asm!("mrs {}, fpcr", out(reg) word, options(nomem, nostack)) };
            word
        }

        pub(super) fn set_control(word: u64) {
            // SAFETY: the instruction writes a register of the thread. No arithmetic depends on the
            // rounding until it is set back.
            unsafe { std::arch::asm!("msr fpcr, {}", in(reg) word, options(nomem, nostack)) };
        }
    }

    use rounding::{OTHERS, USUAL, control, set_control};

    #[test]
    fn a_thread_keeps_how_it_rounds() {
        simulate("arithmetic::a_thread_keeps_how_it_rounds", || {
            beside_others(|number| {
                let rounding = OTHERS[number as usize % 2];
                set_control(rounding);
                switch();
                let found = control();
                set_control(USUAL);
                assert_eq!(found, rounding);
            });
        });
    }
}

/// The thread that handled the last signal.
static HANDLED_BY: AtomicI32 = AtomicI32::new(0);

extern "C" fn handle(_: libc::c_int) {
    HANDLED_BY.store(tid() as i32, Ordering::Relaxed);
}

#[test]
fn a_thread_that_gets_a_signal_runs_the_handler() {
    simulate("a_thread_that_gets_a_signal_runs_the_handler", || {
        // SAFETY: the handler stores a number and does nothing else.
        unsafe { libc::signal(libc::SIGUSR1, handle as *const () as usize) };
        let (go_on, number) = (Arc::new(Barrier::new(2)), Arc::new(AtomicI32::new(0)));
        let thread = thread::spawn({
            let (go_on, number) = (Arc::clone(&go_on), Arc::clone(&number));
            move || {
                switch();
                number.store(tid() as i32, Ordering::Relaxed);
                go_on.wait();
            }
        });
        (0..10).for_each(|_| switch());
        let number = number.load(Ordering::Relaxed);
        assert_ne!(number, 0, "it waits");
        let process = std::process::id() as i32;
        // SAFETY: the call takes numbers only.
        let sent = unsafe { libc::syscall(libc::SYS_tgkill, process, number, libc::SIGUSR1) };
        assert_eq!(sent, 0);
        go_on.wait();
        thread.join().expect("no panic");
        // Where the thread is another one of the system, the handler may run after the call.
        assert_eq!(HANDLED_BY.load(Ordering::Relaxed), number);
    });
}

/// The values that the threads of the C library have left.
static LEFT: AtomicU32 = AtomicU32::new(0);

extern "C-unwind" fn leave_early(_: *mut libc::c_void) -> *mut libc::c_void {
    switch();
    LEFT.fetch_add(1, Ordering::Relaxed);
    // SAFETY: no frame of this thread has a destructor.
    unsafe { pthread_exit(ptr::without_provenance_mut(7)) }
}

unsafe extern "C-unwind" {
    fn pthread_exit(value: *mut libc::c_void) -> !;
}

#[test]
fn a_thread_may_end_in_the_c_library() {
    simulate("a_thread_may_end_in_the_c_library", || {
        let start = |_| {
            let mut thread: libc::pthread_t = 0;
            // SAFETY: the two types differ in whether the function may unwind, and the C library
            // expects that it does.
            let main = unsafe {
                std::mem::transmute::<
                    extern "C-unwind" fn(*mut libc::c_void) -> *mut libc::c_void,
                    extern "C" fn(*mut libc::c_void) -> *mut libc::c_void,
                >(leave_early)
            };
            // SAFETY: there is room for the handle, and null pointers are permitted.
            let result = unsafe {
                libc::pthread_create(&raw mut thread, ptr::null(), main, ptr::null_mut())
            };
            assert_eq!(result, 0);
            thread
        };
        let threads = [0, 1, 2].map(start);
        switch();
        for thread in threads {
            let mut value = ptr::null_mut();
            // SAFETY: the thread was not joined, and there is room for its value.
            assert_eq!(unsafe { libc::pthread_join(thread, &raw mut value) }, 0);
            assert_eq!(value.addr(), 7);
        }
        assert_eq!(LEFT.load(Ordering::Relaxed), 3);
    });
}

#[test]
fn a_change_of_the_user_or_the_group_is_refused_by_name() {
    const NAME: &str = "a_change_of_the_user_or_the_group_is_refused_by_name";
    if std::env::var_os("REVEILLE_SIM_CHILD").is_some() {
        return simulate(NAME, || {
            #[expect(clippy::multiple_unsafe_ops_per_block, reason = "one reason for all nine")]
            // SAFETY: the calls take numbers, and an empty list.
            let results = unsafe {
                [
                    libc::setuid(0),
                    libc::setgid(0),
                    libc::seteuid(0),
                    libc::setegid(0),
                    libc::setreuid(0, 0),
                    libc::setregid(0, 0),
                    libc::setresuid(0, 0, 0),
                    libc::setresgid(0, 0, 0),
                    libc::setgroups(0, ptr::null()),
                ]
            };
            let error = std::io::Error::last_os_error();
            assert_eq!((results, error.raw_os_error()), ([-1; 9], Some(libc::EPERM)));
            beside_others(|_| switch());
        });
    }
    let output = run(NAME, ("REVEILLE_SIM_HANDOFF", ""));
    let text = String::from_utf8_lossy(&output.stderr);
    for name in ["setuid", "setresgid", "setgroups"] {
        let said = format!("calls `{name}`, which is not simulated");
        assert!(text.contains(&said), "{text}");
    }
}

/// Runs a test of this program as the simulation of a seed.
fn run(name: &str, variable: (&str, &str)) -> Output {
    reveille_watchdog::itself()
        .args([name, "--exact", "--nocapture"])
        .envs([("REVEILLE_SIM_CHILD", name), ("REVEILLE_SIM_SEED", "3"), variable])
        .output()
        .expect("it starts")
}

/// The hash of the steps of a run.
fn hash(output: &Output) -> &str {
    let text = std::str::from_utf8(&output.stderr).expect("text");
    let hash = text.split_whitespace().find_map(|word| word.strip_prefix("trace="));
    hash.unwrap_or_else(|| panic!("no report: {text}"))
}

/// Checks that `variable` does not change the run of the test `name`, which must call this.
fn is_the_same_with(name: &str, variable: (&str, &str)) {
    if std::env::var_os("REVEILLE_SIM_CHILD").is_some() {
        return simulate(name, || beside_others(|_| switch()));
    }
    let [usual, other] = [("REVEILLE_SIM_HANDOFF", ""), variable].map(|one| run(name, one));
    assert_eq!(hash(&usual), hash(&other));
}

#[test]
fn a_run_is_the_same_if_the_kernel_switches_the_threads() {
    is_the_same_with(
        "a_run_is_the_same_if_the_kernel_switches_the_threads",
        ("REVEILLE_SIM_HANDOFF", "futex"),
    );
}

#[test]
fn a_run_is_the_same_in_strict_mode() {
    is_the_same_with("a_run_is_the_same_in_strict_mode", ("REVEILLE_SIM_STRICT", "1"));
}

#[test]
fn a_stack_that_overflows_is_reported_with_its_thread() {
    const NAME: &str = "a_stack_that_overflows_is_reported_with_its_thread";
    #[expect(unconditional_recursion, reason = "it overflows the stack")]
    fn recurse() -> u64 {
        std::hint::black_box(recurse()) + 1
    }
    if std::env::var_os("REVEILLE_SIM_CHILD").is_some() {
        return simulate(NAME, || {
            let deep = thread::Builder::new().name("deep".to_owned());
            let deep = deep.spawn(|| {
                switch();
                recurse()
            });
            beside_others(|_| switch());
            deep.expect("a thread").join().expect("it never ends");
        });
    }
    let output = run(NAME, ("REVEILLE_SIM_HANDOFF", ""));
    let text = String::from_utf8_lossy(&output.stderr);
    assert!(text.contains("thread 'deep'") && text.contains("overflowed its stack"), "{text}");
}

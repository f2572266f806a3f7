//! Prints how late a sleep of 1 ms ends: the system's own, and reveille's.
//!
//! ```text
//! sleep_overshoot [ROUNDS]
//! ```
//!
//! The system's own is `std::thread::sleep`: `clock_nanosleep` on Linux. On Windows a waitable
//! timer of high resolution without std stands beside it. No check depends on the figures.
#![expect(clippy::disallowed_methods, reason = "the system's clock and sleep are what it measures")]

use std::time::{Duration, Instant};

use reveille::task;

const TIME: Duration = Duration::from_millis(1);

fn main() {
    let rounds = std::env::args().nth(1).map_or(300, |text| text.parse().expect("a number"));
    #[cfg(windows)]
    match waitable_timer::Timer::new() {
        Ok(timer) => print("a bare waitable timer", measured(rounds, || timer.wait())),
        Err(error) => println!("sleep(1 ms), a bare waitable timer: {error}"),
    }
    print("the system's own", measured(rounds, || std::thread::sleep(TIME)));
    print("in block_on", task::block_on(sleeps(rounds)));
    print("in a task", task::block_on(task::spawn(sleeps(rounds))));
}

fn measured(rounds: usize, sleep: impl Fn()) -> Vec<Duration> {
    let time = |_| {
        let start = Instant::now();
        sleep();
        start.elapsed()
    };
    (0..rounds).map(time).collect()
}

async fn sleeps(rounds: usize) -> Vec<Duration> {
    let mut times = Vec::new();
    for _ in 0..rounds {
        let start = Instant::now();
        task::sleep(TIME).await;
        times.push(start.elapsed());
    }
    times
}

fn print(what: &str, mut times: Vec<Duration>) {
    times.sort_unstable();
    let late_us = |part: usize| (times[times.len() * part / 100] - TIME).as_micros();
    let (median, most) = (late_us(50), late_us(99));
    println!("sleep(1 ms), {what}: median {median} us late, 99 % at most {most} us late");
}

#[cfg(windows)]
mod waitable_timer {
    #![expect(unsafe_code, reason = "functions of the system that std does not have")]

    use std::os::windows::io::{AsRawHandle as _, FromRawHandle as _, OwnedHandle, RawHandle};
    use std::{io, ptr};

    #[link(name = "kernel32")]
    unsafe extern "system" {
        fn CreateWaitableTimerExW(
            attributes: *const u8,
            name: *const u16,
            flags: u32,
            rights: u32,
        ) -> RawHandle;
        fn SetWaitableTimer(
            timer: RawHandle,
            due: *const i64,
            period_ms: i32,
            routine: *const u8,
            argument: *const u8,
            resumes: i32,
        ) -> i32;
        fn WaitForSingleObject(handle: RawHandle, timeout_ms: u32) -> u32;
    }

    const CREATE_WAITABLE_TIMER_HIGH_RESOLUTION: u32 = 2;
    const TIMER_MODIFY_STATE: u32 = 2;
    const SYNCHRONIZE: u32 = 0x10_0000;
    const INFINITE: u32 = u32::MAX;

    pub(crate) struct Timer(OwnedHandle);

    impl Timer {
        pub(crate) fn new() -> io::Result<Timer> {
            let (flags, rights) =
                (CREATE_WAITABLE_TIMER_HIGH_RESOLUTION, TIMER_MODIFY_STATE | SYNCHRONIZE);
            // SAFETY: the attributes and the name may be null.
            let timer = unsafe { CreateWaitableTimerExW(ptr::null(), ptr::null(), flags, rights) };
            if timer.is_null() {
                return Err(io::Error::last_os_error());
            }
            // SAFETY: the system has just made the handle, and nothing else owns it.
            Ok(Timer(unsafe { OwnedHandle::from_raw_handle(timer) }))
        }

        /// Waits for [`super::TIME`].
        pub(crate) fn wait(&self) {
            // In units of 100 ns; a negative number counts from now.
            let due = -i64::try_from(super::TIME.as_nanos() / 100).expect("a short time");
            let timer = self.0.as_raw_handle();
            // SAFETY: the handle is open, and `due` is alive during the call. There is no routine.
            let is_set =
                unsafe { SetWaitableTimer(timer, &raw const due, 0, ptr::null(), ptr::null(), 0) };
            assert_ne!(is_set, 0, "{}", io::Error::last_os_error());
            // SAFETY: the handle is open.
            let result = unsafe { WaitForSingleObject(timer, INFINITE) };
            assert_eq!(result, 0, "{}", io::Error::last_os_error());
        }
    }
}

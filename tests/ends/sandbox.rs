//! The process enters a sandbox after the runtime has started, which then refuses a system call
//! that was allowed before. The runtime continues, perhaps slower.

use std::sync::mpsc;
use std::time::Duration;

use reveille::runtime::{Builder, Runtime};
use reveille::{fs, task};
use reveille_tests::measure::block_thread;
use reveille_tests::{child, test_name};

/// Longer than anything here takes.
const LIMIT: Duration = Duration::from_secs(60);

/// Lets `call` fail with EPERM from now on, in every thread of this process.
fn refuse(call: libc::c_long) {
    let step = |code: u32, jt, jf, k| libc::sock_filter { code: code as u16, jt, jf, k };
    let filter = [
        step(libc::BPF_LD | libc::BPF_W | libc::BPF_ABS, 0, 0, 0),
        step(libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K, 0, 1, call as u32),
        step(libc::BPF_RET | libc::BPF_K, 0, 0, libc::SECCOMP_RET_ERRNO | libc::EPERM as u32),
        step(libc::BPF_RET | libc::BPF_K, 0, 0, libc::SECCOMP_RET_ALLOW),
    ];
    let program = libc::sock_fprog { len: 4, filter: filter.as_ptr().cast_mut() };
    // SAFETY: both calls read `program` and `filter` at most, which outlive them.
    unsafe {
        assert_eq!(libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), 0);
        let flags = libc::SECCOMP_FILTER_FLAG_TSYNC;
        let set = libc::SECCOMP_SET_MODE_FILTER;
        assert_eq!(libc::syscall(libc::SYS_seccomp, set, flags, &raw const program), 0);
    }
}

/// Uses a poll that blocks until a task behind it has run, timers, sockets, files and a shutdown.
fn assert_works(runtime: &Runtime, is_rescued: bool) {
    let (answers, answer) = mpsc::channel();
    let stuck = runtime.spawn(async move {
        drop(task::spawn(async move {
            task::sleep(Duration::from_millis(1)).await;
            let _ = answers.send(());
        }));
        if is_rescued {
            answer.recv_timeout(LIMIT).expect("another thread takes the place");
        } else {
            block_thread(Duration::from_millis(100));
        }
    });
    runtime.block_on(stuck);
    runtime.block_on(runtime.spawn(async {
        for _ in 0..100 {
            task::yield_now().await;
            task::sleep(Duration::from_micros(100)).await;
        }
        fs::read("/proc/self/maps").await.unwrap();
    }));
}

/// Runs the test `name` in a process of its own, where `call` is refused after a runtime has
/// started.
fn survives(name: &str, call: libc::c_long, is_rescued: bool) {
    if child::has_run(name) {
        return;
    }
    let runtime = Builder::new().workers(1).build().unwrap();
    assert_works(&runtime, true);
    // The monitor is asleep by then, if it sleeps at all.
    block_thread(Duration::from_millis(200));
    refuse(call);
    assert_works(&runtime, is_rescued);
    assert_works(&runtime, is_rescued);
    assert!(runtime.shutdown(LIMIT).is_complete());
    // A runtime that starts inside the sandbox.
    let second = Builder::new().workers(2).build().unwrap();
    assert_works(&second, is_rescued);
    assert!(second.shutdown(LIMIT).is_complete());
}

#[test]
fn a_runtime_works_without_membarrier() {
    survives(test_name!(), libc::SYS_membarrier, true);
}

#[test]
fn a_runtime_works_without_membarrier_and_affinity() {
    let name = test_name!();
    if child::is_inside(name) {
        refuse(libc::SYS_sched_setaffinity);
    }
    survives(name, libc::SYS_membarrier, true);
}

#[test]
fn a_runtime_works_without_a_timer_for_the_monitor() {
    // The pair is refused together, because kernels without checkpoints do not wake the monitor.
    survives(test_name!(), libc::SYS_timerfd_settime, false);
}

#[test]
fn a_runtime_works_without_exact_waits() {
    survives(test_name!(), libc::SYS_epoll_pwait2, true);
}

#[test]
fn a_runtime_works_without_timer_slack() {
    survives(test_name!(), libc::SYS_prctl, true);
}

#[test]
fn a_runtime_works_without_random_numbers() {
    survives(test_name!(), libc::SYS_getrandom, true);
}

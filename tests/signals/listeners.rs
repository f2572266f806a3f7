//! `signal`: delivery to listeners, on each executor and beside other handlers.

use std::ffi::c_int;
use std::pin::pin;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use futures_lite::future::{poll_once, zip};
use futures_lite::{StreamExt as _, stream};
use reveille::process::Command;
use reveille::runtime::{Builder, Runtime};
use reveille::signal::unix::{Signal, SignalKind, signal};
use reveille::signal::{self, ctrl_c};
use reveille::task::{self, block_on};
use reveille_tests::{child, test_name};

/// Sends a signal to this process.
fn raise(kind: SignalKind) {
    let own = std::process::id() as c_int;
    // SAFETY: the call takes numbers.
    let code = unsafe { libc::kill(own, kind.as_raw_value()) };
    assert_eq!(code, 0);
}

/// Waits until the handler of this signal has run. The signal may be delivered on another thread
/// than the one that sends it.
async fn delivered(mut witness: Signal) {
    witness.recv().await;
}

fn runtime() -> Runtime {
    Builder::new().workers(1).build().unwrap()
}

async fn a_listener_receives_a_signal() {
    let mut listener = signal(SignalKind::user_defined1()).unwrap();
    raise(SignalKind::user_defined1());
    assert_eq!(listener.recv().await, Some(()));
}

async fn each_of_many_listeners_receives_the_signal() {
    let mut listeners: Vec<_> =
        (0..100).map(|_| signal(SignalKind::user_defined1()).unwrap()).collect();
    let tasks: Vec<_> = (0..100)
        .map(|_| {
            let mut own = signal(SignalKind::user_defined1()).unwrap();
            task::spawn(async move { own.recv().await })
        })
        .collect();
    raise(SignalKind::user_defined1());
    for listener in &mut listeners {
        assert_eq!(listener.next().await, Some(()));
    }
    for task in tasks {
        assert_eq!(task.await, Some(()));
    }
}

async fn a_signal_between_two_polls_is_received() {
    let kind = SignalKind::hangup();
    let mut listener = signal(kind).unwrap();
    // The listener waits and is dropped.
    let _ = poll_once(listener.recv()).await;
    let witness = signal(kind).unwrap();
    raise(kind);
    delivered(witness).await;
    assert_eq!(poll_once(listener.recv()).await, Some(Some(())), "it was there already");
}

/// Each round needs a wake of its own, so a lost wake would hang the test.
async fn no_signal_of_a_long_exchange_is_lost() {
    let kind = SignalKind::user_defined2();
    let (mut first, mut second) = (signal(kind).unwrap(), signal(kind).unwrap());
    let elsewhere = task::spawn(async move {
        for _ in 0..500 {
            second.recv().await;
            task::yield_now().await;
        }
    });
    for _ in 0..500 {
        raise(kind);
        first.recv().await;
    }
    // These signals were merged for the other listener.
    let mut elsewhere = pin!(elsewhere);
    while poll_once(&mut elsewhere).await.is_none() {
        raise(kind);
        first.recv().await;
    }
}

async fn children_die_of_a_signal_that_is_listened_to_here() {
    use std::os::unix::process::ExitStatusExt as _;

    let _listener = signal(SignalKind::terminate()).unwrap();
    let status = Command::new("sh").args(["-c", "kill -TERM $$"]).status().await.unwrap();
    assert_eq!(status.signal(), Some(libc::SIGTERM));
}

reveille_tests::conformance!(
    a_listener_receives_a_signal,
    each_of_many_listeners_receives_the_signal,
    a_signal_between_two_polls_is_received,
    no_signal_of_a_long_exchange_is_lost,
    children_die_of_a_signal_that_is_listened_to_here,
);

#[test]
fn a_listener_works_on_foreign_executors() {
    let kind = SignalKind::user_defined1();
    let mut listener = signal(kind).unwrap();
    let is_over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            // The signal is sent repeatedly, because it may arrive before the wait.
            while !is_over.load(Ordering::SeqCst) {
                raise(kind);
                std::thread::yield_now();
            }
        });
        assert_eq!(futures_executor::block_on(listener.recv()), Some(()));
        assert_eq!(pollster::block_on(listener.recv()), Some(()));
        assert_eq!(futures_lite::future::block_on(listener.next()), Some(()));
        is_over.store(true, Ordering::SeqCst);
    });
}

#[test]
fn a_listener_outlives_the_runtime_that_it_waited_on() {
    let kind = SignalKind::user_defined1();
    let (ended, lasting) = (runtime(), runtime());
    let mut moved = signal(kind).unwrap();
    let mut waiting = signal(kind).unwrap();
    let mut other = signal(kind).unwrap();
    let task = ended.spawn(async move {
        // The task ends with the runtime, even if another test raises the signal.
        waiting.recv().await;
        std::future::pending::<()>().await;
    });
    let mut moved = ended.block_on(ended.spawn(async move {
        let _ = poll_once(moved.recv()).await;
        moved
    }));
    drop(ended);
    assert!(task.is_finished());
    raise(kind);
    assert_eq!(lasting.block_on(moved.recv()), Some(()));
    assert_eq!(lasting.block_on(lasting.spawn(async move { other.recv().await })), Some(()));
}

#[test]
fn listeners_of_several_runtimes_receive_one_signal() {
    let kind = SignalKind::window_change();
    let runtimes: Vec<_> = (0..4).map(|_| runtime()).collect();
    let tasks: Vec<_> = runtimes
        .iter()
        .map(|runtime| {
            let mut listener = signal(kind).unwrap();
            runtime.spawn(async move { listener.recv().await })
        })
        .collect();
    raise(kind);
    for task in tasks {
        assert_eq!(block_on(task), Some(()));
    }
}

#[test]
fn a_signal_that_cannot_be_listened_to_is_an_error_with_its_name() {
    for (number, name) in [
        (libc::SIGKILL, "SIGKILL"),
        (libc::SIGSTOP, "SIGSTOP"),
        (libc::SIGSEGV, "SIGSEGV"),
        (libc::SIGILL, "SIGILL"),
        (libc::SIGFPE, "SIGFPE"),
        (0, "signal 0"),
        (-1, "signal -1"),
        (1000, "signal 1000"),
        (c_int::MAX, "signal 2147483647"),
    ] {
        let error = signal(SignalKind::from_raw(number)).unwrap_err();
        assert_eq!(error.kind(), std::io::ErrorKind::InvalidInput, "{name}: {error}");
        assert!(error.to_string().starts_with(&format!("could not listen to {name}: ")), "{error}");
    }
    // Real-time signals have numbers and no names.
    #[cfg(target_os = "linux")]
    block_on(async {
        let kind = SignalKind::from_raw(libc::SIGRTMIN() + 1);
        let mut listener = signal(kind).unwrap();
        raise(kind);
        listener.recv().await;
    });
}

#[test]
fn signals_between_two_polls_count_as_one() {
    if child::has_run(test_name!()) {
        return;
    }
    let kind = SignalKind::user_defined1();
    let mut listener = signal(kind).unwrap();
    block_on(async {
        for _ in 0..3 {
            let witness = signal(kind).unwrap();
            raise(kind);
            delivered(witness).await;
        }
        assert_eq!(poll_once(listener.recv()).await, Some(Some(())));
        assert_eq!(poll_once(listener.recv()).await, None, "the three are one");
        let late = signal(kind).unwrap();
        let mut late = pin!(late);
        assert!(poll_once(late.next()).await.is_none(), "a listener receives no earlier signal");
        raise(kind);
        assert_eq!(listener.recv().await, Some(()));
    });
}

#[test]
fn ctrl_c_is_received_from_the_call_on() {
    if child::has_run(test_name!()) {
        return;
    }
    let (waiting, again) = (ctrl_c(), ctrl_c());
    raise(SignalKind::interrupt());
    block_on(async {
        waiting.await.unwrap();
        again.await.unwrap();
        let mut next = pin!(ctrl_c());
        assert!(poll_once(&mut next).await.is_none());
        raise(SignalKind::interrupt());
        next.await.unwrap();
    });
}

static EARLIER: AtomicU64 = AtomicU64::new(0);

extern "C" fn earlier(_: c_int) {
    EARLIER.fetch_add(1, Ordering::SeqCst);
}

#[test]
fn handlers_of_others_are_called_too() {
    if child::has_run(test_name!()) {
        return;
    }
    let kind = SignalKind::user_defined1();
    // SAFETY: the handler only counts in an atomic.
    unsafe { libc::signal(kind.as_raw_value(), earlier as extern "C" fn(c_int) as usize) };
    let mut listener = signal(kind).unwrap();
    raise(kind);
    block_on(listener.recv());
    assert_eq!(EARLIER.load(Ordering::SeqCst), 1, "the one that was there before");
    drop(listener);
    let witness = signal(kind).unwrap();
    raise(kind);
    block_on(delivered(witness));
    assert_eq!(EARLIER.load(Ordering::SeqCst), 2, "also after the listener is gone");
}

#[test]
fn the_default_action_is_not_restored_when_the_last_listener_is_dropped() {
    if child::has_run(test_name!()) {
        return;
    }
    drop(signal(SignalKind::terminate()).unwrap());
    raise(SignalKind::terminate());
    let mut listener = signal(SignalKind::terminate()).unwrap();
    raise(SignalKind::terminate());
    block_on(listener.recv());
}

#[cfg(target_os = "linux")]
fn open_descriptors() -> usize {
    std::fs::read_dir("/proc/self/fd").unwrap().count()
}

// Only on Linux: it counts descriptors in /proc.
#[cfg(target_os = "linux")]
#[test]
fn all_listeners_of_a_signal_share_one_descriptor() {
    if child::has_run(test_name!()) {
        return;
    }
    let before = open_descriptors();
    let listeners: Vec<_> =
        (0..1_000).map(|_| signal(SignalKind::user_defined1()).unwrap()).collect();
    assert_eq!(open_descriptors(), before + 1);
    drop(listeners);
    let _other = signal(SignalKind::user_defined2()).unwrap();
    let _again = signal(SignalKind::user_defined1()).unwrap();
    assert_eq!(open_descriptors(), before + 2);
}

/// Lowers the limit so that no descriptor can be opened, and calls `body`.
#[cfg(target_os = "linux")]
fn without_descriptors(body: impl FnOnce()) {
    let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: the call fills the structure.
    assert_eq!(unsafe { libc::getrlimit(libc::RLIMIT_NOFILE, &raw mut limit) }, 0);
    let none = libc::rlimit { rlim_cur: 0, ..limit };
    // SAFETY: the call reads the structure.
    assert_eq!(unsafe { libc::setrlimit(libc::RLIMIT_NOFILE, &raw const none) }, 0);
    body();
    // SAFETY: the call reads the structure.
    assert_eq!(unsafe { libc::setrlimit(libc::RLIMIT_NOFILE, &raw const limit) }, 0);
}

// Only on Linux: it sets a limit on descriptors.
#[cfg(target_os = "linux")]
#[test]
fn without_a_descriptor_a_new_listener_is_an_error_and_an_old_one_works() {
    if child::has_run(test_name!()) {
        return;
    }
    let kind = SignalKind::user_defined1();
    let mut old = signal(kind).unwrap();
    let mut second = signal(kind).unwrap();
    without_descriptors(|| {
        let error = signal(SignalKind::user_defined2()).unwrap_err();
        assert_eq!(reveille::io::raw_os_error(&error), Some(libc::EMFILE), "{error}");
        assert!(error.to_string().contains("SIGUSR2"), "{error}");
        // This thread has no driver yet, and cannot make one.
        block_on(async {
            let sender = async {
                task::yield_now().await;
                raise(kind);
            };
            zip(old.recv(), sender).await;
        });
        assert_eq!(block_on(second.recv()), Some(()));
    });
    // The failed call left nothing behind.
    let mut late = signal(SignalKind::user_defined2()).unwrap();
    raise(SignalKind::user_defined2());
    block_on(late.recv());
}

#[test]
fn listeners_combine_like_other_streams() {
    let kinds = [SignalKind::io(), SignalKind::alarm()];
    let [mut io, mut alarm] = kinds.map(|kind| signal(kind).unwrap());
    block_on(async {
        let mut both = stream::or(
            (&mut io).map(|()| SignalKind::io()),
            (&mut alarm).map(|()| SignalKind::alarm()),
        );
        raise(SignalKind::alarm());
        assert_eq!(both.next().await, Some(SignalKind::alarm()));
        raise(SignalKind::io());
        assert_eq!(both.next().await, Some(SignalKind::io()));
    });
}

#[test]
fn kinds_have_the_names_of_the_system() {
    assert_eq!(format!("{:>10}", SignalKind::quit()), "   SIGQUIT");
    assert_eq!(format!("{:?}", SignalKind::from(libc::SIGCONT)), "SignalKind(SIGCONT)");
    assert_eq!(c_int::from(SignalKind::child()), libc::SIGCHLD);
    let listener: signal::unix::Signal = signal(SignalKind::child()).unwrap();
    assert!(format!("{listener:?}").contains("has_signal"));
}

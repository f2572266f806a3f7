//! Faults of other runtimes' APIs that reveille must not have. `tests/FAULTS.md` lists them.

use std::future::Future;
#[cfg(unix)]
use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, Wake, Waker};

#[cfg(unix)]
use futures_lite::AsyncWriteExt as _;
use reveille::channel;
#[cfg(unix)]
use reveille::process::{Command, Stdio};
use reveille::sync::{Condvar, Mutex};
use reveille::task::block_on;

fn poll<F: Future>(future: Pin<&mut F>, waker: &Waker) -> Poll<F::Output> {
    future.poll(&mut Context::from_waker(waker))
}

#[derive(Default)]
struct Count(AtomicUsize);

impl Wake for Count {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

#[test]
fn a_receiver_that_gives_up_passes_its_message_on() {
    let (sender, receiver) = channel::unbounded();
    let (first, second) = (Arc::new(Count(0.into())), Arc::new(Count(0.into())));
    let other = receiver.clone();
    let mut giving_up = Box::pin(receiver.recv());
    let mut waiting = pin!(other.recv());
    assert!(poll(giving_up.as_mut(), &Waker::from(Arc::clone(&first))).is_pending());
    assert!(poll(waiting.as_mut(), &Waker::from(Arc::clone(&second))).is_pending());
    sender.try_send(7).unwrap();
    assert_eq!((first.0.load(Ordering::SeqCst), second.0.load(Ordering::SeqCst)), (1, 0));
    drop(giving_up);
    assert_eq!(second.0.load(Ordering::SeqCst), 1);
    assert_eq!(poll(waiting, Waker::noop()), Poll::Ready(Ok(7)));
}

#[test]
fn a_waker_may_use_the_condition_variable_that_wakes_or_drops_it() {
    struct Meddler(Arc<Condvar>, Arc<AtomicUsize>);
    impl Meddler {
        fn meddle(&self) {
            self.1.fetch_add(1, Ordering::SeqCst);
            self.0.notify_one();
            self.0.notify_all();
        }
    }
    impl Wake for Meddler {
        fn wake(self: Arc<Self>) {
            self.meddle();
        }
    }
    impl Drop for Meddler {
        fn drop(&mut self) {
            self.meddle();
        }
    }
    let (condvar, calls) = (Arc::new(Condvar::new()), Arc::new(AtomicUsize::new(0)));
    let meddler = || Waker::from(Arc::new(Meddler(Arc::clone(&condvar), Arc::clone(&calls))));
    let mutex = Mutex::new(());
    let guard = block_on(mutex.lock());
    let mut notified = Box::pin(condvar.wait(guard));
    assert!(poll(notified.as_mut(), &meddler()).is_pending());
    condvar.notify_one();
    let guard = block_on(notified);
    let mut dropped = Box::pin(condvar.wait(guard));
    assert!(poll(dropped.as_mut(), &meddler()).is_pending());
    // Another waker replaces it, and then the future is dropped.
    assert!(poll(dropped.as_mut(), &meddler()).is_pending());
    drop(dropped);
    // The first was woken and dropped. The second was dropped when the third replaced it, which
    // woke the third.
    assert_eq!(calls.load(Ordering::SeqCst), 5);
}

struct Boom;

impl Wake for Boom {
    fn wake(self: Arc<Self>) {
        panic!("a waker that panics");
    }
}

#[test]
fn a_panicking_waker_does_not_lose_the_notifications_of_other_condition_variable_waiters() {
    let (condvar, mutex) = (Condvar::new(), Mutex::new(()));
    let wait = || Box::pin(async { drop(condvar.wait(mutex.lock().await).await) });
    let boom = Waker::from(Arc::new(Boom));
    let second = Arc::new(Count::default());
    let waker = Waker::from(Arc::clone(&second));
    let (mut first, mut other) = (wait(), wait());
    assert!(poll(first.as_mut(), &boom).is_pending());
    assert!(poll(other.as_mut(), &waker).is_pending());
    condvar.notify_all();
    assert_eq!(second.0.load(Ordering::SeqCst), 1);
    assert!(poll(other.as_mut(), &waker).is_ready());

    let mut other = wait();
    assert!(poll(first.as_mut(), &boom).is_ready(), "it was notified, whatever its waker does");
    let mut first = wait();
    assert!(poll(first.as_mut(), &boom).is_pending());
    assert!(poll(other.as_mut(), &waker).is_pending());
    condvar.notify_one();
    // Dropped before its first poll, it passes its notification on, also to a waker that panics.
    drop(first);
    assert_eq!(second.0.load(Ordering::SeqCst), 2);
    assert!(poll(other.as_mut(), &waker).is_ready());
}

// Only on Linux: it opens a pipe as a file, and measures as Linux does.
#[cfg(target_os = "linux")]
#[test]
fn a_panicking_waker_does_not_block_the_other_waiters_of_a_file() {
    use std::os::fd::{FromRawFd as _, OwnedFd};

    let mut ends = [0; 2];
    // SAFETY: the call writes two numbers to the array that it is given.
    assert_eq!(unsafe { libc::pipe(ends.as_mut_ptr()) }, 0);
    // SAFETY: the call has just opened both, and they have no other owner.
    let [reader, writer] = ends.map(|fd| unsafe { OwnedFd::from_raw_fd(fd) });
    let mut first = reveille::fs::File::from(std::fs::File::from(reader));
    let mut second = first.clone();
    let second_woken = Arc::new(Count::default());
    let (boom, waker) = (Waker::from(Arc::new(Boom)), Waker::from(Arc::clone(&second_woken)));
    let (mut a, mut b) = ([0], [0]);
    let mut first = Box::pin(futures_lite::AsyncReadExt::read(&mut first, &mut a));
    let mut second = Box::pin(futures_lite::AsyncReadExt::read(&mut second, &mut b));
    assert!(poll(first.as_mut(), &boom).is_pending());
    assert!(poll(second.as_mut(), &waker).is_pending());
    std::io::Write::write_all(&mut std::fs::File::from(writer), b"x").unwrap();
    let start = reveille_tests::measure::now();
    while second_woken.0.load(Ordering::SeqCst) == 0 {
        assert!(start.elapsed() < std::time::Duration::from_secs(20), "the second is not woken");
        std::thread::yield_now();
    }
}

// Only on Unix: a script of a shell; `process::windows` has it for Windows.
#[cfg(unix)]
#[test]
fn a_childs_end_may_be_asked_for_too_early_and_too_often() {
    block_on(async {
        let mut waits = Command::new("sh");
        let mut child =
            waits.args(["-c", "read line; exit 3"]).stdin(Stdio::piped()).spawn().unwrap();
        let mut stdin = child.stdin.take().unwrap();
        let mut status = pin!(child.status());
        // Polls that no wake has caused.
        for _ in 0..1_000 {
            assert!(poll_fn(|cx| Poll::Ready(status.as_mut().poll(cx).is_pending())).await);
        }
        stdin.write_all(b"line\n").await.unwrap();
        assert_eq!(status.await.unwrap().code(), Some(3));
        assert_eq!(child.status().await.unwrap().code(), Some(3));
    });
}

// Only on Unix: it starts `true`; `process::windows` has it for Windows.
#[cfg(unix)]
#[test]
fn killing_a_child_that_has_exited_kills_nothing_else() {
    block_on(async {
        let mut child = Command::new("true").spawn().unwrap();
        assert!(child.status().await.unwrap().success());
        // Its id may belong to another process by now. As in std, this does nothing.
        child.kill().unwrap();
        assert!(child.status().await.unwrap().success());
    });
}

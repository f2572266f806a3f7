//! The program of Oxide's RFD 609, in which a future holds a lock and is not polled, written with
//! the constructs of this crate. Also the forms of it that are neither refused nor fixed.

use std::cell::Cell;
use std::pin::pin;
use std::sync::Mutex as StdMutex;
use std::time::Duration;

use reveille::future::{self, FutureExt};
use reveille::sync::Mutex;
use reveille::task::{self, CancellationToken, block_on};
use reveille::{channel, select};
use reveille_tests::{child, test_name};

/// Takes the lock and keeps it for more polls than any other future here waits. It counts polls and
/// not time, so it is the slowest on every machine.
async fn work(lock: &Mutex<u32>) {
    let mut guard = lock.lock().await;
    for _ in 0..100 {
        task::yield_now().await;
    }
    *guard += 1;
}

async fn never() {
    future::pending().await
}

async fn soon() {
    for _ in 0..3 {
        task::yield_now().await;
    }
}

#[test]
fn a_race_by_value_releases_the_lock() {
    block_on(async {
        let lock = Mutex::new(0);
        work(&lock).race(soon()).await;
        work(&lock).await;
        assert!(work(&lock).timeout(Duration::ZERO).await.is_err());
        work(&lock).await;
        let boxed: [std::pin::Pin<Box<dyn Future<Output = ()> + '_>>; 2] =
            [Box::pin(work(&lock)), Box::pin(soon())];
        future::race_all(boxed).await;
        work(&lock).await;
        assert_eq!(*lock.lock().await, 3);
    });
}

#[test]
fn select_by_value_releases_the_lock_before_the_arm_runs() {
    block_on(async {
        let lock = Mutex::new(0);
        select! {
            () = work(&lock) => unreachable!("the other is faster"),
            () = soon() => *lock.lock().await += 10,
        }
        assert_eq!(*lock.lock().await, 10);
    });
}

#[test]
fn a_child_of_a_scope_keeps_running_and_releases_the_lock() {
    block_on(async {
        let lock = Mutex::new(0);
        future::scope(async |s| {
            let child = s.spawn(work(&lock));
            soon().await;
            work(&lock).await;
            child.await;
        })
        .await;
        assert_eq!(*lock.lock().await, 2);
    });
}

#[test]
fn a_scope_polls_long_work_beside_a_loop_of_ticks() {
    block_on(async {
        let lock = Mutex::new(0);
        let ticks = Cell::new(0);
        future::scope_local(async |s| {
            let done = CancellationToken::new();
            let child = s.spawn({
                let (lock, done) = (&lock, done.clone());
                async move {
                    work(lock).await;
                    done.cancel();
                }
            });
            while !done.is_cancelled() {
                select! {
                    _ = done.cancelled() => {}
                    () = soon() => {
                        ticks.set(ticks.get() + 1);
                        drop(lock.lock().await);
                    }
                }
            }
            child.await;
        })
        .await;
        assert!(ticks.get() >= 1);
        assert_eq!(*lock.lock().await, 1);
    });
}

/// Keeps the log lines.
struct Log(StdMutex<Vec<String>>);

static LOG: Log = Log(StdMutex::new(Vec::new()));

impl log::Log for Log {
    fn enabled(&self, metadata: &log::Metadata<'_>) -> bool {
        metadata.level() <= log::Level::Warn
    }

    fn log(&self, record: &log::Record<'_>) {
        if self.enabled(record.metadata()) {
            self.0.lock().unwrap().push(record.args().to_string());
        }
    }

    fn flush(&self) {}
}

async fn first<A: Future<Output = ()>, B: Future<Output = ()>>(a: A, b: B) {
    a.race(b).await;
}

async fn late<F: Future<Output = ()>>(future: F) -> bool {
    future.timeout(Duration::ZERO).await.is_err()
}

async fn cancelled<F: Future<Output = ()>>(future: F) -> bool {
    let token = CancellationToken::new().with_timeout(Duration::from_millis(1));
    token.run(future).await.is_err()
}

async fn slowest() {
    future::pending().await
}

/// The cases that cannot be prevented. A function that takes any future cannot distinguish a
/// borrow, which is a future in std. The shim's methods have the signatures of async-std. The
/// behaviour is wrong. This test records it, so that the documentation stays true.
#[test]
fn a_hidden_borrow_hangs_and_the_log_warns() {
    // Other tests cause warnings, too.
    if child::has_run(test_name!()) {
        return;
    }
    log::set_logger(&LOG).unwrap();
    log::set_max_level(log::LevelFilter::Warn);
    block_on(async {
        let lock = Mutex::new(0);
        let mut kept = pin!(work(&lock));
        first(kept.as_mut(), soon()).await;
        let futurelock = lock.lock().timeout(Duration::from_millis(200));
        assert!(futurelock.await.is_err(), "nobody polls the future that has the lock");
        // The manual fix: await it to the end.
        kept.await;
        assert_eq!(*lock.lock().await, 1);
        // The same with a time limit and with a token. The log names each type once.
        let mut kept = pin!(soon());
        assert!(late(kept.as_mut()).await);
        let mut kept = pin!(never());
        assert!(cancelled(kept.as_mut()).await);
        // Programs that use the shim still compile, and log a warning.
        let mut kept = pin!(slowest());
        async_std::prelude::FutureExt::race(kept.as_mut(), soon()).await;
        let mut kept = pin!(async { pending_result().await });
        assert!(async_std::io::timeout(Duration::ZERO, kept.as_mut()).await.is_err());
        // The task of a handle keeps running, so there is no warning.
        let mut handle = task::spawn(never());
        assert!(async_std::future::timeout(Duration::ZERO, &mut handle).await.is_err());
        assert!(handle.by_ref().timeout(Duration::ZERO).await.is_err());
    });
    if cfg!(debug_assertions) {
        let log = LOG.0.lock().unwrap();
        let lent = ["work", "soon", "never", "slowest", "a_hidden_borrow_hangs"];
        for (line, future) in log.iter().zip(lent) {
            println!("{line}");
            assert!(
                line.contains("a borrowed future has lost a race or its time limit"),
                "{log:?}"
            );
            assert!(line.contains(future), "{log:?}");
        }
        assert_eq!(log.len(), lent.len(), "{log:?}");
    }
}

async fn pending_result() -> std::io::Result<()> {
    future::pending().await
}

#[test]
fn a_handle_can_be_awaited_again_after_a_time_limit() {
    block_on(async {
        let mut handle = task::spawn(async {
            soon().await;
            1
        });
        let sum = match handle.by_ref().timeout(Duration::ZERO).await {
            Ok(one) => one,
            Err(_) => handle.by_ref().race(future::pending()).await,
        };
        assert_eq!(sum, 1);
        let mut outcome = task::spawn(never()).result();
        assert!(outcome.by_ref().timeout(Duration::ZERO).await.is_err());
        assert_eq!(outcome.into_handle().cancel().await, None);

        let mut child_is_awaited_twice = 0;
        task::scope(async |s| {
            let mut child = s.spawn(soon());
            while child.by_ref().timeout(Duration::ZERO).await.is_err() {
                task::yield_now().await;
            }
        })
        .await;
        future::scope(async |s| {
            let mut child = s.spawn(soon());
            while child.by_ref().timeout(Duration::ZERO).await.is_err() {
                child_is_awaited_twice += 1;
                task::yield_now().await;
            }
        })
        .await;
        assert!(child_is_awaited_twice > 0);
    });
}

#[test]
fn select_takes_many_arms_of_many_types() {
    block_on(async {
        let (sender, receiver) = channel::bounded(1);
        sender.send(7_u8).await.unwrap();
        let mut buffer = [0_u8; 4];
        let read = async |buffer: &mut [u8]| future::pending::<usize>().await + buffer.len();
        let text = select! {
            count = read(&mut buffer) => format!("{count}"),
            never = future::pending::<Option<char>>() => format!("{never:?}"),
            number = receiver.recv() => format!("number {}", number.unwrap()),
            () = async {} => "second".to_owned(),
        };
        assert_eq!(text, "number 7");
        let tie = select! {
            first = future::ready(1) => first,
            second = async { "2" } => second.len(),
        };
        assert_eq!(tie, 1);
        let only = select!(value = async { 3 } => value);
        assert_eq!(only, 3);
    });
}

#[test]
fn select_takes_boxes_and_type_parameters() {
    async fn first<A: Future<Output = u8>, B: Future<Output = u8>>(a: A, b: B) -> u8 {
        select! {
            a = a => a,
            b = b => b,
        }
    }
    let boxed = Box::pin(future::pending());
    assert_eq!(block_on(first(boxed, async { 2 })), 2);
}

#[test]
fn select_is_send_and_leaves_its_function() {
    async fn outcome() -> Result<u8, &'static str> {
        loop {
            select! {
                () = task::yield_now() => continue,
                result = async { Err("early") } => return result,
            }
        }
    }
    async fn found() -> Result<u8, &'static str> {
        for n in 0..3 {
            select! {
                n = async move { n } => if n == 2 { break },
                () = future::pending() => return Ok(0),
            }
        }
        Err::<u8, _>("broke")?;
        Ok(1)
    }
    assert_eq!(block_on(task::spawn(outcome())), Err("early"));
    assert_eq!(block_on(task::spawn(found())), Err("broke"));
}

//! The work of a round: actors that perform random operations.

use std::cell::Cell;
use std::future::{Future, poll_fn};
use std::panic::panic_any;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::atomic::Ordering;
use std::sync::{Mutex, mpsc};
use std::task::{Poll, Waker};
use std::thread::JoinHandle as ThreadHandle;
use std::time::{Duration, Instant};

use reveille::channel;
use reveille::net::{TcpListener, TcpStream};
use reveille::os::unix::net::UnixStream;
use reveille::prelude::*;
use reveille::runtime::Runtime;
use reveille::task::{self, JoinHandle};
use reveille_tests::measure::{block_thread, now};

use crate::account::Account;

/// The payload of this program's panics.
pub(crate) struct Expected;

/// Random numbers, the same for the same seed.
#[derive(Debug)]
pub(crate) struct Chance(u64);

impl Chance {
    pub(crate) fn new(seed: u64) -> Chance {
        Chance(seed)
    }

    /// A random seed.
    pub(crate) fn seed() -> u64 {
        let since = std::time::UNIX_EPOCH.elapsed().unwrap_or_default();
        since.as_nanos() as u64
    }

    /// splitmix64, which is in the public domain.
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    /// Less than `bound`, which is not 0.
    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound
    }

    pub(crate) fn one_in(&mut self, count: u64) -> bool {
        self.below(count) == 0
    }
}

/// Counts a task or closure from its creation to its end.
struct Life(&'static Account);

impl Life {
    fn new(account: &'static Account) -> Life {
        Account::count(&account.made);
        Life(account)
    }
}

impl Drop for Life {
    fn drop(&mut self) {
        self.0.gone.fetch_add(1, Ordering::SeqCst);
    }
}

type Acting = Pin<Box<dyn Future<Output = ()> + Send>>;

/// Performs operations until `end`. Boxed, because an actor may create others.
pub(crate) fn act(mut chance: Chance, account: &'static Account, end: Instant) -> Acting {
    let life = Life::new(account);
    Box::pin(async move {
        let _life = life;
        while now() < end {
            step(&mut chance, account).await;
        }
    })
}

async fn step(chance: &mut Chance, account: &'static Account) {
    match chance.below(100) {
        0..25 => spawn_many(chance, account).await,
        25..40 => cancel(chance, account).await,
        40..55 => sleep(chance, account).await,
        55..65 => be_woken(chance, account).await,
        65..75 => talk(chance, account).await,
        75..80 => connect(account).await,
        80..87 => call_blocking(chance, account).await,
        87..92 => send_messages(chance, account).await,
        92..95 => panic_alone(account),
        95..97 => {
            Account::count(&account.blocked);
            block_thread(Duration::from_millis(chance.below(15)));
        }
        97..98 => {
            // Another thread takes over the worker meanwhile.
            Account::count(&account.blocked);
            let life = Life::new(account);
            let inner = task::spawn(async move { drop(life) });
            let _ = task::block_on(inner.result());
        }
        _ => (0..chance.below(5)).for_each(|_| drop(idle(account))),
    }
}

/// A task that waits forever, and ends with the runtime or its handle.
fn idle(account: &'static Account) -> JoinHandle<()> {
    let life = Life::new(account);
    let handle = task::spawn(async move {
        let _life = life;
        std::future::pending::<()>().await;
    });
    handle.abort();
    handle
}

fn yielding(chance: &mut Chance, account: &'static Account) -> JoinHandle<u64> {
    let (life, polls) = (Life::new(account), chance.below(4));
    task::spawn(async move {
        let _life = life;
        for _ in 0..polls {
            task::yield_now().await;
        }
        polls
    })
}

async fn spawn_many(chance: &mut Chance, account: &'static Account) {
    let handles: Vec<_> = (0..chance.below(40)).map(|_| yielding(chance, account)).collect();
    for handle in handles {
        if chance.one_in(4) {
            drop(handle);
        } else {
            // Cancelled if the runtime ends meanwhile.
            let _ = handle.result().await;
        }
    }
}

async fn cancel(chance: &mut Chance, account: &'static Account) {
    let handle = match chance.one_in(2) {
        true => yielding(chance, account),
        false => {
            let (life, time) = (Life::new(account), chance.below(2_000));
            task::spawn(async move {
                let _life = life;
                task::sleep(Duration::from_micros(time)).await;
                time
            })
        }
    };
    for _ in 0..chance.below(3) {
        task::yield_now().await;
    }
    Account::count(&account.cancelled);
    if chance.one_in(2) {
        handle.cancel().await;
    } else {
        handle.abort();
    }
}

async fn sleep(chance: &mut Chance, account: &'static Account) {
    let mut sleeps: Vec<_> = (0..1 + chance.below(20))
        .map(|_| Box::pin(task::sleep(Duration::from_micros(chance.below(3_000)))))
        .collect();
    poll_fn(|cx| {
        sleeps.retain_mut(|sleep| sleep.as_mut().poll(cx).is_pending());
        Poll::Ready(())
    })
    .await;
    account.sleeps.fetch_add(sleeps.len() as u64, Ordering::Relaxed);
    let kept = sleeps.split_off(sleeps.len() / 2);
    if chance.one_in(3) {
        // The caller drops or awaits the handle.
        let life = Life::new(account);
        let moved = task::spawn(async move {
            let _life = life;
            for sleep in sleeps {
                sleep.await;
            }
        });
        if chance.one_in(2) {
            let _ = moved.result().await;
        }
    }
    for sleep in kept {
        sleep.await;
    }
}

/// Wakers that other threads wake by value or by reference, or only drop.
static OUTSIDE: Mutex<Option<mpsc::Sender<Waker>>> = Mutex::new(None);

async fn be_woken(chance: &mut Chance, account: &'static Account) {
    let Some(outside) = OUTSIDE.lock().expect("nobody panics under it").clone() else { return };
    for _ in 0..chance.below(10) {
        let mut has_sent = false;
        poll_fn(|cx| {
            if std::mem::replace(&mut has_sent, true) {
                return Poll::Ready(());
            }
            outside.send(cx.waker().clone()).expect("it receives until nobody sends");
            Poll::Pending
        })
        .await;
        Account::count(&account.wakes);
    }
}

async fn talk(chance: &mut Chance, account: &'static Account) {
    let Ok((ours, theirs)) = UnixStream::pair() else { return };
    let life = Life::new(account);
    let echo = task::spawn(async move {
        let _life = life;
        let (mut reader, mut writer) = (&theirs, &theirs);
        let mut bytes = [0; 64];
        while let Ok(count @ 1..) = reader.read(&mut bytes).await {
            if writer.write_all(&bytes[..count]).await.is_err() {
                return;
            }
        }
    });
    let (mut reader, mut writer) = (&ours, &ours);
    for _ in 0..chance.below(20) {
        let mut bytes = [0; 16];
        if chance.one_in(5) {
            // A read that is dropped.
            let mut read = reader.read(&mut bytes);
            let _ = poll_fn(|cx| Poll::Ready(Pin::new(&mut read).poll(cx))).await;
        }
        let has_answer = writer.write_all(b"sixteen bytes...").await.is_ok()
            && reader.read_exact(&mut bytes).await.is_ok();
        if !has_answer {
            break;
        }
        assert_eq!(&bytes, b"sixteen bytes...");
        Account::count(&account.messages);
    }
    if chance.one_in(2) {
        echo.abort();
    }
}

async fn connect(account: &'static Account) {
    let Ok(listener) = TcpListener::bind("127.0.0.1:0").await else { return };
    let Ok(at) = listener.local_addr() else { return };
    let life = Life::new(account);
    let client = task::spawn(async move {
        let _life = life;
        let mut stream = TcpStream::connect(at).await?;
        stream.write_all(b"hello").await
    });
    let accepted = listener.accept().await;
    if let Ok((mut stream, _)) = accepted {
        let mut text = String::new();
        if stream.read_to_string(&mut text).await.is_ok() {
            Account::count(&account.messages);
        }
    }
    let _ = client.result().await;
}

async fn call_blocking(chance: &mut Chance, account: &'static Account) {
    for _ in 0..chance.below(6) {
        let (life, time) = (Life::new(account), chance.below(500));
        let closure = task::spawn_blocking(move || {
            let _life = life;
            block_thread(Duration::from_micros(time));
        });
        Account::count(&account.closures);
        match chance.below(3) {
            0 => drop(closure),
            1 => closure.abort(),
            _ => {
                let _ = closure.result().await;
            }
        }
    }
}

async fn send_messages(chance: &mut Chance, account: &'static Account) {
    let (sender, receiver) = channel::bounded(1 + chance.below(4) as usize);
    let (life, count) = (Life::new(account), chance.below(50));
    let sending = task::spawn(async move {
        let _life = life;
        for number in 0..count {
            if sender.send(number).await.is_err() {
                return;
            }
        }
    });
    let taken = chance.below(60);
    for expected in 0..taken {
        match receiver.recv().await {
            Ok(number) => assert_eq!(number, expected),
            Err(_) => break,
        }
        Account::count(&account.messages);
    }
    drop(receiver);
    let _ = sending.result().await;
}

fn panic_alone(account: &'static Account) {
    let life = Life::new(account);
    drop(task::spawn(async move {
        let _life = life;
        Account::count(&account.panics);
        panic_any(Expected);
    }));
}

/// Threads that do not belong to the runtime: one that wakes, one that spawns and waits.
pub(crate) fn outsiders(
    runtime: &Runtime,
    chance: &mut Chance,
    account: &'static Account,
    end: Instant,
) -> Vec<ThreadHandle<()>> {
    let (sender, wakers) = mpsc::channel::<Waker>();
    *OUTSIDE.lock().expect("nobody panics under it") = Some(sender);
    let mut own = Chance::new(chance.next());
    let wake = move || {
        while now() < end {
            let Ok(waker) = wakers.recv_timeout(Duration::from_millis(1)) else { continue };
            match own.below(3) {
                0 => waker.wake(),
                1 => waker.wake_by_ref(),
                _ => {
                    let other = waker.clone();
                    drop(waker);
                    other.wake();
                }
            }
        }
        // The owner of the other end may still send, and must be woken.
        *OUTSIDE.lock().expect("nobody panics under it") = None;
        wakers.iter().for_each(Waker::wake);
    };
    let (handle, mut own) = (runtime.handle(), Chance::new(chance.next()));
    let spawn = move || {
        while now() < end {
            let life = Life::new(account);
            let task = handle.spawn(async move { drop(life) });
            if own.one_in(2) {
                let _ = task::block_on(task.result());
            } else {
                drop(task);
            }
            task::block_on(stay_here());
        }
    };
    let start = |body: Box<dyn FnOnce() + Send>| {
        std::thread::Builder::new().spawn(body).expect("there is room for a thread")
    };
    vec![start(Box::new(wake)), start(Box::new(spawn))]
}

/// Local tasks of a thread that only blocks on them.
async fn stay_here() {
    let sum = Rc::new(Cell::new(0));
    let adders: Vec<_> = (1..=3)
        .map(|number| {
            let sum = Rc::clone(&sum);
            task::spawn_local(async move {
                task::sleep(Duration::from_micros(10 * number)).await;
                sum.set(sum.get() + number);
            })
        })
        .collect();
    for adder in adders {
        adder.await;
    }
    assert_eq!(sum.get(), 6);
}

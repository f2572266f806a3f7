//! Runs the rounds, and checks what must hold at the end of each.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, LazyLock};
use std::time::{Duration, Instant};

use reveille::runtime::{Builder, Runtime};
use reveille_tests::allocator::live_bytes;
use reveille_tests::measure::{block_thread, descriptors, now, settle, threads};

use crate::churn::{self, Chance};

/// After this many rounds all reusable memory exists, because each number of workers has had a
/// pool.
const WARM_UP: u64 = 16;

/// How much memory may be in use at the end, beyond that after the warm-up. Tables that have grown
/// keep their capacity. A leak of one task per round would exceed this.
const SLACK_BYTES: usize = 512 * 1024;

/// A round that takes this many ticks of half a second counts as hanging.
const PATIENCE: u64 = 240;

/// The options.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Options {
    seconds: u64,
    seed: u64,
    first_round: u64,
    is_light: bool,
}

impl Options {
    /// Reads the command line.
    pub(crate) fn from_arguments(mut arguments: impl Iterator<Item = String>) -> Options {
        let mut options =
            Options { seconds: 10, seed: Chance::seed(), first_round: 0, is_light: false };
        while let Some(argument) = arguments.next() {
            let mut number = || arguments.next().and_then(|text| text.parse().ok());
            let is_known = match argument.as_str() {
                "--seconds" => number().map(|seconds| options.seconds = seconds).is_some(),
                "--seed" => number().map(|seed| options.seed = seed).is_some(),
                "--from" => number().map(|round| options.first_round = round).is_some(),
                "--light" => {
                    options.is_light = true;
                    true
                }
                _ => false,
            };
            assert!(is_known, "usage: stress [--seconds N] [--seed S] [--from ROUND] [--light]");
        }
        options
    }
}

/// The counts over all rounds.
#[derive(Debug, Default)]
pub(crate) struct Account {
    /// Tasks and closures that were created, and those that have been dropped.
    pub(crate) made: AtomicU64,
    pub(crate) gone: AtomicU64,
    pub(crate) cancelled: AtomicU64,
    pub(crate) wakes: AtomicU64,
    pub(crate) sleeps: AtomicU64,
    pub(crate) messages: AtomicU64,
    pub(crate) closures: AtomicU64,
    pub(crate) blocked: AtomicU64,
    /// Panics of detached tasks, and those that the hook received.
    pub(crate) panics: AtomicU64,
    pub(crate) told: AtomicU64,
    polls: AtomicU64,
    steals: AtomicU64,
    takeovers: AtomicU64,
}

impl Account {
    /// Counts one.
    pub(crate) fn count(counter: &AtomicU64) {
        counter.fetch_add(1, Ordering::Relaxed);
    }
}

impl std::fmt::Display for Account {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let counts = [
            ("tasks", &self.made),
            ("cancelled", &self.cancelled),
            ("wakes from outside", &self.wakes),
            ("sleeps", &self.sleeps),
            ("messages", &self.messages),
            ("closures", &self.closures),
            ("blocked polls", &self.blocked),
            ("panics", &self.panics),
            ("polls", &self.polls),
            ("steals", &self.steals),
            ("takeovers", &self.takeovers),
        ];
        for (index, (name, count)) in counts.into_iter().enumerate() {
            let comma = if index == 0 { "" } else { ", " };
            write!(f, "{comma}{} {name}", count.load(Ordering::Relaxed))?;
        }
        Ok(())
    }
}

/// Runs rounds until the time is up.
pub(crate) fn run(options: &Options) {
    println!("stress: {} s, seed {}", options.seconds, options.seed);
    std::panic::set_hook(Box::new(print_unexpected));
    static ACCOUNT: LazyLock<Account> = LazyLock::new(Account::default);
    let account: &'static Account = &ACCOUNT;
    let rounds = Arc::new(AtomicU64::new(0));
    watch(options, &rounds);
    let before = (threads(), descriptors());
    let (start, mut said) = (now(), now());
    let mut warm_bytes = 0;
    while start.elapsed() < Duration::from_secs(options.seconds) {
        let round = rounds.fetch_add(1, Ordering::Relaxed);
        live(options, options.first_round + round, account);
        check(account, before);
        if round < WARM_UP {
            warm_bytes = warm_bytes.max(live_bytes());
        }
        if said.elapsed() > Duration::from_secs(30) {
            said = now();
            println!("{:?}: {} rounds, {account}", start.elapsed(), round + 1);
        }
    }
    let rounds = rounds.load(Ordering::Relaxed);
    let bytes = live_bytes();
    println!("stress: {rounds} rounds in {:?}: {account}", start.elapsed());
    println!("threads and descriptors at the end as before: {before:?}");
    println!("bytes in use: {warm_bytes} after the first {WARM_UP} rounds, {bytes} at the end");
    assert!(rounds <= WARM_UP || bytes <= warm_bytes + SLACK_BYTES, "memory is left behind");
    println!("stress: no fault");
}

/// The runtime's hook counts the panics that belong to the test.
fn print_unexpected(panic: &std::panic::PanicHookInfo<'_>) {
    if !panic.payload().is::<churn::Expected>() {
        eprintln!("{panic}\n{}", std::backtrace::Backtrace::force_capture());
    }
}

/// Ends the process if a round hangs. It counts its own ticks, so a process that was stopped for a
/// while does not count as hanging.
fn watch(options: &Options, rounds: &Arc<AtomicU64>) {
    let (rounds, Options { seed, first_round, .. }) = (Arc::clone(rounds), *options);
    let watch = move || {
        let (mut seen, mut ticks) = (0, 0);
        loop {
            block_thread(Duration::from_millis(500));
            let round = rounds.load(Ordering::Relaxed);
            ticks = if round == seen { ticks + 1 } else { 0 };
            seen = round;
            if ticks > PATIENCE {
                let round = first_round + round - 1;
                eprintln!("stress: hangs; to begin here: --seed {seed} --from {round}");
                std::process::abort();
            }
        }
    };
    std::thread::Builder::new().name("watch".to_owned()).spawn(watch).expect("room for a thread");
}

/// One round: a runtime from its beginning to its end.
fn live(options: &Options, round: u64, account: &'static Account) {
    let mut chance = Chance::new(options.seed ^ round.wrapping_mul(0x9E37_79B9_7F4A_7C15));
    let runtime = build(&mut chance, round, account);
    let time = Duration::from_millis(20 + chance.below(300));
    let end: Instant = now() + time;
    let actors = if options.is_light { 3 } else { 8 };
    let is_dropped = chance.one_in(2);
    let outside = churn::outsiders(&runtime, &mut chance, account, end);
    let handles: Vec<_> = (0..actors)
        .map(|_| runtime.spawn(churn::act(Chance::new(chance.next()), account, end)))
        .collect();
    if is_dropped {
        block_thread(Duration::from_millis(chance.below(time.as_millis() as u64)));
    } else {
        handles.into_iter().for_each(|handle| runtime.block_on(handle));
    }
    let metrics = runtime.metrics();
    account.polls.fetch_add(metrics.polls, Ordering::Relaxed);
    account.steals.fetch_add(metrics.steals, Ordering::Relaxed);
    account.takeovers.fetch_add(metrics.takeovers, Ordering::Relaxed);
    if chance.one_in(2) {
        drop(runtime);
    } else {
        let shutdown = runtime.shutdown(Duration::from_secs(600));
        assert!(shutdown.is_complete(), "{shutdown:?}");
    }
    outside.into_iter().for_each(|thread| thread.join().expect("it does not panic"));
}

fn build(chance: &mut Chance, round: u64, account: &'static Account) -> Runtime {
    // The first rounds go through every number of workers there is.
    let workers = if round < WARM_UP { round % 4 } else { chance.below(4) } as usize + 1;
    let spares = [0, 1, 256][chance.below(3) as usize];
    let builder = Builder::new()
        .workers(workers)
        .max_spare_threads(spares)
        .max_blocking_threads(1 + chance.below(4) as usize)
        .event_budget(1 + chance.below(32) as u8)
        .batched_reads(chance.below(2) == 0)
        .keep_alive(Duration::from_millis(chance.below(20)))
        .seed(chance.next())
        .on_unhandled_panic(|panic| {
            assert!(panic.payload.is::<churn::Expected>(), "{:?}", panic.message());
            Account::count(&account.told);
        });
    builder.build().expect("there is room for a runtime")
}

/// What must hold when a runtime has ended.
fn check(account: &Account, before: (usize, usize)) {
    let get = |counter: &AtomicU64| counter.load(Ordering::SeqCst);
    // A waker in another thread may hold the last reference to a cell, but the future is dropped.
    assert_eq!(get(&account.gone), get(&account.made), "every task ends once");
    assert_eq!(get(&account.told), get(&account.panics), "every panic is reported once");
    // The watcher of `block_on` threads and their host start when they are needed, once for the
    // process, and stay: two threads and four descriptors at most.
    let most = (before.0 + 2, before.1 + 4);
    if threads() > most.0 || descriptors() > most.1 {
        let left = (settle(most.0, threads), settle(most.1, descriptors));
        assert!(left.0 <= most.0 && left.1 <= most.1, "threads and descriptors: {left:?}");
    }
}

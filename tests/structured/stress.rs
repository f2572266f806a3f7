//! Scopes, sets and tokens together, cancelled at any moment from anywhere: every future is dropped
//! exactly once, and no scope is ready before all of its own are.

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use reveille::prelude::*;
use reveille::runtime::Builder;
use reveille::task::{CancellationToken, JoinSet};
use reveille::{channel, future, task};

#[derive(Default)]
struct Counts {
    made: AtomicUsize,
    dropped: AtomicUsize,
}

impl Counts {
    fn is_even(&self) -> bool {
        let dropped = self.dropped.load(Ordering::SeqCst);
        dropped == self.made.load(Ordering::SeqCst)
    }
}

struct Counted(Arc<Counts>);

impl Counted {
    fn new(counts: &Arc<Counts>) -> Counted {
        counts.made.fetch_add(1, Ordering::SeqCst);
        Counted(Arc::clone(counts))
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.dropped.fetch_add(1, Ordering::SeqCst);
    }
}

/// Random numbers, the same in each run.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % limit
    }
}

/// One of several kinds of futures.
async fn live(kind: u64, counted: Counted) -> Result<(), u64> {
    let _counted = counted;
    match kind {
        0..4 => task::yield_now().await,
        4..6 => task::sleep(Duration::from_micros(kind * 50)).await,
        6 => future::pending().await,
        7 => drop(task::spawn(task::yield_now())),
        8 => return Err(kind),
        _ => resume_unwind(Box::new(kind)),
    }
    Ok(())
}

/// Adds children of all kinds, some of which add siblings.
fn fill(s: &task::Scope<u64>, counts: &Arc<Counts>, random: &mut Random, limit: u64) {
    for _ in 0..random.below(40) {
        let counted = Counted::new(counts);
        let kind = random.below(limit);
        match random.below(4) {
            0 => drop(s.try_spawn(live(kind, counted))),
            1 => drop(s.try_spawn_local(live(kind, counted))),
            2 => {
                let (s, counts) = (s.clone(), Arc::clone(counts));
                drop(s.clone().try_spawn(async move {
                    drop(s.try_spawn(live(kind, Counted::new(&counts))));
                    live(kind, counted).await
                }));
            }
            _ => drop(s.spawn_blocking(move |token| {
                let _counted = counted;
                while kind == 6 && !token.is_cancelled() {
                    thread::yield_now();
                }
            })),
        }
    }
}

/// A scope that is cancelled from another thread at some moment.
fn scope_once(random: &mut Random, limit: u64) {
    let counts = Arc::new(Counts::default());
    let pause = random.below(300);
    let result = catch_unwind(AssertUnwindSafe(|| {
        task::block_on(task::try_scope(async |s| {
            let token = s.token().clone();
            let spawner = thread::Builder::new().spawn(move || {
                task::block_on(task::sleep(Duration::from_micros(pause)));
                token.cancel();
            });
            fill(&s, &counts, random, limit);
            // Only the thread can end the children that never end by themselves.
            let _ended = s.token().cancelled().await;
            spawner.unwrap().join().unwrap();
            Ok::<(), u64>(())
        }))
    }));
    if let Ok(Err(kind)) = &result {
        assert_eq!(*kind, 8);
    }
    assert!(counts.is_even(), "{} of {:?}", counts.dropped.load(Ordering::SeqCst), counts.made);
}

#[test]
fn scopes_end_after_their_children_whatever_happens() {
    let mut random = Random(0x9E37_79B9_7F4A_7C15);
    for n in 0..300 {
        // Some without errors, some without panics, some with both.
        scope_once(&mut random, [8, 9, 10][n % 3]);
    }
}

#[test]
fn scopes_that_are_dropped_halfway_end_by_shutdown() {
    let mut random = Random(0x2545_F491_4F6C_DD1D);
    for _ in 0..200 {
        let counts = Arc::new(Counts::default());
        let pause = random.below(200);
        task::block_on(async {
            let (sender, handles) = channel::bounded(1);
            let scope = task::try_scope(async |s| {
                fill(&s, &counts, &mut random, 8);
                sender.send(s).await.unwrap();
                future::pending::<Result<(), u64>>().await
            });
            reveille::select! {
                _ = scope => unreachable!("nothing fails"),
                () = task::sleep(Duration::from_micros(pause)) => {}
            }
            if let Ok(handle) = handles.try_recv() {
                handle.shutdown().await;
                assert!(counts.is_even());
            }
        });
        assert!(counts.is_even());
    }
}

/// Adds a child that adds another.
fn add_two<'env>(s: &future::Scope<'env>, kind: u64, counts: &'env Arc<Counts>) {
    let (own, counted) = (s.clone(), Counted::new(counts));
    s.spawn(async move {
        own.spawn(live(kind, Counted::new(counts)));
        live(kind, counted).await
    });
}

#[test]
fn borrowed_scopes_are_dropped_at_any_poll() {
    let mut random = Random(0xD134_2543_DE82_EF95);
    for _ in 0..500 {
        let counts = Arc::new(Counts::default());
        let (kids, polls) = (random.below(150), random.below(12));
        let kinds: Vec<u64> = (0..kids).map(|_| random.below(7)).collect();
        task::block_on(async {
            let scope = future::scope(async |s| {
                kinds.iter().for_each(|kind| add_two(&s, *kind, &counts));
            });
            let turns = async {
                for _ in 0..polls {
                    task::yield_now().await;
                }
            };
            scope.race(turns).await;
        });
        assert!(counts.is_even());
    }
}

#[test]
fn sets_lose_no_task_to_aborts_and_shutdowns() {
    let runtime = Builder::new().workers(2).on_unhandled_panic(|_| ()).build().unwrap();
    let counts = Arc::new(Counts::default());
    runtime.block_on(async {
        let mut random = Random(0xBF58_476D_1CE4_E5B9);
        for _ in 0..200 {
            let mut set = JoinSet::new();
            let token = CancellationToken::new();
            for _ in 0..random.below(60) {
                let task = live(random.below(10), Counted::new(&counts));
                let token = token.child();
                let handle = set.spawn(async move { token.run(task).await });
                if random.below(5) == 0 {
                    handle.abort();
                }
            }
            let mut left = random.below(30);
            while left > 0 && set.len() > 20 {
                left -= 1;
                if let Some(result) = set.try_join_next() {
                    drop(result);
                }
                task::yield_now().await;
            }
            token.cancel();
            if left.is_multiple_of(2) {
                while set.join_next().await.is_some() {}
            }
            set.shutdown().await;
            assert!(counts.is_even());
        }
    });
}

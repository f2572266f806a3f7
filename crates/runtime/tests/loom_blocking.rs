//! Models of the decisions of the blocking pool (sleep, notify, start a thread): no job is lost,
//! whatever a thread does while another pushes a job.
//!
//! A wait of zero duration stands for a wait that times out at any moment: the thread releases the
//! lock and takes it again, and other threads may do anything in between.

#![cfg(reveille_loom)]
#![expect(dead_code, reason = "the files are included whole, and a model uses a part of them")]

use reveille_watchdog as _;

#[path = "../src/blocking"]
mod blocking {
    pub(crate) mod policy;
    pub(crate) mod pool;
}
#[path = "../src/spin_policy.rs"]
mod spin_policy;
#[path = "../src/threads.rs"]
mod threads;
#[path = "../src/timer"]
mod timer {
    pub(crate) mod clock;
}

/// A model has no lints.
mod lint {
    use std::panic::Location;

    pub(crate) enum LintKind {
        BlockingPoolFull,
    }

    pub(crate) enum About {
        Process,
    }

    pub(crate) struct Facts;

    impl Facts {
        pub(crate) fn measured(_: About, _: u128) -> Facts {
            Facts
        }
    }

    pub(crate) fn report_with(
        _: LintKind,
        _: Option<&'static Location<'static>>,
        _: impl FnOnce() -> (Facts, String),
    ) {
    }
}

use std::io;
use std::sync::Arc;
use std::time::Duration;

use blocking::pool::{BlockingShared, Job, PoolConfig};
use loom::sync::atomic::{AtomicUsize, Ordering};
use threads::{Spawner, Thread, ThreadSpec};

/// A job that counts whether it was run, refused or dropped. Exactly one of these must happen, and
/// only once.
struct Counted {
    tally: Arc<Tally>,
    is_settled: bool,
}

#[derive(Default)]
struct Tally {
    run: AtomicUsize,
    refused: AtomicUsize,
    dropped: AtomicUsize,
}

impl Job for Counted {
    type Context = ();
    type Info = ();

    fn info(&self) {}

    fn run(mut self) {
        self.is_settled = true;
        self.tally.run.fetch_add(1, Ordering::Relaxed);
    }

    fn refuse(mut self, _: &(), _: &io::Error) {
        self.is_settled = true;
        self.tally.refused.fetch_add(1, Ordering::Relaxed);
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        if !self.is_settled {
            self.tally.dropped.fetch_add(1, Ordering::Relaxed);
        }
    }
}

/// Starts threads of loom. Fails from thread number `until` on.
fn spawner(until: usize) -> Spawner {
    let started = AtomicUsize::new(0);
    Arc::new(move |spec: ThreadSpec| {
        if started.fetch_add(1, Ordering::Relaxed) >= until {
            return Err(io::Error::other("no more threads"));
        }
        let handle = loom::thread::spawn(spec.body);
        Ok(Thread::new(move || handle.join().expect("a thread of the pool does not panic")))
    })
}

fn config(max_threads: usize, keep_alive: Duration) -> PoolConfig {
    PoolConfig {
        max_threads,
        keep_alive,
        spin_ns: 0,
        nap: Duration::ZERO,
        stack_size: None,
        thread_name: Arc::new(|number| number.to_string()),
        on_start: None,
        on_stop: None,
    }
}

struct Model {
    pool: Arc<BlockingShared<Counted>>,
    tally: Arc<Tally>,
}

impl Model {
    fn new(config: PoolConfig, threads: usize) -> Model {
        let pool = BlockingShared::new(config, spawner(threads), ());
        Model { pool, tally: Arc::new(Tally::default()) }
    }

    fn push(&self) {
        let job = Counted { tally: Arc::clone(&self.tally), is_settled: false };
        drop(self.pool.push(job));
    }

    /// The number of jobs that were run, refused and dropped.
    fn settled(&self) -> (usize, usize, usize) {
        let tally = &self.tally;
        (
            tally.run.load(Ordering::Relaxed),
            tally.refused.load(Ordering::Relaxed),
            tally.dropped.load(Ordering::Relaxed),
        )
    }

    /// Waits until no job is left. If a job is lost, the model never ends, which loom reports.
    fn wait_for(&self, jobs: usize) {
        loop {
            let (run, refused, dropped) = self.settled();
            if run + refused + dropped == jobs {
                return;
            }
            loom::thread::yield_now();
        }
    }
}

fn check(model: impl Fn() + Sync + Send + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = builder.preemption_bound.or(Some(2));
    builder.check(model);
}

const FOREVER: Duration = Duration::MAX;
const IMMEDIATELY: Duration = Duration::ZERO;

#[test]
fn a_push_is_seen_by_a_thread_that_goes_to_sleep() {
    check(|| {
        let model = Model::new(config(1, FOREVER), 1);
        model.push();
        model.wait_for(1);
        model.push();
        model.wait_for(2);
        assert_eq!(model.pool.shutdown(None), 0);
        assert_eq!(model.settled(), (2, 0, 0));
    });
}

#[test]
fn a_push_is_seen_by_a_thread_whose_keep_alive_ends() {
    check(|| {
        let model = Model::new(config(1, IMMEDIATELY), 3);
        model.push();
        model.push();
        model.wait_for(2);
        assert_eq!(model.pool.shutdown(None), 0);
        assert_eq!(model.settled(), (2, 0, 0));
    });
}

#[test]
fn two_threads_run_all_jobs_of_a_backlog() {
    check(|| {
        let model = Model::new(config(2, FOREVER), 2);
        model.push();
        model.push();
        model.wait_for(2);
        assert_eq!(model.pool.shutdown(None), 0);
        assert_eq!(model.settled(), (2, 0, 0));
    });
}

/// Three jobs: one runs, another has started since the second thread was appointed, and one is
/// queued while that thread naps.
#[test]
fn no_job_is_lost_while_the_appointed_thread_naps() {
    check(|| {
        let model = Model::new(config(2, FOREVER), 2);
        model.push();
        model.push();
        model.push();
        model.wait_for(3);
        assert_eq!(model.pool.shutdown(None), 0);
        assert_eq!(model.settled(), (3, 0, 0));
    });
}

#[test]
fn a_shutdown_settles_every_job_once() {
    check(|| {
        let model = Model::new(config(1, FOREVER), 1);
        model.push();
        model.push();
        assert_eq!(model.pool.shutdown(None), 0);
        model.push();
        let (run, refused, dropped) = model.settled();
        assert_eq!((run + dropped, refused), (3, 0));
    });
}

#[test]
fn no_job_is_lost_if_a_thread_cannot_be_started() {
    check(|| {
        let model = Arc::new(Model::new(config(2, FOREVER), 1));
        let other = Arc::clone(&model);
        let pusher = loom::thread::spawn(move || other.push());
        model.push();
        model.wait_for(2);
        pusher.join().expect("a push does not panic");
        assert_eq!(model.pool.shutdown(None), 0);
        assert_eq!(model.settled(), (2, 0, 0));
    });
}

#[test]
fn without_threads_every_job_is_refused() {
    check(|| {
        let model = Arc::new(Model::new(config(2, FOREVER), 0));
        let other = Arc::clone(&model);
        let pusher = loom::thread::spawn(move || other.push());
        model.push();
        pusher.join().expect("a push does not panic");
        assert_eq!(model.settled(), (0, 2, 0));
        assert_eq!(model.pool.shutdown(None), 0);
    });
}

//! A thread that has lost its worker leaves the driver of the worker alone.

use std::sync::Arc;
use std::time::Duration;

use reveille_driver::{Driver, Events, Kind, Turn};
use reveille_primitive::biased::OwnerToken;

use super::{Exit, WorkerThread};
use crate::config::Config;
use crate::poll_counter::PollCounter;
use crate::scheduler::multi::pool::WorkerPool;
use crate::scheduler::multi::worker_context::WorkerContext;
use crate::timer::clock::Clock;

/// Runs `step` on a thread whose last poll has lost the worker, while a notification for the next
/// thread of the worker is pending. Returns the next turn of that thread.
fn turn_after(step: impl FnOnce(&mut WorkerThread<'_>)) -> Turn {
    let (clock, hands) = Clock::virtual_at_origin();
    let config = Config { clock, ..Config::default() };
    let worker = WorkerPool::allocate(1).worker(0);
    let driver = Arc::new(Driver::new(Kind::Native).expect("a shard"));
    *worker.driver.lock() = Some(Arc::clone(&driver));
    let (token, next) = (OwnerToken::unique(), OwnerToken::unique());
    worker.core.give(Some(token.id()));
    let counter = Arc::new(PollCounter::new());
    let context = WorkerContext::new(worker, token, Arc::clone(&driver), &config, counter);
    let mut thread = WorkerThread::new(&context, 1);
    // Long enough that a turn of the driver is due.
    hands.advance(Duration::from_secs(1));
    worker.core.give(Some(next.id()));
    worker.notify();
    step(&mut thread);
    driver.turn(Some(Duration::ZERO), &mut Events::new()).expect("a turn")
}

const NOTIFIED: Turn = Turn::Done { events: 0, woken: 0, is_notified: true };

#[test]
fn maintenance_after_a_poll_that_lost_the_worker_takes_no_notification() {
    let turn = turn_after(|thread| assert_eq!(thread.run_maintenance(), Err(Exit::HandedOff)));
    assert_eq!(turn, NOTIFIED);
}

#[test]
fn a_nested_run_after_a_waker_that_lost_the_worker_takes_no_notification() {
    assert_eq!(turn_after(|thread| thread.work_briefly(1, || false)), NOTIFIED);
}

#[test]
fn a_park_after_a_drop_that_lost_the_worker_takes_no_notification() {
    assert_eq!(turn_after(|thread| thread.park()), NOTIFIED);
}

//! A searcher that turns the driver of a sibling.

use std::sync::Arc;
use std::time::Duration;

use reveille_driver::{Driver, Events, Kind, Turn};

use crate::event_loop::collect_remote;

/// Long enough for a busy machine; only a lost notification waits for it.
const LONG: Duration = Duration::from_secs(20);

#[test]
fn a_searcher_that_turns_a_driver_leaves_the_notification_of_its_owner() {
    let driver = Arc::new(Driver::new(Kind::Native).expect("a shard"));
    // The worker was chosen to be woken. Before it waits, a searcher turns its driver.
    driver.notify();
    assert_eq!(collect_remote(&driver, &mut Events::new()), 0);
    let turn = driver.turn(Some(LONG), &mut Events::new()).expect("a turn");
    assert_eq!(turn, Turn::Done { events: 0, woken: 0, is_notified: true });
}

#[test]
fn a_searcher_that_turns_a_driver_posts_no_notification_of_its_own() {
    let driver = Arc::new(Driver::new(Kind::Native).expect("a shard"));
    assert_eq!(collect_remote(&driver, &mut Events::new()), 0);
    let turn = driver.turn(Some(Duration::ZERO), &mut Events::new()).expect("a turn");
    assert_eq!(turn, Turn::Done { events: 0, woken: 0, is_notified: false });
}

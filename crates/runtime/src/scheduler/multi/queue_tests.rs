//! The run queue and the injector, with tasks of a real pool.

use super::injector::Injector;
use super::queue::{CAPACITY, Queue};
use super::schedule::unregistered_task;
use super::start::start;
use crate::config::Config;
use crate::runtime::Runtime;

#[test]
fn a_queue_whose_indices_wrap_loses_and_doubles_nothing() {
    let config = Config { workers: Some(1), ..Config::default() };
    let runtime = start(config).unwrap();
    let pool = runtime.pool();
    let _runtime = Runtime::new(runtime);
    let (queue, mut owner) = Queue::starting_at(usize::MAX - 10);
    for _ in 0..3 {
        let mut taken = Vec::new();
        // One task more than the ring has room for.
        for task in (0..=CAPACITY).map(|_| unregistered_task(pool)) {
            queue.push(&mut owner, task);
        }
        assert_eq!((queue.len(), owner.has_backlog()), (CAPACITY, true));
        assert_eq!(queue.steal(&mut taken), CAPACITY / 2);
        taken.extend(std::iter::from_fn(|| queue.pop(&mut owner)));
        assert_eq!(taken.len(), CAPACITY + 1);
        assert!(queue.is_empty() && !owner.has_backlog());
    }
}

/// Three workers have four shards, and three threads keep theirs full.
#[test]
fn a_shard_of_the_injector_is_not_starved_by_full_ones() {
    let runtime = start(Config { workers: Some(3), ..Config::default() }).unwrap();
    let pool = runtime.pool();
    let _runtime = Runtime::new(runtime);
    let injector = Injector::new(3);
    let late = unregistered_task(pool);
    let address = late.as_task().addr();
    injector.push(3, late);
    let mut shards = [0, 1, 2];
    for visit in 0..4 {
        for shard in &mut shards {
            (0..3).for_each(|full| injector.push(full, unregistered_task(pool)));
            let mut taken = Vec::new();
            injector.take(shard, 3, &mut taken);
            if taken.iter().any(|task| task.as_task().addr() == address) {
                println!("taken at visit {visit}");
                drain(&injector);
                return;
            }
        }
    }
    drain(&injector);
    panic!("twelve visits passed it over");
}

fn drain(injector: &Injector) {
    let (mut shard, mut left) = (0, Vec::new());
    while !injector.is_empty() {
        injector.take(&mut shard, 1, &mut left);
    }
}

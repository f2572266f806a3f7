//! Point 6: `spawn_local`.

use std::cell::Cell;
use std::rc::Rc;

use async_std::channel::bounded;
use async_std::task::{self, block_on};

#[test]
fn point_06_works_inside_block_on() {
    block_on(async {
        let shared = Rc::new(Cell::new(1));
        let task = task::spawn_local({
            let shared = Rc::clone(&shared);
            async move {
                shared.set(2);
                Rc::strong_count(&shared)
            }
        });
        assert_eq!(task.await, 2);
        assert_eq!(shared.get(), 2);
    });
}

#[test]
fn point_06_works_on_workers_and_stays_on_its_thread() {
    for _ in 0..50 {
        let task = task::spawn(async {
            let (report, threads) = bounded(3);
            let spawner = std::thread::current().id();
            task::spawn_local(async move {
                let not_send = Rc::new(());
                for _ in 0..3 {
                    report.send(std::thread::current().id()).await.unwrap();
                    task::yield_now().await;
                }
                drop(not_send);
            });
            for _ in 0..3 {
                assert_eq!(threads.recv().await, Ok(spawner));
            }
        });
        block_on(task);
    }
}

#[test]
fn point_06_unfinished_tasks_resume_at_the_next_block_on_of_the_thread() {
    let (steps, seen) = bounded(10);
    let (go, gate) = bounded::<()>(1);
    let mut task = None;
    block_on(async {
        task = Some(task::spawn_local(async move {
            steps.send(1).await.unwrap();
            gate.recv().await.unwrap();
            steps.send(2).await.unwrap();
        }));
        assert_eq!(seen.recv().await, Ok(1));
    });
    // Nothing runs it now.
    go.try_send(()).unwrap();
    assert!(seen.try_recv().is_err());
    block_on(async { assert_eq!(seen.recv().await, Ok(2)) });
    block_on(task.expect("it was spawned"));
}

#[test]
fn point_06_a_task_that_is_spawned_before_block_on_runs_in_it() {
    let task = task::spawn_local(async { Rc::new(5) });
    assert_eq!(*block_on(task), 5);
}

//! Point 8: task-locals, and which task is the current one.

use std::cell::Cell;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use async_std::task::{self, block_on};
use reveille_tests::child::passes_in_own_process;

#[test]
fn point_08_each_task_has_its_own() {
    async_std::task_local! {
        static NUMBER: Cell<u32> = Cell::new(1);
    }
    block_on(async {
        NUMBER.with(|number| number.set(2));
        let spawned = task::spawn(async { NUMBER.with(Cell::get) });
        let local = task::spawn_local(async { NUMBER.with(Cell::get) });
        assert_eq!((spawned.await, local.await), (1, 1), "nothing is inherited");
        assert_eq!(NUMBER.with(Cell::get), 2);
    });
}

#[test]
fn point_08_values_are_made_at_their_first_use_and_once() {
    static MADE: AtomicUsize = AtomicUsize::new(0);
    async_std::task_local! {
        static LAZY: usize = MADE.fetch_add(1, Ordering::Relaxed);
    }
    block_on(async {
        assert_eq!(MADE.load(Ordering::Relaxed), 0);
        LAZY.with(|_| ());
        task::yield_now().await;
        LAZY.with(|_| ());
        assert_eq!(MADE.load(Ordering::Relaxed), 1);
    });
}

/// A `Cell` is `Send` and not `Sync`; the value moves with the task.
#[test]
fn point_08_values_move_between_threads_with_their_task() {
    async_std::task_local! {
        static STEPS: Cell<u32> = Cell::new(0);
    }
    let tasks: Vec<_> = (0..20)
        .map(|_| {
            task::spawn(async {
                for step in 0..50 {
                    assert_eq!(STEPS.with(|steps| steps.replace(step + 1)), step);
                    task::yield_now().await;
                }
            })
        })
        .collect();
    tasks.into_iter().for_each(block_on);
}

#[test]
fn point_08_values_are_dropped_with_their_task() {
    async_std::task_local! {
        static OWNED: Cell<Option<Arc<()>>> = Cell::new(None);
    }
    let owned = Arc::new(());
    let given = Arc::clone(&owned);
    block_on(async move { OWNED.with(|place| place.set(Some(given))) });
    assert_eq!(Arc::strong_count(&owned), 1);
}

#[test]
fn point_08_there_is_no_task_outside_of_one() {
    async_std::task_local! {
        static NUMBER: u32 = 1;
    }
    assert!(task::try_current().is_none());
    assert!(NUMBER.try_with(|_| ()).is_err());
    assert!(std::panic::catch_unwind(task::current).is_err());
    assert!(std::panic::catch_unwind(|| NUMBER.with(|_| ())).is_err());
    block_on(async {
        assert!(task::try_current().is_some());
        assert_eq!(NUMBER.try_with(|number| *number), Ok(1));
    });
}

#[test]
fn point_08_blocking_closures_are_outside() {
    let inside = block_on(task::spawn_blocking(|| task::try_current().is_some()));
    assert!(!inside);
    let nested = task::spawn_blocking(|| block_on(async { task::try_current().is_some() }));
    assert!(block_on(nested));
}

#[test]
fn point_08_numbers_of_tasks_start_at_one_and_are_shown_as_numbers() {
    passes_in_own_process(&[], || {
        let first = block_on(async { task::current().id() });
        assert_eq!(first.to_string(), "1");
        let second = block_on(async { task::current().id() });
        assert_eq!(second.to_string(), "2");
        assert_ne!(first, second);
    });
}

#[test]
fn point_08_the_handle_and_the_task_agree_on_id_and_name() {
    let task = task::Builder::new()
        .name("worker bee".to_string())
        .spawn(async { (task::current().id(), task::current().name().map(str::to_owned)) })
        .unwrap();
    let (id, name) = (task.task().id(), task.task().name().map(str::to_owned));
    assert_eq!(block_on(task), (id, name.clone()));
    assert_eq!(name.as_deref(), Some("worker bee"));
}

//! Point 16: log lines. A logger belongs to the whole process, so each test has a process of its
//! own.

use std::collections::HashSet;
use std::sync::Mutex;

use async_std::task::{self, block_on};
use log::kv::Key;
use log::{Level, LevelFilter, Log, Metadata, Record};
use reveille_tests::child::passes_in_own_process;

/// The trace lines, with the ids of the task and its parent.
static LINES: Mutex<Vec<(String, u64, u64)>> = Mutex::new(Vec::new());

struct Listener;

impl Log for Listener {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.level() == Level::Trace
    }

    fn log(&self, record: &Record<'_>) {
        let number = |key: &str| record.key_values().get(Key::from(key))?.to_u64();
        if let (Some(task), Some(parent)) = (number("task_id"), number("parent_task_id")) {
            LINES.lock().unwrap().push((record.args().to_string(), task, parent));
        }
    }

    fn flush(&self) {}
}

/// Makes the listener the logger, and returns what was logged during `run`.
fn logged(run: impl FnOnce()) -> Vec<(String, u64, u64)> {
    log::set_logger(&Listener).unwrap();
    log::set_max_level(LevelFilter::Trace);
    run();
    LINES.lock().unwrap().clone()
}

#[test]
fn point_16_spawn_and_block_on_are_logged_with_task_and_parent() {
    passes_in_own_process(&[], || {
        let lines = logged(|| {
            let builder = task::Builder::new();
            builder.blocking(async {
                task::spawn(async { task::spawn(async {}).await }).await;
                task::spawn_local(async {}).await;
                block_on(async {});
            });
            block_on(task::spawn(async {}));
        });
        // A task may run, and spawn, before the line about it is written. So the order of the lines
        // and of the ids is not guaranteed, but each task's parent is.
        let ids = |what: &str, parent: u64| -> Vec<u64> {
            let fits = |(line, _, of): &&(String, u64, u64)| line == what && *of == parent;
            lines.iter().filter(fits).map(|line| line.1).collect()
        };
        let [outer, last] = ids("block_on", 0)[..] else { panic!("{lines:?}") };
        let [spawned] = ids("spawn", outer)[..] else { panic!("{lines:?}") };
        let [grandchild] = ids("spawn", spawned)[..] else { panic!("{lines:?}") };
        let [local] = ids("spawn_local", outer)[..] else { panic!("{lines:?}") };
        let [nested] = ids("block_on", outer)[..] else { panic!("{lines:?}") };
        let [other] = ids("spawn", 0)[..] else { panic!("{lines:?}") };
        let all: HashSet<u64> =
            [outer, last, spawned, grandchild, local, nested, other].into_iter().collect();
        assert_eq!((all.len(), lines.len()), (7, 7), "{lines:?}");
    });
}

#[test]
fn point_16_nothing_is_logged_at_a_disabled_level() {
    passes_in_own_process(&[], || {
        let lines = logged(|| {
            log::set_max_level(LevelFilter::Debug);
            block_on(task::spawn(async {}));
        });
        assert_eq!(lines, []);
    });
}

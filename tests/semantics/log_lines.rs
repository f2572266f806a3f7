//! Point 16: log lines. A logger belongs to the whole process, so each test has a process of its
//! own.

use std::sync::Mutex;

use async_std::task::{self, block_on};
use log::kv::Key;
use log::{Level, LevelFilter, Log, Metadata, Record};
use reveille_tests::again::passes_in_own_process;

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
        let expected = [
            ("block_on", 1, 0),
            ("spawn", 2, 1),
            ("spawn", 3, 2),
            ("spawn_local", 4, 1),
            ("block_on", 5, 1),
            ("spawn", 6, 0),
            ("block_on", 7, 0),
        ];
        let expected = expected.map(|(what, task, parent)| (what.to_owned(), task, parent));
        assert_eq!(lines, expected);
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

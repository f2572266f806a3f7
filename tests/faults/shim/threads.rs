//! Control of the runtime's threads: their number, names, hooks and end.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, mpsc};
use std::time::Duration;

use async_std::task;
use reveille::runtime::{Builder, Handle};
use reveille_tests::child::passes_in_own_process;

/// async-std's documentation promised this; its code used the default instead.
#[test]
fn fault_an_invalid_number_of_threads_is_refused() {
    for (name, value) in [
        ("ASYNC_STD_THREAD_COUNT", "many"),
        ("ASYNC_STD_THREAD_COUNT", "0"),
        ("ASYNC_STD_THREAD_COUNT", "-3"),
        ("BLOCKING_MAX_THREADS", "1e3"),
        ("REVEILLE_THREADS", "four"),
    ] {
        passes_in_own_process(&[(name, value)], || {
            let refused = std::panic::catch_unwind(|| drop(task::spawn(async {})));
            let message = *refused.unwrap_err().downcast::<String>().unwrap();
            let names = ["ASYNC_STD_THREAD_COUNT", "BLOCKING_MAX_THREADS", "REVEILLE_THREADS"];
            let set = names.into_iter().find(|name| std::env::var_os(name).is_some()).unwrap();
            let value = std::env::var_os(set).unwrap().into_string().unwrap();
            assert!(message.contains(set) && message.contains(&value), "{message}");
        });
    }
}

/// If both async-std's variable and ours are set, ours takes precedence. It applies to the global
/// runtime only.
#[test]
fn fault_593_our_own_variable_wins() {
    let environment = [("ASYNC_STD_THREAD_COUNT", "3"), ("REVEILLE_THREADS", "4")];
    passes_in_own_process(&environment, || {
        let workers = task::block_on(task::spawn(async { Handle::current().metrics().workers }));
        assert_eq!(workers, 4);
        let own = Builder::new().workers(2).build().unwrap();
        assert_eq!(own.metrics().workers, 2);
    });
}

/// A thread-local that records the end of its thread.
struct Ends(Arc<AtomicUsize>);

impl Drop for Ends {
    fn drop(&mut self) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

thread_local!(static END: std::cell::OnceCell<Ends> = const { std::cell::OnceCell::new() });

/// Thread-locals are dropped at the very end of a thread, so all of them have been dropped only if
/// the threads were joined.
#[test]
fn fault_759_a_runtime_joins_its_threads() {
    let (started, ended) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let count = (Arc::clone(&started), Arc::clone(&ended));
    let builder = Builder::new().workers(3).on_thread_start(move || {
        count.0.fetch_add(1, Ordering::SeqCst);
        END.with(|end| drop(end.set(Ends(Arc::clone(&count.1)))));
    });
    let runtime = builder.build().unwrap();
    runtime.block_on(async {
        reveille::task::spawn_blocking(|| ()).await;
        reveille::task::spawn(async {}).await;
    });
    drop(runtime);
    let started = started.load(Ordering::SeqCst);
    assert!(started >= 4, "three workers and a blocking thread, not {started}");
    assert_eq!(ended.load(Ordering::SeqCst), started);
}

#[test]
fn fault_79_a_runtime_is_shut_down_and_says_what_it_left() {
    let runtime = Builder::new().workers(2).build().unwrap();
    let ended = Arc::new(AtomicUsize::new(0));
    let tasks: Vec<_> = (0..10)
        .map(|_| {
            let ends = Ends(Arc::clone(&ended));
            runtime.spawn(async move {
                let _ends = ends;
                std::future::pending::<()>().await;
            })
        })
        .collect();
    let handle = runtime.handle();
    assert!(handle.is_running());
    let report = runtime.shutdown(Duration::from_secs(60));
    assert!(report.is_complete(), "{report:?}");
    assert_eq!(report.cancelled_tasks, 10);
    assert_eq!(ended.load(Ordering::SeqCst), 10, "their futures are dropped");
    assert!(!handle.is_running());
    for task in tasks {
        assert!(task::block_on(task.result()).unwrap_err().is_cancelled());
    }
}

#[test]
fn fault_593_threads_have_a_name_a_limit_and_hooks() {
    let (sender, told) = mpsc::channel();
    let (begin, end) = (sender.clone(), sender);
    let report = |what| {
        let name = std::thread::current().name().unwrap_or_default().to_owned();
        (what, name)
    };
    let runtime = Builder::new()
        .workers(2)
        .thread_name("bees")
        .stack_size(512 * 1024)
        .max_blocking_threads(1)
        .keep_alive(Duration::from_millis(1))
        .on_thread_start(move || begin.send(report("begins")).unwrap())
        .on_thread_stop(move || end.send(report("ends")).unwrap())
        .build()
        .unwrap();
    assert_eq!(runtime.metrics().workers, 2);
    drop(runtime);
    let mut told: Vec<_> = told.into_iter().collect();
    told.sort();
    let expected = ["begins", "begins", "ends", "ends"].map(|what| (what, "bees".to_owned()));
    assert_eq!(told, expected);
}

/// The program can configure the global runtime, which serves all crates in it.
#[test]
fn fault_593_the_program_decides_about_the_global_runtime() {
    passes_in_own_process(&[("ASYNC_STD_THREAD_NAME", "not these")], || {
        let builder = || Builder::new().workers(1).thread_name("bees");
        let handle = builder().build_global().unwrap();
        assert_eq!(handle.metrics().workers, 1);
        let name = task::spawn(async { std::thread::current().name().map(str::to_owned) });
        assert_eq!(task::block_on(name).as_deref(), Some("bees"));
        let error = builder().build_global().unwrap_err();
        assert_eq!(error.kind(), std::io::ErrorKind::AlreadyExists);
    });
    passes_in_own_process(&[], || {
        task::block_on(task::spawn(async {}));
        let error = Builder::new().build_global().unwrap_err();
        assert_eq!(error.kind(), std::io::ErrorKind::AlreadyExists, "it has started by itself");
    });
}

/// On Linux each thread has its own priority, which the hook may lower.
// Only on Linux: there each thread has a priority of its own.
#[cfg(target_os = "linux")]
#[test]
fn fault_593_threads_have_the_priority_that_their_hook_gives_them() {
    let niceness = || rustix::process::getpriority_process(None).unwrap();
    let before = niceness();
    let builder = Builder::new().workers(2).on_thread_start(|| {
        // On Linux this is the priority of the calling thread.
        rustix::process::nice(3).unwrap();
    });
    let runtime = builder.build().unwrap();
    let expected = (before + 3).min(19);
    for _ in 0..20 {
        assert_eq!(runtime.block_on(runtime.spawn(async move { niceness() })), expected);
    }
    assert_eq!(niceness(), before, "this thread is as it was");
}

/// A container with a quota of one processor or, where the test cannot create one, a process that
/// may use only one processor: the runtime uses the parallelism that is left.
// Only on Linux: a quota of a control group.
#[cfg(target_os = "linux")]
#[test]
fn fault_813_the_quota_of_the_container_decides_how_many_workers_there_are() {
    let group = quota::Group::of_one_processor();
    let path = group.as_ref().map_or(String::new(), quota::Group::path);
    passes_in_own_process(&[(quota::GROUP, &path)], || {
        quota::enter();
        task::block_on(task::spawn(async {
            assert_eq!(Handle::current().metrics().workers, 1);
        }));
        assert_eq!(Builder::new().build().unwrap().metrics().workers, 1);
    });
}

#[cfg(target_os = "linux")]
mod quota {
    use std::path::PathBuf;

    /// The variable with the group that the test's process enters.
    pub(crate) const GROUP: &str = "REVEILLE_TEST_GROUP";

    /// A control group that grants one processor's time, removed when it is dropped.
    pub(crate) struct Group(PathBuf);

    impl Group {
        /// `None` if the system has no such groups, or does not let the test create one.
        pub(crate) fn of_one_processor() -> Option<Group> {
            let name = format!("reveille-test-{}", std::process::id());
            // Tries the second version of control groups, then the first.
            for (parent, file, quota) in [
                ("/sys/fs/cgroup", "cpu.max", "100000 100000"),
                ("/sys/fs/cgroup/cpu", "cpu.cfs_quota_us", "100000"),
            ] {
                let group = Group(PathBuf::from(parent).join(&name));
                if std::fs::create_dir(&group.0).is_err() {
                    continue;
                }
                let file = group.0.join(file);
                if file.exists() && std::fs::write(file, quota).is_ok() {
                    return Some(group);
                }
            }
            None
        }

        pub(crate) fn path(&self) -> String {
            self.0.to_string_lossy().into_owned()
        }
    }

    impl Drop for Group {
        fn drop(&mut self) {
            let _ = std::fs::remove_dir(&self.0);
        }
    }

    /// Puts this process into the group, or on one processor.
    pub(crate) fn enter() {
        let group = std::env::var_os(GROUP).filter(|path| !path.is_empty());
        let procs = group.map(|path| PathBuf::from(path).join("cgroup.procs"));
        if procs.is_some_and(|procs| std::fs::write(procs, std::process::id().to_string()).is_ok())
        {
            return;
        }
        let mut processors = rustix::thread::sched_getaffinity(None).unwrap();
        let first = (0..).find(|&processor| processors.is_set(processor)).unwrap();
        processors.clear();
        processors.set(first);
        rustix::thread::sched_setaffinity(None, &processors).unwrap();
    }
}

//! `runtime`: hooks for tasks, handles, names of threads, and the end of the global runtime.

#[cfg(target_os = "linux")]
use std::sync::Barrier;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex, mpsc};
use std::thread::JoinHandle;
use std::time::Duration;

use futures_lite::future::{poll_once, zip};
use reveille::runtime::{Builder, Handle, Runtime, ShutdownReport, shutdown_global};
use reveille::task::{self, block_on};
use reveille::{future, io};
#[cfg(target_os = "linux")]
use reveille_tests::measure::thread_names;
use reveille_tests::{child, test_name};

/// Longer than any test takes.
const FOREVER: Duration = Duration::from_secs(100_000);

/// Starts a thread that belongs to no runtime.
fn thread<T: Send + 'static>(body: impl FnOnce() -> T + Send + 'static) -> JoinHandle<T> {
    std::thread::Builder::new().spawn(body).unwrap()
}

/// Counts the calls of both hooks.
#[derive(Clone, Default)]
struct Counts {
    spawned: Arc<AtomicUsize>,
    ended: Arc<AtomicUsize>,
}

impl Counts {
    fn hooked(&self, builder: Builder) -> Builder {
        let own = self.clone();
        let ended = Arc::clone(&self.ended);
        builder
            .on_task_spawn(move |_| {
                own.spawned.fetch_add(1, SeqCst);
            })
            .on_task_end(move |_| {
                ended.fetch_add(1, SeqCst);
            })
    }

    fn get(&self) -> (usize, usize) {
        (self.spawned.load(SeqCst), self.ended.load(SeqCst))
    }
}

#[test]
fn hooks_are_called_once_for_each_task_however_it_ends() {
    let counts = Counts::default();
    let quiet = Builder::new().workers(2).on_unhandled_panic(|_| ());
    let runtime = counts.hooked(quiet).build().unwrap();
    runtime.block_on(async {
        // Spawned from a thread outside and from a worker.
        assert_eq!(task::spawn(async { task::spawn(async { 1 }).await }).await, 1);
        let panicked = task::spawn(async { std::panic::resume_unwind(Box::new(())) });
        assert!(panicked.result().await.unwrap_err().is_panic());
        let cancelled = task::spawn(std::future::pending::<()>());
        assert_eq!(cancelled.cancel().await, None);
        let named = task::Builder::new().name("named".into()).spawn(async {}).unwrap();
        named.await;
        // These are not tasks of the runtime.
        task::spawn_local(async {}).await;
        task::spawn_blocking(|| ()).await;
    });
    let left: Vec<_> = (0..100).map(|_| runtime.spawn(std::future::pending::<()>())).collect();
    assert_eq!(counts.get().0, 105);
    drop(runtime);
    assert!(left.iter().all(task::JoinHandle::is_finished));
    assert_eq!(counts.get(), (105, 105));
}

#[test]
fn a_task_that_is_refused_ends() {
    let counts = Counts::default();
    let runtime = counts.hooked(Builder::new().workers(1)).build().unwrap();
    let handle = runtime.handle();
    let (held, hold) = mpsc::channel::<()>();
    let (begin, begun) = mpsc::channel();
    drop(runtime.spawn(async move {
        begin.send(()).unwrap();
        task::spawn_blocking(move || hold.recv()).await.unwrap_err();
    }));
    begun.recv().unwrap();
    let end = thread(move || runtime.shutdown_gracefully(FOREVER));
    // While the runtime drains, it refuses tasks from outside.
    while block_on(handle.spawn(async {}).result()).is_ok() {
        std::thread::yield_now();
    }
    drop(held);
    end.join().unwrap();
    let (spawned, ended) = counts.get();
    assert!(spawned >= 2, "{spawned}");
    assert_eq!(spawned, ended);
    // The runtime has ended, and its hooks with it.
    assert!(block_on(handle.spawn(async {}).result()).is_err());
    assert_eq!(counts.get(), (spawned, ended));
}

/// A hook that spawns, blocks and reads the runtime's metrics would hang if it ran under a lock.
#[test]
fn a_hook_may_use_the_runtime_and_may_panic() {
    static HANDLE: Mutex<Option<Handle>> = Mutex::new(None);
    let calls = Arc::new(AtomicUsize::new(0));
    let own = Arc::clone(&calls);
    let use_runtime = move |_: &reveille::runtime::TaskMeta<'_>| {
        if !own.fetch_add(1, SeqCst).is_multiple_of(4) {
            return;
        }
        let handle = *HANDLE.lock().unwrap();
        let Some(handle) = handle else { return };
        assert_eq!(handle.metrics().workers, 2);
        drop(handle.spawn(async {}));
        task::block_on(task::yield_now());
        std::panic::resume_unwind(Box::new("a hook"));
    };
    let runtime = Builder::new()
        .workers(2)
        .on_task_spawn(use_runtime.clone())
        .on_task_end(use_runtime)
        .build()
        .unwrap();
    *HANDLE.lock().unwrap() = Some(runtime.handle());
    runtime.block_on(async {
        for number in 0..200 {
            let task = task::spawn(async move { task::spawn(async move { number }).await });
            assert_eq!(task.await, number);
        }
    });
    drop(runtime);
    assert!(calls.load(SeqCst) >= 800);
}

#[test]
fn a_hook_receives_the_data_of_the_task() {
    let (tell, told) = mpsc::channel();
    let ended = tell.clone();
    let describe = |task: &reveille::runtime::TaskMeta<'_>| {
        let at = task.spawned_at().map(|place| place.file().to_owned());
        (task.id(), task.name().map(str::to_owned), at, task.future_type())
    };
    let runtime = Builder::new()
        .on_task_spawn(move |task| tell.send(describe(task)).unwrap())
        .on_task_end(move |task| ended.send(describe(task)).unwrap())
        .build()
        .unwrap();
    let id = runtime.block_on(async {
        let named = task::Builder::new().name("bee".into()).spawn(async { task::current().id() });
        named.unwrap().await
    });
    let (spawned, ended) = (told.recv().unwrap(), told.recv().unwrap());
    assert_eq!(spawned, ended);
    assert_eq!((spawned.0, spawned.1.as_deref()), (id, Some("bee")));
    assert_eq!(spawned.2.as_deref(), Some(file!()));
    assert!(spawned.3.contains("runtime_life"), "{}", spawned.3);
}

#[test]
fn a_runtime_without_hooks_calls_none_of_the_runtime_before_it() {
    let counts = Counts::default();
    drop(counts.hooked(Builder::new().workers(3)).build().unwrap());
    // The same number of workers, so the memory of the first one serves again.
    let runtime = Builder::new().workers(3).build().unwrap();
    runtime.block_on(runtime.spawn(async { task::spawn(async {}).await }));
    assert_eq!(counts.get(), (0, 0));
}

#[test]
fn a_handle_blocks_on_futures_and_runs_closures() {
    let runtime = Builder::new().workers(1).thread_name("hive").build().unwrap();
    let handle = runtime.handle();
    let name = || std::thread::current().name().map(str::to_owned);
    let names = thread(move || {
        let borrowed = String::from("not 'static");
        handle.block_on(async {
            assert_eq!(borrowed.len(), 11);
            let closure = handle.spawn_blocking(name).await;
            (task::spawn(async move { name() }).await, closure)
        })
    });
    let (worker, closure) = names.join().unwrap();
    assert_eq!(worker.as_deref(), Some("hive"));
    assert!(closure.unwrap().starts_with("hive-blocking-"));
    drop(runtime);
    // The future runs; what it spawns is cancelled.
    let late = handle.block_on(async { task::spawn(async {}).result().await });
    assert!(late.unwrap_err().is_cancelled());
    let late = handle.spawn_blocking(|| ());
    assert!(block_on(late.result()).unwrap_err().is_cancelled());
    // A large future and a large closure are boxed.
    let large = [1_u8; 100_000];
    let runtime = Runtime::start().unwrap();
    let handle = runtime.handle();
    assert_eq!(
        handle.block_on(async move {
            task::yield_now().await;
            large.len()
        }),
        100_000
    );
    assert_eq!(block_on(handle.spawn_blocking(move || large.len())), 100_000);
}

#[test]
fn a_handle_is_current_only_where_a_runtime_is() {
    if child::has_run(test_name!()) {
        return;
    }
    assert!(Handle::try_current().is_none());
    assert!(block_on(async { Handle::try_current().is_none() }), "this starts nothing");
    let runtime = Builder::new().workers(3).build().unwrap();
    let workers = || Handle::try_current().map(|handle| handle.metrics().workers);
    assert_eq!(runtime.block_on(async { workers() }), Some(3));
    assert_eq!(runtime.block_on(runtime.spawn(async move { workers() })), Some(3));
    assert_eq!(block_on(runtime.handle().spawn_blocking(workers)), Some(3));
    assert_eq!(workers(), None);
    block_on(task::spawn(async {}));
    assert!(workers().is_some(), "the global one");
}

// Only on Linux: it reads the names of threads in /proc.
#[cfg(target_os = "linux")]
#[test]
fn threads_without_a_name_are_numbered() {
    if child::has_run(test_name!()) {
        return;
    }
    let runtime = Builder::new().workers(2).build().unwrap();
    runtime.block_on(async {
        // The monitor starts when both workers poll at once.
        let both = Arc::new(Barrier::new(2));
        let meet = || {
            let both = Arc::clone(&both);
            task::spawn(async move { both.wait() })
        };
        for meeting in [meet(), meet()] {
            meeting.await;
        }
        task::spawn_blocking(|| ()).await;
    });
    // A thread sets its name itself, after it has started.
    for name in ["reveille-0", "reveille-1", "reveille-blk-0", "reveille-mon"] {
        while !thread_names().iter().any(|other| other == name) {
            std::thread::yield_now();
        }
    }
    drop(runtime);
}

#[test]
fn the_global_runtime_finishes_its_tasks_before_it_ends() {
    if child::has_run(test_name!()) {
        return;
    }
    static FINISHED: AtomicUsize = AtomicUsize::new(0);
    let report = block_on(async {
        for _ in 0..50 {
            drop(task::spawn(async {
                // The shutdown begins before, even on a slow machine.
                task::sleep(Duration::from_millis(500)).await;
                // A task may start others.
                task::spawn(async { task::yield_now().await }).await;
                task::spawn_blocking(|| ()).await;
                FINISHED.fetch_add(1, SeqCst);
            }));
        }
        shutdown_global(FOREVER).await
    });
    assert!(report.is_complete(), "{report}");
    assert!(report.finished_tasks >= 50, "{report}");
    assert_eq!(FINISHED.load(SeqCst), 50);
}

#[test]
fn the_thread_that_shuts_down_continues_its_own_work() {
    if child::has_run(test_name!()) {
        return;
    }
    block_on(async {
        let (send, receive) = async_channel::bounded(1);
        // A task that ends only with the help of this thread: its timer and a local task.
        let waiting = task::spawn(async move { receive.recv().await });
        let local = task::spawn_local(async move {
            task::sleep(Duration::from_millis(30)).await;
            send.send(7).await
        });
        let (report, sent) = zip(shutdown_global(FOREVER), local).await;
        assert!(report.is_complete(), "{report}");
        sent.unwrap();
        assert_eq!(waiting.await, Ok(7));
        // Operations that need no task still work.
        task::sleep(Duration::from_millis(1)).await;
        reveille::fs::read(std::env::current_exe().unwrap()).await.unwrap();
        let listener = reveille::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (accepted, connected) =
            zip(listener.accept(), reveille::net::TcpStream::connect(address)).await;
        accepted.unwrap();
        connected.unwrap();
        assert!(task::spawn(async {}).result().await.unwrap_err().is_cancelled());
    });
}

#[test]
fn tasks_that_outlast_the_grace_time_are_cancelled_and_named() {
    if child::has_run(test_name!()) {
        return;
    }
    struct NotesDrop(Arc<AtomicBool>);
    impl Drop for NotesDrop {
        fn drop(&mut self) {
            self.0.store(true, SeqCst);
        }
    }
    let is_dropped = Arc::new(AtomicBool::new(false));
    let notes = NotesDrop(Arc::clone(&is_dropped));
    let report = block_on(async {
        let endless = task::Builder::new().name("endless".into()).spawn(async move {
            let _notes = notes;
            std::future::pending::<()>().await;
        });
        drop(endless.unwrap());
        shutdown_global(Duration::from_millis(10)).await
    });
    assert!(is_dropped.load(SeqCst));
    assert_eq!(report.cancelled.len(), 1, "{report}");
    assert_eq!(report.cancelled[0].name.as_deref(), Some("endless"));
}

#[test]
fn all_calls_receive_the_report_of_one_shutdown() {
    if child::has_run(test_name!()) {
        return;
    }
    let (held, hold) = mpsc::channel::<()>();
    drop(task::spawn_blocking(move || hold.recv()));
    drop(task::spawn(std::future::ready(())));
    let others: Vec<_> =
        (0..4).map(|_| thread(|| pollster::block_on(shutdown_global(FOREVER)))).collect();
    block_on(async {
        // A shutdown whose future is dropped halfway.
        let mut dropped = Box::pin(shutdown_global(FOREVER));
        assert!(poll_once(&mut dropped).await.is_none(), "a closure runs");
        assert!(poll_once(&mut dropped).await.is_none());
        drop(dropped);
        drop(held);
        let report = shutdown_global(FOREVER).await;
        assert!(report.is_complete(), "{report}");
        let other = others.into_iter().map(|other| other.join().unwrap());
        let texts: Vec<_> = other.map(|report| report.to_string()).collect();
        assert!(texts.iter().all(|text| *text == report.to_string()), "{texts:?}");
    });
    // Another runtime uses the memory of the global one, and a late call must not end it. The
    // memory is free once the threads of the global runtime have ended, so not always at once.
    for _ in 0..20 {
        let again = Builder::new().build().unwrap();
        block_on(shutdown_global(Duration::ZERO));
        // Long enough for a thread that wrongly ends it, which would cancel this task.
        again.block_on(again.spawn(task::sleep(Duration::from_millis(5))));
        drop(again);
    }
}

#[test]
fn a_task_that_shuts_its_own_runtime_down_does_not_wait_for_itself() {
    if child::has_run(test_name!()) {
        return;
    }
    block_on(async {
        let report: ShutdownReport = task::spawn(shutdown_global(FOREVER)).await;
        assert_eq!(report.finished_tasks, 0);
        let report = shutdown_global(FOREVER).await;
        assert!(report.is_complete(), "{report}");
    });
}

#[test]
fn without_a_global_runtime_there_is_none_to_end() {
    if child::has_run(test_name!()) {
        return;
    }
    block_on(shutdown_global(FOREVER));
    assert!(Handle::try_current().is_none());
    assert_eq!(block_on(task::spawn(async { 1 })), 1, "it may still start");
}

#[test]
fn errors_of_tasks_and_time_limits_are_io_errors() {
    async fn late() -> io::Result<()> {
        Ok(future::timeout(Duration::ZERO, future::pending::<()>()).await?)
    }
    async fn cancelled() -> io::Result<()> {
        let task = task::spawn(future::pending::<()>());
        task.abort();
        Ok(task.result().await?)
    }
    async fn panicked() -> io::Result<()> {
        let task = task::spawn(async { std::panic::resume_unwind(Box::new("out of paper")) });
        Ok(task.result().await?)
    }
    let error = block_on(late()).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::TimedOut);
    assert!(error.get_ref().unwrap().is::<future::TimeoutError>());
    let error = block_on(cancelled()).unwrap_err();
    assert_eq!(
        (error.kind(), error.to_string()),
        (io::ErrorKind::Other, "the task was cancelled".into())
    );
    let error = block_on(panicked()).unwrap_err();
    assert_eq!(error.to_string(), "the task panicked: out of paper");
    let inner = error.into_inner().unwrap().downcast::<task::JoinError>().unwrap();
    assert!(inner.is_panic());
}

mod with_options {
    use super::*;

    static FINISHED: AtomicBool = AtomicBool::new(false);

    #[reveille::main(
        workers = 3,
        thread_name = "bees",
        max_blocking_threads = 1_0,
        shutdown_grace = "1 h"
    )]
    async fn main() -> io::Result<usize> {
        let handle = Handle::current();
        drop(task::spawn(async {
            task::sleep(Duration::from_millis(20)).await;
            assert_eq!(std::thread::current().name(), Some("bees"));
            FINISHED.store(true, SeqCst);
        }));
        Ok(handle.metrics().workers)
    }

    #[test]
    fn main_has_the_options_of_its_attribute() {
        if child::has_run(test_name!()) {
            return;
        }
        assert_eq!(main().unwrap(), 3);
        assert!(FINISHED.load(SeqCst), "the grace time lets it finish");
        assert!(Handle::try_current().is_some_and(|global| !global.is_running()));
        // The global runtime has already started.
        let again = std::panic::catch_unwind(|| drop(main())).unwrap_err();
        let text = again.downcast_ref::<String>().unwrap();
        assert!(text.contains("the options of `main`"), "{text}");
    }

    mod grace_only {
        #[reveille::main(crate = reveille, shutdown_grace = "0s",)]
        pub(super) async fn main() {
            drop(reveille::task::spawn(std::future::pending::<()>()));
        }
    }

    #[test]
    fn a_grace_time_of_zero_cancels_what_is_left() {
        if child::has_run(test_name!()) {
            return;
        }
        grace_only::main();
        assert!(Handle::try_current().is_some_and(|global| !global.is_running()));
    }

    #[test]
    fn options_of_the_attribute_take_precedence_over_the_environment() {
        if child::is_inside(test_name!()) {
            assert_eq!(main().unwrap(), 3);
            return;
        }
        let mut command = child::command(test_name!());
        command.env("REVEILLE_THREADS", "5").env("ASYNC_STD_THREAD_NAME", "wasps");
        assert!(command.status().unwrap().success());
    }

    #[test]
    fn a_builder_can_begin_with_the_environment() {
        if child::is_inside(test_name!()) {
            let runtime = Builder::from_env().build().unwrap();
            assert_eq!(runtime.metrics().workers, 5);
            return;
        }
        let mut command = child::command(test_name!());
        assert!(command.env("REVEILLE_THREADS", "5").status().unwrap().success());
    }
}

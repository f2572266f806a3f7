//! The options of a runtime, each with its unit, default and bounds.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use reveille_driver::Kind;

use crate::config::{Config, Flight, MAX_WORKERS, ThreadNames};
use crate::lint::Lint;
use crate::observe::{TaskMeta, UnhandledPanic};
use crate::runtime::{Handle, Runtime};
use crate::scheduler::global;
use crate::scheduler::recording::FlightRecorder;

/// Builds a [`Runtime`], or configures the global one.
///
/// # Examples
///
/// ```
/// use reveille::runtime::Builder;
///
/// let runtime = Builder::new().workers(2).thread_name("mine").build()?;
/// assert_eq!(runtime.block_on(runtime.spawn(async { 6 * 7 })), 42);
/// # std::io::Result::Ok(())
/// ```
#[must_use = "a builder does nothing until `build`"]
#[derive(Debug, Default)]
pub struct Builder {
    config: Config,
}

impl Builder {
    /// Makes a builder with the defaults. Environment variables have no effect on it.
    ///
    /// # Examples
    ///
    /// ```
    /// use reveille::runtime::Builder;
    ///
    /// let runtime = Builder::new().build()?;
    /// assert!(runtime.metrics().workers >= 1);
    /// # std::io::Result::Ok(())
    /// ```
    pub fn new() -> Builder {
        Builder::default()
    }

    /// Creates a builder with the defaults of the global runtime, including what the environment
    /// variables say.
    ///
    /// # Panics
    ///
    /// Panics if a variable for a number of threads is no positive number.
    ///
    /// # Examples
    ///
    /// ```standalone_crate
    /// use reveille::runtime::Builder;
    ///
    /// // The global runtime with its defaults, and with a hook.
    /// let handle = Builder::from_env().on_takeover(|| eprintln!("a poll blocks")).build_global()?;
    /// assert!(handle.is_running());
    /// # std::io::Result::Ok(())
    /// ```
    pub fn from_env() -> Builder {
        Builder { config: Config::global() }
    }

    /// Sets the number of worker threads, 1 to 512. Default: the available parallelism.
    ///
    /// # Panics
    ///
    /// Panics outside of the bounds.
    ///
    /// # Examples
    ///
    /// ```
    /// use reveille::runtime::Builder;
    ///
    /// // With one worker the tasks take turns and use one core.
    /// let runtime = Builder::new().workers(1).build()?;
    /// assert_eq!(runtime.metrics().workers, 1);
    /// # std::io::Result::Ok(())
    /// ```
    pub fn workers(mut self, workers: usize) -> Builder {
        assert!((1..=MAX_WORKERS).contains(&workers), "a runtime has 1 to {MAX_WORKERS} workers");
        self.config.workers = Some(workers);
        self
    }

    /// Sets the name of the worker threads. Default: `reveille-0`, `reveille-1`, … for workers and
    /// `reveille-blk-0`, … for blocking threads. With a name of your own all workers have it, and
    /// blocking threads are called `NAME-blocking-1`, …
    ///
    /// # Panics
    ///
    /// Panics if `name` contains a NUL.
    ///
    /// # Examples
    ///
    /// ```
    /// use reveille::runtime::Builder;
    ///
    /// let runtime = Builder::new().thread_name("render").build()?;
    /// let name = runtime.spawn(async { std::thread::current().name().map(str::to_owned) });
    /// assert!(runtime.block_on(name).is_some_and(|name| name.starts_with("render")));
    /// # std::io::Result::Ok(())
    /// ```
    pub fn thread_name(mut self, name: &str) -> Builder {
        assert!(!name.contains('\0'), "the name of a thread cannot contain a NUL");
        self.config.thread_names = ThreadNames::new(name);
        self
    }

    /// Sets the stack size of each thread, in bytes. Default: std's, 2 MiB.
    ///
    /// # Examples
    ///
    /// ```
    /// use reveille::runtime::Builder;
    ///
    /// fn depth(levels: u32) -> u32 {
    ///     let frame = std::hint::black_box([levels; 1024]);
    ///     if levels == 0 { 0 } else { 1 + depth(frame[7] - 1) }
    /// }
    ///
    /// // About 8 MiB of frames: too much for the default of 2 MiB.
    /// let runtime = Builder::new().stack_size(64 << 20).build()?;
    /// assert_eq!(runtime.block_on(runtime.spawn(async { depth(2_000) })), 2_000);
    /// # std::io::Result::Ok(())
    /// ```
    pub fn stack_size(mut self, bytes: usize) -> Builder {
        self.config.stack_size = Some(bytes);
        self
    }

    /// Sets how long a spare or blocking thread without work stays. Default: 10 seconds. There are
    /// always enough threads for the workers.
    ///
    /// # Examples
    ///
    /// ```
    /// use reveille::runtime::Builder;
    /// use std::time::Duration;
    ///
    /// // Bursts of work with long pauses: do not keep the threads.
    /// let runtime = Builder::new().keep_alive(Duration::from_millis(100)).build()?;
    /// # drop(runtime);
    /// # std::io::Result::Ok(())
    /// ```
    pub fn keep_alive(mut self, keep_alive: Duration) -> Builder {
        self.config.keep_alive = keep_alive;
        self
    }

    /// Sets the maximum number of threads for blocking closures, at least 1. Default: 500.
    ///
    /// # Panics
    ///
    /// Panics on 0.
    ///
    /// # Examples
    ///
    /// ```
    /// use reveille::runtime::Builder;
    /// use reveille::task;
    ///
    /// // Two concurrent readers keep the disk busy. The other closures wait in the queue.
    /// let runtime = Builder::new().max_blocking_threads(2).build()?;
    /// let sum = runtime.block_on(async {
    ///     let reads: Vec<_> = (0..10).map(|n| task::spawn_blocking(move || n)).collect();
    ///     let mut sum = 0;
    ///     for read in reads {
    ///         sum += read.await;
    ///     }
    ///     sum
    /// });
    /// assert_eq!(sum, 45);
    /// # std::io::Result::Ok(())
    /// ```
    pub fn max_blocking_threads(mut self, threads: usize) -> Builder {
        assert!(threads > 0, "the blocking pool needs a thread");
        self.config.max_blocking_threads = threads;
        self
    }

    /// Sets the maximum number of threads beyond the workers that may take over a worker whose poll
    /// blocks. Default: 256.
    ///
    /// With 0 no worker is taken over: a poll that blocks delays the tasks queued behind it, as in
    /// other runtimes, and there is no monitor thread. A poll that runs another executor, which
    /// waits for a timer or a socket of this worker, then never ends.
    ///
    /// # Examples
    ///
    /// ```
    /// use reveille::runtime::Builder;
    ///
    /// // For a program that needs an exact number of threads and whose polls never block.
    /// let runtime = Builder::new().workers(2).max_spare_threads(0).build()?;
    /// assert_eq!(runtime.block_on(runtime.spawn(async { 1 })), 1);
    /// # std::io::Result::Ok(())
    /// ```
    pub fn max_spare_threads(mut self, threads: usize) -> Builder {
        self.config.max_spare_threads = threads;
        self
    }

    /// Sets the number of ready operations, 1 to 254, that a task may do in one poll before it goes
    /// to the back of the queue. Default: 32. A lower number reduces tail latency, a higher one
    /// saves some polls.
    ///
    /// # Panics
    ///
    /// Panics outside of the bounds.
    ///
    /// # Examples
    ///
    /// ```
    /// use reveille::runtime::Builder;
    ///
    /// // A busy connection yields after eight reads.
    /// let runtime = Builder::new().event_budget(8).build()?;
    /// # drop(runtime);
    /// # std::io::Result::Ok(())
    /// ```
    pub fn event_budget(mut self, operations: u8) -> Builder {
        assert!((1..=254).contains(&operations), "a poll has a budget of 1 to 254 operations");
        self.config.event_budget = operations;
        self
    }

    /// Turns on batched reads: when several [`TcpStream`]s are readable, the driver reads them all
    /// in one io_uring call (Linux), for tasks that wait in reads of at most 8 KiB. A server of
    /// many small requests then makes little more than one system call per request instead of two.
    /// Default: off.
    ///
    /// Where io_uring is missing (before Linux 5.18) or forbidden, tasks make their own system
    /// calls; [`Metrics::batched_reads`] then stays at 0.
    ///
    /// The environment variable `REVEILLE_BATCHED_READS=1` turns it on for the global runtime.
    ///
    /// # Cancel safety
    ///
    /// If a read is dropped after the driver has received its bytes, they are kept for the next
    /// read of that stream. Code that reads from the raw descriptor does not see them, which is why
    /// this is off by default. Converting a stream with such bytes into a std stream or a
    /// descriptor fails (`try_into` returns an error, `into_raw_fd` panics), because the bytes
    /// would be lost. Each stream keeps a buffer of the size of its largest such read.
    ///
    /// [`TcpStream`]: https://docs.rs/reveille/latest/reveille/net/struct.TcpStream.html
    /// [`Metrics::batched_reads`]: crate::runtime::Metrics::batched_reads
    ///
    /// # Examples
    ///
    /// ```
    /// use reveille::runtime::Builder;
    ///
    /// let runtime = Builder::new().batched_reads(true).build()?;
    /// assert_eq!(runtime.metrics().batched_reads, 0); // nothing has been read yet
    /// # std::io::Result::Ok(())
    /// ```
    pub fn batched_reads(mut self, is_on: bool) -> Builder {
        self.config.driver = if is_on { Kind::Batched } else { Kind::Native };
        self
    }

    /// Sets the seed for the runtime's random choices: where a worker begins to steal, and which of
    /// several futures or streams a combinator polls first, in tasks and in [`Runtime::block_on`].
    /// Default: a random seed.
    ///
    /// [`Runtime::block_on`]: crate::runtime::Runtime::block_on
    ///
    /// # Examples
    ///
    /// ```
    /// use reveille::runtime::Builder;
    ///
    /// // The same choices in every run. Threads and sockets are still not deterministic.
    /// let runtime = Builder::new().workers(1).seed(42).build()?;
    /// # drop(runtime);
    /// # std::io::Result::Ok(())
    /// ```
    pub fn seed(mut self, seed: u64) -> Builder {
        self.config.seed = Some(seed);
        self
    }

    /// Sets a hook that each thread of the runtime calls before its first task. If the hook panics,
    /// the thread continues.
    ///
    /// # Examples
    ///
    /// ```
    /// use reveille::runtime::Builder;
    /// use std::sync::Arc;
    /// use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
    ///
    /// let started = Arc::new(AtomicUsize::new(0));
    /// let counter = Arc::clone(&started);
    /// // Here a program would set a priority, or the affinity to a core.
    /// let count = move || { counter.fetch_add(1, Relaxed); };
    /// let runtime = Builder::new().workers(1).on_thread_start(count).build()?;
    /// runtime.block_on(runtime.spawn(async {}));
    /// assert!(started.load(Relaxed) >= 1);
    /// # std::io::Result::Ok(())
    /// ```
    pub fn on_thread_start(mut self, hook: impl Fn() + Send + Sync + 'static) -> Builder {
        self.config.on_thread_start = Some(Arc::new(hook));
        self
    }

    /// Sets a hook that each thread of the runtime calls after its last task. If the hook panics,
    /// the thread still ends normally.
    ///
    /// # Examples
    ///
    /// ```
    /// use reveille::runtime::Builder;
    /// use std::sync::Arc;
    /// use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
    /// use std::time::Duration;
    ///
    /// let stopped = Arc::new(AtomicUsize::new(0));
    /// let counter = Arc::clone(&stopped);
    /// let count = move || { counter.fetch_add(1, Relaxed); };
    /// let runtime = Builder::new().workers(1).on_thread_stop(count).build()?;
    /// runtime.block_on(runtime.spawn(async {}));
    /// runtime.shutdown(Duration::from_secs(10));
    /// assert!(stopped.load(Relaxed) >= 1);
    /// # std::io::Result::Ok(())
    /// ```
    pub fn on_thread_stop(mut self, hook: impl Fn() + Send + Sync + 'static) -> Builder {
        self.config.on_thread_stop = Some(Arc::new(hook));
        self
    }

    /// Sets a hook that a thread calls when it takes over a worker whose poll blocks. If the hook
    /// panics, the worker is still taken over.
    ///
    /// # Examples
    ///
    /// ```
    /// use reveille::runtime::Builder;
    ///
    /// // A poll has blocked for some milliseconds: perhaps a `spawn_blocking` is missing.
    /// let note = || eprintln!("a task blocks its thread");
    /// let runtime = Builder::new().on_takeover(note).build()?;
    /// # drop(runtime);
    /// # std::io::Result::Ok(())
    /// ```
    pub fn on_takeover(mut self, hook: impl Fn() + Send + Sync + 'static) -> Builder {
        self.config.on_takeover = Some(Arc::new(hook));
        self
    }

    /// Sets a hook that is called when a task panics and no code awaits it. Without a hook, a line
    /// is written to standard error.
    ///
    /// It is called once for each panic of a task, local task or blocking closure whose handle is
    /// dropped before or after the panic; of the drop of a cancelled future or of an output that no
    /// code takes; and of a waker that the runtime wakes. It is called where the panic was caught
    /// or the handle dropped, without a lock held. The runtime continues, even if the hook itself
    /// panics; that panic is ignored.
    ///
    /// The process aborts in two cases, as it does in std: if a destructor panics while another
    /// panic unwinds, and if the drop of a task-local panics.
    ///
    /// # Examples
    ///
    /// ```
    /// use reveille::runtime::Builder;
    /// use std::sync::mpsc;
    ///
    /// let (sender, receiver) = mpsc::sync_channel(1);
    /// let runtime = Builder::new()
    ///     .on_unhandled_panic(move |panic| {
    ///         let _ = sender.try_send(panic.message().unwrap_or("?").to_owned());
    ///     })
    ///     .build()?;
    ///
    /// # let hook = std::panic::take_hook();
    /// # std::panic::set_hook(Box::new(|_| {}));
    /// // Dropping the handle detaches the task, so no code awaits it.
    /// drop(runtime.spawn(async { panic!("out of paper") }));
    /// assert_eq!(receiver.recv().unwrap(), "out of paper");
    /// # std::panic::set_hook(hook);
    /// # std::io::Result::Ok(())
    /// ```
    pub fn on_unhandled_panic(
        mut self,
        hook: impl Fn(&UnhandledPanic<'_>) + Send + Sync + 'static,
    ) -> Builder {
        self.config.on_panic = Some(Arc::new(hook));
        self
    }

    /// Calls `hook` for each task that is spawned onto the runtime, on the thread that spawns it,
    /// before the task is first polled. Default: no hook, which costs nothing.
    ///
    /// Tasks of `spawn` and its relatives count; local tasks, blocking closures and the future of a
    /// `block_on` do not. The hook may do anything, spawn included: no lock of the runtime is held.
    /// A hook that panics changes nothing.
    ///
    /// # Examples
    ///
    /// ```
    /// use reveille::runtime::Builder;
    /// use std::sync::Arc;
    /// use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
    ///
    /// let live = Arc::new(AtomicUsize::new(0));
    /// let (more, less) = (Arc::clone(&live), Arc::clone(&live));
    /// let runtime = Builder::new()
    ///     .on_task_spawn(move |_| { more.fetch_add(1, Relaxed); })
    ///     .on_task_end(move |_| { less.fetch_sub(1, Relaxed); })
    ///     .build()?;
    /// let task = runtime.spawn(std::future::pending::<()>());
    /// assert_eq!(live.load(Relaxed), 1);
    /// drop(runtime);
    /// assert!(task.is_finished());
    /// assert_eq!(live.load(Relaxed), 0);
    /// # std::io::Result::Ok(())
    /// ```
    pub fn on_task_spawn(
        mut self,
        hook: impl Fn(&TaskMeta<'_>) + Send + Sync + 'static,
    ) -> Builder {
        self.config.task_hooks.on_spawn = Some(Arc::new(hook));
        self
    }

    /// Calls `hook` for each task that ends: with an output, a panic, or by cancellation. Default:
    /// no hook, which costs nothing.
    ///
    /// It is called once for each task that [`on_task_spawn`](Builder::on_task_spawn) is called
    /// for, on the thread that completes the task, when the future is dropped. Code that awaits the
    /// task may continue before the hook is called. A task whose poll is still running when a
    /// shutdown gives up waiting ends without a call: the hooks are dropped with the runtime. A
    /// hook that panics changes nothing.
    ///
    /// # Examples
    ///
    /// ```
    /// use reveille::runtime::Builder;
    /// use std::sync::mpsc;
    ///
    /// let (tell, told) = mpsc::channel();
    /// let runtime = Builder::new()
    ///     .on_task_end(move |task| { let _ = tell.send(task.name().map(str::to_owned)); })
    ///     .build()?;
    /// runtime.block_on(runtime.spawn(async {}));
    /// assert_eq!(told.recv().unwrap(), None);
    /// # std::io::Result::Ok(())
    /// ```
    pub fn on_task_end(mut self, hook: impl Fn(&TaskMeta<'_>) + Send + Sync + 'static) -> Builder {
        self.config.task_hooks.on_end = Some(Arc::new(hook));
        self
    }

    /// Prints a [dump](crate::inspect::dump) of all tasks of the process on standard error when
    /// the process receives `signal`, such as 3, `SIGQUIT`, which Ctrl-\ sends in a terminal. A
    /// thread that waits for signals takes the dump, so this works while every worker is blocked.
    ///
    /// Other handlers of the signal are called, too. The signal no longer ends the process, even
    /// after the runtime has ended. May be called for several signals.
    ///
    /// The global runtime does this for `SIGQUIT` if the environment variable `REVEILLE_DUMP` is 1,
    /// or `threads` for [`dump_thread_stacks`](Builder::dump_thread_stacks).
    ///
    /// # Errors
    ///
    /// [`build`](Builder::build) fails if `signal` is one that no handler may be set for
    /// (`SIGKILL`, `SIGSTOP`, `SIGSEGV`, `SIGFPE`, `SIGILL`), and on systems without signals.
    ///
    /// # Examples
    ///
    /// ```
    /// use reveille::runtime::Builder;
    ///
    /// # if cfg!(unix) {
    /// const SIGQUIT: i32 = 3;
    /// let runtime = Builder::new().dump_on_signal(SIGQUIT).build()?;
    /// # drop(runtime);
    /// # }
    /// # std::io::Result::Ok(())
    /// ```
    pub fn dump_on_signal(mut self, signal: i32) -> Builder {
        self.config.dump_signals.push(signal);
        self
    }

    /// Records everything that happens in the process to a new file at `path`, from the start of
    /// this runtime to its end. See [`record_to`](crate::recording::record_to).
    ///
    /// The environment variable `REVEILLE_TRACE=FILE` records each program from its first task to
    /// its end.
    ///
    /// # Errors
    ///
    /// [`build`](Builder::build) fails if the file cannot be made, and if the process records
    /// already.
    ///
    /// # Examples
    ///
    /// ```
    /// use reveille::runtime::Builder;
    ///
    /// let path = std::env::temp_dir().join("builder-example.rvt");
    /// let runtime = Builder::new().record_to(&path).build()?;
    /// runtime.block_on(runtime.spawn(async {}));
    /// drop(runtime);
    /// println!("look at it with: reveille view {}", path.display());
    /// # std::fs::remove_file(path)?;
    /// # std::io::Result::Ok(())
    /// ```
    pub fn record_to(mut self, path: impl Into<PathBuf>) -> Builder {
        self.config.record_to = Some(path.into());
        self
    }

    /// Keeps the last seconds of what happens in the process in memory, from the start of this
    /// runtime to its end. [`snapshot_to`](crate::recording::snapshot_to) and the triggers of the
    /// recorder write them to a file.
    ///
    /// # Errors
    ///
    /// [`build`](Builder::build) fails as [`FlightRecorder::start`] does.
    ///
    /// # Examples
    ///
    /// ```
    /// use reveille::observe::FlightRecorder;
    /// use reveille::runtime::Builder;
    ///
    /// let folder = std::env::temp_dir();
    /// let recorder = FlightRecorder::new().folder(folder).on_panic();
    /// let runtime = Builder::new().flight_recorder(recorder).build()?;
    /// # drop(runtime);
    /// # std::io::Result::Ok(())
    /// ```
    pub fn flight_recorder(mut self, recorder: FlightRecorder) -> Builder {
        self.config.start_flight =
            Some(Box::new(move || recorder.start().map(|flight| Box::new(flight) as Flight)));
        self
    }

    /// Sets whether the dumps that signals print have the stack of each thread that runs a poll:
    /// see [`DumpOptions::thread_stacks`](crate::inspect::DumpOptions::thread_stacks). Off by
    /// default. The setting applies to all signals of the process, and stays on when this runtime
    /// has ended.
    ///
    /// # Examples
    ///
    /// ```
    /// use reveille::runtime::Builder;
    ///
    /// # if cfg!(unix) {
    /// const SIGQUIT: i32 = 3;
    /// let runtime = Builder::new().dump_on_signal(SIGQUIT).dump_thread_stacks(true).build()?;
    /// # drop(runtime);
    /// # }
    /// # std::io::Result::Ok(())
    /// ```
    pub fn dump_thread_stacks(mut self, has_thread_stacks: bool) -> Builder {
        self.config.has_thread_stacks = has_thread_stacks;
        self
    }

    /// Calls `hook` when a [lint](crate::LintKind) fires anywhere in the process, from the
    /// start of this runtime to its end: once for each kind and place. Lints are also logged, as
    /// warnings with the target `reveille::lint`. In a release build they are on only while there
    /// is a hook.
    ///
    /// The thread that finds the lint calls the hook, which is often in a poll. A panic of the hook
    /// is contained.
    ///
    /// # Examples
    ///
    /// ```
    /// use reveille::observe::LintKind;
    /// use reveille::runtime::Builder;
    /// use std::sync::mpsc;
    ///
    /// let (told, is_told) = mpsc::channel();
    /// let runtime = Builder::new().on_lint(move |lint| told.send(lint.kind).unwrap()).build()?;
    /// let bytes = [0_u8; 20_000];
    /// runtime.spawn(async move {
    ///     reveille::task::yield_now().await;
    ///     drop(bytes);
    /// });
    /// assert_eq!(is_told.recv().unwrap(), LintKind::HugeFuture);
    /// # std::io::Result::Ok(())
    /// ```
    pub fn on_lint(mut self, hook: impl Fn(&Lint) + Send + Sync + 'static) -> Builder {
        self.config.on_lint = Some(Arc::new(hook));
        self
    }

    /// Starts the runtime.
    ///
    /// # Errors
    ///
    /// Returns an error if the system refuses a thread, a descriptor or the handler of a signal.
    /// Everything that was started is then ended.
    ///
    /// # Examples
    ///
    /// ```
    /// use reveille::runtime::Builder;
    ///
    /// let runtime = Builder::new().build()?;
    /// assert!(runtime.handle().is_running());
    /// # std::io::Result::Ok(())
    /// ```
    pub fn build(self) -> io::Result<Runtime> {
        global::start(self.config).map(Runtime::new)
    }

    /// Starts the runtime as the global one, which [`spawn`](crate::spawn) uses outside of any
    /// other runtime. Otherwise the global runtime starts on first use, configured by the defaults
    /// and by environment variables. Call this at the beginning of `main`.
    ///
    /// # Errors
    ///
    /// Returns an error if the global runtime is running already
    /// ([`AlreadyExists`](io::ErrorKind::AlreadyExists)), or if the system refuses a thread or a
    /// descriptor. Everything that was started is then ended.
    ///
    /// # Examples
    ///
    /// ```standalone_crate
    /// use reveille::runtime::Builder;
    /// use reveille::task;
    ///
    /// Builder::new()
    ///     .workers(2)
    ///     .on_unhandled_panic(|panic| eprintln!("a task is lost: {:?}", panic.message()))
    ///     .build_global()?;
    /// assert_eq!(task::block_on(task::spawn(async { 6 * 7 })), 42);
    /// # std::io::Result::Ok(())
    /// ```
    pub fn build_global(self) -> io::Result<Handle> {
        global::start_global(self.config).map(Handle::new)
    }
}

//! The options of a runtime, each with its unit, default and bounds.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use reveille_driver::Kind;

use crate::config::{Config, MAX_WORKERS};
use crate::observe::UnhandledPanic;
use crate::runtime::{Handle, Runtime};
use crate::scheduler::multi::{self, WorkerPool};

/// Builds a [`Runtime`] of its own, beside the global one.
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
    /// A builder with the defaults, whatever the environment says.
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

    /// Number of worker threads, 1 to 512. Default: the parallelism the system grants.
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
    /// // One worker: tasks take turns on it, and need no core more.
    /// let runtime = Builder::new().workers(1).build()?;
    /// assert_eq!(runtime.metrics().workers, 1);
    /// # std::io::Result::Ok(())
    /// ```
    pub fn workers(mut self, workers: usize) -> Builder {
        assert!((1..=MAX_WORKERS).contains(&workers), "a runtime has 1 to {MAX_WORKERS} workers");
        self.config.workers = workers;
        self
    }

    /// Name of the worker threads. Default: `async-std/runtime`, as the predecessor's.
    ///
    /// # Panics
    ///
    /// Panics if `name` contains a NUL, which no thread's name can.
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
        self.config.thread_name = Arc::from(name);
        self
    }

    /// Stack of each thread, in bytes. Default: std's, 2 MiB.
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
    /// // About 8 MiB of frames, for which 2 MiB would not do.
    /// let runtime = Builder::new().stack_size(64 << 20).build()?;
    /// assert_eq!(runtime.block_on(runtime.spawn(async { depth(2_000) })), 2_000);
    /// # std::io::Result::Ok(())
    /// ```
    pub fn stack_size(mut self, bytes: usize) -> Builder {
        self.config.stack_size = Some(bytes);
        self
    }

    /// How long a thread without work stays. Default: 10 seconds. The workers stay for ever.
    ///
    /// # Examples
    ///
    /// ```
    /// use reveille::runtime::Builder;
    /// use std::time::Duration;
    ///
    /// // Much work at once, then none for long: do not keep the threads.
    /// let runtime = Builder::new().keep_alive(Duration::from_millis(100)).build()?;
    /// # drop(runtime);
    /// # std::io::Result::Ok(())
    /// ```
    pub fn keep_alive(mut self, keep_alive: Duration) -> Builder {
        self.config.keep_alive = keep_alive;
        self
    }

    /// Threads of the pool for blocking closures, at least 1. Default: 500.
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
    /// // A disk that two readers at once already keep busy. The others wait in a queue.
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

    /// Threads beyond the workers that may take over from a worker whose poll blocks. Default: 256.
    ///
    /// With 0 nothing is taken over: a poll that blocks stops the tasks queued behind it, as in
    /// other runtimes, and there is no monitor thread.
    ///
    /// # Examples
    ///
    /// ```
    /// use reveille::runtime::Builder;
    ///
    /// // Exactly these threads: for a program that counts them, and whose polls never block.
    /// let runtime = Builder::new().workers(2).max_spare_threads(0).build()?;
    /// assert_eq!(runtime.block_on(runtime.spawn(async { 1 })), 1);
    /// # std::io::Result::Ok(())
    /// ```
    pub fn max_spare_threads(mut self, threads: usize) -> Builder {
        self.config.max_spare_threads = threads;
        self
    }

    /// Operations that were ready which a task may do in one poll, 1 to 254, before it goes to the
    /// back of the queue. Default: 32. Fewer make the slowest request faster, more save some polls.
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

    /// Lets a turn of the driver that hears of several messages read them all in one system call
    /// (Linux, io_uring), for the tasks that wait in reads of [`TcpStream`]s, of 8 KiB at most. A
    /// server of many small requests so makes little more than one system call for each instead of
    /// two. Default: off.
    ///
    /// Where io_uring is missing (before Linux 5.18) or forbidden, tasks go on reading by
    /// themselves; [`Metrics::batched_reads`] tells.
    ///
    /// The environment variable `REVEILLE_BATCHED_READS=1` does it for the global runtime.
    ///
    /// # Cancel safety
    ///
    /// What was read for a read that was dropped meanwhile is kept for the next read of that
    /// stream. Nobody who reads from the bare descriptor sees it, which is why this is off unless
    /// asked for. Giving up a stream with such bytes in it fails (`try_into`, or a panic of
    /// `into_raw_fd`) rather than lose them. As much memory as such a read's buffer is kept per
    /// stream.
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
    /// assert_eq!(runtime.metrics().batched_reads, 0); // nobody has read anything yet
    /// # std::io::Result::Ok(())
    /// ```
    pub fn batched_reads(mut self, is_on: bool) -> Builder {
        self.config.driver = if is_on { Kind::Batched } else { Kind::Native };
        self
    }

    /// Seeds the runtime's own choices: where a worker begins to steal, and which of several
    /// futures or streams a combinator asks first, in tasks and in [`Runtime::block_on`]. Default:
    /// chance.
    ///
    /// [`Runtime::block_on`]: crate::runtime::Runtime::block_on
    ///
    /// # Examples
    ///
    /// ```
    /// use reveille::runtime::Builder;
    ///
    /// // The same choices in every run. What threads and sockets do remains chance.
    /// let runtime = Builder::new().workers(1).seed(42).build()?;
    /// # drop(runtime);
    /// # std::io::Result::Ok(())
    /// ```
    pub fn seed(mut self, seed: u64) -> Builder {
        self.config.seed = Some(seed);
        self
    }

    /// Called by each thread of the runtime before its first task. A hook that panics changes
    /// nothing: the thread goes on.
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

    /// Called by each thread of the runtime after its last task. A hook that panics changes
    /// nothing: the thread ends as it would have.
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

    /// Called by a thread that takes a worker over whose poll blocks. A hook that panics changes
    /// nothing: the worker is taken over.
    ///
    /// # Examples
    ///
    /// ```
    /// use reveille::runtime::Builder;
    ///
    /// // A poll has blocked for some milliseconds: a hint to look for a missing `spawn_blocking`.
    /// let note = || eprintln!("a task blocks its thread");
    /// let runtime = Builder::new().on_takeover(note).build()?;
    /// # drop(runtime);
    /// # std::io::Result::Ok(())
    /// ```
    pub fn on_takeover(mut self, hook: impl Fn() + Send + Sync + 'static) -> Builder {
        self.config.on_takeover = Some(Arc::new(hook));
        self
    }

    /// Called when a task panicked and nobody awaits it, instead of a line on standard error.
    ///
    /// That is once for each panic: of a task, local task or blocking closure that was detached
    /// before it panicked, or whose handle was dropped after it; of the drop of a future that
    /// is cancelled, or of an output nobody takes; and of a waker that the runtime wakes. It is
    /// called where the panic was caught or the handle dropped, under no lock. Everything else goes
    /// on; also when this hook panics in turn, which is forgotten.
    ///
    /// The process aborts in two cases, as std has it: when a destructor panics while another panic
    /// unwinds, and when the drop of a task-local panics.
    ///
    /// # Examples
    ///
    /// ```
    /// use reveille::runtime::Builder;
    /// use std::sync::mpsc;
    ///
    /// let (tell, told) = mpsc::sync_channel(1);
    /// let runtime = Builder::new()
    ///     .on_unhandled_panic(move |panic| {
    ///         let _ = tell.try_send(panic.message().unwrap_or("?").to_owned());
    ///     })
    ///     .build()?;
    ///
    /// # let hook = std::panic::take_hook();
    /// # std::panic::set_hook(Box::new(|_| {}));
    /// // Dropping the handle detaches the task: nobody will await it.
    /// drop(runtime.spawn(async { panic!("out of paper") }));
    /// assert_eq!(told.recv().unwrap(), "out of paper");
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

    /// Starts the runtime.
    ///
    /// # Errors
    ///
    /// When the system refuses a thread or a descriptor; nothing is left behind then.
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
        WorkerPool::start(self.config).map(Runtime::new)
    }

    /// Starts the runtime as the global one, which [`spawn`](crate::spawn) means outside of any
    /// other, and which else starts by itself with the defaults and what the environment says.
    /// That is for the beginning of `main`.
    ///
    /// # Errors
    ///
    /// When the global runtime is up already
    /// ([`AlreadyExists`](io::ErrorKind::AlreadyExists)), and when the system refuses a thread or a
    /// descriptor; nothing is left behind then.
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
        multi::start_global(self.config).map(Handle::new)
    }
}

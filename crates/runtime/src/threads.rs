//! Starts the runtime's threads, through the [`Spawner`] of its configuration, and numbers them.
//!
//! The scheduler and the blocking pool describe the thread that they need, and the spawner starts
//! it. So a model or a simulation can supply its own threads.

use std::cell::Cell;
use std::fmt;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use reveille_primitive::sys::TimerSlack;

/// Describes a thread to start.
pub(crate) struct ThreadSpec {
    /// Its name, as debuggers show it.
    pub(crate) name: String,
    /// The size of its stack in bytes, or the platform's default.
    pub(crate) stack_size: Option<usize>,
    /// The function that the thread runs. It must not panic.
    pub(crate) body: Box<dyn FnOnce() + Send>,
}

/// Starts a thread. An error means that the system has no more threads or no memory.
pub(crate) type Spawner = Arc<dyn Fn(ThreadSpec) -> io::Result<Thread> + Send + Sync>;

/// A thread that was started. Dropping it detaches the thread.
pub(crate) struct Thread {
    join: Box<dyn FnOnce() + Send>,
}

impl Thread {
    /// Wraps the function that waits until the thread has ended.
    pub(crate) fn new(join: impl FnOnce() + Send + 'static) -> Thread {
        Thread { join: Box::new(join) }
    }

    /// Blocks until the thread has ended. Detaches it if it is the present one.
    pub(crate) fn join(self) {
        (self.join)();
    }
}

/// The handles of the threads of a pool, with their numbers.
///
/// A thread that has left still runs the destructors of its thread-locals, which are user code. So
/// its handle is kept until the next thread leaves, which joins it, or until the pool ends.
///
/// A thread may leave before the thread that started it stores its handle. The list remembers this.
/// Handles are returned and never dropped here, because the caller holds the lock of its pool.
#[derive(Debug, Default)]
pub(crate) struct JoinList {
    handles: Vec<(u64, Thread)>,
    /// The threads that have left and that nothing has joined.
    left: Vec<Thread>,
    /// Numbers of the threads that left before their handle was stored.
    left_early: Vec<u64>,
}

impl JoinList {
    /// Stores the handle of a thread. `true` if that thread has left already.
    pub(crate) fn started(&mut self, number: u64, thread: Thread) -> bool {
        match self.left_early.iter().position(|left| *left == number) {
            Some(at) => {
                self.left_early.swap_remove(at);
                self.left.push(thread);
                true
            }
            None => {
                self.handles.push((number, thread));
                false
            }
        }
    }

    /// The number of threads that have left and whose handle is not stored yet.
    pub(crate) fn left_early(&self) -> usize {
        self.left_early.len()
    }

    /// Called when a thread leaves. Returns those that left before it.
    #[must_use = "join them after the lock is released"]
    pub(crate) fn leave(&mut self, number: u64) -> Vec<Thread> {
        let Some(at) = self.handles.iter().position(|(own, _)| *own == number) else {
            self.left_early.push(number);
            return Vec::new();
        };
        let (_, thread) = self.handles.swap_remove(at);
        std::mem::replace(&mut self.left, vec![thread])
    }

    /// Removes the handles of the threads that have left.
    #[must_use = "join them after the lock is released"]
    pub(crate) fn take_left(&mut self) -> Vec<Thread> {
        std::mem::take(&mut self.left)
    }

    /// Removes all handles.
    #[must_use = "drop or join them after the lock is released"]
    pub(crate) fn take(&mut self) -> Vec<Thread> {
        let handles = std::mem::take(&mut self.handles).into_iter().map(|(_, thread)| thread);
        self.take_left().into_iter().chain(handles).collect()
    }
}

impl fmt::Debug for ThreadSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ThreadSpec")
            .field("name", &self.name)
            .field("stack_size", &self.stack_size)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for Thread {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Thread").finish_non_exhaustive()
    }
}

/// The minimum time between two checks whether a thread must still stay, because the keep-alive may
/// be zero.
const STAY: Duration = Duration::from_secs(1);

/// How long the calling thread must wait before it checks again whether it may end; `None` if it
/// may end now. Called when its keep-alive has passed, without a lock held.
///
/// Linux ties a child to the thread that started it: `PR_SET_PDEATHSIG` kills the child when that
/// thread ends, and tracing ends with the tracer. So a thread does not end while it has children.
pub(crate) fn stays_for(keep_alive: Duration) -> Option<Duration> {
    reveille_primitive::sys::has_children().then(|| keep_alive.max(STAY))
}

/// The spawner that starts threads of the operating system.
pub(crate) fn system_spawner() -> Spawner {
    Arc::new(|spec: ThreadSpec| {
        if spec.name.contains('\0') {
            // Names of the system end at a zero byte, so std would panic.
            let text = format!("the name of a thread, {:?}, contains a zero byte", spec.name);
            return Err(io::Error::new(io::ErrorKind::InvalidInput, text));
        }
        let mut builder = std::thread::Builder::new().name(spec.name);
        if let Some(size) = spec.stack_size {
            builder = builder.stack_size(size);
        }
        let body = spec.body;
        OWN.fetch_add(1, Ordering::Relaxed);
        let counted = CountedThread;
        let handle = builder.spawn(move || {
            let _counted = counted;
            IS_OWN.with(|is_own| is_own.set(true));
            // If a worker started this thread, it has inherited the worker's least slack.
            TimerSlack::usual();
            body();
        })?;
        Ok(Thread::new(move || {
            // The drop of one of its thread-locals may end the pool. A thread cannot wait for its
            // own end.
            if handle.thread().id() != std::thread::current().id() {
                // The body does not panic. Even if it did, the thread would have ended.
                let _ = handle.join();
            }
        }))
    })
}

/// Threads of reveille's own that have not ended.
static OWN: AtomicUsize = AtomicUsize::new(0);

thread_local!(static IS_OWN: Cell<bool> = const { Cell::new(false) });

/// A thread that [`OWN`] counts, until it is dropped.
struct CountedThread;

impl Drop for CountedThread {
    fn drop(&mut self) {
        OWN.fetch_sub(1, Ordering::Relaxed);
    }
}

/// How many threads of reveille's own there are. In a child process made by `fork` this also counts
/// those of the parent.
pub(crate) fn own_threads() -> usize {
    OWN.load(Ordering::Relaxed)
}

/// Whether this thread is one of reveille's own.
pub(crate) fn is_own() -> bool {
    IS_OWN.with(Cell::get)
}

/// Threads of reveille's own that serve others and are in no registry, such as that of standard
/// input. While there is one, the operations that it serves may still complete.
static SERVING: AtomicUsize = AtomicUsize::new(0);

/// Counts the calling thread as one that serves others, for as long as `body` runs.
pub(crate) fn serve(body: impl FnOnce()) {
    SERVING.fetch_add(1, Ordering::Relaxed);
    body();
    SERVING.fetch_sub(1, Ordering::Relaxed);
}

/// Whether there is a thread of [`serve`].
pub(crate) fn are_any_serving() -> bool {
    SERVING.load(Ordering::Relaxed) > 0
}

thread_local!(static THREAD_INDEX: Cell<usize> = const { Cell::new(0) });

/// A number that differs between threads, to spread them over shards.
pub(crate) fn thread_index() -> usize {
    // A std atomic: it publishes nothing but itself, and a static cannot hold loom's.
    static NEXT: AtomicUsize = AtomicUsize::new(1);
    THREAD_INDEX.with(|index| {
        if index.get() == 0 {
            index.set(NEXT.fetch_add(1, Ordering::Relaxed));
        }
        index.get()
    })
}

/// Whether `number` is the [`thread_index`] of this thread.
#[inline]
pub(crate) fn is_this_thread(number: usize) -> bool {
    THREAD_INDEX.with(Cell::get) == number
}

#[cfg(all(test, not(reveille_loom)))]
mod tests {
    use std::sync::mpsc;

    use super::*;

    #[test]
    fn a_thread_has_its_name_and_can_be_joined() {
        let (sender, receiver) = mpsc::channel();
        let body = Box::new(move || {
            let name = std::thread::current().name().map(str::to_owned);
            sender.send(name).expect("the test waits");
        });
        let spec = ThreadSpec { name: "a-name".to_owned(), stack_size: Some(1 << 16), body };
        let thread = system_spawner()(spec).expect("there is room for a thread");
        thread.join();
        assert_eq!(receiver.recv(), Ok(Some("a-name".to_owned())));
    }

    #[test]
    fn a_thread_local_may_end_the_pool_of_its_own_thread() {
        /// Joins, when it is dropped.
        struct Joins(mpsc::Receiver<Thread>, mpsc::Sender<()>);
        impl Drop for Joins {
            fn drop(&mut self) {
                self.0.recv().expect("the test sends it").join();
                self.1.send(()).expect("the test waits");
            }
        }
        thread_local!(static JOINS: Cell<Option<Joins>> = const { Cell::new(None) });
        let ((sender, receiver), (joined, is_joined)) = (mpsc::channel(), mpsc::channel());
        let body = Box::new(|| JOINS.set(Some(Joins(receiver, joined))));
        let spec = ThreadSpec { name: "a-name".to_owned(), stack_size: None, body };
        sender.send(system_spawner()(spec).expect("there is room for a thread")).expect("it waits");
        assert_eq!(is_joined.recv(), Ok(()));
    }

    #[test]
    fn a_handle_is_kept_until_the_next_thread_leaves() {
        let thread = || Thread::new(|| ());
        let mut list = JoinList::default();
        assert!(!list.started(1, thread()));
        assert!(list.leave(1).is_empty());
        assert!(list.leave(2).is_empty(), "its handle is not stored yet");
        assert_eq!(list.left_early(), 1);
        assert!(list.started(2, thread()), "it has left");
        assert!(!list.started(3, thread()));
        assert_eq!(list.leave(3).len(), 2, "threads 1 and 2");
        assert!(!list.started(4, thread()));
        assert_eq!((list.take().len(), list.left_early.len()), (2, 0));
    }

    #[test]
    fn a_name_with_a_zero_byte_is_an_error() {
        let spec = ThreadSpec { name: "a\0b".to_owned(), stack_size: None, body: Box::new(|| ()) };
        let error = system_spawner()(spec).expect_err("no such thread");
        assert_eq!(error.kind(), io::ErrorKind::InvalidInput);
    }
}

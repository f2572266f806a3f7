//! The public identity of a task: [`TaskId`] and [`Task`].

use std::fmt;
use std::num::NonZeroU64;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// A number that is unique among all tasks of this process, including those that have ended.
///
/// Numbers start at 1. A task gets its number on first use, so the numbers do not reflect the order
/// in which tasks were spawned.
///
/// # Examples
///
/// ```
/// use reveille::task;
///
/// task::block_on(async {
///     let (one, two) = (task::spawn(async {}), task::spawn(async {}));
///     assert_ne!(one.id(), two.id());
/// });
/// ```
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct TaskId(NonZeroU64);

impl TaskId {
    /// Takes the next number. The counter orders no other memory accesses, so it is std's atomic
    /// even under loom. 2^64 numbers last for centuries.
    pub(crate) fn draw() -> TaskId {
        static NEXT: AtomicU64 = AtomicU64::new(1);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        TaskId(NonZeroU64::new(number).expect("64 bits of task numbers do not run out"))
    }

    /// The number.
    ///
    /// # Examples
    ///
    /// ```
    /// reveille::task::block_on(async {
    ///     assert!(reveille::task::current().id().get() > 0);
    /// });
    /// ```
    pub fn get(self) -> u64 {
        self.0.get()
    }
}

impl fmt::Display for TaskId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Names a task: its id, and its name if it was given one.
///
/// # Examples
///
/// ```
/// use reveille::task;
///
/// let task = task::Builder::new()
///     .name("reaper".to_owned())
///     .spawn(async { format!("{:?}", task::current().name()) })?;
/// assert_eq!(task::block_on(task), "Some(\"reaper\")");
/// # std::io::Result::Ok(())
/// ```
#[derive(Clone)]
pub struct Task {
    id: TaskId,
    name: Option<Arc<str>>,
}

impl Task {
    pub(crate) fn new(name: Option<Arc<str>>) -> Task {
        Task { id: TaskId::draw(), name }
    }

    /// The number of this task.
    ///
    /// # Examples
    ///
    /// ```
    /// use reveille::task;
    ///
    /// task::block_on(async { println!("this is task {}", task::current().id()) });
    /// ```
    pub fn id(&self) -> TaskId {
        self.id
    }

    /// The name given to this task when it was built.
    ///
    /// # Examples
    ///
    /// ```
    /// use reveille::task;
    ///
    /// task::block_on(async { assert_eq!(task::current().name(), None) });
    /// ```
    pub fn name(&self) -> Option<&str> {
        self.name.as_deref()
    }
}

impl fmt::Debug for Task {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Task").field("id", &self.id()).field("name", &self.name()).finish()
    }
}

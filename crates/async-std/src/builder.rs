//! reveille's task builder, with `local` behind the feature `unstable` as in async-std.

use std::future::Future;

use reveille::io;
use reveille::task::{self, JoinHandle};

/// Spawns a task that has a name.
///
/// # Examples
///
/// ```
/// use async_std::task;
///
/// let task = task::Builder::new()
///     .name("counter".to_string())
///     .spawn(async { task::current().name().map(str::to_owned) })?;
/// assert_eq!(task::block_on(task).as_deref(), Some("counter"));
/// # std::io::Result::Ok(())
/// ```
#[derive(Debug, Default)]
pub struct Builder {
    name: Option<String>,
}

impl Builder {
    /// Creates a builder for a task without a name.
    ///
    /// # Examples
    ///
    /// ```
    /// use async_std::task;
    ///
    /// let task = task::Builder::new().spawn(async { task::current().name().is_none() })?;
    /// assert!(task::block_on(task));
    /// # std::io::Result::Ok(())
    /// ```
    #[inline]
    pub fn new() -> Builder {
        Builder::default()
    }

    /// Names the task. Reports and [`current`](task::current) show the name.
    ///
    /// # Examples
    ///
    /// ```
    /// use async_std::task;
    ///
    /// let task = task::Builder::new().name("reaper".to_owned()).spawn(async {})?;
    /// assert_eq!(task.task().name(), Some("reaper"));
    /// # task::block_on(task);
    /// # std::io::Result::Ok(())
    /// ```
    #[inline]
    pub fn name(mut self, name: String) -> Builder {
        self.name = Some(name);
        self
    }

    /// Spawns the task onto the pool, as [`spawn`](task::spawn) does.
    ///
    /// # Errors
    ///
    /// Does not fail at present. The signature is async-std's.
    ///
    /// # Examples
    ///
    /// ```
    /// use async_std::task;
    ///
    /// let task = task::Builder::new().spawn(async { 1 + 2 })?;
    /// assert_eq!(task::block_on(task), 3);
    /// # std::io::Result::Ok(())
    /// ```
    #[track_caller]
    pub fn spawn<F, T>(self, future: F) -> io::Result<JoinHandle<T>>
    where
        F: Future<Output = T> + Send + 'static,
        T: Send + 'static,
    {
        self.builder().spawn(future)
    }

    /// Spawns the task onto this thread, as [`spawn_local`](task::spawn_local) does.
    ///
    /// # Errors
    ///
    /// Does not fail at present.
    ///
    /// # Examples
    ///
    /// ```
    /// use async_std::task;
    /// use std::rc::Rc;
    ///
    /// task::block_on(async {
    ///     let one = Rc::new(1);
    ///     let task = task::Builder::new().local(async move { *one }).unwrap();
    ///     assert_eq!(task.await, 1);
    /// });
    /// ```
    #[cfg(feature = "unstable")]
    #[cfg_attr(docsrs, doc(cfg(feature = "unstable")))]
    #[track_caller]
    pub fn local<F, T>(self, future: F) -> io::Result<JoinHandle<T>>
    where
        F: Future<Output = T> + 'static,
        T: 'static,
    {
        self.builder().local(future)
    }

    /// Runs the future on this thread until it is ready, as [`block_on`](task::block_on) does.
    ///
    /// # Examples
    ///
    /// ```
    /// use async_std::task;
    ///
    /// let name = task::Builder::new()
    ///     .name("main".to_string())
    ///     .blocking(async { task::current().name().map(str::to_owned) });
    /// assert_eq!(name.as_deref(), Some("main"));
    /// ```
    pub fn blocking<F, T>(self, future: F) -> T
    where
        F: Future<Output = T>,
    {
        self.builder().blocking(future)
    }

    fn builder(self) -> task::Builder {
        match self.name {
            Some(name) => task::Builder::new().name(name),
            None => task::Builder::new(),
        }
    }
}

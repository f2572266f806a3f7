//! A builder of tasks with names.

use std::future::Future;
use std::io;
use std::sync::Arc;

use super::JoinHandle;

/// Configures a task before it is spawned.
///
/// # Examples
///
/// ```
/// use reveille::task;
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
    /// Creates a builder of a task without a name.
    ///
    /// # Examples
    ///
    /// ```
    /// use reveille::task;
    ///
    /// let task = task::Builder::new().spawn(async { task::current().name().is_none() })?;
    /// assert!(task::block_on(task));
    /// # std::io::Result::Ok(())
    /// ```
    #[must_use]
    pub fn new() -> Builder {
        Builder::default()
    }

    /// Names the task. Reports and [`current`](super::current) show the name.
    ///
    /// # Examples
    ///
    /// ```
    /// use reveille::task;
    ///
    /// let task = task::Builder::new().name("reaper".to_owned()).spawn(async {})?;
    /// assert_eq!(task.name(), Some("reaper"));
    /// # task::block_on(task);
    /// # std::io::Result::Ok(())
    /// ```
    #[must_use]
    pub fn name(mut self, name: String) -> Builder {
        self.name = Some(name);
        self
    }

    fn take_name(self) -> Option<Arc<str>> {
        self.name.map(Arc::from)
    }

    /// Spawns the task onto the pool, as [`spawn`](super::spawn) does.
    ///
    /// # Errors
    ///
    /// It does not fail at present. The signature is async-std's.
    ///
    /// # Examples
    ///
    /// ```
    /// use reveille::task;
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
        let handle = reveille_runtime::task::spawn_named(self.take_name(), future);
        super::trace_spawn("spawn", &handle);
        Ok(handle)
    }

    /// Spawns the task onto this thread, as [`spawn_local`](super::spawn_local) does.
    ///
    /// # Errors
    ///
    /// It does not fail at present.
    ///
    /// # Examples
    ///
    /// ```
    /// use reveille::task;
    /// use std::rc::Rc;
    ///
    /// task::block_on(async {
    ///     let one = Rc::new(1);
    ///     let task = task::Builder::new().local(async move { *one }).unwrap();
    ///     assert_eq!(task.await, 1);
    /// });
    /// ```
    #[track_caller]
    pub fn local<F, T>(self, future: F) -> io::Result<JoinHandle<T>>
    where
        F: Future<Output = T> + 'static,
        T: 'static,
    {
        let handle = reveille_runtime::task::spawn_local_named(self.take_name(), future);
        super::trace_spawn("spawn_local", &handle);
        Ok(handle)
    }

    /// Runs the future on this thread until it is ready, as [`block_on`](super::block_on) does.
    ///
    /// # Examples
    ///
    /// ```
    /// use reveille::task;
    ///
    /// let name = task::Builder::new()
    ///     .name("main".to_string())
    ///     .blocking(async { task::current().name().map(str::to_owned) });
    /// assert_eq!(name.as_deref(), Some("main"));
    /// ```
    #[track_caller]
    pub fn blocking<F, T>(self, future: F) -> T
    where
        F: Future<Output = T>,
    {
        if log::log_enabled!(log::Level::Trace) {
            return super::block_on_traced(self.take_name(), future);
        }
        reveille_runtime::task::block_on_named(self.take_name(), future)
    }
}

//! The configuration of the executor, which configures reveille's global runtime.

use std::fmt;
use std::io::ErrorKind;
use std::sync::Once;

use reveille_runtime::Builder;

/// The most workers that reveille's builder takes.
const MAX_WORKERS: usize = 512;

/// The variable for the number of threads, unless the configuration names another one.
const VARIABLE: &str = "ASYNC_GLOBAL_EXECUTOR_THREADS";

/// The one configuration of the process.
static CONFIGURED: Once = Once::new();

/// How [`init_with_config`](crate::init_with_config) starts the executor.
///
/// # Examples
///
/// ```standalone_crate
/// use async_global_executor::{GlobalExecutorConfig, block_on, init_with_config, spawn};
///
/// init_with_config(GlobalExecutorConfig::default().with_min_threads(2));
/// assert_eq!(block_on(spawn(async { 1 })), 1);
/// ```
#[derive(Default)]
pub struct GlobalExecutorConfig {
    env_var: Option<&'static str>,
    min_threads: Option<usize>,
    max_threads: Option<usize>,
    thread_name_fn: Option<Box<dyn Fn() -> String + Send + Sync>>,
}

impl fmt::Debug for GlobalExecutorConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GlobalExecutorConfig")
            .field("env_var", &self.env_var)
            .field("min_threads", &self.min_threads)
            .field("max_threads", &self.max_threads)
            .finish()
    }
}

impl GlobalExecutorConfig {
    /// Sets the environment variable with the number of threads, in place of
    /// `ASYNC_GLOBAL_EXECUTOR_THREADS`.
    ///
    /// # Examples
    ///
    /// ```
    /// use async_global_executor::GlobalExecutorConfig;
    ///
    /// let config = GlobalExecutorConfig::default().with_env_var("NUMBER_OF_THREADS");
    /// assert!(format!("{config:?}").contains("NUMBER_OF_THREADS"));
    /// ```
    #[must_use]
    pub fn with_env_var(mut self, env_var: &'static str) -> Self {
        self.env_var = Some(env_var);
        self
    }

    /// Sets the number of workers, if the environment variable does not.
    ///
    /// # Examples
    ///
    /// ```
    /// use async_global_executor::GlobalExecutorConfig;
    ///
    /// let config = GlobalExecutorConfig::default().with_min_threads(4);
    /// assert!(format!("{config:?}").contains("min_threads: Some(4)"));
    /// ```
    #[must_use]
    pub fn with_min_threads(mut self, min_threads: usize) -> Self {
        self.min_threads = Some(min_threads);
        self
    }

    /// Has no effect: the number of workers is the minimum.
    ///
    /// # Examples
    ///
    /// ```
    /// use async_global_executor::GlobalExecutorConfig;
    ///
    /// let config = GlobalExecutorConfig::default().with_max_threads(6);
    /// assert!(format!("{config:?}").contains("max_threads: Some(6)"));
    /// ```
    #[must_use]
    pub fn with_max_threads(mut self, max_threads: usize) -> Self {
        self.max_threads = Some(max_threads);
        self
    }

    /// Sets the name of the workers. The function is called once, so all of them have one name.
    ///
    /// # Examples
    ///
    /// ```standalone_crate
    /// use async_global_executor::{GlobalExecutorConfig, block_on, init_with_config, spawn};
    ///
    /// init_with_config(GlobalExecutorConfig::default().with_thread_name_fn(|| "mine".to_owned()));
    /// let name = spawn(async { std::thread::current().name().map(str::to_owned) });
    /// assert_eq!(block_on(name).as_deref(), Some("mine"));
    /// ```
    #[must_use]
    pub fn with_thread_name_fn(
        mut self,
        thread_name_fn: impl Fn() -> String + Send + Sync + 'static,
    ) -> Self {
        self.thread_name_fn = Some(Box::new(thread_name_fn));
        self
    }

    /// The number of workers that this configuration asks for, if any.
    fn workers(&self) -> Option<usize> {
        let from_variable = variable(self.env_var.unwrap_or(VARIABLE))
            .and_then(|threads| threads.parse::<usize>().ok());
        Some(from_variable.or(self.min_threads)?.clamp(1, MAX_WORKERS))
    }
}

#[allow(clippy::disallowed_methods, reason = "the original reads these variables here")]
fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

/// Configures the executor, unless it is configured already.
pub(crate) fn configure(config: GlobalExecutorConfig) {
    CONFIGURED.call_once(|| start(&config));
}

/// Configures the executor with the defaults, unless it is configured already.
#[inline]
pub(crate) fn configure_by_default() {
    CONFIGURED.call_once(|| start(&GlobalExecutorConfig::default()));
}

/// Starts reveille's global runtime if something is configured. Otherwise its first use starts it.
fn start(config: &GlobalExecutorConfig) {
    let workers = config.workers().filter(|_| variable("REVEILLE_THREADS").is_none());
    if workers.is_none() && config.thread_name_fn.is_none() {
        return;
    }
    let mut builder = Builder::from_env();
    if let Some(workers) = workers {
        builder = builder.workers(workers);
    }
    if let Some(name) = &config.thread_name_fn {
        builder = builder.thread_name(&name());
    }
    match builder.build_global() {
        Err(error) if error.kind() != ErrorKind::AlreadyExists => {
            panic!("could not start the global executor: {error}");
        }
        // Something else has started the runtime, and its configuration stays.
        Ok(_) | Err(_) => {}
    }
}

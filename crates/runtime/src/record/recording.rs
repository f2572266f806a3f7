//! The handle of a recording to a file, and the recording that the environment asks for.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Once};

use reveille_trace::{LintRule, LiveRecord};

use super::file::{self, FileRecording};
use super::histogram::Histogram;
use super::session::Session;
use crate::lint::{self, HookGuard, LintKind};

/// A recording to a file, until it is dropped: see
/// [`record_to`](crate::recording::record_to).
///
/// # Examples
///
/// ```
/// use reveille::observe;
///
/// let path = std::env::temp_dir().join("another-example-%p.rvt");
/// let recording = observe::record_to(&path)?;
/// assert!(recording.path().exists());
/// # let path = recording.path().to_owned();
/// recording.finish()?;
/// # std::fs::remove_file(path)?;
/// # std::io::Result::Ok(())
/// ```
#[derive(Debug)]
#[must_use = "the recording ends when this is dropped"]
pub struct Recording {
    file: Arc<FileRecording>,
    _lints: HookGuard,
}

impl Recording {
    /// Begins to record to a new file at `path`.
    ///
    /// # Errors
    ///
    /// As for [`record_to`](crate::recording::record_to).
    pub(crate) fn begin(path: &Path) -> io::Result<Recording> {
        let file = file::begin(&with_process(path))?;
        finish_before_abort();
        Ok(Recording { file, _lints: record_lints() })
    }

    pub(crate) fn session(&self) -> &Session {
        self.file.session()
    }

    /// Adds the tasks that are live now.
    pub(crate) fn write_living(&self, tick: u64, tasks: &[LiveRecord]) {
        self.file.write_live(tick, tasks);
    }

    /// Completes the file when the runtime that began the recording ends.
    pub(crate) fn end(&self) {
        if let Err(error) = self.file.finish() {
            super::complain(&error.to_string());
        }
    }

    /// Ends the recording and completes the file.
    ///
    /// # Errors
    ///
    /// Fails if a part of the file could not be written, now or earlier.
    ///
    /// # Examples
    ///
    /// ```
    /// # let path = std::env::temp_dir().join("finish-example-%p.rvt");
    /// let recording = reveille::observe::record_to(&path)?;
    /// # let path = recording.path().to_owned();
    /// recording.finish()?;
    /// # std::fs::remove_file(path)?;
    /// # std::io::Result::Ok(())
    /// ```
    pub fn finish(self) -> io::Result<()> {
        self.file.finish()
    }

    /// Returns the path of the file.
    ///
    /// # Examples
    ///
    /// ```
    /// # let path = std::env::temp_dir().join("path-example-%p.rvt");
    /// let recording = reveille::observe::record_to(&path)?;
    /// println!("look at it with: reveille view {}", recording.path().display());
    /// # let path = recording.path().to_owned();
    /// # drop(recording);
    /// # std::fs::remove_file(path)?;
    /// # std::io::Result::Ok(())
    /// ```
    #[must_use]
    pub fn path(&self) -> &Path {
        self.file.path()
    }

    /// Returns how long the polls have taken since the recording began.
    ///
    /// # Examples
    ///
    /// ```
    /// # let path = std::env::temp_dir().join("times-example-%p.rvt");
    /// let recording = reveille::observe::record_to(&path)?;
    /// reveille::task::block_on(reveille::task::yield_now());
    /// assert!(recording.poll_times().count() >= 2);
    /// # let path = recording.path().to_owned();
    /// # drop(recording);
    /// # std::fs::remove_file(path)?;
    /// # std::io::Result::Ok(())
    /// ```
    #[must_use]
    pub fn poll_times(&self) -> Histogram {
        self.session().poll_times()
    }

    /// Returns how long tasks have waited from a wake to the poll after it. It is a sample: of
    /// tasks that are woken at the same time, some may be left out.
    ///
    /// # Examples
    ///
    /// ```
    /// # let path = std::env::temp_dir().join("latencies-example-%p.rvt");
    /// let recording = reveille::observe::record_to(&path)?;
    /// println!("half of the tasks waited less than {:?}", recording.latencies().quantile(0.5));
    /// # let path = recording.path().to_owned();
    /// # drop(recording);
    /// # std::fs::remove_file(path)?;
    /// # std::io::Result::Ok(())
    /// ```
    #[must_use]
    pub fn latencies(&self) -> Histogram {
        self.session().latencies()
    }
}

impl Drop for Recording {
    fn drop(&mut self) {
        // A failure was reported when it happened, or this is the second call.
        let _ = self.file.finish();
    }
}

/// Starts the recording that the environment asks for, if no earlier call has. Called before the
/// first task of the process is spawned.
pub(crate) fn start_from_environment() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let Some(path) = super::path_from_environment() else { return };
        match Recording::begin(&path) {
            // Until the end of the process.
            Ok(recording) => std::mem::forget(recording),
            Err(error) => super::complain(&format!("{}: {error}", super::VARIABLE)),
        }
    });
}

/// The path with the number of this process in place of `%p`.
pub(crate) fn with_process(path: &Path) -> PathBuf {
    match path.to_str() {
        Some(text) => text.replace("%p", &std::process::id().to_string()).into(),
        None => path.to_owned(),
    }
}

/// Completes the file when a panic is about to abort the process.
fn finish_before_abort() {
    static ONCE: Once = Once::new();
    if cfg!(panic = "abort") {
        ONCE.call_once(|| {
            let before = std::panic::take_hook();
            std::panic::set_hook(Box::new(move |info| {
                before(info);
                file::finish_at_exit();
            }));
        });
    }
}

/// Records each lint, until the guard is dropped.
pub(crate) fn record_lints() -> HookGuard {
    lint::add_hook(Arc::new(|lint| {
        if reveille_task::is_recording() {
            super::lint(rule(lint.kind), lint.facts);
        }
    }))
}

fn rule(kind: LintKind) -> LintRule {
    match kind {
        LintKind::LongPoll => LintRule::LongPoll,
        LintKind::HandedOver => LintRule::HandedOff,
        LintKind::BlockOnInTask => LintRule::BlockOnInTask,
        LintKind::PendingWithoutWaker => LintRule::NoWaker,
        LintKind::LastWakerDropped => LintRule::LastWakerDropped,
        LintKind::HugeFuture => LintRule::HugeFuture,
        LintKind::BlockingPoolFull => LintRule::PoolFull,
        LintKind::Quiescent => LintRule::Quiescent,
    }
}

//! Flight recorders keep the latest events in memory. A snapshot writes them to a file.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use reveille_primitive::lock::Mutex;

use super::living;
use super::snapshot::{Trigger, write};
use super::triggers::Triggers;
use crate::lint::HookGuard;
use crate::record::flight::{self, FlightLog};
use crate::record::{Histogram, record_lints};

/// What a flight recorder keeps by default.
const WINDOW: Duration = Duration::from_secs(10);
const MEMORY_BYTES: usize = 16 << 20;

/// The flight recorder of this process, for snapshots.
static CURRENT: Mutex<Option<Arc<FlightLog>>> = Mutex::new(None);

/// Records what happens in this process in memory, and keeps the last seconds of it. A snapshot
/// writes them to a file for `reveille view`. A flight recorder has no thread and writes nothing
/// until it is asked to, so a program can always run one. It costs a few percent of a server's CPU
/// time, and the memory for the events.
///
/// # Examples
///
/// ```
/// use reveille::{observe, task};
/// use std::time::Duration;
///
/// let recorder = observe::FlightRecorder::new().window(Duration::from_secs(5)).start()?;
/// task::block_on(task::spawn(async { println!("this is recorded") }));
/// let trace: Vec<u8> = recorder.snapshot()?;
/// assert!(!trace.is_empty());
/// # std::io::Result::Ok(())
/// ```
#[derive(Clone, Debug)]
#[must_use = "it records after `start`"]
pub struct FlightRecorder {
    window: Duration,
    memory_bytes: usize,
    triggers: Triggers,
}

impl Default for FlightRecorder {
    fn default() -> FlightRecorder {
        FlightRecorder { window: WINDOW, memory_bytes: MEMORY_BYTES, triggers: Triggers::default() }
    }
}

impl FlightRecorder {
    /// Makes a flight recorder that keeps the last 10 seconds, in 16 MiB of memory at most, and
    /// writes a snapshot only when the program asks for it.
    ///
    /// # Examples
    ///
    /// ```
    /// let recorder = reveille::observe::FlightRecorder::new().start()?;
    /// # drop(recorder);
    /// # std::io::Result::Ok(())
    /// ```
    pub fn new() -> FlightRecorder {
        FlightRecorder::default()
    }

    /// Sets the minimum time for which events are kept, if there is memory for them.
    ///
    /// # Examples
    ///
    /// ```
    /// use reveille::observe::FlightRecorder;
    /// use std::time::Duration;
    ///
    /// let recorder = FlightRecorder::new().window(Duration::from_secs(60)).start()?;
    /// # drop(recorder);
    /// # std::io::Result::Ok(())
    /// ```
    pub fn window(mut self, window: Duration) -> FlightRecorder {
        self.window = window;
        self
    }

    /// Sets how much memory the events may take, in bytes. A poll takes about 25 bytes. Each thread
    /// takes another 32 KiB.
    ///
    /// # Examples
    ///
    /// ```
    /// use reveille::observe::FlightRecorder;
    ///
    /// let recorder = FlightRecorder::new().memory(64 << 20).start()?;
    /// # drop(recorder);
    /// # std::io::Result::Ok(())
    /// ```
    pub fn memory(mut self, bytes: usize) -> FlightRecorder {
        self.memory_bytes = bytes;
        self
    }

    /// Sets the folder where the snapshots of [`on_signal`](FlightRecorder::on_signal),
    /// [`on_panic`](FlightRecorder::on_panic) and [`on_lint`](FlightRecorder::on_lint) go. Default:
    /// the current folder. The files are called `reveille-PROCESS-NUMBER.rvt`.
    ///
    /// # Examples
    ///
    /// ```
    /// use reveille::observe::FlightRecorder;
    ///
    /// let recorder = FlightRecorder::new().folder(std::env::temp_dir()).on_panic().start()?;
    /// # drop(recorder);
    /// # std::io::Result::Ok(())
    /// ```
    pub fn folder(mut self, folder: impl Into<PathBuf>) -> FlightRecorder {
        self.triggers.folder = folder.into();
        self
    }

    /// Writes a snapshot when the process receives `signal`, such as 12, `SIGUSR2` on Linux. As
    /// with [`dump_on_signal`](crate::Builder::dump_on_signal), the signal no longer ends the
    /// process. Unix only; elsewhere [`start`](FlightRecorder::start) fails.
    ///
    /// # Examples
    ///
    /// ```
    /// use reveille::observe::FlightRecorder;
    ///
    /// # if cfg!(unix) {
    /// const SIGUSR2: i32 = 12;
    /// let recorder =
    ///     FlightRecorder::new().folder(std::env::temp_dir()).on_signal(SIGUSR2).start()?;
    /// # drop(recorder);
    /// # }
    /// # std::io::Result::Ok(())
    /// ```
    pub fn on_signal(mut self, signal: i32) -> FlightRecorder {
        self.triggers.signal = Some(signal);
        self
    }

    /// Writes a snapshot when a thread panics, before the panic unwinds or aborts. Panics and lints
    /// together write at most ten snapshots.
    ///
    /// # Examples
    ///
    /// ```
    /// use reveille::observe::FlightRecorder;
    ///
    /// let recorder = FlightRecorder::new().folder(std::env::temp_dir()).on_panic().start()?;
    /// # drop(recorder);
    /// # std::io::Result::Ok(())
    /// ```
    pub fn on_panic(mut self) -> FlightRecorder {
        self.triggers.on_panic = true;
        self
    }

    /// Writes a snapshot when a [lint](crate::LintKind) fires. Panics and lints together write at
    /// most ten snapshots.
    ///
    /// # Examples
    ///
    /// ```
    /// use reveille::observe::FlightRecorder;
    ///
    /// let recorder = FlightRecorder::new().folder(std::env::temp_dir()).on_lint().start()?;
    /// # drop(recorder);
    /// # std::io::Result::Ok(())
    /// ```
    pub fn on_lint(mut self) -> FlightRecorder {
        self.triggers.on_lint = true;
        self
    }

    /// Records from now on, until the value that this returns is dropped.
    ///
    /// # Errors
    ///
    /// Fails if the process records already, if a snapshot on a signal was asked for and the system
    /// refuses the handler or its thread, or if the folder for snapshots does not exist.
    ///
    /// # Examples
    ///
    /// ```
    /// use reveille::observe::FlightRecorder;
    ///
    /// let recorder = FlightRecorder::new().start()?;
    /// assert!(FlightRecorder::new().start().is_err(), "one at a time");
    /// # drop(recorder);
    /// # std::io::Result::Ok(())
    /// ```
    pub fn start(self) -> io::Result<FlightRecording> {
        self.triggers.prepare()?;
        let log = flight::begin(self.window, self.memory_bytes)?;
        *CURRENT.lock() = Some(Arc::clone(&log));
        // The lint is recorded first, so that its snapshot has it.
        let recorded = record_lints();
        let lint = self.triggers.arm(&log);
        Ok(FlightRecording { log, _lints: [Some(recorded), lint] })
    }
}

/// A running [`FlightRecorder`]. Dropping it ends the recording.
///
/// # Examples
///
/// ```
/// use reveille::{observe, task};
///
/// let recorder = observe::FlightRecorder::new().start()?;
/// task::block_on(task::spawn(async {}));
/// let path = std::env::temp_dir().join("flight-example.rvt");
/// recorder.snapshot_to(&path)?;
/// println!("look at it with: reveille view {}", path.display());
/// # std::fs::remove_file(path)?;
/// # std::io::Result::Ok(())
/// ```
#[derive(Debug)]
#[must_use = "the recording ends when this is dropped"]
pub struct FlightRecording {
    log: Arc<FlightLog>,
    _lints: [Option<HookGuard>; 2],
}

impl FlightRecording {
    /// Returns a trace of what happened last, with the await stacks of the tasks that wait: the
    /// contents of a file for `reveille view`. Takes a [dump](crate::inspect::dump) for the stacks,
    /// so it blocks the calling thread until that is complete. The other threads keep running. It
    /// also works while workers are blocked.
    ///
    /// # Errors
    ///
    /// Fails in a child process made by `fork`, whose parent has the recording.
    ///
    /// # Examples
    ///
    /// ```
    /// let recorder = reveille::observe::FlightRecorder::new().start()?;
    /// let trace = recorder.snapshot()?;
    /// assert!(trace.len() > 100);
    /// # std::io::Result::Ok(())
    /// ```
    pub fn snapshot(&self) -> io::Result<Vec<u8>> {
        self.log.snapshot(Vec::new(), living::with_stacks)
    }

    /// Writes a [`snapshot`](FlightRecording::snapshot) to a file, which it replaces. `%p` in the
    /// path stands for the number of the process.
    ///
    /// # Errors
    ///
    /// As for [`snapshot`](FlightRecording::snapshot), and if the file cannot be written.
    ///
    /// # Examples
    ///
    /// ```
    /// let recorder = reveille::observe::FlightRecorder::new().start()?;
    /// let path = std::env::temp_dir().join("snapshot-example.rvt");
    /// recorder.snapshot_to(&path)?;
    /// # std::fs::remove_file(path)?;
    /// # std::io::Result::Ok(())
    /// ```
    pub fn snapshot_to(&self, path: impl AsRef<Path>) -> io::Result<()> {
        write(&self.log, path.as_ref(), Trigger::Call).map(drop)
    }

    /// Returns how long the polls have taken since the recording began.
    ///
    /// # Examples
    ///
    /// ```
    /// let recorder = reveille::observe::FlightRecorder::new().start()?;
    /// reveille::task::block_on(reveille::task::yield_now());
    /// assert!(recorder.poll_times().count() >= 2);
    /// # std::io::Result::Ok(())
    /// ```
    #[must_use]
    pub fn poll_times(&self) -> Histogram {
        self.log.session().poll_times()
    }

    /// Returns how long tasks have waited from a wake to the poll after it. It is a sample: of
    /// tasks that are woken at the same time, some may be left out.
    ///
    /// # Examples
    ///
    /// ```
    /// let recorder = reveille::observe::FlightRecorder::new().start()?;
    /// println!("the slowest took {:?}", recorder.latencies().quantile(1.0));
    /// # std::io::Result::Ok(())
    /// ```
    #[must_use]
    pub fn latencies(&self) -> Histogram {
        self.log.session().latencies()
    }
}

impl Drop for FlightRecording {
    fn drop(&mut self) {
        self.log.stop();
        let mut current = CURRENT.lock();
        let ended = current.take_if(|current| Arc::ptr_eq(current, &self.log));
        drop(current);
        drop(ended);
    }
}

/// Writes a snapshot of this process's flight recorder to a file, as
/// [`FlightRecording::snapshot_to`] does. For a program whose flight recorder belongs to a runtime
/// ([`Builder::flight_recorder`](crate::Builder::flight_recorder)).
///
/// # Errors
///
/// Fails if the process has no flight recorder
/// ([`NotFound`](io::ErrorKind::NotFound)), and if the file cannot be written.
///
/// # Examples
///
/// ```
/// use reveille::observe::{self, FlightRecorder};
/// use reveille::runtime::Builder;
///
/// let runtime = Builder::new().flight_recorder(FlightRecorder::new()).build()?;
/// let path = std::env::temp_dir().join("any-snapshot-example.rvt");
/// observe::snapshot_to(&path)?;
/// # std::fs::remove_file(path)?;
/// # drop(runtime);
/// # std::io::Result::Ok(())
/// ```
pub fn snapshot_to(path: impl AsRef<Path>) -> io::Result<()> {
    let current = CURRENT.lock().clone();
    let Some(log) = current else {
        let text = "this process has no flight recorder to take a snapshot of";
        return Err(io::Error::new(io::ErrorKind::NotFound, text));
    };
    write(&log, path.as_ref(), Trigger::Call).map(drop)
}

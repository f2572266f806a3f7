//! Starts recordings.

mod flight;
mod living;
mod snapshot;
mod triggers;

use std::io;
use std::path::Path;

pub use self::flight::{FlightRecorder, FlightRecording, snapshot_to};
pub use crate::record::spans::{Span, mark};
pub use crate::record::{Histogram, Recording};

/// Whether this process is being recorded.
///
/// # Examples
///
/// ```
/// use reveille::observe;
///
/// if observe::is_recording() {
///     observe::mark!("{}", vec!["a", "costly", "text"].join(" "));
/// }
/// ```
#[inline]
#[must_use]
pub fn is_recording() -> bool {
    reveille_task::is_recording()
}

/// Records everything that happens in this process to a new file at `path`, until the recording is
/// dropped or the process ends.
///
/// `reveille view` shows the file. An existing file is replaced. `%p` in the path stands for the
/// number of the process.
///
/// The threads of the program never wait for the file. If it cannot keep up, events are dropped and
/// counted, and the file says how many. If the file can no longer be written, for example because
/// the disk is full, a line on standard error says so and the recording ends. What was written can
/// be read.
///
/// A return from `main` and [`std::process::exit`] complete the file. On Windows only the return
/// does: after `exit` the last events are missing, and a file that was begun less than 100 ms
/// before may be empty.
///
/// # Errors
///
/// Fails if the file cannot be made, if another process records to it (not on Windows), if the
/// system refuses a thread, or if the process records already.
///
/// # Examples
///
/// ```
/// use reveille::{observe, task};
///
/// let path = std::env::temp_dir().join("an-example-%p.rvt");
/// let recording = observe::record_to(&path)?;
/// task::block_on(task::spawn(async { println!("this is recorded") }));
/// let written = recording.path().to_owned();
/// recording.finish()?;
/// # std::fs::remove_file(written)?;
/// # std::io::Result::Ok(())
/// ```
pub fn record_to(path: impl AsRef<Path>) -> io::Result<Recording> {
    let recording = Recording::begin(path.as_ref())?;
    // The file has no spawn of tasks that were live before.
    let (tick, living) = living::briefly(recording.session());
    if !living.is_empty() {
        recording.write_living(tick, &living);
    }
    Ok(recording)
}

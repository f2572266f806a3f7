//! A flight recorder: keeps the latest events in memory, and writes them on request.
//!
//! It has no thread of its own. A snapshot copies the chunks while other threads fill them.

use std::io::{self, Write};
use std::sync::Arc;
use std::time::Duration;

use reveille_primitive::lock::Mutex;
use reveille_trace::{CHUNK_WORDS, FileWriter, LiveRecord};

use super::chunks::{ChunkWord, Retention};
use super::names::NamesWritten;
use super::session::{self, Session};

/// The bytes of a chunk.
const CHUNK_BYTES: usize = 8 * CHUNK_WORDS;

/// A running flight recorder.
#[derive(Debug)]
pub(crate) struct FlightLog {
    session: Arc<Session>,
    window: Duration,
    /// One snapshot at a time, so that they do not add up to more memory.
    is_writing: Mutex<()>,
}

/// The live tasks and the stacks that they refer to, for a snapshot.
#[derive(Debug, Default)]
pub(crate) struct Living {
    pub(crate) tasks: Vec<LiveRecord>,
    pub(crate) stacks: Vec<Vec<reveille_trace::Frame>>,
}

/// Begins to keep the events of the last `window`, in about this many bytes.
///
/// # Errors
///
/// Fails if the process records already.
pub(crate) fn begin(window: Duration, bytes: usize) -> io::Result<Arc<FlightLog>> {
    let retention = |clock: super::clock::RecordClock| {
        let us = u64::try_from(window.as_micros()).unwrap_or(u64::MAX);
        Retention::Newest { ticks: clock.ticks_in_us(us) }
    };
    let what = format!("the last {window:?} in memory");
    let chunks = bytes.div_ceil(CHUNK_BYTES).max(1);
    let session = session::begin(what, chunks, retention, super::FUNCTIONS, |_| Ok(()))?;
    Ok(Arc::new(FlightLog { session, window, is_writing: Mutex::new(()) }))
}

impl FlightLog {
    pub(crate) fn session(&self) -> &Arc<Session> {
        &self.session
    }

    /// Writes the latest events to `output`. `living` describes the live tasks; it is called before
    /// the chunks are read.
    ///
    /// # Errors
    ///
    /// Fails if the output does, or in a child process made by `fork`.
    pub(crate) fn snapshot<W: Write>(
        &self,
        output: W,
        living: impl FnOnce(&Session) -> Living,
    ) -> io::Result<W> {
        let session = &self.session;
        if !session.is_of_this_process() {
            return Err(io::Error::other("the parent of this process has the recording"));
        }
        let living = living(session);
        let _alone = self.is_writing.lock();
        let now = session.clock.moment();
        let since = now.tick.saturating_sub(session.ticks_in(&now, self.window));
        let taken = session.chunks.view(since);
        let mut file = FileWriter::new(output, &session.meta(session.start))?;
        for chunk in taken.full.into_iter().chain(taken.current) {
            let (head, events) = chunk.read();
            file.chunk_of(&head, events.iter().map(ChunkWord::load))?;
        }
        session.names.write_new(&mut file, &mut NamesWritten::default())?;
        let stacks = living.stacks.iter().enumerate();
        let stacks: Vec<_> =
            stacks.map(|(index, frames)| (index as u32 + 1, &frames[..])).collect();
        if !stacks.is_empty() {
            file.stacks(&stacks)?;
        }
        file.live(now.tick, &living.tasks)?;
        let drops = session.drops();
        if !drops.is_empty() {
            file.drops(&drops)?;
        }
        file.finish(session.clock.moment())
    }

    /// Ends the recording.
    pub(crate) fn stop(&self) {
        self.session.stop();
        self.session.leave();
    }
}

//! What was read ahead, and what is still to be written.
//!
//! Neither waits or takes a lock: `state.rs` decides when, and calls these under its own.

use std::io::{self, ErrorKind, IoSlice, Seek, SeekFrom};
use std::{fs, mem};

/// The least that one trip writes or, once reading is sequential, reads: 64 KiB, where the
/// copy (about 10 µs) begins to outweigh the trip.
const BATCH_MIN: usize = 64 << 10;
/// The most: 1 MiB, a fifth of a millisecond of copying. More gains nothing measurable and costs
/// memory per file.
pub(super) const BATCH_MAX: usize = 1 << 20;
/// The longest write that is copied whole, so that it is one system call: 32 MiB. What is longer is
/// taken in parts of this length, unless the file appends: there each write is a record. It has the
/// buffers to itself, so this is the most that they hold.
const WHOLE_MAX: usize = 32 << 20;

/// The read side: `bytes[start..end]` was read from the file and not yet by the program.
#[derive(Debug)]
pub(super) struct Window {
    pub(super) bytes: Vec<u8>,
    start: usize,
    end: usize,
    /// The last fill met the end of the file; the next read says so, once.
    at_end: bool,
    /// The last fill got less than it asked for, so the end may follow.
    pub(super) is_short: bool,
    /// The pool has just brought into the page cache what the next read asks for.
    pub(super) is_prefetched: bool,
    /// How far the next fill goes if the program asks for less. 0 until reading is sequential.
    pub(super) ahead: usize,
    pub(super) error: Option<io::Error>,
    /// The file system answers reads that may not wait, as far as is known.
    pub(super) has_inline: bool,
}

/// The write side.
#[derive(Debug)]
pub(super) struct Backlog {
    pub(super) filling: Vec<u8>,
    spare: Vec<u8>,
    /// How long `filling` may grow, in bytes.
    limit: usize,
    /// Bytes taken from the program since the file was opened.
    pub(super) accepted: u64,
    /// Bytes that reached the file, or were given up.
    pub(super) landed: u64,
    pub(super) error: Option<io::Error>,
    /// A flush waits: no more bytes are accepted until it is through, so that no stream of
    /// writes from other handles can hold it up for good.
    pub(super) is_flushing: bool,
    /// The bytes were refused for a reason that may pass, and the program was told.
    is_refused: bool,
    /// They are tried once more, and given up if they are refused again: the program goes on with
    /// something else.
    pub(super) is_last_try: bool,
}

impl Window {
    pub(super) fn new(has_inline: bool) -> Window {
        Window {
            bytes: Vec::new(),
            start: 0,
            end: 0,
            at_end: false,
            is_short: false,
            is_prefetched: false,
            ahead: 0,
            error: None,
            has_inline,
        }
    }

    /// Copies what is there; `None` when a read has to be made.
    pub(super) fn take(&mut self, buf: &mut [u8]) -> Option<usize> {
        if buf.is_empty() || mem::take(&mut self.at_end) {
            return Some(0);
        }
        let count = buf.len().min(self.end - self.start);
        if count == 0 {
            return None;
        }
        buf[..count].copy_from_slice(&self.bytes[self.start..self.start + count]);
        self.start += count;
        Some(count)
    }

    /// Takes in what a fill read, of the `len` bytes that it could have read.
    pub(super) fn filled(
        &mut self,
        bytes: Vec<u8>,
        (asked, len): (usize, usize),
        result: io::Result<usize>,
    ) {
        self.bytes = bytes;
        self.is_prefetched = false;
        self.is_short = result.as_ref().is_ok_and(|&count| count < len);
        self.start = 0;
        self.end = 0;
        match result {
            Ok(0) => {
                self.at_end = true;
                self.forget();
            }
            Ok(count) => {
                self.end = count;
                // The next fill comes only if this one was read to its end, so reading is
                // sequential by then: go twice as far each time.
                let next = self.ahead.max(asked) * 2;
                self.ahead = next.clamp(BATCH_MIN, BATCH_MAX);
            }
            Err(error) => {
                self.error = Some(error);
                self.forget();
            }
        }
    }

    /// Undoes reading ahead. A file that cannot seek keeps its window: its reads and writes do not
    /// share a cursor, and the bytes could not be read again.
    pub(super) fn give_back(&mut self, mut file: &fs::File) {
        let unread = (self.end - self.start) as i64;
        if unread == 0 || file.seek(SeekFrom::Current(-unread)).is_ok() {
            self.at_end = false;
            self.forget();
        }
    }

    pub(super) fn seek(&mut self, mut file: &fs::File, to: SeekFrom) -> io::Result<u64> {
        let unread = (self.end - self.start) as i64;
        let SeekFrom::Current(by) = to else {
            let position = file.seek(to)?;
            self.at_end = false;
            self.forget();
            return Ok(position);
        };
        let within =
            by.checked_add(self.start as i64).filter(|at| (0..=self.end as i64).contains(at));
        if let Some(at) = within {
            let position = file.stream_position()?;
            self.start = at as usize;
            self.at_end &= by == 0;
            return Ok(position - (self.end - self.start) as u64);
        }
        let by = by.checked_sub(unread).ok_or_else(|| {
            io::Error::new(io::ErrorKind::InvalidInput, "seek beyond the range of file positions")
        })?;
        let position = file.seek(SeekFrom::Current(by))?;
        self.at_end = false;
        self.forget();
        Ok(position)
    }

    /// Empties the window and gives back the memory of a long one.
    pub(super) fn forget(&mut self) {
        self.start = 0;
        self.end = 0;
        self.ahead = 0;
        self.is_short = false;
        if self.bytes.capacity() > BATCH_MIN {
            self.bytes = Vec::new();
        }
    }
}

impl Backlog {
    pub(super) fn new() -> Backlog {
        Backlog {
            filling: Vec::new(),
            spare: Vec::new(),
            limit: BATCH_MIN,
            accepted: 0,
            landed: 0,
            error: None,
            is_flushing: false,
            is_refused: false,
            is_last_try: false,
        }
    }

    pub(super) fn is_dirty(&self) -> bool {
        self.accepted != self.landed
    }

    /// Gives back the memory of long buffers; called when both are empty, in `Idle` or not.
    pub(super) fn forget(&mut self) {
        for buffer in [&mut self.filling, &mut self.spare] {
            if buffer.capacity() > BATCH_MIN {
                *buffer = Vec::new();
            }
        }
    }

    /// Before the program goes on with something else: what was refused is tried a last time. The
    /// program knows of it.
    pub(super) fn leave_behind(&mut self) {
        self.is_last_try = self.is_refused;
    }

    /// Whether a drain has to stop.
    pub(super) fn is_over(&self) -> bool {
        self.error.is_some() || self.filling.is_empty()
    }

    /// What the drain writes next; what is accepted from now on comes after it.
    pub(super) fn next_batch(&mut self) -> Vec<u8> {
        mem::replace(&mut self.filling, mem::take(&mut self.spare))
    }

    /// How many bytes of a write of `len` bytes can be taken now: all, or none, or the first part
    /// of one that is longer than any buffer.
    ///
    /// `is_one_at_a_time` says that the file must not see two writes as one.
    fn room(&mut self, len: usize, is_one_at_a_time: bool, appends: bool) -> usize {
        let len = if appends { len } else { len.min(WHOLE_MAX) };
        if is_one_at_a_time || len > BATCH_MAX {
            return if self.is_dirty() { 0 } else { len };
        }
        self.limit = self.limit.max(len);
        let fits = self.filling.is_empty() || self.filling.len() + len <= self.limit;
        if fits { len } else { 0 }
    }

    /// Takes the bytes of one write, if there is room. See `room`.
    pub(super) fn accept(
        &mut self,
        bufs: &[IoSlice<'_>],
        is_one_at_a_time: bool,
        appends: bool,
    ) -> usize {
        let len = bufs.iter().fold(0, |len: usize, buf| len.saturating_add(buf.len()));
        let room = self.room(len, is_one_at_a_time, appends);
        if room >= BATCH_MIN && self.filling.is_empty() {
            // At once what it may grow to: growing step by step would copy each time.
            self.filling.reserve_exact(if is_one_at_a_time { room } else { self.limit.max(room) });
        }
        let mut left = room;
        for buf in bufs {
            let part = &buf[..buf.len().min(left)];
            self.filling.extend_from_slice(part);
            left -= part.len();
        }
        self.accepted += room as u64;
        room
    }

    /// Takes in what became of `batch`.
    ///
    /// What was refused for a reason that may pass stays in front of the rest, so that a later
    /// flush tries it again. Anything else will be refused again and again: it is given up, with
    /// what was accepted after it, and the error tells so.
    pub(super) fn wrote(&mut self, mut batch: Vec<u8>, written: usize, result: io::Result<()>) {
        self.landed += written as u64;
        let is_last_try = mem::take(&mut self.is_last_try);
        self.is_refused = false;
        let Err(error) = result else {
            self.landed_all(batch);
            return;
        };
        self.is_flushing = false;
        if is_last_try || !may_pass(&error) {
            self.filling.clear();
            self.landed = self.accepted;
            self.limit = BATCH_MIN;
            self.forget();
        } else {
            batch.drain(..written);
            batch.append(&mut self.filling);
            self.filling = batch;
            self.is_refused = true;
        }
        if !is_last_try {
            self.error = Some(error);
        }
    }

    fn landed_all(&mut self, mut batch: Vec<u8>) {
        if self.filling.is_empty() {
            self.is_flushing = false;
            self.limit = BATCH_MIN;
        } else {
            // The program is as fast as the disk: carry more at a time.
            self.limit = (self.limit * 2).min(BATCH_MAX);
        }
        if batch.capacity() <= BATCH_MAX {
            batch.clear();
            self.spare = batch;
        }
    }
}

/// Whether the same write may succeed later. A full disk may be emptied by somebody else.
fn may_pass(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        ErrorKind::WouldBlock
            | ErrorKind::StorageFull
            | ErrorKind::QuotaExceeded
            | ErrorKind::OutOfMemory
            | ErrorKind::TimedOut
    )
}

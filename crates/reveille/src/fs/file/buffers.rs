//! What was read ahead, and what is still to be written.
//!
//! Neither waits or takes a lock: `state.rs` decides when, and calls these under its own.

use std::io::{self, Seek, SeekFrom};
use std::{fs, mem};

use crate::os::file as system;

/// The least that one trip writes or, once reading is sequential, reads: 64 KiB, where the
/// copy (about 10 µs) begins to outweigh the trip.
const BATCH_MIN: usize = 64 << 10;
/// The most: 1 MiB, a fifth of a millisecond of copying. More gains nothing measurable and costs
/// memory per file.
const BATCH_MAX: usize = 1 << 20;
/// The read side: `bytes[start..end]` was read from the file and not yet by the program.
#[derive(Debug)]
pub(super) struct Window {
    pub(super) bytes: Vec<u8>,
    start: usize,
    end: usize,
    /// The last fill met the end of the file; the next read says so, once.
    at_end: bool,
    /// How far the next fill goes if the program asks for less. 0 until reading is sequential.
    pub(super) ahead: usize,
    pub(super) error: Option<io::Error>,
    /// The file system answers reads that may not wait.
    pub(super) has_inline: bool,
}

/// The write side.
#[derive(Debug)]
pub(super) struct Backlog {
    pub(super) filling: Vec<u8>,
    pub(super) spare: Vec<u8>,
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
}

impl Window {
    pub(super) fn new() -> Window {
        Window {
            bytes: Vec::new(),
            start: 0,
            end: 0,
            at_end: false,
            ahead: 0,
            error: None,
            has_inline: system::HAS_INLINE_READ,
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

    /// Takes in what a fill read.
    pub(super) fn filled(&mut self, bytes: Vec<u8>, asked: usize, result: io::Result<usize>) {
        self.bytes = bytes;
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

    /// Whether a drain has to stop.
    pub(super) fn is_over(&self) -> bool {
        self.error.is_some() || self.filling.is_empty()
    }

    /// Takes what fits of `buf`.
    pub(super) fn accept(&mut self, buf: &[u8]) -> usize {
        self.limit = self.limit.max(buf.len().min(BATCH_MAX));
        let count = buf.len().min(self.limit.saturating_sub(self.filling.len()));
        if self.filling.is_empty() && buf.len() >= BATCH_MIN {
            // At once what it may grow to: growing step by step would copy each time.
            self.filling.reserve_exact(self.limit);
        }
        self.filling.extend_from_slice(&buf[..count]);
        self.accepted += count as u64;
        count
    }

    /// Takes in what became of `batch`. What could not be written stays in front of the rest, so a
    /// later flush tries it again.
    pub(super) fn wrote(&mut self, mut batch: Vec<u8>, written: usize, result: io::Result<()>) {
        self.landed += written as u64;
        if let Err(error) = result {
            batch.drain(..written);
            batch.append(&mut self.filling);
            self.filling = batch;
            if system::is_never_writable(&error) {
                self.filling.clear();
                self.landed = self.accepted;
            }
            self.error = Some(error);
            self.is_flushing = false;
            return;
        }
        if self.filling.is_empty() {
            self.is_flushing = false;
            self.limit = BATCH_MIN;
        } else {
            // The program is as fast as the disk: carry more at a time.
            self.limit = (self.limit * 2).min(BATCH_MAX);
        }
        batch.clear();
        self.spare = batch;
    }
}

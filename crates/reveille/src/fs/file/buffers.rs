//! The buffers of a file: bytes that were read ahead, and bytes that are still to be written.
//!
//! They neither wait nor lock: `state.rs` calls them under its lock.

use std::io::{self, ErrorKind, IoSlice, Seek, SeekFrom};
use std::{fs, mem};

/// The least that one trip writes or, once reading is sequential, reads: 64 KiB. From there on, the
/// copy (about 10 µs) outweighs the trip.
const BATCH_MIN: usize = 64 << 10;
/// The most that one trip transfers: 1 MiB, a fifth of a millisecond of copying. More gains nothing
/// measurable and costs memory per file.
pub(super) const BATCH_MAX: usize = 1 << 20;
/// The longest write that is copied whole, so that it is one system call: 32 MiB. A longer one is
/// accepted in parts of this length, unless the file was opened for appending: there each write is
/// a record. A write this long has the buffer to itself, so the buffer never holds more.
const WHOLE_MAX: usize = 32 << 20;

/// The read side: `bytes[start..end]` was read from the file and not yet by the program.
#[derive(Debug)]
pub(super) struct Window {
    pub(super) bytes: Vec<u8>,
    start: usize,
    end: usize,
    /// The last fill reached the end of the file. The next read reports it, once.
    at_end: bool,
    /// The last fill was short, so the end may follow.
    pub(super) is_short: bool,
    /// The pool has just brought the data of the next read into the page cache.
    pub(super) is_prefetched: bool,
    /// The length of the next fill if the program asks for less. 0 until reading is sequential.
    pub(super) ahead: usize,
    pub(super) error: Option<io::Error>,
    /// As far as is known, the file system supports reads that do not wait.
    pub(super) has_inline: bool,
}

/// The write side.
#[derive(Debug)]
pub(super) struct Backlog {
    pub(super) filling: Vec<u8>,
    spare: Vec<u8>,
    /// The limit of `filling`, in bytes.
    limit: usize,
    /// Bytes accepted from the program since the file was opened.
    pub(super) accepted: u64,
    /// Bytes that were written to the file, or dropped.
    pub(super) written: u64,
    pub(super) error: Option<io::Error>,
    /// A flush waits. No bytes are accepted until it completes, so writes of other handles cannot
    /// delay it forever.
    pub(super) is_flushing: bool,
    /// The bytes were refused for a temporary cause, and the program has received the error.
    is_refused: bool,
    /// They are tried once more and dropped if they are refused again, because the program
    /// continues with something else.
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

    /// Copies available bytes. `None` if a read is needed.
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

    /// Stores the result of a fill of at most `len` bytes.
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
                // The next fill happens only if the program reads all of this one. Reading is then
                // sequential, so double the length.
                let next = self.ahead.max(asked) * 2;
                self.ahead = next.clamp(BATCH_MIN, BATCH_MAX);
            }
            Err(error) => {
                self.error = Some(error);
                self.forget();
            }
        }
    }

    /// Discards what was read ahead. A file that cannot seek keeps its window: its reads and writes
    /// do not share a cursor, and the bytes could not be read again.
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
            let message = "could not seek beyond the range of file positions";
            io::Error::new(io::ErrorKind::InvalidInput, message)
        })?;
        let position = file.seek(SeekFrom::Current(by))?;
        self.at_end = false;
        self.forget();
        Ok(position)
    }

    /// Empties the window, and frees its memory if it is long.
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
            written: 0,
            error: None,
            is_flushing: false,
            is_refused: false,
            is_last_try: false,
        }
    }

    pub(super) fn is_dirty(&self) -> bool {
        self.accepted != self.written
    }

    /// Frees the memory of long buffers. Called when both are empty, in `Idle` or not.
    pub(super) fn forget(&mut self) {
        for buffer in [&mut self.filling, &mut self.spare] {
            if buffer.capacity() > BATCH_MIN {
                *buffer = Vec::new();
            }
        }
    }

    /// Called before the program continues with something else: refused bytes, whose error the
    /// program has received, are tried a last time.
    pub(super) fn leave_behind(&mut self) {
        self.is_last_try = self.is_refused;
    }

    /// Whether a drain must stop.
    pub(super) fn is_over(&self) -> bool {
        self.error.is_some() || self.filling.is_empty()
    }

    /// Takes the bytes that the drain writes next. Bytes that are accepted later come after them.
    pub(super) fn next_batch(&mut self) -> Vec<u8> {
        mem::replace(&mut self.filling, mem::take(&mut self.spare))
    }

    /// Returns how many bytes of a write of `len` bytes can be accepted now: all, zero, or the
    /// first part if it is longer than any buffer.
    ///
    /// If `is_one_at_a_time`, two writes must not be merged.
    fn room(&mut self, len: usize, is_one_at_a_time: bool, appends: bool) -> usize {
        let len = if appends { len } else { len.min(WHOLE_MAX) };
        if is_one_at_a_time || len > BATCH_MAX {
            return if self.is_dirty() { 0 } else { len };
        }
        self.limit = self.limit.max(len);
        let fits = self.filling.is_empty() || self.filling.len() + len <= self.limit;
        if fits { len } else { 0 }
    }

    /// Accepts the bytes of one write if there is room; see `room`.
    pub(super) fn accept(
        &mut self,
        bufs: &[IoSlice<'_>],
        is_one_at_a_time: bool,
        appends: bool,
    ) -> usize {
        let len = bufs.iter().fold(0, |len: usize, buf| len.saturating_add(buf.len()));
        let room = self.room(len, is_one_at_a_time, appends);
        if room >= BATCH_MIN && self.filling.is_empty() {
            // Reserves the limit at once: growing in steps would copy each time.
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

    /// Records the result of writing `batch`.
    ///
    /// Bytes that were refused for a temporary cause stay at the front, so a later flush tries them
    /// again. Any other cause is permanent: the bytes are dropped, together with those accepted
    /// after them, and the error says so.
    pub(super) fn wrote(&mut self, mut batch: Vec<u8>, written: usize, result: io::Result<()>) {
        self.written += written as u64;
        let is_last_try = mem::take(&mut self.is_last_try);
        self.is_refused = false;
        let Err(error) = result else {
            self.wrote_all(batch);
            return;
        };
        self.is_flushing = false;
        if is_last_try || !may_pass(&error) {
            self.filling.clear();
            self.written = self.accepted;
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

    fn wrote_all(&mut self, mut batch: Vec<u8>) {
        if self.filling.is_empty() {
            self.is_flushing = false;
            self.limit = BATCH_MIN;
        } else {
            // The program is as fast as the disk: transfer more at a time.
            self.limit = (self.limit * 2).min(BATCH_MAX);
        }
        if batch.capacity() <= BATCH_MAX {
            batch.clear();
            self.spare = batch;
        }
    }
}

/// Whether the same write may succeed later. Another process may free space on a full disk.
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

#[cfg(test)]
mod tests {
    use std::io::{Read as _, Write as _};

    use super::*;

    /// A window over the first 60 of 100 different bytes, of which a read has taken 10. Where reads
    /// need no pool, as for what Linux has in memory, a file has no window.
    fn window() -> (fs::File, Window) {
        let path = std::env::temp_dir().join(format!("reveille-window-{}", std::process::id()));
        let mut options = fs::File::options();
        let mut file = options.read(true).write(true).create(true).open(&path).unwrap();
        // The two tests may share it: both write the same.
        let _ = fs::remove_file(&path);
        let bytes: Vec<u8> = (0..100).collect();
        file.write_all(&bytes).unwrap();
        file.seek(SeekFrom::Start(0)).unwrap();
        let mut ahead = vec![0; 60];
        file.read_exact(&mut ahead).unwrap();
        let mut window = Window::new(false);
        window.filled(ahead, (10, 60), Ok(60));
        assert_eq!(taken::<10>(&mut window), [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
        (file, window)
    }

    fn taken<const COUNT: usize>(window: &mut Window) -> [u8; COUNT] {
        let mut bytes = [0; COUNT];
        assert_eq!(window.take(&mut bytes), Some(COUNT));
        bytes
    }

    #[test]
    fn what_was_read_ahead_is_taken_in_order() {
        let (_file, mut window) = window();
        let rest: [u8; 50] = taken(&mut window);
        assert!(rest.into_iter().eq(10..60));
        assert_eq!(window.take(&mut [0]), None);
    }

    #[test]
    fn a_seek_accounts_for_what_was_read_ahead() {
        let (mut file, mut window) = window();
        assert_eq!(window.seek(&file, SeekFrom::Current(0)).unwrap(), 10);
        assert_eq!(window.seek(&file, SeekFrom::Current(-5)).unwrap(), 5);
        assert_eq!(taken::<2>(&mut window), [5, 6]);
        assert_eq!(window.seek(&file, SeekFrom::Current(60)).unwrap(), 67, "behind the window");
        assert_eq!((window.take(&mut [0]), file.stream_position().unwrap()), (None, 67));

        let (mut file, mut window) = self::window();
        window.give_back(&file);
        assert_eq!((window.take(&mut [0]), file.stream_position().unwrap()), (None, 10));
    }
}

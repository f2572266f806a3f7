//! Bytes that a turn received for a waiting read: the batched reads of
//! [`Kind::Batched`](crate::Kind::Batched). Plain data: `core.rs` has the lock.
//!
//! A socket read that would block records how many bytes it wants, and waits. When an event reports
//! the message, the turn receives it together with the messages of other sources in one system call
//! (`batch.rs`), stores it here and wakes the reader. The reader takes it without a system call.
//!
//! ```text
//!           wait            begin               complete              take all
//!   Empty ───────► Wanted ─────────► Receiving ──────────► Prefetched ─────────► Empty
//!     ▲   a move     │                   │  nothing there
//!     └──────────────┴───────────────────┘
//! ```
//!
//! Wanted means that `Waiters::want` is not 0; Receiving and Prefetched are flags of the readiness
//! word. Bytes stay in order, because at most one receive is in progress:
//!
//! 1. A receive begins only while the source does not count as readable and a read wants bytes. A
//!    reader that makes its own system call has seen READABLE and clears it only after the call has
//!    returned. So no reader is inside its own system call.
//! 2. While RECEIVING is set, no event makes the source readable, not even an event of another
//!    shard while the source moves. The end of the receive clears the flag, makes the source
//!    readable and takes the waiters in one section of the lock. If another event arrived in the
//!    meantime, the source stays readable after all bytes are taken.
//! 3. While PREFETCHED is set, readers take bytes from the buffer, and the source counts as
//!    readable, so that no second receive begins.
//! 4. A wait withdraws the request if the source may next be registered with another shard, because
//!    the operation is then tried again.
//!
//! If the read is dropped in the meantime, its bytes go to the next read.

use std::io;

use super::readiness::{Direction, Ready};

/// The longest read for which a turn receives, in bytes. Copying more bytes costs as much as the
/// system call that it saves.
const READ_MAX: u16 = 8 * 1024;

/// The bytes or the error that a turn has received. See the module's header.
#[derive(Debug, Default)]
pub(super) struct PrefetchBuffer {
    /// Reused from read to read. Moved into the [`PrefetchRequest`] while the turn receives.
    bytes: Vec<u8>,
    /// The range of `bytes` that no reader has taken.
    left: std::ops::Range<usize>,
    failure: Option<io::Error>,
    /// The tick of the event, if the receive emptied the queue.
    emptied_at: Option<u64>,
}

/// A read for which a turn receives.
#[derive(Debug)]
pub struct PrefetchRequest {
    /// The memory to receive into. `Receive::new` extends it to `want` bytes.
    pub(crate) bytes: Vec<u8>,
    /// The maximum number of bytes to receive.
    pub(crate) want: usize,
    /// The tick when the receive began.
    pub(crate) tick: u64,
}

impl PrefetchRequest {
    /// Replaces the memory with `bytes`, as if the system had received them. For models.
    #[doc(hidden)]
    #[must_use]
    pub fn filled(self, bytes: Vec<u8>) -> PrefetchRequest {
        PrefetchRequest { bytes, ..self }
    }
}

/// The result of an attempt to take received bytes.
#[derive(Debug)]
pub enum Prefetched<R> {
    /// These bytes, or this error.
    Got(R),
    /// There is nothing: the reader makes its own system call.
    Nothing,
    /// A turn is receiving: the reader waits.
    Busy,
}

/// The number of bytes that a read of `len` bytes wants from a turn; 0 if the read makes its own
/// system call.
#[inline]
pub(super) fn want(len: usize) -> u16 {
    u16::try_from(len).ok().filter(|&len| len <= READ_MAX).unwrap_or(0)
}

impl PrefetchBuffer {
    /// The number of bytes for readers; an error counts as one byte.
    pub(super) fn len(&self) -> usize {
        self.left.len() + usize::from(self.failure.is_some())
    }

    /// Moves the memory out of the buffer, for a turn to receive into.
    pub(super) fn lend(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.bytes)
    }

    /// Stores the outcome of a receive. `now` is the readiness after its event.
    pub(super) fn fill(&mut self, request: PrefetchRequest, outcome: Received, now: Ready) {
        let PrefetchRequest { bytes, want, tick } = request;
        // If another shard delivered an event in the meantime, more bytes may be queued.
        let is_only_event = now.tick() == tick + 1;
        let is_all = is_only_event && now.is_emptied_by(Direction::Read, outcome.count, want);
        self.emptied_at = is_all.then(|| now.tick());
        self.left = 0..outcome.count;
        self.failure = outcome.failure;
        self.bytes = bytes;
    }

    /// Passes the bytes to `copy`, which returns how many of them it copied. `None` if there is
    /// nothing.
    pub(super) fn take(&mut self, copy: impl FnOnce(&[u8]) -> usize) -> Option<io::Result<usize>> {
        if let Some(failure) = self.failure.take() {
            return Some(Err(failure));
        }
        if self.left.is_empty() {
            return None;
        }
        let count = copy(&self.bytes[self.left.clone()]);
        self.left.start += count;
        Some(Ok(count))
    }

    /// Like [`take`](PrefetchBuffer::take), but leaves the bytes for the next read. An error is
    /// consumed.
    pub(super) fn peek(&mut self, copy: impl FnOnce(&[u8]) -> usize) -> Option<io::Result<usize>> {
        let left = self.left.clone();
        let outcome = self.take(copy);
        self.left = left;
        outcome
    }

    /// The tick at which the turn emptied the queue, if it did. Called when all bytes have been
    /// taken.
    pub(super) fn take_emptied_at(&mut self) -> Option<u64> {
        self.emptied_at.take()
    }
}

/// The outcome of a receive. If it is inconclusive (no bytes, which may be the end of the stream,
/// or a temporary error), the reader makes its own system call.
#[derive(Debug)]
pub(super) struct Received {
    count: usize,
    failure: Option<io::Error>,
}

impl Received {
    pub(super) fn new(outcome: io::Result<usize>) -> Received {
        match outcome {
            Ok(count) => Received { count, failure: None },
            Err(error) if is_temporary(&error) => Received { count: 0, failure: None },
            Err(error) => Received { count: 0, failure: Some(error) },
        }
    }

    /// Returns whether there are bytes or an error for a reader.
    pub(super) fn is_some(&self) -> bool {
        self.count > 0 || self.failure.is_some()
    }
}

/// Returns whether a read is retried after `error`.
fn is_temporary(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted)
}

#[cfg(all(test, not(reveille_loom)))]
mod tests {
    use super::*;

    #[test]
    fn a_read_longer_than_the_maximum_wants_nothing() {
        let max = usize::from(READ_MAX);
        assert_eq!([want(0), want(1), want(max), want(max + 1)], [0, 1, READ_MAX, 0]);
    }
}

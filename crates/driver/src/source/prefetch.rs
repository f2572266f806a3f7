//! Bytes that a turn received for a read that was waiting: the batched reads of
//! [`Kind::Batched`](crate::Kind::Batched). Plain data: `core.rs` locks it.
//!
//! A read of a socket that finds nothing says how many bytes it wants and waits. The turn that
//! learns of the message receives it together with those of other sources in one system call
//! (`batch.rs`), stores it here, and wakes the reader, which takes it without a system call.
//!
//! ```text
//!           wait            begin               complete              take all
//!   Empty ───────► Wanted ─────────► Receiving ──────────► Prefetched ─────────► Empty
//!     ▲   a move     │                   │  nothing there
//!     └──────────────┴───────────────────┘
//! ```
//!
//! Wanted is `Waiters::want`, Receiving and Prefetched are flags of the readiness word. Bytes stay
//! in order, because at most one receive is under way:
//!
//! 1. A receive begins only while the source does not count as readable and a read wants bytes. A
//!    reader that makes its own system call saw READABLE, and clears it only after the call
//!    returned, so no reader is inside one.
//! 2. While RECEIVING is set, no event makes the source readable. That includes events of another
//!    shard, while a source moves. The end of the receive clears the flag, makes the source
//!    readable and takes the waiters, in one section of the lock. If there was such an event, the
//!    source stays readable when all bytes are taken.
//! 3. While PREFETCHED is set, readers take bytes from here, and the source counts as readable, so
//!    that no second receive begins.
//! 4. A wait after which the source may be registered with another shard, and the operation tried
//!    at once, withdraws the request.
//!
//! Bytes that were received for a read that was given up meanwhile go to the next read.

use std::io;

use super::readiness::{Direction, Ready};

/// The longest read that a turn receives. For more, copying what was received costs as much as the
/// system call that it saves.
const READ_MAX: u16 = 8 * 1024;

/// What replaces a reader's system call. See the module's header.
#[derive(Debug, Default)]
pub(super) struct PrefetchBuffer {
    /// Kept from read to read. Moved into the [`PrefetchRequest`] while the turn receives.
    bytes: Vec<u8>,
    /// The range of the bytes that no reader has taken.
    left: std::ops::Range<usize>,
    failure: Option<io::Error>,
    /// The tick of the event, if these bytes were all there was.
    emptied_at: Option<u64>,
}

/// A read for which a turn is going to receive.
#[derive(Debug)]
pub struct PrefetchRequest {
    /// The memory to receive into: at least `want` bytes.
    pub(crate) bytes: Vec<u8>,
    /// How many bytes to receive at most.
    pub(crate) want: usize,
    /// The tick before it.
    pub(crate) tick: u64,
}

impl PrefetchRequest {
    /// As if the system had received `bytes`: for models.
    #[doc(hidden)]
    #[must_use]
    pub fn filled(self, bytes: Vec<u8>) -> PrefetchRequest {
        PrefetchRequest { bytes, ..self }
    }
}

/// What a turn has received for a reader.
#[derive(Debug)]
pub enum Prefetched<R> {
    /// These bytes, or this error.
    Got(R),
    /// Nothing: the reader makes its own system call.
    Nothing,
    /// A turn is receiving: the reader waits.
    Busy,
}

/// How many bytes a read of `len` bytes wants from a turn; 0 if it wants to receive by itself.
#[inline]
pub(super) fn want(len: usize) -> u16 {
    u16::try_from(len).ok().filter(|&len| len <= READ_MAX).unwrap_or(0)
}

impl PrefetchBuffer {
    /// Bytes for a reader; an error counts as one.
    pub(super) fn len(&self) -> usize {
        self.left.len() + usize::from(self.failure.is_some())
    }

    /// Moves the memory out, for a turn to receive into.
    pub(super) fn lend(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.bytes)
    }

    /// Stores the outcome of a receive. `now` is the readiness after its event.
    pub(super) fn fill(&mut self, request: PrefetchRequest, outcome: Received, now: Ready) {
        let PrefetchRequest { bytes, want, tick } = request;
        // Another shard's event since the beginning may be about bytes after these.
        let is_only_event = now.tick() == tick + 1;
        let is_all = is_only_event && now.is_emptied_by(Direction::Read, outcome.count, want);
        self.emptied_at = is_all.then(|| now.tick());
        self.left = 0..outcome.count;
        self.failure = outcome.failure;
        self.bytes = bytes;
    }

    /// Passes the bytes to `copy`, which returns how many of them it took. `None` if there is
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

    /// As [`take`](PrefetchBuffer::take), and leaves the bytes for the next read. An error is
    /// taken.
    pub(super) fn peek(&mut self, copy: impl FnOnce(&[u8]) -> usize) -> Option<io::Result<usize>> {
        let left = self.left.clone();
        let outcome = self.take(copy);
        self.left = left;
        outcome
    }

    /// The tick at which the turn emptied the queue, if it did. Called when all is taken.
    pub(super) fn take_emptied_at(&mut self) -> Option<u64> {
        self.emptied_at.take()
    }
}

/// What a receive brought. An outcome that says nothing (no bytes, which may be the end of the
/// stream, and temporary errors) is left to the reader's own system call.
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

    /// Tells whether there is something for a reader.
    pub(super) fn is_some(&self) -> bool {
        self.count > 0 || self.failure.is_some()
    }
}

/// Tells whether a read is tried again after `error`.
fn is_temporary(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted)
}

#[cfg(all(test, not(reveille_loom)))]
mod tests {
    use super::*;

    #[test]
    fn a_read_longer_than_a_turn_receives_wants_nothing() {
        let max = usize::from(READ_MAX);
        assert_eq!([want(0), want(1), want(max), want(max + 1)], [0, 1, READ_MAX, 0]);
    }
}

//! What a turn received for a read that was waiting: the batched reads of [`Kind::Batched`].
//!
//! A read of a socket that finds nothing says how much it wants (its *wish*) and waits. The turn
//! that hears of the message receives it together with those of other sources in one system call
//! (`batch.rs`), leaves it here, and wakes the reader, who fetches it without a system call.
//!
//! ```text
//!            wait            claim              supply             fetch all
//!   Empty ─────────► Wished ─────────► Receiving ─────────► Stocked ─────────► Empty
//!     ▲    a move      │                   │  nothing there
//!     └────────────────┴───────────────────┘
//! ```
//!
//! Bytes stay in order, since at most one of these is under way:
//!
//! 1. A claim is made under the waiters' lock, and only while the source does not count as readable
//!    and a wish stands. Whoever reads by himself saw it readable, and takes that back only when
//!    his system call has returned, so no reader is inside one.
//! 2. While the flag RECEIVING stands, no event makes the source readable: not one of another shard
//!    either, while a source moves. `supply` takes the flag away, makes it readable and takes the
//!    waiters, in one section of the lock. If there was such an event, it stays readable when all
//!    is fetched.
//! 3. While the flag PREFETCHED stands, readers fetch from here, and the source counts as
//!    readable, so that no claim is made on top of it.
//! 4. A wait behind which the source may be registered anew, and the operation tried at once, takes
//!    the wish back.
//!
//! What was received for a read that was given up meanwhile is fetched by the next one.

use std::io;
use std::task::Waker;

use crate::readiness::{Direction, Flags, Readiness};
use crate::waiters::Waiters;

/// The longest read that a turn receives. For more, copying what was received costs as much as the
/// system call that it saves.
const READ_MAX: usize = 8 * 1024;

/// What stands in for a reader's system call. See the module's header.
#[derive(Debug, Default)]
pub(crate) struct Prefetch {
    /// How much the waiting read wants; 0 if no read waits that a turn may receive for.
    want: usize,
    /// Kept from read to read. Elsewhere while the turn receives.
    bytes: Vec<u8>,
    /// Where what is left begins and ends.
    left: std::ops::Range<usize>,
    failure: Option<io::Error>,
    /// The tick of the event, if these bytes were all there was.
    emptied_at: Option<u64>,
}

/// A read that a turn is going to receive for.
#[derive(Debug)]
pub struct PrefetchRequest {
    /// Where to: at least as long as `wish`.
    pub(crate) bytes: Vec<u8>,
    /// How much at most.
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

/// What there is for a reader.
#[derive(Debug)]
pub enum Prefetched<R> {
    /// This.
    Got(R),
    /// Nothing: he reads by himself.
    Nothing,
    /// A turn is receiving: he waits.
    Busy,
}

/// What a read of `len` bytes wishes for.
#[inline]
pub(crate) fn want(len: usize) -> usize {
    if len <= READ_MAX { len } else { 0 }
}

impl Prefetch {
    pub(crate) fn set_want(&mut self, wish: usize) {
        self.want = wish;
    }

    pub(crate) fn len(&self) -> usize {
        self.left.len() + usize::from(self.failure.is_some())
    }
}

impl Waiters {
    /// Takes the wish of the waiting read, if it is this turn that shall receive for it. Whoever
    /// gets a claim calls [`supply`](Waiters::supply) with it.
    pub fn begin_prefetch(&self, readiness: &Readiness) -> Option<PrefetchRequest> {
        let mut state = self.state.lock();
        let stock = &mut state.extra.as_mut()?.prefetch;
        if stock.want == 0 || !readiness.may_receive() {
            return None;
        }
        let wish = std::mem::take(&mut stock.want);
        let bytes = std::mem::take(&mut stock.bytes);
        let tick = readiness.begin_receiving(&state);
        Some(PrefetchRequest { bytes, want: wish, tick })
    }

    /// Leaves what came of a claim, stores the event in `readiness`, and moves the wakers that it
    /// concerns to `into`. An `outcome` that says nothing (no bytes, which may be the end, and
    /// errors that pass) is left to the reader's own system call.
    pub fn complete_prefetch(
        &self,
        readiness: &Readiness,
        flags: Flags,
        claim: PrefetchRequest,
        outcome: io::Result<usize>,
        into: &mut Vec<Waker>,
    ) {
        let PrefetchRequest { bytes, want: wish, tick } = claim;
        let (count, failure) = match outcome {
            Ok(count) => (count, None),
            Err(error) if is_passing(&error) => (0, None),
            Err(error) => (0, Some(error)),
        };
        let is_stocked = count > 0 || failure.is_some();
        let mut state = self.state.lock();
        let now = readiness.end_receiving(&state, flags, is_stocked);
        let stock = &mut state.extra.get_or_insert_default().prefetch;
        // Another shard's event since the claim may be of bytes behind these.
        let is_alone = now.tick() == tick + 1;
        let is_all = is_alone && now.is_emptied_by(Direction::Read, count, wish);
        stock.emptied_at = is_all.then(|| now.tick());
        stock.left = 0..count;
        stock.failure = failure;
        stock.bytes = bytes;
        state.take(Direction::Read, into);
        if flags.has(Flags::WRITABLE) {
            state.take(Direction::Write, into);
        }
    }

    /// Hands what there is to `copy`, which says how much of it it took; all that it had room for.
    pub fn take_prefetched(
        &self,
        readiness: &Readiness,
        copy: impl FnOnce(&[u8]) -> usize,
    ) -> Prefetched<io::Result<usize>> {
        let mut state = self.state.lock();
        if readiness.is_receiving() {
            return Prefetched::Busy;
        }
        let Some(crowd) = &mut state.extra else { return Prefetched::Nothing };
        let stock = &mut crowd.prefetch;
        let (result, is_used_up) = if let Some(failure) = stock.failure.take() {
            (Err(failure), true)
        } else if stock.left.is_empty() {
            return Prefetched::Nothing;
        } else {
            let count = copy(&stock.bytes[stock.left.clone()]);
            stock.left.start += count;
            (Ok(count), stock.left.is_empty())
        };
        if is_used_up {
            let emptied_at = stock.emptied_at.take();
            readiness.end_prefetched(&state, emptied_at);
        }
        Prefetched::Got(result)
    }

    /// As [`fetch`](Waiters::fetch), leaving it for the next read. An error is taken.
    pub fn peek_prefetched(
        &self,
        readiness: &Readiness,
        copy: impl FnOnce(&[u8]) -> usize,
    ) -> Prefetched<io::Result<usize>> {
        let state = self.state.lock();
        if readiness.is_receiving() {
            return Prefetched::Busy;
        }
        let Some(crowd) = &state.extra else { return Prefetched::Nothing };
        if crowd.prefetch.failure.is_some() {
            drop(state);
            return self.take_prefetched(readiness, copy);
        }
        match &crowd.prefetch.bytes[crowd.prefetch.left.clone()] {
            [] => Prefetched::Nothing,
            bytes => Prefetched::Got(Ok(copy(bytes))),
        }
    }

    /// How many bytes are here for a reader; an error counts as one.
    #[must_use]
    pub fn prefetched(&self) -> usize {
        self.state.lock().extra.as_ref().map_or(0, |crowd| crowd.prefetch.len())
    }
}

/// Errors after which a read is tried again.
fn is_passing(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted)
}

#[cfg(all(test, not(reveille_loom)))]
mod tests;

//! Sources for the stream workloads. They are mostly ready, sometimes pending, and make no system
//! call, so that a workload measures only the runtime's adapters and buffers.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use futures_lite::{AsyncRead, Stream};

/// Every sixteenth poll for a number is pending, like a channel whose sender is a little slower.
const NUMBERS_AT_ONCE: u32 = 16;
/// Every fourth read is pending, like a socket whose peer is a little slower.
const PIECES_AT_ONCE: u32 = 4;
/// The most that one read returns: one packet.
const PIECE_BYTES: usize = 1_460;

/// Is pending at every `period`-th poll and wakes its task at once.
#[derive(Debug)]
struct Pauses {
    polls: u32,
    period: u32,
}

impl Pauses {
    fn new(period: u32) -> Self {
        Self { polls: 0, period }
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        self.polls += 1;
        if self.polls < self.period {
            return Poll::Ready(());
        }
        self.polls = 0;
        cx.waker().wake_by_ref();
        Poll::Pending
    }
}

/// The numbers from 0 up to, but not including, `end`.
#[derive(Debug)]
pub struct Numbers {
    next: u64,
    end: u64,
    pauses: Pauses,
}

impl Numbers {
    /// The numbers from 0.
    pub fn below(end: u64) -> Self {
        Self { next: 0, end, pauses: Pauses::new(NUMBERS_AT_ONCE) }
    }
}

impl Stream for Numbers {
    type Item = u64;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<u64>> {
        ready!(self.pauses.poll(cx));
        if self.next == self.end {
            return Poll::Ready(None);
        }
        self.next += 1;
        Poll::Ready(Some(self.next - 1))
    }
}

/// A text in packets.
#[derive(Debug)]
pub struct Packets {
    text: &'static [u8],
    pauses: Pauses,
}

impl Packets {
    /// The text from its first byte.
    pub fn of(text: &'static [u8]) -> Self {
        Self { text, pauses: Pauses::new(PIECES_AT_ONCE) }
    }

    /// Takes the next bytes, at most `room`. The result is empty at the end.
    pub fn poll_take(&mut self, cx: &mut Context<'_>, room: usize) -> Poll<&'static [u8]> {
        ready!(self.pauses.poll(cx));
        let len = self.text.len().min(room).min(PIECE_BYTES);
        let (piece, rest) = self.text.split_at(len);
        self.text = rest;
        Poll::Ready(piece)
    }
}

impl AsyncRead for Packets {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        let piece = ready!(self.poll_take(cx, buf.len()));
        buf[..piece.len()].copy_from_slice(piece);
        Poll::Ready(Ok(piece.len()))
    }
}

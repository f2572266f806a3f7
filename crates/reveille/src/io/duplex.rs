//! A pair of connected streams in memory.
//!
//! Each direction is a queue of bytes with a bound, one waker for its reader and one for its
//! writer, behind a lock of std that is held only while bytes are copied. A waker is cloned before
//! the lock is taken again, and woken or dropped after it is released.

use std::collections::VecDeque;
use std::fmt;
use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker, ready};

use reveille_runtime::budget;

use super::{Read, Write};

/// Creates two streams that are connected to each other in memory. What is written to one is read
/// from the other. `capacity` is the number of bytes that each direction holds before its writer
/// waits.
///
/// It takes the place of a socket in tests, and between tasks of one program.
///
/// # Panics
///
/// Panics if `capacity` is 0: no write could ever complete.
///
/// # Examples
///
/// ```
/// use reveille::io::{self, prelude::*};
///
/// # fn main() -> io::Result<()> {
/// reveille::task::block_on(async {
///     let (mut client, mut server) = io::duplex(64);
///     client.write_all(b"ping").await?;
///     let mut buf = [0; 4];
///     server.read_exact(&mut buf).await?;
///     assert_eq!(&buf, b"ping");
///     Ok(())
/// })
/// # }
/// ```
#[doc(alias("pipe", "mock"))]
#[track_caller]
pub fn duplex(capacity: usize) -> (DuplexStream, DuplexStream) {
    assert!(capacity > 0, "a duplex stream of capacity 0 could hold no byte");
    let queue = || Arc::new(Queue { capacity, state: Mutex::default() });
    let (there, back) = (queue(), queue());
    let here = DuplexStream { incoming: Arc::clone(&back), outgoing: Arc::clone(&there) };
    (here, DuplexStream { incoming: there, outgoing: back })
}

/// One of two streams that are connected in memory. Made by [`duplex`].
///
/// When it is dropped, the other stream reads the bytes that are left and then the end, and its
/// writes fail with `BrokenPipe`. [`close`](super::WriteExt::close) ends only the direction in
/// which this stream writes.
///
/// Let one task at a time read, and one write: in each direction only the task that has polled last
/// is woken.
///
/// # Cancel safety
///
/// A read or write that is dropped before it completes has read or written nothing.
///
/// # Examples
///
/// ```
/// use reveille::io::{self, prelude::*};
///
/// # fn main() -> io::Result<()> {
/// reveille::task::block_on(async {
///     let (mut client, mut server) = io::duplex(64);
///     client.write_all(b"a question").await?;
///     client.close().await?;
///     let mut question = String::new();
///     server.read_to_string(&mut question).await?;
///     server.write_all(b"an answer").await?;
///     drop(server);
///
///     let mut answer = String::new();
///     client.read_to_string(&mut answer).await?;
///     assert_eq!(answer, "an answer");
///     Ok(())
/// })
/// # }
/// ```
pub struct DuplexStream {
    incoming: Arc<Queue>,
    outgoing: Arc<Queue>,
}

/// One direction.
struct Queue {
    capacity: usize,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    bytes: VecDeque<u8>,
    /// The writer was closed or dropped.
    is_ended: bool,
    /// The reader was dropped.
    is_abandoned: bool,
    reader: Option<Waker>,
    writer: Option<Waker>,
}

impl Queue {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Runs `step` under the lock. If it has no result, stores the waker in the place that `waiter`
    /// names. A result wakes the other side, at `other`.
    fn poll<R>(
        &self,
        cx: &mut Context<'_>,
        waiter: fn(&mut State) -> &mut Option<Waker>,
        other: fn(&mut State) -> &mut Option<Waker>,
        mut step: impl FnMut(&mut State) -> Option<R>,
    ) -> Poll<R> {
        ready!(budget::poll_proceed(cx));
        let mut waker = None;
        // Two rounds at most: the second has a waker, cloned without the lock.
        loop {
            let mut state = self.lock();
            if let Some(result) = step(&mut state) {
                let woken = other(&mut state).take();
                drop(state);
                if let Some(woken) = woken {
                    woken.wake();
                }
                return Poll::Ready(result);
            }
            if let Some(waker) = waker.take() {
                let replaced = waiter(&mut state).replace(waker);
                drop(state);
                drop(replaced);
                return Poll::Pending;
            }
            drop(state);
            waker = Some(cx.waker().clone());
        }
    }

    /// Changes what one side is, and wakes the other.
    fn end(&self, change: impl FnOnce(&mut State)) {
        let mut state = self.lock();
        change(&mut state);
        let woken = [state.reader.take(), state.writer.take()];
        drop(state);
        woken.into_iter().flatten().for_each(Waker::wake);
    }
}

fn reader(state: &mut State) -> &mut Option<Waker> {
    &mut state.reader
}

fn writer(state: &mut State) -> &mut Option<Waker> {
    &mut state.writer
}

impl Read for DuplexStream {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        self.incoming.poll(cx, reader, writer, |state| {
            if state.bytes.is_empty() && !state.is_ended && !buf.is_empty() {
                return None;
            }
            // std's read of a deque takes its first half only, and never fails.
            Some(io::Read::read(&mut state.bytes, buf))
        })
    }
}

impl Write for DuplexStream {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        let capacity = self.outgoing.capacity;
        self.outgoing.poll(cx, writer, reader, |state| {
            if state.is_abandoned || state.is_ended {
                return Some(Err(io::ErrorKind::BrokenPipe.into()));
            }
            let room = capacity - state.bytes.len();
            if room == 0 && !buf.is_empty() {
                return None;
            }
            let count = room.min(buf.len());
            state.bytes.extend(&buf[..count]);
            Some(Ok(count))
        })
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_close(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.outgoing.end(|state| state.is_ended = true);
        Poll::Ready(Ok(()))
    }
}

impl Drop for DuplexStream {
    fn drop(&mut self) {
        self.outgoing.end(|state| state.is_ended = true);
        // The reader is gone, so the bytes are freed. Dropping bytes runs no user code.
        self.incoming.end(|state| {
            state.is_abandoned = true;
            state.bytes = VecDeque::new();
        });
    }
}

impl fmt::Debug for DuplexStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DuplexStream")
            .field("capacity", &self.outgoing.capacity)
            .finish_non_exhaustive()
    }
}

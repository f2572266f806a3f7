//! Standard input, read on the blocking pool.
//!
//! A read of a terminal or pipe cannot be called off once a thread is inside it. So the read in
//! flight belongs to the process, not to the future that asked for it: what arrives lands in
//! `SHARED` and goes to whoever reads next. A reader that was cancelled, by a timeout say, thereby
//! eats nothing (the predecessor kept the answer in the handle, and dropped it if the next call was
//! of another kind).
//!
//! The thread asks std's own buffered handle for exactly what the reader asked for, a line or some
//! bytes, so that code which uses `std::io::stdin` beside it goes on where this left off.
//!
//! Invariants:
//! 1. At most one read is in flight, and `is_reading` says whether one is.
//! 2. `bytes` precede `end`: the end or error is handed out when no byte is left before it.
//! 3. A waiter has at most one waker in `waiting`, and takes it away when it is dropped.
//! 4. No waker is woken, cloned or dropped while the lock is held, and no read is started.
//!
//! Rejected: waiting for the descriptor to become readable in the driver. It may be a regular file,
//! which epoll refuses, or be shared with other processes, which must not see it non-blocking.

use std::future::poll_fn;
use std::io::{self, BufRead, Read as _};
use std::mem;
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use reveille_runtime::spawn_plain;
use reveille_runtime::task::wake_all;

use super::Read;
use super::context::Context as _;
use super::futures::append_text;

/// The most that one read asks for, in bytes: what a pipe holds.
const READ_LEN: usize = 64 * 1024;

static SHARED: Mutex<Shared> =
    Mutex::new(Shared { bytes: Vec::new(), end: None, is_reading: false, waiting: Vec::new() });

/// The names of the waiters; zero is never given out.
static NEXT_WAITER: AtomicU64 = AtomicU64::new(1);

/// Makes a handle to the standard input of the process.
///
/// All handles read from the same place, which is also std's.
///
/// # Examples
///
/// Lines until the end, or until nobody has typed for a minute.
///
/// ```no_run
/// use std::time::Duration;
///
/// use reveille::{io, task};
///
/// # fn main() -> io::Result<()> {
/// task::block_on(async {
///     let stdin = io::stdin();
///     let mut line = String::new();
///     while io::timeout(Duration::from_secs(60), stdin.read_line(&mut line)).await? > 0 {
///         println!("you said {line:?}");
///         line.clear();
///     }
///     Ok(())
/// })
/// # }
/// ```
pub fn stdin() -> Stdin {
    Stdin { waiter: Waiter::new() }
}

/// A handle to the standard input of the process, made by [`stdin`].
///
/// # Cancel safety
///
/// Dropping a read loses no byte: what arrives after that goes to the next read of any handle.
///
/// # Examples
///
/// ```
/// use reveille::io::{self, prelude::*};
///
/// # fn main() -> io::Result<()> {
/// reveille::task::block_on(async {
///     let mut input = String::new();
///     io::stdin().read_to_string(&mut input).await?;
///     println!("{} bytes", input.len());
///     Ok(())
/// })
/// # }
/// ```
#[derive(Debug)]
pub struct Stdin {
    waiter: Waiter,
}

impl Stdin {
    /// Appends a line with its `\n` to `buf`, and returns how many bytes it had.
    ///
    /// Zero means the end of input. The last line may lack its `\n`.
    ///
    /// # Errors
    ///
    /// Those of the system, and `InvalidData` if the line is not UTF-8: the line is then gone.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future loses no byte: the line goes to the next read of any handle.
    ///
    /// # Examples
    ///
    /// ```
    /// # fn main() -> reveille::io::Result<()> {
    /// reveille::task::block_on(async {
    ///     let mut name = String::new();
    ///     reveille::io::stdin().read_line(&mut name).await?;
    ///     println!("good morning, {}", name.trim_end());
    ///     Ok(())
    /// })
    /// # }
    /// ```
    pub async fn read_line(&self, buf: &mut String) -> io::Result<usize> {
        let waiter = Waiter::new();
        let mut line = poll_fn(|cx| waiter.poll(cx, Want::Line, Shared::take_line))
            .await
            .context(|| "could not read line on stdin".to_owned())?;
        let len = line.len();
        append_text(buf, &mut line).context(|| "could not read line on stdin".to_owned())?;
        Ok(len)
    }
}

impl Read for Stdin {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        if buf.is_empty() {
            return Poll::Ready(Ok(0));
        }
        let want = Want::Bytes(buf.len().min(READ_LEN));
        self.waiter.poll(cx, want, |shared| shared.take_bytes(buf))
    }
}

/// What a reader asks the thread for.
#[derive(Clone, Copy, Debug)]
enum Want {
    Bytes(usize),
    Line,
}

/// What was read and not yet handed out, and who waits for more.
struct Shared {
    bytes: Vec<u8>,
    /// The end of input (`Ok`) or the error behind `bytes`.
    end: Option<io::Result<()>>,
    is_reading: bool,
    waiting: Vec<(u64, Waker)>,
}

impl Shared {
    fn lock() -> MutexGuard<'static, Shared> {
        // No code of others runs under the lock (invariant 4), and each change to it is whole.
        SHARED.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn take_bytes(&mut self, buf: &mut [u8]) -> Option<io::Result<usize>> {
        if self.bytes.is_empty() {
            return self.end.take().map(|end| end.map(|()| 0));
        }
        let n = self.bytes.len().min(buf.len());
        buf[..n].copy_from_slice(&self.bytes[..n]);
        self.bytes.drain(..n);
        Some(Ok(n))
    }

    fn take_line(&mut self) -> Option<io::Result<Vec<u8>>> {
        if let Some(newline) = self.bytes.iter().position(|byte| *byte == b'\n') {
            let rest = self.bytes.split_off(newline + 1);
            return Some(Ok(mem::replace(&mut self.bytes, rest)));
        }
        match self.end.take()? {
            Ok(()) => Some(Ok(mem::take(&mut self.bytes))),
            Err(error) => Some(Err(error)),
        }
    }
}

/// One place in the queue for input.
#[derive(Debug)]
struct Waiter {
    name: u64,
}

impl Waiter {
    fn new() -> Waiter {
        Waiter { name: NEXT_WAITER.fetch_add(1, Ordering::Relaxed) }
    }

    /// Takes what is there; else starts a read if none is in flight, and waits.
    fn poll<T>(
        &self,
        cx: &mut Context<'_>,
        want: Want,
        mut take: impl FnMut(&mut Shared) -> Option<io::Result<T>>,
    ) -> Poll<io::Result<T>> {
        let waker = cx.waker().clone();
        let mut shared = Shared::lock();
        if let Some(result) = take(&mut shared) {
            drop(shared);
            drop(waker);
            return Poll::Ready(result);
        }
        let position = shared.waiting.iter().position(|(name, _)| *name == self.name);
        let old = match position {
            Some(index) => Some(mem::replace(&mut shared.waiting[index].1, waker)),
            None => {
                shared.waiting.push((self.name, waker));
                None
            }
        };
        let is_first = !mem::replace(&mut shared.is_reading, true);
        drop(shared);
        drop(old);
        if is_first {
            start(want);
        }
        Poll::Pending
    }
}

impl Drop for Waiter {
    fn drop(&mut self) {
        let mut shared = Shared::lock();
        let position = shared.waiting.iter().position(|(name, _)| *name == self.name);
        let waker = position.map(|index| shared.waiting.swap_remove(index));
        drop(shared);
        drop(waker);
    }
}

/// The read in flight. Its drop ends it, also when the pool never got to run it.
#[derive(Default)]
struct Reading {
    bytes: Vec<u8>,
    end: Option<io::Result<()>>,
}

impl Reading {
    fn run(mut self, want: Want) {
        let mut stdin = io::stdin().lock();
        let result = match want {
            Want::Line => stdin.read_until(b'\n', &mut self.bytes).map(|_| self.bytes.last()),
            Want::Bytes(len) => {
                self.bytes = vec![0; len];
                let result = read_retrying(&mut stdin, &mut self.bytes);
                self.bytes.truncate(*result.as_ref().unwrap_or(&0));
                result.map(|_| self.bytes.last())
            }
        };
        self.end = match (want, result) {
            (_, Err(error)) => Some(Err(error)),
            (_, Ok(None)) => Some(Ok(())),
            (Want::Line, Ok(Some(last))) if *last != b'\n' => Some(Ok(())),
            (_, Ok(Some(_))) => None,
        };
    }
}

impl Drop for Reading {
    fn drop(&mut self) {
        let mut shared = Shared::lock();
        shared.bytes.append(&mut self.bytes);
        if self.end.is_some() {
            // Nobody asks for more while an older end waits behind the bytes, unless for a line:
            // then it is the newer one that matters.
            shared.end = self.end.take();
        }
        shared.is_reading = false;
        let woken = mem::take(&mut shared.waiting);
        drop(shared);
        wake_all(&mut woken.into_iter().map(|(_, waker)| waker).collect());
    }
}

fn start(want: Want) {
    let reading = Reading::default();
    drop(spawn_plain(move || reading.run(want)));
}

fn read_retrying(stdin: &mut io::StdinLock<'_>, buf: &mut [u8]) -> io::Result<usize> {
    loop {
        match stdin.read(buf) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            result => return result,
        }
    }
}

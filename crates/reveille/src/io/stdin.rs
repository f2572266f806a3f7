//! Standard input, read by a thread of its own.
//!
//! A read of a terminal or pipe cannot be cancelled once a thread is in the system call. So the
//! read in flight belongs to the process. It does not belong to the future that asked for it, nor
//! to a runtime, whose shutdown would have to wait for it. The first read starts the thread, which
//! ends after ten seconds without a request.
//!
//! The thread fills the buffer of std's handle and takes from it what the reader asked for, a line
//! or some bytes, if a reader still waits. So code that uses `std::io::stdin` as well continues
//! where this stopped, and receives what arrives after a read was dropped. What the thread took is
//! stored in `SHARED` and goes to the next reader.
//!
//! At a terminal the thread first waits until there is something to read, and this wait can be
//! cancelled: input that is typed after a read was dropped is not read, and a child process may
//! receive it. For other inputs the thread cannot know whether std's buffer, which it cannot
//! inspect, already holds data.
//!
//! Invariants:
//! 1. `request` is the request for the thread, until the thread has answered it. `is_running` says
//!    whether there is a thread. The thread decides to end under the same lock under which requests
//!    are made.
//! 2. `bytes` precede `end`: the end or error is returned only when no byte is left before it.
//! 3. A waiter has at most one waker in `waiting`, and removes it when it is dropped.
//! 4. No waker is woken, cloned or dropped, and no thread is started, while the lock is held.
//! 5. The lock of std's handle is taken before that of `SHARED`, never after it.
//!
//! Rejected: waiting for readability in the driver. Standard input may be a regular file, which
//! epoll refuses, or it may be shared with other processes, for which it must stay blocking.
//! Rejected: a thread of the runtime's blocking pool, for the reason above.

use std::future::poll_fn;
use std::io::{self, BufRead as _, Read as _};
use std::mem;
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use reveille_runtime::task::wake_all;
use reveille_runtime::waits::{self, WaitFor};

use super::Read;
use super::context::Context as _;
use super::futures::append_text;
use crate::os::terminal;

/// The largest read, in bytes: the capacity of a pipe.
const READ_LEN: usize = 64 * 1024;

/// The smallest read that bypasses std's buffer, in bytes: the size of that buffer.
const BUFFER_LEN: usize = 8 * 1024;

/// How long the thread waits for a request before it ends.
const KEEP_ALIVE: Duration = Duration::from_secs(10);

static SHARED: Mutex<Shared> = Mutex::new(Shared {
    bytes: Vec::new(),
    end: None,
    request: None,
    is_running: false,
    process: 0,
    waiting: Vec::new(),
});

/// Notified when there is a request for the thread.
static REQUESTED: Condvar = Condvar::new();

/// The source of waiter ids. Zero is not used.
static NEXT_WAITER: AtomicU64 = AtomicU64::new(1);

/// Returns a handle to the standard input of the process.
///
/// All handles read from the same stream, which is also that of std.
///
/// # Examples
///
/// Lines until the end, or until nothing was typed for a minute.
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

/// A handle to the standard input of the process. Created by [`stdin`].
///
/// # Cancel safety
///
/// Dropping a read loses no byte: what arrives later goes to the next read of any handle.
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
    /// Appends a line with its `\n` to `buf` and returns its length in bytes.
    ///
    /// Zero means the end of input. The last line may lack the `\n`.
    ///
    /// # Errors
    ///
    /// The system's error. `InvalidData` if the line is not UTF-8; the line is then lost.
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
        let mut line = poll_fn(|cx| waiter.poll(cx, Request::Line, Shared::take_line))
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
        let request = Request::Bytes(buf.len().min(READ_LEN));
        self.waiter.poll(cx, request, |shared| shared.take_bytes(buf))
    }
}

/// A request to the thread.
#[derive(Clone, Copy, Debug)]
enum Request {
    Bytes(usize),
    Line,
}

/// What was read and not yet returned, and the waiting readers.
struct Shared {
    bytes: Vec<u8>,
    /// The end of input (`Ok`) or the error after `bytes`.
    end: Option<io::Result<()>>,
    request: Option<Request>,
    is_running: bool,
    /// The process that started the thread.
    process: u32,
    waiting: Vec<(u64, Waker)>,
}

impl Shared {
    fn lock() -> MutexGuard<'static, Shared> {
        // No user code runs under the lock (invariant 4), and every change to the state is
        // complete.
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

/// A waiting reader.
#[derive(Debug)]
struct Waiter {
    name: u64,
}

impl Waiter {
    fn new() -> Waiter {
        Waiter { name: NEXT_WAITER.fetch_add(1, Ordering::Relaxed) }
    }

    /// Takes bytes that are available. Otherwise makes a request, if there is none, and waits.
    fn poll<T>(
        &self,
        cx: &mut Context<'_>,
        request: Request,
        mut take: impl FnMut(&mut Shared) -> Option<io::Result<T>>,
    ) -> Poll<io::Result<T>> {
        let waker = cx.waker().clone();
        let mut shared = Shared::lock();
        if let Some(result) = take(&mut shared) {
            drop(shared);
            drop(waker);
            return Poll::Ready(result);
        }
        waits::note(cx.waker(), || WaitFor::Named("standard input"));
        let position = shared.waiting.iter().position(|(name, _)| *name == self.name);
        let old = match position {
            Some(index) => Some(mem::replace(&mut shared.waiting[index].1, waker)),
            None => {
                shared.waiting.push((self.name, waker));
                None
            }
        };
        let process = std::process::id();
        if mem::replace(&mut shared.process, process) != process {
            // After a fork, the thread exists only in the parent.
            (shared.is_running, shared.request) = (false, None);
        }
        let is_first = shared.request.is_none();
        shared.request.get_or_insert(request);
        let has_thread = mem::replace(&mut shared.is_running, true);
        drop(shared);
        drop(old);
        if !has_thread {
            start();
        } else if is_first {
            REQUESTED.notify_one();
        }
        Poll::Pending
    }
}

impl Drop for Waiter {
    fn drop(&mut self) {
        let mut shared = Shared::lock();
        let position = shared.waiting.iter().position(|(name, _)| *name == self.name);
        let waker = position.map(|index| shared.waiting.swap_remove(index));
        let is_given_up = waker.is_some() && shared.waiting.is_empty();
        if is_given_up {
            shared.request = None;
        }
        drop(shared);
        drop(waker);
        if is_given_up {
            terminal::cancel_wait();
        }
    }
}

fn start() {
    if let Err(error) = reveille_runtime::start_thread("stdin", serve) {
        let mut shared = Shared::lock();
        shared.is_running = false;
        let text = format!("could not start the thread that reads stdin: {error}");
        answer(shared, Some(Err(io::Error::new(error.kind(), text))));
    }
}

/// Answers the waiting readers, with what is in `bytes`, and with `end` if that is the end.
fn answer(mut shared: MutexGuard<'_, Shared>, end: Option<io::Result<()>>) {
    if end.is_some() {
        // No request is made while an earlier end waits after the bytes, except for a line: then
        // the newer end replaces it.
        shared.end = end;
    }
    shared.request = None;
    let woken = mem::take(&mut shared.waiting);
    drop(shared);
    wake_all(&mut woken.into_iter().map(|(_, waker)| waker).collect());
}

/// The body of the thread.
fn serve() {
    while wait_until_asked() {
        if terminal::wait_until_readable() {
            read();
        }
    }
}

/// Waits for a request and then until there is something to read. `false` if the thread must end.
fn wait_until_asked() -> bool {
    let shared = Shared::lock();
    let waited =
        REQUESTED.wait_timeout_while(shared, KEEP_ALIVE, |shared| shared.request.is_none());
    let (mut shared, _) = waited.unwrap_or_else(PoisonError::into_inner);
    shared.is_running = shared.request.is_some();
    shared.is_running
}

/// Waits for input and takes as much as is requested by then.
fn read() {
    let mut stdin = io::stdin().lock();
    let filled = stdin.fill_buf();
    let mut shared = Shared::lock();
    let Some(request) = shared.request else {
        // The input stays in std's buffer. An error occurs again at the next read, or its cause is
        // gone.
        return;
    };
    let available = match filled {
        Err(error) if error.kind() == io::ErrorKind::Interrupted => return,
        Err(error) => return answer(shared, Some(Err(error))),
        Ok([]) => return answer(shared, Some(Ok(()))),
        Ok(available) => available,
    };
    let newline = available.iter().position(|byte| *byte == b'\n');
    let (taken, is_whole) = match (request, newline) {
        (Request::Bytes(len), _) => (available.len().min(len), true),
        (Request::Line, Some(newline)) => (newline + 1, true),
        (Request::Line, None) => (available.len(), false),
    };
    shared.bytes.extend_from_slice(&available[..taken]);
    stdin.consume(taken);
    if !is_whole {
        return;
    }
    if let Request::Bytes(len) = request
        && len - taken >= BUFFER_LEN
        && terminal::has_more()
    {
        // std's buffer is empty and smaller than the request: read the remainder in one call.
        drop(shared);
        let mut rest = vec![0; len - taken];
        let count = stdin.read(&mut rest).unwrap_or(0);
        shared = Shared::lock();
        shared.bytes.extend_from_slice(&rest[..count]);
    }
    answer(shared, None);
}

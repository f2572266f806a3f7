//! Standard output and standard error, written on the blocking pool.
//!
//! A write is complete when std's own buffered handle has accepted the bytes. So output of tasks
//! and of `println!` appears in the order of the calls. Each handle has at most one operation on
//! the pool.
//!
//! An operation whose future was dropped is completed anyway, and the next call waits for it. That
//! call takes its result only if it would write exactly the same bytes; otherwise it starts its own
//! operation. async-std always took the result, and silently skipped the text of the call after a
//! cancelled one.

use std::fmt;
use std::future::Future;
use std::io::{self, Write as StdWrite};
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};

use reveille_runtime::{JoinHandle, spawn_plain};

use super::Write;

/// The largest write of one operation, in bytes: 32 MiB. The bytes are copied, so there must be a
/// limit. Below it, the text of one call is not mixed with that of others.
const WRITE_LEN: usize = 32 << 20;

/// Returns a handle to the standard output of the process.
///
/// # Examples
///
/// ```
/// use reveille::io::{self, prelude::*};
///
/// # fn main() -> io::Result<()> {
/// reveille::task::block_on(async {
///     io::stdout().write_all(b"written without blocking\n").await
/// })
/// # }
/// ```
pub fn stdout() -> Stdout {
    Stdout(PoolWriter::new(|| io::stdout().lock()))
}

/// Returns a handle to the standard error of the process.
///
/// # Examples
///
/// ```
/// use reveille::io::{self, prelude::*};
///
/// # fn main() -> io::Result<()> {
/// reveille::task::block_on(async {
///     io::stderr().write_all(b"something went wrong\n").await
/// })
/// # }
/// ```
pub fn stderr() -> Stderr {
    Stderr(PoolWriter::new(|| io::stderr().lock()))
}

/// A handle to the standard output of the process. Created by [`stdout`].
///
/// Output goes through std's line buffer. A line without its `\n` stays there until it is flushed,
/// and keeps its order with the output of `print!`.
///
/// # Cancel safety
///
/// A write that was dropped may or may not appear. Later writes appear, in order.
///
/// # Examples
///
/// ```
/// use reveille::io::{self, prelude::*};
///
/// # fn main() -> io::Result<()> {
/// reveille::task::block_on(async {
///     let mut stdout = io::stdout();
///     stdout.write_all(b"loading").await?;
///     stdout.flush().await?;
///     writeln!(stdout, " … {}%", 100).await
/// })
/// # }
/// ```
#[derive(Debug)]
pub struct Stdout(PoolWriter<io::StdoutLock<'static>>);

/// A handle to the standard error of the process. Created by [`stderr`].
///
/// # Cancel safety
///
/// A write that was dropped may or may not appear. Later writes appear, in order.
///
/// # Examples
///
/// ```
/// use reveille::io::{self, prelude::*};
///
/// # fn main() -> io::Result<()> {
/// reveille::task::block_on(async {
///     writeln!(io::stderr(), "attempt {} failed", 3).await
/// })
/// # }
/// ```
#[derive(Debug)]
pub struct Stderr(PoolWriter<io::StderrLock<'static>>);

macro_rules! impl_write {
    ($($name:ident),*) => {$(
        impl Write for $name {
            fn poll_write(
                self: Pin<&mut Self>,
                cx: &mut Context<'_>,
                buf: &[u8],
            ) -> Poll<io::Result<usize>> {
                self.get_mut().0.poll_write(cx, buf)
            }

            fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
                self.get_mut().0.poll_flush(cx)
            }

            fn poll_close(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
                self.poll_flush(cx)
            }
        }
    )*};
}

impl_write!(Stdout, Stderr);

/// A blocking writer whose calls run on the pool, one after the other.
struct PoolWriter<W> {
    /// Returns the locked writer, on the pool: all handles of std share one buffer. The lock keeps
    /// an operation from mixing with others, however many system calls it takes.
    writer: fn() -> W,
    /// Accessed through `&mut` only. The lock makes the handle `Sync`.
    running: Mutex<Option<Running>>,
}

/// The operation on the pool.
struct Running {
    operation: Arc<Operation>,
    result: JoinHandle<io::Result<usize>>,
}

/// An operation for the pool.
#[derive(PartialEq)]
enum Operation {
    Flush,
    Write(Vec<u8>),
}

impl<W: StdWrite + 'static> PoolWriter<W> {
    fn new(writer: fn() -> W) -> PoolWriter<W> {
        PoolWriter { writer, running: Mutex::new(None) }
    }

    fn poll_write(&mut self, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let buf = &buf[..buf.len().min(WRITE_LEN)];
        if buf.is_empty() {
            return Poll::Ready(Ok(0));
        }
        let is_ours = |done: &Operation| matches!(done, Operation::Write(bytes) if bytes == buf);
        self.poll(cx, is_ours, || Operation::Write(buf.to_vec()))
    }

    fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let is_ours = |done: &Operation| *done == Operation::Flush;
        self.poll(cx, is_ours, || Operation::Flush).map_ok(drop)
    }

    /// Waits for the operation on the pool. Starts ours if a different operation or no operation
    /// was running.
    fn poll(
        &mut self,
        cx: &mut Context<'_>,
        is_ours: impl Fn(&Operation) -> bool,
        make: impl Fn() -> Operation,
    ) -> Poll<io::Result<usize>> {
        let running = self.running.get_mut().unwrap_or_else(PoisonError::into_inner);
        // At most two rounds, or three if the pool completes our operation before the first check.
        loop {
            let Some(mut current) = running.take() else {
                *running = Some(start(self.writer, make()));
                continue;
            };
            let Poll::Ready(result) = Pin::new(&mut current.result).poll(cx) else {
                *running = Some(current);
                return Poll::Pending;
            };
            if is_ours(&current.operation) {
                return Poll::Ready(result);
            }
            // Discards the result of a call whose future was dropped.
            drop(result);
        }
    }
}

impl<W> fmt::Debug for PoolWriter<W> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PoolWriter").finish_non_exhaustive()
    }
}

fn start<W: StdWrite + 'static>(writer: fn() -> W, operation: Operation) -> Running {
    let operation = Arc::new(operation);
    let given = Arc::clone(&operation);
    let result = spawn_plain(move || run(&mut writer(), &given));
    Running { operation, result }
}

fn run(writer: &mut impl StdWrite, operation: &Operation) -> io::Result<usize> {
    match operation {
        Operation::Flush => retry(|| writer.flush()).map(|()| 0),
        Operation::Write(bytes) => write_whole(writer, bytes),
    }
}

/// Writes as much of `bytes` as the writer accepts. An error after the first part occurs again in
/// the call that writes the remainder.
fn write_whole(writer: &mut impl StdWrite, bytes: &[u8]) -> io::Result<usize> {
    let mut written = 0;
    while written < bytes.len() {
        match retry(|| writer.write(&bytes[written..])) {
            Ok(0) => break,
            Ok(count) => written += count,
            Err(error) if written == 0 => return Err(error),
            Err(_) => break,
        }
    }
    Ok(written)
}

fn retry<T>(mut op: impl FnMut() -> io::Result<T>) -> io::Result<T> {
    loop {
        match op() {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            result => return result,
        }
    }
}

/// The implementation of `print!` and `println!`: one trip to the pool, which writes the text in
/// one piece.
///
/// # Panics
///
/// The future panics if the text cannot be written, as std's macros do.
#[doc(hidden)]
pub fn _print(args: fmt::Arguments<'_>) -> impl Future<Output = ()> + Send + use<> {
    print_whole(args.to_string(), io::stdout, "stdout")
}

/// The implementation of `eprint!` and `eprintln!`.
///
/// # Panics
///
/// The future panics if the text cannot be written, as std's macros do.
#[doc(hidden)]
pub fn _eprint(args: fmt::Arguments<'_>) -> impl Future<Output = ()> + Send + use<> {
    print_whole(args.to_string(), io::stderr, "stderr")
}

/// The text of `write!` and `writeln!`, or the error that an argument failed to format itself.
#[doc(hidden)]
pub fn _format(args: fmt::Arguments<'_>) -> io::Result<String> {
    let mut text = String::new();
    match fmt::Write::write_fmt(&mut text, args) {
        Ok(()) => Ok(text),
        Err(fmt::Error) => Err(io::Error::other("formatter error")),
    }
}

async fn print_whole<W: StdWrite + 'static>(text: String, writer: fn() -> W, name: &str) {
    let print = move || {
        let mut writer = writer();
        writer.write_all(text.as_bytes())?;
        writer.flush()
    };
    if let Err(error) = spawn_plain(print).await {
        panic!("failed printing to {name}: {error}");
    }
}

//! Reading, writing, buffers, and the standard streams.
//!
//! This is `std::io` with `.await`. A source of bytes implements [`Read`], a destination [`Write`],
//! and both can be wrapped in a buffer or passed to [`copy`]. The traits are those of the crate
//! `futures-io`, so a type that implements them for another library works here, and the other way
//! round. The methods are in [`ReadExt`], [`WriteExt`], [`SeekExt`] and [`BufReadExt`], which the
//! [`prelude`] imports.
//!
//! # Origin of the items
//!
//! | item | kind |
//! |---|---|
//! | [`Read`], [`Write`], [`Seek`], [`BufRead`] | re-export of futures-io |
//! | [`Cursor`], [`Chain`], [`Take`] | re-export of futures-lite |
//! | [`Error`], [`ErrorKind`], [`Result`], [`IoSlice`], [`IoSliceMut`], [`SeekFrom`] | re-export of std |
//! | `ReadExt::{chain, take}` | delegate to futures-lite |
//! | everything else | own |
//!
//! This crate's own items differ from those of futures-lite. The line readers keep what they have
//! read when they are dropped or fail. `read_to_end` zeroes no memory for sockets, and little for
//! other readers. [`Bytes`] does not stall on an interrupted read. [`copy`], [`timeout`] and the
//! standard streams use the budget, the timers and the blocking pool.
//!
//! # Buffers
//!
//! Each `read` and `write` of a socket is a system call; that of a file may be a trip to another
//! thread. If you read in small pieces, use a [`BufReader`]. If you write in small pieces, use a
//! [`BufWriter`], and **flush** it: its drop cannot wait, so what it still holds is lost.
//!
//! # Copies, halves and pairs
//!
//! | to | use |
//! |---|---|
//! | send everything from a reader to a writer | [`copy`](copy()) |
//! | connect two streams in both directions, as a proxy does | [`copy_bidirectional`] |
//! | read a socket in one task and write it in another | a clone, or `into_split` of [`TcpStream`](crate::net::TcpStream::into_split) and `UnixStream` |
//! | the same for a stream of another crate, such as TLS | [`split`] |
//! | replace a socket in a test, or connect two tasks | [`duplex`] |
//!
//! # Cancel safety
//!
//! A `read` that is dropped has taken nothing, and a dropped `write` to a socket or pipe has
//! written nothing. An operation that runs on another thread, for a file or standard output, may
//! have completed. An operation that makes several calls may have done a part: after a dropped
//! [`read_exact`](ReadExt::read_exact) or [`write_all`](WriteExt::write_all), the number of
//! transferred bytes is unknown. [`Lines`] keeps what it has, so a dropped `next` loses nothing.
//!
//! # Errors
//!
//! Errors that name an operation and an object keep the kind of the original. The cause appears
//! once: in the text, or as the source. See [`OperationError`] and, for the number of a system
//! error, [`raw_os_error`]. `{error:#}` always prints the cause.
//!
//! # Examples
//!
//! Echo one line back to each client.
//!
//! ```
//! use reveille::io::{self, BufReader};
//! use reveille::net::{TcpListener, TcpStream};
//! use reveille::prelude::*;
//! use reveille::task;
//!
//! # fn main() -> io::Result<()> {
//! task::block_on(async {
//!     let listener = TcpListener::bind("127.0.0.1:0").await?;
//!     let address = listener.local_addr()?;
//!     let server = task::spawn(async move {
//!         let (stream, _) = listener.accept().await?;
//!         let mut line = String::new();
//!         BufReader::new(&stream).read_line(&mut line).await?;
//!         (&stream).write_all(line.as_bytes()).await
//!     });
//!
//!     let mut stream = TcpStream::connect(address).await?;
//!     stream.write_all(b"good morning\n").await?;
//!     let mut answer = String::new();
//!     stream.read_to_string(&mut answer).await?;
//!     assert_eq!(answer, "good morning\n");
//!     server.await
//! })
//! # }
//! ```

#[doc(inline)]
pub use futures_lite::io::{Chain, Cursor, Take};
#[doc(inline)]
pub use std::io::{Error, ErrorKind, IoSlice, IoSliceMut, Result, SeekFrom};

pub use buf_read::{BufRead, BufReadExt};
pub use buf_reader::BufReader;
pub use buf_writer::{BufWriter, IntoInnerError};
pub use bytes::Bytes;
pub use context::{OperationError, raw_os_error};
pub use copy::{copy, copy_by_value};
pub use copy_bidirectional::copy_bidirectional;
pub use duplex::{DuplexStream, duplex};
pub use endless::{Empty, Repeat, Sink, empty, repeat, sink};
pub use lines::{Lines, Split};
#[doc(hidden)]
pub use output::{_eprint, _format, _print};
pub use output::{Stderr, Stdout, stderr, stdout};
pub use read::{Read, ReadExt};
pub use seek::{Seek, SeekExt};
pub use split::{ReadHalf, SplitError, WriteHalf, split};
pub use stdin::{Stdin, stdin};
pub use timeout::timeout;
#[doc(hidden)]
pub use timeout::timeout_lent;
pub use uninit::{is_write_vectored, poll_read_uninit};
pub use write::{Write, WriteExt};

pub mod prelude;

pub(crate) mod context;

mod buf_read;
mod buf_reader;
mod buf_writer;
mod bytes;
mod copy;
mod copy_bidirectional;
mod copy_file;
mod duplex;
mod endless;
#[doc(hidden)]
pub mod futures;
mod lines;
mod output;
mod read;
mod read_to_end;
mod seek;
mod split;
mod stdin;
mod timeout;
mod uninit;
mod write;

/// The default capacity of buffered readers and writers, in bytes, as in std.
const DEFAULT_BUFFER_LEN: usize = 8 * 1024;

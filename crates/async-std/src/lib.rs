//! async-std, on reveille.
//!
//! This package has the name, the features and the API of async-std 1.13.2, but none of its code.
//! Every item comes from [reveille](https://docs.rs/reveille) or from the crate that async-std also
//! re-exports it from. With two lines in the manifest of a program, cargo uses this package for its
//! whole dependency tree:
//!
//! ```toml
//! [patch.crates-io]
//! async-std = { git = "https://github.com/reveille-rs/reveille" }
//! ```
//!
//! The features keep their meaning. async-std's unstable items exist only with `unstable`, the
//! attributes `main` and `test` only with `attributes`. With `tokio1`, tasks, blocking closures and
//! `block_on` have the context of a tokio runtime, so that a library made for tokio works inside
//! them. The first of them starts that runtime. `tokio02`, `tokio03` and the names of async-std's
//! optional dependencies are accepted and change nothing. PARITY.md lists the differences. New code
//! should depend on reveille itself.
//!
//! # Examples
//!
//! ```
//! use async_std::task;
//!
//! let answer = task::block_on(async { task::spawn(async { 42 }).await });
//! assert_eq!(answer, 42);
//! ```

#![deny(unsafe_code)]
#![cfg_attr(docsrs, feature(doc_cfg))]

#[cfg(feature = "attributes")]
#[cfg_attr(docsrs, doc(cfg(feature = "attributes")))]
#[doc(inline)]
pub use reveille_macros::{async_std_main as main, async_std_test as test};

/// What the attribute `test` calls.
#[cfg(feature = "attributes")]
#[doc(hidden)]
pub mod observe {
    pub use reveille::observe::run_named_test;
}

#[cfg(feature = "default")]
#[doc(inline)]
pub use reveille::task_local;

#[cfg(feature = "unstable")]
#[cfg_attr(docsrs, doc(cfg(feature = "unstable")))]
#[doc(inline)]
pub use reveille::{eprint, eprintln, print, println};

#[cfg(all(feature = "unstable", feature = "default"))]
#[doc(inline)]
pub use std::{write, writeln};

#[cfg(feature = "alloc")]
#[doc(hidden)]
pub mod names;

#[cfg(feature = "alloc")]
mod adapters;
#[cfg(feature = "default")]
mod builder;
#[cfg(feature = "unstable")]
#[allow(unsafe_code, reason = "async-std implements `Send` and `Sync` by hand")]
mod condvar;
#[cfg(feature = "alloc")]
mod ext;
#[cfg(feature = "std")]
mod io_ext;
#[cfg(feature = "default")]
mod tcp;
#[cfg(all(feature = "default", unix))]
mod uds;

#[cfg(feature = "std")]
pub mod channel {
    //! Channels: all of async-channel.
    //!
    //! # Examples
    //!
    //! ```
    //! use async_std::{channel, task};
    //!
    //! task::block_on(async {
    //!     let (sender, receiver) = channel::bounded(1);
    //!     task::spawn(async move { sender.send("hello").await });
    //!     assert_eq!(receiver.recv().await, Ok("hello"));
    //!     assert!(receiver.recv().await.is_err()); // all senders are gone
    //! });
    //! ```

    #[doc(inline)]
    pub use reveille::channel::*;
}

#[cfg(feature = "default")]
pub mod fs {
    //! Files and directories.
    //!
    //! # Examples
    //!
    //! ```
    //! use async_std::{fs, task};
    //!
    //! let text = task::block_on(fs::read_to_string("Cargo.toml"))?;
    //! assert!(text.contains("[package]"));
    //! # std::io::Result::Ok(())
    //! ```

    #[doc(inline)]
    pub use reveille::fs::{
        DirBuilder, DirEntry, File, FileType, Metadata, OpenOptions, Permissions, ReadDir,
        canonicalize, copy, create_dir, create_dir_all, hard_link, metadata, read, read_dir,
        read_link, read_to_string, remove_dir, remove_dir_all, remove_file, rename,
        set_permissions, symlink_metadata, write,
    };
}

#[cfg(feature = "alloc")]
pub mod future {
    //! Futures, and functions on them.
    //!
    //! # Examples
    //!
    //! ```
    //! use async_std::{future, task};
    //! use std::time::Duration;
    //!
    //! let in_time = future::timeout(Duration::from_secs(1), async { 1 + 2 });
    //! assert_eq!(task::block_on(in_time), Ok(3));
    //! ```

    #[cfg(any(feature = "unstable", feature = "default"))]
    #[doc(inline)]
    pub use reveille::future::TimeoutError;
    #[doc(inline)]
    pub use std::future::Future;

    #[cfg(feature = "unstable")]
    #[cfg_attr(docsrs, doc(cfg(feature = "unstable")))]
    #[doc(inline)]
    pub use reveille::future::IntoFuture;

    /// Awaits a future for at most `dur`, counted from the first poll.
    ///
    /// The future is polled before the clock is read, so a ready future never times out.
    ///
    /// # Errors
    ///
    /// Returns [`TimeoutError`] if the time runs out.
    ///
    /// # Cancel safety
    ///
    /// When the time runs out, or this future is dropped, the inner future is dropped. A borrowed
    /// future, `&mut future`, keeps its progress and its locks until it is awaited again or
    /// dropped.
    ///
    /// # Differences
    ///
    /// Reveille's function of this name refuses a borrow.
    ///
    /// # Examples
    ///
    /// ```
    /// use async_std::future;
    /// use std::time::Duration;
    ///
    /// let never = future::timeout(Duration::from_millis(1), future::pending::<()>());
    /// assert!(async_std::task::block_on(never).is_err());
    /// ```
    #[cfg(any(feature = "unstable", feature = "default"))]
    pub async fn timeout<F, T>(dur: std::time::Duration, f: F) -> Result<T, TimeoutError>
    where
        F: Future<Output = T>,
    {
        reveille::future::futures::TimeoutFuture::from_first_poll(f, dur).await
    }

    /// Returns a future that never completes.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future loses nothing.
    ///
    /// # Examples
    ///
    /// ```
    /// use async_std::future;
    /// use std::time::Duration;
    ///
    /// let never = future::timeout(Duration::from_millis(1), future::pending::<()>());
    /// assert!(async_std::task::block_on(never).is_err());
    /// ```
    #[cfg(feature = "std")]
    pub fn pending<T>() -> impl Future<Output = T> {
        reveille::future::pending()
    }

    /// Returns a future that is ready with `value`.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future drops the value.
    ///
    /// # Examples
    ///
    /// ```
    /// assert_eq!(async_std::task::block_on(async_std::future::ready(10)), 10);
    /// ```
    #[cfg(feature = "std")]
    pub fn ready<T>(value: T) -> impl Future<Output = T> {
        reveille::future::ready(value)
    }

    /// Returns a future that calls `f` on each poll.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future drops the closure.
    ///
    /// # Examples
    ///
    /// ```
    /// use async_std::future;
    /// use async_std::task::Poll;
    ///
    /// let mut polls = 0;
    /// let second = future::poll_fn(|cx| {
    ///     polls += 1;
    ///     if polls == 2 {
    ///         return Poll::Ready(polls);
    ///     }
    ///     cx.waker().wake_by_ref(); // otherwise the future would not be polled again
    ///     Poll::Pending
    /// });
    /// assert_eq!(async_std::task::block_on(second), 2);
    /// ```
    #[cfg(feature = "std")]
    pub fn poll_fn<F, T>(f: F) -> impl Future<Output = T>
    where
        F: FnMut(&mut std::task::Context<'_>) -> std::task::Poll<T>,
    {
        reveille::future::poll_fn(f)
    }
}

#[cfg(feature = "std")]
pub mod io {
    //! Reading, writing, buffers and the standard streams.
    //!
    //! # Examples
    //!
    //! ```
    //! use async_std::io::{BufReader, prelude::*};
    //! use async_std::prelude::*;
    //! use async_std::task;
    //!
    //! task::block_on(async {
    //!     let mut lines = BufReader::new(&b"one\ntwo\n"[..]).lines();
    //!     assert_eq!(lines.next().await.unwrap()?, "one");
    //!     assert_eq!(lines.next().await.unwrap()?, "two");
    //!     std::io::Result::Ok(())
    //! })?;
    //! # std::io::Result::Ok(())
    //! ```

    #[cfg(feature = "default")]
    #[doc(hidden)]
    pub use reveille::io::{_eprint, _print};
    #[doc(inline)]
    pub use reveille::io::{
        BufRead, BufReadExt, BufReader, BufWriter, Bytes, Chain, Cursor, Empty, Error, ErrorKind,
        IntoInnerError, IoSlice, IoSliceMut, Lines, Read, Repeat, Result, Seek, SeekExt, SeekFrom,
        Sink, Split, Take, Write, empty, repeat, sink,
    };

    #[doc(inline)]
    pub use crate::io_ext::{ReadExt, WriteExt};
    #[cfg(feature = "default")]
    #[doc(inline)]
    pub use reveille::io::{Stderr, Stdin, Stdout, stderr, stdin, stdout};

    /// Waits for an I/O operation, but no longer than `dur`, counted from the first poll.
    ///
    /// The operation is polled before the clock is read.
    ///
    /// # Errors
    ///
    /// Returns the error of the operation, or one of kind `TimedOut`.
    ///
    /// # Cancel safety
    ///
    /// When the time runs out, the operation is dropped; its documentation says what that loses. A
    /// borrowed future, `&mut future`, keeps its state until it is awaited again or dropped.
    ///
    /// # Differences
    ///
    /// Reveille's function of this name refuses a borrow.
    ///
    /// # Examples
    ///
    /// ```
    /// use async_std::{future, io, task};
    /// use std::time::Duration;
    ///
    /// let late = io::timeout(Duration::from_millis(1), future::pending::<io::Result<()>>());
    /// assert_eq!(task::block_on(late).unwrap_err().kind(), io::ErrorKind::TimedOut);
    /// ```
    #[cfg(feature = "default")]
    pub fn timeout<F, T>(
        dur: std::time::Duration,
        f: F,
    ) -> impl std::future::Future<Output = Result<T>>
    where
        F: std::future::Future<Output = Result<T>>,
    {
        reveille::io::timeout_lent(dur, f)
    }

    #[cfg(not(feature = "unstable"))]
    #[doc(inline)]
    pub use reveille::io::copy;

    /// Copies everything from `reader` to `writer`, and returns the number of bytes.
    ///
    /// This is async-std's signature with `unstable`. Without that feature the function borrows
    /// both ends.
    ///
    /// # Errors
    ///
    /// Fails as soon as a read or a write fails.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future drops both ends, and loses the bytes that were read but not written.
    ///
    /// # Examples
    ///
    /// ```
    /// use async_std::io;
    ///
    /// # async_std::task::block_on(async {
    /// let copied = io::copy(&b"twelve bytes"[..], io::sink()).await?;
    /// assert_eq!(copied, 12);
    /// # io::Result::Ok(()) })?;
    /// # io::Result::Ok(())
    /// ```
    #[cfg(feature = "unstable")]
    #[cfg_attr(docsrs, doc(cfg(feature = "unstable")))]
    pub async fn copy<R, W>(reader: R, writer: W) -> Result<u64>
    where
        R: Read + Unpin,
        W: Write + Unpin,
    {
        reveille::io::copy_by_value(reader, writer).await
    }

    pub mod prelude {
        //! The traits of this module; import them all.
        //!
        //! # Examples
        //!
        //! ```
        //! use async_std::io::prelude::*;
        //!
        //! let mut buf = [0; 2];
        //! async_std::task::block_on((&b"hi"[..]).read_exact(&mut buf))?;
        //! assert_eq!(&buf, b"hi");
        //! # std::io::Result::Ok(())
        //! ```

        #[doc(no_inline)]
        pub use super::{BufRead, BufReadExt, Read, ReadExt, Seek, SeekExt, Write, WriteExt};
    }
}

#[cfg(feature = "default")]
pub mod net {
    //! TCP, UDP and name lookup.
    //!
    //! # Examples
    //!
    //! ```
    //! use async_std::net::{TcpListener, TcpStream};
    //! use async_std::task;
    //!
    //! task::block_on(async {
    //!     let listener = TcpListener::bind("127.0.0.1:0").await?;
    //!     let client = TcpStream::connect(listener.local_addr()?).await?;
    //!     let (_stream, peer) = listener.accept().await?;
    //!     assert_eq!(peer, client.local_addr()?);
    //!     std::io::Result::Ok(())
    //! })?;
    //! # std::io::Result::Ok(())
    //! ```

    #[doc(inline)]
    pub use crate::tcp::{Incoming, TcpListener, TcpStream};
    #[doc(inline)]
    pub use reveille::net::{ToSocketAddrs, UdpSocket};
    #[doc(inline)]
    pub use std::net::{
        AddrParseError, IpAddr, Ipv4Addr, Ipv6Addr, Shutdown, SocketAddr, SocketAddrV4,
        SocketAddrV6,
    };
}

#[cfg(feature = "std")]
pub mod os {
    //! Platform-specific extensions.
    //!
    //! # Examples
    //!
    //! ```
    //! # #[cfg(unix)] {
    //! use async_std::os::unix::net::UnixStream;
    //! use async_std::prelude::*;
    //!
    //! async_std::task::block_on(async {
    //!     let (mut here, mut there) = UnixStream::pair()?;
    //!     here.write_all(b"hi").await?;
    //!     let mut buf = [0; 2];
    //!     there.read_exact(&mut buf).await?;
    //!     assert_eq!(&buf, b"hi");
    //!     std::io::Result::Ok(())
    //! })
    //! # .unwrap();
    //! # }
    //! ```

    #[cfg(unix)]
    pub mod unix {
        //! Extensions for Unix.
        //!
        //! # Examples
        //!
        //! ```
        //! use async_std::os::unix::net::UnixStream;
        //! use async_std::prelude::*;
        //!
        //! async_std::task::block_on(async {
        //!     let (mut here, mut there) = UnixStream::pair()?;
        //!     here.write_all(b"hi").await?;
        //!     let mut buf = [0; 2];
        //!     there.read_exact(&mut buf).await?;
        //!     assert_eq!(&buf, b"hi");
        //!     std::io::Result::Ok(())
        //! })
        //! # .unwrap();
        //! ```

        #[cfg(feature = "unstable")]
        #[cfg_attr(docsrs, doc(cfg(feature = "unstable")))]
        #[doc(inline)]
        pub use async_process::unix as process;

        #[cfg(feature = "default")]
        pub mod fs {
            //! Symbolic links and permission bits.
            //!
            //! # Examples
            //!
            //! ```
            //! use async_std::os::unix::fs::symlink;
            //! use async_std::{fs, task};
            //!
            //! # let link = std::env::temp_dir().join(format!("ln-{}", std::process::id()));
            //! # let link = async_std::path::PathBuf::from(link);
            //! task::block_on(async {
            //!     symlink("target", &link).await?;
            //!     assert_eq!(fs::read_link(&link).await?.to_str(), Some("target"));
            //! #   fs::remove_file(&link).await?;
            //!     std::io::Result::Ok(())
            //! })?;
            //! # std::io::Result::Ok(())
            //! ```

            #[doc(inline)]
            pub use reveille::os::unix::fs::{DirBuilderExt, DirEntryExt, OpenOptionsExt, symlink};
        }

        pub mod io {
            //! Descriptors.
            //!
            //! # Examples
            //!
            //! ```
            //! use async_std::net::UdpSocket;
            //! use async_std::os::unix::io::AsRawFd;
            //!
            //! let socket = async_std::task::block_on(UdpSocket::bind("127.0.0.1:0"))?;
            //! assert!(socket.as_raw_fd() >= 0);
            //! # std::io::Result::Ok(())
            //! ```

            #[cfg(feature = "io_safety")]
            #[doc(inline)]
            pub use std::os::unix::io::{AsFd, BorrowedFd, OwnedFd};
            #[doc(inline)]
            pub use std::os::unix::io::{AsRawFd, FromRawFd, IntoRawFd, RawFd};
        }

        #[cfg(feature = "default")]
        pub mod net {
            //! Unix domain sockets.
            //!
            //! # Examples
            //!
            //! ```
            //! use async_std::os::unix::net::UnixStream;
            //! use async_std::prelude::*;
            //!
            //! async_std::task::block_on(async {
            //!     let (mut here, mut there) = UnixStream::pair()?;
            //!     here.write_all(b"hi").await?;
            //!     let mut buf = [0; 2];
            //!     there.read_exact(&mut buf).await?;
            //!     assert_eq!(&buf, b"hi");
            //!     std::io::Result::Ok(())
            //! })
            //! # .unwrap();
            //! ```

            #[doc(inline)]
            pub use crate::uds::{Incoming, UnixListener, UnixStream};
            #[doc(inline)]
            pub use reveille::os::unix::net::{SocketAddr, UnixDatagram};
        }
    }

    #[cfg(windows)]
    pub mod windows {
        //! Extensions for Windows.
        //!
        //! # Examples
        //!
        //! ```
        //! use async_std::os::windows::io::AsRawSocket;
        //!
        //! let socket = async_std::task::block_on(async_std::net::UdpSocket::bind("127.0.0.1:0"))?;
        //! let _handle = socket.as_raw_socket();
        //! # std::io::Result::Ok(())
        //! ```

        #[cfg(feature = "unstable")]
        #[cfg_attr(docsrs, doc(cfg(feature = "unstable")))]
        #[doc(inline)]
        pub use async_process::windows as process;

        #[cfg(all(feature = "unstable", feature = "default"))]
        pub mod fs {
            //! Symbolic links.
            //!
            //! # Examples
            //!
            //! ```
            //! use async_std::os::windows::fs::symlink_file;
            //!
            //! # async_std::task::block_on(async {
            //! // Windows allows this to administrators and in developer mode.
            //! if let Err(error) = symlink_file("target.txt", "link.txt").await {
            //!     eprintln!("no link: {error}");
            //! }
            //! # let _ = std::fs::remove_file("link.txt");
            //! # });
            //! ```

            #[doc(inline)]
            pub use reveille::os::windows::fs::{symlink_dir, symlink_file};
        }

        pub mod io {
            //! Handles.
            //!
            //! # Examples
            //!
            //! ```
            //! use async_std::net::UdpSocket;
            //! use async_std::os::windows::io::AsRawSocket;
            //!
            //! let socket = async_std::task::block_on(UdpSocket::bind("127.0.0.1:0"))?;
            //! println!("socket {}", socket.as_raw_socket());
            //! # std::io::Result::Ok(())
            //! ```

            #[cfg(feature = "io_safety")]
            #[doc(inline)]
            pub use std::os::windows::io::{
                AsHandle, AsSocket, BorrowedHandle, BorrowedSocket, OwnedHandle, OwnedSocket,
            };
            #[doc(inline)]
            pub use std::os::windows::io::{
                AsRawHandle, AsRawSocket, FromRawHandle, FromRawSocket, IntoRawHandle,
                IntoRawSocket, RawHandle, RawSocket,
            };
        }
    }
}

#[cfg(feature = "default")]
pub mod path {
    //! Paths with asynchronous file system methods.
    //!
    //! # Examples
    //!
    //! ```
    //! use async_std::path::Path;
    //!
    //! assert!(async_std::task::block_on(Path::new("Cargo.toml").is_file()));
    //! ```

    #[doc(inline)]
    pub use reveille::path::{
        Ancestors, Component, Components, Display, Iter, MAIN_SEPARATOR, Path, PathBuf, Prefix,
        PrefixComponent, StripPrefixError, is_separator,
    };
}

#[cfg(feature = "unstable")]
#[cfg_attr(docsrs, doc(cfg(feature = "unstable")))]
pub mod pin {
    //! Pinned values.
    //!
    //! # Examples
    //!
    //! ```
    //! use async_std::pin::Pin;
    //!
    //! let mut number = 1;
    //! Pin::new(&mut number).set(2);
    //! assert_eq!(number, 2);
    //! ```

    #[doc(inline)]
    pub use std::pin::Pin;
}

#[cfg(feature = "std")]
pub mod prelude {
    //! The extension traits; import them all.
    //!
    //! # Examples
    //!
    //! ```
    //! use async_std::prelude::*;
    //! use async_std::stream;
    //!
    //! let last = stream::from_iter([1, 2, 3]).last();
    //! assert_eq!(async_std::task::block_on(last), Some(3));
    //! ```

    #[doc(no_inline)]
    pub use crate::io::prelude::{
        BufRead as _, BufReadExt as _, Read as _, ReadExt as _, Seek as _, SeekExt as _,
        Write as _, WriteExt as _,
    };
    #[doc(no_inline)]
    pub use crate::stream::Stream;
    #[doc(no_inline)]
    pub use std::future::Future;

    #[doc(inline)]
    pub use crate::ext::FutureExt;
    #[doc(inline)]
    pub use crate::stream::StreamExt;
    #[cfg(feature = "unstable")]
    #[doc(no_inline)]
    pub use crate::stream::{DoubleEndedStream, ExactSizeStream};
    #[cfg(feature = "default")]
    #[doc(no_inline)]
    pub use crate::task_local;
}

#[cfg(feature = "unstable")]
#[cfg_attr(docsrs, doc(cfg(feature = "unstable")))]
pub mod process {
    //! Child processes: the types of the shim async-process, which are reveille's. A program that
    //! mixes async-std and async-process patches both crates and sees one set of types.
    //!
    //! # Examples
    //!
    //! ```
    //! use async_std::process::Command;
    //!
    //! let status = async_std::task::block_on(Command::new("true").status())?;
    //! assert!(status.success());
    //! # std::io::Result::Ok(())
    //! ```

    #[doc(inline)]
    pub use async_process::{
        Child, ChildStderr, ChildStdin, ChildStdout, Command, ExitStatus, Output, Stdio,
    };
    #[doc(inline)]
    pub use std::process::{abort, exit, id};
}

#[cfg(feature = "alloc")]
pub mod stream {
    //! Streams: asynchronous iterators.
    //!
    //! # Examples
    //!
    //! ```
    //! use async_std::prelude::*;
    //! use async_std::{stream, task};
    //!
    //! task::block_on(async {
    //!     let mut evens = stream::from_iter(1..5).filter(|n| n % 2 == 0);
    //!     while let Some(n) = evens.next().await {
    //!         println!("{n}");
    //!     }
    //! });
    //! ```

    #[doc(inline)]
    pub use crate::ext::StreamExt;
    #[doc(inline)]
    pub use reveille::stream::{
        Chain, Cloned, Copied, Empty, Filter, FromFn, FromIter, Fuse, Inspect, Map, Once, Repeat,
        RepeatWith, Scan, Skip, SkipWhile, StepBy, Stream, Take, TakeWhile, Zip, empty, from_fn,
        from_iter, once, repeat, repeat_with,
    };
    #[cfg(feature = "unstable")]
    #[cfg_attr(docsrs, doc(cfg(feature = "unstable")))]
    #[doc(inline)]
    pub use reveille::stream::{
        DoubleEndedStream, ExactSizeStream, Extend, FlatMap, Flatten, FromStream, FusedStream,
        Interval, IntoStream, Merge, Pending, Product, Successors, Sum, Timeout, TimeoutError,
        extend, interval, pending, successors,
    };
}

#[cfg(feature = "std")]
pub mod sync {
    //! Synchronisation between tasks: the types of async-lock, and a condition variable.
    //!
    //! # Examples
    //!
    //! ```
    //! use async_std::sync::{Arc, Mutex};
    //! use async_std::task;
    //!
    //! task::block_on(async {
    //!     let total = Arc::new(Mutex::new(1));
    //!     let theirs = Arc::clone(&total);
    //!     task::spawn(async move { *theirs.lock().await += 1 }).await;
    //!     assert_eq!(*total.lock().await, 2);
    //! });
    //! ```

    #[cfg(feature = "unstable")]
    #[cfg_attr(docsrs, doc(cfg(feature = "unstable")))]
    #[doc(inline)]
    pub use crate::condvar::Condvar;
    #[cfg(feature = "unstable")]
    #[cfg_attr(docsrs, doc(cfg(feature = "unstable")))]
    #[doc(inline)]
    pub use reveille::sync::{Barrier, BarrierWaitResult};
    #[doc(inline)]
    pub use reveille::sync::{
        Mutex, MutexGuard, MutexGuardArc, RwLock, RwLockReadGuard, RwLockUpgradableReadGuard,
        RwLockWriteGuard,
    };
    #[doc(inline)]
    pub use std::sync::{Arc, Weak};
}

#[cfg(feature = "alloc")]
pub mod task {
    //! Tasks.
    //!
    //! # Examples
    //!
    //! ```
    //! use async_std::task;
    //!
    //! let task = task::spawn(async { 6 * 7 });
    //! assert_eq!(task::block_on(task), 42);
    //! ```

    #[doc(inline)]
    pub use futures_core::ready;
    #[doc(inline)]
    pub use std::task::{Context, Poll, Waker};

    #[cfg(feature = "default")]
    #[doc(inline)]
    pub use crate::builder::Builder;
    #[cfg(all(feature = "unstable", feature = "default"))]
    #[cfg_attr(docsrs, doc(cfg(feature = "unstable")))]
    #[doc(inline)]
    pub use reveille::task::spawn_local;
    #[cfg(feature = "std")]
    #[doc(inline)]
    pub use reveille::task::yield_now;
    #[cfg(feature = "default")]
    #[doc(inline)]
    pub use reveille::task::{
        AccessError, JoinHandle, LocalKey, Task, TaskId, block_on, current, spawn, spawn_blocking,
        try_current,
    };

    /// Waits for `dur`, counted from the first poll of the returned future.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future cancels the timer.
    ///
    /// # Examples
    ///
    /// ```
    /// # async_std::task::block_on(async {
    /// use async_std::task;
    /// use std::time::Duration;
    ///
    /// task::sleep(Duration::from_millis(1)).await;
    /// # });
    /// ```
    #[cfg(feature = "default")]
    pub async fn sleep(dur: std::time::Duration) {
        reveille::task::sleep(dur).await;
    }
}

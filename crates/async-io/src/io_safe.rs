//! The trait of objects that keep their descriptor.

#![allow(unsafe_code, reason = "the trait of the original is unsafe to implement")]

use std::borrow::Cow;
use std::io::{self, BufReader, BufWriter, LineWriter, Read, Write};

/// Types whose implementations of `Read` and `Write` keep the descriptor that `AsFd` returned.
///
/// An owned [`Async`](crate::Async) implements the asynchronous traits for such types only. To use
/// a type of your own, implement this trait, or `Read` and `Write` for references to the type.
///
/// # Safety
///
/// `Read` and `Write` of the type must not close its descriptor and must not put another object in
/// its place. This package duplicates the descriptors of types that are not std's, so it does not
/// depend on this promise; the original does.
///
/// # Examples
///
/// ```
/// use std::io::Read;
///
/// use async_io::IoSafe;
///
/// struct Pipe(std::io::PipeReader);
/// // SAFETY: a read leaves the descriptor open.
/// unsafe impl IoSafe for Pipe {}
/// # impl Read for Pipe {
/// #     fn read(&mut self, buf: &mut [u8]) -> std::io::Result<usize> { self.0.read(buf) }
/// # }
/// ```
pub unsafe trait IoSafe {}

// SAFETY: a shared reference cannot replace the object.
unsafe impl<T: ?Sized> IoSafe for &T {}

macro_rules! keep {
    ($($object:ty),* $(,)?) => {$(
        // SAFETY: std's objects keep their descriptor until they are dropped.
        unsafe impl IoSafe for $object {}
    )*};
}

keep!(
    std::fs::File,
    std::net::TcpStream,
    std::process::ChildStdin,
    std::process::ChildStdout,
    std::process::ChildStderr,
    io::PipeReader,
    io::PipeWriter,
    io::Stdin,
    io::Stdout,
    io::Stderr,
    io::StdinLock<'_>,
    io::StdoutLock<'_>,
    io::StderrLock<'_>,
);
#[cfg(unix)]
keep!(std::os::unix::net::UnixStream);

// SAFETY: a buffer passes the calls on, and the object inside keeps its descriptor.
unsafe impl<T: IoSafe + Read> IoSafe for BufReader<T> {}
// SAFETY: as for `BufReader`.
unsafe impl<T: IoSafe + Write> IoSafe for BufWriter<T> {}
// SAFETY: as for `BufReader`.
unsafe impl<T: IoSafe + Write> IoSafe for LineWriter<T> {}
// SAFETY: the calls are those of the object behind the reference.
unsafe impl<T: IoSafe + ?Sized> IoSafe for &mut T {}
// SAFETY: the calls are those of the object in the box.
unsafe impl<T: IoSafe + ?Sized> IoSafe for Box<T> {}
// SAFETY: the calls are those of the object in the `Cow`; a clone is made before the first.
unsafe impl<T: Clone + IoSafe> IoSafe for Cow<'_, T> {}

//! An open file.

use std::io::IoSlice;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::{fmt, future, io};

use futures_io::{AsyncRead, AsyncSeek, AsyncWrite, SeekFrom};

use super::{Metadata, Permissions, on_pool};
use crate::io::context::Context as _;
use crate::os::file::{self as system, Flags, Kind};
use crate::path::Path;
use shared::Shared;

mod buffers;
mod direct;
mod locks;
mod shared;
mod state;
mod waiters;

/// An open file, with std's methods for reading, writing and seeking, made asynchronous.
///
/// `File` and `&File` implement [`Read`](crate::io::Read), [`Write`](crate::io::Write) and
/// [`Seek`](crate::io::Seek). A clone is another handle of the same open file: clones share the
/// cursor and the buffers described below.
///
/// # Writing
///
/// A write copies its bytes to a buffer and returns. The blocking pool writes them to the file, at
/// once and in order. [`flush`](crate::io::WriteExt::flush) and closing wait until it has.
///
/// * **Atomicity.** The bytes of one call of `write`, `write_all`, `write_vectored` or `write!` are
///   passed to the system in one `write(2)` if they are at most 32 MiB or the file was opened for
///   appending. So lines that several handles or processes append to a file on a local disk are
///   never torn, and neither are those that clones write. A longer write is accepted up to its
///   first 32 MiB. The system may accept less than it is given, on a pipe for example; the
///   remainder follows.
/// * **Merging.** Small writes to a regular file of a local file system (ext4, XFS, Btrfs, tmpfs
///   and others on Linux) may share a `write(2)`. Everywhere else each write gets its own, because
///   it may be a message, a command or a record: pipes, terminals, sockets, devices, the files of
///   `/proc`, `/sys` and cgroups, and network file systems.
/// * **Order.** Writes of all clones reach the file in the order in which they returned. A read,
///   seek or [`set_len`](File::set_len) comes after the writes before it. Pipes, terminals, sockets
///   and character devices are different: their reads and writes are two directions that do not
///   wait for each other.
/// * **Visibility.** After a flush, other handles and processes see what was written. Before it,
///   they and [`metadata`](File::metadata) may or may not.
/// * **Durability.** A flush does not wait for the disk: the bytes then survive the process, but
///   not a power failure. [`sync_all`](File::sync_all) and [`sync_data`](File::sync_data) flush and
///   then wait for the disk. If the file is new, its directory must be synchronized too, as with
///   std. With `O_SYNC` a flush waits for the disk.
///
/// # Errors of writes
///
/// A write to a file that was opened for reading only fails at once, as in std, and the file stays
/// usable. On systems other than Linux this needs [`File::open`]; a file that was opened otherwise
/// accepts the write and reports the error later:
///
/// If a write fails after its call has returned, the error is reported once, by the next call that
/// writes, flushes, seeks or synchronizes, or that reads a file with one cursor. That call does
/// nothing else. The refused bytes, and those accepted after them, are dropped. The file stays
/// usable: its cursor is where the writing stopped.
///
/// If the cause may be temporary (no space on the disk or within the quota, a descriptor that would
/// block, no memory, a time limit), the bytes are kept instead. Each flush, sync and write, and the
/// drop, tries them again and reports the error again. After the error was reported, a read, seek
/// or `set_len` tries them a last time and drops them if they are refused again.
///
/// If you need the error of a particular write, such as a command to a file of the kernel, flush
/// after it.
///
/// # Reading
///
/// On Linux, the poll itself copies data of any length that is in the page cache or on tmpfs. The
/// pool reads other data. Sequential reads of ordinary files read ahead by up to 1 MiB: a file that
/// is changed meanwhile is seen as it was when it was read, and every seek except a small
/// [`SeekFrom::Current`] discards what was read ahead. Other files are never read ahead.
///
/// A read of a regular file fills its buffer unless the file ends before. Only where the page cache
/// cannot be read without waiting (network file systems, FUSE, systems other than Linux) does a
/// read return at most 2 MiB. The end is not remembered: a later read sees data that was appended.
///
/// # Memory
///
/// A file has no buffers until they are needed. They hold up to 1 MiB for reading and 2 MiB for
/// writing; 2 MiB during a long read; and 32 MiB during a long write, or all of it if the file was
/// opened for appending. The memory of long buffers is freed at the end of the file and by a flush.
///
/// # Direct I/O
///
/// Transfers of files opened with `O_DIRECT` are copied through aligned memory, so every buffer
/// works. Offset and length must be multiples of the block size; otherwise the error shows both.
///
/// # Dropping
///
/// **Dropping a handle flushes.** If there are unwritten bytes, the drop writes them on the calling
/// thread, or waits for the pool thread that is writing them. That takes as long as the kernel
/// needs to copy at most 2 MiB or one long write. The drop never waits for the pool or for another
/// task. Errors are not reported. After a `flush` the drop does nothing.
///
/// Writing to a pipe, socket or terminal may wait for its reader. The drop writes what is accepted
/// without waiting and leaves the remainder to the pool. Only `flush` makes sure that it is written
/// before the process ends.
///
/// # Cancel safety
///
/// A read that is dropped before it completes loses no data: the next read returns it. A write that
/// is dropped before it completes has written nothing. A flush, sync or seek that is dropped may or
/// may not have happened.
///
/// # Examples
///
/// Create a file and write to it:
///
/// ```
/// # fn main() -> std::io::Result<()> { reveille::task::block_on(async {
/// use reveille::fs::File;
/// use reveille::prelude::*;
///
/// # let path = std::env::temp_dir().join(format!("reveille-doc-file-{}", std::process::id()));
/// # let path = reveille::path::PathBuf::from(path);
/// let mut file = File::create(&path).await?;
/// file.write_all(b"Hello, world!").await?;
/// file.flush().await?;
/// # drop(file);
/// # reveille::fs::remove_file(&path).await?;
/// # Ok(()) }) }
/// ```
/// Read a whole file:
///
/// ```
/// # fn main() -> std::io::Result<()> { reveille::task::block_on(async {
/// use reveille::fs::File;
/// use reveille::prelude::*;
///
/// let mut file = File::open("Cargo.toml").await?;
/// let mut contents = String::new();
/// file.read_to_string(&mut contents).await?;
/// assert!(contents.contains("[package]"));
/// # Ok(()) }) }
/// ```
#[derive(Clone)]
pub struct File {
    shared: Arc<Shared>,
}

impl File {
    /// Opens the file at `path` for reading.
    ///
    /// # Errors
    ///
    /// An error that names the path if there is no such file or the process may not read it.
    ///
    /// # Cancel safety
    ///
    /// Nothing is lost: a file that was opened is closed again.
    ///
    /// # Examples
    ///
    /// ```
    /// # fn main() -> std::io::Result<()> { reveille::task::block_on(async {
    /// use reveille::fs::File;
    ///
    /// let file = File::open("Cargo.toml").await?;
    /// assert!(file.metadata().await?.len() > 0);
    /// # Ok(()) }) }
    /// ```
    pub async fn open<P: AsRef<Path>>(path: P) -> io::Result<File> {
        let path = path.as_ref().to_owned();
        on_pool(move || {
            std::fs::File::open(&path)
                .map(File::opened_for_reading)
                .context(|| format!("could not open `{}`", path.display()))
        })
        .await
    }

    /// Opens the file at `path` for writing. Creates it if it does not exist, and truncates it if
    /// it does.
    ///
    /// # Errors
    ///
    /// The system's error, for example if the directory is missing.
    ///
    /// # Cancel safety
    ///
    /// Once it has been polled, the file is created or truncated, and closed again.
    ///
    /// # Examples
    ///
    /// ```
    /// # fn main() -> std::io::Result<()> { reveille::task::block_on(async {
    /// use reveille::fs::File;
    ///
    /// # let path = std::env::temp_dir().join(format!("reveille-doc-cr-{}", std::process::id()));
    /// # let path = reveille::path::PathBuf::from(path);
    /// let file = File::create(&path).await?;
    /// # drop(file);
    /// # reveille::fs::remove_file(&path).await?;
    /// # Ok(()) }) }
    /// ```
    pub async fn create<P: AsRef<Path>>(path: P) -> io::Result<File> {
        let path = path.as_ref().to_owned();
        on_pool(move || std::fs::File::create(&path).map(File::opened)).await
    }

    /// Wraps a file that was just opened. Call it on the pool, because it asks for the kind of the
    /// file.
    pub(super) fn opened(file: std::fs::File) -> File {
        let flags = system::flags(&file);
        File::with_flags(file, flags)
    }

    /// Like `opened`, for a file that was opened for reading only. Not every system tells.
    fn opened_for_reading(file: std::fs::File) -> File {
        let flags = Flags { is_read_only: true, ..system::flags(&file) };
        File::with_flags(file, flags)
    }

    fn with_flags(file: std::fs::File, flags: Flags) -> File {
        let kind = Kind::of(&file);
        File { shared: Shared::new(file, flags, Some(kind)) }
    }

    /// Waits until everything that was written, contents and metadata, is on the disk.
    ///
    /// # Errors
    ///
    /// The error of an earlier write, or of the synchronization itself.
    ///
    /// # Cancel safety
    ///
    /// Nothing is lost. The operation continues; await another call to be sure that the bytes are
    /// on the disk.
    ///
    /// # Examples
    ///
    /// ```
    /// # fn main() -> std::io::Result<()> { reveille::task::block_on(async {
    /// use reveille::fs::File;
    /// use reveille::prelude::*;
    ///
    /// # let path = std::env::temp_dir().join(format!("reveille-doc-sync-{}", std::process::id()));
    /// # let path = reveille::path::PathBuf::from(path);
    /// let mut file = File::create(&path).await?;
    /// file.write_all(b"Hello, world!").await?;
    /// file.sync_all().await?;
    /// # drop(file);
    /// # reveille::fs::remove_file(&path).await?;
    /// # Ok(()) }) }
    /// ```
    pub async fn sync_all(&self) -> io::Result<()> {
        future::poll_fn(|cx| self.shared.poll_flush(cx)).await?;
        let shared = self.shared.clone();
        on_pool(move || shared.file().sync_all()).await
    }

    /// Waits until the contents that were written are on the disk, with the metadata that is needed
    /// to find them.
    ///
    /// # Errors
    ///
    /// The error of an earlier write, or of the synchronization itself.
    ///
    /// # Cancel safety
    ///
    /// Nothing is lost. The operation continues; await another call to be sure that the bytes are
    /// on the disk.
    ///
    /// # Examples
    ///
    /// ```
    /// # fn main() -> std::io::Result<()> { reveille::task::block_on(async {
    /// use reveille::fs::File;
    /// use reveille::prelude::*;
    ///
    /// # let path = std::env::temp_dir().join(format!("reveille-doc-data-{}", std::process::id()));
    /// # let path = reveille::path::PathBuf::from(path);
    /// let mut file = File::create(&path).await?;
    /// file.write_all(b"Hello, world!").await?;
    /// file.sync_data().await?;
    /// # drop(file);
    /// # reveille::fs::remove_file(&path).await?;
    /// # Ok(()) }) }
    /// ```
    pub async fn sync_data(&self) -> io::Result<()> {
        future::poll_fn(|cx| self.shared.poll_flush(cx)).await?;
        let shared = self.shared.clone();
        on_pool(move || shared.file().sync_data()).await
    }

    /// Sets the length of the file to `size` bytes: truncates it, or extends it with zeros.
    ///
    /// Earlier writes are flushed first and what was read ahead is discarded. The cursor stays
    /// where it is, even after the new end.
    ///
    /// # Errors
    ///
    /// The error of an earlier write, or an error if the file was not opened for writing.
    ///
    /// # Cancel safety
    ///
    /// The file has its old length or the new one.
    ///
    /// # Examples
    ///
    /// ```
    /// # fn main() -> std::io::Result<()> { reveille::task::block_on(async {
    /// use reveille::fs::File;
    ///
    /// # let path = std::env::temp_dir().join(format!("reveille-doc-len-{}", std::process::id()));
    /// # let path = reveille::path::PathBuf::from(path);
    /// let file = File::create(&path).await?;
    /// file.set_len(10).await?;
    /// assert_eq!(file.metadata().await?.len(), 10);
    /// # drop(file);
    /// # reveille::fs::remove_file(&path).await?;
    /// # Ok(()) }) }
    /// ```
    pub async fn set_len(&self, size: u64) -> io::Result<()> {
        self.settled().await?;
        let shared = self.shared.clone();
        on_pool(move || shared.file().set_len(size)).await
    }

    /// Reads the metadata of the file.
    ///
    /// Bytes that were written but not flushed may not be counted.
    ///
    /// # Errors
    ///
    /// The system's error.
    ///
    /// # Cancel safety
    ///
    /// Only the result is lost.
    ///
    /// # Examples
    ///
    /// ```
    /// # fn main() -> std::io::Result<()> { reveille::task::block_on(async {
    /// use reveille::fs::File;
    ///
    /// let file = File::open("Cargo.toml").await?;
    /// assert!(file.metadata().await?.is_file());
    /// # Ok(()) }) }
    /// ```
    pub async fn metadata(&self) -> io::Result<Metadata> {
        let shared = self.shared.clone();
        on_pool(move || shared.file().metadata()).await
    }

    /// Changes the permissions of the file.
    ///
    /// # Errors
    ///
    /// The system's error, for example if the process may not change them.
    ///
    /// # Cancel safety
    ///
    /// Once it has been polled, the operation completes even if the future is dropped.
    ///
    /// # Examples
    ///
    /// ```
    /// # fn main() -> std::io::Result<()> { reveille::task::block_on(async {
    /// use reveille::fs::File;
    ///
    /// # let path = std::env::temp_dir().join(format!("rv-doc-fx-{}", std::process::id()));
    /// # let path = reveille::path::PathBuf::from(path);
    /// let file = File::create(&path).await?;
    /// let mut permissions = file.metadata().await?.permissions();
    /// permissions.set_readonly(true);
    /// file.set_permissions(permissions).await?;
    /// # drop(file);
    /// # reveille::fs::remove_file(&path).await?;
    /// # Ok(()) }) }
    /// ```
    pub async fn set_permissions(&self, perm: Permissions) -> io::Result<()> {
        let shared = self.shared.clone();
        on_pool(move || shared.file().set_permissions(perm)).await
    }

    /// Waits until everything that was written is in the file.
    pub(crate) async fn flushed(&self) -> io::Result<()> {
        future::poll_fn(|cx| self.shared.poll_flush(cx)).await
    }

    /// Like [`flushed`](File::flushed), but also discards what was read ahead.
    pub(crate) async fn settled(&self) -> io::Result<()> {
        future::poll_fn(|cx| self.shared.poll_settle(cx)).await
    }

    /// Runs `operation` on the pool, with the open file.
    pub(crate) async fn on_file<T: Send + 'static>(
        &self,
        operation: impl FnOnce(&std::fs::File) -> T + Send + 'static,
    ) -> T {
        let shared = self.shared.clone();
        on_pool(move || operation(shared.file())).await
    }

    /// The open file, for the platform extensions. Its cursor may be ahead of this handle's.
    pub(crate) fn as_std(&self) -> &std::fs::File {
        self.shared.file()
    }

    /// Flushes and returns the open file with its cursor where the last read ended, or a duplicate
    /// if there are other handles.
    pub(crate) fn into_std(self) -> io::Result<std::fs::File> {
        let shared = self.shared.clone();
        drop(self);
        shared.give_back();
        shared.into_file()
    }
}

impl Drop for File {
    fn drop(&mut self) {
        self.shared.flush_blocking();
    }
}

impl fmt::Debug for File {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.shared.file().fmt(f)
    }
}

impl From<std::fs::File> for File {
    fn from(file: std::fs::File) -> File {
        let flags = system::flags(&file);
        File { shared: Shared::new(file, flags, None) }
    }
}

/// Implements the traits for a type whose field `shared` does the work: a file has one cursor,
/// which every handle and every borrow of one moves.
macro_rules! impl_io {
    ($($file:ty),*) => {$(
        impl AsyncRead for $file {
            fn poll_read(
                self: Pin<&mut Self>,
                cx: &mut Context<'_>,
                buf: &mut [u8],
            ) -> Poll<io::Result<usize>> {
                self.shared.poll_read(cx, buf)
            }
        }

        impl AsyncWrite for $file {
            fn poll_write(
                self: Pin<&mut Self>,
                cx: &mut Context<'_>,
                buf: &[u8],
            ) -> Poll<io::Result<usize>> {
                self.shared.poll_write(cx, &[IoSlice::new(buf)])
            }

            fn poll_write_vectored(
                self: Pin<&mut Self>,
                cx: &mut Context<'_>,
                bufs: &[IoSlice<'_>],
            ) -> Poll<io::Result<usize>> {
                self.shared.poll_write(cx, bufs)
            }

            fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
                self.shared.poll_flush(cx)
            }

            fn poll_close(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
                self.shared.poll_flush(cx)
            }
        }

        impl AsyncSeek for $file {
            fn poll_seek(
                self: Pin<&mut Self>,
                cx: &mut Context<'_>,
                pos: SeekFrom,
            ) -> Poll<io::Result<u64>> {
                self.shared.poll_seek(cx, pos)
            }
        }
    )*};
}

impl_io!(File, &File);

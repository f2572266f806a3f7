//! An open file.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::{fmt, future, io};

use futures_io::{AsyncRead, AsyncSeek, AsyncWrite, SeekFrom};

use super::{Metadata, Permissions, on_pool};
use crate::io::context::Context as _;
use crate::path::Path;
use state::Shared;

mod buffers;
mod state;

/// An open file, to be read, written and sought like std's, with `.await`.
///
/// `File` and `&File` implement [`Read`](crate::io::Read), [`Write`](crate::io::Write) and
/// [`Seek`](crate::io::Seek). A clone is another handle of the same open file: the clones share the
/// cursor and the buffers below.
///
/// # Buffers
///
/// What is written is copied to a buffer, and the blocking pool writes it to the file from there,
/// at once and in the order given. So a write returns before its bytes are in the file:
///
/// * [`flush`](crate::io::WriteExt::flush) and closing wait until they are,
///   [`sync_all`](File::sync_all) until the disk has them too.
/// * An error of a write that has returned already is reported by the next call: a write, flush,
///   read or seek. What could not be written is kept, and the next flush tries it again.
/// * **Dropping a handle flushes.** After the drop, what was written can be read from the file.
///   See [below](#dropping).
///
/// Reading goes ahead once it is sequential, by up to 1 MiB. A file that somebody else changes
/// meanwhile is seen as it was when it was fetched; any seek but a small [`SeekFrom::Current`]
/// discards what was read ahead. On Linux, what is in the page cache is read directly, without the
/// pool and without reading ahead. The end of the file is found anew by each read: a file that
/// grows can be followed. Pipes and terminals are never read ahead.
///
/// # Dropping
///
/// The drop of a handle with unwritten bytes writes them on the calling thread, or waits for the
/// pool thread that is writing them at this moment: as long as the kernel takes to copy at most 1
/// MiB or so, usually far less. It never waits for the pool or for another task. To have the
/// drop do nothing, `flush` first.
///
/// Writing to a pipe, socket or terminal may take until somebody reads. There, the drop writes what
/// is taken without waiting, and leaves the rest to the pool; only `flush` makes sure
/// that it is out before the process ends.
///
/// # Cancel safety
///
/// A read that is dropped before it is complete loses no data: the next one gets it. A write that
/// is dropped before it is complete has written nothing. A flush, sync or seek that is dropped may
/// or may not have happened.
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
///
/// Read a file to its end:
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
    /// Opens the file at `path` to read it.
    ///
    /// # Errors
    ///
    /// Fails, with an error that names the path, if there is no such file or the process may not
    /// read it.
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
            std::fs::File::open(&path).context(|| format!("could not open `{}`", path.display()))
        })
        .await
        .map(File::from)
    }

    /// Creates the file at `path`, or empties the one that is there, to write it.
    ///
    /// # Errors
    ///
    /// Gives the system's error, as if the directory is missing.
    ///
    /// # Cancel safety
    ///
    /// Once polled, the file is created or emptied, and closed again.
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
        on_pool(move || std::fs::File::create(&path)).await.map(File::from)
    }

    /// Waits until the disk has everything that was written, contents and metadata.
    ///
    /// # Errors
    ///
    /// Reports the error of an earlier write, or of the synchronization itself.
    ///
    /// # Cancel safety
    ///
    /// Nothing is lost. What has begun goes on; whether the disk has the bytes, only another call
    /// tells.
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

    /// Waits until the disk has the contents that were written, and of the metadata only what is
    /// needed to find them.
    ///
    /// # Errors
    ///
    /// Reports the error of an earlier write, or of the synchronization itself.
    ///
    /// # Cancel safety
    ///
    /// Nothing is lost. What has begun goes on; whether the disk has the bytes, only another call
    /// tells.
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

    /// Makes the file `size` bytes long: cuts it off, or extends it with zeros.
    ///
    /// What was written before counts, what was read ahead is discarded; the cursor stays where it
    /// is, even beyond the new end.
    ///
    /// # Errors
    ///
    /// Reports the error of an earlier write, or fails if the file was not opened for writing.
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
        future::poll_fn(|cx| self.shared.poll_settle(cx)).await?;
        let shared = self.shared.clone();
        on_pool(move || shared.file().set_len(size)).await
    }

    /// Reads the metadata of the file.
    ///
    /// Bytes that were written but not flushed may not count yet.
    ///
    /// # Errors
    ///
    /// Gives the system's error.
    ///
    /// # Cancel safety
    ///
    /// Only the answer is lost.
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
    /// Gives the system's error, as if the process may not change them.
    ///
    /// # Cancel safety
    ///
    /// Once polled, it is done, though nobody learns how it went.
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

    /// The open file, for the traits of the platforms. Its cursor may be ahead of this handle's.
    pub(crate) fn as_std(&self) -> &std::fs::File {
        self.shared.file()
    }

    /// Takes the open file out, flushed and with its cursor where the last read ended. A duplicate
    /// if other handles exist.
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
        File { shared: Shared::new(file) }
    }
}

impl AsyncRead for &File {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        self.shared.poll_read(cx, buf)
    }
}

impl AsyncRead for File {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        self.shared.poll_read(cx, buf)
    }
}

impl AsyncWrite for &File {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.shared.poll_write(cx, buf)
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.shared.poll_flush(cx)
    }

    fn poll_close(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.shared.poll_flush(cx)
    }
}

impl AsyncWrite for File {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.shared.poll_write(cx, buf)
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.shared.poll_flush(cx)
    }

    fn poll_close(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.shared.poll_flush(cx)
    }
}

impl AsyncSeek for &File {
    fn poll_seek(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        pos: SeekFrom,
    ) -> Poll<io::Result<u64>> {
        self.shared.poll_seek(cx, pos)
    }
}

impl AsyncSeek for File {
    fn poll_seek(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        pos: SeekFrom,
    ) -> Poll<io::Result<u64>> {
        self.shared.poll_seek(cx, pos)
    }
}

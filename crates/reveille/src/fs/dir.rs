//! Creating and reading directories.

use std::collections::VecDeque;
use std::ffi::OsString;
use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::{fmt, io, mem};

use futures_core::Stream;
use reveille_runtime::{JoinHandle, spawn_plain};

use super::{FileType, Metadata, on_pool};
use crate::path::{Path, PathBuf};

/// How many entries one trip to the pool fetches. For names of usual length, the kernel returns
/// about as many per `getdents`.
const ENTRIES_PER_TRIP: usize = 128;

/// A builder that creates directories.
///
/// [`create_dir`](super::create_dir) and [`create_dir_all`](super::create_dir_all) cover the usual
/// cases.
///
/// # Examples
///
/// ```
/// # fn main() -> std::io::Result<()> { reveille::task::block_on(async {
/// use reveille::fs::{self, DirBuilder};
///
/// # let dir = std::env::temp_dir().join(format!("reveille-doc-builder-{}", std::process::id()));
/// # let dir = reveille::path::PathBuf::from(dir);
/// DirBuilder::new().recursive(true).create(dir.join("some").join("dir")).await?;
/// # fs::remove_dir_all(&dir).await?;
/// # Ok(()) }) }
/// ```
#[derive(Debug, Default)]
pub struct DirBuilder {
    is_recursive: bool,
    /// The permission bits, on platforms that have them.
    mode: Option<u32>,
}

impl DirBuilder {
    /// Creates options for one directory with the default permissions of the process.
    ///
    /// # Examples
    ///
    /// ```
    /// use reveille::fs::DirBuilder;
    ///
    /// let builder = DirBuilder::new();
    /// # drop(builder);
    /// ```
    #[must_use]
    pub fn new() -> DirBuilder {
        DirBuilder::default()
    }

    /// Sets whether missing parents are also created. If so, an existing directory is not an error.
    ///
    /// # Examples
    ///
    /// ```
    /// use reveille::fs::DirBuilder;
    ///
    /// let mut builder = DirBuilder::new();
    /// builder.recursive(true);
    /// ```
    pub fn recursive(&mut self, recursive: bool) -> &mut Self {
        self.is_recursive = recursive;
        self
    }

    /// Creates the directory `path`.
    ///
    /// # Errors
    ///
    /// The system's error if `path` exists (unless recursive), its parent does not exist (unless
    /// recursive), or the process may not create it.
    ///
    /// # Cancel safety
    ///
    /// Once it has been polled, the operation completes even if the future is dropped.
    ///
    /// # Examples
    ///
    /// ```
    /// # fn main() -> std::io::Result<()> { reveille::task::block_on(async {
    /// use reveille::fs::DirBuilder;
    ///
    /// let error = DirBuilder::new().create(".").await.unwrap_err();
    /// assert_eq!(error.kind(), std::io::ErrorKind::AlreadyExists);
    /// # Ok(()) }) }
    /// ```
    pub fn create<P: AsRef<Path>>(&self, path: P) -> impl Future<Output = io::Result<()>> + use<P> {
        let mut builder = std::fs::DirBuilder::new();
        builder.recursive(self.is_recursive);
        if let Some(mode) = self.mode {
            crate::os::file::set_mode(&mut builder, mode);
        }
        let path = path.as_ref().to_owned();
        async move { on_pool(move || builder.create(path)).await }
    }

    /// Sets the permission bits, for the platform extensions.
    #[cfg_attr(not(unix), allow(dead_code, reason = "only Unix has such bits"))]
    pub(crate) fn set_mode(&mut self, mode: u32) {
        self.mode = Some(mode);
    }
}

/// An entry of a directory, as [`ReadDir`] yields it.
///
/// # Examples
///
/// ```
/// # fn main() -> std::io::Result<()> { reveille::task::block_on(async {
/// use reveille::fs;
/// use reveille::prelude::*;
///
/// let mut entries = fs::read_dir("src").await?;
/// let entry = entries.next().await.expect("there are sources")?;
/// assert!(entry.path().starts_with("src"));
/// # Ok(()) }) }
/// ```
#[derive(Clone)]
pub struct DirEntry(Arc<std::fs::DirEntry>);

impl DirEntry {
    /// Returns the path of the entry: the path given to [`read_dir`](super::read_dir), joined with
    /// the name.
    ///
    /// # Examples
    ///
    /// ```
    /// # fn main() -> std::io::Result<()> { reveille::task::block_on(async {
    /// # use reveille::{fs, prelude::*};
    /// let mut entries = fs::read_dir(".").await?;
    /// while let Some(entry) = entries.next().await {
    ///     println!("{}", entry?.path().display());
    /// }
    /// # Ok(()) }) }
    /// ```
    #[must_use]
    pub fn path(&self) -> PathBuf {
        self.0.path().into()
    }

    /// Reads the metadata of the entry. Does not follow a symbolic link.
    ///
    /// # Errors
    ///
    /// The system's error, for example if the entry was removed meanwhile.
    ///
    /// # Cancel safety
    ///
    /// Only the result is lost.
    ///
    /// # Examples
    ///
    /// ```
    /// # fn main() -> std::io::Result<()> { reveille::task::block_on(async {
    /// # use reveille::{fs, prelude::*};
    /// let mut entries = fs::read_dir(".").await?;
    /// while let Some(entry) = entries.next().await {
    ///     let entry = entry?;
    ///     println!("{:?}: {} bytes", entry.file_name(), entry.metadata().await?.len());
    /// }
    /// # Ok(()) }) }
    /// ```
    pub async fn metadata(&self) -> io::Result<Metadata> {
        let entry = self.0.clone();
        on_pool(move || entry.metadata()).await
    }

    /// Returns the type of the entry.
    ///
    /// # Errors
    ///
    /// The system's error, for example if the entry was removed meanwhile. Most file systems return
    /// the type together with the name, and then this cannot fail.
    ///
    /// # Cancel safety
    ///
    /// Only the result is lost.
    ///
    /// # Examples
    ///
    /// ```
    /// # fn main() -> std::io::Result<()> { reveille::task::block_on(async {
    /// # use reveille::{fs, prelude::*};
    /// let mut entries = fs::read_dir(".").await?;
    /// while let Some(entry) = entries.next().await {
    ///     let entry = entry?;
    ///     if entry.file_name() == "src" {
    ///         assert!(entry.file_type().await?.is_dir());
    ///     }
    /// }
    /// # Ok(()) }) }
    /// ```
    pub async fn file_type(&self) -> io::Result<FileType> {
        let entry = self.0.clone();
        on_pool(move || entry.file_type()).await
    }

    /// Returns the name of the entry, without its directory.
    ///
    /// # Examples
    ///
    /// ```
    /// # fn main() -> std::io::Result<()> { reveille::task::block_on(async {
    /// # use reveille::{fs, prelude::*};
    /// let mut entries = fs::read_dir("src").await?;
    /// let mut names = Vec::new();
    /// while let Some(entry) = entries.next().await {
    ///     names.push(entry?.file_name());
    /// }
    /// assert!(names.contains(&"lib.rs".into()));
    /// # Ok(()) }) }
    /// ```
    #[must_use]
    pub fn file_name(&self) -> OsString {
        self.0.file_name()
    }

    /// The entry of std, for the platform extensions.
    #[cfg_attr(not(unix), allow(dead_code, reason = "only Unix has such a trait"))]
    pub(crate) fn as_std(&self) -> &std::fs::DirEntry {
        &self.0
    }
}

impl fmt::Debug for DirEntry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("DirEntry").field(&self.path()).finish()
    }
}

type Entries = VecDeque<io::Result<std::fs::DirEntry>>;

/// A stream of the entries of a directory. Created by [`read_dir`](super::read_dir).
///
/// An entry that cannot be read is an `Err`; the stream continues after it.
///
/// # Cancel safety
///
/// Dropping the future of `next` loses no entry.
///
/// # Examples
///
/// ```
/// # fn main() -> std::io::Result<()> { reveille::task::block_on(async {
/// use reveille::fs;
/// use reveille::prelude::*;
///
/// let mut entries = fs::read_dir(".").await?;
/// while let Some(entry) = entries.next().await {
///     println!("{:?}", entry?.file_name());
/// }
/// # Ok(()) }) }
/// ```
#[derive(Debug)]
pub struct ReadDir(
    /// Accessed through `&mut` only, and complete after every step, so a panic elsewhere cannot
    /// leave it inconsistent.
    AssertUnwindSafe<Progress>,
);

/// The progress of reading a directory.
#[derive(Debug)]
struct Progress {
    /// Entries that were fetched and not yet yielded.
    fetched: Entries,
    rest: Remaining,
}

/// The entries that have not been fetched.
#[derive(Debug)]
#[allow(clippy::large_enum_variant, reason = "an entry of Windows holds its name in place")]
enum Remaining {
    Ready(std::fs::ReadDir),
    OnPool(JoinHandle<Progress>),
    End,
}

impl ReadDir {
    /// Wraps std's iterator and fetches the first batch. Call it on the pool.
    pub(crate) fn new(entries: std::fs::ReadDir) -> ReadDir {
        ReadDir(AssertUnwindSafe(fetch(entries)))
    }
}

impl Stream for ReadDir {
    type Item = io::Result<DirEntry>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let progress = &mut *self.get_mut().0;
        // Three rounds at most: start a trip, end it, yield.
        loop {
            if let Some(entry) = progress.fetched.pop_front() {
                return Poll::Ready(Some(entry.map(|entry| DirEntry(Arc::new(entry)))));
            }
            match mem::replace(&mut progress.rest, Remaining::End) {
                Remaining::End => return Poll::Ready(None),
                Remaining::Ready(entries) => {
                    progress.rest = Remaining::OnPool(spawn_plain(move || fetch(entries)));
                }
                Remaining::OnPool(mut trip) => match Pin::new(&mut trip).poll(cx) {
                    Poll::Ready(next) => *progress = next,
                    Poll::Pending => {
                        progress.rest = Remaining::OnPool(trip);
                        return Poll::Pending;
                    }
                },
            }
        }
    }
}

/// Takes up to [`ENTRIES_PER_TRIP`] entries. Fewer mean that the end was reached.
fn fetch(mut entries: std::fs::ReadDir) -> Progress {
    let fetched: Entries = entries.by_ref().take(ENTRIES_PER_TRIP).collect();
    let rest =
        if fetched.len() < ENTRIES_PER_TRIP { Remaining::End } else { Remaining::Ready(entries) };
    Progress { fetched, rest }
}

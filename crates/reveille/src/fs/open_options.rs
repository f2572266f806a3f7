//! Options for opening files.

use std::future::Future;
use std::io;

use super::{File, on_pool};
use crate::path::Path;

/// Options for opening a file: std's, with an asynchronous [`open`](OpenOptions::open).
///
/// [`File::open`] and [`File::create`] cover the usual cases.
///
/// # Examples
///
/// ```
/// # fn main() -> std::io::Result<()> { reveille::task::block_on(async {
/// use reveille::fs::{self, OpenOptions};
/// use reveille::prelude::*;
///
/// # let path = std::env::temp_dir().join(format!("reveille-doc-append-{}", std::process::id()));
/// # let path = reveille::path::PathBuf::from(path);
/// for line in ["one\n", "two\n"] {
///     let mut log = OpenOptions::new().append(true).create(true).open(&path).await?;
///     log.write_all(line.as_bytes()).await?;
/// }
/// assert_eq!(fs::read(&path).await?, b"one\ntwo\n");
/// # fs::remove_file(&path).await?;
/// # Ok(()) }) }
/// ```
#[derive(Clone, Debug)]
pub struct OpenOptions(std::fs::OpenOptions);

impl OpenOptions {
    /// Creates options in which everything is `false`.
    ///
    /// # Examples
    ///
    /// ```
    /// # fn main() -> std::io::Result<()> { reveille::task::block_on(async {
    /// use reveille::fs::OpenOptions;
    ///
    /// let file = OpenOptions::new().read(true).open("Cargo.toml").await?;
    /// # drop(file);
    /// # Ok(()) }) }
    /// ```
    #[must_use]
    pub fn new() -> OpenOptions {
        OpenOptions(std::fs::OpenOptions::new())
    }

    /// Sets whether the file can be read.
    ///
    /// # Examples
    ///
    /// ```
    /// # fn main() -> std::io::Result<()> { reveille::task::block_on(async {
    /// use reveille::fs::OpenOptions;
    ///
    /// let file = OpenOptions::new().read(true).open("Cargo.toml").await?;
    /// # drop(file);
    /// # Ok(()) }) }
    /// ```
    pub fn read(&mut self, read: bool) -> &mut OpenOptions {
        self.0.read(read);
        self
    }

    /// Sets whether the file can be written. Writing begins at its start and overwrites the
    /// contents.
    ///
    /// # Examples
    ///
    /// ```
    /// # fn main() -> std::io::Result<()> { reveille::task::block_on(async {
    /// use reveille::fs::OpenOptions;
    ///
    /// // Without `create`, the file must exist.
    /// let error = OpenOptions::new().write(true).open("no-such-file").await.unwrap_err();
    /// assert_eq!(error.kind(), std::io::ErrorKind::NotFound);
    /// # Ok(()) }) }
    /// ```
    pub fn write(&mut self, write: bool) -> &mut OpenOptions {
        self.0.write(write);
        self
    }

    /// Sets whether every write appends to the file, at its end at that time.
    ///
    /// # Examples
    ///
    /// ```
    /// # fn main() -> std::io::Result<()> { reveille::task::block_on(async {
    /// use reveille::fs::{self, OpenOptions};
    /// use reveille::prelude::*;
    ///
    /// # let path = std::env::temp_dir().join(format!("reveille-doc-app-{}", std::process::id()));
    /// # let path = reveille::path::PathBuf::from(path);
    /// fs::write(&path, "first, ").await?;
    /// let mut file = OpenOptions::new().append(true).open(&path).await?;
    /// file.write_all(b"second").await?;
    /// file.flush().await?;
    /// assert_eq!(fs::read_to_string(&path).await?, "first, second");
    /// # fs::remove_file(&path).await?;
    /// # Ok(()) }) }
    /// ```
    pub fn append(&mut self, append: bool) -> &mut OpenOptions {
        self.0.append(append);
        self
    }

    /// Sets whether opening truncates the file. Requires [`write`](OpenOptions::write).
    ///
    /// # Examples
    ///
    /// ```
    /// # fn main() -> std::io::Result<()> { reveille::task::block_on(async {
    /// use reveille::fs::{self, OpenOptions};
    ///
    /// # let path = std::env::temp_dir().join(format!("rv-doc-tx-{}", std::process::id()));
    /// # let path = reveille::path::PathBuf::from(path);
    /// fs::write(&path, "old").await?;
    /// let file = OpenOptions::new().write(true).truncate(true).open(&path).await?;
    /// assert_eq!(file.metadata().await?.len(), 0);
    /// # fs::remove_file(&path).await?;
    /// # Ok(()) }) }
    /// ```
    pub fn truncate(&mut self, truncate: bool) -> &mut OpenOptions {
        self.0.truncate(truncate);
        self
    }

    /// Sets whether a missing file is created. Requires [`write`](OpenOptions::write) or
    /// [`append`](OpenOptions::append).
    ///
    /// # Examples
    ///
    /// ```
    /// # fn main() -> std::io::Result<()> { reveille::task::block_on(async {
    /// use reveille::fs::OpenOptions;
    ///
    /// # let path = std::env::temp_dir().join(format!("rv-doc-cx-{}", std::process::id()));
    /// # let path = reveille::path::PathBuf::from(path);
    /// let file = OpenOptions::new().write(true).create(true).open(&path).await?;
    /// # drop(file);
    /// # reveille::fs::remove_file(&path).await?;
    /// # Ok(()) }) }
    /// ```
    pub fn create(&mut self, create: bool) -> &mut OpenOptions {
        self.0.create(create);
        self
    }

    /// Sets whether opening must create the file, and fails if the path exists.
    ///
    /// The check and the creation are one atomic operation of the system.
    ///
    /// # Examples
    ///
    /// ```
    /// # fn main() -> std::io::Result<()> { reveille::task::block_on(async {
    /// use reveille::fs::OpenOptions;
    ///
    /// let error = OpenOptions::new().write(true).create_new(true).open("Cargo.toml").await;
    /// assert_eq!(error.unwrap_err().kind(), std::io::ErrorKind::AlreadyExists);
    /// # Ok(()) }) }
    /// ```
    pub fn create_new(&mut self, create_new: bool) -> &mut OpenOptions {
        self.0.create_new(create_new);
        self
    }

    /// Opens the file at `path`.
    ///
    /// # Errors
    ///
    /// The system's error, as in std. [`InvalidInput`](std::io::ErrorKind::InvalidInput) if the
    /// options contradict each other.
    ///
    /// # Cancel safety
    ///
    /// If the future is dropped while the file is being opened, the file is closed again. It may
    /// have been created or truncated.
    ///
    /// # Examples
    ///
    /// ```
    /// # fn main() -> std::io::Result<()> { reveille::task::block_on(async {
    /// use reveille::fs::OpenOptions;
    ///
    /// let file = OpenOptions::new().read(true).open("Cargo.toml").await?;
    /// # drop(file);
    /// # Ok(()) }) }
    /// ```
    pub fn open<P: AsRef<Path>>(&self, path: P) -> impl Future<Output = io::Result<File>> + use<P> {
        let path = path.as_ref().to_owned();
        let options = self.0.clone();
        async move { on_pool(move || options.open(path).map(File::opened)).await }
    }

    /// The options of std, for the platform extensions.
    #[allow(dead_code, reason = "Windows has no such trait here yet")]
    pub(crate) fn as_std_mut(&mut self) -> &mut std::fs::OpenOptions {
        &mut self.0
    }
}

impl Default for OpenOptions {
    fn default() -> Self {
        OpenOptions::new()
    }
}

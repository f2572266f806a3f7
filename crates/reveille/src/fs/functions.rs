//! The free functions. Each is one trip to the blocking pool for the whole operation.

use std::io;

use super::{Metadata, Permissions, ReadDir, cached, on_pool};
use crate::io::context::Context as _;
use crate::path::{Path, PathBuf};

/// Returns the absolute form of `path`, with all symbolic links followed.
///
/// # Errors
///
/// Fails if `path` does not exist, or if a component other than the last is not a directory.
///
/// # Cancel safety
///
/// Only the result is lost.
///
/// # Examples
///
/// ```
/// # fn main() -> std::io::Result<()> { reveille::task::block_on(async {
/// use reveille::fs;
///
/// let here = fs::canonicalize(".").await?;
/// assert!(here.is_absolute());
/// # Ok(()) }) }
/// ```
pub async fn canonicalize<P: AsRef<Path>>(path: P) -> io::Result<PathBuf> {
    let path = path.as_ref().to_owned();
    on_pool(move || {
        std::fs::canonicalize(&path)
            .map(Into::into)
            .context(|| format!("could not canonicalize `{}`", path.display()))
    })
    .await
}

/// Copies the contents and the permissions of the file `from` to the file `to`, and returns the
/// number of bytes.
///
/// An existing file at `to` is overwritten. The kernel copies where it can.
///
/// # Errors
///
/// Fails if `from` is not a file, or the process may not read it or write to `to`.
///
/// # Cancel safety
///
/// Once it has been polled, the operation completes even if the future is dropped.
///
/// # Examples
///
/// ```
/// # fn main() -> std::io::Result<()> { reveille::task::block_on(async {
/// use reveille::fs;
///
/// # let dir = std::env::temp_dir().join(format!("reveille-doc-copy-{}", std::process::id()));
/// # let dir = reveille::path::PathBuf::from(dir);
/// # fs::create_dir_all(&dir).await?;
/// fs::write(dir.join("a.txt"), b"five!").await?;
/// assert_eq!(fs::copy(dir.join("a.txt"), dir.join("b.txt")).await?, 5);
/// # fs::remove_dir_all(&dir).await?;
/// # Ok(()) }) }
/// ```
pub async fn copy<P: AsRef<Path>, Q: AsRef<Path>>(from: P, to: Q) -> io::Result<u64> {
    let from = from.as_ref().to_owned();
    let to = to.as_ref().to_owned();
    on_pool(move || {
        std::fs::copy(&from, &to)
            .context(|| format!("could not copy `{}` to `{}`", from.display(), to.display()))
    })
    .await
}

/// Creates the directory `path`. Its parent must exist.
///
/// # Errors
///
/// Fails if `path` exists, its parent does not, or the process may not create it.
///
/// # Cancel safety
///
/// Once it has been polled, the operation completes even if the future is dropped.
///
/// # Examples
///
/// ```
/// # fn main() -> std::io::Result<()> { reveille::task::block_on(async {
/// use reveille::fs;
///
/// # let dir = std::env::temp_dir().join(format!("reveille-doc-mkdir-{}", std::process::id()));
/// # let dir = reveille::path::PathBuf::from(dir);
/// fs::create_dir(&dir).await?;
/// assert!(dir.is_dir().await);
/// # fs::remove_dir(&dir).await?;
/// # Ok(()) }) }
/// ```
pub async fn create_dir<P: AsRef<Path>>(path: P) -> io::Result<()> {
    let path = path.as_ref().to_owned();
    on_pool(move || {
        std::fs::create_dir(&path)
            .context(|| format!("could not create directory `{}`", path.display()))
    })
    .await
}

/// Creates the directory `path` and all missing parents.
///
/// # Errors
///
/// Fails if a component exists and is not a directory, or the process may not create one.
///
/// # Cancel safety
///
/// Once it has been polled, the operation completes even if the future is dropped.
///
/// # Examples
///
/// ```
/// # fn main() -> std::io::Result<()> { reveille::task::block_on(async {
/// use reveille::fs;
///
/// # let dir = std::env::temp_dir().join(format!("reveille-doc-mkdirs-{}", std::process::id()));
/// # let dir = reveille::path::PathBuf::from(dir);
/// fs::create_dir_all(dir.join("some").join("dir")).await?;
/// fs::create_dir_all(dir.join("some").join("dir")).await?; // an existing directory is no error
/// # fs::remove_dir_all(&dir).await?;
/// # Ok(()) }) }
/// ```
pub async fn create_dir_all<P: AsRef<Path>>(path: P) -> io::Result<()> {
    let path = path.as_ref().to_owned();
    on_pool(move || {
        std::fs::create_dir_all(&path)
            .context(|| format!("could not create directory path `{}`", path.display()))
    })
    .await
}

/// Creates the hard link `to` to the file `from`.
///
/// # Errors
///
/// Fails if `from` is not a file, `to` exists, or they are on different file systems.
///
/// # Cancel safety
///
/// Once it has been polled, the operation completes even if the future is dropped.
///
/// # Examples
///
/// ```
/// # fn main() -> std::io::Result<()> { reveille::task::block_on(async {
/// use reveille::fs;
///
/// # let dir = std::env::temp_dir().join(format!("reveille-doc-link-{}", std::process::id()));
/// # let dir = reveille::path::PathBuf::from(dir);
/// # fs::create_dir_all(&dir).await?;
/// fs::write(dir.join("a.txt"), "same").await?;
/// fs::hard_link(dir.join("a.txt"), dir.join("b.txt")).await?;
/// assert_eq!(fs::read_to_string(dir.join("b.txt")).await?, "same");
/// # fs::remove_dir_all(&dir).await?;
/// # Ok(()) }) }
/// ```
pub async fn hard_link<P: AsRef<Path>, Q: AsRef<Path>>(from: P, to: Q) -> io::Result<()> {
    let from = from.as_ref().to_owned();
    let to = to.as_ref().to_owned();
    on_pool(move || {
        std::fs::hard_link(&from, &to).context(|| {
            let (from, to) = (from.display(), to.display());
            format!("could not create a hard link from `{from}` to `{to}`")
        })
    })
    .await
}

/// Reads the metadata of the file or directory at `path`, following symbolic links.
///
/// # Errors
///
/// Fails if `path` does not exist, or the process may not access it.
///
/// # Cancel safety
///
/// Only the result is lost.
///
/// # Examples
///
/// ```
/// # fn main() -> std::io::Result<()> { reveille::task::block_on(async {
/// use reveille::fs;
///
/// assert!(fs::metadata(".").await?.is_dir());
/// # Ok(()) }) }
/// ```
pub async fn metadata<P: AsRef<Path>>(path: P) -> io::Result<Metadata> {
    let path = path.as_ref().to_owned();
    on_pool(move || std::fs::metadata(path)).await
}

/// Reads the whole file at `path`.
///
/// On Linux, a file of up to 64 KiB that is in memory is read at once, without the pool.
///
/// # Errors
///
/// Fails if `path` is not a file that the process may read.
///
/// # Cancel safety
///
/// Only the contents are lost.
///
/// # Examples
///
/// ```
/// # fn main() -> std::io::Result<()> { reveille::task::block_on(async {
/// use reveille::fs;
///
/// let manifest = fs::read("Cargo.toml").await?;
/// assert!(!manifest.is_empty());
/// # Ok(()) }) }
/// ```
pub async fn read<P: AsRef<Path>>(path: P) -> io::Result<Vec<u8>> {
    let path = path.as_ref();
    if let Some(contents) = read_cached(path).await {
        return Ok(contents);
    }
    let path = path.to_owned();
    on_pool(move || {
        std::fs::read(&path).context(|| format!("could not read file `{}`", path.display()))
    })
    .await
}

/// Reads the directory at `path` and returns a stream of its entries.
///
/// The entries are in no particular order, without `.` and `..`.
///
/// # Errors
///
/// Fails if `path` is not a directory that the process may read. Reading the entries may fail
/// later.
///
/// # Cancel safety
///
/// Nothing is lost: the directory is closed again.
///
/// # Examples
///
/// ```
/// # fn main() -> std::io::Result<()> { reveille::task::block_on(async {
/// use reveille::fs;
/// use reveille::prelude::*;
///
/// let mut names = Vec::new();
/// let mut entries = fs::read_dir(".").await?;
/// while let Some(entry) = entries.next().await {
///     names.push(entry?.file_name());
/// }
/// assert!(names.contains(&"Cargo.toml".into()));
/// # Ok(()) }) }
/// ```
pub async fn read_dir<P: AsRef<Path>>(path: P) -> io::Result<ReadDir> {
    let path = path.as_ref().to_owned();
    on_pool(move || {
        std::fs::read_dir(&path)
            .map(ReadDir::new)
            .context(|| format!("could not read directory `{}`", path.display()))
    })
    .await
}

/// Returns the target of the symbolic link at `path`.
///
/// # Errors
///
/// Fails if `path` is not a symbolic link.
///
/// # Cancel safety
///
/// Only the result is lost.
///
/// # Examples
///
/// ```
/// # fn main() -> std::io::Result<()> { reveille::task::block_on(async {
/// use reveille::fs;
///
/// let error = fs::read_link("Cargo.toml").await.unwrap_err(); // not a link
/// assert!(error.to_string().starts_with("could not read link `Cargo.toml`"));
/// # Ok(()) }) }
/// ```
pub async fn read_link<P: AsRef<Path>>(path: P) -> io::Result<PathBuf> {
    let path = path.as_ref().to_owned();
    on_pool(move || {
        std::fs::read_link(&path)
            .map(Into::into)
            .context(|| format!("could not read link `{}`", path.display()))
    })
    .await
}

/// Reads the whole file at `path` as text.
///
/// On Linux, a file of up to 64 KiB that is in memory is read at once, without the pool.
///
/// # Errors
///
/// Fails if `path` is not a file that the process may read, and with
/// [`InvalidData`](io::ErrorKind::InvalidData) if it is not UTF-8.
///
/// # Cancel safety
///
/// Only the contents are lost.
///
/// # Examples
///
/// ```
/// # fn main() -> std::io::Result<()> { reveille::task::block_on(async {
/// use reveille::fs;
///
/// assert!(fs::read_to_string("Cargo.toml").await?.contains("[package]"));
/// # Ok(()) }) }
/// ```
pub async fn read_to_string<P: AsRef<Path>>(path: P) -> io::Result<String> {
    let path = path.as_ref();
    // Text that is not UTF-8 is left to std too, which returns the error.
    if let Some(Ok(text)) = read_cached(path).await.map(String::from_utf8) {
        return Ok(text);
    }
    let path = path.to_owned();
    on_pool(move || {
        std::fs::read_to_string(&path)
            .context(|| format!("could not read file `{}`", path.display()))
    })
    .await
}

/// Removes the empty directory `path`.
///
/// # Errors
///
/// Fails if `path` is not an empty directory, or the process may not remove it.
///
/// # Cancel safety
///
/// Once it has been polled, the operation completes even if the future is dropped.
///
/// # Examples
///
/// ```
/// # fn main() -> std::io::Result<()> { reveille::task::block_on(async {
/// use reveille::fs;
///
/// # let dir = std::env::temp_dir().join(format!("reveille-doc-rmdir-{}", std::process::id()));
/// # let dir = reveille::path::PathBuf::from(dir);
/// fs::create_dir(&dir).await?;
/// fs::remove_dir(&dir).await?;
/// assert!(!dir.exists().await);
/// # Ok(()) }) }
/// ```
pub async fn remove_dir<P: AsRef<Path>>(path: P) -> io::Result<()> {
    let path = path.as_ref().to_owned();
    on_pool(move || {
        std::fs::remove_dir(&path)
            .context(|| format!("could not remove directory `{}`", path.display()))
    })
    .await
}

/// Removes the directory `path` and everything in it. Symbolic links are removed, not followed.
///
/// # Errors
///
/// Fails if `path` is not a directory, or the process may not remove something in it. What was
/// removed before that stays removed.
///
/// # Cancel safety
///
/// Once it has been polled, the operation completes even if the future is dropped.
///
/// # Examples
///
/// ```
/// # fn main() -> std::io::Result<()> { reveille::task::block_on(async {
/// use reveille::fs;
///
/// # let dir = std::env::temp_dir().join(format!("reveille-doc-rmall-{}", std::process::id()));
/// # let dir = reveille::path::PathBuf::from(dir);
/// fs::create_dir_all(dir.join("some").join("dir")).await?;
/// fs::remove_dir_all(&dir).await?;
/// assert!(!dir.exists().await);
/// # Ok(()) }) }
/// ```
pub async fn remove_dir_all<P: AsRef<Path>>(path: P) -> io::Result<()> {
    let path = path.as_ref().to_owned();
    on_pool(move || {
        std::fs::remove_dir_all(&path)
            .context(|| format!("could not remove directory `{}`", path.display()))
    })
    .await
}

/// Removes the file `path`. On Unix, open handles stay usable.
///
/// # Errors
///
/// Fails if `path` is not a file, or the process may not remove it.
///
/// # Cancel safety
///
/// Once it has been polled, the operation completes even if the future is dropped.
///
/// # Examples
///
/// ```
/// # fn main() -> std::io::Result<()> { reveille::task::block_on(async {
/// use reveille::fs;
///
/// let error = fs::remove_file("no-such-file").await.unwrap_err();
/// assert_eq!(error.kind(), std::io::ErrorKind::NotFound);
/// # Ok(()) }) }
/// ```
pub async fn remove_file<P: AsRef<Path>>(path: P) -> io::Result<()> {
    let path = path.as_ref().to_owned();
    on_pool(move || {
        std::fs::remove_file(&path)
            .context(|| format!("could not remove file `{}`", path.display()))
    })
    .await
}

/// Renames the file or directory `from` to `to`. An existing file at `to` is replaced.
///
/// # Errors
///
/// Fails if `from` does not exist, or the two are on different file systems.
///
/// # Cancel safety
///
/// Once it has been polled, the operation completes even if the future is dropped.
///
/// # Examples
///
/// ```
/// # fn main() -> std::io::Result<()> { reveille::task::block_on(async {
/// use reveille::fs;
///
/// # let dir = std::env::temp_dir().join(format!("reveille-doc-rename-{}", std::process::id()));
/// # let dir = reveille::path::PathBuf::from(dir);
/// # fs::create_dir_all(&dir).await?;
/// fs::write(dir.join("a.txt"), "moved").await?;
/// fs::rename(dir.join("a.txt"), dir.join("b.txt")).await?;
/// assert_eq!(fs::read(dir.join("b.txt")).await?, b"moved");
/// # fs::remove_dir_all(&dir).await?;
/// # Ok(()) }) }
/// ```
pub async fn rename<P: AsRef<Path>, Q: AsRef<Path>>(from: P, to: Q) -> io::Result<()> {
    let from = from.as_ref().to_owned();
    let to = to.as_ref().to_owned();
    on_pool(move || {
        std::fs::rename(&from, &to)
            .context(|| format!("could not rename `{}` to `{}`", from.display(), to.display()))
    })
    .await
}

/// Changes the permissions of the file or directory `path`.
///
/// # Errors
///
/// Fails if `path` does not exist, or the process may not change it.
///
/// # Cancel safety
///
/// Once it has been polled, the operation completes even if the future is dropped.
///
/// # Examples
///
/// ```
/// # fn main() -> std::io::Result<()> { reveille::task::block_on(async {
/// use reveille::fs;
///
/// # let path = std::env::temp_dir().join(format!("reveille-doc-perm-{}", std::process::id()));
/// # let path = reveille::path::PathBuf::from(path);
/// fs::write(&path, "keep this").await?;
/// let mut permissions = fs::metadata(&path).await?.permissions();
/// permissions.set_readonly(true);
/// fs::set_permissions(&path, permissions).await?;
/// assert!(fs::metadata(&path).await?.permissions().readonly());
/// # fs::remove_file(&path).await?;
/// # Ok(()) }) }
/// ```
pub async fn set_permissions<P: AsRef<Path>>(path: P, perm: Permissions) -> io::Result<()> {
    let path = path.as_ref().to_owned();
    on_pool(move || std::fs::set_permissions(path, perm)).await
}

/// Reads the metadata of `path`. Does not follow a symbolic link.
///
/// # Errors
///
/// Fails if `path` does not exist, or the process may not access it.
///
/// # Cancel safety
///
/// Only the result is lost.
///
/// # Examples
///
/// ```
/// # fn main() -> std::io::Result<()> { reveille::task::block_on(async {
/// use reveille::fs;
///
/// assert!(!fs::symlink_metadata("Cargo.toml").await?.file_type().is_symlink());
/// # Ok(()) }) }
/// ```
pub async fn symlink_metadata<P: AsRef<Path>>(path: P) -> io::Result<Metadata> {
    let path = path.as_ref().to_owned();
    on_pool(move || std::fs::symlink_metadata(path)).await
}

/// Waits until the entries of the directory `path` are on the disk: what was created, renamed and
/// removed in it.
///
/// The contents of a file are on the disk after [`File::sync_all`](super::File::sync_all). For a
/// new file, call this function too: otherwise the file itself may be missing after a power
/// failure. On Windows it only checks that `path` is a directory: the system has no such operation.
///
/// # Errors
///
/// Each error names the path. `NotADirectory` if it is not a directory; otherwise the system's
/// error.
///
/// # Cancel safety
/// Nothing is lost. The operation continues; await another call to be sure that the entries are on
/// the disk.
///
/// # Examples
///
/// ```
/// # fn main() -> std::io::Result<()> { reveille::task::block_on(async {
/// use reveille::fs;
///
/// # let dir = std::env::temp_dir().join(format!("reveille-doc-syncd-{}", std::process::id()));
/// # let dir = reveille::path::PathBuf::from(dir);
/// # fs::create_dir(&dir).await?;
/// fs::write(dir.join("new"), b"contents").await?;
/// fs::rename(dir.join("new"), dir.join("current")).await?;
/// fs::sync_dir(&dir).await?;
/// # fs::remove_dir_all(&dir).await?;
/// # Ok(()) }) }
/// ```
#[doc(alias = "fsync")]
pub async fn sync_dir<P: AsRef<Path>>(path: P) -> io::Result<()> {
    let path = path.as_ref().to_owned();
    on_pool(move || {
        crate::os::file::sync_dir(path.as_ref())
            .context(|| format!("could not synchronize directory `{}`", path.display()))
    })
    .await
}

/// Writes `contents` as the entire file `path`. Creates the file if it does not exist.
///
/// # Errors
///
/// Fails if the file cannot be created or written.
///
/// # Cancel safety
///
/// Once it has been polled, the write completes even if the future is dropped.
///
/// # Examples
///
/// ```
/// # fn main() -> std::io::Result<()> { reveille::task::block_on(async {
/// use reveille::fs;
///
/// # let path = std::env::temp_dir().join(format!("reveille-doc-write-{}", std::process::id()));
/// # let path = reveille::path::PathBuf::from(path);
/// fs::write(&path, b"Lorem ipsum").await?;
/// assert_eq!(fs::read(&path).await?, b"Lorem ipsum");
/// # fs::remove_file(&path).await?;
/// # Ok(()) }) }
/// ```
pub async fn write<P: AsRef<Path>, C: AsRef<[u8]>>(path: P, contents: C) -> io::Result<()> {
    let path = path.as_ref().to_owned();
    let contents = contents.as_ref().to_owned();
    on_pool(move || {
        std::fs::write(&path, contents)
            .context(|| format!("could not write to file `{}`", path.display()))
    })
    .await
}

/// Reads a small file within this poll, if the task's budget and the page cache allow it.
async fn read_cached(path: &Path) -> Option<Vec<u8>> {
    std::future::poll_fn(reveille_runtime::budget::poll_proceed).await;
    cached::read(path.as_ref())
}

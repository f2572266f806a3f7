//! `Path`: a borrowed path.

use std::borrow::Cow;
use std::ffi::OsStr;

use super::{Ancestors, Components, Display, Iter, PathBuf, StripPrefixError, cast};
use crate::{fs, io};

/// A borrowed path.
///
/// It is std's `Path`, with asynchronous methods for those that access the file system. Like `str`
/// it is unsized and used behind a pointer: `&Path`, `Box<Path>`, `Arc<Path>`, [`PathBuf`].
///
/// # Examples
///
/// ```
/// use reveille::path::Path;
/// use reveille::task;
///
/// task::block_on(async {
///     let path = Path::new("/etc").join("hosts");
///     assert_eq!(path.parent(), Some(Path::new("/etc")));
///     if path.is_file().await {
///         assert!(path.metadata().await.is_ok());
///     }
/// });
/// ```
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(transparent)]
pub struct Path {
    // Invariant 1 of `cast.rs` depends on `transparent`.
    std: std::path::Path,
}

impl Path {
    pub(super) fn as_std(&self) -> &std::path::Path {
        &self.std
    }

    /// Views a string, or another OS string type, as a path. Nothing is copied.
    ///
    /// # Examples
    ///
    /// ```
    /// use reveille::path::Path;
    ///
    /// let path = Path::new("/etc/hosts");
    /// let same = Path::new(&String::from("/etc/hosts")).to_path_buf();
    /// assert_eq!(same, path);
    /// ```
    pub fn new<S: AsRef<OsStr> + ?Sized>(s: &S) -> &Path {
        cast::from_std(std::path::Path::new(s))
    }

    /// Returns the text.
    ///
    /// # Examples
    ///
    /// ```
    /// use reveille::path::Path;
    ///
    /// assert_eq!(Path::new("/etc").as_os_str(), "/etc");
    /// ```
    pub fn as_os_str(&self) -> &OsStr {
        self.std.as_os_str()
    }

    /// Returns the text if it is Unicode.
    ///
    /// # Examples
    ///
    /// ```
    /// use reveille::path::Path;
    ///
    /// assert_eq!(Path::new("/etc").to_str(), Some("/etc"));
    /// ```
    pub fn to_str(&self) -> Option<&str> {
        self.std.to_str()
    }

    /// Returns the text, with U+FFFD in place of anything that is not Unicode.
    ///
    /// # Examples
    ///
    /// ```
    /// use reveille::path::Path;
    ///
    /// assert_eq!(Path::new("/etc").to_string_lossy(), "/etc");
    /// ```
    pub fn to_string_lossy(&self) -> Cow<'_, str> {
        self.std.to_string_lossy()
    }

    /// Copies the path into a [`PathBuf`].
    ///
    /// # Examples
    ///
    /// ```
    /// use reveille::path::{Path, PathBuf};
    ///
    /// assert_eq!(Path::new("/etc").to_path_buf(), PathBuf::from("/etc"));
    /// ```
    pub fn to_path_buf(&self) -> PathBuf {
        PathBuf::from_std(self.std.to_path_buf())
    }

    /// Returns whether the path is independent of the current directory.
    ///
    /// # Examples
    ///
    /// ```
    /// use reveille::path::Path;
    ///
    /// assert!(!Path::new("hosts").is_absolute());
    /// ```
    pub fn is_absolute(&self) -> bool {
        self.std.is_absolute()
    }

    /// Returns whether the path depends on the current directory.
    ///
    /// # Examples
    ///
    /// ```
    /// use reveille::path::Path;
    ///
    /// assert!(Path::new("hosts").is_relative());
    /// ```
    pub fn is_relative(&self) -> bool {
        self.std.is_relative()
    }

    /// Returns whether the path begins with the root directory.
    ///
    /// # Examples
    ///
    /// ```
    /// use reveille::path::Path;
    ///
    /// assert!(Path::new("/etc").has_root());
    /// ```
    pub fn has_root(&self) -> bool {
        self.std.has_root()
    }

    /// Returns the path without its last component. `None` for a root and for the empty path.
    ///
    /// # Examples
    ///
    /// ```
    /// use reveille::path::Path;
    ///
    /// assert_eq!(Path::new("/etc/hosts").parent(), Some(Path::new("/etc")));
    /// assert_eq!(Path::new("/").parent(), None);
    /// ```
    pub fn parent(&self) -> Option<&Path> {
        self.std.parent().map(cast::from_std)
    }

    /// Returns an iterator over the path, its parent, and so on.
    ///
    /// # Examples
    ///
    /// ```
    /// use reveille::path::Path;
    ///
    /// let mut ancestors = Path::new("/etc/hosts").ancestors();
    /// assert_eq!(ancestors.next(), Some(Path::new("/etc/hosts")));
    /// assert_eq!(ancestors.next(), Some(Path::new("/etc")));
    /// assert_eq!(ancestors.next(), Some(Path::new("/")));
    /// assert_eq!(ancestors.next(), None);
    /// ```
    pub fn ancestors(&self) -> Ancestors<'_> {
        Ancestors::new(self)
    }

    /// Returns the last component. `None` if it is not a name but `..` or a root.
    ///
    /// # Examples
    ///
    /// ```
    /// use reveille::path::Path;
    ///
    /// assert_eq!(Path::new("/etc/hosts").file_name().unwrap(), "hosts");
    /// assert_eq!(Path::new("/etc/..").file_name(), None);
    /// ```
    pub fn file_name(&self) -> Option<&OsStr> {
        self.std.file_name()
    }

    /// Returns the path relative to `base`.
    ///
    /// # Errors
    ///
    /// Fails if the path does not start with `base`.
    ///
    /// # Examples
    ///
    /// ```
    /// use reveille::path::Path;
    ///
    /// let path = Path::new("/var/log/syslog");
    /// assert_eq!(path.strip_prefix("/var"), Ok(Path::new("log/syslog")));
    /// assert!(path.strip_prefix("log").is_err());
    /// ```
    pub fn strip_prefix<P>(&self, base: P) -> Result<&Path, StripPrefixError>
    where
        P: AsRef<Path>,
    {
        self.std.strip_prefix(base.as_ref().as_std()).map(cast::from_std)
    }

    /// Returns whether the path starts with `base`, comparing whole components.
    ///
    /// # Examples
    ///
    /// ```
    /// use reveille::path::Path;
    ///
    /// assert!(Path::new("/etc/hosts").starts_with("/etc"));
    /// assert!(!Path::new("/etc/hosts").starts_with("/et"));
    /// ```
    pub fn starts_with<P: AsRef<Path>>(&self, base: P) -> bool {
        self.std.starts_with(base.as_ref().as_std())
    }

    /// Returns whether the path ends with `child`, comparing whole components.
    ///
    /// # Examples
    ///
    /// ```
    /// use reveille::path::Path;
    ///
    /// assert!(Path::new("/etc/hosts").ends_with("hosts"));
    /// assert!(!Path::new("/etc/hosts").ends_with("sts"));
    /// ```
    pub fn ends_with<P: AsRef<Path>>(&self, child: P) -> bool {
        self.std.ends_with(child.as_ref().as_std())
    }

    /// Returns the file name without its extension.
    ///
    /// # Examples
    ///
    /// ```
    /// use reveille::path::Path;
    ///
    /// assert_eq!(Path::new("notes.txt").file_stem().unwrap(), "notes");
    /// ```
    pub fn file_stem(&self) -> Option<&OsStr> {
        self.std.file_stem()
    }

    /// Returns the part of the file name after its last dot, unless the dot is the first character.
    ///
    /// # Examples
    ///
    /// ```
    /// use reveille::path::Path;
    ///
    /// assert_eq!(Path::new("notes.txt").extension().unwrap(), "txt");
    /// assert_eq!(Path::new(".profile").extension(), None);
    /// ```
    pub fn extension(&self) -> Option<&OsStr> {
        self.std.extension()
    }

    /// Appends a path and returns the result. An absolute path replaces this one.
    ///
    /// # Examples
    ///
    /// ```
    /// use reveille::path::{Path, PathBuf};
    ///
    /// assert_eq!(Path::new("/etc").join("hosts"), PathBuf::from("/etc/hosts"));
    /// ```
    pub fn join<P: AsRef<Path>>(&self, path: P) -> PathBuf {
        PathBuf::from_std(self.std.join(path.as_ref().as_std()))
    }

    /// Returns the path with another file name.
    ///
    /// # Examples
    ///
    /// ```
    /// use reveille::path::{Path, PathBuf};
    ///
    /// let path = Path::new("/etc/hosts").with_file_name("fstab");
    /// assert_eq!(path, PathBuf::from("/etc/fstab"));
    /// ```
    pub fn with_file_name<S: AsRef<OsStr>>(&self, file_name: S) -> PathBuf {
        PathBuf::from_std(self.std.with_file_name(file_name))
    }

    /// Returns the path with another extension.
    ///
    /// # Examples
    ///
    /// ```
    /// use reveille::path::{Path, PathBuf};
    ///
    /// let path = Path::new("notes.txt").with_extension("md");
    /// assert_eq!(path, PathBuf::from("notes.md"));
    /// ```
    pub fn with_extension<S: AsRef<OsStr>>(&self, extension: S) -> PathBuf {
        PathBuf::from_std(self.std.with_extension(extension))
    }

    /// Returns the components: roots, names, `.` and `..`.
    ///
    /// # Examples
    ///
    /// ```
    /// use reveille::path::{Component, Path};
    ///
    /// let mut components = Path::new("/etc").components();
    /// assert_eq!(components.next(), Some(Component::RootDir));
    /// assert_eq!(components.next(), Some(Component::Normal("etc".as_ref())));
    /// assert_eq!(components.next(), None);
    /// ```
    pub fn components(&self) -> Components<'_> {
        Components::new(self)
    }

    /// Returns the components as strings.
    ///
    /// # Examples
    ///
    /// ```
    /// use reveille::path::Path;
    ///
    /// let parts: Vec<_> = Path::new("/etc/hosts").iter().collect();
    /// assert_eq!(parts, ["/", "etc", "hosts"]);
    /// ```
    pub fn iter(&self) -> Iter<'_> {
        Iter::new(self)
    }

    /// Returns a value that displays the path. The output is lossy if the path is not Unicode.
    ///
    /// # Examples
    ///
    /// ```
    /// use reveille::path::Path;
    ///
    /// assert_eq!(Path::new("/etc").display().to_string(), "/etc");
    /// ```
    pub fn display(&self) -> Display<'_> {
        self.std.display()
    }

    /// Reads size, type, permissions and times. Follows symbolic links.
    ///
    /// Calls [`fs::metadata`](crate::fs::metadata).
    ///
    /// # Errors
    ///
    /// Fails if there is no such file, or it cannot be reached.
    ///
    /// # Cancel safety
    ///
    /// Only the result is lost.
    ///
    /// # Examples
    ///
    /// ```
    /// use reveille::path::Path;
    ///
    /// reveille::task::block_on(async {
    ///     assert!(Path::new("/").metadata().await.unwrap().is_dir());
    /// });
    /// ```
    pub async fn metadata(&self) -> io::Result<fs::Metadata> {
        fs::metadata(self).await
    }

    /// Reads size, type, permissions and times. Does not follow a symbolic link.
    ///
    /// Calls [`fs::symlink_metadata`](crate::fs::symlink_metadata).
    ///
    /// # Errors
    ///
    /// Fails if there is no such file, or it cannot be reached.
    ///
    /// # Cancel safety
    ///
    /// Only the result is lost.
    ///
    /// # Examples
    ///
    /// ```
    /// use reveille::path::Path;
    ///
    /// reveille::task::block_on(async {
    ///     assert!(!Path::new("/").symlink_metadata().await.unwrap().is_symlink());
    /// });
    /// ```
    pub async fn symlink_metadata(&self) -> io::Result<fs::Metadata> {
        fs::symlink_metadata(self).await
    }

    /// Returns the absolute path, without links, `.` and `..`.
    ///
    /// Calls [`fs::canonicalize`](crate::fs::canonicalize).
    ///
    /// # Errors
    ///
    /// Fails if there is no such file, or a component is not a directory.
    ///
    /// # Cancel safety
    ///
    /// Only the result is lost.
    ///
    /// # Examples
    ///
    /// ```
    /// use reveille::path::{Path, PathBuf};
    ///
    /// reveille::task::block_on(async {
    ///     let root = Path::new("/./").canonicalize().await.unwrap();
    ///     assert_eq!(root, PathBuf::from("/"));
    /// });
    /// ```
    pub async fn canonicalize(&self) -> io::Result<PathBuf> {
        fs::canonicalize(self).await
    }

    /// Returns the path that a symbolic link points to.
    ///
    /// Calls [`fs::read_link`](crate::fs::read_link).
    ///
    /// # Errors
    ///
    /// Fails if there is no such file, or it is not a symbolic link.
    ///
    /// # Cancel safety
    ///
    /// Only the result is lost.
    ///
    /// # Examples
    ///
    /// ```
    /// use reveille::path::Path;
    ///
    /// reveille::task::block_on(async {
    ///     assert!(Path::new("/").read_link().await.is_err());
    /// });
    /// ```
    pub async fn read_link(&self) -> io::Result<PathBuf> {
        fs::read_link(self).await
    }

    /// Returns a stream of the entries of a directory.
    ///
    /// Calls [`fs::read_dir`](crate::fs::read_dir).
    ///
    /// # Errors
    ///
    /// Fails if there is no such directory, or it may not be read.
    ///
    /// # Cancel safety
    ///
    /// Nothing is lost: the directory is closed again.
    ///
    /// # Examples
    ///
    /// ```
    /// use reveille::path::Path;
    ///
    /// reveille::task::block_on(async {
    ///     assert!(Path::new("/").read_dir().await.is_ok());
    /// });
    /// ```
    pub async fn read_dir(&self) -> io::Result<fs::ReadDir> {
        fs::read_dir(self).await
    }

    /// Returns whether the path exists. Follows symbolic links.
    ///
    /// Returns false also if the system's answer was an error; see
    /// [`try_exists`](Path::try_exists).
    ///
    /// # Cancel safety
    ///
    /// Only the result is lost.
    ///
    /// # Examples
    ///
    /// ```
    /// use reveille::path::Path;
    ///
    /// reveille::task::block_on(async {
    ///     assert!(Path::new("/").exists().await);
    /// });
    /// ```
    pub async fn exists(&self) -> bool {
        fs::metadata(self).await.is_ok()
    }

    /// Returns whether the path exists. Follows symbolic links.
    ///
    /// # Errors
    ///
    /// Fails if the system's answer was an error, such as a missing permission.
    ///
    /// # Cancel safety
    ///
    /// Only the result is lost.
    ///
    /// # Examples
    ///
    /// ```
    /// use reveille::path::Path;
    ///
    /// reveille::task::block_on(async {
    ///     assert!(Path::new("/").try_exists().await.unwrap());
    ///     assert!(!Path::new("/no/such/file").try_exists().await.unwrap());
    /// });
    /// ```
    pub async fn try_exists(&self) -> io::Result<bool> {
        match fs::metadata(self).await {
            Ok(_) => Ok(true),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Returns whether the path is a regular file. Follows symbolic links.
    ///
    /// Returns false also if the system's answer was an error.
    ///
    /// # Cancel safety
    ///
    /// Only the result is lost.
    ///
    /// # Examples
    ///
    /// ```
    /// use reveille::path::Path;
    ///
    /// reveille::task::block_on(async {
    ///     assert!(!Path::new("/").is_file().await);
    /// });
    /// ```
    pub async fn is_file(&self) -> bool {
        fs::metadata(self).await.is_ok_and(|metadata| metadata.is_file())
    }

    /// Returns whether the path is a directory. Follows symbolic links.
    ///
    /// Returns false also if the system's answer was an error.
    ///
    /// # Cancel safety
    ///
    /// Only the result is lost.
    ///
    /// # Examples
    ///
    /// ```
    /// use reveille::path::Path;
    ///
    /// reveille::task::block_on(async {
    ///     assert!(Path::new("/").is_dir().await);
    /// });
    /// ```
    pub async fn is_dir(&self) -> bool {
        fs::metadata(self).await.is_ok_and(|metadata| metadata.is_dir())
    }

    /// Converts a box into a `PathBuf` without copying.
    ///
    /// # Examples
    ///
    /// ```
    /// use reveille::path::PathBuf;
    ///
    /// let path = PathBuf::from("/etc").into_boxed_path();
    /// assert_eq!(path.into_path_buf(), PathBuf::from("/etc"));
    /// ```
    pub fn into_path_buf(self: Box<Path>) -> PathBuf {
        PathBuf::from_std(cast::box_into_std(self).into_path_buf())
    }
}

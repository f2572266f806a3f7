//! `PathBuf`: an owned path.

use std::ffi::{OsStr, OsString};

use super::{Path, cast};

/// An owned, mutable path.
///
/// It is std's `PathBuf` with this crate's [`Path`]; the two convert for free with `From` and
/// `Into`.
///
/// # Examples
///
/// ```
/// use reveille::path::PathBuf;
///
/// let mut path = PathBuf::from("/etc");
/// path.push("hosts");
/// path.set_extension("bak");
/// assert_eq!(path, PathBuf::from("/etc/hosts.bak"));
///
/// let theirs: std::path::PathBuf = path.into();
/// assert!(theirs.is_absolute());
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PathBuf {
    std: std::path::PathBuf,
}

impl PathBuf {
    pub(super) fn from_std(std: std::path::PathBuf) -> PathBuf {
        PathBuf { std }
    }

    pub(super) fn into_std(self) -> std::path::PathBuf {
        self.std
    }

    /// Creates an empty path.
    ///
    /// # Examples
    ///
    /// ```
    /// use reveille::path::PathBuf;
    ///
    /// assert_eq!(PathBuf::new().as_os_str(), "");
    /// ```
    pub fn new() -> PathBuf {
        PathBuf::default()
    }

    /// Borrows it as a [`Path`].
    ///
    /// # Examples
    ///
    /// ```
    /// use reveille::path::{Path, PathBuf};
    ///
    /// let path = PathBuf::from("/etc");
    /// assert_eq!(path.as_path(), Path::new("/etc"));
    /// ```
    pub fn as_path(&self) -> &Path {
        cast::from_std(&self.std)
    }

    /// Appends a path. An absolute path replaces this one.
    ///
    /// # Examples
    ///
    /// ```
    /// use reveille::path::{Path, PathBuf};
    ///
    /// let mut path = PathBuf::from("/etc");
    /// path.push("hosts");
    /// assert_eq!(path, Path::new("/etc/hosts"));
    /// path.push("/tmp");
    /// assert_eq!(path, Path::new("/tmp"));
    /// ```
    pub fn push<P: AsRef<Path>>(&mut self, path: P) {
        self.std.push(path.as_ref().as_std());
    }

    /// Removes the last component. Returns false if there is no parent.
    ///
    /// # Examples
    ///
    /// ```
    /// use reveille::path::{Path, PathBuf};
    ///
    /// let mut path = PathBuf::from("/etc/hosts");
    /// assert!(path.pop());
    /// assert_eq!(path, Path::new("/etc"));
    /// ```
    pub fn pop(&mut self) -> bool {
        self.std.pop()
    }

    /// Replaces the last component, or adds one if there is no file name.
    ///
    /// # Examples
    ///
    /// ```
    /// use reveille::path::{Path, PathBuf};
    ///
    /// let mut path = PathBuf::from("/etc/hosts");
    /// path.set_file_name("fstab");
    /// assert_eq!(path, Path::new("/etc/fstab"));
    /// ```
    pub fn set_file_name<S: AsRef<OsStr>>(&mut self, file_name: S) {
        self.std.set_file_name(file_name);
    }

    /// Replaces the extension, or adds one. Returns false if there is no file name.
    ///
    /// # Examples
    ///
    /// ```
    /// use reveille::path::{Path, PathBuf};
    ///
    /// let mut path = PathBuf::from("notes.txt");
    /// assert!(path.set_extension("md"));
    /// assert_eq!(path, Path::new("notes.md"));
    /// ```
    pub fn set_extension<S: AsRef<OsStr>>(&mut self, extension: S) -> bool {
        self.std.set_extension(extension)
    }

    /// Returns the text.
    ///
    /// # Examples
    ///
    /// ```
    /// use reveille::path::PathBuf;
    ///
    /// assert_eq!(PathBuf::from("/etc").into_os_string(), "/etc");
    /// ```
    pub fn into_os_string(self) -> OsString {
        self.std.into_os_string()
    }

    /// Converts the path into a box, which cannot grow and has no spare capacity.
    ///
    /// # Examples
    ///
    /// ```
    /// use reveille::path::{Path, PathBuf};
    ///
    /// let path = PathBuf::from("/etc").into_boxed_path();
    /// assert_eq!(&*path, Path::new("/etc"));
    /// ```
    pub fn into_boxed_path(self) -> Box<Path> {
        cast::box_from_std(self.std.into_boxed_path())
    }
}

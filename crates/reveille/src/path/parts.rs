//! The iterators over the parts of a path.

use std::ffi::OsStr;
use std::fmt;
use std::iter::FusedIterator;

use super::{Component, Path, cast};

/// A path and its parents, up to the root; see [`Path::ancestors`].
///
/// # Examples
///
/// ```
/// use reveille::path::Path;
///
/// let is_crate = |dir: &&Path| dir.ends_with("reveille");
/// let found = Path::new("/src/reveille/net/udp.rs").ancestors().find(is_crate);
/// assert_eq!(found, Some(Path::new("/src/reveille")));
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Ancestors<'a> {
    next: Option<&'a Path>,
}

impl<'a> Ancestors<'a> {
    pub(super) fn new(path: &'a Path) -> Ancestors<'a> {
        Ancestors { next: Some(path) }
    }
}

impl<'a> Iterator for Ancestors<'a> {
    type Item = &'a Path;

    fn next(&mut self) -> Option<&'a Path> {
        let path = self.next?;
        self.next = path.parent();
        Some(path)
    }
}

impl FusedIterator for Ancestors<'_> {}

/// The components of a path; see [`Path::components`].
///
/// # Examples
///
/// ```
/// use reveille::path::{Component, Path};
///
/// // A request must not lead out of the served folder.
/// let is_harmless = |path: &str| {
///     Path::new(path).components().all(|part| matches!(part, Component::Normal(_)))
/// };
/// assert!(is_harmless("images/logo.svg"));
/// assert!(!is_harmless("../etc/passwd"));
/// assert!(!is_harmless("/etc/passwd"));
/// ```
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Components<'a> {
    components: std::path::Components<'a>,
}

impl<'a> Components<'a> {
    pub(super) fn new(path: &'a Path) -> Components<'a> {
        Components { components: path.as_std().components() }
    }

    /// Returns the remaining part of the path.
    ///
    /// # Examples
    ///
    /// ```
    /// use reveille::path::Path;
    ///
    /// let mut components = Path::new("/tmp/foo/bar.txt").components();
    /// components.next();
    /// components.next();
    /// assert_eq!(Path::new("foo/bar.txt"), components.as_path());
    /// ```
    pub fn as_path(&self) -> &'a Path {
        cast::from_std(self.components.as_path())
    }
}

impl AsRef<Path> for Components<'_> {
    fn as_ref(&self) -> &Path {
        self.as_path()
    }
}

impl AsRef<OsStr> for Components<'_> {
    fn as_ref(&self) -> &OsStr {
        self.as_path().as_os_str()
    }
}

impl<'a> Iterator for Components<'a> {
    type Item = Component<'a>;

    fn next(&mut self) -> Option<Component<'a>> {
        self.components.next()
    }
}

impl<'a> DoubleEndedIterator for Components<'a> {
    fn next_back(&mut self) -> Option<Component<'a>> {
        self.components.next_back()
    }
}

impl FusedIterator for Components<'_> {}

impl AsRef<Path> for Component<'_> {
    fn as_ref(&self) -> &Path {
        Path::new(self.as_os_str())
    }
}

/// The components of a path as strings; see [`Path::iter`].
///
/// # Examples
///
/// ```
/// use reveille::path::Path;
///
/// let parts: Vec<_> = Path::new("/etc/hosts").iter().collect();
/// assert_eq!(parts, ["/", "etc", "hosts"]);
/// ```
#[derive(Clone)]
pub struct Iter<'a> {
    components: Components<'a>,
}

impl<'a> Iter<'a> {
    pub(super) fn new(path: &'a Path) -> Iter<'a> {
        Iter { components: path.components() }
    }

    /// Returns the remaining part of the path.
    ///
    /// # Examples
    ///
    /// ```
    /// use reveille::path::Path;
    ///
    /// let mut iter = Path::new("/tmp/foo/bar.txt").iter();
    /// iter.next();
    /// iter.next();
    /// assert_eq!(Path::new("foo/bar.txt"), iter.as_path());
    /// ```
    pub fn as_path(&self) -> &'a Path {
        self.components.as_path()
    }
}

impl fmt::Debug for Iter<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Iter(")?;
        f.debug_list().entries(self.clone()).finish()?;
        f.write_str(")")
    }
}

impl AsRef<Path> for Iter<'_> {
    fn as_ref(&self) -> &Path {
        self.as_path()
    }
}

impl AsRef<OsStr> for Iter<'_> {
    fn as_ref(&self) -> &OsStr {
        self.as_path().as_os_str()
    }
}

impl<'a> Iterator for Iter<'a> {
    type Item = &'a OsStr;

    fn next(&mut self) -> Option<&'a OsStr> {
        self.components.next().map(Component::as_os_str)
    }
}

impl<'a> DoubleEndedIterator for Iter<'a> {
    fn next_back(&mut self) -> Option<&'a OsStr> {
        self.components.next_back().map(Component::as_os_str)
    }
}

impl FusedIterator for Iter<'_> {}

impl<'a> IntoIterator for &'a Path {
    type Item = &'a OsStr;
    type IntoIter = Iter<'a>;

    fn into_iter(self) -> Iter<'a> {
        self.iter()
    }
}

impl<'a> IntoIterator for &'a super::PathBuf {
    type Item = &'a OsStr;
    type IntoIter = Iter<'a>;

    fn into_iter(self) -> Iter<'a> {
        self.iter()
    }
}

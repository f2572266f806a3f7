//! Comparisons between paths, and between paths and OS strings, in every combination.

use std::borrow::Cow;
use std::cmp::Ordering;
use std::ffi::{OsStr, OsString};

use super::{Path, PathBuf};

/// Compares two types in both directions through their `AsRef<Path>`.
macro_rules! compare {
    ($([$($lifetimes:lifetime),*] $left:ty, $right:ty;)*) => {$(
        compare!(@one [$($lifetimes),*] $left, $right);
        compare!(@one [$($lifetimes),*] $right, $left);
    )*};
    (@one [$($lifetimes:lifetime),*] $left:ty, $right:ty) => {
        impl<$($lifetimes),*> PartialEq<$right> for $left {
            fn eq(&self, other: &$right) -> bool {
                <Path as PartialEq>::eq(self.as_ref(), other.as_ref())
            }
        }

        impl<$($lifetimes),*> PartialOrd<$right> for $left {
            fn partial_cmp(&self, other: &$right) -> Option<Ordering> {
                <Path as PartialOrd>::partial_cmp(self.as_ref(), other.as_ref())
            }
        }
    };
}

compare! {
    [] PathBuf, Path;
    ['a] PathBuf, &'a Path;
    ['a] Cow<'a, Path>, Path;
    ['a, 'b] Cow<'a, Path>, &'b Path;
    ['a] Cow<'a, Path>, PathBuf;

    [] PathBuf, OsStr;
    ['a] PathBuf, &'a OsStr;
    ['a] PathBuf, Cow<'a, OsStr>;
    [] PathBuf, OsString;
    [] Path, OsStr;
    ['a] Path, &'a OsStr;
    ['a] Path, Cow<'a, OsStr>;
    [] Path, OsString;
    ['a] &'a Path, OsStr;
    ['a, 'b] &'a Path, Cow<'b, OsStr>;
    ['a] &'a Path, OsString;
}

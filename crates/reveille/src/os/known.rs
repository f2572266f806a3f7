//! Finds out whether a reader or writer of any type is a socket or a file of ours.
//!
//! The traits are those of futures-io, which every type implements for itself, and stable Rust has
//! no specialization. So generic functions compare type ids. [`id_of`] returns one for types that
//! borrow, too: lifetimes do not count, so the id of `&'a TcpStream` is that of
//! `&'static TcpStream`. The crate `typeid` has the same function, but is not worth a dependency of
//! every program.

use std::any::TypeId;
use std::io;
use std::marker::PhantomData;
use std::mem::transmute;
use std::task::{Context, Poll};

use reveille_runtime::io::Interest;

use crate::fs::File;
use crate::net::TcpStream;
use crate::os::uninit::UninitBuf;
#[cfg(unix)]
use crate::os::unix::net::UnixStream;

/// A socket of ours, found behind a reader or writer.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Known<'a> {
    /// A TCP connection.
    Tcp(&'a TcpStream),
    /// A Unix domain connection.
    #[cfg(unix)]
    Unix(&'a UnixStream),
}

impl<'a> Known<'a> {
    /// Finds the socket behind `it`: itself, or what it borrows.
    #[inline]
    pub(crate) fn of<T: ?Sized>(it: &'a T) -> Option<Known<'a>> {
        if let Some(stream) = find::<T, TcpStream>(it) {
            return Some(Known::Tcp(stream));
        }
        #[cfg(unix)]
        if let Some(stream) = find::<T, UnixStream>(it) {
            return Some(Known::Unix(stream));
        }
        None
    }

    /// Finds the file behind `it`.
    #[inline]
    pub(crate) fn file<T: ?Sized>(it: &'a T) -> Option<&'a File> {
        find::<T, File>(it)
    }

    /// Waits until the socket takes bytes.
    pub(crate) fn poll_writable(self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self {
            Known::Tcp(stream) => stream.io().poll_ready(cx, Interest::Write),
            #[cfg(unix)]
            Known::Unix(stream) => stream.io().poll_ready(cx, Interest::Write),
        }
    }

    /// Reads into the spare capacity of `buf`, which is not empty. Nothing is cleared first.
    #[inline]
    pub(crate) fn poll_read_spare(
        self,
        cx: &mut Context<'_>,
        buf: &mut Vec<u8>,
    ) -> Poll<io::Result<usize>> {
        match self {
            Known::Tcp(stream) => stream.poll_read_spare(cx, buf),
            #[cfg(unix)]
            Known::Unix(stream) => stream.poll_read_spare(cx, buf),
        }
    }

    /// Reads into a buffer that is not initialized.
    #[inline]
    pub(crate) fn poll_read_uninit(
        self,
        cx: &mut Context<'_>,
        buf: &mut UninitBuf<'_>,
    ) -> Poll<io::Result<usize>> {
        match self {
            Known::Tcp(stream) => stream.poll_read_uninit(cx, buf),
            #[cfg(unix)]
            Known::Unix(stream) => stream.poll_read_uninit(cx, buf),
        }
    }
}

/// The id that `T` has if each of its lifetimes is `'static`.
#[doc(hidden)]
#[inline]
#[must_use]
#[allow(unsafe_code, reason = "a method that requires `'static` and does not rely on it")]
pub fn id_of<T: ?Sized>() -> TypeId {
    trait Id {
        fn id(&self) -> TypeId
        where
            Self: 'static;
    }

    impl<T: ?Sized> Id for PhantomData<T> {
        #[inline]
        fn id(&self) -> TypeId
        where
            Self: 'static,
        {
            TypeId::of::<T>()
        }
    }

    let phantom: &dyn Id = &PhantomData::<T>;
    // SAFETY: no reference may be used after the end of its lifetime. The only method returns a
    // number that the compiler computes from the type, and a `PhantomData` holds no reference. The
    // vtable is the same, because generated code does not depend on lifetimes.
    let phantom = unsafe { transmute::<&dyn Id, &(dyn Id + 'static)>(phantom) };
    phantom.id()
}

/// The object of type `S`, if `T` is `S`, `&S` or `&mut S`.
#[inline]
#[allow(unsafe_code, reason = "downcasts of types that may borrow")]
fn find<'a, T: ?Sized, S: 'static>(it: &'a T) -> Option<&'a S> {
    let id = id_of::<T>();
    let address = &raw const *it;
    if id == TypeId::of::<S>() {
        // SAFETY: the reference must be to an `S`. The ids are equal and `S` has no lifetimes, so
        // `T` is `S`, and `it` is borrowed for `'a`.
        return Some(unsafe { &*address.cast::<S>() });
    }
    if id == TypeId::of::<&'static S>() {
        // SAFETY: the address must be that of a reference that may be copied. The ids are equal, so
        // `T` is `&'x S` for some `'x`, and `'x` outlives `'a` because `it` is a `&'a T`.
        return Some(unsafe { *address.cast::<&'a S>() });
    }
    if id == TypeId::of::<&'static mut S>() {
        // SAFETY: the address must be that of a reference. The ids are equal, so `T` is `&'x mut S`
        // for some `'x`, and `'x` outlives `'a` because `it` is a `&'a T`. It is borrowed shared
        // for `'a`, so what it points to may be, too.
        return Some(unsafe { &**address.cast::<&'a mut S>() });
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_socket_is_found_behind_references_and_nothing_else_is() {
        let socket = |name: &str| String::from(name);
        let (owned, mut lent) = (socket("owned"), socket("lent"));
        assert_eq!(find::<String, String>(&owned), Some(&owned));
        assert_eq!(find::<&String, String>(&&owned), Some(&owned));
        let borrow = &mut lent;
        assert_eq!(find::<&mut String, String>(&borrow).map(String::as_str), Some("lent"));
        assert_eq!(find::<str, String>("text"), None);
        assert_eq!(find::<Option<String>, String>(&Some(owned)), None);
        assert_eq!(find::<&&mut String, String>(&&borrow), None);
        assert_eq!(id_of::<dyn Fn(&str) -> &str>(), TypeId::of::<dyn Fn(&str) -> &str>());
    }
}

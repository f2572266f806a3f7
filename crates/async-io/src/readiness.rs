//! The futures of [`Async::readable`] and its siblings, which users can name.

use std::fmt;
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use crate::Async;

macro_rules! waits {
    ($(
        $(#[$docs:meta])*
        $name:ident: $function:ident, $owned:ident: $of_owned:ident, $poll:ident;
    )*) => {$(
        #[doc = concat!("The future of [`Async::", stringify!($function), "`].")]
        ///
        /// # Examples
        ///
        $(#[$docs])*
        #[must_use = "futures do nothing unless you `.await` or poll them"]
        pub struct $name<'a, T>(pub(crate) &'a Async<T>);

        impl<T> Future for $name<'_, T> {
            type Output = io::Result<()>;

            fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
                self.0.$poll(cx)
            }
        }

        impl<T> fmt::Debug for $name<'_, T> {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.debug_struct(stringify!($name)).finish_non_exhaustive()
            }
        }

        #[doc = concat!("The future of [`Async::", stringify!($of_owned), "`].")]
        ///
        /// # Examples
        ///
        $(#[$docs])*
        #[must_use = "futures do nothing unless you `.await` or poll them"]
        pub struct $owned<T>(pub(crate) Arc<Async<T>>);

        impl<T> Future for $owned<T> {
            type Output = io::Result<()>;

            fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
                self.0.$poll(cx)
            }
        }

        impl<T> fmt::Debug for $owned<T> {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.debug_struct(stringify!($owned)).finish_non_exhaustive()
            }
        }
    )*};
}

waits! {
    /// ```
    /// use std::net::UdpSocket;
    ///
    /// use async_io::{Async, Readable};
    ///
    /// let socket = Async::<UdpSocket>::bind(([127, 0, 0, 1], 0))?;
    /// socket.get_ref().send_to(b"x", socket.get_ref().local_addr()?)?;
    /// let readable: Readable<'_, UdpSocket> = socket.readable();
    /// async_io::block_on(readable)?;
    /// # std::io::Result::Ok(())
    /// ```
    Readable: readable, ReadableOwned: readable_owned, poll_readable;
    /// ```
    /// use std::net::UdpSocket;
    ///
    /// use async_io::{Async, Writable};
    ///
    /// let socket = Async::<UdpSocket>::bind(([127, 0, 0, 1], 0))?;
    /// let writable: Writable<'_, UdpSocket> = socket.writable();
    /// async_io::block_on(writable)?;
    /// # std::io::Result::Ok(())
    /// ```
    Writable: writable, WritableOwned: writable_owned, poll_writable;
}

//! The asynchronous traits, for objects with std's.

use std::io::{self, IoSlice, IoSliceMut, Read, Write};
use std::pin::Pin;
use std::task::{Context, Poll};

use futures_io::{AsyncRead, AsyncWrite};
use reveille_runtime::io::Interest;

use crate::source::{poll_call, poll_transfer};
use crate::{Async, IoSafe};

/// Implements both traits for an `Async` that is owned, or for a reference to one.
///
/// `$parts` returns its readiness, and a reference to its object that implements std's traits.
macro_rules! impl_streams {
    (
        $stream:ty, |$this:ident| $parts:expr,
        read: [$($reads:tt)*], write: [$($writes:tt)*]
    ) => {
        impl<T> AsyncRead for $stream
        where
            $($reads)*
        {
            fn poll_read(
                self: Pin<&mut Self>,
                cx: &mut Context<'_>,
                buf: &mut [u8],
            ) -> Poll<io::Result<usize>> {
                let $this = self;
                let (io, mut inner) = $parts;
                let is_empty = buf.is_empty();
                poll_transfer(io, cx, Interest::Read, is_empty, || Read::read(&mut inner, buf))
            }

            fn poll_read_vectored(
                self: Pin<&mut Self>,
                cx: &mut Context<'_>,
                bufs: &mut [IoSliceMut<'_>],
            ) -> Poll<io::Result<usize>> {
                let $this = self;
                let (io, mut inner) = $parts;
                let is_empty = bufs.iter().all(|buf| buf.is_empty());
                poll_transfer(io, cx, Interest::Read, is_empty, || {
                    Read::read_vectored(&mut inner, bufs)
                })
            }
        }

        impl<T> AsyncWrite for $stream
        where
            $($writes)*
        {
            fn poll_write(
                self: Pin<&mut Self>,
                cx: &mut Context<'_>,
                buf: &[u8],
            ) -> Poll<io::Result<usize>> {
                let $this = self;
                let (io, mut inner) = $parts;
                let is_empty = buf.is_empty();
                poll_transfer(io, cx, Interest::Write, is_empty, || Write::write(&mut inner, buf))
            }

            fn poll_write_vectored(
                self: Pin<&mut Self>,
                cx: &mut Context<'_>,
                bufs: &[IoSlice<'_>],
            ) -> Poll<io::Result<usize>> {
                let $this = self;
                let (io, mut inner) = $parts;
                let is_empty = bufs.iter().all(|buf| buf.is_empty());
                poll_transfer(io, cx, Interest::Write, is_empty, || {
                    Write::write_vectored(&mut inner, bufs)
                })
            }

            fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
                let $this = self;
                let (io, mut inner) = $parts;
                poll_call(io, cx, Interest::Write, || Write::flush(&mut inner))
            }

            fn poll_close(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
                self.poll_flush(cx)
            }
        }
    };
}

impl_streams!(
    Async<T>, |this| this.get_mut().parts(),
    read: [T: IoSafe + Read], write: [T: IoSafe + Write]
);
impl_streams!(
    &Async<T>, |this| this.shared_parts(),
    read: [for<'a> &'a T: Read], write: [for<'a> &'a T: Write]
);

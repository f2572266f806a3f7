//! The asynchronous traits, for objects with std's.

use std::io::{self, IoSlice, IoSliceMut, Read, Write};
use std::pin::Pin;
use std::task::{Context, Poll};

use futures_io::{AsyncRead, AsyncWrite};
use reveille_runtime::io::Interest;

use crate::source::{poll_call, poll_transfer};
use crate::{Async, IoSafe};

impl<T: IoSafe + Read> AsyncRead for Async<T> {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        let (io, inner) = self.get_mut().parts();
        let is_empty = buf.is_empty();
        poll_transfer(io, cx, Interest::Read, is_empty, || inner.read(buf))
    }

    fn poll_read_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &mut [IoSliceMut<'_>],
    ) -> Poll<io::Result<usize>> {
        let (io, inner) = self.get_mut().parts();
        let is_empty = bufs.iter().all(|buf| buf.is_empty());
        poll_transfer(io, cx, Interest::Read, is_empty, || inner.read_vectored(bufs))
    }
}

impl<T> AsyncRead for &Async<T>
where
    for<'a> &'a T: Read,
{
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        let (io, mut inner) = self.shared_parts();
        let is_empty = buf.is_empty();
        poll_transfer(io, cx, Interest::Read, is_empty, || inner.read(buf))
    }

    fn poll_read_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &mut [IoSliceMut<'_>],
    ) -> Poll<io::Result<usize>> {
        let (io, mut inner) = self.shared_parts();
        let is_empty = bufs.iter().all(|buf| buf.is_empty());
        poll_transfer(io, cx, Interest::Read, is_empty, || inner.read_vectored(bufs))
    }
}

impl<T: IoSafe + Write> AsyncWrite for Async<T> {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        let (io, inner) = self.get_mut().parts();
        let is_empty = buf.is_empty();
        poll_transfer(io, cx, Interest::Write, is_empty, || inner.write(buf))
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let (io, inner) = self.get_mut().parts();
        let is_empty = bufs.iter().all(|buf| buf.is_empty());
        poll_transfer(io, cx, Interest::Write, is_empty, || inner.write_vectored(bufs))
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let (io, inner) = self.get_mut().parts();
        poll_call(io, cx, Interest::Write, || inner.flush())
    }

    fn poll_close(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.poll_flush(cx)
    }
}

impl<T> AsyncWrite for &Async<T>
where
    for<'a> &'a T: Write,
{
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        let (io, mut inner) = self.shared_parts();
        let is_empty = buf.is_empty();
        poll_transfer(io, cx, Interest::Write, is_empty, || inner.write(buf))
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let (io, mut inner) = self.shared_parts();
        let is_empty = bufs.iter().all(|buf| buf.is_empty());
        poll_transfer(io, cx, Interest::Write, is_empty, || inner.write_vectored(bufs))
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let (io, mut inner) = self.shared_parts();
        poll_call(io, cx, Interest::Write, || inner.flush())
    }

    fn poll_close(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.poll_flush(cx)
    }
}

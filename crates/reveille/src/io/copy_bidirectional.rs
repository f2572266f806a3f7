//! Copying in both directions between two streams, as a proxy does.

use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use super::context::Context as _;
use super::copy::Copy;
use super::{Read, Write};

/// Copies from `a` to `b` and from `b` to `a` until both have ended, and returns the number of
/// bytes of each direction, in this order.
///
/// When one stream ends, the bytes that were read from it are written and flushed, and the other
/// stream is closed for writing ([`close`](super::WriteExt::close)). In this way a socket passes
/// the end on to its peer, and the other direction continues (half-close).
///
/// A long transfer between two sockets of this crate moves through the kernel, as with
/// [`copy`](super::copy()).
///
/// # Errors
///
/// Fails as soon as a read, write, flush or close fails, without closing the other direction. The
/// text of the error is `io::copy_bidirectional failed after … and … bytes`, with the number of
/// bytes from `a` to `b` first. The source is the original error.
///
/// # Cancel safety
///
/// Dropping the future loses what was read and not yet written, in both directions, and closes
/// nothing.
///
/// # Examples
///
/// A proxy:
///
/// ```
/// use reveille::io::{self, prelude::*};
/// use reveille::net::{TcpListener, TcpStream};
/// use reveille::task;
///
/// # fn main() -> io::Result<()> {
/// task::block_on(async {
///     let server = TcpListener::bind("127.0.0.1:0").await?;
///     let target = server.local_addr()?;
///     let proxy = TcpListener::bind("127.0.0.1:0").await?;
///     let address = proxy.local_addr()?;
///     let proxy = task::spawn(async move {
///         let (mut client, _) = proxy.accept().await?;
///         let mut upstream = TcpStream::connect(target).await?;
///         io::copy_bidirectional(&mut client, &mut upstream).await
///     });
///
///     let mut client = TcpStream::connect(address).await?;
///     let (mut peer, _) = server.accept().await?;
///     client.write_all(b"ping").await?;
///     client.close().await?;
///     let mut question = String::new();
///     peer.read_to_string(&mut question).await?; // the end came through
///     peer.write_all(b"pong!").await?;
///     drop(peer);
///
///     let mut answer = String::new();
///     client.read_to_string(&mut answer).await?;
///     assert_eq!((&*question, &*answer), ("ping", "pong!"));
///     assert_eq!(proxy.await?, (4, 5));
///     Ok(())
/// })
/// # }
/// ```
pub async fn copy_bidirectional<A, B>(a: &mut A, b: &mut B) -> io::Result<(u64, u64)>
where
    A: Read + Write + Unpin + ?Sized,
    B: Read + Write + Unpin + ?Sized,
{
    let (mut to_b, mut to_a) = (Direction::new(), Direction::new());
    let mut is_a_first = true;
    let result = poll_fn(|cx| {
        // They share the budget of the task. The one that has moved bytes is polled last the next
        // time: if it is always ready, it would otherwise use all of the budget. (Taking turns at
        // each poll is not enough, because a caller may poll this twice for each budget.)
        for is_from_a in [is_a_first, !is_a_first] {
            let before = (to_b.copy.copied(), to_a.copy.copied());
            let poll = match is_from_a {
                true => to_b.poll(cx, Pin::new(&mut *a), Pin::new(&mut *b)),
                false => to_a.poll(cx, Pin::new(&mut *b), Pin::new(&mut *a)),
            };
            if before != (to_b.copy.copied(), to_a.copy.copied()) {
                is_a_first = !is_from_a;
            }
            if let Poll::Ready(Err(error)) = poll {
                return Poll::Ready(Err(error));
            }
        }
        match to_b.is_closed && to_a.is_closed {
            true => Poll::Ready(Ok(())),
            false => Poll::Pending,
        }
    })
    .await;
    let (to_b, to_a) = (to_b.copy.copied(), to_a.copy.copied());
    result.context(|| format!("io::copy_bidirectional failed after {to_b} and {to_a} bytes"))?;
    Ok((to_b, to_a))
}

/// One direction: it copies, and then closes the writer.
struct Direction {
    copy: Copy,
    has_copied: bool,
    is_closed: bool,
}

impl Direction {
    fn new() -> Direction {
        Direction { copy: Copy::new(), has_copied: false, is_closed: false }
    }

    fn poll<R: Read + ?Sized, W: Write + ?Sized>(
        &mut self,
        cx: &mut Context<'_>,
        reader: Pin<&mut R>,
        mut writer: Pin<&mut W>,
    ) -> Poll<io::Result<()>> {
        if self.is_closed {
            return Poll::Ready(Ok(()));
        }
        if !self.has_copied {
            ready!(self.copy.poll(cx, reader, writer.as_mut()))?;
            self.has_copied = true;
        }
        ready!(writer.poll_close(cx))?;
        self.is_closed = true;
        Poll::Ready(Ok(()))
    }
}

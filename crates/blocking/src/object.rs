//! A blocking object with asynchronous traits.

use std::fmt;
use std::future::{Future, poll_fn};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use async_channel::{Receiver, bounded};
use futures_core::Stream;
use futures_io::{AsyncRead, AsyncSeek, AsyncWrite};

use crate::spawn;
use crate::transfer::{self, Transfer};

/// The default capacity of a pipe in bytes.
const PIPE_BYTES: usize = 8 * 1024 * 1024;

/// The default capacity of a channel in items.
const CHANNEL_ITEMS: usize = 8 * 1024;

/// Gives a blocking object the asynchronous traits: `Read`, `Write`, `Seek` and `Iterator` of std
/// become those of futures.
///
/// The object works on a thread that may block, and a pipe connects it with the task. So a read may
/// take more from the object than was requested. A write returns before the object has the bytes;
/// flush to wait for that. An operation of another kind first stops the current one, and bytes that
/// were read ahead are lost. With a file, seek in between.
///
/// # Cancel safety
///
/// Nothing is lost: bytes that a dropped read requested stay in the pipe.
///
/// # Examples
///
/// ```
/// use blocking::Unblock;
/// use futures_lite::io::AsyncReadExt;
///
/// # futures_lite::future::block_on(async {
/// let mut file = Unblock::new(std::fs::File::open("Cargo.toml")?);
/// let mut text = String::new();
/// file.read_to_string(&mut text).await?;
/// assert!(text.contains("blocking"));
/// # std::io::Result::Ok(()) }).unwrap();
/// ```
pub struct Unblock<T> {
    state: Transfer<T>,
    capacity: Option<usize>,
}

impl<T> Unblock<T> {
    /// Wraps an object. The pipe for bytes holds 8 MiB, the channel for items 8,192 of them.
    ///
    /// # Examples
    ///
    /// ```
    /// let stdin = blocking::Unblock::new(std::io::stdin());
    /// ```
    pub fn new(io: T) -> Unblock<T> {
        Unblock { state: Transfer::Idle(Some(Box::new(io))), capacity: None }
    }

    /// Wraps an object, with a pipe of `capacity` bytes or a channel of `capacity` items.
    ///
    /// # Panics
    ///
    /// Reading, writing or iterating panics if the capacity is zero.
    ///
    /// # Examples
    ///
    /// ```
    /// let stdin = blocking::Unblock::with_capacity(4096, std::io::stdin());
    /// ```
    pub fn with_capacity(cap: usize, io: T) -> Unblock<T> {
        Unblock { state: Transfer::Idle(Some(Box::new(io))), capacity: Some(cap) }
    }

    /// Stops the current operation, waits until the object is idle, and returns it.
    ///
    /// # Panics
    ///
    /// Panics if the object was closed, or was lost because an operation on it panicked.
    ///
    /// # Cancel safety
    ///
    /// The current operation is stopped even so.
    ///
    /// # Examples
    ///
    /// ```
    /// # futures_lite::future::block_on(async {
    /// let mut numbers = blocking::Unblock::new(0..3);
    /// numbers.get_mut().await.end = 5;
    /// assert_eq!(numbers.into_inner().await, 0..5);
    /// # });
    /// ```
    pub async fn get_mut(&mut self) -> &mut T {
        self.stop().await;
        match &mut self.state {
            Transfer::Idle(object) => object.as_mut().expect("the object was closed or lost"),
            _ => unreachable!("the transfer was stopped"),
        }
    }

    /// Runs a closure with the object on a thread that may block.
    ///
    /// # Panics
    ///
    /// Panics if the closure panics; the object is then lost. Panics as
    /// [`get_mut`](Unblock::get_mut) does.
    ///
    /// # Cancel safety
    ///
    /// The closure still runs, and the next operation waits until it has ended.
    ///
    /// # Examples
    ///
    /// ```
    /// # futures_lite::future::block_on(async {
    /// let mut file = blocking::Unblock::new(std::fs::File::open("Cargo.toml")?);
    /// assert!(file.with_mut(|file| file.metadata()).await?.is_file());
    /// # std::io::Result::Ok(()) }).unwrap();
    /// ```
    pub async fn with_mut<R, F>(&mut self, op: F) -> R
    where
        F: FnOnce(&mut T) -> R + Send + 'static,
        R: Send + 'static,
        T: Send + 'static,
    {
        self.stop().await;
        let mut object = self.state.take();
        let (sender, receiver) = bounded(1);
        self.state = Transfer::Closure(spawn(async move {
            // Without a receiver, nothing waits for the result.
            let _ = sender.try_send(op(&mut object));
            object
        }));
        receiver.recv().await.expect("`Unblock::with_mut()` operation has panicked")
    }

    /// Stops the current operation, waits until the object is idle, and gives it back.
    ///
    /// # Panics
    ///
    /// As for [`get_mut`](Unblock::get_mut).
    ///
    /// # Cancel safety
    ///
    /// The object is dropped.
    ///
    /// # Examples
    ///
    /// ```
    /// # futures_lite::future::block_on(async {
    /// assert_eq!(blocking::Unblock::new(0..3).into_inner().await, 0..3);
    /// # });
    /// ```
    pub async fn into_inner(mut self) -> T {
        self.stop().await;
        *self.state.take()
    }

    /// Stops the current operation. Nothing is left that could receive its error.
    async fn stop(&mut self) {
        let _ = poll_fn(|cx| self.state.poll_stop(cx)).await;
    }
}

impl<T: fmt::Debug> fmt::Debug for Unblock<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let object: &dyn fmt::Debug = match &self.state {
            Transfer::Idle(None) => &format_args!("<closed>"),
            Transfer::Idle(Some(object)) => object,
            _ => &format_args!("<blocked>"),
        };
        f.debug_struct("Unblock").field("io", object).finish()
    }
}

impl<T: Iterator + Send + 'static> Stream for Unblock<T>
where
    T::Item: Send + 'static,
{
    type Item = T::Item;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<T::Item>> {
        loop {
            match &mut self.state {
                Transfer::Idle(_) => {
                    let object = self.state.take();
                    let (sender, receiver) = bounded(self.capacity.unwrap_or(CHANNEL_ITEMS));
                    let task = spawn(transfer::send_items(object, sender));
                    self.state = Transfer::Items(Some(Box::new(Box::pin(receiver))), task);
                }
                Transfer::Items(Some(channel), task) => {
                    let receiver = channel.downcast_mut::<Pin<Box<Receiver<T::Item>>>>();
                    let receiver = receiver.expect("an iterator has items of one type");
                    let item = ready!(receiver.as_mut().poll_next(cx));
                    if item.is_none() {
                        // The channel stays until the task has given the iterator back, so that
                        // a poll that waits for that does not begin another iteration.
                        let object = ready!(Pin::new(task).poll(cx));
                        self.state = Transfer::Idle(Some(object));
                    }
                    return Poll::Ready(item);
                }
                _ => {
                    let _ = ready!(self.state.poll_stop(cx));
                }
            }
        }
    }
}

impl<T: Read + Send + 'static> AsyncRead for Unblock<T> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        loop {
            match &mut self.state {
                Transfer::Idle(_) => {
                    let object = self.state.take();
                    let (reader, writer) = piper::pipe(self.capacity.unwrap_or(PIPE_BYTES));
                    let task = spawn(transfer::read(object, writer));
                    self.state = Transfer::Reading(Some(reader), task);
                }
                Transfer::Reading(Some(pipe), task) => {
                    let len = ready!(pipe.poll_drain(cx, &mut *buf))?;
                    if len == 0 {
                        // The pipe ends where the object ends or fails. The pipe stays until the
                        // task has given the object back, so that a poll that waits for that does
                        // not begin another read: a terminal would wait.
                        let (result, object) = ready!(Pin::new(task).poll(cx));
                        self.state = Transfer::Idle(Some(object));
                        result?;
                    }
                    return Poll::Ready(Ok(len));
                }
                _ => ready!(self.state.poll_stop(cx))?,
            }
        }
    }
}

impl<T: Write + Send + 'static> AsyncWrite for Unblock<T> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        loop {
            match &mut self.state {
                Transfer::Idle(_) => {
                    let object = self.state.take();
                    let (reader, writer) = piper::pipe(self.capacity.unwrap_or(PIPE_BYTES));
                    let task = spawn(transfer::write(object, reader));
                    self.state = Transfer::Writing(Some(writer), task);
                }
                Transfer::Writing(Some(pipe), _) => return pipe.poll_fill(cx, buf),
                _ => ready!(self.state.poll_stop(cx))?,
            }
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        // An idle object is flushed.
        self.state.poll_stop(cx)
    }

    fn poll_close(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.state.poll_stop(cx))?;
        self.state = Transfer::Idle(None);
        Poll::Ready(Ok(()))
    }
}

impl<T: Seek + Send + 'static> AsyncSeek for Unblock<T> {
    fn poll_seek(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        pos: SeekFrom,
    ) -> Poll<io::Result<u64>> {
        loop {
            match &mut self.state {
                Transfer::Idle(_) => {
                    let mut object = self.state.take();
                    let task = spawn(async move { (object.seek(pos), object) });
                    self.state = Transfer::Seeking(pos, task);
                }
                Transfer::Seeking(asked, task) => {
                    // A seek that was dropped before may have requested another position.
                    let is_same = *asked == pos;
                    let (result, object) = ready!(Pin::new(task).poll(cx));
                    self.state = Transfer::Idle(Some(object));
                    let reached = result?;
                    if is_same {
                        return Poll::Ready(Ok(reached));
                    }
                }
                _ => ready!(self.state.poll_stop(cx))?,
            }
        }
    }
}

//! The operations of an object of [`Unblock`](crate::Unblock), which run on a blocking thread, and
//! their state.

use std::any::Any;
use std::future::{Future, poll_fn};
use std::io::{self, Read, SeekFrom, Write};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use async_channel::Sender;
use async_task::Task;
use piper::{Reader, Writer};

/// Where the object is. All states but `Idle` hold the task that gives it back.
pub(crate) enum Transfer<T> {
    /// No operation runs. `None` after the object was closed, taken, or lost in a panic.
    Idle(Option<Box<T>>),
    /// In a closure of the user.
    Closure(Task<Box<T>>),
    /// Its items come through a channel, whose type is not known here.
    Items(Option<Box<dyn Any + Send + Sync>>, Task<Box<T>>),
    /// It is read into a pipe.
    Reading(Option<Reader>, Task<(io::Result<()>, Box<T>)>),
    /// It is written from a pipe.
    Writing(Option<Writer>, Task<(io::Result<()>, Box<T>)>),
    /// It seeks, to a position that the caller asked for.
    Seeking(SeekFrom, Task<(io::Result<u64>, Box<T>)>),
}

impl<T> Transfer<T> {
    /// Takes an idle object, to move it to a thread that may block.
    ///
    /// # Panics
    ///
    /// Panics if it is not idle, was closed, or was lost in a panic.
    pub(crate) fn take(&mut self) -> Box<T> {
        match self {
            Transfer::Idle(object) => object.take().expect("the object was closed or lost"),
            _ => unreachable!("the transfer was stopped"),
        }
    }

    /// Ends the current operation and takes the object back. Bytes that were read ahead are lost;
    /// pending writes are written and flushed.
    pub(crate) fn poll_stop(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let (result, object) = match self {
            Transfer::Idle(_) => return Poll::Ready(Ok(())),
            Transfer::Closure(task) => (Ok(()), ready!(Pin::new(task).poll(cx))),
            Transfer::Items(channel, task) => {
                // A closed channel or pipe ends the loop of the task.
                *channel = None;
                (Ok(()), ready!(Pin::new(task).poll(cx)))
            }
            Transfer::Reading(pipe, task) => {
                *pipe = None;
                ready!(Pin::new(task).poll(cx))
            }
            Transfer::Writing(pipe, task) => {
                *pipe = None;
                ready!(Pin::new(task).poll(cx))
            }
            Transfer::Seeking(_, task) => {
                let (result, object) = ready!(Pin::new(task).poll(cx));
                (result.map(drop), object)
            }
        };
        *self = Transfer::Idle(Some(object));
        Poll::Ready(result)
    }
}

/// Sends the items of an iterator until the channel is closed.
pub(crate) async fn send_items<T: Iterator>(mut items: Box<T>, sender: Sender<T::Item>) -> Box<T> {
    for item in &mut items {
        if sender.send(item).await.is_err() {
            break;
        }
    }
    items
}

/// Reads an object into a pipe until its end or until the pipe is closed.
pub(crate) async fn read<T: Read>(
    mut object: Box<T>,
    mut pipe: Writer,
) -> (io::Result<()>, Box<T>) {
    loop {
        match poll_fn(|cx| pipe.poll_fill(cx, &mut object)).await {
            Ok(0) => return (Ok(()), object),
            Ok(_) => {}
            Err(error) => return (Err(error), object),
        }
    }
}

/// Writes what comes through a pipe until its end, and flushes.
pub(crate) async fn write<T: Write>(
    mut object: Box<T>,
    mut pipe: Reader,
) -> (io::Result<()>, Box<T>) {
    loop {
        match poll_fn(|cx| pipe.poll_drain(cx, &mut object)).await {
            Ok(0) => return (object.flush(), object),
            Ok(_) => {}
            Err(error) => {
                // Bytes that were written before are flushed. The error of the write is reported,
                // and not that of the flush.
                let _ = object.flush();
                return (Err(error), object);
            }
        }
    }
}

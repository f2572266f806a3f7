//! A task of zbus.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use reveille::task::JoinHandle;
use zbus::runtime::traits::TaskHandle;

/// A task that is cancelled when its handle is dropped.
#[derive(Debug)]
pub struct Task<T>(Option<JoinHandle<T>>);

impl<T> Task<T> {
    pub(super) fn new(handle: io::Result<JoinHandle<T>>) -> Task<T> {
        Task(handle.ok())
    }
}

impl<T: Send + 'static> TaskHandle<T> for Task<T> {
    fn detach(mut self) {
        drop(self.0.take());
    }
}

impl<T: Send> Future for Task<T> {
    type Output = io::Result<T>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<T>> {
        let handle = self.0.as_mut().ok_or_else(|| io::Error::other("the task was not started"))?;
        Pin::new(handle).poll(cx).map(Ok)
    }
}

impl<T> Drop for Task<T> {
    fn drop(&mut self) {
        if let Some(handle) = &self.0 {
            handle.abort();
        }
    }
}

//! A task of async-rs.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use async_rs::util::TaskImpl;
use reveille::task::JoinHandle;

/// A task. It keeps running if this is dropped, as async-rs expects.
#[derive(Debug)]
pub struct Spawned<T>(Option<JoinHandle<T>>);

impl<T> Spawned<T> {
    pub(super) fn new(handle: JoinHandle<T>) -> Spawned<T> {
        Spawned(Some(handle))
    }
}

#[async_trait::async_trait]
impl<T: Send + 'static> TaskImpl for Spawned<T> {
    async fn cancel(&mut self) -> Option<T> {
        self.0.take()?.cancel().await
    }
}

impl<T> Future for Spawned<T> {
    type Output = T;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<T> {
        let handle = self.0.as_mut().expect("a cancelled task is not awaited");
        Pin::new(handle).poll(cx)
    }
}

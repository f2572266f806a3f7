//! A runtime for opentelemetry's SDK: it spawns, it sleeps, and it has a bounded channel.

use std::fmt::Debug;
use std::future::Future;
use std::time::Duration;

use opentelemetry_sdk::runtime::{Runtime, RuntimeChannel, TrySend, TrySendError};
use reveille::channel::{self, Receiver, Sender, TrySendError as ChannelError};
use reveille::task;

/// Runs the SDK on reveille.
#[derive(Debug, Clone, Copy)]
pub struct Reveille;

impl Runtime for Reveille {
    fn spawn<F: Future<Output = ()> + Send + 'static>(&self, future: F) {
        drop(task::spawn(future));
    }

    fn delay(&self, duration: Duration) -> impl Future<Output = ()> + Send + 'static {
        task::sleep(duration)
    }
}

/// The sender of a channel.
#[derive(Debug)]
pub struct Messages<T>(Sender<T>);

impl<T: Send> TrySend for Messages<T> {
    type Message = T;

    fn try_send(&self, message: T) -> Result<(), TrySendError> {
        self.0.try_send(message).map_err(|error| match error {
            ChannelError::Full(_) => TrySendError::ChannelFull,
            ChannelError::Closed(_) => TrySendError::ChannelClosed,
        })
    }
}

impl RuntimeChannel for Reveille {
    type Receiver<T: Debug + Send> = Receiver<T>;
    type Sender<T: Debug + Send> = Messages<T>;

    fn batch_message_channel<T: Debug + Send>(&self, len: usize) -> (Messages<T>, Receiver<T>) {
        let (sender, receiver) = channel::bounded(len);
        (Messages(sender), receiver)
    }
}

//! The two streams: requests, which a worker takes, and results, which stay.
//!
//! `requests` is a work queue: a message leaves it when it is acknowledged. `results` has a subject
//! for each number. A result is published with the condition that its subject is empty, which the
//! server checks. So the second result of a request is refused, however late it comes, and the
//! messages of the stream are the count.

use std::error::Error;
use std::time::Duration;

use async_nats::jetstream::consumer::pull;
use async_nats::jetstream::consumer::{AckPolicy, Consumer};
use async_nats::jetstream::context::{PublishAckFuture, PublishErrorKind};
use async_nats::jetstream::message::PublishMessage;
use async_nats::jetstream::stream::{self, RetentionPolicy, Stream};
use async_nats::jetstream::{self, Context};
use async_nats::{Client, ConnectOptions};

pub(crate) type Failure = Box<dyn Error + Send + Sync>;

const REQUESTS: &str = "requests";
const RESULTS: &str = "results";

/// The consumer that all workers share.
const WORKERS: &str = "workers";

/// The time after which the server delivers a request again, unless the worker has acknowledged it
/// or said that it is still at work.
pub(crate) const ACK_WAIT: Duration = Duration::from_secs(5);

/// A connection to the server, on which both streams exist.
#[derive(Clone, Debug)]
pub(crate) struct Queue {
    client: Client,
    jetstream: Context,
}

impl Queue {
    /// Connects, and creates what does not exist yet.
    pub(crate) async fn open(url: &str) -> Result<Queue, Failure> {
        let connecting = ConnectOptions::new().name("fleet").connect(url);
        let client =
            connecting.await.map_err(|error| format!("cannot connect to {url}: {error}"))?;
        let queue = Queue { jetstream: jetstream::new(client.clone()), client };
        queue.stream(REQUESTS, RetentionPolicy::WorkQueue).await?;
        queue.stream(RESULTS, RetentionPolicy::Limits).await?;
        Ok(queue)
    }

    async fn stream(&self, name: &str, retention: RetentionPolicy) -> Result<Stream, Failure> {
        let config = stream::Config {
            name: name.to_owned(),
            subjects: vec![format!("{name}.*")],
            retention,
            ..stream::Config::default()
        };
        let stream = self.jetstream.get_or_create_stream(config).await;
        stream.map_err(|error| format!("cannot open the stream `{name}`: {error}").into())
    }

    /// Sends a request. The future that is returned ends when the server has stored it.
    pub(crate) async fn put(&self, id: u64, url: &str) -> Result<PublishAckFuture, Failure> {
        // The server drops a message whose number it has received within the last two minutes.
        let message =
            PublishMessage::build().message_id(id.to_string()).payload(url.to_owned().into());
        let sent = self.jetstream.send_publish(format!("{REQUESTS}.{id}"), message).await;
        sent.map_err(|error| format!("cannot put request {id} into the queue: {error}").into())
    }

    /// The requests, for a worker.
    pub(crate) async fn requests(&self) -> Result<Consumer<pull::Config>, Failure> {
        let config = pull::Config {
            durable_name: Some(WORKERS.to_owned()),
            ack_policy: AckPolicy::Explicit,
            ack_wait: ACK_WAIT,
            // As long as all workers together may have in hand.
            max_ack_pending: 100_000,
            ..pull::Config::default()
        };
        let stream = self.stream(REQUESTS, RetentionPolicy::WorkQueue).await?;
        let consumer = stream.get_or_create_consumer(WORKERS, config).await;
        consumer.map_err(|error| format!("cannot open the consumer `{WORKERS}`: {error}").into())
    }

    /// Stores the result of request `id`. Returns `false` if it has one already.
    pub(crate) async fn record(&self, id: u64, result: String) -> Result<bool, Failure> {
        let message = PublishMessage::build().expected_last_subject_sequence(0);
        let message = message.payload(result.into());
        let stored = match self.jetstream.send_publish(format!("{RESULTS}.{id}"), message).await {
            Ok(acknowledged) => acknowledged.await,
            Err(error) => Err(error),
        };
        match stored {
            Ok(_) => Ok(true),
            Err(error) if error.kind() == PublishErrorKind::WrongLastSequence => Ok(false),
            Err(error) => Err(format!("cannot record the result of request {id}: {error}").into()),
        }
    }

    /// How many requests are not acknowledged.
    pub(crate) async fn open_requests(&self) -> Result<u64, Failure> {
        let stream = self.stream(REQUESTS, RetentionPolicy::WorkQueue).await?;
        Ok(stream.get_info().await?.state.messages)
    }

    /// The results so far.
    pub(crate) async fn results(&self) -> Result<Stream, Failure> {
        self.stream(RESULTS, RetentionPolicy::Limits).await
    }

    /// Waits until all that was published has been sent.
    pub(crate) async fn flush(&self) -> Result<(), Failure> {
        self.client.flush().await.map_err(|error| format!("cannot send the rest: {error}").into())
    }
}

/// The number of a request or a result, the last word of its subject.
pub(crate) fn id_of(subject: &str) -> Result<u64, Failure> {
    let id = subject.rsplit('.').next().and_then(|word| word.parse().ok());
    id.ok_or_else(|| format!("there is no number in the subject `{subject}`").into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_number_is_the_last_word() {
        assert_eq!(id_of("results.42").unwrap(), 42);
        assert!(id_of("results").is_err() && id_of("results.").is_err());
    }
}

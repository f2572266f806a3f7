//! Puts requests into the queue.

use std::collections::VecDeque;

use crate::queue::{Failure, Queue};

/// How many requests may be on their way to the server. Each waits for the server's answer, but not
/// for the answer to the one before.
const IN_FLIGHT_MAX: usize = 500;

/// Puts `count` requests into the queue, with the numbers from 0 on. The list of URLs repeats.
pub(crate) async fn fill(queue: &Queue, count: u64, urls: &[String]) -> Result<(), Failure> {
    let mut in_flight = VecDeque::with_capacity(IN_FLIGHT_MAX);
    for (id, url) in (0..count).zip(urls.iter().cycle()) {
        if in_flight.len() == IN_FLIGHT_MAX {
            stored(in_flight.pop_front()).await?;
        }
        in_flight.push_back((id, queue.put(id, url).await?));
    }
    while !in_flight.is_empty() {
        stored(in_flight.pop_front()).await?;
    }
    Ok(())
}

async fn stored<A>(sent: Option<(u64, A)>) -> Result<(), Failure>
where
    A: IntoFuture<Output = Result<async_nats::jetstream::publish::PublishAck, PublishError>>,
{
    let Some((id, acknowledged)) = sent else { return Ok(()) };
    match acknowledged.await {
        Ok(_) => Ok(()),
        Err(error) => Err(format!("the queue did not take request {id}: {error}").into()),
    }
}

type PublishError = async_nats::jetstream::context::PublishError;

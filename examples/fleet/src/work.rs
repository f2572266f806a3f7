//! A worker: takes requests, makes them, records the results.

use std::convert::Infallible;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_nats::jetstream::consumer::Consumer;
use async_nats::jetstream::consumer::pull;
use async_nats::jetstream::{AckKind, Message};
use reveille::prelude::*;
use reveille::select;
use reveille::sync::{OwnedSemaphorePermit, Semaphore};
use reveille::task::{self, CancellationToken, JoinError, JoinSet};

use crate::fetch;
use crate::queue::{ACK_WAIT, Failure, Queue, id_of};
use crate::step::Progress;

/// How long the server may hold a worker's question before it answers that there is nothing. Also
/// the longest time until an idle worker notices that it has to stop.
const POLL: Duration = Duration::from_secs(1);

/// The pause after an error of the queue, for example while the server starts again.
const ERROR_PAUSE: Duration = Duration::from_secs(1);

/// How a request is made.
#[derive(Clone, Copy, Debug)]
pub(crate) struct How {
    /// The time limit of the fetch.
    pub(crate) limit: Duration,
    /// Whether the queue is told that the request is done.
    pub(crate) acknowledges: bool,
}

/// What a worker has done.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    recorded: u64,
    /// Requests for which another worker had recorded a result.
    recorded_by_others: u64,
    /// Requests that the server will deliver again.
    left: u64,
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Tally { recorded, recorded_by_others, left } = self;
        write!(f, "stopped: {recorded} results, {recorded_by_others} again, {left} given back")
    }
}

/// Makes requests, `concurrency` at a time, until `stop` is cancelled. Then it finishes those that
/// have begun.
pub(crate) async fn work(
    queue: &Queue,
    concurrency: u32,
    how: How,
    stop: &CancellationToken,
) -> Result<Tally, Failure> {
    let requests = queue.requests().await?;
    let slots = Arc::new(Semaphore::new(concurrency as usize));
    let mut tasks = JoinSet::new();
    let mut tally = Tally::default();
    while let Some(slot) = stop.run_until_cancelled(slots.clone().acquire_owned()).await {
        // Takes as many requests as there are free slots, so that none waits in this process while
        // another worker has nothing to do.
        let mut free = slot?;
        while let Ok(slot) = slots.clone().try_acquire_owned() {
            free.merge(slot);
        }
        let start = |message, slot| {
            let request = handle(queue.clone(), message, how, slot);
            tasks.spawn(request);
        };
        if let Err(error) = take(&requests, free, stop, &mut tally, start).await {
            eprintln!("fleet: cannot take requests: {error}");
            let _ = stop.run_until_cancelled(task::sleep(ERROR_PAUSE)).await;
        }
        while let Some(done) = tasks.try_join_next() {
            tally.add(done);
        }
    }
    while let Some(done) = tasks.join_next().await {
        tally.add(done);
    }
    Ok(tally)
}

/// Asks the server for a request for each slot, and starts those that come within [`POLL`].
async fn take(
    requests: &Consumer<pull::Config>,
    mut free: OwnedSemaphorePermit,
    stop: &CancellationToken,
    tally: &mut Tally,
    mut start: impl FnMut(Message, OwnedSemaphorePermit),
) -> Result<(), Failure> {
    let question = requests.batch().max_messages(free.num_permits()).expires(POLL);
    let mut batch = question.messages().await?;
    while let Some(message) = batch.next().await {
        let message = message?;
        match free.split(1) {
            Some(slot) if !stop.is_cancelled() => start(message, slot),
            // Gives it back at once, so that it is delivered again before its acknowledgement times
            // out.
            _ => {
                message.ack_with(AckKind::Nak(None)).await?;
                tally.left += 1;
            }
        }
    }
    Ok(())
}

/// Makes one request. Returns whether its result is the first. After an error the request stays in
/// the queue, and is delivered again.
async fn handle(
    queue: Queue,
    message: Message,
    how: How,
    _slot: OwnedSemaphorePermit,
) -> Result<bool, Failure> {
    let id = id_of(&message.subject)?;
    let delivery = message.info()?.delivered;
    let url = String::from_utf8_lossy(&message.payload);
    let progress = Progress::default();
    let outcome = select! {
        outcome = fetch::fetch(&url, how.limit, &progress) => outcome,
        never = keep(&message) => match never? {},
    };
    // A URL that cannot be fetched is a result, too, as in many_requests.
    let result = match outcome {
        Ok(answer) => format!("{} {} {delivery}", answer.status, answer.body_bytes),
        Err(error) => format!("failed {delivery}: {error}"),
    };
    let is_first = queue.record(id, result).await?;
    if how.acknowledges {
        message.ack().await?;
    }
    Ok(is_first)
}

/// Tells the server again and again that the request is being made.
async fn keep(message: &Message) -> Result<Infallible, Failure> {
    loop {
        task::sleep(ACK_WAIT / 3).await;
        message.ack_with(AckKind::Progress).await?;
    }
}

impl Tally {
    fn add(&mut self, done: Result<Result<bool, Failure>, JoinError>) {
        match done {
            Ok(Ok(true)) => self.recorded += 1,
            Ok(Ok(false)) => self.recorded_by_others += 1,
            Ok(Err(error)) => self.give_up(&error),
            Err(error) => self.give_up(&error),
        }
    }

    fn give_up(&mut self, error: &dyn fmt::Display) {
        eprintln!("fleet: a request will be delivered again: {error}");
        self.left += 1;
    }
}

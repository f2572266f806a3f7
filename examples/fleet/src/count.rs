//! Counts the results by their numbers.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use async_nats::jetstream::consumer::pull;
use async_nats::jetstream::consumer::{AckPolicy, DeliverPolicy};
use reveille::prelude::*;
use reveille::task;

use crate::queue::{Failure, Queue, id_of};

/// The time between two looks at the queue.
const POLL: Duration = Duration::from_millis(100);

/// The results, counted.
#[derive(Debug, Default)]
pub(crate) struct Count {
    /// How many results each request has.
    by_id: BTreeMap<u64, u64>,
    fetched: u64,
    failed: u64,
    /// Results that are not from the first delivery of their request.
    delivered_again: u64,
}

/// Waits until all requests are acknowledged, and counts.
pub(crate) async fn count(queue: &Queue) -> Result<Count, Failure> {
    while queue.open_requests().await? > 0 {
        task::sleep(POLL).await;
    }
    let results = queue.results().await?;
    let mut left = results.get_info().await?.state.messages;
    let reader = pull::Config {
        deliver_policy: DeliverPolicy::All,
        ack_policy: AckPolicy::None,
        ..pull::Config::default()
    };
    let mut messages = results.create_consumer(reader).await?.messages().await?;
    let mut count = Count::default();
    while left > 0 {
        let Some(message) = messages.next().await else { break };
        let message = message?;
        count.add(id_of(&message.subject)?, &String::from_utf8_lossy(&message.payload))?;
        left -= 1;
    }
    Ok(count)
}

impl Count {
    fn add(&mut self, id: u64, result: &str) -> Result<(), Failure> {
        *self.by_id.entry(id).or_default() += 1;
        let is_failed = result.starts_with("failed ");
        *(if is_failed { &mut self.failed } else { &mut self.fetched }) += 1;
        let words = result.split(':').next().unwrap_or_default();
        let delivery = words.rsplit(' ').next().and_then(|word| word.parse::<i64>().ok());
        let delivery = delivery.ok_or_else(|| format!("result {id} is malformed: `{result}`"))?;
        self.delivered_again += u64::from(delivery > 1);
        Ok(())
    }

    /// Whether the requests from 0 to `requests` have one result each, and no others exist.
    pub(crate) fn is_each_once(&self, requests: u64) -> bool {
        self.by_id.len() as u64 == requests
            && self
                .by_id
                .iter()
                .zip(0..)
                .all(|((&id, &results), expected)| (id, results) == (expected, 1))
    }
}

impl fmt::Display for Count {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let more_than_once = self.by_id.values().filter(|results| **results > 1).count();
        write!(
            f,
            "{} requests have a result, {more_than_once} more than one; {} fetched, {} failed, {} \
             not at their first delivery",
            self.by_id.len(),
            self.fetched,
            self.failed,
            self.delivered_again
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counted(results: &[(u64, &str)]) -> Count {
        let mut count = Count::default();
        for (id, result) in results {
            count.add(*id, result).unwrap();
        }
        count
    }

    #[test]
    fn a_request_counts_once_only_if_it_has_one_result() {
        assert!(counted(&[(1, "200 5 1"), (0, "200 5 1")]).is_each_once(2));
        assert!(!counted(&[(0, "200 5 1")]).is_each_once(2));
        assert!(!counted(&[(0, "200 5 1"), (2, "200 5 1")]).is_each_once(2));
        assert!(!counted(&[(0, "200 5 1"), (0, "200 5 1")]).is_each_once(2));
        assert!(!counted(&[(0, "200 5 1"), (0, "200 5 1"), (1, "200 5 1")]).is_each_once(2));
    }

    #[test]
    fn deliveries_are_read_from_both_kinds_of_results() {
        let count = counted(&[(0, "200 5 1"), (1, "404 5 2"), (2, "failed 3: no such host: x")]);
        assert_eq!((count.fetched, count.failed, count.delivered_again), (2, 1, 2));
        assert!(Count::default().add(0, "").is_err());
    }
}

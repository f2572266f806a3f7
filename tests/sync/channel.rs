//! `reveille::channel`: it is async-channel, and it works on this runtime.

use reveille::prelude::*;
use reveille::task;
use reveille::{channel, future};

#[test]
fn the_types_are_those_of_async_channel() {
    fn sender(sender: async_channel::Sender<i32>) -> channel::Sender<i32> {
        sender
    }
    let (theirs, receiver) = async_channel::unbounded();
    sender(theirs).try_send(1).unwrap();
    assert_eq!(channel::Receiver::try_recv(&receiver), Ok(1));
}

async fn every_message_arrives_once() {
    let (sender, receiver) = channel::bounded(4);
    let senders: Vec<_> = (0..4)
        .map(|me| {
            let sender = sender.clone();
            task::spawn(async move {
                for n in 0..100 {
                    sender.send(me * 100 + n).await.unwrap();
                }
            })
        })
        .collect();
    drop(sender);
    let receivers: Vec<_> = (0..3)
        .map(|_| {
            let receiver = receiver.clone();
            task::spawn(async move { receiver.collect::<Vec<i32>>().await })
        })
        .collect();
    let mut all = Vec::new();
    for receiver in receivers {
        all.extend(receiver.await);
    }
    for sender in senders {
        sender.await;
    }
    all.sort();
    assert_eq!(all, (0..400).collect::<Vec<_>>());
}

async fn a_receiver_ends_when_the_senders_are_gone() {
    let (sender, mut receiver) = channel::unbounded();
    sender.send(1).await.unwrap();
    drop(sender);
    assert_eq!(receiver.next().await, Some(1));
    assert_eq!(receiver.next().await, None);
}

async fn a_full_channel_makes_the_sender_wait() {
    let (sender, receiver) = channel::bounded(1);
    sender.send(1).await.unwrap();
    let second = future::timeout(std::time::Duration::ZERO, sender.send(2)).await;
    assert!(second.is_err());
    assert_eq!(receiver.recv().await, Ok(1));
    sender.send(3).await.unwrap();
    assert_eq!(receiver.recv().await, Ok(3));
}

// Each of these runs on every executor.
reveille_tests::conformance!(
    every_message_arrives_once,
    a_receiver_ends_when_the_senders_are_gone,
    a_full_channel_makes_the_sender_wait,
);

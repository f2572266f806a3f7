//! A future does nothing until it is polled.
//!
//! Calling an `async fn` does not run its code. It returns a future, which holds the arguments and
//! the position in the function. Only polling advances it. `.await` and `block_on` poll a future;
//! `spawn` lets the executor poll it. A future that is dropped without a poll never runs.

use std::cell::RefCell;

use reveille::prelude::*;
use reveille::task;

/// The events, in order.
type Log = RefCell<Vec<&'static str>>;

async fn write_letter(log: &Log) -> usize {
    log.borrow_mut().push("the letter is begun");
    task::yield_now().await;
    log.borrow_mut().push("the letter is finished");
    42
}

fn main() {
    let log = Log::default();

    let letter = write_letter(&log);
    println!("after the call: {} lines in the log", log.borrow().len());

    drop(write_letter(&log));
    println!("after dropping another one: {} lines in the log", log.borrow().len());

    let words = task::block_on(letter);
    println!("after block_on, {words} words:");
    for line in log.borrow().iter() {
        println!("  {line}");
    }

    // Polling by hand shows the two halves. `poll_once` polls the future once.
    task::block_on(async {
        log.borrow_mut().clear();
        let mut letter = Box::pin(write_letter(&log));
        let first = letter.as_mut().poll_once().await;
        println!("first poll: {first:?}, {} line in the log", log.borrow().len());
        let second = letter.as_mut().poll_once().await;
        println!("second poll: {second:?}, {} lines in the log", log.borrow().len());
    });
}

/// Polls a future once and returns its output, if it is ready.
trait PollOnce: Future + Sized {
    fn poll_once(mut self) -> impl Future<Output = Option<Self::Output>>
    where
        Self: Unpin,
    {
        reveille::future::poll_fn(move |cx| match std::pin::Pin::new(&mut self).poll(cx) {
            task::Poll::Ready(output) => task::Poll::Ready(Some(output)),
            task::Poll::Pending => task::Poll::Ready(None),
        })
    }
}

impl<F: Future> PollOnce for F {}

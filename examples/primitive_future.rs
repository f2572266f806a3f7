//! A future written by hand, like the ones at the bottom of every async program.
//!
//! `async` code only waits for other futures. At the bottom, a type must implement `poll` itself.
//! The contract has three parts:
//!
//! * `poll` returns `Ready` once, with the value.
//! * Before it returns `Pending`, it stores the waker where an event will call it.
//! * Each poll may pass a different waker. Only the newest one must be woken.
//!
//! [`Turnstile`] lets one future pass for each coin.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

use reveille::task;

/// A gate that opens once for each coin.
#[derive(Clone, Default)]
struct Turnstile(Rc<RefCell<State>>);

#[derive(Default)]
struct State {
    coins: u32,
    /// The waiting futures in order of arrival: the number of the [`Pass`], and its waker.
    queue: VecDeque<(u64, Waker)>,
    next_number: u64,
}

/// A future that is ready when it has passed the turnstile.
struct Pass {
    turnstile: Turnstile,
    /// The number in the queue. `None` before the first poll, because a future does nothing until
    /// it is polled.
    number: Option<u64>,
}

impl Turnstile {
    fn pass(&self) -> Pass {
        Pass { turnstile: self.clone(), number: None }
    }

    fn waiting(&self) -> usize {
        self.0.borrow().queue.len()
    }

    fn drop_coin(&self) {
        let first = {
            let mut state = self.0.borrow_mut();
            state.coins += 1;
            state.queue.front().map(|(_, waker)| waker.clone())
        };
        // Wake after the borrow ends: a waker may do anything, even poll a Pass at once.
        if let Some(waker) = first {
            waker.wake();
        }
    }
}

impl Future for Pass {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let turnstile = self.turnstile.clone();
        let mut state = turnstile.0.borrow_mut();
        let number = *self.number.get_or_insert_with(|| {
            state.next_number += 1;
            state.next_number
        });
        let place = state.queue.iter().position(|(waiting, _)| *waiting == number);
        if state.coins > 0 && place.unwrap_or(state.queue.len()) == 0 {
            state.coins -= 1;
            state.queue.pop_front();
            // There may be another coin for the next future.
            let next = match state.coins {
                0 => None,
                _ => state.queue.front().map(|(_, waker)| waker.clone()),
            };
            self.number = None;
            drop(state);
            next.into_iter().for_each(Waker::wake);
            return Poll::Ready(());
        }
        let waker = cx.waker().clone();
        let old = match place {
            Some(place) => Some(std::mem::replace(&mut state.queue[place].1, waker)),
            None => {
                state.queue.push_back((number, waker));
                None
            }
        };
        drop(state);
        drop(old);
        Poll::Pending
    }
}

impl Drop for Pass {
    /// Leaves the queue and passes the turn on. Otherwise the futures behind would wait for one
    /// that is no longer polled.
    fn drop(&mut self) {
        let Some(number) = self.number else { return };
        let (left, next) = {
            let mut state = self.turnstile.0.borrow_mut();
            let place = state.queue.iter().position(|(waiting, _)| *waiting == number);
            let left = place.and_then(|place| state.queue.remove(place));
            let next = match state.coins {
                0 => None,
                _ => state.queue.front().map(|(_, waker)| waker.clone()),
            };
            (left, next)
        };
        drop(left);
        next.into_iter().for_each(Waker::wake);
    }
}

fn main() {
    task::block_on(async {
        let turnstile = Turnstile::default();
        let mut handles = Vec::new();
        for name in ["Ada", "Bertrand", "Clara"] {
            let pass = turnstile.pass();
            handles.push(task::spawn_local(async move {
                pass.await;
                println!("{name} is through");
                name
            }));
            // A spawned task has not run yet. Yield until it is in the queue.
            while turnstile.waiting() < handles.len() {
                task::yield_now().await;
            }
        }
        println!("{} wait", turnstile.waiting());

        println!("a coin");
        turnstile.drop_coin();
        let [ada, bertrand, clara] = <[_; 3]>::try_from(handles).expect("three were spawned");
        ada.await;

        println!("Bertrand gives up: {:?}", bertrand.cancel().await);

        println!("a coin");
        turnstile.drop_coin();
        println!("{} was the last", clara.await);
    });
}

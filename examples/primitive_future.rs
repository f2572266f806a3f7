//! A future written by hand, as the ones at the bottom of every async program are.
//!
//! `async` code only ever waits for other futures; somewhere below, a type must implement `poll`
//! itself. The contract has three parts. Ready is said once, with the value. Before `Pending` is
//! said, somebody must hold the waker who will call it when it is worth polling again. And with
//! each poll there may be another waker: the newest one counts.
//!
//! [`Turnstile`] lets one through for each coin that is dropped in.

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
    /// Who waits, in order of arrival, each under the number of its [`Pass`].
    queue: VecDeque<(u64, Waker)>,
    next_number: u64,
}

/// The future of going through.
struct Pass {
    turnstile: Turnstile,
    /// The place in the queue; `None` before the first poll, because a future does nothing until
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
        // Outside of the borrow: a waker may do anything, even poll a Pass at once.
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
            // Another coin may be there for the next one.
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
    /// Whoever gives up leaves the queue and hands the turn on, or those behind would wait for a
    /// future that nobody polls any more.
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
            // A spawned task has not run yet: let it, until it stands in line.
            while turnstile.waiting() < handles.len() {
                task::yield_now().await;
            }
        }
        println!("{} wait", turnstile.waiting());

        println!("a coin");
        turnstile.drop_coin();
        let clara = handles.pop().expect("three were spawned");
        let bertrand = handles.pop().expect("three were spawned");
        let ada = handles.pop().expect("three were spawned");
        ada.await;

        println!("Bertrand gives up: {:?}", bertrand.cancel().await);

        println!("a coin");
        turnstile.drop_coin();
        println!("{} was the last", clara.await);
    });
}

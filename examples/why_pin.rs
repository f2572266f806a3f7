//! Why futures need `Pin`.
//!
//! A local variable that is used after an await is stored in the future. If another local borrows
//! it, the future holds a reference into itself. Moving the future would leave that reference
//! pointing to the old place. So `poll` takes `Pin<&mut Self>`, a promise that the future does not
//! move again until it is dropped. Before the first poll it can move freely, because nothing has
//! been borrowed yet.
//!
//! Types that can move at any time are `Unpin`, and `Pin` promises nothing for them. Almost every
//! type is `Unpin`. Futures of async code are not.

use std::future::Future;
use std::pin::{Pin, pin};
use std::task::{Context, Poll};

use reveille::future;
use reveille::task;

/// Returns the address of a value as a number.
fn address<T>(value: &T) -> usize {
    std::ptr::from_ref(value).addr()
}

/// Borrows its own local across an await. Returns the local's address before and after.
async fn self_referential() -> (usize, usize) {
    let numbers = [1_u8; 64];
    let borrowed = &numbers;
    let before = address(&numbers);
    task::yield_now().await;
    // `borrowed` still points to `numbers`. That holds only if the future has not moved.
    (before, address(borrowed))
}

/// A future without references into itself, which can move between polls.
struct Countdown(u32);

impl Future for Countdown {
    type Output = &'static str;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<&'static str> {
        if self.0 == 0 {
            return Poll::Ready("lift-off");
        }
        // Writing through the pin is allowed because Countdown is Unpin.
        self.0 -= 1;
        cx.waker().wake_by_ref();
        Poll::Pending
    }
}

fn is_unpin<T: Unpin>(_: &T) -> bool {
    true
}

fn main() {
    task::block_on(async {
        // Not polled yet, so moving is allowed. After the first poll it is impossible, because pin!
        // takes the future by value and gives out only a pinned reference.
        let future = self_referential();
        let moved = future;
        let mut pinned = pin!(moved);
        let inside = size_of_val(&*pinned);
        let start = address(&*pinned);
        let (before, after) = pinned.as_mut().await;
        println!("the local stayed where it was: {}", before == after);
        println!("it lives in the future: {}", (start..start + inside).contains(&before));

        // In a box the future has a fixed place. The box itself can move.
        let boxed = Box::pin(self_referential());
        let place = address(&*boxed);
        let moved: Pin<Box<_>> = boxed;
        println!("moving a box leaves its future in place: {}", address(&*moved) == place);
        println!("a pinned box is Unpin: {}", is_unpin(&moved));
        moved.await;

        // Countdown is Unpin. It is polled, moved, and polled again.
        let mut countdown = Countdown(3);
        let first = future::poll_fn(|cx| Poll::Ready(Pin::new(&mut countdown).poll(cx))).await;
        println!("first poll: {first:?}");
        let mut elsewhere = vec![countdown];
        let countdown = elsewhere.remove(0);
        let left = countdown.0;
        println!("moved with {left} to go: {}", countdown.await);
    });
}

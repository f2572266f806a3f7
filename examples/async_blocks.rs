//! Async blocks and async closures.
//!
//! An async block creates a future in place. Like a closure it borrows what it uses, or owns it
//! with `move`. `?` and `return` leave the block, not the function around it.
//!
//! Calling an async closure returns a future. Unlike the future of `|x| async move { .. }`, it can
//! borrow from the closure's captures and from its argument. A function takes an async closure as
//! `AsyncFn`, `AsyncFnMut` or `AsyncFnOnce`.

use std::num::ParseIntError;
use std::time::Duration;

use reveille::task;

/// Calls `attempt` until it succeeds, at most `limit` times.
async fn retry<T, E>(limit: u32, mut attempt: impl AsyncFnMut(u32) -> Result<T, E>) -> Option<T> {
    for number in 1..=limit {
        if let Ok(value) = attempt(number).await {
            return Some(value);
        }
        task::sleep(Duration::from_millis(1)).await;
    }
    None
}

/// Applies `change` to each word. The closure borrows its argument.
async fn map_words(words: &[String], change: impl AsyncFn(&str) -> String) -> Vec<String> {
    let mut changed = Vec::new();
    for word in words {
        changed.push(change(word).await);
    }
    changed
}

fn main() {
    task::block_on(async {
        // `?` leaves only the block. In `main`, which returns nothing, it would not compile.
        let texts = ["12", "30"];
        let sum = async {
            let mut sum = 0;
            for text in texts {
                sum += text.parse::<i32>()?;
                task::yield_now().await;
            }
            Ok::<i32, ParseIntError>(sum)
        };
        println!("a block with ?: {:?}", sum.await);

        // With `move` the block owns `greeting`, so the task can outlive this function.
        let greeting = "hello".to_owned();
        let length = task::spawn(async move { greeting.len() });
        println!("a moved block: {}", length.await);

        // The future changes a capture of the closure, across an await.
        let mut history = Vec::new();
        let answer = retry(5, async |number| {
            task::yield_now().await;
            history.push(number);
            if number == 3 { Ok("third time lucky") } else { Err(()) }
        });
        println!("an async closure: {:?}", answer.await);
        println!("its history: {history:?}");

        let words = ["poll", "await"].map(str::to_owned);
        let suffix = "ed";
        let past = map_words(&words, async |word| {
            task::yield_now().await;
            format!("{word}{suffix}")
        });
        println!("a borrowed argument: {:?}", past.await);
    });
}

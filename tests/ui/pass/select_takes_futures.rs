//! `select!` takes futures of all kinds, those that borrow something else included.

use std::pin::Pin;

use reveille::prelude::*;
use reveille::{future, io, task};

async fn len(text: &mut String) -> usize {
    text.push('!');
    text.len()
}

fn main() {
    task::block_on(async {
        let mut text = String::from("morning");
        let mut empty = io::empty();
        let boxed: Pin<Box<dyn Future<Output = u8>>> = Box::pin(future::pending());
        let count = reveille::select! {
            count = len(&mut text) => count,
            byte = boxed => byte.into(),
            count = empty.read(&mut [0; 4]) => count.unwrap(),
        };
        assert_eq!(count, 8);
    });
}

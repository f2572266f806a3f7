//! Futures that borrow data, boxes, type parameters, and closures' futures are owned.

use std::future::Future;
use std::pin::Pin;

use reveille::{future, task};

async fn first<F: Future<Output = usize>>(one: F, two: F) -> Option<usize> {
    future::race_all([one, two]).await
}

async fn generic<I: IntoIterator<Item: Future<Output = usize>>>(futures: I) -> Vec<usize> {
    future::join_all(futures).await
}

fn opaque(text: &mut String) -> impl Future<Output = Result<usize, ()>> + '_ {
    async { Ok(text.len()) }
}

fn main() {
    task::block_on(async {
        let words = ["a".to_owned(), "bc".to_owned()];
        assert_eq!(future::join_all(words.iter().map(async |word| word.len())).await, [1, 2]);
        assert_eq!(generic(words.iter().map(async |word| word.len())).await, [1, 2]);
        let len = async |word: &str| word.len();
        assert_eq!(first(len("a"), len("a")).await, Some(1));

        let mut buffer = [0_u8; 4];
        let buffer = &mut buffer;
        let write: Pin<Box<dyn Future<Output = u8> + '_>> = Box::pin(async {
            buffer[0] = 1;
            buffer[0]
        });
        assert_eq!(future::race_all([write]).await, Some(1));

        let (mut one, mut two) = (String::from("a"), String::from("bc"));
        let both = future::try_join_all([opaque(&mut one), opaque(&mut two)]).await;
        assert_eq!(both, Ok(vec![1, 2]));
        assert_eq!(future::try_race_all([opaque(&mut one)]).await, Ok(1));
    });
}

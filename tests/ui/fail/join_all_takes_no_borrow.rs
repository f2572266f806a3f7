//! If this is dropped halfway, or fails, it would keep its futures without polling them.
//~ type annotations needed
//~ NotBorrowed

use reveille::{future, task};

fn main() {
    task::block_on(async {
        let mut kept = Box::pin(async { Ok::<_, ()>(task::yield_now().await) });
        let _ = future::try_join_all([&mut kept]).await;
        future::join_all([&mut kept]).await;
    });
}

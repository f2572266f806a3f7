//! What children of a scope may borrow: everything that existed before the scope.

use std::rc::Rc;

use reveille::{future, task};

fn main() {
    let names = vec![String::from("good"), String::from("morning")];
    let lens = task::block_on(future::scope(async |s| {
        let lens: Vec<_> = names.iter().map(|name| s.spawn(async { name.len() })).collect();
        future::join_all(lens).await
    }));
    assert_eq!(lens, [4, 7]);

    // A borrow that leaves is one of what is still there.
    let first = task::block_on(future::scope(async |s| s.spawn(async { names.first() }).await));
    assert_eq!(first.map(String::as_str), Some("good"));

    // Exclusively, by one child; and what is not `Send`, on one thread.
    let mut count = Rc::new(0);
    task::block_on(future::scope_local(async |s| {
        let only = &mut count;
        s.spawn(async move { *Rc::get_mut(only).unwrap() += 1 }).await;
    }));
    assert_eq!(*count, 1);

    // A spawned task owns what its scope borrows.
    let task = task::spawn(async move {
        future::scope(async |s| s.spawn(async { names.len() }).await).await
    });
    assert_eq!(task::block_on(task), 2);
}

//! Nor can the output of a child escape if it is a borrow.
//~ error[E0597]: `name` does not live long enough

use reveille::{future, task};

fn main() {
    let first;
    {
        let name = String::from("good morning");
        first = task::block_on(future::scope(async |s| {
            s.spawn(async { name.split(' ').next() }).await
        }));
    }
    println!("{first:?}");
}

//! The handle of a scope carries the lifetime of what its children borrow.
//~ error[E0597]: `name` does not live long enough

use reveille::{future, task};

fn main() {
    let escaped;
    {
        let name = String::from("reveille");
        escaped = task::block_on(future::scope(async |s| {
            let _len = s.spawn(async { name.len() });
            s
        }));
    }
    println!("{escaped:?}");
}

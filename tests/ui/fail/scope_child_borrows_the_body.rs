//! The body of a scope may end before its children, so they cannot borrow what it owns.
//~ error[E0373]: async block may outlive the current function, but it borrows `local`

use reveille::{future, task};

fn main() {
    task::block_on(future::scope(async |s| {
        let local = String::from("of the body");
        let child = s.spawn(async { local.len() });
        child.await;
    }));
}

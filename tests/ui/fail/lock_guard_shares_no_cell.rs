//! The guard of a lock is as `Sync` as what it lends: a `Cell` in it is one thread's.
//~ error[E0277]: `Cell<u8>` cannot be shared between threads safely
//~ within `Guard<'_, Cell<u8>>`
//~ within `Owner<'_, Cell<u8>>`

use std::cell::Cell;

use reveille_primitive::biased::{Biased, Identity};
use reveille_primitive::brief::Brief;

fn shared<T: Sync>(_: &T) {}

fn main() {
    let lock = Brief::new(Cell::new(1_u8));
    shared(&lock.lock());

    let lock = Biased::new(Cell::new(1_u8));
    let mut identity = Identity::unique();
    lock.give(Some(identity.recipient()));
    shared(&lock.enter(&mut identity).unwrap());
}

//! The guard of a lock is as `Sync` as what it lends: a `Cell` in it is one thread's.
//~ error[E0277]: `Cell<u8>` cannot be shared between threads safely
//~ within `SpinLockGuard<'_, Cell<u8>>`
//~ within `Owner<'_, Cell<u8>>`

use std::cell::Cell;

use reveille_primitive::biased::{Biased, OwnerToken};
use reveille_primitive::spin_lock::SpinLock;

fn shared<T: Sync>(_: &T) {}

fn main() {
    let lock = SpinLock::new(Cell::new(1_u8));
    shared(&lock.lock());

    let lock = Biased::new(Cell::new(1_u8));
    let mut token = OwnerToken::unique();
    lock.give(Some(token.id()));
    shared(&lock.enter(&mut token).unwrap());
}

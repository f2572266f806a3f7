//! Thread functions that loom replaces: yielding and spinning.

#[cfg(not(reveille_loom))]
pub use std::hint::spin_loop;
#[cfg(not(reveille_loom))]
pub use std::thread::yield_now;

#[cfg(reveille_loom)]
pub use loom::hint::spin_loop;
#[cfg(reveille_loom)]
pub use loom::thread::yield_now;

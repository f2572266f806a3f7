//! The functions that change the user or the group of the process are not simulated: all hosts of a
//! simulation are one process. The C library's own would wait for a handler on each thread of the
//! system, which those in `context.rs` do not run.
//!
//! The invariants are those of `interpose.rs`.

use std::ffi::{CStr, c_int, c_void};
use std::mem;

use libc::{gid_t, size_t, uid_t};

use super::futex::fail;
use super::original::originals;
use super::refusal;
use super::thread::me;

/// Defines functions of the C library that are refused on a simulated thread.
macro_rules! refuse {
    ($(fn $name:ident($($argument:ident: $type:ty),*);)*) => {
        mod original {
            use super::*;

            originals! {$(
                /// See its manual page.
                fn $name($($argument: $type),*) -> c_int;
            )*}
        }

        $(
            #[unsafe(no_mangle)]
            unsafe extern "C" fn $name($($argument: $type),*) -> c_int {
                match me() {
                    Some(me) => {
                        refusal::report(me, concat!("`", stringify!($name), "`"));
                        fail(libc::EPERM)
                    }
                    // SAFETY: the caller meets the contract of the original (invariant 1).
                    None => unsafe { original::$name($($argument),*) },
                }
            }
        )*

        /// The sum of the addresses of these functions.
        pub(super) fn keep_symbols() -> usize {
            let addresses = [$($name as *const ()),*];
            addresses.iter().fold(0, |sum, address| sum.wrapping_add(address.addr()))
        }
    };
}

refuse! {
    fn setuid(user: uid_t);
    fn setgid(group: gid_t);
    fn seteuid(user: uid_t);
    fn setegid(group: gid_t);
    fn setreuid(real: uid_t, effective: uid_t);
    fn setregid(real: gid_t, effective: gid_t);
    fn setresuid(real: uid_t, effective: uid_t, saved: uid_t);
    fn setresgid(real: gid_t, effective: gid_t, saved: gid_t);
    fn setgroups(count: size_t, groups: *const gid_t);
}

//! The functions of the C library that duplicate, configure and close descriptors. The invariants
//! are those of `interpose.rs`.

use std::ffi::{c_int, c_long, c_ulong, c_void};

use super::descriptors::{self, is_known, is_ours, own_host};
use crate::platform::futex::fail;
use crate::platform::interpose::{answer, replace};
use crate::platform::original;
use crate::platform::thread::me;
use crate::platform::world;

/// As `interpose::keep_symbols`.
pub(super) fn keep_symbols() -> usize {
    let addresses: [*const (); 6] = [
        dup as *const (),
        dup2 as *const (),
        dup3 as *const (),
        fcntl as *const (),
        ioctl as *const (),
        close as *const (),
    ];
    addresses.iter().fold(0, |sum, address| sum.wrapping_add(address.addr()))
}

/// Makes the duplicate of a token refer to the same object.
fn duplicated(fd: c_int, duplicate: c_int) -> c_int {
    if duplicate < 0 {
        return duplicate;
    }
    let opened = world::with(|world| {
        let id = world.kernel.id(fd)?;
        if is_known(duplicate) {
            world.close(duplicate, false);
        }
        let host = own_host();
        if world.kernel.is_full(host) {
            return Err(libc::EMFILE);
        }
        world.kernel.open(duplicate, host, id)
    });
    match opened {
        Ok(()) => duplicate,
        Err(errno) => {
            descriptors::close_token(duplicate);
            fail(errno)
        }
    }
}

replace! {
    fn dup(fd: c_int) -> c_int = |_me| {
        // SAFETY: the call takes a number.
        let duplicate = unsafe { original::dup(fd) };
        if is_ours(fd) { duplicated(fd, duplicate) } else { duplicate }
    }

    fn dup2(fd: c_int, to: c_int) -> c_int = |_me| {
        if is_known(to) && fd != to {
            world::with(|world| world.close(to, false));
        }
        // SAFETY: the call takes numbers only.
        let duplicate = unsafe { original::dup2(fd, to) };
        if is_ours(fd) && fd != to { duplicated(fd, duplicate) } else { duplicate }
    }

    fn dup3(fd: c_int, to: c_int, flags: c_int) -> c_int = |_me| {
        if is_known(to) && fd != to {
            world::with(|world| world.close(to, false));
        }
        // SAFETY: the call takes numbers only.
        let duplicate = unsafe { original::dup3(fd, to, flags) };
        if is_ours(fd) { duplicated(fd, duplicate) } else { duplicate }
    }

    fn fcntl(fd: c_int, command: c_int, argument: c_long) -> c_int = |_me| {
        // SAFETY: the caller meets the contract of the original (invariant 1).
        let result = unsafe { original::fcntl(fd, command, argument) };
        if !is_ours(fd) {
            return result;
        }
        match command {
            libc::F_DUPFD | libc::F_DUPFD_CLOEXEC => duplicated(fd, result),
            libc::F_SETFL if result == 0 => {
                let is_nonblocking = argument & c_long::from(libc::O_NONBLOCK) != 0;
                answer(world::with(|world| {
                    world.kernel.object(fd).map(|object| object.is_nonblocking = is_nonblocking)
                }))
            }
            _ => result,
        }
    }

    fn ioctl(fd: c_int, request: c_ulong, argument: *mut c_void) -> c_int = |_me| {
        if !is_ours(fd) {
            // SAFETY: the caller meets the contract of the original (invariant 1).
            return unsafe { original::ioctl(fd, request, argument) };
        }
        if request == libc::FIONBIO {
            // SAFETY: with this request the caller passes a number (invariant 1).
            let is_nonblocking = unsafe { argument.cast::<c_int>().read() } != 0;
            let set = world::with(|world| {
                world.kernel.object(fd).map(|object| object.is_nonblocking = is_nonblocking)
            });
            if let Err(errno) = set {
                return fail(errno);
            }
        }
        if request == libc::FIONREAD {
            let unread = world::with(|world| world.kernel.object(fd).map(|it| it.unread()));
            // SAFETY: with this request the caller passes a number that may be written
            // (invariant 1).
            unsafe { argument.cast::<c_int>().write(unread.unwrap_or(0) as c_int) };
            return 0;
        }
        // SAFETY: the caller meets the contract of the original (invariant 1).
        unsafe { original::ioctl(fd, request, argument) }
    }
}

/// Closes a descriptor. The original is called on all threads, because a thread that is not
/// simulated may close a simulated descriptor.
#[unsafe(no_mangle)]
unsafe extern "C" fn close(fd: c_int) -> c_int {
    if is_known(fd) {
        match me() {
            Some(_) => world::with(|world| world.close(fd, false)),
            None => descriptors::forget(fd),
        }
    }
    // SAFETY: the caller meets the contract of the original (invariant 1).
    unsafe { original::close(fd) }
}

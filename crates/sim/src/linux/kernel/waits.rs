//! The functions of the C library that wait for events. The invariants are those of `interpose.rs`.

use std::ffi::{c_int, c_uint};

use libc::{epoll_event, nfds_t, pollfd, sigset_t, timespec};

use super::calls::open;
use super::descriptors::{Kind, is_ours};
use super::epoll::{Change, EventCounter, Set, system_events};
use crate::platform::futex::{fail, to_ns};
use crate::platform::interpose::{answer, replace};
use crate::platform::original;
use crate::platform::thread::{NEVER_NS, State, Thread, me};
use crate::platform::world;

/// How long a thread that waits for several descriptors sleeps between two checks.
const POLL_NS: u64 = 1_000_000;

/// As `interpose::keep_symbols`.
pub(super) fn keep_symbols() -> usize {
    let addresses: [*const (); 6] = [
        poll as *const (),
        ppoll as *const (),
        eventfd as *const (),
        epoll_create1 as *const (),
        epoll_ctl as *const (),
        epoll_wait as *const (),
    ];
    addresses.iter().fold(0, |sum, address| sum.wrapping_add(address.addr()))
}

/// The events of several descriptors. Returns how many have some.
fn look(fds: &mut [pollfd]) -> c_int {
    let mut count = 0;
    for polled in fds {
        polled.revents = 0;
        if !is_ours(polled.fd) {
            // SAFETY: the pointer is that of one entry. A timeout of 0 does not wait.
            count += unsafe { original::poll(polled, 1, 0) }.max(0);
            continue;
        }
        let events = world::with(|world| world.kernel.object(polled.fd).map(|it| it.events()));
        let wanted = polled.events | libc::POLLERR | libc::POLLHUP;
        // The bits of epoll are those of poll.
        polled.revents = events.map_or(libc::POLLNVAL, |events| events as i16 & wanted);
        count += c_int::from(polled.revents != 0);
    }
    count
}

fn wait_for_several(me: &'static Thread, fds: &mut [pollfd], timeout_ns: Option<u64>) -> c_int {
    let deadline_ns = timeout_ns.map_or(NEVER_NS, |ns| world::after_ns(me, ns));
    loop {
        let count = look(fds);
        if count > 0 || world::now_ns() >= deadline_ns {
            return count;
        }
        world::sleep(me, POLL_NS.min(deadline_ns - world::now_ns()));
    }
}

/// The descriptors of a call.
///
/// # Safety
///
/// * `fds` is null, or points to `count` entries that nothing else accesses.
unsafe fn polled<'a>(fds: *mut pollfd, count: nfds_t) -> &'a mut [pollfd] {
    if fds.is_null() || count == 0 {
        return &mut [];
    }
    // SAFETY: the caller passes an array of this length.
    unsafe { std::slice::from_raw_parts_mut(fds, count as usize) }
}

/// What `eventfd` does on a simulated thread.
pub(in crate::platform) fn make_counter(count: c_uint, flags: c_int) -> c_int {
    let is_semaphore = flags & libc::EFD_SEMAPHORE != 0;
    let counter = EventCounter { count: u64::from(count), is_semaphore };
    // SAFETY: the call takes numbers only.
    let token = unsafe { original::eventfd(count, flags) };
    open(token, flags & libc::EFD_NONBLOCK != 0, Kind::Counter(counter))
}

/// What `epoll_create1` does on a simulated thread.
pub(in crate::platform) fn make_set(flags: c_int) -> c_int {
    // SAFETY: the call takes a number.
    let token = unsafe { original::epoll_create1(flags) };
    open(token, false, Kind::Set(Set::default()))
}

replace! {
    fn poll(fds: *mut pollfd, len: nfds_t, timeout: c_int) -> c_int = |me| {
        // SAFETY: the caller passes an array of this length that it may write (invariant 1).
        let fds = unsafe { polled(fds, len) };
        wait_for_several(me, fds, u64::try_from(timeout).ok().map(|ms| ms * 1_000_000))
    }

    fn ppoll(
        fds: *mut pollfd,
        len: nfds_t,
        timeout: *const timespec,
        mask: *const sigset_t
    ) -> c_int = |me| {
        let _ = mask;
        // SAFETY: the caller passes null or a time (invariant 1).
        let timeout_ns = unsafe { timeout.as_ref() }.map(to_ns);
        // SAFETY: the caller passes an array of this length that it may write (invariant 1).
        wait_for_several(me, unsafe { polled(fds, len) }, timeout_ns)
    }

    fn eventfd(count: c_uint, flags: c_int) -> c_int = |_me| {
        make_counter(count, flags)
    }

    fn epoll_create1(flags: c_int) -> c_int = |_me| {
        make_set(flags)
    }

    fn epoll_ctl(
        set: c_int, operation: c_int, fd: c_int, event: *mut epoll_event
    ) -> c_int = |_me| {
        let is_system = !is_ours(set) || !is_ours(fd);
        // The token of an eventfd is also in the token of the set, because threads that are not
        // simulated may write to it.
        let is_counter = || {
            world::with(|world| {
                world.kernel.object(fd).is_ok_and(|it| matches!(it.kind, Kind::Counter(_)))
            })
        };
        if is_system || is_counter() {
            // SAFETY: the caller meets the contract of the original (invariant 1).
            let result = unsafe { original::epoll_ctl(set, operation, fd, event) };
            if is_system {
                if result == 0 && is_ours(set) {
                    world::with(|world| world.change_real(set, operation, fd));
                }
                return result;
            }
        }
        let (interest, data) = if event.is_null() {
            (0, 0)
        } else {
            // SAFETY: the caller passes an event (invariant 1). It need not be aligned.
            let event = unsafe { event.read_unaligned() };
            (event.events, event.u64)
        };
        let change = Change { operation, fd, interest, data };
        answer(world::with(|world| world.change_set(set, change)))
    }

    fn epoll_wait(set: c_int, into: *mut epoll_event, max: c_int, timeout: c_int) -> c_int = |me| {
        let Some(id) = world::with(|world| world.kernel.id(set).ok()) else {
            // SAFETY: the caller meets the contract of the original (invariant 1).
            return unsafe { original::epoll_wait(set, into, max, timeout) };
        };
        let Some(room) = usize::try_from(max).ok().filter(|&room| room > 0) else {
            return fail(libc::EINVAL);
        };
        let timeout_ns = u64::try_from(timeout).ok().map(|ms| ms * 1_000_000);
        let deadline_ns = timeout_ns.map_or(NEVER_NS, |ns| world::after_ns(me, ns));
        loop {
            let mut end = into;
            let mut put = |event| {
                // SAFETY: the caller has room for `max` events, and there are no more
                // (invariant 1).
                unsafe { end.write_unaligned(event) };
                end = end.wrapping_add(1);
            };
            let (mut count, asks) = world::with(|world| {
                (world.take_events(id, room, &mut put), world.takes_system(id))
            });
            if asks {
                let events = system_events(set, room - count);
                count += events.len();
                events.into_iter().for_each(put);
            }
            if count > 0 || world::now_ns() >= deadline_ns {
                return count as c_int;
            }
            world::switch(me, State::Readable { fd: set, object: Some(id), deadline_ns });
        }
    }
}

//! Waits and wakes on a word of memory, on which std's locks, condition variables and `park` are
//! built. A wake that finds too few simulated threads also goes to the kernel, because threads that
//! are not simulated may wait there, such as the one that runs the tests.

use std::ffi::{c_int, c_long, c_void};
use std::ptr;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use super::thread::{NEVER_NS, Outcome, State, Thread};
use super::{original, world};
use crate::trace::Step;

/// The bits of an operation that are not its number.
const MODIFIERS: c_int = libc::FUTEX_PRIVATE_FLAG | libc::FUTEX_CLOCK_REALTIME;

/// The arguments of the system call.
#[derive(Clone, Copy, Debug)]
pub(super) struct FutexCall {
    pub(super) address: c_long,
    pub(super) operation: c_int,
    pub(super) value: u32,
    pub(super) timeout: *const libc::timespec,
    pub(super) bits: u32,
}

/// Does what the kernel would do. `None` for an operation that is not simulated.
///
/// # Safety
///
/// * `address` is that of a word, and `timeout` is null or points to a time, as the kernel demands.
pub(super) unsafe fn call(me: &'static Thread, call: FutexCall) -> Option<Result<c_long, c_int>> {
    let operation = call.operation & !MODIFIERS;
    let bits = match operation {
        libc::FUTEX_WAIT_BITSET | libc::FUTEX_WAKE_BITSET => call.bits,
        _ => u32::MAX,
    };
    let address = call.address as usize;
    match operation {
        libc::FUTEX_WAIT | libc::FUTEX_WAIT_BITSET => {
            // SAFETY: the caller keeps the contract of `address` and `timeout`.
            Some(unsafe { wait(me, call, address, bits) })
        }
        libc::FUTEX_WAKE | libc::FUTEX_WAKE_BITSET => {
            let count = call.value as usize;
            let woken = wake(me, address, count, bits);
            if woken < count {
                let rest = (count - woken) as c_long;
                // SAFETY: FUTEX_WAKE reads no memory of the caller; the other arguments are its
                // own.
                let others = unsafe {
                    original::syscall(
                        libc::SYS_futex,
                        call.address,
                        c_long::from(call.operation),
                        rest,
                        0,
                        0,
                        c_long::from(bits),
                    )
                };
                return Some(Ok(woken as c_long + others.max(0)));
            }
            Some(Ok(woken as c_long))
        }
        _ => None,
    }
}

/// # Safety
///
/// * `address` is that of a word that lives until the call returns, and the timeout is null or
///   points to a time.
unsafe fn wait(
    me: &'static Thread,
    call: FutexCall,
    address: usize,
    bits: u32,
) -> Result<c_long, c_int> {
    // SAFETY: the caller passes the address of a word that outlives the call. Other threads access
    // it atomically, because it is a futex.
    let word = unsafe { &*ptr::with_exposed_provenance::<AtomicU32>(address) };
    if word.load(Ordering::SeqCst) != call.value {
        return Err(libc::EAGAIN);
    }
    // SAFETY: null, or a time that the caller passes.
    let timeout = unsafe { call.timeout.as_ref() };
    let is_absolute = call.operation & !MODIFIERS == libc::FUTEX_WAIT_BITSET;
    let is_of_day = call.operation & libc::FUTEX_CLOCK_REALTIME != 0;
    let deadline_ns = timeout.map_or(NEVER_NS, |time| match (to_ns(time), is_absolute) {
        (ns, true) if is_of_day => world::from_time_of_day_ns(me, ns),
        (ns, true) => world::from_local_ns(me, ns),
        (ns, false) => world::after_ns(me, ns),
    });
    world::with(|world| world.note(Step::Wait, me, u64::from(call.value)));
    let state = State::Word { address, expected: call.value, bits, deadline_ns };
    match world::switch(me, state) {
        Outcome::Woken => Ok(0),
        Outcome::TimedOut => Err(libc::ETIMEDOUT),
    }
}

/// Wakes up to `count` simulated threads. Returns how many.
fn wake(me: &Thread, address: usize, count: usize, bits: u32) -> usize {
    world::with(|world| {
        let woken = world.wake_where(count, |state| match state {
            State::Word { address: other, bits: its, .. } => other == address && its & bits != 0,
            _ => false,
        });
        world.note(Step::Wake, me, woken as u64);
        woken
    })
}

/// A time in nanoseconds; the longest time if it is out of range, 0 if it is negative.
pub(super) fn to_ns(time: &libc::timespec) -> u64 {
    let Ok(seconds) = u64::try_from(time.tv_sec) else { return 0 };
    let ns = u64::try_from(time.tv_nsec).unwrap_or(0);
    seconds.checked_mul(1_000_000_000).and_then(|all| all.checked_add(ns)).unwrap_or(NEVER_NS - 1)
}

/// Converts nanoseconds to a `timespec`.
pub(super) fn from_ns(ns: u64) -> libc::timespec {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    time.tv_sec = (ns / 1_000_000_000) as _;
    time.tv_nsec = (ns % 1_000_000_000) as _;
    time
}

/// Blocks the thread in real time.
pub(super) fn pause(time: Duration) {
    let time = from_ns(u64::try_from(time.as_nanos()).unwrap_or(NEVER_NS));
    // SAFETY: the time is alive during the call, and a null pointer means that the rest of the time
    // is not needed.
    unsafe { original::nanosleep(&time, ptr::null_mut()) };
}

/// Sets the error number of the thread and returns -1, as the C library does.
pub(super) fn fail<T: From<i8>>(errno: c_int) -> T {
    // SAFETY: the C library returns the address of the calling thread's own variable.
    let place: *mut c_int = unsafe { libc::__errno_location() };
    // SAFETY: the variable belongs to this thread, and nothing else refers to it now.
    unsafe { *place = errno };
    T::from(-1)
}

/// Fills `len` bytes at `into` from the thread's own stream.
///
/// # Safety
///
/// * `into` is valid for writes of `len` bytes.
pub(super) unsafe fn fill_randomly(me: &Thread, into: *mut c_void, len: usize) {
    if len == 0 {
        return;
    }
    // SAFETY: the caller passes memory of this length that it may write, and bytes have no other
    // requirement. Uninitialized bytes are only written.
    let bytes =
        unsafe { std::slice::from_raw_parts_mut(into.cast::<std::mem::MaybeUninit<u8>>(), len) };
    let mut state = me.entropy.get();
    for chunk in bytes.chunks_mut(8) {
        let random = crate::streams::next_u64(&mut state).to_le_bytes();
        for (byte, random) in chunk.iter_mut().zip(random) {
            byte.write(random);
        }
    }
    me.entropy.set(state);
}

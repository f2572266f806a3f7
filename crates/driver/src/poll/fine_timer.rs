//! Ends a wait on time, on Windows.
//!
//! The timeout of a completion port ends with a tick of the system's clock, and the ticks are 15.6
//! ms apart. A waitable timer of high resolution (Windows 10 1803 and later) is half a millisecond
//! late at most. The system waits for it on a thread of its own, which posts to the port, as
//! [`ring`](super::Poller::ring) does. The port's timeout remains, so nothing depends on the timer.
//!
//! It costs one system call for each wait with a timeout, and a switch of threads for each wait
//! that ends by it. If an event ends the wait, the timer stays set until the next wait sets it
//! again: at worst it ends one wait early.
//!
//! *Rejected:* `timeBeginPeriod(1)`, which makes the ticks of the whole process 1 ms long and keeps
//! the processor from its deeper sleep states. *Rejected:* `PollerIocpExt::add_waitable`, which
//! registers the wait again for each timeout. *Rejected:* a wait completion packet
//! (`NtAssociateWaitCompletionPacket`), which needs no second thread. `polling` takes whatever
//! comes from its port as a packet of its own.
//!
//! # Invariants
//!
//! 1. The registration ends before the timer's handle is closed and before this reference to the
//!    poller is dropped. The drop waits for a call of `on_timer` in progress.

use std::ffi::c_void;
use std::os::windows::io::{AsRawHandle, FromRawHandle, OwnedHandle};
use std::sync::Arc;
use std::time::Duration;
use std::{io, ptr};

use reveille_primitive::atomic::{AtomicBool, AtomicPtr, Ordering};
use windows_sys::Win32::Foundation::INVALID_HANDLE_VALUE;
use windows_sys::Win32::System::Threading::{
    CREATE_WAITABLE_TIMER_HIGH_RESOLUTION, CancelWaitableTimer, CreateWaitableTimerExW, INFINITE,
    RegisterWaitForSingleObject, SYNCHRONIZATION_SYNCHRONIZE, SetWaitableTimer, TIMER_MODIFY_STATE,
    UnregisterWaitEx, WT_EXECUTEINWAITTHREAD,
};

/// A timer that notifies a poller.
#[derive(Debug)]
pub(crate) struct FineTimer {
    timer: OwnedHandle,
    /// The system's handle of the registration.
    wait: AtomicPtr<c_void>,
    /// Whether the timer may be set. Only the thread that turns the driver uses it.
    is_set: AtomicBool,
    /// What `on_timer` notifies.
    _poller: Arc<polling::Poller>,
}

impl FineTimer {
    /// Makes a timer that is not set. Fails on systems without such timers.
    #[allow(unsafe_code, reason = "functions of the system that take handles and a callback")]
    pub(crate) fn new(poller: &Arc<polling::Poller>) -> io::Result<FineTimer> {
        let rights = SYNCHRONIZATION_SYNCHRONIZE | TIMER_MODIFY_STATE;
        let flags = CREATE_WAITABLE_TIMER_HIGH_RESOLUTION;
        // SAFETY: the attributes and the name may be null.
        let timer = unsafe { CreateWaitableTimerExW(ptr::null(), ptr::null(), flags, rights) };
        if timer.is_null() {
            return Err(io::Error::last_os_error());
        }
        // SAFETY: the system has just made the handle, and nothing else owns it.
        let timer = unsafe { OwnedHandle::from_raw_handle(timer) };
        let mut wait = ptr::null_mut();
        // SAFETY: the function writes the handle to `wait`. The timer and the poller are alive
        // until the registration ends (invariant 1).
        let is_done = unsafe {
            RegisterWaitForSingleObject(
                &raw mut wait,
                timer.as_raw_handle(),
                Some(on_timer),
                Arc::as_ptr(poller).cast(),
                INFINITE,
                WT_EXECUTEINWAITTHREAD,
            )
        };
        if is_done == 0 {
            return Err(io::Error::last_os_error());
        }
        Ok(FineTimer {
            timer,
            wait: AtomicPtr::new(wait),
            is_set: AtomicBool::new(false),
            _poller: Arc::clone(poller),
        })
    }

    /// Sets the timer for a wait with this timeout.
    pub(crate) fn set(&self, timeout: Option<Duration>) {
        match timeout {
            // The wait ends at once.
            Some(Duration::ZERO) => {}
            Some(timeout) => {
                self.set_after(timeout);
                self.is_set.store(true, Ordering::Relaxed);
            }
            None if self.is_set.swap(false, Ordering::Relaxed) => self.cancel(),
            None => {}
        }
    }

    #[allow(unsafe_code, reason = "as above")]
    fn set_after(&self, timeout: Duration) {
        // In units of 100 ns; negative numbers count from now. A time beyond the type is never.
        let units = i64::try_from(timeout.as_nanos().div_ceil(100)).unwrap_or(i64::MAX);
        let due = -units;
        let timer = self.timer.as_raw_handle();
        // SAFETY: the handle is open, and `due` is alive during the call. The other arguments say
        // that there is no period and no routine. If the call fails, the port's timeout remains.
        unsafe { SetWaitableTimer(timer, &raw const due, 0, None, ptr::null(), 0) };
    }

    #[allow(unsafe_code, reason = "as above")]
    fn cancel(&self) {
        // SAFETY: the handle is open. If the call fails, one wait ends early.
        unsafe { CancelWaitableTimer(self.timer.as_raw_handle()) };
    }
}

impl Drop for FineTimer {
    #[allow(unsafe_code, reason = "as above")]
    fn drop(&mut self) {
        let wait = self.wait.load(Ordering::Relaxed);
        // SAFETY: the handle is that of this registration, which ends once. The second argument
        // makes the call wait for `on_timer`, which runs no user code and drops no driver, so this
        // is not its thread.
        unsafe { UnregisterWaitEx(wait, INVALID_HANDLE_VALUE) };
    }
}

/// Runs on a thread of the system when the timer rings.
#[allow(unsafe_code, reason = "as above")]
unsafe extern "system" fn on_timer(context: *mut c_void, _: bool) {
    // SAFETY: the context is the poller, which is alive until the registration has ended
    // (invariant 1).
    let poller = unsafe { &*context.cast_const().cast::<polling::Poller>() };
    // It fails only if the poller is broken, and then each wait fails too.
    let _ = poller.notify();
}

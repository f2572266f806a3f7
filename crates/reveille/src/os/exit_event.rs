//! The exit of a process as an event, on Windows.
//!
//! The system waits for handles of processes on threads of its own, up to 63 handles on each, and
//! calls a function when one of them ends (`RegisterWaitForSingleObject`). So a program that waits
//! for a thousand children needs about sixteen threads of the system and no thread of reveille.
//!
//! # Invariants
//!
//! 1. A registration owns one reference to its [`Ended`]. `on_exit` takes that reference, and runs
//!    at most once. If it has not run when the registration ends, the drop takes the reference.
//! 2. `on_exit` sets `is_set` before anything else. So if the flag is not set, `on_exit` has not
//!    woken anything yet, and the drop may wait until the system has forgotten the registration.
//!    When the flag is set, the drop does not wait: it may run inside a waker that `on_exit` calls.
//! 3. The handle of the process stays open until the registration has ended.
//!
//! *Rejected:* `PollerIocpExt::add_waitable` of the crate `polling`, which registers the same wait.
//! The event would go through a driver, and a driver may end before the child does.
#![allow(unsafe_code, reason = "functions of the system that take handles and a callback")]

use std::ffi::c_void;
use std::os::windows::io::{AsHandle, AsRawHandle, OwnedHandle};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::sync::atomic::{AtomicBool, AtomicPtr, Ordering};
use std::sync::{Arc, OnceLock};
use std::{io, ptr};

use windows_sys::Win32::Foundation::INVALID_HANDLE_VALUE;
use windows_sys::Win32::System::Threading::{
    INFINITE, RegisterWaitForSingleObject, UnregisterWaitEx, WT_EXECUTEONLYONCE,
};

use crate::sync::Notify;

/// Waits for the exit of one process. The registration begins with the first wait.
#[derive(Debug)]
pub(crate) struct ExitEvent {
    /// `None` if the system refused. Dropped before the handle (invariant 3).
    registration: OnceLock<Option<Registration>>,
    /// `None` if the process has no handle left to duplicate it.
    process: Option<OwnedHandle>,
}

#[derive(Debug, Default)]
struct Ended {
    is_set: AtomicBool,
    waiters: Notify,
}

#[derive(Debug)]
struct Registration {
    ended: Arc<Ended>,
    /// The system's handle of the registration.
    wait: AtomicPtr<c_void>,
}

impl ExitEvent {
    pub(crate) fn of(child: &std::process::Child) -> ExitEvent {
        let process = child.as_handle().try_clone_to_owned().ok();
        ExitEvent { registration: OnceLock::new(), process }
    }

    /// Waits until the process has ended. Returns `false` at once if the system cannot report it.
    pub(crate) async fn wait(&self) -> bool {
        let register = || Registration::new(self.process.as_ref()?).ok();
        let Some(registration) = self.registration.get_or_init(register) else { return false };
        let ended = &registration.ended;
        // Made before the flag is read: a notification after that reaches it.
        let notified = pin!(ended.waiters.notified());
        // Acquire pairs with the store of `on_exit`.
        if !ended.is_set.load(Ordering::Acquire) {
            notified.await;
        }
        true
    }
}

impl Registration {
    fn new(process: &OwnedHandle) -> io::Result<Registration> {
        let ended = Arc::new(Ended::default());
        let context = Arc::into_raw(Arc::clone(&ended));
        let mut wait = ptr::null_mut();
        // SAFETY: the function writes the handle to `wait`. The process's handle is open until the
        // registration ends (invariant 3), and `context` is a reference that only `on_exit` or the
        // drop takes (invariant 1).
        let is_done = unsafe {
            RegisterWaitForSingleObject(
                &raw mut wait,
                process.as_raw_handle(),
                Some(on_exit),
                context.cast(),
                INFINITE,
                WT_EXECUTEONLYONCE,
            )
        };
        if is_done == 0 {
            let error = io::Error::last_os_error();
            // SAFETY: `into_raw` returned it, and without a registration nothing else takes it.
            drop(unsafe { Arc::from_raw(context) });
            return Err(error);
        }
        Ok(Registration { ended, wait: AtomicPtr::new(wait) })
    }
}

impl Drop for Registration {
    fn drop(&mut self) {
        let wait = *self.wait.get_mut();
        let has_run = self.ended.is_set.load(Ordering::Acquire);
        let completion = if has_run { ptr::null_mut() } else { INVALID_HANDLE_VALUE };
        // SAFETY: the handle is that of this registration, which has not been ended before. With
        // the second argument the call waits for `on_exit`; that cannot be this thread, because
        // `on_exit` would have set the flag (invariant 2).
        unsafe { UnregisterWaitEx(wait, completion) };
        // The system has forgotten it, or `on_exit` has begun: the flag is final.
        if !self.ended.is_set.load(Ordering::Acquire) {
            // SAFETY: it is the pointer of `into_raw`, and `on_exit` has not run and will not run,
            // so this takes the registration's reference (invariant 1).
            drop(unsafe { Arc::from_raw(Arc::as_ptr(&self.ended)) });
        }
    }
}

/// Runs on a thread of the system when the process has ended.
unsafe extern "system" fn on_exit(context: *mut c_void, _: bool) {
    // SAFETY: `context` is the reference that the registration owns, and this takes it (invariant
    // 1).
    let ended = unsafe { Arc::from_raw(context.cast_const().cast::<Ended>()) };
    // Release: what happened before the exit is visible to the waiters.
    ended.is_set.store(true, Ordering::Release);
    // `Notify` contains the panics of wakers. Nothing may unwind into the system.
    let woken = catch_unwind(AssertUnwindSafe(|| ended.waiters.notify_waiters()));
    if let Err(payload) = woken {
        std::mem::forget(payload);
    }
}

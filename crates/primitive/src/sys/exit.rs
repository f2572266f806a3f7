//! A function that runs when the process ends normally.

use std::sync::Once;

/// Calls `function` when the process ends by a return from `main` or by `exit`, after the
/// destructors of that thread's thread-locals and while other threads still run. A process that
/// aborts or is killed does not call it. On Windows neither does `std::process::exit`, which ends
/// the process without the C library. Only the first call of this function has an effect.
pub fn at_exit(function: fn()) {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| system::register(function));
}

#[cfg(all(any(unix, windows), not(miri)))]
#[allow(unsafe_code, reason = "C's `atexit` is called")]
mod system {
    use std::ffi::c_int;
    use std::sync::OnceLock;

    static FUNCTION: OnceLock<fn()> = OnceLock::new();

    // The declaration of C's standard, whose library std links on these systems.
    unsafe extern "C" {
        fn atexit(function: extern "C" fn()) -> c_int;
    }

    extern "C" fn call() {
        if let Some(function) = FUNCTION.get() {
            // A panic must not unwind into C. Its message is printed.
            let _ = std::panic::catch_unwind(function);
        }
    }

    pub(super) fn register(function: fn()) {
        let _ = FUNCTION.set(function);
        // SAFETY: `call` is a function of this program, which is valid as long as the program runs.
        let refused = unsafe { atexit(call) };
        debug_assert_eq!(refused, 0, "C guarantees room for 32 functions");
    }
}

#[cfg(not(all(any(unix, windows), not(miri))))]
mod system {
    /// Does nothing: this system does not call functions at the end.
    pub(super) fn register(_: fn()) {}
}

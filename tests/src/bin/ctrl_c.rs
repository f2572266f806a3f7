//! Sends Ctrl-C to the processes that share the console of another process: `ctrl_c ID`.
//!
//! Windows sends the event to the processes of the sender's own console. So the sender leaves its
//! console for the other one, which a test program could not do without losing its output. Only the
//! tests on Windows start this program.

#[cfg(windows)]
fn main() {
    use std::io::Error;

    #[link(name = "kernel32")]
    unsafe extern "system" {
        fn FreeConsole() -> i32;
        fn AttachConsole(process: u32) -> i32;
        fn SetConsoleCtrlHandler(handler: *const u8, is_added: i32) -> i32;
        fn GenerateConsoleCtrlEvent(event: u32, group: u32) -> i32;
    }

    const CTRL_C_EVENT: u32 = 0;
    let process = std::env::args().nth(1).and_then(|id| id.parse().ok());
    let process = process.expect("the argument is the number of a process");
    // SAFETY: the call has no preconditions. It fails if there is no console.
    unsafe { FreeConsole() };
    // SAFETY: the call takes a number.
    let is_attached = unsafe { AttachConsole(process) };
    assert_ne!(is_attached, 0, "no console of {process}: {}", Error::last_os_error());
    // SAFETY: without a handler the call makes this process ignore Ctrl-C, and has no
    // preconditions.
    let is_ignored = unsafe { SetConsoleCtrlHandler(std::ptr::null(), 1) };
    assert_ne!(is_ignored, 0, "{}", Error::last_os_error());
    // SAFETY: the call takes two numbers. Group 0 is all processes of the console.
    let is_sent = unsafe { GenerateConsoleCtrlEvent(CTRL_C_EVENT, 0) };
    assert_ne!(is_sent, 0, "{}", Error::last_os_error());
}

#[cfg(not(windows))]
fn main() -> std::process::ExitCode {
    eprintln!("ctrl_c: only for Windows; other systems have signals");
    std::process::ExitCode::FAILURE
}

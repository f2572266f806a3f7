//! `signal` on Windows: the events of a console.
//!
//! Ctrl-Break reaches each process of a group. So a test sends it to a child in a group of its own,
//! which has this test program's console. Ctrl-C reaches each process of a console. So a child in a
//! console of its own sends it to itself.

use std::io::{BufRead as _, BufReader, Read as _};
use std::os::windows::process::CommandExt as _;
use std::process::Stdio;

use reveille::signal;
use reveille::signal::windows::{ctrl_break, ctrl_c};
use reveille::task::{self, block_on};
use reveille_tests::programs::{self, Finished};
use reveille_tests::{child, test_name};
use windows_sys::Win32::System::Console::{
    AllocConsole, CTRL_BREAK_EVENT, CTRL_C_EVENT, GenerateConsoleCtrlEvent,
};
use windows_sys::Win32::System::Threading::{CREATE_NEW_PROCESS_GROUP, CREATE_NO_WINDOW};

/// The code of a process that an event ends.
const STATUS_CONTROL_C_EXIT: u32 = 0xc000_013a;

/// Starts the test `name` in a group of its own, sends it Ctrl-Break when it is ready, and returns
/// what it printed and its code.
fn interrupted(name: &str) -> (String, Option<i32>) {
    // SAFETY: the call has no preconditions. It fails if there is a console already.
    unsafe { AllocConsole() };
    let mut command = child::command(name);
    command.creation_flags(CREATE_NEW_PROCESS_GROUP).stdout(Stdio::piped()).stdin(Stdio::null());
    let mut process = command.spawn().unwrap();
    let mut output = BufReader::new(process.stdout.take().unwrap());
    let mut text = String::new();
    while !text.contains("ready") {
        assert!(output.read_line(&mut text).unwrap() > 0, "it ended: {text}");
    }
    // SAFETY: the call takes two numbers.
    let is_sent = unsafe { GenerateConsoleCtrlEvent(CTRL_BREAK_EVENT, process.id()) };
    assert_ne!(is_sent, 0, "{}", std::io::Error::last_os_error());
    output.read_to_string(&mut text).unwrap();
    (text, process.wait().unwrap().code())
}

#[test]
fn every_listener_receives_the_event_and_the_process_continues() {
    let name = test_name!();
    if child::is_inside(name) {
        return block_on(async {
            let (mut here, mut there) = (ctrl_break().unwrap(), ctrl_break().unwrap());
            let elsewhere = task::spawn(async move { there.recv().await });
            println!("ready");
            assert_eq!(here.recv().await, Some(()));
            assert_eq!(elsewhere.await, Some(()));
            println!("both received it");
        });
    }
    let (text, code) = interrupted(name);
    assert!(text.contains("both received it"), "{text}");
    assert_eq!(code, Some(0), "{text}");
}

#[test]
fn without_a_listener_the_event_ends_the_process() {
    let name = test_name!();
    if child::is_inside(name) {
        return block_on(async {
            // The handler stays when the last listener is gone.
            drop(ctrl_break().unwrap());
            println!("ready");
            std::future::pending().await
        });
    }
    let (text, code) = interrupted(name);
    assert_eq!(code, Some(STATUS_CONTROL_C_EXIT.cast_signed()), "{text}");
}

/// Runs the test `name` in a console of its own.
fn in_own_console(name: &str) -> Finished {
    programs::finish(child::command(name).creation_flags(CREATE_NO_WINDOW))
}

/// Sends Ctrl-C to all processes of this one's console.
fn send_ctrl_c() {
    // SAFETY: the call takes two numbers.
    let is_sent = unsafe { GenerateConsoleCtrlEvent(CTRL_C_EVENT, 0) };
    assert_ne!(is_sent, 0, "{}", std::io::Error::last_os_error());
}

#[test]
fn every_listener_receives_ctrl_c_and_the_process_continues() {
    let name = test_name!();
    if child::is_inside(name) {
        return block_on(async {
            let (mut here, mut there) = (ctrl_c().unwrap(), ctrl_c().unwrap());
            let once = signal::ctrl_c();
            let elsewhere = task::spawn(async move { there.recv().await });
            for _ in 0..3 {
                send_ctrl_c();
                assert_eq!(here.recv().await, Some(()));
            }
            assert_eq!(elsewhere.await, Some(()));
            once.await.unwrap();
            println!("all received it");
        });
    }
    let ended = in_own_console(name);
    assert!(ended.stdout.contains("all received it"), "{ended:?}");
    assert_eq!(ended.status.code(), Some(0), "{ended:?}");
}

#[test]
fn without_a_listener_ctrl_c_ends_the_process() {
    let name = test_name!();
    if child::is_inside(name) {
        return block_on(async {
            // The handler stays when the last listener is gone.
            drop(ctrl_c().unwrap());
            // A listener of another event does not count.
            let _listener = ctrl_break().unwrap();
            send_ctrl_c();
            std::future::pending().await
        });
    }
    let ended = in_own_console(name);
    assert!(!ended.stdout.contains("test result"), "{ended:?}");
    // The code is 0 under wine (program `wine_faults`).
    let code = ended.status.code();
    assert!([Some(STATUS_CONTROL_C_EXIT.cast_signed()), Some(0)].contains(&code), "{ended:?}");
}

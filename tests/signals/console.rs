//! `signal` on Windows: the events of a console.
//!
//! An event reaches every process of a group, so each test sends it to a child in a group of its
//! own, which has this test program's console.

use std::io::{BufRead as _, BufReader, Read as _};
use std::os::windows::process::CommandExt as _;
use std::process::Stdio;

use reveille::signal::windows::ctrl_break;
use reveille::task::{self, block_on};
use reveille_tests::{child, test_name};
use windows_sys::Win32::System::Console::{
    AllocConsole, CTRL_BREAK_EVENT, GenerateConsoleCtrlEvent,
};
use windows_sys::Win32::System::Threading::CREATE_NEW_PROCESS_GROUP;

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
    const STATUS_CONTROL_C_EXIT: u32 = 0xc000_013a;
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

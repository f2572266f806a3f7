//! The standard streams on a console of Windows, which speaks UTF-16 and has Ctrl-Z for the end of
//! the input.
//!
//! A process in a console of its own types into it, as a user does, and reads the screen.

use std::fs::{File, OpenOptions};
use std::os::windows::io::AsRawHandle as _;
use std::os::windows::process::CommandExt as _;

use reveille::io;
use reveille::prelude::*;
use reveille::task::block_on;
use reveille_tests::{child, programs, test_name};
use windows_sys::Win32::System::Console::{
    COORD, INPUT_RECORD, INPUT_RECORD_0, KEY_EVENT, KEY_EVENT_RECORD, KEY_EVENT_RECORD_0,
    ReadConsoleOutputCharacterW, STD_HANDLE, STD_INPUT_HANDLE, STD_OUTPUT_HANDLE, SetStdHandle,
    WriteConsoleInputW,
};
use windows_sys::Win32::System::Threading::CREATE_NO_WINDOW;

const TEXT: &str = "grüße, 世界 and 🦀";

/// Opens a part of the console and makes it a standard stream of this process.
fn console(name: &str, stream: STD_HANDLE) -> File {
    let file = OpenOptions::new().read(true).write(true).open(name).unwrap();
    // SAFETY: the caller keeps the file open for as long as the process lives.
    let is_set = unsafe { SetStdHandle(stream, file.as_raw_handle()) };
    assert_ne!(is_set, 0, "{}", io::Error::last_os_error());
    file
}

/// The virtual codes of the keys Enter and Z, and the state of a pressed control key.
const VK_RETURN: u16 = 13;
const VK_Z: u16 = 0x5a;
const LEFT_CTRL_PRESSED: u32 = 8;

/// Types `text` on the keyboard of the console `input`.
fn type_in(input: &File, text: &str) {
    let key = |unit: u16| {
        let char = KEY_EVENT_RECORD_0 { UnicodeChar: unit };
        let (code, state) = match unit {
            13 => (VK_RETURN, 0),
            26 => (VK_Z, LEFT_CTRL_PRESSED),
            _ => (0, 0),
        };
        let event = KEY_EVENT_RECORD {
            bKeyDown: 1,
            wRepeatCount: 1,
            wVirtualKeyCode: code,
            wVirtualScanCode: 0,
            uChar: char,
            dwControlKeyState: state,
        };
        INPUT_RECORD { EventType: KEY_EVENT as u16, Event: INPUT_RECORD_0 { KeyEvent: event } }
    };
    let keys: Vec<INPUT_RECORD> = text.encode_utf16().map(key).collect();
    let mut typed = 0;
    // SAFETY: the pointers are to `keys.len()` records and to a number.
    let is_typed = unsafe {
        let (keys, len) = (keys.as_ptr(), keys.len() as u32);
        WriteConsoleInputW(input.as_raw_handle(), keys, len, &raw mut typed)
    };
    assert_ne!(is_typed, 0, "{}", io::Error::last_os_error());
    assert_eq!(typed as usize, keys.len());
}

/// The first line of the screen.
fn first_line(screen: &File) -> String {
    let (mut units, mut read) = ([0_u16; 60], 0);
    // SAFETY: the pointers are to `units.len()` units and to a number.
    let is_read = unsafe {
        let (start, len) = (units.as_mut_ptr(), units.len() as u32);
        let origin = COORD { X: 0, Y: 0 };
        ReadConsoleOutputCharacterW(screen.as_raw_handle(), start, len, origin, &raw mut read)
    };
    assert_ne!(is_read, 0, "{}", io::Error::last_os_error());
    String::from_utf16_lossy(&units[..read as usize]).trim_end().to_owned()
}

/// Runs the test `name` in a console of its own, and checks that it passes. `true` in that process.
fn is_in_own_console(name: &str) -> bool {
    if child::is_inside(name) {
        return true;
    }
    let ended = programs::finish(child::command(name).creation_flags(CREATE_NO_WINDOW));
    assert!(ended.status.success(), "{ended:?}");
    false
}

#[test]
fn lines_of_any_characters_are_read_up_to_ctrl_z() {
    if !is_in_own_console(test_name!()) {
        return;
    }
    let keyboard = console("CONIN$", STD_INPUT_HANDLE);
    type_in(&keyboard, &format!("{TEXT}\r"));
    block_on(async {
        let mut line = String::new();
        io::stdin().read_line(&mut line).await.unwrap();
        assert_eq!(line, format!("{TEXT}\r\n"));
        type_in(&keyboard, "more\r\u{1a}\r");
        let mut rest = String::new();
        io::stdin().read_to_string(&mut rest).await.unwrap();
        assert_eq!(rest, "more\r\n");
    });
    std::mem::forget(keyboard);
}

#[test]
fn text_reaches_the_screen_as_it_is() {
    if !is_in_own_console(test_name!()) {
        return;
    }
    let screen = console("CONOUT$", STD_OUTPUT_HANDLE);
    block_on(async {
        // A character in two writes.
        let (first, second) = "grüße".as_bytes().split_at(3);
        for part in [first, second] {
            io::stdout().write_all(part).await.unwrap();
            io::stdout().flush().await.unwrap();
        }
    });
    assert_eq!(first_line(&screen), "grüße");
    std::mem::forget(screen);
}

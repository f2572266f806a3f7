//! The stacks of a dump: captured as addresses, kept once each, and turned into text at the end.
//! Most tasks of a program wait in a few places. So each stack is captured as the addresses of its
//! frames, which takes some microseconds. Only the first stack with the same addresses is also
//! captured as std's `Backtrace`, which takes milliseconds to turn into text. The text is made
//! after the last poll.

use std::backtrace::Backtrace;
use std::collections::HashMap;
use std::sync::Arc;

use reveille_primitive::lock::Mutex;
use reveille_primitive::sys::{StackMark, return_addresses};

use super::dump::{Frame, Stack};

/// The number of frames by which stacks are distinguished.
const FRAMES_MAX: usize = 128;

/// The most stacks whose text is kept for later dumps. A program awaits in fewer places.
const KEPT_MAX: usize = 4_096;

/// The stacks of earlier dumps, by their addresses. It takes milliseconds to find the text of one.
static KNOWN: Mutex<Option<HashMap<Box<[usize]>, Stack>>> = Mutex::new(None);

/// The stacks that were seen.
#[derive(Default)]
pub(super) struct StackTable {
    numbers: HashMap<Box<[usize]>, u32>,
    /// By number: the addresses, and the `Backtrace` if the text is not known yet.
    stacks: Vec<(Box<[usize]>, Option<Backtrace>)>,
}

impl StackTable {
    /// The number of the stack between the caller and `root`.
    pub(super) fn capture(&mut self, root: StackMark) -> u32 {
        let mut addresses = [0; FRAMES_MAX];
        let len = return_addresses(root, &mut addresses);
        let addresses = &addresses[..len];
        if let Some(&number) = self.numbers.get(addresses) {
            return number;
        }
        let number = u32::try_from(self.stacks.len()).unwrap_or(u32::MAX);
        // Without our own unwinder no stack has addresses, so only the `Backtrace` distinguishes
        // them.
        let is_known =
            len > 0 && KNOWN.lock().as_ref().is_some_and(|known| known.contains_key(addresses));
        let trace = (!is_known).then(Backtrace::force_capture);
        self.stacks.push((addresses.into(), trace));
        if len > 0 {
            self.numbers.insert(addresses.into(), number);
        }
        number
    }

    /// The frames of each stack.
    pub(super) fn resolve(self) -> Vec<Stack> {
        self.stacks.into_iter().map(|(addresses, trace)| resolved(addresses, trace)).collect()
    }
}

fn resolved(addresses: Box<[usize]>, trace: Option<Backtrace>) -> Stack {
    let Some(trace) = trace else {
        let known = KNOWN.lock();
        let stack = known.as_ref().and_then(|known| known.get(&addresses));
        return stack.cloned().unwrap_or_default();
    };
    // Not under the lock: this reads the debug information.
    let stack: Stack = frames(&trace.to_string()).into();
    let mut known = KNOWN.lock();
    let known = known.get_or_insert_default();
    if !addresses.is_empty() && known.len() < KEPT_MAX {
        known.insert(addresses, Arc::clone(&stack));
    }
    stack
}

/// The functions of the probe, which are above every await.
const ABOVE: [&str; 8] = [
    "reveille_task::probe::clone",
    "reveille_task::probe::tell_registered",
    "reveille_task::probe::contain",
    "reveille_task::probe::is_kept_by",
    "inspect::probe::StackProbe",
    "inspect::probe::registered",
    "inspect::stacks::StackTable",
    "inspect::stacks::capture",
];

/// The function that notes the drop of a last waker. Above it is the task's cell.
const DROP: [&str; 1] = ["reveille_task::waker::drop_waker"];

/// The functions that poll what is probed: below them is the runtime. The first is below every
/// thread's own functions.
const BELOW: [&str; 4] = [
    "__rust_begin_short_backtrace",
    "reveille_task::cell::",
    "reveille_task::run::",
    "scheduler::inspect::probe::probe",
];

/// The path of this file in the sources of our crates.
const THIS_FILE: &str = "runtime/src/scheduler/inspect/stacks.rs";

/// The directory of our crates as the compiler writes it: relative in our own workspace, absolute
/// in another one. Meaningless if the crates come from a registry.
fn crates_directory() -> &'static str {
    file!().get(..file!().len().saturating_sub(THIS_FILE.len())).unwrap_or_default()
}

/// The path of a function that only has a name, because the program has line tables but no other
/// debug information. Known by its file, for functions of our crates, of std and of libraries.
fn qualified(function: &str, place: &str) -> Option<String> {
    let (name, _) = function.split_once('<').unwrap_or((function, ""));
    if name.is_empty() || name.contains("::") {
        return None;
    }
    let place = place.replace('\\', "/");
    let (directory, file) = place.rsplit_once("/src/")?;
    let krate = crate_in(directory, &crates_directory().replace('\\', "/"))?;
    let (module, _) = file.split_once(".rs")?;
    Some(match module.trim_end_matches("/mod").replace('/', "::") {
        module if module == "lib" => format!("{krate}::{name}"),
        module => format!("{krate}::{module}::{name}"),
    })
}

/// The name of the crate whose sources are in `directory`, if it is ours, std's or from a registry.
fn crate_in(directory: &str, crates_directory: &str) -> Option<String> {
    let (parent, last) = directory.rsplit_once('/').unwrap_or(("", directory));
    let own = crates_directory.trim_end_matches('/');
    let is_relative = !crates_directory.starts_with('/') && !own.contains(':');
    let is_sibling = parent == own || is_relative && parent.ends_with(&format!("/{own}"));
    if is_sibling {
        return match last {
            "reveille" | "async-std" => Some(last.replace('-', "_")),
            _ => Some(format!("reveille_{}", last.replace('-', "_"))),
        };
    }
    let is_std = parent.starts_with("/rustc/") || parent.contains("/rustlib/src/rust/");
    if is_std && parent.ends_with("/library") {
        return Some(last.to_owned());
    }
    if !parent.contains("/registry/src/") {
        return None;
    }
    // Such as `reveille-task-0.1.0`, or `name-1.0.0-alpha-1`.
    let dots = last.find('.')?;
    let (name, _) = last[..dots].rsplit_once('-')?;
    Some(name.replace('-', "_"))
}

/// The place in a whole path. A `Backtrace` leaves out the current directory.
fn in_directory(current: &str, place: &str) -> String {
    match place.strip_prefix("./") {
        Some(rest) => format!("{}/{rest}", current.trim_end_matches('/')),
        None => place.to_owned(),
    }
}

/// Parses the text of a `Backtrace`: a line for each function, and one for its place.
pub(super) fn frames(text: &str) -> Vec<Frame> {
    let current = std::env::current_dir().unwrap_or_default();
    let current = current.to_string_lossy();
    let mut frames: Vec<Frame> = Vec::new();
    for line in text.lines() {
        let line = line.trim();
        if let Some(place) = line.strip_prefix("at ") {
            if let Some(frame) = frames.last_mut() {
                if let Some(path) = qualified(&frame.function, &in_directory(&current, place)) {
                    frame.function = path;
                }
                frame.place = Some(place.strip_prefix("./").unwrap_or(place).to_owned());
            }
        } else if let Some((number, function)) = line.split_once(": ")
            && number.bytes().all(|byte| byte.is_ascii_digit())
            && function != "<unknown>"
        {
            frames.push(Frame { function: function.to_owned(), place: None });
        }
    }
    let is_named =
        |frame: &Frame, names: &[&str]| names.iter().any(|name| frame.function.contains(name));
    let dropped = frames.iter().position(|frame| is_named(frame, &DROP));
    frames.drain(..dropped.map_or(0, |at| at + 1));
    let end = frames.iter().position(|frame| is_named(frame, &BELOW));
    frames.truncate(end.unwrap_or(frames.len()));
    let start = frames.iter().rposition(|frame| is_named(frame, &ABOVE));
    if dropped.or(end).or(start).is_none() {
        // The program has no symbols. Only frames of the C library, below the program's, have
        // names.
        return Vec::new();
    }
    frames.drain(..start.map_or(0, |at| at + 1));
    frames
}

#[cfg(test)]
mod tests {
    use super::{crate_in, crates_directory, frames, in_directory};

    fn functions(text: &str) -> Vec<String> {
        frames(text).into_iter().map(|frame| frame.function).collect()
    }

    #[test]
    fn the_frames_of_the_probe_and_of_the_runtime_are_left_out() {
        let text = "   0: reveille_runtime::scheduler::inspect::stacks::StackTable::capture\n\
            \x20            at ./crates/a.rs:1:2\n\
            \x20  1: <reveille_runtime::scheduler::inspect::probe::StackProbe as \
                    reveille_task::probe::Observer>::registered\n\
            \x20  2: reveille_task::probe::tell_registered\n\
            \x20  3: reveille_task::probe::clone\n\
            \x20  4: <lib::Leaf as core::future::future::Future>::poll\n\
            \x20            at /home/me/.cargo/registry/src/x/lib.rs:7:9\n\
            \x20  5: reveille_task::probe::poll_member\n\
            \x20  6: app::run::{{closure}}\n\
            \x20            at C:\\src\\app.rs:3:4\n\
            \x20  7: reveille_task::cell::Cell<F,S>::poll\n\
            \x20  8: app::not_an_await\n";
        let frames = frames(text);
        let functions: Vec<_> = frames.iter().map(|frame| &*frame.function).collect();
        let leaf = "<lib::Leaf as core::future::future::Future>::poll";
        assert_eq!(functions, [leaf, "reveille_task::probe::poll_member", "app::run::{{closure}}"]);
        assert_eq!(frames[2].place.as_deref(), Some("C:\\src\\app.rs:3:4"));
        assert_eq!(frames[1].place, None);
    }

    #[test]
    fn the_drop_of_a_waker_begins_with_the_code_that_drops_it() {
        let text = "   0: reveille_runtime::scheduler::lost::add\n\
            \x20  1: <reveille_task::cell::Cell<F, S>>::lost\n\
            \x20  2: <reveille_task::raw::Raw>::drop_waker\n\
            \x20  3: reveille_task::waker::drop_waker\n\
            \x20  4: app::loses\n\
            \x20  5: std::sys::backtrace::__rust_begin_short_backtrace\n\
            \x20  6: main\n";
        assert_eq!(functions(text), ["app::loses"]);
    }

    #[test]
    fn a_release_build_without_lines_still_has_functions() {
        let text = "   0: reveille_task::probe::clone::h0123456789abcdef\n\
            \x20  1: app::run::_{{closure}}::h0123456789abcdef\n\
            \x20  2: reveille_runtime::scheduler::inspect::probe::probe::h0123456789abcdef\n\
            \x20  3: main\n";
        assert_eq!(functions(text), ["app::run::_{{closure}}::h0123456789abcdef"]);
    }

    #[test]
    fn functions_without_paths_are_known_by_their_files() {
        let file = |path: &str| format!("             at {}{path}:1:2\n", crates_directory());
        let text = [
            "   0: capture\n",
            &file("runtime/src/scheduler/inspect/stacks.rs"),
            "   1: registered\n",
            &file("runtime/src/scheduler/inspect/probe.rs"),
            "   2: clone\n",
            &file("task/src/probe.rs"),
            "   3: register<u32>\n",
            &file("task/src/join.rs"),
            "   4: poll<T>\n             at /x/registry/src/y/async-channel-2.5.0/src/lib.rs:1:2\n",
            "   5: register\n             at /home/me/app/src/main.rs:3:4\n",
            "   6: {async_fn#0}\n             at /home/me/app/src/run.rs:5:4\n",
            "   7: poll<u32>\n             at /registry/src/y/reveille-task-0.1.0/src/cell.rs:7\n",
            "   8: main\n",
        ];
        let functions = functions(&text.concat());
        let expected =
            ["reveille_task::join::register", "async_channel::poll", "register", "{async_fn#0}"];
        assert_eq!(functions, expected);
    }

    #[test]
    fn crates_are_known_by_the_directory_of_their_sources() {
        for (directory, crates, name) in [
            ("crates/task", "crates/", Some("reveille_task")),
            ("/w/crates/reveille", "crates/", Some("reveille")),
            ("/w/crates/async-std", "/w/crates/", Some("async_std")),
            ("/app/crates/task", "/w/crates/", None),
            ("/app", "/w/crates/", None),
            ("/c/registry/src/i/reveille-0.1.0", "/c/registry/src/i/reveille-", Some("reveille")),
            ("/c/registry/src/i/two-words-1.0.0-rc-1", "crates/", Some("two_words")),
            ("/app/parser-0.1", "crates/", None),
            ("/rustc/0123abcd/library/core", "crates/", Some("core")),
            ("/r/stable/lib/rustlib/src/rust/library/std", "crates/", Some("std")),
            ("/app/library/core", "/w/crates/", None),
        ] {
            assert_eq!(crate_in(directory, crates).as_deref(), name, "{directory}");
        }
    }

    #[test]
    fn crates_are_known_in_the_current_directory_too() {
        for (current, place) in [("/", "./w/crates/task"), ("/w", "./crates/task")] {
            let directory = in_directory(current, place);
            assert_eq!(crate_in(&directory, "/w/crates/").as_deref(), Some("reveille_task"));
            // As the compiler writes the directory in our own workspace.
            assert_eq!(crate_in(&directory, "crates/").as_deref(), Some("reveille_task"));
        }
        let directory = in_directory("/app", "./crates/task");
        assert_eq!(crate_in(&directory, "/w/crates/"), None);
    }

    #[test]
    fn a_stripped_program_has_none() {
        assert!(functions("   0: <unknown>\n   1: <unknown>\n").is_empty());
        assert!(functions("unsupported backtrace").is_empty());
    }

    #[test]
    fn a_stripped_program_has_none_though_the_c_library_has_symbols() {
        let text =
            "   0: <unknown>\n   1: start_thread\n             at nptl/pthread_create.c:442:8\n";
        assert!(functions(text).is_empty());
    }
}

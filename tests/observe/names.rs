//! Whether stacks name the functions of this program, which depends on how it was built.

use std::backtrace::Backtrace;
use std::sync::OnceLock;

use reveille::observe::Frame;

async fn captures() -> String {
    Backtrace::force_capture().to_string()
}

const PROBED: u32 = line!() + 4;

/// Not the innermost function: that one's name can come from the table of symbols.
async fn probed() -> String {
    captures().await
}

/// Whether std's own backtrace has the path of an `async fn` of this program. It has not in a build
/// with line tables only (`debug = "line-tables-only"`). Dumps are not asked: they are what is
/// tested.
pub(crate) fn have_paths() -> bool {
    static ANSWER: OnceLock<bool> = OnceLock::new();
    *ANSWER.get_or_init(|| {
        let text = pollster::block_on(probed()).replace('\\', "/");
        // A frame is a line with the function and one with its place. Other frames name the
        // function as a parameter of theirs.
        let lines: Vec<_> = text.lines().collect();
        let at = lines.windows(2).find(|pair| pair[1].contains(&place("names.rs", PROBED)));
        let frame = at.unwrap_or_else(|| panic!("even line tables have places: {text}"));
        frame[0].contains("names::probed")
    })
}

/// A place in a file of this directory, as stacks show it, up to the column.
fn place(file: &str, line: u32) -> String {
    format!("observe/{file}:{line}:")
}

/// Whether a frame is at this place, in a function whose name contains `function`.
pub(crate) fn is_at(frame: &Frame, function: &str, file: &str, line: u32) -> bool {
    let at = frame.place.as_deref().unwrap_or_default().replace('\\', "/");
    let is_named = !have_paths() || frame.function.contains(function);
    at.contains(&place(file, line)) && is_named
}

/// Asserts that a text has this place, and the name of the function.
#[track_caller]
pub(crate) fn assert_shown(text: &str, function: &str, file: &str, line: u32) {
    let text = text.replace('\\', "/");
    assert!(text.contains(&place(file, line)), "{file}:{line} is not in {text}");
    assert!(!have_paths() || text.contains(function), "{function} is not in {text}");
}

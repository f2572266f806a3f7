//! The part of an await stack that concerns the program. A whole stack has a dozen functions of
//! libraries above the line that one looks for.
//!
//! A dump and `reveille view` show the same part, so the rules are here.

use std::borrow::Cow;

/// The beginnings of the paths of functions that are not the program's.
const FOREIGN: [&str; 9] = [
    "core::",
    "std::",
    "alloc::",
    "reveille::",
    "reveille_runtime::",
    "reveille_task::",
    "reveille_driver::",
    "reveille_primitive::",
    "async_std::",
];

/// The beginnings of the paths of functions that are nothing that a program awaits: they store a
/// waker, or they are a part of an executor.
const INTERNAL: [&str; 3] =
    ["core::task::wake::", "reveille_runtime::scheduler::", "reveille_task::probe::"];

/// The frames of a stack that concern the program, by their indices.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ProgramFrames {
    /// The future of a library that the program awaits.
    pub leaf: Option<usize>,
    /// The program's own functions, innermost first.
    pub own: Vec<usize>,
}

impl ProgramFrames {
    /// Finds them. `frames` are pairs of a function and its file, or of a function and its place,
    /// innermost first. The file is empty if it is not known.
    ///
    /// Without line tables, libraries cannot be told from the program. Then all are the program's.
    pub fn of<'a>(frames: impl IntoIterator<Item = (&'a str, &'a str)>) -> ProgramFrames {
        let mut found = ProgramFrames::default();
        for (index, (function, file)) in frames.into_iter().enumerate() {
            if is_programs(function, file) {
                found.own.push(index);
            } else if found.own.is_empty() && !begins(function, &INTERNAL) {
                // The outermost of those inside the program's innermost function.
                found.leaf = Some(index);
            }
        }
        found
    }
}

fn is_programs(function: &str, file: &str) -> bool {
    let is_of_registry =
        ["/registry/src/", r"\registry\src\"].iter().any(|part| file.contains(part));
    !is_of_registry && !file.starts_with("/rustc/") && !begins(function, &FOREIGN)
}

fn begins(function: &str, starts: &[&str]) -> bool {
    let name = function.trim_start_matches('<');
    starts.iter().any(|start| name.starts_with(start))
}

/// Returns the folder of the sources `files`, with the separator at its end. `paths` are absolute.
///
/// The place of a spawn is relative to that folder, and the place of a frame is absolute, so a
/// reader of both leaves the folder out.
pub fn source_root<'a>(
    files: impl IntoIterator<Item = &'a str> + Clone,
    paths: impl IntoIterator<Item = &'a str>,
) -> Option<&'a str> {
    paths.into_iter().find_map(|path| {
        let root_of = |file: &str| {
            let root = path.strip_suffix(file).filter(|_| !file.is_empty());
            root.filter(|root| root.ends_with(['/', '\\']))
        };
        files.clone().into_iter().find_map(root_of)
    })
}

/// Returns the name of a function as in the source: without what the compiler adds for an
/// `async fn`, a closure or an implementation.
#[must_use]
pub fn plain_name(function: &str) -> Cow<'_, str> {
    let mut name = function;
    while let Some((shorter, last)) = name.rsplit_once("::")
        && (last.trim_start_matches('_').starts_with('{') || last == "poll" || is_hash(last))
        && !shorter.is_empty()
    {
        name = shorter;
    }
    let (of, method) = split_implementation(name);
    let name = without_parameters(of) + method;
    if name.is_empty() { function.into() } else { name.into() }
}

/// The hash at the end of a symbol.
fn is_hash(segment: &str) -> bool {
    let hash = segment.strip_prefix('h').unwrap_or_default();
    hash.len() == 16 && hash.bytes().all(|byte| byte.is_ascii_hexdigit())
}

/// The type and the method of `<Type as Trait>::method` and `<Type>::method`.
fn split_implementation(name: &str) -> (&str, &str) {
    let Some(inner) = name.strip_prefix('<') else { return (name, "") };
    let mut depth = 1_usize;
    let end = inner.char_indices().find(|&(_, c)| {
        match c {
            '<' => depth += 1,
            '>' => depth -= 1,
            _ => {}
        }
        depth == 0
    });
    let Some((end, _)) = end else { return (name, "") };
    let of = inner[..end].split_once(" as ").map_or(&inner[..end], |(of, _)| of);
    (of, &inner[end + 1..])
}

/// A path without generic parameters such as `<T>`, which do not help the reader.
fn without_parameters(path: &str) -> String {
    let mut plain = String::new();
    let mut depth = 0_usize;
    for c in path.chars() {
        match c {
            '<' => depth += 1,
            '>' => depth = depth.saturating_sub(1),
            c if depth == 0 => plain.push(c),
            _ => {}
        }
    }
    // The separator that is left of `module::<T>`.
    plain.trim_end_matches(':').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_frames_of_the_program_are_found_with_the_future_that_they_await() {
        let registry = "/root/.cargo/registry/src/index/async-lock-3.5.0/src/mutex.rs";
        let stack = [
            ("<core::task::wake::Waker as core::clone::Clone>::clone", "/rustc/abc/wake.rs"),
            ("event_listener::Listener::register", registry),
            ("<async_lock::mutex::Lock<T> as core::future::future::Future>::poll", registry),
            ("reveille_task::probe::poll_member", "/home/me/reveille/probe.rs"),
            ("shop::pay::{{closure}}", "/home/me/shop/src/main.rs"),
            ("reveille::future::timed::TimeoutFuture<F>::poll", "/home/me/reveille/timed.rs"),
            ("shop::main::{{closure}}", ""),
        ];
        let found = ProgramFrames::of(stack);
        assert_eq!(found, ProgramFrames { leaf: Some(2), own: vec![4, 6] });
        let only_libraries = ProgramFrames::of(stack[..4].iter().copied());
        assert_eq!(only_libraries, ProgramFrames { leaf: Some(2), own: Vec::new() });
        let windows =
            ("event_listener::wait", r"C:\Users\me\.cargo\registry\src\i\e-5.4.1\src\lib.rs");
        assert!(ProgramFrames::of([windows]).own.is_empty());
        assert_eq!(ProgramFrames::of([]), ProgramFrames::default());
    }

    #[test]
    fn the_root_of_the_sources_is_what_the_absolute_paths_have_more() {
        let files = ["", "src/a.rs", "main.rs"];
        let root = |path| source_root(files, ["/x/lib.rs", path]);
        assert_eq!(root("/home/me/shop/src/a.rs"), Some("/home/me/shop/"));
        assert_eq!(root("/home/me/shop/domain.rs"), None, "the end of another name");
        assert_eq!(source_root([r"src\a.rs"], [r"C:\shop\src\a.rs"]), Some(r"C:\shop\"));
        assert_eq!(root("src/a.rs"), None, "the same path");
    }

    #[test]
    fn names_are_as_in_the_source() {
        for (function, name) in [
            ("app::run::{{closure}}", "app::run"),
            ("app::run::{async_fn#0}", "app::run"),
            ("<app::Leaf<T> as core::future::future::Future>::poll", "app::Leaf"),
            ("app::generic<alloc::vec::Vec<u8>>::{{closure}}::{{closure}}", "app::generic"),
            ("<app::Server>::serve::{{closure}}", "app::Server::serve"),
            ("<app::Server as app::Service<u8>>::call::{{closure}}", "app::Server::call"),
            ("app::run::_{{closure}}::h0123456789abcdef", "app::run"),
            ("{closure#0}", "{closure#0}"),
        ] {
            assert_eq!(plain_name(function), name, "{function}");
        }
    }
}

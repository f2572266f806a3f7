//! The names of functions as a dump shows them.

use super::super::Frame;

/// The prefixes of the paths of the runtime's functions.
const OURS: [&str; 6] = [
    "reveille::",
    "reveille_runtime::",
    "reveille_task::",
    "reveille_driver::",
    "reveille_primitive::",
    "async_std::",
];

/// Whether a function is the program's own: not of std, of a library from a registry, or of the
/// runtime. Without line tables libraries cannot be told from the program.
pub(super) fn is_programs(frame: &Frame) -> bool {
    let name = frame.function.trim_start_matches('<');
    let is_ours = OURS.iter().any(|start| name.starts_with(start));
    let is_std = ["core::", "std::", "alloc::"].iter().any(|start| name.starts_with(start));
    let place = frame.place.as_deref().unwrap_or_default();
    let is_library = place.contains("/registry/src/") || place.starts_with("/rustc/");
    !is_ours && !is_std && !is_library
}

/// The name of a function as in the source: without what the compiler adds for an `async fn`, a
/// closure or an implementation.
pub(super) fn plain_name(function: &str) -> String {
    let mut name = function;
    while let Some((shorter, last)) = name.rsplit_once("::")
        && (last.trim_start_matches('_').starts_with('{') || last == "poll" || is_hash(last))
        && !shorter.is_empty()
    {
        name = shorter;
    }
    let (of, method) = split_implementation(name);
    let name = without_parameters(of) + method;
    if name.is_empty() { function.to_owned() } else { name }
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

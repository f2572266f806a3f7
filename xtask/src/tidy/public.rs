//! Public items are documented, with an example that runs.
//!
//! rustdoc can count this too, but only on nightly, and it omits what is re-exported from a private
//! module. So this rule reads the sources. rustfmt has formatted them, and the lint
//! `unreachable_pub` ensures that users can reach what is `pub` in the public crates.
//!
//! Each public item, modules included, needs a doc comment with a code block that rustdoc compiles.
//! A function that returns a `Result` also needs `# Errors`, and an asynchronous one
//! `# Cancel safety`. The lint `missing_docs` covers fields, variants, associated types and the
//! methods of trait impls.

use std::path::Path;

use super::Problem;
use super::source::Line;
use super::tree::{File, Tree};

/// The public crates, and the files of lower crates from which they re-export.
const SHOWN: [&str; 19] = [
    "crates/reveille/src",
    "crates/hyper/src",
    "crates/quinn/src",
    "crates/async-std/src",
    "crates/async-io/src",
    "crates/blocking/src",
    "crates/async-global-executor/src",
    "crates/smol/src",
    "crates/macros/src/lib.rs",
    "crates/runtime/src/runtime/builder.rs",
    "crates/runtime/src/runtime.rs",
    "crates/runtime/src/runtime/global.rs",
    "crates/runtime/src/observe.rs",
    "crates/runtime/src/scheduler/multi/shutdown.rs",
    "crates/runtime/src/scheduler/sleep.rs",
    "crates/task/src/join.rs",
    "crates/task/src/error.rs",
    "crates/task/src/id.rs",
    "crates/primitive/src/sys/limit.rs",
];

/// Items without an example: the file, the item or `*`, and the reason.
const EXCUSED: [(&str, &str, &str); 7] = [
    ("crates/reveille/src/stream/compare.rs", "*", HIDDEN_PART),
    ("crates/reveille/src/stream/consume.rs", "*", HIDDEN_PART),
    ("crates/reveille/src/stream/extremes.rs", "*", HIDDEN_PART),
    ("crates/reveille/src/stream/double_ended.rs", "Back", HIDDEN_PART),
    ("crates/reveille/src/future/select.rs", "*", "a part of a macro, in a module that is hidden"),
    ("crates/async-std/src/names.rs", "*", HIDDEN_PART),
    ("*", "Sealed", "prevents other implementations of a trait; users cannot name it"),
];
const HIDDEN_PART: &str = "a part of what a method returns, in a module that is hidden";

/// Words between `pub` and the keyword of an item.
const MODIFIERS: [&str; 4] = ["async", "unsafe", "extern", "default"];

/// Keywords that the name of an item follows.
const KINDS: [&str; 8] = ["fn", "mod", "struct", "enum", "union", "trait", "type", "static"];

/// A public item and its documentation.
#[derive(Debug, PartialEq, Eq)]
struct Item {
    /// Counted from zero.
    line: usize,
    kind: String,
    name: String,
    docs: Vec<String>,
    /// The signature up to the body, on one line.
    signature: String,
}

/// How many items are documented.
#[derive(Debug, Default)]
pub(super) struct Coverage {
    items: usize,
    documented: usize,
    shown: usize,
    excused: usize,
}

pub(super) fn check(tree: &Tree) -> Vec<Problem> {
    let mut problems = Vec::new();
    for file in shown_files(tree) {
        for item in items(tree, file) {
            let is_excused = excuse(&file.path, &item.name).is_some();
            if let Some(message) = complaint(&item, is_excused) {
                let message = format!("`{}` {message}", item.name);
                problems.push(Problem::at(&file.path, item.line + 1, message));
            }
        }
    }
    for (path, name, _) in EXCUSED {
        let mut files =
            shown_files(tree).filter(|file| path == "*" || file.path == Path::new(path));
        if !files.any(|file| items(tree, file).iter().any(|item| name == "*" || item.name == name))
        {
            let message = format!("`{name}` is excused and does not exist");
            problems.push(Problem::new(path, message));
        }
    }
    problems
}

/// Counts public items, and those with docs and an example.
pub(super) fn coverage(tree: &Tree) -> Coverage {
    let mut coverage = Coverage::default();
    for file in shown_files(tree) {
        for item in items(tree, file) {
            coverage.items += 1;
            coverage.documented += usize::from(!item.docs.is_empty());
            match excuse(&file.path, &item.name) {
                Some(_) => coverage.excused += 1,
                None => coverage.shown += usize::from(has_example(&item.docs)),
            }
        }
    }
    coverage
}

impl std::fmt::Display for Coverage {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Coverage { items, documented, shown, excused } = self;
        let asked = items - excused;
        write!(f, "{items} public items, {documented} documented; ")?;
        write!(f, "{shown} of {asked} with an example, {excused} excused")
    }
}

fn shown_files(tree: &Tree) -> impl Iterator<Item = &File> {
    tree.files.iter().filter(|file| SHOWN.iter().any(|shown| file.is_under(shown)))
}

fn excuse(path: &Path, name: &str) -> Option<&'static str> {
    let fits = |excused: &&(&str, &str, &str)| {
        let is_file = excused.0 == "*" || path == Path::new(excused.0);
        is_file && (excused.1 == "*" || excused.1 == name)
    };
    EXCUSED.iter().find(fits).map(|excused| excused.2)
}

fn complaint(item: &Item, is_excused: bool) -> Option<&'static str> {
    let says = |heading: &str| item.docs.iter().any(|line| line.trim() == heading);
    let output = item.signature.split("->").last().unwrap_or_default();
    let is_function = item.kind == "fn";
    let gives_result = item.signature.contains("->") && is_result(output);
    let is_future = item.signature.contains("async fn") || output.contains("impl Future");
    if item.docs.is_empty() {
        return Some("has no documentation");
    }
    if is_excused {
        return None;
    }
    if !has_example(&item.docs) {
        return Some("has no example that runs under `# Examples`");
    }
    if is_function && gives_result && !says("# Errors") {
        return Some("returns a result and has no `# Errors`");
    }
    if is_function && is_future && !says("# Cancel safety") {
        return Some("is asynchronous and has no `# Cancel safety`");
    }
    None
}

/// Whether a function with this output can return an error, from the call or from its future.
fn is_result(output: &str) -> bool {
    let output = output.trim().trim_start_matches("Poll<");
    let output = output.trim_start_matches("impl Future<Output = ");
    let name = output.split('<').next().unwrap_or_default();
    name.rsplit("::").next() == Some("Result")
}

/// Whether there is a code block that rustdoc compiles.
fn has_example(docs: &[String]) -> bool {
    let mut is_inside = false;
    for line in docs {
        let Some(words) = line.trim().strip_prefix("```") else { continue };
        let compiles = ["", "rust", "no_run", "should_panic", "standalone_crate"].contains(&words);
        if !is_inside && compiles {
            return true;
        }
        is_inside = !is_inside;
    }
    false
}

/// Returns the public items of a file, without tests and hidden items.
fn items(tree: &Tree, file: &File) -> Vec<Item> {
    let tests = file.test_modules();
    let mut items = Vec::new();
    // The indentation of the public trait that contains this line.
    let mut in_trait = None;
    for (index, line) in file.lines.iter().enumerate() {
        if tests.iter().any(|(first, last)| (*first..=*last).contains(&index)) {
            continue;
        }
        let code = line.code.trim();
        let indentation = line.text.len() - line.text.trim_start().len();
        if code.starts_with('}') && in_trait == Some(indentation) {
            in_trait = None;
        }
        let is_in_trait = in_trait.is_some_and(|outer| indentation == outer + 4);
        let Some((kind, name)) = declared(code, is_in_trait) else { continue };
        if kind == "trait" && !code.ends_with("{}") {
            in_trait = Some(indentation);
        }
        let above = above(&file.lines, index);
        let is_hidden = above.iter().any(|line| line.code.contains("doc(hidden)"));
        let is_exported =
            kind != "macro" || above.iter().any(|line| line.code.contains("macro_export"));
        if is_hidden || !is_exported {
            continue;
        }
        let docs = match kind {
            "mod" if code.ends_with(';') => module_file(tree, file, name).map(header),
            "mod" => Some(header(&file.lines[index + 1..])),
            _ => Some(comments(above, "///")),
        };
        items.push(Item {
            line: index,
            kind: kind.to_owned(),
            name: name.to_owned(),
            docs: docs.unwrap_or_default(),
            signature: signature(&file.lines[index..]),
        });
    }
    items
}

/// Returns what a line declares: a public item, a method of a public trait, or a macro.
fn declared(code: &str, is_in_trait: bool) -> Option<(&str, &str)> {
    let rest = match (code.strip_prefix("pub "), code.strip_prefix("macro_rules! ")) {
        (Some(rest), _) => rest,
        (None, Some(rest)) => return Some(("macro", first_name(rest)?)),
        (None, None) if is_in_trait => code,
        (None, None) => return None,
    };
    let mut words = rest.split(' ').filter(|word| !MODIFIERS.contains(word)).peekable();
    let mut kind = words.next()?;
    if kind == "const" && words.peek().is_some_and(|next| KINDS.contains(next)) {
        kind = words.next()?;
    }
    let is_item = KINDS.contains(&kind) || kind == "const";
    let is_method = kind == "fn" || !is_in_trait || code.starts_with("pub ");
    // The macros of these crates document the items that they declare.
    let name = words.next().and_then(first_name)?;
    (is_item && is_method).then_some((kind, name))
}

fn first_name(text: &str) -> Option<&str> {
    let end = text.find(|letter: char| !letter.is_alphanumeric() && letter != '_');
    let name = &text[..end.unwrap_or(text.len())];
    (!name.is_empty()).then_some(name)
}

/// Returns the comments and attributes right above a line.
fn above(lines: &[Line], index: usize) -> &[Line] {
    let mut first = index;
    // The lines are read upwards, so an attribute of several lines begins with its last line.
    let mut is_inside = false;
    while let Some(line) = first.checked_sub(1).map(|before| lines[before].text.trim()) {
        // The second form is that of attributes which a macro is given.
        let begins = line.starts_with("#[") || line.starts_with("$(#[");
        let is_part = is_inside || begins || line.starts_with("//") || line.ends_with(")]");
        if !is_part {
            break;
        }
        is_inside = !begins && (is_inside || line.ends_with(")]"));
        first -= 1;
    }
    &lines[first..index]
}

fn comments(lines: &[Line], mark: &str) -> Vec<String> {
    lines.iter().filter_map(|line| line.comment.strip_prefix(mark)).map(str::to_owned).collect()
}

/// Returns the `//!` at the top of a module.
fn header(lines: &[Line]) -> Vec<String> {
    let count = lines.iter().take_while(|line| line.comment.starts_with("//!")).count();
    comments(&lines[..count], "//!")
}

/// Returns the lines of the file of `mod name;` in `file`.
fn module_file<'a>(tree: &'a Tree, file: &File, name: &str) -> Option<&'a [Line]> {
    let folder = match file.path.file_stem().and_then(|stem| stem.to_str()) {
        Some("lib" | "mod") => file.path.parent()?.to_owned(),
        _ => file.path.with_extension(""),
    };
    let candidates = [folder.join(format!("{name}.rs")), folder.join(name).join("mod.rs")];
    tree.files.iter().find(|file| candidates.contains(&file.path)).map(|file| &file.lines[..])
}

fn signature(lines: &[Line]) -> String {
    let mut signature = String::new();
    // No signature has more lines than this.
    for line in lines.iter().take(30) {
        let code = line.code.trim();
        signature.push_str(code);
        signature.push(' ');
        if code.ends_with(['{', ';', '}']) || code == "where" {
            break;
        }
    }
    signature
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::super::source;
    use super::*;

    fn found(text: &str) -> Vec<Item> {
        let file = |path, text| File { path: PathBuf::from(path), lines: source::parse(text) };
        let below = file("a/m.rs", "//! M.\n//!\n//! ```\n//! m();\n//! ```\nuse a;\n");
        let tree = Tree { files: vec![below], ..Tree::default() };
        items(&tree, &file("a.rs", text))
    }

    fn complaints(text: &str) -> Vec<Option<&'static str>> {
        found(text).iter().map(|item| complaint(item, false)).collect()
    }

    #[test]
    fn items_are_the_public_ones() {
        let text = "pub(crate) fn a() {}\npub const fn b() {}\nfn c() {}\n#[doc(hidden)]\n\
            pub fn d() {}\npub trait T {\n    fn e(&self);\n    type F;\n}\nimpl T for () {\n    \
            fn e(&self) {}\n}\nmacro_rules! g { () => {} }\n#[macro_export]\n\
            macro_rules! h { () => {} }\npub struct $i;\n";
        let names: Vec<_> = found(text).into_iter().map(|item| (item.kind, item.name)).collect();
        let names: Vec<_> = names.iter().map(|(kind, name)| (&kind[..], &name[..])).collect();
        assert_eq!(names, [("fn", "b"), ("trait", "T"), ("fn", "e"), ("macro", "h")]);
    }

    #[test]
    fn an_example_is_code_that_rustdoc_compiles() {
        let shown = "/// A.\n///\n/// ```\n/// a();\n/// ```\n#[inline]\npub fn a() {}\n";
        assert_eq!(complaints(shown), [None]);
        for text in [
            "pub fn a() {}",
            "/// A.\npub fn a() {}",
            "/// See [`b`].\n///\n/// ```text\n/// a();\n/// ```\npub fn a() {}",
            "/// ```ignore\n/// a();\n/// ```\npub fn a() {}",
        ] {
            assert!(complaints(text)[0].is_some(), "{text}");
        }
    }

    #[test]
    fn docs_may_have_lines_that_a_macro_is_given() {
        let text = "/// A.\n///\n/// # Errors\n///\n/// ```\n$(#[$example])*\n/// ```\n\
            pub fn a() -> io::Result<()> {}\n";
        assert_eq!(complaints(text), [None]);
    }

    #[test]
    fn the_example_of_a_module_is_at_its_top() {
        assert_eq!(complaints("pub mod m;\npub mod n {\n    //! ```\n    //! ```\n}\n"), [None; 2]);
        for text in ["pub mod elsewhere;", "/// ```\n/// ```\npub mod n {\n}"] {
            assert!(complaints(text)[0].is_some(), "{text}");
        }
    }

    #[test]
    fn errors_and_cancel_safety_are_required() {
        let example = "/// ```\n/// a();\n/// ```\n";
        let cases = [
            ("pub async fn a() {}", "/// # Cancel safety\n"),
            ("pub fn a(\n) -> impl Future<Output = ()> {", "/// # Cancel safety\n"),
            ("pub fn a() -> io::Result<()> {", "/// # Errors\n"),
            ("#[must_use(\n    a\n)]\npub fn a() -> Poll<Result<(), ()>> {", "/// # Errors\n"),
        ];
        for (declaration, heading) in cases {
            assert!(complaints(&format!("{example}{declaration}"))[0].is_some(), "{declaration}");
            assert_eq!(complaints(&format!("{heading}{example}{declaration}")), [None]);
        }
    }
}

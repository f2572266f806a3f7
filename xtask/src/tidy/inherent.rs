//! No method of ours hides one that another crate adds to a type of async-std.
//!
//! Rust prefers a type's own method to one of a trait. Many types are the same in reveille and in
//! the shim of async-std, so a method that reveille adds exists in the shim too. If a crate made
//! for async-std calls a method of that name of an extension trait, it then calls ours.
//!
//! The recorded API (`tests/surface/`) has the methods of our types, and
//! `tests/parity/async_std.txt` those of async-std's. Each method that only ours has is in
//! `tests/parity/inherent.txt`, with the reason why it may stay.
//! `tests/parity/extension_traits.txt` has methods of known extension traits; those are refused.

use std::collections::{BTreeMap, BTreeSet};

use super::Problem;
use super::tree::Tree;

/// The methods that async-std has, by `crate::` paths.
const THEIRS: &str = "tests/parity/async_std.txt";

/// The methods that only our types have.
const LIST: &str = "tests/parity/inherent.txt";

/// The methods of extension traits.
const TRAITS: &str = "tests/parity/extension_traits.txt";

/// The records with our types, and the crate in whose place `crate` stands. The first one that has
/// the type counts. Where a record re-exports from a lower crate, a type is found by its name.
const SURFACES: [(&str, Option<&str>); 4] = [
    ("tests/surface/async-std.txt", Some("async_std")),
    ("tests/surface/reveille.txt", Some("reveille")),
    ("tests/surface/reveille-task.txt", None),
    ("tests/surface/reveille-runtime.txt", None),
];

/// Methods by the path of their type.
type Methods = BTreeMap<String, BTreeSet<String>>;

/// A trait that another crate implements for a type of async-std.
struct ExtensionTrait<'a> {
    name: &'a str,
    /// The types that it is for, as in the list.
    types: Vec<&'a str>,
    methods: Vec<&'a str>,
}

pub(super) fn check(tree: &Tree) -> Vec<Problem> {
    let (theirs, list, traits) = (tree.read(THEIRS), tree.read(LIST), tree.read(TRAITS));
    let surfaces = SURFACES.map(|(file, root)| (inherent(&tree.read(file)), root));
    compare(&added(&theirs, &surfaces), &list, &traits)
}

/// Compares the methods that only our types have with the list and with the traits.
fn compare(added: &BTreeSet<String>, list: &str, traits: &str) -> Vec<Problem> {
    let mut problems = Vec::new();
    let mut listed = BTreeSet::new();
    for (index, line) in list.lines().enumerate() {
        if line.starts_with('#') {
            continue;
        }
        let (method, why) = line.split_once(" | ").unwrap_or((line, ""));
        if why.is_empty() {
            problems.push(Problem::at(LIST, index + 1, "a line is `TYPE::METHOD | reason`"));
        }
        if !added.contains(method) {
            let message = format!("reveille's types have no `{method}`, or async-std's have it");
            problems.push(Problem::at(LIST, index + 1, message));
        }
        listed.insert(method);
    }
    let traits: Vec<ExtensionTrait<'_>> = traits.lines().filter_map(extension_trait).collect();
    for method in added {
        if let Some(hidden) = traits.iter().find(|hidden| hidden.has(method)) {
            let message = format!(
                "`{method}` hides the method of {}: rename it, or make it a method of a trait",
                hidden.name
            );
            problems.push(Problem::new(LIST, message));
        }
        if !listed.contains(method.as_str()) {
            let message = format!(
                "`{method}` hides methods that other crates add to async-std's type: look for such \
                 traits, and add a line here"
            );
            problems.push(Problem::new(LIST, message));
        }
    }
    problems
}

/// Parses `NAME | types | methods`. Returns `None` for a comment.
fn extension_trait(line: &str) -> Option<ExtensionTrait<'_>> {
    let mut columns = line.split(" | ");
    let name = columns.next().filter(|name| !name.starts_with('#'))?;
    let types = columns.next()?.split(' ').collect();
    Some(ExtensionTrait { name, types, methods: columns.next()?.split(' ').collect() })
}

impl ExtensionTrait<'_> {
    fn has(&self, method: &str) -> bool {
        method.rsplit_once("::").is_some_and(|(of, name)| {
            self.methods.contains(&name) && (self.types == ["*"] || self.types.contains(&of))
        })
    }
}

/// The methods of our types that those of async-std do not have, as `module::Type::method`.
fn added(theirs: &str, surfaces: &[(Methods, Option<&str>)]) -> BTreeSet<String> {
    let keys = || theirs.lines().filter_map(|line| line.split('\t').nth(1));
    let of_kind = |kind: &'static str| keys().filter_map(move |key| key.strip_prefix(kind));
    let known: BTreeSet<&str> = of_kind("method crate::").collect();
    let types = of_kind("struct crate::").chain(of_kind("enum crate::"));
    let mut added = BTreeSet::new();
    for path in types {
        let name = path.rsplit("::").next().unwrap_or(path);
        let methods = surfaces.iter().find_map(|(methods, root)| match root {
            Some(root) => methods.get(&format!("{root}::{path}")),
            None => {
                let mut types = methods.iter();
                types.find(|(other, _)| other.ends_with(&format!("::{name}"))).map(|found| found.1)
            }
        });
        let ours = methods.into_iter().flatten().map(|method| format!("{path}::{method}"));
        added.extend(ours.filter(|method| !known.contains(method.as_str())));
    }
    added
}

/// The types' own methods in a record of cargo-public-api.
fn inherent(surface: &str) -> Methods {
    let mut found = Methods::new();
    let mut current: Option<&str> = None;
    for line in surface.lines() {
        if let Some(rest) = line.strip_prefix("impl") {
            let of = after_parameters(rest).trim_start();
            let name = of.split(['<', ' ']).next().unwrap_or_default();
            current = Some(name).filter(|_| !of.contains(" for "));
        }
        let Some(of) = current else { continue };
        let is_function = line.starts_with("pub ") && line.contains("fn ");
        let Some((_, signature)) = line.split_once(of).filter(|_| is_function) else { continue };
        let Some(name) = after_parameters(signature).strip_prefix("::") else { continue };
        let end = name.find(['(', '<']).unwrap_or(name.len());
        found.entry(of.to_owned()).or_default().insert(name[..end].to_owned());
    }
    found
}

/// What follows the parameters in angle brackets, if there are any.
fn after_parameters(text: &str) -> &str {
    if !text.starts_with('<') {
        return text;
    }
    let mut depth = 0_usize;
    for (index, letter) in text.char_indices() {
        match letter {
            '<' => depth += 1,
            // The arrow of a function type.
            '>' if !text[..index].ends_with('-') => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            return &text[index + 1..];
        }
    }
    ""
}

#[cfg(test)]
mod tests {
    use super::*;

    const THEIRS: &str = "default\tstruct crate::fs::File\ndefault\tmethod crate::fs::File::open\n\
                          default\tstruct crate::task::Handle\n";

    const SURFACE: &str = "pub struct reveille::fs::File\n\
        impl reveille::fs::File\n\
        pub async fn reveille::fs::File::lock(&self) -> ()\n\
        pub async fn reveille::fs::File::open<P: A<B>>(P) -> reveille::fs::File\n\
        impl std::io::Read for reveille::fs::File\n\
        pub fn reveille::fs::File::read(&self)\n";

    const LOWER: &str = "impl<T: Fn() -> u8> lower::Handle<T>\n\
                         pub const fn lower::Handle<T>::id(&self) -> u8\n";

    fn ours() -> BTreeSet<String> {
        added(THEIRS, &[(inherent(SURFACE), Some("reveille")), (inherent(LOWER), None)])
    }

    fn problems(list: &str, traits: &str) -> usize {
        compare(&ours(), list, traits).len()
    }

    #[test]
    fn own_methods_that_async_std_lacks_are_found() {
        let ours: Vec<String> = ours().into_iter().collect();
        assert_eq!(ours, ["fs::File::lock", "task::Handle::id"]);
    }

    #[test]
    fn each_of_them_needs_a_line_with_a_reason_and_no_other_method_has_one() {
        let list = "# comment\nfs::File::lock | none known\ntask::Handle::id | none known\n";
        assert_eq!(problems(list, ""), 0);
        assert_eq!(problems("fs::File::lock | none known\n", ""), 1);
        assert_eq!(problems(&format!("{list}fs::File::open | why\n"), ""), 1);
        assert_eq!(problems(&list.replace("id | none known", "id"), ""), 1);
    }

    #[test]
    fn a_name_of_a_known_trait_is_refused() {
        let list = "fs::File::lock | none known\ntask::Handle::id | none known\n";
        assert_eq!(problems(list, "# comment\nfs4::FileExt | fs::File | lock unlock\n"), 1);
        assert_eq!(problems(list, "fs4::FileExt | net::UdpSocket | lock unlock\n"), 0);
        assert_eq!(problems(list, "any::Ext | * | id lock\n"), 2);
    }
}

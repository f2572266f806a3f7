//! The files, types and functions that the texts for maintainers name exist.
//!
//! Nothing else notices when code is renamed and a text still has the old name. This rule reads the
//! words between backticks, and the diagrams in `text` blocks:
//!
//! | form | has to be |
//! |---|---|
//! | `name.rs`, `folder/name.rs`, `folder/` | the end of a file's path, or a folder; `*` is a wildcard |
//! | `Type` | a type or trait in `crates/` |
//! | `Type::name` | a function, constant, field or variant of such a type |
//! | `module::name` | an item of a module in `crates/` |
//!
//! It does not check other words. It does not read the migration guides either: half of their names
//! belong to other runtimes, and the compiler checks their examples.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use super::Problem;
use super::members::{self, Members};
use super::tree::{File, Tree};

/// The texts at the root and in `docs/`. READMEs below `crates/` and the headers of each `lib.rs`
/// there are read too.
const TEXTS: [&str; 3] = ["ARCHITECTURE.md", "CONTRIBUTING.md", "docs/performance.md"];

/// A crate whose header is about items of tokio.
const EXCUSED: &str = "crates/tokio1";

/// Where the names are defined.
const SOURCES: [&str; 2] = ["crates", "tests/watchdog"];

/// Types of other crates that the texts name without their crate.
const OTHER_TYPES: [&str; 7] = ["Arc", "Box", "Future", "Send", "Vec", "Waker", "WouldBlock"];

/// Crates whose paths are not checked.
const OTHER_CRATES: [&str; 4] = ["std", "core", "alloc", "tokio"];

/// The columns of tables with names from std or another runtime.
const OTHER_COLUMNS: [&str; 2] = ["elsewhere", "in std"];

pub(super) fn check(tree: &Tree) -> Vec<Problem> {
    let index = Index::new(tree);
    let mut problems = Vec::new();
    for (path, text) in texts(tree) {
        for (line, name) in references(&text) {
            if let Some(message) = index.complaint(&name) {
                problems.push(Problem::at(&path, line, message));
            }
        }
    }
    problems
}

/// The texts, each with its path from the root.
fn texts(tree: &Tree) -> Vec<(PathBuf, String)> {
    let is_in_crates = |path: &Path| path.starts_with("crates") && !path.starts_with(EXCUSED);
    let mut texts: Vec<_> =
        TEXTS.iter().map(|name| (PathBuf::from(name), tree.read(name))).collect();
    for path in tree.readmes.iter().filter(|path| is_in_crates(path)) {
        texts.push((path.clone(), tree.read(&path.to_string_lossy())));
    }
    for file in tree.files.iter().filter(|file| is_in_crates(&file.path)) {
        if file.path.ends_with("src/lib.rs") {
            texts.push((file.path.clone(), header(file)));
        }
    }
    texts
}

/// The text of a file's `//!`, with an empty line for each line of code.
fn header(file: &File) -> String {
    let lines = file.lines.iter().map(|line| line.text.strip_prefix("//!").unwrap_or_default());
    lines.collect::<Vec<_>>().join("\n")
}

/// The kind of block that a line of a text is in.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Block {
    Prose,
    /// In a `text` block.
    Diagram,
    /// In another block of code.
    Code,
}

/// The references of a text, each with its line, counted from one.
fn references(text: &str) -> Vec<(usize, String)> {
    let mut found = Vec::new();
    let mut block = Block::Prose;
    // The column of the current table that is not read.
    let mut column = None;
    for (index, line) in text.lines().enumerate() {
        if let Some(language) = line.trim_start().strip_prefix("```") {
            block = match (block, language) {
                (Block::Prose, "text") => Block::Diagram,
                (Block::Prose, _) => Block::Code,
                _ => Block::Prose,
            };
            continue;
        }
        let names = match block {
            Block::Prose => spans(&without_column(line, &mut column)),
            Block::Diagram => words(line),
            Block::Code => Vec::new(),
        };
        found.extend(names.into_iter().map(|name| (index + 1, name)));
    }
    found
}

/// The line without its cell of a column with names from elsewhere.
fn without_column(line: &str, column: &mut Option<usize>) -> String {
    if !line.trim_start().starts_with('|') {
        *column = None;
        return line.to_owned();
    }
    let cells: Vec<&str> = line.split('|').collect();
    *column = cells.iter().position(|cell| OTHER_COLUMNS.contains(&cell.trim())).or(*column);
    let kept = cells.iter().enumerate().filter(|(index, _)| Some(*index) != *column);
    kept.map(|(_, cell)| *cell).collect::<Vec<_>>().join("|")
}

/// The words inside backticks.
fn spans(line: &str) -> Vec<String> {
    line.split('`').skip(1).step_by(2).map(str::to_owned).collect()
}

/// The words of a diagram that are the path of a file or of a function of a type.
fn words(line: &str) -> Vec<String> {
    let is_end = |letter: char| letter.is_whitespace() || "(),;".contains(letter);
    let is_name = |word: &&str| is_path(word) || word.contains("::");
    line.split(is_end).filter(is_name).map(str::to_owned).collect()
}

fn is_word(text: &str) -> bool {
    !text.is_empty() && text.chars().all(|letter| letter.is_alphanumeric() || letter == '_')
}

/// Whether the text is a path of a Rust file or of a folder.
fn is_path(text: &str) -> bool {
    let is_letter = |letter: char| letter.is_alphanumeric() || "_-.*/".contains(letter);
    let has_name = text.chars().any(char::is_alphanumeric);
    has_name && text.chars().all(is_letter) && (text.ends_with(".rs") || text.ends_with('/'))
}

/// Whether the text is a name as types have it.
fn is_type(text: &str) -> bool {
    is_word(text)
        && text.starts_with(char::is_uppercase)
        && text.contains(|letter: char| letter.is_lowercase())
}

/// The files, types and items that exist.
struct Index<'a> {
    root: &'a Path,
    paths: Vec<&'a Path>,
    /// The members of each type, by the name of the type.
    types: Members,
    /// The items of each module, by the name of the module; those of all modules under no name.
    modules: BTreeMap<String, BTreeSet<String>>,
}

impl Index<'_> {
    fn new(tree: &Tree) -> Index<'_> {
        let mut types = Members::new();
        let mut modules: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        let is_source = |file: &&File| SOURCES.iter().any(|folder| file.is_under(folder));
        for file in tree.files.iter().filter(is_source) {
            let found = members::definitions(&file.lines);
            for (name, members) in found.types {
                types.entry(name).or_default().extend(members);
            }
            for module in file.path.with_extension("").iter().skip(1) {
                let module = module.to_string_lossy().into_owned();
                modules.entry(module).or_default().extend(found.items.iter().cloned());
            }
            modules.entry(String::new()).or_default().extend(found.items);
        }
        let paths = tree.files.iter().map(|file| file.path.as_path()).collect();
        Index { root: &tree.root, paths, types, modules }
    }

    /// The problem with a name, if there is one.
    fn complaint(&self, name: &str) -> Option<String> {
        if is_path(name) {
            let is_there =
                self.paths.iter().any(|path| is_at(path, name)) || self.root.join(name).exists();
            return (!is_there).then(|| format!("there is no `{name}`"));
        }
        let name = name.strip_suffix("()").unwrap_or(name);
        if is_type(name) {
            // The members of an alias, or of a type that is re-exported from another crate, are not
            // known here.
            let is_known = OTHER_TYPES.contains(&name)
                || self.types.contains_key(name)
                || self.modules[""].contains(name);
            return (!is_known).then(|| format!("there is no type `{name}` in crates/"));
        }
        let (path, item) = name.rsplit_once("::")?;
        let parts: Vec<&str> = path.split("::").collect();
        if !is_word(item)
            || !parts.iter().all(|part| is_word(part))
            || OTHER_CRATES.contains(&parts[0])
        {
            return None;
        }
        let owner = parts[parts.len() - 1];
        let owner = owner.strip_prefix("reveille_").unwrap_or(owner);
        let members = if is_type(owner) { self.types.get(owner) } else { self.modules.get(owner) };
        match members {
            None => Some(format!("`{name}`: there is no `{owner}` in crates/")),
            Some(members) if members.contains(item) => None,
            Some(_) => Some(format!("`{owner}` has no `{item}`")),
        }
    }
}

/// Whether `name` is the end of `path`, or a folder on it.
fn is_at(path: &Path, name: &str) -> bool {
    let parts: Vec<String> = path.iter().map(|part| part.to_string_lossy().into()).collect();
    let wanted: Vec<&str> = name.trim_end_matches('/').split('/').collect();
    let fits =
        |parts: &[String]| parts.iter().zip(&wanted).all(|(part, wanted)| matches(part, wanted));
    if name.ends_with('/') {
        return parts[..parts.len() - 1].windows(wanted.len()).any(fits);
    }
    parts.len() >= wanted.len() && fits(&parts[parts.len() - wanted.len()..])
}

/// Whether a part of a path is `pattern`, in which one `*` matches any letters.
fn matches(part: &str, pattern: &str) -> bool {
    match pattern.split_once('*') {
        None => part == pattern,
        Some((head, tail)) => {
            part.len() >= head.len() + tail.len() && part.starts_with(head) && part.ends_with(tail)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::source;
    use super::*;

    const CODE: &str = "pub struct Pool<T>(T);\nimpl<T> Pool<T> {\n    fn start(&self) {}\n}\n";

    fn complaints(text: &str) -> Vec<(usize, String)> {
        let path = PathBuf::from("crates/runtime/src/blocking/pool.rs");
        let files = vec![File { path, lines: source::parse(CODE) }];
        let tree = Tree { root: PathBuf::from("/nowhere"), files, ..Tree::default() };
        let index = Index::new(&tree);
        let found = references(text).into_iter();
        found.filter_map(|(line, name)| Some((line, index.complaint(&name)?))).collect()
    }

    fn complains(text: &str) -> bool {
        !complaints(text).is_empty()
    }

    #[test]
    fn what_is_there_may_be_named() {
        let names = ["Pool", "Pool::start", "Pool::start()", "pool::Pool", "Arc", "std::a::B"];
        let paths = ["pool.rs", "blocking/pool.rs", "blocking/", "crates/*/src/blocking/p*.rs"];
        for name in names.into_iter().chain(paths).chain(["block_on", "&mut x", "a/b", "COMPLETE"])
        {
            assert!(!complains(&format!("a `{name}` b")), "{name}");
        }
    }

    #[test]
    fn what_is_not_there_is_reported_with_its_line() {
        let paths = ["staff.rs", "multi/pool.rs", "scheduler/", "crates/*/src/p*.rs"];
        let names = ["Staff", "Pool::fill", "Staff::start", "pool::Seat", "staff::Pool"];
        for name in names.into_iter().chain(paths) {
            assert!(complains(&format!("a `{name}` b")), "{name}");
        }
        let text = "The `Pool`\nis a `Roster` here.";
        assert_eq!(complaints(text), [(2, "there is no type `Roster` in crates/".to_owned())]);
    }

    #[test]
    fn blocks_of_code_are_not_read_and_diagrams_are() {
        assert!(!complains("```rust\nlet x = Staff::new(`a`);\n```"));
        assert!(complains("```text\nrun ──► Staff::new, wait\n```"));
        assert!(complains("```text\nPool (staff.rs)\n```"));
        assert!(!complains("```text\nPool::start (pool.rs) Other\n```"));
    }

    #[test]
    fn terms_of_other_runtimes_have_a_column_of_their_own() {
        let table = "| here | elsewhere |\n|---|---|\n| `Pool` | tokio: `Spawner` |\n";
        assert!(!complains(table));
        assert!(complains(&table.replace("`Pool`", "`Staff`")));
        assert!(complains(&format!("{table}\n\nAfter it: `Spawner`.")));
    }
}

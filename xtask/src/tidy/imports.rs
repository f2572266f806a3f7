//! Finds which files of a crate use items of which other files.
//!
//! A path is followed to the file that defines the item: through the modules, and through `pub
//! use`. So a module that only lists and re-exports its parts imports none of them. Calls of
//! methods do not count, because a call does not name the file of the type.

use std::collections::BTreeMap;
use std::path::Path;

use super::tree::{File, Tree};

/// A file of a crate and what it imports.
#[derive(Debug)]
pub(super) struct Imports<'a> {
    pub(super) file: &'a File,
    /// Line numbers, counted from one, and the files that these lines name, as indices into the
    /// list.
    pub(super) targets: Vec<(usize, usize)>,
}

/// The imports of each file under `folder`, the source folder of a crate. Tests are left out.
pub(super) fn of<'a>(tree: &'a Tree, folder: &str) -> Vec<Imports<'a>> {
    let files = tree.files.iter().filter(|file| file.is_under(folder) && !file.is_test());
    of_files(files.collect(), folder)
}

fn of_files<'a>(files: Vec<&'a File>, folder: &str) -> Vec<Imports<'a>> {
    let modules: Vec<Module> = files.iter().map(|file| Module::read(file, folder)).collect();
    let krate = Crate {
        by_path: modules.iter().enumerate().map(|(i, m)| (m.path.clone(), i)).collect(),
        modules: &modules,
    };
    let targets = (0..modules.len()).map(|own| krate.targets(own));
    files.iter().zip(targets).map(|(file, targets)| Imports { file, targets }).collect()
}

type Words = Vec<String>;

/// One file, as a module of its crate.
struct Module {
    path: Words,
    /// The imports by `use`: line, path, name.
    uses: Vec<(usize, Words, String)>,
    /// The names that `pub use` exports. The module's own code may use them too.
    exports: BTreeMap<String, (usize, Words)>,
    /// Each path of two names or more outside of `use`, and each single name.
    paths: Vec<(usize, Words)>,
}

impl Module {
    fn read(file: &File, folder: &str) -> Module {
        let path = file.path.strip_prefix(folder).unwrap_or(&file.path).with_extension("");
        let mut module = Module {
            path: words_of(&path),
            uses: Vec::new(),
            exports: BTreeMap::new(),
            paths: Vec::new(),
        };
        let tests = file.test_modules();
        let is_test = |index| tests.iter().any(|(first, last)| (*first..=*last).contains(&index));
        let mut index = 0;
        while index < file.lines.len() {
            let code = file.lines[index].code.trim();
            if is_test(index) {
                index += 1;
                continue;
            }
            let Some((is_public, rest)) = use_item(code) else {
                module.paths.extend(paths(code).into_iter().map(|path| (index + 1, path)));
                index += 1;
                continue;
            };
            let first = index + 1;
            let mut item = rest.to_owned();
            while !item.contains(';') && index + 1 < file.lines.len() {
                index += 1;
                item.push_str(file.lines[index].code.trim());
            }
            for (path, name) in use_tree(item.trim_end_matches(';')) {
                match is_public {
                    true => _ = module.exports.insert(name, (first, path)),
                    false => module.uses.push((first, path, name)),
                }
            }
            index += 1;
        }
        module
    }
}

/// The module path of a file: `scheduler/multi/mod` is `scheduler`, `multi`; `lib` is the root.
fn words_of(path: &Path) -> Words {
    let mut words: Words = path.iter().map(|word| word.to_string_lossy().into_owned()).collect();
    if words.last().is_some_and(|word| word == "mod" || word == "lib" || word == "main") {
        words.pop();
    }
    words
}

/// Whether a `use` that begins on this line is public, and what follows the keyword.
fn use_item(code: &str) -> Option<(bool, &str)> {
    if let Some(rest) = code.strip_prefix("use ") {
        return Some((false, rest));
    }
    let rest = code.strip_prefix("pub")?;
    let rest = if rest.starts_with('(') { rest.split_once(')')?.1 } else { rest };
    rest.trim_start().strip_prefix("use ").map(|rest| (true, rest))
}

/// The paths of a tree of `use`, each with the name that it gets.
fn use_tree(tree: &str) -> Vec<(Words, String)> {
    let tree = tree.trim();
    if let Some((head, group)) = tree.split_once('{') {
        let head: Words = words_in(head);
        let group = group.trim().strip_suffix('}').unwrap_or(group);
        let items = top_level(group).into_iter().flat_map(|item| use_tree(&item));
        let under = |(path, name): (Words, String)| {
            let is_self = path.len() == 1 && path[0] == "self";
            let path: Words =
                head.iter().cloned().chain(path.into_iter().filter(|_| !is_self)).collect();
            let name = if is_self && name == "self" { path.last().cloned() } else { Some(name) };
            (path, name.unwrap_or_default())
        };
        return items.map(under).collect();
    }
    let (path, name) = match tree.split_once(" as ") {
        Some((path, name)) => (words_in(path), Some(name.trim().to_owned())),
        None => (words_in(tree), None),
    };
    match name.or_else(|| path.last().cloned()) {
        Some(name) => vec![(path, name)],
        None => Vec::new(),
    }
}

fn words_in(path: &str) -> Words {
    path.split("::").map(str::trim).filter(|word| !word.is_empty()).map(str::to_owned).collect()
}

/// The items between the commas of a group that are not in a group of their own.
fn top_level(group: &str) -> Vec<String> {
    let (mut items, mut depth) = (vec![String::new()], 0);
    for letter in group.chars() {
        match letter {
            '{' => depth += 1,
            '}' => depth -= 1,
            ',' if depth == 0 => {
                items.push(String::new());
                continue;
            }
            _ => {}
        }
        items.last_mut().expect("there is one from the start").push(letter);
    }
    items.retain(|item| !item.trim().is_empty());
    items
}

/// The paths in a line of code. Names of fields and methods, which follow a dot, are no paths.
fn paths(code: &str) -> Vec<Words> {
    let mut paths = Vec::new();
    let mut rest = code;
    while let Some(start) = rest.find(is_word) {
        let is_member = rest[..start].ends_with('.') && !rest[..start].ends_with("..");
        rest = &rest[start..];
        let mut end = 0;
        while let Some(after) = rest[end..].chars().next() {
            let is_joint = rest[end..].starts_with("::") && rest[end + 2..].starts_with(is_word);
            match is_joint {
                true => end += 2,
                false if is_word(after) => end += after.len_utf8(),
                false => break,
            }
        }
        if !is_member {
            paths.push(words_in(&rest[..end]));
        }
        rest = &rest[end..];
    }
    paths
}

fn is_word(letter: char) -> bool {
    letter.is_alphanumeric() || letter == '_'
}

/// `pub use` that refer to each other are followed this far.
const EXPORTS_MAX: usize = 8;

struct Crate<'a> {
    modules: &'a [Module],
    by_path: BTreeMap<Words, usize>,
}

impl Crate<'_> {
    /// Lines of a file, and the other files that they name.
    fn targets(&self, own: usize) -> Vec<(usize, usize)> {
        let module = &self.modules[own];
        let mut targets = Vec::new();
        let mut note = |line: usize, path: &[String]| {
            let target = self.resolve(own, path, 0).filter(|target| *target != own);
            targets.extend(target.map(|target| (line, target)));
        };
        for (line, path, _) in &module.uses {
            note(*line, path);
        }
        for (line, path) in &module.paths {
            note(*line, path);
            let imported = module.uses.iter().find(|(_, _, name)| *name == path[0]);
            if let Some((_, before, _)) = imported.filter(|_| path.len() > 1) {
                note(*line, &[before, &path[1..]].concat());
            }
            if let Some((_, before)) = module.exports.get(&path[0]) {
                note(*line, before);
            }
        }
        targets.sort_unstable();
        targets.dedup();
        targets
    }

    /// The file that defines the item at `path`, seen from the file `from`. `None` for another
    /// crate, and for a module as a whole, because the items that are used of it are resolved on
    /// their own.
    fn resolve(&self, from: usize, path: &[String], exports: usize) -> Option<usize> {
        let own = &self.modules[from].path;
        let supers = path.iter().take_while(|word| *word == "super").count();
        let (mut module, mut rest) = match path.first()?.as_str() {
            "crate" => (Vec::new(), &path[1..]),
            "self" => (own.clone(), &path[1..]),
            "super" => (own[..own.len().checked_sub(supers)?].to_vec(), &path[supers..]),
            _ => (own.clone(), path),
        };
        let is_relative = rest.len() == path.len();
        let begin = module.len();
        while let Some(word) = rest.first() {
            module.push(word.clone());
            if !self.by_path.contains_key(&module) {
                module.pop();
                break;
            }
            rest = &rest[1..];
        }
        let item = rest.first()?;
        if is_relative && module.len() == begin {
            return None;
        }
        let file = *self.by_path.get(&module)?;
        let exported = self.modules[file].exports.get(item);
        let followed = exported
            .filter(|_| exports < EXPORTS_MAX)
            .and_then(|(_, path)| self.resolve(file, &[path, &rest[1..]].concat(), exports + 1));
        followed.or(Some(file))
    }
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;
    use crate::tidy::source;

    /// The imports of the last file, as paths.
    fn imports(files: &[(&str, &str)]) -> Vec<(usize, String)> {
        let files: Vec<File> = files
            .iter()
            .map(|(path, text)| File { path: PathBuf::from(path), lines: source::parse(text) })
            .collect();
        let imports = of_files(files.iter().collect(), "src");
        let path = |file: &File| file.path.to_string_lossy().into_owned();
        let last = imports.last().expect("there are files");
        last.targets.iter().map(|(line, file)| (*line, path(imports[*file].file))).collect()
    }

    const LOW: (&str, &str) = ("src/a/low.rs", "pub struct Low;");
    const LIST: (&str, &str) = ("src/a/mod.rs", "mod low;\npub(crate) use low::Low;\n");

    #[test]
    fn a_path_is_followed_to_the_file_that_defines_the_item() {
        let low = vec![(1, "src/a/low.rs".to_owned())];
        let of = |text| imports(&[LOW, LIST, ("src/a/high.rs", text)]);
        assert_eq!(of("use super::low::Low;"), low);
        assert_eq!(of("use super::{\n    Low,\n    other::X,\n};")[0], low[0]);
        assert_eq!(of("use crate::a::Low as L;"), low);
        assert_eq!(of("fn f() { super::low::g() }"), low);
        assert_eq!(of("use std::io;\nfn low() { self.low.super_low() }"), []);
    }

    #[test]
    fn a_module_is_imported_where_something_of_it_is_used() {
        let of = |text| imports(&[LOW, LIST, ("src/a/high.rs", text)]);
        assert_eq!(of("use super::low;\n"), []);
        assert_eq!(of("use super::low;\nfn f() { low::g() }"), [(2, "src/a/low.rs".to_owned())]);
        let through = of("use crate::a::{self, Low};\nfn f() -> a::Low {}");
        assert_eq!(through.len(), 2, "{through:?}");
    }

    #[test]
    fn a_list_of_modules_imports_none_of_them() {
        assert_eq!(imports(&[LOW, LIST]), []);
        let user = ("src/a/mod.rs", "mod low;\npub use low::Low;\nfn f(low: Low) {}\n");
        assert_eq!(imports(&[LOW, user]), [(3, "src/a/low.rs".to_owned())]);
    }

    #[test]
    fn tests_import_what_they_like() {
        let text = "mod tests {\n    use super::super::low::Low;\n}";
        assert_eq!(imports(&[LOW, LIST, ("src/a/high.rs", text)]), []);
    }
}

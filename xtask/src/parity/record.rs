//! Writes the list of async-std's public items, from rustdoc's JSON of the real one.
//!
//! A module is walked by what it exports; what comes from another crate is looked up there, as if
//! async-std had defined it. Of impls only those without type parameters can be asked for later,
//! and only they are listed.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::PathBuf;

use crate::shell;

use super::json::{self, Json};
use super::quoted;

/// Crates that are not looked into: their items are reexports, and facts.
const STD: [&str; 3] = ["std", "core", "alloc"];

/// Traits that only std may name.
const SEALED: [&str; 3] = ["Freeze", "StructuralPartialEq", "UnsafeUnpin"];

/// An item: the crate that defines it, and its number there.
type Id = (String, String);

/// What one set of features shows.
struct Lister {
    project: PathBuf,
    crates: BTreeMap<String, Json>,
    /// The public paths of what has impls or members.
    paths: BTreeMap<Id, BTreeSet<String>>,
    keys: BTreeSet<String>,
}

/// Returns the keys of the public items, with these features.
pub(super) fn list(features: &str) -> Result<BTreeSet<String>, String> {
    let project = shell::target_dir().join("parity-record");
    let features = quoted(features);
    let manifest = format!(
        "[package]\nname = \"record\"\nversion = \"0.0.0\"\nedition = \"2021\"\n[workspace]\n\
         [dependencies]\nasync-std = {{ version = \"=1.13.2\", features = [{features}] }}\n"
    );
    let write = || {
        fs::create_dir_all(project.join("src"))?;
        fs::write(project.join("src/lib.rs"), "")?;
        fs::write(project.join("Cargo.toml"), manifest)
    };
    write().map_err(|error| format!("cannot write {}: {error}", project.display()))?;
    let (crates, paths, keys) = (BTreeMap::new(), BTreeMap::new(), BTreeSet::new());
    let mut lister = Lister { project, crates, paths, keys };
    lister.load("async_std")?;
    let root = text(lister.crates["async_std"].get("root"));
    lister.module(&("async_std".to_owned(), root), "crate")?;
    lister.members()?;
    Ok(lister.keys)
}

fn text(json: &Json) -> String {
    json.text().unwrap_or_default().to_owned()
}

/// The public path of an item of std, of which rustdoc knows where it is defined. What matters
/// here is exported by the first module on that way, or a later one of `os`.
fn std_path(path: &[String]) -> String {
    let (Some((first, modules)), Some(name)) = (path.split_first(), path.last()) else {
        return String::new();
    };
    if !STD.contains(&first.as_str()) {
        return path.join("::");
    }
    let modules = &modules[..modules.len().saturating_sub(1)];
    let depth = match modules {
        [first, second, ..] if first == "os" && second == "fd" => 2,
        [first, ..] if first == "os" => 3,
        _ => 1,
    };
    let modules = &modules[..depth.min(modules.len())];
    format!("std::{}", [modules, std::slice::from_ref(name)].concat().join("::"))
}

impl Lister {
    /// Has rustdoc describe a crate of the tree.
    fn load(&mut self, name: &str) -> Result<(), String> {
        if STD.contains(&name) || self.crates.contains_key(name) {
            return Ok(());
        }
        let mut cargo = shell::cargo();
        cargo.args(["doc", "--quiet", "--no-deps", "--lib", "-p", &self.package(name)?]);
        cargo.current_dir(&self.project).env("CARGO_TARGET_DIR", self.project.join("target"));
        // The format is for nightly compilers, unless one insists.
        cargo.env("RUSTC_BOOTSTRAP", "1");
        cargo.env("RUSTDOCFLAGS", "-Zunstable-options --output-format=json --cap-lints=allow");
        shell::output(&mut cargo)?;
        let path = self.project.join(format!("target/doc/{name}.json"));
        let text = fs::read_to_string(&path);
        let text = text.map_err(|error| format!("cannot read {}: {error}", path.display()))?;
        let json = json::parse(&text).ok_or_else(|| format!("{} is no JSON", path.display()))?;
        self.crates.insert(name.to_owned(), json);
        Ok(())
    }

    /// The package of a crate that async-std depends on itself, as `name@version`.
    fn package(&self, name: &str) -> Result<String, String> {
        let mut cargo = shell::cargo();
        cargo.args(shell::words("tree --quiet -p async-std -e normal --depth 1 --prefix none"));
        let tree = shell::output(cargo.current_dir(&self.project))?;
        let mut packages = tree.lines().filter_map(|line| {
            let mut words = line.split(' ');
            let (package, version) = (words.next()?, words.next()?.trim_start_matches('v'));
            (package.replace('-', "_") == name).then(|| format!("{package}@{version}"))
        });
        packages.next().ok_or_else(|| format!("async-std does not depend on {name}"))
    }

    fn item(&self, id: &Id) -> Option<&Json> {
        let item = self.crates.get(&id.0)?.get("index").get(&id.1);
        (*item != Json::Null).then_some(item)
    }

    /// Finds where an item is defined that `from` mentions; an item of std is only a path.
    fn resolve(&mut self, from: &str, number: &str) -> Result<Result<Id, String>, String> {
        let here = (from.to_owned(), number.to_owned());
        if self.item(&here).is_some() {
            return Ok(Ok(here));
        }
        let known = self.crates[from].get("paths").get(number);
        let path: Vec<String> = known.get("path").list().iter().map(text).collect();
        let kind = text(known.get("kind"));
        let (Some(name), Some(last)) = (path.first().cloned(), path.last().cloned()) else {
            return Ok(Err(String::new()));
        };
        if STD.contains(&name.as_str()) || name == from {
            return Ok(Err(std_path(&path)));
        }
        self.load(&name)?;
        let there = &self.crates[&name];
        let is_it = |(number, entry): &(&str, &Json)| {
            text(entry.get("kind")) == kind
                && entry.get("path").list().last().and_then(Json::text) == Some(&last)
                && *there.get("index").get(number) != Json::Null
        };
        let found = there.get("paths").members().find(is_it).map(|(number, _)| number.to_owned());
        Ok(found.map(|number| (name, number)).ok_or_else(|| std_path(&path)))
    }

    /// Lists what a module exports under `path`.
    fn module(&mut self, id: &Id, path: &str) -> Result<(), String> {
        self.keys.insert(format!("mod {path}"));
        let item = self.item(id).ok_or("rustdoc leaves a module out")?;
        let module = item.get("inner").get("module");
        let children: Vec<String> = module.get("items").list().iter().map(text).collect();
        for number in children {
            let child = (id.0.clone(), number);
            let Some(item) = self.item(&child) else { continue };
            let reexport = item.get("inner").get("use");
            if *reexport == Json::Null {
                let path = format!("{path}::{}", text(item.get("name")));
                self.export(&child, &path)?;
                continue;
            }
            let (name, number) = (text(reexport.get("name")), text(reexport.get("id")));
            let is_glob = reexport.get("is_glob").is_true();
            match (self.resolve(&id.0, &number)?, is_glob) {
                (Ok(target), true) => self.module(&target, path)?,
                (Ok(target), false) if name != "_" => {
                    self.export(&target, &format!("{path}::{name}"))?;
                }
                (Err(_), false) if name != "_" => {
                    self.keys.insert(format!("reexport {path}::{name}"));
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// Lists one item under `path`.
    fn export(&mut self, id: &Id, path: &str) -> Result<(), String> {
        let Some(item) = self.item(id) else { return Ok(()) };
        let Some((kind, _)) = item.get("inner").variant() else { return Ok(()) };
        let kind = kind.to_owned();
        let kind = match kind.as_str() {
            "module" => return self.module(&id.clone(), path),
            "function" => "fn",
            "type_alias" => "type",
            "proc_macro" => "attr-macro",
            "struct" | "enum" | "trait" | "macro" => {
                self.paths.entry(id.clone()).or_default().insert(path.to_owned());
                &kind
            }
            _ => return Ok(()),
        };
        self.keys.insert(format!("{kind} {path}"));
        Ok(())
    }

    /// The shortest public path of an item, not through the prelude.
    fn path(&self, id: &Id) -> Option<&str> {
        let paths = self.paths.get(id)?.iter().map(String::as_str);
        paths.min_by_key(|path| (path.contains("::prelude::"), path.matches("::").count()))
    }

    /// Lists methods, variants, items of traits, and impls.
    fn members(&mut self) -> Result<(), String> {
        let ids: Vec<Id> = self.paths.keys().cloned().collect();
        for id in ids {
            let path = self.path(&id).unwrap_or_default().to_owned();
            let inner = self.item(&id).map(|item| item.get("inner"));
            let Some((kind, content)) = inner.and_then(Json::variant) else { continue };
            let kind = kind.to_owned();
            let field = |name: &str| content.get(name).list().iter().map(text).collect::<Vec<_>>();
            let (items, variants) = (field("items"), field("variants"));
            let impls = [field("impls"), field("implementations")].concat();
            for number in items.iter().chain(&variants) {
                let member = (id.0.clone(), number.clone());
                let Some(item) = self.item(&member) else { continue };
                let word = match (kind.as_str(), item.get("inner").variant()) {
                    ("enum", _) => "variant",
                    (_, Some(("function", _))) => "trait-fn",
                    (_, Some(("assoc_type", _))) => "assoc-type",
                    _ => continue,
                };
                let name = text(item.get("name"));
                self.keys.insert(format!("{word} {path}::{name}"));
            }
            for number in impls {
                self.an_impl(&(id.0.clone(), number), &path)?;
            }
        }
        Ok(())
    }

    fn an_impl(&mut self, id: &Id, path: &str) -> Result<(), String> {
        let Some(item) = self.item(id) else { return Ok(()) };
        let content = item.get("inner").get("impl");
        let is_plain = content.get("generics").get("params").list().iter().all(|parameter| {
            *parameter.get("kind").get("type") == Json::Null
                && *parameter.get("kind").get("const") == Json::Null
        });
        if *content.get("trait") == Json::Null {
            let methods: Vec<String> = content.get("items").list().iter().map(text).collect();
            for number in methods {
                let Some(item) = self.item(&(id.0.clone(), number)) else { continue };
                let is_public = item.get("visibility").text() == Some("public");
                if is_public && *item.get("inner").get("function") != Json::Null {
                    let name = text(item.get("name"));
                    self.keys.insert(format!("method {path}::{name}"));
                }
            }
            return Ok(());
        }
        let of = content.get("trait").get("path").text().unwrap_or_default();
        let is_sealed = SEALED.iter().any(|name| of.ends_with(name));
        if content.get("is_negative").is_true() || !is_plain || is_sealed {
            return Ok(());
        }
        let word = if content.get("is_synthetic").is_true() { "auto-impl" } else { "impl" };
        let (of, on) = (content.get("trait").clone(), content.get("for").clone());
        let (of, on) = (self.named(&id.0, &of)?, self.render(&id.0, &on)?);
        if let (Some(of), Some(on)) = (of, on) {
            self.keys.insert(format!("{word} {of} for {on}"));
        }
        Ok(())
    }

    /// Writes a type as a program can, with `'static` for every lifetime. `None` if none can.
    fn render(&mut self, from: &str, json: &Json) -> Result<Option<String>, String> {
        let Some((kind, content)) = json.variant() else { return Ok(None) };
        let each = |lister: &mut Lister, list: &[Json]| {
            list.iter().map(|json| lister.render(from, json)).collect::<Result<Option<Vec<_>>, _>>()
        };
        Ok(match kind {
            "primitive" => Some(text(content)),
            "resolved_path" => self.named(from, content)?,
            "tuple" => each(self, content.list())?.map(|types| format!("({})", types.join(", "))),
            "slice" => self.render(from, content)?.map(|of| format!("[{of}]")),
            "borrowed_ref" => {
                let of = self.render(from, content.get("type"))?;
                let mutable = if content.get("is_mutable").is_true() { "mut " } else { "" };
                of.map(|of| format!("&'static {mutable}{of}"))
            }
            _ => None,
        })
    }

    /// Writes the path of a type or trait with its arguments.
    fn named(&mut self, from: &str, json: &Json) -> Result<Option<String>, String> {
        let name = match self.resolve(from, &text(json.get("id")))? {
            Ok(id) => self.path(&id).map(str::to_owned),
            Err(path) => Some(path),
        };
        let Some(name) = name.filter(|name| !name.is_empty()) else { return Ok(None) };
        let arguments = json.get("args").get("angle_bracketed").get("args").list();
        let mut words = Vec::new();
        for argument in arguments {
            let word = match *argument.get("type") {
                Json::Null => Some("'static".to_owned()),
                ref json => self.render(from, json)?,
            };
            let Some(word) = word else { return Ok(None) };
            words.push(word);
        }
        Ok(Some(match words.is_empty() {
            true => name,
            false => format!("{name}<{}>", words.join(", ")),
        }))
    }
}

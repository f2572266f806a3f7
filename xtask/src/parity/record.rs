//! Writes the list of async-std's public items, from rustdoc's JSON of the real crate.
//!
//! For each module, this lists what it exports. An item of another crate is looked up there, as if
//! async-std had defined it. Only impls without type parameters are listed, because only these can
//! be checked later.
//!
//! Rejected: the crate `rustdoc-types`. Each version of it describes the format of a few compilers,
//! so the list could be recorded with those alone. The fields that are used here seldom change.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::PathBuf;

use serde_json::Value;

use crate::shell;

use super::quoted;

/// Crates that rustdoc is not run on. Their items are recorded as re-exports, by their paths.
const STD: [&str; 3] = ["std", "core", "alloc"];

/// Traits that stable code cannot name.
const SEALED: [&str; 3] = ["Freeze", "StructuralPartialEq", "UnsafeUnpin"];

/// An item: the crate that defines it, and its number there.
type Id = (String, String);

/// The items with one set of features.
struct Lister {
    project: PathBuf,
    crates: BTreeMap<String, Value>,
    /// The public paths of items that have impls or members.
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
    let root = text(&lister.crates["async_std"]["root"]);
    lister.module(&("async_std".to_owned(), root), "crate")?;
    lister.members()?;
    Ok(lister.keys)
}

/// The text of a string or the digits of a number, which both serve as names here.
fn text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Number(number) => number.to_string(),
        _ => String::new(),
    }
}

fn values(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

/// The texts of a list.
fn texts(value: &Value) -> Vec<String> {
    values(value).iter().map(text).collect()
}

/// The name and the content of an object with one member.
fn variant(value: &Value) -> Option<(&str, &Value)> {
    let (name, content) = value.as_object()?.iter().next()?;
    Some((name, content))
}

fn is_true(value: &Value) -> bool {
    value == true
}

/// The public path of an item of std, of which rustdoc gives the path of the definition. The items
/// that matter here are exported by the first module of that path or, in `os`, by a later one.
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
    /// Runs rustdoc on a crate of the dependency tree and reads its JSON.
    fn load(&mut self, name: &str) -> Result<(), String> {
        if STD.contains(&name) || self.crates.contains_key(name) {
            return Ok(());
        }
        let mut cargo = shell::cargo();
        cargo.args(["doc", "--quiet", "--no-deps", "--lib", "-p", &self.package(name)?]);
        cargo.current_dir(&self.project).env("CARGO_TARGET_DIR", self.project.join("target"));
        // The format is unstable; this variable allows it on a stable compiler.
        cargo.env("RUSTC_BOOTSTRAP", "1");
        cargo.env("RUSTDOCFLAGS", "-Zunstable-options --output-format=json --cap-lints=allow");
        shell::output(&mut cargo)?;
        let path = self.project.join(format!("target/doc/{name}.json"));
        let text = fs::read_to_string(&path);
        let text = text.map_err(|error| format!("cannot read {}: {error}", path.display()))?;
        let json = serde_json::from_str(&text);
        let json = json.map_err(|error| format!("cannot parse {}: {error}", path.display()))?;
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

    fn item(&self, id: &Id) -> Option<&Value> {
        let item = &self.crates.get(&id.0)?["index"][&id.1];
        (!item.is_null()).then_some(item)
    }

    /// Finds the definition of an item that `from` mentions. For an item of std this is only a
    /// path.
    fn resolve(&mut self, from: &str, number: &str) -> Result<Result<Id, String>, String> {
        let here = (from.to_owned(), number.to_owned());
        if self.item(&here).is_some() {
            return Ok(Ok(here));
        }
        let known = &self.crates[from]["paths"][number];
        let path: Vec<String> = texts(&known["path"]);
        let kind = text(&known["kind"]);
        let (Some(name), Some(last)) = (path.first().cloned(), path.last().cloned()) else {
            return Ok(Err(String::new()));
        };
        if STD.contains(&name.as_str()) || name == from {
            return Ok(Err(std_path(&path)));
        }
        self.load(&name)?;
        let there = &self.crates[&name];
        let is_it = |(number, entry): &(&String, &Value)| {
            text(&entry["kind"]) == kind
                && values(&entry["path"]).last().map(text).as_ref() == Some(&last)
                && !there["index"][*number].is_null()
        };
        let found = there["paths"].as_object().and_then(|paths| paths.iter().find(is_it));
        let found = found.map(|(number, _)| number.clone());
        Ok(found.map(|number| (name, number)).ok_or_else(|| std_path(&path)))
    }

    /// Lists what a module exports under `path`.
    fn module(&mut self, id: &Id, path: &str) -> Result<(), String> {
        self.keys.insert(format!("mod {path}"));
        let item = self.item(id).ok_or("rustdoc leaves a module out")?;
        let module = &item["inner"]["module"];
        let children: Vec<String> = texts(&module["items"]);
        for number in children {
            let child = (id.0.clone(), number);
            let Some(item) = self.item(&child) else { continue };
            let reexport = &item["inner"]["use"];
            if reexport.is_null() {
                let path = format!("{path}::{}", text(&item["name"]));
                self.export(&child, &path)?;
                continue;
            }
            let (name, number) = (text(&reexport["name"]), text(&reexport["id"]));
            let is_glob = is_true(&reexport["is_glob"]);
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
        let Some((kind, _)) = variant(&item["inner"]) else { return Ok(()) };
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

    /// The shortest public path of an item that does not go through the prelude.
    fn path(&self, id: &Id) -> Option<&str> {
        let paths = self.paths.get(id)?.iter().map(String::as_str);
        paths.min_by_key(|path| (path.contains("::prelude::"), path.matches("::").count()))
    }

    /// Lists methods, variants, items of traits, and impls.
    fn members(&mut self) -> Result<(), String> {
        let ids: Vec<Id> = self.paths.keys().cloned().collect();
        for id in ids {
            let path = self.path(&id).unwrap_or_default().to_owned();
            let inner = self.item(&id).map(|item| &item["inner"]);
            let Some((kind, content)) = inner.and_then(variant) else { continue };
            let kind = kind.to_owned();
            let field = |name: &str| texts(&content[name]);
            let (items, variants) = (field("items"), field("variants"));
            let impls = [field("impls"), field("implementations")].concat();
            for number in items.iter().chain(&variants) {
                let member = (id.0.clone(), number.clone());
                let Some(item) = self.item(&member) else { continue };
                let word = match (kind.as_str(), variant(&item["inner"])) {
                    ("enum", _) => "variant",
                    (_, Some(("function", _))) => "trait-fn",
                    (_, Some(("assoc_type", _))) => "assoc-type",
                    _ => continue,
                };
                let name = text(&item["name"]);
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
        let content = &item["inner"]["impl"];
        let is_plain = values(&content["generics"]["params"]).iter().all(|parameter| {
            parameter["kind"]["type"].is_null() && parameter["kind"]["const"].is_null()
        });
        if content["trait"].is_null() {
            let methods: Vec<String> = texts(&content["items"]);
            for number in methods {
                let Some(item) = self.item(&(id.0.clone(), number)) else { continue };
                let is_public = item["visibility"] == "public";
                if is_public && !item["inner"]["function"].is_null() {
                    let name = text(&item["name"]);
                    self.keys.insert(format!("method {path}::{name}"));
                }
            }
            return Ok(());
        }
        let of = content["trait"]["path"].as_str().unwrap_or_default();
        let is_sealed = SEALED.iter().any(|name| of.ends_with(name));
        if is_true(&content["is_negative"]) || !is_plain || is_sealed {
            return Ok(());
        }
        let word = if is_true(&content["is_synthetic"]) { "auto-impl" } else { "impl" };
        let (of, on) = (content["trait"].clone(), content["for"].clone());
        let (of, on) = (self.named(&id.0, &of)?, self.render(&id.0, &on)?);
        if let (Some(of), Some(on)) = (of, on) {
            self.keys.insert(format!("{word} {of} for {on}"));
        }
        Ok(())
    }

    /// Writes a type as source code, with `'static` for every lifetime. `None` if that is not
    /// possible.
    fn render(&mut self, from: &str, json: &Value) -> Result<Option<String>, String> {
        let Some((kind, content)) = variant(json) else { return Ok(None) };
        let each = |lister: &mut Lister, list: &[Value]| {
            list.iter().map(|json| lister.render(from, json)).collect::<Result<Option<Vec<_>>, _>>()
        };
        Ok(match kind {
            "primitive" => Some(text(content)),
            "resolved_path" => self.named(from, content)?,
            "tuple" => each(self, values(content))?.map(|types| format!("({})", types.join(", "))),
            "slice" => self.render(from, content)?.map(|of| format!("[{of}]")),
            "borrowed_ref" => {
                let of = self.render(from, &content["type"])?;
                let mutable = if is_true(&content["is_mutable"]) { "mut " } else { "" };
                of.map(|of| format!("&'static {mutable}{of}"))
            }
            _ => None,
        })
    }

    /// Writes the path of a type or trait with its arguments.
    fn named(&mut self, from: &str, json: &Value) -> Result<Option<String>, String> {
        let name = match self.resolve(from, &text(&json["id"]))? {
            Ok(id) => self.path(&id).map(str::to_owned),
            Err(path) => Some(path),
        };
        let Some(name) = name.filter(|name| !name.is_empty()) else { return Ok(None) };
        let arguments = values(&json["args"]["angle_bracketed"]["args"]);
        let mut words = Vec::new();
        for argument in arguments {
            let word = match argument["type"] {
                Value::Null => Some("'static".to_owned()),
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

//! Checks that the shim has the public items of async-std.
//!
//! `tests/parity/async_std.txt` lists the public items of async-std 1.13.2. For each set of
//! features this writes two programs that only name items, one on each line, and the compiler
//! reports the lines with unknown items. The first program imports items, the second one names
//! methods and impls of those that were found. The results go to `PARITY.md`, with the deliberate
//! differences.
//!
//! The list is made by `--record`, from rustdoc's JSON of the real crate.
//!
//! Rejected: comparing that JSON each time, because its format changes with the compiler. This
//! check does not compare signatures. The examples and the dependents do that.

mod record;

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::process::Stdio;

use crate::shell::{self, Outcome};

/// The error codes for a type that cannot be inferred, which is normal for an item that is named
/// and not used. Any other error at an item's line means that the shim does not have the item.
const INFERENCE: [&str; 4] = ["E0282", "E0283", "E0284", "E0790"];

/// The head of the list.
const HEADER: &str = "\
# The public items of async-std 1.13.2: names only, as `cargo xtask parity --record` lists them.
# First column: the features that show it. A third column excuses an item, and says why.
";

/// One line of the list.
struct Item {
    is_unstable: bool,
    key: String,
    /// The reason why it may be missing or different.
    excuse: Option<String>,
}

/// The result for one set of features.
struct Found {
    features: &'static str,
    wanted: usize,
    checked: usize,
    missing: Vec<String>,
}

/// Checks both sets of features and writes `PARITY.md`.
pub(crate) fn run() -> Outcome {
    let list = read("tests/parity/async_std.txt")?;
    let items: Vec<Item> = list.lines().filter_map(parse).collect();
    let found = [check(&items, "")?, check(&items, "unstable,attributes")?];
    let report = report(&items, &found, &read("tests/parity/differences.md")?);
    let path = shell::root().join("PARITY.md");
    fs::write(&path, report).map_err(|error| format!("cannot write PARITY.md: {error}"))?;
    let missing: Vec<&str> =
        found.iter().flat_map(|found| &found.missing).map(String::as_str).collect();
    match missing.is_empty() {
        true => Ok(()),
        false => Err(format!("{} items are missing:\n  {}", missing.len(), missing.join("\n  "))),
    }
}

/// Records the items of the real async-std again, and keeps the recorded differences.
pub(crate) fn record() -> Outcome {
    let path = "tests/parity/async_std.txt";
    let old: Vec<Item> = read(path)?.lines().filter_map(parse).collect();
    let excuse = |key: &str| old.iter().find(|item| item.key == key)?.excuse.as_deref();
    let (stable, all) = (record::list("")?, record::list("unstable,attributes")?);
    let mut text = String::from(HEADER);
    for key in &all {
        let column = if stable.contains(key) { "default" } else { "unstable" };
        let excuse = excuse(key).map(|excuse| format!("\t{excuse}")).unwrap_or_default();
        let _ = writeln!(text, "{column}\t{key}{excuse}");
    }
    fs::write(shell::root().join(path), text)
        .map_err(|error| format!("cannot write {path}: {error}"))?;
    println!("{} items, {} of them by default", all.len(), stable.len());
    Ok(())
}

fn read(path: &str) -> Result<String, String> {
    fs::read_to_string(shell::root().join(path))
        .map_err(|error| format!("cannot read {path}: {error}"))
}

/// Parses a line of the list. Returns `None` for a comment.
fn parse(line: &str) -> Option<Item> {
    let mut columns = line.split('\t');
    let is_unstable = match columns.next()? {
        "default" => false,
        "unstable" => true,
        _ => return None,
    };
    let key = columns.next()?.to_owned();
    Some(Item { is_unstable, key, excuse: columns.next().map(str::to_owned) })
}

/// Checks all items of these features.
fn check(items: &[Item], features: &'static str) -> Result<Found, String> {
    let wanted: Vec<&Item> =
        items.iter().filter(|item| !features.is_empty() || !item.is_unstable).collect();
    let folder = shell::target_dir().join(format!("parity-{}", features.replace(',', "-")));
    let uses = lines(&wanted, import);
    let mut missing = compile(&folder, features, &uses)?;
    let known: Vec<&&Item> = wanted
        .iter()
        .filter(|item| !missing.iter().any(|name| is_within(&item.key, name)))
        .collect();
    let known: Vec<&Item> = known.into_iter().copied().collect();
    let members = lines(&known, member);
    missing.extend(compile(&folder, features, &members)?);
    missing.retain(|key| items.iter().any(|item| item.key == *key && item.excuse.is_none()));
    missing.sort();
    missing.dedup();
    Ok(Found { features, wanted: wanted.len(), checked: uses.len() + members.len(), missing })
}

/// Whether `key` is a member or an impl of the item with the key `missing`.
fn is_within(key: &str, missing: &str) -> bool {
    let path = missing.rsplit(' ').next().unwrap_or(missing);
    key != missing && key.contains(path)
}

/// The program with a line for each item for which `line` returns one.
fn lines(
    items: &[&Item],
    line: fn(usize, &str, &str) -> Option<String>,
) -> BTreeMap<String, String> {
    let each = items.iter().enumerate().filter_map(|(number, item)| {
        let (kind, path) = item.key.split_once(' ')?;
        let path = path.replace("crate::", "async_std::");
        Some((item.key.clone(), line(number, kind, &path)?))
    });
    each.collect()
}

/// The line that imports an item.
fn import(number: usize, kind: &str, path: &str) -> Option<String> {
    let kinds = ["mod", "struct", "enum", "trait", "fn", "reexport", "macro", "attr-macro", "type"];
    let path = path.trim_end_matches('!');
    (kinds.contains(&kind) && path.contains("::"))
        .then(|| format!("pub use {path} as item_{number};"))
}

/// The line that names a method, or requires an impl.
fn member(number: usize, kind: &str, path: &str) -> Option<String> {
    match kind {
        "method" | "trait-fn" | "variant" => {
            Some(format!("pub fn item_{number}() {{ let _ = {path}; }}"))
        }
        "impl" | "auto-impl" => {
            let (name, of) = path.split_once(" for ")?;
            Some(format!(
                "pub fn item_{number}() {{ fn is<T: {name} + ?Sized>() {{}} is::<{of}>(); }}"
            ))
        }
        _ => None,
    }
}

/// Writes the features as a manifest's list has them, without its brackets.
fn quoted(features: &str) -> String {
    let names = features.split(',').filter(|name| !name.is_empty());
    names.map(|name| format!("{name:?}")).collect::<Vec<_>>().join(", ")
}

/// Compiles a program of these lines, and returns the items that the compiler does not find.
fn compile(
    folder: &Path,
    features: &str,
    program: &BTreeMap<String, String>,
) -> Result<Vec<String>, String> {
    let shim = shell::root().join("crates/async-std");
    let features = quoted(features);
    let manifest = format!(
        "[package]\nname = \"parity\"\nversion = \"0.0.0\"\nedition = \"2021\"\n[workspace]\n\
         [dependencies]\nasync-std = {{ path = {shim:?}, features = [{features}] }}\n"
    );
    let mut source = String::from("#![allow(unused, ambiguous_glob_reexports)]\n");
    program.values().for_each(|line| source.extend([line, "\n"]));
    let write = || {
        fs::create_dir_all(folder.join("src"))?;
        fs::copy(shell::root().join("Cargo.lock"), folder.join("Cargo.lock"))?;
        fs::write(folder.join("Cargo.toml"), &manifest)?;
        fs::write(folder.join("src/lib.rs"), &source)
    };
    write().map_err(|error| format!("cannot write {}: {error}", folder.display()))?;
    let mut cargo = shell::cargo();
    cargo.args(["check", "--quiet", "--message-format", "short", "--manifest-path"]);
    cargo
        .arg(folder.join("Cargo.toml"))
        .env("CARGO_TARGET_DIR", shell::target_dir().join("parity"));
    let output = cargo.stdout(Stdio::null()).output();
    let output = output.map_err(|error| format!("cannot start cargo: {error}"))?;
    let messages = String::from_utf8_lossy(&output.stderr);
    if !output.status.success() && !messages.contains("src/lib.rs:") {
        return Err(format!("the shim does not compile:\n{messages}"));
    }
    let keys: Vec<&String> = program.keys().collect();
    Ok(messages
        .lines()
        .filter_map(complaint)
        .filter_map(|line| keys.get(line - 2).copied().cloned())
        .collect())
}

/// The line of the program that this message reports as unknown.
fn complaint(message: &str) -> Option<usize> {
    let (place, text) = message.split_once(": error[")?;
    let code = text.split(']').next()?;
    let mut place = place.split(':');
    let is_ours = place.next()?.ends_with("src/lib.rs");
    let line = place.next()?.parse().ok()?;
    (is_ours && line >= 2 && !INFERENCE.contains(&code)).then_some(line)
}

/// The contents of `PARITY.md`.
fn report(items: &[Item], found: &[Found], differences: &str) -> String {
    let mut text = String::from(
        "# Parity with async-std 1.13.2\n\nWritten by `cargo xtask parity`. The list of items is \
         `tests/parity/async_std.txt`; of each, the\ncompiler was asked whether the shim has it. \
         Signatures are checked by the programs that use them.\n\n\
         | features | items listed | asked for | missing |\n|---|---:|---:|---:|\n",
    );
    for found in found {
        let features = if found.features.is_empty() { "default" } else { found.features };
        let (wanted, checked, missing) = (found.wanted, found.checked, found.missing.len());
        let _ = writeln!(text, "| {features} | {wanted} | {checked} | {missing} |");
    }
    let excused: Vec<&Item> = items.iter().filter(|item| item.excuse.is_some()).collect();
    if !excused.is_empty() {
        text.push_str("\n## Items\n\n| item | |\n|---|---|\n");
        for item in excused {
            let _ = writeln!(text, "| `{}` | {} |", item.key, item.excuse.as_deref().unwrap_or(""));
        }
    }
    text.push('\n');
    text.push_str(differences);
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_inference_is_forgiven() {
        let line = "src/lib.rs:7:28: error[E0277]: `Rc<u8>` cannot be sent";
        assert_eq!(complaint(line), Some(7));
        assert_eq!(complaint(&line.replace("E0277", "E0432")), Some(7));
        assert_eq!(complaint(&line.replace("E0277", "E0283")), None);
        assert_eq!(complaint(&line.replace("src/lib.rs", "src/net.rs")), None);
        assert_eq!(complaint("src/lib.rs:7:28: warning: unused import"), None);
    }

    #[test]
    fn the_list_asks_for_almost_all_that_it_has() {
        let list = read("tests/parity/async_std.txt").unwrap();
        let items: Vec<Item> = list.lines().filter_map(parse).collect();
        let items: Vec<&Item> = items.iter().collect();
        let asked = lines(&items, import).len() + lines(&items, member).len();
        assert!(items.len() > 1_200, "{} items", items.len());
        // The remaining kinds cannot be imported: associated types, and the crate.
        assert!(items.len() - asked <= 8, "{asked} of {} asked for", items.len());
    }
}

//! Every file begins with a `//!` that says what it is for, and is a module of a crate.

use std::path::{Path, PathBuf};

use super::Problem;
use super::tree::{File, Tree};

/// Names of files that cargo finds by itself.
const ROOTS: [&str; 3] = ["lib.rs", "main.rs", "build.rs"];

pub(super) fn check(tree: &Tree) -> Vec<Problem> {
    let mut problems = Vec::new();
    for file in &tree.files {
        if !has_header(file) {
            let message = "begins without a `//!` that says what the file is for";
            problems.push(Problem::new(&file.path, message));
        }
        if is_dead(tree, file) {
            problems.push(Problem::new(&file.path, "no other file declares it as a module"));
        }
    }
    problems
}

fn has_header(file: &File) -> bool {
    // The name of such a file says what the compiler refuses. A header would move the line that the
    // expected error names.
    if file.is_under("tests/ui") {
        return true;
    }
    // An attribute such as `#![cfg(reveille_loom)]` may come before it.
    let first = file.lines.iter().find(|line| {
        let text = line.text.trim();
        !text.is_empty() && !text.starts_with("#![")
    });
    first.is_none_or(|line| line.text.trim_start().starts_with("//!"))
}

fn is_dead(tree: &Tree, file: &File) -> bool {
    let name = file.path.file_name().unwrap_or_default().to_string_lossy();
    let is_in_src = file.path.iter().any(|part| part == "src");
    if !is_in_src || ROOTS.contains(&&*name) || file.path.iter().any(|part| part == "bin") {
        return false;
    }
    let folder = file.path.parent().unwrap_or(Path::new(""));
    let (module, folder) = match &*name {
        "mod.rs" => (stem(folder), folder.parent().unwrap_or(Path::new(""))),
        _ => (stem(&file.path), folder),
    };
    let declaration = format!("mod {module};");
    let by_path = format!("{name}\"]");
    let parents = parents(folder);
    let mut others = tree.files.iter();
    !others.any(|other| {
        let is_parent = parents.contains(&other.path);
        let is_near = other.path.starts_with(folder);
        other.lines.iter().any(|line| {
            let declares = is_parent && line.code.contains(&declaration);
            declares || (is_near && line.text.contains("#[path") && line.text.contains(&by_path))
        })
    })
}

fn stem(path: &Path) -> String {
    path.file_stem().unwrap_or_default().to_string_lossy().into_owned()
}

/// Returns the files that may declare the modules of `folder`.
fn parents(folder: &Path) -> Vec<PathBuf> {
    let inside = ["mod.rs", "lib.rs", "main.rs"].map(|name| folder.join(name));
    inside.into_iter().chain([folder.with_extension("rs")]).collect()
}

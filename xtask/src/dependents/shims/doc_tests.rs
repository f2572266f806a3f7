//! The examples in the documentation of a published crate, as documentation of a package that
//! contains nothing else. They use the crate by name, so they run on a shim as on the original.

use std::fmt::Write as _;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// Returns the source of a library whose documentation has the examples of the crate in `folder`.
pub(super) fn library(folder: &Path) -> io::Result<String> {
    let mut text = String::from("//! The examples of a published crate.\n");
    let mut has_readme = false;
    for path in sources(&folder.join("src"))? {
        let source = fs::read_to_string(&path)?;
        has_readme |= source.contains("doctest!(\"../README.md\")");
        let name = path.strip_prefix(folder.join("src")).unwrap_or(&path);
        let name = name.with_extension("").to_string_lossy().replace(['/', '-'], "_");
        for (line, docs) in blocks(&source) {
            module(&mut text, &format!("{name}_{line}"), &docs);
        }
    }
    if has_readme {
        module(&mut text, "readme", &fs::read_to_string(folder.join("README.md"))?);
    }
    Ok(text)
}

fn module(text: &mut String, name: &str, docs: &str) {
    let _ = writeln!(text, "#[doc = r####\"{docs}\"####]\npub mod doc_{name} {{}}");
}

/// The Rust files of a folder, in an order that does not change.
fn sources(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            found.extend(sources(&path)?);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
    found.sort();
    Ok(found)
}

/// The comments of a source that contain code, each with the number of its first line.
fn blocks(source: &str) -> Vec<(usize, String)> {
    let mut found = Vec::new();
    let (mut first, mut docs) = (0, String::new());
    for (index, line) in source.lines().chain([""]).enumerate() {
        let line = line.trim_start();
        let comment = line.strip_prefix("///").or_else(|| line.strip_prefix("//!"));
        if let Some(comment) = comment {
            if docs.is_empty() {
                first = index + 1;
            }
            docs.push_str(comment.strip_prefix(' ').unwrap_or(comment));
            docs.push('\n');
        } else if !docs.is_empty() {
            let block = std::mem::take(&mut docs);
            if block.contains("```") {
                found.push((first, block));
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comments_with_code_are_found_with_their_lines() {
        let source = "//! A.\n//!\n//! ```\n//! a();\n//! ```\n\nmod b;\n/// B.\nfn b() {}\n\
                      impl C {\n    /// ```no_run\n    /// c();\n    /// ```\n    fn c() {}\n}\n\
                      /// ```\n/// d();\n/// ```";
        let found = blocks(source);
        let lines: Vec<usize> = found.iter().map(|block| block.0).collect();
        assert_eq!(lines, [1, 11, 16]);
        assert_eq!(found[0].1, "A.\n\n```\na();\n```\n");
        assert_eq!(found[1].1, "```no_run\nc();\n```\n");
    }
}

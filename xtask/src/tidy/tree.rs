//! The files of the repository, read once for all rules.

use std::fs;
use std::path::{Path, PathBuf};

use super::source::{self, Line};

/// Folders that hold no sources of this repository.
const SKIPPED: [&str; 3] = ["target", ".git", ".work"];

/// A Rust file.
#[derive(Debug)]
pub(crate) struct File {
    /// Its path, from the root.
    pub(crate) path: PathBuf,
    pub(crate) lines: Vec<Line>,
}

impl File {
    /// Whether the path begins with these folders.
    pub(crate) fn is_under(&self, folder: &str) -> bool {
        self.path.starts_with(folder)
    }

    /// Whether all of it is a test.
    pub(crate) fn is_test(&self) -> bool {
        let is_part = |name: &str| self.path.iter().any(|part| part == name);
        let stem = self.path.file_stem().unwrap_or_default().to_string_lossy();
        is_part("tests") || stem == "tests" || stem.ends_with("_tests")
    }

    /// Returns the first and the last line of each inline `mod tests`, counted from zero.
    pub(crate) fn test_modules(&self) -> Vec<(usize, usize)> {
        let mut modules = Vec::new();
        let mut index = 0;
        while index < self.lines.len() {
            let code = self.lines[index].code.trim();
            if code.starts_with("mod ") && code.ends_with('{') && code.contains("tests") {
                let last = self.end_of_block(index);
                modules.push((index, last));
                index = last;
            }
            index += 1;
        }
        modules
    }

    /// Returns the line of the bracket that closes the block which begins on line `first`.
    pub(crate) fn end_of_block(&self, first: usize) -> usize {
        let mut depth = 0_usize;
        for (index, line) in self.lines.iter().enumerate().skip(first) {
            for letter in line.code.chars() {
                match letter {
                    '{' => depth += 1,
                    '}' => depth = depth.saturating_sub(1),
                    _ => {}
                }
            }
            if depth == 0 {
                return index;
            }
        }
        self.lines.len() - 1
    }
}

/// A Cargo.toml.
#[derive(Debug)]
pub(crate) struct Manifest {
    pub(crate) path: PathBuf,
    pub(crate) text: String,
}

/// The files that the rules read.
#[derive(Debug, Default)]
pub(crate) struct Tree {
    pub(crate) root: PathBuf,
    pub(crate) files: Vec<File>,
    pub(crate) manifests: Vec<Manifest>,
    /// The path of each README.md, from the root.
    pub(crate) readmes: Vec<PathBuf>,
    /// The path of each Markdown file, from the root.
    pub(crate) texts: Vec<PathBuf>,
}

impl Tree {
    /// Reads the repository at `root`.
    pub(crate) fn load(root: &Path) -> Result<Tree, String> {
        let mut tree = Tree { root: root.to_owned(), ..Tree::default() };
        tree.load_folder(root)?;
        tree.files.sort_by(|a, b| a.path.cmp(&b.path));
        Ok(tree)
    }

    /// Reads a file at the root; an empty text if it is not there.
    pub(crate) fn read(&self, name: &str) -> String {
        fs::read_to_string(self.root.join(name)).unwrap_or_default()
    }

    fn load_folder(&mut self, folder: &Path) -> Result<(), String> {
        let fail = |path: &Path, error| format!("cannot read {}: {error}", path.display());
        for entry in fs::read_dir(folder).map_err(|error| fail(folder, error))? {
            let path = entry.map_err(|error| fail(folder, error))?.path();
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            if path.is_dir() {
                if !SKIPPED.contains(&name.as_str()) {
                    self.load_folder(&path)?;
                }
                continue;
            }
            let own = path.strip_prefix(&self.root).unwrap_or(&path).to_owned();
            let read = || fs::read_to_string(&path).map_err(|error| fail(&path, error));
            if name == "Cargo.toml" {
                self.manifests.push(Manifest { path: own, text: read()? });
            } else if name.ends_with(".rs") {
                self.files.push(File { path: own, lines: source::parse(&read()?) });
            } else if name.ends_with(".md") {
                if name == "README.md" {
                    self.readmes.push(own.clone());
                }
                self.texts.push(own);
            }
        }
        Ok(())
    }
}

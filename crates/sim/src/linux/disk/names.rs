//! The names of files: changes of directories that were not synced, in the order in which they were
//! made.
//!
//! # Invariants
//! 1. Two changes of the same directory are ordered: if the later one is on the disk, so is the
//!    earlier one. Renaming a directory counts as a change of each directory. A crash undoes all
//!    changes, from the last to the first, and redoes those that it keeps. A file that is removed
//!    goes to the graveyard, a folder beside the tree, until its removal is synced.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// A change of a directory. Paths are the program's; a number is that of a file in the graveyard.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in super::super) enum Change {
    /// A file, a link or a socket was made.
    Create {
        path: PathBuf,
        grave: u64,
    },
    MakeDir {
        path: PathBuf,
    },
    Remove {
        path: PathBuf,
        grave: u64,
    },
    RemoveDir {
        path: PathBuf,
    },
    Rename {
        from: PathBuf,
        to: PathBuf,
        replaced: Replaced,
        is_dir: bool,
    },
    Link {
        from: PathBuf,
        to: PathBuf,
    },
    /// A file of the machine was hidden.
    Hide {
        path: PathBuf,
    },
}

/// What a rename has replaced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in super::super) enum Replaced {
    Nothing,
    File { grave: u64 },
    Dir,
}

impl Change {
    /// The directories that it changes.
    fn dirs(&self) -> Vec<&Path> {
        match self {
            Change::Create { path, .. } | Change::Remove { path, .. } | Change::Hide { path } => {
                path.parent().into_iter().collect()
            }
            Change::MakeDir { path } | Change::RemoveDir { path } => {
                path.parent().into_iter().chain([path.as_path()]).collect()
            }
            Change::Rename { from, to, .. } | Change::Link { from, to } => {
                from.parent().into_iter().chain(to.parent()).collect()
            }
        }
    }

    fn is_of_all(&self) -> bool {
        matches!(self, Change::Rename { is_dir: true, .. })
    }
}

/// Whether one change has to reach the disk before the other (invariant 1).
fn are_in_order(one: &Change, other: &Change) -> bool {
    one.is_of_all() || other.is_of_all() || one.dirs().iter().any(|dir| other.dirs().contains(dir))
}

/// The changes of a machine that were not synced.
#[derive(Debug, Default)]
pub(in super::super) struct Names {
    pending: Vec<Change>,
    graves: u64,
    /// Files of the machine that the program has removed.
    pub(super) hidden: BTreeSet<PathBuf>,
}

/// Where the files of a machine are.
#[derive(Clone, Debug)]
pub(super) struct Roots {
    /// What the program sees.
    pub(super) tree: PathBuf,
    pub(super) graveyard: PathBuf,
    /// The short paths of Unix sockets.
    pub(super) sockets: PathBuf,
}

impl Roots {
    /// The real path for the program's path.
    pub(super) fn real(&self, path: &Path) -> PathBuf {
        self.tree.join(path.strip_prefix("/").unwrap_or(path))
    }

    pub(super) fn grave(&self, number: u64) -> PathBuf {
        self.graveyard.join(number.to_string())
    }
}

impl Names {
    /// A new number for the graveyard.
    pub(in super::super) fn new_grave(&mut self) -> u64 {
        self.graves += 1;
        self.graves
    }

    pub(super) fn add(&mut self, change: Change) {
        self.pending.push(change);
    }

    /// Syncs a directory: its changes, and those that come before them, are on the disk.
    pub(super) fn sync_dir(&mut self, dir: &Path, roots: &Roots) {
        let mut saved: Vec<bool> =
            self.pending.iter().map(|it| it.is_of_all() || it.dirs().contains(&dir)).collect();
        for later in (0..saved.len()).rev().filter(|&later| saved[later]).collect::<Vec<_>>() {
            self.save_before(later, &mut saved);
        }
        let mut is_saved = saved.into_iter();
        self.pending.retain(|change| {
            let is_saved = is_saved.next().unwrap_or(false);
            if is_saved {
                bury(change, roots);
            }
            !is_saved
        });
    }

    /// Marks the changes that come before another one.
    fn save_before(&self, later: usize, saved: &mut [bool]) {
        for earlier in (0..later).rev() {
            if !saved[earlier] && are_in_order(&self.pending[earlier], &self.pending[later]) {
                saved[earlier] = true;
                self.save_before(earlier, saved);
            }
        }
    }

    pub(super) fn sync_all(&mut self, roots: &Roots) {
        self.pending.drain(..).for_each(|change| bury(&change, roots));
    }

    /// Undoes what a crash loses. `is_kept` decides about each change whose predecessors are kept.
    ///
    /// # Errors
    ///
    /// Returns an error if the system refuses a change that it has made before.
    pub(super) fn crash(
        &mut self,
        roots: &Roots,
        mut is_kept: impl FnMut() -> bool,
    ) -> io::Result<()> {
        let pending = std::mem::take(&mut self.pending);
        for change in pending.iter().rev() {
            self.undo(change, roots)?;
        }
        let mut lost: Vec<&Change> = Vec::new();
        for change in &pending {
            // One draw for each change, so that later draws do not depend on it.
            let is_drawn = is_kept();
            if is_drawn && !lost.iter().any(|lost| are_in_order(lost, change)) {
                self.redo(change, roots)?;
                bury(change, roots);
            } else {
                lost.push(change);
            }
        }
        Ok(())
    }

    fn undo(&mut self, change: &Change, roots: &Roots) -> io::Result<()> {
        match change {
            Change::Create { path, grave } => fs::rename(roots.real(path), roots.grave(*grave)),
            Change::MakeDir { path } => fs::remove_dir(roots.real(path)),
            Change::Remove { path, grave } => fs::rename(roots.grave(*grave), roots.real(path)),
            Change::RemoveDir { path } => fs::create_dir(roots.real(path)),
            Change::Rename { from, to, replaced, .. } => {
                fs::rename(roots.real(to), roots.real(from))?;
                match replaced {
                    Replaced::Nothing => Ok(()),
                    Replaced::File { grave } => fs::rename(roots.grave(*grave), roots.real(to)),
                    Replaced::Dir => fs::create_dir(roots.real(to)),
                }
            }
            Change::Link { to, .. } => fs::remove_file(roots.real(to)),
            Change::Hide { path } => {
                self.hidden.remove(path);
                Ok(())
            }
        }
    }

    fn redo(&mut self, change: &Change, roots: &Roots) -> io::Result<()> {
        match change {
            Change::Create { path, grave } => fs::rename(roots.grave(*grave), roots.real(path)),
            Change::MakeDir { path } => fs::create_dir(roots.real(path)),
            Change::Remove { path, grave } => fs::rename(roots.real(path), roots.grave(*grave)),
            Change::RemoveDir { path } => fs::remove_dir(roots.real(path)),
            Change::Rename { from, to, replaced, .. } => {
                match replaced {
                    Replaced::Nothing => (),
                    Replaced::File { grave } => fs::rename(roots.real(to), roots.grave(*grave))?,
                    Replaced::Dir => fs::remove_dir(roots.real(to))?,
                }
                fs::rename(roots.real(from), roots.real(to))
            }
            Change::Link { from, to } => fs::hard_link(roots.real(from), roots.real(to)),
            Change::Hide { path } => {
                self.hidden.insert(path.clone());
                Ok(())
            }
        }
    }
}

/// Deletes what a change that is on the disk has removed.
fn bury(change: &Change, roots: &Roots) {
    let grave = match change {
        Change::Remove { grave, .. } => grave,
        Change::Rename { replaced: Replaced::File { grave }, .. } => grave,
        _ => return,
    };
    // A file that stays there takes room until the process ends, but is not visible.
    let _ = fs::remove_file(roots.grave(*grave));
}

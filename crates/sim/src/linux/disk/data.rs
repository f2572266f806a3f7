//! The contents of files: what is on the disk, and what was written later and not synced.

use std::collections::BTreeMap;

/// The unit in which a disk writes, in bytes.
const SECTOR_LEN: usize = 512;

/// The unit in which the system writes to a disk, in bytes.
const PAGE_LEN: usize = 4096;

/// In a write of at most this many sectors, each sector is lost or kept independently. A longer
/// write is cut at one place.
const SECTORS_MAX: usize = 16;

/// A change of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in super::super) enum Change {
    Write {
        offset: usize,
        bytes: Vec<u8>,
    },
    /// The file gets this length.
    Resize {
        len: usize,
    },
}

#[derive(Debug)]
struct Pending {
    change: Change,
    /// A later sync has failed, so the system no longer knows that it has to write this.
    is_forgotten: bool,
}

/// One file.
#[derive(Debug, Default)]
pub(super) struct File {
    durable: Vec<u8>,
    pending: Vec<Pending>,
}

/// All files that were changed, by the numbers of their inodes.
#[derive(Debug, Default)]
pub(super) struct Files {
    files: BTreeMap<u64, File>,
}

/// What a crash does to the changes that were not synced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    Kept,
    Lost,
    Torn,
}

impl Files {
    /// The file with this inode. If it was not changed before, `contents` returns its contents.
    pub(super) fn file(&mut self, inode: u64, contents: impl FnOnce() -> Vec<u8>) -> &mut File {
        self.files.entry(inode).or_insert_with(|| File { durable: contents(), pending: Vec::new() })
    }

    pub(super) fn sync(&mut self, inode: u64) {
        if let Some(file) = self.files.get_mut(&inode) {
            file.sync();
        }
    }

    /// Records that the sync of a file failed.
    pub(super) fn forget_changes(&mut self, inode: u64) {
        let pending = self.files.get_mut(&inode).map(|file| &mut file.pending);
        pending.into_iter().flatten().for_each(|pending| pending.is_forgotten = true);
    }

    pub(super) fn sync_all(&mut self) {
        self.files.values_mut().for_each(File::sync);
    }

    /// Decides what a crash leaves. Returns the contents of the files that had changes.
    pub(super) fn crash(
        &mut self,
        mut fate: impl FnMut() -> Fate,
        mut below: impl FnMut(usize) -> usize,
    ) -> BTreeMap<u64, Vec<u8>> {
        let mut left = BTreeMap::new();
        for (&inode, file) in &mut self.files {
            if file.pending.is_empty() {
                continue;
            }
            for Pending { change, .. } in file.pending.drain(..) {
                match fate() {
                    Fate::Kept => apply(&mut file.durable, &change),
                    Fate::Lost => (),
                    Fate::Torn => apply_torn(&mut file.durable, &change, &mut below),
                }
            }
            left.insert(inode, file.durable.clone());
        }
        left
    }
}

impl File {
    pub(super) fn add(&mut self, change: Change) {
        self.pending.push(Pending { change, is_forgotten: false });
    }

    fn sync(&mut self) {
        let mut rest = std::mem::take(&mut self.pending).into_iter();
        while let Some(pending) = rest.next() {
            // After a later write to the same page, the system writes the whole page.
            let is_saved = !pending.is_forgotten
                || rest
                    .as_slice()
                    .iter()
                    .any(|later| !later.is_forgotten && pages_meet(&pending.change, &later.change));
            if is_saved {
                apply(&mut self.durable, &pending.change);
            } else {
                self.pending.push(pending);
            }
        }
    }
}

/// Whether two changes affect the same page.
fn pages_meet(one: &Change, other: &Change) -> bool {
    let pages = |change: &Change| match change {
        Change::Write { offset, bytes } => {
            Some((offset / PAGE_LEN, (offset + bytes.len().max(1) - 1) / PAGE_LEN))
        }
        Change::Resize { .. } => None,
    };
    match (pages(one), pages(other)) {
        (Some((first, last)), Some((begin, end))) => first <= end && begin <= last,
        _ => false,
    }
}

fn apply(contents: &mut Vec<u8>, change: &Change) {
    match change {
        Change::Write { offset, bytes } => write(contents, *offset, bytes),
        Change::Resize { len } => contents.resize(*len, 0),
    }
}

fn write(contents: &mut Vec<u8>, offset: usize, bytes: &[u8]) {
    let end = offset + bytes.len();
    if contents.len() < end {
        contents.resize(end, 0);
    }
    contents[offset..end].copy_from_slice(bytes);
}

/// Applies a part of a write, in whole sectors. `below` draws a number.
fn apply_torn(contents: &mut Vec<u8>, change: &Change, mut below: impl FnMut(usize) -> usize) {
    let Change::Write { offset, bytes } = change else { return apply(contents, change) };
    let first = offset / SECTOR_LEN;
    let count = (offset + bytes.len()).div_ceil(SECTOR_LEN) - first;
    let cut = if count > SECTORS_MAX { below(count) } else { 0 };
    for sector in 0..count {
        let is_kept = if count > SECTORS_MAX { sector < cut } else { below(2) == 0 };
        if is_kept {
            let begin = ((first + sector) * SECTOR_LEN).max(*offset);
            let end = ((first + sector + 1) * SECTOR_LEN).min(offset + bytes.len());
            write(contents, begin, &bytes[begin - offset..end - offset]);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn crashed(file: File, fates: &[Fate], draws: &[usize]) -> Vec<u8> {
        let mut files = Files { files: BTreeMap::from([(7, file)]) };
        let (mut fates, mut draws) = (fates.iter(), draws.iter());
        let fate = || *fates.next().expect("a fate for each change");
        let left = files.crash(fate, |_| *draws.next().expect("a number for each draw"));
        left.get(&7).cloned().unwrap_or_default()
    }

    fn written(writes: &[(usize, &[u8])]) -> File {
        let mut file = File::default();
        for &(offset, bytes) in writes {
            file.add(Change::Write { offset, bytes: bytes.to_vec() });
        }
        file
    }

    #[test]
    fn what_was_synced_survives_and_the_rest_is_lost_or_kept() {
        let mut file = written(&[(0, b"abc")]);
        file.sync();
        file.add(Change::Write { offset: 1, bytes: b"X".to_vec() });
        file.add(Change::Write { offset: 4, bytes: b"Z".to_vec() });
        assert_eq!(crashed(file, &[Fate::Lost, Fate::Kept], &[]), b"abc\0Z");
        let mut file = written(&[(0, b"abc")]);
        file.sync();
        file.add(Change::Resize { len: 1 });
        assert_eq!(crashed(file, &[Fate::Kept], &[]), b"a");
    }

    #[test]
    fn a_torn_write_keeps_whole_sectors() {
        let file = written(&[(100, &[1; 1000])]);
        let left = crashed(file, &[Fate::Torn], &[1, 0, 1]);
        assert_eq!(left.len(), 1024);
        assert!(left[..512].iter().all(|&byte| byte == 0));
        assert!(left[512..].iter().all(|&byte| byte == 1));
        let file = written(&[(0, &[1; 512 * 20])]);
        assert_eq!(crashed(file, &[Fate::Torn], &[3]), vec![1; 512 * 3]);
    }

    #[test]
    fn a_sync_after_one_that_failed_saves_only_pages_that_were_written_again() {
        let mut files = Files { files: BTreeMap::from([(7, written(&[(0, b"a"), (5000, b"b")]))]) };
        files.forget_changes(7);
        files.file(7, Vec::new).add(Change::Write { offset: 1, bytes: b"c".to_vec() });
        files.sync(7);
        let left = files.crash(|| Fate::Lost, |_| 0);
        assert_eq!(left[&7], b"ac");
    }
}

//! The part of a node that survives a crash: its term, its vote, its log.
//!
//! `state` has the term and the vote, and is replaced by a rename. `log` has one entry per line,
//! each with a checksum, and is appended to. A line that is torn is the end of the log: it was not
//! synced, so it was not acknowledged.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use reveille::sim;

use crate::Bug;
use crate::message::Entry;

pub struct Storage {
    folder: PathBuf,
    log_file: File,
    bug: Option<Bug>,
    pub term: u64,
    pub vote: Option<usize>,
    log: Vec<Entry>,
}

/// Different for lines of which bytes were lost.
fn checksum(index: u64, entry: Entry) -> u64 {
    let mixed = (index ^ entry.term.rotate_left(17)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    (mixed ^ entry.value).wrapping_mul(0xd1b5_4a32_d192_ed03) >> 32
}

fn to_line(index: u64, entry: Entry) -> String {
    format!("{} {} {} .\n", entry.term, entry.value, checksum(index, entry))
}

fn from_line(index: u64, line: &str) -> Option<Entry> {
    let words: Vec<&str> = line.split(' ').collect();
    let [term, value, sum, "."] = words[..] else { return None };
    let entry = Entry { term: term.parse().ok()?, value: value.parse().ok()? };
    (sum.parse() == Ok(checksum(index, entry))).then_some(entry)
}

impl Storage {
    pub fn open(folder: &Path, bug: Option<Bug>) -> io::Result<Storage> {
        fs::create_dir_all(folder)?;
        let state = match fs::read_to_string(folder.join("state")) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => String::new(),
            Err(error) => return Err(error),
        };
        let mut words = state.split_whitespace().map(|word| word.parse::<u64>().unwrap_or(0));
        let (term, vote) = (words.next().unwrap_or(0), words.next().unwrap_or(0));
        let path = folder.join("log");
        let mut options = OpenOptions::new();
        let log_file = options.create(true).read(true).append(true).open(&path)?;
        let bytes = fs::read(&path)?;
        let (mut log, mut len) = (Vec::new(), 0);
        for line in bytes.split_inclusive(|&byte| byte == b'\n') {
            let text = std::str::from_utf8(line).ok().and_then(|line| line.strip_suffix('\n'));
            let Some(entry) = text.and_then(|it| from_line(log.len() as u64 + 1, it)) else {
                break;
            };
            log.push(entry);
            len += line.len() as u64;
        }
        log_file.set_len(len)?;
        let vote = Some(vote as usize).filter(|&vote| vote > 0);
        let storage = Storage { folder: folder.to_owned(), log_file, bug, term, vote, log };
        storage.sync(&storage.log_file)?;
        storage.sync_folder()?;
        Ok(storage)
    }

    fn sync(&self, file: &File) -> io::Result<()> {
        if self.bug == Some(Bug::NoFsync) { Ok(()) } else { file.sync_all() }
    }

    fn sync_folder(&self) -> io::Result<()> {
        self.sync(&File::open(&self.folder)?)
    }

    /// Stores the term and the vote.
    pub fn set_state(&mut self, term: u64, vote: Option<usize>) -> io::Result<()> {
        let (path, new) = (self.folder.join("state"), self.folder.join("state.new"));
        let mut file = File::create(&new)?;
        file.write_all(format!("{term} {}\n", vote.unwrap_or(0)).as_bytes())?;
        self.sync(&file)?;
        fs::rename(&new, &path)?;
        self.sync_folder()?;
        (self.term, self.vote) = (term, vote);
        Ok(())
    }

    pub fn len(&self) -> u64 {
        self.log.len() as u64
    }

    /// The entry at an index. The first index is 1.
    pub fn entry(&self, index: u64) -> Option<Entry> {
        self.log.get((index as usize).checked_sub(1)?).copied()
    }

    /// The term at an index; 0 before the first.
    pub fn term_at(&self, index: u64) -> Option<u64> {
        if index == 0 { Some(0) } else { self.entry(index).map(|entry| entry.term) }
    }

    pub fn last(&self) -> (u64, u64) {
        (self.len(), self.term_at(self.len()).unwrap_or(0))
    }

    pub fn after(&self, index: u64, max: usize) -> Vec<Entry> {
        self.log.iter().skip(index as usize).take(max).copied().collect()
    }

    pub fn append(&mut self, entries: &[Entry]) -> io::Result<()> {
        if entries.is_empty() {
            return Ok(());
        }
        let mut text = String::new();
        for (offset, entry) in entries.iter().enumerate() {
            text.push_str(&to_line(self.len() + 1 + offset as u64, *entry));
        }
        self.log_file.write_all(text.as_bytes())?;
        self.sync(&self.log_file)?;
        if sim::buggify!() {
            // A disk may be slow. The others elect a new leader meanwhile.
            thread::sleep(Duration::from_millis(fastrand::u64(..2_000)));
        }
        self.log.extend_from_slice(entries);
        Ok(())
    }

    /// Removes the entries after an index.
    pub fn truncate(&mut self, index: u64) -> io::Result<()> {
        if index >= self.len() {
            return Ok(());
        }
        self.log.truncate(index as usize);
        let lines = self.log.iter().zip(1..).map(|(entry, at)| to_line(at, *entry).len() as u64);
        self.log_file.set_len(lines.sum())?;
        self.sync(&self.log_file)
    }
}

//! The invariants of the cluster, checked from outside of the nodes. All hosts of a simulation
//! share these statics.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::message::Entry;

static LEADERS: Mutex<BTreeMap<u64, usize>> = Mutex::new(BTreeMap::new());
static COMMITTED: Mutex<BTreeMap<u64, Entry>> = Mutex::new(BTreeMap::new());
static IS_BROKEN: AtomicBool = AtomicBool::new(false);

fn broken(what: &str) {
    eprintln!("{what}");
    IS_BROKEN.store(true, Ordering::Relaxed);
}

/// Whether nothing was broken so far.
pub fn holds() -> bool {
    !IS_BROKEN.load(Ordering::Relaxed)
}

/// A node leads in a term. There must be no other one.
pub fn leads(node: usize, term: u64) {
    let mut leaders = LEADERS.lock().expect("no panic");
    let first = *leaders.entry(term).or_insert(node);
    if first != node {
        broken(&format!("n{first} and n{node} both lead in term {term}"));
    }
}

/// A node applies an entry. All nodes must apply the same one at an index.
pub fn applied(node: usize, index: u64, entry: Entry) {
    let mut committed = COMMITTED.lock().expect("no panic");
    let first = *committed.entry(index).or_insert(entry);
    if first != entry {
        broken(&format!("n{node} applies {entry:?} at {index}, where {first:?} was applied"));
    }
}

/// A node removes an entry. It must not be one that was applied: each later leader has it.
pub fn removed(node: usize, index: u64, entry: Entry) {
    let committed = COMMITTED.lock().expect("no panic");
    if committed.get(&index) == Some(&entry) {
        broken(&format!("n{node} removes {entry:?} at {index}, which was applied"));
    }
}

/// Whether a value was applied.
pub fn is_applied(value: u64) -> bool {
    COMMITTED.lock().expect("no panic").values().any(|entry| entry.value == value)
}

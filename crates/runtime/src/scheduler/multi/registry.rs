//! The live tasks of one worker, so that a shutdown finds each of them.
//!
//! A table of addresses with a free list through its empty slots: one word per task, no lock for
//! the worker that owns it. A task remembers its slot. The table grows in chunks that never move.
//!
//! # Invariants
//!
//! 1. A task in the table holds a reference to itself, from [`keep`] to [`let_go`]: so a task that
//!    nobody can wake stays, with what it owns, until its runtime ends.
//! 2. A slot in use holds the address of a task that is not freed: the task's `completed` call,
//!    which empties the slot or queues it for emptying, comes before [`let_go`]; and who walks the
//!    table holds back those calls (see [`Place::live_tasks`]).
//!
//! Rejected: an intrusive list, two words per task and two cache lines of strangers touched at each
//! spawn and each completion.
//!
//! [`Place::live_tasks`]: super::place::Place::live_tasks
#![allow(unsafe_code)]

use std::fmt;
use std::ptr::NonNull;

use reveille_task::{TaskHandle, TaskRef};

/// Slots of a chunk: 4 KiB of addresses.
const CHUNK: usize = 512;

/// Chunks kept when the table becomes empty.
const KEPT: usize = 1;

/// The end of the free list.
const NONE: usize = (u32::MAX as usize) << 1 | 1;

#[derive(Default)]
pub(crate) struct Registry {
    /// A slot is the address of a task, or the next free slot times two plus one: tasks are aligned
    /// to more than two bytes.
    chunks: Vec<Box<[usize; CHUNK]>>,
    /// Slots below this were used at least once.
    used: usize,
    free: Option<usize>,
    len: usize,
}

impl Registry {
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    /// Adds a task and returns its slot.
    pub(crate) fn insert(&mut self, task: NonNull<()>) -> u32 {
        let slot = match self.free.filter(|&entry| entry != NONE) {
            Some(entry) => {
                let slot = entry >> 1;
                self.free = Some(*self.slot(slot));
                slot
            }
            None => {
                if self.used == self.chunks.len() * CHUNK {
                    self.chunks.push(Box::new([NONE; CHUNK]));
                }
                self.used += 1;
                self.used - 1
            }
        };
        *self.slot(slot) = task.as_ptr().expose_provenance();
        self.len += 1;
        u32::try_from(slot).expect("2^32 live tasks need more memory than a slot's number has bits")
    }

    /// Removes the task in `slot`.
    pub(crate) fn remove(&mut self, slot: u32) {
        let slot = slot as usize;
        debug_assert_eq!(*self.slot(slot) & 1, 0, "a task is removed once");
        *self.slot(slot) = self.free.unwrap_or(NONE);
        self.free = Some(slot << 1 | 1);
        self.len -= 1;
        if self.len == 0 && self.chunks.len() > KEPT {
            self.chunks.truncate(KEPT);
            self.used = 0;
            self.free = None;
        }
    }

    fn slot(&mut self, slot: usize) -> &mut usize {
        &mut self.chunks[slot / CHUNK][slot % CHUNK]
    }

    /// A reference to each task.
    pub(crate) fn tasks(&self) -> Vec<TaskHandle> {
        let slots = self.chunks.iter().flat_map(|chunk| chunk.iter()).take(self.used);
        slots.filter(|&&slot| slot & 1 == 0).map(|&slot| retain(slot)).collect()
    }
}

/// Makes the reference that a task in a table holds to itself.
#[inline]
pub(crate) fn keep(task: TaskRef<'_>) {
    let _ = task.to_handle().into_raw();
}

/// Gives up the reference that [`keep`] made. For the one `completed` call of a task that is, or
/// was, in a table.
#[inline]
pub(crate) fn let_go(task: TaskRef<'_>) {
    // SAFETY: `keep` made the reference when the task was registered, and a task completes once
    // (invariant 1).
    drop(unsafe { TaskHandle::from_raw(task.into_raw()) });
}

fn retain(address: usize) -> TaskHandle {
    let task = NonNull::new(std::ptr::with_exposed_provenance_mut(address))
        .expect("a slot in use holds an address");
    // SAFETY: the task in a slot is not freed (invariant 2), and stays so while this reference
    // lives, since the caller holds back its `completed` call.
    unsafe { TaskRef::from_raw(task) }.to_handle()
}

impl fmt::Debug for Registry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Registry").field("len", &self.len).finish_non_exhaustive()
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    fn address(n: usize) -> NonNull<()> {
        NonNull::new(std::ptr::without_provenance_mut(n * 8)).expect("not null")
    }

    #[test]
    fn slots_are_used_again_and_memory_is_given_back() {
        let mut registry = Registry::default();
        let slots: Vec<u32> = (1..=3 * CHUNK).map(|n| registry.insert(address(n))).collect();
        assert_eq!(registry.len(), 3 * CHUNK);
        registry.remove(slots[5]);
        registry.remove(slots[9]);
        assert_eq!(registry.insert(address(7)), slots[9]);
        assert_eq!(registry.insert(address(7)), slots[5]);
        assert_eq!(registry.insert(address(7)) as usize, 3 * CHUNK);
        for slot in 0..=3 * CHUNK {
            registry.remove(slot as u32);
        }
        assert_eq!((registry.len(), registry.chunks.len()), (0, KEPT));
        assert_eq!(registry.insert(address(7)), 0);
    }
}

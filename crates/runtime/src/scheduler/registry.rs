//! The live tasks of one worker or one thread. A shutdown needs them to cancel each task.
//!
//! A registry is a table of references with a free list through its empty slots. It takes six bytes
//! per task, and its owner needs no lock. A task stores the index of its slot. The table grows in
//! chunks that never move.
//!
//! # Invariants
//!
//! 1. A slot in use holds the address of a task and owns a reference to it, from [`insert`] to
//!    [`remove`]. So a task that nothing can wake stays, with what it owns, until its runtime ends,
//!    and a walk through the table finds no freed task.
//!
//! Rejected: an intrusive list. It takes two words per task, and each spawn and each completion
//! writes to two cache lines of other tasks.
//!
//! [`insert`]: Registry::insert
//! [`remove`]: Registry::remove
#![allow(unsafe_code)]

use std::fmt;
use std::mem::ManuallyDrop;
use std::ptr::NonNull;

use reveille_task::{Kept, TaskHandle, TaskRef};

/// Slots of a chunk: 3 or 4 KiB of addresses.
const CHUNK: usize = 512;

/// Bytes of a slot. Addresses have 47 bits on x86-64, unless the program asks the system for more,
/// and up to 64 bits elsewhere.
const SLOT_BYTES: usize = if cfg!(target_arch = "x86_64") { 6 } else { size_of::<usize>() };

/// A slot with a task holds a quarter of the task's address, which is even because tasks are
/// aligned to 8 bytes. An empty slot holds twice the number of the next free slot, plus one.
type Slot = [u8; SLOT_BYTES];

/// Chunks kept when the table becomes empty.
const KEPT: usize = 1;

/// Marks the end of the free list. No slot has this number.
const NONE: usize = (u32::MAX as usize) << 1 | 1;

pub(crate) struct Registry {
    chunks: Vec<Box<[Slot]>>,
    /// Slots below this were used at least once.
    used: usize,
    /// The first slot of the free list, as an empty slot holds it; [`NONE`] if the list is empty.
    free: usize,
    len: usize,
}

impl Registry {
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    /// Adds a task and stores the index of its slot in it.
    #[inline]
    pub(crate) fn insert(&mut self, task: Kept) {
        // The slot owns the reference from here on. If the table is full, the reference is leaked.
        let mut task = ManuallyDrop::new(task);
        let slot = self.insert_word(task.as_task().into_raw().as_ptr().expose_provenance() >> 2);
        task.set_slot(slot);
        let _ = ManuallyDrop::into_inner(task).into_raw();
    }

    /// Removes the task in `slot`.
    #[inline]
    pub(crate) fn remove(&mut self, slot: u32) -> Kept {
        let task = address(self.remove_word(slot));
        // SAFETY: the slot owned the reference that `insert` was given, and is empty now
        // (invariant 1).
        unsafe { Kept::from_raw(task) }
    }

    #[inline]
    fn insert_word(&mut self, word: usize) -> u32 {
        let slot = if self.free == NONE {
            self.unused_slot()
        } else {
            let slot = self.free >> 1;
            self.free = read(*self.slot(slot));
            slot
        };
        *self.slot(slot) = write(word);
        self.len += 1;
        slot as u32
    }

    /// A slot that was never used.
    #[cold]
    fn unused_slot(&mut self) -> usize {
        assert!(self.used < u32::MAX as usize, "2^32 live tasks: a slot's number has no more bits");
        if self.used == self.chunks.len() * CHUNK {
            self.chunks.push(vec![write(NONE); CHUNK].into());
        }
        self.used += 1;
        self.used - 1
    }

    #[inline]
    fn remove_word(&mut self, slot: u32) -> usize {
        let slot = slot as usize;
        let free = write(self.free);
        let word = read(std::mem::replace(self.slot(slot), free));
        debug_assert_eq!(word & 1, 0, "a task is removed once");
        self.free = slot << 1 | 1;
        self.len -= 1;
        if self.len == 0 && self.chunks.len() > KEPT {
            self.shrink();
        }
        word
    }

    /// Frees memory when no slot is in use.
    #[cold]
    fn shrink(&mut self) {
        self.chunks.truncate(KEPT);
        self.used = 0;
        self.free = NONE;
    }

    #[inline]
    fn slot(&mut self, slot: usize) -> &mut Slot {
        &mut self.chunks[slot / CHUNK][slot % CHUNK]
    }

    /// A reference to each task in up to `len` slots from `start` on. `None` beyond the last slot.
    pub(crate) fn tasks_in(&self, start: usize, len: usize) -> Option<Vec<TaskHandle>> {
        if start >= self.used {
            return None;
        }
        let slots = self.chunks[start / CHUNK..].iter().flat_map(|chunk| chunk.iter());
        let len = len.min(self.used - start);
        let slots = slots.skip(start % CHUNK).take(len);
        Some(slots.map(|&slot| read(slot)).filter(|word| word & 1 == 0).map(retain).collect())
    }

    /// A reference to each task.
    pub(crate) fn tasks(&self) -> Vec<TaskHandle> {
        let slots = self.chunks.iter().flat_map(|chunk| chunk.iter()).take(self.used);
        slots.map(|&slot| read(slot)).filter(|word| word & 1 == 0).map(retain).collect()
    }
}

#[inline]
fn read(slot: Slot) -> usize {
    let mut bytes = [0; size_of::<usize>()];
    bytes[..SLOT_BYTES].copy_from_slice(&slot);
    usize::from_le_bytes(bytes)
}

/// # Panics
///
/// Panics for an address beyond 2^50 on x86-64. Only an allocator that asks the system for such
/// memory returns one.
#[inline]
fn write(word: usize) -> Slot {
    let bytes = word.to_le_bytes();
    assert!(bytes[SLOT_BYTES..].iter().all(|&byte| byte == 0), "a task beyond 2^50: {word:#x}");
    *bytes.first_chunk().expect("a slot is no longer than a word")
}

#[inline]
fn address(word: usize) -> NonNull<()> {
    NonNull::new(std::ptr::with_exposed_provenance_mut(word << 2))
        .expect("a slot in use holds an address")
}

fn retain(word: usize) -> TaskHandle {
    // SAFETY: the slot owns a reference and keeps it, so the task lives as long as this borrow
    // (invariant 1).
    unsafe { TaskRef::from_raw(address(word)) }.to_handle()
}

impl Default for Registry {
    fn default() -> Registry {
        Registry { chunks: Vec::new(), used: 0, free: NONE, len: 0 }
    }
}

impl fmt::Debug for Registry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Registry").field("len", &self.len).finish_non_exhaustive()
    }
}

#[cfg(all(test, not(reveille_loom)))]
mod tests {
    use super::*;

    #[test]
    fn slots_are_used_again_and_memory_is_given_back() {
        let mut registry = Registry::default();
        let slots: Vec<u32> = (1..=3 * CHUNK).map(|n| registry.insert_word(n * 2)).collect();
        assert_eq!(registry.len(), 3 * CHUNK);
        assert_eq!(registry.remove_word(slots[5]), 6 * 2);
        registry.remove_word(slots[9]);
        assert_eq!(registry.insert_word(14), slots[9]);
        assert_eq!(registry.insert_word(14), slots[5]);
        assert_eq!(registry.insert_word(14) as usize, 3 * CHUNK);
        for slot in 0..=3 * CHUNK {
            registry.remove_word(slot as u32);
        }
        assert_eq!((registry.len(), registry.chunks.len()), (0, KEPT));
        assert_eq!(registry.insert_word(14), 0);
    }
}

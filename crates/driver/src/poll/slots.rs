//! Maps the key of an event to its source.
//!
//! A key is the index of a slot and the generation of its content (`key.rs`). A late event of a
//! source that was removed finds an empty slot, or one with another generation, and is ignored.

use std::io;
use std::sync::Arc;

use slab::Slab;

use super::key::{GENERATION_MASK, INDEX_MAX, SourceKey};

/// The registered sources of one shard. `C` is what a source shares with its shard.
#[derive(Debug)]
pub(crate) struct Slots<C> {
    slots: Slab<SourceSlot<C>>,
    next_generation: usize,
}

#[derive(Debug)]
struct SourceSlot<C> {
    generation: usize,
    fd: i64,
    core: Arc<C>,
}

impl<C> Default for Slots<C> {
    fn default() -> Slots<C> {
        Slots { slots: Slab::new(), next_generation: 0 }
    }
}

impl<C> Slots<C> {
    /// Inserts a source with the number of its descriptor.
    pub(crate) fn insert(&mut self, fd: i64, core: Arc<C>) -> io::Result<SourceKey> {
        let entry = self.slots.vacant_entry();
        let index = entry.key();
        if index > INDEX_MAX {
            return Err(io::Error::other("the event queue has no room for another descriptor"));
        }
        let generation = self.next_generation;
        self.next_generation = (generation + 1) & GENERATION_MASK;
        entry.insert(SourceSlot { generation, fd, core });
        Ok(SourceKey::new(index, generation))
    }

    /// Removes a source. The caller drops the returned reference after it has released the lock.
    pub(crate) fn remove(&mut self, key: SourceKey) -> Option<Arc<C>> {
        self.get(key)?;
        Some(self.slots.remove(key.index()).core)
    }

    pub(crate) fn get(&self, key: SourceKey) -> Option<&Arc<C>> {
        let slot = self.slots.get(key.index())?;
        (slot.generation == key.generation()).then_some(&slot.core)
    }

    /// The number of the descriptor of a registered source.
    pub(crate) fn fd(&self, key: SourceKey) -> Option<i64> {
        self.slots.get(key.index()).map(|slot| slot.fd)
    }

    /// Returns whether another source than that of `key` is registered with this descriptor number.
    /// Checks all slots, so it is used only after an error.
    pub(crate) fn has_other(&self, fd: i64, key: SourceKey) -> bool {
        self.slots.iter().any(|(index, slot)| slot.fd == fd && index != key.index())
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Arc<C>> {
        self.slots.iter().map(|(_, slot)| &slot.core)
    }

    pub(crate) fn len(&self) -> usize {
        self.slots.len()
    }
}

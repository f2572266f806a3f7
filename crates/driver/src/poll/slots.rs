//! Maps the key of an event to its source.
//!
//! A key is the index of a slot and the generation of its content. A late event of a source that
//! was removed finds an empty slot, or one with another generation, and is ignored. Keys are
//! numbers and never pointers, so a late event is harmless.

use std::io;
use std::sync::Arc;

use slab::Slab;

use crate::source::SourceCore;

/// Bits of the index. A key must fit into a `usize`, which is what the portable poller accepts. On
/// 64-bit systems the index has half of the bits; on 32-bit systems it has 20, enough for a million
/// sources.
const INDEX_BITS: u32 = if usize::BITS >= 64 { 32 } else { 20 };

/// The highest index that is used. One more would be possible, but is reserved:
/// [`SourceKey::NOTIFY`] has it, and so does the key that the portable poller reserves (all ones).
const INDEX_MAX: usize = (1 << INDEX_BITS) - 2;

/// The bits of a generation, which is the rest of the key.
const GENERATION_MASK: usize = usize::MAX >> INDEX_BITS;

/// Identifies a registration within one shard.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct SourceKey(usize);

impl SourceKey {
    /// The key of the shard's own notifications: the reserved index with generation 0.
    #[cfg(target_os = "linux")]
    pub(crate) const NOTIFY: SourceKey = SourceKey(INDEX_MAX + 1);

    pub(crate) fn number(self) -> usize {
        self.0
    }

    pub(crate) fn from_number(number: usize) -> SourceKey {
        SourceKey(number)
    }

    fn new(index: usize, generation: usize) -> SourceKey {
        SourceKey((generation << INDEX_BITS) | index)
    }

    fn index(self) -> usize {
        self.0 & (INDEX_MAX + 1)
    }

    fn generation(self) -> usize {
        self.0 >> INDEX_BITS
    }
}

/// The registered sources of one shard.
#[derive(Debug, Default)]
pub(crate) struct Slots {
    slots: Slab<SourceSlot>,
    next_generation: usize,
}

#[derive(Debug)]
struct SourceSlot {
    generation: usize,
    fd: i64,
    core: Arc<SourceCore>,
}

impl Slots {
    /// Inserts a source with the number of its descriptor.
    pub(crate) fn insert(&mut self, fd: i64, core: Arc<SourceCore>) -> io::Result<SourceKey> {
        let entry = self.slots.vacant_entry();
        let index = entry.key();
        if index > INDEX_MAX {
            return Err(io::Error::other("a shard has no room for more sources"));
        }
        let generation = self.next_generation;
        self.next_generation = (generation + 1) & GENERATION_MASK;
        entry.insert(SourceSlot { generation, fd, core });
        Ok(SourceKey::new(index, generation))
    }

    /// Removes a source. The caller drops the returned reference after it has released the lock.
    pub(crate) fn remove(&mut self, key: SourceKey) -> Option<Arc<SourceCore>> {
        self.get(key)?;
        Some(self.slots.remove(key.index()).core)
    }

    pub(crate) fn get(&self, key: SourceKey) -> Option<&Arc<SourceCore>> {
        let slot = self.slots.get(key.index())?;
        (slot.generation == key.generation()).then_some(&slot.core)
    }

    /// The number of the descriptor of a registered source.
    pub(crate) fn fd(&self, key: SourceKey) -> Option<i64> {
        self.slots.get(key.index()).map(|slot| slot.fd)
    }

    /// Tells whether another source than that of `key` is registered with this descriptor number.
    /// Checks all slots, so it is used only after an error.
    pub(crate) fn has_other(&self, fd: i64, key: SourceKey) -> bool {
        self.slots.iter().any(|(index, slot)| slot.fd == fd && index != key.index())
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Arc<SourceCore>> {
        self.slots.iter().map(|(_, slot)| &slot.core)
    }

    pub(crate) fn len(&self) -> usize {
        self.slots.len()
    }
}

//! The key of an event: the index of a slot and the generation of its content.
//!
//! Keys are numbers and never pointers, so a late event is harmless (`slots.rs`).

/// Bits of the index. A key must fit into a `usize`, which is what the portable poller accepts. On
/// 64-bit systems the index has half of the bits; on 32-bit systems it has 20, enough for a million
/// sources.
const INDEX_BITS: u32 = if usize::BITS >= 64 { 32 } else { 20 };

/// The highest index that is used. One more would be possible, but is reserved:
/// [`SourceKey::NOTIFY`] has it, and so does the key that the portable poller reserves (all ones).
pub(super) const INDEX_MAX: usize = (1 << INDEX_BITS) - 2;

/// The bits of a generation, which is the rest of the key.
pub(super) const GENERATION_MASK: usize = usize::MAX >> INDEX_BITS;

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

    pub(super) fn new(index: usize, generation: usize) -> SourceKey {
        SourceKey((generation << INDEX_BITS) | index)
    }

    pub(super) fn index(self) -> usize {
        self.0 & (INDEX_MAX + 1)
    }

    pub(super) fn generation(self) -> usize {
        self.0 >> INDEX_BITS
    }
}

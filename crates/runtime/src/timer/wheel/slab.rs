//! Storage for the entries of a wheel: chunks of a fixed size; entries are addressed by number.
//!
//! An entry never moves, so other entries can link to its number. The vacant entries of a chunk
//! form a list through [`Entry::next`]. The chunks with a vacant entry form a list too, and the
//! next insertion uses the first of them, which keeps few entries on few cache lines.
//!
//! # Freeing memory
//!
//! A chunk is freed when its last entry is removed, except that [`SPARE_CHUNKS`] empty chunks are
//! kept, so that a number of entries that varies around the size of a chunk does not allocate each
//! time. A long-lived entry therefore keeps one chunk (10 KiB) allocated. Rejected for that reason:
//! one growing vector, because an entry near its end would keep all of it allocated.
//!
//! # Invariants
//!
//! 1. A chunk is on the list of chunks with room if and only if it exists and `live < CHUNK`.
//! 2. A vacant entry has stamp 0 and no waker. An occupied entry has a waker and a stamp that no
//!    other entry of this slab ever had.

use std::task::Waker;

/// Number of entries in a chunk, 10 KiB in all: at worst one allocation per 256 insertions.
const CHUNK: usize = 256;
const CHUNK_BITS: u32 = CHUNK.trailing_zeros();

/// Number of empty chunks that are kept: 1,024 entries, 40 KiB.
const SPARE_CHUNKS: usize = 4;

/// The number that stands for no entry and for no chunk.
pub(super) const NONE: u32 = u32::MAX;

/// Bits of [`Entry::tag`] that hold the place; the stamp has the other 54. At one insertion per 10
/// ns they last for more than five years.
const PLACE_BITS: u32 = 10;

/// One entry: 40 bytes on 64-bit machines.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) deadline_ns: u64,
    /// The stamp and, in the low bits, the place.
    tag: u64,
    pub(super) waker: Option<Waker>,
    pub(super) prev: u32,
    pub(super) next: u32,
}

impl Entry {
    const VACANT: Entry = Entry { deadline_ns: 0, tag: 0, waker: None, prev: NONE, next: NONE };

    #[inline]
    pub(super) fn links(&self) -> Links {
        let place = (self.tag & ((1 << PLACE_BITS) - 1)) as u16;
        Links { place, prev: self.prev, next: self.next }
    }

    pub(super) fn set_links(&mut self, links: Links) {
        debug_assert!(u32::from(links.place) < 1 << PLACE_BITS);
        self.tag = (self.tag >> PLACE_BITS << PLACE_BITS) | u64::from(links.place);
        (self.prev, self.next) = (links.prev, links.next);
    }

    fn stamp(&self) -> u64 {
        self.tag >> PLACE_BITS
    }
}

/// Where an entry is linked.
#[derive(Clone, Copy, Debug)]
pub(super) struct Links {
    /// The place of the slot, as in the wheel.
    pub(super) place: u16,
    /// The previous and the next entry of the slot's circular list. A single entry is linked to
    /// itself.
    pub(super) prev: u32,
    pub(super) next: u32,
}

#[derive(Debug)]
struct Chunk {
    entries: Box<[Entry; CHUNK]>,
    live: u32,
    /// The first vacant entry; its number counts from the start of the slab.
    vacant: u32,
    prev: u32,
    next: u32,
}

impl Chunk {
    fn new(number: u32) -> Chunk {
        let first = number << CHUNK_BITS;
        let entries: Vec<Entry> =
            (first + 1..).take(CHUNK).map(|next| Entry { next, ..Entry::VACANT }).collect();
        let mut entries: Box<[Entry; CHUNK]> =
            entries.into_boxed_slice().try_into().expect("`CHUNK` entries were collected");
        entries[CHUNK - 1].next = NONE;
        Chunk { entries, live: 0, vacant: first, prev: NONE, next: NONE }
    }
}

/// Entries by number.
#[derive(Debug)]
pub(super) struct Slab {
    chunks: Vec<Option<Chunk>>,
    /// Numbers of chunks that were freed.
    absent: Vec<u32>,
    /// The first chunk with a vacant entry.
    roomy: u32,
    empty_chunks: usize,
    len: usize,
    last_stamp: u64,
}

impl Slab {
    pub(super) const fn new() -> Slab {
        Slab {
            chunks: Vec::new(),
            absent: Vec::new(),
            roomy: NONE,
            empty_chunks: 0,
            len: 0,
            last_stamp: 0,
        }
    }

    pub(super) fn len(&self) -> usize {
        self.len
    }

    /// The number of entries that fit without an allocation.
    #[cfg(test)]
    pub(super) fn capacity(&self) -> usize {
        self.chunks.iter().flatten().count() * CHUNK
    }

    /// Reserves the number and the stamp for the next [`insert`](Slab::insert). They are valid only
    /// if no entry is removed before that call.
    #[inline]
    pub(super) fn reserve(&mut self) -> (u32, u64) {
        if self.roomy == NONE {
            self.grow();
        }
        self.last_stamp += 1;
        (chunk_mut(&mut self.chunks, self.roomy).vacant, self.last_stamp)
    }

    /// Stores a waker under the number and the stamp that were just reserved. The entry is not yet
    /// linked into a slot.
    #[inline]
    pub(super) fn insert(
        &mut self,
        (index, stamp): (u32, u64),
        deadline_ns: u64,
        place: u16,
        waker: Waker,
    ) {
        self.len += 1;
        let chunk = chunk_mut(&mut self.chunks, self.roomy);
        debug_assert_eq!(chunk.vacant, index, "the reservation is no longer valid");
        let entry = &mut chunk.entries[index as usize % CHUNK];
        chunk.vacant = entry.next;
        debug_assert!(entry.waker.is_none());
        let tag = stamp << PLACE_BITS | u64::from(place);
        *entry = Entry { deadline_ns, tag, waker: Some(waker), prev: index, next: index };
        chunk.live += 1;
        if chunk.live == 1 {
            self.empty_chunks -= 1;
        }
        if chunk.vacant == NONE {
            self.unlink(self.roomy);
        }
    }

    /// Vacates an entry and returns its waker. The caller has unlinked the entry from its slot.
    #[inline]
    pub(super) fn remove(&mut self, index: u32) -> Waker {
        let number = index >> CHUNK_BITS;
        let chunk = chunk_mut(&mut self.chunks, number);
        let entry = &mut chunk.entries[index as usize % CHUNK];
        let waker = entry.waker.take().expect("only occupied entries are removed");
        entry.tag = 0;
        entry.next = chunk.vacant;
        let was_full = chunk.vacant == NONE;
        chunk.vacant = index;
        chunk.live -= 1;
        let is_empty = chunk.live == 0;
        self.len -= 1;
        if was_full {
            self.link(number);
        }
        if is_empty {
            self.release(number);
        }
        waker
    }

    /// The entry of a key, if it is still there.
    #[inline]
    pub(super) fn find(&self, index: u32, stamp: u64) -> Option<&Entry> {
        let chunk = self.chunks.get((index >> CHUNK_BITS) as usize)?.as_ref()?;
        let entry = &chunk.entries[index as usize % CHUNK];
        (entry.stamp() == stamp).then_some(entry)
    }

    #[inline]
    pub(super) fn get(&self, index: u32) -> &Entry {
        let chunk = self.chunks[(index >> CHUNK_BITS) as usize].as_ref();
        &chunk.expect("a linked entry keeps its chunk").entries[index as usize % CHUNK]
    }

    #[inline]
    pub(super) fn get_mut(&mut self, index: u32) -> &mut Entry {
        &mut chunk_mut(&mut self.chunks, index >> CHUNK_BITS).entries[index as usize % CHUNK]
    }

    /// Moves all wakers to `wakers`, in no particular order, and frees all chunks.
    pub(super) fn drain(&mut self, wakers: &mut Vec<Waker>) {
        wakers.reserve(self.len);
        for chunk in self.chunks.iter_mut().flatten() {
            wakers.extend(chunk.entries.iter_mut().filter_map(|entry| entry.waker.take()));
        }
        *self = Slab { last_stamp: self.last_stamp, ..Slab::new() };
    }

    #[cold]
    fn grow(&mut self) {
        let number = self.absent.pop().unwrap_or_else(|| {
            self.chunks.push(None);
            u32::try_from(self.chunks.len() - 1).expect("a chunk's number is below NONE's")
        });
        assert!(number < NONE >> CHUNK_BITS, "more timers than 32 bits can count");
        self.chunks[number as usize] = Some(Chunk::new(number));
        self.empty_chunks += 1;
        self.link(number);
    }

    /// Frees an empty chunk, unless it is kept as a spare.
    #[cold]
    fn release(&mut self, number: u32) {
        self.empty_chunks += 1;
        if self.empty_chunks <= SPARE_CHUNKS {
            return;
        }
        self.empty_chunks -= 1;
        self.unlink(number);
        self.chunks[number as usize] = None;
        self.absent.push(number);
    }

    fn link(&mut self, number: u32) {
        let next = self.roomy;
        if next != NONE {
            chunk_mut(&mut self.chunks, next).prev = number;
        }
        let chunk = chunk_mut(&mut self.chunks, number);
        chunk.prev = NONE;
        chunk.next = next;
        self.roomy = number;
    }

    fn unlink(&mut self, number: u32) {
        let chunk = chunk_mut(&mut self.chunks, number);
        let (prev, next) = (chunk.prev, chunk.next);
        if next != NONE {
            chunk_mut(&mut self.chunks, next).prev = prev;
        }
        if prev == NONE {
            self.roomy = next;
        } else {
            chunk_mut(&mut self.chunks, prev).next = next;
        }
    }
}

#[inline]
fn chunk_mut(chunks: &mut [Option<Chunk>], number: u32) -> &mut Chunk {
    chunks[number as usize].as_mut().expect("a linked chunk exists")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn insert(slab: &mut Slab, deadline_ns: u64) -> (u32, u64) {
        let key = slab.reserve();
        slab.insert(key, deadline_ns, 0, Waker::noop().clone());
        key
    }

    #[test]
    fn an_entry_is_forty_bytes() {
        assert_eq!(size_of::<Entry>(), 24 + size_of::<Waker>());
    }

    #[test]
    fn the_memory_of_a_burst_is_freed() {
        let mut slab = Slab::new();
        let burst: Vec<_> = (0..100_000).map(|ns| insert(&mut slab, ns)).collect();
        assert!(slab.capacity() < 100_000 + CHUNK);
        let survivor = burst[77_777];
        for &(index, _) in burst.iter().filter(|&&key| key != survivor) {
            slab.remove(index);
        }
        assert_eq!(slab.len(), 1);
        assert_eq!(slab.capacity(), (SPARE_CHUNKS + 1) * CHUNK);
        assert_eq!(slab.find(survivor.0, survivor.1).map(|entry| entry.deadline_ns), Some(77_777));
    }

    #[test]
    fn the_numbers_of_freed_chunks_are_reused() {
        let mut slab = Slab::new();
        for _ in 0..10 {
            let burst: Vec<_> = (0..10 * CHUNK as u64).map(|ns| insert(&mut slab, ns)).collect();
            assert_eq!(slab.chunks.len(), 10);
            for &(index, stamp) in &burst {
                slab.remove(index);
                assert!(slab.find(index, stamp).is_none());
            }
        }
    }
}

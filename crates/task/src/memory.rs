//! Where the memory of cells comes from: a free list on each thread, in front of the allocator.
//!
//! A task that is spawned, runs and ends within microseconds would spend a quarter of that time in
//! the allocator, whose own per-thread caches hold a few blocks of each size. A list here holds all
//! blocks of a burst. The blocks of a list have one exact size: cells are not rounded up.
//!
//! A block that is freed on another thread goes to that thread's list. The work-stealing executor
//! returns finished tasks to the thread that spawned them in batches, so this is rare.
//!
//! # Invariants
//!
//! 1. A block in list `n` came from the global allocator with [`layout_of`]`(n)`, is owned by the
//!    list alone, and its first word points to the next block or is null.
//! 2. The lists are touched by their own thread only, and by no user code: a call here returns
//!    before another begins.
//!
//! Debug builds do not use the lists, so that memory checkers see each cell's allocation and free.

use std::alloc::{Layout, alloc, dealloc};
use std::cell::Cell;
use std::ptr::NonNull;

/// Alignment of the blocks that are kept: that of a header. Cells of futures with a larger
/// alignment always go to the allocator.
const ALIGN: usize = 8;

/// Largest block that is kept, in bytes: larger futures are not spawned by the thousand.
const KEPT_SIZE_MAX: usize = 512;

const LISTS: usize = KEPT_SIZE_MAX / ALIGN + 1;

/// The most that one thread keeps, in bytes: a burst of ten thousand small tasks.
const KEPT_MAX: usize = 1 << 20;

/// Whether the lists are used.
const IS_USED: bool = !cfg!(any(debug_assertions, reveille_loom, miri));

/// A block in a list.
struct Free {
    next: Option<NonNull<Free>>,
}

/// The lists of a thread.
struct Lists {
    heads: [Cell<Option<NonNull<Free>>>; LISTS],
    kept_bytes: Cell<usize>,
}

thread_local! {
    static OWN: Lists = const { Lists::new() };
}

/// The list for blocks of `layout`, or `None` if they are not kept.
#[inline(always)]
fn list_of(layout: Layout) -> Option<usize> {
    let is_kept = layout.align() == ALIGN && layout.size() <= KEPT_SIZE_MAX;
    is_kept.then_some(layout.size() / ALIGN)
}

fn layout_of(list: usize) -> Layout {
    Layout::from_size_align(list * ALIGN, ALIGN).expect("a kept size is small")
}

/// Memory of `layout`, whose size is not zero; `None` if the allocator has none.
#[inline(always)]
pub(crate) fn allocate(layout: Layout) -> Option<NonNull<u8>> {
    if IS_USED && let Some(list) = list_of(layout) {
        // A thread that is ending has dropped its lists.
        let block = OWN.try_with(|lists| lists.take(list)).unwrap_or(None);
        if block.is_some() {
            return block;
        }
    }
    // SAFETY: the caller's layout has a size.
    NonNull::new(unsafe { alloc(layout) })
}

/// Frees memory.
///
/// # Safety
///
/// * `block` came from [`allocate`] with this `layout`, and is the caller's.
#[inline(always)]
pub(crate) unsafe fn free(block: NonNull<u8>, layout: Layout) {
    if IS_USED && let Some(list) = list_of(layout) {
        // SAFETY: the layout is that of the list, and the block is ours to give (invariant 1).
        let is_kept = OWN.try_with(|lists| unsafe { lists.put(list, block) }).unwrap_or(false);
        if is_kept {
            return;
        }
    }
    // SAFETY: the block came from the allocator with this layout, either for this cell or for an
    // earlier one (invariant 1).
    unsafe { dealloc(block.as_ptr(), layout) };
}

impl Lists {
    const fn new() -> Lists {
        Lists { heads: [const { Cell::new(None) }; LISTS], kept_bytes: Cell::new(0) }
    }

    #[inline(always)]
    fn take(&self, list: usize) -> Option<NonNull<u8>> {
        let head = &self.heads[list];
        let block = head.get()?;
        // SAFETY: a block in a list is the list's, and its first word is written (invariant 1).
        head.set(unsafe { block.as_ref() }.next);
        self.kept_bytes.set(self.kept_bytes.get() - list * ALIGN);
        Some(block.cast())
    }

    /// Keeps a block; `false` if there are enough.
    ///
    /// # Safety
    ///
    /// * `block` came from the allocator with `layout_of(list)`, and the caller gives it away.
    #[inline(always)]
    unsafe fn put(&self, list: usize, block: NonNull<u8>) -> bool {
        let kept = self.kept_bytes.get() + list * ALIGN;
        if kept > KEPT_MAX {
            return false;
        }
        self.kept_bytes.set(kept);
        let head = &self.heads[list];
        let block = block.cast::<Free>();
        // SAFETY: the block is the caller's gift, aligned to 8 bytes and at least a header long.
        unsafe { block.write(Free { next: head.get() }) };
        head.set(Some(block));
        true
    }
}

impl Drop for Lists {
    fn drop(&mut self) {
        for list in 0..LISTS {
            while let Some(block) = self.take(list) {
                // SAFETY: the block came from the allocator with this layout (invariant 1), and no
                // other thread knows it.
                unsafe { dealloc(block.as_ptr(), layout_of(list)) };
            }
        }
    }
}

#[cfg(all(test, not(reveille_loom)))]
mod tests {
    use super::*;

    /// A block of the allocator's own.
    fn block(list: usize) -> NonNull<u8> {
        // SAFETY: the size is not zero.
        NonNull::new(unsafe { alloc(layout_of(list)) }).expect("some bytes are there")
    }

    #[test]
    fn blocks_come_back_by_size_and_newest_first() {
        let lists = Lists::new();
        let (small, other, large) = (block(4), block(4), block(9));
        for (list, block) in [(4, small), (9, large), (4, other)] {
            // SAFETY: made above with this layout, and not used any more.
            assert!(unsafe { lists.put(list, block) });
        }
        assert_eq!(lists.kept_bytes.get(), (4 + 4 + 9) * ALIGN);
        assert_eq!(lists.take(4), Some(other));
        assert_eq!(lists.take(9), Some(large));
        assert_eq!((lists.take(9), lists.take(5)), (None, None));
        for (list, block) in [(4, other), (9, large)] {
            // SAFETY: as above; the drop of the lists frees them.
            assert!(unsafe { lists.put(list, block) });
        }
    }

    #[test]
    fn a_thread_keeps_no_more_than_its_bound() {
        let lists = Lists::new();
        let list = LISTS - 1;
        let mut kept = 0;
        loop {
            let block = block(list);
            // SAFETY: made just now with this layout.
            if !unsafe { lists.put(list, block) } {
                // SAFETY: it was refused, so it is still ours.
                unsafe { dealloc(block.as_ptr(), layout_of(list)) };
                break;
            }
            kept += 1;
        }
        assert_eq!(kept, KEPT_MAX / KEPT_SIZE_MAX);
    }

    #[test]
    fn only_blocks_aligned_like_a_header_are_kept() {
        let layout = |size, align| Layout::from_size_align(size, align).expect("a valid layout");
        assert_eq!(list_of(layout(64, 8)), Some(8));
        assert_eq!(list_of(layout(64, 16)), None);
        assert_eq!(list_of(layout(KEPT_SIZE_MAX, 8)), Some(LISTS - 1));
        assert_eq!(list_of(layout(KEPT_SIZE_MAX + 8, 8)), None);
    }
}

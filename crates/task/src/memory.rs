//! Per-thread free lists for cells, in front of the global allocator.
//!
//! Without the lists, a task that ends within microseconds would spend a quarter of its time in the
//! allocator, whose own per-thread caches hold only a few blocks of each size. A list here holds
//! all the blocks of a burst. All blocks of a list have exactly the same size: cells are not
//! rounded up to size classes.
//!
//! A block that is freed on another thread goes to that thread's list. The work-stealing executor
//! returns finished tasks to the thread that spawned them in batches, so this is rare.
//!
//! # Invariants
//!
//! 1. A block in list `n` came from the global allocator with [`layout_of`]`(n)`, is owned by the
//!    list alone, and its first word points to the next block or is null.
//! 2. Only the thread that owns the lists accesses them. No user code runs during a call, so calls
//!    do not nest.
//!
//! Debug builds do not use the lists, so that memory checkers see every allocation and every free
//! of a cell.

use std::alloc::{Layout, alloc, dealloc};
use std::cell::Cell;
use std::ptr::NonNull;

/// Alignment of the blocks in the lists, in bytes: the alignment of a header. Cells with a larger
/// alignment always come from the allocator.
const ALIGN: usize = 8;

/// Size of the largest block that is kept, in bytes: larger futures are rarely spawned by the
/// thousand.
const KEPT_SIZE_MAX: usize = 512;

const LISTS: usize = KEPT_SIZE_MAX / ALIGN + 1;

/// Maximum that one thread keeps, in bytes: enough for a burst of ten thousand small tasks.
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

/// The list for blocks of `layout`, or `None` if such blocks are not kept.
#[inline(always)]
fn list_of(layout: Layout) -> Option<usize> {
    let is_kept = layout.align() == ALIGN && layout.size() <= KEPT_SIZE_MAX;
    is_kept.then_some(layout.size() / ALIGN)
}

fn layout_of(list: usize) -> Layout {
    Layout::from_size_align(list * ALIGN, ALIGN).expect("a kept size is small")
}

/// Allocates a block of `layout`, whose size is not zero. `None` if the allocator is out of memory.
#[inline(always)]
pub(crate) fn allocate(layout: Layout) -> Option<NonNull<u8>> {
    if IS_USED && let Some(list) = list_of(layout) {
        // `try_with` fails on a thread that is exiting and has dropped its lists.
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
        // SAFETY: the layout is that of the list, and the caller passes the block on (invariant 1).
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

    /// Adds a block to its list. Returns `false` if the thread already keeps enough.
    ///
    /// # Safety
    ///
    /// * `block` came from the allocator with `layout_of(list)`, and the caller does not use it
    ///   afterwards.
    #[inline(always)]
    unsafe fn put(&self, list: usize, block: NonNull<u8>) -> bool {
        let kept = self.kept_bytes.get() + list * ALIGN;
        if kept > KEPT_MAX {
            return false;
        }
        self.kept_bytes.set(kept);
        let head = &self.heads[list];
        let block = block.cast::<Free>();
        // SAFETY: the caller passed the block on; it is aligned to 8 bytes and at least as long as
        // a header.
        unsafe { block.write(Free { next: head.get() }) };
        head.set(Some(block));
        true
    }
}

impl Drop for Lists {
    fn drop(&mut self) {
        for list in 0..LISTS {
            while let Some(block) = self.take(list) {
                // SAFETY: the block came from the allocator with this layout, and the list alone
                // owns it (invariant 1).
                unsafe { dealloc(block.as_ptr(), layout_of(list)) };
            }
        }
    }
}

#[cfg(all(test, not(reveille_loom)))]
mod tests {
    use super::*;

    /// A block from the allocator.
    fn block(list: usize) -> NonNull<u8> {
        // SAFETY: the size is not zero.
        NonNull::new(unsafe { alloc(layout_of(list)) }).expect("memory is left")
    }

    #[test]
    fn a_list_returns_its_newest_block_of_exactly_that_size() {
        let lists = Lists::new();
        let (small, other, large) = (block(4), block(4), block(9));
        for (list, block) in [(4, small), (9, large), (4, other)] {
            // SAFETY: the block was allocated above with this layout, and is not used afterwards.
            assert!(unsafe { lists.put(list, block) });
        }
        assert_eq!(lists.kept_bytes.get(), (4 + 4 + 9) * ALIGN);
        assert_eq!(lists.take(4), Some(other));
        assert_eq!(lists.take(9), Some(large));
        assert_eq!((lists.take(9), lists.take(5)), (None, None));
        for (list, block) in [(4, other), (9, large)] {
            // SAFETY: as above: the block has this layout. The drop of the lists frees it.
            assert!(unsafe { lists.put(list, block) });
        }
    }

    #[test]
    fn a_thread_keeps_at_most_kept_max_bytes() {
        let lists = Lists::new();
        let list = LISTS - 1;
        let mut kept = 0;
        loop {
            let block = block(list);
            // SAFETY: the block was just allocated with this layout.
            if !unsafe { lists.put(list, block) } {
                // SAFETY: `put` refused the block, so it is still ours.
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

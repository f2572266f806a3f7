//! A hint to the processor that memory will be used soon.

/// Asks the processor to have the memory `bytes` after the start of `*object` in its first cache,
/// as far as it can. It does not wait for that. The address may be outside of any object, because
/// the hint reads nothing. Does nothing on processors other than x86-64.
///
/// For memory that is written from its start to its end: a store to memory that is in no near cache
/// keeps the stores after it waiting, and the processor predicts a few lines within a page only.
#[inline(always)]
pub fn prefetch_after<T>(object: &T, bytes: usize) {
    #[cfg(all(target_arch = "x86_64", not(reveille_loom), not(miri)))]
    {
        use core::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
        let address = (&raw const *object).wrapping_byte_add(bytes);
        // SAFETY: the instruction is a hint. It has no effect that a program can observe, and an
        // address that is not mapped raises no fault (Intel's manual, volume 2, PREFETCHh).
        unsafe { _mm_prefetch::<_MM_HINT_T0>(address.cast()) };
    }
    #[cfg(not(all(target_arch = "x86_64", not(reveille_loom), not(miri))))]
    let _ = (object, bytes);
}

#[cfg(all(test, not(reveille_loom)))]
mod tests {
    use super::*;

    #[test]
    fn any_address_may_be_prefetched() {
        let word = 7_u64;
        for bytes in [0, 8, 1 << 12, usize::MAX / 2, usize::MAX] {
            prefetch_after(&word, bytes);
        }
        assert_eq!(word, 7);
    }
}

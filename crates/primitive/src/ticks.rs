//! The processor's counter of ticks, if a thread can read it without a system call.

/// Ticks of the processor since an unspecified moment. `None` if it has no such counter.
///
/// Costs 10 to 20 ns on x86-64, half of the system's clock. The caller has to find out how long a
/// tick is, and whether the counters of all cores agree.
#[inline(always)]
#[must_use]
pub fn ticks() -> Option<u64> {
    #[cfg(all(target_arch = "x86_64", not(reveille_loom), not(miri)))]
    {
        // SAFETY: the instruction reads a register, and every x86-64 processor has it; an operating
        // system that forbids it to programs (prctl PR_SET_TSC) has been asked to by this one.
        Some(unsafe { core::arch::x86_64::_rdtsc() })
    }
    #[cfg(not(all(target_arch = "x86_64", not(reveille_loom), not(miri))))]
    None
}

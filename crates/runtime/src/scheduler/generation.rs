//! The number of one use of a pool's memory.
//!
//! A pool's memory is never freed, only used again, by another runtime. So a value that outlives a
//! runtime (a [`Handle`](crate::Handle), a blocking closure that still runs, the destructor of a
//! thread-local) names the memory together with the number of its use. The number also contains the
//! process: in a child process made by `fork` all uses of the parent have ended.

use reveille_primitive::fork;

/// The upper bits are the generation of the process, the lower ones count.
const PROCESS_SHIFT: u32 = 40;

/// The number of one use of a pool's memory.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Generation(u64);

impl Generation {
    /// From a number that [`Generation::number`] returned, or 0 for memory that was never used.
    pub(crate) fn from_number(number: u64) -> Generation {
        Generation(number)
    }

    pub(crate) fn number(self) -> u64 {
        self.0
    }

    /// The generation of the next use of the same memory, in this process.
    pub(crate) fn next(self) -> Generation {
        let count = (self.0 + 1) & ((1 << PROCESS_SHIFT) - 1);
        Generation(u64::from(fork::generation()) << PROCESS_SHIFT | count)
    }

    /// Whether the use belongs to the parent of this process. The parent's threads do not exist
    /// here, so locks that they held are never released.
    #[inline]
    pub(crate) fn is_inherited(self) -> bool {
        self.0 >> PROCESS_SHIFT != u64::from(fork::generation())
    }
}

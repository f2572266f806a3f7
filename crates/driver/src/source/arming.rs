//! Whether events reach a source, and what a waiter must do so that they do.

/// Whether events reach the source, and under which condition.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Arming {
    /// The source is not registered with a driven shard.
    #[default]
    Unarmed,
    /// Each change is an event.
    Armed,
    /// There is an event only after the driver was armed for the waiter.
    ArmedPerWait,
    /// Like `Armed` or `ArmedPerWait`, but only one thread turns the shard, and it does not while
    /// it is busy. A waiter on another thread may have a better shard.
    ArmedByThread {
        /// The number of that thread.
        thread: usize,
        /// Whether the driver must be armed for each wait, as with [`Arming::ArmedPerWait`].
        is_per_wait: bool,
    },
}

const ARMED: usize = 1 << 1;
const ARMED_PER_WAIT: usize = 2 << 1;
const BY_THREAD: usize = 3 << 1;
const BY_THREAD_PER_WAIT: usize = 4 << 1;
const TAG_MASK: usize = 15;

impl Arming {
    /// Packs the arming into a word. The number of a thread is an address whose lowest four bits
    /// are zero; the tag uses the upper three of them. The lowest bit stays zero, because it
    /// belongs to the lock.
    pub(super) fn pack(self) -> usize {
        match self {
            Arming::Unarmed => 0,
            Arming::Armed => ARMED,
            Arming::ArmedPerWait => ARMED_PER_WAIT,
            Arming::ArmedByThread { thread, is_per_wait } => {
                debug_assert_eq!(thread & TAG_MASK, 0, "an aligned address");
                thread | if is_per_wait { BY_THREAD_PER_WAIT } else { BY_THREAD }
            }
        }
    }

    #[inline]
    pub(super) fn unpack(word: usize) -> Arming {
        let thread = word & !TAG_MASK;
        match word & TAG_MASK {
            0 => Arming::Unarmed,
            ARMED => Arming::Armed,
            ARMED_PER_WAIT => Arming::ArmedPerWait,
            tag => Arming::ArmedByThread { thread, is_per_wait: tag == BY_THREAD_PER_WAIT },
        }
    }
}

/// Returns whether a waiter on this thread only needs to enter its waker: events reach the source,
/// and this thread has no better shard.
#[inline]
pub(super) fn is_settled(word: usize) -> bool {
    word == ARMED || word == BY_THREAD | this_thread()
}

/// A number that no other thread has at the same time.
pub(crate) fn this_thread() -> usize {
    /// Aligned, so that the low bits of its address are free for the tag, and the address differs
    /// from the constants in `turn_owner.rs`.
    #[repr(align(16))]
    struct Aligned(#[expect(dead_code, reason = "a zero-sized type has no unique address")] u64);

    thread_local!(static HERE: Aligned = const { Aligned(0) });
    HERE.with(|here| std::ptr::from_ref(here).addr())
}

#[cfg(all(test, not(reveille_loom)))]
mod tests {
    use super::*;

    #[test]
    fn packing_and_unpacking_returns_the_same_arming() {
        let by_thread = |is_per_wait| Arming::ArmedByThread { thread: this_thread(), is_per_wait };
        let all = [Arming::Unarmed, Arming::Armed, Arming::ArmedPerWait];
        for arming in all.into_iter().chain([by_thread(false), by_thread(true)]) {
            assert_eq!(Arming::unpack(arming.pack()), arming);
        }
    }
}

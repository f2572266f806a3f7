//! A small, fast random number generator for scheduling decisions; not for cryptography.
//!
//! The generator is wyrand from Wang Yi's wyhash (version 4, public domain): a Weyl sequence whose
//! terms are multiplied by themselves under a mask and folded. It has one word of state, one
//! multiplication and a period of 2⁶⁴. Rejected: xoroshiro128++, which has twice the state for
//! statistical quality that picking a victim does not need.

use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;

/// The step of the Weyl sequence and the mask: odd, with half of their bits set.
const STEP: u64 = 0xa076_1d64_78bd_642f;
const MASK: u64 = 0xe703_7ed1_a0b4_28db;

/// A generator. The same seed gives the same numbers on every machine.
#[derive(Clone, Debug)]
pub(crate) struct Rng {
    state: u64,
}

impl Rng {
    /// Makes a generator with `seed`.
    pub(crate) const fn seeded(seed: u64) -> Rng {
        Rng { state: seed }
    }

    /// Returns the next number, uniformly distributed over 64 bits.
    #[inline]
    pub(crate) fn next_u64(&mut self) -> u64 {
        self.state = self.state.wrapping_add(STEP);
        let product = u128::from(self.state) * u128::from(self.state ^ MASK);
        (product >> 64) as u64 ^ product as u64
    }

    /// Returns a number from 0 to `bound - 1`.
    ///
    /// Uses the upper half of a product instead of a remainder (Lemire 2019, "Fast random integer
    /// generation in an interval"), without the rejection step: the probabilities differ by at most
    /// `bound` in 2⁶⁴.
    ///
    /// # Panics
    ///
    /// Panics if `bound` is 0.
    #[inline]
    pub(crate) fn below(&mut self, bound: usize) -> usize {
        assert!(bound > 0, "there is no number below 0");
        ((u128::from(self.next_u64()) * bound as u128) >> 64) as usize
    }
}

/// Returns a seed from the system's randomness, through the keys of std's hash tables. The keys are
/// random once per thread and then incremented, so each call returns another seed.
pub(crate) fn seed_from_system() -> u64 {
    RandomState::new().hash_one(STEP)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_determines_all_numbers() {
        let numbers = |seed| {
            let mut rng = Rng::seeded(seed);
            std::array::from_fn::<u64, 8, _>(|_| rng.next_u64())
        };
        assert_eq!(numbers(7), numbers(7));
        assert_ne!(numbers(7), numbers(8));
    }

    #[test]
    fn numbers_match_the_published_generator() {
        // The first three for seed 42, computed from the definition with big integers.
        let mut rng = Rng::seeded(42);
        let numbers = [rng.next_u64(), rng.next_u64(), rng.next_u64()];
        let expected = [0xae4a_7cbf_dda9_b434, 0xe9cc_09d3_3d38_d9d2, 0xcb57_5651_2b93_433a];
        assert_eq!(numbers, expected);
    }

    #[test]
    fn numbers_below_a_bound_are_evenly_distributed() {
        let mut rng = Rng::seeded(1);
        let mut counts = [0u32; 7];
        for _ in 0..70_000 {
            counts[rng.below(7)] += 1;
        }
        assert!(counts.iter().all(|&count| (9_500..10_500).contains(&count)), "{counts:?}");
        assert_eq!(rng.below(1), 0);
    }

    #[test]
    fn the_system_gives_different_seeds() {
        assert_ne!(seed_from_system(), seed_from_system());
    }
}

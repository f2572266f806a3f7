//! Rare branches, which a simulation takes more often than production does, and states that some
//! seed has to reach.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::Mutex;

use crate::platform;
use crate::streams::seed_of;

/// One place of `buggify!` in this many is active in a seed.
const PLACES_PER_ACTIVE: u64 = 4;

const MILLION: u64 = 1_000_000;

/// The prefix of the line of a place.
pub(crate) const PREFIX: &str = "reveille-sim: sometimes ";

/// The places that the run has reached, and whether their conditions were true.
static SEEN: Mutex<BTreeMap<String, bool>> = Mutex::new(BTreeMap::new());

/// Whether the code at `place` does the rare thing. A seed has some places active; an active one
/// does it with this probability, in millionths. `false` outside of simulations.
#[must_use]
pub fn buggify(place: &str, probability: u64) -> bool {
    let Some(seed) = platform::seed() else { return false };
    let is_active = seed_of(seed, place).is_multiple_of(PLACES_PER_ACTIVE);
    // The last numbers, because 0 is what a shrunk run has.
    let is_rare = |drawn| drawn >= MILLION.saturating_sub(probability);
    is_active && platform::draw("buggify", MILLION).is_some_and(is_rare)
}

/// Records whether a condition was true at a place.
pub fn sometimes(place: &str, is_true: bool) {
    if !platform::is_simulated() {
        return;
    }
    let mut seen = SEEN.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    match seen.get_mut(place) {
        Some(known) => *known |= is_true,
        None => drop(seen.insert(place.to_owned(), is_true)),
    }
}

/// The places, one per line.
pub(crate) fn report() -> String {
    // No other thread holds the lock: the baton is not passed on while it is held.
    let Ok(seen) = SEEN.try_lock() else { return String::new() };
    let mut text = String::new();
    for (place, is_true) in seen.iter() {
        let _ = writeln!(text, "{PREFIX}{} {place}", u8::from(*is_true));
    }
    text
}

/// Adds the places in the output of a run.
pub(crate) fn collect(output: &str, into: &mut BTreeMap<String, bool>) {
    for line in output.lines().filter_map(|line| line.strip_prefix(PREFIX)) {
        if let Some((is_true, place)) = line.split_once(' ') {
            *into.entry(place.to_owned()).or_default() |= is_true == "1";
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_that_one_run_reaches_is_reached() {
        let mut all = BTreeMap::new();
        collect("x\nreveille-sim: sometimes 0 a.rs:1: full\n", &mut all);
        assert_eq!(all.get("a.rs:1: full"), Some(&false));
        collect("reveille-sim: sometimes 1 a.rs:1: full\n", &mut all);
        collect("reveille-sim: sometimes 0 a.rs:1: full\n", &mut all);
        assert_eq!(all.get("a.rs:1: full"), Some(&true));
        assert!(!buggify("here", MILLION), "this is no simulation");
    }
}

//! The threads that can run without an event, in the order in which they can. There are few, and
//! most changes concern the soonest ones, so a sorted vector is faster than a heap.

use std::ptr;

use crate::platform::thread::{NEVER_NS, Thread};

/// See the header of the module.
#[derive(Debug, Default)]
pub(super) struct Timed {
    /// The soonest is the last one.
    entries: Vec<(u64, &'static Thread)>,
}

impl Timed {
    /// Changes when a thread can run, from `old_ns` to `new_ns`. [`NEVER_NS`] stands for a thread
    /// that needs an event.
    pub(super) fn change(&mut self, thread: &'static Thread, old_ns: u64, new_ns: u64) {
        if old_ns != NEVER_NS {
            self.remove(thread);
        }
        if new_ns != NEVER_NS {
            let later = self.entries.iter().rposition(|&(time_ns, _)| time_ns >= new_ns);
            self.entries.insert(later.map_or(0, |later| later + 1), (new_ns, thread));
        }
    }

    /// Most are the soonest one, and most others have a deadline that is far away.
    fn remove(&mut self, thread: &Thread) {
        if self.entries.pop_if(|(_, it)| ptr::eq(*it, thread)).is_none() {
            let place = self.entries.iter().position(|&(_, it)| ptr::eq(it, thread));
            place.map(|place| self.entries.remove(place));
        }
    }

    /// The times and the threads, the soonest first.
    pub(super) fn soonest_first(&self) -> impl Iterator<Item = (u64, &'static Thread)> {
        self.entries.iter().rev().copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn threads_come_in_the_order_of_their_times() {
        let mut timed = Timed::default();
        let threads: Vec<_> = (0..20).map(|number| Thread::new(number, 0, 0, 0)).collect();
        let mut times = [NEVER_NS; 20];
        let mut state = 7;
        for _ in 0..2_000 {
            let random = crate::streams::next_u64(&mut state);
            let (index, time) = (random as usize % 20, random >> 32 & 15);
            let new_ns = if time == 0 { NEVER_NS } else { time };
            timed.change(threads[index], times[index], new_ns);
            times[index] = new_ns;
            let shown: Vec<_> =
                timed.soonest_first().map(|(time_ns, it)| (time_ns, it.number)).collect();
            assert!(shown.is_sorted_by_key(|&(time_ns, _)| time_ns), "{shown:?}");
            assert_eq!(shown.len(), times.iter().filter(|&&time_ns| time_ns != NEVER_NS).count());
            assert!(shown.iter().all(|&(time_ns, number)| times[number] == time_ns), "{shown:?}");
        }
    }
}

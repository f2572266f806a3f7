//! A queue of bytes that are in one piece of memory, so that they are copied with one call.

/// See the header of the module.
#[derive(Debug, Default)]
pub(super) struct Bytes {
    all: Vec<u8>,
    /// How many of them were removed.
    start: usize,
}

impl Bytes {
    pub(super) fn len(&self) -> usize {
        self.all.len() - self.start
    }

    pub(super) fn is_empty(&self) -> bool {
        self.all.len() == self.start
    }

    /// The first `count` bytes, or all if there are fewer.
    pub(super) fn first(&self, count: usize) -> &[u8] {
        let all = &self.all[self.start..];
        &all[..count.min(all.len())]
    }

    /// Adds bytes at the end.
    pub(super) fn push(&mut self, bytes: &[u8]) {
        let is_full = self.all.len() + bytes.len() > self.all.capacity();
        // Fewer bytes are moved than were removed since the last time, so a byte is moved once on
        // average.
        if is_full && self.start > self.all.len() / 2 {
            self.all.drain(..self.start);
            self.start = 0;
        }
        self.all.extend_from_slice(bytes);
    }

    /// Removes the first `count` bytes, or all if there are fewer.
    pub(super) fn remove_first(&mut self, count: usize) {
        self.start = self.all.len().min(self.start + count);
        if self.is_empty() {
            self.all.clear();
            self.start = 0;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;

    use super::*;

    #[test]
    fn bytes_leave_in_the_order_in_which_they_came() {
        let mut bytes = Bytes::default();
        let mut model = VecDeque::new();
        let mut state = 7;
        for round in 0..5_000_u32 {
            let random = crate::streams::next_u64(&mut state);
            let count = (random >> 32) as usize % 100;
            if random.is_multiple_of(2) {
                let added: Vec<u8> = (0..count).map(|at| round as u8 ^ at as u8).collect();
                bytes.push(&added);
                model.extend(added);
            } else {
                let first: Vec<u8> = model.iter().copied().take(count).collect();
                assert_eq!(bytes.first(count), first);
                bytes.remove_first(count);
                model.drain(..first.len());
            }
            assert_eq!((bytes.len(), bytes.is_empty()), (model.len(), model.is_empty()));
        }
    }

    #[test]
    fn a_queue_that_never_gets_empty_reuses_its_memory() {
        let mut bytes = Bytes::default();
        bytes.push(&[1; 64]);
        for _ in 0..10_000 {
            bytes.push(&[2; 64]);
            bytes.remove_first(64);
        }
        assert!(bytes.all.capacity() <= 1_024, "{}", bytes.all.capacity());
    }
}

//! The network between hosts: how long a message takes, and whether it arrives.

use crate::platform::world::{World, now_ns};

/// The latency of a link that the test has not configured.
const DEFAULT_LATENCY_NS: (u64, u64) = (200_000, 2_000_000);

/// Probabilities are in millionths.
pub(crate) const MILLION: u64 = 1_000_000;

/// The link from one host to another.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Link {
    /// The shortest and the longest time of a message.
    pub(crate) latency_ns: (u64, u64),
    /// The probability that a datagram is lost, or a segment, which TCP retransmits. In millionths.
    pub(crate) loss: u64,
    /// The probability that a datagram arrives twice, in millionths.
    pub(crate) duplication: u64,
    /// The probability that a datagram takes up to ten times as long, so that later ones overtake
    /// it. In millionths.
    pub(crate) reordering: u64,
    /// In bytes per second.
    pub(crate) bandwidth: Option<u64>,
    /// Whether nothing arrives.
    pub(crate) is_cut: bool,
    /// When the last byte that was sent has left.
    busy_until_ns: u64,
}

impl Default for Link {
    fn default() -> Link {
        Link {
            latency_ns: DEFAULT_LATENCY_NS,
            loss: 0,
            duplication: 0,
            reordering: 0,
            bandwidth: None,
            is_cut: false,
            busy_until_ns: 0,
        }
    }
}

impl World {
    /// Changes the link from one host to another.
    pub(in crate::platform) fn change_link(
        &mut self,
        from: usize,
        to: usize,
        change: impl FnOnce(&mut Link),
    ) {
        let links = &mut self.kernel.links;
        if links.len() <= from {
            links.resize_with(from + 1, Vec::new);
        }
        if links[from].len() <= to {
            links[from].resize(to + 1, None);
        }
        change(links[from][to].get_or_insert(self.kernel.default_link));
    }

    /// Changes all links.
    pub(in crate::platform) fn change_all_links(&mut self, mut change: impl FnMut(&mut Link)) {
        change(&mut self.kernel.default_link);
        self.kernel.links.iter_mut().flatten().flatten().for_each(change);
    }

    fn link(&self, from: usize, to: usize) -> &Link {
        let link = self.kernel.links.get(from).and_then(|links| links.get(to)?.as_ref());
        link.unwrap_or(&self.kernel.default_link)
    }

    /// Whether a message that is on its way arrives now.
    pub(super) fn is_reachable(&self, from: usize, to: usize) -> bool {
        if !self.kernel.hosts.get(to).is_some_and(|host| host.is_up) {
            return false;
        }
        from == to || !self.link(from, to).is_cut
    }

    /// Draws when a message of this length that is sent now arrives. Messages of a host to itself
    /// arrive at once, as on Linux.
    pub(super) fn arrival_ns(&mut self, from: usize, to: usize, len: usize) -> u64 {
        let mut sent_ns = now_ns();
        if from == to {
            return sent_ns;
        }
        let link = self.link(from, to);
        let (min, max) = link.latency_ns;
        if let Some(bandwidth) = link.bandwidth {
            let takes_ns = (len as u64).saturating_mul(1_000_000_000) / bandwidth.max(1);
            sent_ns = sent_ns.max(link.busy_until_ns).saturating_add(takes_ns);
            self.change_link(from, to, |link| link.busy_until_ns = sent_ns);
        }
        sent_ns + min + self.draw("latency", max.saturating_sub(min) + 1)
    }

    /// Draws whether something happens to a message between two hosts.
    pub(super) fn happens(
        &mut self,
        from: usize,
        to: usize,
        probability: impl Fn(&Link) -> u64,
        stream: &str,
    ) -> bool {
        let probability = if from == to { 0 } else { probability(self.link(from, to)) };
        probability > 0 && self.streams.happens(stream, probability, MILLION)
    }
}

//! What a test does to its hosts and to the network while it runs.

use std::time::Duration;

use crate::hosts::{Action, Running};
use crate::platform;

/// A change of the link from one host to another. `None` leaves a value as it is. Probabilities are
/// in millionths.
#[derive(Clone, Debug, Default)]
pub struct LinkFault {
    /// The shortest and the longest time of a message, in nanoseconds.
    pub latency_ns: Option<(u64, u64)>,
    /// The probability that a message is lost.
    pub loss: Option<u64>,
    /// The probability that a datagram arrives twice.
    pub duplication: Option<u64>,
    /// The probability that later datagrams overtake a datagram.
    pub reordering: Option<u64>,
    /// In bytes per second; `None` for no limit.
    pub bandwidth: Option<Option<u64>>,
    /// Whether nothing arrives.
    pub is_cut: Option<bool>,
}

impl LinkFault {
    /// Cuts a link, or heals it.
    #[must_use]
    pub fn cut(is_cut: bool) -> LinkFault {
        LinkFault { is_cut: Some(is_cut), ..LinkFault::default() }
    }
}

/// Access to the hosts and the network while the test runs.
pub struct Net<'a> {
    running: &'a mut Running,
}

impl std::fmt::Debug for Net<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Net").field("hosts", &self.running.sim.hosts).finish()
    }
}

impl<'a> Net<'a> {
    pub(crate) fn new(running: &'a mut Running) -> Net<'a> {
        Net { running }
    }

    /// The number of a host.
    ///
    /// # Panics
    ///
    /// Panics if no host has this name.
    fn find(&self, name: &str) -> usize {
        let found = self.running.sim.hosts.iter().position(|host| host.name == name);
        found.unwrap_or_else(|| panic!("no host has the name `{name}`"))
    }

    /// The names of all hosts and clients.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.running.sim.hosts.iter().map(|host| host.name.as_str())
    }

    /// Changes the link from one host to another.
    pub fn change_link(&mut self, from: &str, to: &str, fault: &LinkFault) {
        let pair = (self.find(from) + 1, self.find(to) + 1);
        platform::change_links(Some(&[pair]), fault);
    }

    /// Changes all links.
    pub fn change_all(&mut self, fault: &LinkFault) {
        platform::change_links(None, fault);
    }

    /// Cuts or heals the links between a host and each of the others.
    pub fn isolate(&mut self, name: &str, is_cut: bool) {
        let own = self.find(name) + 1;
        let others = (1..=self.running.sim.hosts.len()).filter(|&other| other != own);
        let pairs: Vec<_> = others.flat_map(|other| [(own, other), (other, own)]).collect();
        platform::change_links(Some(&pairs), &LinkFault::cut(is_cut));
    }

    /// Cuts the power of a host. Its threads never run again.
    pub fn crash(&mut self, name: &str) {
        let number = self.find(name);
        self.running.stop(number, true);
    }

    /// Kills the process of a host. Its threads never run again, and the kernel closes its sockets.
    pub fn kill(&mut self, name: &str) {
        let number = self.find(name);
        self.running.stop(number, false);
    }

    /// Restarts a host that is down.
    pub fn restart(&mut self, name: &str) {
        let number = self.find(name);
        self.running.start(number);
    }

    /// Restarts a host after this time.
    pub fn restart_after(&mut self, name: &str, pause: Duration) {
        let number = self.find(name);
        self.running.plan_after(pause, Action::Restart(number));
    }

    /// Whether a host runs.
    #[must_use]
    pub fn is_up(&self, name: &str) -> bool {
        self.running.is_up(self.find(name))
    }

    /// Stops or continues the threads of a host.
    pub fn pause(&mut self, name: &str, is_paused: bool) {
        platform::pause_host(self.find(name) + 1, is_paused);
    }

    /// Resets the connections between two hosts.
    pub fn reset(&mut self, one: &str, other: &str) {
        platform::reset(self.find(one) + 1, self.find(other) + 1);
    }

    /// Limits the descriptors of a host.
    pub fn limit_descriptors(&mut self, name: &str, max: usize) {
        platform::limit_descriptors(self.find(name) + 1, max);
    }

    /// Sets how far the wall clock is ahead and how much faster the clocks are.
    pub fn change_clocks(&mut self, name: &str, offset_ns: i64, drift_ppm: i64) {
        platform::change_clocks(self.find(name) + 1, offset_ns, drift_ppm);
    }

    /// Plans a call for later.
    pub fn after(&mut self, pause: Duration, call: impl FnOnce(&mut Net<'_>) + Send + 'static) {
        self.running.plan_after(pause, Action::Call(Box::new(call)));
    }
}

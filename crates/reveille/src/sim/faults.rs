//! Which faults a seed draws.

use std::time::Duration;

/// When faults end by default.
const UNTIL: Duration = Duration::from_secs(60);

/// Faults that each seed draws for its hosts and its network: partitions, hosts whose messages are
/// lost, slow links, lost messages, datagrams that arrive twice or out of order, crashes, killed
/// processes, pauses, reset connections, wrong clocks. A seed has only some of the kinds, because
/// faults of one kind may hide those of another. The output of a seed that fails lists its faults,
/// each with its number and its time. `REVEILLE_SIM_OMIT=2,5` leaves out those with the numbers 2
/// and 5.
///
/// Clients are not crashed, killed or paused.
///
/// # Examples
///
/// ```
/// use reveille::sim::Faults;
/// use std::time::Duration;
///
/// let faults = Faults::swarm().until(Duration::from_secs(30)).clocks(false);
/// # drop(faults);
/// ```
#[derive(Clone, Debug)]
#[must_use = "pass it to `Builder::faults`"]
pub struct Faults(pub(super) reveille_sim::Faults);

impl Faults {
    /// Faults of drawn kinds for a minute.
    ///
    /// # Examples
    ///
    /// ```
    /// let faults = reveille::sim::Faults::swarm();
    /// # drop(faults);
    /// ```
    pub fn swarm() -> Faults {
        Faults(reveille_sim::Faults::until(UNTIL))
    }

    /// Sets the time at which all faults end: the network has no partitions any more, and all hosts
    /// run. After that, the program has to keep its liveness promises.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// let faults = reveille::sim::Faults::swarm().until(Duration::from_secs(10));
    /// # drop(faults);
    /// ```
    pub fn until(self, time: Duration) -> Faults {
        Faults(self.0.ending(time))
    }

    /// Sets whether hosts crash and are killed. The default is `true`.
    ///
    /// # Examples
    ///
    /// ```
    /// let faults = reveille::sim::Faults::swarm().crashes(false);
    /// # drop(faults);
    /// ```
    pub fn crashes(self, on: bool) -> Faults {
        Faults(self.0.crashes(on))
    }

    /// Sets whether clocks are wrong. The default is `true`.
    ///
    /// # Examples
    ///
    /// ```
    /// let faults = reveille::sim::Faults::swarm().clocks(false);
    /// # drop(faults);
    /// ```
    pub fn clocks(self, on: bool) -> Faults {
        Faults(self.0.clocks(on))
    }

    /// Sets whether some hosts have few descriptors: 20 to 40. The default is `false`, because the
    /// runtime itself needs some descriptors.
    ///
    /// # Examples
    ///
    /// ```
    /// let faults = reveille::sim::Faults::swarm().descriptors(true);
    /// # drop(faults);
    /// ```
    pub fn descriptors(self, on: bool) -> Faults {
        Faults(self.0.descriptors(on))
    }
}

//! The disk of a simulated machine: its latency, its size and its errors.

use std::ops::RangeInclusive;
use std::time::Duration;

/// How the disk of a simulated machine behaves.
///
/// Without [`apply`](Disk::apply), a simulation has the disk of [`Disk::new`].
///
/// # Examples
///
/// ```
/// # use reveille_sim as sim;
/// use std::time::Duration;
///
/// let slow = Duration::from_millis(1)..=Duration::from_millis(50);
/// sim::Disk::new().latency(slow).full_at(1 << 20).eio(0.01).apply();
/// ```
#[derive(Clone, Debug, PartialEq)]
#[must_use = "call `apply`"]
pub struct Disk {
    pub(crate) latency: RangeInclusive<Duration>,
    pub(crate) full_at: Option<u64>,
    pub(crate) lose_unsynced: bool,
    pub(crate) torn: bool,
    pub(crate) eio: f64,
}

/// Latencies of a solid-state disk.
const LATENCY: RangeInclusive<Duration> = Duration::from_micros(20)..=Duration::from_millis(5);

impl Disk {
    /// A disk without errors and with room for everything. A crash loses, keeps or tears what was
    /// not synced.
    ///
    /// # Examples
    ///
    /// ```
    /// # use reveille_sim as sim;
    /// assert_eq!(sim::Disk::new(), sim::Disk::default());
    /// ```
    pub const fn new() -> Disk {
        Disk { latency: LATENCY, full_at: None, lose_unsynced: true, torn: true, eio: 0.0 }
    }

    /// Sets how long the disk takes: each operation that has to reach it draws its time.
    ///
    /// # Examples
    ///
    /// ```
    /// # use reveille_sim as sim;
    /// let disk = sim::Disk::new().latency(Default::default()..=std::time::Duration::from_secs(1));
    /// disk.apply();
    /// ```
    pub fn latency(self, latency: RangeInclusive<Duration>) -> Disk {
        Disk { latency, ..self }
    }

    /// Sets the bytes that fit onto the disk. A write that needs more is short or fails with
    /// `ENOSPC`.
    ///
    /// # Examples
    ///
    /// ```
    /// # use reveille_sim as sim;
    /// sim::Disk::new().full_at(64 << 10).apply();
    /// ```
    pub fn full_at(self, bytes: u64) -> Disk {
        Disk { full_at: Some(bytes), ..self }
    }

    /// Sets whether a crash may lose what was not synced.
    ///
    /// # Examples
    ///
    /// ```
    /// # use reveille_sim as sim;
    /// sim::Disk::new().lose_unsynced(false).apply();
    /// ```
    pub fn lose_unsynced(self, may_lose: bool) -> Disk {
        Disk { lose_unsynced: may_lose, ..self }
    }

    /// Sets whether a crash may keep a part of a write, in units of 512 bytes.
    ///
    /// # Examples
    ///
    /// ```
    /// # use reveille_sim as sim;
    /// sim::Disk::new().torn(false).apply();
    /// ```
    pub fn torn(self, may_tear: bool) -> Disk {
        Disk { torn: may_tear, ..self }
    }

    /// Sets the probability with which a read, a write or a sync fails with `EIO`. After a sync
    /// that failed, a later one does not save the writes before it, as on Linux.
    ///
    /// # Panics
    ///
    /// Panics if the probability is not between 0 and 1.
    ///
    /// # Examples
    ///
    /// ```
    /// # use reveille_sim as sim;
    /// sim::Disk::new().eio(0.001).apply();
    /// ```
    pub fn eio(self, probability: f64) -> Disk {
        assert!((0.0..=1.0).contains(&probability), "a probability is between 0 and 1");
        Disk { eio: probability, ..self }
    }

    /// Makes this the disk of the machine that the calling thread is on. Does nothing outside of
    /// simulations.
    ///
    /// # Examples
    ///
    /// ```
    /// # use reveille_sim as sim;
    /// sim::Disk::new().apply();
    /// ```
    pub fn apply(self) {
        crate::platform::set_disk(self);
    }
}

impl Default for Disk {
    fn default() -> Disk {
        Disk::new()
    }
}

/// Cuts the power of the disk of the machine that the calling thread is on: what was not synced is
/// lost, kept or torn, by draw. Does nothing outside of simulations. Open files stay open, so a
/// program that was not stopped keeps using them.
///
/// # Examples
///
/// ```
/// # use reveille_sim as sim;
/// std::fs::write("/tmp/not-synced", "some text")?;
/// sim::crash_disk();
/// let text = std::fs::read_to_string("/tmp/not-synced").unwrap_or_default();
/// assert!(text == "some text" || sim::is_simulated());
/// # std::fs::remove_file("/tmp/not-synced")?;
/// # Ok::<(), std::io::Error>(())
/// ```
pub fn crash_disk() {
    crate::platform::crash_disk();
}

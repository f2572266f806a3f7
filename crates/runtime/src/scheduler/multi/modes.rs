//! What the hot paths of a pool check with one load: whether it stops, has hooks, or is recorded.

use reveille_primitive::atomic::{AtomicU8, Ordering};

/// The runtime stops.
pub(super) const STOPPING: u8 = 1 << 0;
/// The runtime has hooks for its tasks.
pub(super) const HOOKS: u8 = 1 << 1;
/// Something records what happens in the process.
pub(super) const RECORDING: u8 = 1 << 2;

/// A set of modes.
#[derive(Debug, Default)]
pub(super) struct Modes(AtomicU8);

impl Modes {
    /// Whether one of `modes` is set. Relaxed: a thread that sees it late makes one more step.
    #[inline]
    pub(super) fn has_any(&self, modes: u8) -> bool {
        self.0.load(Ordering::Relaxed) & modes != 0
    }

    /// Like [`has_any`](Modes::has_any), ordered with the changes.
    pub(super) fn has_any_now(&self, modes: u8) -> bool {
        self.0.load(Ordering::SeqCst) & modes != 0
    }

    /// Sets or clears `mode`.
    pub(super) fn set(&self, mode: u8, is_set: bool) {
        if is_set {
            self.0.fetch_or(mode, Ordering::SeqCst);
        } else {
            self.0.fetch_and(!mode, Ordering::SeqCst);
        }
    }
}

//! The state of the asymmetric barriers: which side executes a fence, and how that changes.
//!
//! The kernel may refuse its heavy barrier after it was in use: a program may enter a sandbox after
//! its start, and the filter may forbid the call. From then on both sides execute a full fence.
//!
//! | state | light | heavy |
//! |---|---|---|
//! | FULL | a full fence | a full fence |
//! | EXPEDITED | a compiler fence | the kernel's barrier on every core |
//! | LOSING | a full fence | waits for the sweep |
//!
//! # Invariants
//!
//! 1. The state changes from FULL to EXPEDITED only before the pair is used. It leaves EXPEDITED at
//!    most once, for LOSING and then FULL.
//! 2. The sweep executes a full barrier on every core after LOSING was stored and before FULL is
//!    stored. If a light side read EXPEDITED, its earlier stores are visible after the sweep: they
//!    precede its read, and its read precedes the barrier on its core. A light side that stores
//!    after that barrier reads LOSING and executes a fence itself.
//! 3. No heavy side returns while the state is LOSING.

use crate::atomic::{AtomicU8, Ordering, fence};
use crate::lock::Mutex;

const FULL: u8 = 0;
const EXPEDITED: u8 = 1;
const LOSING: u8 = 2;

/// The system calls that the barriers need.
pub trait System {
    /// Prevents the compiler from moving memory accesses across it.
    fn compiler_fence(&self);

    /// Registers the process for [`barrier`](System::barrier). Returns `false` if the system
    /// refuses.
    fn register(&self) -> bool;

    /// Executes a full barrier on every core that runs a thread of this process. Returns `false` if
    /// the system refuses.
    fn barrier(&self) -> bool;

    /// Does the same as [`barrier`](System::barrier) by other, possibly slow means.
    fn sweep(&self);
}

/// A pair of barriers: light on the side that executes it often, heavy on the other.
#[derive(Debug)]
pub struct Asymmetric<S> {
    state: AtomicU8,
    sweeping: Mutex<()>,
    system: S,
}

impl<S: System> Asymmetric<S> {
    /// A pair of barriers that are both full.
    #[cfg(not(reveille_loom))]
    pub const fn new(system: S) -> Asymmetric<S> {
        Asymmetric { state: AtomicU8::new(FULL), sweeping: Mutex::new(()), system }
    }

    /// A pair of barriers that are both full.
    #[cfg(reveille_loom)]
    pub fn new(system: S) -> Asymmetric<S> {
        Asymmetric { state: AtomicU8::new(FULL), sweeping: Mutex::new(()), system }
    }

    /// Makes the light barrier a compiler fence, if the system supports the heavy one. Called once,
    /// before the pair is used.
    pub fn prepare(&self) {
        if self.system.register() {
            self.state.store(EXPEDITED, Ordering::SeqCst);
        }
    }

    /// The light barrier, for the side that executes it often.
    #[inline]
    pub fn light(&self) {
        if self.state.load(Ordering::Relaxed) == EXPEDITED {
            self.system.compiler_fence();
        } else {
            fence(Ordering::SeqCst);
        }
    }

    /// The heavy barrier, for the other side.
    pub fn heavy(&self) {
        fence(Ordering::SeqCst);
        match self.state.load(Ordering::Acquire) {
            FULL => {}
            EXPEDITED if self.system.barrier() => {}
            _ => self.lose(),
        }
    }

    /// Makes both barriers full fences. Returns when they are.
    #[cold]
    fn lose(&self) {
        let _sweeping = self.sweeping.lock();
        if self.state.load(Ordering::Acquire) == FULL {
            return;
        }
        self.state.store(LOSING, Ordering::SeqCst);
        fence(Ordering::SeqCst);
        self.system.sweep();
        self.state.store(FULL, Ordering::Release);
    }
}

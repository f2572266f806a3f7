//! The state of the asymmetric barriers: which of the two sides executes a fence, and how that
//! changes.
//!
//! The kernel may refuse its heavy barrier after it was in use: a program enters a sandbox once it
//! has started, and the filter forbids the call. From then on both sides execute a full fence.
//!
//! | state | light | heavy |
//! |---|---|---|
//! | FULL | a full fence | a full fence |
//! | EXPEDITED | a compiler fence | the kernel's barrier on every core |
//! | LOSING | a full fence | waits for the sweep |
//!
//! # Invariants
//!
//! 1. EXPEDITED is entered from FULL, before the pair is used, and left once, for LOSING and then
//!    FULL.
//! 2. The sweep executes a full barrier on every core after LOSING was stored, and FULL follows it.
//!    If a light side read EXPEDITED, then its earlier stores are visible after the sweep: its read
//!    came before the barrier on its core, and its stores before its read. A light side whose store
//!    came after that barrier reads LOSING, and executes a fence itself.
//! 3. No heavy side returns while the state is LOSING.

use crate::atomic::{AtomicU8, Ordering, fence};
use crate::lock::Mutex;

const FULL: u8 = 0;
const EXPEDITED: u8 = 1;
const LOSING: u8 = 2;

/// The calls of the system that the barriers need.
pub trait System {
    /// Keeps the compiler from moving accesses across it.
    fn compiler_fence(&self);

    /// Asks for the right to use [`barrier`](System::barrier).
    fn register(&self) -> bool;

    /// Executes a full barrier on every core that runs a thread of this process. Returns `false` if
    /// the system refuses.
    fn barrier(&self) -> bool;

    /// As [`barrier`](System::barrier), by other and possibly slow means.
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

    /// Makes the light side light, if the system agrees. Called once, before either is used.
    pub fn prepare(&self) {
        if self.system.register() {
            self.state.store(EXPEDITED, Ordering::SeqCst);
        }
    }

    /// The barrier of the side that executes it often.
    #[inline]
    pub fn light(&self) {
        if self.state.load(Ordering::Relaxed) == EXPEDITED {
            self.system.compiler_fence();
        } else {
            fence(Ordering::SeqCst);
        }
    }

    /// The barrier of the other side.
    pub fn heavy(&self) {
        fence(Ordering::SeqCst);
        match self.state.load(Ordering::Acquire) {
            FULL => {}
            EXPEDITED if self.system.barrier() => {}
            _ => self.lose(),
        }
    }

    /// Makes both sides full. Returns when they are.
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

//! Linux: many receives in one system call, through io_uring.
//!
//! Each request has MSG_DONTWAIT, so the kernel executes it inside the call that submits it, and
//! completes it with "would block" if there is no message: no request outlives the call. So no
//! request is ever cancelled or tied to a thread, and any thread with the right to turn may submit.
//! (A request that waits for its message belongs to the thread that submitted it, so another thread
//! could not take it over when that worker's poll blocks. docs/performance.md has the cost.)
//!
//! Invariant:
//! 1. The memory and the descriptor of a request outlive the call. The memory belongs to the batch,
//!    and is leaked if the call fails before the kernel has completed the request. The descriptor
//!    stays open until its slot is freed (contract of `Source::register`), and no slot is freed
//!    while the turn holds the lock of the slots.

use std::io;

use crate::poll::key::SourceKey;
use crate::source::{Flags, PrefetchRequest};

/// The minimum number of events for a batch. With fewer events, one call for all saves too little.
pub(crate) const BATCH_MIN: usize = 4;

/// One receive of a batch.
#[derive(Debug)]
pub(crate) struct Receive {
    pub(crate) key: SourceKey,
    pub(crate) flags: Flags,
    #[allow(dead_code, reason = "only io_uring uses it, which not every system has")]
    pub(crate) fd: i32,
    pub(crate) request: PrefetchRequest,
    pub(crate) outcome: io::Result<usize>,
}

impl Receive {
    pub(crate) fn new(
        key: SourceKey,
        flags: Flags,
        fd: i32,
        mut request: PrefetchRequest,
    ) -> Receive {
        if request.bytes.len() < request.want {
            request.bytes.resize(request.want, 0);
        }
        Receive { key, flags, fd, request, outcome: Err(io::ErrorKind::WouldBlock.into()) }
    }
}

#[cfg(all(
    target_os = "linux",
    any(
        target_arch = "x86_64",
        target_arch = "x86",
        target_arch = "aarch64",
        target_arch = "riscv64"
    )
))]
mod ring {
    use std::io;

    use super::Receive;
    use crate::poll::event::EVENTS_MAX;
    use crate::poll::uring::Uring;

    /// A ring for batches of receives. See the module's header.
    pub(crate) struct Ring(Uring);

    impl Ring {
        /// `None` if the kernel has no io_uring, or a filter forbids it.
        pub(crate) fn new() -> Option<Ring> {
            // From Linux 5.18 on, which a ring needs, a receive with MSG_DONTWAIT never waits.
            let ring = Uring::new(EVENTS_MAX as u32);
            ring.ok().map(Ring)
        }

        /// Executes all receives and stores their outcomes.
        ///
        /// # Errors
        ///
        /// Returns the error of the system call. The ring and the receives without an outcome must
        /// not be used afterwards.
        #[allow(unsafe_code, reason = "the kernel writes through pointers")]
        pub(crate) fn receive(&mut self, batch: &mut [Receive]) -> io::Result<()> {
            for (index, one) in batch.iter_mut().enumerate() {
                let room = &mut one.request.bytes[..one.request.want];
                // SAFETY: the memory and the descriptor stay valid until the kernel has completed
                // the request (invariant 1).
                unsafe { self.0.push_recv(one.fd, room, index as u64) }?;
            }
            let mut missing = batch.len();
            while missing > 0 {
                let submitted = self.0.enter(missing as u32);
                // Completions from before a failure count as well: those bytes have been taken from
                // the sockets.
                while let Some(done) = self.0.completion() {
                    missing = missing.saturating_sub(1);
                    if let Some(one) = batch.get_mut(done.token as usize) {
                        one.outcome = usize::try_from(done.result)
                            .map_err(|_| io::Error::from_raw_os_error(-done.result));
                    }
                }
                match submitted {
                    Err(error) if error.kind() != io::ErrorKind::Interrupted => return Err(error),
                    _ => {}
                }
            }
            Ok(())
        }
    }
}

#[cfg(not(all(
    target_os = "linux",
    any(
        target_arch = "x86_64",
        target_arch = "x86",
        target_arch = "aarch64",
        target_arch = "riscv64"
    )
)))]
mod ring {
    use std::io;

    use super::Receive;

    /// Has no values: this system has no io_uring.
    pub(crate) enum Ring {}

    impl Ring {
        pub(crate) fn new() -> Option<Ring> {
            None
        }

        pub(crate) fn receive(&mut self, _: &mut [Receive]) -> io::Result<()> {
            match *self {}
        }
    }
}

pub(crate) use ring::Ring;

impl std::fmt::Debug for Ring {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Ring").finish_non_exhaustive()
    }
}

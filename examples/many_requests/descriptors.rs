//! The limit on open descriptors, which a thousand connections reach.

use crate::executor;
use crate::options::Options;

/// Descriptors that a request may need at once: its own end of the connection, and either the
/// embedded server's end or the socket of a name lookup.
const PER_REQUEST: u64 = 2;

/// Descriptors of each thread of the pool: what it waits on, and what wakes it from outside.
const PER_THREAD: u64 = 2;

/// Descriptors of everything else: standard streams, the listener, the runtime's own.
const SPARE: u64 = 64;

/// Raises the soft limit to what the run needs. Where the hard limit forbids it, says so and
/// returns a lower concurrency; otherwise returns the one that was asked for.
pub(crate) fn admit(options: &Options) -> usize {
    // More at a time than there are requests in all would never come to be.
    let wanted = (options.concurrency as usize).min(options.request_count());
    let spare = SPARE + executor::threads(options) as u64 * PER_THREAD;
    let limit = raise_to(wanted as u64 * PER_REQUEST + spare);
    let possible = possible(limit, spare);
    if possible < wanted {
        let requests = if possible == 1 { "request" } else { "requests" };
        eprintln!(
            "note: {limit} descriptors are allowed here, which is enough for {possible} {requests} \
             at a time, not {wanted}"
        );
    }
    wanted.min(possible)
}

/// How many requests may be under way with `limit` descriptors, of which others need `spare`.
fn possible(limit: u64, spare: u64) -> usize {
    usize::try_from(limit.saturating_sub(spare) / PER_REQUEST).unwrap_or(usize::MAX).max(1)
}

/// Raises the soft limit to `needed`, if it is lower, and returns what it is then.
#[cfg(unix)]
fn raise_to(needed: u64) -> u64 {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

    let limit = getrlimit(Resource::Nofile);
    // No number means no limit.
    let soft = limit.current.unwrap_or(u64::MAX);
    let raised = needed.min(limit.maximum.unwrap_or(u64::MAX));
    if soft >= raised {
        return soft;
    }
    let wanted = Rlimit { current: Some(raised), maximum: limit.maximum };
    match setrlimit(Resource::Nofile, wanted) {
        Ok(()) => raised,
        Err(_) => soft,
    }
}

/// Elsewhere sockets are not counted.
#[cfg(not(unix))]
fn raise_to(_needed: u64) -> u64 {
    u64::MAX
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_low_limit_lowers_the_concurrency_but_not_to_nothing() {
        assert_eq!(possible(1024, 64), 480);
        assert_eq!(possible(10, 64), 1);
    }
}

//! The limit on open descriptors, which a thousand connections can reach.

use crate::executor;
use crate::options::Options;

/// The descriptors that a request needs at once: its end of the connection, and either the embedded
/// server's end or the socket of a name lookup.
const PER_REQUEST: u64 = 2;

/// The descriptors of each pool thread: the one that it waits on, and the one that wakes it.
const PER_THREAD: u64 = 2;

/// The descriptors of the rest: standard streams, the listener, the runtime.
const SPARE: u64 = 64;

/// Raises the soft limit to what the run needs, and returns the concurrency that it allows. If the
/// hard limit is too low, prints a note and returns a lower concurrency than requested.
pub(crate) fn admit(options: &Options) -> usize {
    // The concurrency never exceeds the number of requests.
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

/// Returns the concurrency for `limit` descriptors, of which `spare` have other uses.
fn possible(limit: u64, spare: u64) -> usize {
    usize::try_from(limit.saturating_sub(spare) / PER_REQUEST).unwrap_or(usize::MAX).max(1)
}

/// Raises the soft limit to `needed` if it is lower, and returns the resulting limit.
#[cfg(unix)]
fn raise_to(needed: u64) -> u64 {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

    let limit = getrlimit(Resource::Nofile);
    // `None` means that there is no limit.
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

/// Other systems do not limit sockets this way.
#[cfg(not(unix))]
fn raise_to(_needed: u64) -> u64 {
    u64::MAX
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_low_limit_lowers_the_concurrency_but_not_to_zero() {
        assert_eq!(possible(1024, 64), 480);
        assert_eq!(possible(10, 64), 1);
    }
}

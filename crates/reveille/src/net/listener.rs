//! The implementation that all listeners share, including what they do when resources run out.
//!
//! A connection that was closed in the queue is skipped. If the process has no descriptor left, the
//! connection stays in the queue and the listener stays ready, so a loop that logs the error and
//! continues would spin. Therefore the caller gets the error at once, and the next call waits
//! before it tries.

use std::fmt;
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::{Mutex, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use reveille_runtime::io::{Descriptor, Interest, Io};
use reveille_runtime::time::{Sleep, now};

use crate::os::socket::{is_out_of_resources, is_transient};

/// How long a listener waits before it tries again, after descriptors ran out.
const PAUSE: Duration = Duration::from_millis(50);

/// How many closed connections one call skips. Each attempt removes one from the queue, so the
/// bound only matters on a system that reports such an error without removing one.
const MAX_SKIPPED: usize = 1024;

/// A listening socket, and the time before which it is not asked again.
#[derive(Debug)]
pub(crate) struct Listener<T: Descriptor> {
    io: Io<T>,
    not_before: Mutex<Option<Instant>>,
}

impl<T: Descriptor> Listener<T> {
    pub(crate) fn new(inner: T) -> Listener<T> {
        Listener { io: Io::new(inner), not_before: Mutex::new(None) }
    }

    pub(crate) fn get_ref(&self) -> &T {
        self.io.get_ref()
    }

    pub(crate) fn into_inner(self) -> io::Result<T> {
        self.io.into_inner()
    }

    /// Waits for a connection and takes it with `accept`.
    pub(crate) async fn accept<R>(
        &self,
        mut accept: impl FnMut(&T) -> io::Result<R>,
    ) -> io::Result<R> {
        let not_before = *self.not_before.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(deadline) = not_before {
            Sleep::until(deadline).await;
        }
        let result = self.io.io(Interest::Read, |listener| skip_dead(listener, &mut accept)).await;
        let pause = result.as_ref().is_err_and(is_out_of_resources);
        if pause || not_before.is_some() {
            let deadline = if pause { now().checked_add(PAUSE) } else { None };
            *self.not_before.lock().unwrap_or_else(PoisonError::into_inner) = deadline;
        }
        result
    }
}

/// Filters a result for a stream of connections: drops the error if no descriptor or memory is
/// left, because the listener's next attempt waits. Otherwise a loop that ends at the first error
/// would stop the server.
pub(crate) fn skip_resource_error<R>(result: io::Result<R>) -> Option<io::Result<R>> {
    match result {
        Err(error) if is_out_of_resources(&error) => {
            log::warn!("a connection has to wait, since it cannot be accepted: {error}");
            None
        }
        result => Some(result),
    }
}

/// A wait for a connection. Boxed, because the types that hold it have public names.
type Accepting<'a, R> = Pin<Box<dyn Future<Output = io::Result<R>> + Send + Sync + 'a>>;

/// The implementation of both `Incoming` streams: calls `accept` of the listener `L` repeatedly,
/// and drops the address that comes with each connection.
pub(crate) struct AcceptStream<'a, L, S, A> {
    listener: &'a L,
    accept: fn(&'a L) -> Accepting<'a, (S, A)>,
    /// Kept between polls, so that each stream keeps its position among the waiters.
    accepting: Option<Accepting<'a, (S, A)>>,
}

impl<'a, L, S, A> AcceptStream<'a, L, S, A> {
    pub(crate) fn new(
        listener: &'a L,
        accept: fn(&'a L) -> Accepting<'a, (S, A)>,
    ) -> AcceptStream<'a, L, S, A> {
        AcceptStream { listener, accept, accepting: None }
    }

    /// Polls for the next connection. The stream never ends.
    pub(crate) fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Option<io::Result<S>>> {
        loop {
            let accepting = self.accepting.get_or_insert_with(|| (self.accept)(self.listener));
            let result = ready!(accepting.as_mut().poll(cx));
            self.accepting = None;
            if let Some(result) = skip_resource_error(result) {
                return Poll::Ready(Some(result.map(|(connection, _)| connection)));
            }
        }
    }
}

impl<L: fmt::Debug, S, A> fmt::Debug for AcceptStream<'_, L, S, A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Incoming").field("listener", self.listener).finish_non_exhaustive()
    }
}

fn skip_dead<T, R>(listener: &T, accept: &mut impl FnMut(&T) -> io::Result<R>) -> io::Result<R> {
    for _ in 0..MAX_SKIPPED {
        match accept(listener) {
            Err(error) if is_transient(&error) => {}
            result => return result,
        }
    }
    accept(listener)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::io::context::Context as _;
    use crate::os::socket::numbers::{DEAD, NOT_OPEN, TOO_MANY};

    fn failed(number: i32) -> io::Result<()> {
        Err(io::Error::from_raw_os_error(number))
    }

    #[test]
    fn connections_that_died_in_the_queue_are_skipped() {
        let mut answers = DEAD.into_iter();
        let result = skip_dead(&(), &mut |()| answers.next().map_or(Ok(()), failed));
        assert!(result.is_ok(), "{result:?}");
    }

    #[test]
    fn a_stream_of_connections_continues_after_errors_that_name_the_listener() {
        let named = |number| failed(number).context(|| "named".into());
        assert!(skip_resource_error(named(TOO_MANY)).is_none());
        assert!(skip_resource_error(failed(TOO_MANY)).is_none());
        assert!(skip_resource_error(named(NOT_OPEN)).is_some());
        assert!(skip_resource_error(Ok(())).is_some());
    }

    #[test]
    fn skipping_has_an_end() {
        for number in DEAD {
            let mut tries = 0;
            let result = skip_dead(&(), &mut |()| {
                tries += 1;
                failed(number)
            });
            assert_eq!(result.unwrap_err().raw_os_error(), Some(number));
            assert_eq!(tries, MAX_SKIPPED + 1);
        }
    }
}

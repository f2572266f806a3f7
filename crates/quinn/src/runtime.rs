//! quinn's view of the runtime: tasks and timers.

use std::fmt;
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Instant;

use quinn::{AsyncTimer, AsyncUdpSocket, Runtime};
use reveille::runtime::Handle;
use reveille::time::Sleep;

use crate::driver::{Driver, End};
use crate::socket::Socket;

/// Runs quinn's endpoints and connections on a runtime of reveille.
///
/// quinn spawns a task for each endpoint and one for each connection. They run on the runtime that
/// this value was made with, even if a connection is opened from another thread or runtime, so they
/// end together. When that runtime ends, everything that waits for one of its connections fails.
///
/// # Examples
///
/// An endpoint on a socket of your own:
///
/// ```
/// use std::sync::Arc;
///
/// use quinn::{Endpoint, EndpointConfig};
/// use reveille_quinn::ReveilleRuntime;
///
/// let socket = std::net::UdpSocket::bind("127.0.0.1:0")?;
/// let runtime = Arc::new(ReveilleRuntime::current());
/// # #[cfg(feature = "rustls-ring")]
/// let endpoint = Endpoint::new(EndpointConfig::default(), None, socket, runtime)?;
/// # std::io::Result::Ok(())
/// ```
#[derive(Clone)]
pub struct ReveilleRuntime {
    handle: Handle,
    end: Arc<End>,
}

impl ReveilleRuntime {
    /// The runtime of the current task or thread; outside of a runtime the global one.
    ///
    /// # Examples
    ///
    /// ```
    /// let runtime = reveille_quinn::ReveilleRuntime::current();
    /// # drop(runtime);
    /// ```
    pub fn current() -> ReveilleRuntime {
        Handle::current().into()
    }
}

impl Default for ReveilleRuntime {
    fn default() -> ReveilleRuntime {
        ReveilleRuntime::current()
    }
}

impl From<Handle> for ReveilleRuntime {
    fn from(handle: Handle) -> ReveilleRuntime {
        ReveilleRuntime { handle, end: Arc::default() }
    }
}

impl fmt::Debug for ReveilleRuntime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("ReveilleRuntime").field(&self.handle).finish()
    }
}

impl Runtime for ReveilleRuntime {
    fn new_timer(&self, deadline: Instant) -> Pin<Box<dyn AsyncTimer>> {
        Box::pin(Timer(Sleep::until(deadline)))
    }

    fn spawn(&self, future: Pin<Box<dyn Future<Output = ()> + Send>>) {
        drop(self.handle.spawn(Driver::new(future, self.end.clone())));
    }

    fn wrap_udp_socket(&self, socket: std::net::UdpSocket) -> io::Result<Arc<dyn AsyncUdpSocket>> {
        self.end.expect_sockets();
        Ok(Arc::new(Socket::new(socket, self.end.clone())?))
    }

    fn now(&self) -> Instant {
        self.end.now()
    }
}

/// quinn's trait for timers on our type, which may not be implemented on `Sleep` itself here.
#[derive(Debug)]
struct Timer(Sleep);

impl AsyncTimer for Timer {
    fn reset(mut self: Pin<&mut Self>, deadline: Instant) {
        self.0.reset(deadline);
    }

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        Pin::new(&mut self.0).poll(cx)
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;
    use std::time::Duration;

    use reveille::task::block_on;

    use super::*;

    #[test]
    fn a_reset_timer_ends_at_the_new_deadline() {
        let runtime = ReveilleRuntime::current();
        let now = runtime.now();
        let mut timer = runtime.new_timer(now + Duration::from_secs(1_000_000));
        timer.as_mut().reset(now + Duration::from_millis(1));
        block_on(poll_fn(|cx| timer.as_mut().poll(cx)));
        assert!(runtime.now() >= now + Duration::from_millis(1));
        // A timer is reset after it has ended, for the next loss or acknowledgement.
        timer.as_mut().reset(now + Duration::from_millis(2));
        block_on(poll_fn(|cx| timer.as_mut().poll(cx)));
        assert!(runtime.now() >= now + Duration::from_millis(2));
    }
}

//! Connected sockets, and polls that do not wait.

use std::future::Future;
use std::pin::pin;
use std::task::{Context, Waker};

use reveille::net::{TcpListener, TcpStream};
#[cfg(unix)]
use reveille::os::unix::net::UnixStream;

/// Connects two TCP sockets of this machine.
///
/// # Panics
///
/// Panics if the system refuses.
pub async fn tcp_pair() -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("a bound listener has an address");
    let client = TcpStream::connect(address).await.expect("a listener is there");
    (client, listener.accept().await.expect("a client is there").0)
}

/// Returns two connected streams: Unix sockets, or TCP on a system without pairs of those.
///
/// # Panics
///
/// Panics if the system refuses.
#[cfg(unix)]
pub async fn stream_pair() -> (UnixStream, UnixStream) {
    UnixStream::pair().expect("a free descriptor")
}

#[cfg(not(unix))]
pub use self::tcp_pair as stream_pair;

/// Polls once, with a waker that does nothing.
pub fn is_ready<T>(future: impl Future<Output = T>) -> bool {
    let mut cx = Context::from_waker(Waker::noop());
    pin!(future).poll(&mut cx).is_ready()
}

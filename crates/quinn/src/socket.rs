//! A UDP socket of reveille under quinn's trait.
//!
//! quinn-udp makes the system calls, with segmentation offload; this file waits for the socket.
//!
//! # Room in the send buffer
//!
//! quinn asks before each send whether the socket is writable. Almost always it is, so the question
//! costs no system call: the socket counts as writable until a send would have blocked
//! ([`Socket::is_full`]). Then each connection waits until the system reports room. The flag only
//! decides which of the two happens. If two connections race for it, one of them makes a send that
//! would block, sets the flag again and waits.
//!
//! Rejected: a check with a system call for each send (`AsyncFd::poll_writable`), which costs a
//! `poll` for each batch of datagrams.

use std::fmt;
use std::future::Future;
use std::io::{self, ErrorKind, IoSliceMut};
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, ready};

use quinn::udp::{RecvMeta, Transmit, UdpSocketState};
use quinn::{AsyncUdpSocket, UdpPoller};
use reveille::net::UdpSocket;

use crate::driver::End;

/// A socket with what quinn-udp knows of it: offloads, and errors that it has logged.
pub(crate) struct Socket {
    socket: UdpSocket,
    state: UdpSocketState,
    /// The last send would have blocked, and no wait for room has ended since.
    is_full: AtomicBool,
    /// Whether the runtime of the endpoint has ended.
    end: Arc<End>,
}

impl Socket {
    /// Takes a socket of std, and sets it to non-blocking mode.
    pub(crate) fn new(socket: std::net::UdpSocket, end: Arc<End>) -> io::Result<Socket> {
        let state = UdpSocketState::new((&socket).into())?;
        Ok(Socket { socket: socket.into(), state, is_full: AtomicBool::new(false), end })
    }
}

impl AsyncUdpSocket for Socket {
    fn create_io_poller(self: Arc<Self>) -> Pin<Box<dyn UdpPoller>> {
        Box::pin(Room { socket: self, wait: None })
    }

    fn try_send(&self, transmit: &Transmit<'_>) -> io::Result<()> {
        let result = self.state.send((&self.socket).into(), transmit);
        if matches!(&result, Err(error) if error.kind() == ErrorKind::WouldBlock) {
            // Relaxed: a hint, see the header.
            self.is_full.store(true, Ordering::Relaxed);
        }
        result
    }

    fn poll_recv(
        &self,
        cx: &mut Context<'_>,
        bufs: &mut [IoSliceMut<'_>],
        meta: &mut [RecvMeta],
    ) -> Poll<io::Result<usize>> {
        if self.end.is_over() {
            self.end.lose_endpoint();
            return Poll::Ready(Err(io::Error::other("the runtime of the endpoint has ended")));
        }
        // Each error is reported by the system once, and each attempt takes a unit of the budget,
        // so a peer cannot keep the task in this loop.
        loop {
            let recv = |socket: &std::net::UdpSocket| self.state.recv(socket.into(), bufs, meta);
            match ready!(self.socket.poll_read_with(cx, recv)) {
                Err(error) if is_about_a_peer(&error) => {}
                result => return Poll::Ready(result),
            }
        }
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.socket.local_addr()
    }

    fn max_transmit_segments(&self) -> usize {
        self.state.max_gso_segments()
    }

    fn max_receive_segments(&self) -> usize {
        self.state.gro_segments()
    }

    fn may_fragment(&self) -> bool {
        self.state.may_fragment()
    }
}

impl fmt::Debug for Socket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Socket").field(&self.socket).finish()
    }
}

/// Whether the error of a receive is about an earlier send, for which an ICMP message has arrived.
/// QUIC does not rely on such messages, which anyone can forge. An error that is returned to quinn
/// ends the endpoint.
fn is_about_a_peer(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        ErrorKind::ConnectionRefused
            | ErrorKind::ConnectionReset
            | ErrorKind::HostUnreachable
            | ErrorKind::NetworkUnreachable
    )
}

/// Waits for one connection until there is room in the socket's send buffer.
struct Room {
    socket: Arc<Socket>,
    /// Allocated only when a send would have blocked.
    wait: Option<Pin<Box<dyn Future<Output = io::Result<()>> + Send + Sync>>>,
}

impl UdpPoller for Room {
    fn poll_writable(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let Room { socket, wait } = &mut *self;
        if wait.is_none() && !socket.is_full.load(Ordering::Relaxed) {
            return Poll::Ready(Ok(()));
        }
        let future = wait.get_or_insert_with(|| {
            let socket = Arc::clone(socket);
            Box::pin(async move { socket.socket.writable().await })
        });
        let room = ready!(future.as_mut().poll(cx));
        *wait = None;
        socket.is_full.store(false, Ordering::Relaxed);
        Poll::Ready(room)
    }
}

impl fmt::Debug for Room {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Room")
            .field("socket", &self.socket)
            .field("is_waiting", &self.wait.is_some())
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;

    use reveille::task::block_on;

    use super::*;

    #[test]
    fn a_send_that_would_have_blocked_makes_each_connection_wait_once() {
        let socket = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
        let socket = Arc::new(Socket::new(socket, Arc::default()).unwrap());
        let mut pollers = [(); 2].map(|()| socket.clone().create_io_poller());
        let mut cx = Context::from_waker(std::task::Waker::noop());
        // Nothing is registered, so these answers are from the flag alone.
        for poller in &mut pollers {
            assert!(poller.as_mut().poll_writable(&mut cx).is_ready());
        }
        socket.is_full.store(true, Ordering::Relaxed);
        block_on(poll_fn(|cx| pollers[0].as_mut().poll_writable(cx))).unwrap();
        assert!(!socket.is_full.load(Ordering::Relaxed), "the system has reported room");
        assert!(pollers[1].as_mut().poll_writable(&mut cx).is_ready());
    }
}

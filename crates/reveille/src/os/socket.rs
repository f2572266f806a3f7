//! The operating system's side of sockets: connecting and accepting without blocking.
//!
//! | system | connect | accept |
//! |---|---|---|
//! | Linux, Android, BSDs, illumos | non-blocking | non-blocking from the start (`accept4`) |
//! | other Unix | non-blocking | non-blocking after a second call |
//! | Windows | a thread of the blocking pool | non-blocking after a second call |

#[cfg(unix)]
pub(crate) use unix::{
    PAUSES, accept_tcp, connect_tcp, connect_unix, is_out_of_resources, is_tcp, is_transient,
    lengthen_queue, recv, send, send_vectored,
};
#[cfg(windows)]
pub(crate) use windows::{
    accept_tcp, connect_tcp, is_out_of_resources, is_tcp, is_transient, lengthen_queue, recv, send,
    send_vectored,
};

#[cfg(unix)]
mod unix {
    use std::io::{self, IoSlice};
    use std::net::{SocketAddr, TcpListener, TcpStream};
    use std::os::fd::{AsFd, OwnedFd};
    use std::os::unix::net::{SocketAddr as UnixAddr, UnixStream};
    use std::time::Duration;

    use reveille_runtime::io::{Interest, Io};
    use reveille_runtime::time::Sleep;
    use rustix::io::Errno;
    use rustix::net::{
        AddressFamily, RecvFlags, SendAncillaryBuffer, SendFlags, SocketType, ipproto, sendmsg,
        sockopt,
    };

    use crate::os::unix::net::address;

    /// The first and the longest pause before the full queue of another socket is tried again.
    pub(crate) const PAUSES: (Duration, Duration) =
        (Duration::from_millis(1), Duration::from_millis(64));

    /// How many connections may wait to be accepted. Linux limits it to `somaxconn`, which has this
    /// value since 5.4; other systems have their own limits.
    const QUEUE_LEN: i32 = 4096;

    /// Makes room for more waiting connections than std's 128. When the queue is full, Linux drops
    /// the last packet of a handshake: the peer believes that it is connected, and waits for
    /// seconds or forever. A thousand simultaneous connections are enough for that.
    pub(crate) fn lengthen_queue(listener: &TcpListener) -> io::Result<()> {
        // On a listening socket the call only changes the length.
        Ok(rustix::net::listen(listener, QUEUE_LEN)?)
    }

    /// Receives from a connected socket. std's call is a cancellation point of the C library, which
    /// costs two function calls and two atomic exchanges; this one is not.
    #[inline]
    pub(crate) fn recv(socket: impl AsFd, buf: &mut [u8]) -> io::Result<usize> {
        let (len, _) = rustix::net::recv(socket, buf, RecvFlags::empty())?;
        Ok(len)
    }

    /// Sends on a connected socket, without SIGPIPE if the peer has closed it.
    #[inline]
    pub(crate) fn send(socket: impl AsFd, buf: &[u8]) -> io::Result<usize> {
        Ok(rustix::net::send(socket, buf, NO_SIGNAL)?)
    }

    /// Like [`send`], from several buffers. std uses `writev`, which cannot suppress SIGPIPE.
    pub(crate) fn send_vectored(socket: impl AsFd, bufs: &[IoSlice<'_>]) -> io::Result<usize> {
        // The system refuses more buffers instead of sending a part.
        let bufs = &bufs[..bufs.len().min(BUFFERS_MAX)];
        Ok(sendmsg(socket, bufs, &mut SendAncillaryBuffer::default(), NO_SIGNAL)?)
    }

    /// `IOV_MAX` of Linux and the BSDs. POSIX guarantees only 16.
    const BUFFERS_MAX: usize =
        if cfg!(any(target_os = "illumos", target_os = "solaris")) { 16 } else { 1024 };

    /// Whether the connections of `listener` are TCP. A descriptor that the program passed in may
    /// belong to another protocol, which keeps message boundaries.
    pub(crate) fn is_tcp(listener: &TcpListener) -> bool {
        let family = sockopt::socket_domain(listener);
        let protocol = sockopt::socket_protocol(listener);
        matches!(family, Ok(AddressFamily::INET | AddressFamily::INET6))
            && matches!(sockopt::socket_type(listener), Ok(SocketType::STREAM))
            && matches!(protocol, Ok(Some(ipproto::TCP)))
    }

    #[cfg(not(target_vendor = "apple"))]
    const NO_SIGNAL: SendFlags = SendFlags::NOSIGNAL;
    /// On Apple systems std sets a socket option instead.
    #[cfg(target_vendor = "apple")]
    const NO_SIGNAL: SendFlags = SendFlags::empty();

    /// Connects, and waits in the driver for the answer.
    pub(crate) async fn connect_tcp(address: SocketAddr) -> io::Result<Io<TcpStream>> {
        let family = match address {
            SocketAddr::V4(_) => AddressFamily::INET,
            SocketAddr::V6(_) => AddressFamily::INET6,
        };
        let fd = stream_socket(family)?;
        match rustix::net::connect(&fd, &address) {
            Ok(()) => return Ok(Io::for_stream(TcpStream::from(fd))),
            // A signal does not abort the attempt: it continues in the background (POSIX, connect).
            Err(Errno::INPROGRESS | Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
        let stream = Io::for_stream(TcpStream::from(fd));
        stream.io(Interest::Write, is_connected).await?;
        Ok(stream)
    }

    /// Whether the attempt has finished. Readiness alone does not say so, because a source counts
    /// as ready until a call has shown that it is not.
    fn is_connected(stream: &TcpStream) -> io::Result<()> {
        if let Some(error) = stream.take_error()? {
            return Err(error);
        }
        match stream.peer_addr() {
            Ok(_) => Ok(()),
            Err(error) if error.kind() == io::ErrorKind::NotConnected => {
                Err(io::ErrorKind::WouldBlock.into())
            }
            Err(error) => Err(error),
        }
    }

    /// Connects to the listener at `address`.
    pub(crate) async fn connect_unix(address: &UnixAddr) -> io::Result<Io<UnixStream>> {
        let address = address::to_rustix(address)?;
        let (mut pause, longest) = PAUSES;
        // Unbounded: the queue may stay full for as long as the listener does not accept.
        loop {
            let fd = stream_socket(AddressFamily::UNIX)?;
            match rustix::net::connect(&fd, &address) {
                Ok(()) => return Ok(Io::new(UnixStream::from(fd))),
                // The listener's queue is full. Linux forgets the attempt, and no event reports
                // when there is room, so the only way is to sleep and try again.
                Err(Errno::AGAIN) => {
                    Sleep::after(pause).await;
                    pause = (pause * 2).min(longest);
                }
                Err(Errno::INTR) => {}
                Err(Errno::INPROGRESS) => return finish_unix(fd).await,
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// Waits for the answer, on systems where connecting to a path may take time.
    async fn finish_unix(fd: OwnedFd) -> io::Result<Io<UnixStream>> {
        let stream = Io::new(UnixStream::from(fd));
        let is_connected = |stream: &UnixStream| match (stream.take_error()?, stream.peer_addr()) {
            (Some(error), _) => Err(error),
            (None, Ok(_)) => Ok(()),
            (None, Err(error)) if error.kind() == io::ErrorKind::NotConnected => {
                Err(io::ErrorKind::WouldBlock.into())
            }
            (None, Err(error)) => Err(error),
        };
        stream.io(Interest::Write, is_connected).await?;
        Ok(stream)
    }

    #[cfg(any(
        target_os = "linux",
        target_os = "android",
        target_os = "freebsd",
        target_os = "dragonfly",
        target_os = "netbsd",
        target_os = "openbsd",
        target_os = "illumos"
    ))]
    mod flags {
        use super::*;
        use rustix::net::SocketFlags;

        const FLAGS: SocketFlags = SocketFlags::NONBLOCK.union(SocketFlags::CLOEXEC);

        pub(super) fn stream_socket(family: AddressFamily) -> io::Result<OwnedFd> {
            Ok(rustix::net::socket_with(family, SocketType::STREAM, FLAGS, None)?)
        }

        /// Accepts a connection, which is non-blocking from the start.
        pub(crate) fn accept_tcp(listener: &TcpListener) -> io::Result<(TcpStream, SocketAddr)> {
            let (fd, address) = rustix::net::acceptfrom_with(listener, FLAGS)?;
            let stream = TcpStream::from(fd);
            let address = match address.map(SocketAddr::try_from) {
                Some(Ok(address)) => address,
                _ => stream.peer_addr()?,
            };
            Ok((stream, address))
        }
    }

    #[cfg(not(any(
        target_os = "linux",
        target_os = "android",
        target_os = "freebsd",
        target_os = "dragonfly",
        target_os = "netbsd",
        target_os = "openbsd",
        target_os = "illumos"
    )))]
    mod flags {
        use super::*;

        pub(super) fn stream_socket(family: AddressFamily) -> io::Result<OwnedFd> {
            let fd = rustix::net::socket(family, SocketType::STREAM, None)?;
            rustix::io::fcntl_setfd(&fd, rustix::io::FdFlags::CLOEXEC)?;
            rustix::io::ioctl_fionbio(&fd, true)?;
            // Otherwise a write to a closed peer raises a signal that ends the process.
            #[cfg(target_vendor = "apple")]
            rustix::net::sockopt::set_socket_nosigpipe(&fd, true)?;
            Ok(fd)
        }

        /// Accepts a connection and makes it non-blocking.
        pub(crate) fn accept_tcp(listener: &TcpListener) -> io::Result<(TcpStream, SocketAddr)> {
            let (stream, address) = listener.accept()?;
            stream.set_nonblocking(true)?;
            Ok((stream, address))
        }
    }

    pub(crate) use flags::accept_tcp;
    use flags::stream_socket;

    /// Whether an accept failed because of the connection that it took from the queue, so the next
    /// accept may succeed: the peer has closed it, or the network reported an error for it
    /// (accept(2)).
    pub(crate) fn is_transient(error: &io::Error) -> bool {
        #[cfg(any(target_os = "linux", target_os = "android"))]
        const NETWORK: &[Errno] = &[
            Errno::PROTO,
            Errno::HOSTDOWN,
            Errno::NONET,
            Errno::HOSTUNREACH,
            Errno::NETUNREACH,
            Errno::NETDOWN,
        ];
        #[cfg(not(any(target_os = "linux", target_os = "android")))]
        const NETWORK: &[Errno] = &[Errno::PROTO];
        let Some(errno) = Errno::from_io_error(error) else { return false };
        matches!(errno, Errno::CONNABORTED | Errno::INTR) || NETWORK.contains(&errno)
    }

    /// Whether the error, or the error that it wraps to name the listener, means that the process
    /// or the system has no descriptor or memory left.
    pub(crate) fn is_out_of_resources(error: &io::Error) -> bool {
        let errno = crate::io::raw_os_error(error).map(Errno::from_raw_os_error);
        matches!(errno, Some(Errno::MFILE | Errno::NFILE | Errno::NOBUFS | Errno::NOMEM))
    }
}

#[cfg(windows)]
mod windows {
    use std::io::{self, IoSlice};
    use std::net::{SocketAddr, TcpListener, TcpStream};

    use reveille_runtime::io::Io;
    use reveille_runtime::spawn_plain;

    /// `WSAEMFILE` and `WSAENOBUFS`.
    const OUT_OF_RESOURCES: [i32; 2] = [10024, 10055];

    /// Receives from a connected socket.
    pub(crate) fn recv(mut socket: &TcpStream, buf: &mut [u8]) -> io::Result<usize> {
        io::Read::read(&mut socket, buf)
    }

    /// Sends on a connected socket.
    pub(crate) fn send(mut socket: &TcpStream, buf: &[u8]) -> io::Result<usize> {
        io::Write::write(&mut socket, buf)
    }

    /// Like [`send`], from several buffers.
    pub(crate) fn send_vectored(mut socket: &TcpStream, bufs: &[IoSlice<'_>]) -> io::Result<usize> {
        io::Write::write_vectored(&mut socket, bufs)
    }

    /// Whether the connections of `listener` are TCP. Not needed here: no driver of this system
    /// uses it.
    pub(crate) fn is_tcp(_: &TcpListener) -> bool {
        false
    }

    /// Connects on the blocking pool, because std has no call that starts a connection without
    /// waiting.
    pub(crate) async fn connect_tcp(address: SocketAddr) -> io::Result<Io<TcpStream>> {
        let stream = spawn_plain(move || TcpStream::connect(address)).await?;
        stream.set_nonblocking(true)?;
        Ok(Io::new(stream))
    }

    /// Does nothing: no call lengthens the queue here.
    pub(crate) fn lengthen_queue(_: &TcpListener) -> io::Result<()> {
        Ok(())
    }

    /// Accepts a connection and makes it non-blocking.
    pub(crate) fn accept_tcp(listener: &TcpListener) -> io::Result<(TcpStream, SocketAddr)> {
        let (stream, address) = listener.accept()?;
        stream.set_nonblocking(true)?;
        Ok((stream, address))
    }

    /// Whether an accept failed because the peer had closed the connection.
    pub(crate) fn is_transient(error: &io::Error) -> bool {
        matches!(
            error.kind(),
            io::ErrorKind::ConnectionAborted
                | io::ErrorKind::ConnectionReset
                | io::ErrorKind::Interrupted
        )
    }

    /// Whether the error, or the error that it wraps to name the listener, means that the process
    /// or the system has no socket or memory left.
    pub(crate) fn is_out_of_resources(error: &io::Error) -> bool {
        crate::io::raw_os_error(error).is_some_and(|number| OUT_OF_RESOURCES.contains(&number))
    }
}

//! The operating system's side of sockets: connecting and accepting without blocking.
//!
//! | system | connect | accept |
//! |---|---|---|
//! | Linux, Android, BSDs, illumos | non-blocking | non-blocking from the start (`accept4`) |
//! | other Unix | non-blocking | non-blocking after a second call |
//! | Windows | a thread of the blocking pool | non-blocking after a second call |

use std::io;

use socket2::TcpKeepalive;

use crate::net::KeepAlive;

#[cfg(all(test, unix))]
pub(crate) use unix::numbers;
#[cfg(unix)]
pub(crate) use unix::{
    HAS_FAST_OPEN, PAUSES, accept_tcp, begin_connect, bind_tcp, connect_tcp, connect_unix,
    finish_connect, is_closed, is_out_of_resources, is_tcp, is_transient, recv, recv_spare,
    recv_uninit, send, send_vectored, set_fast_open, set_reuse_port,
};
#[cfg(all(test, windows))]
pub(crate) use windows::numbers;
#[cfg(windows)]
pub(crate) use windows::{
    HAS_FAST_OPEN, accept_tcp, begin_connect, bind_tcp, connect_tcp, finish_connect, is_closed,
    is_out_of_resources, is_tcp, is_transient, recv, recv_spare, recv_uninit, send, send_vectored,
    set_fast_open, set_reuse_port,
};

/// The outcome of an attempt to connect that does not wait.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum BeginConnect {
    /// The socket is connected, or will connect with the first write (Fast Open).
    Connected,
    /// The caller must wait for the answer of the peer.
    Waits,
}

/// The options of probes in the form that sets them.
#[cfg(not(target_os = "openbsd"))]
pub(crate) fn keep_alive(probes: &KeepAlive) -> io::Result<TcpKeepalive> {
    let mut params = TcpKeepalive::new();
    if let Some(idle) = probes.idle {
        params = params.with_time(idle);
    }
    if let Some(interval) = probes.interval {
        params = params.with_interval(interval);
    }
    if let Some(retries) = probes.retries {
        params = params.with_retries(retries);
    }
    Ok(params)
}

/// OpenBSD has these options for the whole system only.
#[cfg(target_os = "openbsd")]
pub(crate) fn keep_alive(probes: &KeepAlive) -> io::Result<TcpKeepalive> {
    if *probes == KeepAlive::default() {
        return Ok(TcpKeepalive::new());
    }
    let message = "this system has no keep-alive times for a single socket";
    Err(io::Error::new(io::ErrorKind::Unsupported, message))
}

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

    use super::BeginConnect;
    use crate::os::uninit::UninitBuf;
    use crate::os::unix::net::address;

    /// The first and the longest pause before the full queue of another socket is tried again.
    pub(crate) const PAUSES: (Duration, Duration) =
        (Duration::from_millis(1), Duration::from_millis(64));

    /// How many connections may wait to be accepted. Linux limits it to `somaxconn`, which has this
    /// value since 5.4; other systems have their own limits.
    const QUEUE_LEN: i32 = 4096;

    /// Makes a listener with room for more waiting connections than std's 128. When the queue is
    /// full, Linux drops the last packet of a handshake: the peer believes that it is connected,
    /// and waits for seconds or forever. A thousand simultaneous connections are enough for that.
    pub(crate) fn bind_tcp(address: SocketAddr) -> io::Result<TcpListener> {
        let listener = TcpListener::bind(address)?;
        // On a listening socket the call only changes the length.
        rustix::net::listen(&listener, QUEUE_LEN)?;
        Ok(listener)
    }

    /// Receives from a connected socket. std's call is a cancellation point of the C library, which
    /// costs two function calls and two atomic exchanges; this one is not.
    #[inline]
    pub(crate) fn recv(socket: impl AsFd, buf: &mut [u8]) -> io::Result<usize> {
        let (len, _) = rustix::net::recv(socket, buf, RecvFlags::empty())?;
        Ok(len)
    }

    /// Like [`recv`], into the spare capacity of `buf`, which must have some. Nothing is cleared
    /// first: the kernel writes the bytes, and the vector grows by those that it wrote.
    #[inline]
    pub(crate) fn recv_spare(socket: impl AsFd, buf: &mut Vec<u8>) -> io::Result<usize> {
        let (_, len) =
            rustix::net::recv(socket, rustix::buffer::spare_capacity(buf), RecvFlags::empty())?;
        Ok(len)
    }

    /// Like [`recv`], into a buffer that is not initialized.
    #[inline]
    pub(crate) fn recv_uninit(socket: impl AsFd, buf: &mut UninitBuf<'_>) -> io::Result<usize> {
        buf.fill_with(|bytes| {
            let ((read, _), _) = rustix::net::recv(socket, bytes, RecvFlags::empty())?;
            Ok(read)
        })
    }

    /// Whether the peer of a stream socket has closed its side; `WouldBlock` if it has not. Takes
    /// neither bytes nor errors.
    #[cfg(any(target_os = "linux", target_os = "android"))]
    pub(crate) fn is_closed(socket: impl AsFd) -> io::Result<()> {
        use rustix::event::{PollFd, PollFlags, Timespec, poll};

        let mut asked = [PollFd::new(&socket, PollFlags::RDHUP)];
        match poll(&mut asked, Some(&Timespec::default()))? {
            0 => Err(io::ErrorKind::WouldBlock.into()),
            _ => Ok(()),
        }
    }

    /// Whether the peer of a stream socket has closed its side and everything before the end was
    /// read; `WouldBlock` otherwise. An error of the connection is returned.
    #[cfg(not(any(target_os = "linux", target_os = "android")))]
    pub(crate) fn is_closed(socket: impl AsFd) -> io::Result<()> {
        let flags = RecvFlags::PEEK.union(RecvFlags::DONTWAIT);
        match rustix::net::recv(socket, &mut [0; 1][..], flags)? {
            (_, 0) => Ok(()),
            _ => Err(io::ErrorKind::WouldBlock.into()),
        }
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
        finish_connect(TcpStream::from(fd), BeginConnect::Waits).await
    }

    /// Starts to connect a non-blocking socket.
    pub(crate) fn begin_connect(
        socket: impl AsFd,
        address: &SocketAddr,
    ) -> io::Result<BeginConnect> {
        match rustix::net::connect(socket, address) {
            Ok(()) => Ok(BeginConnect::Connected),
            // A signal does not abort the attempt: it continues in the background (POSIX, connect).
            Err(Errno::INPROGRESS | Errno::INTR) => Ok(BeginConnect::Waits),
            Err(error) => Err(error.into()),
        }
    }

    /// Waits until a connection that was begun is established.
    pub(crate) async fn finish_connect(
        stream: TcpStream,
        begun: BeginConnect,
    ) -> io::Result<Io<TcpStream>> {
        let stream = Io::for_stream(stream);
        if begun == BeginConnect::Waits {
            stream.io(Interest::Write, is_connected).await?;
        }
        Ok(stream)
    }

    /// Lets several sockets share a port.
    #[cfg(not(any(target_os = "illumos", target_os = "solaris")))]
    pub(crate) fn set_reuse_port(socket: impl AsFd, on: bool) -> io::Result<()> {
        Ok(sockopt::set_socket_reuseport(socket, on)?)
    }

    /// Lets several sockets share a port.
    #[cfg(any(target_os = "illumos", target_os = "solaris"))]
    pub(crate) fn set_reuse_port(_: impl AsFd, _: bool) -> io::Result<()> {
        Err(io::Error::new(io::ErrorKind::Unsupported, "this system has no SO_REUSEPORT"))
    }

    /// Whether the system has TCP Fast Open in the form that needs no call of its own to connect.
    pub(crate) const HAS_FAST_OPEN: bool = cfg!(target_os = "linux");

    /// Enables TCP Fast Open: for a listener with the length of its queue, else for a connection.
    #[cfg(target_os = "linux")]
    #[allow(unsafe_code, reason = "rustix has no call for these options")]
    pub(crate) fn set_fast_open(socket: impl AsFd, queue: Option<i32>) -> io::Result<()> {
        use std::os::fd::AsRawFd;

        let (option, value) = match queue {
            Some(queue) => (libc::TCP_FASTOPEN, queue),
            None => (libc::TCP_FASTOPEN_CONNECT, 1),
        };
        let fd = socket.as_fd().as_raw_fd();
        let len = size_of::<i32>() as libc::socklen_t;
        // SAFETY: the kernel reads `len` bytes at the address of `value`, which is an `i32`.
        let result = unsafe {
            libc::setsockopt(fd, libc::IPPROTO_TCP, option, (&raw const value).cast(), len)
        };
        if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
    }

    /// Never called: see [`HAS_FAST_OPEN`].
    #[cfg(not(target_os = "linux"))]
    pub(crate) fn set_fast_open(_: impl AsFd, _: Option<i32>) -> io::Result<()> {
        Err(io::ErrorKind::Unsupported.into())
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

    /// The errors that the tests of listeners return.
    #[cfg(test)]
    pub(crate) mod numbers {
        pub(crate) const DEAD: [i32; 3] = [libc::ECONNABORTED, libc::EINTR, libc::EPROTO];
        pub(crate) const TOO_MANY: i32 = libc::EMFILE;
        pub(crate) const NOT_OPEN: i32 = libc::EBADF;
    }
}

#[cfg(windows)]
mod windows {
    use std::io::{self, IoSlice};
    use std::net::{SocketAddr, TcpListener, TcpStream};

    use reveille_runtime::io::{Interest, Io};
    use socket2::{Domain, Protocol, Socket, Type};

    use super::BeginConnect;
    use crate::os::uninit::UninitBuf;

    /// `WSAEINTR`, `WSAECONNABORTED` and `WSAECONNRESET`. std has no kind for the first.
    const TRANSIENT: [i32; 3] = [10004, 10053, 10054];

    /// `WSAEMFILE` and `WSAENOBUFS`.
    const OUT_OF_RESOURCES: [i32; 2] = [10024, 10055];

    /// Receives from a connected socket.
    pub(crate) fn recv(mut socket: &TcpStream, buf: &mut [u8]) -> io::Result<usize> {
        io::Read::read(&mut socket, buf)
    }

    /// Like [`recv`], into the spare capacity of `buf`. std has no such call for sockets, so the
    /// bytes take a detour over the stack.
    pub(crate) fn recv_spare(socket: &TcpStream, buf: &mut Vec<u8>) -> io::Result<usize> {
        let mut bytes = [0; 16 * 1024];
        let room = bytes.len().min(buf.capacity() - buf.len());
        let len = recv(socket, &mut bytes[..room])?;
        buf.extend_from_slice(&bytes[..len]);
        Ok(len)
    }

    /// Like [`recv`], into a buffer that is not initialized. The bytes take the same detour.
    pub(crate) fn recv_uninit(socket: &TcpStream, buf: &mut UninitBuf<'_>) -> io::Result<usize> {
        let mut bytes = [0; 16 * 1024];
        let room = bytes.len().min(buf.len());
        let len = recv(socket, &mut bytes[..room])?;
        Ok(buf.fill(&bytes[..len]))
    }

    /// Whether the peer has closed its side and everything before the end was read; `WouldBlock`
    /// otherwise. An error of the connection is returned.
    pub(crate) fn is_closed(socket: &TcpStream) -> io::Result<()> {
        match socket.peek(&mut [0; 1])? {
            0 => Ok(()),
            _ => Err(io::ErrorKind::WouldBlock.into()),
        }
    }

    /// Starts to connect a non-blocking socket.
    pub(crate) fn begin_connect(socket: &Socket, address: &SocketAddr) -> io::Result<BeginConnect> {
        match socket.connect(&(*address).into()) {
            Ok(()) => Ok(BeginConnect::Connected),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(BeginConnect::Waits),
            Err(error) => Err(error),
        }
    }

    /// Lets several sockets share a port.
    pub(crate) fn set_reuse_port(_: &Socket, _: bool) -> io::Result<()> {
        Err(io::Error::new(io::ErrorKind::Unsupported, "Windows has no SO_REUSEPORT"))
    }

    /// Whether the system has TCP Fast Open in the form that needs no call of its own to connect.
    pub(crate) const HAS_FAST_OPEN: bool = false;

    /// Never called: see [`HAS_FAST_OPEN`].
    pub(crate) fn set_fast_open(_: &Socket, _: Option<i32>) -> io::Result<()> {
        Err(io::ErrorKind::Unsupported.into())
    }

    /// Waits until a connection that was begun is established.
    pub(crate) async fn finish_connect(
        stream: TcpStream,
        begun: BeginConnect,
    ) -> io::Result<Io<TcpStream>> {
        let stream = Io::new(stream);
        if begun == BeginConnect::Connected {
            return Ok(stream);
        }
        let is_connected = |stream: &TcpStream| match (stream.take_error()?, stream.peer_addr()) {
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

    /// Connects, and waits in the driver for the answer.
    pub(crate) async fn connect_tcp(address: SocketAddr) -> io::Result<Io<TcpStream>> {
        let socket = stream_socket(address)?;
        socket.set_nonblocking(true)?;
        let begun = begin_connect(&socket, &address)?;
        finish_connect(socket.into(), begun).await
    }

    /// Makes a listener with room for as many waiting connections as the system allows: std's has
    /// room for 128. A second call of `listen` changes nothing here.
    pub(crate) fn bind_tcp(address: SocketAddr) -> io::Result<TcpListener> {
        let socket = stream_socket(address)?;
        socket.bind(&address.into())?;
        // `SOMAXCONN`.
        socket.listen(i32::MAX)?;
        Ok(socket.into())
    }

    fn stream_socket(address: SocketAddr) -> io::Result<Socket> {
        Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))
    }

    /// Accepts a connection and makes it non-blocking.
    pub(crate) fn accept_tcp(listener: &TcpListener) -> io::Result<(TcpStream, SocketAddr)> {
        let (stream, address) = listener.accept()?;
        stream.set_nonblocking(true)?;
        Ok((stream, address))
    }

    /// Whether an accept was interrupted, or failed because the peer had closed the connection.
    pub(crate) fn is_transient(error: &io::Error) -> bool {
        error.raw_os_error().is_some_and(|number| TRANSIENT.contains(&number))
    }

    /// Whether the error, or the error that it wraps to name the listener, means that the process
    /// or the system has no socket or memory left.
    pub(crate) fn is_out_of_resources(error: &io::Error) -> bool {
        crate::io::raw_os_error(error).is_some_and(|number| OUT_OF_RESOURCES.contains(&number))
    }

    /// The errors that the tests of listeners return: `WSAECONNABORTED`, `WSAEINTR` and
    /// `WSAECONNRESET`; `WSAEMFILE`; `WSAENOTSOCK`.
    #[cfg(test)]
    pub(crate) mod numbers {
        pub(crate) const DEAD: [i32; 3] = [10053, 10004, 10054];
        pub(crate) const TOO_MANY: i32 = 10024;
        pub(crate) const NOT_OPEN: i32 = 10038;
    }
}

//! Which descriptor the driver gets: the object's own, or a duplicate.
//!
//! The driver must reach the same open file until its entry is removed. A type of std keeps its
//! descriptor until it is dropped, and `Async` removes the entry before that. Any other object may
//! close the descriptor that it lends, or lend another one next time, and needs no unsafe code for
//! that. So the driver registers a duplicate.
//!
//! Types are compared by their ids, because Rust has no specialization.

use std::io;

use reveille::os::id_of;
use reveille_runtime::io::Held;

/// The descriptor of an object, as the platform lends it.
#[cfg(unix)]
pub(crate) use std::os::fd::{AsFd, BorrowedFd as Fd};
#[cfg(windows)]
pub(crate) use std::os::windows::io::{AsSocket as AsFd, BorrowedSocket as Fd};

/// How an object's descriptor is treated.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// A socket or pipe of std. It has readiness, and it keeps its descriptor.
    SocketOrPipe,
    /// An object of std that keeps its descriptor, which may be of any kind.
    AnyOfStd,
    /// An object that may do anything with its descriptor.
    Foreign,
}

fn kind<T>() -> Kind {
    let id = id_of::<T>();
    macro_rules! is_one_of {
        ($($object:ty),* $(,)?) => { false $(|| id == id_of::<$object>())* };
    }
    use std::net::{TcpListener, TcpStream, UdpSocket};
    if is_one_of!(TcpListener, TcpStream, UdpSocket) {
        return Kind::SocketOrPipe;
    }
    #[cfg(unix)]
    {
        use std::os::fd::OwnedFd;
        use std::os::unix::net::{UnixDatagram, UnixListener, UnixStream};

        if is_one_of!(UnixDatagram, UnixListener, UnixStream, io::PipeReader, io::PipeWriter) {
            return Kind::SocketOrPipe;
        }
        if is_one_of!(OwnedFd, std::fs::File) {
            return Kind::AnyOfStd;
        }
    }
    #[cfg(windows)]
    if id == id_of::<std::os::windows::io::OwnedSocket>() {
        return Kind::AnyOfStd;
    }
    Kind::Foreign
}

/// Returns the descriptor that the driver gets for `object`.
///
/// The caller drops the result before it drops the object or gives it away.
pub(crate) fn hold<T: AsFd>(object: &T) -> io::Result<Held> {
    let kind = kind::<T>();
    // Asked once: another call may return another descriptor.
    let fd = descriptor(object);
    if kind != Kind::SocketOrPipe {
        check(fd)?;
    }
    if kind == Kind::Foreign { duplicate(fd).map(Held::Owned) } else { Ok(Held::Lent(lend(fd))) }
}

#[cfg(unix)]
fn descriptor<T: AsFd>(object: &T) -> Fd<'_> {
    object.as_fd()
}

#[cfg(windows)]
fn descriptor<T: AsFd>(object: &T) -> Fd<'_> {
    object.as_socket()
}

#[cfg(unix)]
fn duplicate(fd: Fd<'_>) -> io::Result<std::os::fd::OwnedFd> {
    fd.try_clone_to_owned()
}

#[cfg(windows)]
fn duplicate(fd: Fd<'_>) -> io::Result<std::os::windows::io::OwnedSocket> {
    fd.try_clone_to_owned()
}

/// Removes the lifetime of a descriptor, for `Held::Lent`. Only [`hold`] calls it.
#[allow(unsafe_code, reason = "the object and its registration are fields of one struct")]
#[cfg(unix)]
fn lend(fd: Fd<'_>) -> Fd<'static> {
    use std::os::fd::AsRawFd;

    // SAFETY: `borrow_raw` requires that the descriptor stays open while the result is used. It is
    // that of an object of std, which keeps it until it is dropped. `Async` drops the result first:
    // before the object in its `drop`, and before it gives the object away in `into_inner`. To
    // replace the object by `get_mut` needs unsafe code, whose contract excludes it.
    unsafe { Fd::borrow_raw(fd.as_raw_fd()) }
}

/// Removes the lifetime of a socket, for `Held::Lent`. Only [`hold`] calls it.
#[allow(unsafe_code, reason = "the object and its registration are fields of one struct")]
#[cfg(windows)]
fn lend(fd: Fd<'_>) -> Fd<'static> {
    use std::os::windows::io::AsRawSocket;

    // SAFETY: as on Unix: the object of std keeps its socket longer than the result is used.
    unsafe { Fd::borrow_raw(fd.as_raw_socket()) }
}

/// Fails if the system does not wait for descriptors of this kind, as epoll does when the original
/// registers one.
#[cfg(any(target_os = "linux", target_os = "android"))]
fn check(fd: Fd<'_>) -> io::Result<()> {
    use rustix::event::epoll;
    use rustix::fs::{FileType, fstat};

    let file_type = FileType::from_raw_mode(fstat(fd)?.st_mode);
    if matches!(file_type, FileType::Socket | FileType::Fifo) {
        return Ok(());
    }
    // For devices and descriptors without a type, only epoll itself knows.
    let probe = epoll::create(epoll::CreateFlags::CLOEXEC)?;
    let added = epoll::add(&probe, fd, epoll::EventData::new_u64(0), epoll::EventFlags::IN);
    added.map_err(io::Error::from)
}

/// On other systems the registration fails when the object first waits.
#[cfg(not(any(target_os = "linux", target_os = "android")))]
fn check(_: Fd<'_>) -> io::Result<()> {
    Ok(())
}

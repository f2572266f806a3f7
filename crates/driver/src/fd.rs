//! The descriptor of a source: a file descriptor, or a socket on Windows.

/// A borrowed descriptor (a socket on Windows), as it is passed to the driver.
#[cfg(unix)]
pub type Fd<'a> = std::os::fd::BorrowedFd<'a>;

/// A borrowed descriptor (a socket on Windows), as it is passed to the driver.
#[cfg(windows)]
pub type Fd<'a> = std::os::windows::io::BorrowedSocket<'a>;

/// The descriptor's number, for messages and to distinguish descriptors.
#[cfg(unix)]
pub(crate) fn number(fd: Fd<'_>) -> i64 {
    use std::os::fd::AsRawFd;

    i64::from(fd.as_raw_fd())
}

/// The descriptor's number, for messages and to distinguish descriptors.
#[cfg(windows)]
pub(crate) fn number(fd: Fd<'_>) -> i64 {
    use std::os::windows::io::AsRawSocket;

    fd.as_raw_socket() as i64
}

/// The descriptor in the form that the portable poller takes.
#[cfg(all(unix, any(not(target_os = "linux"), feature = "portable")))]
pub(crate) fn raw(fd: Fd<'_>) -> std::os::fd::RawFd {
    use std::os::fd::AsRawFd;

    fd.as_raw_fd()
}

/// The socket in the form that the portable poller takes.
#[cfg(windows)]
pub(crate) fn raw(fd: Fd<'_>) -> std::os::windows::io::RawSocket {
    use std::os::windows::io::AsRawSocket;

    fd.as_raw_socket()
}

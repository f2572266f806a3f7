//! The credentials of the peer of a Unix domain connection.

use std::io;

use super::UnixStream;

/// The user, group and process at the other end of a connection, as the system knows them. The peer
/// cannot forge them.
///
/// # Examples
///
/// ```
/// use reveille::os::unix::net::UnixStream;
///
/// let (stream, _peer) = UnixStream::pair()?;
/// let credentials = stream.peer_credentials()?;
/// # #[cfg(target_os = "linux")]
/// assert_eq!(credentials.pid, Some(std::process::id()));
/// # std::io::Result::Ok(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[doc(alias("UCred", "SO_PEERCRED", "getpeereid"))]
#[non_exhaustive]
pub struct PeerCredentials {
    /// The effective user id.
    pub uid: u32,
    /// The effective group id.
    pub gid: u32,
    /// The process id. `None` on systems other than Linux and Android, and for a process outside
    /// this container.
    pub pid: Option<u32>,
}

impl UnixStream {
    /// Returns the credentials that the peer had when it connected, called `listen`, or made the
    /// pair. It may have passed the connection on since.
    ///
    /// # Errors
    ///
    /// The system's error. `Unsupported` on illumos and Solaris.
    ///
    /// # Examples
    ///
    /// ```
    /// use reveille::os::unix::net::UnixStream;
    ///
    /// let (here, there) = UnixStream::pair()?;
    /// assert_eq!(here.peer_credentials()?.uid, there.peer_credentials()?.uid);
    /// # std::io::Result::Ok(())
    /// ```
    #[doc(alias = "peer_cred")]
    pub fn peer_credentials(&self) -> io::Result<PeerCredentials> {
        system::credentials(self.as_std())
    }
}

#[cfg(any(target_os = "linux", target_os = "android"))]
#[allow(unsafe_code, reason = "rustix has a process id of zero, which means none, as undefined")]
mod system {
    use std::io;
    use std::os::fd::AsRawFd;
    use std::os::unix::net::UnixStream;

    use super::PeerCredentials;

    pub(super) fn credentials(stream: &UnixStream) -> io::Result<PeerCredentials> {
        let mut found = libc::ucred { pid: 0, uid: 0, gid: 0 };
        let mut len = size_of::<libc::ucred>() as libc::socklen_t;
        // SAFETY: the kernel writes at most `len` bytes at the address of `found`, which is that
        // long, and the length at that of `len`.
        let result = unsafe {
            libc::getsockopt(
                stream.as_raw_fd(),
                libc::SOL_SOCKET,
                libc::SO_PEERCRED,
                (&raw mut found).cast(),
                &raw mut len,
            )
        };
        if result != 0 {
            return Err(io::Error::last_os_error());
        }
        let pid = u32::try_from(found.pid).ok().filter(|&pid| pid != 0);
        Ok(PeerCredentials { uid: found.uid, gid: found.gid, pid })
    }
}

#[cfg(not(any(
    target_os = "linux",
    target_os = "android",
    target_os = "illumos",
    target_os = "solaris"
)))]
#[allow(unsafe_code, reason = "std has this call behind an unstable feature")]
mod system {
    use std::io;
    use std::os::fd::AsRawFd;
    use std::os::unix::net::UnixStream;

    use super::PeerCredentials;

    pub(super) fn credentials(stream: &UnixStream) -> io::Result<PeerCredentials> {
        let (mut uid, mut gid) = (0, 0);
        // SAFETY: the call writes one id at each of the two addresses, which are of that type.
        let result = unsafe { libc::getpeereid(stream.as_raw_fd(), &raw mut uid, &raw mut gid) };
        if result != 0 {
            return Err(io::Error::last_os_error());
        }
        Ok(PeerCredentials { uid, gid, pid: None })
    }
}

#[cfg(any(target_os = "illumos", target_os = "solaris"))]
mod system {
    use std::io;
    use std::os::unix::net::UnixStream;

    use super::PeerCredentials;

    pub(super) fn credentials(_: &UnixStream) -> io::Result<PeerCredentials> {
        let message = "peer credentials are not available on this system";
        Err(io::Error::new(io::ErrorKind::Unsupported, message))
    }
}

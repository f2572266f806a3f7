//! The addresses of Unix sockets, as paths, as std has them and as the system calls take them.

use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::SocketAddr;

use rustix::net::SocketAddrUnix;

use crate::io::context::Context as _;
use crate::path::Path;

/// Converts `path` to an address: a file, an abstract name if it begins with a zero byte, or no
/// name if it is empty. Linux chooses an abstract name for a socket that is bound to the empty one.
fn from_path(path: &Path) -> io::Result<SocketAddr> {
    match path.as_os_str().as_bytes() {
        #[cfg(any(target_os = "linux", target_os = "android"))]
        [0, name @ ..] => from_abstract_name(name),
        _ => SocketAddr::from_pathname::<&std::path::Path>(path.as_ref()),
    }
}

/// Like [`from_path`], with an error that names the operation.
pub(crate) fn from_path_to(path: &Path, operation: &str) -> io::Result<SocketAddr> {
    from_path(path).named(|| format!("could not {operation} `{}`", path.display()))
}

/// Shows `address` in error messages.
pub(crate) fn display(address: &SocketAddr) -> String {
    if let Some(path) = address.as_pathname() {
        return path.display().to_string();
    }
    match abstract_name(address) {
        Some(name) => format!("\\0{}", name.escape_ascii()),
        None => "(unnamed)".to_owned(),
    }
}

/// Converts `address` for the system calls that std does not make.
pub(crate) fn to_rustix(address: &SocketAddr) -> io::Result<SocketAddrUnix> {
    if let Some(path) = address.as_pathname() {
        return Ok(SocketAddrUnix::new(path)?);
    }
    match abstract_name(address) {
        #[cfg(any(target_os = "linux", target_os = "android"))]
        Some(name) => Ok(SocketAddrUnix::new_abstract_name(name)?),
        _ => {
            let message = "an unnamed socket cannot be connected to";
            Err(io::Error::new(io::ErrorKind::InvalidInput, message))
        }
    }
}

#[cfg(any(target_os = "linux", target_os = "android"))]
mod abstract_names {
    use std::io;
    #[cfg(target_os = "android")]
    use std::os::android::net::SocketAddrExt;
    #[cfg(target_os = "linux")]
    use std::os::linux::net::SocketAddrExt;
    use std::os::unix::net::SocketAddr;

    pub(super) fn from_abstract_name(name: &[u8]) -> io::Result<SocketAddr> {
        SocketAddr::from_abstract_name(name)
    }

    pub(super) fn abstract_name(address: &SocketAddr) -> Option<&[u8]> {
        address.as_abstract_name()
    }
}

#[cfg(not(any(target_os = "linux", target_os = "android")))]
mod abstract_names {
    use std::os::unix::net::SocketAddr;

    pub(super) fn abstract_name(_: &SocketAddr) -> Option<&[u8]> {
        None
    }
}

use abstract_names::abstract_name;
#[cfg(any(target_os = "linux", target_os = "android"))]
use abstract_names::from_abstract_name;

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(path: &str) -> io::Result<SocketAddr> {
        from_path(Path::new(path))
    }

    #[test]
    fn a_path_is_a_pathname_address() {
        let address = parse("/tmp/a socket").unwrap();
        assert_eq!(display(&address), "/tmp/a socket");
        assert_eq!(to_rustix(&address).unwrap().path_bytes(), Some(&b"/tmp/a socket"[..]));
    }

    // Only on Linux: it alone has abstract names.
    #[cfg(target_os = "linux")]
    #[test]
    fn a_zero_byte_begins_an_abstract_name() {
        let address = parse("\0a\0name").unwrap();
        assert_eq!(display(&address), "\\0a\\x00name");
        assert_eq!(to_rustix(&address).unwrap().abstract_name(), Some(&b"a\0name"[..]));
    }

    #[test]
    fn an_unnamed_address_is_refused_as_a_target() {
        let socket = std::os::unix::net::UnixDatagram::unbound().unwrap();
        let error = to_rustix(&socket.local_addr().unwrap()).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::InvalidInput);
    }

    #[test]
    fn paths_that_hold_a_zero_byte_or_are_too_long_are_refused() {
        for path in ["a\0b", &"a".repeat(1000), &format!("\0{}", "a".repeat(1000))] {
            let error = parse(path).unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::InvalidInput, "{path:?}");
        }
    }
}

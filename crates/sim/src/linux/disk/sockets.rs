//! The names of Unix sockets. The sockets are those of the system, and their names are the
//! machine's: a path is one of its tree, and an abstract name belongs to the machine. So two
//! machines, or two runs, may use the same name, and no run leaves a file on the real machine.
//!
//! The path of a tree may be too long for an address. So the system knows a socket by a short path
//! with a number, in a folder beside the tree. The tree has a second link to the socket, and the
//! short path is removed.

use std::ffi::OsStr;
use std::fs;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use super::{Machine, NameChange, disks, folder};

/// The longest path of an address, in bytes.
const PATH_MAX_LEN: usize = 107;

/// The name of the folder beside the tree.
pub(super) const FOLDER: &str = "s";

/// The name of a socket that the program passes.
#[derive(Clone, Copy, Debug)]
pub(in super::super) enum SocketName<'a> {
    Abstract,
    /// The absolute path.
    Path(&'a Path),
}

impl Machine {
    /// The system's path for the socket with this address of the program.
    fn short_path(&mut self, address: &[u8]) -> PathBuf {
        let known = self.sockets.iter().position(|known| known == address);
        let number = known.unwrap_or_else(|| {
            self.sockets.push(address.to_vec());
            self.sockets.len() - 1
        });
        self.roots.sockets.join(number.to_string())
    }

    /// Gives a socket a name. `address` is the program's. `bind` does it, and gets the system's.
    pub(in super::super) fn bind_socket(
        &mut self,
        address: &[u8],
        name: SocketName<'_>,
        bind: impl FnOnce(&[u8]) -> io::Result<()>,
    ) -> io::Result<()> {
        let short = self.short_path(address);
        let SocketName::Path(path) = name else { return bind(&abstract_name(&short)) };
        let real = self.writable(path);
        if self.exists(path) {
            return Err(io::Error::from_raw_os_error(libc::EADDRINUSE));
        }
        // Checked first, because a socket that has a name keeps it.
        let parent = real.parent().unwrap_or(&real);
        if !fs::metadata(parent)?.is_dir() {
            return Err(io::Error::from_raw_os_error(libc::ENOTDIR));
        }
        bind(short.as_os_str().as_bytes())?;
        fs::hard_link(&short, &real)?;
        fs::remove_file(&short)?;
        let grave = self.names.new_grave();
        self.add_name(NameChange::Create { path: path.to_owned(), grave });
        Ok(())
    }

    /// The system's name of a socket to connect to, or to send to.
    pub(in super::super) fn socket_to_reach(
        &mut self,
        address: &[u8],
        name: SocketName<'_>,
    ) -> Vec<u8> {
        let SocketName::Path(path) = name else { return abstract_name(&self.short_path(address)) };
        let real = self.readable(path);
        if real.as_os_str().len() <= PATH_MAX_LEN {
            return real.into_os_string().into_encoded_bytes();
        }
        let short = self.roots.sockets.join("reached");
        // It is there after an earlier call. Without a socket, the caller does not find one.
        let _ = fs::remove_file(&short);
        let _ = fs::hard_link(&real, &short);
        short.into_os_string().into_encoded_bytes()
    }
}

/// The system's abstract name of a socket.
fn abstract_name(short: &Path) -> Vec<u8> {
    [b"\0", short.as_os_str().as_bytes()].concat()
}

/// The program's address of the socket with this address of the system. `None` if the program has
/// not named it.
pub(in super::super) fn socket_address(system: &[u8]) -> Option<Vec<u8>> {
    let path = system.strip_prefix(b"\0").unwrap_or(system);
    let path = path.split(|&byte| byte == 0).next()?;
    let below = Path::new(OsStr::from_bytes(path)).strip_prefix(folder()).ok()?;
    let mut parts = below.iter().map(|part| part.to_str());
    let (host, number) = (parts.next()??.parse().ok()?, parts.nth(1)??.parse::<usize>().ok()?);
    disks().get::<usize>(&host)?.sockets.get(number).cloned()
}

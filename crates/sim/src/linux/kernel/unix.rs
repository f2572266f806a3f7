//! The addresses of Unix sockets in the form of the C library. `disk/sockets.rs` has their names.

use std::ffi::{CStr, c_int};
use std::io;
use std::mem::{MaybeUninit, offset_of};
use std::path::PathBuf;

use libc::{sa_family_t, sockaddr, sockaddr_storage, sockaddr_un, socklen_t};

use super::{address, messages};
use crate::platform::disk::{self, SocketName, Work};
use crate::platform::thread::Thread;

/// Where the path or the name begins in an address.
const NAME_AT: usize = offset_of!(sockaddr_un, sun_path);

/// A path or an abstract name that the program passes.
struct Name {
    /// As the program has it, without a zero byte at the end of a path.
    bytes: Vec<u8>,
    /// `None` for an abstract name.
    path: Option<PathBuf>,
}

impl Name {
    /// `None` if the address is not that of a Unix socket, if it has no name, or if its path is one
    /// of the system.
    ///
    /// # Safety
    ///
    /// * `address` is null or valid for reads of `len` bytes.
    unsafe fn read(me: &Thread, address: *const sockaddr, len: socklen_t) -> Option<Name> {
        let len = (len as usize).min(size_of::<sockaddr_un>());
        if address.is_null() || len <= NAME_AT {
            return None;
        }
        // SAFETY: the caller passes an address of at least this length.
        let bytes = unsafe { messages::bytes(address.cast(), len) };
        let family = sa_family_t::from_ne_bytes(bytes[..NAME_AT].try_into().ok()?);
        if c_int::from(family) != libc::AF_UNIX {
            return None;
        }
        let name = &bytes[NAME_AT..];
        if name[0] == 0 {
            return Some(Name { bytes: name.to_vec(), path: None });
        }
        let text: Vec<u8> = name.iter().copied().take_while(|&byte| byte != 0).chain([0]).collect();
        let text = CStr::from_bytes_with_nul(&text).ok()?;
        let path = disk::absolute(me, libc::AT_FDCWD, text)?;
        Some(Name { bytes: text.to_bytes().to_vec(), path: Some(path) })
    }

    fn kind(&self) -> SocketName<'_> {
        self.path.as_deref().map_or(SocketName::Abstract, SocketName::Path)
    }
}

/// An address of the system.
struct Address {
    storage: sockaddr_un,
    len: socklen_t,
}

impl Address {
    /// `None` if the name is too long.
    fn new(name: &[u8]) -> Option<Address> {
        // SAFETY: all bytes zero are an address without a family.
        let mut storage: sockaddr_un = unsafe { MaybeUninit::zeroed().assume_init() };
        storage.sun_family = libc::AF_UNIX as sa_family_t;
        let is_path = name.first() != Some(&0);
        let len = name.len() + usize::from(is_path);
        let room = storage.sun_path.get_mut(..len)?;
        for (into, &byte) in room.iter_mut().zip(name) {
            *into = byte as _;
        }
        Some(Address { storage, len: (NAME_AT + len) as socklen_t })
    }

    fn as_ptr(&self) -> *const sockaddr {
        (&raw const self.storage).cast()
    }
}

/// `bind` for a path or an abstract name. `None` if the call goes to the system. `bind` is the
/// system's.
///
/// # Safety
///
/// * `address` is null or valid for reads of `len` bytes.
pub(super) unsafe fn bind(
    address: *const sockaddr,
    len: socklen_t,
    bind: impl FnOnce(*const sockaddr, socklen_t) -> c_int,
) -> Option<Result<(), c_int>> {
    let me = disk::observed()?;
    // SAFETY: the caller's promise is the same.
    let name = unsafe { Name::read(me, address, len) }?;
    let bind = |system: &[u8]| {
        let too_long = || io::Error::from_raw_os_error(libc::ENAMETOOLONG);
        let system = Address::new(system).ok_or_else(too_long)?;
        match bind(system.as_ptr(), system.len) {
            0 => Ok(()),
            _ => Err(io::Error::last_os_error()),
        }
    };
    let begun = if name.path.is_some() { disk::begin(me, Work::Name) } else { Ok(()) };
    Some(begun.and_then(|()| {
        let bound = disk::with(me, |machine| machine.bind_socket(&name.bytes, name.kind(), bind));
        bound.map_err(|error| error.raw_os_error().unwrap_or(libc::EIO))
    }))
}

/// Calls `call` with the system's address of the socket that the program names.
///
/// # Safety
///
/// * `address` is null or valid for reads of `len` bytes.
pub(super) unsafe fn reach<R>(
    address: *const sockaddr,
    len: socklen_t,
    call: impl FnOnce(*const sockaddr, socklen_t) -> R,
) -> R {
    let system = disk::observed().and_then(|me| {
        // SAFETY: the caller's promise is the same.
        let name = unsafe { Name::read(me, address, len) }?;
        let system = disk::with(me, |machine| machine.socket_to_reach(&name.bytes, name.kind()));
        Address::new(&system)
    });
    match system {
        Some(system) => call(system.as_ptr(), system.len),
        None => call(address, len),
    }
}

/// Calls `call` with room for an address of the system, and writes the program's address. `call`
/// returns a negative number if it fails.
///
/// # Safety
///
/// * `into` is null, or `len` points to the number of bytes that may be written there.
pub(super) unsafe fn show<R: Copy + Into<i64>>(
    into: *mut sockaddr,
    len: *mut socklen_t,
    call: impl FnOnce(*mut sockaddr, *mut socklen_t) -> R,
) -> R {
    if into.is_null() || len.is_null() {
        return call(into, len);
    }
    // SAFETY: all bytes zero are an address without a family.
    let mut system: sockaddr_storage = unsafe { MaybeUninit::zeroed().assume_init() };
    let mut system_len = size_of::<sockaddr_storage>() as socklen_t;
    let result = call((&raw mut system).cast(), &raw mut system_len);
    if result.into() < 0 {
        return result;
    }
    let known_len = (system_len as usize).min(size_of::<sockaddr_storage>());
    // SAFETY: the storage has at least this length, and the bytes behind the address are 0.
    let bytes = unsafe { messages::bytes((&raw const system).cast(), known_len) };
    let is_unix = c_int::from(system.ss_family) == libc::AF_UNIX;
    let own = bytes.get(NAME_AT..).filter(|_| is_unix).and_then(disk::socket_address);
    match own.and_then(|own| Address::new(&own)) {
        // SAFETY: the caller's promise is the same, and the address has this length.
        Some(own) => unsafe { address::store(own.as_ptr().cast(), own.len, into, len) },
        // SAFETY: as above. The system has cut an address that is longer than the storage.
        None => unsafe { address::store((&raw const system).cast(), system_len, into, len) },
    }
    result
}

//! Addresses in the form of the C library, and in that of std.

use std::ffi::{c_int, c_void};
use std::mem::MaybeUninit;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV4, SocketAddrV6};
use std::ptr;

use libc::{sa_family_t, sockaddr, sockaddr_in, sockaddr_in6, sockaddr_storage, socklen_t};

/// Converts an IPv4 address that is mapped to IPv6 to IPv4, and removes the scope.
pub(super) fn plain(address: SocketAddr) -> SocketAddr {
    SocketAddr::new(address.ip().to_canonical(), address.port())
}

/// An address as a socket of this family shows it.
pub(super) fn in_family(family: c_int, address: SocketAddr) -> SocketAddr {
    match address.ip() {
        IpAddr::V4(ip) if family == libc::AF_INET6 => {
            SocketAddr::new(ip.to_ipv6_mapped().into(), address.port())
        }
        _ => address,
    }
}

/// The address that a socket without an address shows.
pub(super) fn unspecified(family: c_int) -> SocketAddr {
    match family {
        libc::AF_INET => SocketAddr::from((Ipv4Addr::UNSPECIFIED, 0)),
        _ => SocketAddr::from((Ipv6Addr::UNSPECIFIED, 0)),
    }
}

/// Reads an address of IPv4 or IPv6. `None` for other families, or if it is too short.
///
/// # Safety
///
/// * `address` is null or valid for reads of `len` bytes.
pub(super) unsafe fn read(address: *const sockaddr, len: socklen_t) -> Option<SocketAddr> {
    let len = len as usize;
    if address.is_null() || len < size_of::<sockaddr_in>() {
        return None;
    }
    // SAFETY: the caller passes an address of this length, and each begins with its family. It need
    // not be aligned.
    let family = unsafe { address.cast::<sa_family_t>().read_unaligned() };
    match c_int::from(family) {
        libc::AF_INET => {
            // SAFETY: the length was checked, and the family says that it is this type.
            let v4 = unsafe { address.cast::<sockaddr_in>().read_unaligned() };
            let ip = Ipv4Addr::from(u32::from_be(v4.sin_addr.s_addr));
            Some(SocketAddrV4::new(ip, u16::from_be(v4.sin_port)).into())
        }
        libc::AF_INET6 if len >= size_of::<sockaddr_in6>() => {
            // SAFETY: the length was checked, and the family says that it is this type.
            let v6 = unsafe { address.cast::<sockaddr_in6>().read_unaligned() };
            let ip = Ipv6Addr::from(v6.sin6_addr.s6_addr);
            Some(SocketAddrV6::new(ip, u16::from_be(v6.sin6_port), 0, 0).into())
        }
        _ => None,
    }
}

/// Writes an address as the kernel does: truncated to the room, with the full length.
///
/// # Safety
///
/// * `into` is null, or `len` points to the number of bytes that may be written there.
pub(super) unsafe fn write(address: &SocketAddr, into: *mut sockaddr, len: *mut socklen_t) {
    if into.is_null() || len.is_null() {
        return;
    }
    // SAFETY: all bytes zero are an address without a family.
    let mut storage: sockaddr_storage = unsafe { MaybeUninit::zeroed().assume_init() };
    let place: *mut c_void = (&raw mut storage).cast();
    let whole = match address {
        SocketAddr::V4(address) => {
            // SAFETY: all bytes zero are an address.
            let mut v4: sockaddr_in = unsafe { MaybeUninit::zeroed().assume_init() };
            v4.sin_family = libc::AF_INET as _;
            v4.sin_port = address.port().to_be();
            v4.sin_addr.s_addr = u32::from(*address.ip()).to_be();
            // SAFETY: a storage has room and alignment for each kind of address.
            unsafe { place.cast::<sockaddr_in>().write(v4) };
            size_of::<sockaddr_in>()
        }
        SocketAddr::V6(address) => {
            // SAFETY: all bytes zero are an address.
            let mut v6: sockaddr_in6 = unsafe { MaybeUninit::zeroed().assume_init() };
            v6.sin6_family = libc::AF_INET6 as _;
            v6.sin6_port = address.port().to_be();
            v6.sin6_addr.s6_addr = address.ip().octets();
            // SAFETY: a storage has room and alignment for each kind of address.
            unsafe { place.cast::<sockaddr_in6>().write(v6) };
            size_of::<sockaddr_in6>()
        }
    };
    // SAFETY: the caller's promise is the same, and the storage has `whole` bytes.
    unsafe { store(place, whole as socklen_t, into, len) };
}

/// Copies an address of the length `whole` as the kernel does.
///
/// # Safety
///
/// * `from` is valid for reads of `whole` bytes, or of a `sockaddr_storage` if that is less.
/// * `len` points to the number of bytes that may be written to `into`.
pub(super) unsafe fn store(
    from: *const c_void,
    whole: socklen_t,
    into: *mut sockaddr,
    len: *mut socklen_t,
) {
    // SAFETY: the caller passes a length with the address.
    let room = unsafe { len.read() } as usize;
    let count = (whole as usize).min(room).min(size_of::<sockaddr_storage>());
    // SAFETY: the caller has room for `room` bytes, and passes an address of `whole` bytes.
    unsafe { ptr::copy_nonoverlapping(from.cast::<u8>(), into.cast::<u8>(), count) };
    // SAFETY: the caller passes a length that may be written.
    unsafe { len.write(whole) };
}

//! TCP on the loopback addresses, over Unix sockets.
//!
//! A TCP socket of a simulated thread is a Unix stream socket of the system. Its name, which begins
//! with a zero byte and is in no file system, says the TCP address. So bytes, queues, readiness,
//! the end of a stream and resets are the kernel's, and the descriptor works in every call. A Unix
//! socket delivers within the call that sends, so two runs of a seed see the same; a TCP socket of
//! the system delivers some time later.
//!
//! Options of TCP and IP are only kept. Another machine cannot be reached. UDP is refused. A
//! connection that finds the queue of the listener full is never established; TCP would try again.
//!
//! The table of sockets is needed for those without a name. A descriptor that was duplicated is
//! found by its name.

use std::collections::BTreeMap;
use std::ffi::{c_int, c_void};
use std::mem::{MaybeUninit, offset_of};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV4, SocketAddrV6};
use std::ptr;

use libc::{
    sa_family_t, sockaddr, sockaddr_in, sockaddr_in6, sockaddr_storage, sockaddr_un, socklen_t,
};

use super::{original, world};

/// What the names begin with, after the zero byte. The process makes them differ from those of
/// other simulations.
fn prefix() -> String {
    format!("reveille-sim {} tcp ", std::process::id())
}

/// The ports for sockets without one, as Linux has them.
const EPHEMERAL: (u16, u64) = (32_768, 28_232);

/// How often another ephemeral port is drawn.
const PORT_TRIES: usize = 1_000;

/// The hop limit that Linux begins with.
const HOPS: c_int = 64;

/// The TCP sockets of the simulation, by their descriptors.
#[derive(Debug, Default)]
pub(super) struct Sockets {
    sockets: BTreeMap<c_int, Socket>,
}

#[derive(Debug)]
struct Socket {
    family: c_int,
    /// It waits for a listener whose queue is full.
    is_connecting: bool,
    /// Level, option and value.
    options: Vec<(c_int, c_int, Vec<u8>)>,
}

impl Sockets {
    /// Records that the descriptor is a TCP socket of this family; `None` if it is not one.
    fn set(&mut self, fd: c_int, family: Option<c_int>) {
        self.sockets.remove(&fd);
        if let Some(family) = family {
            let socket = Socket { family, is_connecting: false, options: Vec::new() };
            self.sockets.insert(fd, socket);
        }
    }

    fn find(&mut self, fd: c_int) -> Option<&mut Socket> {
        self.sockets.get_mut(&fd)
    }
}

/// Makes a socket. `None` if it is of a kind that is not simulated.
pub(super) fn socket(domain: c_int, kind: c_int, protocol: c_int) -> Option<c_int> {
    let flags = libc::SOCK_NONBLOCK | libc::SOCK_CLOEXEC;
    let is_tcp = matches!(domain, libc::AF_INET | libc::AF_INET6)
        && kind & !flags == libc::SOCK_STREAM
        && matches!(protocol, 0 | libc::IPPROTO_TCP);
    if !is_tcp && domain != libc::AF_UNIX {
        return None;
    }
    let protocol = if is_tcp { 0 } else { protocol };
    // SAFETY: the call takes numbers only.
    let fd = unsafe { original::socket(libc::AF_UNIX, kind, protocol) };
    if fd >= 0 {
        with_sockets(|sockets| sockets.set(fd, is_tcp.then_some(domain)));
    }
    Some(fd)
}

/// Records that a descriptor is not a TCP socket, because another call has made it.
pub(super) fn forget(fd: c_int) {
    with_sockets(|sockets| sockets.set(fd, None));
}

fn with_sockets<R>(access: impl FnOnce(&mut Sockets) -> R) -> R {
    world::with(|world| access(world.sockets()))
}

/// Whether the descriptor is a TCP socket of the simulation.
pub(super) fn is_tcp(fd: c_int) -> bool {
    family(fd).is_some()
}

/// The family of a TCP socket; `None` if it is not one.
fn family(fd: c_int) -> Option<c_int> {
    let known = with_sockets(|sockets| sockets.find(fd).map(|socket| socket.family));
    known.or_else(|| local_address(fd).map(|address| family_of(&address)))
}

fn family_of(address: &SocketAddr) -> c_int {
    if address.is_ipv4() { libc::AF_INET } else { libc::AF_INET6 }
}

/// A Unix address and its length.
type UnixName = (sockaddr_un, socklen_t);

/// The name of the Unix socket that stands for a TCP address.
fn name_of(address: &SocketAddr) -> UnixName {
    // SAFETY: all bytes zero are an address without a family and with an empty path.
    let mut name: sockaddr_un = unsafe { MaybeUninit::zeroed().assume_init() };
    name.sun_family = libc::AF_UNIX as _;
    let text = format!("{}{address}", prefix());
    // The first byte stays zero.
    for (place, byte) in name.sun_path[1..].iter_mut().zip(text.bytes()) {
        *place = byte.cast_signed();
    }
    let len = offset_of!(sockaddr_un, sun_path) + 1 + text.len().min(name.sun_path.len() - 1);
    (name, len as socklen_t)
}

/// The TCP address that a Unix name stands for.
fn address_of((name, len): &UnixName) -> Option<SocketAddr> {
    let len = (*len as usize).checked_sub(offset_of!(sockaddr_un, sun_path))?;
    let path = name.sun_path.get(..len)?;
    let (&first, rest) = path.split_first()?;
    let text: Vec<u8> = rest.iter().map(|byte| byte.cast_unsigned()).collect();
    let text = String::from_utf8(text).ok().filter(|_| first == 0)?;
    text.strip_prefix(&prefix())?.parse().ok()
}

/// The original `getsockname` or `getpeername`.
type NameCall = unsafe fn(c_int, *mut sockaddr, *mut socklen_t) -> c_int;

/// Calls `call` for the name of a Unix socket.
fn name(fd: c_int, call: NameCall) -> Option<UnixName> {
    // SAFETY: all bytes zero are an address without a family and with an empty path.
    let mut name: sockaddr_un = unsafe { MaybeUninit::zeroed().assume_init() };
    let mut len = size_of::<sockaddr_un>() as socklen_t;
    // SAFETY: the address has the length that is passed, and both are alive during the call.
    let result = unsafe { call(fd, (&raw mut name).cast(), &mut len) };
    (result == 0 && c_int::from(name.sun_family) == libc::AF_UNIX).then_some((name, len))
}

fn local_address(fd: c_int) -> Option<SocketAddr> {
    name(fd, original::getsockname).and_then(|name| address_of(&name))
}

/// The address of one end of a socket. `None` if the original call has to answer.
pub(super) fn end(fd: c_int, call: NameCall) -> Option<SocketAddr> {
    let name = name(fd, call)?;
    let unnamed = || match family(fd)? {
        libc::AF_INET => Some(SocketAddr::from((Ipv4Addr::UNSPECIFIED, 0))),
        _ => Some(SocketAddr::from((Ipv6Addr::UNSPECIFIED, 0))),
    };
    address_of(&name).or_else(unnamed)
}

/// Binds a TCP socket. The errors are those of Linux.
pub(super) fn bind(fd: c_int, address: &SocketAddr) -> Result<(), c_int> {
    if !is_own(address.ip()) {
        return Err(libc::EADDRNOTAVAIL);
    }
    if address.port() != 0 {
        return bind_name(fd, address);
    }
    let mut result = Err(libc::EADDRINUSE);
    for _ in 0..PORT_TRIES {
        let drawn = world::with(|world| world.draw("port", EPHEMERAL.1));
        let port = EPHEMERAL.0 + drawn as u16;
        result = bind_name(fd, &SocketAddr::new(address.ip(), port));
        if result != Err(libc::EADDRINUSE) {
            break;
        }
    }
    result
}

fn bind_name(fd: c_int, address: &SocketAddr) -> Result<(), c_int> {
    let (name, len) = name_of(address);
    // SAFETY: the name has the length that is passed, and is alive during the call.
    done(unsafe { original::bind(fd, (&raw const name).cast(), len) })
}

/// Whether a socket of this machine can have the address.
fn is_own(ip: IpAddr) -> bool {
    ip.is_loopback() || ip.is_unspecified()
}

/// Connects a TCP socket to a listener of the simulation.
pub(super) fn connect(fd: c_int, address: &SocketAddr) -> Result<(), c_int> {
    let loopback = match address.ip() {
        ip if ip.is_loopback() => ip,
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        _ => return Err(libc::ENETUNREACH),
    };
    if local_address(fd).is_none() {
        bind(fd, &SocketAddr::new(loopback, 0))?;
    }
    // A listener of all addresses is found second. One of IPv6 accepts connections of IPv4 too.
    let all_v4 = loopback.is_ipv4().then_some(IpAddr::V4(Ipv4Addr::UNSPECIFIED));
    let ips = [Some(loopback), all_v4, Some(Ipv6Addr::UNSPECIFIED.into())];
    let mut result = Err(libc::ECONNREFUSED);
    for ip in ips.into_iter().flatten() {
        let (name, len) = name_of(&SocketAddr::new(ip, address.port()));
        // SAFETY: the name has the length that is passed, and is alive during the call.
        result = done(unsafe { original::connect(fd, (&raw const name).cast(), len) });
        if result != Err(libc::ECONNREFUSED) {
            break;
        }
    }
    if result == Err(libc::EAGAIN) {
        // The queue of the listener is full.
        return Err(never_connect(fd));
    }
    result
}

/// Makes a TCP socket one that connects for ever: it never becomes writable. Returns the error
/// number for the call that connects.
fn never_connect(fd: c_int) -> c_int {
    let flags = libc::SOCK_STREAM | libc::SOCK_NONBLOCK | libc::SOCK_CLOEXEC;
    let mut pair: [c_int; 2] = [-1; 2];
    // SAFETY: the call writes two descriptors, for which there is room.
    if unsafe { original::socketpair(libc::AF_UNIX, flags, 0, pair.as_mut_ptr()) } != 0 {
        return std::io::Error::last_os_error().raw_os_error().unwrap_or(libc::EMFILE);
    }
    let [mine, peer] = pair;
    let bytes = [0_u8; 4096];
    // SAFETY: the pointer and the length are those of the array.
    while unsafe { libc::send(mine, bytes.as_ptr().cast(), bytes.len(), libc::MSG_NOSIGNAL) } > 0 {}
    // SAFETY: the call takes numbers only. Both descriptors are sockets of this process.
    let is_replaced = unsafe { libc::dup3(mine, fd, libc::O_CLOEXEC) } >= 0;
    // SAFETY: the descriptor was made above, and no other code has its number.
    unsafe { libc::close(mine) };
    if !is_replaced {
        // SAFETY: the descriptor was made above, and no other code has its number.
        unsafe { libc::close(peer) };
        return libc::EMFILE;
    }
    with_sockets(|sockets| {
        if let Some(socket) = sockets.find(fd) {
            socket.is_connecting = true;
        }
    });
    // The other end stays open for as long as the process, so the socket is not closed by its peer.
    libc::EINPROGRESS
}

/// The result of a call as its error number.
fn done(result: c_int) -> Result<(), c_int> {
    if result == 0 {
        return Ok(());
    }
    Err(std::io::Error::last_os_error().raw_os_error().unwrap_or(libc::EIO))
}

/// Whether a connection of the socket was begun and is not there.
pub(super) fn is_connecting(fd: c_int) -> bool {
    with_sockets(|sockets| sockets.find(fd).is_some_and(|socket| socket.is_connecting))
}

/// Records a connection that a TCP listener has accepted. Returns the address of the peer.
pub(super) fn accepted(listener: c_int, fd: c_int) -> SocketAddr {
    let family = family(listener);
    with_sockets(|sockets| sockets.set(fd, family));
    let peer = name(fd, original::getpeername).and_then(|name| address_of(&name));
    // The peer may have closed its end.
    peer.unwrap_or_else(|| SocketAddr::from((Ipv4Addr::LOCALHOST, 0)))
}

/// Whether an option has no meaning for a Unix socket and is kept here.
fn is_kept(level: c_int, option: c_int) -> bool {
    matches!(level, libc::IPPROTO_TCP | libc::IPPROTO_IP | libc::IPPROTO_IPV6)
        || level == libc::SOL_SOCKET && matches!(option, libc::SO_REUSEADDR | libc::SO_REUSEPORT)
}

/// Keeps the value of an option. `false` if the original call has to set it.
pub(super) fn set_option(fd: c_int, level: c_int, option: c_int, value: &[u8]) -> bool {
    let Some(family) = family(fd).filter(|_| is_kept(level, option)) else { return false };
    with_sockets(|sockets| {
        if sockets.find(fd).is_none() {
            sockets.set(fd, Some(family));
        }
        if let Some(socket) = sockets.find(fd) {
            socket.options.retain(|other| (other.0, other.1) != (level, option));
            socket.options.push((level, option, value.to_vec()));
        }
    });
    true
}

/// The value of an option. `None` if the original call has to answer.
pub(super) fn option(fd: c_int, level: c_int, option: c_int) -> Option<Vec<u8>> {
    let family = family(fd)?;
    let number = |number: c_int| Some(number.to_ne_bytes().to_vec());
    match (level, option) {
        (libc::SOL_SOCKET, libc::SO_DOMAIN) => return number(family),
        (libc::SOL_SOCKET, libc::SO_PROTOCOL) => return number(libc::IPPROTO_TCP),
        _ if !is_kept(level, option) => return None,
        _ => (),
    }
    let kept = with_sockets(|sockets| {
        let mut options = sockets.find(fd)?.options.iter();
        options.find(|other| (other.0, other.1) == (level, option)).map(|other| other.2.clone())
    });
    kept.or_else(|| match (level, option) {
        (libc::IPPROTO_IP, libc::IP_TTL) | (libc::IPPROTO_IPV6, libc::IPV6_UNICAST_HOPS) => {
            number(HOPS)
        }
        _ => number(0),
    })
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

/// Writes an address as the kernel does: as much as there is room for, and the whole length.
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
    // SAFETY: the caller passes a length with the address.
    let room = unsafe { len.read() } as usize;
    // SAFETY: the caller has room for `room` bytes, and the storage has `whole` bytes.
    unsafe { ptr::copy_nonoverlapping(place.cast::<u8>(), into.cast::<u8>(), whole.min(room)) };
    // SAFETY: the caller passes a length that may be written.
    unsafe { len.write(whole as socklen_t) };
}

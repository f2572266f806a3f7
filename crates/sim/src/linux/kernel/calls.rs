//! The functions of the C library for sockets. The invariants are those of `interpose.rs`. A call
//! on a descriptor that is not simulated goes to the system.

use std::ffi::{c_int, c_void};
use std::net::SocketAddr;

use libc::{sockaddr, socklen_t};

use super::address::{self, in_family, unspecified};
use super::descriptors::{self, Kind, Object, is_ours, last_error, own_host};
use super::messages;
use super::tcp::{Role, Tcp};
use super::transfers::complete;
use super::udp::Udp;
use super::unix;
use crate::platform::futex::fail;
use crate::platform::interpose::{answer, replace};
use crate::platform::thread::{Thread, me};
use crate::platform::world;
use crate::platform::{original, refusal};

/// As `interpose::keep_symbols`.
pub(in crate::platform) fn keep_symbols() -> usize {
    let addresses: [*const (); 12] = [
        socket as *const (),
        socketpair as *const (),
        bind as *const (),
        listen as *const (),
        connect as *const (),
        accept as *const (),
        accept4 as *const (),
        getsockname as *const (),
        getpeername as *const (),
        setsockopt as *const (),
        getsockopt as *const (),
        shutdown as *const (),
    ];
    let others = super::duplicates::keep_symbols()
        .wrapping_add(super::transfers::keep_symbols())
        .wrapping_add(super::waits::keep_symbols());
    addresses.iter().fold(others, |sum, address| sum.wrapping_add(address.addr()))
}

/// Creates an object with this token.
pub(super) fn open(fd: c_int, is_nonblocking: bool, kind: Kind) -> c_int {
    let opened = world::with(|world| world.open(fd, Object::new(own_host(), is_nonblocking, kind)));
    opened.unwrap_or_else(fail)
}

/// Waits until a connection is established or has failed.
fn wait_for_connection(me: &'static Thread, fd: c_int) -> Result<(), c_int> {
    complete(me, fd, 0, libc::SO_SNDTIMEO, |world, id| {
        let tcp = world.kernel.tcp(id).ok_or(libc::EBADF)?;
        match (&tcp.role, tcp.error.take()) {
            (_, Some(errno)) => Err(errno),
            (Role::Connecting, None) => Err(libc::EAGAIN),
            _ => Ok(()),
        }
    })
}

fn connect_to(me: &'static Thread, fd: c_int, address: SocketAddr) -> Result<(), c_int> {
    let (begun, waits) = world::with(|world| -> Result<_, c_int> {
        let id = world.kernel.id(fd)?;
        let object = world.kernel.object(fd)?;
        let waits = !object.is_nonblocking;
        let begun = match object.kind {
            Kind::Tcp(_) => world.connect_tcp(id, address),
            Kind::Udp(_) => world.connect_udp(id, address),
            _ => Err(libc::ENOTSOCK),
        };
        Ok((begun, waits))
    })?;
    match begun {
        Err(libc::EINPROGRESS) if waits => wait_for_connection(me, fd),
        begun => begun,
    }
}

/// Accepts a connection. Returns its descriptor and the address of the peer.
fn accept_from(me: &'static Thread, fd: c_int, flags: c_int) -> Result<(c_int, SocketAddr), c_int> {
    let connection = complete(me, fd, 0, libc::SO_RCVTIMEO, |world, id| {
        if world.kernel.is_full(own_host()) {
            return Err(libc::EMFILE);
        }
        world.take_connection(id)
    })?;
    // SAFETY: the call takes numbers only.
    let token = unsafe { original::socket(libc::AF_UNIX, libc::SOCK_STREAM | flags, 0) };
    world::with(|world| {
        let listener = world.kernel.id(fd)?;
        if token < 0 {
            world.put_connection_back(listener, connection);
            return Err(last_error());
        }
        world.kernel.open(token, own_host(), connection)?;
        let object = world.kernel.object(token)?;
        object.is_nonblocking = flags & libc::SOCK_NONBLOCK != 0;
        let tcp = world.kernel.tcp(connection).ok_or(libc::ECONNABORTED)?;
        let peer = tcp.peer.unwrap_or(unspecified(tcp.family));
        Ok((token, in_family(tcp.family, peer)))
    })
}

/// The address of a socket or of its peer.
fn name(fd: c_int, is_peer: bool) -> Result<SocketAddr, c_int> {
    world::with(|world| match &world.kernel.object(fd)?.kind {
        Kind::Tcp(tcp) if is_peer => match tcp.role {
            Role::Connected => Ok(in_family(tcp.family, tcp.peer.ok_or(libc::ENOTCONN)?)),
            _ => Err(libc::ENOTCONN),
        },
        Kind::Udp(udp) if is_peer => Ok(in_family(udp.family, udp.peer.ok_or(libc::ENOTCONN)?)),
        Kind::Tcp(tcp) => Ok(in_family(tcp.family, tcp.local.unwrap_or(unspecified(tcp.family)))),
        Kind::Udp(udp) => Ok(in_family(udp.family, udp.local.unwrap_or(unspecified(udp.family)))),
        _ => Err(libc::ENOTSOCK),
    })
}

/// Writes the address of a socket or of its peer.
///
/// # Safety
///
/// * `into` is null, or `len` points to the number of bytes that may be written there.
unsafe fn write_name(fd: c_int, is_peer: bool, into: *mut sockaddr, len: *mut socklen_t) -> c_int {
    match name(fd, is_peer) {
        Ok(address) => {
            // SAFETY: the caller's promise is the same.
            unsafe { address::write(&address, into, len) };
            0
        }
        Err(errno) => fail(errno),
    }
}

replace! {
    fn socket(domain: c_int, kind: c_int, protocol: c_int) -> c_int = |me| {
        let flags = kind & (libc::SOCK_NONBLOCK | libc::SOCK_CLOEXEC);
        let is_nonblocking = flags & libc::SOCK_NONBLOCK != 0;
        let is_internet = matches!(domain, libc::AF_INET | libc::AF_INET6);
        let object = match (kind & !flags, protocol) {
            (libc::SOCK_STREAM, 0 | libc::IPPROTO_TCP) if is_internet => {
                Kind::Tcp(Tcp::new(domain))
            }
            (libc::SOCK_DGRAM, 0 | libc::IPPROTO_UDP) if is_internet => {
                Kind::Udp(Udp::new(domain))
            }
            _ if domain == libc::AF_UNIX => {
                // SAFETY: the caller meets the contract of the original (invariant 1).
                let fd = unsafe { original::socket(domain, kind, protocol) };
                descriptors::forget(fd);
                return fd;
            }
            _ => {
                refusal::report(me, "`socket` for something other than TCP, UDP and Unix sockets");
                return fail(libc::EAFNOSUPPORT);
            }
        };
        // SAFETY: the call takes numbers only.
        open(unsafe { original::socket(libc::AF_UNIX, kind, 0) }, is_nonblocking, object)
    }

    fn socketpair(domain: c_int, kind: c_int, protocol: c_int, into: *mut c_int) -> c_int = |_me| {
        // SAFETY: the caller meets the contract of the original (invariant 1).
        let result = unsafe { original::socketpair(domain, kind, protocol, into) };
        if result == 0 {
            // SAFETY: the call has written two descriptors.
            let pair = unsafe { into.cast::<[c_int; 2]>().read_unaligned() };
            pair.into_iter().for_each(descriptors::forget);
        }
        result
    }

    fn bind(fd: c_int, address: *const sockaddr, len: socklen_t) -> c_int = |_me| {
        if !is_ours(fd) {
            let system = |address, len| {
                // SAFETY: the address is valid, and the rest is the caller's (invariant 1).
                unsafe { original::bind(fd, address, len) }
            };
            // SAFETY: the caller passes an address of this length (invariant 1).
            let bound = unsafe { unix::bind(address, len, system) };
            return bound.map_or_else(|| system(address, len), answer);
        }
        // SAFETY: the caller passes an address of this length (invariant 1).
        match unsafe { address::read(address, len) } {
            Some(address) => answer(world::with(|world| {
                let id = world.kernel.id(fd)?;
                world.bind(id, address)
            })),
            None => fail(libc::EINVAL),
        }
    }

    fn listen(fd: c_int, backlog: c_int) -> c_int = |_me| {
        if !is_ours(fd) {
            // SAFETY: the call takes numbers only.
            return unsafe { original::listen(fd, backlog) };
        }
        answer(world::with(|world| {
            let id = world.kernel.id(fd)?;
            world.listen(id, backlog)
        }))
    }

    fn connect(fd: c_int, address: *const sockaddr, len: socklen_t) -> c_int = |me| {
        if !is_ours(fd) {
            let system = |address, len| {
                // SAFETY: the address is valid, and the rest is the caller's (invariant 1).
                unsafe { original::connect(fd, address, len) }
            };
            // SAFETY: the caller passes an address of this length (invariant 1).
            return unsafe { unix::reach(address, len, system) };
        }
        // SAFETY: the caller passes an address of this length (invariant 1).
        match unsafe { address::read(address, len) } {
            Some(address) => answer(connect_to(me, fd, address)),
            None => fail(libc::EAFNOSUPPORT),
        }
    }

    fn accept(fd: c_int, into: *mut sockaddr, len: *mut socklen_t) -> c_int = |_me| {
        // SAFETY: the caller meets the contract, which is the same without flags (invariant 1).
        unsafe { accept4(fd, into, len, 0) }
    }

    fn accept4(fd: c_int, into: *mut sockaddr, len: *mut socklen_t, flags: c_int) -> c_int = |me| {
        if !is_ours(fd) {
            let system = |into, len| {
                // SAFETY: there is room for the address, and the rest is the caller's
                // (invariant 1).
                unsafe { original::accept4(fd, into, len, flags) }
            };
            // SAFETY: the caller passes null, or room of the length at `len` (invariant 1).
            let accepted = unsafe { unix::show(into, len, system) };
            descriptors::forget(accepted);
            return accepted;
        }
        match accept_from(me, fd, flags) {
            Ok((accepted, peer)) => {
                // SAFETY: the caller passes null, or room of the length at `len` (invariant 1).
                unsafe { address::write(&peer, into, len) };
                accepted
            }
            Err(errno) => fail(errno),
        }
    }

    fn getsockname(fd: c_int, into: *mut sockaddr, len: *mut socklen_t) -> c_int = |_me| {
        if !is_ours(fd) {
            let system = |into, len| {
                // SAFETY: there is room for the address, and the rest is the caller's
                // (invariant 1).
                unsafe { original::getsockname(fd, into, len) }
            };
            // SAFETY: the caller passes room of the length at `len` (invariant 1).
            return unsafe { unix::show(into, len, system) };
        }
        // SAFETY: the caller passes room of the length at `len` (invariant 1).
        unsafe { write_name(fd, false, into, len) }
    }

    fn getpeername(fd: c_int, into: *mut sockaddr, len: *mut socklen_t) -> c_int = |_me| {
        if !is_ours(fd) {
            let system = |into, len| {
                // SAFETY: there is room for the address, and the rest is the caller's
                // (invariant 1).
                unsafe { original::getpeername(fd, into, len) }
            };
            // SAFETY: the caller passes room of the length at `len` (invariant 1).
            return unsafe { unix::show(into, len, system) };
        }
        // SAFETY: the caller passes room of the length at `len` (invariant 1).
        unsafe { write_name(fd, true, into, len) }
    }

    fn setsockopt(
        fd: c_int,
        level: c_int,
        option: c_int,
        value: *const c_void,
        len: socklen_t
    ) -> c_int = |_me| {
        if is_ours(fd) && !value.is_null() {
            // SAFETY: the caller passes a value of this length (invariant 1).
            let value = unsafe { messages::bytes(value, len as usize) };
            let set = world::with(|world| {
                let id = world.kernel.id(fd).ok()?;
                world.set_option(id, (level, option), value)
            });
            if let Some(set) = set {
                return answer(set);
            }
        }
        // SAFETY: the caller meets the contract of the original (invariant 1).
        unsafe { original::setsockopt(fd, level, option, value, len) }
    }

    fn getsockopt(
        fd: c_int,
        level: c_int,
        option: c_int,
        into: *mut c_void,
        len: *mut socklen_t
    ) -> c_int = |_me| {
        let get = || world::with(|world| world.kernel.object(fd).ok()?.option(level, option));
        let Some(value) = is_ours(fd).then(get).flatten() else {
            // SAFETY: the caller meets the contract of the original (invariant 1).
            return unsafe { original::getsockopt(fd, level, option, into, len) };
        };
        // SAFETY: the caller passes a length with the room (invariant 1).
        let room = unsafe { len.read() } as usize;
        // SAFETY: the caller has this room (invariant 1).
        let count = unsafe { messages::store(&value, into, room) };
        // SAFETY: the caller passes a length that may be written (invariant 1).
        unsafe { len.write(count as socklen_t) };
        0
    }

    fn shutdown(fd: c_int, how: c_int) -> c_int = |_me| {
        if !is_ours(fd) {
            // SAFETY: the call takes numbers only.
            return unsafe { original::shutdown(fd, how) };
        }
        answer(world::with(|world| {
            let id = world.kernel.id(fd)?;
            match world.kernel.object(fd)?.kind {
                Kind::Tcp(_) => world.shutdown_tcp(id, how),
                Kind::Udp(ref udp) if udp.peer.is_some() => Ok(()),
                Kind::Udp(_) => Err(libc::ENOTCONN),
                _ => Err(libc::ENOTSOCK),
            }
        }))
    }
}

//! The functions of the C library that move bytes. The invariants are those of `interpose.rs`.

use std::ffi::{c_int, c_uint, c_void};
use std::net::SocketAddr;
use std::ptr;

use libc::{iovec, loff_t, mmsghdr, msghdr, size_t, sockaddr, socklen_t, timespec, timeval};

use super::Id;
use super::address;
use super::descriptors::{Kind, is_ours};
use super::messages::{self, Outgoing};
use super::unix;
use crate::platform::futex::fail;
use crate::platform::interpose::replace;
use crate::platform::original;
use crate::platform::thread::{NEVER_NS, Outcome, State, Thread, me};
use crate::platform::world::{self, World};

/// As `interpose::keep_symbols`.
pub(super) fn keep_symbols() -> usize {
    let addresses: [*const (); 9] = [
        send as *const (),
        sendto as *const (),
        sendmsg as *const (),
        sendmmsg as *const (),
        recv as *const (),
        recvfrom as *const (),
        recvmsg as *const (),
        recvmmsg as *const (),
        splice as *const (),
    ];
    addresses.iter().fold(0, |sum, address| sum.wrapping_add(address.addr()))
}

/// If the descriptor blocks, calls `attempt` until it does not return `EAGAIN`. `timeout` is the
/// option with the longest wait.
pub(super) fn complete<R>(
    me: &'static Thread,
    fd: c_int,
    flags: c_int,
    timeout: c_int,
    mut attempt: impl FnMut(&mut World, Id) -> Result<R, c_int>,
) -> Result<R, c_int> {
    let mut deadline_ns = None;
    loop {
        let (result, waits_for) = world::with(|world| {
            let id = match world.kernel.id(fd) {
                Ok(id) => id,
                Err(errno) => return (Err(errno), None),
            };
            let object = world.kernel.objects.get(id);
            let is_nonblocking = object.is_some_and(|object| object.is_nonblocking);
            let waits = !is_nonblocking && flags & libc::MSG_DONTWAIT == 0;
            (attempt(world, id), Some(id).filter(|_| waits))
        });
        match (result, waits_for) {
            (Err(libc::EAGAIN), Some(id)) => {
                let deadline_ns = *deadline_ns.get_or_insert_with(|| deadline(me, fd, timeout));
                let state = State::Readable { fd, object: Some(id), deadline_ns };
                if world::switch(me, state) == Outcome::TimedOut {
                    return Err(libc::EAGAIN);
                }
            }
            (result, _) => return result,
        }
    }
}

/// When a call that blocks gives up.
fn deadline(me: &Thread, fd: c_int, option: c_int) -> u64 {
    let mut time = timeval { tv_sec: 0, tv_usec: 0 };
    let mut len = size_of::<timeval>() as socklen_t;
    let into = (&raw mut time).cast();
    // SAFETY: the time has the length that is passed, and both are alive during the call.
    let result = unsafe { original::getsockopt(fd, libc::SOL_SOCKET, option, into, &mut len) };
    let ns = time.tv_sec.cast_unsigned() * 1_000_000_000 + time.tv_usec.cast_unsigned() * 1_000;
    if result != 0 || ns == 0 { NEVER_NS } else { world::after_ns(me, ns) }
}

/// The result of a call that returns a number of bytes.
fn count(result: Result<usize, c_int>) -> isize {
    result.map_or_else(fail, usize::cast_signed)
}

/// The result of a receive.
struct Received {
    /// How many bytes were stored.
    stored: usize,
    /// The sender of a datagram, and the length of all of it.
    datagram: Option<(SocketAddr, usize)>,
}

/// Receives into buffers.
///
/// # Safety
///
/// * The buffers are valid for writes.
unsafe fn receive(
    me: &'static Thread,
    fd: c_int,
    buffers: &[iovec],
    flags: c_int,
) -> Result<Received, c_int> {
    let peeks = flags & libc::MSG_PEEK != 0;
    let room = messages::room(buffers);
    // SAFETY: the caller passes buffers that may be written.
    let store = |bytes: &[u8]| unsafe { messages::scatter(bytes, buffers) };
    complete(me, fd, flags, libc::SO_RCVTIMEO, |world, id| {
        let Some(object) = world.kernel.objects.get_mut(id) else { return Err(libc::EBADF) };
        match &mut object.kind {
            Kind::Tcp(_) => {
                let stored = world.recv_tcp(id, room, peeks, store)?;
                Ok(Received { stored, datagram: None })
            }
            Kind::Udp(_) => {
                let (from, bytes) = world.recv_udp(id, peeks)?;
                Ok(Received { stored: store(&bytes), datagram: Some((from, bytes.len())) })
            }
            Kind::Counter(_) if room < 8 => Err(libc::EINVAL),
            Kind::Counter(counter) => {
                let stored = store(&counter.take()?.to_ne_bytes());
                Ok(Received { stored, datagram: None })
            }
            Kind::Set(_) => Err(libc::EINVAL),
        }
    })
}

fn transmit(
    me: &'static Thread,
    fd: c_int,
    bytes: &[u8],
    to: Option<SocketAddr>,
    flags: c_int,
) -> Result<usize, c_int> {
    // A stream that blocks sends all bytes.
    let mut sent = 0;
    loop {
        let rest = &bytes[sent..];
        let (len, is_all) = complete(me, fd, flags, libc::SO_SNDTIMEO, |world, id| {
            let Some(object) = world.kernel.objects.get_mut(id) else { return Err(libc::EBADF) };
            let waits = !object.is_nonblocking && flags & libc::MSG_DONTWAIT == 0;
            match &mut object.kind {
                Kind::Tcp(_) => world.send_tcp(id, rest).map(|len| (len, !waits)),
                Kind::Udp(_) => world.send_udp(id, rest, to).map(|len| (len, true)),
                Kind::Counter(counter) => {
                    let number = rest.try_into().map_err(|_| libc::EINVAL)?;
                    counter.add(u64::from_ne_bytes(number))?;
                    world.signal(id, libc::EPOLLIN as u32);
                    Ok((8, true))
                }
                Kind::Set(_) => Err(libc::EINVAL),
            }
        })
        .or_else(|errno| if sent > 0 { Ok((0, true)) } else { Err(errno) })?;
        sent += len;
        if is_all || sent == bytes.len() {
            return Ok(sent);
        }
    }
}

/// Sends a message.
fn transmit_message(
    me: &'static Thread,
    fd: c_int,
    message: &Outgoing,
    flags: c_int,
) -> Result<usize, c_int> {
    let mut sent = 0;
    for datagram in message.datagrams()? {
        match transmit(me, fd, datagram, message.to, flags) {
            Ok(len) => sent += len,
            Err(errno) if sent == 0 => return Err(errno),
            Err(_) => break,
        }
    }
    Ok(sent)
}

/// Receives into the buffers of a message.
///
/// # Safety
///
/// * All that the header points to is valid for writes.
unsafe fn receive_message(
    me: &'static Thread,
    fd: c_int,
    header: &mut msghdr,
    flags: c_int,
) -> Result<usize, c_int> {
    // SAFETY: the caller passes an array of this length.
    let buffers = unsafe { messages::buffers(header.msg_iov, header.msg_iovlen) };
    // SAFETY: the caller passes buffers that may be written.
    let Received { stored, datagram } = unsafe { receive(me, fd, buffers, flags)? };
    header.msg_flags = 0;
    header.msg_controllen = 0;
    let Some((from, len)) = datagram else {
        header.msg_namelen = 0;
        return Ok(stored);
    };
    // SAFETY: the caller passes null, or room of the length in the header.
    unsafe { address::write(&from, header.msg_name.cast(), &mut header.msg_namelen) };
    if stored < len {
        header.msg_flags |= libc::MSG_TRUNC;
        if flags & libc::MSG_TRUNC != 0 {
            return Ok(len);
        }
    }
    Ok(stored)
}

/// `recvmsg` for a descriptor of the system.
///
/// # Safety
///
/// * All that the header points to is valid for writes.
unsafe fn receive_of_system(fd: c_int, header: &mut msghdr, flags: c_int) -> isize {
    let mut own = *header;
    let system = |from: *mut sockaddr, from_len: *mut socklen_t| {
        own.msg_name = from.cast();
        // SAFETY: `unix::show` passes a length that may be read and written.
        own.msg_namelen = unsafe { from_len.read() };
        // SAFETY: the caller passes buffers that may be written, and there is room for the address.
        let received = unsafe { original::recvmsg(fd, &mut own, flags) };
        // SAFETY: as above.
        unsafe { from_len.write(own.msg_namelen) };
        received as i64
    };
    // SAFETY: the caller passes null, or room of the length in the header.
    let received =
        unsafe { unix::show(header.msg_name.cast(), &mut header.msg_namelen, system) } as isize;
    (header.msg_controllen, header.msg_flags) = (own.msg_controllen, own.msg_flags);
    received
}

replace! {
    fn send(fd: c_int, from: *const c_void, len: size_t, flags: c_int) -> isize = |me| {
        if !is_ours(fd) {
            // SAFETY: the caller meets the contract of the original (invariant 1).
            return unsafe { original::send(fd, from, len, flags) };
        }
        // SAFETY: the caller passes bytes of this length (invariant 1).
        count(transmit(me, fd, unsafe { messages::bytes(from, len) }, None, flags))
    }

    fn sendto(
        fd: c_int,
        from: *const c_void,
        len: size_t,
        flags: c_int,
        to: *const sockaddr,
        to_len: socklen_t
    ) -> isize = |me| {
        if !is_ours(fd) {
            let system = |to, to_len| {
                // SAFETY: the address is valid, and the rest is the caller's (invariant 1).
                unsafe { original::sendto(fd, from, len, flags, to, to_len) }
            };
            // SAFETY: the caller passes null, or an address of this length (invariant 1).
            return unsafe { unix::reach(to, to_len, system) };
        }
        // SAFETY: the caller passes null, or an address of this length (invariant 1).
        let to = unsafe { address::read(to, to_len) };
        // SAFETY: the caller passes bytes of this length (invariant 1).
        count(transmit(me, fd, unsafe { messages::bytes(from, len) }, to, flags))
    }

    fn sendmsg(fd: c_int, message: *const msghdr, flags: c_int) -> isize = |me| {
        if !is_ours(fd) {
            // SAFETY: the caller passes a header (invariant 1).
            let header = unsafe { message.read() };
            let system = |to: *const sockaddr, to_len| {
                let message =
                    msghdr { msg_name: to.cast_mut().cast(), msg_namelen: to_len, ..header };
                // SAFETY: the address is valid, and the rest is the caller's (invariant 1).
                unsafe { original::sendmsg(fd, &message, flags) }
            };
            // SAFETY: the caller passes null, or an address of this length (invariant 1).
            return unsafe { unix::reach(header.msg_name.cast(), header.msg_namelen, system) };
        }
        // SAFETY: the caller passes a header (invariant 1).
        let header = unsafe { &*message };
        // SAFETY: what it points to is valid for reads (invariant 1).
        let message = unsafe { Outgoing::read(header) };
        count(transmit_message(me, fd, &message, flags))
    }

    fn sendmmsg(fd: c_int, messages: *mut mmsghdr, len: c_uint, flags: c_int) -> c_int = |me| {
        if !is_ours(fd) {
            // SAFETY: the caller meets the contract of the original (invariant 1).
            return unsafe { original::sendmmsg(fd, messages, len, flags) };
        }
        // SAFETY: the caller passes an array of this length (invariant 1).
        let messages = unsafe { std::slice::from_raw_parts_mut(messages, len as usize) };
        let mut done = 0;
        for message in messages {
            // SAFETY: what the header points to is valid for reads (invariant 1).
            let outgoing = unsafe { Outgoing::read(&message.msg_hdr) };
            match transmit_message(me, fd, &outgoing, flags) {
                Ok(len) => message.msg_len = len as c_uint,
                Err(errno) if done == 0 => return fail(errno),
                Err(_) => break,
            }
            done += 1;
        }
        done
    }

    fn recv(fd: c_int, into: *mut c_void, len: size_t, flags: c_int) -> isize = |_me| {
        // SAFETY: the caller meets the contract, which is the same without an address
        // (invariant 1).
        unsafe { recvfrom(fd, into, len, flags, ptr::null_mut(), ptr::null_mut()) }
    }

    fn recvfrom(
        fd: c_int,
        into: *mut c_void,
        len: size_t,
        flags: c_int,
        from: *mut sockaddr,
        from_len: *mut socklen_t
    ) -> isize = |me| {
        if !is_ours(fd) {
            let system = |from, from_len| {
                // SAFETY: there is room for the address, and the rest is the caller's
                // (invariant 1).
                unsafe { original::recvfrom(fd, into, len, flags, from, from_len) as i64 }
            };
            // SAFETY: the caller passes null, or room of the length at `from_len` (invariant 1).
            return unsafe { unix::show(from, from_len, system) as isize };
        }
        let buffer = iovec { iov_base: into, iov_len: len };
        // SAFETY: the caller passes memory of this length that it may write (invariant 1).
        let Received { stored, datagram } = match unsafe { receive(me, fd, &[buffer], flags) } {
            Ok(received) => received,
            Err(errno) => return fail(errno),
        };
        let Some((address, whole_len)) = datagram else { return stored.cast_signed() };
        // SAFETY: the caller passes null, or room of the length at `from_len` (invariant 1).
        unsafe { address::write(&address, from, from_len) };
        if flags & libc::MSG_TRUNC != 0 { whole_len.cast_signed() } else { stored.cast_signed() }
    }

    fn recvmsg(fd: c_int, message: *mut msghdr, flags: c_int) -> isize = |me| {
        // SAFETY: the caller passes a header that it may write (invariant 1).
        let header = unsafe { &mut *message };
        if !is_ours(fd) {
            // SAFETY: what it points to is valid for writes (invariant 1).
            return unsafe { receive_of_system(fd, header, flags) };
        }
        // SAFETY: what it points to is valid for writes (invariant 1).
        count(unsafe { receive_message(me, fd, header, flags) })
    }

    fn recvmmsg(
        fd: c_int,
        messages: *mut mmsghdr,
        len: c_uint,
        flags: c_int,
        timeout: *mut timespec
    ) -> c_int = |me| {
        if !is_ours(fd) {
            // SAFETY: the caller meets the contract of the original (invariant 1).
            return unsafe { original::recvmmsg(fd, messages, len, flags, timeout) };
        }
        // SAFETY: the caller passes an array of this length (invariant 1).
        let messages = unsafe { std::slice::from_raw_parts_mut(messages, len as usize) };
        let mut done = 0;
        for message in messages {
            let waits = done == 0 || flags & libc::MSG_WAITFORONE == 0;
            let flags = if waits { flags } else { flags | libc::MSG_DONTWAIT };
            // SAFETY: what the header points to is valid for writes (invariant 1).
            match unsafe { receive_message(me, fd, &mut message.msg_hdr, flags) } {
                Ok(len) => message.msg_len = len as c_uint,
                Err(errno) if done == 0 => return fail(errno),
                Err(_) => break,
            }
            done += 1;
        }
        done
    }

    fn splice(
        from: c_int,
        from_at: *mut loff_t,
        to: c_int,
        to_at: *mut loff_t,
        len: size_t,
        flags: c_uint
    ) -> isize = |_me| {
        if is_ours(from) || is_ours(to) {
            // As for a protocol without this operation. The caller copies the bytes.
            return fail(libc::EINVAL);
        }
        // SAFETY: the caller meets the contract of the original (invariant 1).
        unsafe { original::splice(from, from_at, to, to_at, len, flags) }
    }
}

/// `read` for a descriptor of this kernel. `None` for others.
///
/// # Safety
///
/// * The arguments meet the contract that the C library documents.
pub(in crate::platform) unsafe fn read(
    me: &'static Thread,
    fd: c_int,
    into: *mut c_void,
    len: size_t,
) -> Option<isize> {
    if !is_ours(fd) {
        return None;
    }
    let buffer = iovec { iov_base: into, iov_len: len };
    // SAFETY: the caller passes memory of this length that it may write.
    Some(count(unsafe { receive(me, fd, &[buffer], 0) }.map(|it| it.stored)))
}

/// `readv` for a descriptor of this kernel. `None` for others.
///
/// # Safety
///
/// * The arguments meet the contract that the C library documents.
pub(in crate::platform) unsafe fn readv(
    me: &'static Thread,
    fd: c_int,
    buffers: *const iovec,
    len: c_int,
) -> Option<isize> {
    if !is_ours(fd) {
        return None;
    }
    // SAFETY: the caller passes an array of this length.
    let buffers = unsafe { messages::buffers(buffers, usize::try_from(len).unwrap_or(0)) };
    // SAFETY: the caller passes buffers that may be written.
    Some(count(unsafe { receive(me, fd, buffers, 0) }.map(|it| it.stored)))
}

/// `write` for a descriptor of this kernel. `None` for others.
///
/// # Safety
///
/// * The arguments meet the contract that the C library documents.
pub(in crate::platform) unsafe fn write(
    me: &'static Thread,
    fd: c_int,
    from: *const c_void,
    len: size_t,
) -> Option<isize> {
    // SAFETY: the caller passes bytes of this length.
    is_ours(fd).then(|| count(transmit(me, fd, unsafe { messages::bytes(from, len) }, None, 0)))
}

/// `writev` for a descriptor of this kernel. `None` for others.
///
/// # Safety
///
/// * The arguments meet the contract that the C library documents.
pub(in crate::platform) unsafe fn writev(
    me: &'static Thread,
    fd: c_int,
    buffers: *const iovec,
    len: c_int,
) -> Option<isize> {
    if !is_ours(fd) {
        return None;
    }
    // SAFETY: the caller passes buffers that may be read.
    let bytes = unsafe { messages::gather(buffers, usize::try_from(len).unwrap_or(0)) };
    Some(count(transmit(me, fd, &bytes, None, 0)))
}

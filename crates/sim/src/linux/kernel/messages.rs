//! Buffers, and messages with several of them, in the form of the C library.

use std::ffi::{c_int, c_void};
use std::net::SocketAddr;
use std::ptr;

use libc::{cmsghdr, iovec, msghdr};

use super::address;

/// The length of a header of a control message, and of the one that this kernel reads.
const CONTROL_LEN: usize = size_of::<cmsghdr>();

/// The most datagrams into which one call can split its bytes (`UDP_MAX_SEGMENTS`).
const SEGMENTS_MAX: usize = 128;

/// The bytes at an address.
///
/// # Safety
///
/// * `from` is valid for reads of `len` bytes during the lifetime, and nothing writes to them.
pub(super) unsafe fn bytes<'a>(from: *const c_void, len: usize) -> &'a [u8] {
    if len == 0 {
        return &[];
    }
    // SAFETY: the caller passes memory of this length.
    unsafe { std::slice::from_raw_parts(from.cast(), len) }
}

/// Copies as many bytes as there is room for. Returns how many.
///
/// # Safety
///
/// * `into` is valid for writes of `room` bytes.
pub(super) unsafe fn store(bytes: &[u8], into: *mut c_void, room: usize) -> usize {
    let count = bytes.len().min(room);
    if count > 0 {
        // SAFETY: the caller has room for as many bytes, and a slice does not overlap with memory
        // that the caller may write.
        unsafe { ptr::copy_nonoverlapping(bytes.as_ptr(), into.cast::<u8>(), count) };
    }
    count
}

/// The buffers of a call.
///
/// # Safety
///
/// * `first` is null, or points to `count` buffers, during the lifetime.
pub(super) unsafe fn buffers<'a>(first: *const iovec, count: usize) -> &'a [iovec] {
    if first.is_null() || count == 0 {
        return &[];
    }
    // SAFETY: the caller passes an array of this length.
    unsafe { std::slice::from_raw_parts(first, count) }
}

/// The sum of the lengths of buffers.
pub(super) fn room(buffers: &[iovec]) -> usize {
    buffers.iter().map(|buffer| buffer.iov_len).fold(0, usize::saturating_add)
}

/// The bytes of several buffers.
///
/// # Safety
///
/// * `first` is null, or points to `count` buffers, which are valid for reads.
pub(super) unsafe fn gather(first: *const iovec, count: usize) -> Vec<u8> {
    let mut all = Vec::new();
    // SAFETY: the caller's promise is the same.
    for buffer in unsafe { buffers(first, count) } {
        // SAFETY: the caller passes buffers that are valid for their lengths.
        all.extend_from_slice(unsafe { bytes(buffer.iov_base, buffer.iov_len) });
    }
    all
}

/// Copies bytes to several buffers, as many as there is room for. Returns how many.
///
/// # Safety
///
/// * The buffers are valid for writes.
pub(super) unsafe fn scatter(bytes: &[u8], buffers: &[iovec]) -> usize {
    let mut rest = bytes;
    for buffer in buffers {
        // SAFETY: the caller passes buffers that are valid for their lengths.
        let stored = unsafe { store(rest, buffer.iov_base, buffer.iov_len) };
        rest = &rest[stored..];
    }
    bytes.len() - rest.len()
}

/// A message to send.
#[derive(Debug)]
pub(super) struct Outgoing {
    pub(super) to: Option<SocketAddr>,
    pub(super) bytes: Vec<u8>,
    /// The length of the datagrams that the bytes become.
    pub(super) segment_len: Option<usize>,
}

impl Outgoing {
    /// Reads a message.
    ///
    /// # Safety
    ///
    /// * All that the header points to is valid for reads.
    pub(super) unsafe fn read(header: &msghdr) -> Outgoing {
        // SAFETY: the caller passes null, or an address of this length.
        let to = unsafe { address::read(header.msg_name.cast(), header.msg_namelen) };
        // SAFETY: the caller passes buffers that it may read.
        let bytes = unsafe { gather(header.msg_iov, header.msg_iovlen) };
        // SAFETY: the caller passes null, or control messages of this length.
        let segment_len = unsafe { segment_len(header) };
        Outgoing { to, bytes, segment_len }
    }

    /// The datagrams. An error if there are too many.
    pub(super) fn datagrams(&self) -> Result<Vec<&[u8]>, c_int> {
        match self.segment_len {
            Some(len) if len > 0 && !self.bytes.is_empty() => {
                let datagrams: Vec<&[u8]> = self.bytes.chunks(len).collect();
                if datagrams.len() > SEGMENTS_MAX { Err(libc::EINVAL) } else { Ok(datagrams) }
            }
            _ => Ok(vec![&self.bytes]),
        }
    }
}

/// The length of segments, if the first control message has it.
///
/// # Safety
///
/// * The header's control messages are valid for reads.
unsafe fn segment_len(header: &msghdr) -> Option<usize> {
    if header.msg_control.is_null() || header.msg_controllen < CONTROL_LEN + 2 {
        return None;
    }
    // SAFETY: there is room for a header. It need not be aligned.
    let control = unsafe { header.msg_control.cast::<cmsghdr>().read_unaligned() };
    if (control.cmsg_level, control.cmsg_type) != (libc::SOL_UDP, libc::UDP_SEGMENT) {
        return None;
    }
    // SAFETY: the number follows the header, and the length was checked.
    let number = unsafe { header.msg_control.byte_add(CONTROL_LEN) };
    // SAFETY: as above. It need not be aligned.
    Some(usize::from(unsafe { number.cast::<u16>().read_unaligned() }))
}

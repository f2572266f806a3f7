//! The operating system's side of many datagrams: one system call on Linux, a loop elsewhere.

#[cfg(target_os = "linux")]
pub(crate) use linux::{recv, send, set_merges};
#[cfg(not(target_os = "linux"))]
pub(crate) use portable::{recv, send, set_merges};

/// The most datagrams of one call. Their headers are on the stack, 11 KiB in all.
#[cfg(target_os = "linux")]
const BATCH: usize = 32;

#[cfg(target_os = "linux")]
#[allow(unsafe_code, reason = "rustix has neither call with the control messages of UDP")]
mod linux {
    use std::io::{self, IoSliceMut};
    use std::mem::{self, MaybeUninit};
    use std::net::UdpSocket;
    use std::os::fd::AsRawFd;

    use socket2::{SockAddr, SockAddrStorage};

    use super::BATCH;
    use crate::net::{Datagram, DatagramMeta};

    /// Room for one control message with a number: `CMSG_SPACE(size_of::<c_int>())`, aligned as a
    /// header.
    #[derive(Clone, Copy)]
    #[repr(C)]
    struct Control {
        header: libc::cmsghdr,
        value: [u8; 8],
    }

    /// The offset of a message's data: `CMSG_LEN(0)`.
    const HEADER_LEN: usize = size_of::<libc::cmsghdr>();

    const _: () = {
        assert!(mem::offset_of!(Control, value) == HEADER_LEN, "the kernel expects the data there");
    };

    fn no_control() -> Control {
        // SAFETY: the struct consists of numbers, which may all be zero.
        unsafe { MaybeUninit::zeroed().assume_init() }
    }

    fn no_header() -> libc::mmsghdr {
        // SAFETY: the struct consists of numbers and pointers, which may all be zero.
        unsafe { MaybeUninit::zeroed().assume_init() }
    }

    /// Receives at least one datagram, without waiting.
    pub(crate) fn recv(
        socket: &UdpSocket,
        bufs: &mut [IoSliceMut<'_>],
        metas: &mut [DatagramMeta],
    ) -> io::Result<usize> {
        let count = bufs.len().min(metas.len()).min(BATCH);
        let mut senders: [_; BATCH] = std::array::from_fn(|_| SockAddrStorage::zeroed());
        let mut controls = [no_control(); BATCH];
        let mut headers: [_; BATCH] = std::array::from_fn(|_| no_header());
        for (i, buf) in bufs[..count].iter_mut().enumerate() {
            let header = &mut headers[i].msg_hdr;
            header.msg_name = (&raw mut senders[i]).cast();
            header.msg_namelen = senders[i].size_of();
            // std guarantees that an `IoSliceMut` is laid out as an `iovec`.
            header.msg_iov = (buf as *mut IoSliceMut<'_>).cast();
            header.msg_iovlen = 1;
            header.msg_control = (&raw mut controls[i]).cast();
            header.msg_controllen = size_of::<Control>() as _;
        }
        // SAFETY: each of the first `count` headers points to an address, a buffer and a control
        // message, with their lengths, all of which outlive the call and are borrowed exclusively.
        let received = unsafe {
            libc::recvmmsg(
                socket.as_raw_fd(),
                headers.as_mut_ptr(),
                count as libc::c_uint,
                libc::MSG_DONTWAIT as _,
                std::ptr::null_mut(),
            )
        };
        let received = usize::try_from(received).map_err(|_| io::Error::last_os_error())?;
        for (((meta, header), sender), control) in
            metas.iter_mut().zip(&headers[..received]).zip(senders).zip(&controls)
        {
            let len = header.msg_len as usize;
            // SAFETY: the kernel has stored an address of this length, or no address, with length
            // 0. The storage was zeroed, so it is initialized in any case.
            let sender = unsafe { SockAddr::new(sender, header.msg_hdr.msg_namelen) };
            *meta = DatagramMeta {
                sender: sender.as_socket(),
                len,
                segment_len: merged_len(&header.msg_hdr, control).unwrap_or(len),
                is_truncated: header.msg_hdr.msg_flags & libc::MSG_TRUNC != 0,
                ..DatagramMeta::default()
            };
        }
        Ok(received)
    }

    /// The length of the datagrams that the kernel has merged, if it has.
    fn merged_len(header: &libc::msghdr, control: &Control) -> Option<usize> {
        let is_there = header.msg_controllen as u64 >= HEADER_LEN as u64
            && control.header.cmsg_level == libc::SOL_UDP
            && control.header.cmsg_type == libc::UDP_GRO;
        // The kernel stores an `int`.
        let value: [u8; 4] = control.value[..4].try_into().ok()?;
        is_there.then(|| usize::try_from(i32::from_ne_bytes(value)).ok()).flatten()
    }

    /// Sends at least one datagram, without waiting.
    pub(crate) fn send(socket: &UdpSocket, datagrams: &[Datagram<'_>]) -> io::Result<usize> {
        let datagrams = &datagrams[..datagrams.len().min(BATCH)];
        let mut receivers: [Option<SockAddr>; BATCH] = [const { None }; BATCH];
        let mut controls = [no_control(); BATCH];
        let mut buffers = [libc::iovec { iov_base: std::ptr::null_mut(), iov_len: 0 }; BATCH];
        let mut headers: [_; BATCH] = std::array::from_fn(|_| no_header());
        for (i, datagram) in datagrams.iter().enumerate() {
            let header = &mut headers[i].msg_hdr;
            if let Some(address) = datagram.address {
                let address = receivers[i].insert(address.into());
                header.msg_name = address.as_ptr().cast_mut().cast();
                header.msg_namelen = address.len();
            }
            buffers[i].iov_base = datagram.payload.as_ptr().cast_mut().cast();
            buffers[i].iov_len = datagram.payload.len();
            header.msg_iov = &raw mut buffers[i];
            header.msg_iovlen = 1;
            // A payload that fits needs no cutting, and a card without the feature refuses it.
            let segment_len = datagram.segment_len.map(u16::from);
            if let Some(len) = segment_len.filter(|&len| usize::from(len) < datagram.payload.len())
            {
                controls[i].header.cmsg_level = libc::SOL_UDP;
                controls[i].header.cmsg_type = libc::UDP_SEGMENT;
                controls[i].header.cmsg_len = (HEADER_LEN + size_of::<u16>()) as _;
                controls[i].value[..2].copy_from_slice(&len.to_ne_bytes());
                header.msg_control = (&raw mut controls[i]).cast();
                // Up to the end of this message: a 64-bit kernel takes a byte after that in a
                // 32-bit program for a second message, and refuses it.
                let used_len = HEADER_LEN + size_of::<u16>();
                header.msg_controllen = used_len.next_multiple_of(size_of::<usize>()) as _;
            }
        }
        // SAFETY: each of the first headers, one for each datagram, points to a payload, and to an
        // address and a control message if it has them, with their lengths. They outlive the call,
        // and the kernel only reads them.
        let sent = unsafe {
            libc::sendmmsg(
                socket.as_raw_fd(),
                headers.as_mut_ptr(),
                datagrams.len() as libc::c_uint,
                (libc::MSG_DONTWAIT | libc::MSG_NOSIGNAL) as _,
            )
        };
        usize::try_from(sent).map_err(|_| io::Error::last_os_error())
    }

    /// Lets the kernel merge datagrams of one sender.
    pub(crate) fn set_merges(socket: &UdpSocket, on: bool) -> io::Result<()> {
        let value = libc::c_int::from(on);
        let len = size_of::<libc::c_int>() as libc::socklen_t;
        // SAFETY: the kernel reads `len` bytes at the address of `value`, which is a `c_int`.
        let result = unsafe {
            libc::setsockopt(
                socket.as_raw_fd(),
                libc::SOL_UDP,
                libc::UDP_GRO,
                (&raw const value).cast(),
                len,
            )
        };
        if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
    }
}

#[cfg(not(target_os = "linux"))]
mod portable {
    use std::io::{self, IoSliceMut};
    use std::net::UdpSocket;

    use crate::net::{Datagram, DatagramMeta};

    /// Receives at least one datagram, without waiting. An error after the first datagram is left
    /// to the next call, in which it occurs again.
    pub(crate) fn recv(
        socket: &UdpSocket,
        bufs: &mut [IoSliceMut<'_>],
        metas: &mut [DatagramMeta],
    ) -> io::Result<usize> {
        let mut count = 0;
        for (buf, meta) in bufs.iter_mut().zip(metas) {
            match socket.recv_from(buf) {
                Ok((len, sender)) => {
                    *meta = DatagramMeta {
                        sender: Some(sender),
                        len,
                        segment_len: len,
                        ..DatagramMeta::default()
                    };
                    count += 1;
                }
                Err(error) if count == 0 => return Err(error),
                Err(_) => break,
            }
        }
        Ok(count)
    }

    /// Sends at least one datagram, without waiting.
    pub(crate) fn send(socket: &UdpSocket, datagrams: &[Datagram<'_>]) -> io::Result<usize> {
        let mut count = 0;
        for datagram in datagrams {
            match send_one(socket, datagram) {
                Ok(()) => count += 1,
                Err(error) if count == 0 => return Err(error),
                Err(_) => break,
            }
        }
        Ok(count)
    }

    fn send_one(socket: &UdpSocket, datagram: &Datagram<'_>) -> io::Result<()> {
        let send = |payload: &[u8]| match datagram.address {
            Some(address) => socket.send_to(payload, address),
            None => socket.send(payload),
        };
        match datagram.segment_len {
            Some(len) if !datagram.payload.is_empty() => {
                for segment in datagram.payload.chunks(usize::from(len.get())) {
                    send(segment)?;
                }
            }
            _ => {
                send(datagram.payload)?;
            }
        }
        Ok(())
    }

    /// Lets the kernel merge datagrams of one sender.
    pub(crate) fn set_merges(_: &UdpSocket, on: bool) -> io::Result<()> {
        if on {
            let message = "merged datagrams (GRO) are not available on this system";
            return Err(io::Error::new(io::ErrorKind::Unsupported, message));
        }
        Ok(())
    }
}

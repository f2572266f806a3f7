//! Linux: as much of io_uring as receives without waiting need: one opcode, and no request in
//! flight after the call that submits it.
//!
//! The kernel maps two regions into the process. `queues` has the head and the tail of both
//! queues, and the completions. `requests` has the requests. The process writes the tail of the
//! queue of requests and the head of the queue of completions, and the kernel writes the other two.
//! Each side stores its own with Release after it has written or read the entries, and loads the
//! other side's with Acquire before that.
//!
//! Invariants:
//! 1. Both regions are mapped until the [`Uring`] is dropped, and each offset in [`Layout`] was
//!    checked against the region's length.
//! 2. The kernel reads requests only during [`Uring::enter`], because the ring has no kernel thread
//!    (SQPOLL). So between two calls an entry is ours, and `&mut self` excludes other threads.
//!
//! No model: the other side of the protocol is the kernel, and it runs during our system call.
//!
//! Rejected: the crate io-uring. Together with the crate cfg-if it was the only dependency of all
//! programs that is needed by an option which is off by default. Rejected: rustix's io_uring, which
//! also compiles its modules `fs`, `net` and `thread`.

use std::fs::File;
use std::io;
use std::mem::size_of;
use std::os::fd::{AsRawFd, FromRawFd};
use std::ptr::{self, NonNull};
use std::sync::atomic::{AtomicU32, Ordering};

/// The kernel executes the following requests although it refuses one (Linux 5.18).
const SETUP_SUBMIT_ALL: u32 = 1 << 7;
/// The two queues are in one region (Linux 5.4).
const FEATURE_SINGLE_MMAP: u32 = 1;
const ENTER_GETEVENTS: u32 = 1;
const OFFSET_QUEUES: libc::off_t = 0;
const OFFSET_REQUESTS: libc::off_t = 0x1000_0000;
const OPCODE_RECV: u8 = 27;

/// `struct io_uring_params`.
#[repr(C)]
#[derive(Default)]
struct Params {
    requests_max: u32,
    completions_max: u32,
    flags: u32,
    thread_cpu: u32,
    thread_idle_ms: u32,
    features: u32,
    workers_fd: u32,
    reserved: [u32; 3],
    request_queue: RequestOffsets,
    completion_queue: CompletionOffsets,
}

/// `struct io_sqring_offsets`: places in the region `queues`.
#[repr(C)]
#[derive(Default)]
struct RequestOffsets {
    head: u32,
    tail: u32,
    mask: u32,
    len: u32,
    flags: u32,
    dropped: u32,
    array: u32,
    reserved: u32,
    address: u64,
}

/// `struct io_cqring_offsets`: places in the region `queues`.
#[repr(C)]
#[derive(Default)]
struct CompletionOffsets {
    head: u32,
    tail: u32,
    mask: u32,
    len: u32,
    overflow: u32,
    entries: u32,
    flags: u32,
    reserved: u32,
    address: u64,
}

/// `struct io_uring_sqe`.
#[repr(C)]
#[derive(Default)]
struct Request {
    opcode: u8,
    flags: u8,
    priority: u16,
    fd: i32,
    offset: u64,
    address: u64,
    len: u32,
    message_flags: u32,
    token: u64,
    buffer: u16,
    personality: u16,
    file_index: i32,
    reserved: [u64; 2],
}

/// `struct io_uring_cqe`.
#[repr(C)]
#[derive(Clone, Copy)]
struct RawCompletion {
    token: u64,
    result: i32,
    flags: u32,
}

const _: () = assert!(size_of::<Params>() == 120);
const _: () = assert!(size_of::<Request>() == 64);
const _: () = assert!(size_of::<RawCompletion>() == 16);

/// The result of a request.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Completion {
    /// The number that the request was submitted with.
    pub(super) token: u64,
    /// The result of the system call, or a negative error number.
    pub(super) result: i32,
}

/// A region that the kernel has mapped.
struct Region {
    at: NonNull<u8>,
    len: usize,
}

// SAFETY: memory of the process, which no thread owns. `Uring` hands it out by its own borrows.
#[allow(unsafe_code, reason = "a region holds a pointer")]
unsafe impl Send for Region {}

// SAFETY: through `&Region` only atomics are reached.
#[allow(unsafe_code, reason = "a region holds a pointer")]
unsafe impl Sync for Region {}

impl Region {
    #[allow(unsafe_code, reason = "rustix's module for it would be compiled by all")]
    fn map(fd: &File, offset: libc::off_t, len: usize) -> io::Result<Region> {
        let access = libc::PROT_READ | libc::PROT_WRITE;
        let flags = libc::MAP_SHARED | libc::MAP_POPULATE;
        // SAFETY: the kernel chooses the address, so no memory in use is replaced.
        let at = unsafe { libc::mmap(ptr::null_mut(), len, access, flags, fd.as_raw_fd(), offset) };
        if at == libc::MAP_FAILED {
            return Err(io::Error::last_os_error());
        }
        let at = NonNull::new(at.cast()).expect("the kernel maps nothing at address zero");
        Ok(Region { at, len })
    }

    /// Checks that a value of type `T` is at `offset` for each of `count` values.
    fn check<T>(&self, offset: u32, count: u32) -> io::Result<()> {
        let end = offset as usize + count as usize * size_of::<T>();
        match end <= self.len && (offset as usize).is_multiple_of(align_of::<T>()) {
            true => Ok(()),
            false => Err(io::Error::other("io_uring: a queue lies outside of its region")),
        }
    }

    /// # Safety
    ///
    /// * `check::<T>` has accepted `offset` with a count of more than `index`.
    #[allow(unsafe_code, reason = "see the function")]
    unsafe fn place<T>(&self, offset: u32, index: u32) -> *mut T {
        let bytes = offset as usize + index as usize * size_of::<T>();
        // SAFETY: inside of the region, as the caller promises.
        unsafe { self.at.add(bytes) }.as_ptr().cast()
    }

    #[allow(unsafe_code, reason = "see the function")]
    fn word(&self, offset: u32) -> io::Result<&AtomicU32> {
        self.check::<u32>(offset, 1)?;
        // SAFETY: it was just checked.
        let place = unsafe { self.place(offset, 0) };
        // SAFETY: valid and aligned while the region is borrowed (invariant 1). Both sides access
        // these words atomically.
        Ok(unsafe { AtomicU32::from_ptr(place) })
    }
}

impl Drop for Region {
    #[allow(unsafe_code, reason = "as for map")]
    fn drop(&mut self) {
        // In a child after `fork`, this unmaps the child's own copy.
        // SAFETY: nothing points into the region any more, because it is dropped with its ring. An
        // error is impossible for a region that was mapped as a whole.
        unsafe { libc::munmap(self.at.as_ptr().cast(), self.len) };
    }
}

/// Where the parts of the two regions are.
struct Layout {
    request_tail: u32,
    request_mask: u32,
    requests_max: u32,
    completion_head: u32,
    completion_tail: u32,
    completion_mask: u32,
    completions: u32,
}

/// A ring and its two regions. See the module's header.
pub(super) struct Uring {
    queues: Region,
    requests: Region,
    layout: Layout,
    /// The tail of the queue of requests, as the next `enter` publishes it.
    tail: u32,
    /// Requests that the kernel has not taken yet.
    unsubmitted: u32,
    fd: File,
}

impl Uring {
    /// A ring for this many requests in one call.
    pub(super) fn new(requests_max: u32) -> io::Result<Uring> {
        let mut params = Params { flags: SETUP_SUBMIT_ALL, ..Params::default() };
        let fd = setup(requests_max, &mut params)?;
        if params.features & FEATURE_SINGLE_MMAP == 0 {
            return Err(io::ErrorKind::Unsupported.into());
        }
        let (request, completion) = (&params.request_queue, &params.completion_queue);
        let end_of = |offset: u32, count: u32, size| offset as usize + count as usize * size;
        let array_end = end_of(request.array, params.requests_max, size_of::<u32>());
        let completions_end =
            end_of(completion.entries, params.completions_max, size_of::<RawCompletion>());
        let queues = Region::map(&fd, OFFSET_QUEUES, array_end.max(completions_end))?;
        let requests_len = params.requests_max as usize * size_of::<Request>();
        let requests = Region::map(&fd, OFFSET_REQUESTS, requests_len)?;
        // The order in which the kernel takes the entries: as they lie there.
        for index in 0..params.requests_max {
            let entry = request.array + index * size_of::<u32>() as u32;
            queues.word(entry)?.store(index, Ordering::Relaxed);
        }
        queues.check::<RawCompletion>(completion.entries, params.completions_max)?;
        requests.check::<Request>(0, params.requests_max)?;
        let layout = Layout {
            request_tail: request.tail,
            request_mask: queues.word(request.mask)?.load(Ordering::Relaxed),
            requests_max: params.requests_max,
            completion_head: completion.head,
            completion_tail: completion.tail,
            completion_mask: queues.word(completion.mask)?.load(Ordering::Relaxed),
            completions: completion.entries,
        };
        if layout.request_mask != params.requests_max.wrapping_sub(1)
            || layout.completion_mask != params.completions_max.wrapping_sub(1)
        {
            return Err(io::Error::other("io_uring: a queue has another length than was said"));
        }
        let tail = queues.word(layout.request_tail)?.load(Ordering::Relaxed);
        Ok(Uring { queues, requests, layout, tail, unsubmitted: 0, fd })
    }

    /// Adds a receive that does not wait.
    ///
    /// # Errors
    ///
    /// Returns an error if the queue is full.
    ///
    /// # Safety
    ///
    /// * `room` stays valid, and nothing else touches it, until [`completion`](Uring::completion)
    ///   has returned `token` or the ring is dropped.
    /// * `fd` stays open until then.
    #[allow(unsafe_code, reason = "the kernel writes through pointers")]
    pub(super) unsafe fn push_recv(
        &mut self,
        fd: i32,
        room: *mut [u8],
        token: u64,
    ) -> io::Result<()> {
        if self.unsubmitted == self.layout.requests_max {
            return Err(io::Error::other("io_uring: the queue of requests is full"));
        }
        let request = Request {
            opcode: OPCODE_RECV,
            fd,
            address: room.cast::<u8>().expose_provenance() as u64,
            len: u32::try_from(room.len()).unwrap_or(u32::MAX),
            message_flags: libc::MSG_DONTWAIT as u32,
            token,
            ..Request::default()
        };
        let index = self.tail & self.layout.request_mask;
        // SAFETY: the mask is one less than the number that `new` has checked.
        let place = unsafe { self.requests.place::<Request>(0, index) };
        // SAFETY: the place is in the region, and ours: the kernel has taken what was there, or
        // else the queue would be full (invariant 2).
        unsafe { place.write(request) };
        self.tail = self.tail.wrapping_add(1);
        self.unsubmitted += 1;
        Ok(())
    }

    /// Submits what was added, and waits for this many completions.
    #[allow(unsafe_code, reason = "a system call that libc has no function for")]
    pub(super) fn enter(&mut self, completions_min: u32) -> io::Result<()> {
        // Release: the kernel reads the requests after it has read the tail.
        self.queues.word(self.layout.request_tail)?.store(self.tail, Ordering::Release);
        // SAFETY: no signal mask is passed, and the kernel writes only to the regions and to the
        // memory of the requests, which is valid (contract of `push_recv`).
        let taken = unsafe {
            libc::syscall(
                libc::SYS_io_uring_enter,
                self.fd.as_raw_fd(),
                self.unsubmitted,
                completions_min,
                ENTER_GETEVENTS,
                ptr::null::<libc::c_void>(),
                0_usize,
            )
        };
        let taken = u32::try_from(taken).map_err(|_| io::Error::last_os_error())?;
        self.unsubmitted = self.unsubmitted.saturating_sub(taken);
        Ok(())
    }

    /// Takes the next completion.
    #[allow(unsafe_code, reason = "the kernel writes the completions")]
    pub(super) fn completion(&mut self) -> Option<Completion> {
        let head_word = self.queues.word(self.layout.completion_head).ok()?;
        let head = head_word.load(Ordering::Relaxed);
        // Acquire: pairs with the kernel's store after it has written the completion.
        let tail = self.queues.word(self.layout.completion_tail).ok()?.load(Ordering::Acquire);
        if head == tail {
            return None;
        }
        let index = head & self.layout.completion_mask;
        // SAFETY: the mask is one less than the number that `new` has checked.
        let place = unsafe { self.queues.place::<RawCompletion>(self.layout.completions, index) };
        // SAFETY: the kernel has written the entry, and writes it again only when the head has
        // passed it.
        let raw = unsafe { place.read() };
        // Release: the kernel may use the entry again once it has read the head.
        head_word.store(head.wrapping_add(1), Ordering::Release);
        Some(Completion { token: raw.token, result: raw.result })
    }
}

#[allow(unsafe_code, reason = "a system call that libc has no function for")]
fn setup(requests_max: u32, params: &mut Params) -> io::Result<File> {
    // SAFETY: the kernel writes `struct io_uring_params`, whose size and layout `Params` has.
    let fd = unsafe { libc::syscall(libc::SYS_io_uring_setup, requests_max, params) };
    if fd < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the kernel has just opened it, with FD_CLOEXEC, and nothing else knows of it.
    Ok(unsafe { File::from_raw_fd(fd as i32) })
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::os::unix::net::UnixStream;

    use super::*;

    /// Receives into `room` and returns the completion.
    fn receive(ring: &mut Uring, from: &UnixStream, room: &mut [u8], token: u64) -> Completion {
        // SAFETY: `room` and `from` are borrowed until the completion has been taken.
        #[allow(unsafe_code, reason = "see the function")]
        unsafe { ring.push_recv(from.as_raw_fd(), room, token) }.unwrap();
        ring.enter(1).unwrap();
        ring.completion().unwrap()
    }

    #[test]
    fn the_queues_are_used_again_and_again() {
        // A sandbox may forbid it.
        let Ok(mut ring) = Uring::new(4) else { return };
        let (mut near, far) = UnixStream::pair().unwrap();
        for token in 0..50 {
            let mut room = [0; 3];
            near.write_all(b"abc").unwrap();
            let done = receive(&mut ring, &far, &mut room, token);
            assert_eq!(done, Completion { token, result: 3 });
            assert_eq!(&room, b"abc");
            assert_eq!(ring.completion(), None);
        }
    }

    #[test]
    fn a_receive_without_bytes_completes_at_once() {
        let Ok(mut ring) = Uring::new(4) else { return };
        let (_near, far) = UnixStream::pair().unwrap();
        let done = receive(&mut ring, &far, &mut [0; 3], 7);
        assert_eq!(done, Completion { token: 7, result: -libc::EAGAIN });
    }

    #[test]
    fn a_full_queue_refuses_a_request() {
        let Ok(mut ring) = Uring::new(2) else { return };
        let (_near, far) = UnixStream::pair().unwrap();
        let mut rooms = [[0; 3]; 3];
        let pushed = rooms.each_mut().map(|room| {
            // SAFETY: the requests are never submitted.
            #[allow(unsafe_code, reason = "see the function")]
            unsafe { ring.push_recv(far.as_raw_fd(), room, 0) }.is_ok()
        });
        assert_eq!(pushed, [true, true, false]);
    }
}

//! The table of descriptors, and the objects behind them.
//!
//! As in Linux, a descriptor refers to an object, and duplicates refer to the same one. The object
//! is closed with its last descriptor.

use std::ffi::c_int;
use std::sync::atomic::{AtomicU8, Ordering};

use super::epoll::{EventCounter, Set};
use super::tcp::Tcp;
use super::udp::Udp;
use crate::platform::thread::Thread;
use crate::platform::world::World;
use crate::platform::{original, thread};

/// The most descriptors of a simulation.
const COUNT_MAX: usize = 1 << 16;

/// The kind of each descriptor. Read without the world, so that calls on files do not enter it.
static KINDS: [AtomicU8; COUNT_MAX] = [const { AtomicU8::new(NOT_OURS) }; COUNT_MAX];

const NOT_OURS: u8 = 0;
/// An object of this kernel.
const OURS: u8 = 1;
/// A descriptor of the system that an epoll set contains.
const WATCHED: u8 = 2;

fn kind(fd: c_int) -> Option<&'static AtomicU8> {
    usize::try_from(fd).ok().and_then(|fd| KINDS.get(fd))
}

/// Whether the descriptor is one of this kernel.
pub(in crate::platform) fn is_ours(fd: c_int) -> bool {
    kind(fd).is_some_and(|kind| kind.load(Ordering::Relaxed) == OURS)
}

/// Whether the kernel has to know when the descriptor is closed.
pub(super) fn is_known(fd: c_int) -> bool {
    kind(fd).is_some_and(|kind| kind.load(Ordering::Relaxed) != NOT_OURS)
}

/// Called when a thread that is not simulated closes the descriptor.
pub(super) fn forget(fd: c_int) {
    if let Some(kind) = kind(fd) {
        kind.store(NOT_OURS, Ordering::Relaxed);
    }
}

pub(super) fn set_watched(fd: c_int) {
    if let Some(kind) = kind(fd) {
        kind.store(WATCHED, Ordering::Relaxed);
    }
}

/// The place of an entry in a [`Slab`]. A place that is reused has another generation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::platform) struct Id {
    index: u32,
    generation: u32,
}

/// Entries that have numbers.
#[derive(Debug)]
pub(super) struct Slab<T> {
    entries: Vec<(u32, Option<T>)>,
    free: Vec<u32>,
}

impl<T> Default for Slab<T> {
    fn default() -> Slab<T> {
        Slab { entries: Vec::new(), free: Vec::new() }
    }
}

impl<T> Slab<T> {
    pub(super) fn insert(&mut self, value: T) -> Id {
        let index = self.free.pop().unwrap_or_else(|| {
            self.entries.push((0, None));
            (self.entries.len() - 1) as u32
        });
        let entry = &mut self.entries[index as usize];
        entry.0 += 1;
        entry.1 = Some(value);
        Id { index, generation: entry.0 }
    }

    pub(super) fn get(&self, id: Id) -> Option<&T> {
        let entry = self.entries.get(id.index as usize)?;
        entry.1.as_ref().filter(|_| entry.0 == id.generation)
    }

    pub(super) fn get_mut(&mut self, id: Id) -> Option<&mut T> {
        let entry = self.entries.get_mut(id.index as usize)?;
        entry.1.as_mut().filter(|_| entry.0 == id.generation)
    }

    pub(super) fn remove(&mut self, id: Id) -> Option<T> {
        let entry = self.entries.get_mut(id.index as usize)?;
        if entry.0 != id.generation {
            return None;
        }
        let value = entry.1.take();
        if value.is_some() {
            self.free.push(id.index);
        }
        value
    }

    /// The entries, in the order of their places.
    pub(super) fn iter(&self) -> impl Iterator<Item = (Id, &T)> {
        self.entries.iter().enumerate().filter_map(|(index, (generation, value))| {
            let id = Id { index: index as u32, generation: *generation };
            value.as_ref().map(|value| (id, value))
        })
    }
}

/// A descriptor of the program.
#[derive(Clone, Copy, Debug)]
pub(super) struct Descriptor {
    pub(super) id: Id,
    pub(super) host: usize,
}

/// What descriptors refer to.
#[derive(Debug)]
pub(super) struct Object {
    /// How many descriptors refer to it.
    pub(super) uses: usize,
    pub(super) host: usize,
    pub(super) is_nonblocking: bool,
    /// The epoll sets that contain it, each with the descriptor that was added.
    pub(super) watchers: Vec<(Id, c_int)>,
    /// The threads that wait for its events.
    waiting: Vec<&'static Thread>,
    /// Level, option and value.
    pub(super) options: Vec<(c_int, c_int, Vec<u8>)>,
    pub(super) kind: Kind,
}

/// The kinds of objects.
#[derive(Debug)]
pub(super) enum Kind {
    Tcp(Tcp),
    Udp(Udp),
    Set(Set),
    Counter(EventCounter),
}

impl Object {
    pub(super) fn new(host: usize, is_nonblocking: bool, kind: Kind) -> Object {
        let (watchers, waiting, options) = (Vec::new(), Vec::new(), Vec::new());
        Object { uses: 0, host, is_nonblocking, watchers, waiting, options, kind }
    }

    /// The events that epoll and poll report now.
    pub(super) fn events(&self) -> u32 {
        match &self.kind {
            Kind::Tcp(tcp) => tcp.events(),
            Kind::Udp(udp) => udp.events(),
            Kind::Set(set) => set.events(),
            Kind::Counter(counter) => counter.events(),
        }
    }

    /// How many bytes a read returns (`FIONREAD`).
    pub(super) fn unread(&self) -> usize {
        match &self.kind {
            Kind::Tcp(tcp) => tcp.unread(),
            Kind::Udp(udp) => udp.unread(),
            Kind::Set(_) | Kind::Counter(_) => 0,
        }
    }
}

impl super::Kernel {
    /// The object of a descriptor.
    pub(in crate::platform) fn id(&self, fd: c_int) -> Result<Id, c_int> {
        let descriptor = usize::try_from(fd).ok().and_then(|fd| *self.descriptors.get(fd)?);
        descriptor.map(|descriptor| descriptor.id).ok_or(libc::EBADF)
    }

    pub(super) fn object(&mut self, fd: c_int) -> Result<&mut Object, c_int> {
        let id = self.id(fd)?;
        self.objects.get_mut(id).ok_or(libc::EBADF)
    }

    pub(super) fn tcp(&mut self, id: Id) -> Option<&mut Tcp> {
        match &mut self.objects.get_mut(id)?.kind {
            Kind::Tcp(tcp) => Some(tcp),
            _ => None,
        }
    }

    pub(super) fn udp(&mut self, id: Id) -> Option<&mut Udp> {
        match &mut self.objects.get_mut(id)?.kind {
            Kind::Udp(udp) => Some(udp),
            _ => None,
        }
    }

    /// Records that a thread waits for events of an object.
    pub(in crate::platform) fn start_waiting(&mut self, id: Id, thread: &'static Thread) {
        if let Some(object) = self.objects.get_mut(id) {
            object.waiting.push(thread);
        }
    }

    /// Records that it does not wait any more.
    pub(in crate::platform) fn stop_waiting(&mut self, id: Id, thread: &Thread) {
        if let Some(object) = self.objects.get_mut(id) {
            let place = object.waiting.iter().position(|it| it.number == thread.number);
            place.map(|place| object.waiting.swap_remove(place));
        }
    }

    /// The host of an object.
    pub(super) fn host_of(&self, id: Id) -> Option<usize> {
        self.objects.get(id).map(|object| object.host)
    }

    /// Whether a host has reached its limit of descriptors.
    pub(super) fn is_full(&self, host: usize) -> bool {
        self.hosts.get(host).is_some_and(|host| host.descriptor_count >= host.descriptors_max)
    }

    /// Opens the descriptor `fd` for an object. `fd` is the number of its token.
    pub(super) fn open(&mut self, fd: c_int, host: usize, id: Id) -> Result<(), c_int> {
        let (Ok(index), Some(kind)) = (usize::try_from(fd), kind(fd)) else {
            return Err(libc::EMFILE);
        };
        if self.descriptors.len() <= index {
            self.descriptors.resize(index + 1, None);
        }
        // An old entry belongs to a descriptor that a thread outside of the simulation has closed.
        self.descriptors[index] = Some(Descriptor { id, host });
        kind.store(OURS, Ordering::Relaxed);
        if let Some(object) = self.objects.get_mut(id) {
            object.uses += 1;
        }
        if let Some(host) = self.hosts.get_mut(host) {
            host.descriptor_count += 1;
        }
        Ok(())
    }
}

impl World {
    /// Creates an object with the token `fd`, a descriptor that was made for it. Closes the token
    /// if there is no room.
    pub(super) fn open(&mut self, fd: c_int, object: Object) -> Result<c_int, c_int> {
        if fd < 0 {
            return Err(last_error());
        }
        let host = object.host;
        let id = self.kernel.objects.insert(object);
        let opened = if self.kernel.is_full(host) {
            Err(libc::EMFILE)
        } else {
            self.kernel.open(fd, host, id)
        };
        if let Err(errno) = opened {
            self.kernel.objects.remove(id);
            close_token(fd);
            return Err(errno);
        }
        Ok(fd)
    }

    /// Closes a descriptor, and its object if it was the last one. Does not close the token.
    pub(super) fn close(&mut self, fd: c_int, is_silent: bool) {
        forget(fd);
        self.kernel.real.retain(|(real, _)| *real != fd);
        let entry = usize::try_from(fd).ok().and_then(|fd| self.kernel.descriptors.get_mut(fd));
        let Some(Descriptor { id, host }) = entry.and_then(Option::take) else { return };
        if let Some(host) = self.kernel.hosts.get_mut(host) {
            host.descriptor_count = host.descriptor_count.saturating_sub(1);
        }
        let Some(object) = self.kernel.objects.get_mut(id) else { return };
        object.uses -= 1;
        if object.uses == 0 {
            self.close_object(id, is_silent);
        }
    }

    /// Removes an object. A silent close sends nothing to the peer, because the machine has no
    /// power.
    fn close_object(&mut self, id: Id, is_silent: bool) {
        let Some(object) = self.kernel.objects.remove(id) else { return };
        for (set, fd) in object.watchers {
            if let Some(Object { kind: Kind::Set(set), .. }) = self.kernel.objects.get_mut(set) {
                set.remove(fd);
            }
        }
        match object.kind {
            Kind::Tcp(tcp) => self.close_tcp(tcp, is_silent),
            Kind::Set(set) => {
                for (_, watched) in set.objects() {
                    if let Some(object) = self.kernel.objects.get_mut(watched) {
                        object.watchers.retain(|(watcher, _)| *watcher != id);
                    }
                }
                self.kernel.real.retain(|(_, of)| *of != id);
            }
            Kind::Udp(_) | Kind::Counter(_) => (),
        }
    }

    /// Closes all descriptors of a host.
    pub(super) fn close_all_of(&mut self, host: usize, is_silent: bool) {
        for index in 0..self.kernel.descriptors.len() {
            if self.kernel.descriptors[index].is_some_and(|descriptor| descriptor.host == host) {
                self.close(index as c_int, is_silent);
                close_token(index as c_int);
            }
        }
    }

    /// Reports new events of an object to the epoll sets and to the threads that wait for it.
    pub(super) fn signal(&mut self, id: Id, events: u32) {
        let Some(object) = self.kernel.objects.get(id) else { return };
        let watchers = object.watchers.len();
        for index in 0..watchers {
            let object = self.kernel.objects.get(id);
            let Some(&(set, fd)) = object.and_then(|object| object.watchers.get(index)) else {
                break;
            };
            let entry = self.kernel.objects.get_mut(set);
            if let Some(Object { kind: Kind::Set(entries), .. }) = entry
                && entries.add_ready(fd, events)
            {
                self.wake_waiting(set);
            }
        }
        self.wake_waiting(id);
    }

    /// Wakes the threads that wait for events of an object.
    fn wake_waiting(&mut self, id: Id) {
        let Some(object) = self.kernel.objects.get_mut(id) else { return };
        if object.waiting.is_empty() {
            return;
        }
        // In the order of their starts, so that each draws the same whenever it began to wait.
        let mut waiting = std::mem::take(&mut object.waiting);
        waiting.sort_unstable_by_key(|thread| thread.number);
        waiting.drain(..).for_each(|thread| self.wake(thread));
        if let Some(object) = self.kernel.objects.get_mut(id) {
            object.waiting = waiting;
        }
    }
}

/// Closes a descriptor of the system.
pub(super) fn close_token(fd: c_int) {
    // SAFETY: the call takes a number. The descriptor is a token, which belongs to the kernel of
    // the simulation, or to a host that does not run any more.
    unsafe { original::close(fd) };
}

/// The error number of the last call.
pub(super) fn last_error() -> c_int {
    std::io::Error::last_os_error().raw_os_error().unwrap_or(libc::EIO)
}

/// The host of the calling thread.
pub(super) fn own_host() -> usize {
    thread::me().map_or(0, |me| me.host.get())
}

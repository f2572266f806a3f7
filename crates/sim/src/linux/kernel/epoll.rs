//! Epoll sets and eventfds. As in Linux, an event puts the descriptor on the ready list of each set
//! that contains it. A wait reads the current events of each descriptor on the list. With edge
//! triggering the descriptor then leaves the list.

use std::collections::{BTreeMap, VecDeque};
use std::ffi::c_int;

use super::Id;
use super::descriptors::{Kind, Object, set_watched};
use crate::platform::original;
use crate::platform::world::World;

const ALWAYS: u32 = (libc::EPOLLERR | libc::EPOLLHUP) as u32;
const EDGE: u32 = libc::EPOLLET as u32;
const ONCE: u32 = libc::EPOLLONESHOT as u32;
const IN: u32 = libc::EPOLLIN as u32;
const OUT: u32 = libc::EPOLLOUT as u32;

/// An epoll set. Its token is an epoll set of the system, which contains the descriptors of the
/// system.
#[derive(Debug, Default)]
pub(super) struct Set {
    entries: BTreeMap<c_int, Entry>,
    ready: VecDeque<c_int>,
    /// Whether the system's set may have events.
    asks_system: bool,
}

#[derive(Debug)]
struct Entry {
    id: Id,
    interest: u32,
    data: u64,
    is_ready: bool,
}

impl Set {
    pub(super) fn events(&self) -> u32 {
        if self.ready.is_empty() { 0 } else { IN }
    }

    pub(super) fn objects(&self) -> impl Iterator<Item = (c_int, Id)> {
        self.entries.iter().map(|(fd, entry)| (*fd, entry.id))
    }

    pub(super) fn remove(&mut self, fd: c_int) {
        self.entries.remove(&fd);
        self.ready.retain(|ready| *ready != fd);
    }

    /// Puts a descriptor on the ready list. `true` if the list changed.
    pub(super) fn add_ready(&mut self, fd: c_int, events: u32) -> bool {
        let Some(entry) = self.entries.get_mut(&fd) else { return false };
        let is_wanted =
            (entry.interest | ALWAYS) & events != 0 && entry.interest & !(EDGE | ONCE) != 0;
        if !is_wanted || entry.is_ready {
            return false;
        }
        entry.is_ready = true;
        self.ready.push_back(fd);
        true
    }
}

/// An eventfd.
#[derive(Debug)]
pub(super) struct EventCounter {
    pub(super) count: u64,
    pub(super) is_semaphore: bool,
}

impl EventCounter {
    pub(super) fn events(&self) -> u32 {
        let readable = if self.count > 0 { IN } else { 0 };
        let writable = if self.count < u64::MAX - 1 { OUT } else { 0 };
        readable | writable
    }

    /// Takes the count. `EAGAIN` if it is 0.
    pub(super) fn take(&mut self) -> Result<u64, c_int> {
        if self.count == 0 {
            return Err(libc::EAGAIN);
        }
        let taken = if self.is_semaphore { 1 } else { self.count };
        self.count -= taken;
        Ok(taken)
    }

    pub(super) fn add(&mut self, number: u64) -> Result<(), c_int> {
        if number == u64::MAX {
            return Err(libc::EINVAL);
        }
        let sum = self.count.checked_add(number).filter(|&sum| sum < u64::MAX);
        self.count = sum.ok_or(libc::EAGAIN)?;
        Ok(())
    }
}

/// What `epoll_ctl` changes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Change {
    pub(super) operation: c_int,
    pub(super) fd: c_int,
    pub(super) interest: u32,
    pub(super) data: u64,
}

impl super::Kernel {
    /// Whether the system may have events for an object: for a set with descriptors of the system,
    /// or with `asks_all` for any set.
    pub(in crate::platform) fn is_asked(&self, id: Id, asks_all: bool) -> bool {
        if asks_all {
            let object = self.objects.get(id);
            return object.is_some_and(|object| matches!(object.kind, Kind::Set(_)));
        }
        self.real.iter().any(|(_, set)| *set == id)
    }

    /// Records that the system's set may have events.
    pub(in crate::platform) fn ask_system(&mut self, id: Id) {
        if let Some(Object { kind: Kind::Set(set), .. }) = self.objects.get_mut(id) {
            set.asks_system = true;
        }
    }
}

impl World {
    /// Changes a set for an object of this kernel.
    pub(super) fn change_set(&mut self, set_fd: c_int, change: Change) -> Result<(), c_int> {
        let Change { operation, fd, interest, data } = change;
        let (set_id, id) = (self.kernel.id(set_fd)?, self.kernel.id(fd)?);
        let events = self.kernel.objects.get(id).map_or(0, Object::events);
        let Some(Object { kind: Kind::Set(set), .. }) = self.kernel.objects.get_mut(set_id) else {
            return Err(libc::EINVAL);
        };
        match (operation, set.entries.contains_key(&fd)) {
            (libc::EPOLL_CTL_ADD, true) => return Err(libc::EEXIST),
            (libc::EPOLL_CTL_ADD, false) | (libc::EPOLL_CTL_MOD, true) => {
                let is_ready = set.entries.get(&fd).is_some_and(|entry| entry.is_ready);
                set.entries.insert(fd, Entry { id, interest, data, is_ready });
                let is_new = set.add_ready(fd, events);
                if operation == libc::EPOLL_CTL_ADD
                    && let Some(object) = self.kernel.objects.get_mut(id)
                {
                    object.watchers.push((set_id, fd));
                }
                if is_new {
                    self.signal(set_id, IN);
                }
            }
            (libc::EPOLL_CTL_DEL, true) => {
                set.remove(fd);
                if let Some(object) = self.kernel.objects.get_mut(id) {
                    object.watchers.retain(|watcher| *watcher != (set_id, fd));
                }
            }
            (libc::EPOLL_CTL_DEL | libc::EPOLL_CTL_MOD, false) => return Err(libc::ENOENT),
            _ => return Err(libc::EINVAL),
        }
        Ok(())
    }

    /// Records that a descriptor of the system was added to the system's set, or removed from it.
    pub(super) fn change_real(&mut self, set_fd: c_int, operation: c_int, fd: c_int) {
        let Ok(set) = self.kernel.id(set_fd) else { return };
        match operation {
            libc::EPOLL_CTL_ADD => {
                set_watched(fd);
                self.kernel.real.push((fd, set));
            }
            libc::EPOLL_CTL_DEL => self.kernel.real.retain(|real| *real != (fd, set)),
            _ => (),
        }
    }

    /// Whether the system's set has to be asked for events.
    pub(super) fn takes_system(&mut self, id: Id) -> bool {
        let has_real = self.kernel.real.iter().any(|(_, set)| *set == id);
        match self.kernel.objects.get_mut(id) {
            Some(Object { kind: Kind::Set(set), .. }) => {
                std::mem::take(&mut set.asks_system) || has_real
            }
            _ => true,
        }
    }

    /// Whether a wait for the events of a set would end at once.
    pub(in crate::platform) fn has_events(&mut self, set_fd: c_int, id: Id) -> bool {
        loop {
            let Some(Object { kind: Kind::Set(set), .. }) = self.kernel.objects.get_mut(id) else {
                return false;
            };
            let Some(&fd) = set.ready.front() else {
                let asks = set.asks_system || self.kernel.is_asked(id, false);
                return asks && has_system_events(set_fd);
            };
            if let Some(entry) = set.entries.get(&fd) {
                let (watched, interest) = (entry.id, entry.interest);
                let now = self.kernel.objects.get(watched).map_or(0, Object::events);
                if now & (interest | ALWAYS) != 0 {
                    return true;
                }
            }
            self.skip_first(id);
        }
    }

    /// Removes the first descriptor from the ready list: it has no events any more.
    fn skip_first(&mut self, id: Id) {
        if let Some(Object { kind: Kind::Set(set), .. }) = self.kernel.objects.get_mut(id)
            && let Some(fd) = set.ready.pop_front()
            && let Some(entry) = set.entries.get_mut(&fd)
        {
            entry.is_ready = false;
        }
    }

    /// Takes up to `max` events from a set, and passes them to `put`. Returns how many.
    pub(super) fn take_events(
        &mut self,
        id: Id,
        max: usize,
        mut put: impl FnMut(libc::epoll_event),
    ) -> usize {
        let mut taken = 0;
        let mut again = Vec::new();
        while taken < max {
            let set = self.kernel.objects.get_mut(id);
            let Some(Object { kind: Kind::Set(set), .. }) = set else { break };
            let Some(fd) = set.ready.pop_front() else { break };
            let Some(entry) = set.entries.get_mut(&fd) else { continue };
            entry.is_ready = false;
            let Entry { id: watched, interest, data, .. } = *entry;
            let now = self.kernel.objects.get(watched).map_or(0, Object::events);
            let events = now & (interest | ALWAYS);
            if events == 0 {
                continue;
            }
            put(libc::epoll_event { events, u64: data });
            taken += 1;
            if interest & ONCE != 0 {
                self.disarm(id, fd);
            } else if interest & EDGE == 0 {
                again.push(fd);
            }
        }
        if let Some(Object { kind: Kind::Set(set), .. }) = self.kernel.objects.get_mut(id) {
            for fd in again {
                set.add_ready(fd, u32::MAX);
            }
        }
        taken
    }

    fn disarm(&mut self, id: Id, fd: c_int) {
        if let Some(Object { kind: Kind::Set(set), .. }) = self.kernel.objects.get_mut(id)
            && let Some(entry) = set.entries.get_mut(&fd)
        {
            entry.interest &= EDGE | ONCE;
        }
    }
}

/// Whether the system's set has events.
pub(in crate::platform) fn has_system_events(set_fd: c_int) -> bool {
    let mut polled = libc::pollfd { fd: set_fd, events: libc::POLLIN, revents: 0 };
    // SAFETY: the pointer is that of one entry. A timeout of 0 does not wait.
    unsafe { original::poll(&mut polled, 1, 0) > 0 }
}

/// Asks the system's set for events, without a wait.
pub(super) fn system_events(set_fd: c_int, room: usize) -> Vec<libc::epoll_event> {
    let mut events = vec![libc::epoll_event { events: 0, u64: 0 }; room];
    let max = c_int::try_from(room).unwrap_or(c_int::MAX);
    if max == 0 {
        return events;
    }
    // SAFETY: the pointer and the count are those of the vector. A timeout of 0 does not wait.
    let count = unsafe { original::epoll_wait(set_fd, events.as_mut_ptr(), max, 0) };
    events.truncate(usize::try_from(count).unwrap_or(0));
    events
}

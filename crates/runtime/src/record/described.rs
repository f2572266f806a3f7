//! What an event says about a task that begins or ends.

use std::panic::Location;

use reveille_trace::{Origin, TaskKey};

use super::names::Names;

/// A task as an event describes it. The recorder asks for the name and the size of the type only if
/// the thread has not recorded a task of this type and place before.
pub(crate) trait Described: Copy {
    fn key(&self) -> TaskKey;
    fn place(&self) -> Option<&'static Location<'static>>;
    /// What stands for the type, see `TaskRef::type_addr`.
    fn type_addr(&self) -> usize;
    fn type_name(&self) -> &'static str;
    fn size(&self) -> usize;

    /// A number for the place, which two tasks share if and only if they share the place.
    fn place_key(&self) -> usize;

    /// The address of the place; 0 if that is not known.
    #[inline]
    fn place_addr(&self) -> usize {
        self.place().map_or(0, |place| (&raw const *place).addr())
    }
}

/// What tasks have in common if one word is enough for the spawn, or the end, of the later one.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct Like {
    place: usize,
    type_addr: usize,
}

impl Like {
    /// Like no task: no type has this address.
    pub(super) const NONE: Like = Like { place: 0, type_addr: 0 };

    #[inline]
    pub(super) fn of(task: impl Described) -> Like {
        Like { place: task.place_key(), type_addr: task.type_addr() }
    }
}

/// The numbers of a place and a type that the thread has not recorded lately.
#[cold]
#[inline(never)]
pub(super) fn new_origin(names: &Names, task: impl Described) -> Origin {
    Origin {
        place: task.place().map_or(0, |place| names.place(place)),
        type_id: names.future_type(task.type_addr(), task.type_name(), task.size()),
    }
}

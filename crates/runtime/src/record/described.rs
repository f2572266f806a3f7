//! What an event says about a task that begins or ends.

use std::panic::Location;

use reveille_trace::{Flavour, Origin, TaskKey};

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

    /// The address of the place; 0 if that is not known.
    #[inline]
    fn place_addr(&self) -> usize {
        self.place().map_or(0, |place| (&raw const *place).addr())
    }
}

/// What spawns, or ends, of tasks have in common if one word is enough for the later one.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct Like {
    place: usize,
    type_addr: usize,
    pub(super) flavour: Flavour,
}

impl Like {
    /// Like no task.
    pub(super) const NONE: Like = Like { place: usize::MAX, type_addr: 0, flavour: Flavour::Pool };

    #[inline]
    pub(super) fn spawned(task: impl Described, flavour: Flavour) -> Like {
        Like { place: task.place_addr(), type_addr: task.type_addr(), flavour }
    }

    /// The end of a task does not state its flavour.
    #[inline]
    pub(super) fn ended(task: impl Described) -> Like {
        Like::spawned(task, Flavour::default())
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
